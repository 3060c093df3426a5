// How a TaskManager divides its memory: one number is enough (taskmanager.memory.process.size).
#pragma once
#include <cstdint>

#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;  // base/config.h

struct MemoryPlan {
  int64_t process_bytes = 0;  // of the TaskManager and all its workers: never exceeded
  int64_t own_bytes = 0;      // of the TaskManager itself
  int64_t slot_bytes = 0;     // of each slot: an equal part of the rest
  double managed_fraction = 0;

  // What the worker of so many slots may take from the system, in all.
  int64_t worker_limit_bytes(int32_t slots) const { return slot_bytes * slots; }
  // What it may account for: batches, state, timers. The rest is for what is not counted: code,
  // stacks, libraries, and what the allocator keeps.
  int64_t worker_accounted_bytes(int32_t slots) const;
};

// Errors: kMemorySizes, with the sums.
Result<MemoryPlan> plan_memory(const Config& config, int32_t slots, int64_t machine_bytes);

}  // namespace tidewheel
