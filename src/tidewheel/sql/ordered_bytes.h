// Numbers and times as parts of keys of maps in state: bytes whose order is theirs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "tidewheel/types/text.h"

namespace tidewheel::sql {

inline constexpr size_t kTimeBytes = sizeof(int64_t);

inline void append_ordered(uint64_t number, std::string& out) {
  for (int shift = 56; shift >= 0; shift -= 8) { out += static_cast<char>(number >> shift); }
}
inline void append_ordered_time(int64_t time, std::string& out) {
  append_ordered(static_cast<uint64_t>(time) ^ (uint64_t{1} << 63), out);
}
// What was appended at `offset`.
inline uint64_t ordered_at(const Text& key, size_t offset) {
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(number); ++i) {
    number = number << 8 | static_cast<unsigned char>(key[offset + i]);
  }
  return number;
}
inline int64_t ordered_time_at(const Text& key, size_t offset) {
  return static_cast<int64_t>(ordered_at(key, offset) ^ (uint64_t{1} << 63));
}

}  // namespace tidewheel::sql
