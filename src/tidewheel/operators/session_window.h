// Session windows with a fold and the default trigger. A key has one session most of the time,
// which lies in its slot of the table; more of them, which rows out of order make, lie beside it. A
// key has one pending timer: it is set when a session begins and not moved when the session grows;
// when it comes too early it is set again, so that a row costs a lookup and nothing else. With a
// state backend StoredSessionWindow does all this.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "tidewheel/operators/stored_session_window.h"
#include "tidewheel/operators/window_fold.h"
#include "tidewheel/operators/window_operator.h"
#include "tidewheel/operators/window_snapshot.h"
#include "tidewheel/operators/window_timers.h"
#include "tidewheel/state/keyed_table.h"

namespace tidewheel {

template <class K, class T, class KeyOf, class Assigner, class Fold>
class SessionWindowOperator final : public WindowOperator<T, typename Fold::Output> {
  using Base = WindowOperator<T, typename Fold::Output>;
  using Accumulator = typename Fold::Accumulator;
  using Stored = StoredSessionWindow<K, T, KeyOf, Assigner, Fold>;
  using Saved = std::vector<SavedSession<Accumulator>>;

 public:
  SessionWindowOperator(Assigner assigner, KeyOf key_of, Fold fold, WindowSettings<T> settings,
                        std::shared_ptr<const NodeLinks> links)
      : Base(std::move(settings), std::move(links)),
        assigner_(std::move(assigner)),
        key_of_(std::move(key_of)),
        fold_(std::move(fold)) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(Base::open(context));
    SnapshotReader* const reader = std::exchange(reader_, nullptr);
    TIDEWHEEL_ASSIGN_OR_RETURN(StateBackend* const backend, context.state_backend());
    if (backend != nullptr) {
      stored_ = std::make_unique<Stored>(*this, assigner_, key_of_, fold_);
      return stored_->open(reader, saved_watermark_.restored());
    }
    if (reader != nullptr) { TIDEWHEEL_RETURN_IF_ERROR(check_readable_without_backend(*reader)); }
    state_ = std::make_unique<State>(context, timer_quantum());
    plan_ = ChangePlan(context.key_groups(), this->keeps_changes());
    this->set_watermark(saved_watermark_.restored());
    TIDEWHEEL_RETURN_IF_ERROR(saved_sessions_.load(
        context.max_parallelism(), [this](const K& key, NoWindow, const Saved& saved) {
          for (const auto& session : saved) { restore_session(key, session); }
        }));
    if (!this->is_event_time()) { wake_for_next_timer(); }
    return {};
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    if (stored_ != nullptr) { return stored_->on_rows(rows, cursor); }
    const auto& in = RowBatch<T>::of(*rows.batch);
    if (!this->ready()) { return Progress::kBlocked; }
    const bool by_clock = !this->is_event_time();
    const int64_t now = by_clock ? this->processing_time_now() : 0;
    const int64_t* times = in.timestamps();
    uint32_t at = cursor;
    try {
      cursor = visit_prefetched(
          state_->table, cursor, rows.end,
          [&](uint32_t index) -> decltype(auto) { return std::invoke(key_of_, in.row(index)); },
          [&](uint32_t index, KeyHash hash) {
            at = index;
            return add_row(in, index, by_clock ? now : times[index], hash);
          });
    } catch (...) {
      rethrow_user_failure(this->context(), Fold::kName, describe_record(in.row(at)));
    }
    this->require_memory(state_->table.status());
    this->require_memory(state_->due.settle_memory());
    if (by_clock) { wake_for_next_timer(); }
    return cursor < rows.end ? Progress::kBlocked : Progress::kDone;
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
    woken_for_ = DueQueue::kNever;
    if (advance(now_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    wake_for_next_timer();
    return Progress::kDone;
  }
  // Sessions by the clock that are open at the end of the input fire too: nothing more will come.
  Progress on_end_of_input(int32_t) override {
    return this->is_event_time() ? Progress::kDone : advance(kMaxWatermark);
  }

  void begin_snapshot(const SnapshotStart& start) override {
    if (stored_ != nullptr) {
      saved_watermark_.start(this->watermark());
      return stored_->begin_snapshot(start);
    }
    state_->table.end_snapshot();
    plan_.begin(start);
    saved_watermark_.start(this->watermark());
    saved_sessions_.start(this->context().key_groups(), plan_);
    state_->table.begin_snapshot(saver_, plan_.content(), plan_.keeps_changes());
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (stored_ == nullptr && !state_->table.is_writing()) { return Progress::kDone; }
    if (!writer.ready()) { return Progress::kBlocked; }
    saved_watermark_.write(writer);
    if (stored_ != nullptr) { return stored_->snapshot(writer); }
    const bool is_done =
        saved_sessions_.write(writer, [this](int32_t group, size_t& budget, auto ready) {
          return state_->table.write_group(group, budget, ready);
        });
    if (!is_done) { return this->snapshot_blocked(writer); }
    state_->table.end_snapshot();
    return Progress::kDone;
  }
  bool snapshots_in_background() const override { return true; }
  void abort_snapshot() override {
    if (stored_ != nullptr) { return stored_->abort_snapshot(); }
    state_->table.end_snapshot();
    plan_.write_all_next();
  }
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_RETURN_IF_ERROR(saved_watermark_.read(reader));
    reader_ = &reader;
    return saved_sessions_.read(reader);
  }

 private:
  struct Session {
    bool exists() const { return start <= end; }
    bool touches(int64_t from, int64_t to) const { return start <= to && from <= end; }
    TimeWindow window() const { return {Timestamp(start), Timestamp(end)}; }
    int64_t max_timestamp() const { return window().max_timestamp(); }

    int64_t start = 1;
    int64_t end = 0;
    Held<Accumulator> held;
    bool fired = false;  // since it has grown last
  };
  struct KeySessions {
    Session first;
    int64_t due = 0;  // the time of the key's entry in the queue, when there is one
    bool armed = false;
    uint32_t more = 0;  // index in State::more of further sessions; 0: none
  };
  // Gives the sessions of a key to the snapshot.
  struct Saver final : public TableTracker<K, KeySessions> {
    explicit Saver(SessionWindowOperator* the_op) : op(the_op) {}
    void entry(int32_t group, const K& key, KeySessions& sessions) override {
      op->plan_.note_unit(group);
      Saved& saved = op->saved_;
      saved.clear();
      op->for_each_session(sessions, [&](Session& session) {
        saved.push_back({session.window(), session.held.value(), session.fired});
      });
      op->saved_sessions_.give(group, key, {}, saved);
    }
    void erased(int32_t group, const K& key) override {
      op->plan_.note_erased(group);
      op->saved_sessions_.erase(group, key);
    }
    void cleared() override { op->plan_.write_all_next(); }
    bool is_whole(int32_t group) const override { return op->plan_.is_whole(group); }
    SessionWindowOperator* const op;
  };
  // Made in `open`, when the subtask knows its key groups.
  struct State {
    State(OperatorContext& context, int64_t quantum)
        : table(context.key_groups(), context.max_parallelism(), &context.memory(),
                "session windows"),
          heap(&context.memory()),
          due(quantum, &context.memory()),
          more(1) {}
    KeyedTable<K, KeySessions> table;
    TextHeap heap;
    DueQueue due;
    std::vector<std::vector<Session>> more;  // index 0 is unused
    std::vector<uint32_t> free_more;
  };
  static constexpr size_t kDueAhead = 16;

  int64_t timer_quantum() const {
    if constexpr (std::is_convertible_v<decltype(assigner_.gap), int64_t>) {
      return assigner_.gap / 32;
    }
    return 1000;
  }

  // ---- Rows.

  // False when the row may emit and the output is not ready.
  bool add_row(const RowBatch<T>& in, uint32_t index, int64_t time, KeyHash hash) {
    const T& row = in.row(index);
    this->require_timestamp(row, time);
    const int64_t end = saturating_add(time, assigner_.gap_of(row));
    const bool is_old =
        TimeWindow{Timestamp(time), Timestamp(end)}.max_timestamp() <= this->watermark();
    if (is_old) [[unlikely]] {
      if (!this->ready()) { return false; }
      add_old_row(in, index, time, end, hash);
      return true;
    }
    bool inserted = false;
    KeySessions& sessions = state_->table.upsert(std::invoke(key_of_, row), hash, inserted);
    Session& first = sessions.first;
    if (!inserted && sessions.more == 0 && first.touches(time, end)) [[likely]] {
      first.start = std::min(first.start, time);
      first.end = std::max(first.end, end);
      add_to(first, row);
      if (first.fired) [[unlikely]] {
        first.fired = false;
        arm(sessions, hash);
      }
      return true;
    }
    join_session(sessions, row, time, end);
    arm(sessions, hash);
    return true;
  }
  // A row whose own session would be over by now: late, unless a session that is kept takes it.
  void add_old_row(const RowBatch<T>& in, uint32_t index, int64_t time, int64_t end, KeyHash hash) {
    const T& row = in.row(index);
    const int64_t last = TimeWindow{Timestamp(time), Timestamp(end)}.max_timestamp();
    const bool is_late = saturating_add(last, this->lateness()) <= this->watermark();
    const K& key = std::invoke(key_of_, row);
    KeySessions* sessions = state_->table.find(key, hash);
    if (is_late && (sessions == nullptr || !touches_any(*sessions, time, end))) {
      this->take_late(row, time, in);
      return;
    }
    if (sessions == nullptr) { sessions = &state_->table.upsert(key, hash); }
    Session& joined = join_session(*sessions, row, time, end);
    if (joined.max_timestamp() <= this->watermark()) { fire(key, joined); }
    arm(*sessions, hash);
  }
  void add_to(Session& session, const T& row) {
    fold_.add(session.held.value(), row);
    if constexpr (has_text_v<Accumulator>) { session.held.settle(state_->heap); }
  }
  template <class F>
  void for_each_session(KeySessions& sessions, F f) {
    if (sessions.first.exists()) { f(sessions.first); }
    if (sessions.more != 0) {
      for (Session& session : state_->more[sessions.more]) { f(session); }
    }
  }
  bool touches_any(KeySessions& sessions, int64_t from, int64_t to) {
    bool any = false;
    for_each_session(sessions, [&](Session& session) { any |= session.touches(from, to); });
    return any;
  }
  // Adds the row to the session that it and all sessions that it touches become. The reference is
  // valid until the next change of the key.
  Session& join_session(KeySessions& sessions, const T& row, int64_t from, int64_t to) {
    Session joined;
    std::vector<Session> kept;
    std::vector<Session> touched;
    for_each_session(sessions, [&](Session& session) {
      (session.touches(from, to) ? touched : kept).push_back(session);
    });
    std::sort(touched.begin(), touched.end(),
              [](const Session& a, const Session& b) { return a.start < b.start; });
    if (touched.empty()) {
      joined.held.value() = fold_.init();
    } else {
      joined = touched.front();
      for (size_t i = 1; i < touched.size(); ++i) {
        fold_.merge(joined.held.value(), touched[i].held.value());
        if constexpr (has_text_v<Accumulator>) { joined.held.settle(state_->heap); }
        touched[i].held.release(state_->heap);
      }
      from = std::min(from, touched.front().start);
      to = std::max(to, touched.back().end);
    }
    joined.start = from;
    joined.end = to;
    joined.fired = false;
    add_to(joined, row);
    store(sessions, joined, kept);
    return sessions.first;
  }
  // Makes `first` and `rest` the sessions of a key.
  void store(KeySessions& sessions, const Session& first, std::vector<Session>& rest) {
    sessions.first = first;
    if (rest.empty()) {
      if (sessions.more != 0) {
        state_->more[sessions.more].clear();
        state_->free_more.push_back(sessions.more);
        sessions.more = 0;
      }
      return;
    }
    if (sessions.more == 0) {
      if (state_->free_more.empty()) {
        state_->more.emplace_back();
        state_->free_more.push_back(static_cast<uint32_t>(state_->more.size() - 1));
      }
      sessions.more = state_->free_more.back();
      state_->free_more.pop_back();
    }
    state_->more[sessions.more].swap(rest);
  }

  void restore_session(const K& key, const SavedSession<Accumulator>& saved) {
    const KeyHash hash = key_hash(key, this->context().max_parallelism());
    KeySessions& sessions = state_->table.upsert(key, hash);
    std::vector<Session> rest;
    for_each_session(sessions, [&](Session& session) { rest.push_back(session); });
    Session session;
    session.start = saved.window.start.ms();
    session.end = saved.window.end.ms();
    session.held.value() = saved.value;
    session.held.settle(state_->heap);
    session.fired = saved.fired;
    store(sessions, session, rest);
    arm(sessions, hash);
  }

  // ---- Time.

  // When something is to be done for a session: it fires, or it is gone.
  int64_t due_of(const Session& session) const {
    const int64_t last = session.max_timestamp();
    return session.fired ? saturating_add(last, this->lateness()) : last;
  }
  int64_t earliest_due(KeySessions& sessions) {
    int64_t earliest = DueQueue::kNever;
    for_each_session(sessions,
                     [&](Session& session) { earliest = std::min(earliest, due_of(session)); });
    return earliest;
  }
  void arm(KeySessions& sessions, KeyHash hash) {
    const int64_t earliest = earliest_due(sessions);
    if (earliest < sessions.due || !sessions.armed) {
      sessions.due = earliest;
      sessions.armed = true;
      state_->due.push(earliest, hash);
    }
  }
  void fire(const K& key, Session& session) {
    this->emitter().begin(session.window(), this->watermark());
    fold_.finish(key, this->emitter().window(), session.held.value(), this->emitter());
    session.fired = true;
  }
  // Does what is due by `time`, in the order of times. Resumes from due_.
  Progress advance(int64_t time) {
    if (stored_ != nullptr) { return stored_->advance(time); }
    if (!advancing_) {
      if (time <= this->watermark()) { return Progress::kDone; }
      this->set_watermark(time);
      advancing_ = true;
    }
    for (;;) {
      if (due_next_ == due_.size() && !take_due(time)) { break; }
      while (due_next_ < due_.size()) {
        if (!this->ready()) { return Progress::kBlocked; }
        const DueQueue::Entry entry = due_[due_next_++];
        try {
          on_due(entry);
        } catch (...) { rethrow_user_failure(this->context(), "the window's result", ""); }
      }
    }
    advancing_ = false;
    return Progress::kDone;
  }
  // Takes some due entries and fetches their slots ahead.
  bool take_due(int64_t time) {
    due_.clear();
    due_next_ = 0;
    DueQueue::Entry entry;
    while (due_.size() < kDueAhead && state_->due.pop(time, entry)) {
      state_->table.prefetch(entry.hash);
      due_.push_back(entry);
    }
    return !due_.empty();
  }
  void on_due(const DueQueue::Entry& entry) {
    const auto [key, sessions] =
        state_->table.find_where(entry.hash, [&](const K&, const KeySessions& candidate) {
          return candidate.armed && candidate.due == entry.time;
        });
    if (sessions == nullptr) { return; }  // an entry that was overtaken by an earlier one
    if (sessions->more == 0) [[likely]] {
      handle_due(*key, sessions->first, entry.time);
    } else {
      std::vector<Session>& rest = scratch_;
      rest.clear();
      for_each_session(*sessions, [&, key = key](Session& session) {
        handle_due(*key, session, entry.time);
        if (session.exists()) { rest.push_back(session); }
      });
      Session last;
      if (!rest.empty()) {
        last = rest.back();
        rest.pop_back();
      }
      store(*sessions, last, rest);
    }
    if (!sessions->first.exists()) {
      state_->table.erase_where(
          entry.hash,
          [sessions = sessions](const K&, const KeySessions& one) { return &one == sessions; });
      return;
    }
    sessions->due = earliest_due(*sessions);
    arm_again({sessions->due, entry.hash});
  }
  // Keeps the order of times when a key is due again before some that were taken already.
  void arm_again(const DueQueue::Entry& entry) {
    if (due_next_ == due_.size() || entry.time >= due_.back().time) {
      state_->due.push(entry.time, entry.hash);
      return;
    }
    const auto place = std::upper_bound(
        due_.begin() + static_cast<std::ptrdiff_t>(due_next_), due_.end(), entry,
        [](const DueQueue::Entry& a, const DueQueue::Entry& b) { return a.time < b.time; });
    due_.insert(place, entry);
  }
  // Fires a session whose time has come, and forgets it when it is kept no longer.
  void handle_due(const K& key, Session& session, int64_t time) {
    if (!session.fired && session.max_timestamp() <= time) { fire(key, session); }
    if (session.fired && saturating_add(session.max_timestamp(), this->lateness()) <= time) {
      session.held.release(state_->heap);
      session = Session();
    }
  }
  void wake_for_next_timer() {
    if (stored_ != nullptr) { return stored_->wake_for_next_timer(); }
    const int64_t next = state_->due.next_time();
    if (next >= woken_for_) { return; }
    woken_for_ = next;
    this->context().wake_at_wall_ms(next);
  }

  const Assigner assigner_;
  const KeyOf key_of_;
  Fold fold_;
  SnapshotReader* reader_ = nullptr;  // until `open`
  std::unique_ptr<Stored> stored_;    // with a backend; then nothing below is used
  std::unique_ptr<State> state_;
  int64_t woken_for_ = DueQueue::kNever;  // processing time: the wake that was asked for

  // Where `advance` goes on.
  bool advancing_ = false;
  std::vector<DueQueue::Entry> due_;
  size_t due_next_ = 0;
  std::vector<Session> scratch_;

  Saver saver_{this};
  ChangePlan plan_;
  WindowState<K, NoWindow, Saved> saved_sessions_{"sessions", "value", WindowUnit::kKey};
  Saved saved_;  // of the key that is written
  WatermarkState saved_watermark_;
};

}  // namespace tidewheel
