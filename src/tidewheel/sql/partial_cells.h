// The second of two phases of an aggregate: what the first has made of rows, as bytes, merged into
// accumulators.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/aggregate_state.h"
#include "tidewheel/types/column.h"

namespace tidewheel::sql {

// One thread.
class PartialCells {
 public:
  // `set` outlives this.
  explicit PartialCells(const AggregateSet& set) : set_(set) {}

  // Merges partials[rows[i]] into cells[i]. Errors: kSnapshotFormat and the like, for bytes that
  // are none.
  Status merge(const ColumnView& partials, std::span<const uint32_t> rows, std::byte* const* cells,
               TextHeap& heap);

 private:
  const AggregateSet& set_;
  std::vector<uint64_t> scratch_;  // accumulators of one row
};

}  // namespace tidewheel::sql
