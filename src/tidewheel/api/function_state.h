// The accumulators of users' aggregate functions (api/function_aggregate.h) as bytes, for state
// that is not plain memory and for snapshots: fields in order, numbers as they lie in memory,
// before texts and lists their size (4 bytes), before an std::optional whether it is there (1
// byte). The entries of maps without an order are written in that of their keys, so that equal
// accumulators are equal bytes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidewheel/api/function_values.h"

namespace tidewheel::udf {

class StateReader {
 public:
  explicit StateReader(std::string_view bytes) : rest_(bytes) {}
  std::string_view take(size_t bytes) {
    if (bytes > rest_.size()) {
      throw std::runtime_error("its state can't be read: it ends early");
    }
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  template <class T>
  T number() {
    T value{};
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  // A number of elements, each of which has a byte at least, but for those of empty structs.
  uint32_t count() {
    const auto count = number<uint32_t>();
    if (count > rest_.size()) { throw std::runtime_error("its state can't be read: a wrong size"); }
    return count;
  }
  void finish() const {
    if (!rest_.empty()) { throw std::runtime_error("its state can't be read: it is too long"); }
  }

 private:
  std::string_view rest_;
};

template <class T>
void append_number(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <class T>
void append_state(std::string& out, const T& value);

template <class T>
void append_map(std::string& out, const T& map) {
  append_number(out, static_cast<uint32_t>(map.size()));
  if constexpr (requires { typename T::key_compare; }) {
    for (const auto& [key, mapped] : map) {
      append_state(out, key);
      append_state(out, mapped);
    }
  } else {
    std::map<typename T::key_type, const typename T::mapped_type*> sorted;
    for (const auto& [key, mapped] : map) { sorted.emplace(key, &mapped); }
    for (const auto& [key, mapped] : sorted) {
      append_state(out, key);
      append_state(out, *mapped);
    }
  }
}

template <class T>
void append_state(std::string& out, const T& value) {
  static_assert(!std::is_same_v<T, std::string_view> && !std::is_same_v<T, Text>,
                "an accumulator owns what it holds: std::string, not std::string_view or tw::Text");
  if constexpr (kIsPlain<T>) {
    append_number(out, value);
  } else if constexpr (kIsText<T> || std::is_same_v<T, Bytes>) {
    append_number(out, static_cast<uint32_t>(value.size()));
    out.append(reinterpret_cast<const char*>(value.data()), value.size());
  } else if constexpr (kIsTimePoint<T> || std::is_same_v<T, Time>) {
    append_number(out, value.ms());
  } else if constexpr (std::is_same_v<T, Date>) {
    append_number(out, value.days());
  } else if constexpr (kinds::kDecimal<T>) {
    append_number(out, value.unscaled());
  } else if constexpr (kinds::kOptional<T>) {
    append_number(out, static_cast<uint8_t>(value.has_value() ? 1 : 0));
    if (value.has_value()) { append_state(out, *value); }
  } else if constexpr (kinds::kVector<T>) {
    append_number(out, static_cast<uint32_t>(value.size()));
    for (const auto& element : value) { append_state<typename T::value_type>(out, element); }
  } else if constexpr (kinds::kMap<T>) {
    append_map(out, value);
  } else {
    kinds::for_each_index<refl::count<T>()>([&]<size_t kIndex>() {
      append_state<refl::FieldType<T, kIndex>>(out, refl::field<kIndex>(value));
    });
  }
}

template <class T>
T read_state(StateReader& in);

template <class T, size_t... kIndex>
T read_state_fields(StateReader& in, std::index_sequence<kIndex...>) {
  return T{read_state<refl::FieldType<T, kIndex>>(in)...};  // in order: they are in braces
}

template <class T>
T read_state(StateReader& in) {
  if constexpr (std::is_same_v<T, bool>) {
    return in.number<uint8_t>() != 0;
  } else if constexpr (kIsPlain<T>) {
    return in.number<T>();
  } else if constexpr (kIsText<T> || std::is_same_v<T, Bytes>) {
    return T(in.take(in.count()));
  } else if constexpr (kIsTimePoint<T>) {
    return T::of_ms(in.number<int64_t>());
  } else if constexpr (std::is_same_v<T, Date> || std::is_same_v<T, Time>) {
    return T(in.number<int32_t>());
  } else if constexpr (kinds::kDecimal<T>) {
    return T::of_unscaled(in.number<typename T::Storage>());
  } else if constexpr (kinds::kOptional<T>) {
    if (in.number<uint8_t>() == 0) { return std::nullopt; }
    return read_state<typename T::value_type>(in);
  } else if constexpr (kinds::kVector<T>) {
    T list;
    const uint32_t count = in.count();
    list.reserve(count);
    for (uint32_t i = 0; i < count; ++i) { list.push_back(read_state<typename T::value_type>(in)); }
    return list;
  } else if constexpr (kinds::kMap<T>) {
    T map;
    const uint32_t count = in.count();
    for (uint32_t i = 0; i < count; ++i) {
      auto key = read_state<typename T::key_type>(in);
      map.emplace(std::move(key), read_state<typename T::mapped_type>(in));
    }
    return map;
  } else {
    return read_state_fields<T>(in, std::make_index_sequence<refl::count<T>()>());
  }
}

template <class T>
T state_of_bytes(std::string_view bytes) {
  StateReader in(bytes);
  T value = read_state<T>(in);
  in.finish();
  return value;
}

}  // namespace tidewheel::udf
