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

// How calls of an asynchronous function are made.
struct AsyncCallOptions {
  int64_t capacity = 10;         // calls that are under way
  int64_t timeout_ms = 180'000;  // of a row, with its retries; 0: none
  int32_t attempts_max = 3;      // of a call that fails
  int64_t retry_delay_ms = 100;
};

// The columns of the output.
Result<std::vector<LogicalType>> correlate_output(const CorrelateSpec& spec);

// Without state. Errors: those of the function.
Result<std::unique_ptr<Operator>> make_correlate(CorrelateSpec spec);
// Of an asynchronous function: each row with its value, in their order. Without state: rows that
// wait are those of the element at hand, so that none is under way when a barrier comes.
Result<std::unique_ptr<Operator>> make_async_calls(CorrelateSpec spec, AsyncCallOptions options);

}  // namespace tidewheel::sql
