// Accumulators of aggregate functions whose state has a fixed size: those that need no look at
// single values again. The accumulators of a key lie side by side in one block of memory; rows are
// taken call by call, in loops over columns.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"
#include "tidewheel/types/schema.h"

namespace tidewheel {
class Reader;    // types/serde.h
class Writer;    // types/serde.h
class TextHeap;  // types/stored.h
template <class T>
class RowBatch;    // dataflow/batch.h
struct ColumnRow;  // dataflow/column_batch.h
}  // namespace tidewheel

namespace tidewheel::sql {

enum class AggregateFunction : uint8_t {
  kCountStar,
  kCount,
  kSum,
  kSum0,  // a sum that is 0 of nothing
  kAvg,
  kMin,
  kMax,
  kFirstValue,  // of those that are not NULL
  kLastValue,
  kStddevPop,
  kStddevSamp,
  kVarPop,
  kVarSamp,
  kListagg,
  kCollect,   // a multiset
  kArrayAgg,  // with the NULLs
  kUser,      // AggregateCall::user
};

class UserAggregate;  // sql/user_aggregate.h
using UserAggregateRef = std::shared_ptr<const UserAggregate>;

struct AggregateCall {
  AggregateFunction function = AggregateFunction::kCountStar;
  std::vector<int32_t> arguments;  // columns of the input
  bool distinct = false;
  int32_t filter = -1;  // a column of truth values: rows for which it is true
  LogicalType result;
  std::string separator = ",";      // of LISTAGG
  UserAggregateRef user = nullptr;  // of kUser
  // By which its state is found again; made of the rest when it is empty. Unique in an operator.
  std::string name = {};
  // Before the names of states that calls share, where an operator has several sets of calls.
  std::string scope = {};
};

// "SUM" and the like; nothing for other functions.
bool find_aggregate_function(std::string_view name, AggregateFunction& function);
// The type that Flink gives the result of a function of arguments of these types. Errors: kSqlType.
Result<LogicalType> aggregate_result_type(AggregateFunction function,
                                          const std::vector<LogicalType>& arguments);
// Whether NULLs among the arguments are values like others.
bool takes_nulls(const AggregateCall& call);
// "SUM(DISTINCT c2) FILTER c5"
std::string describe_call(const AggregateCall& call);
// The columns of an aggregate: keys, which are columns of the input, then results.
RowType keys_and_results(const RowType& input, const std::vector<int32_t>& keys,
                         const std::vector<AggregateCall>& calls);

// Rows of a batch for the accumulators of one call.
struct AccumulatorInput {
  const RowBatch<ColumnRow>* batch = nullptr;
  std::span<const uint32_t> rows;     // of the batch
  bool is_ascending = true;           // each row comes once, in order
  std::byte* const* cells = nullptr;  // of each row: the block with its key's accumulators
  bool has_one_cell = false;          // all rows have the same
  const int8_t* weights = nullptr;    // 1: add, -1: take back, 0: pass over; null: all are 1
  const uint8_t* resets = nullptr;    // after which rows the accumulator begins anew; null: none
  TextHeap* heap = nullptr;           // of the state
};

// The accumulators of one call. One thread.
class Accumulator {
 public:
  virtual ~Accumulator() = default;
  size_t bytes() const { return bytes_; }
  size_t offset() const { return offset_; }
  void place(size_t offset) { offset_ = offset; }
  // What it is written as: fields with names.
  virtual void describe(Schema& row) const = 0;

  virtual void init(std::byte* cell) const = 0;
  // Gives back what it has in the heap.
  virtual void release(std::byte*, TextHeap&) const {}
  virtual void add(const AccumulatorInput& input) = 0;
  // Adds, and puts the result before row i of the input into row 2 * i of `results`, and that after
  // it into row 2 * i + 1. Strings are copied into the arena.
  virtual void fold(const AccumulatorInput& input, Column& results, Arena& arena) = 0;
  // The same with the result after row i in row i, and no others.
  virtual void fold_after(const AccumulatorInput& input, Column& results, Arena& arena) = 0;
  // Puts the result of cells[i] into row at + stride * i.
  virtual void results(std::span<std::byte* const> cells, Column& results, uint32_t at,
                       uint32_t stride, Arena& arena) = 0;
  // Adds what `from` has: its rows came later.
  virtual void merge(std::byte* cell, const std::byte* from, TextHeap& heap) const = 0;
  virtual void encode(const std::byte* cell, Writer& out) const = 0;
  // Into a cell that was made by `init`.
  virtual void decode(Reader& in, std::byte* cell, TextHeap& heap) const = 0;

 protected:
  explicit Accumulator(size_t bytes) : bytes_(bytes) {}

 private:
  const size_t bytes_;  // a multiple of 8
  size_t offset_ = 0;   // in the cell, a multiple of 8
};

// Whether a call can have one: without DISTINCT, which chooses the rows before, and, for values
// that are taken back, if what is left can be told.
bool has_accumulator(const AggregateCall& call, bool retracts);
// Errors: kSqlUnsupported, kSqlType.
Result<std::unique_ptr<Accumulator>> make_accumulator(const AggregateCall& call,
                                                      const std::vector<LogicalType>& input);

// Sets changed[i] when rows 2 * i and 2 * i + 1 differ; NaN is equal to NaN.
void find_changes(const Column& pairs, uint32_t count, uint8_t* changed);

}  // namespace tidewheel::sql
