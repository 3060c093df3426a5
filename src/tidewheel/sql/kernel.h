// Kernels: what computes one function, for many rows at a time. Functions that users write in C++
// implement this too, or take `row_kernel` (sql/row_kernel_inl.h), which calls them for each row.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/status.h"
#include "tidewheel/base/time_zone.h"
#include "tidewheel/sql/datum.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// What expressions see of the world around them.
struct EvalOptions {
  TimeZone zone;                 // of the session
  const Clock* clock = nullptr;  // for CURRENT_TIMESTAMP and its kin; outlives the evaluator
  // Milliseconds since the epoch at which a bounded query began: CURRENT_TIMESTAMP for all its
  // rows. -1: what the clock says now, as streaming queries have it.
  int64_t query_start_ms = -1;
  uint64_t random_seed = 0;  // of RAND and UUID
  std::string database = "default_database";
  std::vector<std::string> column_names;  // of the input, for errors; may be empty
};

// What a kernel is made for.
struct KernelSetup {
  std::span<const LogicalType> arguments;
  std::span<const Datum* const> literals;  // of arguments that are constants, else null
  const LogicalType& result;
  const EvalOptions& options;
};

// One call. Rows are numbered from 0 in all arguments (which may be constant) and in the result.
struct KernelCall {
  uint32_t rows = 0;
  // A byte for each row: whether its value is asked for. Null: all are. Others' results may be
  // anything that can be read. Only for careful functions, where it leaves out NULL rows too.
  const uint8_t* active = nullptr;
  std::span<const ColumnView> arguments;
  // Cleared, and with room for all rows. Of strict functions its validity is there already.
  tidewheel::Column* result = nullptr;
  Arena* arena = nullptr;  // for new strings
  int64_t now_ms = 0;      // CURRENT_TIMESTAMP
  int64_t watermark_ms = INT64_MIN;

  bool is_active(uint32_t row) const { return active == nullptr || active[row] != 0; }
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // Errors: kSqlValue, with the value; the evaluator adds the expression.
  virtual Status run(const KernelCall& call) = 0;
};

}  // namespace tidewheel::sql
