#include "tidewheel/base/options.h"

namespace tidewheel {

std::span<const ConfigOption* const> all_options() {
  static constexpr const ConfigOption* kAll[] = {
      &options::kBufferTimeout,
      &options::kLatencyInterval,
      &options::kParallelism,
      &options::kAutoGenerateUids,
      &options::kAutoWatermarkInterval,
      &options::kIncrementalCheckpoints,
      &options::kMaxParallelism,
      &options::kPipelineName,
      &options::kOperatorChaining,
      &options::kBatchRows,
      &options::kJobMemory,
      &options::kCredits,
      &options::kTaskSlots,
  };
  return kAll;
}

}  // namespace tidewheel
