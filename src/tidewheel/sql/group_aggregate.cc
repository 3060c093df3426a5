#include "tidewheel/sql/group_aggregate.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/sql/aggregate_calls.h"
#include "tidewheel/sql/aggregate_state.h"
#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/inline_text.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/partial_cells.h"
#include "tidewheel/sql/recent_rows.h"
#include "tidewheel/sql/row_output.h"
#include "tidewheel/state/keyed_rows.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "group aggregate";

// The keys that an epoch has touched, with the results that they had before: rows as bytes. A cell
// has the number of its key (AggregateCell::mark).
class EpochOfKeys {
 public:
  struct Key {
    Text bytes;
    Text before;  // results; empty: there were none
  };
  EpochOfKeys(const GroupAggregateSpec& spec, const std::vector<LogicalType>& output)
      : columns_(spec.keys),
        key_types_(output.begin(), output.begin() + static_cast<ptrdiff_t>(columns_.size())),
        result_types_(output.begin() + static_cast<ptrdiff_t>(columns_.size()), output.end()),
        key_bytes_(key_types_),
        result_bytes_(result_types_),
        out_(key_types_, result_types_, output, true),
        emits_before_(spec.emits_before),
        bytes_(Arena::create()) {}

  bool empty() const { return keys_.empty(); }
  // Rows of `in`, each the first of its key.
  void add_keys(const ColumnBatch& in, std::span<const uint32_t> rows) {
    pick_columns(in, columns_, views_);
    encoded_.resize(rows.size());
    key_bytes_.encode(views_, rows, *bytes_, encoded_.data());
    for (const Text& key : encoded_) { keys_.push_back({key, {}}); }
  }
  // Of the keys `numbers`, the results of cells[i].
  void set_before(std::span<const uint32_t> numbers, std::span<std::byte* const> cells,
                  AggregateCalls& calls) {
    encode_results(cells, calls);
    for (size_t i = 0; i < numbers.size(); ++i) { keys_[numbers[i]].before = encoded_[i]; }
  }
  // Sends the changes of the keys from `first` on, whose cells are these.
  void give(size_t first, std::span<std::byte* const> cells, AggregateCalls& calls,
            Output<ColumnRow>& output) {
    encode_results(cells, calls);
    out_.begin(true);
    for (size_t i = 0; i < cells.size(); ++i) {
      const Key& key = keys_[first + i];
      const Text& after = encoded_[i];
      if (key.before.empty()) {
        out_.add(RowOutput::kNoRow, key.bytes, after, RowKind::kInsert);
      } else if (!(key.before == after)) {
        if (emits_before_) {
          out_.add(RowOutput::kNoRow, key.bytes, key.before, RowKind::kUpdateBefore);
        }
        out_.add(RowOutput::kNoRow, key.bytes, after, RowKind::kUpdateAfter);
      }
    }
    if (out_.size() == 0) { return; }
    out_.share_bytes(bytes_);
    out_.emit(output, nullptr);
  }
  void clear() {
    keys_.clear();
    bytes_.recycle();
    if (!bytes_) { bytes_ = Arena::create(); }
  }
  int64_t memory_bytes() const {
    return bytes_->used_bytes() + static_cast<int64_t>(keys_.size() * sizeof(Key));
  }

 private:
  void encode_results(std::span<std::byte* const> cells, AggregateCalls& calls) {
    calls.clear_results();
    calls.results(cells, 0, 1);
    views_.clear();
    for (size_t c = 0; c < result_types_.size(); ++c) { views_.push_back(calls.column(c).view()); }
    numbers_.resize(cells.size());
    std::iota(numbers_.begin(), numbers_.end(), 0U);
    encoded_.resize(cells.size());
    result_bytes_.encode(views_, numbers_, *bytes_, encoded_.data());
  }

  const std::vector<int32_t> columns_;
  const std::vector<LogicalType> key_types_;
  const std::vector<LogicalType> result_types_;
  RowBytes key_bytes_;
  RowBytes result_bytes_;
  RowOutput out_;
  const bool emits_before_;
  ArenaRef bytes_;
  std::vector<Key> keys_;
  std::vector<ColumnView> views_;  // scratch
  std::vector<uint32_t> numbers_;
  std::vector<Text> encoded_;
};

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
          return call.result.physical() == Physical::kText || !call.result.children.empty();
        })) {}

  ~GroupAggregate() override { this->drop_store(); }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    StateOptions options;
    options.ttl = Duration(spec_.ttl_ms);
    TIDEWHEEL_ASSIGN_OR_RETURN(
        cell_, AggregateCell::declare(*store_, "accumulators", keys_.describe(), options, set_,
                                      spec_.mini_batch || spec_.by_epoch));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        calls_,
        AggregateCalls::make(*store_, set_, (spec_.partial ? *spec_.partial : spec_.input).types,
                             options, spec_.input_retracts));
    TIDEWHEEL_RETURN_IF_ERROR(this->read_store());
    if (!store_->has_backend()) { calls_->defer_distinct(); }
    if (spec_.by_epoch && !spec_.keys.empty() && !spec_.calls.empty() && !spec_.input_retracts &&
        spec_.ttl_ms == 0 && calls_->has_accumulators_only() && !calls_->has_values() &&
        !store_->has_backend()) {
      epoch_.emplace(spec_, output_types_);
    }
    knows_rows_ = !spec_.input_retracts && spec_.ttl_ms == 0 && !calls_->has_values() &&
                  !store_->has_backend();
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

  void begin_snapshot(const SnapshotStart& start) override {
    recent_.clear();
    Base::begin_snapshot(start);
  }
  Progress on_epoch(int64_t) override { return give_epoch(); }
  Progress on_end_of_input(int32_t) override { return give_epoch(); }
  void close(bool finished) override {
    this->context().memory().release(std::exchange(epoch_bytes_, 0));
    Base::close(finished);
  }

 private:
  static constexpr uint32_t kChunk = 256;
  static constexpr uint32_t kMiniBatchRows = 1 << 16;  // at most
  static constexpr size_t kKeptPart = 8;  // of an input's rows: then their reader keeps it

  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    if (!epoch_) { touched_.clear(); }
    const size_t known = touched_.size();
    calls_->begin(in, begin, end);
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    // Rows of one key, as by day, are looked up once.
    const bool has_one_key =
        std::all_of(keys.begin() + 1, keys.end(), [&](const K& key) { return key == keys[0]; });
    const std::span<const K> wanted = has_one_key ? keys.first(1) : keys;
    chunk_.clear(end - begin);
    chunk_.has_one_cell = has_one_key;
    if (knows_rows_ && !has_one_key) {
      find_known(keys);
      list_cells(begin, end);
      return give(in, keys, begin, known);
    }
    if (!spec_.input_retracts && !calls_->has_values()) {
      KeyedBatch<K, std::span<const K>> batch(*store_, wanted);
      batch.ensure_rows(chunk_.states.data(), [](size_t) { return true; });
      if (has_one_key) { std::fill_n(chunk_.states.begin(), end - begin, chunk_.states[0]); }
      list_cells(begin, end);
      return give(in, keys, begin, known);
    }
    KeyedBatch batch(*store_, 0, static_cast<uint32_t>(wanted.size()),
                     [&](uint32_t i) -> const K& { return wanted[i]; });
    find_cells(in, begin, end, has_one_key, batch);
    give(in, keys, begin, known);
  }
  // Adds the rows of the chunk, and sends what that gives. `known`: keys that the epoch had touched
  // before.
  void give(const ColumnBatch& in, std::span<const K> keys, uint32_t begin, size_t known) {
    TextHeap& heap = store_->heap();
    if (epoch_) {
      note_epoch(in, known);
      add_rows(in, heap);
      return;
    }
    if (spec_.mini_batch) {
      cells_.clear();
      for (const Touched& touched : touched_) { cells_.push_back(touched.cell); }
      calls_->results(cells_, 0, 2);
      add_rows(in, heap);
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

  void add_rows(const ColumnBatch& in, TextHeap& heap) {
    if (!spec_.partial) { return calls_->add(chunk_, heap); }
    this->require(
        partials_.merge(in.view(spec_.keys.size()), chunk_.taken(), chunk_.cells.data(), heap));
  }

  // The rows of state of all keys. None is freed while the operator runs.
  void find_known(std::span<const K> keys) {
    const std::span<const uint32_t> missing = recent_.find(keys, chunk_.states.data());
    if (missing.empty()) { return; }
    missing_.resize(missing.size());
    found_.resize(missing.size());
    for (size_t i = 0; i < missing.size(); ++i) { missing_[i] = keys[missing[i]]; }
    KeyedBatch<K, std::span<const K>> batch(*store_, missing_);
    batch.ensure_rows(found_.data(), [](size_t) { return true; });
    for (size_t i = 0; i < missing.size(); ++i) {
      chunk_.states[missing[i]] = found_[i];
      recent_.put(missing_[i], found_[i]);
    }
  }
  // The accumulators in the rows of state that were found.
  void list_cells(uint32_t begin, uint32_t end) {
    const uint32_t count = end - begin;
    for (uint32_t i = 0; i < count; ++i) {
      bool is_fresh = false;
      std::byte* const cell = cell_->open(chunk_.states[i], is_fresh);
      chunk_.rows[i] = begin + i;
      chunk_.cells[i] = cell;
      chunk_.is_fresh[i] = is_fresh ? 1 : 0;
      if (spec_.mini_batch || epoch_) { chunk_.targets[i] = touch(begin + i, cell, is_fresh); }
    }
    chunk_.count = count;
  }
  // The same key after key. `has_one_key`: the batch has that key alone.
  template <class Batch>
  void find_cells(const ColumnBatch& in, uint32_t begin, uint32_t end, bool has_one_key,
                  Batch& batch) {
    chunk_.has_signs = spec_.input_retracts && in.kinds() != nullptr;
    for (uint32_t row = begin; row < end; ++row) {
      if (row == begin || !has_one_key) { batch.select(row - begin); }
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
      if (spec_.mini_batch || epoch_) { chunk_.targets[i] = touch(row, cell, is_fresh); }
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

  // What the keys were that the epoch has not touched before: those from `known` on.
  void note_epoch(const ColumnBatch& in, size_t known) {
    if (known == touched_.size()) { return; }
    new_rows_.clear();
    changing_.clear();
    cells_.clear();
    for (size_t i = known; i < touched_.size(); ++i) {
      new_rows_.push_back(touched_[i].row);
      if (touched_[i].is_fresh) { continue; }
      changing_.push_back(static_cast<uint32_t>(i));
      cells_.push_back(touched_[i].cell);
    }
    epoch_->add_keys(in, new_rows_);
    if (!cells_.empty()) { epoch_->set_before(changing_, cells_, *calls_); }
    charge_epoch(epoch_->memory_bytes() + static_cast<int64_t>(touched_.size() * sizeof(Touched)));
  }
  void charge_epoch(int64_t bytes) {
    const int64_t more = bytes - std::exchange(epoch_bytes_, bytes);
    MemoryPool& memory = this->context().memory();
    more > 0 ? memory.reserve(more) : memory.release(-more);
  }
  Progress give_epoch() {
    while (next_touched_ < touched_.size() && epoch_) {
      if (!this->ready()) { return Progress::kBlocked; }
      cells_.clear();
      const size_t first = next_touched_;
      next_touched_ = std::min(touched_.size(), first + kChunk);
      for (size_t i = first; i < next_touched_; ++i) { cells_.push_back(touched_[i].cell); }
      this->guard([&] { epoch_->give(first, cells_, *calls_, output()); });
    }
    if (epoch_ && !epoch_->empty()) {
      next_touched_ = 0;
      touched_.clear();
      epoch_->clear();
      charge_epoch(0);
    }
    return Progress::kDone;
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
  PartialCells partials_{set_};  // with `spec_.partial`
  KeyReaderOf<K> keys_;
  const std::vector<LogicalType> output_types_;
  const bool always_changes_;  // a count of all rows is among the results
  const bool has_texts_;       // among the results
  bool sends_each_row_ = false;
  bool knows_rows_ = false;  // of recent keys
  AggregateCell* cell_ = nullptr;
  std::unique_ptr<AggregateCalls> calls_;

  AggregateChunk chunk_;
  RecentRows<K> recent_;
  std::vector<K> missing_;  // keys that are none of these, and their rows of state
  std::vector<std::byte*> found_;
  TouchedCells touched_;              // of a mini-batch, or an epoch
  std::optional<EpochOfKeys> epoch_;  // none: rows are given as they come
  size_t next_touched_ = 0;           // that is to be given
  int64_t epoch_bytes_ = 0;           // charged
  std::vector<uint32_t> new_rows_;    // scratch
  std::vector<uint32_t> changing_;
  std::vector<std::byte*> cells_;
  std::vector<uint8_t> changed_;
  size_t listed_count_ = 0;  // of each of the following
  std::vector<uint32_t> listed_;
  std::vector<uint32_t> key_rows_;
  std::vector<RowKind> kinds_;
};

// Whether keys are always inside the table's slot. Where some were not, all would cost more than
// what others win.
bool fits_inline(const GroupAggregateSpec& spec) {
  return key_bytes_max(spec.input.types, spec.keys) <= InlineText::kBytesMost;
}

}  // namespace

RowType group_aggregate_output(const GroupAggregateSpec& spec) {
  return keys_and_results(spec.input, spec.keys, spec.calls);
}

Result<std::unique_ptr<Operator>> make_group_aggregate(GroupAggregateSpec spec) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      auto set, AggregateSet::make((spec.partial ? *spec.partial : spec.input).types, spec.calls,
                                   spec.input_retracts, spec.input_retracts));
  spec.mini_batch = spec.mini_batch || spec.partial.has_value();
  // Lists are written in the order of their rows, which those of a mini-batch have not.
  spec.mini_batch = spec.mini_batch && std::all_of(spec.calls.begin(), spec.calls.end(),
                                                   [](const AggregateCall& call) {
                                                     return call.result.children.empty();
                                                   });
  const bool is_int = KeyReader(spec.input.types, spec.keys).is_int();
  if (!is_int && fits_inline(spec)) {
    return std::make_unique<GroupAggregate<InlineText>>(std::move(spec), std::move(set));
  }
  return make_by_key<GroupAggregate>(is_int, std::move(spec), std::move(set));
}

}  // namespace tidewheel::sql
