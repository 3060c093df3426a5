#include "tidewheel/base/batch_options.h"

#include <string>

#include "tidewheel/base/letter_case.h"

namespace tidewheel {

Result<BatchSettings> batch_settings(const Config& config) {
  BatchSettings settings;
  const std::string mode = config.get(options::kRuntimeMode);
  if (same_word(mode, "AUTOMATIC")) {
    return invalid_argument(
        ErrorId::kBadOptionValue,
        "{} is AUTOMATIC, but a job does not choose by its sources: choose BATCH if all of them "
        "end, or else STREAMING",
        options::kRuntimeMode.key);
  }
  settings.is_batch = same_word(mode, "BATCH");
  if (!settings.is_batch && !same_word(mode, "STREAMING")) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is '{}'; STREAMING and BATCH are possible",
                            options::kRuntimeMode.key, mode);
  }
  const std::string shuffle = config.get(options::kBatchShuffleMode);
  const bool is_blocking = same_word(shuffle, "ALL_EXCHANGES_BLOCKING");
  if (!is_blocking && !same_word(shuffle, "ALL_EXCHANGES_PIPELINED")) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is '{}'; ALL_EXCHANGES_BLOCKING and ALL_EXCHANGES_PIPELINED are "
                            "possible",
                            options::kBatchShuffleMode.key, shuffle);
  }
  settings.exchanges_block = settings.is_batch && is_blocking;
  return settings;
}

}  // namespace tidewheel
