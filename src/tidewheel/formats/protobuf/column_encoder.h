// Writes rows of columns as messages of Protocol Buffers.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/formats/protobuf/schema.h"
#include "tidewheel/types/column.h"

namespace tidewheel::protobuf {

struct WriteOptions {
  // What strings that are NULL become within arrays and maps, where nothing can be absent.
  std::string null_text;
};

// A message, or one of its fields. Immutable once it is made.
class ColumnEncoder {
 public:
  // Field i of `row` is column columns[i] of a batch. Errors: kFormatSchema, naming the column.
  static Result<ColumnEncoder> make(const Schema& schema, const RowType& row,
                                    const std::vector<size_t>& columns,
                                    const WriteOptions& options);

  // Appends the row's message. Errors: kRecordMalformed, naming the column whose value the field
  // can't have; then nothing is appended.
  Status append(std::span<const ColumnView> columns, uint32_t row, std::string& out) const;

 private:
  friend class EncoderMaker;
  enum class How : uint8_t { kWhole, kFloat, kDouble, kText, kSymbol, kMessage, kTimestamp };
  // For messages about rows that can't be written.
  struct Fault {
    const ColumnEncoder* field = nullptr;
    std::string why;
  };

  bool append_fields(const ColumnView* columns, bool is_constant, uint32_t row, std::string& out,
                     Fault& fault) const;
  bool append_field(const ColumnView& column, uint32_t row, std::string& out, Fault& fault) const;
  bool append_list(const ColumnView& column, uint32_t row, std::string& out, Fault& fault) const;
  bool append_map(const ColumnView& column, uint32_t row, std::string& out, Fault& fault) const;
  bool append_value(const ColumnView& column, uint32_t row, std::string& out, Fault& fault) const;
  int64_t whole_of(const ColumnView& column, uint32_t row) const;
  bool append_whole(const ColumnView& column, uint32_t row, std::string& out, Fault& fault) const;
  bool append_real(const ColumnView& column, uint32_t row, std::string& out, Fault& fault) const;
  bool append_symbol(std::string_view name, std::string& out, Fault& fault) const;
  bool append_timestamp(const ColumnView& column, uint32_t row, std::string& out) const;
  bool append_number(uint64_t bits, std::string& out, Fault& fault) const;
  // The value of the field that NULL stands for in lists.
  bool append_default(std::string& out, Fault& fault) const;
  bool is_default(const ColumnView& column, uint32_t row) const;
  bool fail(Fault& fault, std::string why) const;

  How how_ = How::kMessage;
  Kind kind_ = Kind::kMessage;
  LogicalType type_;
  Physical physical_ = Physical::kInt64;
  std::string path_;     // for messages
  std::string tag_;      // as it is on the wire
  std::string end_tag_;  // of groups
  size_t source_ = 0;    // the column, or the row's field
  uint32_t number_ = 0;
  int32_t oneof_ = -1;
  bool is_list_ = false;
  bool is_map_ = false;
  bool is_packed_ = false;
  bool is_required_ = false;
  bool has_presence_ = false;
  bool is_utf8_ = false;
  std::string null_text_;
  std::vector<std::pair<int32_t, std::string>> symbols_;
  std::vector<ColumnEncoder> children_;  // a message's fields, by number; a map's key and value
  uint32_t oneofs_ = 0;                  // of a message
};

}  // namespace tidewheel::protobuf
