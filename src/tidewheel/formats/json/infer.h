// Guesses the columns of lines of JSON by looking at the first of them.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {

struct JsonInferred {
  RowType type;
  std::map<std::string, std::string> options;  // of the format, as in WITH
};

// `sample`: bytes of the start; `whole`: of all there is, else the last line may be cut off. Types
// are BOOLEAN, BIGINT, DOUBLE, DATE, TIMESTAMP(3), TIMESTAMP_LTZ(3), arrays and rows of these, and
// STRING, also for keys whose values are of several types. Errors: kRecordMalformed; kSqlOption
// when there is no record.
Result<JsonInferred> infer_json(std::string_view sample, bool whole);

}  // namespace tidewheel
