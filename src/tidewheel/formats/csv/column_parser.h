// Values of CSV to columns and back, by types that are known when the program runs.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/formats/csv/options.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"

namespace tidewheel::csv {

// What tables add to Options.
struct ColumnOptions {
  Options csv;
  bool ignore_errors = false;
  char element_delimiter = ';';
  bool scientific_decimals = true;
};

// Errors: kSqlType for a type that has no form in CSV: maps, and nested types in nested types.
Status check_type(const LogicalType& type, const std::string& name);

// Reads texts of one type.
class ColumnParser {
 public:
  ColumnParser(const LogicalType& type, const ColumnOptions& options);

  // Puts a value to row `row`, the one behind those written. Text that `is_lasting` may be pointed
  // into, else it is copied to the arena. False: it is none, or NULL for what is NOT NULL.
  bool parse(std::string_view text, bool is_lasting, Column& column, uint32_t row,
             Arena& arena) const {
    return (this->*parse_)(text, is_lasting, column, row, arena);
  }
  // Whether an empty text stands for a value.
  bool takes_empty() const { return type_.is_character(); }
  const LogicalType& type() const { return type_; }

 private:
  using Parse = bool (ColumnParser::*)(std::string_view, bool, Column&, uint32_t, Arena&) const;

  static Parse parse_of(const LogicalType& type);
  template <class T>
  bool parse_number(std::string_view text, bool, Column& column, uint32_t row, Arena&) const;
  bool parse_boolean(std::string_view text, bool, Column& column, uint32_t row, Arena&) const;
  template <class T>
  bool parse_decimal(std::string_view text, bool, Column& column, uint32_t row, Arena&) const;
  bool parse_string(std::string_view text, bool is_lasting, Column& column, uint32_t row,
                    Arena& arena) const;
  bool parse_bytes(std::string_view text, bool, Column& column, uint32_t row, Arena& arena) const;
  bool parse_date_or_time(std::string_view text, bool, Column& column, uint32_t row, Arena&) const;
  bool parse_point_in_time(std::string_view text, bool, Column& column, uint32_t row, Arena&) const;
  bool parse_array(std::string_view text, bool is_lasting, Column& column, uint32_t row,
                   Arena& arena) const;
  bool parse_row(std::string_view text, bool is_lasting, Column& column, uint32_t row,
                 Arena& arena) const;
  bool parse_element(size_t child, std::string_view text, bool is_lasting, Column& column,
                     uint32_t row, Arena& arena) const;

  LogicalType type_;
  Parse parse_;
  char element_delimiter_;
  std::vector<std::string> null_literals_;
  std::vector<ColumnParser> children_;
};

// Writes values of one type.
class ColumnWriter {
 public:
  ColumnWriter(const LogicalType& type, const ColumnOptions& options)
      : type_(type), options_(options) {}
  // Appends the value of row `row`, with the quotes that it needs.
  void append(const ColumnView& column, uint32_t row, std::string& out) const;

 private:
  void append_bare(const LogicalType& type, const ColumnView& column, uint32_t row,
                   std::string& out) const;

  LogicalType type_;
  ColumnOptions options_;
};

}  // namespace tidewheel::csv
