// Calls over the rows around each row: agg(..) OVER (PARTITION BY .. ORDER BY .. ROWS|RANGE ..),
// LAG and LEAD, ranks as values.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {
class NodeLinks;  // operators/node_links.h
}  // namespace tidewheel

namespace tidewheel::sql {

// The rows of a partition from `preceding` before a row to `following` behind it, counted in rows,
// or in units of the column that rows are ordered by. A negative number lies on the other side. By
// range, 0 takes in all rows that are equal in the order.
struct OverFrame {
  static constexpr int64_t kUnbounded = INT64_MAX;
  bool by_rows = false;
  int64_t preceding = kUnbounded;
  int64_t following = 0;
  friend bool operator==(const OverFrame&, const OverFrame&) = default;
};

struct OverCall {
  enum class Kind : uint8_t {
    kAggregate,
    kShift,  // argument 0 of the row `offset` rows before; when there is none argument 1, or NULL
    kRowNumber,
    kRank,
    kDenseRank,
    kPercentRank,
    kCumeDist,
    kNtile,  // in `offset` parts
  };
  Kind kind = Kind::kAggregate;
  AggregateCall call;  // of others than kAggregate: arguments and result
  OverFrame frame;     // of kAggregate
  int64_t offset = 0;  // of kShift: negative for rows behind
};

struct OverSpec {
  RowType input;
  std::vector<int32_t> partition_by;
  std::vector<SortColumn> order_by;
  std::vector<OverCall> calls;
  bool input_retracts = false;
  bool emits_before = true;  // -U rows are wanted
  bool mini_batch = false;   // one change a row for each batch of the input
  bool at_end = false;       // results are given when the input has ended, once
  int64_t ttl_ms = 0;        // since a row has come; 0: for ever
  std::shared_ptr<const NodeLinks> links = nullptr;  // of the side output kLateRows
};

// The columns of the input, then the results.
RowType over_output(const OverSpec& spec);
// "SUM(c1) ROWS 3..0": what state is bound to.
std::string describe_over(const OverSpec& spec);

// Ordered by one time attribute, ascending; rows are only added, and frames end at the current row.
// By event time a row is given once the watermark has passed its time, in the order of time; later
// ones are dropped and counted. By processing time at once. What enters a frame is added, and what
// leaves it is taken back, so that an event costs the same however long the frame is.
// Errors: kSqlUnsupported for calls that need rows behind the current one.
Result<std::unique_ptr<Operator>> make_over_by_time(OverSpec spec);

// In any order, also of rows that are taken back. All rows are kept, sorted; when some come or go,
// the results of the rows whose frames have them are computed anew, and those that have changed are
// sent: -U and +U.
Result<std::unique_ptr<Operator>> make_over_by_order(OverSpec spec);

}  // namespace tidewheel::sql
