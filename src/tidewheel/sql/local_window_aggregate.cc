// Each slice that is open has a table from keys to numbers, and accumulators by number in blocks.
// A watermark gives slices as a whole, so nothing is ever looked for by time.
#include "tidewheel/sql/local_window_aggregate.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/dataflow/gathers_rows.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/sql/aggregate_state.h"
#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/local_aggregate.h"
#include "tidewheel/sql/local_calls.h"
#include "tidewheel/sql/merge_table.h"
#include "tidewheel/sql/slice_key.h"
#include "tidewheel/types/serde.h"
#include "tidewheel/types/stored.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "local window aggregate";
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

// Accumulators by number, which stay where they are until `clear`.
class Cells {
 public:
  explicit Cells(size_t bytes) : words_(bytes / sizeof(uint64_t)) {}

  std::byte* at(size_t number) const {
    return reinterpret_cast<std::byte*>(blocks_[number / kBlock].get() + number % kBlock * words_);
  }
  std::byte* add() {
    if (count_ == blocks_.size() * kBlock) {
      blocks_.push_back(std::make_unique<uint64_t[]>(std::max<size_t>(1, words_ * kBlock)));
    }
    return at(count_++);
  }
  size_t size() const { return count_; }
  void clear() {
    count_ = 0;
    blocks_.resize(std::min<size_t>(blocks_.size(), kBlocksKept));
  }
  int64_t memory_bytes() const {
    return static_cast<int64_t>(blocks_.size() * kBlock * words_ * sizeof(uint64_t));
  }

 private:
  static constexpr size_t kBlock = 1024;
  static constexpr size_t kBlocksKept = 64;
  const size_t words_;
  std::vector<std::unique_ptr<uint64_t[]>> blocks_;
  size_t count_ = 0;
};

template <class K>
struct Slice {
  Slice(size_t cell_bytes, MemoryPool& memory) : table(memory), cells(cell_bytes) {}
  bool holds(int64_t time) const { return time >= times.first && time <= times.last; }
  int64_t memory_bytes() const {
    return cells.memory_bytes() + static_cast<int64_t>(keys.capacity() * sizeof(K)) +
           (arena ? arena->memory_bytes() : 0);
  }

  int64_t number = 0;
  WindowGrid::Range times;
  int64_t due_ms = 0;  // the watermark at which the first of its windows is over
  MergeTable table;
  std::vector<K> keys;  // by number, as the accumulators
  ArenaRef arena;       // of their strings
  Cells cells;
  size_t given = 0;  // of the keys
};

template <class K>
class LocalWindowAggregate final : public OutputOperator<ColumnRow>, public GathersRows {
 public:
  LocalWindowAggregate(LocalWindowSpec spec, AggregateSet set)
      : spec_(std::move(spec)),
        set_(std::move(set)),
        local_calls_(set_),
        keys_(spec_.input.types, spec_.keys),
        output_types_(local_window_output(spec_).types),
        grid_(grid_of(spec_.window)),
        alone_(set_.bytes()) {}

  Status open(OperatorContext& context) override {
    heap_.emplace(&context.memory());
    return OutputOperator<ColumnRow>::open(context);
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (has_too_much() && give_all() == Progress::kBlocked) { return Progress::kBlocked; }
      if (!ready()) { return Progress::kBlocked; }
      const uint32_t end = std::min(rows.end, cursor + kChunk);
      guard([&] { take(in, cursor, end); });
      cursor = end;
    }
    return Progress::kDone;
  }
  Progress on_watermark(int64_t time_ms) override {
    if (give(time_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    const int64_t first_open = grid_.first_window_after(time_ms);
    held_ms_ = time_ms;
    const int64_t now_ms = context().clock().wall_ms();
    if (first_open <= first_open_ && now_ms < pass_at_ms_) {
      context().wake_at_wall_ms(pass_at_ms_);
      return Progress::kDone;
    }
    if (pass_watermark() == Progress::kBlocked) { return Progress::kBlocked; }
    first_open_ = std::max(first_open_, first_open);
    pass_at_ms_ = saturating_add(now_ms, spec_.watermark_interval_ms);
    return Progress::kDone;
  }
  Progress on_processing_time(int64_t) override {
    // The request may be one of before the last watermark was passed on.
    if (held_ms_ != kMin && context().clock().wall_ms() < pass_at_ms_) {
      context().wake_at_wall_ms(pass_at_ms_);
      return Progress::kDone;
    }
    return pass_watermark();
  }
  // Behind an idle input event time goes on without it.
  Progress on_idle(bool idle) override {
    if (give_up() == Progress::kBlocked) { return Progress::kBlocked; }
    return Operator::on_idle(idle);
  }
  // What has fired by a barrier or mark is not to depend on what was held back.
  Progress on_epoch(int64_t) override { return give_up(); }
  Progress on_end_of_input(int32_t) override { return give_up(); }

  void close(bool finished) override {
    for (const auto& slice : slices_) { release(*slice); }
    slices_.clear();
    spare_.clear();
    context().memory().release(std::exchange(charged_, 0));
    OutputOperator<ColumnRow>::close(finished);
  }

 private:
  using SliceOf = Slice<K>;
  static constexpr uint32_t kChunk = 1024;  // rows at a time
  static constexpr size_t kGiven = 256;     // keys at a time
  static constexpr uint32_t kAhead = 8;     // rows for which the table is fetched
  static constexpr size_t kSparesMax = 4;   // slices that are kept for later ones
  static constexpr int64_t kBytesMax = 16 << 20;
  // When so many keys have been made of fewer than kRowsPerKey times as many rows, the next
  // kAloneRows rows are passed on one by one.
  static constexpr int64_t kSampleKeys = 1 << 16;
  static constexpr int64_t kRowsPerKey = 2;
  static constexpr int64_t kAloneRows = 1 << 20;

  template <class F>
  void guard(F f) {
    try {
      f();
    } catch (...) { rethrow_user_failure(context(), kName, ""); }
  }

  // ---- Rows.

  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    const ColumnView& times = in.view(static_cast<size_t>(spec_.time));
    hashes_.resize(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) { hashes_[i] = hash64(keys[i]); }
    rows_.clear();
    cells_.clear();
    alone_rows_.clear();
    alone_slices_.clear();
    for (uint32_t row = begin; row < end; ++row) {
      const uint32_t i = row - begin;
      if (times.validity != nullptr && times.is_null(row)) [[unlikely]] { throw_null_time(); }
      if (recent_ != nullptr && i + kAhead < keys.size()) {
        recent_->table.prefetch(hashes_[i + kAhead]);
      }
      place(row, times.at<int64_t>(row), keys[i], hashes_[i]);
    }
    local_calls_.add(in, rows_, cells_.data(), *heap_);
    if (!alone_rows_.empty()) { pass_on(in); }
    alone_left_ = std::max<int64_t>(0, alone_left_ - static_cast<int64_t>(keys.size()));
    taken_ += static_cast<int64_t>(rows_.size());
    charge();
  }
  void place(uint32_t row, int64_t time, const K& key, uint64_t hash) {
    if (recent_ == nullptr || !recent_->holds(time)) [[unlikely]] {
      const int64_t number = grid_.slice_of(time);
      const WindowGrid::Range windows = grid_.windows_of(number);
      if (windows.empty()) { return; }  // between windows with gaps
      if (windows.first < first_open_ || alone_left_ > 0) {
        alone_rows_.push_back(row);
        alone_slices_.push_back(number);
        return;
      }
      recent_ = slice_numbered(number, windows);
    }
    rows_.push_back(row);
    cells_.push_back(cell_of(*recent_, key, hash));
  }
  std::byte* cell_of(SliceOf& slice, const K& key, uint64_t hash) {
    bool inserted = false;
    const uint32_t number = slice.table.find_or_add(
        hash, [&](uint32_t at) { return keys_equal(slice.keys[at], key); }, inserted);
    if (!inserted) { return slice.cells.at(number); }
    if constexpr (std::is_same_v<K, Text>) {
      if (!slice.arena) { slice.arena = Arena::create(); }
      slice.keys.push_back(slice.arena->copy(key.view()));
    } else {
      slice.keys.push_back(key);
    }
    ++made_;
    std::byte* const cell = slice.cells.add();
    set_.init(cell);
    return cell;
  }
  [[noreturn]] void throw_null_time() {
    throw_user_failure(context(), kName,
                       invalid_argument(ErrorId::kSqlValue,
                                        "the time by which rows are put into windows is NULL: {}",
                                        spec_.input.names[static_cast<size_t>(spec_.time)]),
                       "");
  }
  // Rows that stand for themselves.
  void pass_on(const ColumnBatch& in) {
    alone_.clear();
    alone_cells_.clear();
    for (size_t i = 0; i < alone_rows_.size(); ++i) {
      alone_cells_.push_back(alone_.add());
      set_.init(alone_cells_.back());
    }
    local_calls_.add(in, alone_rows_, alone_cells_.data(), *heap_);
    const auto put_keys = [&](ColumnBatch& out, size_t begin, size_t end) {
      const auto rows = std::span(alone_rows_).subspan(begin, end - begin);
      for (size_t c = 0; c < spec_.keys.size(); ++c) {
        gather(in.view(static_cast<size_t>(spec_.keys[c])), rows, out.column(c), out.size(),
               &out.arena());
      }
    };
    send(alone_rows_.size(), put_keys, alone_slices_.data(), alone_cells_.data());
    for (std::byte* const cell : alone_cells_) { set_.release(cell, *heap_); }
  }

  // ---- Slices, few.

  SliceOf* slice_numbered(int64_t number, const WindowGrid::Range& windows) {
    for (const auto& slice : slices_) {
      if (slice->number == number) { return slice.get(); }
    }
    std::unique_ptr<SliceOf> slice;
    if (spare_.empty()) {
      slice = std::make_unique<SliceOf>(set_.bytes(), context().memory());
    } else {
      slice = std::move(spare_.back());
      spare_.pop_back();
    }
    slice->number = number;
    slice->times = grid_.slice_times(number);
    slice->due_ms = grid_.max_timestamp(windows.first);
    slice->table.begin(keys_expected_);
    slices_.push_back(std::move(slice));
    return slices_.back().get();
  }
  void release(SliceOf& slice) {
    for (size_t i = slice.given; i < slice.cells.size(); ++i) {
      set_.release(slice.cells.at(i), *heap_);
    }
  }
  void charge() {
    int64_t bytes = 0;
    for (const auto& slice : slices_) { bytes += slice->memory_bytes(); }
    for (const auto& slice : spare_) { bytes += slice->memory_bytes(); }
    const int64_t more = bytes - std::exchange(charged_, bytes);
    MemoryPool& memory = context().memory();
    more > 0 ? memory.reserve(more) : memory.release(-more);
  }

  // ---- Giving.

  bool has_too_much() {
    if (charged_ + heap_->memory_bytes() > kBytesMax && !slices_.empty()) { return true; }
    if (made_ < kSampleKeys) { return false; }
    if (taken_ < made_ * kRowsPerKey) { return true; }
    made_ = taken_ = 0;
    return false;
  }
  Progress give_all() {
    if (give(kMax) == Progress::kBlocked) { return Progress::kBlocked; }
    if (made_ >= kSampleKeys && taken_ < made_ * kRowsPerKey) { alone_left_ = kAloneRows; }
    made_ = taken_ = 0;
    return Progress::kDone;
  }
  // Nothing is kept or held back any more.
  Progress give_up() {
    return give(kMax) == Progress::kBlocked ? Progress::kBlocked : pass_watermark();
  }
  Progress pass_watermark() {
    if (held_ms_ != kMin && Operator::on_watermark(held_ms_) == Progress::kBlocked) {
      return Progress::kBlocked;
    }
    held_ms_ = kMin;
    return Progress::kDone;
  }
  // Gives the slices that are due at `time`. Goes on where it was blocked.
  Progress give(int64_t time) {
    for (size_t i = 0; i < slices_.size();) {
      SliceOf& slice = *slices_[i];
      if (slice.due_ms > time) {
        ++i;
        continue;
      }
      while (slice.given < slice.keys.size()) {
        if (!ready()) { return Progress::kBlocked; }
        guard([&] { give_some(slice); });
      }
      retire(i);
    }
    return Progress::kDone;
  }
  void give_some(SliceOf& slice) {
    const size_t first = slice.given;
    const size_t count = std::min(kGiven, slice.keys.size() - first);
    alone_cells_.clear();
    for (size_t i = 0; i < count; ++i) { alone_cells_.push_back(slice.cells.at(first + i)); }
    alone_slices_.assign(count, slice.number);
    const auto put_keys = [&](ColumnBatch& out, size_t begin, size_t end) {
      columns_.clear();
      for (size_t c = 0; c < spec_.keys.size(); ++c) { columns_.push_back(&out.column(c)); }
      keys_.decode(std::span(std::as_const(slice.keys)).subspan(first + begin, end - begin),
                   columns_, out.size(), &out.arena());
    };
    send(count, put_keys, alone_slices_.data(), alone_cells_.data());
    for (std::byte* const cell : alone_cells_) { set_.release(cell, *heap_); }
    slice.given += count;
  }
  void retire(size_t index) {
    std::unique_ptr<SliceOf> slice = std::move(slices_[index]);
    slices_.erase(slices_.begin() + static_cast<ptrdiff_t>(index));
    recent_ = nullptr;
    keys_expected_ = slice->keys.size();
    if (spare_.size() < kSparesMax && slice->memory_bytes() <= kBytesMax / 8) {
      slice->keys.clear();
      slice->cells.clear();
      slice->arena.recycle();
      slice->given = 0;
      spare_.push_back(std::move(slice));
    }
    slice.reset();
    charge();
  }
  template <class PutKeys>
  void send(size_t count, PutKeys put_keys, const int64_t* slices, std::byte* const* cells) {
    const size_t key_count = spec_.keys.size();
    emit_columns(output(), output_types_, count, [&](ColumnBatch& out, size_t begin, size_t end) {
      const uint32_t at = out.size();
      const auto rows = static_cast<uint32_t>(end - begin);
      put_keys(out, begin, end);
      Column& numbers = out.column(key_count);
      numbers.ensure(at + rows);
      std::copy_n(slices + begin, rows, numbers.values<int64_t>() + at);
      if (set_.size() == 0) { return; }
      Column& partial = out.column(key_count + 1);
      partial.ensure(at + rows);
      for (uint32_t i = 0; i < rows; ++i) {
        bytes_.clear();
        set_.encode(cells[begin + i], bytes_);
        partial.values<Text>()[at + i] = out.arena().copy(bytes_.view());
      }
    });
  }

  const LocalWindowSpec spec_;
  const AggregateSet set_;
  LocalCalls local_calls_;
  KeyReader keys_;
  const std::vector<LogicalType> output_types_;
  const WindowGrid grid_;
  std::optional<TextHeap> heap_;  // of all accumulators

  int64_t first_open_ = kMin;  // windows before it are over
  int64_t held_ms_ = kMin;     // a watermark that is held back; kMin: none is
  int64_t pass_at_ms_ = kMin;  // when it is passed on, by the wall clock
  std::vector<std::unique_ptr<SliceOf>> slices_;
  std::vector<std::unique_ptr<SliceOf>> spare_;  // empty
  SliceOf* recent_ = nullptr;                    // of slices_: where the last row went
  size_t keys_expected_ = 0;                     // of a slice
  int64_t charged_ = 0;
  int64_t taken_ = 0;  // rows, and keys made of them, since both were looked at
  int64_t made_ = 0;
  int64_t alone_left_ = 0;  // rows that are passed on one by one

  // Of the rows at work.
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> rows_;
  std::vector<std::byte*> cells_;
  std::vector<uint32_t> alone_rows_;
  std::vector<int64_t> alone_slices_;
  Cells alone_;
  std::vector<std::byte*> alone_cells_;
  std::vector<Column*> columns_;
  Writer bytes_;
};

}  // namespace

bool can_be_local(const std::vector<AggregateCall>& calls) {
  const bool distinct = std::any_of(calls.begin(), calls.end(),
                                    [](const AggregateCall& call) { return call.distinct; });
  return !distinct && (calls.empty() || can_have_two_phases(calls));
}

RowType local_window_output(const LocalWindowSpec& spec) {
  RowType output = keys_and_results(spec.input, spec.keys, {});
  output.add("$slice", LogicalType::of(TypeKind::kBigint, false));
  if (!spec.calls.empty()) {
    output.add("$partial",
               LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength, 0, false));
  }
  return output;
}

Result<std::unique_ptr<Operator>> make_local_window_aggregate(LocalWindowSpec spec) {
  TIDEWHEEL_ASSIGN_OR_RETURN(auto set, AggregateSet::make(spec.input.types, spec.calls,
                                                          /*retracts=*/false,
                                                          /*counts_rows=*/false));
  const bool is_int = KeyReader(spec.input.types, spec.keys).is_int();
  return make_by_key<LocalWindowAggregate>(is_int, std::move(spec), std::move(set));
}

}  // namespace tidewheel::sql
