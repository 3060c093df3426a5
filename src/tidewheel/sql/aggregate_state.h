// The state of aggregate functions under a key: the accumulators of all calls in one cell, and, for
// calls that need single values again, maps beside it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/state/cells.h"
#include "tidewheel/state/keyed_state.h"

namespace tidewheel::sql {

// The calls of an operator, and how their accumulators lie in a cell. One thread.
class AggregateSet {
 public:
  // `counts_rows`: the cell has the number of rows, which tells when a key is gone.
  static Result<AggregateSet> make(const std::vector<LogicalType>& input,
                                   std::vector<AggregateCall> calls, bool retracts,
                                   bool counts_rows);

  const std::vector<AggregateCall>& calls() const { return calls_; }
  size_t size() const { return calls_.size(); }
  // Null: the call has maps.
  Accumulator* accumulator(size_t call) const { return accumulators_[call].get(); }
  bool counts_rows() const { return counts_rows_; }
  static int64_t& row_count(std::byte* cell) { return *reinterpret_cast<int64_t*>(cell); }
  size_t bytes() const { return bytes_; }
  const Schema& schema() const { return schema_; }

  void init(std::byte* cell) const;
  void release(std::byte* cell, TextHeap& heap) const;
  // But for calls with DISTINCT: which of their values both have is not in a cell.
  void merge(std::byte* cell, const std::byte* from, TextHeap& heap) const;
  // As the schema says.
  void encode(const std::byte* cell, Writer& out) const;
  void decode(Reader& in, std::byte* cell, TextHeap& heap) const;

  // Reads what was written with another schema: calls may be in another order, and may be gone.
  // Errors: kSchemaMismatch, naming the call that is new or has changed.
  class Migration {
   public:
    static Result<Migration> make(const AggregateSet& set, std::string_view old_schema);
    void decode(Reader& in, std::byte* cell, TextHeap& heap) const;

   private:
    struct Part {
      Schema schema;     // of what is there
      int32_t call = 0;  // kRows: the number of rows; kGone: nobody's
    };
    static constexpr int32_t kRows = -1;
    static constexpr int32_t kGone = -2;
    const AggregateSet* set_ = nullptr;
    std::vector<Part> parts_;
  };

 private:
  std::vector<AggregateCall> calls_;
  std::vector<std::unique_ptr<Accumulator>> accumulators_;
  bool counts_rows_ = false;
  size_t bytes_ = 0;
  Schema schema_;
};

// A cell with the accumulators of a set, and the time of its last use when it has a TTL.
class AggregateCell final : public KeyedCell {
 public:
  // `set` and outlives the cell. `key_form` tells keys of other columns apart. With `has_mark`
  // there is room for a number that nobody keeps.
  static Result<AggregateCell*> declare(KeyedState& state, const std::string& name,
                                        const std::string& key_form, const StateOptions& options,
                                        const AggregateSet& set, bool has_mark);

  AggregateCell(KeyedState& state, StateMeta meta, const StateOptions& options,
                const AggregateSet& set, std::string form, bool has_mark)
      : KeyedCell(state, std::move(meta), options),
        set_(set),
        form_(std::move(form)),
        has_mark_(has_mark) {}

  std::byte* cell(std::byte* row) const { return row + offset(); }
  // Null when the key has none, or it has expired.
  std::byte* find(std::byte* row);
  // Made when there is none: then `is_new`.
  std::byte* open(std::byte* row, bool& is_new) {
    is_new = !KeyedState::has(row, bit());
    if (is_new || ttl_ms() > 0) [[unlikely]] { renew(row, is_new); }
    return cell(row);
  }
  uint32_t& mark(std::byte* cell) const {
    return *reinterpret_cast<uint32_t*>(cell + set_.bytes() + (ttl_ms() > 0 ? 8 : 0));
  }

  void destroy(std::byte* row) override { set_.release(cell(row), state().heap()); }
  bool goes_with_heap() const override { return true; }
  bool stamp_comes_first() const override { return ttl_ms() > 0; }
  bool expire(std::byte* row) override { return is_expired(stamp(row)); }
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override;
  Status open_restore(const StateMeta& meta) override;
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override;

 private:
  void renew(std::byte* row, bool& is_new);
  int64_t& stamp(std::byte* row) const {
    return *reinterpret_cast<int64_t*>(cell(row) + set_.bytes());
  }

  const AggregateSet& set_;
  const std::string form_;
  const bool has_mark_;
  Writer bytes_;
  bool has_stamps_ = false;
  std::unique_ptr<AggregateSet::Migration> migration_;
};

// A call whose values are in maps of the current key's row: what takes values back and has to know
// what is left, and what gives all values. Row by row. One thread.
class ValueCall {
 public:
  virtual ~ValueCall() = default;
  // Of a row of the batch; `weight` is 1 or -1.
  virtual void add(std::byte* row, const RowBatch<ColumnRow>& batch, uint32_t index,
                   int weight) = 0;
  // Puts the result into row `at`.
  virtual void result(std::byte* row, Column& results, uint32_t at, Arena& arena) = 0;

  // For a call without an accumulator. Errors: kSqlUnsupported, and those of declaring states.
  static Result<std::unique_ptr<ValueCall>> make(KeyedState& state, const AggregateCall& call,
                                                 const std::vector<LogicalType>& input,
                                                 const StateOptions& options);
};

// Says which rows of a DISTINCT call have a value that is new, or gone. One for all calls with the
// same arguments and filter.
class DistinctValues {
 public:
  static Result<std::unique_ptr<DistinctValues>> make(KeyedState& state, const AggregateCall& call,
                                                      const std::vector<LogicalType>& input,
                                                      const StateOptions& options, bool retracts);
  // Of rows that have no NULL among the arguments. Before `change`.
  void read(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end);
  // 1: the value of row begin + index is new, -1: it is gone, 0: neither.
  int change(std::byte* row, uint32_t index, int weight);

  // As DistinctCalls has them: 1 for a value that is new to whom it is given, else 0.
  void take(std::byte* row);
  void give(std::byte* row, std::vector<int8_t>& added);
  void put(RowBatch<ColumnRow>& batch);

 private:
  DistinctValues(const std::vector<LogicalType>& input, std::vector<int32_t> arguments,
                 bool retracts)
      : reader_(input, std::move(arguments)), retracts_(retracts) {}
  template <class K>
  int change_in(MapCell<K, int64_t>& cell, std::byte* row, const K& key, int weight);
  template <class K, class F>
  void take_from(MapCell<K, int64_t>& cell, std::byte* row, F take_value);

  KeyReader reader_;
  const bool retracts_;
  MapCell<int64_t, int64_t>* ints_ = nullptr;
  MapCell<Text, int64_t>* texts_ = nullptr;
  std::span<const IntKey> int_keys_;
  std::span<const Text> text_keys_;
  std::vector<IntKey> taken_ints_;
  std::vector<Text> taken_texts_;
  std::vector<int64_t> taken_counts_;
  ArenaRef arena_;  // of values that are taken
};

// "DISTINCT c1 FILTER c4": the same for calls that can share their values.
std::string describe_distinct(const AggregateCall& call);

}  // namespace tidewheel::sql
