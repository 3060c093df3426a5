// Which types can travel, be kept in state and be written; and the Text inside them.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "tidewheel/types/arena.h"
#include "tidewheel/types/bytes.h"
#include "tidewheel/types/decimal.h"
#include "tidewheel/types/kinds.h"
#include "tidewheel/types/reflect.h"
#include "tidewheel/types/text.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

// Gives a codec to a type that is no aggregate (of somebody else's library):
//   template <> struct tidewheel::serde<Uuid> : std::true_type {
//     static constexpr auto logical = tidewheel::type::bytes(16);
//     static void write(tidewheel::Writer& writer, const Uuid& value);
//     static Uuid read(tidewheel::Reader& reader);
//   };
// Such a type must own all that it refers to, and be default constructible and copyable.
template <class T>
struct serde : std::false_type {};

namespace detail {

template <class T>
inline constexpr bool kIsNumber = (std::is_integral_v<T> && !std::is_same_v<T, char8_t> &&
                                   !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t> &&
                                   !std::is_same_v<T, wchar_t> && sizeof(T) <= 8) ||
                                  std::is_same_v<T, float> || std::is_same_v<T, double>;
template <class T>
inline constexpr bool kIsScalarClass =
    std::is_same_v<T, Timestamp> || std::is_same_v<T, LocalTimestamp> || std::is_same_v<T, Date> ||
    std::is_same_v<T, Time> || kinds::kDuration<T> || kinds::kDecimal<T>;
template <class T>
inline constexpr bool kIsLeaf =
    kIsNumber<T> || kIsScalarClass<T> || std::is_enum_v<T> || std::is_same_v<T, std::string> ||
    std::is_same_v<T, Text> || std::is_same_v<T, Bytes>;

template <class T>
constexpr bool is_record();

template <class T, size_t... kIndex>
constexpr bool fields_are_records(std::index_sequence<kIndex...>) {
  return (is_record<refl::FieldType<T, kIndex>>() && ...);
}

template <class T>
constexpr bool is_record() {
  if constexpr (std::is_reference_v<T> || std::is_pointer_v<T> || std::is_const_v<T>) {
    return false;
  } else if constexpr (serde<T>::value || kIsLeaf<T>) {
    return true;
  } else if constexpr (kinds::kOptional<T> || kinds::kVector<T> || kinds::kArray<T>) {
    return is_record<typename T::value_type>();
  } else if constexpr (kinds::kMap<T>) {
    return is_record<typename T::key_type>() && is_record<typename T::mapped_type>();
  } else if constexpr (kinds::kTuple<T>) {
    return kinds::all_of_indexes<std::tuple_size_v<T>>(
        []<size_t kIndex>() { return is_record<std::tuple_element_t<kIndex, T>>(); });
  } else if constexpr (kinds::kVariant<T>) {
    return kinds::all_of_indexes<std::variant_size_v<T>>(
        []<size_t kIndex>() { return is_record<std::variant_alternative_t<kIndex, T>>(); });
  } else if constexpr (refl::Reflected<T>) {
    return fields_are_records<T>(std::make_index_sequence<refl::count<T>()>());
  } else {
    return false;
  }
}

}  // namespace detail

// A value that the engine can encode, name the fields of, and keep: a plain struct of records, a
// number, bool, enum, string, Text, Bytes, Decimal, Timestamp, LocalTimestamp, Date, Time,
// Interval, chrono duration; an optional, vector, array, map, unordered_map, pair, tuple or variant
// of records; or a type with a specialised tidewheel::serde.
template <class T>
concept Record = detail::is_record<T>();

// Says in a sentence why a type is no Record, about the innermost field that is none.
template <class T>
constexpr void check_record() {
  static_assert(!std::is_reference_v<T>, "a record can't be or hold a reference: hold the value");
  static_assert(!std::is_pointer_v<T>,
                "a record can't be or hold a pointer: hold the value, or an std::optional of it");
  static_assert(!std::is_array_v<T>, "a record can't hold an array of C: use std::array");
  static_assert(!std::is_same_v<T, std::string_view>,
                "a record can't hold a std::string_view, which owns nothing: use std::string, or "
                "tidewheel::Text, which the engine copies where it has to");
  static_assert(!std::is_const_v<T>, "a record's fields can't be const: records are assigned");
  if constexpr (Record<T>) {
    return;
  } else if constexpr (kinds::kOptional<T> || kinds::kVector<T> || kinds::kArray<T>) {
    check_record<typename T::value_type>();
  } else if constexpr (kinds::kMap<T>) {
    check_record<typename T::key_type>();
    check_record<typename T::mapped_type>();
  } else if constexpr (kinds::kTuple<T>) {
    kinds::for_each_index<std::tuple_size_v<T>>(
        []<size_t kIndex>() { check_record<std::tuple_element_t<kIndex, T>>(); });
  } else if constexpr (kinds::kVariant<T>) {
    kinds::for_each_index<std::variant_size_v<T>>(
        []<size_t kIndex>() { check_record<std::variant_alternative_t<kIndex, T>>(); });
  } else if constexpr (refl::Reflected<T>) {
    kinds::for_each_index<refl::count<T>()>(
        []<size_t kIndex>() { check_record<refl::FieldType<T, kIndex>>(); });
  } else if constexpr (std::is_class_v<T> && std::is_aggregate_v<T>) {
    static_assert(refl::kShape<T> != refl::Shape::kNoDefault,
                  "every field of a record must be default constructible, and none a reference");
    static_assert(refl::kShape<T> != refl::Shape::kHasBase,
                  "a record can't have a base class: hold it as a field");
    static_assert(refl::kShape<T> != refl::Shape::kHasCArray,
                  "a record can't hold an array of C: use std::array");
    static_assert(refl::kShape<T> != refl::Shape::kTooManyFields,
                  "a record has at most 64 fields: group some into a struct of their own");
  } else if constexpr (!std::is_reference_v<T> && !std::is_pointer_v<T> && !std::is_array_v<T> &&
                       !std::is_same_v<T, std::string_view> && !std::is_const_v<T>) {
    static_assert(
        Record<T>,
        "a record must be a plain struct (no constructors, no private members, no virtual "
        "functions) of supported fields; for another type specialise tidewheel::serde<T>");
  }
}

// ---- Text inside values ----

namespace detail {

template <class T>
constexpr bool has_text() {
  if constexpr (std::is_same_v<T, Text>) {
    return true;
  } else if constexpr (serde<T>::value || kIsLeaf<T>) {
    return false;
  } else if constexpr (kinds::kOptional<T> || kinds::kVector<T> || kinds::kArray<T>) {
    return has_text<typename T::value_type>();
  } else if constexpr (kinds::kMap<T>) {
    return has_text<typename T::key_type>() || has_text<typename T::mapped_type>();
  } else if constexpr (kinds::kTuple<T>) {
    return kinds::any_of_indexes<std::tuple_size_v<T>>(
        []<size_t kIndex>() { return has_text<std::tuple_element_t<kIndex, T>>(); });
  } else if constexpr (kinds::kVariant<T>) {
    return kinds::any_of_indexes<std::variant_size_v<T>>(
        []<size_t kIndex>() { return has_text<std::variant_alternative_t<kIndex, T>>(); });
  } else if constexpr (refl::Reflected<T>) {
    return kinds::any_of_indexes<refl::count<T>()>(
        []<size_t kIndex>() { return has_text<refl::FieldType<T, kIndex>>(); });
  } else {
    return false;
  }
}

}  // namespace detail

// Whether a value of T holds, at any depth, bytes that somebody else owns.
template <class T>
inline constexpr bool has_text_v = detail::has_text<std::remove_cv_t<T>>();

// Calls `f(const Text&)` for each Text inside `value`, at any depth.
template <class T, class F>
constexpr void for_each_text(const T& value, F&& f) {
  if constexpr (!has_text_v<T>) {
    return;
  } else if constexpr (std::is_same_v<T, Text>) {
    f(value);
  } else if constexpr (kinds::kOptional<T>) {
    if (value) { for_each_text(*value, f); }
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
    for (const auto& element : value) { for_each_text(element, f); }
  } else if constexpr (kinds::kMap<T>) {
    for (const auto& [key, mapped] : value) {
      for_each_text(key, f);
      for_each_text(mapped, f);
    }
  } else if constexpr (kinds::kTuple<T>) {
    std::apply([&f](const auto&... element) { (for_each_text(element, f), ...); }, value);
  } else if constexpr (kinds::kVariant<T>) {
    std::visit([&f](const auto& alternative) { for_each_text(alternative, f); }, value);
  } else {
    refl::for_each_field(value, [&f](const auto& one) { for_each_text(one, f); });
  }
}

// For text_bytes and relocate_texts: all Text.
struct EveryText {
  constexpr bool operator()(const Text&) const { return true; }
};

// The bytes of the Text inside `value` for which `chosen(text)`: what relocate_texts writes.
template <class T, class Chosen = EveryText>
constexpr size_t text_bytes(const T& value, const Chosen& chosen = {}) {
  size_t bytes = 0;
  for_each_text(value, [&](const Text& text) { bytes += chosen(text) ? text.size() : 0; });
  return bytes;
}

// Copies the bytes of the Text inside `value` for which `chosen(text)` to `to`, one after another,
// and points the Text there. Returns the end. Empty Text points to a constant.
template <class T, class Chosen = EveryText>
char* relocate_texts(T& value, char* to, const Chosen& chosen = {}) {
  if constexpr (!has_text_v<T>) {
    return to;
  } else if constexpr (std::is_same_v<T, Text>) {
    const size_t size = value.size();
    if (size == 0) {
      value = Text();
      return to;
    }
    if (!chosen(value)) { return to; }
    std::memcpy(to, value.data(), size);
    value = Text(to, size);
    return to + size;
  } else if constexpr (kinds::kOptional<T>) {
    return value ? relocate_texts(*value, to, chosen) : to;
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
    for (auto& element : value) { to = relocate_texts(element, to, chosen); }
    return to;
  } else if constexpr (kinds::kMap<T>) {
    // Keys are const inside a map: take the nodes out and put them into another.
    T moved;
    while (!value.empty()) {
      auto node = value.extract(value.begin());
      to = relocate_texts(node.key(), to, chosen);
      to = relocate_texts(node.mapped(), to, chosen);
      moved.insert(moved.end(), std::move(node));
    }
    value = std::move(moved);
    return to;
  } else if constexpr (kinds::kTuple<T>) {
    std::apply([&](auto&... element) { ((to = relocate_texts(element, to, chosen)), ...); }, value);
    return to;
  } else if constexpr (kinds::kVariant<T>) {
    return std::visit([&](auto& alternative) { return relocate_texts(alternative, to, chosen); },
                      value);
  } else {
    refl::for_each_field(value, [&](auto& one) { to = relocate_texts(one, to, chosen); });
    return to;
  }
}

// The same into `arena`.
template <class T, class Chosen = EveryText>
void relocate_texts_into(T& value, Arena& arena, const Chosen& chosen = {}) {
  if constexpr (has_text_v<T>) {
    const size_t bytes = text_bytes(value, chosen);
    relocate_texts(value, bytes == 0 ? nullptr : arena.allocate(bytes), chosen);
  }
}

}  // namespace tidewheel
