// The options that tables of JSON have in common: "<format>.ignore-parse-errors" and the like.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/formats/json/options.h"

namespace tidewheel::json_detail {

// Those of `json`, and of formats of change logs, which have a part of them.
std::vector<TableOption> table_options(const std::string& format, bool of_changes);
// Errors are noted in `options`.
JsonOptions read_table_options(const std::string& format, bool of_changes, TableOptions& options);

// Reads rows of the format json.
std::unique_ptr<RowDecoder> make_row_decoder(const DecodedRow& row, const JsonOptions& options);

}  // namespace tidewheel::json_detail
