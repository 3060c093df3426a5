// INTERSECT and EXCEPT of two streams, with and without ALL: how often each row is on either side
// says how often it is in the result.
#pragma once
#include <cstdint>
#include <memory>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// Rows are equal when all their columns are; NULLs equal each other. Both inputs may take rows
// back: then so does the result, and EXCEPT does it whenever a row of the right comes.
struct SetOperationSpec {
  bool is_intersect = false;  // false: EXCEPT
  bool all = false;           // each copy of a row counts
  RowType left;
  RowType right;  // of the same types, but for NULLs
  RowType output;
  int64_t ttl_ms = 0;  // since a row last came on either side; 0: for ever
};

Result<std::unique_ptr<Operator>> make_set_operation(SetOperationSpec spec);

}  // namespace tidewheel::sql
