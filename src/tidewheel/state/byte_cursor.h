// Numbers and strings as the snapshot format has them: little-endian groups of 7 bits whose top bit
// says that more follow, and strings behind their size.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tidewheel {

inline constexpr size_t kNumberBytesMax = 10;

// Writes at `at`, where there is room; returns the end.
inline char* put_number(char* at, uint64_t number) {
  while (number >= 0x80) [[unlikely]] {
      *at++ = static_cast<char>(number | 0x80);
      number >>= 7;
    }
  *at++ = static_cast<char>(number);
  return at;
}
inline void put_number(std::string& out, uint64_t number) {
  char bytes[kNumberBytesMax];
  out.append(bytes, static_cast<size_t>(put_number(bytes, number) - bytes));
}
inline void put_fixed64(std::string& out, uint64_t number) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) { bytes[i] = static_cast<char>(number >> (8 * i)); }
  out.append(bytes, 8);
}

// Writes at `at`, where there is room; returns the end. Most keys and values are short: no call is
// made for those of 8 to 16 bytes.
inline char* put_bytes(char* at, std::string_view bytes) {
  const size_t size = bytes.size();
  if (size - 8 <= 8) [[likely]] {
    std::memcpy(at, bytes.data(), 8);
    std::memcpy(at + size - 8, bytes.data() + size - 8, 8);
  } else if (size > 0) {
    std::memcpy(at, bytes.data(), size);
  }
  return at + size;
}

// Reads them. After a failure all reads fail.
class ByteCursor {
 public:
  explicit ByteCursor(std::string_view bytes) : bytes_(bytes) {}

  bool number(uint64_t& value) {
    value = 0;
    for (uint32_t shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) { return true; }
    }
    return fail();
  }
  template <class T>
  bool number_as(T& value) {
    uint64_t wide = 0;
    if (!number(wide)) { return false; }
    value = static_cast<T>(wide);
    return (static_cast<uint64_t>(value) == wide && value >= T{}) || fail();
  }
  bool fixed64(uint64_t& value) {
    std::string_view raw_bytes;
    if (!raw(8, raw_bytes)) { return false; }
    value = 0;
    for (size_t i = 0; i < 8; ++i) {
      value |= static_cast<uint64_t>(static_cast<unsigned char>(raw_bytes[i])) << (8 * i);
    }
    return true;
  }
  bool raw(uint64_t size, std::string_view& value) {
    if (size > bytes_.size()) { return fail(); }
    value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  std::string_view rest() const { return bytes_; }
  bool ok() const { return ok_; }

 private:
  bool fail() {
    bytes_ = {};
    ok_ = false;
    return false;
  }
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace tidewheel
