// Chains of joins on one key become one operator (multi_join.h): what a join in the middle gives is
// then kept nowhere.
#pragma once
#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// For plans whose columns are pruned. Joined are inner and left joins of all rows, where each has
// the same key as those before it, and no equality besides: that would be a condition, for which
// all rows of the key are looked at. A join that the plan has more than once stays what it is,
// since it is built once.
PlanRef with_multi_joins(const PlanRef& plan);

}  // namespace tidewheel::sql
