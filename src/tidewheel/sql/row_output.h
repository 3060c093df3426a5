// Rows that operators give, some of their input and some of their state, gathered before they are
// written column by column.
#pragma once
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
        is_flat_{is_flat(sides_[0].types()), is_flat(sides_[1].types())} {}

  // Rows of one input, and, `has_number`, a column of numbers behind them.
  RowOutput(std::vector<LogicalType> input, std::vector<LogicalType> output, bool has_number)
      : RowOutput(std::move(input), {}, std::move(output), false) {
    has_number_ = has_number;
  }

  // The bytes of rows of the left (or right) side are images, not RowBytes.
  void use_images(bool of_left, const RowImages& images) { images_[of_left ? 0 : 1] = &images; }

  // Rows of the left (or right) input come.
  void begin(bool from_left) { from_left_ = from_left; }
  size_t size() const { return kinds_.size(); }
  // `bytes` without data, when there is no row either: NULLs. The bytes are valid until `emit`.
  void add(uint32_t row, const Text& bytes, const Text& other, RowKind kind) {
    rows_.push_back(row);
    bytes_.push_back(bytes);
    others_.push_back(other);
    kinds_.push_back(kind);
    has_bytes_ = has_bytes_ || !bytes.empty();
  }
  // What was added since the last `emit`.
  std::span<const uint32_t> rows() const { return rows_; }
  std::span<const Text> others() const { return others_; }
  // Drops of it, where nothing was added by number, rows whose flag is 0.
  void keep(const uint8_t* keeps);
  void add_numbered(uint32_t row, const Text& bytes, int64_t number, RowKind kind) {
    add(row, bytes, {}, kind);
    numbers_.push_back(number);
  }
  // A row of the other side, as bytes, with a number.
  void add_other_numbered(const Text& other, int64_t number, RowKind kind) {
    add(kNoRow, {}, other, kind);
    numbers_.push_back(number);
  }
  // All bytes are in this arena: those who get the rows keep it, and strings are not copied. Until
  // the next `emit`.
  void share_bytes(const ArenaRef& arena) { bytes_arena_ = arena; }
  // Sends what was added. Strings are copied, but those of `in` when many of its rows are sent:
  // then it is kept. `in` may be null when all rows are bytes.
  void emit(Output<ColumnRow>& output, const ColumnBatch* in);

 private:
  static bool is_flat(const std::vector<LogicalType>& types);
  void fill_side(size_t side, std::span<const Text> bytes, const uint32_t* rows,
                 const ColumnBatch* in, bool keeps_input, ColumnBatch& out);

  void scatter_side(size_t side, std::span<const Text> bytes, const uint32_t* rows,
                    const ColumnBatch* in, bool keeps_input, ColumnBatch& out);

  const std::vector<LogicalType> output_;
  const size_t left_count_;
  const bool has_right_;
  RowBytes sides_[2];
  const RowImages* images_[2] = {nullptr, nullptr};
  SharedRows shared_[2];
  bool has_number_ = false;
  bool from_left_ = true;
  std::vector<int64_t> numbers_;
  std::vector<uint32_t> rows_;
  std::vector<Text> bytes_;
  std::vector<Text> others_;
  std::vector<RowKind> kinds_;
  std::vector<Column*> columns_;
  bool is_flat_[2];  // no column of the side is nested
  std::vector<uint32_t> row_places_;
  std::vector<uint32_t> row_numbers_;
  std::vector<uint32_t> byte_places_;
  std::vector<Text> byte_rows_;
  bool has_bytes_ = false;  // of this side
  ArenaRef bytes_arena_;
};

}  // namespace tidewheel::sql
