// Batches of columns: what SQL operators send each other. `ColumnRow` stands for their rows where a
// row's C++ type is asked for, so that ports, sources and pools for typed rows serve columns too.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tidewheel/dataflow/batch.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {

// What a row of a changelog does to the table that it belongs to. The numbers are part of formats.
enum class RowKind : uint8_t { kInsert = 0, kUpdateBefore = 1, kUpdateAfter = 2, kDelete = 3 };

inline bool is_retraction(RowKind kind) {
  return kind == RowKind::kUpdateBefore || kind == RowKind::kDelete;
}
// "+I", "-U", "+U", "-D"
const char* row_kind_text(RowKind kind);

struct ColumnRow {
  friend bool operator==(const ColumnRow&, const ColumnRow&) = default;
};

// A batch of columns with their kinds of rows. Each column is the batch's own, or a view of one of
// another batch, which is then kept alive. Whoever fills it calls `set_types` first; `views` are
// what readers use, after `seal`.
template <>
class RowBatch<ColumnRow> final : public Batch {
 public:
  RowBatch(BatchPool& pool, uint32_t capacity) : Batch(pool) { capacity_ = capacity; }
  ~RowBatch() override;

  static const RowBatch& of(const Batch& batch) { return static_cast<const RowBatch&>(batch); }

  // ---- Filling.

  // Makes the columns, unless they are there already with these types. Of an empty batch.
  void set_types(const std::vector<LogicalType>& types);
  // The types given last; the pointer outlives them, so that they may be compared by address.
  Column& column(size_t index) { return columns_[index]; }
  size_t column_count() const { return columns_.size(); }
  // The kinds of rows [0, rows), to be written; without them all rows are insertions.
  RowKind* make_kinds(uint32_t rows);
  // Has column `index` be `view`, whose memory `owner` keeps.
  void share_column(size_t index, const ColumnView& view, const Batch& owner);
  // Keeps `batch` for as long as this batch: its rows point into it.
  void keep(const Batch& batch);
  // Room for `count` more rows in all own columns.
  void ensure_room(uint32_t count);
  void set_size(uint32_t size) { size_ = size; }
  // The event time of each row, to be written for rows [0, rows); needless for SQL operators.
  int64_t* make_timestamps(uint32_t rows);
  // Gives the views their pointers. After the last row, before it is sent; once more after rows
  // were added.
  void seal();

  // ---- Reading, after `seal`.

  std::span<const ColumnView> views() const { return views_; }
  const ColumnView& view(size_t index) const { return views_[index]; }
  // Null: all rows are insertions.
  const RowKind* kinds() const { return has_kinds_ ? kinds_.data() : nullptr; }
  RowKind kind(uint32_t row) const { return has_kinds_ ? kinds_[row] : RowKind::kInsert; }

  void clear() override;
  int64_t memory_bytes() const override;

  // For code that is written for typed rows and does not look at them.
  static const ColumnRow* rows() { return nullptr; }
  static ColumnRow row(uint32_t) { return {}; }

 private:
  std::vector<LogicalType> types_;
  std::vector<Column> columns_;
  std::vector<bool> is_shared_;
  std::vector<ColumnView> views_;
  std::vector<RowKind> kinds_;
  bool has_kinds_ = false;
  std::vector<int64_t> times_;
  std::vector<BatchRef> kept_;
};

using ColumnBatch = RowBatch<ColumnRow>;

}  // namespace tidewheel
