// Triggers decide when a window's function is run (fire) and when its rows are dropped (purge).
//
// A trigger is a struct. All members but on_element are optional:
//   struct State { int64_t count = 0; };      // a record: kept for each key and window
//   TriggerResult on_element(const T& row, int64_t time, const TimeWindow& window, State&, auto&
//   context); TriggerResult on_event_time(int64_t time, const TimeWindow& window, State&, auto&
//   context); TriggerResult on_processing_time(int64_t time, const TimeWindow& window, State&,
//   auto& context); void on_merge(const TimeWindow& merged, State& into, const State& from, auto&
//   context); void after_merge(const TimeWindow& merged, State& state, auto& context); void
//   clear(const TimeWindow& window, State&, auto& context);
// A trigger for session windows needs after_merge, and on_merge when it has State: windows that
// become one hand their states to `on_merge` one after the other, then `after_merge` is called
// once; the timers of all but the result are gone by then, and those of the result are kept.
//
// `context` has: watermark(), now_ms(), event_timer(t), processing_timer(t), drop_event_timer(t),
// drop_processing_timer(t). Timers belong to the key and window; the same time twice is one timer.
#pragma once
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "tidewheel/operators/window.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

enum class TriggerResult : uint8_t { kContinue = 0, kFire = 1, kPurge = 2, kFireAndPurge = 3 };

constexpr bool fires(TriggerResult result) { return (static_cast<uint8_t>(result) & 1U) != 0; }
constexpr bool purges(TriggerResult result) { return (static_cast<uint8_t>(result) & 2U) != 0; }

// The state of a trigger that has none.
struct NoTriggerState {};

namespace trigger_detail {

template <class Trigger>
struct StateOf {
  using type = NoTriggerState;
};
template <class Trigger>
requires requires { typename Trigger::State; }
struct StateOf<Trigger> {
  using type = typename Trigger::State;
};

// The next multiple of `interval` above `time`.
constexpr int64_t next_multiple(int64_t time, int64_t interval) {
  int64_t rest = time % interval;
  if (rest < 0) { rest += interval; }
  return saturating_add(time, interval - rest);
}

}  // namespace trigger_detail

template <class Trigger>
using TriggerState = typename trigger_detail::StateOf<Trigger>::type;

// Fires once event time has reached the window's end, and at once for rows that come later.
struct EventTimeTrigger {
  template <class T, class Context>
  TriggerResult on_element(const T&, int64_t, const TimeWindow& window, NoTriggerState&,
                           Context& context) const {
    if (window.max_timestamp() <= context.watermark()) { return TriggerResult::kFire; }
    context.event_timer(window.max_timestamp());
    return TriggerResult::kContinue;
  }
  template <class Context>
  TriggerResult on_event_time(int64_t time, const TimeWindow& window, NoTriggerState&,
                              Context&) const {
    return time == window.max_timestamp() ? TriggerResult::kFire : TriggerResult::kContinue;
  }
  template <class Context>
  void after_merge(const TimeWindow& merged, NoTriggerState&, Context& context) const {
    if (merged.max_timestamp() > context.watermark()) {
      context.event_timer(merged.max_timestamp());
    }
  }
  template <class Context>
  void clear(const TimeWindow& window, NoTriggerState&, Context& context) const {
    context.drop_event_timer(window.max_timestamp());
  }
};

// Fires once the clock has passed the window's end.
struct ProcessingTimeTrigger {
  template <class T, class Context>
  TriggerResult on_element(const T&, int64_t, const TimeWindow& window, NoTriggerState&,
                           Context& context) const {
    context.processing_timer(window.max_timestamp());
    return TriggerResult::kContinue;
  }
  template <class Context>
  TriggerResult on_processing_time(int64_t time, const TimeWindow& window, NoTriggerState&,
                                   Context&) const {
    return time == window.max_timestamp() ? TriggerResult::kFire : TriggerResult::kContinue;
  }
  template <class Context>
  void after_merge(const TimeWindow& merged, NoTriggerState&, Context& context) const {
    context.processing_timer(merged.max_timestamp());
  }
  template <class Context>
  void clear(const TimeWindow& window, NoTriggerState&, Context& context) const {
    context.drop_processing_timer(window.max_timestamp());
  }
};

// Fires at each `count`-th row of a window; the window's end means nothing to it.
struct CountTrigger {
  int64_t count = 1;

  struct State {
    int64_t rows = 0;
    friend bool operator==(const State&, const State&) = default;
  };
  template <class T, class Context>
  TriggerResult on_element(const T&, int64_t, const TimeWindow&, State& state, Context&) const {
    if (++state.rows < count) { return TriggerResult::kContinue; }
    state.rows = 0;
    return TriggerResult::kFire;
  }
  template <class Context>
  void on_merge(const TimeWindow&, State& into, const State& from, Context&) const {
    into.rows += from.rows;
  }
  template <class Context>
  void after_merge(const TimeWindow&, State&, Context&) const {}
};

// Fires at the window's end, and before that at each multiple of `interval` of event time.
struct ContinuousEventTimeTrigger {
  int64_t interval = 1;

  struct State {
    int64_t next = std::numeric_limits<int64_t>::max();  // the timer that is set; max: none
  };
  template <class T, class Context>
  TriggerResult on_element(const T&, int64_t time, const TimeWindow& window, State& state,
                           Context& context) const {
    if (window.max_timestamp() <= context.watermark()) { return TriggerResult::kFire; }
    context.event_timer(window.max_timestamp());
    if (state.next == std::numeric_limits<int64_t>::max()) { arm(time, window, state, context); }
    return TriggerResult::kContinue;
  }
  template <class Context>
  TriggerResult on_event_time(int64_t time, const TimeWindow& window, State& state,
                              Context& context) const {
    if (time == window.max_timestamp()) { return TriggerResult::kFire; }
    if (time != state.next) { return TriggerResult::kContinue; }
    arm(time, window, state, context);
    return TriggerResult::kFire;
  }
  template <class Context>
  void on_merge(const TimeWindow&, State& into, const State& from, Context& context) const {
    if (from.next >= into.next) { return; }
    if (into.next != std::numeric_limits<int64_t>::max()) { context.drop_event_timer(into.next); }
    into.next = from.next;
  }
  template <class Context>
  void after_merge(const TimeWindow& merged, State& state, Context& context) const {
    if (merged.max_timestamp() > context.watermark()) {
      context.event_timer(merged.max_timestamp());
    }
    if (state.next != std::numeric_limits<int64_t>::max()) { context.event_timer(state.next); }
  }
  template <class Context>
  void clear(const TimeWindow& window, State& state, Context& context) const {
    context.drop_event_timer(window.max_timestamp());
    if (state.next != std::numeric_limits<int64_t>::max()) { context.drop_event_timer(state.next); }
    state.next = std::numeric_limits<int64_t>::max();
  }

 private:
  template <class Context>
  void arm(int64_t time, const TimeWindow& window, State& state, Context& context) const {
    const int64_t next = trigger_detail::next_multiple(time, interval);
    // Not beyond the end: it fires there anyway.
    state.next = next < window.max_timestamp() ? next : window.max_timestamp();
    context.event_timer(state.next);
  }
};

// Fires at each multiple of `interval` of the clock while the window has rows. With `kAtEnd` it
// fires at the end of the window in event time as well.
template <bool kAtEnd>
struct ContinuousProcessingTrigger {
  int64_t interval = 1;

  struct State {
    int64_t next = std::numeric_limits<int64_t>::max();  // the timer that is set; max: none
  };
  template <class T, class Context>
  TriggerResult on_element(const T&, int64_t, const TimeWindow& window, State& state,
                           Context& context) const {
    if (kAtEnd && window.max_timestamp() <= context.watermark()) { return TriggerResult::kFire; }
    if (kAtEnd) { context.event_timer(window.max_timestamp()); }
    if (state.next == std::numeric_limits<int64_t>::max()) {
      arm(context.now_ms(), state, context);
    }
    return TriggerResult::kContinue;
  }
  template <class Context>
  TriggerResult on_event_time(int64_t time, const TimeWindow& window, State&, Context&) const {
    return kAtEnd && time == window.max_timestamp() ? TriggerResult::kFire
                                                    : TriggerResult::kContinue;
  }
  template <class Context>
  TriggerResult on_processing_time(int64_t time, const TimeWindow&, State& state,
                                   Context& context) const {
    if (time != state.next) { return TriggerResult::kContinue; }
    arm(time, state, context);
    return TriggerResult::kFire;
  }
  template <class Context>
  void on_merge(const TimeWindow&, State& into, const State& from, Context& context) const {
    if (from.next >= into.next) { return; }
    if (into.next != std::numeric_limits<int64_t>::max()) {
      context.drop_processing_timer(into.next);
    }
    into.next = from.next;
  }
  template <class Context>
  void after_merge(const TimeWindow& merged, State& state, Context& context) const {
    if (kAtEnd && merged.max_timestamp() > context.watermark()) {
      context.event_timer(merged.max_timestamp());
    }
    if (state.next != std::numeric_limits<int64_t>::max()) { context.processing_timer(state.next); }
  }
  template <class Context>
  void clear(const TimeWindow& window, State& state, Context& context) const {
    if (kAtEnd) { context.drop_event_timer(window.max_timestamp()); }
    if (state.next != std::numeric_limits<int64_t>::max()) {
      context.drop_processing_timer(state.next);
    }
    state.next = std::numeric_limits<int64_t>::max();
  }

 private:
  template <class Context>
  void arm(int64_t time, State& state, Context& context) const {
    state.next = trigger_detail::next_multiple(time, interval);
    context.processing_timer(state.next);
  }
};
using ContinuousProcessingTimeTrigger = ContinuousProcessingTrigger<false>;
// What `.early_every(d)` puts in: interim results by the clock, the result at the end of the
// window.
using EarlyTrigger = ContinuousProcessingTrigger<true>;

// Fires when `measure(row)` is more than `threshold` above that of the row that fired last (or came
// first).
template <class T, class Measure>
struct DeltaTrigger {
  double threshold = 0;
  Measure measure;

  struct State {
    bool has_last = false;
    double last = 0;
  };
  template <class Context>
  TriggerResult on_element(const T& row, int64_t, const TimeWindow&, State& state, Context&) const {
    const auto value = static_cast<double>(measure(row));
    if (!state.has_last) {
      state = {true, value};
      return TriggerResult::kContinue;
    }
    if (value - state.last <= threshold) { return TriggerResult::kContinue; }
    state.last = value;
    return TriggerResult::kFire;
  }
};

// Like `inner`, but drops the rows each time it fires.
template <class Inner>
struct PurgingTrigger {
  Inner inner;
  using State = TriggerState<Inner>;

  template <class T, class Context>
  TriggerResult on_element(const T& row, int64_t time, const TimeWindow& window, State& state,
                           Context& context) const {
    return purging(inner.on_element(row, time, window, state, context));
  }
  template <class Context>
  TriggerResult on_event_time(int64_t time, const TimeWindow& window, State& state,
                              Context& context) const {
    if constexpr (requires { inner.on_event_time(time, window, state, context); }) {
      return purging(inner.on_event_time(time, window, state, context));
    }
    return TriggerResult::kContinue;
  }
  template <class Context>
  TriggerResult on_processing_time(int64_t time, const TimeWindow& window, State& state,
                                   Context& context) const {
    if constexpr (requires { inner.on_processing_time(time, window, state, context); }) {
      return purging(inner.on_processing_time(time, window, state, context));
    }
    return TriggerResult::kContinue;
  }
  template <class Context>
  void on_merge(const TimeWindow& merged, State& into, const State& from, Context& context) const {
    if constexpr (requires { inner.on_merge(merged, into, from, context); }) {
      inner.on_merge(merged, into, from, context);
    }
  }
  template <class Context>
  void after_merge(const TimeWindow& merged, State& state,
                   Context& context) const requires requires {
    inner.after_merge(merged, state, context);
  }
  { inner.after_merge(merged, state, context); }
  template <class Context>
  void clear(const TimeWindow& window, State& state, Context& context) const {
    if constexpr (requires { inner.clear(window, state, context); }) {
      inner.clear(window, state, context);
    }
  }

 private:
  static TriggerResult purging(TriggerResult result) {
    return fires(result) ? TriggerResult::kFireAndPurge : result;
  }
};

// Never fires.
struct NeverTrigger {
  template <class T, class Context>
  TriggerResult on_element(const T&, int64_t, const TimeWindow&, NoTriggerState&, Context&) const {
    return TriggerResult::kContinue;
  }
  template <class Context>
  void after_merge(const TimeWindow&, NoTriggerState&, Context&) const {}
};

// A delta trigger that does not know its rows' type yet.
template <class Measure>
struct DeltaTriggerMaker {
  double threshold = 0;
  Measure measure;
  template <class T>
  DeltaTrigger<T, Measure> bind() const {
    return {threshold, measure};
  }
};

// What a job writes: `.trigger(trigger::purging(trigger::count(10)))`.
namespace trigger {
inline EventTimeTrigger event_time() { return {}; }
inline ProcessingTimeTrigger processing_time() { return {}; }
inline CountTrigger count(int64_t rows) { return {rows}; }
inline ContinuousEventTimeTrigger continuous_event_time(Duration interval) {
  return {interval.count()};
}
inline ContinuousProcessingTimeTrigger continuous_processing_time(Duration interval) {
  return {interval.count()};
}
template <class Measure>
DeltaTriggerMaker<Measure> delta(double threshold, Measure measure) {
  return {threshold, std::move(measure)};
}
template <class Inner>
PurgingTrigger<Inner> purging(Inner inner) {
  return {std::move(inner)};
}
inline NeverTrigger never() { return {}; }
}  // namespace trigger

// The trigger that windows of an assigner have when the job gives none.
template <class Assigner>
struct DefaultTrigger {
  static auto make(const Assigner& assigner) {
    static_cast<void>(assigner);
    if constexpr (std::derived_from<Assigner, CountWindows>) {
      return PurgingTrigger<CountTrigger>{{assigner.size}};
    } else if constexpr (std::derived_from<Assigner, SlidingCountWindows>) {
      return CountTrigger{assigner.slide};
    } else if constexpr (GlobalAssigner<Assigner>) {
      return NeverTrigger();
    } else if constexpr (Assigner::kTime == WindowTime::kEvent) {
      return EventTimeTrigger();
    } else {
      return ProcessingTimeTrigger();
    }
  }
};

}  // namespace tidewheel
