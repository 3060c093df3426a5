// C++ types as types of SQL: which column a field of a row becomes, and the loops between the two.
//
//   bool, int8_t .. int64_t, float, double    BOOLEAN, TINYINT .. BIGINT, FLOAT, DOUBLE
//   uint8_t, uint16_t, uint32_t, uint64_t     SMALLINT, INT, BIGINT, DECIMAL(20, 0)
//   std::string, Text; Bytes                  STRING; BYTES
//   Timestamp, LocalTimestamp, Date, Time     TIMESTAMP_LTZ(3), TIMESTAMP(3), DATE, TIME(3)
//   a duration of milliseconds or coarser     INTERVAL DAY TO SECOND
//   Decimal<p, s>; an enum                    DECIMAL(p, s); its underlying integer
//   std::vector, std::array; maps             ARRAY; MAP
//   a struct, pair or tuple                   ROW, of its fields, or of f0, f1, ..
//   std::optional of one of these             the same, and it may be NULL
#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/sql/change.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"
#include "tidewheel/types/record.h"

namespace tidewheel::sql {

namespace mapping {

template <class T>
inline constexpr bool kIsString =
    std::is_same_v<T, std::string> || std::is_same_v<T, Text> || std::is_same_v<T, Bytes>;
template <class T>
inline constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;
// Kept in one value of a column.
template <class T>
inline constexpr bool kIsSimple = std::is_arithmetic_v<T> || std::is_enum_v<T> || kIsString<T> ||
                                  tidewheel::detail::kIsScalarClass<T>;
// A row by its fields.
template <class T>
concept Fields = !kIsSimple<T> && (kinds::kTuple<T> || refl::Reflected<T>);

template <class T>
constexpr size_t field_count() {
  if constexpr (kinds::kTuple<T>) {
    return std::tuple_size_v<T>;
  } else {
    return refl::count<T>();
  }
}
template <size_t kIndex, class T>
constexpr auto& field_of(T& row) {
  if constexpr (kinds::kTuple<std::remove_const_t<T>>) {
    return std::get<kIndex>(row);
  } else {
    return refl::field<kIndex>(row);
  }
}
template <class T, size_t kIndex>
using Field = std::remove_cvref_t<decltype(field_of<kIndex>(std::declval<T&>()))>;
template <class T, size_t kIndex>
std::string field_name() {
  if constexpr (kinds::kTuple<T>) {
    return "f" + std::to_string(kIndex);
  } else {
    return std::string(refl::field_name<T, kIndex>());
  }
}

template <class T>
constexpr void check_column() {
  static_assert(!serde<T>::value && !kinds::kVariant<T>,
                "a row of SQL can't hold a variant, or a type with a tidewheel::serde: map the "
                "stream to rows of other fields first");
  static_assert(!std::is_same_v<T, char>,
                "a row of SQL can't hold a char, which may be a number or a letter: use int8_t, or "
                "std::string");
  if constexpr (kinds::kDuration<T>) {
    static_assert(std::ratio_greater_equal_v<typename T::period, std::milli> &&
                      std::is_integral_v<typename T::rep>,
                  "an interval of SQL has milliseconds: use std::chrono::milliseconds");
  } else if constexpr (kinds::kOptional<T>) {
    static_assert(!kinds::kOptional<typename T::value_type>,
                  "a row of SQL can't hold an optional of an optional: there is one NULL only");
    check_column<typename T::value_type>();
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
    check_column<typename T::value_type>();
  } else if constexpr (kinds::kMap<T>) {
    check_column<typename T::key_type>();
    check_column<typename T::mapped_type>();
  } else if constexpr (Fields<T> && !serde<T>::value) {
    kinds::for_each_index<field_count<T>()>(
        []<size_t kIndex>() { check_column<Field<T, kIndex>>(); });
  }
}

template <class T>
LogicalType integer_type(bool nullable) {
  using Kind = TypeKind;
  constexpr size_t kBytes = sizeof(T);
  if constexpr (std::is_unsigned_v<T> && kBytes == 8) {
    return LogicalType::decimal(20, 0, nullable);
  } else {
    constexpr Kind kSigned[] = {Kind::kTinyint, Kind::kSmallint, Kind::kInt, Kind::kBigint};
    constexpr size_t kStep = kBytes == 1 ? 0 : kBytes == 2 ? 1 : kBytes == 4 ? 2 : 3;
    return LogicalType::of(kSigned[kStep + (std::is_unsigned_v<T> ? 1 : 0)], nullable);
  }
}

template <class T>
LogicalType column_type(bool nullable = false);

template <class T>
LogicalType simple_type(bool nullable) {
  using Kind = TypeKind;
  if constexpr (std::is_same_v<T, bool>) {
    return LogicalType::of(Kind::kBoolean, nullable);
  } else if constexpr (std::is_enum_v<T>) {
    return column_type<std::underlying_type_t<T>>(nullable);
  } else if constexpr (std::is_integral_v<T>) {
    return integer_type<T>(nullable);
  } else if constexpr (std::is_floating_point_v<T>) {
    return LogicalType::of(sizeof(T) == 4 ? Kind::kFloat : Kind::kDouble, nullable);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return LogicalType::with(Kind::kVarbinary, LogicalType::kMaxLength, 0, nullable);
  } else if constexpr (kIsString<T>) {
    return LogicalType::string(nullable);
  } else if constexpr (std::is_same_v<T, Timestamp>) {
    return LogicalType::with(Kind::kTimestampLtz, 3, 0, nullable);
  } else if constexpr (std::is_same_v<T, LocalTimestamp>) {
    return LogicalType::with(Kind::kTimestamp, 3, 0, nullable);
  } else if constexpr (std::is_same_v<T, Date>) {
    return LogicalType::of(Kind::kDate, nullable);
  } else if constexpr (std::is_same_v<T, Time>) {
    return LogicalType::with(Kind::kTime, 3, 0, nullable);
  } else if constexpr (kinds::kDecimal<T>) {
    return LogicalType::decimal(T::precision, T::scale, nullable);
  } else {
    return LogicalType::of(Kind::kIntervalSecond, nullable);
  }
}

template <class T>
LogicalType column_type(bool nullable) {
  if constexpr (kIsSimple<T>) {
    return simple_type<T>(nullable);
  } else if constexpr (kinds::kOptional<T>) {
    return column_type<typename T::value_type>(true);
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
    return LogicalType::array(column_type<typename T::value_type>(), nullable);
  } else if constexpr (kinds::kMap<T>) {
    return LogicalType::map(column_type<typename T::key_type>(),
                            column_type<typename T::mapped_type>(), nullable);
  } else {
    std::vector<std::string> names;
    std::vector<LogicalType> fields;
    kinds::for_each_index<field_count<T>()>([&]<size_t kIndex>() {
      names.push_back(field_name<T, kIndex>());
      fields.push_back(column_type<Field<T, kIndex>>());
    });
    return LogicalType::row(std::move(names), std::move(fields), nullable);
  }
}

// ---- Single values: from C++ into a column, and back.

// What a simple value is in a column.
template <class T>
auto to_column(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return static_cast<uint8_t>(value);
  } else if constexpr (std::is_enum_v<T>) {
    return to_column(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_unsigned_v<T>) {
    if constexpr (sizeof(T) == 1) {
      return static_cast<int16_t>(value);
    } else if constexpr (sizeof(T) == 2) {
      return static_cast<int32_t>(value);
    } else if constexpr (sizeof(T) == 4) {
      return static_cast<int64_t>(value);
    } else {
      return static_cast<Int128>(value);
    }
  } else if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
    return static_cast<int64_t>(value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return value;
  } else if constexpr (kIsString<T>) {
    return Text(value.data(), value.size());
  } else if constexpr (std::is_same_v<T, Timestamp> || std::is_same_v<T, LocalTimestamp>) {
    return value.ms();
  } else if constexpr (std::is_same_v<T, Date>) {
    return value.days();
  } else if constexpr (std::is_same_v<T, Time>) {
    return value.ms();
  } else if constexpr (kinds::kDecimal<T>) {
    return value.unscaled();
  } else {
    return to_ms(value);
  }
}
template <class T>
using InColumn = decltype(to_column(std::declval<const T&>()));

// False when the value is out of the range of T.
template <class T>
bool from_column(const InColumn<T>& from, T& to) {
  if constexpr (std::is_same_v<T, bool>) {
    to = from != 0;
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> number{};
    const bool fits = from_column<std::underlying_type_t<T>>(from, number);
    to = static_cast<T>(number);
    return fits;
  } else if constexpr (std::is_unsigned_v<T>) {
    to = static_cast<T>(from);
    return from >= 0 && from <= static_cast<InColumn<T>>(std::numeric_limits<T>::max());
  } else if constexpr (std::is_arithmetic_v<T>) {
    to = static_cast<T>(from);
  } else if constexpr (std::is_same_v<T, Text>) {
    to = from;
  } else if constexpr (std::is_same_v<T, std::string>) {
    to.assign(from.data(), from.size());
  } else if constexpr (std::is_same_v<T, Bytes>) {
    to.storage().assign(from.data(), from.size());
  } else if constexpr (kinds::kDecimal<T>) {
    if (from >= T::kLimit || from <= -T::kLimit) { return false; }
    to = T::of_unscaled(from);
  } else if constexpr (kinds::kDuration<T>) {
    to = std::chrono::duration_cast<T>(std::chrono::milliseconds(from));
    return to_ms(to) == from;
  } else {
    to = T(from);
  }
  return true;
}

// ---- Any values, one at a time, in the order of rows.

template <class T>
void write_value(tidewheel::Column& column, uint32_t row, const T& value);

template <class List>
void write_list(tidewheel::Column& column, uint32_t row, const List& list) {
  uint32_t size = column.child_rows();
  for (const auto& element : list) {
    for (size_t i = 0; i < column.child_count(); ++i) { column.child(i).ensure(size + 1); }
    if constexpr (kinds::kMap<List>) {
      write_value(column.child(0), size, element.first);
      write_value(column.child(1), size, element.second);
    } else {
      const typename List::value_type& one = element;  // of vector<bool>: a value
      write_value(column.child(0), size, one);
    }
    ++size;
  }
  column.set_child_rows(size);
  column.offsets()[row + 1] = size;
}

template <class T>
void write_value(tidewheel::Column& column, uint32_t row, const T& value) {
  if constexpr (kIsSimple<T>) {
    column.values<InColumn<T>>()[row] = to_column(value);
  } else if constexpr (kinds::kOptional<T>) {
    if (value.has_value()) {
      write_value(column, row, *value);
    } else {
      column.append_null(row);
    }
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T> || kinds::kMap<T>) {
    write_list(column, row, value);
  } else {
    kinds::for_each_index<field_count<T>()>(
        [&]<size_t kIndex>() { write_value(column.child(kIndex), row, field_of<kIndex>(value)); });
  }
}

// False when the value has no place in a T: NULL, or out of its range.
template <class T>
bool read_value(const ColumnView& column, uint32_t row, T& value);

template <class List>
bool read_list(const ColumnView& column, uint32_t row, List& list) {
  const uint32_t begin = column.offsets[row];
  const uint32_t end = column.offsets[row + 1];
  bool fits = true;
  if constexpr (kinds::kArray<List>) {
    if (end - begin != list.size()) { return false; }
    for (uint32_t i = begin; i < end; ++i) {
      fits &= read_value(column.children[0], i, list[i - begin]);
    }
  } else if constexpr (kinds::kMap<List>) {
    list.clear();
    for (uint32_t i = begin; i < end; ++i) {
      typename List::key_type key{};
      typename List::mapped_type mapped{};
      fits &= read_value(column.children[0], i, key);
      fits &= read_value(column.children[1], i, mapped);
      list.insert_or_assign(std::move(key), std::move(mapped));
    }
  } else {
    list.clear();
    list.reserve(end - begin);
    for (uint32_t i = begin; i < end; ++i) {
      typename List::value_type element{};
      fits &= read_value(column.children[0], i, element);
      list.push_back(std::move(element));
    }
  }
  return fits;
}

template <class T>
bool read_value(const ColumnView& column, uint32_t row, T& value) {
  if constexpr (kinds::kOptional<T>) {
    if (column.is_null(row)) {
      value.reset();
      return true;
    }
    return read_value(column, row, value.emplace());
  } else {
    if (column.is_null(row)) { return false; }
    const uint32_t at = column.is_constant ? 0 : row;
    if constexpr (kIsSimple<T>) {
      return from_column<T>(column.as<InColumn<T>>()[at], value);
    } else if constexpr (kinds::kVector<T> || kinds::kArray<T> || kinds::kMap<T>) {
      return read_list(column, at, value);
    } else {
      bool fits = true;
      kinds::for_each_index<field_count<T>()>([&]<size_t kIndex>() {
        fits &= read_value(column.children[kIndex], at, field_of<kIndex>(value));
      });
      return fits;
    }
  }
}

}  // namespace mapping

// A stream's T as a row: a value that is none is a row of one field.
template <class T>
struct RowOf {
  using Row = std::tuple<T>;
  static constexpr bool kIsChange = false;
  template <size_t>
  static constexpr auto& field(auto& row) {
    return row;
  }
};
template <mapping::Fields T>
struct RowOf<T> {
  using Row = T;
  static constexpr bool kIsChange = false;
  template <size_t kIndex>
  static constexpr auto& field(auto& row) {
    return mapping::field_of<kIndex>(row);
  }
};
template <class T>
struct RowOf<Change<T>> {
  using Row = typename RowOf<T>::Row;
  static constexpr bool kIsChange = true;
  template <size_t kIndex>
  static constexpr auto& field(auto& change) {
    return RowOf<T>::template field<kIndex>(change.row);
  }
};
template <class T>
inline constexpr size_t kRowFields = mapping::field_count<typename RowOf<T>::Row>();

// Field number kIndex of rows [0, count), to rows `at` on of a column that has room for them.
template <class T, size_t kIndex>
void write_field(const T* rows, uint32_t count, tidewheel::Column& column, uint32_t at) {
  using F = mapping::Field<typename RowOf<T>::Row, kIndex>;
  const auto field = [rows](uint32_t i) -> const F& {
    return RowOf<T>::template field<kIndex>(rows[i]);
  };
  if constexpr (mapping::kIsSimple<F>) {
    auto* const to = column.values<mapping::InColumn<F>>() + at;
    for (uint32_t i = 0; i < count; ++i) { to[i] = mapping::to_column(field(i)); }
  } else {
    for (uint32_t i = 0; i < count; ++i) { mapping::write_value(column, at + i, field(i)); }
  }
}
// The other way: from rows [begin, begin + count) of a column. False: a value has no place.
template <class T, size_t kIndex>
bool read_field(const ColumnView& column, uint32_t begin, uint32_t count, T* rows) {
  using F = mapping::Field<typename RowOf<T>::Row, kIndex>;
  const auto field = [rows](uint32_t i) -> F& { return RowOf<T>::template field<kIndex>(rows[i]); };
  bool fits = true;
  if constexpr (mapping::kIsSimple<F>) {
    if (column.validity == nullptr && !column.is_constant) {
      const auto* const from = column.as<mapping::InColumn<F>>() + begin;
      for (uint32_t i = 0; i < count; ++i) { fits &= mapping::from_column<F>(from[i], field(i)); }
      return fits;
    }
  }
  for (uint32_t i = 0; i < count; ++i) { fits &= mapping::read_value(column, begin + i, field(i)); }
  return fits;
}

// What the rows of a stream are as a table.
struct RowShape {
  RowType type;
  bool by_position = false;  // its columns have no names of their own
  bool is_change = false;
  std::string name;  // of the C++ type
};

template <class T>
constexpr std::string_view cpp_type_name() {
  // GCC: "... [with T = ns::Name; std::string_view = ..]", Clang: "... [T = ns::Name]".
  std::string_view name = __PRETTY_FUNCTION__;
  name.remove_prefix(name.find("T = ") + 4);
  name = name.substr(0, name.find_first_of(";]"));
  return name;
}

template <class T>
RowShape row_shape() {
  using Row = typename RowOf<T>::Row;
  check_record<T>();
  mapping::check_column<Row>();
  RowShape shape;
  LogicalType row = mapping::column_type<Row>();
  shape.type.names = std::move(row.names);
  shape.type.types = std::move(row.children);
  shape.by_position = kinds::kTuple<Row>;
  shape.is_change = RowOf<T>::kIsChange;
  shape.name = std::string(cpp_type_name<T>());
  return shape;
}

}  // namespace tidewheel::sql
