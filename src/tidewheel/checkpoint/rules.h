// How a job's checkpoints are to be taken, as the configuration says.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;  // base/config.h

// Which checkpoints stay when the job ends without having finished.
enum class CheckpointRetention : uint8_t {
  kNone,                  // none
  kDeleteOnCancellation,  // the newest ones after a failure
  kRetainOnCancellation,  // also after a cancellation
};

struct CheckpointRules {
  int64_t interval_ns = 0;  // 0: none are taken by themselves
  int64_t timeout_ns = int64_t{600} * 1'000'000'000;
  int64_t min_pause_ns = 0;
  int32_t concurrent_max = 1;
  int64_t tolerable_failures = 0;
  bool exactly_once = true;
  int64_t unaligned_after_ns = Clock::kNever;  // as in CheckpointPlan
  bool after_tasks_finish = true;
  int32_t retained = 1;
  bool incremental = false;
  CheckpointRetention retention = CheckpointRetention::kNone;
  size_t history = 10;
  // Of marks between the barriers of checkpoints; 0: there are none.
  int64_t epoch_interval_ns = 0;
  std::string savepoint_directory;
  bool has_directory = true;  // for checkpoints

  // Tasks wait, at the end of their data, for a checkpoint that holds all they did.
  bool waits_for_final() const { return interval_ns > 0 && after_tasks_finish; }
};

// Errors: kBadOptionValue.
Result<CheckpointRules> checkpoint_rules(const Config& config);

}  // namespace tidewheel
