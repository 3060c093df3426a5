// Truth values and validity of many rows: between a byte and a bit for each, and combined.
#pragma once
#include <cstdint>
#include <cstring>

#include "tidewheel/types/column.h"

namespace tidewheel::sql {

// 64 bytes of 0 or 1 as bits.
inline uint64_t bits_of_bytes(const uint8_t* bytes) {
  uint64_t bits = 0;
  for (int i = 0; i < 8; ++i) {
    uint64_t eight = 0;
    std::memcpy(&eight, bytes + i * 8, 8);
    bits |= ((eight * 0x0102040810204080ULL) >> 56) << (i * 8);
  }
  return bits;
}

// The first `rows` bytes, 0 or 1, as bits; those behind in the last word are 1.
inline void pack_bytes(const uint8_t* bytes, uint32_t rows, uint64_t* bits) {
  const uint32_t words = rows / 64;
  for (uint32_t w = 0; w < words; ++w) { bits[w] = bits_of_bytes(bytes + w * 64); }
  if (rows % 64 != 0) {
    uint64_t last = ~uint64_t{0} << (rows % 64);
    for (uint32_t i = words * 64; i < rows; ++i) { last |= uint64_t{bytes[i]} << (i % 64); }
    bits[words] = last;
  }
}

// Bits as bytes of 0 or 1. Writes whole words: room for rows rounded up to 64.
inline void unpack_bits(const uint64_t* bits, uint32_t rows, uint8_t* bytes) {
  for (uint32_t w = 0; w < validity_words(rows); ++w) {
    for (uint32_t i = 0; i < 8; ++i) {
      const uint64_t byte = (bits[w] >> (i * 8)) & 0xff;
      // Bit k of the byte comes into byte k.
      const uint64_t spread = (byte * 0x0101010101010101ULL) & 0x8040201008040201ULL;
      const uint64_t ones =
          ((spread + 0x7f7f7f7f7f7f7f7fULL) | spread) >> 7 & 0x0101010101010101ULL;
      std::memcpy(bytes + w * 64 + i * 8, &ones, 8);
    }
  }
}

inline void and_bits(uint64_t* to, const uint64_t* other, uint32_t rows) {
  for (uint32_t w = 0; w < validity_words(rows); ++w) { to[w] &= other[w]; }
}

inline void and_bytes(uint8_t* __restrict to, const uint8_t* __restrict other, uint32_t rows) {
  for (uint32_t i = 0; i < rows; ++i) { to[i] &= other[i]; }
}

inline void or_bytes(uint8_t* __restrict to, const uint8_t* __restrict other, uint32_t rows) {
  for (uint32_t i = 0; i < rows; ++i) { to[i] |= other[i]; }
}
// 0 becomes 1, and 1 becomes 0.
inline void flip_bytes(uint8_t* bytes, uint32_t rows) {
  for (uint32_t i = 0; i < rows; ++i) { bytes[i] ^= 1; }
}

// Bits [from, from + rows) of `bits`, from bit 0 on.
inline void shift_bits(const uint64_t* bits, uint32_t from, uint32_t rows, uint64_t* to) {
  const uint32_t shift = from % 64;
  const uint64_t* const first = bits + from / 64;
  const size_t words = validity_words(rows);
  if (shift == 0) {
    std::memcpy(to, first, words * sizeof(uint64_t));
    return;
  }
  const size_t last = (shift + rows - 1) / 64;  // of those that may be read
  for (size_t w = 0; w < words; ++w) {
    const uint64_t high = w + 1 <= last ? first[w + 1] << (64 - shift) : 0;
    to[w] = (first[w] >> shift) | high;
  }
}

// Appends `base` + the index of each byte that is 1. The bytes are readable up to a multiple of 64.
template <class Rows>
void append_selected(const uint8_t* bytes, uint32_t rows, uint32_t base, Rows& out) {
  const size_t before = out.size();
  out.resize(before + rows + 1);
  uint32_t* const to = out.data();
  size_t count = before;
  for (uint32_t i = 0; i < rows; ++i) {
    to[count] = base + i;
    count += bytes[i];
  }
  out.resize(count);
}

}  // namespace tidewheel::sql
