// Windows on a grid (tumbling, sliding, cumulative) with a fold and the default trigger. Time is
// cut into slices; each slice has one table of accumulators by key, and a row touches one slice
// only, however many windows it is part of. Firing a window merges its slices; a slice that no
// window needs any more is dropped as a whole. There is no timer for each key, but one for each
// window. With a state backend StoredSlicingWindow does all this.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tidewheel/operators/stored_slicing_window.h"
#include "tidewheel/operators/window_fold.h"
#include "tidewheel/operators/window_operator.h"
#include "tidewheel/operators/window_snapshot.h"
#include "tidewheel/state/keyed_table.h"

namespace tidewheel {

template <class K, class T, class KeyOf, class Fold>
class SlicingWindowOperator final : public WindowOperator<T, typename Fold::Output> {
  using Base = WindowOperator<T, typename Fold::Output>;
  using Accumulator = typename Fold::Accumulator;
  using Table = KeyedTable<K, Accumulator>;
  using Stored = StoredSlicingWindow<K, T, KeyOf, Fold>;

 public:
  SlicingWindowOperator(WindowGrid grid, KeyOf key_of, Fold fold, WindowSettings<T> settings,
                        std::shared_ptr<const NodeLinks> links)
      : Base(std::move(settings), std::move(links)),
        grid_(grid),
        key_of_(std::move(key_of)),
        fold_(std::move(fold)),
        saved_slices_("slices", grid.describe()) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(Base::open(context));
    SnapshotReader* const reader = std::exchange(reader_, nullptr);
    const int64_t watermark = saved_watermark_.restored();
    TIDEWHEEL_ASSIGN_OR_RETURN(StateBackend* const backend, context.state_backend());
    if (backend != nullptr) {
      stored_ = std::make_unique<Stored>(*this, grid_, key_of_, fold_, saved_slices_.meta());
      return stored_->open(*backend, reader, watermark, saved_drops_);
    }
    if (reader != nullptr) { TIDEWHEEL_RETURN_IF_ERROR(check_readable_without_backend(*reader)); }
    if (watermark != kMinWatermark) {
      this->set_watermark(watermark);
      fire_from_ = grid_.first_window_after(watermark);
      live_from_ = live_from(watermark, fire_from_);
    }
    // At an unaligned barrier subtasks may have come further than the least watermark.
    fire_from_ = std::max(fire_from_, saved_drops_.fire_from(context.key_groups()));
    live_from_ = std::max(live_from_, saved_drops_.kept_from(context.key_groups()));
    fired_until_ = saved_drops_.fired_until();
    plan_ = ChangePlan(context.key_groups(), this->keeps_changes());
    TIDEWHEEL_RETURN_IF_ERROR(saved_slices_.load(
        context.max_parallelism(), [this](const K& key, int64_t number, const Accumulator& value) {
          restore_entry(key, number, value);
        }));
    wake_for_next_window();
    return {};
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    if (stored_ != nullptr) { return stored_->on_rows(rows, cursor); }
    const auto& in = RowBatch<T>::of(*rows.batch);
    if (!this->is_event_time()) {
      // Between windows with gaps there may be none.
      if (Slice* slice = slice_at(this->processing_time_now())) {
        add_run(*slice, in, cursor, rows.end);
      }
      cursor = rows.end;
      wake_for_next_window();
    }
    while (cursor < rows.end) {
      if (!this->ready()) { return Progress::kBlocked; }
      const uint32_t end = run_end(in, cursor, rows.end);
      if (end > cursor) {
        add_run(*recent_, in, cursor, end);
        cursor = end;
      } else if (add_mixed(in, rows.end, cursor) == Progress::kBlocked) {
        return Progress::kBlocked;
      }
    }
    if (recent_ != nullptr) { this->require_memory(recent_->table.status()); }
    return Progress::kDone;
  }

  Progress on_watermark(int64_t time_ms) override {
    if (this->is_event_time() && advance(time_ms) == Progress::kBlocked) {
      return Progress::kBlocked;
    }
    return Operator::on_watermark(time_ms);
  }
  Progress on_processing_time(int64_t now_ms) override {
    if (this->is_event_time()) { return Progress::kDone; }
    if (stored_ != nullptr) { stored_->forget_wake(); }
    woken_for_ = WindowGrid::kNone;
    if (advance(now_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    wake_for_next_window();
    return Progress::kDone;
  }
  // Windows by the clock that are open at the end of the input fire too: nothing more will come.
  Progress on_end_of_input(int32_t) override {
    return this->is_event_time() ? Progress::kDone : advance(kMaxWatermark);
  }
  std::optional<int64_t> waits_until_ns() const override {
    return stored_ != nullptr && stored_->is_waiting() ? std::optional(Clock::kNever)
                                                       : std::nullopt;
  }

  // Entries by (key, slice); slice by slice within a key group. Slices that are dropped meanwhile
  // are kept until they are written.
  void begin_snapshot(const SnapshotStart& start) override {
    abort_writing();
    plan_.begin(start);
    saved_watermark_.start(this->watermark());
    if (stored_ != nullptr) { return stored_->begin_snapshot(start, saved_drops_); }
    saved_drops_.start(this->context().key_groups(), live_from_, {}, fire_from_);
    saved_slices_.start(this->context().key_groups(), plan_);
    for (const auto& slice : slices_) {
      slice->saver.slice = slice.get();
      slice->saver.op = this;
      // All of a slice that is new has changed.
      slice->table.begin_snapshot(
          slice->saver, slice->table.keeps_changes() ? plan_.content() : StateContent::kAll,
          plan_.keeps_changes());
      saving_.push_back(slice.get());
    }
    is_saving_ = true;
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (!is_saving_ && stored_ == nullptr) { return Progress::kDone; }
    if (!writer.ready()) { return Progress::kBlocked; }
    saved_watermark_.write(writer);
    saved_drops_.write(writer);
    if (stored_ != nullptr) { return stored_->snapshot(writer); }
    const bool is_done =
        saved_slices_.write(writer, [this](int32_t group, size_t& budget, auto ready) {
          for (; saving_at_ < saving_.size(); ++saving_at_) {
            if (!saving_[saving_at_]->table.write_group(group, budget, ready)) { return false; }
          }
          saving_at_ = 0;
          return true;
        });
    if (!is_done) { return this->snapshot_blocked(writer); }
    abort_writing();
    return Progress::kDone;
  }
  bool snapshots_in_background() const override { return true; }
  void abort_snapshot() override {
    if (stored_ != nullptr) { return stored_->abort_snapshot(); }
    abort_writing();
    plan_.write_all_next();
  }
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_RETURN_IF_ERROR(saved_watermark_.read(reader));
    TIDEWHEEL_RETURN_IF_ERROR(saved_drops_.read(reader));
    reader_ = &reader;
    return saved_slices_.read(reader);
  }

 private:
  struct Slice;
  using Saved = WindowState<K, int64_t, Accumulator>;

  // Gives what a slice has to the snapshot.
  struct SliceSaver final : public TableTracker<K, Accumulator> {
    void entry(int32_t group, const K& key, Accumulator& value) override {
      op->plan_.note_unit(group);
      op->saved_slices_.give(group, key, slice->number, value);
    }
    void erased(int32_t group, const K& key) override {
      op->plan_.note_erased(group);
      op->saved_slices_.erase(group, key, slice->number);
    }
    void cleared() override { op->plan_.write_all_next(); }
    bool is_whole(int32_t group) const override { return op->plan_.is_whole(group); }
    const Slice* slice = nullptr;
    SlicingWindowOperator* op = nullptr;
  };
  struct Slice {
    Slice(KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory)
        : table(groups, max_parallelism, memory, "window state") {}
    bool holds(int64_t time) const { return time >= times.first && time <= times.last; }

    int64_t number = 0;
    WindowGrid::Range times;
    WindowGrid::Range windows;
    Table table;
    SliceSaver saver;
  };
  static constexpr uint32_t kMixedRows = 64;  // rows whose slots are fetched ahead together
  static constexpr uint32_t kShortRun = 16;   // shorter runs go with mixed rows
  static constexpr size_t kFreeSlicesMax = 4;

  // What the subtask that has written it had dropped by then may still be there in older layers.
  void restore_entry(const K& key, int64_t number, const Accumulator& value) {
    const KeyHash hash = key_hash(key, this->context().max_parallelism());
    if (saved_drops_.was_dropped(hash.group, grid_.windows_of(number).last)) { return; }
    if (Slice* slice = slice_numbered(number)) {
      slice->table.assign(slice->table.upsert(key, hash), value);
    }
  }
  void abort_writing() {
    for (Slice* const slice : saving_) { slice->table.end_snapshot(); }
    saving_.clear();
    saving_at_ = 0;
    is_saving_ = false;
    for (auto& slice : held_) { drop(std::move(slice)); }
    held_.clear();
  }

  // ---- Rows.

  decltype(auto) key_at(const RowBatch<T>& in, uint32_t index) const {
    return std::invoke(key_of_, in.row(index));
  }
  // The end of the rows from `begin` that lie in one slice none of whose windows has fired (which
  // becomes recent_), or `begin` when those are few.
  uint32_t run_end(const RowBatch<T>& in, uint32_t begin, uint32_t end) {
    const int64_t* times = in.timestamps();
    if (recent_ == nullptr || !recent_->holds(times[begin])) {
      if (times[begin] == kNoTimestamp || slice_at(times[begin]) == nullptr) { return begin; }
    }
    if (recent_->windows.first < fire_from_) { return begin; }
    const int64_t first = recent_->times.first;
    const int64_t last = recent_->times.last;
    // Most batches lie in one slice: find that out without a branch for each row.
    bool all = true;
    for (uint32_t i = begin; i < end; ++i) { all &= times[i] >= first && times[i] <= last; }
    if (all && first != kNoTimestamp) { return end; }
    uint32_t run = begin;
    while (run < end && times[run] >= first && times[run] <= last && times[run] != kNoTimestamp) {
      ++run;
    }
    return run - begin >= kShortRun ? run : begin;
  }
  void fold_into(Slice& slice, const T& row, const K& key, KeyHash hash) {
    bool inserted = false;
    Accumulator& value = slice.table.upsert(key, hash, inserted);
    if (inserted) { value = fold_.init(); }
    fold_.add(value, row);
    slice.table.settle(value);
  }
  void add_run(Slice& slice, const RowBatch<T>& in, uint32_t begin, uint32_t end) {
    uint32_t at = begin;
    try {
      if constexpr (std::is_same_v<K, Unkeyed>) {
        bool inserted = false;
        Accumulator& value = slice.table.upsert(K{}, slice.table.hash_of(K{}), inserted);
        if (inserted) { value = fold_.init(); }
        for (; at < end; ++at) { fold_.add(value, in.row(at)); }
        slice.table.settle(value);
      } else {
        visit_prefetched(
            slice.table, begin, end,
            [&](uint32_t index) -> decltype(auto) { return key_at(in, index); },
            [&](uint32_t index, KeyHash hash) {
              at = index;
              fold_into(slice, in.row(index), key_at(in, index), hash);
              return true;
            });
      }
    } catch (...) {
      rethrow_user_failure(this->context(), Fold::kName, describe_record(in.row(at)));
    }
  }
  // Takes up to kMixedRows rows of any slices, late ones among them, in their order.
  Progress add_mixed(const RowBatch<T>& in, uint32_t end, uint32_t& cursor) {
    Slice* slices[kMixedRows];
    KeyHash hashes[kMixedRows];
    const uint32_t begin = cursor;
    const uint32_t count = std::min(end - begin, kMixedRows);
    const int32_t max_parallelism = this->context().max_parallelism();
    uint32_t at = begin;
    try {
      for (uint32_t i = 0; i < count; ++i) {
        at = begin + i;
        this->require_timestamp(in.row(at), in.timestamps()[at]);
        slices[i] = slice_at(in.timestamps()[at]);
        if (slices[i] == nullptr) { continue; }
        hashes[i] = key_hash(key_at(in, at), max_parallelism);
        slices[i]->table.prefetch(hashes[i]);
      }
      for (uint32_t i = 0; i < count; ++i) {
        at = begin + i;
        if (slices[i] == nullptr || slices[i]->windows.first < fire_from_) [[unlikely]] {
          if (!this->ready()) {
            cursor = at;
            return Progress::kBlocked;
          }
        }
        if (slices[i] == nullptr) {
          this->take_late(in.row(at), in.timestamps()[at], in);
          continue;
        }
        fold_into(*slices[i], in.row(at), key_at(in, at), hashes[i]);
        if (slices[i]->windows.first < fire_from_) [[unlikely]] {
          fire_late(*slices[i], key_at(in, at), hashes[i]);
        }
      }
    } catch (...) {
      rethrow_user_failure(this->context(), Fold::kName, describe_record(in.row(at)));
    }
    cursor = begin + count;
    return Progress::kDone;
  }

  // ---- Slices, in the order of their numbers; few.

  // The slice of a time, made when it is new; it becomes recent_. Null when all its windows are
  // late, or it has none.
  Slice* slice_at(int64_t time) {
    if (recent_ != nullptr && recent_->holds(time)) { return recent_; }
    Slice* slice = slice_numbered(grid_.slice_of(time));
    if (slice != nullptr) { recent_ = slice; }
    return slice;
  }
  Slice* slice_numbered(int64_t number) {
    auto place = slices_.end();
    while (place != slices_.begin() && (*std::prev(place))->number > number) { --place; }
    if (place != slices_.begin() && (*std::prev(place))->number == number) {
      return std::prev(place)->get();
    }
    const WindowGrid::Range windows = grid_.windows_of(number);
    if (windows.empty() || windows.last < live_from_) { return nullptr; }
    auto slice = take_slice();
    slice->number = number;
    slice->times = grid_.slice_times(number);
    slice->windows = windows;
    return slices_.insert(place, std::move(slice))->get();
  }
  std::unique_ptr<Slice> take_slice() {
    if (free_.empty()) {
      OperatorContext& context = this->context();
      return std::make_unique<Slice>(context.key_groups(), context.max_parallelism(),
                                     &context.memory());
    }
    auto slice = std::move(free_.back());
    free_.pop_back();
    return slice;
  }
  // Nobody is told of the entries of a slice whose windows are all gone: see DroppedUnits.
  void drop(std::unique_ptr<Slice> slice) {
    if (recent_ == slice.get()) { recent_ = nullptr; }
    if (slice->table.is_writing()) {
      held_.push_back(std::move(slice));
      return;
    }
    if (free_.size() >= kFreeSlicesMax) { return; }
    slice->table.forget_changes();
    slice->table.clear();
    free_.push_back(std::move(slice));
  }
  template <class Matches>
  void drop_slices_if(Matches matches) {
    size_t kept = 0;
    for (auto& slice : slices_) {
      if (matches(*slice)) {
        drop(std::move(slice));
      } else {
        slices_[kept++] = std::move(slice);
      }
    }
    slices_.resize(kept);
  }

  // ---- Firing.

  // The first window that has rows and has not fired; kNone when there is none.
  int64_t next_window() const {
    for (const auto& slice : slices_) {
      if (slice->windows.last >= fire_from_ && !slice->table.empty()) {
        return std::max(slice->windows.first, fire_from_);
      }
    }
    return WindowGrid::kNone;
  }
  // Fires all windows that end by `time`. Resumes from the window at work (firing_).
  Progress advance(int64_t time) {
    if (stored_ != nullptr) { return stored_->advance(time); }
    if (!advancing_) {
      if (time <= this->watermark()) { return Progress::kDone; }
      this->set_watermark(time);
      advancing_ = true;
    }
    for (;;) {
      if (firing_ == nullptr) {
        const int64_t window = next_window();
        if (window == WindowGrid::kNone || grid_.max_timestamp(window) > time) { break; }
        begin_firing(window);
      }
      if (emit_results() == Progress::kBlocked) { return Progress::kBlocked; }
      fire_from_ = firing_window_ + 1;
      firing_ = nullptr;
      if (merged_ != nullptr) { drop(std::move(merged_)); }
      live_from_ = std::max(live_from_, live_from(time, fire_from_));
      drop_slices_if([this](const Slice& slice) { return slice.windows.last < live_from_; });
    }
    fire_from_ = std::max(fire_from_, grid_.first_window_after(time));
    live_from_ = std::max(live_from_, live_from(time, fire_from_));
    drop_slices_if([this](const Slice& slice) { return slice.windows.last < live_from_; });
    advancing_ = false;
    return Progress::kDone;
  }
  // The first window that is not late. Never beyond `fired`, so that what has not fired is kept.
  int64_t live_from(int64_t time, int64_t fired) const {
    return std::min(fired, grid_.first_window_after(saturating_subtract(time, this->lateness())));
  }
  // Chooses the table that the results are emitted from: the window's one slice, or a merge of
  // them. The merge is made in the first slice when no later window needs that one by itself.
  void begin_firing(int64_t window) {
    firing_window_ = window;
    cursor_ = typename Table::Cursor();
    const WindowGrid::Range range = grid_.slices_of(window);
    std::vector<Slice*> parts;
    for (const auto& slice : slices_) {
      if (slice->number >= range.first && slice->number <= range.last) {
        parts.push_back(slice.get());
      }
    }
    firing_ = parts.front();
    if (parts.size() == 1) { return; }
    if (this->lateness() == 0 && (grid_.is_cumulative() || firing_->windows.last == window)) {
      for (size_t i = 1; i < parts.size(); ++i) { merge_slice(*firing_, *parts[i]); }
      if (grid_.is_cumulative()) {
        // All later windows hold all of these slices: from now on they are one. Snapshots have to
        // say so, because the windows of those that go are not gone.
        drop_slices_if([&](Slice& slice) {
          if (slice.number <= firing_->number || slice.number > range.last) { return false; }
          if (slice.table.keeps_changes()) {
            slice.table.erase_if([](const K&, const Accumulator&) { return true; });
          }
          return true;
        });
      }
      return;
    }
    merged_ = take_slice();
    for (Slice* part : parts) { merge_slice(*merged_, *part); }
    firing_ = merged_.get();
  }
  void merge_slice(Slice& into, Slice& from) {
    try {
      into.table.merge_from(from.table,
                            [&](Accumulator& mine, const Accumulator& theirs, bool inserted) {
                              if (inserted) {
                                into.table.assign(mine, theirs);
                              } else {
                                fold_.merge(mine, theirs);
                                into.table.settle(mine);
                              }
                            });
    } catch (...) { rethrow_user_failure(this->context(), "merge", ""); }
    this->require_memory(into.table.status());
  }
  Progress emit_results() {
    this->emitter().begin(grid_.window(firing_window_), this->watermark());
    const K* key = nullptr;
    Accumulator* value = nullptr;
    try {
      while (this->ready()) {
        if (!firing_->table.next(cursor_, key, value)) { return Progress::kDone; }
        if (firing_window_ < fired_until_ &&
            saved_drops_.was_fired(firing_->table.hash_of(*key).group, firing_window_)) {
          continue;
        }
        fold_.finish(*key, this->emitter().window(), *value, this->emitter());
      }
    } catch (...) { rethrow_user_failure(this->context(), "the window's result", ""); }
    return Progress::kBlocked;
  }
  // Fires those windows of a slice that have fired before and are not gone yet, for one key.
  void fire_late(const Slice& slice, const K& key, KeyHash hash) {
    const int64_t first = std::max(slice.windows.first, live_from_);
    const int64_t last = std::min(slice.windows.last, fire_from_ - 1);
    for (int64_t window = first; window <= last; ++window) {
      const WindowGrid::Range range = grid_.slices_of(window);
      Accumulator all = fold_.init();
      bool any = false;
      for (const auto& part : slices_) {
        if (part->number < range.first || part->number > range.last) { continue; }
        const Accumulator* value = std::as_const(part->table).find(key, hash);
        if (value == nullptr) { continue; }
        if (any) {
          fold_.merge(all, *value);
        } else {
          all = *value;
        }
        any = true;
      }
      this->emitter().begin(grid_.window(window), this->watermark());
      fold_.finish(key, this->emitter().window(), all, this->emitter());
    }
  }
  void wake_for_next_window() {
    if (stored_ != nullptr) { return stored_->wake_for_next_window(); }
    if (this->is_event_time()) { return; }
    const int64_t window = next_window();
    if (window == WindowGrid::kNone || window >= woken_for_) { return; }
    woken_for_ = window;
    this->context().wake_at_wall_ms(grid_.max_timestamp(window));
  }

  const WindowGrid grid_;
  const KeyOf key_of_;
  Fold fold_;
  SnapshotReader* reader_ = nullptr;  // until `open`
  std::unique_ptr<Stored> stored_;    // with a backend; then nothing below is used

  std::vector<std::unique_ptr<Slice>> slices_;
  Slice* recent_ = nullptr;  // of slices_: where the last row went
  std::vector<std::unique_ptr<Slice>> free_;
  int64_t fire_from_ = std::numeric_limits<int64_t>::min();  // windows before it have fired
  int64_t live_from_ = std::numeric_limits<int64_t>::min();  // windows before it are gone
  int64_t fired_until_ =
      std::numeric_limits<int64_t>::min();  // some keys' windows, before a restore
  int64_t woken_for_ = WindowGrid::kNone;   // processing time: the window that a wake was asked for

  // Where `advance` goes on.
  bool advancing_ = false;
  Slice* firing_ = nullptr;  // whose table is being emitted: one of slices_, or merged_
  std::unique_ptr<Slice> merged_;
  int64_t firing_window_ = 0;
  typename Table::Cursor cursor_;

  // Where `snapshot` goes on.
  bool is_saving_ = false;
  std::vector<Slice*> saving_;  // all that there were at the barrier; of slices_ or held_
  size_t saving_at_ = 0;
  std::vector<std::unique_ptr<Slice>> held_;  // dropped, and not written yet
  ChangePlan plan_;
  Saved saved_slices_;
  WatermarkState saved_watermark_;
  DroppedUnits saved_drops_;
};

}  // namespace tidewheel
