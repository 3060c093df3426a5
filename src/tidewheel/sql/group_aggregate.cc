#include "tidewheel/sql/group_aggregate.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "tidewheel/sql/aggregate_calls.h"
#include "tidewheel/sql/aggregate_state.h"
#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/keyed_operator.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "group aggregate";

template <class K>
class GroupAggregate final : public KeyedOperator<K> {
  using Base = KeyedOperator<K>;
  using Base::output;
  using Base::store_;

 public:
  GroupAggregate(GroupAggregateSpec spec, AggregateSet set)
      : Base(kName),
        spec_(std::move(spec)),
        set_(std::move(set)),
        keys_(spec_.input.types, spec_.keys),
        output_types_(group_aggregate_output(spec_).types),
        always_changes_(std::any_of(spec_.calls.begin(), spec_.calls.end(),
                                    [](const auto& call) {
                                      return call.function == AggregateFunction::kCountStar &&
                                             call.filter < 0;
                                    })),
        has_texts_(std::any_of(spec_.calls.begin(), spec_.calls.end(), [](const auto& call) {
          return call.result.physical() == Physical::kText;
        })) {}

  ~GroupAggregate() override { this->drop_store(); }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    StateOptions options;
    options.ttl = Duration(spec_.ttl_ms);
    TIDEWHEEL_ASSIGN_OR_RETURN(
        cell_, AggregateCell::declare(*store_, "accumulators", keys_.describe(), options, set_,
                                      spec_.mini_batch));
    TIDEWHEEL_ASSIGN_OR_RETURN(calls_, AggregateCalls::make(*store_, set_, spec_.input.types,
                                                            options, spec_.input_retracts));
    TIDEWHEEL_RETURN_IF_ERROR(this->read_store());
    if (!store_->has_backend()) { calls_->defer_distinct(); }
    sends_each_row_ = !spec_.input_retracts && !spec_.emits_before && !spec_.mini_batch &&
                      (always_changes_ || spec_.ttl_ms > 0) && calls_->has_accumulators_only();
    return {};
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const uint32_t chunk = spec_.mini_batch ? kMiniBatchRows : kChunk;
    return this->take_chunks(rows, cursor, chunk,
                             [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                               take(in, begin, end);
                               begin = end;
                             });
  }

 private:
  static constexpr uint32_t kChunk = 256;
  static constexpr uint32_t kMiniBatchRows = 4096;  // at most
  static constexpr size_t kKeptPart = 8;  // of an input's rows: then their reader keeps it

  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    touched_.clear();
    calls_->begin(in, begin, end);
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    KeyedBatch batch(*store_, 0, end - begin, [&](uint32_t i) -> const K& { return keys[i]; });
    find_cells(in, begin, end, batch);
    TextHeap& heap = store_->heap();
    if (spec_.mini_batch) {
      cells_.clear();
      for (const Touched& touched : touched_) { cells_.push_back(touched.cell); }
      calls_->results(cells_, 0, 2);
      calls_->add(chunk_, heap);
      calls_->results(cells_, 1, 2);
      list_touched();
    } else if (sends_each_row_) {
      calls_->fold_after(chunk_, heap);
      return send_each_row(in, begin);
    } else {
      calls_->fold(chunk_, heap);
      list_rows();
    }
    emit(in);
    if (chunk_.has_gone) { clear_gone(keys, begin); }
  }

  // The accumulators of each row's key.
  template <class Batch>
  void find_cells(const ColumnBatch& in, uint32_t begin, uint32_t end, Batch& batch) {
    chunk_.clear(end - begin);
    chunk_.has_signs = spec_.input_retracts && in.kinds() != nullptr;
    for (uint32_t row = begin; row < end; ++row) {
      batch.select(row - begin);
      bool is_fresh = false;
      std::byte* cell = nullptr;
      if (spec_.input_retracts) {
        cell = take_counted(chunk_.has_signs && is_retraction(in.kinds()[row]), is_fresh);
        if (cell == nullptr) { continue; }
      } else {
        cell = cell_->open(store_->ensure_row(), is_fresh);
      }
      const uint32_t i = chunk_.count++;
      chunk_.rows[i] = row;
      chunk_.cells[i] = cell;
      chunk_.states[i] = store_->current_row();
      chunk_.is_fresh[i] = is_fresh ? 1 : 0;
      if (spec_.mini_batch) { chunk_.targets[i] = touch(row, cell, is_fresh); }
      if (calls_->has_values()) { add_values(row - begin); }
    }
  }
  // The same where rows of keys are counted; null for what takes back what is not there. Notes sign
  // and end of the row that will be the next of the chunk.
  std::byte* take_counted(bool retracts, bool& is_fresh) {
    std::byte* cell = nullptr;
    if (retracts) {
      cell = cell_->find(store_->current_row());
      if (cell == nullptr || AggregateSet::row_count(cell) == 0) { return nullptr; }
    } else {
      cell = cell_->open(store_->ensure_row(), is_fresh);
    }
    int64_t& count = AggregateSet::row_count(cell);
    is_fresh = count == 0;
    count += retracts ? -1 : 1;
    chunk_.signs[chunk_.count] = retracts ? -1 : 1;
    chunk_.is_gone[chunk_.count] = count == 0 ? 1 : 0;
    chunk_.has_gone |= count == 0;
    return cell;
  }
  void add_values(uint32_t index) {
    if (!spec_.mini_batch) { chunk_.targets[chunk_.count - 1] = chunk_.count - 1; }
    const bool both = !spec_.mini_batch || touched_.back_is_new;
    calls_->add_values(store_->current_row(), index, chunk_,
                       both ? AggregateCalls::Wanted::kBoth : AggregateCalls::Wanted::kAfter);
  }
  // The number of the cell among those of the mini-batch.
  uint32_t touch(uint32_t row, std::byte* cell, bool is_fresh) {
    uint32_t& mark = cell_->mark(cell);
    touched_.back_is_new = mark >= touched_.size() || touched_[mark].cell != cell;
    if (touched_.back_is_new) {
      mark = static_cast<uint32_t>(touched_.size());
      touched_.push_back({cell, row, is_fresh});
    }
    return mark;
  }

  // What is to be sent: rows of the columns of results, and rows of the input with their keys.
  void list_rows() {
    begin_list(chunk_.count);
    for (uint32_t i = 0; i < chunk_.count; ++i) {
      list(i, chunk_.rows[i], chunk_.is_fresh[i] != 0, chunk_.has_gone && chunk_.is_gone[i] != 0);
    }
  }
  void list_touched() {
    begin_list(static_cast<uint32_t>(touched_.size()));
    for (uint32_t i = 0; i < touched_.size(); ++i) {
      const Touched& touched = touched_[i];
      const bool is_gone = spec_.input_retracts && AggregateSet::row_count(touched.cell) == 0;
      list(i, touched.row, touched.is_fresh, is_gone);
    }
  }
  void begin_list(uint32_t pairs) {
    listed_count_ = 0;
    if (listed_.size() < size_t{pairs} * 2) {
      listed_.resize(size_t{pairs} * 2);
      key_rows_.resize(size_t{pairs} * 2);
      kinds_.resize(size_t{pairs} * 2);
      changed_.resize(pairs);
    }
    // A count of all rows changes with each of them.
    if (spec_.ttl_ms > 0 || (always_changes_ && !spec_.mini_batch)) {
      std::fill_n(changed_.begin(), pairs, uint8_t{1});
    } else {
      calls_->find_changes(pairs, changed_.data());
    }
  }
  void list(uint32_t pair, uint32_t row, bool is_fresh, bool is_gone) {
    if (is_fresh) {
      if (!is_gone) { list_one(2 * pair + 1, row, RowKind::kInsert); }
    } else if (is_gone) {
      list_one(2 * pair, row, RowKind::kDelete);
    } else if (changed_[pair] != 0) {
      if (spec_.emits_before) { list_one(2 * pair, row, RowKind::kUpdateBefore); }
      list_one(2 * pair + 1, row, RowKind::kUpdateAfter);
    }
  }
  void list_one(uint32_t result, uint32_t row, RowKind kind) {
    listed_[listed_count_] = result;
    key_rows_[listed_count_] = row;
    kinds_[listed_count_++] = kind;
  }

  void emit(const ColumnBatch& in) {
    const size_t key_count = spec_.keys.size();
    emit_columns(output(), output_types_, listed_count_,
                 [&](ColumnBatch& out, size_t begin, size_t end) {
                   const uint32_t at = out.size();
                   put_kinds(out, std::span(kinds_).subspan(begin, end - begin));
                   const auto rows = std::span(key_rows_).subspan(begin, end - begin);
                   const auto results = std::span(listed_).subspan(begin, end - begin);
                   for (size_t c = 0; c < key_count; ++c) {
                     gather(in.view(static_cast<size_t>(spec_.keys[c])), rows, out.column(c), at,
                            &out.arena());
                   }
                   for (size_t c = 0; c < set_.size(); ++c) {
                     gather(calls_->column(c).view(), results, out.column(key_count + c), at);
                   }
                   out.share_arena(calls_->arena());
                 });
  }

  // Every row of the chunk gives one, with the results after it.
  void send_each_row(const ColumnBatch& in, uint32_t first) {
    const size_t key_count = spec_.keys.size();
    const bool keeps_input = chunk_.count * kKeptPart >= in.size();
    const bool has_fresh =
        std::any_of(chunk_.is_fresh.begin(), chunk_.is_fresh.begin() + chunk_.count,
                    [](uint8_t is_fresh) { return is_fresh != 0; });
    emit_columns(
        output(), output_types_, chunk_.count, [&](ColumnBatch& out, size_t from, size_t to) {
          const auto begin = static_cast<uint32_t>(from);
          const auto end = static_cast<uint32_t>(to);
          const uint32_t at = out.size();
          RowKind* const kinds = out.make_kinds(at + end - begin) + at;
          std::fill_n(kinds, end - begin, RowKind::kUpdateAfter);
          for (uint32_t i = begin; has_fresh && i < end; ++i) {
            if (chunk_.is_fresh[i] != 0) { kinds[i - begin] = RowKind::kInsert; }
          }
          if (keeps_input) { out.keep(in); }
          for (size_t c = 0; c < key_count; ++c) {
            copy_rows(in.view(static_cast<size_t>(spec_.keys[c])), first + begin, first + end,
                      out.column(c), at, keeps_input ? nullptr : &out.arena());
          }
          for (size_t c = 0; c < set_.size(); ++c) {
            copy_rows(calls_->column(c).view(), begin, end, out.column(key_count + c), at);
          }
          if (has_texts_) { out.share_arena(calls_->arena()); }
        });
  }

  // Drops the state of keys that have no row left.
  void clear_gone(std::span<const K> keys, uint32_t begin) {
    for (uint32_t i = 0; i < chunk_.count; ++i) {
      if (chunk_.is_gone[i] == 0 || AggregateSet::row_count(chunk_.cells[i]) != 0) { continue; }
      store_->set_current(keys[chunk_.rows[i] - begin]);
      std::byte* const row = store_->current_row();
      if (row == nullptr) { continue; }
      for (const auto& cell : store_->cells()) {
        if (KeyedState::has(row, cell->bit())) { store_->clear_cell(row, *cell); }
      }
    }
    store_->clear_current();
  }

  struct Touched {
    std::byte* cell = nullptr;
    uint32_t row = 0;  // the first of the batch
    bool is_fresh = false;
  };
  struct TouchedCells : std::vector<Touched> {
    bool back_is_new = false;  // the cell that was touched last is touched for the first time
  };

  const GroupAggregateSpec spec_;
  const AggregateSet set_;
  KeyReader keys_;
  const std::vector<LogicalType> output_types_;
  const bool always_changes_;  // a count of all rows is among the results
  const bool has_texts_;       // among the results
  bool sends_each_row_ = false;
  AggregateCell* cell_ = nullptr;
  std::unique_ptr<AggregateCalls> calls_;

  AggregateChunk chunk_;
  TouchedCells touched_;
  std::vector<std::byte*> cells_;
  std::vector<uint8_t> changed_;
  size_t listed_count_ = 0;  // of each of the following
  std::vector<uint32_t> listed_;
  std::vector<uint32_t> key_rows_;
  std::vector<RowKind> kinds_;
};

}  // namespace

RowType group_aggregate_output(const GroupAggregateSpec& spec) {
  return keys_and_results(spec.input, spec.keys, spec.calls);
}

Result<std::unique_ptr<Operator>> make_group_aggregate(GroupAggregateSpec spec) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      auto set,
      AggregateSet::make(spec.input.types, spec.calls, spec.input_retracts, spec.input_retracts));
  // Lists are written in the order of their rows, which those of a mini-batch have not.
  spec.mini_batch = spec.mini_batch && std::all_of(spec.calls.begin(), spec.calls.end(),
                                                   [](const AggregateCall& call) {
                                                     return call.result.children.empty();
                                                   });
  const bool is_int = KeyReader(spec.input.types, spec.keys).is_int();
  return make_by_key<GroupAggregate>(is_int, std::move(spec), std::move(set));
}

}  // namespace tidewheel::sql
