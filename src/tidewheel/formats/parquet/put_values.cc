// From Arrow's arrays to columns.
#include <arrow/array.h>
#include <arrow/util/decimal.h>

#include <bit>
#include <type_traits>
#include <utility>

#include "tidewheel/formats/parquet/columns.h"
#include "tidewheel/types/decimal.h"

namespace tidewheel::parquet_format {
namespace {

constexpr int64_t kDayMs = 86'400'000;

// Where values go.
struct Target {
  Column& column;
  uint32_t at;
  const std::string& path;
};

Status misfit(const Target& to, const arrow::Array& from) {
  return invalid_argument(ErrorId::kFormatSchema,
                          "Parquet: column '{}': {} can't be read from the file's {}", to.path,
                          to.column.type().as_nullable().to_string(), from.type()->ToString());
}
Status too_large(const Target& to, int64_t value) {
  return invalid_argument(ErrorId::kRecordMalformed, "Parquet: column '{}': this is no {}: {}",
                          to.path, to.column.type().as_nullable().to_string(), value);
}

int64_t floor_divided(int64_t value, int64_t divisor) {
  const int64_t quotient = value / divisor;
  return value % divisor < 0 ? quotient - 1 : quotient;
}

// Sets the NULLs of rows whose values are there already.
Status put_nulls(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  if (from.null_count() == 0) { return {}; }
  for (int64_t i = 0; i < count; ++i) {
    if (!from.IsNull(begin + i)) { continue; }
    if (!to.column.type().nullable) {
      return invalid_argument(ErrorId::kRecordMalformed,
                              "Parquet: column '{}': there is NULL for what is NOT NULL", to.path);
    }
    to.column.set_null(to.at + static_cast<uint32_t>(i));
  }
  return {};
}

// `value(i)` gives a whole number for each row that is not NULL.
template <class T, class Value>
Status put_narrow(const arrow::Array& from, int64_t begin, int64_t count, const Target& to,
                  const Value& value) {
  T* const values = to.column.values<T>() + to.at;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t wide = value(begin + i);
    values[i] = static_cast<T>(wide);
    if (wide != static_cast<int64_t>(values[i]) && !from.IsNull(begin + i)) [[unlikely]] {
      return too_large(to, wide);
    }
  }
  return {};
}
template <class Value>
Status put_whole(const arrow::Array& from, int64_t begin, int64_t count, const Target& to,
                 const Value& value) {
  switch (to.column.physical()) {
    case Physical::kInt8: return put_narrow<int8_t>(from, begin, count, to, value);
    case Physical::kInt16: return put_narrow<int16_t>(from, begin, count, to, value);
    case Physical::kInt32: return put_narrow<int32_t>(from, begin, count, to, value);
    default: return put_narrow<int64_t>(from, begin, count, to, value);
  }
}

template <class ArrayType>
Status put_integers(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  const auto* const values = static_cast<const ArrayType&>(from).raw_values();
  using Value = std::remove_cvref_t<decltype(*values)>;
  const LogicalType& type = to.column.type();
  if constexpr (std::is_same_v<Value, uint64_t>) {
    if (type.kind != TypeKind::kDecimal || type.scale != 0 || type.precision < 20) {
      return misfit(to, from);
    }
    for (int64_t i = 0; i < count; ++i) {
      to.column.values<Int128>()[to.at + static_cast<uint32_t>(i)] = values[begin + i];
    }
    return {};
  } else {
    if (type.kind == TypeKind::kDouble) {
      for (int64_t i = 0; i < count; ++i) {
        to.column.values<double>()[to.at + static_cast<uint32_t>(i)] =
            static_cast<double>(values[begin + i]);
      }
      return {};
    }
    if (!type.is_integer()) { return misfit(to, from); }
    return put_whole(from, begin, count, to,
                     [values](int64_t i) { return static_cast<int64_t>(values[i]); });
  }
}

template <class ArrayType>
Status put_reals(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  const auto* const values = static_cast<const ArrayType&>(from).raw_values() + begin;
  using Value = std::remove_cvref_t<decltype(*values)>;
  if (to.column.type().kind == TypeKind::kDouble) {
    for (int64_t i = 0; i < count; ++i) {
      to.column.values<double>()[to.at + static_cast<uint32_t>(i)] = static_cast<double>(values[i]);
    }
    return {};
  }
  if (to.column.type().kind != TypeKind::kFloat || !std::is_same_v<Value, float>) {
    return misfit(to, from);
  }
  for (int64_t i = 0; i < count; ++i) {
    to.column.values<float>()[to.at + static_cast<uint32_t>(i)] = static_cast<float>(values[i]);
  }
  return {};
}

template <class ArrayType>
Status put_texts(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  const auto& texts = static_cast<const ArrayType&>(from);
  if (!to.column.type().is_character() && !to.column.type().is_bytes()) { return misfit(to, from); }
  Text* const values = to.column.values<Text>() + to.at;
  for (int64_t i = 0; i < count; ++i) {
    const std::string_view text = texts.GetView(begin + i);
    if (text.size() > Text::kSizeMax) { return too_large(to, std::ssize(text)); }
    values[i] = from.IsNull(begin + i) ? Text() : Text(text);
  }
  return {};
}

Status put_booleans(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  if (to.column.type().kind != TypeKind::kBoolean) { return misfit(to, from); }
  const auto& values = static_cast<const arrow::BooleanArray&>(from);
  for (int64_t i = 0; i < count; ++i) {
    to.column.values<uint8_t>()[to.at + static_cast<uint32_t>(i)] = values.Value(begin + i) ? 1 : 0;
  }
  return {};
}

// Beyond the column's precision a value is NULL, as in other formats.
Status put_decimals(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  const LogicalType& type = to.column.type();
  if (type.kind != TypeKind::kDecimal) { return misfit(to, from); }
  const int32_t scale = static_cast<const arrow::DecimalType&>(*from.type()).scale();
  const auto& bytes = static_cast<const arrow::FixedSizeBinaryArray&>(from);
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t row = to.at + static_cast<uint32_t>(i);
    if (from.IsNull(begin + i)) { continue; }
    Int128 unscaled = 0;
    if (bytes.byte_width() == 16) {
      std::memcpy(&unscaled, bytes.GetValue(begin + i), sizeof unscaled);
    } else if (bytes.byte_width() == 8) {
      int64_t half = 0;
      std::memcpy(&half, bytes.GetValue(begin + i), sizeof half);
      unscaled = half;
    } else {
      int32_t quarter = 0;
      std::memcpy(&quarter, bytes.GetValue(begin + i), sizeof quarter);
      unscaled = quarter;
    }
    const auto value =
        tidewheel::detail::rescale_decimal(unscaled, scale, type.scale, type.precision);
    if (!value.has_value()) {
      if (!type.nullable) { return too_large(to, static_cast<int64_t>(unscaled)); }
      to.column.set_null(row);
    } else if (to.column.physical() == Physical::kInt64) {
      to.column.values<int64_t>()[row] = static_cast<int64_t>(*value);
    } else {
      to.column.values<Int128>()[row] = *value;
    }
  }
  return {};
}

int64_t units_of(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 1;
    case arrow::TimeUnit::MILLI: return 1'000;
    case arrow::TimeUnit::MICRO: return 1'000'000;
    case arrow::TimeUnit::NANO: break;
  }
  return 1'000'000'000;
}

// Rounded down where the column has fewer digits.
Status put_timestamps(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  if (!to.column.type().is_timestamp()) { return misfit(to, from); }
  const int64_t have = units_of(static_cast<const arrow::TimestampType&>(*from.type()).unit());
  const int64_t wanted = to.column.type().units_per_second();
  const int64_t factor = wanted > have ? wanted / have : 1;
  const int64_t divisor = have > wanted ? have / wanted : 1;
  const int64_t* const values = static_cast<const arrow::TimestampArray&>(from).raw_values();
  for (int64_t i = 0; i < count; ++i) {
    int64_t& value = to.column.values<int64_t>()[to.at + static_cast<uint32_t>(i)];
    if (__builtin_mul_overflow(floor_divided(values[begin + i], divisor), factor, &value) &&
        !from.IsNull(begin + i)) {
      return too_large(to, values[begin + i]);
    }
  }
  return {};
}

template <class ArrayType, class UnitType>
Status put_times(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  if (to.column.type().kind != TypeKind::kTime) { return misfit(to, from); }
  const int64_t units = units_of(static_cast<const UnitType&>(*from.type()).unit());
  const auto* const values = static_cast<const ArrayType&>(from).raw_values();
  for (int64_t i = 0; i < count; ++i) {
    if (from.IsNull(begin + i)) { continue; }
    const int64_t value = values[begin + i];
    const int64_t ms = units <= 1'000 ? value * (1'000 / units) : value / (units / 1'000);
    if (value < 0 || ms >= kDayMs) { return too_large(to, value); }
    to.column.values<int32_t>()[to.at + static_cast<uint32_t>(i)] = static_cast<int32_t>(ms);
  }
  return {};
}

Status put_dates(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  if (to.column.type().kind != TypeKind::kDate) { return misfit(to, from); }
  std::memcpy(to.column.values<int32_t>() + to.at,
              static_cast<const arrow::Date32Array&>(from).raw_values() + begin,
              static_cast<size_t>(count) * sizeof(int32_t));
  return {};
}

// The elements of each row go behind those of the row before.
template <class ArrayType>
Status put_lists(const ArrayType& from, const arrow::Array& elements, int64_t begin, int64_t count,
                 const Target& to) {
  if (to.column.type().kind != TypeKind::kArray) { return misfit(to, from); }
  const std::string path = to.path + "[]";
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t row = to.at + static_cast<uint32_t>(i);
    if (!from.IsNull(begin + i)) {
      const uint32_t first = to.column.child_rows();
      const auto length = static_cast<int64_t>(from.value_length(begin + i));
      to.column.child(0).ensure(first + static_cast<uint32_t>(length));
      TIDEWHEEL_RETURN_IF_ERROR(put_values(elements, from.value_offset(begin + i), length,
                                           to.column.child(0), first, path));
      to.column.set_child_rows(first + static_cast<uint32_t>(length));
    }
    to.column.offsets()[row + 1] = to.column.child_rows();
  }
  return {};
}

Status put_maps(const arrow::MapArray& from, int64_t begin, int64_t count, const Target& to) {
  if (to.column.type().kind != TypeKind::kMap) { return misfit(to, from); }
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t row = to.at + static_cast<uint32_t>(i);
    if (!from.IsNull(begin + i)) {
      const uint32_t first = to.column.child_rows();
      const int64_t length = from.value_length(begin + i);
      const int64_t offset = from.value_offset(begin + i);
      for (size_t part = 0; part < 2; ++part) {
        Column& child = to.column.child(part);
        child.ensure(first + static_cast<uint32_t>(length));
        TIDEWHEEL_RETURN_IF_ERROR(put_values(part == 0 ? *from.keys() : *from.items(), offset,
                                             length, child, first,
                                             to.path + (part == 0 ? ".key" : ".value")));
      }
      to.column.set_child_rows(first + static_cast<uint32_t>(length));
    }
    to.column.offsets()[row + 1] = to.column.child_rows();
  }
  return {};
}

// Fields by their names. One that the file does not have is NULL.
Status put_rows(const arrow::StructArray& from, int64_t begin, int64_t count, const Target& to) {
  const LogicalType& type = to.column.type();
  if (type.kind != TypeKind::kRow) { return misfit(to, from); }
  for (size_t field = 0; field < type.names.size(); ++field) {
    const std::string path = to.path + "." + type.names[field];
    const std::shared_ptr<arrow::Array> values = from.GetFieldByName(type.names[field]);
    if (values == nullptr && !type.children[field].nullable) {
      return invalid_argument(ErrorId::kFormatSchema,
                              "Parquet: the file has no column '{}', and it is NOT NULL", path);
    }
    Column& child = to.column.child(field);
    if (values != nullptr && from.null_count() == 0) {
      TIDEWHEEL_RETURN_IF_ERROR(put_values(*values, begin, count, child, to.at, path));
      continue;
    }
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t row = to.at + static_cast<uint32_t>(i);
      if (values == nullptr || from.IsNull(begin + i)) {
        child.append_null(row);
      } else {
        TIDEWHEEL_RETURN_IF_ERROR(put_values(*values, begin + i, 1, child, row, path));
      }
    }
  }
  return {};
}

Status put_from_dictionary(const arrow::DictionaryArray& from, int64_t begin, int64_t count,
                           const Target& to) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t row = to.at + static_cast<uint32_t>(i);
    if (from.IsNull(begin + i)) {
      to.column.append_null(row);
      continue;
    }
    const int64_t index = from.GetValueIndex(begin + i);
    if (index < 0 || index >= from.dictionary()->length()) { return too_large(to, index); }
    TIDEWHEEL_RETURN_IF_ERROR(put_values(*from.dictionary(), index, 1, to.column, row, to.path));
  }
  return {};
}

Status put_present(const arrow::Array& from, int64_t begin, int64_t count, const Target& to) {
  switch (from.type_id()) {
    case arrow::Type::BOOL: return put_booleans(from, begin, count, to);
    case arrow::Type::INT8: return put_integers<arrow::Int8Array>(from, begin, count, to);
    case arrow::Type::INT16: return put_integers<arrow::Int16Array>(from, begin, count, to);
    case arrow::Type::INT32: return put_integers<arrow::Int32Array>(from, begin, count, to);
    case arrow::Type::INT64: return put_integers<arrow::Int64Array>(from, begin, count, to);
    case arrow::Type::UINT8: return put_integers<arrow::UInt8Array>(from, begin, count, to);
    case arrow::Type::UINT16: return put_integers<arrow::UInt16Array>(from, begin, count, to);
    case arrow::Type::UINT32: return put_integers<arrow::UInt32Array>(from, begin, count, to);
    case arrow::Type::UINT64: return put_integers<arrow::UInt64Array>(from, begin, count, to);
    case arrow::Type::FLOAT: return put_reals<arrow::FloatArray>(from, begin, count, to);
    case arrow::Type::DOUBLE: return put_reals<arrow::DoubleArray>(from, begin, count, to);
    case arrow::Type::STRING: return put_texts<arrow::StringArray>(from, begin, count, to);
    case arrow::Type::BINARY: return put_texts<arrow::BinaryArray>(from, begin, count, to);
    case arrow::Type::LARGE_STRING:
      return put_texts<arrow::LargeStringArray>(from, begin, count, to);
    case arrow::Type::LARGE_BINARY:
      return put_texts<arrow::LargeBinaryArray>(from, begin, count, to);
    case arrow::Type::FIXED_SIZE_BINARY:
      return put_texts<arrow::FixedSizeBinaryArray>(from, begin, count, to);
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128: return put_decimals(from, begin, count, to);
    case arrow::Type::DATE32: return put_dates(from, begin, count, to);
    case arrow::Type::TIME32:
      return put_times<arrow::Time32Array, arrow::Time32Type>(from, begin, count, to);
    case arrow::Type::TIME64:
      return put_times<arrow::Time64Array, arrow::Time64Type>(from, begin, count, to);
    case arrow::Type::TIMESTAMP: return put_timestamps(from, begin, count, to);
    default: return misfit(to, from);
  }
}

}  // namespace

Status put_values(const arrow::Array& from, int64_t begin, int64_t count, Column& column,
                  uint32_t at, const std::string& path) {
  const Target to{column, at, path};
  Status status;
  switch (from.type_id()) {
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(from);
      status = put_lists(list, *list.values(), begin, count, to);
      break;
    }
    case arrow::Type::LARGE_LIST: {
      const auto& list = static_cast<const arrow::LargeListArray&>(from);
      status = put_lists(list, *list.values(), begin, count, to);
      break;
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListArray&>(from);
      status = put_lists(list, *list.values(), begin, count, to);
      break;
    }
    case arrow::Type::MAP:
      status = put_maps(static_cast<const arrow::MapArray&>(from), begin, count, to);
      break;
    case arrow::Type::STRUCT:
      status = put_rows(static_cast<const arrow::StructArray&>(from), begin, count, to);
      break;
    case arrow::Type::DICTIONARY:
      return put_from_dictionary(static_cast<const arrow::DictionaryArray&>(from), begin, count,
                                 to);
    default: status = put_present(from, begin, count, to); break;
  }
  return status.ok() ? put_nulls(from, begin, count, to) : status;
}

}  // namespace tidewheel::parquet_format
