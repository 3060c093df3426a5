#include "tidewheel/base/batch_options.h"

#include <algorithm>
#include <string>

namespace tidewheel {
namespace {

std::string upper_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

}  // namespace

Result<BatchSettings> batch_settings(const Config& config) {
  BatchSettings settings;
  const std::string mode = upper_case(config.get(options::kRuntimeMode));
  if (mode == "AUTOMATIC") {
    return invalid_argument(
        ErrorId::kBadOptionValue,
        "{} is AUTOMATIC, but sources do not say whether they end: choose BATCH "
        "if all of them do, or else STREAMING",
        options::kRuntimeMode.key);
  }
  if (mode != "STREAMING" && mode != "BATCH") {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is '{}'; STREAMING and BATCH are possible",
                            options::kRuntimeMode.key, config.get(options::kRuntimeMode));
  }
  settings.is_batch = mode == "BATCH";
  const std::string shuffle = upper_case(config.get(options::kBatchShuffleMode));
  if (shuffle != "ALL_EXCHANGES_BLOCKING" && shuffle != "ALL_EXCHANGES_PIPELINED") {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is '{}'; ALL_EXCHANGES_BLOCKING and ALL_EXCHANGES_PIPELINED are "
                            "possible",
                            options::kBatchShuffleMode.key, config.get(options::kBatchShuffleMode));
  }
  settings.exchanges_block = settings.is_batch && shuffle == "ALL_EXCHANGES_BLOCKING";
  return settings;
}

}  // namespace tidewheel
