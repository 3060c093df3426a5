// The binary encoding of Avro: single values, read and appended.
//
//   int, long   zigzag, then 7 bits a byte, the lowest first, with the high bit where more follow
//   float       4 bytes, double 8 bytes, little-endian
//   bytes       long: size; then so many bytes (string too: UTF-8)
//   union       long: index of the branch; then its value
//   array, map  blocks: long count, then so many items (in a map: key, value); a negative count is
//               followed by the size of the block in bytes; a block of 0 ends it
//   record      its fields, in order; fixed: its bytes; enum: int, the index of the symbol
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "tidewheel/types/decimal.h"
#include "tidewheel/types/varint.h"

namespace tidewheel::avro {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

// Reads from bytes that somebody else keeps. Every call that answers false has found that the bytes
// end too early, or that a number has more bits than it may.
class WireReader {
 public:
  WireReader() = default;
  explicit WireReader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  const char* at() const { return at_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  void set_at(const char* at) { at_ = at; }

  bool read_long(int64_t& value) {
    if (at_ == end_) [[unlikely]] { return false; }
    const auto first = static_cast<uint8_t>(*at_);
    if (first < 0x80) [[likely]] {
      ++at_;
      value = unzigzag(first);
      return true;
    }
    return read_long_slowly(value);
  }
  bool read_int(int32_t& value) {
    int64_t wide = 0;
    if (!read_long(wide) || wide != static_cast<int32_t>(wide)) [[unlikely]] { return false; }
    value = static_cast<int32_t>(wide);
    return true;
  }
  template <class T>
  bool read_fixed(T& value) {
    if (left() < sizeof(T)) [[unlikely]] { return false; }
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }
  bool read_bytes(std::string_view& bytes) {
    int64_t size = 0;
    if (!read_long(size) || size < 0 || static_cast<uint64_t>(size) > left()) [[unlikely]] {
      return false;
    }
    bytes = {at_, static_cast<size_t>(size)};
    at_ += size;
    return true;
  }
  bool skip(size_t size) {
    if (left() < size) [[unlikely]] { return false; }
    at_ += size;
    return true;
  }

 private:
  static int64_t unzigzag(uint64_t value) {
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  bool read_long_slowly(int64_t& value) {
    uint64_t bits = 0;
    const char* at = at_;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at == end_) { return false; }
      const auto byte = static_cast<uint8_t>(*at++);
      if (shift == 63 && byte > 1) { return false; }
      bits |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        at_ = at;
        value = unzigzag(bits);
        return true;
      }
    }
    return false;
  }

  const char* at_ = nullptr;
  const char* end_ = nullptr;
};

inline void append_long(std::string& out, int64_t value) {
  append_varint(out, (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}
template <class T>
void append_fixed(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}
inline void append_bytes(std::string& out, std::string_view bytes) {
  append_long(out, static_cast<int64_t>(bytes.size()));
  out.append(bytes);
}

// ---- Decimals: a whole number in two's complement, the highest byte first.

// False when it has more than 128 bits.
bool parse_unscaled(std::string_view bytes, Int128& value);
// The fewest bytes with their size before them; or, `is_fixed`, as many as `size` says: false when
// it needs more.
bool append_unscaled(Int128 value, size_t size, bool is_fixed, std::string& out);

// Rounded down.
inline int64_t floor_divided(int64_t value, int64_t divisor) {
  const int64_t quotient = value / divisor;
  return value % divisor < 0 ? quotient - 1 : quotient;
}

}  // namespace tidewheel::avro
