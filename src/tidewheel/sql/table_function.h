// Functions that make a table of each row's values: UNNEST, and those that users write. A query
// names them in FROM; the operator that runs them is in correlate.h.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

struct TableSignature {
  std::vector<LogicalType> arguments;  // what they have to be cast to
  RowType result;
};

// Rows of arguments to be taken, and where their tables go.
struct TableCall {
  std::span<const ColumnView> arguments;
  uint32_t row = 0;       // the next row; moved behind those that were taken
  uint32_t end = 0;       // of the rows
  uint32_t rows_max = 0;  // rows of output that are enough: no other row is taken then
  Arena* arena = nullptr;
  // A column for each of the result's, cleared; null: nobody needs it.
  std::span<tidewheel::Column* const> outputs;
  // For each row of output the row that it was made of, in order.
  std::vector<uint32_t>* origins = nullptr;
};

// What computes one call of a table function. One thread; of one place in a job.
class TableKernel {
 public:
  virtual ~TableKernel() = default;
  // May stop in the middle of a row's table, with `row` being that row: it goes on there when it is
  // called again with the same arguments. Errors: kSqlValue.
  virtual Status run(TableCall& call) = 0;
};

// What computes an asynchronous function of users: one value for each row, which comes later. One
// thread, but for `done`; of one place in a job.
class AsyncKernel {
 public:
  struct Answer {
    bool is_failed = false;
    std::string bytes;  // of the value, or why there is none
  };
  virtual ~AsyncKernel() = default;
  // Whether a row with a NULL argument has no value, without a call.
  virtual bool skips_null(size_t argument) const = 0;
  // `done` is called once, on any thread, maybe before this returns.
  virtual void call(std::span<const ColumnView> arguments, uint32_t row,
                    std::function<void(Answer)> done) = 0;
  virtual Status write(const std::string& bytes, tidewheel::Column& column, uint32_t row,
                       Arena& arena) = 0;
};

// Immutable.
class TableFunction {
 public:
  explicit TableFunction(std::string name) : name_(std::move(name)) {}
  virtual ~TableFunction() = default;
  TableFunction(const TableFunction&) = delete;
  TableFunction& operator=(const TableFunction&) = delete;

  const std::string& name() const { return name_; }
  // Errors: kSqlType, with what was given and what would be accepted.
  virtual Result<TableSignature> resolve(std::span<const Argument> arguments) const = 0;
  // For arguments of the types that `resolve` gave.
  virtual Result<std::unique_ptr<TableKernel>> make_kernel(
      const std::vector<LogicalType>& arguments) const = 0;
  // An asynchronous function is one whose table is one row with one column.
  virtual bool is_async() const { return false; }
  virtual Result<std::unique_ptr<AsyncKernel>> make_async_kernel(
      const std::vector<LogicalType>& arguments) const;

 private:
  std::string name_;
};

// UNNEST of an array, a map (keys and values) or a multiset (each element as often as it is there).
// Elements that are rows become columns. `with_ordinality`: with a column behind them that counts a
// row's elements from 1.
TableFunctionRef make_unnest(bool with_ordinality);

}  // namespace tidewheel::sql
