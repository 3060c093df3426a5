// The watermark of a table's declaration, for sources that follow it themselves.
#pragma once
#include <vector>

#include "tidewheel/api/split_watermarks.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// `value` is over columns of the types `input`. What is made fails with errors of
// Evaluator::compile.
MakeRowWatermarks make_row_watermarks(Bound value, std::vector<LogicalType> input,
                                      const EvalOptions& options);

}  // namespace tidewheel::sql
