// String functions. Positions and lengths count characters (code points), from 1.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/text_encodings.h"
#include "tidewheel/sql/text_ops.h"

namespace tidewheel::sql {
namespace {

constexpr int64_t kTextBytesMax = int64_t{64} << 20;  // what REPEAT and padding may make

// ---- Joining

// All arguments, one after another.
class ConcatKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      size_t size = 0;
      for (const ColumnView& view : call.arguments) { size += view.at<Text>(row).size(); }
      char* const begin = call.arena->allocate(size);
      char* at = begin;
      for (const ColumnView& view : call.arguments) {
        const Text& part = view.at<Text>(row);
        at = std::copy(part.begin(), part.end(), at);
      }
      out[row] = Text(begin, size);
    }
    return {};
  }
};

// CONCAT_WS(separator, ...): NULLs are left out.
class ConcatWsKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    std::string joined;
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      if (call.arguments[0].is_null(row)) {
        call.result->set_null(row);
        continue;
      }
      joined.clear();
      bool first = true;
      for (const ColumnView& view : call.arguments.subspan(1)) {
        if (view.is_null(row)) { continue; }
        if (!first) { joined += call.arguments[0].at<Text>(row).view(); }
        joined += view.at<Text>(row).view();
        first = false;
      }
      out[row] = call.arena->copy(joined);
    }
    return {};
  }
};

// ELT(n, a, b, ...): the n-th.
class EltKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      const ColumnView& index = call.arguments[0];
      const auto n = index.is_null(row) ? 0 : index.at<int32_t>(row);
      const bool there = n >= 1 && static_cast<size_t>(n) < call.arguments.size() &&
                         !call.arguments[static_cast<size_t>(n)].is_null(row);
      if (!there) {
        call.result->set_null(row);
        continue;
      }
      out[row] = call.arguments[static_cast<size_t>(n)].at<Text>(row);
    }
    return {};
  }
};

template <class K>
KernelMaker maker_of() {
  return [](const KernelSetup&) -> Result<std::unique_ptr<Kernel>> {
    return std::unique_ptr<Kernel>(std::make_unique<K>());
  };
}

void add_joins(FunctionTable& table) {
  table.define("||", kCareful, {"string, string -> string", "bytes, bytes -> bytes"},
               {maker_of<ConcatKernel>()});
  table.define("CONCAT", kCareful, {"string, string* -> string"}, {maker_of<ConcatKernel>()});
  table.define("CONCAT_WS", kCarefulNullAware, {"string, string* -> string"},
               {maker_of<ConcatWsKernel>()});
  table.define("ELT", kCarefulNullAware, {"int, string, string* -> string?"},
               {maker_of<EltKernel>()});
}

// ---- Case, length, parts

// The letters from `first` on ('a': small ones, 'A': capitals) made the others, in texts of ASCII,
// which most are: eight bytes at a time, the last eight perhaps twice.
class AsciiCase {
 public:
  enum class Change : uint8_t { kNone, kSome, kOther };  // kOther: it is not of ASCII
  explicit AsciiCase(char first)
      : first_(first),
        from_first_((0x80 - static_cast<uint64_t>(first)) * kOnes),
        behind_last_((0x80 - 26 - static_cast<uint64_t>(first)) * kOnes) {}

  // Texts of so many bytes are written anew whether or not something changes, with as few jumps as
  // can be, since those would be taken at random. `to` has room for kFewBytes.
  static constexpr size_t kFewBytes = 16;
  // False when it is not of ASCII.
  bool write_few(const Text& text, char* to) const {
    const char* const from = text.data();
    const size_t size = text.size();
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    const auto mask = static_cast<__mmask16>((1U << size) - 1);
    const __m128i bytes = _mm_maskz_loadu_epi8(mask, from);
    const __m128i behind_first = _mm_sub_epi8(bytes, _mm_set1_epi8(first_));
    const __mmask16 letters = _mm_cmplt_epu8_mask(behind_first, _mm_set1_epi8(26));
    const __m128i flip = _mm_maskz_set1_epi8(letters, 'a' ^ 'A');
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_xor_si128(bytes, flip));
    return _mm_movepi8_mask(bytes) == 0;
#else
    if (size >= 8) {
      uint64_t words[2];
      std::memcpy(&words[0], from, 8);
      std::memcpy(&words[1], from + size - 8, 8);
      const uint64_t all = words[0] | words[1];
      for (uint64_t& word : words) { word ^= letters_of(word) >> 2; }
      std::memcpy(to, &words[0], 8);
      std::memcpy(to + size - 8, &words[1], 8);
      return (all & kHigh) == 0;
    }
    uint64_t word = 0;
    if (size >= 4) {
      uint32_t halves[2];
      std::memcpy(&halves[0], from, 4);
      std::memcpy(&halves[1], from + size - 4, 4);
      word = halves[0] | uint64_t{halves[1]} << 8 * (size - 4);
    } else {
      for (size_t i = 0; i < size; ++i) {
        word |= uint64_t{static_cast<unsigned char>(from[i])} << 8 * i;
      }
    }
    const uint64_t made = word ^ (letters_of(word) >> 2);
    std::memcpy(to, &made, 8);
    return (word & kHigh) == 0;
#endif
  }
  Change look_at(const Text& text) const {
    uint64_t all = 0;
    uint64_t letters = 0;
    for_each_word(text, [&](size_t, uint64_t word, size_t) {
      all |= word;
      letters |= letters_of(word);
    });
    if ((all & kHigh) != 0) { return Change::kOther; }
    return letters != 0 ? Change::kSome : Change::kNone;
  }
  void write(const Text& text, char* to) const {
    for_each_word(text, [&](size_t at, uint64_t word, size_t bytes) {
      const uint64_t made = word ^ (letters_of(word) >> 2);
      std::memcpy(to + at, &made, bytes);
    });
  }

 private:
  static constexpr uint64_t kOnes = 0x0101010101010101ULL;
  static constexpr uint64_t kHigh = 0x80 * kOnes;

  // The high bit of each byte that is such a letter; of bytes below 0x80, else of no meaning.
  uint64_t letters_of(uint64_t word) const {
    return (word + from_first_) & ~(word + behind_last_) & kHigh;
  }
  // f(at, word, bytes): `bytes` of the word are those at `at`, the others are 0.
  template <class F>
  static void for_each_word(const Text& text, F f) {
    constexpr size_t kBytes = sizeof(uint64_t);
    uint64_t word = 0;
    if (text.size() < kBytes) {
      for (size_t at = 0; at < text.size();) {
        const size_t bytes = text.size() - at >= 4 ? 4 : 1;
        word = 0;
        if (bytes == 4) {
          std::memcpy(&word, text.data() + at, 4);
        } else {
          word = static_cast<unsigned char>(text[at]);
        }
        f(at, word, bytes);
        at += bytes;
      }
      return;
    }
    size_t at = 0;
    for (; at + kBytes < text.size(); at += kBytes) {
      std::memcpy(&word, text.data() + at, kBytes);
      f(at, word, kBytes);
    }
    at = text.size() - kBytes;
    std::memcpy(&word, text.data() + at, kBytes);
    f(at, word, kBytes);
  }

  const char first_;
  const uint64_t from_first_;
  const uint64_t behind_last_;
};

void add_cases(FunctionTable& table) {
  // Each has a buffer of its own, kept from row to row.
  const auto rewritten = [](void (*append)(std::string&, std::string_view)) {
    return by_row([append, buffer = std::string()](Out<Text>& out, Text text) mutable {
      buffer.clear();
      append(buffer, text.view());
      out.set_copy(buffer);
    });
  };
  const auto recased = [](AsciiCase ascii, void (*append)(std::string&, std::string_view)) {
    return by_row([ascii, append, buffer = std::string()](Out<Text>& out, Text text) mutable {
      if (text.size() <= AsciiCase::kFewBytes) {
        char* const made = out.arena().allocate(AsciiCase::kFewBytes);
        if (ascii.write_few(text, made)) { return out.set(Text(made, text.size())); }
      }
      const AsciiCase::Change change = ascii.look_at(text);
      if (change == AsciiCase::Change::kNone) { return out.set(text); }
      if (change == AsciiCase::Change::kOther) {
        buffer.clear();
        append(buffer, text.view());
        return out.set_copy(buffer);
      }
      char* const made = out.arena().allocate(text.size());
      ascii.write(text, made);
      out.set(Text(made, text.size()));
    });
  };
  table.define("UPPER", kCareful, {"string -> string"}, {recased(AsciiCase('a'), append_upper)});
  table.define("LOWER", kCareful, {"string -> string"}, {recased(AsciiCase('A'), append_lower)});
  table.define("INITCAP", kCareful, {"string -> string"},
               {rewritten([](std::string& out, std::string_view text) {
                 bool first = true;
                 while (!text.empty()) {
                   const uint32_t code = take_character(text);
                   append_character(out, first ? upper_case(code) : lower_case(code));
                   first = !is_letter(code) && !is_digit(code);
                 }
               })});
  table.define("REVERSE", kCareful, {"string -> string"},
               {rewritten([](std::string& out, std::string_view text) {
                 const size_t before = out.size();
                 while (!text.empty()) {
                   const std::string_view rest = text;
                   take_character(text);
                   out.insert(before, rest.substr(0, rest.size() - text.size()));
                 }
               })});
}

// A separator that is given by its number.
bool is_code(int64_t code) { return code >= 1 && code <= 255; }

// SPLIT_INDEX by one byte, with the same separator and index for all rows.
class SplitAtByteKernel final : public Kernel {
 public:
  SplitAtByteKernel(char separator, int32_t index) : separator_(separator), index_(index) {}

  Status run(const KernelCall& call) override {
    there_.resize(call.rows);
    split_parts({call.arguments[0].as<Text>(), call.rows}, call.active, separator_, index_,
                call.result->values<Text>(), there_.data());
    for (uint32_t row = 0; row < call.rows; ++row) {
      if (there_[row] == 0) [[unlikely]] { call.result->set_null(row); }
    }
    return {};
  }
  // Null when the call is not of that kind. `byte_of`: the separator that a literal gives, if it is
  // one byte.
  template <class ByteOf>
  static std::unique_ptr<Kernel> make(const KernelSetup& setup, ByteOf byte_of) {
    const Datum* const separator = setup.literals[1];
    const Datum* const index = setup.literals[2];
    if (setup.literals[0] != nullptr || separator == nullptr || index == nullptr ||
        separator->is_null() || index->is_null()) {
      return nullptr;
    }
    const std::optional<char> byte = byte_of(*separator);
    if (!byte) { return nullptr; }
    return std::make_unique<SplitAtByteKernel>(*byte, static_cast<int32_t>(index->integer()));
  }

 private:
  const char separator_;
  const int32_t index_;
  std::vector<uint8_t> there_;
};

// Of SPLIT_INDEX(text, separator, index): `by_row` makes the kernel for all other calls.
template <class ByteOf>
KernelMaker split_maker(ByteOf byte_of, KernelMaker by_row) {
  return [byte_of, by_row](const KernelSetup& setup) -> Result<std::unique_ptr<Kernel>> {
    auto made = SplitAtByteKernel::make(setup, byte_of);
    return made != nullptr ? std::move(made) : by_row(setup);
  };
}

void add_parts(FunctionTable& table) {
  const auto length = by_row(
      [](Out<int32_t>& out, Text t) { out.set(static_cast<int32_t>(character_count(t.view()))); });
  table.define("CHAR_LENGTH", kCareful, {"string -> int"}, {length});
  table.alias("CHARACTER_LENGTH", "CHAR_LENGTH");
  table.define(
      "OCTET_LENGTH", kCareful, {"string -> int", "bytes -> int"},
      {by_row([](Out<int32_t>& out, Text t) { out.set(static_cast<int32_t>(t.size())); })});
  const auto from = by_row([](Out<Text>& out, Text text, int64_t start) {
    out.set(Text(substring(text.view(), start, INT64_MAX)));
  });
  const auto from_for = by_row([](Out<Text>& out, Text text, int64_t start, int64_t count) {
    if (count < 0) { return out.set_null(); }
    out.set(Text(substring(text.view(), start, count)));
  });
  table.define("SUBSTRING", kCareful,
               {"string, bigint -> string", "string, bigint, bigint -> string?"}, {from, from_for});
  table.alias("SUBSTR", "SUBSTRING");
  table.define("LEFT", kCareful, {"string, int -> string"},
               {by_row([](Out<Text>& out, Text text, int32_t count) {
                 out.set(Text(substring(text.view(), 1, count)));
               })});
  table.define(
      "RIGHT", kCareful, {"string, int -> string"},
      {by_row([](Out<Text>& out, Text text, int32_t count) {
        const int64_t all = character_count(text.view());
        out.set(count <= 0
                    ? Text()
                    : Text(substring(text.view(), std::max<int64_t>(all - count, 0) + 1, count)));
      })});
  const auto by_text = by_row([](Out<Text>& out, Text text, Text separator, int32_t index) {
    std::string_view part;
    const bool there = split_part(text.view(), separator.view(), index, part);
    there ? out.set(Text(part)) : out.set_null();
  });
  const auto by_code = by_row([](Out<Text>& out, Text text, int32_t code, int32_t index) {
    const char separator = static_cast<char>(code);
    std::string_view part;
    const bool there = is_code(code) && split_part(text.view(), {&separator, 1}, index, part);
    there ? out.set(Text(part)) : out.set_null();
  });
  const auto byte_of_text = [](const Datum& separator) {
    const std::string& text = separator.text();
    return text.size() == 1 ? std::optional(text[0]) : std::nullopt;
  };
  const auto byte_of_code = [](const Datum& separator) {
    const int64_t code = separator.integer();
    return is_code(code) ? std::optional(static_cast<char>(code)) : std::nullopt;
  };
  table.define("SPLIT_INDEX", kCareful,
               {"string, string, int -> string?", "string, int, int -> string?"},
               {split_maker(byte_of_text, by_text), split_maker(byte_of_code, by_code)});
}

// ---- Searching

// INSTR(text, part, start, n): the n-th, from the end when `start` is below 0.
int64_t nth_position(std::string_view text, std::string_view part, int64_t start, int64_t nth) {
  if (start == 0) { return 0; }
  if (start > 0) {
    int64_t at = start - 1;
    for (int64_t i = 0; i < nth; ++i) {
      at = position_of(part, text, at + 1);
      if (at == 0) { return 0; }
    }
    return at;
  }
  const int64_t count = character_count(text);
  for (int64_t at = std::min(count + start + 1, count - character_count(part) + 1); at >= 1; --at) {
    if (text.substr(character_offset(text, at - 1)).starts_with(part) && --nth == 0) { return at; }
  }
  return 0;
}

void add_searches(FunctionTable& table) {
  table.define("POSITION", kCareful, {"string, string, int? -> int"},
               {[](const KernelSetup& setup) -> Result<std::unique_ptr<Kernel>> {
                 if (setup.arguments.size() == 3) {
                   return row_kernel([](Out<int32_t>& out, Text part, Text text, int32_t from) {
                     out.set(static_cast<int32_t>(position_of(part.view(), text.view(), from)));
                   });
                 }
                 return row_kernel([](Out<int32_t>& out, Text part, Text text) {
                   out.set(static_cast<int32_t>(position_of(part.view(), text.view(), 1)));
                 });
               }});
  table.alias("LOCATE", "POSITION");
  table.define(
      "INSTR", kCareful,
      {"string, string -> int", "string, string, int -> int", "string, string, int, int -> int"},
      {by_row([](Out<int32_t>& out, Text text, Text part) {
         out.set(static_cast<int32_t>(position_of(part.view(), text.view(), 1)));
       }),
       by_row([](Out<int32_t>& out, Text text, Text part, int32_t start) {
         out.set(static_cast<int32_t>(nth_position(text.view(), part.view(), start, 1)));
       }),
       by_row([](Out<int32_t>& out, Text text, Text part, int32_t start, int32_t nth) {
         if (nth <= 0) {
           return out.fail("the number of an occurrence is at least 1, not " + std::to_string(nth));
         }
         out.set(static_cast<int32_t>(nth_position(text.view(), part.view(), start, nth)));
       })});
  const auto starts = by_row([](Out<uint8_t>& out, Text text, Text part) {
    out.set(text.starts_with(part.view()) ? 1 : 0);
  });
  const auto ends = by_row([](Out<uint8_t>& out, Text text, Text part) {
    out.set(text.ends_with(part.view()) ? 1 : 0);
  });
  table.define("STARTSWITH", kCareful, {"string, string -> boolean", "bytes, bytes -> boolean"},
               {starts});
  table.define("ENDSWITH", kCareful, {"string, string -> boolean", "bytes, bytes -> boolean"},
               {ends});
}

// ---- Trimming and padding

// All characters of `set` at the front.
std::string_view without_leading(std::string_view text, std::string_view set) {
  while (!text.empty()) {
    std::string_view rest = text;
    take_character(rest);
    const std::string_view first = text.substr(0, text.size() - rest.size());
    if (set.find(first) == std::string_view::npos) { break; }
    text = rest;
  }
  return text;
}
std::string_view without_trailing(std::string_view text, std::string_view set) {
  while (!text.empty()) {
    size_t at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) { --at; }
    if (set.find(text.substr(at)) == std::string_view::npos) { break; }
    text = text.substr(0, at);
  }
  return text;
}

// `sides`: 1 the front, 2 the end, 3 both.
std::string_view trimmed(std::string_view text, std::string_view set, int sides) {
  if ((sides & 1) != 0) { text = without_leading(text, set); }
  if ((sides & 2) != 0) { text = without_trailing(text, set); }
  return text;
}

void define_trim(FunctionTable& table, const char* name, int sides) {
  table.define(name, kCareful, {"string -> string", "string, string -> string"},
               {by_row([sides](Out<Text>& out, Text text) {
                  out.set(Text(trimmed(text.view(), " ", sides)));
                }),
                by_row([sides](Out<Text>& out, Text text, Text set) {
                  out.set(Text(trimmed(text.view(), set.view(), sides)));
                })});
}

void pad(Out<Text>& out, Text text, int32_t length, Text with, bool left) {
  if (length < 0 || with.empty()) { return out.set_null(); }
  const int64_t count = character_count(text.view());
  if (count >= length) { return out.set(Text(substring(text.view(), 1, length))); }
  const int64_t missing = length - count;
  const int64_t pad_count = character_count(with.view());
  if (missing / pad_count * static_cast<int64_t>(with.size()) > kTextBytesMax) {
    return out.fail("padding to " + std::to_string(length) + " characters: 64 MB are the limit");
  }
  std::string padding;
  for (int64_t i = 0; i < missing / pad_count; ++i) { padding += with.view(); }
  padding += substring(with.view(), 1, missing % pad_count);
  const size_t size = padding.size() + text.size();
  char* const bytes = out.arena().allocate(size);
  char* const middle = left ? std::copy(padding.begin(), padding.end(), bytes)
                            : std::copy(text.begin(), text.end(), bytes);
  left ? std::copy(text.begin(), text.end(), middle)
       : std::copy(padding.begin(), padding.end(), middle);
  out.set(Text(bytes, size));
}

void add_trims(FunctionTable& table) {
  table.define("TRIM", kCareful, {"string -> string", "string, string, string -> string"},
               {by_row([](Out<Text>& o, Text t) { o.set(Text(trimmed(t.view(), " ", 3))); }),
                by_row([](Out<Text>& out, Text side, Text set, Text text) {
                  const int sides = side == "LEADING" ? 1 : side == "TRAILING" ? 2 : 3;
                  out.set(Text(trimmed(text.view(), set.view(), sides)));
                })});
  define_trim(table, "LTRIM", 1);
  define_trim(table, "RTRIM", 2);
  define_trim(table, "BTRIM", 3);
  table.define("LPAD", kCareful, {"string, int, string -> string?"},
               {by_row([](Out<Text>& out, Text text, int32_t length, Text with) {
                 pad(out, text, length, with, true);
               })});
  table.define("RPAD", kCareful, {"string, int, string -> string?"},
               {by_row([](Out<Text>& out, Text text, int32_t length, Text with) {
                 pad(out, text, length, with, false);
               })});
  table.define("REPEAT", kCareful, {"string, int -> string"},
               {by_row([](Out<Text>& out, Text text, int32_t count) {
                 if (count <= 0 || text.empty()) { return out.set(Text()); }
                 const auto size = static_cast<int64_t>(text.size()) * count;
                 if (size > kTextBytesMax) {
                   return out.fail("repeating " + std::to_string(text.size()) + " bytes " +
                                   std::to_string(count) + " times: 64 MB are the limit");
                 }
                 char* const bytes = out.arena().allocate(static_cast<size_t>(size));
                 char* at = bytes;
                 for (int32_t i = 0; i < count; ++i) {
                   at = std::copy(text.begin(), text.end(), at);
                 }
                 out.set(Text(bytes, static_cast<size_t>(size)));
               })});
}

// ---- Replacing

void overlay(Out<Text>& out, std::string_view text, std::string_view with, int64_t start,
             int64_t length) {
  const int64_t count = character_count(text);
  if (start <= 0 || start > count) { return out.set(Text(text)); }
  std::string made(text.substr(0, character_offset(text, start - 1)));
  made += with;
  if (length > 0 && length <= count - start) {
    made += text.substr(character_offset(text, start - 1 + length));
  }
  out.set_copy(made);
}

std::string translated(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  while (!text.empty()) {
    const uint32_t code = take_character(text);
    std::string_view keys = from;
    std::string_view values = to;
    bool found = false;
    while (!keys.empty() && !found) {
      found = take_character(keys) == code;
      const bool has_value = !values.empty();
      const uint32_t value = has_value ? take_character(values) : 0;
      if (found && has_value) { append_character(out, value); }
    }
    if (!found) { append_character(out, code); }
  }
  return out;
}

void add_replacements(FunctionTable& table) {
  table.define("REPLACE", kCareful, {"string, string, string -> string"},
               {by_row([](Out<Text>& out, Text text, Text part, Text with) {
                 const std::string_view view = text.view();
                 size_t found = view.find(part.view());
                 if (found == std::string_view::npos || part.empty()) { return out.set(text); }
                 std::string made;
                 size_t at = 0;
                 for (; found != std::string_view::npos; found = view.find(part.view(), at)) {
                   made += view.substr(at, found - at);
                   made += with.view();
                   at = found + part.size();
                 }
                 made += view.substr(at);
                 out.set_copy(made);
               })});
  table.define("TRANSLATE", kCareful, {"string, string, string -> string"},
               {by_row([](Out<Text>& out, Text text, Text from, Text to) {
                 out.set_copy(translated(text.view(), from.view(), to.view()));
               })});
  table.define("OVERLAY", kCareful,
               {"string, string, bigint -> string", "string, string, bigint, bigint -> string"},
               {by_row([](Out<Text>& out, Text text, Text with, int64_t start) {
                  overlay(out, text.view(), with.view(), start, character_count(with.view()));
                }),
                by_row([](Out<Text>& out, Text text, Text with, int64_t start, int64_t length) {
                  overlay(out, text.view(), with.view(), start, length);
                })});
}

// ---- Codes and encodings

// As Java hashes a string: by its UTF-16 units.
int32_t java_hash(std::string_view text) {
  uint32_t hash = 0;
  while (!text.empty()) {
    const uint32_t code = take_character(text);
    if (code >= 0x10000) {
      hash = hash * 31 + (0xd800 + ((code - 0x10000) >> 10));
      hash = hash * 31 + (0xdc00 + ((code - 0x10000) & 0x3ff));
    } else {
      hash = hash * 31 + code;
    }
  }
  return static_cast<int32_t>(hash);
}

void add_codes(FunctionTable& table) {
  table.define("ASCII", kCareful, {"string -> int"}, {by_row([](Out<int32_t>& out, Text text) {
                 out.set(text.empty() ? 0 : static_cast<int8_t>(text.front()));
               })});
  table.define("CHR", kCareful, {"bigint -> string"}, {by_row([](Out<Text>& out, int64_t code) {
                 if (code < 0) { return out.set(Text()); }
                 std::string made;
                 append_character(made, static_cast<uint32_t>(code & 0xff));
                 out.set_copy(made);
               })});
  table.define("HASH_CODE", kCareful, {"string -> int"}, {by_row([](Out<int32_t>& out, Text text) {
                 const int32_t hash = java_hash(text.view());
                 out.set(hash < 0 ? static_cast<int32_t>(0 - static_cast<uint32_t>(hash)) : hash);
               })});
  table.define("TO_BASE64", kCareful, {"string -> string", "bytes -> string"},
               {by_row([](Out<Text>& out, Text text) { out.set_copy(to_base64(text.view())); })});
  table.define("FROM_BASE64", kCareful, {"string -> string", "bytes -> string"},
               {by_row([](Out<Text>& out, Text text) {
                 const auto bytes = from_base64(text.view());
                 if (!bytes) { return out.fail("'" + text.str() + "' is no Base64"); }
                 out.set_copy(*bytes);
               })});
  table.define(
      "HEX", kCareful, {"bigint -> string", "string -> string", "bytes -> string"},
      {by_row([](Out<Text>& out, int64_t value) {
         std::array<char, 20> buffer;
         const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                        static_cast<uint64_t>(value), 16)
                              .ptr;
         std::string made;
         append_upper(made, {buffer.data(), static_cast<size_t>(end - buffer.data())});
         out.set_copy(made);
       }),
       by_row([](Out<Text>& out, Text text) { out.set_copy(to_hex(text.view(), true)); }),
       by_row([](Out<Text>& out, Text text) { out.set_copy(to_hex(text.view(), true)); })});
  table.define("BIN", kCareful, {"bigint -> string"}, {by_row([](Out<Text>& out, int64_t value) {
                 std::array<char, 72> buffer;
                 const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                                static_cast<uint64_t>(value), 2)
                                      .ptr;
                 out.set_copy({buffer.data(), static_cast<size_t>(end - buffer.data())});
               })});
}

void add_encodings(FunctionTable& table) {
  table.define("URL_ENCODE", kCareful, {"string -> string"},
               {by_row([](Out<Text>& out, Text text) { out.set_copy(url_encoded(text.view())); })});
  table.define("URL_DECODE", kCareful, {"string -> string?"},
               {by_row([](Out<Text>& out, Text text) {
                 const auto decoded = url_decoded(text.view());
                 decoded ? out.set_copy(*decoded) : out.set_null();
               })});
  table.define("ENCODE", kCareful, {"string, string -> bytes"},
               {by_row([](Out<Text>& out, Text text, Text charset) {
                 const auto bytes = encoded(text.view(), charset.view());
                 if (!bytes) { return out.fail(unknown_charset(charset.view())); }
                 out.set_copy(*bytes);
               })});
  table.define("DECODE", kCareful, {"bytes, string -> string"},
               {by_row([](Out<Text>& out, Text bytes, Text charset) {
                 const auto text = decoded(bytes.view(), charset.view());
                 if (!text) { return out.fail(unknown_charset(charset.view())); }
                 out.set_copy(*text);
               })});
  table.define("PARSE_URL", kCareful,
               {"string, string -> string?", "string, string, string -> string?"},
               {by_row([](Out<Text>& out, Text url, Text part) {
                  const auto found = url_part(url.view(), part.view());
                  found ? out.set(Text(*found)) : out.set_null();
                }),
                by_row([](Out<Text>& out, Text url, Text part, Text key) {
                  const auto query = part == "QUERY" ? url_part(url.view(), "QUERY") : std::nullopt;
                  const auto found = query ? query_value(*query, key.view()) : std::nullopt;
                  found ? out.set(Text(*found)) : out.set_null();
                })});
}

// ---- Tests

bool all_characters(std::string_view text, bool (*is)(uint32_t)) {
  if (text.empty()) { return false; }
  while (!text.empty()) {
    if (!is(take_character(text))) { return false; }
  }
  return true;
}

bool is_number_text(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') { text.remove_suffix(1); }
  if (text.starts_with('+') || text.starts_with('-')) { text.remove_prefix(1); }
  if (text == "NaN" || text == "Infinity") { return true; }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && text[0] != '-' && error != std::errc::invalid_argument &&
         text[0] <= '9' && end == text.data() + text.size();
}

// IS_ALPHA and the like are FALSE for NULL, and know numbers.
template <class F>
KernelMaker text_test(F f) {
  return by_row([f](Out<uint8_t>& out, const Text* text) {
    out.set(text != nullptr && f(text->view()) ? 1 : 0);
  });
}
KernelMaker not_null_test() {
  return [](const KernelSetup&) -> Result<std::unique_ptr<Kernel>> {
    class NotNull final : public Kernel {
     public:
      Status run(const KernelCall& call) override {
        for (uint32_t i = 0; i < call.rows; ++i) {
          call.result->values<uint8_t>()[i] = call.arguments[0].is_null(i) ? 0 : 1;
        }
        return {};
      }
    };
    return std::unique_ptr<Kernel>(std::make_unique<NotNull>());
  };
}

void add_tests(FunctionTable& table) {
  table.define("IS_ALPHA", kCarefulNullAware, {"string -> boolean!"},
               {text_test([](std::string_view text) { return all_characters(text, is_letter); })});
  table.define("IS_DIGIT", kCarefulNullAware, {"string -> boolean!", "integer -> boolean!"},
               {text_test([](std::string_view text) { return all_characters(text, is_digit); }),
                not_null_test()});
  table.define("IS_DECIMAL", kCarefulNullAware, {"string -> boolean!", "numeric -> boolean!"},
               {text_test(is_number_text), not_null_test()});
}

}  // namespace

void add_strings(FunctionTable& table) {
  add_joins(table);
  add_cases(table);
  add_parts(table);
  add_searches(table);
  add_trims(table);
  add_replacements(table);
  add_codes(table);
  add_encodings(table);
  add_tests(table);
}

}  // namespace tidewheel::sql
