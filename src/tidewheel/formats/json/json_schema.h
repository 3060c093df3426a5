// JSON Schemas (draft 7) for rows of columns, for registries of schemas.
#pragma once
#include <string>

#include "tidewheel/types/logical_type.h"

namespace tidewheel::json_detail {

// Of the objects that the format json writes for rows of this type: columns that are NOT NULL are
// required, the others may be null. Whole numbers say how wide they are by "connect.type", as
// Confluent's converters do.
std::string json_schema_of(const RowType& row);

}  // namespace tidewheel::json_detail
