// Pairs of rows as columns, for the condition of a join.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/shared_rows.h"
#include "tidewheel/sql/stream_join.h"

namespace tidewheel::sql {

// One thread.
class PairColumns {
 public:
  // `filter` may be null: it keeps all pairs.
  PairColumns(const std::vector<LogicalType>& left, const std::vector<LogicalType>& right,
              std::unique_ptr<PairFilter> filter)
      : filter_(std::move(filter)),
        left_count_(left.size()),
        sides_{RowBytes(left), RowBytes(right)},
        shared_{SharedRows(left), SharedRows(right)} {
    for (const LogicalType& type : left) { columns_.emplace_back(type); }
    for (const LogicalType& type : right) { columns_.emplace_back(type); }
  }
  bool has_filter() const { return filter_ != nullptr; }
  // Which of the pairs lefts[i], rights[i] are kept; valid until the next call.
  const std::vector<uint8_t>& evaluate(std::span<const Text> lefts, std::span<const Text> rights) {
    keeps_.assign(lefts.size(), filter_ == nullptr ? 1 : 0);
    if (filter_ == nullptr || lefts.empty()) { return keeps_; }
    for (Column& column : columns_) { column.clear(); }
    decode(0, lefts);
    decode(1, rights);
    views_.clear();
    for (const Column& column : columns_) { views_.push_back(column.view()); }
    filter_->evaluate(views_, static_cast<uint32_t>(lefts.size()), keeps_.data());
    return keeps_;
  }

 private:
  void decode(size_t side, std::span<const Text> rows) {
    pointers_.clear();
    for (size_t c = 0; c < sides_[side].types().size(); ++c) {
      const size_t column = side == 0 ? c : left_count_ + c;
      pointers_.push_back(filter_->uses(column) ? &columns_[column] : nullptr);
    }
    shared_[side].decode(sides_[side], rows, pointers_, 0, nullptr);
  }

  const std::unique_ptr<PairFilter> filter_;
  const size_t left_count_;
  RowBytes sides_[2];
  SharedRows shared_[2];
  std::vector<Column> columns_;
  std::vector<Column*> pointers_;
  std::vector<ColumnView> views_;
  std::vector<uint8_t> keeps_;
};

}  // namespace tidewheel::sql
