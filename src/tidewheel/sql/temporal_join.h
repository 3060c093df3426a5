// Temporal joins in event time: each left row with the version that the right table had at its
// time.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/stream_join.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// A right row is a version of its key from its time on, until the next begins; -D ends the last one
// at its time, -U says nothing. Of two versions of one time the later one counts. A left row waits
// until event time has reached its own, and then comes once, of the kind that it had, with the
// version, or, where there is none or `filter` does not keep the pair, with NULLs or not at all. A
// version is dropped when event time has passed the beginning of the next.
struct TemporalJoinSpec {
  StreamJoinKind kind = StreamJoinKind::kInner;  // or kLeft
  RowType left;
  RowType right;
  std::vector<int32_t> left_keys;
  std::vector<int32_t> right_keys;  // those that versions are told apart by
  int32_t left_time = 0;
  int32_t right_time = 0;
  int64_t right_ttl_ms = 0;  // since a version has come; 0: for ever
};

// `filter` may be null. Errors: kSqlType when the keys do not fit.
Result<std::unique_ptr<Operator>> make_temporal_join(TemporalJoinSpec spec,
                                                     std::unique_ptr<PairFilter> filter);
RowType temporal_join_output(const TemporalJoinSpec& spec);

}  // namespace tidewheel::sql
