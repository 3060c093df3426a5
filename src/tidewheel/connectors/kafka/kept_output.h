// The messages of a transaction, kept until its commit is confirmed so that they can be sent again.
//
// They lie in blocks, each compressed with LZ4 when that makes it smaller:
//   raw size uint32, stored size uint32 (equal: not compressed), stored bytes
// A block holds whole messages, in the order in which they were sent:
//   flags (1 key, 2 value, 4 partition, 8 time), [partition int32], [time int64],
//   [key], [value], headers: varint count, of each name, 1 byte 0 or 1, [value]
// where key, value and names are a varint size and bytes.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::kafka {

class KeptOutput {
 public:
  void add(const OutgoingMessage& message);
  // What it takes in memory, about.
  int64_t bytes() const { return static_cast<int64_t>(blocks_.size() + block_.size()); }
  int64_t message_count() const { return message_count_; }
  // All blocks; nothing is kept afterwards.
  std::string take();

 private:
  void close_block();

  Writer block_;
  std::string blocks_;
  int64_t message_count_ = 0;
};

// Calls `use` for each message, until it fails. Views live as long as the call. Errors: those of
// `use`; kSerializedData when the bytes are damaged.
Status for_each_message(std::string_view kept,
                        const std::function<Status(const OutgoingMessage&)>& use);

}  // namespace tidewheel::kafka
