// What the two formats' options have in common.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/base/status.h"
#include "tidewheel/formats/protobuf/column_decoder.h"
#include "tidewheel/formats/protobuf/column_encoder.h"

namespace tidewheel::protobuf {

// "<format>.ignore-parse-errors", ".read-default-values", ".write-null-string-literal".
std::vector<TableOption> value_options(const std::string& format);
ReadOptions read_options(const std::string& format, TableOptions& options);
WriteOptions write_options(const std::string& format, TableOptions& options);
bool ignores_parse_errors(const std::string& format, TableOptions& options);

// The row of one message, at the end of the batch. Errors: kRecordMalformed.
Status decode_row(ColumnDecoder& decoder, std::string_view message, RowBatch<ColumnRow>& rows);

}  // namespace tidewheel::protobuf
