#include "tidewheel/dataflow/column_batch.h"

#include <algorithm>
#include <utility>

namespace tidewheel {

const char* row_kind_text(RowKind kind) {
  switch (kind) {
    case RowKind::kInsert: return "+I";
    case RowKind::kUpdateBefore: return "-U";
    case RowKind::kUpdateAfter: return "+U";
    case RowKind::kDelete: return "-D";
  }
  return "";
}

ColumnBatch::~RowBatch() { clear_arenas(); }

void ColumnBatch::set_types(const std::vector<LogicalType>& types) {
  TIDEWHEEL_DCHECK(size_ == 0);
  if (types_ == types) { return; }
  columns_.clear();
  for (const LogicalType& type : types) { columns_.emplace_back(type); }
  types_ = types;
  is_shared_.assign(types.size(), false);
  views_.assign(types.size(), ColumnView());
}

RowKind* ColumnBatch::make_kinds(uint32_t rows) {
  if (!has_kinds_) { kinds_.clear(); }
  has_kinds_ = true;
  if (kinds_.size() < rows) { kinds_.resize(rows, RowKind::kInsert); }
  return kinds_.data();
}

void ColumnBatch::share_column(size_t index, const ColumnView& view, const Batch& owner) {
  views_[index] = view;
  is_shared_[index] = true;
  keep(owner);
}

void ColumnBatch::keep(const Batch& batch) {
  if (!kept_.empty() && kept_.back().get() == &batch) { return; }
  const bool is_kept = std::any_of(kept_.begin(), kept_.end(),
                                   [&](const BatchRef& kept) { return kept.get() == &batch; });
  if (!is_kept) { kept_.emplace_back(&batch); }
}

void ColumnBatch::ensure_room(uint32_t count) {
  for (Column& column : columns_) { column.ensure(size_ + count); }
  capacity_ = std::max(capacity_, size_ + count);
}

int64_t* ColumnBatch::make_timestamps(uint32_t rows) {
  times_.resize(std::max<size_t>(times_.size(), rows), kNoTimestamp);
  timestamps_ = times_.data();
  return timestamps_;
}

void ColumnBatch::seal() {
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!is_shared_[i]) { views_[i] = columns_[i].view(); }
  }
  if (has_kinds_ && kinds_.size() < size_) { kinds_.resize(size_, RowKind::kInsert); }
}

void ColumnBatch::clear() {
  size_ = 0;
  has_kinds_ = false;
  timestamps_ = nullptr;
  times_.clear();
  for (size_t i = 0; i < columns_.size(); ++i) {
    columns_[i].clear();
    is_shared_[i] = false;
  }
  kept_.clear();
  clear_arenas();
}

int64_t ColumnBatch::memory_bytes() const {
  int64_t bytes = arena_bytes() + static_cast<int64_t>(kinds_.capacity()) +
                  static_cast<int64_t>(times_.capacity() * sizeof(int64_t));
  for (const Column& column : columns_) { bytes += column.memory_bytes(); }
  return bytes;
}

}  // namespace tidewheel
