#include "tidewheel/base/text_width.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "tidewheel/base/utf8.h"

namespace tidewheel {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// Marks and joiners, the common ones of Unicode's categories Mn, Me and Cf; in order.
constexpr Range kWithoutWidth[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd},   {0x05bf, 0x05bf},   {0x05c1, 0x05c2},
    {0x0610, 0x061a}, {0x064b, 0x065f}, {0x0670, 0x0670},   {0x06d6, 0x06dc},   {0x0900, 0x0902},
    {0x093c, 0x093c}, {0x0941, 0x0948}, {0x094d, 0x094d},   {0x0e31, 0x0e31},   {0x0e34, 0x0e3a},
    {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},   {0x200b, 0x200f},   {0x202a, 0x202e},
    {0x2060, 0x2064}, {0x20d0, 0x20ff}, {0x302a, 0x302d},   {0x3099, 0x309a},   {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0x1f3fb, 0x1f3ff}, {0xe0001, 0xe01ef},
};
// East Asian Width W and F (Unicode Standard Annex 11), neighbours put together; in order.
constexpr Range kWide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},
    {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26aa, 0x26ab},   {0x26bd, 0x26be},
    {0x26c4, 0x26c5},   {0x2705, 0x2705},   {0x270a, 0x270b},   {0x2728, 0x2728},
    {0x274c, 0x274c},   {0x2753, 0x2755},   {0x2795, 0x2797},   {0x2b1b, 0x2b1c},
    {0x2b50, 0x2b50},   {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},
    {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xa960, 0xa97f},   {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
    {0x17000, 0x18cff}, {0x1b000, 0x1b2ff}, {0x1f004, 0x1f004}, {0x1f18e, 0x1f18e},
    {0x1f191, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c},
    {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4},
    {0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d},
    {0x1f54b, 0x1f567}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc},
    {0x1f6d0, 0x1f6d2}, {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7eb},
    {0x1f90c, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
};

template <size_t n>
bool is_in(const Range (&ranges)[n], uint32_t code) {
  const auto* const range =
      std::lower_bound(std::begin(ranges), std::end(ranges), code,
                       [](const Range& one, uint32_t wanted) { return one.last < wanted; });
  return range != std::end(ranges) && range->first <= code;
}

struct Character {
  size_t bytes = 1;
  size_t width = 1;
};

// The first one of a text that is not empty; a byte that begins none stands for one.
Character first_of(std::string_view text) {
  const auto [bytes, code] = first_character(text);
  if (bytes == 0) { return {}; }
  return {bytes, is_in(kWithoutWidth, code) ? size_t{0} : is_in(kWide, code) ? size_t{2} : 1};
}

}  // namespace

size_t text_width(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const Character one = first_of(text);
    width += one.width;
    text.remove_prefix(one.bytes);
  }
  return width;
}

size_t bytes_in_width(std::string_view text, size_t columns) {
  size_t taken = 0;
  while (taken < text.size()) {
    const Character one = first_of(text.substr(taken));
    if (one.width > columns) { break; }
    columns -= one.width;
    taken += one.bytes;
  }
  return taken;
}

}  // namespace tidewheel
