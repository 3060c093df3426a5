// The columns of a container file, by the schema in its head.
#pragma once
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::avro {

struct Inferred {
  RowType type;
  std::string schema;  // JSON
};

// `sample`: bytes of the start. Errors: kRecordMalformed when they are no container file, or hold
// less than its head; kFormatSchema for a schema that is no row.
Result<Inferred> infer(std::string_view sample);

}  // namespace tidewheel::avro
