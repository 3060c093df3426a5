// Writes structs as values of Avro, by the schema that schema_for gives.
#pragma once
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>

#include "tidewheel/formats/avro/struct_schema.h"
#include "tidewheel/formats/avro/wire.h"

namespace tidewheel::avro {

template <class T>
void append_value(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? '\1' : '\0';
  } else if constexpr (struct_detail::NamedEnum<T>) {
    int64_t index = 0;
    for (const auto& [one, name] : enum_names<T>::value) {
      if (one == value) { break; }
      ++index;
    }
    append_long(out, index);
  } else if constexpr (std::is_enum_v<T>) {
    append_long(out, static_cast<int64_t>(value));
  } else if constexpr (std::is_integral_v<T>) {
    append_long(out, static_cast<int64_t>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    append_fixed(out, value);
  } else if constexpr (struct_detail::kIsString<T>) {
    append_bytes(out, value);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    append_bytes(out, value.view());
  } else if constexpr (kinds::kDecimal<T>) {
    append_unscaled(value.unscaled(), 0, /*is_fixed=*/false, out);
  } else if constexpr (std::is_same_v<T, Date>) {
    append_long(out, value.days());
  } else if constexpr (std::is_same_v<T, Time> || std::is_same_v<T, Timestamp> ||
                       std::is_same_v<T, LocalTimestamp>) {
    append_long(out, value.ms());
  } else if constexpr (kinds::kDuration<T>) {
    append_long(out, static_cast<int64_t>(value.count()));
  } else if constexpr (kinds::kOptional<T>) {
    append_long(out, value ? 1 : 0);
    if (value) { append_value(out, *value); }
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
    if (value.size() > 0) { append_long(out, static_cast<int64_t>(value.size())); }
    for (const auto& element : value) { append_value<typename T::value_type>(out, element); }
    append_long(out, 0);
  } else if constexpr (kinds::kMap<T>) {
    if (!value.empty()) { append_long(out, static_cast<int64_t>(value.size())); }
    for (const auto& [key, mapped] : value) {
      append_bytes(out, key);
      append_value(out, mapped);
    }
    append_long(out, 0);
  } else if constexpr (kinds::kVariant<T>) {
    append_long(out, static_cast<int64_t>(value.index()));
    std::visit([&](const auto& alternative) { append_value(out, alternative); }, value);
  } else if constexpr (kinds::kTuple<T>) {
    std::apply([&](const auto&... fields) { (append_value(out, fields), ...); }, value);
  } else if constexpr (!std::is_same_v<T, std::monostate>) {
    refl::for_each_field(value, [&](const auto& field) { append_value(out, field); });
  }
}

}  // namespace tidewheel::avro
