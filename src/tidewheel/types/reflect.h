// Reads the fields of a plain struct: how many, their names, types and values. No macro and no
// registration; `types/record.h` says which structs are records.
#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidewheel/types/kinds.h"
#include "tidewheel/types/reflect_fields.h"

namespace tidewheel::refl {

inline constexpr size_t kFieldsMax = 64;

namespace detail {

// Converts to anything that an aggregate's field may be, but not to the aggregate itself.
template <class Self>
struct Any {
  template <class U>
  requires(!std::is_same_v<std::remove_cvref_t<U>, Self>) operator U()
      const noexcept {  // NOLINT: implicit by design; never called
    __builtin_trap();
  }
};
// Converts to the base classes of `Self` only.
template <class Self>
struct AnyBase {
  template <class U>
  requires(std::is_base_of_v<U, Self> && !std::is_same_v<U, Self>) operator U()
      const noexcept {  // NOLINT
    __builtin_trap();
  }
};
template <class Self, size_t>
using AnyAt = Any<Self>;

template <class T, size_t... kIndex>
constexpr bool takes_initialisers(std::index_sequence<kIndex...>) {
  return requires { T{AnyAt<T, kIndex>{}...}; };
}
// Whether field number sizeof...(kBefore) takes braces as one field, leaving kAfter for the others.
// An array of C does not: it has taken several of the initialisers.
template <class T, size_t... kBefore, size_t... kAfter>
constexpr bool is_one_field(std::index_sequence<kBefore...>, std::index_sequence<kAfter...>) {
  return requires { T{AnyAt<T, kBefore>{}..., {}, AnyAt<T, kAfter>{}...}; };
}
template <class T, size_t kCount, size_t... kIndex>
constexpr bool has_no_c_array(std::index_sequence<kIndex...>) {
  return (is_one_field<T>(std::make_index_sequence<kIndex>(),
                          std::make_index_sequence<kCount - kIndex - 1>()) &&
          ...);
}

// The largest number of initialisers, at most kFieldsMax + 1.
template <class T, size_t kCount = 0>
constexpr size_t initialiser_count() {
  if constexpr (kCount > kFieldsMax) {
    return kCount;
  } else if constexpr (takes_initialisers<T>(std::make_index_sequence<kCount + 1>())) {
    return initialiser_count<T, kCount + 1>();
  } else {
    return kCount;
  }
}

}  // namespace detail

// Why the fields of a type can or can't be read.
enum class Shape : uint8_t {
  kFields,        // they can
  kNotAggregate,  // has constructors, private members or virtual functions; or is no class
  kNoDefault,     // a member can't be made without an initialiser, such as a reference
  kHasBase,
  kHasCArray,
  kTooManyFields,
};

namespace detail {
template <class T>
constexpr Shape shape_of() {
  if constexpr (!std::is_class_v<T> || !std::is_aggregate_v<T> || kinds::kArray<T>) {
    return Shape::kNotAggregate;
  } else if constexpr (!requires { T{}; }) {
    return Shape::kNoDefault;
  } else if constexpr (requires { T{AnyBase<T>{}}; }) {
    return Shape::kHasBase;
  } else if constexpr (initialiser_count<T>() > kFieldsMax) {
    return Shape::kTooManyFields;
  } else if constexpr (!has_no_c_array<T, initialiser_count<T>()>(
                           std::make_index_sequence<initialiser_count<T>()>())) {
    return Shape::kHasCArray;
  } else {
    return Shape::kFields;
  }
}
}  // namespace detail

template <class T>
inline constexpr Shape kShape = detail::shape_of<std::remove_cv_t<T>>();

// A plain struct whose fields can be read.
template <class T>
concept Reflected = kShape<T>
== Shape::kFields;

namespace detail {
template <class T>
inline constexpr size_t kCount = initialiser_count<std::remove_cv_t<T>>();
}

// The number of fields.
template <Reflected T>
constexpr size_t count() {
  return detail::kCount<T>;
}

// Calls `f(field...)` with references to all fields.
template <class T, class F>
requires Reflected<std::remove_const_t<T>>
constexpr decltype(auto) with_fields(T& value, F&& f) {
  if constexpr (detail::kCount<T> == 0) {
    return static_cast<F&&>(f)();
  } else {
    return tidewheel::detail::bind_fields<detail::kCount<T>>(value, static_cast<F&&>(f));
  }
}

// Calls `f(field)` for each field, in order.
template <class T, class F>
requires Reflected<std::remove_const_t<T>>
constexpr void for_each_field(T& value, F&& f) {
  with_fields(value, [&f](auto&... fields) { (static_cast<void>(f(fields)), ...); });
}

namespace detail {
template <size_t kIndex>
struct Pick {
  template <class... Fields>
  constexpr auto& operator()(Fields&... fields) const {
    return pick(std::make_index_sequence<kIndex>(), fields...);
  }

 private:
  template <size_t>
  using Ignored = const volatile void*;
  template <size_t... kBefore, class Field, class... After>
  static constexpr Field& pick_from(Ignored<kBefore>..., Field* field, After*...) {
    return *field;
  }
  template <size_t... kBefore, class... Fields>
  static constexpr auto& pick(std::index_sequence<kBefore...>, Fields&... fields) {
    return pick_from<kBefore...>(std::addressof(fields)...);
  }
};
}  // namespace detail

// Field number `kIndex`.
template <size_t kIndex, class T>
constexpr auto& field(T& value) {
  return with_fields(value, detail::Pick<kIndex>());
}
template <class T, size_t kIndex>
using FieldType = std::remove_cvref_t<decltype(field<kIndex>(std::declval<T&>()))>;

namespace detail {

template <class T>
struct Holder {
  T value;
};
// Never defined: only addresses of its members are used, at compile time, for their names.
template <class T>
extern const Holder<T> never_defined;

// A pointer to a member of something is no template argument for Clang before 18, unless it is a
// member itself.
template <class Pointer>
struct Pointing {
  Pointer to;
};
template <class Pointer>
Pointing(Pointer) -> Pointing<Pointer>;  // which Clang 14 does not make

template <auto kPointing>
constexpr std::string_view pretty_name() {
  return __PRETTY_FUNCTION__;
}
// GCC: "... [with auto kPointing = Pointing<F>{(& never_defined<T>.Holder<T>::value.T::name)}; ..".
// Clang: "... [kPointing = {&never_defined.value.name}]".
constexpr std::string_view last_identifier(std::string_view pretty) {
  constexpr auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 128;
  };
  const size_t semicolon = pretty.find("; std::string_view = ");
  size_t end = semicolon == std::string_view::npos ? pretty.size() : semicolon;
  while (end > 0 && !is_letter(pretty[end - 1])) { --end; }
  size_t begin = end;
  while (begin > 0 && is_letter(pretty[begin - 1])) { --begin; }
  return pretty.substr(begin, end - begin);
}
template <class T, size_t kIndex>
constexpr auto field_pointer() {
  return Pointing{std::addressof(field<kIndex>(never_defined<T>.value))};
}
template <class T, size_t kIndex>
inline constexpr std::string_view kFieldName =
    last_identifier(pretty_name<field_pointer<T, kIndex>()>());

template <class T, size_t... kIndex>
constexpr std::array<std::string_view, sizeof...(kIndex)> names_of(std::index_sequence<kIndex...>) {
  return {kFieldName<T, kIndex>...};
}

}  // namespace detail

// The name of field number `kIndex`, as in the source.
template <class T, size_t kIndex>
constexpr std::string_view field_name() {
  return detail::kFieldName<T, kIndex>;
}
template <class T>
constexpr std::array<std::string_view, count<T>()> field_names() {
  return detail::names_of<T>(std::make_index_sequence<count<T>()>());
}

// Calls `f(name, field)` for each field, in order.
template <class T, class F>
constexpr void for_each_named_field(T& value, F&& f) {
  using Plain = std::remove_const_t<T>;
  with_fields(value, [&f](auto&... fields) {
    [[maybe_unused]] size_t index = 0;
    [[maybe_unused]] constexpr auto kNames = field_names<Plain>();
    (static_cast<void>(f(kNames[index++], fields)), ...);
  });
}

// The index of the field that a member pointer names, or count<T>() when it is none of them.
template <class T, class M>
constexpr size_t index_of(M T::*member) {
  T value{};
  size_t index = 0;
  size_t found = count<T>();
  for_each_field(value, [&](auto& one) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(one)>, M>) {
      if (std::addressof(one) == std::addressof(value.*member)) { found = index; }
    }
    ++index;
  });
  return found;
}

}  // namespace tidewheel::refl
