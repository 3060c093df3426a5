#include "tidewheel/base/fixed_options.h"

namespace tidewheel {
namespace {

constexpr std::string_view kNoMerging =
    "each task writes one file a checkpoint, and small state goes into the metadata file "
    "(execution.checkpointing.data-inline-threshold)";

constexpr std::string_view kPipelinedOnly =
    "rows go from task to task as they come, also in bounded jobs; no exchange keeps them until "
    "their sender has ended";

constexpr FixedOption kFixed[] = {
    {"execution.batch-shuffle-mode", "ALL_EXCHANGES_PIPELINED", kPipelinedOnly},
    {"execution.runtime-mode", "STREAMING", kPipelinedOnly},
    {"execution.checkpointing.storage", "filesystem",
     "checkpoints are always in files; small state is in the metadata file",
     "state.checkpoint-storage"},
    {"execution.checkpointing.file-merging.enabled", "false", kNoMerging},
    {"execution.checkpointing.file-merging.across-checkpoint-boundary", "false", kNoMerging},
    {"execution.checkpointing.file-merging.max-file-size", "", kNoMerging},
    {"execution.checkpointing.file-merging.max-space-amplification", "", kNoMerging},
    {"execution.checkpointing.file-merging.pool-blocking", "false", kNoMerging},
    {"execution.checkpointing.interval-during-backlog", "",
     "no source tells whether it works on a backlog; execution.checkpointing.interval holds "
     "always"},
    {"execution.checkpointing.unaligned.forced", "false",
     "barriers overtake on every edge whose rows can be given back to whom they belong, and are "
     "aligned on all others",
     "execution.checkpointing.force-unaligned"},
    {"execution.checkpointing.unaligned.interruptible-timers.enabled", "false",
     "timers that fire when an unaligned barrier comes do not wait for their outputs, so there is "
     "nothing to interrupt"},
    {"execution.checkpointing.unaligned.max-subtasks-per-channel-state-file", "1",
     "rows in flight are in the file of the task that gets them"},
    {"execution.checkpointing.write-buffer-size", "",
     "state is written in blocks of 64 KB, some of them at a time",
     "state.storage.fs.write-buffer-size"},
    {"execution.checkpointing.cleaner.parallel-mode", "false",
     "files are deleted one after another, on a thread of their own"},
};

}  // namespace

std::span<const FixedOption> fixed_options() { return kFixed; }

}  // namespace tidewheel
