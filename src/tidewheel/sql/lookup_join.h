// Lookup joins: each row with the rows that a table outside has at the moment.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/stream_join.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// The output has the columns of the input, then those of the table; rows keep their kind. A row
// whose key is NULL, or for which nothing is found that `filter` keeps, comes with NULLs where
// `pads`, else not at all.
//
// With a full cache the table is read before the first row, and again by its interval; rows meet
// the newest version that was read to its end. Otherwise rows of keys that are not in the cache are
// asked for on the blocking pool: the distinct keys of some hundred rows by one call, or, where the
// table can take several calls, each by its own. The operator has no rows in flight beyond the
// element at hand, so that there is nothing to be saved.
struct LookupJoinSpec {
  bool pads = false;
  RowType input;
  std::vector<int32_t> input_keys;
  RowType table;   // the columns that are joined
  RowType stored;  // with a full cache: what is read; begins with those of `table`
  std::vector<int32_t> stored_keys;
  LookupCaching caching;
  bool is_async = false;     // several calls at a time
  bool is_ordered = true;    // rows leave in the order in which they came
  int64_t capacity = 100;    // of calls at a time
  int64_t timeout_ms = 0;    // of a call, with all that is made of it again; 0: none
  int32_t attempts_max = 1;  // at keys that have no rows
  int64_t retry_delay_ms = 0;
  int32_t failures_max = 0;  // of a call before the job fails
  std::function<Result<std::unique_ptr<RowLookup>>(FileSystem& files)> make_reader;
};

// `filter` may be null.
Result<std::unique_ptr<Operator>> make_lookup_join(LookupJoinSpec spec,
                                                   std::unique_ptr<PairFilter> filter);
RowType lookup_join_output(const LookupJoinSpec& spec);

}  // namespace tidewheel::sql
