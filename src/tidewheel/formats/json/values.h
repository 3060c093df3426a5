// Reads single values of JSON from their text.
#pragma once
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidewheel/formats/json/options.h"
#include "tidewheel/types/base64.h"
#include "tidewheel/types/print.h"
#include "tidewheel/types/record.h"

namespace tidewheel::json_detail {

template <class T>
inline constexpr bool kIsLeaf = tidewheel::detail::kIsLeaf<T>;
template <class T>
inline constexpr bool kIsText = std::is_same_v<T, std::string> || std::is_same_v<T, Text>;

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
std::string_view trimmed(std::string_view text);

// ---- Numbers: the grammar of JSON, no more (no '+', no leading zeros, no bare point) ----

// 4 to 8 digits, without a loop: as bytes of one number, the first one lowest, of which neighbours
// are added up (Lemire, "Quickly parsing eight digits").
inline bool parse_eight_digits(const char* at, size_t count, uint64_t& value) {
  uint32_t first = 0;
  uint32_t last = 0;
  std::memcpy(&first, at, 4);
  std::memcpy(&last, at + count - 4, 4);
  const size_t missing_bits = 8 * (8 - count);
  uint64_t digits = first | (uint64_t{last} >> missing_bits) << 32;
  if (missing_bits > 0) {
    digits = digits << missing_bits | uint64_t{0x3030303030303030} >> (64 - missing_bits);
  }
  constexpr uint64_t kHigh = 0xF0F0F0F0F0F0F0F0;
  if (((digits & kHigh) | ((digits + 0x0606060606060606) & kHigh) >> 4) != 0x3333333333333333) {
    return false;
  }
  digits -= 0x3030303030303030;
  digits = digits * 10 + (digits >> 8);
  constexpr uint64_t kPairs = 0x000000FF000000FF;
  value =
      ((digits & kPairs) * 0x000F424000000064 + (digits >> 16 & kPairs) * 0x0000271000000001) >> 32;
  return true;
}

// Digits of a whole number, at most 18 of them.
inline bool parse_short_digits(const char* at, const char* end, uint64_t& value) {
  if (at == end || end - at > 18 || (*at == '0' && end - at > 1)) { return false; }
  if (std::endian::native == std::endian::little && end - at >= 4 && end - at <= 8) {
    return parse_eight_digits(at, static_cast<size_t>(end - at), value);
  }
  value = 0;
  for (; at != end; ++at) {
    const auto digit = static_cast<unsigned>(*at - '0');
    if (digit > 9) { return false; }
    value = value * 10 + digit;
  }
  return true;
}
// Any number of digits, that fit.
bool parse_integer(std::string_view text, int64_t& value);
bool parse_integer(std::string_view text, uint64_t& value);

template <class T>
bool parse_whole(std::string_view text, T& value) {
  const bool negative = std::is_signed_v<T> && !text.empty() && text[0] == '-';
  uint64_t digits = 0;
  if (parse_short_digits(text.data() + (negative ? 1 : 0), text.data() + text.size(), digits))
      [[likely]] {
    const auto wide = negative ? -static_cast<int64_t>(digits) : static_cast<int64_t>(digits);
    value = static_cast<T>(wide);
    return static_cast<int64_t>(value) == wide;
  }
  std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t> wide = 0;
  if (!parse_integer(text, wide)) { return false; }
  value = static_cast<T>(wide);
  return static_cast<decltype(wide)>(value) == wide;
}

bool is_number(std::string_view text);
// The nearest double; false when `text` is no number or beyond the largest. What is nearer to 0
// than the smallest is 0.
bool parse_real(std::string_view text, double& value);
bool parse_real(std::string_view text, float& value);
// Writes a number with an exponent without one; false when it is no number, or has too many digits
// for any decimal.
bool expand_exponent(std::string_view text, std::string& plain);

// ---- Other values ----

bool parse_timestamp_ms(std::string_view text, JsonTimestampFormat format, bool may_have_zone,
                        int64_t& ms);
// In units of which `units_per_second`, 1,000 or more, make a second; false also when that is
// beyond 64 bits.
bool parse_timestamp(std::string_view text, JsonTimestampFormat format, bool may_have_zone,
                     int64_t units_per_second, int64_t& units);
using tidewheel::append_base64;
using tidewheel::parse_base64;
// Undoes the escapes of a string whose bytes are those between its quotes. `to` has room for as
// many bytes. Returns the end; null when an escape is none, with its place in `bad`.
char* unescape(std::string_view raw, char* to, const char*& bad);
// "NaN", "Infinity", "-Infinity", which JSON has as strings only.
bool parse_not_finite(std::string_view text, double& value);

std::string_view describe_integer(size_t bytes, bool is_signed);
std::string describe_timestamp(JsonTimestampFormat format, bool has_zone);

template <class T>
std::string describe(JsonTimestampFormat format) {
  if constexpr (std::is_same_v<T, bool>) {
    return "bool (true or false)";
  } else if constexpr (std::is_same_v<T, char>) {
    return "char (a string of one character)";
  } else if constexpr (std::is_enum_v<T>) {
    if constexpr (requires { enum_names<T>::value; }) {
      std::string text = "one of";
      for (const auto& [one, name] : enum_names<T>::value) { text.append(" ").append(name); }
      return text;
    } else {
      return describe<std::underlying_type_t<T>>(format);
    }
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::is_same_v<T, float> ? "float" : "double";
  } else if constexpr (std::is_integral_v<T>) {
    return std::string(describe_integer(sizeof(T), std::is_signed_v<T>));
  } else if constexpr (kinds::kDecimal<T>) {
    return "decimal(" + std::to_string(T::precision) + "," + std::to_string(T::scale) + ")";
  } else if constexpr (kinds::kDuration<T>) {
    return describe<typename T::rep>(format);
  } else if constexpr (std::is_same_v<T, Timestamp> || std::is_same_v<T, LocalTimestamp>) {
    return describe_timestamp(format, std::is_same_v<T, Timestamp>);
  } else if constexpr (std::is_same_v<T, Date>) {
    return "date like 2013-01-31";
  } else if constexpr (std::is_same_v<T, Time>) {
    return "time like 05:00:00.123";
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return "base64";
  } else {
    return "string";
  }
}

template <class T, class Parsed>
bool assign(T& value, const std::optional<Parsed>& parsed) {
  if (!parsed) { return false; }
  value = *parsed;
  return true;
}

template <class T>
bool parse_decimal(std::string_view text, T& value) {
  if (!is_number(text)) { return false; }
  if (text.find_first_of("eE") == std::string_view::npos) { return assign(value, T::parse(text)); }
  std::string plain;
  return expand_exponent(text, plain) && assign(value, T::parse(plain));
}

template <class E>
bool parse_enum_name(std::string_view text, E& value) {
  for (const auto& [one, name] : enum_names<E>::value) {
    if (name == text) {
      value = one;
      return true;
    }
  }
  return false;
}

// A value that is no string: a number, true or false.
template <class T>
bool parse_word(std::string_view text, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = text == "true";
    return value || text == "false";
  } else if constexpr (std::is_enum_v<T> && !requires { enum_names<T>::value; }) {
    std::underlying_type_t<T> number{};
    if (!parse_word(text, number)) { return false; }
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::is_same_v<T, char>) {
    return false;
  } else if constexpr (std::is_floating_point_v<T>) {
    return parse_real(text, value);
  } else if constexpr (std::is_integral_v<T>) {
    return parse_whole(text, value);
  } else if constexpr (kinds::kDecimal<T>) {
    return parse_decimal(text, value);
  } else if constexpr (kinds::kDuration<T>) {
    typename T::rep count{};
    if (!parse_word(text, count)) { return false; }
    value = T(count);
    return true;
  } else {
    return false;  // text, times and bytes are strings
  }
}

// A value that is a string, without its quotes and escapes; not for kIsText.
template <class T>
bool parse_string(std::string_view text, JsonTimestampFormat format, T& value) {
  if constexpr (std::is_same_v<T, char>) {
    // Bytes from 0x80 on are the characters U+0080 to U+00FF.
    const auto lead = static_cast<unsigned char>(text.empty() ? '\0' : text[0]);
    if (text.size() == 1 && lead < 0x80) {
      value = text[0];
      return true;
    }
    if (text.size() != 2 || (lead != 0xC2 && lead != 0xC3)) { return false; }
    value = static_cast<char>(static_cast<unsigned char>(text[1]) + (lead == 0xC3 ? 0x40 : 0));
    return true;
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return parse_base64(text, value.storage());
  } else if constexpr (std::is_same_v<T, Timestamp> || std::is_same_v<T, LocalTimestamp>) {
    int64_t ms = 0;
    if (!parse_timestamp_ms(text, format, std::is_same_v<T, Timestamp>, ms)) { return false; }
    value = T(ms);
    return true;
  } else if constexpr (std::is_same_v<T, Date>) {
    return assign(value, tidewheel::parse_date(text));
  } else if constexpr (std::is_same_v<T, Time>) {
    return assign(value, tidewheel::parse_time(text));
  } else if constexpr (std::is_enum_v<T> && requires { enum_names<T>::value; }) {
    // A value without a name is written as its number.
    std::underlying_type_t<T> number{};
    if (parse_enum_name(text, value)) { return true; }
    if (!parse_word(text, number)) { return false; }
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    double not_finite = 0;
    if (parse_not_finite(text, not_finite)) {
      value = static_cast<T>(not_finite);
      return true;
    }
    return parse_word(trimmed(text), value);
  } else {
    return parse_word(trimmed(text), value);
  }
}

// ---- Names of types ----

template <class T>
constexpr std::string_view pretty_type() {
  return __PRETTY_FUNCTION__;
}
// GCC: "... [with T = a::B<c::D>; std::string_view = ...]", Clang: "... [T = a::B<c::D>]": "B".
constexpr std::string_view bare_type(std::string_view pretty) {
  pretty.remove_prefix(pretty.find("T = ") + 4);
  pretty = pretty.substr(0, pretty.find_first_of(";<]"));
  const size_t colon = pretty.rfind(':');
  return colon == std::string_view::npos ? pretty : pretty.substr(colon + 1);
}

template <class T>
constexpr std::string_view integer_name() {
  constexpr std::array<std::string_view, 8> kNames{"int8",  "uint8",  "int16", "uint16",
                                                   "int32", "uint32", "int64", "uint64"};
  size_t index = std::is_signed_v<T> ? 0 : 1;
  for (size_t bytes = 1; bytes < sizeof(T); bytes *= 2) { index += 2; }
  return kNames[index];
}

template <class T>
constexpr std::string_view type_name() {
  if constexpr (requires { json_name<T>::value; }) {
    return json_name<T>::value;
  } else if constexpr (kinds::kOptional<T>) {
    return type_name<typename T::value_type>();
  } else if constexpr (kIsText<T>) {
    return "string";
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, char> ||
                       std::is_floating_point_v<T>) {
    return bare_type(pretty_type<T>());
  } else if constexpr (std::is_integral_v<T>) {
    return integer_name<T>();
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
    return "array";
  } else if constexpr (kinds::kMap<T>) {
    return "map";
  } else if constexpr (kinds::kTuple<T>) {
    return "tuple";
  } else if constexpr (kinds::kDuration<T>) {
    return "duration";
  } else {
    return bare_type(pretty_type<T>());
  }
}

// The fields of pairs and tuples.
inline constexpr std::array<std::string_view, 64> kTupleNames{
    "f0",  "f1",  "f2",  "f3",  "f4",  "f5",  "f6",  "f7",  "f8",  "f9",  "f10", "f11", "f12",
    "f13", "f14", "f15", "f16", "f17", "f18", "f19", "f20", "f21", "f22", "f23", "f24", "f25",
    "f26", "f27", "f28", "f29", "f30", "f31", "f32", "f33", "f34", "f35", "f36", "f37", "f38",
    "f39", "f40", "f41", "f42", "f43", "f44", "f45", "f46", "f47", "f48", "f49", "f50", "f51",
    "f52", "f53", "f54", "f55", "f56", "f57", "f58", "f59", "f60", "f61", "f62", "f63"};

template <class... T>
constexpr bool has_distinct_names() {
  constexpr std::array<std::string_view, sizeof...(T)> kNames{type_name<T>()...};
  for (size_t i = 0; i < kNames.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (kNames[i] == kNames[j]) { return false; }
    }
  }
  return true;
}

}  // namespace tidewheel::json_detail
