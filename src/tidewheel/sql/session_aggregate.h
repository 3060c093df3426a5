// GROUP BY over sessions; made by make_window_aggregate.
#pragma once
#include <memory>

#include "tidewheel/sql/window_aggregate.h"

namespace tidewheel::sql {

// Errors: kSqlUnsupported for calls whose values can't be joined when two sessions become one:
// DISTINCT, values that are taken back, and lists of all values.
Result<std::unique_ptr<Operator>> make_session_aggregate(WindowAggregateSpec spec);

}  // namespace tidewheel::sql
