// The wire format of Protocol Buffers: fields, each a tag and a value.
//
//   tag       varint: the field's number << 3 | wire type
//   0 varint  7 bits a byte, the lowest first, with the high bit where more follow, up to 10 bytes
//   1         8 bytes, 5: 4 bytes, little-endian
//   2         varint: size; then so many bytes: text, a message, or packed elements
//   3, 4      begin and end of a group, which is a message without a size
//
// Whole numbers that are signed are varints of their 64 bits, or (sint) zigzag.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "tidewheel/types/varint.h"

namespace tidewheel::protobuf {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

enum Wire : uint32_t {
  kVarint = 0,
  kEight = 1,
  kSized = 2,
  kBeginGroup = 3,
  kEndGroup = 4,
  kFour = 5,
};
inline constexpr uint32_t make_tag(uint32_t number, uint32_t wire) { return number << 3 | wire; }
inline constexpr uint32_t kNumberMax = (1U << 29) - 1;
// As libprotobuf's own.
inline constexpr int32_t kDepthMax = 100;

inline int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}
inline uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

// Reads from bytes that somebody else keeps. Every call that answers false has found that the bytes
// end too early, or are no such value.
class WireReader {
 public:
  WireReader() = default;
  explicit WireReader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  const char* at() const { return at_; }
  const char* end() const { return end_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  bool read_varint(uint64_t& value) {
    if (at_ == end_) [[unlikely]] { return false; }
    const uint64_t first = static_cast<uint8_t>(at_[0]);
    if (first < 0x80) [[likely]] {
      ++at_;
      value = first;
      return true;
    }
    // Eight bytes at once, where they are there: the first byte without a high bit is the last.
    if (left() >= sizeof(uint64_t)) [[likely]] {
      uint64_t bytes = 0;
      std::memcpy(&bytes, at_, sizeof bytes);
      const uint64_t ends = ~bytes & 0x8080808080808080U;
      if (ends != 0) [[likely]] {
        const int size = (std::countr_zero(ends) >> 3) + 1;
        at_ += size;
        value = gathered(bytes & (ends ^ (ends - 1)));
        return true;
      }
    }
    return read_varint_slowly(value);
  }
  bool read_tag(uint32_t& tag) {
    uint64_t wide = 0;
    if (!read_varint(wide) || wide > UINT32_MAX) [[unlikely]] { return false; }
    tag = static_cast<uint32_t>(wide);
    return tag >> 3 != 0;
  }
  template <class T>
  bool read_fixed(T& value) {
    if (left() < sizeof(T)) [[unlikely]] { return false; }
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }
  bool read_sized(std::string_view& bytes) {
    uint64_t size = 0;
    if (!read_varint(size) || size > left()) [[unlikely]] { return false; }
    bytes = {at_, static_cast<size_t>(size)};
    at_ += size;
    return true;
  }
  // What is behind the tag of a field that nobody asks for.
  bool skip(uint32_t tag) { return skip_nested(tag, 0); }
  // The bytes of a group, whose begin has been read, without its end's tag.
  bool read_group(uint32_t number, std::string_view& bytes) {
    const char* const begin = at_;
    const char* inner_end = begin;
    if (!skip_group(number, 0, inner_end)) { return false; }
    bytes = {begin, static_cast<size_t>(inner_end - begin)};
    return true;
  }

 private:
  // The 7 low bits of each byte, side by side.
  static uint64_t gathered(uint64_t bytes) {
    bytes &= 0x7f7f7f7f7f7f7f7fU;
    bytes = (bytes & 0x007f007f007f007fU) | ((bytes & 0x7f007f007f007f00U) >> 1);
    bytes = (bytes & 0x00003fff00003fffU) | ((bytes & 0x3fff00003fff0000U) >> 2);
    return (bytes & 0x000000000fffffffU) | ((bytes & 0x0fffffff00000000U) >> 4);
  }
  bool read_varint_slowly(uint64_t& value) {
    uint64_t bits = 0;
    const char* at = at_;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at == end_) { return false; }
      const auto byte = static_cast<uint8_t>(*at++);
      // Of the tenth byte only one bit counts, as in libprotobuf.
      bits |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        at_ = at;
        value = bits;
        return true;
      }
    }
    return false;
  }
  bool skip_bytes(size_t size) {
    if (left() < size) { return false; }
    at_ += size;
    return true;
  }
  bool skip_nested(uint32_t tag, int32_t depth) {
    uint64_t number = 0;
    std::string_view bytes;
    const char* ignored = nullptr;
    switch (tag & 7) {
      case kVarint: return read_varint(number);
      case kEight: return skip_bytes(8);
      case kFour: return skip_bytes(4);
      case kSized: return read_sized(bytes);
      case kBeginGroup: return skip_group(tag >> 3, depth + 1, ignored);
      default: return false;
    }
  }
  bool skip_group(uint32_t number, int32_t depth, const char*& inner_end) {
    if (depth > kDepthMax) { return false; }
    while (true) {
      uint32_t tag = 0;
      inner_end = at_;
      if (!read_tag(tag)) { return false; }
      if ((tag & 7) == kEndGroup) { return tag >> 3 == number; }
      if (!skip_nested(tag, depth)) { return false; }
    }
  }

  const char* at_ = nullptr;
  const char* end_ = nullptr;
};

using tidewheel::append_varint;
template <class T>
void append_fixed(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}
inline void append_sized(std::string& out, std::string_view bytes) {
  append_varint(out, bytes.size());
  out.append(bytes);
}

}  // namespace tidewheel::protobuf
