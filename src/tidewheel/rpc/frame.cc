#include "tidewheel/rpc/frame.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tidewheel/base/check.h"

namespace tidewheel {

Result<Transfer::State> FrameReader::fill(Connection& connection) {
  if (placed_to_ != nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const Transfer got,
        connection.read({placed_to_ + placed_bytes_, placed_length_ - placed_bytes_}));
    if (got.state == Transfer::State::kMoved) { placed_bytes_ += static_cast<size_t>(got.bytes); }
    return got.state;
  }
  make_room();
  size_t room = capacity_ - end_;
  if (was_placed_) { room = std::min(room, kReadBehindPlaced); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const Transfer got, connection.read({buffer_.get() + end_, room}));
  if (got.state == Transfer::State::kMoved) { end_ += static_cast<size_t>(got.bytes); }
  return got.state;
}

void FrameReader::add(std::string_view bytes) {
  if (placed_to_ != nullptr) {
    const size_t count = std::min(bytes.size(), placed_length_ - placed_bytes_);
    std::memcpy(placed_to_ + placed_bytes_, bytes.data(), count);
    placed_bytes_ += count;
    bytes.remove_prefix(count);
  }
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

// What is there of the body goes to its place, and the rest is read to there.
void FrameReader::place_body(const Frame& frame, size_t length, BodyPlaces* places) {
  if (places == nullptr || length < kPlacedBytesMin) { return; }
  placed_to_ = places->place(frame, length);
  if (placed_to_ == nullptr) { return; }
  placed_ = frame;
  placed_length_ = length;
  placed_bytes_ = end_ - begin_ - kFrameHeaderBytes;
  std::memcpy(placed_to_, buffer_.get() + begin_ + kFrameHeaderBytes, placed_bytes_);
  begin_ = end_;
  wanted_ = 0;
}

Result<bool> FrameReader::next(Frame& frame, BodyPlaces* places) {
  if (placed_to_ != nullptr) {
    if (placed_bytes_ < placed_length_) { return false; }
    frame = placed_;
    frame.body = {std::exchange(placed_to_, nullptr), placed_length_};
    frame.is_placed = true;
    was_placed_ = true;
    return true;
  }
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
  frame.is_placed = false;
  if (waiting.size() < wanted_) {
    place_body(frame, length, places);
    return false;
  }
  was_placed_ = false;
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
