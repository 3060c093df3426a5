// Joins of two streams on equal keys and near times: rows are kept as long as event time says that
// something may still match them.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/stream_join.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// left time in [right time + lower, right time + upper]. Both inputs are appended to only, and so
// is the output, whose columns are those of a stream join of the same kind. A row of an outer side
// comes with NULLs when nothing can match it any more. A late row is joined with what is there, and
// kept only as long as it would have been.
struct IntervalJoinSpec {
  StreamJoinKind kind = StreamJoinKind::kInner;  // not kSemi, kAnti
  RowType left;
  RowType right;
  std::vector<int32_t> left_keys;
  std::vector<int32_t> right_keys;
  int32_t left_time = 0;  // columns of timestamps of at most 3 digits
  int32_t right_time = 0;
  int64_t lower_ms = 0;
  int64_t upper_ms = 0;
};

// `filter` may be null. Errors: kSqlType when the keys do not fit, kSqlUnsupported.
Result<std::unique_ptr<Operator>> make_interval_join(IntervalJoinSpec spec,
                                                     std::unique_ptr<PairFilter> filter);
RowType interval_join_output(const IntervalJoinSpec& spec);

}  // namespace tidewheel::sql
