// Writes rows of columns as JSON, by types that are known when the program runs.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/formats/json/options.h"
#include "tidewheel/types/column.h"

namespace tidewheel::json_detail {

// Immutable after construction.
class ColumnEncoder {
 public:
  ColumnEncoder(const LogicalType& type, const JsonOptions& options);
  // Appends the value of row `row`. False: a map has a key without a value, and it may not.
  bool append(const ColumnView& column, uint32_t row, std::string& out) const;
  // The value is NULL, and so its key is left out.
  bool is_left_out(const ColumnView& column, uint32_t row) const {
    return options_.encode_ignore_null_fields && column.is_null(row);
  }

  // `"name":`
  static std::string key_text(const std::string& name);

 private:
  void append_number(const ColumnView& column, uint32_t row, std::string& out) const;
  void append_time(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_array(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_map(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_row(const ColumnView& column, uint32_t row, std::string& out) const;

  LogicalType type_;
  JsonOptions options_;
  std::vector<ColumnEncoder> children_;
  std::vector<std::string> keys_;  // of a row's fields
};

// Writes rows of a batch as objects. Immutable after construction.
class RowObjectEncoder {
 public:
  // Field i of `row` is column columns[i] of a batch.
  RowObjectEncoder(const RowType& row, std::vector<size_t> columns, const JsonOptions& options);
  // Errors: kRecordMalformed, when a map has a key that is NULL, and may not.
  Status append(const RowBatch<ColumnRow>& rows, uint32_t row, std::string& out) const;

 private:
  const std::vector<size_t> columns_;
  std::vector<ColumnEncoder> encoders_;
  std::vector<std::string> keys_;
};

}  // namespace tidewheel::json_detail
