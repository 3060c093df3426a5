// Hashes of keys. `hash32` chooses the key group, so it is part of the snapshot's format and must
// never change; scalars hash as in Java, by which Flink spreads them. `hash64` is for tables.
#pragma once
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidewheel/types/kinds.h"
#include "tidewheel/types/reflect.h"
#include "tidewheel/types/text.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

// XXH3-64 of some bytes: the hash of every kind of string.
uint64_t hash_bytes(const void* bytes, size_t size);

// Spreads 64 bits over 64 bits, one to one.
constexpr uint64_t mix64(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  return x ^ (x >> 32);
}
constexpr uint32_t fold32(uint64_t x) { return static_cast<uint32_t>(x ^ (x >> 32)); }

namespace detail {

// Strings of all kinds; a char pointer is one too, by what it points to.
template <class T>
concept StringKey = std::convertible_to<const T&, std::string_view>;
// A class that hashes itself: `uint64_t key_hash64() const` and `uint32_t key_hash32() const`.
template <class T>
concept SelfHashed = requires(const T& value) {
  { value.key_hash64() } -> std::same_as<uint64_t>;
  { value.key_hash32() } -> std::same_as<uint32_t>;
};
template <class T>
concept TimeKey =
    std::same_as<T, Timestamp> || std::same_as<T, LocalTimestamp> || std::same_as<T, Time>;

template <class T>
constexpr bool is_key();

template <class T>
constexpr bool tuple_is_key() {
  return kinds::all_of_indexes<std::tuple_size_v<T>>(
      []<size_t kIndex>() { return is_key<std::remove_cv_t<std::tuple_element_t<kIndex, T>>>(); });
}

template <class T>
constexpr bool is_key() {
  if constexpr (StringKey<T>) {
    return true;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return sizeof(T) <= 8;
  } else if constexpr (std::is_enum_v<T> || SelfHashed<T> || TimeKey<T> || std::same_as<T, Date> ||
                       kinds::kDuration<T>) {
    return true;
  } else if constexpr (kinds::kOptional<T>) {
    return is_key<typename T::value_type>();
  } else if constexpr (kinds::kArray<T>) {
    return is_key<typename T::value_type>();
  } else if constexpr (kinds::kTuple<T>) {
    return tuple_is_key<T>();
  } else if constexpr (refl::Reflected<T>) {
    return kinds::all_of_indexes<refl::count<T>()>(
        []<size_t kIndex>() { return is_key<refl::FieldType<T, kIndex>>(); });
  } else {
    return false;
  }
}

}  // namespace detail

// What a stream can be keyed by: a value whose equality and hash depend on nothing but itself.
template <class T>
concept Key = !std::is_reference_v<T> && detail::is_key<std::remove_cv_t<T>>();

// For functions that take any type and want a sentence in the error.
template <class T>
constexpr void check_key() {
  static_assert(!std::is_pointer_v<T> || detail::StringKey<T>,
                "a key can't be a pointer: its value differs from run to run");
  static_assert(Key<T>,
                "a key must be an integer, bool, double, enum, string, Text, Timestamp, Date, "
                "Decimal, Bytes, or a pair, tuple, std::array, optional or plain struct of these; "
                "vectors, maps and unordered containers have no stable hash here");
}

namespace detail {

constexpr uint64_t combine64(uint64_t seed, uint64_t hash) {
  return (std::rotl(seed, 23) ^ hash) * 0x9fb21c651e98df25ULL;
}
// 0.0 and -0.0 are equal, so they hash alike; all NaN count as one key.
template <std::floating_point T>
constexpr auto key_bits(T value) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  if (value == T(0)) { return Bits{0}; }
  if (value != value) { return sizeof(T) == 4 ? Bits{0x7fc00000U} : Bits(0x7ff8000000000000ULL); }
  return std::bit_cast<Bits>(value);
}

}  // namespace detail

// The hash for tables: 64 well-mixed bits. Strings of all kinds with the same bytes hash alike, and
// so do integers of all widths with the same value.
template <class T>
constexpr uint64_t hash64(const T& key) {
  if constexpr (detail::StringKey<T>) {
    const std::string_view view(key);
    return hash_bytes(view.data(), view.size());
  } else if constexpr (std::floating_point<T>) {
    return mix64(detail::key_bits(key));
  } else if constexpr (std::is_enum_v<T>) {
    return hash64(static_cast<std::underlying_type_t<T>>(key));
  } else if constexpr (std::is_integral_v<T>) {
    return mix64(static_cast<uint64_t>(key));
  } else if constexpr (detail::SelfHashed<T>) {
    return key.key_hash64();
  } else if constexpr (detail::TimeKey<T>) {
    return mix64(static_cast<uint64_t>(key.ms()));
  } else if constexpr (std::same_as<T, Date>) {
    return mix64(static_cast<uint64_t>(key.days()));
  } else if constexpr (kinds::kDuration<T>) {
    return hash64(key.count());
  } else if constexpr (kinds::kOptional<T>) {
    return key ? detail::combine64(1, hash64(*key)) : 0;
  } else if constexpr (kinds::kTuple<T>) {
    uint64_t seed = 0;
    std::apply([&](const auto&... f) { ((seed = detail::combine64(seed, hash64(f))), ...); }, key);
    return mix64(seed);
  } else if constexpr (kinds::kArray<T>) {
    uint64_t seed = 0;
    for (const auto& element : key) { seed = detail::combine64(seed, hash64(element)); }
    return mix64(seed);
  } else {
    check_key<T>();
    uint64_t seed = 0;
    refl::for_each_field(key, [&](const auto& f) { seed = detail::combine64(seed, hash64(f)); });
    return mix64(seed);
  }
}

// The hash that chooses the key group: Java's hashCode of Integer, Long, Boolean, Float, Double; of
// strings the folded hash64; of structs, pairs and tuples 31 * h + hash of the next field.
template <class T>
constexpr uint32_t hash32(const T& key) {
  if constexpr (detail::StringKey<T>) {
    return fold32(hash64(key));
  } else if constexpr (std::floating_point<T>) {
    if constexpr (sizeof(T) == 4) { return detail::key_bits(key); }
    return fold32(detail::key_bits(key));
  } else if constexpr (std::is_enum_v<T>) {
    return hash32(static_cast<std::underlying_type_t<T>>(key));
  } else if constexpr (std::is_same_v<T, bool>) {
    return key ? 1231 : 1237;
  } else if constexpr (std::is_integral_v<T> && sizeof(T) <= 4) {
    return static_cast<uint32_t>(key);
  } else if constexpr (std::is_integral_v<T>) {
    return fold32(static_cast<uint64_t>(key));
  } else if constexpr (detail::SelfHashed<T>) {
    return key.key_hash32();
  } else if constexpr (detail::TimeKey<T>) {
    return hash32(key.ms());
  } else if constexpr (std::same_as<T, Date>) {
    return hash32(key.days());
  } else if constexpr (kinds::kDuration<T>) {
    return hash32(key.count());
  } else if constexpr (kinds::kOptional<T>) {
    return key ? 31 + hash32(*key) : 0;
  } else if constexpr (kinds::kTuple<T>) {
    uint32_t hash = 0;
    std::apply([&](const auto&... f) { ((hash = 31 * hash + hash32(f)), ...); }, key);
    return hash;
  } else if constexpr (kinds::kArray<T>) {
    uint32_t hash = 1;
    for (const auto& element : key) { hash = 31 * hash + hash32(element); }
    return hash;
  } else {
    check_key<T>();
    uint32_t hash = 0;
    refl::for_each_field(key, [&](const auto& f) { hash = 31 * hash + hash32(f); });
    return hash;
  }
}

// Equality that agrees with the hashes: field by field for structs without `==`, NaN equal to NaN.
template <class T>
constexpr bool keys_equal(const T& a, const T& b) {
  if constexpr (std::floating_point<T>) {
    return a == b || (a != a && b != b);
  } else if constexpr (detail::StringKey<T>) {
    return std::string_view(a) == std::string_view(b);
  } else if constexpr (kinds::kOptional<T>) {
    return a.has_value() == b.has_value() && (!a || keys_equal(*a, *b));
  } else if constexpr (kinds::kTuple<T>) {
    return kinds::all_of_indexes<std::tuple_size_v<T>>(
        [&a, &b]<size_t kIndex>() { return keys_equal(std::get<kIndex>(a), std::get<kIndex>(b)); });
  } else if constexpr (refl::Reflected<T>) {
    return refl::with_fields(a, [&b](const auto&... left) {
      return refl::with_fields(
          b, [&](const auto&... right) { return (keys_equal(left, right) && ...); });
    });
  } else if constexpr (kinds::kArray<T>) {
    for (size_t i = 0; i < a.size(); ++i) {
      if (!keys_equal(a[i], b[i])) { return false; }
    }
    return true;
  } else {
    return a == b;
  }
}

// For containers.
struct KeyHasher {
  template <class T>
  size_t operator()(const T& key) const {
    return hash64(key);
  }
};
struct KeyEqual {
  template <class T>
  bool operator()(const T& a, const T& b) const {
    return keys_equal(a, b);
  }
};

}  // namespace tidewheel
