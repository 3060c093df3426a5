// What librdkafka alone reaches: the measure for the source.
#pragma once
#include <cstdint>
#include <string>

#include "tidewheel/base/status.h"

namespace tidewheel::bench {

struct BareRun {
  int64_t messages = 0;
  int64_t bytes = 0;  // of values
};

// Reads `messages` messages of all partitions from their beginning, in batches, by one thread.
Result<BareRun> consume_bare(const std::string& brokers, const std::string& topic,
                             int32_t partitions, int64_t messages);

}  // namespace tidewheel::bench
