// The splits of a Kafka source: one for each partition, from an offset to an offset.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/options.h"

namespace tidewheel::kafka {

// A partition and how far it was read. Kept in checkpoints.
struct PartitionSplit {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = kOffsetEarliest;  // the next one to be read
  int64_t stop = kNoOffset;          // the first one that is not read; kNoOffset: there is no end

  TopicPartition place() const { return {topic, partition}; }
  std::string id() const { return topic + "-" + std::to_string(partition); }
  bool has_end() const { return stop != kNoOffset; }
};

// All partitions there are now. Blocks. `first`: they are read from where the options say;
// otherwise they are new, and read from their beginning, and what can't be asked now is asked the
// next time. Errors: those of Admin; kKafkaOffset when the group has no offsets; kConnectorOption
// when a partition has no end in a list of ends.
Result<std::vector<PartitionSplit>> find_splits(const SourceOptions& options, bool first);

}  // namespace tidewheel::kafka
