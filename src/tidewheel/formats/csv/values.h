// Reads and writes single values of CSV.
#pragma once
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "tidewheel/types/print.h"
#include "tidewheel/types/record.h"

namespace tidewheel::csv::detail {

// What readers of values need to know.
struct ValueContext {
  const TimePattern* time_pattern = nullptr;  // null: ISO 8601
};

bool parse_bool(std::string_view text, bool& value);
bool parse_timestamp_ms(std::string_view text, const ValueContext& context, int64_t& ms);
bool parse_local_ms(std::string_view text, const ValueContext& context, int64_t& ms);

// A leaf of a record that has a form in CSV.
template <class T>
inline constexpr bool kIsValue = tidewheel::detail::kIsLeaf<T>;

// Digits without a sign, at most 18 of them; false for all else.
inline bool parse_digits(const char* at, const char* end, uint64_t& value) {
  if (at == end || end - at > 18) { return false; }
  value = 0;
  for (; at != end; ++at) {
    const auto digit = static_cast<unsigned>(*at - '0');
    if (digit > 9) { return false; }
    value = value * 10 + digit;
  }
  return true;
}

// A number of at most 15 digits, with or without a point: such an integer, and the power of ten
// that divides it, are exact, so that the quotient is rounded once, as it has to be.
bool parse_short_double(std::string_view text, double& value);

template <class T>
bool parse_number(std::string_view text, T& value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') { text.remove_prefix(1); }
  const char* const end = text.data() + text.size();
  if constexpr (std::is_integral_v<T>) {
    const bool negative = std::is_signed_v<T> && !text.empty() && text[0] == '-';
    uint64_t digits = 0;
    if (parse_digits(text.data() + (negative ? 1 : 0), end, digits)) [[likely]] {
      const auto wide = negative ? -static_cast<int64_t>(digits) : static_cast<int64_t>(digits);
      value = static_cast<T>(wide);
      return static_cast<int64_t>(value) == wide;
    }
  } else if constexpr (std::is_same_v<T, double>) {
    if (parse_short_double(text, value)) [[likely]] { return true; }
  }
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end;
}

template <class E>
bool parse_enum(std::string_view text, E& value) {
  if constexpr (requires { enum_names<E>::value; }) {
    for (const auto& [one, name] : enum_names<E>::value) {
      if (name == text) {
        value = one;
        return true;
      }
    }
    return false;
  } else {
    std::underlying_type_t<E> number{};
    if (!parse_number(text, number)) { return false; }
    value = static_cast<E>(number);
    return true;
  }
}

template <class T, class Parsed>
bool assign(T& value, const std::optional<Parsed>& parsed) {
  if (!parsed) { return false; }
  value = *parsed;
  return true;
}

// Text is not parsed here: it may have to be copied (see Reader).
template <class T>
bool parse_value(std::string_view text, const ValueContext& context, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return parse_bool(text, value);
  } else if constexpr (std::is_same_v<T, char>) {
    if (text.size() != 1) { return false; }
    value = text[0];
    return true;
  } else if constexpr (std::is_same_v<T, std::string>) {
    value.assign(text);
    return true;
  } else if constexpr (std::is_same_v<T, Bytes>) {
    value.storage().assign(text);
    return true;
  } else if constexpr (std::is_enum_v<T>) {
    return parse_enum(text, value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return parse_number(text, value);
  } else if constexpr (kinds::kDecimal<T>) {
    return assign(value, T::parse(text));
  } else if constexpr (kinds::kDuration<T>) {
    typename T::rep count{};
    if (!parse_number(text, count)) { return false; }
    value = T(count);
    return true;
  } else if constexpr (std::is_same_v<T, Timestamp>) {
    int64_t ms = 0;
    if (!parse_timestamp_ms(text, context, ms)) { return false; }
    value = Timestamp(ms);
    return true;
  } else if constexpr (std::is_same_v<T, LocalTimestamp>) {
    int64_t ms = 0;
    if (!parse_local_ms(text, context, ms)) { return false; }
    value = LocalTimestamp(ms);
    return true;
  } else if constexpr (std::is_same_v<T, Date>) {
    return assign(value, parse_date(text));
  } else {
    static_assert(std::is_same_v<T, Time>);
    return assign(value, parse_time(text));
  }
}

// "int32", "timestamp", ... with what is accepted, for messages.
std::string_view describe_number(size_t bytes, bool is_signed);
template <class T>
std::string describe_type(const ValueContext& context) {
  if constexpr (kinds::kOptional<T>) {
    return describe_type<typename T::value_type>(context);
  } else if constexpr (std::is_same_v<T, bool>) {
    return "bool (true, false, 1 or 0)";
  } else if constexpr (std::is_same_v<T, char>) {
    return "char (one byte)";
  } else if constexpr (std::is_enum_v<T>) {
    if constexpr (requires { enum_names<T>::value; }) {
      std::string text = "one of";
      for (const auto& [one, name] : enum_names<T>::value) { text.append(" ").append(name); }
      return text;
    } else {
      return describe_type<std::underlying_type_t<T>>(context);
    }
  } else if constexpr (std::is_same_v<T, float>) {
    return "float";
  } else if constexpr (std::is_same_v<T, double>) {
    return "double";
  } else if constexpr (std::is_integral_v<T>) {
    return std::string(describe_number(sizeof(T), std::is_signed_v<T>));
  } else if constexpr (kinds::kDecimal<T>) {
    return "decimal(" + std::to_string(T::precision) + "," + std::to_string(T::scale) + ")";
  } else if constexpr (kinds::kDuration<T>) {
    return describe_type<typename T::rep>(context);
  } else if constexpr (std::is_same_v<T, Timestamp> || std::is_same_v<T, LocalTimestamp>) {
    return context.time_pattern != nullptr ? "timestamp like " + context.time_pattern->pattern()
                                           : std::string("timestamp like 2013-01-31T05:00:00Z");
  } else if constexpr (std::is_same_v<T, Date>) {
    return "date like 2013-01-31";
  } else if constexpr (std::is_same_v<T, Time>) {
    return "time like 05:00:00";
  } else {
    return "string";
  }
}

}  // namespace tidewheel::csv::detail
