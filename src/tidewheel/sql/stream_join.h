// Joins of two streams on equal keys, without windows: each side is kept, as long as its TTL, and
// every row is joined with what the other side has by then.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/waiting_rows.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// The condition of a join besides its keys. One for each subtask; one thread.
class PairFilter {
 public:
  virtual ~PairFilter() = default;
  // Sets keeps[i] to 1 for pairs for which the condition is true, else to 0. The columns are those
  // of the left and then of the right input, with `count` rows.
  virtual void evaluate(std::span<const ColumnView> columns, uint32_t count, uint8_t* keeps) = 0;
  // Whether it looks at a column; the others' views may be empty.
  virtual bool uses(size_t /*column*/) const { return true; }
};

enum class StreamJoinKind : uint8_t { kInner, kLeft, kRight, kFull, kSemi, kAnti, kMark };

// The output has the columns of the left input, then, where both sides are given, those of the
// right. Rows of an outer side without a match come with NULLs, until there is one: then they are
// taken back. kSemi gives left rows that have a match, kAnti those that have none, and kMark all of
// them, with a BIGINT behind their columns: 1 for rows that have a match, else 0.
struct StreamJoinSpec {
  StreamJoinKind kind = StreamJoinKind::kInner;
  RowType left;
  RowType right;
  std::vector<int32_t> left_keys;  // of the same types as the right ones; none: all pairs
  std::vector<int32_t> right_keys;
  bool left_retracts = false;  // rows may be taken back, by -U or -D
  bool right_retracts = false;
  // A side has at most one row for each value of its keys. A row then takes the place of the one
  // before, so that -U rows are not needed.
  bool left_is_unique = false;
  bool right_is_unique = false;
  int64_t left_ttl_ms = 0;  // since a row has come; 0: for ever
  int64_t right_ttl_ms = 0;
  bool nulls_match = false;  // keys are compared by IS NOT DISTINCT FROM
  // Of an inner join, which columns of its output anybody reads: the others may have any values.
  // Empty: all.
  std::vector<bool> is_read;
  // Of an inner join whose keys are one column of 64 bits: a side that takes nothing back, whose
  // rows match only what comes soon, and little of that (sql/join_waits.h).
  std::optional<WaitingSpec> waits;
};

// `filter` may be null. Errors: kSqlType when the keys do not fit.
Result<std::unique_ptr<Operator>> make_stream_join(StreamJoinSpec spec,
                                                   std::unique_ptr<PairFilter> filter);
RowType stream_join_output(const StreamJoinSpec& spec);

}  // namespace tidewheel::sql
