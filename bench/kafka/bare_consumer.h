// What librdkafka alone reaches, and librdkafka with simdjson: the measures for the source.
#pragma once
#include <cstdint>
#include <string>

#include "tidewheel/base/status.h"

namespace tidewheel::bench {

enum class BareDecoding : uint8_t {
  kNone,  // messages are counted
  kJson,  // each is decoded into a struct, its strings copied, as a program by hand would do it
};

struct BareRun {
  int64_t messages = 0;
  int64_t bytes = 0;  // of values
  int64_t sum = 0;    // of what was decoded, so that it was
};

// Reads `messages` messages of all partitions from their beginning, in batches, by one thread.
Result<BareRun> consume_bare(const std::string& brokers, const std::string& topic,
                             int32_t partitions, int64_t messages, BareDecoding decoding);

}  // namespace tidewheel::bench
