// Joins of two streams whose rows are in windows: rows of the same window and key are joined when
// the window has ended, and forgotten.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/stream_join.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// Both inputs are appended to only, and so is the output, whose columns are those of a stream join
// of the same kind. Rows of windows that have ended are dropped and counted
// (numLateRecordsDropped).
struct WindowJoinSpec {
  StreamJoinKind kind = StreamJoinKind::kInner;
  RowType left;
  RowType right;
  std::vector<int32_t> left_keys;  // with the windows' starts and ends
  std::vector<int32_t> right_keys;
  int32_t left_window_end = 0;  // columns of timestamps of at most 3 digits
  int32_t right_window_end = 0;
};

// `filter` may be null. Errors: kSqlType when the keys do not fit.
Result<std::unique_ptr<Operator>> make_window_join(WindowJoinSpec spec,
                                                   std::unique_ptr<PairFilter> filter);
RowType window_join_output(const WindowJoinSpec& spec);

}  // namespace tidewheel::sql
