// Arrow's arrays and the engine's columns: which types go together, and values from one to the
// other.
#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tidewheel/base/status.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::parquet_format {

// The column that has all that the field can hold. Errors: kFormatSchema, naming the field.
Result<LogicalType> type_of(const arrow::Field& field, const std::string& path);
// The field for a column. Errors: kSqlType.
Result<std::shared_ptr<arrow::Field>> field_of(const std::string& name, const LogicalType& type,
                                               const std::string& path);

// Puts `count` values of the array, from `begin` on, to the rows from `at` on, for which there is
// room; Text points into the array. Errors: kFormatSchema when the types don't go together,
// kRecordMalformed for values that the column can't have; with the column's path.
Status put_values(const arrow::Array& from, int64_t begin, int64_t count, Column& to, uint32_t at,
                  const std::string& path);

// The rows of a column as an array of field_of's type. Errors: kRecordMalformed.
Result<std::shared_ptr<arrow::Array>> array_of(const LogicalType& type, const ColumnView& column,
                                               std::span<const uint32_t> rows,
                                               const std::string& path);

}  // namespace tidewheel::parquet_format
