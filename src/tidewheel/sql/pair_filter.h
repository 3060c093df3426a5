// Conditions of joins as compiled expressions.
#pragma once
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/bound.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/stream_join.h"

namespace tidewheel::sql {

// `condition` is over the columns of the left and then of the right input. Errors: those of
// Evaluator::compile.
Result<std::unique_ptr<PairFilter>> make_pair_filter(const Bound& condition,
                                                     const std::vector<LogicalType>& columns,
                                                     const EvalOptions& options);

}  // namespace tidewheel::sql
