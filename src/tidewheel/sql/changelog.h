// Which kinds of rows each part of a plan gives. Whoever updates rows says what they were before
// only where somebody needs to know: the parts of a query that only ever add rows pay nothing for
// changes.
#pragma once
#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// `needs_before`: the reader of the whole wants update-before rows.
PlanRef infer_changelog(const PlanRef& plan, bool needs_before);

// The node below which rows begin to be updated, for messages; null when all are insertions.
const Plan* first_updating(const Plan& plan);

}  // namespace tidewheel::sql
