// ROW_NUMBER Top-N: the rows of each partition that come first in an order. With N = 1 it is the
// first or last row, which is how duplicates are dropped.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// Rows that are equal in the order stay in the order in which they came; in a descending order of
// event time, or of processing time, later ones come first. By processing time that is all there
// is: values are not looked at.
//
// Without ranks rows come and go: -D and +I, or, with one row a partition, -U and +U. With ranks
// each rank is a row that changes: -U and +U.
struct TopNSpec {
  RowType input;
  std::vector<int32_t> partition_by;
  std::vector<SortColumn> order_by;
  int64_t first = 1;  // the ranks that are wanted
  int64_t last = 1;
  bool newest = false;    // without an order: the row that came last is the first
  bool has_rank = false;  // BIGINT NOT NULL, behind the columns of the input
  bool input_retracts = false;
  bool emits_before = true;  // -U rows are wanted
  int64_t ttl_ms = 0;        // since a row has come; 0: for ever
};

// Errors: kSqlQuery when the ranks make no sense, kSqlUnsupported for columns without an order.
Result<std::unique_ptr<Operator>> make_top_n(TopNSpec spec);
RowType top_n_output(const TopNSpec& spec);

}  // namespace tidewheel::sql
