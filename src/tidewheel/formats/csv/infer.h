// Guesses the columns of CSV by looking at its first records.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::csv {

struct Inferred {
  RowType type;
  std::map<std::string, std::string> options;  // of the format, as in WITH
};

// `sample`: bytes of the start; `whole`: of all there is, else the last record may be cut off.
// `delimiter`: '\0': that of , ; | and tab which the first line has most of. The first record names
// the columns, unless it has values that are no names. Types are BOOLEAN, BIGINT, DOUBLE, DATE,
// TIMESTAMP(3) and STRING; numbers with leading zeros are strings. A word such as NA that stands
// between values of another type becomes 'csv.null-literal'. Errors: kSqlOption when there is
// nothing, or the first record is malformed.
Result<Inferred> infer(std::string_view sample, bool whole, char delimiter = '\0');

}  // namespace tidewheel::csv
