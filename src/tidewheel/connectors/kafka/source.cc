#include "tidewheel/connectors/kafka/source.h"

namespace tidewheel::kafka {

Result<bool> RecordDecoder::read(const MessageView& view, SourceOut<Record>& out) {
  const Message& message = view.message();
  headers_.clear();
  view.headers(headers_);
  Record& row = out.emit(Record{}, message.timestamp_ms < 0 ? kNoTimestamp : message.timestamp_ms);
  row.topic = out.intern(view.topic());
  row.partition = view.partition();
  row.offset = message.offset;
  row.time = Timestamp(message.timestamp_ms);
  if (message.has_key) { row.key = out.intern(message.key); }
  if (message.has_value) { row.value = out.intern(message.value); }
  for (const Header& header : headers_) {
    RecordHeader& made = row.headers.emplace_back();
    made.name = out.intern(header.name);
    if (header.value.has_value()) { made.value = out.intern(*header.value); }
  }
  return true;
}

}  // namespace tidewheel::kafka
