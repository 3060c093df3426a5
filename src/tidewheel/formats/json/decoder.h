// Decoders: one for each type that a record holds, put together when the job is compiled. Besides
// reading they remember in which order keys have come: lines of JSON are mostly written by one
// program, so the next key is compared with the one that was there in the record before, and looked
// up only when it is another.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/formats/json/cursor.h"
#include "tidewheel/formats/json/values.h"

namespace tidewheel::json_detail {

template <class T>
class Decoder;

// The order of an object's keys.
class KeyOrder {
 public:
  static constexpr int32_t kUnknown = -1;  // a key that no field has
  static constexpr int32_t kFailed = -2;

  // Takes the key that is number `position` of its object. Returns the index of its name.
  int32_t take(JsonCursor& cursor, size_t position, const std::string_view* names, size_t count) {
    if (position < expected_.size() && cursor.take_key(expected_[position].quoted)) [[likely]] {
      return expected_[position].index;
    }
    return look_up(cursor, position, names, count);
  }

 private:
  static constexpr size_t kPositionsMax = 256;
  static constexpr size_t kKeyBytesMax = 256;
  struct Expected {
    std::string quoted;
    int32_t index = kUnknown;
  };
  int32_t look_up(JsonCursor& cursor, size_t position, const std::string_view* names, size_t count);
  std::vector<Expected> expected_;  // by position
};

// ---- Leaves ----

template <class T>
requires kIsLeaf<T>
class Decoder<T> {
 public:
  bool read(JsonCursor& cursor, T& value) {
    if constexpr (kIsText<T>) {
      return cursor.take_text(value);
    } else {
      const std::string_view text = cursor.token();
      if (parse_word(text, value)) {
        cursor.advance();
        return true;
      }
      return read_string(cursor, value);
    }
  }

 private:
  static bool read_string(JsonCursor& cursor, T& value) {
    const JsonTimestampFormat format = cursor.rules().timestamp_format;
    std::string_view raw;
    if (cursor.raw_string(raw)) {
      std::string_view text;
      if (!cursor.unescaped(raw, text)) { return false; }
      if (parse_string(text, format, value)) {
        cursor.advance();
        return true;
      }
    }
    return cursor.no(describe<T>(format));
  }
};

// ---- Optionals ----

template <class T>
class Decoder<std::optional<T>> {
 public:
  bool read(JsonCursor& cursor, std::optional<T>& value) {
    if (cursor.is_null()) {
      cursor.advance();
      value.reset();
      return true;
    }
    const uint32_t* const begin = cursor.at();
    if (inner_.read(cursor, value ? *value : value.emplace())) [[likely]] { return true; }
    if (!cursor.rules().ignore_parse_errors) { return false; }
    // Only what is no JSON at all spoils more than this value.
    cursor.go_to(begin);
    if (!cursor.skip_value()) { return false; }
    cursor.note_ignored();
    value.reset();
    return true;
  }

 private:
  Decoder<T> inner_;
};

// ---- Arrays ----

// Reads `read_one(index)` for each element.
template <class F>
bool read_elements(JsonCursor& cursor, F&& read_one) {
  if (!cursor.take('[')) { return cursor.no("array"); }
  if (cursor.take(']')) { return true; }
  for (size_t index = 0;; ++index) {
    if (!read_one(index)) {
      cursor.add_element(index);
      return false;
    }
    if (cursor.take(',')) { continue; }
    return cursor.take(']') || cursor.no("comma or ]");
  }
}

template <class T, class A>
class Decoder<std::vector<T, A>> {
 public:
  bool read(JsonCursor& cursor, std::vector<T, A>& value) {
    size_t count = 0;
    const bool good = read_elements(cursor, [&](size_t index) {
      count = index + 1;
      if constexpr (std::is_same_v<T, bool>) {
        bool one = false;
        if (!inner_.read(cursor, one)) { return false; }
        value.resize(index);
        value.push_back(one);
        return true;
      } else {
        // Elements of the row before are used again, with the memory that they have.
        return inner_.read(cursor, index < value.size() ? value[index] : value.emplace_back());
      }
    });
    value.resize(count);
    return good;
  }

 private:
  Decoder<T> inner_;
};

template <class T, size_t kSize>
class Decoder<std::array<T, kSize>> {
 public:
  bool read(JsonCursor& cursor, std::array<T, kSize>& value) {
    const std::string expected = "array of " + std::to_string(kSize);
    const uint32_t* const begin = cursor.at();
    size_t count = 0;
    const bool good = read_elements(cursor, [&](size_t index) {
      count = index + 1;
      return index < kSize ? inner_.read(cursor, value[index]) : cursor.skip_value();
    });
    if (!good || count == kSize) { return good; }
    cursor.go_to(begin);
    return cursor.no(expected);
  }

 private:
  Decoder<T> inner_;
};

// ---- Objects ----

// Calls `read_one(position)`, which takes key and value, for each entry.
template <class F>
bool read_entries(JsonCursor& cursor, F&& read_one) {
  if (!cursor.take('{')) { return cursor.no("object"); }
  if (cursor.take('}')) { return true; }
  for (size_t position = 0;; ++position) {
    if (!read_one(position)) { return false; }
    if (cursor.take(',')) { continue; }
    return cursor.take('}') || cursor.no("comma or }");
  }
}

template <class T>
requires kinds::kMap<T>
class Decoder<T> {
  using Key = typename T::key_type;
  using Value = typename T::mapped_type;

 public:
  bool read(JsonCursor& cursor, T& value) {
    value.clear();
    return read_entries(cursor, [&](size_t) {
      Key key{};
      const uint32_t* const at = cursor.at();
      std::string_view text;
      std::string_view raw;
      if (!cursor.take_any_key(text, raw)) { return false; }
      const std::string name(text);
      if (!read_key(cursor, at, text, raw, key)) { return false; }
      Value mapped{};
      if (!mapped_.read(cursor, mapped)) {
        cursor.add_field(name);
        return false;
      }
      value.insert_or_assign(std::move(key), std::move(mapped));
      return true;
    });
  }

 private:
  template <class K>
  static bool read_key(JsonCursor& cursor, const uint32_t* at, std::string_view text,
                       std::string_view raw, K& key) {
    if constexpr (kinds::kOptional<K>) {
      return read_key(cursor, at, text, raw, key.emplace());
    } else {
      static_assert(kIsLeaf<K>,
                    "the keys of a map must be text in JSON: strings, Text, numbers, enums, times");
      const uint32_t* const behind = cursor.at();
      cursor.go_to(at);
      if constexpr (kIsText<K>) {
        if (!cursor.take_text(key)) { return false; }
      } else if (!parse_string(text, cursor.rules().timestamp_format, key)) {
        return cursor.no("key: " + describe<K>(cursor.rules().timestamp_format));
      }
      cursor.go_to(behind);
      return true;
    }
  }

  Decoder<Value> mapped_;
};

template <class... T>
class Decoder<std::variant<T...>> {
  static_assert(has_distinct_names<T...>(),
                "two alternatives of a variant have the same name in JSON: specialise "
                "tidewheel::json_name for one of them");

 public:
  bool read(JsonCursor& cursor, std::variant<T...>& value) {
    const uint32_t* const begin = cursor.at();
    size_t count = 0;
    const bool good = read_entries(cursor, [&](size_t position) {
      count = position + 1;
      const int32_t index = order_.take(cursor, position, kNames.data(), kNames.size());
      if (index == KeyOrder::kFailed) { return false; }
      if (index == KeyOrder::kUnknown) { return cursor.skip_value(); }
      ++known_;
      return read_alternative(cursor, static_cast<size_t>(index), value,
                              std::index_sequence_for<T...>());
    });
    if (std::exchange(known_, 0) == 1 && count == 1 && good) { return true; }
    if (!good) { return false; }
    cursor.go_to(begin);
    std::string expected = "object with one key, of";
    for (const std::string_view name : kNames) { expected.append(" ").append(name); }
    return cursor.no(expected);
  }

 private:
  static constexpr std::array<std::string_view, sizeof...(T)> kNames{type_name<T>()...};

  template <size_t... kIndex>
  bool read_alternative(JsonCursor& cursor, size_t index, std::variant<T...>& value,
                        std::index_sequence<kIndex...>) {
    bool good = false;
    static_cast<void>(
        ((index == kIndex && ((good = read_one<kIndex>(cursor, value)), true)) || ...));
    return good;
  }
  template <size_t kIndex>
  bool read_one(JsonCursor& cursor, std::variant<T...>& value) {
    auto* const there = std::get_if<kIndex>(&value);
    if (std::get<kIndex>(decoders_).read(
            cursor, there != nullptr ? *there : value.template emplace<kIndex>())) {
      return true;
    }
    cursor.add_field(kNames[kIndex]);
    return false;
  }

  std::tuple<Decoder<T>...> decoders_;
  KeyOrder order_;
  int32_t known_ = 0;
};

// An object of named fields: what structs and tuples share. `fields` is a tuple of references.
template <class... F>
class FieldsDecoder {
 public:
  static constexpr size_t kCount = sizeof...(F);

  // Defaults: gives the default value of field number kIndex by template operator().
  template <class Defaults>
  bool read(JsonCursor& cursor, const std::string_view* names, std::tuple<F&...> fields,
            const Defaults& defaults) {
    uint64_t seen = 0;
    const uint32_t* const begin = cursor.at();
    const bool good = read_entries(cursor, [&](size_t position) {
      const int32_t index = order_.take(cursor, position, names, kCount);
      if (index < 0) { return index == KeyOrder::kUnknown && cursor.skip_value(); }
      seen |= uint64_t{1} << index;
      if (read_field(cursor, static_cast<size_t>(index), fields, defaults,
                     std::make_index_sequence<kCount>())) {
        return true;
      }
      cursor.add_field(names[index]);
      return false;
    });
    if (!good) { return false; }
    if (seen == kAll) [[likely]] { return true; }
    return complete(cursor, begin, seen, names, fields, defaults,
                    std::make_index_sequence<kCount>());
  }

 private:
  static constexpr uint64_t kAll = kCount == 64 ? ~uint64_t{0} : (uint64_t{1} << kCount) - 1;

  template <class Defaults, size_t... kIndex>
  bool read_field(JsonCursor& cursor, size_t index, std::tuple<F&...>& fields,
                  const Defaults& defaults, std::index_sequence<kIndex...>) {
    bool good = false;
    static_cast<void>(
        ((index == kIndex && ((good = read_one<kIndex>(cursor, fields, defaults)), true)) || ...));
    return good;
  }
  template <size_t kIndex, class Defaults>
  bool read_one(JsonCursor& cursor, std::tuple<F&...>& fields, const Defaults& defaults) {
    auto& field = std::get<kIndex>(fields);
    if constexpr (!kinds::kOptional<std::remove_cvref_t<decltype(field)>>) {
      if (cursor.rules().allow_missing_fields && cursor.is_null()) [[unlikely]] {
        cursor.advance();
        field = defaults.template operator()<kIndex>();
        return true;
      }
    }
    return std::get<kIndex>(decoders_).read(cursor, field);
  }
  // Fields that did not come. (A struct may have none at all.)
  template <class Defaults, size_t... kIndex>
  static bool complete(JsonCursor& cursor, [[maybe_unused]] const uint32_t* begin, uint64_t seen,
                       [[maybe_unused]] const std::string_view* names, std::tuple<F&...>& fields,
                       const Defaults& defaults, std::index_sequence<kIndex...>) {
    return (((seen >> kIndex & 1) != 0 ||
             set_missing<kIndex>(cursor, begin, names, fields, defaults)) &&
            ...);
  }
  template <size_t kIndex, class Defaults>
  static bool set_missing(JsonCursor& cursor, const uint32_t* begin, const std::string_view* names,
                          std::tuple<F&...>& fields, const Defaults& defaults) {
    auto& field = std::get<kIndex>(fields);
    if constexpr (kinds::kOptional<std::remove_cvref_t<decltype(field)>>) {
      if (!cursor.rules().fail_on_missing_field) {
        field.reset();
        return true;
      }
    } else if (cursor.rules().allow_missing_fields) {
      field = defaults.template operator()<kIndex>();
      return true;
    }
    cursor.go_to(begin);
    std::string hint;
    if (!cursor.rules().fail_on_missing_field) {
      hint = "; make the field std::optional if it may be missing";
    }
    return cursor.fault_here("there is no key " + std::string(names[kIndex]) + hint);
  }

  std::tuple<Decoder<std::remove_cvref_t<F>>...> decoders_;
  KeyOrder order_;
};

template <class T, class Indexes = std::make_index_sequence<refl::count<T>()>>
struct FieldsOf;
template <class T, size_t... kIndex>
struct FieldsOf<T, std::index_sequence<kIndex...>> {
  using Decoder = FieldsDecoder<refl::FieldType<T, kIndex>...>;
};

template <class T>
requires(!kIsLeaf<T> && !kinds::kMap<T> && refl::Reflected<T>) class Decoder<T> {
 public:
  bool read(JsonCursor& cursor, T& value) {
    return refl::with_fields(value, [&](auto&... fields) {
      return fields_.read(cursor, kNames.data(), std::tie(fields...), []<size_t kIndex>() {
        T fresh{};
        return std::move(refl::field<kIndex>(fresh));
      });
    });
  }

 private:
  static constexpr auto kNames = refl::field_names<T>();

  typename FieldsOf<T>::Decoder fields_;
};

// Pairs and tuples: {"f0":1,"f1":2}.
template <class T, class Indexes = std::make_index_sequence<std::tuple_size_v<T>>>
struct FieldsOfTuple;
template <class T, size_t... kIndex>
struct FieldsOfTuple<T, std::index_sequence<kIndex...>> {
  using Decoder = FieldsDecoder<std::tuple_element_t<kIndex, T>...>;
};

template <class T>
requires kinds::kTuple<T>
class Decoder<T> {
  static_assert(std::tuple_size_v<T> <= kTupleNames.size(),
                "a tuple in JSON has at most 64 values");

 public:
  bool read(JsonCursor& cursor, T& value) {
    return std::apply(
        [&](auto&... fields) {
          return fields_.read(cursor, kTupleNames.data(), std::tie(fields...),
                              []<size_t kIndex>() { return std::tuple_element_t<kIndex, T>(); });
        },
        value);
  }

 private:
  typename FieldsOfTuple<T>::Decoder fields_;
};

}  // namespace tidewheel::json_detail
