// Writes records as JSON, one object a line.
#pragma once
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "tidewheel/base/status.h"
#include "tidewheel/formats/json/options.h"
#include "tidewheel/formats/json/values.h"
#include "tidewheel/types/print.h"
#include "tidewheel/types/record.h"

namespace tidewheel {

namespace json_detail {

// Appends `text` in quotes, with escapes where there must be some. Bytes that are no UTF-8 become
// U+FFFD.
void append_string(std::string& out, std::string_view text);
void append_timestamp(std::string& out, int64_t ms, JsonTimestampFormat format, bool is_utc);
void append_time(std::string& out, Time time);
void append_decimal(std::string& out, std::string plain, bool as_plain_number);
void append_real(std::string& out, double value);
void append_real(std::string& out, float value);

template <class T>
void append_integer(std::string& out, T value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  static_cast<void>(error);  // there is room for every number
  out.append(digits, static_cast<size_t>(end - digits));
}

// A map's key that is an empty optional may be refused.
template <class T>
constexpr bool can_fail() {
  if constexpr (kIsLeaf<T>) {
    return false;
  } else if constexpr (kinds::kOptional<T> || kinds::kVector<T> || kinds::kArray<T>) {
    return can_fail<typename T::value_type>();
  } else if constexpr (kinds::kMap<T>) {
    return kinds::kOptional<typename T::key_type> || can_fail<typename T::mapped_type>();
  } else if constexpr (kinds::kTuple<T>) {
    return kinds::any_of_indexes<std::tuple_size_v<T>>(
        []<size_t kIndex>() { return can_fail<std::tuple_element_t<kIndex, T>>(); });
  } else if constexpr (kinds::kVariant<T>) {
    return kinds::any_of_indexes<std::variant_size_v<T>>(
        []<size_t kIndex>() { return can_fail<std::variant_alternative_t<kIndex, T>>(); });
  } else {
    return kinds::any_of_indexes<refl::count<T>()>(
        []<size_t kIndex>() { return can_fail<refl::FieldType<T, kIndex>>(); });
  }
}

// `,"name":` at compile time; the comma is left out for the first one.
template <const std::string_view& kName>
struct KeyText {
  static constexpr auto kChars = [] {
    std::array<char, kName.size() + 4> chars{};
    size_t at = 0;
    chars[at++] = ',';
    chars[at++] = '"';
    for (const char c : kName) { chars[at++] = c; }
    chars[at++] = '"';
    chars[at++] = ':';
    return chars;
  }();
  static constexpr std::string_view kAll{kChars.data(), kChars.size()};
};

}  // namespace json_detail

// Appends rows to a buffer. One thread.
class JsonWriter {
 public:
  // Errors: kConnectorOption.
  static Result<JsonWriter> open(JsonOptions options) {
    TIDEWHEEL_RETURN_IF_ERROR(options.validate());
    return JsonWriter(std::move(options));
  }
  // One line. Gives a Status when T has maps whose keys are optionals. Errors: kRecordMalformed,
  // when there is a key without a value, and map_null_key_mode says so.
  template <class T>
  auto append_row(std::string& out, const T& row) const {
    static_assert(Record<T>, "a row of JSON must be a record: see tidewheel/types/record.h");
    const bool good = append(out, row);
    out += '\n';
    if constexpr (json_detail::can_fail<T>()) { return good ? Status() : null_key(); }
  }

 private:
  explicit JsonWriter(JsonOptions options) : options_(std::move(options)) {}
  static Status null_key();

  template <class T>
  bool append(std::string& out, const T& value) const {
    if constexpr (json_detail::kIsLeaf<T>) {
      append_leaf(out, value);
      return true;
    } else if constexpr (kinds::kOptional<T>) {
      if (value) { return append(out, *value); }
      out += "null";
      return true;
    } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
      return append_array(out, value);
    } else if constexpr (kinds::kMap<T>) {
      return append_map(out, value);
    } else if constexpr (kinds::kVariant<T>) {
      return append_variant(out, value);
    } else if constexpr (kinds::kTuple<T>) {
      return std::apply([&](const auto&... fields) { return append_tuple(out, fields...); }, value);
    } else {
      static_assert(refl::Reflected<T>,
                    "JSON has no form for a type with a serde of its own: map the stream to a "
                    "struct that holds what is to be written");
      return append_struct(out, value, std::make_index_sequence<refl::count<T>()>());
    }
  }

  template <class T>
  void append_leaf(std::string& out, const T& value) const {
    if constexpr (json_detail::kIsText<T>) {
      json_detail::append_string(out, value);
    } else if constexpr (std::is_same_v<T, bool>) {
      out += value ? "true" : "false";
    } else if constexpr (std::is_same_v<T, char>) {
      append_char(out, value);
    } else if constexpr (std::is_enum_v<T>) {
      append_enum(out, value);
    } else if constexpr (std::is_floating_point_v<T>) {
      json_detail::append_real(out, value);
    } else if constexpr (std::is_integral_v<T>) {
      json_detail::append_integer(out, value);
    } else if constexpr (kinds::kDuration<T>) {
      append_leaf(out, value.count());
    } else if constexpr (kinds::kDecimal<T>) {
      json_detail::append_decimal(out, value.to_string(), options_.encode_decimal_as_plain_number);
    } else {
      out += '"';
      append_bare(out, value);
      out += '"';
    }
  }
  // Values that are strings of letters that need no escapes, without their quotes.
  template <class T>
  void append_bare(std::string& out, const T& value) const {
    if constexpr (std::is_same_v<T, Timestamp> || std::is_same_v<T, LocalTimestamp>) {
      json_detail::append_timestamp(out, value.ms(), options_.timestamp_format,
                                    std::is_same_v<T, Timestamp>);
    } else if constexpr (std::is_same_v<T, Date>) {
      print_to(out, value);
    } else if constexpr (std::is_same_v<T, Time>) {
      json_detail::append_time(out, value);
    } else {
      static_assert(std::is_same_v<T, Bytes>);
      json_detail::append_base64(out, value.view());
    }
  }
  static void append_char(std::string& out, char value);
  template <class E>
  void append_enum(std::string& out, E value) const {
    if constexpr (requires { enum_names<E>::value; }) {
      json_detail::append_string(out, printed(value));
    } else {
      append_leaf(out, static_cast<std::underlying_type_t<E>>(value));
    }
  }

  template <class T>
  bool append_array(std::string& out, const T& value) const {
    out += '[';
    bool first = true;
    bool good = true;
    for (const auto& element : value) {
      if (!std::exchange(first, false)) { out += ','; }
      if constexpr (std::is_same_v<typename T::value_type, bool>) {
        append_leaf(out, static_cast<bool>(element));
      } else {
        good = append(out, element) && good;
      }
    }
    out += ']';
    return good;
  }
  template <class T>
  bool append_map(std::string& out, const T& value) const {
    out += '{';
    bool first = true;
    bool good = true;
    for (const auto& [key, mapped] : value) {
      if constexpr (kinds::kOptional<typename T::key_type>) {
        if (!key && options_.map_null_key_mode != JsonMapNullKey::kLiteral) {
          good = good && options_.map_null_key_mode == JsonMapNullKey::kDrop;
          continue;
        }
      }
      if (!std::exchange(first, false)) { out += ','; }
      append_key(out, key);
      out += ':';
      good = append(out, mapped) && good;
    }
    out += '}';
    return good;
  }
  template <class K>
  void append_key(std::string& out, const K& key) const {
    if constexpr (kinds::kOptional<K>) {
      if (key) {
        append_key(out, *key);
      } else {
        json_detail::append_string(out, options_.map_null_key_literal);
      }
    } else {
      static_assert(json_detail::kIsLeaf<K>,
                    "the keys of a map must be text in JSON: strings, Text, numbers, enums, times");
      // Numbers have no quotes of their own.
      const size_t begin = out.size();
      append_leaf(out, key);
      if (out[begin] == '"') { return; }
      out.insert(begin, 1, '"');
      out += '"';
    }
  }

  // A key with its comma, but for a field without a value that is to be left out.
  template <class F>
  bool append_field(std::string& out, std::string_view key_text, bool& first,
                    const F& value) const {
    if constexpr (kinds::kOptional<F>) {
      if (!value && options_.encode_ignore_null_fields) { return true; }
    }
    if (first) { key_text.remove_prefix(1); }
    first = false;
    out += key_text;
    return append(out, value);
  }
  template <class T, size_t kIndex>
  static constexpr std::string_view kFieldName = refl::field_name<T, kIndex>();
  template <class T, size_t... kIndex>
  bool append_struct(std::string& out, const T& value, std::index_sequence<kIndex...>) const {
    out += '{';
    bool first = true;
    bool good = true;
    refl::with_fields(value, [&](const auto&... fields) {
      ((good =
            append_field(out, json_detail::KeyText<kFieldName<T, kIndex>>::kAll, first, fields) &&
            good),
       ...);
    });
    out += '}';
    return good;
  }
  template <class... F>
  bool append_tuple(std::string& out, const F&... fields) const {
    out += '{';
    bool first = true;
    bool good = true;
    size_t index = 0;
    const auto append_one = [&](const auto& field) {
      const std::string key = ",\"" + std::string(json_detail::kTupleNames[index++]) + "\":";
      good = append_field(out, key, first, field) && good;
    };
    (append_one(fields), ...);
    out += '}';
    return good;
  }
  template <class... A>
  bool append_variant(std::string& out, const std::variant<A...>& value) const {
    static_assert(json_detail::has_distinct_names<A...>(),
                  "two alternatives of a variant have the same name in JSON: specialise "
                  "tidewheel::json_name for one of them");
    return std::visit(
        [&](const auto& alternative) {
          using Alternative = std::remove_cvref_t<decltype(alternative)>;
          out += '{';
          json_detail::append_string(out, json_detail::type_name<Alternative>());
          out += ':';
          const bool good = append(out, alternative);
          out += '}';
          return good;
        },
        value);
  }

  JsonOptions options_;
};

}  // namespace tidewheel
