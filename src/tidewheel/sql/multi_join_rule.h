// Chains of joins on one key become one operator (multi_join.h): what a join in the middle gives is
// then kept nowhere.
#pragma once
#include <cstdint>
#include <vector>

#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// For plans whose columns are pruned. Joined are inner and left joins of all rows, where each has
// the same key as those before it, and no equality besides: that would be a condition, for which
// all rows of the key are looked at. A join that the plan has more than once stays what it is,
// since it is built once. A table that is joined with itself is one operator too, which keeps its
// rows once.
enum class MultiJoins : uint8_t {
  // Inner joins of inputs that do not all end: state that stays is worth more than the time to look
  // rows up again. For a left join other rows of its key are looked at too, to see whether one is
  // the first that fits, or was the last.
  kAuto,
  kAll,
};
PlanRef with_multi_joins(const PlanRef& plan, MultiJoins which);

// Of a multi-way join: for each input the one before it whose rows, and key, are the same, so that
// they are kept once; -1: there is none.
std::vector<int32_t> shared_inputs(const Plan& plan);

}  // namespace tidewheel::sql
