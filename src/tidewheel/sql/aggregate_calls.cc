#include "tidewheel/sql/aggregate_calls.h"

#include <algorithm>

#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel::sql {

void AggregateChunk::clear(uint32_t capacity) {
  if (rows.size() < capacity) {
    rows.resize(capacity);
    cells.resize(capacity);
    signs.resize(capacity);
    is_fresh.resize(capacity);
    is_gone.resize(capacity);
    targets.resize(capacity);
  }
  count = 0;
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
  for (size_t i = 0; i < set_.size(); ++i) {
    const AggregateCall& call = set_.calls()[i];
    distinct_of_.push_back(-1);
    if (call.distinct) {
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
  return {};
}

void AggregateCalls::begin(const ColumnBatch& batch, uint32_t begin, uint32_t end) {
  batch_ = &batch;
  clear_results();
  for (Distinct& distinct : distincts_) { distinct.values->read(batch, begin, end); }
  for (auto& changes : changes_of_) { changes.clear(); }
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
  if (call.function == AggregateFunction::kArrayAgg) { return true; }
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
  const uint32_t target = chunk.targets[last];
  for (ValueCallOf& one : value_calls_) {
    Column& results = columns_[one.call];
    if (wanted == Wanted::kBoth) { one.values->result(row, results, 2 * target, *arena_); }
    const AggregateCall& call = set_.calls()[one.call];
    const int32_t distinct = distinct_of_[one.call];
    const int weight = distinct >= 0 ? distincts_[static_cast<size_t>(distinct)].change
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

void AggregateCalls::value_results(std::byte* row, uint32_t at) {
  for (ValueCallOf& one : value_calls_) {
    one.values->result(row, columns_[one.call], at, *arena_);
  }
}

// Null when all rows count once.
const int8_t* AggregateCalls::weights_of(size_t index, const AggregateChunk& chunk) {
  const AggregateCall& call = set_.calls()[index];
  if (distinct_of_[index] >= 0) {
    return changes_of_[static_cast<size_t>(distinct_of_[index])].data();
  }
  bool looks = call.filter >= 0;
  for (const int32_t column : call.arguments) {
    looks = looks || batch_->view(static_cast<size_t>(column)).validity != nullptr;
  }
  if (!looks) { return chunk.has_signs ? chunk.signs.data() : nullptr; }
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
    if (view.validity == nullptr) { continue; }
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
  input.weights = weights_of(call, chunk);
  input.resets = chunk.has_gone ? chunk.is_gone.data() : nullptr;
  input.heap = &heap;
  return input;
}

void AggregateCalls::fold(const AggregateChunk& chunk, TextHeap& heap) {
  for (size_t i = 0; i < set_.size(); ++i) {
    Accumulator* const accumulator = set_.accumulator(i);
    if (accumulator == nullptr) { continue; }
    accumulator->fold(input_of(i, chunk, heap), columns_[i], *arena_);
  }
}

void AggregateCalls::add(const AggregateChunk& chunk, TextHeap& heap) {
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
