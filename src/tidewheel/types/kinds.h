// Tells the standard library's types that records may hold from each other, at compile time.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace tidewheel::kinds {

template <class T>
inline constexpr bool kOptional = false;
template <class T>
inline constexpr bool kOptional<std::optional<T>> = true;

template <class T>
inline constexpr bool kVector = false;
template <class T, class A>
inline constexpr bool kVector<std::vector<T, A>> = true;

template <class T>
inline constexpr bool kArray = false;
template <class T, size_t kSize>
inline constexpr bool kArray<std::array<T, kSize>> = true;

// std::map, std::unordered_map and what looks like them, told without including either.
template <class T>
concept kMap = requires(T map, typename T::key_type key, typename T::mapped_type mapped) {
  {map.emplace(key, mapped).second};
  map.extract(map.begin());
};
template <class T>
concept kOrderedMap = kMap<T> && requires {
  typename T::key_compare;
};

// Pairs and tuples.
template <class T>
inline constexpr bool kTuple = false;
template <class A, class B>
inline constexpr bool kTuple<std::pair<A, B>> = true;
template <class... T>
inline constexpr bool kTuple<std::tuple<T...>> = true;

template <class T>
inline constexpr bool kVariant = false;
template <class... T>
inline constexpr bool kVariant<std::variant<T...>> = true;

template <class T>
inline constexpr bool kDuration = false;
template <class Rep, class Period>
inline constexpr bool kDuration<std::chrono::duration<Rep, Period>> = true;

// Calls `f.template operator()<kIndex>()` for each index below kCount.
template <size_t kCount, class F>
constexpr void for_each_index(F&& f) {
  [&f]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    (static_cast<void>(f.template operator()<kIndex>()), ...);
  }
  (std::make_index_sequence<kCount>());
}
// Whether `f.template operator()<kIndex>()` is true for all (or for any) of them.
template <size_t kCount, class F>
constexpr bool all_of_indexes(F&& f) {
  return [&f]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    return (f.template operator()<kIndex>() && ...);
  }
  (std::make_index_sequence<kCount>());
}
template <size_t kCount, class F>
constexpr bool any_of_indexes(F&& f) {
  return !all_of_indexes<kCount>(
      [&f]<size_t kIndex>() { return !f.template operator()<kIndex>(); });
}

}  // namespace tidewheel::kinds
