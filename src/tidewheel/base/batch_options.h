// Options of bounded jobs that run stage by stage (docs/guide/batch.md).
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel {
namespace options {

inline constexpr TextOption kRuntimeMode{
    {"execution.runtime-mode", OptionKind::kText, "STREAMING",
     "STREAMING: all tasks run at once, with checkpoints. BATCH: for bounded jobs; no checkpoints, "
     "and stage by stage where execution.batch-shuffle-mode says so."}};
inline constexpr TextOption kBatchShuffleMode{
    {"execution.batch-shuffle-mode", OptionKind::kText, "ALL_EXCHANGES_BLOCKING",
     "With execution.runtime-mode BATCH. ALL_EXCHANGES_BLOCKING: rows between tasks are kept in "
     "files until all that send them have ended; what receives them starts then, and is started "
     "again from the files. ALL_EXCHANGES_PIPELINED: rows go from task to task as they come."}};

}  // namespace options

struct BatchSettings {
  bool is_batch = false;         // no checkpoints are taken
  bool exchanges_block = false;  // between tasks, all of them
};
// Errors: kBadOptionValue.
Result<BatchSettings> batch_settings(const Config& config);

}  // namespace tidewheel
