// Schemas of Avro for columns of SQL, and columns for schemas, as Flink maps them.
#pragma once
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::avro {

struct SqlSchemaOptions {
  // Of the outermost record; those inside have the names of the fields added: "..record_address".
  std::string_view record_name = "org.apache.flink.avro.generated.record";
  // TIMESTAMP is timestamp-millis, as old versions of Flink write it; else TIMESTAMP is
  // local-timestamp-millis (or -micros), and TIMESTAMP_LTZ timestamp-millis (or -micros).
  bool legacy_timestamps = true;
};

// Columns that may be NULL are unions with null, whose default is null. Errors: kSqlType, naming
// the column.
Result<Schema> schema_of(const RowType& row, const SqlSchemaOptions& options);

// Columns for the fields of a record. Errors: kFormatSchema for a schema that is none, or that
// holds itself.
Result<RowType> row_type_of(const Schema& schema);

}  // namespace tidewheel::avro
