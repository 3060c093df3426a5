// ORDER BY without a limit: of inputs that end, and, by event time, of those that do not.
#pragma once
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {
class NodeLinks;  // operators/node_links.h
}  // namespace tidewheel

namespace tidewheel::sql {

struct SortSpec {
  RowType input;
  std::vector<SortColumn> order_by;
  std::shared_ptr<const NodeLinks> links = nullptr;  // of the side output kLateRows
};

// Gives all rows when the input has ended. Rows that are taken back before are left out. In one
// subtask. Errors: kSqlUnsupported for columns without an order.
Result<std::unique_ptr<Operator>> make_full_sort(SortSpec spec);

// The first column is one of event time, ascending. Gives rows when the watermark has passed their
// time, those of one time by the other columns; what comes later is dropped and counted. In one
// subtask.
Result<std::unique_ptr<Operator>> make_time_sort(SortSpec spec);

}  // namespace tidewheel::sql
