// Event time: which timestamp a row has, and which watermark follows from the rows seen. Strategies
// are chosen by the author of a job:
//
//   .event_time(&Trade::at, tw::bounded_lateness(2s).idle_after(1min))
//   .event_time([](const Trade& t) { return t.at; }, tw::monotonous().per_record())
//   .event_time(&Trade::at, tw::watermarks(MyGenerator{}))
//
// A custom generator is a struct with one or both of
//   std::optional<Timestamp> on_event(const T& row, Timestamp at);   a watermark when it sees one
//   std::optional<Timestamp> on_periodic();                          asked after batches
#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "tidewheel/dataflow/batch.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

// What all strategies can be told. Times in ms.
struct WatermarkOptions {
  bool per_record = false;      // a watermark after each row that advances it
  int64_t idle_after_ms = 0;    // 0: never idle
  std::string alignment_group;  // empty: not aligned
  int64_t alignment_drift_ms = 0;
  int64_t alignment_interval_ms = 1000;
};

// The settings that every strategy has; each returns the strategy, changed.
template <class Self>
class WatermarkSettings {
 public:
  // Without rows for so long, in processing time, a split no longer holds the others back.
  Self idle_after(Duration duration) && {
    options_.idle_after_ms = to_ms(duration);
    return self();
  }
  // Pauses sources of the same group that are more than `max_drift` ahead of the slowest.
  Self align(std::string group, Duration max_drift, Duration update_interval = Duration(1000)) && {
    options_.alignment_group = std::move(group);
    options_.alignment_drift_ms = to_ms(max_drift);
    options_.alignment_interval_ms = to_ms(update_interval);
    return self();
  }
  // A watermark after every row that advances it, so that which rows are late depends on their
  // order only, not on how they fell into batches.
  Self per_record() && {
    options_.per_record = true;
    return self();
  }
  const WatermarkOptions& options() const { return options_; }

 private:
  Self self() { return static_cast<Self&&>(*this); }
  WatermarkOptions options_;
};

// Follows the largest timestamp at a distance: max - lateness - 1.
class BoundedLateness : public WatermarkSettings<BoundedLateness> {
 public:
  explicit BoundedLateness(int64_t lateness_ms)
      : lateness_ms_(lateness_ms), max_ms_(saturating_add(kMinWatermark, lateness_ms + 1)) {}

  template <class T>
  void on_event(const T&, int64_t time_ms) {
    max_ms_ = std::max(max_ms_, time_ms);
  }
  int64_t watermark() { return max_ms_ - lateness_ms_ - 1; }

 private:
  int64_t lateness_ms_;
  int64_t max_ms_;
};

// A generator of the user's.
template <class G>
class CustomWatermarks : public WatermarkSettings<CustomWatermarks<G>> {
 public:
  explicit CustomWatermarks(G generator) : generator_(std::move(generator)) {}

  template <class T>
  void on_event(const T& row, int64_t time_ms) {
    if constexpr (requires { generator_.on_event(row, Timestamp(time_ms)); }) {
      take(generator_.on_event(row, Timestamp(time_ms)));
    } else {
      static_assert(
          requires { generator_.on_periodic(); },
          "a watermark generator needs on_event(const T&, tw::Timestamp) or on_periodic(), "
          "giving std::optional<tw::Timestamp>");
    }
  }
  int64_t watermark() {
    if constexpr (requires { generator_.on_periodic(); }) { take(generator_.on_periodic()); }
    return watermark_;
  }

 private:
  void take(std::optional<Timestamp> mark) {
    if (mark.has_value()) { watermark_ = std::max(watermark_, mark->ms()); }
  }
  G generator_;
  int64_t watermark_ = kMinWatermark;
};

// The largest distance at which rows come behind the newest one.
inline BoundedLateness bounded_lateness(Duration lateness) {
  return BoundedLateness(to_ms(lateness));
}
// Rows come in order of their time.
inline BoundedLateness monotonous() { return BoundedLateness(0); }
template <class G>
CustomWatermarks<G> watermarks(G generator) {
  return CustomWatermarks<G>(std::move(generator));
}

template <class S>
concept WatermarkStrategy = requires(S strategy, const S& constant) {
  { strategy.watermark() } -> std::same_as<int64_t>;
  { constant.options() } -> std::same_as<const WatermarkOptions&>;
};

// Gives rows their timestamps and follows the watermark: one for each split, or subtask.
template <class T>
class EventClock {
 public:
  virtual ~EventClock() = default;
  virtual std::unique_ptr<EventClock> clone() const = 0;
  virtual const WatermarkOptions& options() const = 0;
  // Sets the timestamps of rows [begin, end). With per_record it stops after a row that advances
  // the watermark. Returns where it stopped; `failed_row` is the row that user code failed at.
  virtual uint32_t advance(const T* rows, int64_t* timestamps, uint32_t begin, uint32_t end,
                           uint32_t& failed_row) = 0;
  // Never goes back.
  virtual int64_t watermark() = 0;
  // After a restore: the watermark was there already. What a generator of the user's has gathered
  // begins anew, but does not fall behind it.
  virtual void go_on_from(int64_t watermark) = 0;
};

// A function or member that gives rows their time; the default keeps that which they have.
struct KeepTimestamps {};

template <class T, class Extract>
concept TimestampExtractor = std::same_as<Extract, KeepTimestamps> ||
    requires(const Extract& extract, const T& row) {
  { std::invoke(extract, row) } -> std::convertible_to<Timestamp>;
};

template <class T, class Extract, class Strategy>
class EventClockOf final : public EventClock<T> {
 public:
  EventClockOf(Extract extract, Strategy strategy)
      : extract_(std::move(extract)), strategy_(std::move(strategy)) {}

  std::unique_ptr<EventClock<T>> clone() const override {
    return std::make_unique<EventClockOf>(extract_, strategy_);
  }
  const WatermarkOptions& options() const override { return strategy_.options(); }
  int64_t watermark() override {
    watermark_ = std::max(watermark_, strategy_.watermark());
    return watermark_;
  }
  void go_on_from(int64_t watermark) override { watermark_ = std::max(watermark_, watermark); }

  uint32_t advance(const T* rows, int64_t* timestamps, uint32_t begin, uint32_t end,
                   uint32_t& failed_row) override {
    if (!strategy_.options().per_record) {
      uint32_t i = begin;
      try {
        for (; i < end; ++i) { take(rows[i], timestamps[i]); }
      } catch (...) {
        failed_row = i;
        throw;
      }
      return end;
    }
    const int64_t before = watermark();
    uint32_t i = begin;
    try {
      while (i < end) {
        take(rows[i], timestamps[i]);
        ++i;
        if (strategy_.watermark() > before) { break; }
      }
    } catch (...) {
      failed_row = i;
      throw;
    }
    return i;
  }

 private:
  void take(const T& row, int64_t& timestamp) {
    if constexpr (!std::same_as<Extract, KeepTimestamps>) {
      const Timestamp at = std::invoke(extract_, row);
      timestamp = at.ms();
    }
    strategy_.on_event(row, timestamp);
  }

  Extract extract_;
  Strategy strategy_;
  int64_t watermark_ = kMinWatermark;
};

// When to send a watermark, for strategies that are not per_record: sending one cuts the batch.
class WatermarkPacer {
 public:
  static constexpr int64_t kRowsMin = 8192;

  explicit WatermarkPacer(int64_t interval_ms) : interval_ms_(interval_ms) {}
  void add_rows(int64_t rows) { rows_ += rows; }
  // Takes note that event time has reached `watermark`, by now.
  void offer(int64_t watermark) { candidate_ = std::max(candidate_, watermark); }
  bool has_news() const { return candidate_ > sent_; }
  // Whether to send now. `dry`: nothing more comes at once, so the batch is cut anyway.
  bool is_due(int64_t now_ns, bool dry) const {
    return has_news() &&
           (dry || rows_ >= kRowsMin || now_ns - sent_at_ns_ >= interval_ms_ * 1'000'000);
  }
  int64_t take(int64_t now_ns) {
    sent_ = candidate_;
    sent_at_ns_ = now_ns;
    rows_ = 0;
    return sent_;
  }
  int64_t sent() const { return sent_; }
  int64_t reached() const { return candidate_; }
  // As if `watermark` had been sent: after a restore.
  void go_on_from(int64_t watermark) { candidate_ = sent_ = watermark; }
  int64_t interval_ms() const { return interval_ms_; }

 private:
  int64_t interval_ms_;
  int64_t rows_ = 0;
  int64_t candidate_ = kMinWatermark;
  int64_t sent_ = kMinWatermark;
  int64_t sent_at_ns_ = INT64_MIN / 2;
};

}  // namespace tidewheel
