#include "tidewheel/rpc/frame.h"

#include <algorithm>
#include <cstring>

#include "tidewheel/base/check.h"

namespace tidewheel {

Result<Transfer::State> FrameReader::fill(Connection& connection) {
  make_room();
  TIDEWHEEL_ASSIGN_OR_RETURN(const Transfer got,
                             connection.read({buffer_.get() + end_, capacity_ - end_}));
  if (got.state == Transfer::State::kMoved) { end_ += static_cast<size_t>(got.bytes); }
  return got.state;
}

void FrameReader::add(std::string_view bytes) {
  while (!bytes.empty()) {
    make_room();
    const size_t count = std::min(bytes.size(), capacity_ - end_);
    std::memcpy(buffer_.get() + end_, bytes.data(), count);
    end_ += count;
    bytes.remove_prefix(count);
    if (end_ == capacity_) { wanted_ = std::max(wanted_, capacity_ + buffer_bytes_); }
  }
}

void FrameReader::make_room() {
  const size_t needed = std::max(wanted_, buffer_bytes_);
  if (capacity_ < needed || (capacity_ > needed && begin_ == end_)) {
    auto larger = std::make_unique_for_overwrite<char[]>(needed);
    if (begin_ != end_) { std::memcpy(larger.get(), buffer_.get() + begin_, end_ - begin_); }
    buffer_ = std::move(larger);
    capacity_ = needed;
  } else if (begin_ == end_) {
  } else if (begin_ + wanted_ > capacity_ || end_ == capacity_) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  } else {
    return;
  }
  end_ -= begin_;
  begin_ = 0;
}

Result<bool> FrameReader::next(Frame& frame) {
  const std::string_view waiting(buffer_.get() + begin_, end_ - begin_);
  wanted_ = kFrameHeaderBytes;
  if (waiting.size() < kFrameHeaderBytes) { return false; }
  FieldReader header(waiting.substr(0, kFrameHeaderBytes));
  const auto length = header.number<uint32_t>();
  frame.type = header.number<uint8_t>();
  frame.flags = header.number<uint8_t>();
  const auto reserved = header.number<uint16_t>();
  frame.number = header.number<uint32_t>();
  if (length > body_bytes_max_ || reserved != 0) {
    return data_loss(ErrorId::kRpcMessage,
                     "the peer sends something else than frames: a length of {}, where up to {} is "
                     "accepted, and reserved bits {:#x}",
                     length, body_bytes_max_, reserved);
  }
  wanted_ = kFrameHeaderBytes + length;
  if (waiting.size() < wanted_) { return false; }
  frame.body = waiting.substr(kFrameHeaderBytes, length);
  begin_ += wanted_;
  wanted_ = 0;
  return true;
}

std::string& FrameWriter::begin(uint8_t type, uint8_t flags, uint32_t number) {
  frame_ = buffer_.size();
  put_number<uint32_t>(buffer_, 0);
  put_number(buffer_, type);
  put_number(buffer_, flags);
  put_number<uint16_t>(buffer_, 0);
  put_number(buffer_, number);
  return buffer_;
}

void FrameWriter::finish() {
  const size_t length = buffer_.size() - frame_ - kFrameHeaderBytes;
  TIDEWHEEL_CHECK(length <= UINT32_MAX, "a frame's length has 32 bits");
  for (size_t i = 0; i < 4; ++i) {
    buffer_[frame_ + i] = static_cast<char>(static_cast<uint8_t>(length >> (8 * i)));
  }
}

void FrameWriter::set_body(std::string_view body) {
  buffer_.resize(frame_ + kFrameHeaderBytes);
  buffer_.append(body);
}

void FrameWriter::add(uint8_t type, uint8_t flags, uint32_t number, std::string_view body) {
  begin(type, flags, number).append(body);
  finish();
}

Result<bool> FrameWriter::flush(Connection& connection) {
  while (sent_ < buffer_.size()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Transfer put,
                               connection.write(std::string_view(buffer_).substr(sent_)));
    if (put.state != Transfer::State::kMoved) {
      // What is sent goes when it is most of the buffer, so that bytes move once on average.
      if (sent_ > buffer_.size() / 2) {
        buffer_.erase(0, sent_);
        sent_ = 0;
      }
      return false;
    }
    sent_ += static_cast<size_t>(put.bytes);
  }
  buffer_.clear();
  sent_ = 0;
  return true;
}

void put_text(std::string& out, std::string_view text) {
  text = text.substr(0, UINT16_MAX);
  put_number(out, static_cast<uint16_t>(text.size()));
  out.append(text);
}

std::string_view FieldReader::text() {
  const size_t size = number<uint16_t>();
  if (rest_.size() < size) {
    fail();
    return {};
  }
  const std::string_view text = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return text;
}

}  // namespace tidewheel
