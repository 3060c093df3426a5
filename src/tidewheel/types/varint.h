// Whole numbers in 7 bits a byte, the low ones first; all but the last byte have the high bit set.
// Writers of formats that have them append to strings; what the engine itself keeps is written by
// types/serde.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace tidewheel {

inline void append_varint(std::string& out, uint64_t value) {
  char bytes[10];
  size_t size = 0;
  while (value >= 0x80) {
    bytes[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes[size++] = static_cast<char>(value);
  out.append(bytes, size);
}

}  // namespace tidewheel
