// The calls of a first phase on rows of a batch: which rows count for which call, and the loops
// over accumulators. Rows are only added, and no call has DISTINCT.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/aggregate_state.h"

namespace tidewheel::sql {

// One thread.
class LocalCalls {
 public:
  // `set`, all of whose calls have accumulators, outlives this.
  explicit LocalCalls(const AggregateSet& set) : set_(set) {}

  // Adds rows, each of which comes once and in order; cells[i] has the accumulators of rows[i].
  void add(const ColumnBatch& in, std::span<const uint32_t> rows, std::byte* const* cells,
           TextHeap& heap);

 private:
  // 0 for rows that do not count; null: all do.
  const int8_t* weights_of(const ColumnBatch& in, std::span<const uint32_t> rows,
                           const AggregateCall& call);

  const AggregateSet& set_;
  std::vector<int8_t> weights_;
};

}  // namespace tidewheel::sql
