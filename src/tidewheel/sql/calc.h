// Operators without state: filters with projections, watermarks, constant rows.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/plan.h"

namespace tidewheel {
class Operator;  // dataflow/operator.h
}

namespace tidewheel::sql {

// Errors of both: those of Evaluator::compile.
Result<std::unique_ptr<Operator>> make_calc_operator(std::optional<Bound> condition,
                                                     std::vector<Bound> outputs,
                                                     std::vector<LogicalType> input,
                                                     const EvalOptions& options);

// Sends watermarks of what `value` gives: after each batch in which it has advanced, or, with
// `per_record`, right behind the row. Those of the input end here, but for the last.
Result<std::unique_ptr<Operator>> make_watermark_operator(Bound value,
                                                          std::vector<LogicalType> input,
                                                          bool per_record,
                                                          const EvalOptions& options);

// Each row once for each of the lists of expressions, all of which give the same types.
Result<std::unique_ptr<Operator>> make_expand_operator(
    const std::vector<std::vector<Bound>>& projections, const std::vector<LogicalType>& input,
    const EvalOptions& options);

// Passes on rows [offset, offset + count) of an input that only adds rows. On one subtask.
std::unique_ptr<Operator> make_limit_operator(int64_t offset, int64_t count);

}  // namespace tidewheel::sql
