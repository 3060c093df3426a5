#include "tidewheel/connectors/kafka/sink.h"

namespace tidewheel::kafka {

void MessageBuilder::begin(int32_t partition_count, int64_t timestamp_ms) {
  key_.clear();
  value_.clear();
  has_key_ = false;
  has_value_ = false;
  own_headers_.clear();
  partition_count_ = partition_count;
  message_ = {};
  // Times before 1970 can't be written.
  if (timestamp_ms >= 0) { message_.timestamp_ms = timestamp_ms; }
}

void MessageBuilder::header(std::string_view name, std::optional<std::string_view> value) {
  own_headers_.push_back({std::string(name), std::nullopt});
  if (value.has_value()) { own_headers_.back().value = std::string(*value); }
}

void MessageBuilder::drop_line_feed() {
  if (!value_.empty() && value_.back() == '\n') { value_.pop_back(); }
}

const OutgoingMessage& MessageBuilder::finish() {
  if (has_key_) { message_.key = key_; }
  if (has_value_) { message_.value = value_; }
  headers_.clear();
  for (const OwnHeader& header : own_headers_) {
    headers_.push_back({header.name, std::nullopt});
    if (header.value.has_value()) { headers_.back().value = *header.value; }
  }
  message_.headers = headers_;
  return message_;
}

}  // namespace tidewheel::kafka
