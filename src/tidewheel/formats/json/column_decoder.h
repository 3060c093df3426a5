// Reads the values of records into columns, by types that are known when the program runs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/formats/json/cursor.h"
#include "tidewheel/formats/json/decoder.h"
#include "tidewheel/types/column.h"

namespace tidewheel::json_detail {

// Reads values of one type, and remembers in which order keys came. What was appended when a read
// fails is for Column::drop_rows. One thread.
class ColumnDecoder {
 public:
  // Errors: kSqlType for a type that JSON has no form for.
  static Status check(const LogicalType& type, const std::string& name);
  explicit ColumnDecoder(const LogicalType& type);
  // The fields `fields` of a record. Only their columns are touched.
  ColumnDecoder(const RowType& record, const std::vector<size_t>& fields);

  // Reads a value to row `row`, the one behind those written.
  bool read(JsonCursor& cursor, Column& column, uint32_t row);
  // Reads an object; field number i of those given goes to columns[i].
  bool read_record(JsonCursor& cursor, Column* const* columns, uint32_t row);

 private:
  using Read = bool (ColumnDecoder::*)(JsonCursor&, Column&, uint32_t);

  void use_names(std::vector<std::string> names);
  template <class T>
  bool read_scalar(JsonCursor& cursor, Column& column, uint32_t row);
  bool read_bool(JsonCursor& cursor, Column& column, uint32_t row);
  template <class T>
  bool read_decimal(JsonCursor& cursor, Column& column, uint32_t row);
  bool read_text(JsonCursor& cursor, Column& column, uint32_t row);
  bool read_bytes(JsonCursor& cursor, Column& column, uint32_t row);
  bool read_time(JsonCursor& cursor, Column& column, uint32_t row);
  bool read_timestamp(JsonCursor& cursor, Column& column, uint32_t row);
  bool read_array(JsonCursor& cursor, Column& column, uint32_t row);
  bool read_map(JsonCursor& cursor, Column& column, uint32_t row);
  bool read_row(JsonCursor& cursor, Column& column, uint32_t row);
  static Read read_of(const LogicalType& type);
  bool put_null(JsonCursor& cursor, Column& column, uint32_t row);
  bool leave_out(JsonCursor& cursor, const uint32_t* begin, Column& column, uint32_t row);
  bool complete(JsonCursor& cursor, const uint32_t* begin, Column* const* columns, uint32_t row);

  LogicalType type_;
  Read read_ = nullptr;
  std::vector<ColumnDecoder> children_;
  std::vector<std::string> names_;       // of fields
  std::vector<std::string_view> views_;  // of the names
  KeyOrder order_;
  std::vector<Column*> columns_;  // of a row's fields, while it is read
  std::vector<uint64_t> seen_;    // of each field: in which record it came last
  uint64_t record_ = 0;
  std::string scratch_;
};

}  // namespace tidewheel::json_detail
