// async_map: a coroutine for each row, many in flight at once, on the task's own thread.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/operators/async.h"
#include "tidewheel/operators/async_options.h"
#include "tidewheel/operators/map.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// The part that knows no types: which entries may go out.
class AsyncQueueBase {
 protected:
  ~AsyncQueueBase() = default;
  static int64_t backoff_ms(const Backoff& backoff, int32_t attempt);
};

template <class T, class To, class F, class Fallback>
class AsyncMapOperator final : public FunctionOperator<To, F>, private AsyncQueueBase {
 public:
  AsyncMapOperator(F function, Fallback fallback, AsyncOptions options,
                   std::shared_ptr<const NodeLinks> links)
      : FunctionOperator<To, F>(std::move(function), std::move(links)),
        fallback_(std::move(fallback)),
        options_(options) {}

  Status open(OperatorContext& context) override {
    loop_.emplace(context);
    if (!queue_.empty()) {
      context.wake();
    }  // to begin what was restored, whether or not rows come
    return FunctionOperator<To, F>::open(context);
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    waits_ = false;
    if (!drain()) { return Progress::kBlocked; }
    for (; cursor < rows.end; ++cursor) {
      if (!has_room()) {
        if (!drain()) { return Progress::kBlocked; }
        if (!has_room()) { return wait(); }
      }
      Entry& entry = queue_.emplace_back();
      entry.row = RowBatch<T>::of(*rows.batch).row(cursor);
      entry.timestamp = rows.batch->timestamps()[cursor];
      if constexpr (has_text_v<T>) { entry.batch = rows.batch; }
      begin(entry);
    }
    return drain() ? Progress::kDone : Progress::kBlocked;
  }

  Progress on_watermark(int64_t time_ms) override { return control(Element::watermark(time_ms)); }
  Progress on_idle(bool idle) override {
    return control(Element::control(idle ? Element::Kind::kIdle : Element::Kind::kActive));
  }
  Progress on_latency_marker(const Element& marker) override { return control(marker); }
  Progress on_wake() override {
    waits_ = false;
    return drain() ? Progress::kDone : Progress::kBlocked;
  }
  Progress on_processing_time(int64_t) override { return on_wake(); }
  std::optional<int64_t> waits_until_ns() const override {
    return waits_ ? std::optional(next_time_ns()) : std::nullopt;
  }

  // The end waits for all that is in flight.
  Progress on_end_of_input(int32_t) override {
    waits_ = false;
    if (!drain()) { return Progress::kBlocked; }
    return queue_.empty() ? Progress::kDone : wait();
  }

  // What belongs to the epoch is given before its end.
  Progress on_epoch(int64_t) override { return on_end_of_input(0); }

  // The inputs in flight are begun again after a restore.
  Progress snapshot(SnapshotWriter& writer) override {
    if (!writer.ready()) { return Progress::kBlocked; }
    writer.begin_state({kInFlight,
                        StateKind::kSplitList,
                        "list",
                        {},
                        {},
                        encoded_schema<std::pair<int64_t, T>>()});
    StateBytes bytes;
    for (const Entry& entry : queue_) {
      if (entry.is_row() && !entry.sent) {
        writer.add({0, {}, {}, bytes.encode(std::pair<int64_t, T>(entry.timestamp, entry.row))});
      }
    }
    return Progress::kDone;
  }
  Status restore(SnapshotReader& reader) override {
    const StateMeta* meta = reader.find(kInFlight);
    if (meta == nullptr) { return {}; }
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const auto decoder, (StateDecoder<std::pair<int64_t, T>>::make(*meta, meta->value_schema)));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(kInFlight));
    StateEntry found;
    while (true) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(found));
      if (!more) { return {}; }
      restored_bytes_.emplace_back(found.value);
      std::pair<int64_t, T> value{};
      TIDEWHEEL_RETURN_IF_ERROR(decoder.decode(restored_bytes_.back(), value));
      Entry& entry = queue_.emplace_back();
      entry.row = std::move(value.second);
      entry.timestamp = value.first;
      entry.restored = true;
      ++restored_left_;
    }
  }

  void close(bool finished) override {
    if (loop_.has_value()) { loop_->close(); }
    queue_.clear();  // destroys the coroutines before the function that they belong to
    FunctionOperator<To, F>::close(finished);
  }

 private:
  static constexpr char kInFlight[] = "in flight";

  // A row in flight, or a control element that has to keep its place.
  struct Entry {
    std::optional<Element> control;
    T row{};
    BatchRef batch;  // keeps the row's Text
    int64_t timestamp = kNoTimestamp;
    int64_t deadline_ns = Clock::kNever;
    int64_t retry_at_ns = Clock::kNever;  // the next attempt, when one is due
    int32_t attempt = 0;
    bool restored = false;  // not begun yet
    bool sent = false;
    std::optional<Async<To>> call;
    std::optional<To> result;

    bool is_row() const { return !control.has_value(); }
  };

  Progress wait() {
    waits_ = true;
    return Progress::kBlocked;
  }

  Progress control(Element element) {
    waits_ = false;
    if (!drain()) { return Progress::kBlocked; }
    if (!queue_.empty()) {
      queue_.emplace_back().control = std::move(element);
      return Progress::kDone;
    }
    if (!this->ready()) { return Progress::kBlocked; }
    // The port keeps what it can't deliver: sending it again would double it.
    static_cast<void>(this->output().send(std::move(element)));
    return Progress::kDone;
  }

  // Rows that were restored come first: behind others, in their turn, they might find no room ever.
  bool has_room() const { return in_flight_ < options_.capacity && restored_left_ == 0; }

  void begin(Entry& entry) {
    ++in_flight_;
    if (std::exchange(entry.restored, false)) { --restored_left_; }
    if (options_.timeout.count() > 0) {
      entry.deadline_ns = this->context().clock().now_ns() + to_ms(options_.timeout) * 1'000'000;
    }
    attempt(entry);
  }
  void attempt(Entry& entry) {
    entry.retry_at_ns = Clock::kNever;
    ++entry.attempt;
    try {
      entry.call.emplace(std::invoke(this->function_, T(entry.row)));
      entry.call->start(*loop_);
    } catch (...) {
      rethrow_user_failure(this->context(), "async_map", describe_record(entry.row));
    }
  }

  // Moves on whatever can: timers, retries, results, timeouts; then sends what may go out. False
  // when the output has refused.
  bool drain() {
    loop_->run_timers();
    const int64_t now_ns = this->context().clock().now_ns();
    for (size_t i = 0; i < queue_.size(); ++i) {
      Entry& entry = queue_[i];
      if (!entry.is_row() || entry.sent || entry.result.has_value()) { continue; }
      if (entry.restored && in_flight_ < options_.capacity) { begin(entry); }
      advance(entry, now_ns);
    }
    const bool sent = send_ready();
    // What has gone out has made room; nobody may wake the operator for what was restored.
    if (sent && restored_left_ > 0 && in_flight_ < options_.capacity) { return drain(); }
    ask_for_timer();
    return sent;
  }

  void advance(Entry& entry, int64_t now_ns) {
    if (entry.call.has_value() && entry.call->done()) { take_result(entry, now_ns); }
    if (entry.result.has_value()) { return; }
    if (now_ns >= entry.deadline_ns) {
      time_out(entry);
    } else if (now_ns >= entry.retry_at_ns) {
      attempt(entry);
      if (entry.call->done()) { take_result(entry, now_ns); }
    }
  }
  void take_result(Entry& entry, int64_t now_ns) {
    try {
      entry.result.emplace(entry.call->take());
      entry.call.reset();
    } catch (...) {
      entry.call.reset();
      if (entry.attempt > options_.retry.attempts) {
        rethrow_user_failure(this->context(), "async_map", describe_record(entry.row));
      }
      entry.retry_at_ns = now_ns + backoff_ms(options_.retry, entry.attempt) * 1'000'000;
    }
  }
  void time_out(Entry& entry) {
    entry.call.reset();  // what it waits for finds it gone
    if constexpr (std::is_same_v<Fallback, NoTimeoutFallback>) {
      throw_user_failure(
          this->context(), "async_map",
          deadline_exceeded(ErrorId::kUserCodeFailed,
                            "the call has taken longer than its timeout of {} ms; give "
                            "async_map a fallback to go on without its result",
                            to_ms(options_.timeout)),
          describe_record(entry.row));
    } else {
      try {
        entry.result.emplace(std::invoke(fallback_, std::as_const(entry.row)));
      } catch (...) {
        rethrow_user_failure(this->context(), "on_timeout", describe_record(entry.row));
      }
    }
  }

  // A port that refuses keeps what it is sent.
  void send_to_all(const Element& element) {
    for (OutputPort* port : this->outputs()) { static_cast<void>(port->send(element)); }
  }
  bool send_ready() {
    while (!queue_.empty()) {
      if (!this->ready()) { return false; }
      Entry& front = queue_.front();
      if (!front.is_row()) {
        send_to_all(*front.control);
      } else if (front.sent) {
        // Went out before its turn.
      } else if (front.result.has_value()) {
        send_result(front);
      } else {
        break;
      }
      queue_.pop_front();
    }
    if (options_.ordered) { return true; }
    // The others of the first segment, which ends at a watermark.
    for (Entry& entry : queue_) {
      if (!entry.is_row()) { break; }
      if (entry.sent || !entry.result.has_value()) { continue; }
      if (!this->ready()) { return false; }
      send_result(entry);
    }
    return true;
  }
  void send_result(Entry& entry) {
    RowBatch<To>& out = this->output().current();
    To& slot = out.append(std::move(*entry.result), entry.timestamp);
    if constexpr (has_text_v<To>) { relocate_texts_into(slot, out.arena()); }
    this->output().commit();
    entry.sent = true;
    entry.result.reset();
    --in_flight_;
  }

  // When something is to be done though nobody wakes the operator.
  int64_t next_time_ns() const {
    int64_t at_ns = loop_->next_timer_ns();
    for (const Entry& entry : queue_) {
      if (entry.is_row() && !entry.sent && !entry.result.has_value()) {
        at_ns = std::min({at_ns, entry.deadline_ns, entry.retry_at_ns});
      }
    }
    return at_ns;
  }
  void ask_for_timer() {
    const int64_t at_ns = next_time_ns();
    if (at_ns == Clock::kNever) { return; }
    const int64_t in_ns = std::max<int64_t>(0, at_ns - this->context().clock().now_ns());
    this->context().wake_at_wall_ms(this->context().clock().wall_ms() +
                                    (in_ns + 999'999) / 1'000'000);
  }

  const Fallback fallback_;
  const AsyncOptions options_;
  std::optional<AsyncLoop> loop_;
  std::deque<Entry> queue_;
  std::deque<std::string> restored_bytes_;  // what Text of restored rows points to
  int32_t in_flight_ = 0;
  int32_t restored_left_ = 0;  // rows that were restored and not begun yet
  bool waits_ = false;         // the latest call was refused for want of results
};

}  // namespace tidewheel
