// Makes a plan cheaper without changing what it means: constants are folded, limits on row numbers
// become Top-N, and columns that nobody needs are not read or computed.
#pragma once
#include "tidewheel/base/status.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// Errors: kSqlQuery for row numbers without a limit.
Result<PlanRef> optimize(PlanRef plan, const EvalOptions& options);

}  // namespace tidewheel::sql
