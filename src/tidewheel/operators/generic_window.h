// Windows of any assigner, with any trigger and evictor, and functions that see all rows. A key's
// windows lie in its entry of one table, each with its contents, the trigger's state and its
// timers; the queues of due times hold hints only (window_timers.h).
//
// One row: assign, merge (sessions), skip late windows, add, trigger, emit on FIRE, clear on PURGE.
// A window is forgotten at the end of its last millisecond plus the allowed lateness, after the
// trigger's timers of that time.
//
// With a state backend the windows of a key lie in its row of a KeyedStore instead, as one value,
// and its timers with the store's. Rows of a batch, and of keys that are due, are read together.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/operators/due_keys.h"
#include "tidewheel/operators/evictor.h"
#include "tidewheel/operators/trigger.h"
#include "tidewheel/operators/window_operator.h"
#include "tidewheel/operators/window_rows.h"
#include "tidewheel/operators/window_snapshot.h"
#include "tidewheel/operators/window_timers.h"
#include "tidewheel/state/keyed_store.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/object_cell.h"

namespace tidewheel {

// A sorted set of times; few.
class TimerSet {
 public:
  void add(int64_t time) {
    const auto place = std::lower_bound(times_.begin(), times_.end(), time);
    if (place == times_.end() || *place != time) { times_.insert(place, time); }
  }
  void remove(int64_t time) {
    const auto place = std::lower_bound(times_.begin(), times_.end(), time);
    if (place != times_.end() && *place == time) { times_.erase(place); }
  }
  bool take_due(int64_t until, int64_t& time) {
    if (times_.empty() || times_.front() > until) { return false; }
    time = times_.front();
    times_.erase(times_.begin());
    return true;
  }
  int64_t first() const { return times_.empty() ? DueQueue::kNever : times_.front(); }
  bool empty() const { return times_.empty(); }
  void clear() { times_.clear(); }
  std::vector<int64_t>& times() { return times_; }

 private:
  std::vector<int64_t> times_;
};

// What a process function is given: the context of every window function, and its states.
template <class Out, class WindowState, class GlobalState>
class ProcessContext : public WindowContext<Out> {
 public:
  WindowState& window_state() { return *window_state_; }
  GlobalState& global_state() { return *global_state_; }

  // For operators.
  void bind_states(WindowState& window_state, GlobalState& global_state) {
    window_state_ = &window_state;
    global_state_ = &global_state;
  }

 private:
  WindowState* window_state_ = nullptr;
  GlobalState* global_state_ = nullptr;
};

namespace window_detail {

// The rows of a window, as a snapshot has them.
template <class T>
struct SavedRows {
  std::vector<T> rows;
  std::vector<int64_t> times;
};

// What a window holds: an accumulator, or all rows.
template <class T, class Function>
struct ContentsOf {
  using type = RowList<T>;
  using Saved = SavedRows<T>;
};
template <class T, WindowFoldFunction Function>
struct ContentsOf<T, Function> {
  using type = Held<typename Function::Accumulator>;
  using Saved = typename Function::Accumulator;
};

// One window of one key, as a snapshot has it.
template <class Contents, class TriggerData, class UserState>
struct SavedWindow {
  TimeWindow window;
  bool filled = false;
  Contents contents{};
  TriggerData trigger{};
  UserState user{};
  std::vector<int64_t> event_timers;
  std::vector<int64_t> clock_timers;
};
// All that there is of a key.
template <class Window, class GlobalState>
struct SavedKeyWindows {
  std::vector<Window> windows;
  GlobalState global{};
};

}  // namespace window_detail

template <class K, class T, class KeyOf, class Assigner, class Trigger, class Evictor,
          class Function>
class GenericWindowOperator : public WindowOperator<T, typename Function::Output> {
  using Base = WindowOperator<T, typename Function::Output>;
  using Out = typename Function::Output;
  using Contents = typename window_detail::ContentsOf<T, Function>::type;
  using SavedContents = typename window_detail::ContentsOf<T, Function>::Saved;
  using UserState = typename window_detail::WindowStateOf<Function>::type;
  using GlobalState = typename window_detail::GlobalStateOf<Function>::type;
  using TriggerData = TriggerState<Trigger>;
  using Saved = window_detail::SavedWindow<SavedContents, TriggerData, UserState>;
  using SavedKey = window_detail::SavedKeyWindows<Saved, GlobalState>;
  static constexpr bool kFolds = WindowFoldFunction<Function>;
  static constexpr bool kEvicts = !std::is_same_v<Evictor, NoEvictor>;
  static constexpr bool kHasGlobalState = !std::is_same_v<GlobalState, NoWindowState>;
  static_assert(!kFolds || !kEvicts,
                "an evictor needs a function of all rows: use collect or process");

 public:
  GenericWindowOperator(Assigner assigner, Trigger trigger, Evictor evictor, KeyOf key_of,
                        Function function, WindowSettings<T> settings,
                        std::shared_ptr<const NodeLinks> links)
      : Base(std::move(settings), std::move(links)),
        assigner_(std::move(assigner)),
        trigger_(std::move(trigger)),
        evictor_(std::move(evictor)),
        key_of_(std::move(key_of)),
        function_(std::move(function)) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(Base::open(context));
    process_context_.bind(this->output(), this->sides(), context.clock());
    state_ = std::make_unique<State>(context);
    plan_ = ChangePlan(context.key_groups(), this->keeps_changes());
    event_.time = saved_watermark_.restored();
    if (this->is_event_time()) { this->set_watermark(event_.time); }
    SnapshotReader* const reader = std::exchange(reader_, nullptr);
    TIDEWHEEL_ASSIGN_OR_RETURN(StateBackend* const backend, context.state_backend());
    if (backend != nullptr) {
      TIDEWHEEL_RETURN_IF_ERROR(open_stored(reader));
    } else {
      if (reader != nullptr) { TIDEWHEEL_RETURN_IF_ERROR(check_readable_without_backend(*reader)); }
      TIDEWHEEL_RETURN_IF_ERROR(saved_windows_.load(
          context.max_parallelism(), [this](const K& key, NoWindow, SavedKey& saved) {
            const KeyHash hash = key_hash(key, this->context().max_parallelism());
            KeyWindows& windows = state_->table.upsert(key, hash);
            load(windows, saved);
            arm(windows, hash);
          }));
    }
    wake_for_next_timer();
    return {};
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    return take_rows(RowBatch<T>::of(*rows.batch), rows.end, cursor,
                     [this](const T& row) -> decltype(auto) { return std::invoke(key_of_, row); });
  }
  Progress on_watermark(int64_t time_ms) override {
    if (advance(event_, time_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    return Operator::on_watermark(time_ms);
  }
  Progress on_processing_time(int64_t now_ms) override {
    woken_for_ = DueQueue::kNever;
    if (advance(clock_, now_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    wake_for_next_timer();
    return Progress::kDone;
  }
  // Windows by the clock that are open at the end of the input fire too: nothing more will come.
  // Timers that are set meanwhile are not kept.
  Progress on_end_of_input(int32_t) override {
    if (this->is_event_time() || GlobalAssigner<Assigner>) { return Progress::kDone; }
    draining_ = true;
    return advance(clock_, kMaxWatermark);
  }

  void begin_snapshot(const SnapshotStart& start) override {
    state_->table.end_snapshot();
    plan_.begin(start);
    saved_watermark_.start(event_.time);
    if (stored_ != nullptr) { return stored_->store.begin_snapshot(start); }
    saved_windows_.start(this->context().key_groups(), plan_);
    state_->table.begin_snapshot(saver_, plan_.content(), plan_.keeps_changes());
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (stored_ == nullptr && !state_->table.is_writing()) { return Progress::kDone; }
    if (!writer.ready()) { return Progress::kBlocked; }
    saved_watermark_.write(writer);
    if (stored_ != nullptr) { return write_stored(writer); }
    const bool is_done =
        saved_windows_.write(writer, [this](int32_t group, size_t& budget, auto ready) {
          return state_->table.write_group(group, budget, ready);
        });
    if (!is_done) { return this->snapshot_blocked(writer); }
    state_->table.end_snapshot();
    return Progress::kDone;
  }
  bool snapshots_in_background() const override { return true; }
  void abort_snapshot() override {
    if (stored_ != nullptr) { return stored_->store.abort_snapshot(); }
    state_->table.end_snapshot();
    plan_.write_all_next();
  }
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_RETURN_IF_ERROR(saved_watermark_.read(reader));
    reader_ = &reader;
    return saved_windows_.read(reader);
  }

 protected:
  // Takes rows that `in` may hold as another type: co_group wraps them.
  template <class Batch_, class KeyAt>
  Progress take_rows(const Batch_& in, uint32_t end, uint32_t& cursor, KeyAt key_at) {
    uint32_t at = cursor;
    try {
      if (stored_ != nullptr) {
        KeyedBatch batch(stored_->store, at, end,
                         [&](uint32_t i) -> decltype(auto) { return key_at(in.row(i)); });
        for (; at < end && this->ready(); ++at) {
          batch.select(at);
          const K& key = stored_->store.current_key();
          take_row(key, stored_->store.hash_of(key), in, at);
        }
      } else {
        for (; at < end && this->ready(); ++at) {
          const K& key = key_at(in.row(at));
          take_row(key, key_hash(key, this->context().max_parallelism()), in, at);
        }
      }
    } catch (...) {
      cursor = at;
      rethrow_user_failure(this->context(), Function::kName, describe_record(in.row(at)));
    }
    cursor = at;
    settle_memory();
    wake_for_next_timer();
    return at < end ? Progress::kBlocked : Progress::kDone;
  }

 private:
  struct Window {
    TimeWindow window;
    Contents contents;
    bool filled = false;  // folds: whether there has been a row since the contents were cleared
    Held<TriggerData> trigger;
    Held<UserState> user;
    TimerSet event_timers;
    TimerSet clock_timers;
  };
  struct DueMark {
    int64_t time = 0;  // of the key's entry in the queue, when `armed`
    bool armed = false;
  };
  struct KeyWindows {
    std::vector<Window> windows;
    DueMark event_due;
    DueMark clock_due;
    Held<GlobalState> global;
  };
  // Gives the windows of a key to the snapshot.
  struct Saver final : public TableTracker<K, KeyWindows> {
    explicit Saver(GenericWindowOperator* the_op) : op(the_op) {}
    void entry(int32_t group, const K& key, KeyWindows& windows) override {
      op->plan_.note_unit(group);
      SavedKey saved;
      save(windows, saved);
      op->saved_windows_.give(group, key, {}, saved);
    }
    void erased(int32_t group, const K& key) override {
      op->plan_.note_erased(group);
      op->saved_windows_.erase(group, key);
    }
    void cleared() override { op->plan_.write_all_next(); }
    bool is_whole(int32_t group) const override { return op->plan_.is_whole(group); }
    GenericWindowOperator* const op;
  };
  struct State {
    explicit State(OperatorContext& context)
        : table(context.key_groups(), context.max_parallelism(), &context.memory(), "windows"),
          heap(&context.memory()),
          event_queue(1000, &context.memory()),
          clock_queue(1000, &context.memory()),
          memory(&context.memory(), "windows") {}
    KeyedTable<K, KeyWindows> table;
    TextHeap heap;
    DueQueue event_queue;
    DueQueue clock_queue;
    StateMemory memory;
    int64_t bytes = 0;  // of windows and their rows
  };
  // The same with a backend.
  struct StoredState final : private ObjectCell<KeyWindows, SavedKey>::Codec {
    using Cell = ObjectCell<KeyWindows, SavedKey>;
    StoredState(GenericWindowOperator& the_op, OperatorContext& context)
        : op(the_op),
          store(context.key_groups(), context.max_parallelism(), &context.memory(), context.clock(),
                "windows"),
          event_due(store, TimeDomain::kEvent, &context.memory()),
          clock_due(store, TimeDomain::kProcessing, &context.memory()) {}
    Status declare() {
      TIDEWHEEL_ASSIGN_OR_RETURN(cell, store.template declare<Cell>("windows", {}));
      cell->set_codec(*this);
      return {};
    }
    KeyWindows* find() const { return cell->find(store.current_row()); }
    KeyWindows& open() { return cell->open(store.ensure_row()); }

    GenericWindowOperator& op;
    KeyedStore<K> store;
    DueKeys<K> event_due;
    DueKeys<K> clock_due;
    Cell* cell = nullptr;

   private:
    void save(KeyWindows& windows, SavedKey& saved) override {
      GenericWindowOperator::save(windows, saved);
    }
    void load(KeyWindows& windows, SavedKey& saved) override {
      op.load(windows, saved);
      store.memory().set(op.state_->bytes);
    }
    // What leaves memory has to be seen at once by who makes room.
    void release(KeyWindows& windows) override {
      for (Window& window : windows.windows) { op.forget(window); }
      windows.global.release(op.heap());
      store.memory().set(op.state_->bytes);
    }
  };
  // One of the two times, and where its advance goes on.
  struct Advance {
    bool is_event;
    int64_t time = kMinWatermark;  // what has been advanced to
    bool active = false;
  };

  // What a trigger is given.
  class TriggerContext {
   public:
    TriggerContext(GenericWindowOperator& op, Window& window) : op_(&op), window_(&window) {}
    int64_t watermark() const { return op_->event_.time; }
    int64_t now_ms() const { return op_->context().clock().wall_ms(); }
    void event_timer(int64_t time) { window_->event_timers.add(time); }
    void processing_timer(int64_t time) {
      if (!op_->draining_) { window_->clock_timers.add(time); }
    }
    void drop_event_timer(int64_t time) { window_->event_timers.remove(time); }
    void drop_processing_timer(int64_t time) { window_->clock_timers.remove(time); }

   private:
    GenericWindowOperator* op_;
    Window* window_;
  };

  TextHeap& heap() { return stored_ != nullptr ? stored_->store.heap() : state_->heap; }

  // ---- Rows.

  template <class Batch_>
  void take_row(const K& key, KeyHash hash, const Batch_& in, uint32_t at) {
    const T& row = in.row(at);
    const int64_t time =
        this->is_event_time() ? in.timestamps()[at] : this->context().clock().wall_ms();
    if constexpr (!GlobalAssigner<Assigner>) { this->require_timestamp(row, time); }
    add_row(key, hash, row, time, in);
  }
  KeyWindows* find_windows(const K& key, KeyHash hash) {
    return stored_ != nullptr ? stored_->find() : state_->table.find(key, hash);
  }
  KeyWindows& open_windows(const K& key, KeyHash hash) {
    return stored_ != nullptr ? stored_->open() : state_->table.upsert(key, hash);
  }
  template <class Batch_>
  void add_row(const K& key, KeyHash hash, const T& row, int64_t time, const Batch_& batch) {
    bool skipped = true;
    assigner_.assign(row, time, [&](const TimeWindow& assigned) {
      const bool lone_is_late = is_late(assigned);
      KeyWindows* windows = lone_is_late ? find_windows(key, hash) : &open_windows(key, hash);
      if (lone_is_late &&
          (windows == nullptr || !Assigner::kMerging || !touches_any(*windows, assigned))) {
        return;
      }
      skipped = false;
      Window& window = window_for(*windows, assigned);
      add_to(window, row, time);
      const TriggerResult result = [&] {
        TriggerContext context(*this, window);
        return trigger_.on_element(row, time, window.window, window.trigger.value(), context);
      }();
      apply(result, key, *windows, window);
      after_callback(*windows, window);
      arm(*windows, hash);
      erase_if_empty(*windows, hash);
    });
    if (skipped && this->is_event_time()) { this->take_late(row, time, batch); }
  }
  bool is_late(const TimeWindow& window) const {
    return this->is_event_time() && cleanup_time(window) <= event_.time &&
           event_.time != kMinWatermark;
  }
  // When a window is forgotten; kNever for windows without end.
  int64_t cleanup_time(const TimeWindow& window) const {
    if constexpr (GlobalAssigner<Assigner>) { return DueQueue::kNever; }
    return this->is_event_time() ? saturating_add(window.max_timestamp(), this->lateness())
                                 : window.max_timestamp();
  }
  static bool touches_any(const KeyWindows& windows, const TimeWindow& window) {
    return std::any_of(windows.windows.begin(), windows.windows.end(),
                       [&](const Window& one) { return one.window.touches(window); });
  }
  // The window that the row goes to: the assigned one, or what it and all that it touches become.
  Window& window_for(KeyWindows& windows, const TimeWindow& assigned) {
    if constexpr (Assigner::kMerging) { return merged_window(windows, assigned); }
    for (Window& one : windows.windows) {
      if (one.window == assigned) { return one; }
    }
    return new_window(windows, assigned);
  }
  Window& new_window(KeyWindows& windows, const TimeWindow& span) {
    windows.windows.emplace_back();
    state_->bytes += static_cast<int64_t>(sizeof(Window));
    windows.windows.back().window = span;
    return windows.windows.back();
  }
  Window& merged_window(KeyWindows& windows, const TimeWindow& assigned) {
    TimeWindow merged = assigned;
    size_t touched = 0;
    for (const Window& one : windows.windows) {
      if (one.window.touches(assigned)) {
        merged = merged.cover(one.window);
        ++touched;
      }
    }
    if (touched == 0) { return new_window(windows, assigned); }
    // The result is a new window, or the one among them that covers all the others.
    Window result;
    result.window = merged;
    const auto same = std::find_if(windows.windows.begin(), windows.windows.end(),
                                   [&](const Window& one) { return one.window == merged; });
    if (same != windows.windows.end()) {
      if (touched == 1) { return *same; }
      result = std::move(*same);
      windows.windows.erase(same);
    } else {
      state_->bytes += static_cast<int64_t>(sizeof(Window));
    }
    merge_touched(windows, assigned, result);
    windows.windows.push_back(std::move(result));
    return windows.windows.back();
  }
  void merge_touched(KeyWindows& windows, const TimeWindow& assigned, Window& result) {
    TriggerContext context(*this, result);
    auto kept = windows.windows.begin();
    for (auto one = windows.windows.begin(); one != windows.windows.end(); ++one) {
      if (!one->window.touches(assigned)) {
        if (kept != one) { *kept = std::move(*one); }
        ++kept;
        continue;
      }
      merge_contents(result, *one);
      if constexpr (requires {
                      trigger_.on_merge(result.window, result.trigger.value(), one->trigger.value(),
                                        context);
                    }) {
        trigger_.on_merge(result.window, result.trigger.value(), one->trigger.value(), context);
        result.trigger.settle(heap());
      }
      forget(*one);
    }
    windows.windows.erase(kept, windows.windows.end());
    static_assert(
        !Assigner::kMerging ||
            requires { trigger_.after_merge(result.window, result.trigger.value(), context); },
        "this trigger can't be used with session windows: it has no "
        "after_merge(const TimeWindow&, State&, context)");
    trigger_.after_merge(result.window, result.trigger.value(), context);
  }
  void merge_contents(Window& into, Window& from) {
    if constexpr (kFolds) {
      if (!from.filled) { return; }
      if (into.filled) {
        function_.merge(into.contents.value(), from.contents.value());
      } else {
        into.contents.value() = from.contents.value();
        into.filled = true;
      }
      into.contents.settle(heap());
    } else {
      state_->bytes -= into.contents.memory_bytes() + from.contents.memory_bytes();
      into.contents.append(from.contents);
      state_->bytes += into.contents.memory_bytes();
    }
  }
  void add_to(Window& window, const T& row, int64_t time) {
    if constexpr (kFolds) {
      if (!window.filled) { window.contents.value() = function_.init(); }
      window.filled = true;
      function_.add(window.contents.value(), row);
      window.contents.settle(heap());
    } else {
      const int64_t before = window.contents.memory_bytes();
      window.contents.add(row, time, heap());
      state_->bytes += window.contents.memory_bytes() - before;
    }
  }
  bool has_contents(const Window& window) const {
    if constexpr (kFolds) {
      return window.filled;
    } else {
      return !window.contents.empty();
    }
  }
  void clear_contents(Window& window) {
    if constexpr (kFolds) {
      window.contents.release(heap());
      window.contents = Contents();
      window.filled = false;
    } else {
      state_->bytes -= window.contents.memory_bytes();
      window.contents.clear(heap());
    }
  }

  // ---- Firing.

  void apply(TriggerResult result, const K& key, KeyWindows& windows, Window& window) {
    if (fires(result) && has_contents(window)) { emit(key, windows, window); }
    if (purges(result)) { clear_contents(window); }
  }
  void emit(const K& key, KeyWindows& windows, Window& window) {
    process_context_.begin(window.window, event_.time);
    process_context_.bind_states(window.user.value(), windows.global.value());
    if constexpr (kFolds) {
      function_.finish(key, window.window, window.contents.value(), process_context_);
    } else if constexpr (kEvicts) {
      if constexpr (!evicts_after()) { evict(window); }
      if (!window.contents.empty()) {
        function_.finish(key, window.window, window.contents.rows(), process_context_);
      }
      if constexpr (evicts_after()) { evict(window); }
    } else {
      function_.finish(key, window.window, window.contents.rows(), process_context_);
    }
    window.user.settle(heap());
    windows.global.settle(heap());
  }
  static constexpr bool evicts_after() {
    if constexpr (requires { Evictor::kAfter; }) { return Evictor::kAfter; }
    return false;
  }
  void evict(Window& window) {
    WindowRows<T> view(window.contents.rows(), window.contents.times());
    evictor_.evict(view, window.window, event_.time);
    if (view.dropped_count() > 0) { window.contents.remove_dropped(view, heap()); }
  }
  // The trigger's state may have got new Text. In a window that is never forgotten by time, what a
  // purge has left empty goes at once: else each key would leave something behind.
  void after_callback(KeyWindows& windows, Window& window) {
    window.trigger.settle(heap());
    if constexpr (GlobalAssigner<Assigner> && std::equality_comparable<TriggerData>) {
      if (!has_contents(window) && window.event_timers.empty() && window.clock_timers.empty() &&
          window.trigger.value() == TriggerData() && std::is_same_v<UserState, NoWindowState>) {
        forget(window);
        windows.windows.clear();
      }
    } else {
      static_cast<void>(windows);
    }
  }
  // Gives back what a window holds; it is taken out of the list by the caller.
  void forget(Window& window) {
    clear_contents(window);
    window.trigger.release(heap());
    window.user.release(heap());
    state_->bytes -= static_cast<int64_t>(sizeof(Window));
  }
  void erase_if_empty(KeyWindows& windows, KeyHash hash) {
    if constexpr (!kHasGlobalState) {
      if (!windows.windows.empty()) { return; }
      if (stored_ != nullptr) {
        stored_->store.clear_cell(stored_->store.current_row(), *stored_->cell);
      } else {
        state_->table.erase_where(
            hash, [&](const K&, const KeyWindows& one) { return &one == &windows; });
      }
    }
  }

  // ---- Time.

  int64_t earliest_due(const KeyWindows& windows, bool event) const {
    int64_t earliest = DueQueue::kNever;
    for (const Window& one : windows.windows) {
      earliest = std::min(earliest, event ? one.event_timers.first() : one.clock_timers.first());
      if (event == this->is_event_time()) {
        earliest = std::min(earliest, cleanup_time(one.window));
      }
    }
    return earliest;
  }
  bool has_due(const KeyWindows& windows, bool event) const {
    if (event == this->is_event_time() && !GlobalAssigner<Assigner>) {
      return !windows.windows.empty();
    }
    return std::any_of(windows.windows.begin(), windows.windows.end(), [&](const Window& one) {
      return !(event ? one.event_timers : one.clock_timers).empty();
    });
  }
  void arm(KeyWindows& windows, KeyHash hash) {
    arm_one(windows, windows.event_due, true, hash);
    arm_one(windows, windows.clock_due, false, hash);
  }
  void arm_one(KeyWindows& windows, DueMark& mark, bool event, KeyHash hash) {
    if (!has_due(windows, event)) { return; }
    const int64_t earliest = earliest_due(windows, event);
    if (mark.armed && mark.time <= earliest) { return; }
    mark = {earliest, true};
    if (stored_ != nullptr) {
      // For the key that is due; a row's key has no timers taken ahead.
      DueKeys<K>& due = event ? stored_->event_due : stored_->clock_due;
      due.set(earliest);
      return;
    }
    (event ? state_->event_queue : state_->clock_queue).push(earliest, hash);
  }
  // Does what is due by `time`, in the order of times. What is set meanwhile and due as well is
  // done too.
  Progress advance(Advance& advance, int64_t time) {
    if (!advance.active) {
      if (time <= advance.time) { return Progress::kDone; }
      advance.time = time;
      if (advance.is_event == this->is_event_time()) { this->set_watermark(time); }
      advance.active = true;
    }
    if (stored_ != nullptr) { return advance_stored(advance, time); }
    DueQueue& queue = advance.is_event ? state_->event_queue : state_->clock_queue;
    DueQueue::Entry entry;
    while (this->ready()) {
      if (!queue.pop(time, entry)) {
        advance.active = false;
        settle_memory();
        return Progress::kDone;
      }
      try {
        on_due(entry, advance.is_event);
      } catch (...) { rethrow_user_failure(this->context(), Function::kName, ""); }
    }
    return Progress::kBlocked;
  }
  void on_due(const DueQueue::Entry& entry, bool event) {
    const auto [key, windows] =
        state_->table.find_where(entry.hash, [&](const K&, const KeyWindows& candidate) {
          const DueMark& mark = event ? candidate.event_due : candidate.clock_due;
          return mark.armed && mark.time == entry.time;
        });
    if (windows == nullptr) { return; }  // an entry that was overtaken by an earlier one
    on_due_key(*key, entry.hash, *windows, entry.time, event);
  }
  void on_due_key(const K& key, KeyHash hash, KeyWindows& windows, int64_t due, bool event) {
    (event ? windows.event_due : windows.clock_due).armed = false;
    bool any_gone = false;
    for (size_t i = 0; i < windows.windows.size(); ++i) {
      Window& window = windows.windows[i];
      int64_t time = 0;
      while ((event ? window.event_timers : window.clock_timers).take_due(due, time)) {
        apply(on_timer(window, time, event), key, windows, window);
        window.trigger.settle(heap());
      }
      if (event == this->is_event_time() && !GlobalAssigner<Assigner> &&
          cleanup_time(window.window) <= due) {
        end_window(windows, window);
        any_gone = true;
      }
    }
    if (any_gone) {
      std::erase_if(windows.windows,
                    [&](const Window& one) { return cleanup_time(one.window) <= due; });
    } else if (windows.windows.size() == 1) {
      after_callback(windows, windows.windows.front());
    }
    arm(windows, hash);
    erase_if_empty(windows, hash);
  }
  TriggerResult on_timer(Window& window, int64_t time, bool event) {
    TriggerContext context(*this, window);
    TriggerData& data = window.trigger.value();
    if (event) {
      if constexpr (requires { trigger_.on_event_time(time, window.window, data, context); }) {
        return trigger_.on_event_time(time, window.window, data, context);
      }
    } else {
      if constexpr (requires { trigger_.on_processing_time(time, window.window, data, context); }) {
        return trigger_.on_processing_time(time, window.window, data, context);
      }
    }
    return TriggerResult::kContinue;
  }
  // The time of a window is over: the trigger and the function clear what they keep of it.
  void end_window(KeyWindows& windows, Window& window) {
    TriggerContext context(*this, window);
    TriggerData& data = window.trigger.value();
    if constexpr (requires { trigger_.clear(window.window, data, context); }) {
      trigger_.clear(window.window, data, context);
    }
    if constexpr (requires { function_.clear(process_context_); }) {
      process_context_.begin(window.window, event_.time);
      process_context_.bind_states(window.user.value(), windows.global.value());
      function_.clear(process_context_);
      windows.global.settle(heap());
    }
    forget(window);
  }

  // ---- With a backend.

  Status open_stored(SnapshotReader* reader) {
    stored_ = std::make_unique<StoredState>(*this, this->context());
    KeyedStore<K>& store = stored_->store;
    if (this->keeps_changes()) { store.keep_changes(); }
    TIDEWHEEL_RETURN_IF_ERROR(stored_->declare());
    TIDEWHEEL_RETURN_IF_ERROR(this->open_store(store, reader));
    // A snapshot of windows in memory has no timers beside them.
    if (reader != nullptr && store.next_time(TimeDomain::kEvent) == TimerQueue::kNoTime &&
        store.next_time(TimeDomain::kProcessing) == TimerQueue::kNoTime) {
      store.for_each_key([this](const K& key) {
        if (KeyWindows* const windows = stored_->find()) {
          arm(*windows, stored_->store.hash_of(key));
        }
      });
    }
    return store.status();
  }
  Progress write_stored(SnapshotWriter& writer) {
    try {
      return stored_->store.write(writer) ? Progress::kDone
                                          : this->snapshot_blocked(stored_->store, writer);
    } catch (...) { rethrow_user_failure(this->context(), "window state", ""); }
  }
  Progress advance_stored(Advance& advance, int64_t time) {
    DueKeys<K>& due_keys = advance.is_event ? stored_->event_due : stored_->clock_due;
    KeyedStore<K>& store = stored_->store;
    try {
      store.begin_work();
      while (this->ready()) {
        if (!due_keys.next(time)) {
          advance.active = false;
          break;
        }
        if (KeyWindows* const windows = stored_->find()) {
          on_due_key(due_keys.key(), due_keys.hash(), *windows, due_keys.time(), advance.is_event);
        }
      }
      store.clear_current();
      if (!advance.active) { store.end_work(0); }
    } catch (...) { rethrow_user_failure(this->context(), Function::kName, ""); }
    settle_memory();
    return advance.active ? Progress::kBlocked : Progress::kDone;
  }

  static Saved save_window(Window& window) {
    Saved saved;
    saved.window = window.window;
    saved.filled = window.filled;
    if constexpr (kFolds) {
      saved.contents = window.contents.value();
    } else {
      saved.contents.rows.assign(window.contents.rows().begin(), window.contents.rows().end());
      saved.contents.times.assign(window.contents.times().begin(), window.contents.times().end());
    }
    saved.trigger = window.trigger.value();
    saved.user = window.user.value();
    saved.event_timers = window.event_timers.times();
    saved.clock_timers = window.clock_timers.times();
    return saved;
  }
  static void save(KeyWindows& windows, SavedKey& saved) {
    for (Window& window : windows.windows) { saved.windows.push_back(save_window(window)); }
    saved.global = windows.global.value();
  }
  void load(KeyWindows& windows, SavedKey& saved) {
    for (Saved& window : saved.windows) { load_window(windows, window); }
    windows.global.value() = saved.global;
    windows.global.settle(heap());
  }
  void load_window(KeyWindows& windows, Saved& saved) {
    Window& window = new_window(windows, saved.window);
    window.filled = saved.filled;
    if constexpr (kFolds) {
      window.contents.value() = saved.contents;
      window.contents.settle(heap());
    } else {
      for (size_t i = 0; i < saved.contents.rows.size(); ++i) {
        window.contents.add(saved.contents.rows[i], saved.contents.times[i], heap());
      }
      state_->bytes += window.contents.memory_bytes();
    }
    window.trigger.value() = saved.trigger;
    window.trigger.settle(heap());
    window.user.value() = saved.user;
    window.user.settle(heap());
    window.event_timers.times() = std::move(saved.event_timers);
    window.clock_timers.times() = std::move(saved.clock_timers);
  }
  void wake_for_next_timer() {
    const int64_t next = stored_ != nullptr ? stored_->store.next_time(TimeDomain::kProcessing)
                                            : state_->clock_queue.next_time();
    if (next >= woken_for_) { return; }
    woken_for_ = next;
    this->context().wake_at_wall_ms(next);
  }
  void settle_memory() {
    if (stored_ != nullptr) {
      stored_->store.memory().set(state_->bytes);
      return this->require_memory(stored_->store.status());
    }
    state_->memory.set(state_->bytes);
    this->require_memory(state_->memory.check());
    this->require_memory(state_->table.status());
    this->require_memory(state_->event_queue.settle_memory());
    this->require_memory(state_->clock_queue.settle_memory());
  }

  const Assigner assigner_;
  const Trigger trigger_;
  const Evictor evictor_;
  const KeyOf key_of_;
  Function function_;
  ProcessContext<Out, UserState, GlobalState> process_context_;
  SnapshotReader* reader_ = nullptr;  // until `open`
  std::unique_ptr<State> state_;
  std::unique_ptr<StoredState> stored_;  // with a backend; then there is nothing in state_'s table
  Advance event_{true};
  Advance clock_{false};
  bool draining_ = false;  // the input has ended: timers by the clock are not set any more
  int64_t woken_for_ = DueQueue::kNever;

  Saver saver_{this};
  ChangePlan plan_;
  WindowState<K, NoWindow, SavedKey> saved_windows_{"windows", "value", WindowUnit::kKey};
  WatermarkState saved_watermark_;
};

}  // namespace tidewheel
