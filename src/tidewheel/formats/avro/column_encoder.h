// Writes rows of columns as values of Avro, by a schema and types that are known when the program
// runs.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/types/column.h"

namespace tidewheel::avro {

// Values of one column, or the rows of a batch. Immutable once it is made.
class ColumnEncoder {
 public:
  // The message: field i of `row` is column columns[i] of a batch. Errors: kFormatSchema, naming
  // the field: one of the schema's that has neither a column nor a default, or is of another type.
  static Result<ColumnEncoder> make(const Schema& schema, const RowType& row,
                                    const std::vector<size_t>& columns);

  // Appends the row's value. Errors: kRecordMalformed, naming the column: NULL, or a number, for
  // which the schema has no place.
  Status append(std::span<const ColumnView> columns, uint32_t row, std::string& out) const;

 private:
  friend class EncoderMaker;
  enum class How : uint8_t {
    kRecord,
    kBoolean,
    kWhole,
    kFloat,
    kDouble,
    kText,
    kFixedText,
    kSymbol,
    kDecimal,
    kFixedDecimal,
    kScaled,  // a point in time, or of day
    kArray,
    kMap,
    kDefault,  // the bytes `constant`
  };

  bool append_value(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_present(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_fields(const ColumnView* columns, bool is_constant, uint32_t row,
                     std::string& out) const;
  bool append_whole(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_real(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_decimal(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_text(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_list(const ColumnView& column, uint32_t row, std::string& out) const;
  // The first value that can't be written; null: there is none.
  const ColumnEncoder* find_fault(const ColumnView& column, uint32_t row, std::string& why) const;

  How how_ = How::kDefault;
  int32_t null_branch_ = -1;   // of the union around it; -1: NULL has no place
  int32_t value_branch_ = -1;  // -1: there is no union
  LogicalType type_;
  bool narrows_ = false;  // to an int
  uint32_t size_ = 0;     // of fixed
  int64_t factor_ = 1;    // of kScaled
  int64_t divisor_ = 1;
  int32_t scale_ = 0;  // of the schema's decimal
  int32_t precision_ = 0;
  size_t source_ = 0;  // which column, or field, it is
  std::string path_;
  std::string constant_;
  std::vector<std::string> symbols_;
  std::vector<ColumnEncoder> children_;
};

}  // namespace tidewheel::avro
