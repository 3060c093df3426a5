// Messages of Protocol Buffers and columns of SQL: which go together, as Flink maps them, and a
// message for columns that have none.
#pragma once
#include <string>

#include "tidewheel/base/status.h"
#include "tidewheel/formats/protobuf/schema.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::protobuf {

// The wire type of a single value.
uint32_t wire_of(Kind kind);

// Whether each column has a field of its name, and of a type that goes with its own. Errors:
// kFormatSchema, naming the column. `may_lack`: a column that may be NULL needs no field.
Status check_columns(const Schema& schema, const RowType& row, bool may_lack);

// The text of a .proto file (proto3) with the message `name` for these columns: NULL is what is
// absent. Errors: kSqlType, naming a column that it has no form for.
Result<std::string> proto_of(const RowType& row, const std::string& name);

}  // namespace tidewheel::protobuf
