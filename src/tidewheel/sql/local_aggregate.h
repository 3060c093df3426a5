// The first of two phases of GROUP BY: rows are aggregated where they come from, before they are
// spread by key. What it gives is for a GroupAggregateSpec with `partial`.
#pragma once
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {
class Operator;  // dataflow/operator.h
}

namespace tidewheel::sql {

struct LocalAggregateSpec {
  RowType input;
  std::vector<int32_t> keys;
  std::vector<AggregateCall> calls;  // which can be merged (can_have_two_phases)
};

// Whether all calls have accumulators that can be merged, and whose results may come in any order;
// of rows that are only added.
bool can_have_two_phases(const std::vector<AggregateCall>& calls);
// The keys, then what the rows of a key amount to, as bytes (AggregateSet::encode).
RowType local_aggregate_output(const LocalAggregateSpec& spec);
// Without state: gives a row for each key that a batch has, when it has been read. Errors: those of
// AggregateSet::make.
Result<std::unique_ptr<Operator>> make_local_aggregate(LocalAggregateSpec spec);

}  // namespace tidewheel::sql
