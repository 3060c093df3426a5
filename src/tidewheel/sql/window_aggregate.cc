// Windows share slices, as in operators/slicing_window.h: a row is added to the accumulators of its
// key in its slice, and a window that fires merges those of its slices. All slices are in one store
// of keyed state, whose keys have the slice beside them. Which keys a slice has is kept in lists,
// so that nothing else is looked at when a window fires.
//
// Calls whose accumulators can't be merged (DISTINCT, values that are taken back) have a slice for
// each window instead: a row is then added to each of its windows.
#include "tidewheel/sql/window_aggregate.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/operators/window.h"
#include "tidewheel/sql/aggregate_calls.h"
#include "tidewheel/sql/aggregate_state.h"
#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/late_rows.h"
#include "tidewheel/sql/merge_table.h"
#include "tidewheel/sql/partial_cells.h"
#include "tidewheel/sql/recent_rows.h"
#include "tidewheel/sql/session_aggregate.h"
#include "tidewheel/sql/slice_key.h"
#include "tidewheel/state/keyed_rows.h"

namespace tidewheel::sql {

WindowGrid grid_of(const GridWindow& window) {
  switch (window.kind) {
    case GridWindow::Kind::kHop:
      return WindowGrid::sliding(window.size_ms, window.slide_ms, window.offset_ms);
    case GridWindow::Kind::kCumulate:
      return WindowGrid::cumulative(window.size_ms, window.slide_ms, window.offset_ms);
    case GridWindow::Kind::kSession:
    case GridWindow::Kind::kTumble: break;
  }
  return WindowGrid::sliding(window.size_ms, window.size_ms, window.offset_ms);
}

namespace {

constexpr char kName[] = "window aggregate";

// What the calls refer to.
const RowType& rows_of(const WindowAggregateSpec& spec) {
  return spec.partial ? *spec.partial : spec.input;
}

Status check_window(const GridWindow& window) {
  switch (window.kind) {
    case GridWindow::Kind::kHop:
      return SlidingWindows{window.size_ms, window.slide_ms, window.offset_ms}.check();
    case GridWindow::Kind::kCumulate:
      return CumulativeWindows{window.size_ms, window.slide_ms, window.offset_ms}.check();
    case GridWindow::Kind::kSession: return SessionWindows{window.size_ms}.check();
    case GridWindow::Kind::kTumble: break;
  }
  return TumblingWindows{window.size_ms, window.offset_ms}.check();
}

template <class K>
class WindowAggregate final : public TimedKeyedOperator<SliceKey<K>> {
  using Base = TimedKeyedOperator<SliceKey<K>>;
  using Base::clear_cells;
  using Base::guard;
  using Base::output;
  using Base::ready;
  using Base::require;
  using Base::store_;
  using Base::watermark_;

 public:
  WindowAggregate(WindowAggregateSpec spec, AggregateSet set)
      : Base(kName, spec.links),
        spec_(std::move(spec)),
        set_(std::move(set)),
        keys_(spec_.input.types, spec_.keys),
        output_types_(window_aggregate_output(spec_).types),
        grid_(grid_of(spec_.window)),
        partials_(set_),
        expands_(!grid_.is_tumbling() && !can_merge(set_)) {}

  ~WindowAggregate() override { this->drop_store(); }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    late_.open(context, this->sides());
    const std::string form =
        keys_.describe() + (expands_ ? " windows of " : " slices of ") + grid_.describe();
    TIDEWHEEL_ASSIGN_OR_RETURN(
        cell_, AggregateCell::declare(*store_, "accumulators", form, {}, set_, false));
    TIDEWHEEL_ASSIGN_OR_RETURN(calls_, AggregateCalls::make(*store_, set_, rows_of(spec_).types, {},
                                                            spec_.input_retracts));
    take_up(this->restored_watermark());
    const bool is_restored = this->is_restored();
    TIDEWHEEL_RETURN_IF_ERROR(this->read_store());
    if (!store_->has_backend()) { calls_->defer_distinct(); }
    knows_rows_ = !spec_.keys.empty() && !calls_->has_values() && !store_->has_backend();
    if (is_restored) { list_restored_keys(); }
    wake_for_next_window();
    return {};
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!ready()) { return Progress::kBlocked; }
      const uint32_t end = std::min(rows.end, cursor + kChunk);
      guard([&] { take(in, cursor, end); });
      cursor = end;
    }
    if (!is_event_time()) { wake_for_next_window(); }
    require(store_->status());
    return Progress::kDone;
  }
  Progress on_watermark(int64_t time_ms) override {
    if (is_event_time() && advance(time_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    return Operator::on_watermark(time_ms);
  }
  Progress on_processing_time(int64_t now_ms) override {
    if (is_event_time()) { return Progress::kDone; }
    woken_for_ = WindowGrid::kNone;
    if (advance(now_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    wake_for_next_window();
    return Progress::kDone;
  }
  Progress on_end_of_input(int32_t) override {
    return is_event_time() ? Progress::kDone : advance(kMaxWatermark);
  }

  void begin_snapshot(const SnapshotStart& start) override {
    known_.clear();
    saved_drops_.start(this->context().key_groups(), fire_from_, {}, fire_from_);
    Base::begin_snapshot(start);
  }
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_RETURN_IF_ERROR(Base::restore(reader));
    return saved_drops_.read(reader);
  }

 protected:
  bool write_beside(SnapshotWriter& writer) override {
    saved_drops_.write(writer);
    return Base::write_beside(writer);
  }

 private:
  using Key = SliceKey<K>;
  static constexpr uint32_t kChunk = 256;
  static constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

  // A slice, or a window when there is one for each; with its keys, in the order in which they
  // came.
  struct Slice {
    bool holds(int64_t time) const { return time >= times.first && time <= times.last; }
    int64_t number = 0;
    WindowGrid::Range times;
    WindowGrid::Range windows;
    std::vector<K> keys;
    std::vector<std::byte*> rows;  // of the keys, which stay where they are; not with a backend
    ArenaRef arena;                // of their strings
    int64_t bytes = 0;
  };
  // The accumulators of a window with several slices, by key. Kept for the next such window. An
  // entry is a key, in the list of its slice, and the accumulators: found by number.
  class Merged {
   public:
    Merged(MemoryPool& memory, size_t cell_bytes)
        : heap(&memory), table_(memory), entry_bytes_(kKeyBytes + (cell_bytes + 7) / 8 * 8) {}

    // Forgets all. There will be about as many as there were.
    void begin() {
      table_.begin(count_);
      arena_.recycle();
      if (!arena_) { arena_ = Arena::create(); }
      blocks_.clear();
      count_ = 0;
    }
    size_t size() const { return count_; }
    const K& key(size_t number) const { return *reinterpret_cast<const K*>(entry(number)); }
    std::byte* cell(size_t number) const { return entry(number) + kKeyBytes; }

    void prefetch(uint64_t hash) const { table_.prefetch(hash); }
    // When what is prefetched has come.
    void prefetch_entry(uint64_t hash) const {
      const uint32_t number = table_.first_at(hash);
      if (number < count_) { __builtin_prefetch(entry(number), 1); }
    }
    // The accumulators of a key; `inserted`: they have to be made.
    std::byte* find_or_add(const K& wanted, uint64_t hash, bool& inserted) {
      const uint32_t number = table_.find_or_add(
          hash, [&](uint32_t at) { return keys_equal(key(at), wanted); }, inserted);
      if (inserted) { add_entry(wanted); }
      return cell(number);
    }

    TextHeap heap;

   private:
    static_assert(std::is_trivially_copyable_v<K> && alignof(K) <= 8);
    static constexpr size_t kKeyBytes = (sizeof(K) + 7) / 8 * 8;
    static constexpr size_t kBlock = 1024;  // entries

    std::byte* entry(size_t number) const {
      return blocks_[number / kBlock] + number % kBlock * entry_bytes_;
    }
    void add_entry(const K& key) {
      if (count_ % kBlock == 0) {
        auto* const bytes =
            reinterpret_cast<std::byte*>(arena_->allocate(kBlock * entry_bytes_ + 7));
        blocks_.push_back(bytes + -reinterpret_cast<uintptr_t>(bytes) % 8);
      }
      new (entry(count_++)) K(key);
    }

    MergeTable table_;
    const size_t entry_bytes_;
    ArenaRef arena_ = Arena::create();
    std::vector<std::byte*> blocks_;
    size_t count_ = 0;
  };

  static bool can_merge(const AggregateSet& set) {
    for (size_t i = 0; i < set.size(); ++i) {
      if (set.accumulator(i) == nullptr || set.calls()[i].distinct) { return false; }
    }
    return true;
  }
  bool is_event_time() const { return spec_.time >= 0; }

  // ---- Restoring.

  void take_up(int64_t watermark) {
    if (watermark != kMinWatermark) {
      watermark_ = watermark;
      fire_from_ = grid_.first_window_after(watermark);
    }
    // At an unaligned barrier subtasks may have come further than the least watermark.
    fire_from_ = std::max(fire_from_, saved_drops_.fire_from(this->context().key_groups()));
    fired_until_ = saved_drops_.fired_until();
  }
  void list_restored_keys() {
    store_->for_each_key([this](const Key& key) {
      const int32_t group = store_->hash_of(key).group;
      const bool is_gone = saved_drops_.was_dropped(group, last_window_of(key.slice));
      Slice* const slice = is_gone ? nullptr : slice_numbered(key.slice);
      if (slice != nullptr) { return list_key(*slice, key.key, store_->current_row()); }
      clear_cells(store_->current_row());
    });
  }
  int64_t last_window_of(int64_t slice) const {
    return expands_ ? slice : grid_.windows_of(slice).last;
  }

  // ---- Rows.

  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    calls_->begin(in, begin, end);
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    chunk_.is_ascending = !expands_;
    slice_keys_.clear();
    slices_of_.clear();
    rows_.clear();
    is_one_slice_ = false;
    if (spec_.partial) {
      place_partials(in, begin, end, keys);
    } else if (is_event_time()) {
      place_by_column(in, begin, end, keys);
    } else {
      const int64_t now =
          std::max(this->context().clock().wall_ms(), saturating_add(watermark_, int64_t{1}));
      if (recent_ != nullptr && recent_->holds(now)) {
        place_all(*recent_, begin, keys);
      } else {
        for (uint32_t row = begin; row < end; ++row) { place(row, now, keys[row - begin]); }
      }
    }
    late_.give(in, spec_.input.types);
    const auto count = static_cast<uint32_t>(rows_.size());
    chunk_.clear(count);
    const RowKind* const kinds = spec_.input_retracts ? in.kinds() : nullptr;
    chunk_.has_signs = kinds != nullptr;
    if (is_one_slice_ && knows_rows_) {
      find_known(keys);
      list_cells(kinds);
      return add(in);
    }
    // Without keys, what is of one slice is looked up once.
    const bool has_one_key = spec_.keys.empty() && is_one_slice_ && count > 0;
    KeyedBatch batch(*store_, 0, has_one_key ? 1 : count,
                     [&](uint32_t i) -> const Key& { return slice_keys_[i]; });
    for (uint32_t i = 0; i < count; ++i) {
      if (i == 0 || !has_one_key) { batch.select(i); }
      add_row(i, begin, kinds != nullptr && is_retraction(kinds[rows_[i]]));
    }
    add(in);
  }
  // Adds the rows of the chunk, whose cells are found.
  void add(const ColumnBatch& in) {
    if (!spec_.partial) { return calls_->add(chunk_, store_->heap()); }
    if (set_.size() > 0) {
      require(partials_.merge(in.view(spec_.keys.size() + 1), chunk_.taken(), chunk_.cells.data(),
                              store_->heap()));
    }
  }
  // The rows of state of all keys in slice `recent_`. None is freed before the slice is dropped.
  void find_known(std::span<const K> keys) {
    if (known_slice_ != recent_) { known_.clear(); }
    known_slice_ = recent_;
    const std::span<const uint32_t> missing = known_.find(keys, chunk_.states.data());
    if (missing.empty()) { return; }
    slice_keys_.clear();
    for (const uint32_t i : missing) { slice_keys_.push_back({keys[i], recent_->number}); }
    found_.resize(missing.size());
    KeyedBatch<Key, std::span<const Key>> batch(*store_, slice_keys_);
    batch.ensure_rows(found_.data(), [](size_t) { return true; });
    for (size_t i = 0; i < missing.size(); ++i) {
      bool is_new = false;
      cell_->open(found_[i], is_new);
      const K& key = keys[missing[i]];
      if (is_new) { list_key(*recent_, key, found_[i]); }
      chunk_.states[missing[i]] = found_[i];
      known_.put(key, found_[i]);
    }
  }
  void list_cells(const RowKind* kinds) {
    chunk_.count = static_cast<uint32_t>(rows_.size());
    std::copy(rows_.begin(), rows_.end(), chunk_.rows.begin());
    for (uint32_t i = 0; i < chunk_.count; ++i) { chunk_.cells[i] = cell_->cell(chunk_.states[i]); }
    if (!set_.counts_rows()) { return; }
    for (uint32_t i = 0; i < chunk_.count; ++i) {
      const bool retracts = kinds != nullptr && is_retraction(kinds[rows_[i]]);
      chunk_.signs[i] = retracts ? -1 : 1;
      AggregateSet::row_count(chunk_.cells[i]) += chunk_.signs[i];
    }
  }
  // Chooses the slices of rows.
  void place_by_column(const ColumnBatch& in, uint32_t begin, uint32_t end,
                       std::span<const K> keys) {
    const ColumnView& times = in.view(static_cast<size_t>(spec_.time));
    if (recent_ != nullptr && times.validity == nullptr && !times.is_constant) {
      const auto* const values = times.as<int64_t>();
      int64_t least = values[begin];
      int64_t greatest = least;
      for (uint32_t row = begin; row < end; ++row) {
        least = std::min(least, values[row]);
        greatest = std::max(greatest, values[row]);
      }
      if (recent_->holds(least) && recent_->holds(greatest)) {
        return place_all(*recent_, begin, keys);
      }
    }
    for (uint32_t row = begin; row < end; ++row) {
      if (times.validity != nullptr && times.is_null(row)) [[unlikely]] { throw_null_time(); }
      place(row, times.at<int64_t>(row), keys[row - begin]);
    }
  }
  // Of what the first phase has made, which names its slice.
  void place_partials(const ColumnBatch& in, uint32_t begin, uint32_t end,
                      std::span<const K> keys) {
    const ColumnView& slices = in.view(spec_.keys.size());
    for (uint32_t row = begin; row < end; ++row) {
      const auto number = slices.at<int64_t>(row);
      if (recent_ == nullptr || recent_->number != number) {
        Slice* const slice = slice_numbered(number);
        if (slice == nullptr) {
          late_.add(row);
          continue;
        }
        recent_ = slice;
      }
      add_place(row, *recent_, keys[row - begin]);
    }
  }
  // Most chunks lie in one slice.
  void place_all(Slice& slice, uint32_t begin, std::span<const K> keys) {
    is_one_slice_ = true;
    rows_.resize(keys.size());
    std::iota(rows_.begin(), rows_.end(), begin);
    if (knows_rows_) {
      recent_ = &slice;
      return;
    }
    slices_of_.assign(keys.size(), &slice);
    slice_keys_.resize(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) { slice_keys_[i] = {keys[i], slice.number}; }
  }
  void place(uint32_t row, int64_t time, const K& key) {
    if (recent_ != nullptr && recent_->holds(time)) [[likely]] {
      return add_place(row, *recent_, key);
    }
    const int64_t number = grid_.slice_of(time);
    const WindowGrid::Range windows = grid_.windows_of(number);
    if (windows.empty()) { return; }  // between windows with gaps
    if (windows.last < fire_from_) { return late_.add(row); }
    if (!expands_) {
      recent_ = slice_numbered(number);
      return add_place(row, *recent_, key);
    }
    for (int64_t window = std::max(windows.first, fire_from_); window <= windows.last; ++window) {
      add_place(row, *slice_numbered(window), key);
    }
  }
  void add_place(uint32_t row, Slice& slice, const K& key) {
    rows_.push_back(row);
    slices_of_.push_back(&slice);
    slice_keys_.push_back({key, slice.number});
  }
  void add_row(uint32_t i, uint32_t begin, bool retracts) {
    bool is_new = false;
    std::byte* const row = store_->ensure_row();
    std::byte* const cell = cell_->open(row, is_new);
    if (is_new) { list_key(*slices_of_[i], slice_keys_[i].key, row); }
    if (set_.counts_rows()) { AggregateSet::row_count(cell) += retracts ? -1 : 1; }
    chunk_.rows[i] = rows_[i];
    chunk_.cells[i] = cell;
    chunk_.states[i] = row;
    chunk_.signs[i] = retracts ? -1 : 1;
    chunk_.count = i + 1;
    if (calls_->has_values()) {
      calls_->add_values(row, rows_[i] - begin, chunk_, AggregateCalls::Wanted::kNone);
    }
  }
  [[noreturn]] void throw_null_time() {
    throw_user_failure(this->context(), kName,
                       invalid_argument(ErrorId::kSqlValue,
                                        "the time by which rows are put into windows is NULL: {}",
                                        spec_.input.names[static_cast<size_t>(spec_.time)]),
                       "");
  }

  // ---- Slices, in the order of their numbers; few.

  // Null when all windows of the slice have fired.
  Slice* slice_numbered(int64_t number) {
    auto place = slices_.end();
    while (place != slices_.begin() && (*std::prev(place))->number > number) { --place; }
    if (place != slices_.begin() && (*std::prev(place))->number == number) {
      return std::prev(place)->get();
    }
    const WindowGrid::Range windows =
        expands_ ? WindowGrid::Range{number, number} : grid_.windows_of(number);
    if (windows.empty() || windows.last < fire_from_) { return nullptr; }
    auto slice = std::make_unique<Slice>();
    slice->number = number;
    // In a slice for each window a time says nothing.
    slice->times = expands_ ? WindowGrid::Range{} : grid_.slice_times(number);
    slice->windows = windows;
    return slices_.insert(place, std::move(slice))->get();
  }
  void list_key(Slice& slice, const K& key, std::byte* row) {
    if (!store_->has_backend()) {
      const size_t rows_capacity = slice.rows.capacity();
      slice.rows.push_back(row);
      charge(slice, static_cast<int64_t>((slice.rows.capacity() - rows_capacity) * sizeof(row)));
    }
    const size_t capacity = slice.keys.capacity();
    if constexpr (std::is_same_v<K, Text>) {
      if (!slice.arena) { slice.arena = Arena::create(); }
      const int64_t before = slice.arena->memory_bytes();
      slice.keys.push_back(slice.arena->copy(key.view()));
      charge(slice, slice.arena->memory_bytes() - before);
    } else {
      slice.keys.push_back(key);
    }
    charge(slice, static_cast<int64_t>((slice.keys.capacity() - capacity) * sizeof(K)));
  }
  void charge(Slice& slice, int64_t bytes) {
    if (bytes == 0) { return; }
    slice.bytes += bytes;
    store_->memory().reserve(bytes);
  }
  void drop_slices() {
    const size_t dropped = std::erase_if(slices_, [this](const std::unique_ptr<Slice>& slice) {
      if (slice->windows.last >= fire_from_) { return false; }
      store_->memory().release(slice->bytes);
      return true;
    });
    if (dropped == 0) { return; }
    recent_ = nullptr;
    known_slice_ = nullptr;
    known_.clear();
  }

  // ---- Firing.

  // The first window that has rows and has not fired; kNone when there is none.
  int64_t next_window() const {
    for (const auto& slice : slices_) {
      if (slice->windows.last >= fire_from_) { return std::max(slice->windows.first, fire_from_); }
    }
    return WindowGrid::kNone;
  }
  // Fires all windows that end by `time`. Resumes from the window at work (is_firing_).
  Progress advance(int64_t time) {
    if (!is_advancing_) {
      if (time <= watermark_) { return Progress::kDone; }
      watermark_ = time;
      is_advancing_ = true;
    }
    for (;;) {
      if (!is_firing_) {
        const int64_t window = next_window();
        if (window == WindowGrid::kNone || grid_.max_timestamp(window) > time) { break; }
        guard([&] { begin_firing(window); });
      }
      while (fired_keys_ < firing_count()) {
        if (!ready()) { return Progress::kBlocked; }
        guard([&] { emit_some(); });
      }
      is_firing_ = false;
      is_merged_ = false;
      fire_from_ = window_ + 1;
      drop_slices();
    }
    fire_from_ = std::max(fire_from_, grid_.first_window_after(time));
    drop_slices();
    is_advancing_ = false;
    require(store_->status());
    return Progress::kDone;
  }
  // A window of one slice is emitted from the store; of several, from what they are merged to.
  void begin_firing(int64_t window) {
    window_ = window;
    is_firing_ = true;
    fired_keys_ = 0;
    const WindowGrid::Range range =
        expands_ ? WindowGrid::Range{window, window} : grid_.slices_of(window);
    is_merged_ = false;
    parts_.clear();
    for (const auto& slice : slices_) {
      if (slice->number >= range.first && slice->number <= range.last) {
        parts_.push_back(slice.get());
      }
    }
    if (parts_.size() == 1) { return; }
    if (grid_.is_cumulative()) { return join_parts(); }
    is_merged_ = true;
    if (!merged_.has_value()) { merged_.emplace(this->context().memory(), set_.bytes()); }
    merged_->begin();
    for (Slice* const part : parts_) {
      if (!part->rows.empty()) {
        merge_rows(*part);
        if (part->windows.last <= window_) { clear_rows(*part, 0, part->keys.size()); }
        continue;
      }
      visit(*part, 0, part->keys.size(), [&](size_t i, std::byte* row) {
        merge(part->keys[i], hash64(part->keys[i]), cell_->find(row));
        if (part->windows.last <= window_) { clear_cells(row); }
      });
    }
  }
  // Of a slice whose rows are known, and need not be looked up.
  void merge_rows(const Slice& part) {
    constexpr size_t kAhead = 16;
    constexpr size_t kEntryAhead = 8;
    std::array<uint64_t, kAhead> hashes;
    const size_t count = part.keys.size();
    for (size_t i = 0; i < count + kAhead; ++i) {
      if (i >= kAhead) {
        const size_t at = i - kAhead;
        merge(part.keys[at], hashes[at % kAhead], cell_->cell(part.rows[at]));
      }
      if (i < count) {
        hashes[i % kAhead] = hash64(part.keys[i]);
        merged_->prefetch(hashes[i % kAhead]);
        __builtin_prefetch(part.rows[i] + cell_->offset());
      }
      if (i >= kAhead - kEntryAhead && i - (kAhead - kEntryAhead) < count) {
        merged_->prefetch_entry(hashes[(i - (kAhead - kEntryAhead)) % kAhead]);
      }
    }
  }
  size_t firing_count() const { return is_merged_ ? merged_->size() : parts_.front()->keys.size(); }
  void merge(const K& key, uint64_t hash, const std::byte* cell) {
    bool inserted = false;
    std::byte* const merged = merged_->find_or_add(key, hash, inserted);
    if (inserted) { set_.init(merged); }
    set_.merge(merged, cell, merged_->heap);
  }
  // All later windows that have the first slice have the others too: from now on they are one.
  void join_parts() {
    Slice& first = *parts_.front();
    std::vector<std::byte> scratch(set_.bytes() + sizeof(uint64_t));
    const size_t bytes = set_.bytes();
    for (size_t p = 1; p < parts_.size(); ++p) {
      Slice& part = *parts_[p];
      for (size_t begin = 0; begin < part.keys.size(); begin += kChunk) {
        const size_t end = std::min<size_t>(part.keys.size(), begin + kChunk);
        std::vector<uint64_t> copies((bytes / sizeof(uint64_t) + 1) * (end - begin));
        const auto copy_of = [&](size_t i) {
          return reinterpret_cast<std::byte*>(copies.data() +
                                              (bytes / sizeof(uint64_t) + 1) * (i - begin));
        };
        visit(part, begin, end, [&](size_t i, std::byte* row) {
          set_.init(copy_of(i));
          set_.merge(copy_of(i), cell_->find(row), store_->heap());
          clear_cells(row);
        });
        visit_as(first.number, part, begin, end, [&](size_t i, std::byte*) {
          bool is_new = false;
          std::byte* const row = store_->ensure_row();
          std::byte* const cell = cell_->open(row, is_new);
          if (is_new) { list_key(first, part.keys[i], row); }
          set_.merge(cell, copy_of(i), store_->heap());
          set_.release(copy_of(i), store_->heap());
        });
      }
      part.windows.last = kMin;  // goes when the window has fired
    }
    parts_.resize(1);
  }
  // f(i, row) for the keys [begin, end) of a slice, as keys of slice `number`; the key is current.
  template <class F>
  void visit_as(int64_t number, const Slice& slice, size_t begin, size_t end, F f) {
    for (size_t from = begin; from < end; from += kChunk) {
      const size_t to = std::min<size_t>(end, from + kChunk);
      slice_keys_.clear();
      for (size_t i = from; i < to; ++i) { slice_keys_.push_back({slice.keys[i], number}); }
      KeyedBatch batch(*store_, 0, static_cast<uint32_t>(to - from),
                       [&](uint32_t i) -> const Key& { return slice_keys_[i]; });
      for (size_t i = from; i < to; ++i) {
        batch.select(static_cast<uint32_t>(i - from));
        f(i, store_->current_row());
      }
    }
  }
  template <class F>
  void visit(const Slice& slice, size_t begin, size_t end, F f) {
    visit_as(slice.number, slice, begin, end, f);
  }

  // The results of the next keys of the window at work.
  void emit_some() {
    const size_t begin = fired_keys_;
    const size_t end = std::min<size_t>(firing_count(), begin + kChunk);
    fired_keys_ = end;
    calls_->clear_results();
    emitted_keys_.clear();
    cells_.clear();
    if (is_merged_) {
      take_merged(begin, end);
      calls_->results(cells_, 0, 1);
      emit();
      return release_merged(begin, end);
    }
    const Slice& slice = *parts_.front();
    if (!slice.rows.empty() && !calls_->has_values()) {
      for (size_t i = begin; i < end; ++i) {
        take_result(slice.keys[i], cell_->cell(slice.rows[i]));
      }
      calls_->results(cells_, 0, 1);
      emit();
      if (slice.windows.last <= window_) { clear_rows(slice, begin, end); }
      return;
    }
    emit_stored(slice, begin, end);
  }
  void take_merged(size_t begin, size_t end) {
    if (set_.counts_rows() || window_ < fired_until_) {
      for (size_t i = begin; i < end; ++i) { take_result(merged_->key(i), merged_->cell(i)); }
      return;
    }
    emitted_keys_.resize(end - begin);
    cells_.resize(end - begin);
    for (size_t i = begin; i < end; ++i) {
      emitted_keys_[i - begin] = merged_->key(i);
      cells_[i - begin] = merged_->cell(i);
    }
  }
  // The same of keys that are looked up.
  void emit_stored(const Slice& slice, size_t begin, size_t end) {
    slice_keys_.clear();
    for (size_t i = begin; i < end; ++i) { slice_keys_.push_back({slice.keys[i], slice.number}); }
    KeyedBatch batch(*store_, 0, static_cast<uint32_t>(end - begin),
                     [&](uint32_t i) -> const Key& { return slice_keys_[i]; });
    for (size_t i = begin; i < end; ++i) {
      batch.select(static_cast<uint32_t>(i - begin));
      std::byte* const row = store_->current_row();
      const auto at = static_cast<uint32_t>(cells_.size());
      if (take_result(slice.keys[i], cell_->find(row))) { calls_->value_results(row, at); }
    }
    calls_->results(cells_, 0, 1);
    emit();
    if (slice.windows.last > window_) { return; }
    for (const Key& key : slice_keys_) {
      store_->set_current(key);
      clear_cells(store_->current_row());
    }
    store_->clear_current();
  }
  // False when the key gives nothing.
  bool take_result(const K& key, std::byte* cell) {
    if (cell == nullptr) { return false; }
    if (set_.counts_rows() && AggregateSet::row_count(cell) <= 0) { return false; }
    if (window_ < fired_until_ &&
        saved_drops_.was_fired(key_hash(key, this->context().max_parallelism()).group, window_)) {
      return false;
    }
    emitted_keys_.push_back(key);
    cells_.push_back(cell);
    return true;
  }
  // Ends the keys [begin, end) of a slice, whose rows are known.
  void clear_rows(const Slice& slice, size_t begin, size_t end) {
    for (size_t from = begin; from < end; from += kChunk) {
      const size_t to = std::min<size_t>(end, from + kChunk);
      slice_keys_.clear();
      for (size_t i = from; i < to; ++i) { slice_keys_.push_back({slice.keys[i], slice.number}); }
      KeyedBatch<Key, std::span<const Key>> batch(*store_, slice_keys_);
      batch.erase_rows(slice.rows.data() + from, [this](std::byte* row) { clear_cells(row); });
    }
  }
  void release_merged(size_t begin, size_t end) {
    if (merged_->heap.live_bytes() == 0) { return; }
    for (size_t i = begin; i < end; ++i) { set_.release(merged_->cell(i), merged_->heap); }
  }
  void emit() {
    const TimeWindow window = grid_.window(window_);
    emit_columns(
        output(), output_types_, cells_.size(), [&](ColumnBatch& out, size_t begin, size_t end) {
          const uint32_t at = out.size();
          std::vector<Column*> columns;
          for (size_t c = 0; c < spec_.keys.size(); ++c) { columns.push_back(&out.column(c)); }
          keys_.decode(std::span(std::as_const(emitted_keys_)).subspan(begin, end - begin), columns,
                       at, &out.arena());
          size_t c = spec_.keys.size();
          for (size_t call = 0; call < set_.size(); ++call) {
            copy_rows(calls_->column(call).view(), static_cast<uint32_t>(begin),
                      static_cast<uint32_t>(end), out.column(c++), at);
          }
          for (const WindowProperty property : spec_.properties) {
            Column& column = out.column(c++);
            column.ensure(at + static_cast<uint32_t>(end - begin));
            std::fill_n(column.values<int64_t>() + at, end - begin, property_of(window, property));
          }
          out.share_arena(calls_->arena());
        });
  }
  void wake_for_next_window() {
    if (is_event_time()) { return; }
    const int64_t window = next_window();
    if (window == WindowGrid::kNone || window >= woken_for_) { return; }
    woken_for_ = window;
    this->context().wake_at_wall_ms(grid_.max_timestamp(window));
  }

  const WindowAggregateSpec spec_;
  const AggregateSet set_;
  KeyReader keys_;
  const std::vector<LogicalType> output_types_;
  const WindowGrid grid_;
  PartialCells partials_;
  const bool expands_;  // there is a slice for each window
  LateRows late_;
  AggregateCell* cell_ = nullptr;
  std::unique_ptr<AggregateCalls> calls_;

  int64_t fire_from_ = kMin;    // windows before it have fired
  int64_t fired_until_ = kMin;  // some keys' windows, before a restore
  int64_t woken_for_ = WindowGrid::kNone;
  std::vector<std::unique_ptr<Slice>> slices_;
  Slice* recent_ = nullptr;  // of slices_: where the last row went

  // Of the rows at work.
  AggregateChunk chunk_;
  std::vector<uint32_t> rows_;
  std::vector<Slice*> slices_of_;
  std::vector<Key> slice_keys_;
  bool is_one_slice_ = false;  // all of them, it is known: recent_
  bool knows_rows_ = false;    // of recent keys
  RecentRows<K> known_;        // in known_slice_
  const Slice* known_slice_ = nullptr;
  std::vector<std::byte*> found_;  // rows of state of slice_keys_

  // Where `advance` goes on.
  bool is_advancing_ = false;
  bool is_firing_ = false;
  int64_t window_ = 0;
  std::vector<Slice*> parts_;
  bool is_merged_ = false;  // the window at work has several slices: what it gives is in merged_
  std::optional<Merged> merged_;
  size_t fired_keys_ = 0;
  std::vector<std::byte*> cells_;
  std::vector<K> emitted_keys_;

  DroppedUnits saved_drops_;
};

}  // namespace

RowType window_aggregate_output(const WindowAggregateSpec& spec) {
  RowType output = keys_and_results(spec.input, spec.keys, spec.calls);
  const RowType& rows = rows_of(spec);
  static constexpr std::array<const char*, 3> kNames{"window_start", "window_end", "window_time"};
  for (const WindowProperty property : spec.properties) {
    LogicalType type = LogicalType::with(TypeKind::kTimestamp, 3, 0, false);
    if (spec.time >= 0 && property == WindowProperty::kTime) {
      type = rows.types[static_cast<size_t>(spec.time)].as_nullable(false);
    }
    output.add(kNames[static_cast<size_t>(property)], std::move(type));
  }
  return output;
}

Result<std::unique_ptr<Operator>> make_window_aggregate(WindowAggregateSpec spec) {
  TIDEWHEEL_RETURN_IF_ERROR(check_window(spec.window));
  if (spec.window.kind == GridWindow::Kind::kSession) {
    return make_session_aggregate(std::move(spec));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      auto set, AggregateSet::make(rows_of(spec).types, spec.calls, spec.input_retracts,
                                   spec.input_retracts));
  const bool is_int = KeyReader(spec.input.types, spec.keys).is_int();
  return make_by_key<WindowAggregate>(is_int, std::move(spec), std::move(set));
}

}  // namespace tidewheel::sql
