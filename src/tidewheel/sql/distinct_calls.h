// Which rows bring DISTINCT calls a value that they have not had, where nothing is taken back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/distinct_set.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {
template <class T>
class RowBatch;    // dataflow/batch.h
struct ColumnRow;  // dataflow/column_batch.h
}  // namespace tidewheel

namespace tidewheel::sql {

// The values of calls with the same arguments. A call is a bit. One thread.
class DistinctCalls {
 public:
  virtual ~DistinctCalls() = default;
  // `calls` are their names, by bit. Errors: those of declaring states.
  static Result<std::unique_ptr<DistinctCalls>> make(KeyedState& state, const std::string& name,
                                                     const std::vector<LogicalType>& input,
                                                     std::vector<int32_t> arguments,
                                                     const StateOptions& options,
                                                     std::vector<std::string> calls);
  // Before rows [begin, end) of a batch.
  virtual void read(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end) = 0;
  // Row begin + index, without NULLs, counts for the calls `bits`: for which it is the first with
  // its value. `state` is the key's row.
  virtual uint64_t add(std::byte* state, uint32_t index, uint64_t bits) = 0;
  // The same for many rows, which have numbers of the batch; those with bits[i] == 0 are passed
  // over. `has_one_state`: all of them have the same.
  virtual void add_all(std::byte* const* states, bool has_one_state, std::span<const uint32_t> rows,
                       uint32_t begin, const uint64_t* bits, uint64_t* added) = 0;

  // ---- Two keys become one.

  // Takes the values of a key, which is current.
  virtual void take(std::byte* state) = 0;
  // Gives them to another one, which is current then: for which calls each is new there.
  virtual void give(std::byte* state, std::vector<uint64_t>& added) = 0;
  // They, as rows of the input, of which other columns are not set. The batch is empty.
  virtual void put(RowBatch<ColumnRow>& batch) = 0;
};

}  // namespace tidewheel::sql
