// Rows that operators give, some of their input and some of their state, gathered before they are
// written column by column.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/output.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/shared_rows.h"

namespace tidewheel::sql {

// Each row is made of one of this side, by its number in the input's batch or as bytes, and of one
// of the other side, as bytes; or of NULLs instead of one of them. One thread.
class RowOutput {
 public:
  static constexpr uint32_t kNoRow = UINT32_MAX;

  // `output`: the types of the left columns, then, `has_right`, of the right ones.
  RowOutput(std::vector<LogicalType> left, std::vector<LogicalType> right,
            std::vector<LogicalType> output, bool has_right)
      : output_(std::move(output)),
        left_count_(left.size()),
        has_right_(has_right),
        sides_{RowBytes(std::move(left)), RowBytes(std::move(right))},
        shared_{SharedRows(sides_[0].types()), SharedRows(sides_[1].types())},
        paired_{PairedRows(sides_[0].types()), PairedRows(sides_[1].types())},
        is_flat_{is_flat(sides_[0].types()), is_flat(sides_[1].types())} {}

  // Rows of one input, and, `has_number`, a column of numbers behind them.
  RowOutput(std::vector<LogicalType> input, std::vector<LogicalType> output, bool has_number)
      : RowOutput(std::move(input), {}, std::move(output), false) {
    has_number_ = has_number;
  }

  // The bytes of rows of the left (or right) side are images, not RowBytes.
  void use_images(bool of_left, const RowImages& images) { images_[of_left ? 0 : 1] = &images; }
  // Images of the left (or right) side leave out column `column` of theirs: it has the value of
  // column `same` of the other side, which such a row never comes without.
  void fill_left_out(bool of_left, size_t column, size_t same) {
    LeftOut& left_out = left_out_[of_left ? 0 : 1];
    left_out = {static_cast<int32_t>(column), static_cast<int32_t>(same)};
  }

  // Rows of the left (or right) input come.
  void begin(bool from_left) { from_left_ = from_left; }
  size_t size() const { return size_; }
  // `bytes` without data, when there is no row either: NULLs. The bytes are valid until `emit`.
  void add(uint32_t row, Text bytes, Text other, RowKind kind) {
    add_numbered(row, bytes, other, 0, kind);
  }
  void add_numbered(uint32_t row, Text bytes, int64_t number, RowKind kind) {
    add_numbered(row, bytes, {}, number, kind);
  }
  // A row of the other side, as bytes, with a number.
  void add_other_numbered(Text other, int64_t number, RowKind kind) {
    add_numbered(kNoRow, {}, other, number, kind);
  }
  // All bytes are in this arena: those who get the rows keep it, and strings are not copied. Until
  // the next `emit`.
  void share_bytes(const ArenaRef& arena) { bytes_arena_ = arena; }
  // Sends what was added. Strings are copied, but those of `in` when many of its rows are sent:
  // then it is kept. `in` may be null when all rows are bytes.
  void emit(Output<ColumnRow>& output, const ColumnBatch* in);

  // ---- Pairs: rows of the input, by number, with bytes of the other side, all of them insertions.
  // Nothing else is added before they have been sent.

  // Nobody reads these columns of the output, the others' flags being set: in pairs they are zeros.
  // After `fill_left_out`.
  void leave_unread(const std::vector<bool>& is_read);
  // A row of the other side, for pairs until they have been sent. They are numbered.
  void add_other(const Text& other) { others_of_pairs().add_row(other); }
  uint32_t other_count() { return others_of_pairs().rows(); }
  // Pairs of a row with each of the others [begin, end).
  void add_pairs(uint32_t row, uint32_t begin, uint32_t end) {
    if (rows_.size() - size_ < end - begin) [[unlikely]] { grow_pairs(end - begin); }
    PairedRows& others = others_of_pairs();
    for (uint32_t other = begin; other < end; ++other) {
      rows_[size_++] = row;
      others.add_pair(other);
    }
  }
  void add_pair(uint32_t row, const Text& other) {
    add_other(other);
    add_pairs(row, other_count() - 1, other_count());
  }
  // Of the pairs, the rows of the input.
  std::span<const uint32_t> pair_rows() const { return std::span(rows_).first(size_); }
  // Puts the others into columns, those that are not null.
  void decode_others(std::span<Column* const> columns);
  // Drops pairs whose flag is 0.
  void keep_pairs(const uint8_t* keeps);
  void emit_pairs(Output<ColumnRow>& output, const ColumnBatch& in);

 private:
  void add_numbered(uint32_t row, Text bytes, Text other, int64_t number, RowKind kind) {
    if (size_ == kinds_.size()) [[unlikely]] { grow(); }
    const size_t at = size_++;
    rows_[at] = row;
    bytes_[at] = bytes;
    others_[at] = other;
    kinds_[at] = kind;
    numbers_[at] = number;
    has_bytes_ = has_bytes_ || !bytes.empty();
  }
  void grow();
  void grow_pairs(size_t more) { rows_.resize(std::max(2 * rows_.size(), size_ + more)); }
  PairedRows& others_of_pairs() { return paired_[from_left_ ? 1 : 0]; }
  template <class F>
  decltype(auto) with_form(size_t side, F f) {
    return images_[side] != nullptr ? f(*images_[side]) : f(sides_[side]);
  }
  size_t first_of(size_t side) const { return side == 0 ? 0 : left_count_; }
  bool is_unread(size_t column) const { return !is_read_.empty() && !is_read_[column]; }
  void put_pairs(size_t begin, size_t end, const ColumnBatch& in, ColumnBatch& out);
  static bool is_flat(const std::vector<LogicalType>& types);
  void fill_side(size_t side, std::span<const Text> bytes, const uint32_t* rows,
                 const ColumnBatch* in, bool keeps_input, ColumnBatch& out);

  struct LeftOut {
    int32_t column = -1;
    int32_t same = -1;
  };
  void copy_left_out(size_t side, std::span<const Text> bytes, const uint32_t* rows,
                     ColumnBatch& out);
  void sort_forms(std::span<const Text> bytes, const uint32_t* rows, uint32_t at);
  void scatter_side(size_t side, std::span<const Text> bytes, const uint32_t* rows,
                    const ColumnBatch* in, bool keeps_input, ColumnBatch& out);

  const std::vector<LogicalType> output_;
  const size_t left_count_;
  const bool has_right_;
  RowBytes sides_[2];
  const RowImages* images_[2] = {nullptr, nullptr};
  LeftOut left_out_[2];
  SharedRows shared_[2];
  PairedRows paired_[2];  // of the other side
  bool has_number_ = false;
  bool from_left_ = true;
  // What was added: of each of these the first size_. They grow together.
  size_t size_ = 0;
  std::vector<int64_t> numbers_;
  std::vector<uint32_t> rows_;
  std::vector<Text> bytes_;
  std::vector<Text> others_;
  std::vector<RowKind> kinds_;
  std::vector<bool> is_read_;  // of the output's columns; empty: all are
  std::vector<Column*> columns_;
  std::vector<Column*> byte_columns_;  // of these, those that bytes have
  bool is_flat_[2];                    // no column of the side is nested
  // Scratch of sort_forms: the first row_count_ and byte_count_.
  size_t row_count_ = 0;
  size_t byte_count_ = 0;
  std::vector<uint32_t> row_places_;
  std::vector<uint32_t> row_numbers_;
  std::vector<uint32_t> byte_places_;
  std::vector<Text> byte_rows_;
  std::vector<uint32_t> null_places_;
  bool has_bytes_ = false;  // of this side
  ArenaRef bytes_arena_;
};

}  // namespace tidewheel::sql
