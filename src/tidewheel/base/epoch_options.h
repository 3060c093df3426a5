// Options of epochs: cuts through a whole job, behind which results are complete
// (docs/guide/sql.md).
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr DurationOption kEpochInterval{
    {"execution.epoch.interval", OptionKind::kDuration, "0 ms",
     "How often all sources mark the end of an epoch; checkpoints are aligned then, whatever else "
     "is set. 0: there are none. SQL sets it with 'consistency' = 'epoch'.",
     0}};

}  // namespace tidewheel::options
