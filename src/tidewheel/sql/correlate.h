// The operator that joins each row with the table that a function makes of it: UNNEST, and
// LATERAL TABLE(f(..)).
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/table_function.h"

namespace tidewheel {
class Operator;  // dataflow/operator.h
}

namespace tidewheel::sql {

struct CorrelateSpec {
  TableFunctionRef function;
  std::vector<LogicalType> input;
  std::vector<int32_t> arguments;  // columns of the input
  // The output: columns of the input, then columns of the function's result.
  std::vector<int32_t> passed;
  std::vector<int32_t> given;
  bool is_left = false;       // a row whose table is empty comes once, with NULLs
  bool emits_before = false;  // -U and +U stay what they are; else they become -D and +I
};

// The columns of the output.
Result<std::vector<LogicalType>> correlate_output(const CorrelateSpec& spec);

// Without state. Errors: those of the function.
Result<std::unique_ptr<Operator>> make_correlate(CorrelateSpec spec);

}  // namespace tidewheel::sql
