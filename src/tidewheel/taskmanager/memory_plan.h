// How a TaskManager divides its memory: one number is enough (taskmanager.memory.process.size), and
// others are possible (base/memory_sizes.h).
#pragma once
#include <cstdint>
#include <string>

#include "tidewheel/base/memory_sizes.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;  // base/config.h

struct MemoryPlan {
  MemorySizes sizes;  // of the TaskManager and all its workers: never exceeded
  int32_t slots = 1;  // which have equal parts of all but what is the TaskManager's own

  int64_t slot_bytes() const { return worker_limit_bytes(1); }
  // What the worker of so many slots may take from the system, in all.
  int64_t worker_limit_bytes(int32_t its_slots) const;
  // What it may account for: batches, state, timers. The rest is for what is not counted: code,
  // stacks, libraries, and what the allocator keeps.
  int64_t worker_accounted_bytes(int32_t its_slots) const;
  // Of that.
  int64_t worker_managed_bytes(int32_t its_slots) const;
  int64_t worker_network_bytes(int32_t its_slots) const;

  // For the log: "2 gb: 64 mb its own, ...".
  std::string describe() const;
};

// Errors: kMemorySizes, with the sums.
Result<MemoryPlan> plan_memory(const Config& config, int32_t slots, int64_t machine_bytes);

}  // namespace tidewheel
