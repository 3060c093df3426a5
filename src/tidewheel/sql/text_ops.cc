#include "tidewheel/sql/text_ops.h"

#include <algorithm>
#include <bit>
#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace tidewheel::sql {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

bool in(uint32_t code, uint32_t first, uint32_t last) { return code >= first && code <= last; }

// Blocks where capitals and small letters alternate.
bool alternates_even(uint32_t code) {  // capitals are even
  return in(code, 0x100, 0x137) || in(code, 0x14a, 0x177) || in(code, 0x460, 0x481) ||
         in(code, 0x48a, 0x4bf) || in(code, 0x4d0, 0x52f) || in(code, 0x1e00, 0x1e95) ||
         in(code, 0x1ea0, 0x1eff);
}
bool alternates_odd(uint32_t code) {
  return in(code, 0x139, 0x148) || in(code, 0x179, 0x17e) || in(code, 0x4c1, 0x4ce);
}

struct Shift {
  uint32_t first;  // small letters
  uint32_t last;
  uint32_t down;  // to the capital
};
constexpr Shift kShifts[] = {
    {'a', 'z', 32},     {0xe0, 0xf6, 32},   {0xf8, 0xfe, 32},   {0x3b1, 0x3c1, 32},
    {0x3c3, 0x3cb, 32}, {0x3ad, 0x3af, 37}, {0x3ac, 0x3ac, 38}, {0x3cc, 0x3cc, 64},
    {0x3cd, 0x3ce, 63}, {0x430, 0x44f, 32}, {0x450, 0x45f, 80}, {0x561, 0x586, 48},
};

}  // namespace

bool is_ascii(std::string_view text) {
  unsigned char all = 0;
  for (const char c : text) { all |= static_cast<unsigned char>(c); }
  return all < 0x80;
}

int64_t character_count(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) { count += !continues(c); }
  return count;
}

size_t character_offset(std::string_view text, int64_t index) {
  if (index <= 0) { return 0; }
  if (is_ascii(text)) { return std::min(static_cast<size_t>(index), text.size()); }
  for (size_t at = 0; at < text.size(); ++at) {
    if (!continues(text[at]) && index-- == 0) { return at; }
  }
  return text.size();
}

uint32_t take_character(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t size = first < 0x80 ? 1 : first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  uint32_t code = size == 1 ? first : first & (0xffU >> (size + 1));
  if (size > text.size()) {
    text.remove_prefix(1);
    return first;
  }
  for (size_t i = 1; i < size; ++i) {
    if (!continues(text[i])) {
      text.remove_prefix(1);
      return first;
    }
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3f);
  }
  text.remove_prefix(size);
  return code;
}

void append_character(std::string& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

uint32_t upper_case(uint32_t code) {
  for (const Shift& shift : kShifts) {
    if (in(code, shift.first, shift.last)) { return code - shift.down; }
  }
  if (code < 0x100) { return code == 0xff ? 0x178 : code; }
  if (code == 0x131) { return 'I'; }
  if (code == 0x3c2) { return 0x3a3; }
  if (alternates_even(code)) { return code & ~1U; }
  if (alternates_odd(code)) { return code - (code % 2 == 0 ? 1 : 0); }
  return code;
}

uint32_t lower_case(uint32_t code) {
  for (const Shift& shift : kShifts) {
    if (in(code, shift.first - shift.down, shift.last - shift.down) &&
        upper_case(code + shift.down) == code) {
      return code + shift.down;
    }
  }
  if (code == 0x178) { return 0xff; }
  if (code < 0x100 || code == 0x130) { return code == 0x130 ? 'i' : code; }
  if (alternates_even(code)) { return code | 1U; }
  if (alternates_odd(code)) { return code + (code % 2 == 1 ? 1 : 0); }
  return code;
}

void append_upper(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::string_view before = text;
    const uint32_t code = take_character(text);
    if (code == 0xdf) {
      out += "SS";
    } else if (upper_case(code) == code) {
      out += before.substr(0, before.size() - text.size());
    } else {
      append_character(out, upper_case(code));
    }
  }
}

void append_lower(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::string_view before = text;
    const uint32_t code = take_character(text);
    if (lower_case(code) == code) {
      out += before.substr(0, before.size() - text.size());
    } else {
      append_character(out, lower_case(code));
    }
  }
}

bool is_letter(uint32_t code) {
  if (code < 0x80) { return in(code, 'a', 'z') || in(code, 'A', 'Z'); }
  if (code < 0x100) {
    return code == 0xaa || code == 0xb5 || code == 0xba ||
           (code >= 0xc0 && code != 0xd7 && code != 0xf7);
  }
  // Letters of living scripts, without marks, digits and symbols.
  return in(code, 0x100, 0x2af) || in(code, 0x370, 0x373) || in(code, 0x376, 0x377) ||
         in(code, 0x386, 0x386) || in(code, 0x388, 0x3ff) || in(code, 0x400, 0x481) ||
         in(code, 0x48a, 0x556) || in(code, 0x561, 0x587) || in(code, 0x5d0, 0x5ea) ||
         in(code, 0x620, 0x64a) || in(code, 0x904, 0x939) || in(code, 0xe01, 0xe30) ||
         in(code, 0x10a0, 0x10ff) || in(code, 0x1100, 0x1248) || in(code, 0x1e00, 0x1fbc) ||
         in(code, 0x3041, 0x3096) || in(code, 0x30a1, 0x30fa) || in(code, 0x3400, 0x4dbf) ||
         in(code, 0x4e00, 0x9fff) || in(code, 0xac00, 0xd7a3);
}

bool is_digit(uint32_t code) {
  return in(code, '0', '9') || in(code, 0x660, 0x669) || in(code, 0x6f0, 0x6f9) ||
         in(code, 0x966, 0x96f) || in(code, 0xff10, 0xff19);
}

std::string_view substring(std::string_view text, int64_t start, int64_t length) {
  if (length <= 0) { return {}; }
  if (start < 0) {
    const int64_t count = character_count(text);
    if (start < -count) { return {}; }
    start = count + start + 1;
  }
  const size_t begin = character_offset(text, std::max<int64_t>(start, 1) - 1);
  text.remove_prefix(begin);
  return text.substr(0, character_offset(text, length));
}

int64_t position_of(std::string_view part, std::string_view text, int64_t from) {
  from = std::max<int64_t>(from, 1);
  const size_t begin = character_offset(text, from - 1);
  if (part.empty()) { return from; }
  const size_t found = text.find(part, begin);
  if (found == std::string_view::npos) { return 0; }
  return character_count(text.substr(0, found)) + 1;
}

namespace {

#ifdef __AVX2__

uint64_t equal_bytes32(const char* from, __m256i wanted) {
  const __m256i block = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(block, wanted)));
}
uint64_t equal_bytes16(const char* from, __m128i wanted) {
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted)));
}

// A bit for each of the first 64 bytes from `at` on that is `c`; the text has at least 16. Nothing
// behind it is read: the last load ends where it does.
uint64_t find_bytes(std::string_view text, size_t at, char c) {
  const size_t rest = text.size() - at;
  const char* const from = text.data() + at;
  const char* const end = text.data() + text.size();
  if (text.size() < 32) {
    const __m128i wanted = _mm_set1_epi8(c);
    const uint64_t last = equal_bytes16(end - 16, wanted);
    return equal_bytes16(from, wanted) | last << (rest - 16);  // at is 0
  }
  const __m256i wanted = _mm256_set1_epi8(c);
  if (rest >= 64) { return equal_bytes32(from, wanted) | equal_bytes32(from + 32, wanted) << 32; }
  const uint64_t last = equal_bytes32(end - 32, wanted);
  if (rest < 32) { return last >> (32 - rest); }
  return equal_bytes32(from, wanted) | last << (rest - 32);
}

// The same for a separator of one byte, 64 bytes at a time: parts are short, so that a search for
// each of their ends would hardly begin before it is over.
bool split_part_at(std::string_view text, char separator, int64_t index, std::string_view& part) {
  size_t begin = 0;
  for (size_t at = 0; at < text.size(); at += 64) {
    uint64_t found = find_bytes(text, at, separator);
    const int64_t count = std::popcount(found);
    if (index > count) {  // the part begins behind these bytes
      index -= count;
      continue;
    }
    if (index > 0) {
      for (; index > 1; --index) { found &= found - 1; }
      begin = at + static_cast<size_t>(std::countr_zero(found)) + 1;
      found &= found - 1;
      index = 0;
    }
    if (found != 0) {
      part = text.substr(begin, at + static_cast<size_t>(std::countr_zero(found)) - begin);
      return true;
    }
  }
  if (index != 0) { return false; }
  part = text.substr(begin);
  return true;
}
bool is_split_by_bits(std::string_view text) { return text.size() >= 16; }

// Where `part`, of two bytes at least, begins: at `at` or one of the 31 places behind it.
size_t find_in_block(std::string_view text, std::string_view part, size_t at) {
  const char* const from = text.data() + at;
  uint64_t found = equal_bytes32(from, _mm256_set1_epi8(part.front())) &
                   equal_bytes32(from + part.size() - 1, _mm256_set1_epi8(part.back()));
  for (; found != 0; found &= found - 1) {
    const size_t place = at + static_cast<size_t>(std::countr_zero(found));
    if (std::memcmp(text.data() + place, part.data(), part.size()) == 0) { return place; }
  }
  return std::string_view::npos;
}

#else
bool is_split_by_bits(std::string_view) { return false; }
bool split_part_at(std::string_view, char, int64_t, std::string_view&) { return false; }
#endif

// The same, eight bytes at a time.
bool split_short_part_at(std::string_view text, char separator, int64_t index,
                         std::string_view& part) {
  constexpr uint64_t kLow = 0x7f7f7f7f7f7f7f7fULL;
  const uint64_t pattern = 0x0101010101010101ULL * static_cast<unsigned char>(separator);
  size_t begin = 0;
  for (size_t at = 0; at < text.size(); at += sizeof(uint64_t)) {
    const size_t count = std::min(text.size() - at, sizeof(uint64_t));
    uint64_t word = ~pattern;  // bytes behind the text differ from the separator
    if (count == sizeof(word)) {
      std::memcpy(&word, text.data() + at, sizeof(word));
    } else {
      std::memcpy(&word, text.data() + at, count);
    }
    word ^= pattern;
    // The high bit of each byte that is 0.
    uint64_t found = ~(((word & kLow) + kLow) | word | kLow);
    for (; found != 0; found &= found - 1) {
      const size_t place = at + static_cast<size_t>(std::countr_zero(found)) / 8;
      if (index == 0) {
        part = text.substr(begin, place - begin);
        return true;
      }
      if (--index == 0) { begin = place + 1; }
    }
  }
  if (index != 0) { return false; }
  part = text.substr(begin);
  return true;
}

#if defined(__AVX512BW__) && defined(__BMI2__)

// For texts whose part ends within their first 64 bytes, or which end there: without jumps, since
// sizes and separators are at random. False when the text is of another kind, or has no such part.
class FirstBlockSplit {
 public:
  // 0 <= index < 64
  FirstBlockSplit(char separator, int64_t index)
      : wanted_(_mm512_set1_epi8(separator)), end_bit_(uint64_t{1} << index) {}

  bool split(const Text& text, Text& part) const {
    const __mmask64 inside =
        _bzhi_u64(~uint64_t{0}, static_cast<uint32_t>(std::min<size_t>(text.size(), kBlock)));
    const __m512i block = _mm512_maskz_loadu_epi8(inside, text.data());
    const uint64_t found = _mm512_mask_cmpeq_epi8_mask(inside, block, wanted_);
    // The separators before and behind the part. Bit 0 of what is moved up stands for the begin of
    // the text.
    const uint64_t before = _pdep_u64(end_bit_ >> 1, found) << 1 | (end_bit_ & 1);
    const uint64_t behind = _pdep_u64(end_bit_, found);
    const auto begin = static_cast<size_t>(_tzcnt_u64(before));
    const auto end = std::min<size_t>(static_cast<size_t>(_tzcnt_u64(behind)), text.size());
    part = Text(text.data() + begin, end - begin);
    return before != 0 && (behind != 0 || text.size() <= kBlock);
  }

 private:
  static constexpr size_t kBlock = 64;
  __m512i wanted_;
  uint64_t end_bit_;
};

#else

class FirstBlockSplit {
 public:
  FirstBlockSplit(char, int64_t) {}
  bool split(const Text&, Text&) const { return false; }
};

#endif

}  // namespace

size_t find_text(std::string_view text, std::string_view part, size_t from) {
#ifdef __AVX2__
  constexpr size_t kPlaces = 32;
  const size_t needed = kPlaces + part.size() - 1;  // bytes that a block is looked for in
  if (part.size() >= 2 && from <= text.size() && text.size() - from >= needed) {
    for (size_t at = from; at + needed <= text.size(); at += kPlaces) {
      const size_t found = find_in_block(text, part, at);
      if (found != std::string_view::npos) { return found; }
    }
    // The last block ends with the text; what it has again of the one before is not there.
    return find_in_block(text, part, text.size() - needed);
  }
#endif
  return text.find(part, from);
}

bool split_part(std::string_view text, std::string_view separator, int64_t index,
                std::string_view& part) {
  static_assert(std::endian::native == std::endian::little);
  if (text.empty() || index < 0) { return false; }
  if (separator.size() == 1) {
    return is_split_by_bits(text) ? split_part_at(text, separator[0], index, part)
                                  : split_short_part_at(text, separator[0], index, part);
  }
  const auto next = [&](std::string_view rest) {
    // Without a separator, blanks are.
    return separator.empty() ? rest.find_first_of(" \t\n\r\f\v") : rest.find(separator);
  };
  const size_t size = std::max<size_t>(separator.size(), 1);
  for (;; --index) {
    const size_t end = next(text);
    if (index == 0) {
      part = text.substr(0, end);
      return true;
    }
    if (end == std::string_view::npos) { return false; }
    text.remove_prefix(end + size);
  }
}

void split_parts(std::span<const Text> texts, const uint8_t* active, char separator, int64_t index,
                 Text* parts, uint8_t* there) {
  constexpr size_t kAhead = 12;
  constexpr int64_t kBits = 64;
  const FirstBlockSplit first(separator, index & (kBits - 1));
  const bool is_early = index >= 0 && index < kBits;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts.size() - i > kAhead) {
      const Text& next = texts[i + kAhead];
      __builtin_prefetch(next.data());
      __builtin_prefetch(next.data() + next.size());
    }
    there[i] = 1;
    if (active != nullptr && active[i] == 0) {
      parts[i] = Text();
      continue;
    }
    if (is_early && first.split(texts[i], parts[i])) [[likely]] {
      if (!texts[i].empty()) [[likely]] { continue; }
    }
    std::string_view part;
    there[i] = split_part(texts[i].view(), {&separator, 1}, index, part) ? 1 : 0;
    parts[i] = Text(part);
  }
}

}  // namespace tidewheel::sql
