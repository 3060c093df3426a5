// A chain of joins on one common key as one operator: ((a JOIN b) JOIN c) JOIN d .. with all of
// their rows under the same key. Each input's rows are kept once, and no result of a join between
// them: what a row joins with is looked up again when it comes or goes. Inputs that are the same
// rows (a table joined with itself) are kept once for both.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/stream_join.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

struct MultiJoinInput {
  RowType type;
  std::vector<int32_t> keys;  // the common key: of all inputs in the same order, of the same types
  bool retracts = false;      // rows may be taken back, by -U or -D
  bool is_unique = false;     // at most one row for each value of the keys
  int64_t ttl_ms = 0;         // since a row has come; 0: for ever

  // Of all but the first, which are joined with those before them. A LEFT JOIN: when none of its
  // rows fits, NULLs stand for one.
  bool pads = false;
  // Inputs before it that its key is compared with: where NULLs stand for one of them, nothing
  // fits.
  std::vector<int32_t> anchors;

  // The input before it whose rows are its own as well; -1: none. Rows of both are only added, many
  // to a key, and no NULLs stand for them; two inputs share their rows, not three. It has no port.
  int32_t same_as = -1;
};

// The output has the columns of all inputs, one behind the other.
struct MultiJoinSpec {
  std::vector<MultiJoinInput> inputs;  // two or more
  // The operator's inputs: of its rows those that do not share others.
  std::vector<RowType> ports() const;
};

RowType multi_join_output(const MultiJoinSpec& spec);

// `filters`: for each input what else has to be true for its rows, over the columns of the output
// up to that input's last; null: nothing. Errors: kSqlType when the keys do not fit.
Result<std::unique_ptr<Operator>> make_multi_join(MultiJoinSpec spec,
                                                  std::vector<std::unique_ptr<PairFilter>> filters);

}  // namespace tidewheel::sql
