#include "tidewheel/rpc/session.h"

#include <algorithm>
#include <utility>

#include "tidewheel/rpc/message.h"

namespace tidewheel::rpc {

void Session::send(std::string message) {
  const auto shared = std::make_shared<const std::string>(std::move(message));
  size_t begin = 0;
  do {
    const size_t end = std::min(shared->size(), begin + kPartBytes);
    unacknowledged_bytes_ += static_cast<int64_t>(end - begin + kPartCost);
    parts_.push_back({shared, begin, end});
    begin = end;
  } while (begin < shared->size());
}

void Session::write_to(FrameWriter& writer, size_t bytes_max) {
  for (; next_ < parts_.size() && writer.unsent_bytes() < bytes_max; ++next_) {
    const Part& part = parts_[next_];
    const uint8_t flags = part.end == part.message->size() ? kLast : 0;
    std::string& out = writer.begin(static_cast<uint8_t>(FrameType::kPart), flags, 0);
    put_number(out, first_ + next_);
    put_number(out, acknowledgement());
    out.append(*part.message, part.begin, part.end - part.begin);
    writer.finish();
  }
}

Status Session::acknowledge(uint64_t sequence) {
  if (sequence + 1 < first_) { return ok_status(); }
  const uint64_t count = sequence + 1 - first_;
  if (count > next_) {
    return data_loss(ErrorId::kRpcMessage, "the peer has received {} parts, and {} were sent",
                     sequence, first_ + next_ - 1);
  }
  for (uint64_t i = 0; i < count; ++i) {
    const Part& part = parts_.front();
    unacknowledged_bytes_ -= static_cast<int64_t>(part.end - part.begin + kPartCost);
    parts_.pop_front();
  }
  first_ += count;
  next_ -= count;
  return ok_status();
}

Status Session::resume(uint64_t received) {
  TIDEWHEEL_RETURN_IF_ERROR(acknowledge(received));
  if (received + 1 != first_) {
    return data_loss(ErrorId::kRpcMessage, "the peer has received {} parts, and had {}", received,
                     first_ - 1);
  }
  next_ = 0;
  return ok_status();
}

Result<bool> Session::take_part(std::string_view body, bool is_last, std::string& message) {
  FieldReader in(body);
  const auto sequence = in.number<uint64_t>();
  const auto acknowledged = in.number<uint64_t>();
  if (!in.ok() || sequence != received_ + 1) {
    return data_loss(ErrorId::kRpcMessage, "part {} of what the peer sends came after part {}",
                     sequence, received_);
  }
  TIDEWHEEL_RETURN_IF_ERROR(acknowledge(acknowledged));
  if (in.rest().size() > message_bytes_max_ - incoming_.size()) {
    return data_loss(ErrorId::kRpcMessage, "a message of the peer has more than {} bytes",
                     message_bytes_max_);
  }
  received_ = sequence;
  unacknowledged_in_ += in.rest().size() + kPartCost;
  incoming_.append(in.rest());
  if (!is_last) { return false; }
  message = std::exchange(incoming_, {});
  return true;
}

}  // namespace tidewheel::rpc
