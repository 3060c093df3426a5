// C++ types as SQL types: their names, and how values are read from columns and written to them.
// For functions that users write; see api/function_library.h.
//
//   bool                    BOOLEAN               Timestamp        TIMESTAMP_LTZ(3)
//   int8_t .. int64_t       TINYINT .. BIGINT     LocalTimestamp   TIMESTAMP(3)
//   float, double           FLOAT, DOUBLE         Date, Time       DATE, TIME
//   Decimal<p, s>           DECIMAL(p, s)         std::vector<T>   ARRAY<T>
//   std::string, _view,     STRING                std::map<K, V>   MAP<K, V>
//   Text                                          a plain struct   ROW<field T, ..>
//   Bytes                   BYTES                 std::optional<T> T, which may be NULL
#pragma once
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/api/function_abi.h"
#include "tidewheel/types/bytes.h"
#include "tidewheel/types/decimal.h"
#include "tidewheel/types/kinds.h"
#include "tidewheel/types/reflect.h"
#include "tidewheel/types/text.h"
#include "tidewheel/types/time.h"

namespace tidewheel::udf {

template <class T>
inline constexpr bool kIsText = std::is_same_v<T, std::string> ||
                                std::is_same_v<T, std::string_view> || std::is_same_v<T, Text>;
template <class T>
inline constexpr bool kIsInteger =
    std::is_integral_v<T>&& std::is_signed_v<T> && !std::is_same_v<T, char> &&
    !std::is_same_v<T, wchar_t> && sizeof(T) <= 8;
// Lies in a column as it is.
template <class T>
inline constexpr bool kIsPlain = kIsInteger<T> || std::is_same_v<T, bool> ||
                                 std::is_same_v<T, float> || std::is_same_v<T, double>;
template <class T>
inline constexpr bool kIsTimePoint =
    std::is_same_v<T, Timestamp> || std::is_same_v<T, LocalTimestamp>;
template <class T>
inline constexpr bool kIsStruct =
    !kIsPlain<T> && !kIsText<T> && !kIsTimePoint<T> && !std::is_same_v<T, Date> &&
    !std::is_same_v<T, Time> && !std::is_same_v<T, Bytes> && !kinds::kDecimal<T> &&
    !kinds::kOptional<T> && !kinds::kVector<T> && !kinds::kMap<T> && std::is_class_v<T>;

template <class T>
std::string type_name();

// Of a type itself, without NOT NULL.
template <class T>
std::string base_type_name() {
  if constexpr (std::is_same_v<T, bool>) {
    return "BOOLEAN";
  } else if constexpr (kIsInteger<T>) {
    return sizeof(T) == 1   ? "TINYINT"
           : sizeof(T) == 2 ? "SMALLINT"
           : sizeof(T) == 4 ? "INT"
                            : "BIGINT";
  } else if constexpr (std::is_same_v<T, float>) {
    return "FLOAT";
  } else if constexpr (std::is_same_v<T, double>) {
    return "DOUBLE";
  } else if constexpr (kIsText<T>) {
    return "STRING";
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return "BYTES";
  } else if constexpr (std::is_same_v<T, Timestamp>) {
    return "TIMESTAMP_LTZ(3)";
  } else if constexpr (std::is_same_v<T, LocalTimestamp>) {
    return "TIMESTAMP(3)";
  } else if constexpr (std::is_same_v<T, Date>) {
    return "DATE";
  } else if constexpr (std::is_same_v<T, Time>) {
    return "TIME";
  } else if constexpr (kinds::kDecimal<T>) {
    return "DECIMAL(" + std::to_string(T::precision) + ", " + std::to_string(T::scale) + ")";
  } else if constexpr (kinds::kVector<T>) {
    return "ARRAY<" + type_name<typename T::value_type>() + ">";
  } else if constexpr (kinds::kMap<T>) {
    return "MAP<" + type_name<typename T::key_type>() + ", " +
           type_name<typename T::mapped_type>() + ">";
  } else {
    static_assert(refl::Reflected<T>,
                  "a value of a SQL function is a number, bool, string, Bytes, Decimal, Timestamp, "
                  "LocalTimestamp, Date or Time; a vector or map of such values; a plain struct of "
                  "them; or an std::optional of any of these");
    std::string out = "ROW<";
    kinds::for_each_index<refl::count<T>()>([&]<size_t kIndex>() {
      if (kIndex > 0) { out += ", "; }
      out += "`" + std::string(refl::field_names<T>()[kIndex]) + "` " +
             type_name<refl::FieldType<T, kIndex>>();
    });
    return out + ">";
  }
}

template <class T>
std::string type_name() {
  if constexpr (kinds::kOptional<T>) {
    return base_type_name<typename T::value_type>();
  } else {
    return base_type_name<T>() + " NOT NULL";
  }
}

// ---- Reading

[[noreturn]] inline void throw_null() {
  throw std::invalid_argument(
      "a NULL inside of a value that can hold none: the function's type has to be std::optional");
}

template <class T>
T read_value(const ColumnView& view, uint32_t row);

template <class T, size_t... kIndex>
T read_fields(const ColumnView& view, uint32_t row, std::index_sequence<kIndex...>) {
  return T{read_value<refl::FieldType<T, kIndex>>(view.children[kIndex], row)...};
}

// The value of a row that is not NULL; `row` is the place in the column's memory.
template <class T>
T read_present(const ColumnView& view, uint32_t row) {
  if constexpr (kIsPlain<T>) {
    return static_cast<const T*>(view.values)[row];
  } else if constexpr (std::is_same_v<T, Text>) {
    return static_cast<const Text*>(view.values)[row];
  } else if constexpr (kIsText<T>) {
    return T(static_cast<const Text*>(view.values)[row].view());
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return Bytes(static_cast<const Text*>(view.values)[row].view());
  } else if constexpr (kIsTimePoint<T>) {
    return T::of_ms(static_cast<const int64_t*>(view.values)[row]);
  } else if constexpr (std::is_same_v<T, Date> || std::is_same_v<T, Time>) {
    return T(static_cast<const int32_t*>(view.values)[row]);
  } else if constexpr (kinds::kDecimal<T>) {
    return T::of_unscaled(static_cast<const typename T::Storage*>(view.values)[row]);
  } else if constexpr (kinds::kVector<T>) {
    T list;
    list.reserve(view.offsets[row + 1] - view.offsets[row]);
    for (uint32_t e = view.offsets[row]; e < view.offsets[row + 1]; ++e) {
      list.push_back(read_value<typename T::value_type>(view.children[0], e));
    }
    return list;
  } else if constexpr (kinds::kMap<T>) {
    T map;
    for (uint32_t e = view.offsets[row]; e < view.offsets[row + 1]; ++e) {
      map.emplace(read_value<typename T::key_type>(view.children[0], e),
                  read_value<typename T::mapped_type>(view.children[1], e));
    }
    return map;
  } else {
    return read_fields<T>(view, row, std::make_index_sequence<refl::count<T>()>());
  }
}

// The value of a row. Throws when it is NULL and T is no std::optional.
template <class T>
T read_value(const ColumnView& view, uint32_t row) {
  const uint32_t at = view.is_constant ? 0 : row;
  const bool is_null = view.validity != nullptr && !bit_at(view.validity, at);
  if constexpr (kinds::kOptional<T>) {
    if (is_null) { return std::nullopt; }
    return read_present<typename T::value_type>(view, at);
  } else {
    if (is_null) { throw_null(); }
    return read_present<T>(view, at);
  }
}

// An argument of a call, looked at row by row.
template <class T>
class Reader {
 public:
  explicit Reader(const ColumnView& view) : view_(view), stride_(view.is_constant ? 0 : 1) {}
  // Whether a call without std::optional can't be made.
  bool is_missing(uint32_t row) const {
    if constexpr (kinds::kOptional<T>) { return false; }
    return view_.is_null(row);
  }
  T at(uint32_t row) const {
    if constexpr (kinds::kOptional<T>) {
      return read_value<T>(view_, row);
    } else {
      return read_present<T>(view_, row * stride_);
    }
  }

 private:
  ColumnView view_;
  uint32_t stride_;
};

// ---- Writing

inline void ensure(abi::ValueSink& sink, uint32_t rows) {
  if (rows > sink.capacity) [[unlikely]] { sink.calls->ensure(&sink, rows); }
}

// Makes a row one that has no value: NULL, with `is_null`; else one that nobody looks at.
inline void write_nothing(abi::ValueSink& sink, uint32_t row, size_t width, bool is_null) {
  if (is_null) {
    if (sink.validity == nullptr) { sink.calls->make_validity(&sink); }
    sink.validity[row / 64] &= ~(uint64_t{1} << (row % 64));
  }
  if (width > 0) { std::memset(static_cast<char*>(sink.values) + row * width, 0, width); }
  if (sink.is_list) { sink.offsets[row + 1] = sink.child_rows; }
}

template <class T>
void write_null(abi::ValueSink& sink, uint32_t row, bool is_null) {
  if constexpr (kinds::kOptional<T>) {
    write_null<typename T::value_type>(sink, row, is_null);
  } else if constexpr (kIsStruct<T>) {
    write_nothing(sink, row, 0, is_null);
    kinds::for_each_index<refl::count<T>()>([&]<size_t kIndex>() {
      write_null<refl::FieldType<T, kIndex>>(sink.children[kIndex], row, is_null);
    });
  } else if constexpr (kinds::kVector<T> || kinds::kMap<T>) {
    write_nothing(sink, row, 0, is_null);
  } else if constexpr (kIsText<T> || std::is_same_v<T, Bytes>) {
    write_nothing(sink, row, sizeof(Text), is_null);
  } else if constexpr (kinds::kDecimal<T>) {
    write_nothing(sink, row, sizeof(typename T::Storage), is_null);
  } else if constexpr (std::is_same_v<T, Date> || std::is_same_v<T, Time>) {
    write_nothing(sink, row, sizeof(int32_t), is_null);
  } else if constexpr (kIsTimePoint<T>) {
    write_nothing(sink, row, sizeof(int64_t), is_null);
  } else {
    write_nothing(sink, row, sizeof(T), is_null);
  }
}

inline Text copy_text(abi::ValueSink& sink, const void* bytes, size_t size) {
  if (size == 0) { return {}; }
  char* const to = sink.calls->allocate(&sink, size);
  std::memcpy(to, bytes, size);
  return {to, size};
}

// Writes row `row`, for which there is room. Views (Text, std::string_view) are not copied: they
// point into an argument, or to what lives for ever.
template <class T>
void write_value(abi::ValueSink& sink, uint32_t row, const T& value) {
  if constexpr (kinds::kOptional<T>) {
    if (!value.has_value()) { return write_null<typename T::value_type>(sink, row, true); }
    write_value(sink, row, *value);
  } else if constexpr (kIsPlain<T>) {
    static_cast<T*>(sink.values)[row] = value;
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Bytes>) {
    static_cast<Text*>(sink.values)[row] = copy_text(sink, value.data(), value.size());
  } else if constexpr (kIsText<T>) {
    static_cast<Text*>(sink.values)[row] = Text(value.data(), value.size());
  } else if constexpr (kIsTimePoint<T>) {
    static_cast<int64_t*>(sink.values)[row] = value.ms();
  } else if constexpr (std::is_same_v<T, Date>) {
    static_cast<int32_t*>(sink.values)[row] = value.days();
  } else if constexpr (std::is_same_v<T, Time>) {
    static_cast<int32_t*>(sink.values)[row] = value.ms();
  } else if constexpr (kinds::kDecimal<T>) {
    static_cast<typename T::Storage*>(sink.values)[row] = value.unscaled();
  } else if constexpr (kinds::kVector<T>) {
    for (const auto& element : value) {
      ensure(sink.children[0], sink.child_rows + 1);
      write_value<typename T::value_type>(sink.children[0], sink.child_rows++, element);
    }
    sink.offsets[row + 1] = sink.child_rows;
  } else if constexpr (kinds::kMap<T>) {
    for (const auto& [key, mapped] : value) {
      ensure(sink.children[0], sink.child_rows + 1);
      ensure(sink.children[1], sink.child_rows + 1);
      write_value<typename T::key_type>(sink.children[0], sink.child_rows, key);
      write_value<typename T::mapped_type>(sink.children[1], sink.child_rows++, mapped);
    }
    sink.offsets[row + 1] = sink.child_rows;
  } else {
    kinds::for_each_index<refl::count<T>()>([&]<size_t kIndex>() {
      write_value<refl::FieldType<T, kIndex>>(sink.children[kIndex], row,
                                              refl::field<kIndex>(value));
    });
  }
}

}  // namespace tidewheel::udf
