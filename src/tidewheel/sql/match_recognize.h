// MATCH_RECOGNIZE: rows of a partition, in the order of time, that follow a pattern one right
// behind the other.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/bound.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {
class NodeLinks;  // operators/node_links.h
}  // namespace tidewheel

namespace tidewheel::sql {

struct MatchElement {
  std::string variable;
  int64_t least = 1;
  int64_t most = 1;  // INT64_MAX: no limit
  // A row that it can take is not left to those behind it. Where that is no choice (the number of
  // rows is fixed, or one row may be missing) it means nothing.
  bool reluctant = false;
  bool is_greedy() const { return !reluctant && least != most && !(least == 0 && most == 1); }
};

// A value that is found along the rows of a match so far; NULL when the row is not there.
struct MatchLookup {
  enum class Kind : uint8_t {
    kPrevious,   // `offset` rows before the last one of the variable, whatever that matched
    kFirst,      // the row `offset` behind the first one of the variable
    kLast,       // before the last one
    kAggregate,  // of the variable's rows
    kTime,       // event time of the last row
  };
  Kind kind = Kind::kLast;
  int32_t variable = -1;  // an element; -1: rows of all
  int32_t column = 0;
  int64_t offset = 0;
  AggregateCall call;
  LogicalType type;
};

struct MatchSpec {
  enum class Skip : uint8_t { kPastLastRow, kToNextRow, kToFirst, kToLast };
  RowType input;
  RowType output;  // the columns of the partition, then the measures
  std::vector<int32_t> partition_by;
  std::vector<SortColumn> order_by;  // the first is a time attribute, ascending
  std::vector<MatchElement> pattern;
  std::vector<MatchLookup> lookups;
  std::vector<std::optional<Bound>> conditions;  // by element, over the lookups; none: any row
  std::vector<Bound> measures;                   // over the lookups
  Skip skip = Skip::kPastLastRow;
  int32_t skip_to = -1;   // an element
  int64_t within_ms = 0;  // a match is shorter than that; 0: no limit
  EvalOptions eval;
  std::shared_ptr<const NodeLinks> links = nullptr;  // of the side output kLateRows
};

// Event time: rows are looked at when the watermark has passed them; later ones are dropped and
// counted. A match is given as soon as it is complete and no match that began before it can be.
// Errors: what compiling the expressions gives.
Result<std::unique_ptr<Operator>> make_match_recognize(MatchSpec spec);

}  // namespace tidewheel::sql
