// From columns to Arrow's arrays.
#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/buffer_builder.h>
#include <arrow/util/decimal.h>

#include <utility>
#include <vector>

#include "tidewheel/formats/parquet/arrow_file.h"
#include "tidewheel/formats/parquet/columns.h"
#include "tidewheel/types/decimal.h"

namespace tidewheel::parquet_format {
namespace {

// Of builders that have no memory to ask for: their results say the same.
void ignore_status(const arrow::Status& /*status*/) {}

using ArrayRef = std::shared_ptr<arrow::Array>;
using Rows = std::span<const uint32_t>;

Result<ArrayRef> finished(arrow::ArrayBuilder& builder) {
  ArrayRef array;
  const arrow::Status status = builder.Finish(&array);
  if (!status.ok()) { return status_of(status); }
  return array;
}

// `append(row)` for each row that is not NULL.
template <class Builder, class Append>
Result<ArrayRef> built(Builder& builder, const ColumnView& column, Rows rows,
                       const Append& append) {
  arrow::Status status = builder.Reserve(std::ssize(rows));
  for (const uint32_t row : rows) {
    if (!status.ok()) { return status_of(status); }
    status = column.is_null(row) ? builder.AppendNull() : append(row);
  }
  if (!status.ok()) { return status_of(status); }
  return finished(builder);
}

template <class Builder, class T>
Result<ArrayRef> plain(Builder&& builder, const ColumnView& column, Rows rows) {
  const arrow::Status status = builder.Reserve(std::ssize(rows));
  if (!status.ok()) { return status_of(status); }
  for (const uint32_t row : rows) {
    if (column.is_null(row)) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(column.at<T>(row));
    }
  }
  return finished(builder);
}

Result<ArrayRef> decimals(const LogicalType& type, const ColumnView& column, Rows rows) {
  arrow::Decimal128Builder builder(arrow::decimal128(type.precision, type.scale));
  const bool is_narrow = type.physical() == Physical::kInt64;
  return built(builder, column, rows, [&](uint32_t row) {
    const Int128 value = is_narrow ? Int128{column.at<int64_t>(row)} : column.at<Int128>(row);
    return builder.Append(
        arrow::Decimal128(static_cast<int64_t>(value >> 64), static_cast<uint64_t>(value)));
  });
}

// Which of the rows are not NULL, as Arrow has it; null: all.
std::shared_ptr<arrow::Buffer> validity(const ColumnView& column, Rows rows, int64_t& nulls) {
  arrow::TypedBufferBuilder<bool> bits;
  for (const uint32_t row : rows) {
    const bool is_null = column.is_null(row);
    nulls += is_null ? 1 : 0;
    if (!bits.Append(!is_null).ok()) { return nullptr; }
  }
  if (nulls == 0) { return nullptr; }
  auto buffer = bits.Finish();
  return buffer.ok() ? *buffer : nullptr;
}

// Where the elements of rows begin, and which rows of the children they are.
struct Elements {
  std::shared_ptr<arrow::Buffer> offsets;
  std::vector<uint32_t> rows;
};
Elements elements_of(const ColumnView& column, Rows rows) {
  Elements made;
  arrow::TypedBufferBuilder<int32_t> offsets;
  ignore_status(offsets.Append(0));
  for (const uint32_t row : rows) {
    const uint32_t at = column.is_constant ? 0 : row;
    if (!column.is_null(row)) {
      for (uint32_t i = column.offsets[at]; i < column.offsets[at + 1]; ++i) {
        made.rows.push_back(i);
      }
    }
    ignore_status(offsets.Append(static_cast<int32_t>(made.rows.size())));
  }
  made.offsets = offsets.Finish().ValueOr(nullptr);
  return made;
}

Result<ArrayRef> list(const LogicalType& type, const ColumnView& column, Rows rows,
                      const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto field, field_of("list", type, path));
  const Elements elements = elements_of(column, rows);
  int64_t nulls = 0;
  std::shared_ptr<arrow::Buffer> valid = validity(column, rows, nulls);
  if (type.kind == TypeKind::kArray) {
    TIDEWHEEL_ASSIGN_OR_RETURN(ArrayRef values, array_of(type.children[0], column.children[0],
                                                         elements.rows, path + "[]"));
    return ArrayRef(std::make_shared<arrow::ListArray>(field->type(), std::ssize(rows),
                                                       elements.offsets, std::move(values),
                                                       std::move(valid), nulls));
  }
  const LogicalType value_type =
      type.kind == TypeKind::kMap ? type.children[1] : LogicalType::of(TypeKind::kInt, false);
  TIDEWHEEL_ASSIGN_OR_RETURN(ArrayRef keys,
                             array_of(type.children[0].as_nullable(false), column.children[0],
                                      elements.rows, path + ".key"));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      ArrayRef values, array_of(value_type, column.children[1], elements.rows, path + ".value"));
  return ArrayRef(std::make_shared<arrow::MapArray>(field->type(), std::ssize(rows),
                                                    elements.offsets, std::move(keys),
                                                    std::move(values), std::move(valid), nulls));
}

Result<ArrayRef> row(const LogicalType& type, const ColumnView& column, Rows rows,
                     const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto field, field_of("row", type, path));
  std::vector<ArrayRef> children;
  for (size_t i = 0; i < type.names.size(); ++i) {
    ColumnView child = column.children[i];
    child.is_constant |= column.is_constant;
    // Fields of a row that is NULL are so too.
    LogicalType inner = type.children[i];
    if (type.nullable) { inner = inner.as_nullable(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(ArrayRef values,
                               array_of(inner, child, rows, path + "." + type.names[i]));
    children.push_back(std::move(values));
  }
  int64_t nulls = 0;
  std::shared_ptr<arrow::Buffer> valid = validity(column, rows, nulls);
  return ArrayRef(std::make_shared<arrow::StructArray>(
      field->type(), std::ssize(rows), std::move(children), std::move(valid), nulls));
}

Result<ArrayRef> timestamps(const LogicalType& type, const ColumnView& column, Rows rows,
                            const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto field, field_of("time", type, path));
  return plain<arrow::TimestampBuilder, int64_t>(
      arrow::TimestampBuilder(field->type(), arrow::default_memory_pool()), column, rows);
}

}  // namespace

Result<ArrayRef> array_of(const LogicalType& type, const ColumnView& column, Rows rows,
                          const std::string& path) {
  if (!type.nullable) {
    for (const uint32_t one : rows) {
      if (!column.is_null(one)) { continue; }
      return invalid_argument(ErrorId::kRecordMalformed,
                              "column '{}': there is NULL for what is NOT NULL", path);
    }
  }
  switch (type.kind) {
    case TypeKind::kBoolean: {
      arrow::BooleanBuilder builder;
      return built(builder, column, rows,
                   [&](uint32_t at) { return builder.Append(column.at<uint8_t>(at) != 0); });
    }
    case TypeKind::kTinyint:
      return plain<arrow::Int8Builder, int8_t>(arrow::Int8Builder(), column, rows);
    case TypeKind::kSmallint:
      return plain<arrow::Int16Builder, int16_t>(arrow::Int16Builder(), column, rows);
    case TypeKind::kInt:
      return plain<arrow::Int32Builder, int32_t>(arrow::Int32Builder(), column, rows);
    case TypeKind::kBigint:
      return plain<arrow::Int64Builder, int64_t>(arrow::Int64Builder(), column, rows);
    case TypeKind::kFloat:
      return plain<arrow::FloatBuilder, float>(arrow::FloatBuilder(), column, rows);
    case TypeKind::kDouble:
      return plain<arrow::DoubleBuilder, double>(arrow::DoubleBuilder(), column, rows);
    case TypeKind::kDate:
      return plain<arrow::Date32Builder, int32_t>(arrow::Date32Builder(), column, rows);
    case TypeKind::kTime:
      return plain<arrow::Time32Builder, int32_t>(
          arrow::Time32Builder(arrow::time32(arrow::TimeUnit::MILLI), arrow::default_memory_pool()),
          column, rows);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: return timestamps(type, column, rows, path);
    case TypeKind::kDecimal: return decimals(type, column, rows);
    case TypeKind::kChar:
    case TypeKind::kVarchar: {
      arrow::StringBuilder builder;
      return built(builder, column, rows,
                   [&](uint32_t at) { return builder.Append(column.at<Text>(at).view()); });
    }
    case TypeKind::kBinary:
    case TypeKind::kVarbinary: {
      arrow::BinaryBuilder builder;
      return built(builder, column, rows,
                   [&](uint32_t at) { return builder.Append(column.at<Text>(at).view()); });
    }
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kMultiset: return list(type, column, rows, path);
    case TypeKind::kRow: return row(type, column, rows, path);
    default: break;
  }
  return field_of("", type, path).status();
}

}  // namespace tidewheel::parquet_format
