// The first of two phases of GROUP BY over windows: rows are aggregated by key and slice where they
// come from, before they are spread by key. What it gives is for a WindowAggregateSpec with
// `partial`.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/window_aggregate.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {
class Operator;  // dataflow/operator.h
}

namespace tidewheel::sql {

struct LocalWindowSpec {
  RowType input;
  std::vector<int32_t> keys;
  std::vector<AggregateCall> calls;  // which can be merged (can_be_local)
  GridWindow window;                 // no SESSION
  int32_t time = 0;                  // column of the input
  // Watermarks between two ends of windows, which nothing fires by, are held back for so long at
  // most: each would cost an element on each channel. 0: all are passed on as they come.
  int64_t watermark_interval_ms = 200;
};

// Whether all calls can be merged; of rows that are only added.
bool can_be_local(const std::vector<AggregateCall>& calls);
// The keys, the number of the slice, then, with calls, what the rows of both amount to, as bytes
// (AggregateSet::encode).
RowType local_window_output(const LocalWindowSpec& spec);

// Without state: has no rows left when a watermark reaches the end of a window that they belong to,
// an epoch or a checkpoint begins, all inputs are idle, or the input has ended; and gives all of
// them when they take too much memory. Rows of which a window is over by its own watermark are
// passed on one by one: whether they are late is for the second phase to say, which counts them. So
// are rows for a while when most have a key of their own. Errors: those of AggregateSet::make.
Result<std::unique_ptr<Operator>> make_local_window_aggregate(LocalWindowSpec spec);

}  // namespace tidewheel::sql
