// Windows on a grid with a fold whose state is in a backend: what SlicingWindowOperator does, with
// the accumulators in a SliceStore. Windows fire by one pass over what is stored, key by key, so
// that nothing is read at random, and there are no timers for keys. The accumulators of dead slices
// go in the next pass.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/operators/slice_store.h"
#include "tidewheel/operators/window_fold.h"
#include "tidewheel/operators/window_operator.h"
#include "tidewheel/operators/window_snapshot.h"

namespace tidewheel {

template <class K, class T, class KeyOf, class Fold>
class StoredSlicingWindow final : public WindowEngine<T, typename Fold::Output> {
  using Base = WindowEngine<T, typename Fold::Output>;
  using Accumulator = typename Fold::Accumulator;
  using Store = SliceStore<K, Accumulator>;
  using Slice = typename Store::Slice;
  using Cached = typename Store::Cached;
  using Fate = typename Store::Fate;

 public:
  // `meta` is that of the state in memory; what is referred to lives longer.
  StoredSlicingWindow(WindowOperator<T, typename Fold::Output>& host, const WindowGrid& grid,
                      const KeyOf& key_of, Fold& fold, StateMeta meta)
      : Base(host),
        grid_(grid),
        key_of_(key_of),
        fold_(fold),
        store_(std::move(meta), this->context().key_groups(), this->context().max_parallelism(),
               &this->context().memory(), [context = &this->context()] { context->wake(); }) {}

  // `reader` may be null; of the watermark and what was dropped by then it has been read already.
  Status open(StateBackend& backend, SnapshotReader* reader, int64_t watermark,
              const DroppedUnits& drops) {
    if (watermark != kMinWatermark) {
      this->set_watermark(watermark);
      fire_from_ = grid_.first_window_after(watermark);
      live_from_ = live_from(watermark, fire_from_);
    }
    fire_from_ = std::max(fire_from_, drops.fire_from(this->context().key_groups()));
    live_from_ = std::max(live_from_, drops.kept_from(this->context().key_groups()));
    fired_until_ = drops.fired_until();
    drops_ = &drops;
    const auto keeps = [&](int32_t group, int64_t number) {
      if (drops.was_dropped(group, grid_.windows_of(number).last)) { return false; }
      Slice* const slice = slice_numbered(number);
      if (slice != nullptr) { slice->is_stored = true; }
      return slice != nullptr;
    };
    TIDEWHEEL_RETURN_IF_ERROR(store_.open(backend, reader, keeps));
    if (store_.is_restored()) { take_over(drops); }
    wake_for_next_window();
    return store_.status();
  }

  Progress on_rows(const Element& rows, uint32_t& cursor) {
    const auto& in = RowBatch<T>::of(*rows.batch);
    const int64_t now = this->is_event_time() ? 0 : this->processing_time_now();
    while (cursor < rows.end) {
      if (!this->ready()) { return Progress::kBlocked; }
      if (add_some(in, std::min(rows.end, cursor + kRowsMax), now, cursor) == Progress::kBlocked) {
        return Progress::kBlocked;
      }
    }
    if (!this->is_event_time()) { wake_for_next_window(); }
    return Progress::kDone;
  }
  // Fires all windows that end by `time`. Resumes from the window at work (is_firing_).
  Progress advance(int64_t time);
  // `advance` is blocked until the snapshot that is under way has been cut off.
  bool is_waiting() const { return is_waiting_; }
  void wake_for_next_window() {
    if (this->is_event_time()) { return; }
    const int64_t window = next_window();
    if (window == WindowGrid::kNone || window >= woken_for_) { return; }
    woken_for_ = window;
    this->context().wake_at_wall_ms(grid_.max_timestamp(window));
  }
  void forget_wake() { woken_for_ = WindowGrid::kNone; }

  void begin_snapshot(const SnapshotStart& start, DroppedUnits& drops) {
    std::vector<int64_t> numbers;
    for (const auto& slice : store_.slices()) { numbers.push_back(slice->number); }
    drops.start(this->context().key_groups(), live_from_, std::move(numbers), fire_from_);
    store_.begin_snapshot(start);
  }
  Progress snapshot(SnapshotWriter& writer) {
    const bool is_done = store_.write(writer);
    this->require(store_.status());
    return is_done ? Progress::kDone : this->snapshot_blocked(store_, writer);
  }
  void abort_snapshot() { store_.abort_snapshot(); }

 private:
  static constexpr uint32_t kRowsMax = 1024;   // whose accumulators are read together
  static constexpr size_t kDeadSlicesMax = 8;  // that wait for a pass

  decltype(auto) key_at(const RowBatch<T>& in, uint32_t index) const {
    return std::invoke(key_of_, in.row(index));
  }

  // ---- Restoring.

  // The backend has its own snapshot: which slices there are was written beside it.
  void take_over(const DroppedUnits& drops) {
    for (const int64_t number : drops.slices_of(this->context().key_groups())) {
      if (Slice* const slice = slice_numbered(number)) {
        slice->is_stored = true;
      } else {
        dead_.push_back(number);
      }
    }
    if (!drops.any_dropped(this->context().key_groups(), live_from_)) { return; }
    store_.begin_pass();
    static_cast<void>(store_.next_key([&](int32_t group, int64_t number) {
      const bool is_gone = drops.was_dropped(group, grid_.windows_of(number).last);
      return is_gone ? Fate::kErase : Fate::kKeep;
    }));
    store_.end_pass();
  }

  // ---- Rows.

  Progress add_some(const RowBatch<T>& in, uint32_t end, int64_t now, uint32_t& cursor) {
    const int32_t max_parallelism = this->context().max_parallelism();
    const uint32_t begin = cursor;
    uint32_t at = begin;
    slices_.resize(end - begin);
    hashes_.resize(end - begin);
    try {
      store_.make_room(end - begin);
      for (; at < end; ++at) {
        const int64_t time = this->is_event_time() ? in.timestamps()[at] : now;
        this->require_timestamp(in.row(at), time);
        Slice* const slice = slice_at(time);
        slices_[at - begin] = slice;
        if (slice == nullptr) { continue; }
        hashes_[at - begin] = key_hash(key_at(in, at), max_parallelism);
        if (slice->is_stored || slice->windows.first < fire_from_) {
          want(*slice, key_at(in, at), hashes_[at - begin]);
        } else {
          slice->table.prefetch(hashes_[at - begin]);
        }
      }
      store_.load();
      for (at = begin; at < end; ++at) {
        Slice* const slice = slices_[at - begin];
        const bool fires = slice == nullptr || slice->windows.first < fire_from_;
        if (fires && !this->ready()) {
          cursor = at;
          return Progress::kBlocked;
        }
        if (slice == nullptr) {
          // By the clock, between windows with gaps there may be none.
          if (this->is_event_time()) { this->take_late(in.row(at), in.timestamps()[at], in); }
          continue;
        }
        const KeyHash hash = hashes_[at - begin];
        add_to(*slice, in.row(at), key_at(in, at), hash);
        if (fires) { fire_late(*slice, key_at(in, at), hash); }
      }
    } catch (...) {
      rethrow_user_failure(this->context(), Fold::kName,
                           describe_record(in.row(std::min(at, end - 1))));
    }
    cursor = end;
    this->require(store_.status());
    return Progress::kDone;
  }
  void add_to(Slice& slice, const T& row, const K& key, KeyHash hash) {
    bool inserted = false;
    Cached& entry = slice.table.upsert(key, hash, inserted);
    if (inserted) { entry.value = fold_.init(); }
    fold_.add(entry.value, row);
    slice.table.settle(entry);
    store_.note_change(entry);
  }
  // With what a late row needs to fire the windows that have fired before.
  void want(Slice& slice, const K& key, KeyHash hash) {
    store_.want(slice, key, hash);
    if (slice.windows.first >= fire_from_) [[likely]] { return; }
    const int64_t first = grid_.slices_of(std::max(slice.windows.first, live_from_)).first;
    const int64_t last = grid_.slices_of(std::min(slice.windows.last, fire_from_ - 1)).last;
    for (const auto& part : store_.slices()) {
      if (part->number >= first && part->number <= last) { store_.want(*part, key, hash); }
    }
  }
  // Fires those windows of a slice that have fired before and are not gone yet, for one key.
  void fire_late(const Slice& slice, const K& key, KeyHash hash) {
    const int64_t first = std::max(slice.windows.first, live_from_);
    const int64_t last = std::min(slice.windows.last, fire_from_ - 1);
    for (int64_t window = first; window <= last; ++window) {
      const WindowGrid::Range range = grid_.slices_of(window);
      std::optional<Accumulator> all;
      for (const auto& part : store_.slices()) {
        if (part->number < range.first || part->number > range.last) { continue; }
        const Cached* const entry = std::as_const(part->table).find(key, hash);
        if (entry != nullptr) { merge_into(all, entry->value); }
      }
      emit(window, key, *all);
    }
  }
  void merge_into(std::optional<Accumulator>& all, const Accumulator& value) {
    if (all.has_value()) {
      fold_.merge(*all, value);
    } else {
      all = value;
    }
  }
  void emit(int64_t window, const K& key, const Accumulator& value) {
    this->emitter().begin(grid_.window(window), this->watermark());
    fold_.finish(key, this->emitter().window(), value, this->emitter());
  }

  // ---- Slices, in the order of their numbers; few.

  Slice* slice_at(int64_t time) {
    if (recent_ != nullptr && recent_->holds(time)) { return recent_; }
    Slice* const slice = slice_numbered(grid_.slice_of(time));
    if (slice != nullptr) { recent_ = slice; }
    return slice;
  }
  Slice* slice_numbered(int64_t number) {
    auto& slices = store_.slices();
    auto place = slices.end();
    while (place != slices.begin() && (*std::prev(place))->number > number) { --place; }
    if (place != slices.begin() && (*std::prev(place))->number == number) {
      return std::prev(place)->get();
    }
    const WindowGrid::Range windows = grid_.windows_of(number);
    if (windows.empty() || windows.last < live_from_) { return nullptr; }
    auto slice = store_.make_slice();
    slice->number = number;
    slice->times = grid_.slice_times(number);
    slice->windows = windows;
    return slices.insert(place, std::move(slice))->get();
  }
  int64_t live_from(int64_t time, int64_t fired) const {
    return std::min(fired, grid_.first_window_after(saturating_subtract(time, this->lateness())));
  }
  bool has_dead(int64_t live) const {
    return std::any_of(store_.slices().begin(), store_.slices().end(),
                       [&](const auto& slice) { return slice->windows.last < live; });
  }
  void drop_dead() {
    std::erase_if(store_.slices(), [this](const std::unique_ptr<Slice>& slice) {
      if (slice->windows.last >= live_from_) { return false; }
      if (slice->is_stored && !has_passed_) { dead_.push_back(slice->number); }
      return true;
    });
    recent_ = nullptr;
  }

  // ---- Firing.

  // The first window that has rows and has not fired; kNone when there is none.
  int64_t next_window() const {
    for (const auto& slice : store_.slices()) {
      if (slice->windows.last >= fire_from_ && !slice->empty()) {
        return std::max(slice->windows.first, fire_from_);
      }
    }
    return WindowGrid::kNone;
  }
  void begin_firing(int64_t window, int64_t time) {
    is_firing_ = true;
    window_ = window;
    live_after_ = std::max(live_from_, live_from(time, window + 1));
    const WindowGrid::Range range = grid_.slices_of(window);
    firing_.clear();
    has_passed_ = false;
    for (const auto& slice : store_.slices()) {
      if (slice->number < range.first || slice->number > range.last) { continue; }
      firing_.push_back(slice.get());
      has_passed_ = has_passed_ || slice->is_stored;
    }
    is_passing_ = has_passed_;
    if (is_passing_) {
      store_.begin_pass();
    } else {
      static_cast<void>(store_.next_pass());
    }
    firing_at_ = 0;
    cursor_ = {};
  }
  // First the keys of which something is stored, then those that are in memory only.
  Progress emit_results() {
    try {
      while (is_passing_) {
        if (!this->ready()) { return Progress::kBlocked; }
        if (store_.next_key([this](int32_t, int64_t number) { return fate_of(number); })) {
          emit_stored();
        } else {
          store_.end_pass();
          dead_.clear();
          is_passing_ = false;
        }
      }
      for (; firing_at_ < firing_.size(); ++firing_at_, cursor_ = {}) {
        if (!emit_cached()) { return Progress::kBlocked; }
      }
    } catch (...) { rethrow_user_failure(this->context(), "the window's result", ""); }
    this->require(store_.status());
    return Progress::kDone;
  }
  Fate fate_of(int64_t number) const {
    const bool is_dead = grid_.windows_of(number).last < live_after_;
    const bool is_part = std::any_of(firing_.begin(), firing_.end(),
                                     [&](const Slice* slice) { return slice->number == number; });
    if (is_part) { return is_dead ? Fate::kTakeAndErase : Fate::kTake; }
    return is_dead ? Fate::kErase : Fate::kKeep;
  }
  // What is in memory is newer than what is stored.
  void emit_stored() {
    const K key = store_.pass_key();
    const KeyHash hash = key_hash(key, this->context().max_parallelism());
    std::optional<Accumulator> all;
    for (Slice* const slice : firing_) {
      if (Cached* const entry = slice->table.find(key, hash)) {
        entry->pass = store_.pass();
        merge_into(all, entry->value);
      } else if (const auto* const part = store_.part_of(slice->number)) {
        merge_into(all, store_.value_of(*part));
      }
    }
    if (all.has_value() && !was_fired(hash)) { emit(window_, key, *all); }
  }
  // In the subtask that had the key before a restore.
  bool was_fired(KeyHash hash) const {
    return window_ < fired_until_ && drops_->was_fired(hash.group, window_);
  }
  bool emit_cached() {
    auto& table = firing_[firing_at_]->table;
    const K* key = nullptr;
    Cached* entry = nullptr;
    while (this->ready()) {
      if (!table.next(cursor_, key, entry)) { return true; }
      if (entry->pass == store_.pass()) { continue; }
      std::optional<Accumulator> all = entry->value;
      const KeyHash hash = table.hash_of(*key);
      for (size_t i = firing_at_ + 1; i < firing_.size(); ++i) {
        Cached* const other = firing_[i]->table.find(*key, hash);
        if (other == nullptr) { continue; }
        other->pass = store_.pass();
        merge_into(all, other->value);
      }
      if (!was_fired(hash)) { emit(window_, *key, *all); }
    }
    return false;
  }
  void erase_dead() {
    live_after_ = live_from_;
    firing_.clear();
    store_.begin_pass();
    static_cast<void>(store_.next_key([this](int32_t, int64_t number) { return fate_of(number); }));
    store_.end_pass();
    dead_.clear();
  }

  const WindowGrid& grid_;
  const KeyOf& key_of_;
  Fold& fold_;
  Store store_;
  const DroppedUnits* drops_ = nullptr;                        // as they were restored
  Slice* recent_ = nullptr;                                    // where the last row went
  int64_t fire_from_ = std::numeric_limits<int64_t>::min();    // windows before it have fired
  int64_t live_from_ = std::numeric_limits<int64_t>::min();    // windows before it are gone
  int64_t fired_until_ = std::numeric_limits<int64_t>::min();  // some keys' windows, before that
  int64_t woken_for_ = WindowGrid::kNone;  // processing time: the window that a wake was asked for
  std::vector<int64_t> dead_;              // slices that are stored still, though dropped

  // Of the rows at work.
  std::vector<Slice*> slices_;
  std::vector<KeyHash> hashes_;

  // Where `advance` goes on.
  bool advancing_ = false;
  bool is_waiting_ = false;
  bool is_firing_ = false;
  bool is_passing_ = false;  // over what is stored
  bool has_passed_ = false;  // the window at work had something stored
  int64_t window_ = 0;
  int64_t live_after_ = 0;  // live_from_ when the window at work has fired
  std::vector<Slice*> firing_;
  size_t firing_at_ = 0;
  typename Store::Table::Cursor cursor_;
};

template <class K, class T, class KeyOf, class Fold>
Progress StoredSlicingWindow<K, T, KeyOf, Fold>::advance(int64_t time) {
  if (!advancing_) {
    if (time <= this->watermark()) { return Progress::kDone; }
    this->set_watermark(time);
    advancing_ = true;
  }
  for (;;) {
    if (!is_firing_) {
      const int64_t window = next_window();
      const bool fires = window != WindowGrid::kNone && grid_.max_timestamp(window) <= time;
      const int64_t fired = std::max(fire_from_, grid_.first_window_after(time));
      const int64_t live = std::max(live_from_, live_from(time, fired));
      is_waiting_ = (fires || has_dead(live)) && store_.is_gated();
      if (is_waiting_) { return Progress::kBlocked; }
      if (!fires) {
        fire_from_ = fired;
        live_from_ = live;
        break;
      }
      begin_firing(window, time);
    }
    if (emit_results() == Progress::kBlocked) { return Progress::kBlocked; }
    is_firing_ = false;
    fire_from_ = window_ + 1;
    live_from_ = live_after_;
    drop_dead();
  }
  has_passed_ = false;
  drop_dead();
  if (dead_.size() >= kDeadSlicesMax) { erase_dead(); }
  this->require(store_.status());
  advancing_ = false;
  return Progress::kDone;
}

}  // namespace tidewheel
