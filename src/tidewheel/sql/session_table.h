// SESSION without an aggregate: each row with the session that it belongs to, once that is over.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {
class NodeLinks;  // operators/node_links.h
}  // namespace tidewheel

namespace tidewheel::sql {

// Rows are only added. Those whose session is over are late; those without a time belong to none,
// and are counted (numNullRowTimeRecordsDropped).
struct SessionTableSpec {
  RowType input;
  std::vector<int32_t> partition_by;
  int32_t time = 0;  // a column of timestamps of at most 3 digits
  int64_t gap_ms = 0;
  std::shared_ptr<const NodeLinks> links = nullptr;  // of the side output kLateRows
};

// The output has the columns of the input, then window_start, window_end (TIMESTAMP(3)) and
// window_time (the type of the time column). The rows of a session come in the order of time, when
// event time has passed its end.
Result<std::unique_ptr<Operator>> make_session_table(SessionTableSpec spec);

}  // namespace tidewheel::sql
