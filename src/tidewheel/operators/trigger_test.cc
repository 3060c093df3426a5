// Triggers, one by one, in the operator that runs them.
#include "tidewheel/operators/trigger.h"

#include <gtest/gtest.h>

#include "tidewheel/operators/generic_window.h"
#include "tidewheel/operators/window_model.h"

namespace tidewheel {
namespace {

using window_testing::Harness;
using window_testing::Reading;
using window_testing::result;
using window_testing::Result;
using window_testing::Results;
using window_testing::Timed;

using Key = int64_t Reading::*;
using Sum = SumFold<int64_t, Reading, Key>;
using Settings = WindowSettings<Reading>;

template <class Function, class Assigner, class Trigger, class Evictor = NoEvictor>
std::unique_ptr<Operator> make(Function function, Assigner assigner, Trigger trigger,
                               Evictor evictor = {}, Settings settings = {},
                               std::shared_ptr<const NodeLinks> links = nullptr) {
  if (Assigner::kTime == WindowTime::kProcessing) { settings.time = WindowTime::kProcessing; }
  return std::make_unique<
      GenericWindowOperator<int64_t, Reading, Key, Assigner, Trigger, Evictor, Function>>(
      assigner, trigger, evictor, &Reading::key, function, std::move(settings), std::move(links));
}
Sum sum() { return Sum(&Reading::value); }

Timed<Result> all_time(int64_t key, int64_t value) {
  return result(key, kAllTime.start.ms(), kAllTime.end.ms(), value);
}

class Triggers : public window_testing::OnEachBackend {};
INSTANTIATE_TEST_SUITE_P(backends, Triggers, window_testing::each_backend());

TEST_P(Triggers, count_windows_fire_and_forget_after_so_many_rows) {
  const auto windows = count(3);
  Harness harness(make(sum(), windows, DefaultTrigger<CountWindows>::make(windows)));
  for (int64_t i = 1; i <= 7; ++i) { harness.push(Reading{1, i}, kNoTimestamp); }
  harness.push(Reading{2, 100}, kNoTimestamp);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{all_time(1, 6), all_time(1, 15)}));
}

TEST_P(Triggers, a_count_trigger_knows_no_end_of_window) {
  Harness harness(make(sum(), tumbling(Duration(10)), trigger::count(2)));
  harness.push(Reading{1, 1}, 1);
  harness.push(Reading{1, 2}, 2);
  harness.push(Reading{1, 4}, 3);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 10, 3)}));
}

TEST_P(Triggers, a_purging_trigger_drops_what_has_fired) {
  Harness harness(make(sum(), tumbling(Duration(10)), trigger::purging(trigger::count(2))));
  for (int64_t i = 1; i <= 5; ++i) { harness.push(Reading{1, i}, i); }
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 10, 3), result(1, 0, 10, 7)}));
}

TEST_P(Triggers, a_count_trigger_adds_up_when_sessions_merge) {
  Harness harness(make(sum(), session(Duration(10)), trigger::count(4)));
  harness.push(Reading{1, 1}, 0);
  harness.push(Reading{1, 2}, 1);
  harness.push(Reading{1, 4}, 15);
  harness.push(Reading{1, 8}, 8);
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 25, 15)}));
}

TEST_P(Triggers, continuous_event_time_fires_at_each_interval_and_at_the_end) {
  Harness harness(
      make(sum(), tumbling(Duration(30)), trigger::continuous_event_time(Duration(10))));
  harness.push(Reading{1, 1}, 3);
  harness.watermark(10);
  harness.push(Reading{1, 2}, 12);
  harness.watermark(25);
  harness.watermark(29);
  EXPECT_EQ(harness.take<Result>(),
            (Results{result(1, 0, 30, 1), result(1, 0, 30, 3), result(1, 0, 30, 3)}));
}

TEST_P(Triggers, early_results_come_by_the_clock_and_the_last_one_by_event_time) {
  Harness harness(make(sum(), tumbling(Duration(100)), EarlyTrigger{10}));
  harness.push(Reading{1, 1}, 3);
  harness.advance_clock(11);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 100, 1)});
  harness.push(Reading{1, 2}, 4);
  harness.advance_clock(15);
  EXPECT_EQ(harness.take<Result>(), Results{});
  harness.advance_clock(21);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 100, 3)});
  harness.watermark(99);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 100, 3)});
  harness.advance_clock(1000);
  EXPECT_EQ(harness.take<Result>(), Results{});
}

TEST_P(Triggers, early_results_of_sessions_survive_merging) {
  Harness harness(make(sum(), session(Duration(50)), EarlyTrigger{10}));
  harness.push(Reading{1, 1}, 0);
  harness.push(Reading{1, 2}, 80);
  harness.push(Reading{1, 4}, 40);
  harness.advance_clock(11);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 130, 7)});
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 130, 7)});
}

TEST_P(Triggers, a_delta_trigger_fires_when_the_measure_has_moved) {
  const auto measure = [](const Reading& row) { return row.value; };
  Harness harness(make(sum(), global(), trigger::delta(10, measure).bind<Reading>()));
  for (const int64_t value : {1, 5, 11, 12, 23, 24}) {
    harness.push(Reading{1, value}, kNoTimestamp);
  }
  EXPECT_EQ(harness.take<Result>(), (Results{all_time(1, 29), all_time(1, 29 + 23)}))
      << "11 - 1 is not above 10; 12 - 1 is; 23 - 12 is";
}

TEST_P(Triggers, processing_time_windows_fire_by_the_clock) {
  Harness harness(
      make(sum(), processing_time(sliding(Duration(10), Duration(5))), ProcessingTimeTrigger()));
  harness.advance_clock(7);
  harness.push(Reading{1, 1}, kNoTimestamp);
  harness.advance_clock(10);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 10, 1)});
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 5, 15, 1)});
}

// Fires at a chosen time by the row's value, counts in its state, and remembers that it was
// cleared.
struct AtValueTrigger {
  struct State {
    int64_t seen = 0;
  };
  template <class Context>
  TriggerResult on_element(const Reading& row, int64_t, const TimeWindow&, State& state,
                           Context& context) const {
    ++state.seen;
    context.event_timer(row.value);
    context.event_timer(row.value);
    if (row.value == 50) { context.drop_event_timer(40); }
    return TriggerResult::kContinue;
  }
  template <class Context>
  TriggerResult on_event_time(int64_t, const TimeWindow&, State& state, Context&) const {
    return state.seen > 1 ? TriggerResult::kFireAndPurge : TriggerResult::kContinue;
  }
};

TEST_P(Triggers, timers_of_a_trigger_fire_once_and_can_be_dropped) {
  Harness harness(make(sum(), tumbling(Duration(100)), AtValueTrigger()));
  harness.push(Reading{1, 20}, 1);
  harness.watermark(25);
  EXPECT_EQ(harness.take<Result>(), Results{}) << "one row seen: the trigger goes on";
  harness.push(Reading{1, 30}, 2);
  harness.push(Reading{1, 40}, 3);
  harness.push(Reading{1, 50}, 4);
  harness.watermark(60);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 100, 140)}) << "purged at 30, empty at 50";
  harness.push(Reading{1, 7}, 5);
  EXPECT_EQ(harness.take<Result>(), Results{}) << "a past timer waits for the next watermark";
  harness.watermark(61);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 100, 7)});
}

// What comes out after a snapshot, of the operator that goes on from it.
template <class Make, class Before, class After>
Results after_restore(Make make_it, Before before, After after) {
  MemorySnapshot snapshot;
  {
    Harness harness(make_it());
    before(harness);
    EXPECT_EQ(harness.template take<Result>(), Results{});
    harness.snapshot_into(snapshot);
  }
  Harness harness(make_it(), {}, &snapshot);
  after(harness);
  return harness.template take<Result>();
}

TEST_P(Triggers, what_a_trigger_waits_for_comes_back) {
  const auto counted = [] { return make(sum(), tumbling(Duration(10)), trigger::count(3)); };
  EXPECT_EQ(after_restore(
                counted,
                [](Harness& harness) {
                  harness.push(Reading{1, 1}, 1);
                  harness.push(Reading{1, 2}, 2);
                },
                [](Harness& harness) {
                  harness.push(Reading{1, 4}, 3);
                }),
            Results{result(1, 0, 10, 7)});
  const auto measure = [](const Reading& row) { return row.value; };
  const auto delta = [&] {
    return make(sum(), global(), trigger::delta(10, measure).bind<Reading>());
  };
  EXPECT_EQ(after_restore(
                delta,
                [](Harness& harness) {
                  harness.push(Reading{1, 1}, kNoTimestamp);
                },
                [](Harness& harness) {
                  harness.push(Reading{1, 11}, kNoTimestamp);
                  harness.push(Reading{1, 12}, kNoTimestamp);
                }),
            Results{all_time(1, 24)});
  const auto by_clock = [] {
    return make(sum(), processing_time(tumbling(Duration(10))), ProcessingTimeTrigger());
  };
  EXPECT_EQ(after_restore(
                by_clock,
                [](Harness& harness) {
                  harness.advance_clock(7);
                  harness.push(Reading{1, 1}, kNoTimestamp);
                },
                [](Harness& harness) { harness.advance_clock(10); }),
            Results{result(1, 0, 10, 1)});
}

TEST_P(Triggers, timers_of_a_trigger_come_back_and_those_that_were_dropped_do_not) {
  const auto make_it = [] { return make(sum(), tumbling(Duration(100)), AtValueTrigger()); };
  const auto before = [](Harness& harness) {
    harness.push(Reading{1, 20}, 1);
    harness.watermark(25);            // fires the timer at 20: one row is not enough
    harness.push(Reading{1, 40}, 2);  // dropped by the next row
    harness.push(Reading{1, 50}, 3);
  };
  EXPECT_EQ(after_restore(make_it, before, [](Harness& harness) { harness.watermark(49); }),
            Results{});
  EXPECT_EQ(after_restore(make_it, before,
                          [](Harness& harness) {
                            harness.watermark(50);
                            harness.watermark(99);
                          }),
            Results{result(1, 0, 100, 110)});
}

TEST_P(Triggers, keys_of_count_windows_leave_nothing_behind) {
  const auto windows = count(1);
  Harness harness(make(sum(), windows, DefaultTrigger<CountWindows>::make(windows)));
  for (int64_t key = 0; key < 50'000; ++key) { harness.push(Reading{key, 1}, kNoTimestamp); }
  EXPECT_EQ(harness.take<Result>().size(), 50'000U);
  MemorySnapshot snapshot;
  harness.snapshot_into(snapshot);
  EXPECT_LT(snapshot.size_bytes(), 100U);
}

}  // namespace
}  // namespace tidewheel
