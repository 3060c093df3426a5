// Rows of a batch as bytes, for operators that keep whole rows in their state.
#pragma once
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/arena.h"

namespace tidewheel::sql {

// One thread.
class EncodedRows {
 public:
  explicit EncodedRows(std::vector<LogicalType> types) : bytes_(std::move(types)) {}

  // Rows [begin, end) of the batch. Valid until the next call.
  std::span<const Text> read(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    numbers_.resize(end - begin);
    std::iota(numbers_.begin(), numbers_.end(), begin);
    rows_.resize(end - begin);
    bytes_.encode(in.views(), numbers_, *arena_, rows_.data());
    return rows_;
  }

 private:
  RowBytes bytes_;
  ArenaRef arena_;
  std::vector<uint32_t> numbers_;
  std::vector<Text> rows_;
};

}  // namespace tidewheel::sql
