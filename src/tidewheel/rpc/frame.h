// Cuts a connection's stream of bytes into frames, and puts frames into one. All integers are
// little-endian:
//
//   length u32 (of the body) | type u8 | flags u8 | reserved u16 = 0 | number u32 | body
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

inline constexpr size_t kFrameHeaderBytes = 12;

struct Frame {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t number = 0;
  std::string_view body;
  bool is_placed = false;  // the body lies where `BodyPlaces` has said
};

// Where long bodies go, instead of into the reader's buffer.
class BodyPlaces {
 public:
  // Room for a body of `size` bytes, which stays until `next` has given out the frame or the reader
  // is gone; null: the buffer will do. `frame` has no body yet.
  virtual char* place(const Frame& frame, size_t size) = 0;

 protected:
  ~BodyPlaces() = default;
};

// Used by one thread, as the connection is.
class FrameReader {
 public:
  // A frame with a longer body is an error, and is noticed before memory is taken for it. The
  // buffer grows for frames that are longer than it, and is small again behind them.
  explicit FrameReader(uint32_t body_bytes_max, size_t buffer_bytes = size_t{16} << 10)
      : body_bytes_max_(body_bytes_max), buffer_bytes_(buffer_bytes) {}
  // Of a peer that has said who it is.
  void set_limits(uint32_t body_bytes_max, size_t buffer_bytes) {
    body_bytes_max_ = body_bytes_max;
    buffer_bytes_ = buffer_bytes;
  }

  // Reads once from the connection. Invalidates bodies. Call `next` until it is false first.
  Result<Transfer::State> fill(Connection& connection);
  // The same with bytes that are there already.
  void add(std::string_view bytes);
  // True: `frame` is the next whole frame; its body lies in the reader, or in its place. Errors:
  // kRpcMessage.
  Result<bool> next(Frame& frame, BodyPlaces* places = nullptr);
  // Bytes of a frame that is not whole have been read.
  bool is_inside_frame() const { return begin_ != end_ || placed_to_ != nullptr; }

 private:
  // Bodies that are shorter are read faster together with what follows them.
  static constexpr size_t kPlacedBytesMin = size_t{16} << 10;
  // What is read behind a body that had its place: what follows is likely to be its like, and what
  // comes with its header has to be moved.
  static constexpr size_t kReadBehindPlaced = 4096;

  void make_room();
  void place_body(const Frame& frame, size_t length, BodyPlaces* places);

  uint32_t body_bytes_max_;
  size_t buffer_bytes_;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t begin_ = 0;  // of what was not given out
  size_t end_ = 0;
  size_t wanted_ = 0;  // bytes of the frame at begin_, header included, once they are known
  // ---- A body that has a place.
  Frame placed_;
  char* placed_to_ = nullptr;
  size_t placed_bytes_ = 0;
  size_t placed_length_ = 0;
  bool was_placed_ = false;  // the frame before
};

class FrameWriter {
 public:
  // Begins a frame; its body is what is appended to the answer until `finish`.
  std::string& begin(uint8_t type, uint8_t flags, uint32_t number);
  void finish();
  // Drops the frame that was begun.
  void abandon() { buffer_.resize(frame_); }
  // The body of the frame that was begun, so far.
  std::string_view body() const {
    return std::string_view(buffer_).substr(frame_ + kFrameHeaderBytes);
  }
  void set_flags(uint8_t flags) { buffer_[frame_ + 5] = static_cast<char>(flags); }
  void set_body(std::string_view body);
  void add(uint8_t type, uint8_t flags, uint32_t number, std::string_view body);

  size_t unsent_bytes() const { return buffer_.size() - sent_; }
  // Writes what it can. True: all is written.
  Result<bool> flush(Connection& connection);

 private:
  std::string buffer_;
  size_t sent_ = 0;
  size_t frame_ = 0;  // where the frame that was begun begins
};

// ---- Integers in bodies.

template <class Number>
void put_number(std::string& out, Number number) {
  char bytes[sizeof(Number)];
  for (size_t i = 0; i < sizeof(Number); ++i) {
    bytes[i] = static_cast<char>(static_cast<uint64_t>(number) >> (8 * i));
  }
  out.append(bytes, sizeof(Number));
}
// Up to 65535 bytes, with their length before them.
void put_text(std::string& out, std::string_view text);

// Takes numbers and texts from the front. After a failure all are 0 and empty.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}
  template <class Number>
  Number number() {
    if (rest_.size() < sizeof(Number)) {
      fail();
      return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(Number); ++i) {
      value |= uint64_t{static_cast<uint8_t>(rest_[i])} << (8 * i);
    }
    rest_.remove_prefix(sizeof(Number));
    return static_cast<Number>(value);
  }
  std::string_view text();
  std::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }

 private:
  void fail() {
    ok_ = false;
    rest_ = {};
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace tidewheel
