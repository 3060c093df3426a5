#include "tidewheel/sql/aggregate_calls.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel::sql {

void AggregateChunk::clear(uint32_t capacity) {
  if (rows.size() < capacity) {
    rows.resize(capacity);
    cells.resize(capacity);
    states.resize(capacity);
    signs.resize(capacity);
    is_fresh.resize(capacity);
    is_gone.resize(capacity);
    targets.resize(capacity);
  }
  count = 0;
  has_one_cell = false;
  has_signs = false;
  has_gone = false;
}

AggregateCalls::AggregateCalls(const AggregateSet& set, std::vector<LogicalType> input)
    : set_(set), input_(std::move(input)) {
  for (const AggregateCall& call : set.calls()) { columns_.emplace_back(call.result); }
}

Result<std::unique_ptr<AggregateCalls>> AggregateCalls::make(KeyedState& state,
                                                             const AggregateSet& set,
                                                             std::vector<LogicalType> input,
                                                             const StateOptions& options,
                                                             bool retracts) {
  std::unique_ptr<AggregateCalls> made(new AggregateCalls(set, std::move(input)));
  TIDEWHEEL_RETURN_IF_ERROR(made->declare(state, options, retracts));
  return made;
}

Status AggregateCalls::declare(KeyedState& state, const StateOptions& options, bool retracts) {
  memory_ = state.memory().pool();
  for (size_t i = 0; i < set_.size(); ++i) {
    const AggregateCall& call = set_.calls()[i];
    distinct_of_.push_back(-1);
    if (call.distinct && retracts) {
      const std::string name = describe_distinct(call);
      auto found = std::find_if(distincts_.begin(), distincts_.end(),
                                [&](const Distinct& one) { return one.name == name; });
      if (found == distincts_.end()) {
        TIDEWHEEL_ASSIGN_OR_RETURN(auto values,
                                   DistinctValues::make(state, call, input_, options, retracts));
        distincts_.push_back({name, std::move(values), i, 0});
        found = distincts_.end() - 1;
      }
      distinct_of_.back() = static_cast<int32_t>(found - distincts_.begin());
    }
    if (set_.accumulator(i) == nullptr) {
      TIDEWHEEL_ASSIGN_OR_RETURN(auto values, ValueCall::make(state, call, input_, options));
      value_calls_.push_back({i, std::move(values)});
    }
  }
  changes_of_.resize(distincts_.size());
  is_in_set_.assign(set_.size(), false);
  fresh_of_.resize(set_.size());
  return retracts ? Status() : declare_sets(state, options);
}

Status AggregateCalls::declare_sets(KeyedState& state, const StateOptions& options) {
  for (size_t i = 0; i < set_.size(); ++i) {
    const AggregateCall& call = set_.calls()[i];
    if (!call.distinct) { continue; }
    is_in_set_[i] = true;
    auto found = std::find_if(sets_.begin(), sets_.end(), [&](const DistinctSet& one) {
      return one.arguments == call.arguments && one.calls.size() < DistinctSetLayout::kCallsMax;
    });
    if (found == sets_.end()) {
      sets_.push_back({call.arguments, {}, nullptr});
      found = sets_.end() - 1;
    }
    found->calls.push_back(i);
  }
  int number = 0;
  for (DistinctSet& set : sets_) {
    std::vector<std::string> names;
    for (const size_t call : set.calls) { names.push_back(set_.calls()[call].name); }
    AggregateCall call = set_.calls()[set.calls[0]];
    call.filter = -1;
    std::string name = describe_distinct(call);
    // More calls than a set has bits have several.
    const bool is_first = std::none_of(
        sets_.data(), &set, [&](const DistinctSet& one) { return one.arguments == set.arguments; });
    if (!is_first) { name += "'" + std::to_string(++number); }
    TIDEWHEEL_ASSIGN_OR_RETURN(set.values, DistinctCalls::make(state, name, input_, set.arguments,
                                                               options, std::move(names)));
  }
  sets_by_row_ = !sets_.empty();
  return {};
}

void AggregateCalls::defer_distinct() {
  // A call that keeps values looks at them row by row.
  const bool by_row = std::any_of(value_calls_.begin(), value_calls_.end(),
                                  [&](const ValueCallOf& one) { return is_in_set_[one.call]; });
  sets_by_row_ = sets_by_row_ && by_row;
}

void AggregateCalls::begin(const ColumnBatch& batch, uint32_t begin, uint32_t end) {
  batch_ = &batch;
  clear_results();
  for (Distinct& distinct : distincts_) { distinct.values->read(batch, begin, end); }
  begin_ = begin;
  for (DistinctSet& set : sets_) { set.values->read(batch, begin, end); }
  begin_chunk();
}

void AggregateCalls::begin_chunk() {
  for (auto& changes : changes_of_) { changes.clear(); }
  for (auto& fresh : fresh_of_) { fresh.clear(); }
}

void AggregateCalls::take_distinct(std::byte* state) {
  for (DistinctSet& set : sets_) { set.values->take(state); }
  for (Distinct& distinct : distincts_) { distinct.values->take(state); }
}

void AggregateCalls::give_distinct(std::byte* state, std::byte* cell, TextHeap& heap) {
  for (DistinctSet& set : sets_) {
    set.values->give(state, given_bits_);
    if (given_bits_.empty()) { continue; }
    ColumnBatch& values = batch_of_values(given_bits_.size());
    set.values->put(values);
    values.seal();
    given_.resize(given_bits_.size());
    for (size_t bit = 0; bit < set.calls.size(); ++bit) {
      for (size_t i = 0; i < given_.size(); ++i) {
        given_[i] = static_cast<int8_t>((given_bits_[i] >> bit) & 1);
      }
      add_given(set.calls[bit], values, cell, heap);
    }
  }
  for (size_t d = 0; d < distincts_.size(); ++d) {
    distincts_[d].values->give(state, given_);
    if (given_.empty()) { continue; }
    ColumnBatch& values = batch_of_values(given_.size());
    distincts_[d].values->put(values);
    values.seal();
    for (size_t call = 0; call < set_.size(); ++call) {
      if (distinct_of_[call] == static_cast<int32_t>(d)) { add_given(call, values, cell, heap); }
    }
  }
}

ColumnBatch& AggregateCalls::batch_of_values(size_t count) {
  if (pool_ == nullptr) { pool_ = BatchPool::create_for<ColumnRow>(256, memory_); }
  values_.reset();
  Batch* const made = pool_->acquire();
  values_ = BatchRef::adopt(made);
  auto& batch = static_cast<ColumnBatch&>(*made);
  batch.set_types(input_);
  batch.ensure_room(static_cast<uint32_t>(count));
  batch.set_size(static_cast<uint32_t>(count));
  return batch;
}

void AggregateCalls::add_given(size_t call, const ColumnBatch& values, std::byte* cell,
                               TextHeap& heap) {
  std::vector<uint32_t> rows(given_.size());
  std::iota(rows.begin(), rows.end(), uint32_t{0});
  const std::vector<std::byte*> cells(rows.size(), cell);
  AccumulatorInput input;
  input.batch = &values;
  input.rows = rows;
  input.cells = cells.data();
  input.has_one_cell = true;
  input.weights = given_.data();
  input.heap = &heap;
  set_.accumulator(call)->add(input);
}

void AggregateCalls::clear_results() {
  arena_.recycle();
  if (!arena_) { arena_ = Arena::create(); }
  for (Column& column : columns_) { column.clear(); }
}

bool AggregateCalls::counts(const AggregateCall& call, uint32_t row) const {
  if (call.filter >= 0) {
    const ColumnView& filter = batch_->view(static_cast<size_t>(call.filter));
    if (filter.is_null(row) || filter.at<uint8_t>(row) == 0) { return false; }
  }
  if (takes_nulls(call)) { return true; }
  return std::none_of(call.arguments.begin(), call.arguments.end(), [&](int32_t column) {
    return batch_->view(static_cast<size_t>(column)).is_null(row);
  });
}

void AggregateCalls::add_values(std::byte* row, uint32_t index, const AggregateChunk& chunk,
                                Wanted wanted) {
  const uint32_t last = chunk.count - 1;
  const int sign = chunk.has_signs ? chunk.signs[last] : 1;
  for (size_t d = 0; d < distincts_.size(); ++d) {
    Distinct& distinct = distincts_[d];
    const bool taken = counts(set_.calls()[distinct.call], chunk.rows[last]);
    distinct.change = taken ? distinct.values->change(row, index, sign) : 0;
    changes_of_[d].push_back(static_cast<int8_t>(distinct.change));
  }
  if (sets_by_row_) { add_to_sets(row, index, chunk.rows[last]); }
  const uint32_t target = chunk.targets[last];
  for (ValueCallOf& one : value_calls_) {
    Column& results = columns_[one.call];
    if (wanted == Wanted::kBoth) { one.values->result(row, results, 2 * target, *arena_); }
    const AggregateCall& call = set_.calls()[one.call];
    const int32_t distinct = distinct_of_[one.call];
    const int weight = is_in_set_[one.call] ? fresh_of_[one.call].back()
                       : distinct >= 0      ? distincts_[static_cast<size_t>(distinct)].change
                       : counts(call, chunk.rows[last]) ? sign
                                                        : 0;
    if (weight != 0) { one.values->add(row, *batch_, chunk.rows[last], weight); }
    if (wanted == Wanted::kNone) { continue; }
    const uint32_t at = 2 * target + 1;
    results.ensure(at + 1);
    // Of a mini-batch: there may have been no result after an earlier row.
    if (results.is_null(at)) { results.validity()[at / 64] |= uint64_t{1} << (at % 64); }
    one.values->result(row, results, at, *arena_);
  }
}

void AggregateCalls::add_to_sets(std::byte* row, uint32_t index, uint32_t batch_row) {
  for (DistinctSet& set : sets_) {
    uint64_t counted = 0;
    for (size_t bit = 0; bit < set.calls.size(); ++bit) {
      if (counts(set_.calls()[set.calls[bit]], batch_row)) { counted |= uint64_t{1} << bit; }
    }
    const uint64_t added = counted == 0 ? 0 : set.values->add(row, index, counted);
    for (size_t bit = 0; bit < set.calls.size(); ++bit) {
      fresh_of_[set.calls[bit]].push_back(static_cast<int8_t>((added >> bit) & 1));
    }
  }
}

// Sets the call's bit of counted_ for the rows that count for it.
void AggregateCalls::find_counted(const AggregateCall& call, const AggregateChunk& chunk,
                                  uint64_t bit) {
  if (call.filter < 0) {
    for (uint32_t i = 0; i < chunk.count; ++i) { counted_[i] |= bit; }
    return;
  }
  const ColumnView& filter = batch_->view(static_cast<size_t>(call.filter));
  if (filter.validity == nullptr && !filter.is_constant) {
    const auto* const truth = filter.as<uint8_t>();
    if (chunk.is_run()) {
      const auto* const first = truth + chunk.rows[0];
      for (uint32_t i = 0; i < chunk.count; ++i) { counted_[i] |= first[i] != 0 ? bit : 0; }
      return;
    }
    for (uint32_t i = 0; i < chunk.count; ++i) {
      counted_[i] |= truth[chunk.rows[i]] != 0 ? bit : 0;
    }
    return;
  }
  for (uint32_t i = 0; i < chunk.count; ++i) {
    const uint32_t row = chunk.rows[i];
    if (!filter.is_null(row) && filter.at<uint8_t>(row) != 0) { counted_[i] |= bit; }
  }
}

void AggregateCalls::count_distinct(const AggregateChunk& chunk) {
  if (sets_by_row_) { return; }
  for (DistinctSet& set : sets_) {
    counted_.assign(chunk.count, 0);
    added_.resize(chunk.count);
    for (size_t bit = 0; bit < set.calls.size(); ++bit) {
      find_counted(set_.calls()[set.calls[bit]], chunk, uint64_t{1} << bit);
    }
    for (const int32_t argument : set.arguments) {
      const ColumnView& column = batch_->view(static_cast<size_t>(argument));
      if (column.validity == nullptr) { continue; }
      for (uint32_t i = 0; i < chunk.count; ++i) {
        if (column.is_null(chunk.rows[i])) { counted_[i] = 0; }
      }
    }
    set.values->add_all(chunk.states.data(), chunk.has_one_cell, chunk.taken(), begin_,
                        counted_.data(), added_.data());
    for (size_t bit = 0; bit < set.calls.size(); ++bit) {
      std::vector<int8_t>& fresh = fresh_of_[set.calls[bit]];
      fresh.resize(chunk.count);
      for (uint32_t i = 0; i < chunk.count; ++i) {
        fresh[i] = static_cast<int8_t>((added_[i] >> bit) & 1);
      }
    }
  }
}

void AggregateCalls::value_results(std::byte* row, uint32_t at) {
  for (ValueCallOf& one : value_calls_) {
    one.values->result(row, columns_[one.call], at, *arena_);
  }
}

// Null when all rows count once.
const int8_t* AggregateCalls::weights_of(size_t index, const AggregateChunk& chunk) {
  const AggregateCall& call = set_.calls()[index];
  if (is_in_set_[index]) { return fresh_of_[index].data(); }
  if (distinct_of_[index] >= 0) {
    return changes_of_[static_cast<size_t>(distinct_of_[index])].data();
  }
  const bool skips_nulls = !takes_nulls(call);
  bool has_nulls = false;
  for (const int32_t column : call.arguments) {
    has_nulls |= skips_nulls && batch_->view(static_cast<size_t>(column)).validity != nullptr;
  }
  if (call.filter >= 0 && !has_nulls && !chunk.has_signs) {
    const ColumnView& filter = batch_->view(static_cast<size_t>(call.filter));
    if (filter.validity == nullptr && !filter.is_constant && chunk.is_run()) {
      return filter.as<int8_t>() + chunk.rows[0];  // truth values are 0 and 1
    }
  }
  if (!has_nulls && call.filter < 0) { return chunk.has_signs ? chunk.signs.data() : nullptr; }
  if (chunk.has_signs) {
    weights_.assign(chunk.signs.begin(), chunk.signs.begin() + chunk.count);
  } else {
    weights_.assign(chunk.count, 1);
  }
  if (call.filter >= 0) {
    const ColumnView& filter = batch_->view(static_cast<size_t>(call.filter));
    for (uint32_t i = 0; i < chunk.count; ++i) {
      const uint32_t row = chunk.rows[i];
      if (filter.is_null(row) || filter.at<uint8_t>(row) == 0) { weights_[i] = 0; }
    }
  }
  for (const int32_t column : call.arguments) {
    const ColumnView& view = batch_->view(static_cast<size_t>(column));
    if (view.validity == nullptr || !skips_nulls) { continue; }
    for (uint32_t i = 0; i < chunk.count; ++i) {
      if (view.is_null(chunk.rows[i])) { weights_[i] = 0; }
    }
  }
  return weights_.data();
}

AccumulatorInput AggregateCalls::input_of(size_t call, const AggregateChunk& chunk,
                                          TextHeap& heap) {
  AccumulatorInput input;
  input.batch = batch_;
  input.rows = chunk.taken();
  input.is_ascending = chunk.is_ascending;
  input.cells = chunk.cells.data();
  input.has_one_cell = chunk.has_one_cell;
  input.weights = weights_of(call, chunk);
  input.resets = chunk.has_gone ? chunk.is_gone.data() : nullptr;
  input.heap = &heap;
  return input;
}

void AggregateCalls::fold(const AggregateChunk& chunk, TextHeap& heap) {
  count_distinct(chunk);
  for (size_t i = 0; i < set_.size(); ++i) {
    Accumulator* const accumulator = set_.accumulator(i);
    if (accumulator == nullptr) { continue; }
    accumulator->fold(input_of(i, chunk, heap), columns_[i], *arena_);
  }
}

namespace {

bool is_count(const AggregateCall& call) {
  return call.function == AggregateFunction::kCount ||
         call.function == AggregateFunction::kCountStar;
}

// The numbers of four counts that lie side by side.
constexpr size_t kCountsTogether = 4;
using FourCounts [[gnu::vector_size(kCountsTogether * sizeof(int64_t))]] = int64_t;
struct CountsTogether {
  std::array<const int8_t*, kCountsTogether> weights;
  std::array<int64_t*, kCountsTogether> to;  // the counts after each row
};

void count_together(const AggregateChunk& chunk, size_t offset, const CountsTogether& counts) {
  const auto [first, second, third, fourth] = counts.weights;
  const auto [to_first, to_second, to_third, to_fourth] = counts.to;
  for (size_t i = 0; i < chunk.count; ++i) {
    FourCounts counted;
    std::memcpy(&counted, chunk.cells[i] + offset, sizeof(counted));
    counted += FourCounts{first[i], second[i], third[i], fourth[i]};
    std::memcpy(chunk.cells[i] + offset, &counted, sizeof(counted));
    to_first[i] = counted[0];
    to_second[i] = counted[1];
    to_third[i] = counted[2];
    to_fourth[i] = counted[3];
  }
}

// Whether the calls from `first` on are such counts.
bool are_counts_together(const AggregateSet& set, size_t first) {
  if (first + kCountsTogether > set.size()) { return false; }
  const size_t offset = set.accumulator(first)->offset();
  for (size_t i = 0; i < kCountsTogether; ++i) {
    if (!is_count(set.calls()[first + i]) ||
        set.accumulator(first + i)->offset() != offset + i * sizeof(int64_t)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void AggregateCalls::fold_after(const AggregateChunk& chunk, TextHeap& heap) {
  count_distinct(chunk);
  // False when the weights of one are not there already.
  const auto fold_counts = [&](size_t first) {
    CountsTogether counts;
    bool has_ones = false;
    for (size_t i = 0; i < kCountsTogether; ++i) {
      counts.weights[i] = weights_of(first + i, chunk);
      const bool is_one = counts.weights[i] == nullptr;
      if (!is_one && counts.weights[i] == weights_.data()) { return false; }
      has_ones |= is_one;
      columns_[first + i].ensure(chunk.count);
      counts.to[i] = columns_[first + i].values<int64_t>();
    }
    if (has_ones) {
      weights_.assign(chunk.count, 1);
      for (const int8_t*& weights : counts.weights) {
        if (weights == nullptr) { weights = weights_.data(); }
      }
    }
    count_together(chunk, set_.accumulator(first)->offset(), counts);
    return true;
  };
  for (size_t i = 0; i < set_.size();) {
    // Of one key, each count is added up in a register.
    if (!chunk.has_one_cell && !chunk.has_gone && are_counts_together(set_, i) && fold_counts(i)) {
      i += kCountsTogether;
      continue;
    }
    set_.accumulator(i)->fold_after(input_of(i, chunk, heap), columns_[i], *arena_);
    ++i;
  }
}

void AggregateCalls::add(const AggregateChunk& chunk, TextHeap& heap) {
  count_distinct(chunk);
  for (size_t i = 0; i < set_.size(); ++i) {
    Accumulator* const accumulator = set_.accumulator(i);
    if (accumulator != nullptr) { accumulator->add(input_of(i, chunk, heap)); }
  }
}

void AggregateCalls::results(std::span<std::byte* const> cells, uint32_t at, uint32_t stride) {
  for (size_t i = 0; i < set_.size(); ++i) {
    Accumulator* const accumulator = set_.accumulator(i);
    if (accumulator != nullptr) { accumulator->results(cells, columns_[i], at, stride, *arena_); }
  }
}

void AggregateCalls::find_changes(uint32_t count, uint8_t* changed) const {
  std::fill(changed, changed + count, uint8_t{0});
  for (const Column& column : columns_) { sql::find_changes(column, count, changed); }
}

}  // namespace tidewheel::sql
