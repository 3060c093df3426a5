// Windows of two inputs: co_group hands all rows that both have for a key and window to a function;
// the window join gives each pair of them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/operators/generic_window.h"
#include "tidewheel/operators/join_rows.h"
#include "tidewheel/operators/stored_rows.h"
#include "tidewheel/operators/stored_window_scan.h"
#include "tidewheel/operators/window_operator.h"

namespace tidewheel {

// A function of both inputs' rows is a struct with `using Output`, `static constexpr const char*
// kName`, `static constexpr bool kInner` (whether it is run only for keys that both inputs have),
// and
//   template <class Left, class Right>
//   void finish(const K&, const TimeWindow&, const Left& each_left, const Right& each_right, auto&
//   context);
// where each_left(f) calls f(const L&) for every row of the left.

// `f(const L&, const R&)` gives one row for each pair.
template <class K, class L, class R, class F>
struct JoinFunction {
  using Output = std::remove_cvref_t<std::invoke_result_t<F&, const L&, const R&>>;
  static constexpr const char* kName = "join";
  static constexpr bool kInner = true;
  F function;
  template <class Left, class Right, class Context>
  void finish(const K&, const TimeWindow&, const Left& each_left, const Right& each_right,
              Context& context) {
    each_left([&](const L& left) {
      each_right([&](const R& right) { context.emit(std::invoke(function, left, right)); });
    });
  }
};

// `f(const K&, std::span<const L>, std::span<const R>, WindowContext<To>&)` emits what it likes.
template <class K, class L, class R, class To, class F>
struct CoGroupFunction {
  static_assert(
      std::is_invocable_v<F&, const K&, std::span<const L>, std::span<const R>, WindowContext<To>&>,
      "co_group needs a function (const Key&, std::span<const Left>, std::span<const Right>, "
      "tw::WindowContext<To>&)");
  using Output = To;
  static constexpr const char* kName = "co_group";
  static constexpr bool kInner = false;
  F function;
  template <class Left, class Right>
  void finish(const K& key, const TimeWindow&, const Left& each_left, const Right& each_right,
              WindowContext<To>& context) {
    left_.clear();
    right_.clear();
    each_left([this](const L& row) { left_.push_back(row); });
    each_right([this](const R& row) { right_.push_back(row); });
    std::invoke(function, key, std::span<const L>(left_), std::span<const R>(right_), context);
  }

  std::vector<L> left_ = {};  // of one call
  std::vector<R> right_ = {};
};

// On grids (tumbling, sliding, cumulative), with the default trigger: rows lie in slices, once
// each.
template <class K, class L, class R, class LeftKey, class RightKey, class Function>
class SlicingCoGroupOperator final : public WindowOperator<L, typename Function::Output> {
  using Base = WindowOperator<L, typename Function::Output>;

 public:
  SlicingCoGroupOperator(WindowGrid grid, LeftKey left_key, RightKey right_key, Function function,
                         WindowSettings<L> settings, std::shared_ptr<const NodeLinks> links)
      : Base(std::move(settings), std::move(links)),
        grid_(grid),
        left_key_(std::move(left_key)),
        right_key_(std::move(right_key)),
        function_(std::move(function)),
        saved_left_("left", grid.describe()),
        saved_right_("right", grid.describe()) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(Base::open(context));
    const int64_t watermark = saved_watermark_.restored();
    if (watermark != kMinWatermark) {
      this->set_watermark(watermark);
      fire_from_ = grid_.first_window_after(watermark);
      live_from_ = live_from(watermark, fire_from_);
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(StateBackend* const backend, context.state_backend());
    SnapshotReader* const reader = std::exchange(reader_, nullptr);
    TIDEWHEEL_RETURN_IF_ERROR(backend != nullptr ? open_stored(context, *backend, reader)
                                                 : open_in_memory(context, reader));
    wake_for_next_window();
    return {};
  }

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    const Progress progress =
        input == 0 ? take<L, true>(rows, cursor) : take<R, false>(rows, cursor);
    if (stored_ != nullptr) {
      this->require_memory(stored_->sides.settle());
    } else if (recent_ != nullptr) {
      this->require_memory(recent_->left.settle_memory());
      this->require_memory(recent_->right.settle_memory());
    }
    wake_for_next_window();
    return progress;
  }
  Progress on_watermark(int64_t time_ms) override {
    if (this->is_event_time() && advance(time_ms) == Progress::kBlocked) {
      return Progress::kBlocked;
    }
    return Operator::on_watermark(time_ms);
  }
  Progress on_processing_time(int64_t now_ms) override {
    if (this->is_event_time()) { return Progress::kDone; }
    woken_for_ = WindowGrid::kNone;
    if (advance(now_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    wake_for_next_window();
    return Progress::kDone;
  }
  // Windows by the clock that are open at the end of both inputs fire too.
  Progress on_end_of_input(int32_t input) override {
    ended_ |= 1U << static_cast<uint32_t>(input);
    return this->is_event_time() || ended_ != 3 ? Progress::kDone : advance(kMaxWatermark);
  }

  // Slices that are dropped while a snapshot is under way are kept until they are written.
  void begin_snapshot(const SnapshotStart& start) override {
    const KeyGroupRange groups = this->context().key_groups();
    saved_watermark_.start(this->watermark());
    dropped_.start(groups, live_from_);
    if (stored_ != nullptr) { return stored_->sides.store.begin_snapshot(start); }
    end_snapshot();
    plan_.begin(start);
    saved_left_.start(groups, plan_);
    saved_right_.start(groups, plan_);
    for (const auto& slice : slices_) {
      slice->left.begin_snapshot(saved_left_, plan_, slice->number);
      slice->right.begin_snapshot(saved_right_, plan_, slice->number);
      saving_.push_back(slice.get());
    }
    is_saving_ = true;
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (!is_saving_ && stored_ == nullptr) { return Progress::kDone; }
    if (!writer.ready()) { return Progress::kBlocked; }
    saved_watermark_.write(writer);
    dropped_.write(writer);
    if (stored_ != nullptr) { return snapshot_stored(writer); }
    if (!save<true>(writer, saved_left_) || !save<false>(writer, saved_right_)) {
      return this->snapshot_blocked(writer);
    }
    end_snapshot();
    return Progress::kDone;
  }
  bool snapshots_in_background() const override { return true; }
  void abort_snapshot() override {
    if (stored_ != nullptr) { return stored_->sides.store.abort_snapshot(); }
    end_snapshot();
    plan_.write_all_next();
  }
  Status restore(SnapshotReader& reader) override {
    reader_ = &reader;
    TIDEWHEEL_RETURN_IF_ERROR(saved_watermark_.read(reader));
    return dropped_.read(reader);
  }

 private:
  struct Slice {
    Slice(KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory)
        : left(groups, max_parallelism, memory), right(groups, max_parallelism, memory) {}
    template <bool kLeft>
    auto& side() {
      if constexpr (kLeft) {
        return left;
      } else {
        return right;
      }
    }
    bool holds(int64_t time) const { return time >= times.first && time <= times.last; }

    int64_t number = 0;
    WindowGrid::Range times;
    WindowGrid::Range windows;
    RowChains<K, L> left;
    RowChains<K, R> right;
  };
  using Chain = typename RowChains<K, L>::Chain;
  static constexpr uint32_t kAhead = 32;
  static constexpr size_t kFreeSlicesMax = 4;

  KeyHash hash_of(const K& key) const { return key_hash(key, this->context().max_parallelism()); }
  template <class T, bool kLeft>
  decltype(auto) key_of(const T& row) const {
    if constexpr (kLeft) {
      return std::invoke(left_key_, row);
    } else {
      return std::invoke(right_key_, row);
    }
  }

  // ---- Rows.

  template <class T, bool kLeft>
  Progress take(const Element& rows, uint32_t& cursor) {
    const auto& in = RowBatch<T>::of(*rows.batch);
    KeyHash hashes[kAhead];
    Slice* slices[kAhead];
    const int64_t now = this->is_event_time() ? 0 : this->processing_time_now();
    uint32_t at = cursor;
    try {
      while (cursor < rows.end) {
        const uint32_t begin = cursor;
        const uint32_t end = std::min(rows.end, begin + kAhead);
        for (at = begin; at < end; ++at) {
          const int64_t time = this->is_event_time() ? in.timestamps()[at] : now;
          if (time == kNoTimestamp) [[unlikely]] {
            throw_no_timestamp(this->context(), describe_record(in.row(at)));
          }
          slices[at - begin] = slice_at(time);
          hashes[at - begin] = hash_of(key_of<T, kLeft>(in.row(at)));
          if (slices[at - begin] != nullptr && stored_ == nullptr) {
            slices[at - begin]->template side<kLeft>().prefetch(hashes[at - begin]);
          }
        }
        for (at = begin; at < end; ++at) {
          Slice* const slice = slices[at - begin];
          if (slice == nullptr) {
            count_late(in.timestamps()[at]);
            continue;
          }
          const bool fires_late = slice->windows.first < fire_from_;
          if (fires_late && !this->ready()) {
            cursor = at;
            return Progress::kBlocked;
          }
          const K& key = key_of<T, kLeft>(in.row(at));
          if (stored_ != nullptr) [[unlikely]] {
            add_stored<kLeft>(*slice, key, hashes[at - begin], in.row(at), fires_late);
            continue;
          }
          slice->template side<kLeft>().add(key, hashes[at - begin], in.row(at), 0);
          if (fires_late) { fire_late(*slice, key, hashes[at - begin]); }
        }
        cursor = end;
      }
    } catch (...) {
      rethrow_user_failure(this->context(), Function::kName, describe_record(in.row(at)));
    }
    return Progress::kDone;
  }
  void count_late(int64_t time) {
    if (this->is_event_time() && saturating_add(time, this->lateness()) <= this->watermark()) {
      this->count_dropped();
    }
  }

  // ---- Slices, in the order of their numbers; few.

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
    std::unique_ptr<Slice> slice;
    if (free_.empty()) {
      OperatorContext& context = this->context();
      slice = std::make_unique<Slice>(context.key_groups(), context.max_parallelism(),
                                      &context.memory());
    } else {
      slice = std::move(free_.back());
      free_.pop_back();
    }
    slice->number = number;
    slice->times = grid_.slice_times(number);
    slice->windows = windows;
    return slices_.insert(place, std::move(slice))->get();
  }
  void drop_dead_slices() {
    std::erase_if(slices_, [this](std::unique_ptr<Slice>& slice) {
      if (slice->windows.last >= live_from_) { return false; }
      if (stored_ != nullptr) { stored_->drop_slice(slice->number); }
      drop(std::move(slice));
      return true;
    });
  }
  bool is_empty(const Slice& slice) const {
    return stored_ != nullptr ? !stored_->has_rows(slice.number)
                              : slice.left.empty() && slice.right.empty();
  }
  void drop(std::unique_ptr<Slice> slice) {
    if (recent_ == slice.get()) { recent_ = nullptr; }
    if (slice->left.is_writing()) {
      held_.push_back(std::move(slice));
      return;
    }
    if (free_.size() >= kFreeSlicesMax) { return; }
    slice->left.clear();
    slice->right.clear();
    free_.push_back(std::move(slice));
  }

  // ---- Firing.

  int64_t next_window() const {
    for (const auto& slice : slices_) {
      if (slice->windows.last >= fire_from_ && !is_empty(*slice)) {
        return std::max(slice->windows.first, fire_from_);
      }
    }
    return WindowGrid::kNone;
  }
  int64_t live_from(int64_t time, int64_t fired) const {
    return std::min(fired, grid_.first_window_after(saturating_subtract(time, this->lateness())));
  }
  // Fires all windows that end by `time`. Resumes from the window at work.
  Progress advance(int64_t time) {
    if (!advancing_) {
      if (time <= this->watermark()) { return Progress::kDone; }
      this->set_watermark(time);
      advancing_ = true;
    }
    for (;;) {
      if (parts_.empty()) {
        const int64_t window = next_window();
        if (window == WindowGrid::kNone || grid_.max_timestamp(window) > time) { break; }
        firing_ = {.window = window};
        parts_ = parts_of(window);
      }
      if (emit_results() == Progress::kBlocked) { return Progress::kBlocked; }
      fire_from_ = firing_.window + 1;
      parts_.clear();
      live_from_ = std::max(live_from_, live_from(time, fire_from_));
      drop_dead_slices();
    }
    fire_from_ = std::max(fire_from_, grid_.first_window_after(time));
    live_from_ = std::max(live_from_, live_from(time, fire_from_));
    drop_dead_slices();
    advancing_ = false;
    return Progress::kDone;
  }
  std::vector<Slice*> parts_of(int64_t window) const {
    const WindowGrid::Range range = grid_.slices_of(window);
    std::vector<Slice*> parts;
    for (const auto& slice : slices_) {
      if (slice->number >= range.first && slice->number <= range.last) {
        parts.push_back(slice.get());
      }
    }
    return parts;
  }
  // Goes through the keys of the left, part by part; then, unless it is an inner join, through
  // those keys that only the right has.
  Progress emit_results() {
    this->emitter().begin(grid_.window(firing_.window), this->watermark());
    if (stored_ != nullptr) { return emit_stored(); }
    try {
      if (!firing_.right) {
        if (!emit_side<true>()) { return Progress::kBlocked; }
        firing_ = {.window = firing_.window, .right = true};
      }
      if (!Function::kInner && !emit_side<false>()) { return Progress::kBlocked; }
    } catch (...) { rethrow_user_failure(this->context(), Function::kName, ""); }
    return Progress::kDone;
  }
  template <bool kLeft>
  bool emit_side() {
    for (; firing_.part < parts_.size(); ++firing_.part, firing_.cursor = {}) {
      auto& table = parts_[firing_.part]->template side<kLeft>().table();
      const K* key = nullptr;
      Chain* chain = nullptr;
      for (;;) {
        if (!this->ready()) { return false; }
        if (!next_entry(table, key, chain)) { break; }
        const KeyHash hash = hash_of(*key);
        if (was_seen<kLeft>(*key, hash)) { continue; }
        if (Function::kInner && !has_right(*key, hash)) { continue; }
        call(firing_.window, parts_, *key, hash);
      }
    }
    return true;
  }
  // The cursors of both sides are the same thing, of types that differ.
  template <class Table>
  bool next_entry(Table& table, const K*& key, Chain*& chain) {
    if constexpr (std::is_same_v<Table, typename RowChains<K, L>::Table>) {
      return table.next(firing_.cursor.left, key, chain);
    } else {
      typename RowChains<K, R>::Chain* other = nullptr;
      return table.next(firing_.cursor.right, key, other);
    }
  }
  // Whether the key came up before: in an earlier part, or on the left.
  template <bool kLeft>
  bool was_seen(const K& key, KeyHash hash) const {
    for (size_t i = 0; i < parts_.size(); ++i) {
      if ((!kLeft || i < firing_.part) && parts_[i]->left.find(key, hash) != nullptr) {
        return true;
      }
      if (!kLeft && i < firing_.part && parts_[i]->right.find(key, hash) != nullptr) {
        return true;
      }
    }
    return false;
  }
  bool has_right(const K& key, KeyHash hash) const {
    return std::any_of(parts_.begin(), parts_.end(),
                       [&](const Slice* part) { return part->right.find(key, hash) != nullptr; });
  }
  void call(int64_t window, const std::vector<Slice*>& parts, const K& key, KeyHash hash) {
    const auto each_left = [&](auto&& f) {
      for (const Slice* part : parts) {
        if (const auto* chain = part->left.find(key, hash)) {
          part->left.for_each(*chain, [&](const L& row, int64_t) { f(row); });
        }
      }
    };
    const auto each_right = [&](auto&& f) {
      for (const Slice* part : parts) {
        if (const auto* chain = part->right.find(key, hash)) {
          part->right.for_each(*chain, [&](const R& row, int64_t) { f(row); });
        }
      }
    };
    finish(window, key, each_left, each_right);
  }
  template <class EachLeft, class EachRight>
  void finish(int64_t window, const K& key, const EachLeft& each_left,
              const EachRight& each_right) {
    this->emitter().begin(grid_.window(window), this->watermark());
    function_.finish(key, this->emitter().window(), each_left, each_right, this->emitter());
  }
  void fire_late(const Slice& slice, const K& key, KeyHash hash) {
    const int64_t first = std::max(slice.windows.first, live_from_);
    const int64_t last = std::min(slice.windows.last, fire_from_ - 1);
    for (int64_t window = first; window <= last; ++window) {
      call(window, parts_of(window), key, hash);
    }
  }
  void wake_for_next_window() {
    if (this->is_event_time()) { return; }
    const int64_t window = next_window();
    if (window == WindowGrid::kNone || window >= woken_for_) { return; }
    woken_for_ = window;
    this->context().wake_at_wall_ms(grid_.max_timestamp(window));
  }

  // ---- In front of a backend.

  // What there is then only. Slices have no rows.
  struct Stored {
    Stored(StateBackend& backend, OperatorContext& context)
        : sides(
              backend, [&context] { context.wake(); }, JoinBuckets{}, context.max_parallelism(),
              &context.memory()),
          scan(sides.store, sides.left, sides.right, context.key_groups(),
               context.max_parallelism()) {}
    bool has_rows(int64_t number) const {
      return sides.left.has_rows(number, number) || sides.right.has_rows(number, number);
    }
    // And those before it.
    void drop_slice(int64_t number) {
      sides.left.drop_before(number + 1);
      sides.right.drop_before(number + 1);
      sides.store.erase_dropped();
    }
    StoredSides<K, L, R> sides;
    StoredWindowScan<K, L, R> scan;
  };

  Status open_stored(OperatorContext& context, StateBackend& backend, SnapshotReader* reader) {
    stored_ = std::make_unique<Stored>(backend, context);
    const auto was_dropped = [this](int32_t group, int64_t number) {
      return dropped_.was_dropped(group, grid_.windows_of(number).last);
    };
    const std::string form = grid_.describe();
    TIDEWHEEL_RETURN_IF_ERROR(stored_->sides.open(
        form, fmt::format("{}, {}", kStoredFormBegin, form), reader, was_dropped, was_dropped));
    for (const auto& numbers : {stored_->sides.left.buckets(INT64_MIN, INT64_MAX),
                                stored_->sides.right.buckets(INT64_MIN, INT64_MAX)}) {
      for (const int64_t number : numbers) { static_cast<void>(slice_numbered(number)); }
    }
    return {};
  }
  template <bool kLeft, class T>
  void add_stored(const Slice& slice, const K& key, KeyHash hash, const T& row, bool fires_late) {
    StoredSides<K, L, R>& sides = stored_->sides;
    sides.template side<kLeft>().add(slice.number, key, hash, row, 0);
    if (!fires_late) { return; }
    const int64_t first = std::max(slice.windows.first, live_from_);
    const int64_t last = std::min(slice.windows.last, fire_from_ - 1);
    for (int64_t window = first; window <= last; ++window) {
      const WindowGrid::Range parts = grid_.slices_of(window);
      sides.left.want(parts.first, parts.last, key, hash);
      sides.right.want(parts.first, parts.last, key, hash);
      this->require_memory(sides.left.load());
      this->require_memory(sides.right.load());
      finish(
          window, key,
          [&](auto&& f) {
            sides.left.for_each(parts.first, parts.last, key, hash,
                                [&](const L& each, int64_t) { f(each); });
          },
          [&](auto&& f) {
            sides.right.for_each(parts.first, parts.last, key, hash,
                                 [&](const R& each, int64_t) { f(each); });
          });
    }
  }
  Progress emit_stored() {
    const WindowGrid::Range parts = grid_.slices_of(firing_.window);
    Status failure;
    try {
      const auto call = [&](const K& key, const std::vector<const L*>& left,
                            const std::vector<const R*>& right) {
        if (Function::kInner && (left.empty() || right.empty())) { return; }
        finish(
            firing_.window, key,
            [&](auto&& f) {
              for (const L* row : left) { f(*row); }
            },
            [&](auto&& f) {
              for (const R* row : right) { f(*row); }
            });
      };
      const Result<bool> done = stored_->scan.run(
          parts.first, parts.last, [this] { return this->ready(); }, call);
      if (done.ok()) { return *done ? Progress::kDone : Progress::kBlocked; }
      failure = done.status();
    } catch (...) { rethrow_user_failure(this->context(), Function::kName, ""); }
    this->require_memory(failure);
    return Progress::kBlocked;
  }
  Progress snapshot_stored(SnapshotWriter& writer) {
    const Result<bool> done = stored_->sides.store.write(writer);
    this->require_memory(done.status());
    return *done ? Progress::kDone : this->snapshot_blocked(stored_->sides.store, writer);
  }

  // ---- Snapshots.

  Status open_in_memory(OperatorContext& context, SnapshotReader* reader) {
    if (reader != nullptr) {
      TIDEWHEEL_RETURN_IF_ERROR(check_readable_without_backend(*reader));
      TIDEWHEEL_RETURN_IF_ERROR(saved_left_.read(*reader));
      TIDEWHEEL_RETURN_IF_ERROR(saved_right_.read(*reader));
    }
    plan_ = ChangePlan(context.key_groups(), this->keeps_changes());
    TIDEWHEEL_RETURN_IF_ERROR(load<true>(context.max_parallelism(), saved_left_));
    TIDEWHEEL_RETURN_IF_ERROR(load<false>(context.max_parallelism(), saved_right_));
    for (const auto& slice : slices_) {
      slice->left.end_restore();
      slice->right.end_restore();
    }
    return {};
  }
  // What older layers of the snapshot have of slices that were dropped already is passed over.
  template <bool kLeft, class State>
  Status load(int32_t max_parallelism, State& state) {
    return state.load(
        max_parallelism, [this](const K& key, const JoinPlace& place, const auto& row) {
          const KeyHash hash = hash_of(key);
          if (dropped_.was_dropped(hash.group, grid_.windows_of(place.slot).last)) { return; }
          if (Slice* const slice = slice_numbered(place.slot)) {
            slice->template side<kLeft>().add_restored(key, hash, row, 0, place.number);
          }
        });
  }
  void end_snapshot() {
    for (Slice* const slice : saving_) {
      slice->left.end_snapshot();
      slice->right.end_snapshot();
    }
    saving_.clear();
    saving_at_ = 0;
    is_saving_ = false;
    for (auto& slice : held_) { drop(std::move(slice)); }
    held_.clear();
  }
  template <bool kLeft, class State>
  bool save(SnapshotWriter& writer, State& state) {
    return state.write(writer, [this](int32_t group, size_t& budget, auto ready) {
      for (; saving_at_ < saving_.size(); ++saving_at_) {
        auto& chains = saving_[saving_at_]->template side<kLeft>();
        if (!chains.write_group(group, budget, ready)) { return false; }
      }
      saving_at_ = 0;
      return true;
    });
  }

  struct Cursors {
    template <bool kLeft>
    auto& side() {
      if constexpr (kLeft) {
        return left;
      } else {
        return right;
      }
    }
    typename RowChains<K, L>::Table::Cursor left = {};
    typename RowChains<K, R>::Table::Cursor right = {};
  };
  // Where firing goes on.
  struct Firing {
    int64_t window = 0;
    bool right = false;
    size_t part = 0;
    Cursors cursor = {};
  };

  const WindowGrid grid_;
  const LeftKey left_key_;
  const RightKey right_key_;
  Function function_;
  SnapshotReader* reader_ = nullptr;  // from `restore` to `open`
  std::unique_ptr<Stored> stored_;    // null: rows are in slices
  std::vector<std::unique_ptr<Slice>> slices_;
  Slice* recent_ = nullptr;  // of slices_: where the last row went
  std::vector<std::unique_ptr<Slice>> free_;
  int64_t fire_from_ = std::numeric_limits<int64_t>::min();  // windows before it have fired
  int64_t live_from_ = std::numeric_limits<int64_t>::min();  // windows before it are gone
  int64_t woken_for_ = WindowGrid::kNone;
  uint32_t ended_ = 0;  // a bit for each input

  bool advancing_ = false;
  Firing firing_;
  std::vector<Slice*> parts_;  // of the window that is firing

  // Where `snapshot` goes on.
  bool is_saving_ = false;
  std::vector<Slice*> saving_;  // all that there were at the barrier; of slices_ or held_
  size_t saving_at_ = 0;
  std::vector<std::unique_ptr<Slice>> held_;  // dropped, and not written yet
  ChangePlan plan_;
  JoinState<K, L> saved_left_;
  JoinState<K, R> saved_right_;
  WatermarkState saved_watermark_;
  DroppedUnits dropped_;  // by the numbers of windows: a slice goes when its last window is below
};

// ---- Any other windows: the rows of both inputs go through one generic operator ----

template <class LeftKey, class RightKey>
struct EitherKey {
  LeftKey left;
  RightKey right;
  template <class L, class R>
  auto operator()(const std::variant<L, R>& row) const {
    return row.index() == 0 ? std::invoke(left, std::get<0>(row))
                            : std::invoke(right, std::get<1>(row));
  }
};

// Makes a function of both inputs one of rows that are of either.
template <class K, class L, class R, class Function>
struct EitherFunction {
  using Output = typename Function::Output;
  static constexpr const char* kName = Function::kName;
  Function function;
  template <class Context>
  void finish(const K& key, const TimeWindow& window, std::span<const std::variant<L, R>> rows,
              Context& context) {
    const auto each = [rows]<size_t kSide>(auto&& f) {
      for (const auto& row : rows) {
        if (row.index() == kSide) { f(std::get<kSide>(row)); }
      }
    };
    const auto each_left = [&](auto&& f) { each.template operator()<0>(f); };
    const auto each_right = [&](auto&& f) { each.template operator()<1>(f); };
    WindowContext<Output>& plain = context;
    function.finish(key, window, each_left, each_right, plain);
  }
};

template <class K, class L, class R, class LeftKey, class RightKey, class Assigner, class Trigger,
          class Evictor, class Function>
class GenericCoGroupOperator final
    : public GenericWindowOperator<K, std::variant<L, R>, EitherKey<LeftKey, RightKey>, Assigner,
                                   Trigger, Evictor, EitherFunction<K, L, R, Function>> {
  using Row = std::variant<L, R>;
  using Base = GenericWindowOperator<K, Row, EitherKey<LeftKey, RightKey>, Assigner, Trigger,
                                     Evictor, EitherFunction<K, L, R, Function>>;

 public:
  GenericCoGroupOperator(Assigner assigner, Trigger trigger, Evictor evictor, LeftKey left_key,
                         RightKey right_key, Function function, WindowSettings<Row> settings,
                         std::shared_ptr<const NodeLinks> links)
      : Base(std::move(assigner), std::move(trigger), std::move(evictor),
             EitherKey<LeftKey, RightKey>{left_key, right_key},
             EitherFunction<K, L, R, Function>{std::move(function)}, std::move(settings),
             std::move(links)),
        key_{std::move(left_key), std::move(right_key)} {}

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    const auto key_at = [this](const Row& row) { return key_(row); };
    if (input == 0) { return this->take_rows(Rows<L, 0>(*rows.batch), rows.end, cursor, key_at); }
    return this->take_rows(Rows<R, 1>(*rows.batch), rows.end, cursor, key_at);
  }
  Progress on_end_of_input(int32_t input) override {
    ended_ |= 1U << static_cast<uint32_t>(input);
    return ended_ == 3 ? Base::on_end_of_input(input) : Progress::kDone;
  }

 private:
  // A batch of one input, as rows of either.
  template <class T, size_t kSide>
  class Rows {
   public:
    explicit Rows(const Batch& batch) : batch_(&RowBatch<T>::of(batch)) {}
    const Row& row(uint32_t index) const {
      row_.template emplace<kSide>(batch_->row(index));
      return row_;
    }
    const int64_t* timestamps() const { return batch_->timestamps(); }
    operator const Batch&() const { return *batch_; }  // NOLINT: it stands for the batch

   private:
    const RowBatch<T>* batch_;
    mutable Row row_;
  };

  const EitherKey<LeftKey, RightKey> key_;
  uint32_t ended_ = 0;  // a bit for each input
};

}  // namespace tidewheel
