// Values as text, for people and for tests: `{symbol: "A", cents: 5}`, or `A|5`.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidewheel/types/record.h"

namespace tidewheel {

// The names of an enum's values, for printing and for formats:
//   template <> struct tidewheel::enum_names<Side> {
//     static constexpr std::pair<Side, std::string_view> value[] = {{Side::kBuy, "buy"}, ...};
//   };
template <class E>
struct enum_names {};

namespace print_detail {

enum class Style : uint8_t {
  kPeople,     // fields with names, strings inside in quotes
  kDelimited,  // all values one after another
};

template <class T>
inline constexpr bool kIsString = std::is_same_v<T, std::string> || std::is_same_v<T, Text> ||
                                  std::is_same_v<T, std::string_view>;

void append_quoted(std::string& out, std::string_view text);
void append_hex(std::string& out, std::string_view bytes);
void append_number(std::string& out, int64_t value);
void append_number(std::string& out, uint64_t value);
void append_number(std::string& out, float value);
void append_number(std::string& out, double value);
void append_time(std::string& out, Timestamp value);
void append_time(std::string& out, LocalTimestamp value);
void append_time(std::string& out, Date value);
void append_time(std::string& out, Time value);
void append_time(std::string& out, const Interval& value);

template <class E>
void append_enum(std::string& out, E value) {
  if constexpr (requires { enum_names<E>::value; }) {
    for (const auto& [one, name] : enum_names<E>::value) {
      if (one == value) {
        out += name;
        return;
      }
    }
  }
  append_number(out, static_cast<int64_t>(value));
}

template <class T>
void append_leaf(std::string& out, const T& value, Style style, bool quoted) {
  if constexpr (kIsString<T>) {
    if (quoted && style == Style::kPeople) {
      append_quoted(out, value);
    } else {
      out += std::string_view(value);
    }
  } else if constexpr (std::is_same_v<T, Bytes>) {
    append_hex(out, value.view());
  } else if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, char>) {
    out += value;
  } else if constexpr (std::is_enum_v<T>) {
    append_enum(out, value);
  } else if constexpr (std::is_floating_point_v<T>) {
    append_number(out, value);
  } else if constexpr (std::is_unsigned_v<T>) {
    append_number(out, static_cast<uint64_t>(value));
  } else if constexpr (std::is_integral_v<T>) {
    append_number(out, static_cast<int64_t>(value));
  } else if constexpr (kinds::kDecimal<T>) {
    out += value.to_string();
  } else if constexpr (kinds::kDuration<T>) {
    append_leaf(out, value.count(), style, quoted);
  } else {
    append_time(out, value);
  }
}

template <class T>
void append_value(std::string& out, const T& value, Style style, char separator, bool quoted);

// One after another with `, ` or the separator between, and brackets for people.
class Sequence {
 public:
  Sequence(std::string& out, Style style, char separator, std::string_view brackets)
      : out_(out), style_(style), separator_(separator), brackets_(brackets) {
    if (style_ == Style::kPeople) { out_ += brackets_[0]; }
  }
  ~Sequence() {
    if (style_ == Style::kPeople) { out_ += brackets_[1]; }
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  template <class T>
  void add(const T& value, std::string_view name = {}, bool quoted = true) {
    next();
    if (style_ == Style::kPeople && !name.empty()) {
      out_ += name;
      out_ += ": ";
    }
    append_value(out_, value, style_, separator_, quoted);
  }
  template <class K, class V>
  void add_entry(const K& key, const V& mapped) {
    next();
    append_value(out_, key, style_, separator_, true);
    out_ += style_ == Style::kPeople ? ": " : ":";
    append_value(out_, mapped, style_, separator_, true);
  }

 private:
  void next() {
    if (!first_) {
      if (style_ == Style::kPeople) {
        out_ += ", ";
      } else {
        out_ += separator_;
      }
    }
    first_ = false;
  }
  std::string& out_;
  Style style_;
  char separator_;
  std::string_view brackets_;
  bool first_ = true;
};

template <class T>
void append_value(std::string& out, const T& value, Style style, char separator, bool quoted) {
  if constexpr (serde<T>::value) {
    if constexpr (requires {
                    { to_string(value) } -> std::convertible_to<std::string>;
                  }) {
      out += to_string(value);
    } else {
      out += "(opaque)";
    }
  } else if constexpr (detail::kIsLeaf<T> || kIsString<T>) {
    append_leaf(out, value, style, quoted);
  } else if constexpr (std::is_same_v<T, Interval>) {
    append_time(out, value);
  } else if constexpr (kinds::kOptional<T>) {
    if (value) {
      append_value(out, *value, style, separator, quoted);
    } else if (style == Style::kPeople) {
      out += "null";
    }
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
    Sequence sequence(out, style, separator, "[]");
    for (const auto& element : value) { sequence.add(element); }
  } else if constexpr (kinds::kMap<T>) {
    Sequence sequence(out, style, separator, "{}");
    for (const auto& [key, mapped] : value) { sequence.add_entry(key, mapped); }
  } else if constexpr (kinds::kTuple<T>) {
    Sequence sequence(out, style, separator, "()");
    std::apply([&](const auto&... element) { (sequence.add(element, {}, false), ...); }, value);
  } else if constexpr (kinds::kVariant<T>) {
    std::visit([&](const auto& one) { append_value(out, one, style, separator, quoted); }, value);
  } else if constexpr (refl::Reflected<T>) {
    Sequence sequence(out, style, separator, "{}");
    refl::for_each_named_field(
        value, [&](std::string_view name, const auto& one) { sequence.add(one, name); });
  } else {
    check_record<T>();
  }
}

}  // namespace print_detail

// Appends `{symbol: "A", cents: 5, at: 2013-01-01 05:00:00.000}`; a pair as `(a, 5)`; a string
// alone as it is; an empty optional as null.
template <class T>
void print_to(std::string& out, const T& value) {
  print_detail::append_value(out, value, print_detail::Style::kPeople, ',', false);
}
// Appends all values with `separator` between: `A|5|2013-01-01 05:00:00.000`. Fields of fields
// are written in line, an empty optional as nothing.
template <class T>
void print_delimited_to(std::string& out, const T& value, char separator = '|') {
  print_detail::append_value(out, value, print_detail::Style::kDelimited, separator, false);
}
template <class T>
std::string printed(const T& value) {
  std::string out;
  print_to(out, value);
  return out;
}
template <class T>
std::string printed_delimited(const T& value, char separator = '|') {
  std::string out;
  print_delimited_to(out, value, separator);
  return out;
}

}  // namespace tidewheel
