// The calls of one operator on a chunk of rows: which rows count for which call, the loops over
// accumulators, and the results before and after.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/aggregate_state.h"
#include "tidewheel/sql/distinct_calls.h"

namespace tidewheel::sql {

// Rows that are taken together. Arrays have room for all rows of a chunk; the first `count` of each
// are in use, but for those that a flag says are not.
struct AggregateChunk {
  std::vector<uint32_t> rows;      // of the batch
  std::vector<std::byte*> cells;   // of each row's key
  std::vector<std::byte*> states;  // the key's row of state; for `defer_distinct`
  std::vector<int8_t> signs;       // 1, or -1 for what is taken back; with `has_signs`
  std::vector<uint8_t> is_fresh;   // nothing was there before the row
  std::vector<uint8_t> is_gone;    // nothing is there after it; with `has_gone`
  std::vector<uint32_t> targets;   // where results go: pair of rows in the columns of results
  uint32_t count = 0;
  bool is_ascending = true;   // each row is there once, in order
  bool has_one_cell = false;  // all rows have the same key
  bool has_signs = false;
  bool has_gone = false;

  std::span<const uint32_t> taken() const { return {rows.data(), count}; }
  // The rows lie side by side in the batch, from the first on.
  bool is_run() const {
    return is_ascending && count > 0 && rows[count - 1] - rows[0] + 1 == count;
  }
  // Empty, with room for `capacity` rows.
  void clear(uint32_t capacity);
};

// One thread.
class AggregateCalls {
 public:
  // Declares what has to be declared in `state`. `set` outlives this.
  static Result<std::unique_ptr<AggregateCalls>> make(KeyedState& state, const AggregateSet& set,
                                                      std::vector<LogicalType> input,
                                                      const StateOptions& options, bool retracts);

  // Before the rows [begin, end) of a batch.
  void begin(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end);
  // Before each chunk of these rows, where they are taken in several.
  void begin_chunk();
  // Whether `add_values` has something to do.
  bool has_values() const { return !value_calls_.empty() || !distincts_.empty() || sets_by_row_; }
  // Has DISTINCT looked at for all rows of a chunk together, by `fold` and `add`: chunks then have
  // `states`. Not in front of a backend, where a key has to be current.
  void defer_distinct();
  // All results come from accumulators.
  bool has_accumulators_only() const { return value_calls_.empty(); }
  // Of row begin + index, which has become the last row of the chunk; its key's row of state is
  // `row`, and is current. Which results are wanted: after it, before it too, or none.
  enum class Wanted : uint8_t { kNone, kAfter, kBoth };
  void add_values(std::byte* row, uint32_t index, const AggregateChunk& chunk, Wanted wanted);
  // Puts the results of calls without accumulators into row `at`. `row` is current.
  void value_results(std::byte* row, uint32_t at);
  // All rows of the chunk, row by row: results of row i are at 2 * i and 2 * i + 1.
  void fold(const AggregateChunk& chunk, TextHeap& heap);
  // The same with the result after row i at i, and without those before. Only accumulators.
  void fold_after(const AggregateChunk& chunk, TextHeap& heap);
  // The same without results, which `results` then asks for.
  void add(const AggregateChunk& chunk, TextHeap& heap);
  // Of some cells, for calls with accumulators: at `at` + stride * i.
  void results(std::span<std::byte* const> cells, uint32_t at, uint32_t stride);
  // Forgets the results; what was given out of them stays.
  void clear_results();
  // Sets changed[i] when a result has changed, of `count` pairs.
  void find_changes(uint32_t count, uint8_t* changed) const;

  // ---- Two keys become one, where all calls have accumulators (AggregateSet::merge is for calls
  // without DISTINCT). Takes the values that calls with DISTINCT have of a key, which is current ..
  void take_distinct(std::byte* state);
  // .. and adds those that are new to another one, which is current then: its row and its cell.
  void give_distinct(std::byte* state, std::byte* cell, TextHeap& heap);

  // By call; valid until the next `begin`.
  const Column& column(size_t call) const { return columns_[call]; }
  const ArenaRef& arena() const { return arena_; }

 private:
  struct Distinct {
    std::string name;
    std::unique_ptr<DistinctValues> values;
    size_t call = 0;  // one of those that it is for
    int change = 0;   // of the row at hand
  };
  // Where nothing is taken back: calls with the same arguments.
  struct DistinctSet {
    std::vector<int32_t> arguments;
    std::vector<size_t> calls;  // by bit
    std::unique_ptr<DistinctCalls> values;
  };
  struct ValueCallOf {
    size_t call = 0;
    std::unique_ptr<ValueCall> values;
  };

  AggregateCalls(const AggregateSet& set, std::vector<LogicalType> input);
  Status declare(KeyedState& state, const StateOptions& options, bool retracts);
  Status declare_sets(KeyedState& state, const StateOptions& options);
  void add_to_sets(std::byte* row, uint32_t index, uint32_t batch_row);
  void count_distinct(const AggregateChunk& chunk);
  void find_counted(const AggregateCall& call, const AggregateChunk& chunk, uint64_t bit);
  bool counts(const AggregateCall& call, uint32_t row) const;
  // An empty batch of the input's columns, with room for values that are given.
  ColumnBatch& batch_of_values(size_t count);
  void add_given(size_t call, const ColumnBatch& values, std::byte* cell, TextHeap& heap);
  AccumulatorInput input_of(size_t call, const AggregateChunk& chunk, TextHeap& heap);
  const int8_t* weights_of(size_t call, const AggregateChunk& chunk);

  const AggregateSet& set_;
  const std::vector<LogicalType> input_;
  std::vector<Distinct> distincts_;
  std::vector<ValueCallOf> value_calls_;
  std::vector<int32_t> distinct_of_;             // by call: index, or -1
  std::vector<std::vector<int8_t>> changes_of_;  // by distinct: of each row of the chunk
  std::vector<DistinctSet> sets_;
  bool sets_by_row_ = false;                   // in `add_values`
  std::vector<bool> is_in_set_;                // by call
  std::vector<std::vector<int8_t>> fresh_of_;  // by call in a set: of each row of the chunk
  std::vector<uint64_t> counted_;              // by row of the chunk: bits of calls
  std::vector<uint64_t> added_;
  std::vector<Column> columns_;  // results by call
  const RowBatch<ColumnRow>* batch_ = nullptr;
  uint32_t begin_ = 0;  // the first row at hand
  std::vector<int8_t> weights_;
  ArenaRef arena_;

  // Values that are given to another key.
  MemoryPool* memory_ = nullptr;
  std::shared_ptr<BatchPool> pool_;
  BatchRef values_;
  std::vector<uint64_t> given_bits_;
  std::vector<int8_t> given_;  // 1: counts
};

}  // namespace tidewheel::sql
