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

namespace tidewheel {
class NodeLinks;  // operators/node_links.h
}  // namespace tidewheel

namespace tidewheel::sql {

// Rows that are equal in the order stay in the order in which they came; in a descending order of
// event time, or of processing time, later ones come first. By processing time that is all there
// is: values are not looked at.
//
// Without ranks rows come and go: -D and +I, or, with one row a partition, -U and +U. With ranks
// each rank is a row that changes: -U and +U.
//
// By RANK and DENSE_RANK rows that are equal in the order have one rank, and there may be more rows
// than ranks. Each row is then a row of its own, whose rank changes: -U and +U.
//
// Of windows rows are only added: those of a window, with their ranks, in their order, once the
// watermark has passed its end. What comes later is dropped and counted.
enum class TopNFunction : uint8_t { kRowNumber, kRank, kDenseRank };

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
  TopNFunction function = TopNFunction::kRowNumber;
  int32_t window_end = -1;                           // a column of partition_by; -1: of all times
  std::shared_ptr<const NodeLinks> links = nullptr;  // of the side output kLateRows
};

// Errors: kSqlQuery when the ranks make no sense, kSqlUnsupported for columns without an order.
Result<std::unique_ptr<Operator>> make_top_n(TopNSpec spec);
RowType top_n_output(const TopNSpec& spec);
// What make_top_n makes by RANK and DENSE_RANK, and of windows.
Result<std::unique_ptr<Operator>> make_ranked_top_n(TopNSpec spec);
Result<std::unique_ptr<Operator>> make_window_top_n(TopNSpec spec);
// The columns of the order by whose values rows are sorted, and whether of equal ones the newest
// comes first. By processing time it is the order in which they come.
std::vector<SortColumn> top_n_order(const TopNSpec& spec);
bool puts_newest_first(const TopNSpec& spec);
// What rows in state are bound to.
std::string top_n_layout(const TopNSpec& spec, const KeyReader& keys);

}  // namespace tidewheel::sql
