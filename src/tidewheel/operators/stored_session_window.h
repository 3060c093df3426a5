// Session windows with a fold whose state is in a backend: what SessionWindowOperator does, with
// the sessions of a key as one value of a KeyedStore. The rows of a batch, and those of keys whose
// timers are due, are read together. A key has a timer that is never after the time at which
// something is due for it; one that comes too early is set again.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/operators/due_keys.h"
#include "tidewheel/operators/window_fold.h"
#include "tidewheel/operators/window_operator.h"
#include "tidewheel/state/keyed_store.h"

namespace tidewheel {

// One session, as snapshots have it.
template <class Accumulator>
struct SavedSession {
  TimeWindow window;
  Accumulator value{};
  bool fired = false;  // since it has grown last
};

template <class K, class T, class KeyOf, class Assigner, class Fold>
class StoredSessionWindow final : public WindowEngine<T, typename Fold::Output> {
  using Base = WindowEngine<T, typename Fold::Output>;
  using Session = SavedSession<typename Fold::Accumulator>;
  using Sessions = std::vector<Session>;

 public:
  // What is referred to lives longer.
  StoredSessionWindow(WindowOperator<T, typename Fold::Output>& host, const Assigner& assigner,
                      const KeyOf& key_of, Fold& fold)
      : Base(host),
        assigner_(assigner),
        key_of_(key_of),
        fold_(fold),
        store_(this->context().key_groups(), this->context().max_parallelism(),
               &this->context().memory(), this->context().clock(), "session windows"),
        due_(store_, domain(), &this->context().memory()) {}

  // `reader` may be null; the watermark was read from it already.
  Status open(SnapshotReader* reader, int64_t watermark) {
    this->set_watermark(watermark);
    if (this->keeps_changes()) { store_.keep_changes(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(cell_, store_.template declare<ValueCell<Sessions>>("sessions", {}));
    TIDEWHEEL_RETURN_IF_ERROR(this->open_store(store_, reader));
    // A snapshot of sessions in memory has no timers.
    if (reader != nullptr && store_.next_time(domain()) == TimerQueue::kNoTime) {
      store_.for_each_key([this](const K&) {
        if (const auto* const item = cell_->find(store_.current_row())) { arm(item->value); }
      });
    }
    wake_for_next_timer();
    return store_.status();
  }

  Progress on_rows(const Element& rows, uint32_t& cursor) {
    const auto& in = RowBatch<T>::of(*rows.batch);
    const bool by_clock = !this->is_event_time();
    const int64_t now = by_clock ? this->processing_time_now() : 0;
    try {
      KeyedBatch batch(store_, cursor, rows.end, [&](uint32_t i) -> decltype(auto) {
        return std::invoke(key_of_, in.row(i));
      });
      for (; cursor < rows.end && this->ready(); ++cursor) {
        batch.select(cursor);
        add_row(in, cursor, by_clock ? now : in.timestamps()[cursor]);
      }
    } catch (...) {
      rethrow_user_failure(this->context(), Fold::kName,
                           cursor < rows.end ? describe_record(in.row(cursor)) : "");
    }
    this->require(store_.status());
    wake_for_next_timer();
    return cursor < rows.end ? Progress::kBlocked : Progress::kDone;
  }

  // Does what is due by `time`, in the order of times. Resumes from due_.
  Progress advance(int64_t time) {
    if (!advancing_) {
      if (time <= this->watermark()) { return Progress::kDone; }
      this->set_watermark(time);
      advancing_ = true;
    }
    try {
      store_.begin_work();
      while (this->ready()) {
        if (!due_.next(time)) {
          advancing_ = false;
          break;
        }
        on_due(due_.key(), due_.time());
      }
      store_.clear_current();
      if (!advancing_) { store_.end_work(0); }
    } catch (...) { rethrow_user_failure(this->context(), "the window's result", ""); }
    this->require(store_.status());
    return advancing_ ? Progress::kBlocked : Progress::kDone;
  }
  void wake_for_next_timer() {
    if (this->is_event_time()) { return; }
    const int64_t next = store_.next_time(domain());
    if (next >= woken_for_) { return; }
    woken_for_ = next;
    this->context().wake_at_wall_ms(next);
  }
  void forget_wake() { woken_for_ = std::numeric_limits<int64_t>::max(); }

  void begin_snapshot(const SnapshotStart& start) { store_.begin_snapshot(start); }
  Progress snapshot(SnapshotWriter& writer) {
    try {
      return store_.write(writer) ? Progress::kDone : this->snapshot_blocked(store_, writer);
    } catch (...) { rethrow_user_failure(this->context(), "window state", ""); }
  }
  void abort_snapshot() { store_.abort_snapshot(); }

 private:
  TimeDomain domain() const {
    return this->is_event_time() ? TimeDomain::kEvent : TimeDomain::kProcessing;
  }

  // ---- Rows. Their key is the current one.

  void add_row(const RowBatch<T>& in, uint32_t index, int64_t time) {
    const T& row = in.row(index);
    this->require_timestamp(row, time);
    const int64_t end = saturating_add(time, assigner_.gap_of(row));
    const TimeWindow window{Timestamp(time), Timestamp(end)};
    const bool is_old = window.max_timestamp() <= this->watermark();
    if (is_old && saturating_add(window.max_timestamp(), this->lateness()) <= this->watermark() &&
        !touches_any(window)) {
      this->take_late(row, time, in);
      return;
    }
    Stored<Sessions>& item = cell_->open(store_.ensure_row());
    Session& joined = join(item.value, window, row);
    if (is_old && joined.window.max_timestamp() <= this->watermark()) {
      fire(std::invoke(key_of_, row), joined);
      arm(item.value);
    }
    item.settle(store_.heap());
  }
  bool touches_any(const TimeWindow& window) {
    std::byte* const row = store_.current_row();
    const auto* const item = row == nullptr ? nullptr : cell_->find(row);
    return item != nullptr &&
           std::any_of(item->value.begin(), item->value.end(),
                       [&](const Session& session) { return session.window.touches(window); });
  }
  // Adds the row to the session that it and all sessions that it touches become: the first of them,
  // by start. The reference is valid until the next change of the key.
  Session& join(Sessions& sessions, const TimeWindow& window, const T& row) {
    touched_.clear();
    for (size_t i = 0; i < sessions.size(); ++i) {
      if (sessions[i].window.touches(window)) { touched_.push_back(i); }
    }
    if (touched_.empty()) {
      Session& made = sessions.emplace_back();
      made.window = window;
      made.value = fold_.init();
      fold_.add(made.value, row);
      arm(sessions);
      return made;
    }
    std::sort(touched_.begin(), touched_.end(), [&](size_t a, size_t b) {
      return sessions[a].window.start < sessions[b].window.start;
    });
    Session joined = sessions[touched_.front()];
    for (size_t i = 1; i < touched_.size(); ++i) {
      fold_.merge(joined.value, sessions[touched_[i]].value);
      joined.window = joined.window.cover(sessions[touched_[i]].window);
    }
    joined.window = joined.window.cover(window);
    fold_.add(joined.value, row);
    // What has fired is due for its end only; a longer one fires again.
    const bool is_due_sooner = std::exchange(joined.fired, false) || touched_.size() > 1;
    if (touched_.size() == 1) {
      Session& place = sessions[touched_.front()];
      place = std::move(joined);
      if (is_due_sooner) { arm(sessions); }
      return place;
    }
    std::sort(touched_.begin(), touched_.end());
    for (size_t i = touched_.size(); i > 0; --i) {
      sessions.erase(sessions.begin() + static_cast<std::ptrdiff_t>(touched_[i - 1]));
    }
    sessions.push_back(std::move(joined));
    arm(sessions);
    return sessions.back();
  }

  // ---- Time.

  // When something is to be done for a session: it fires, or it is gone.
  int64_t due_of(const Session& session) const {
    const int64_t last = session.window.max_timestamp();
    return session.fired ? saturating_add(last, this->lateness()) : last;
  }
  int64_t earliest_due(const Sessions& sessions) const {
    int64_t earliest = std::numeric_limits<int64_t>::max();
    for (const Session& session : sessions) { earliest = std::min(earliest, due_of(session)); }
    return earliest;
  }
  void arm(const Sessions& sessions) { store_.add_timer(domain(), earliest_due(sessions)); }
  void fire(const K& key, Session& session) {
    this->emitter().begin(session.window, this->watermark());
    fold_.finish(key, this->emitter().window(), std::as_const(session.value), this->emitter());
    session.fired = true;
  }
  // Of the current key.
  void on_due(const K& key, int64_t time) {
    std::byte* const row = store_.current_row();
    Stored<Sessions>* const item = row == nullptr ? nullptr : cell_->find(row);
    if (item == nullptr) { return; }
    std::erase_if(item->value, [&](Session& session) {
      const int64_t last = session.window.max_timestamp();
      if (!session.fired && last <= time) { fire(key, session); }
      return session.fired && saturating_add(last, this->lateness()) <= time;
    });
    if (item->value.empty()) {
      store_.clear_cell(row, *cell_);
      return;
    }
    item->settle(store_.heap());
    due_.set(earliest_due(item->value));
  }

  const Assigner& assigner_;
  const KeyOf& key_of_;
  Fold& fold_;
  KeyedStore<K> store_;
  ValueCell<Sessions>* cell_ = nullptr;
  DueKeys<K> due_;
  bool advancing_ = false;
  int64_t woken_for_ = std::numeric_limits<int64_t>::max();  // processing time
  std::vector<size_t> touched_;                              // of the row at work
};

}  // namespace tidewheel
