// Values of SQL as JSON.
#pragma once
#include <cstdint>
#include <string>

#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// Appends the value of a row: NULL as null; bytes as base64; times as ISO 8601 in strings; rows and
// maps as objects with their keys in order.
void append_json_value(std::string& out, const LogicalType& type, const ColumnView& column,
                       uint32_t row);

}  // namespace tidewheel::sql
