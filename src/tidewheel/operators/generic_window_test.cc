// Windows with triggers, evictors and functions of all rows; against the model with the default
// trigger.
#include "tidewheel/operators/generic_window.h"

#include <gtest/gtest.h>

#include "tidewheel/operators/window_model.h"

namespace tidewheel {
namespace {

using window_testing::compare_many;
using window_testing::Harness;
using window_testing::Reading;
using window_testing::result;
using window_testing::Result;
using window_testing::Results;
using window_testing::Timed;

using Key = int64_t Reading::*;
using Sum = SumFold<int64_t, Reading, Key>;
using Settings = WindowSettings<Reading>;

// The sum of all rows, found at the end.
inline const auto kSumRows = [](const int64_t& key, const TimeWindow& window,
                                std::span<const Reading> rows) {
  int64_t sum = 0;
  for (const Reading& row : rows) { sum += row.value; }
  return Result{key, window, sum};
};
using Collect = CollectFunction<int64_t, Reading, std::remove_const_t<decltype(kSumRows)>>;

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
Collect collect() { return {kSumRows}; }

template <class Assigner, class Function>
void compare(Assigner assigner, Function function) {
  compare_many(assigner, [=](Settings settings, std::shared_ptr<const NodeLinks> links) {
    return make(function, assigner, EventTimeTrigger(), NoEvictor(), std::move(settings),
                std::move(links));
  });
}

TEST(generic_window, folds_agree_with_the_model) {
  compare(tumbling(Duration(10)), sum());
  compare(sliding(Duration(20), Duration(7)), sum());
  compare(session(Duration(12)), sum());
  compare(cumulative(Duration(30), Duration(10)), sum());
}
TEST(generic_window, functions_of_all_rows_agree_with_the_model) {
  compare(tumbling(Duration(10)), collect());
  compare(session(Duration(5)), collect());
  compare(sliding(Duration(3), Duration(8)), collect());
}

Timed<Result> all_time(int64_t key, int64_t value) {
  return result(key, kAllTime.start.ms(), kAllTime.end.ms(), value);
}

TEST(generic_window, count_windows_fire_and_forget_after_so_many_rows) {
  const auto windows = count(3);
  Harness harness(make(sum(), windows, DefaultTrigger<CountWindows>::make(windows)));
  for (int64_t i = 1; i <= 7; ++i) { harness.push(Reading{1, i}, kNoTimestamp); }
  harness.push(Reading{2, 100}, kNoTimestamp);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{all_time(1, 6), all_time(1, 15)}));
}

TEST(generic_window, sliding_count_windows_hold_the_last_rows) {
  const auto windows = count(3, 2);
  Harness harness(make(collect(), windows, DefaultTrigger<SlidingCountWindows>::make(windows),
                       DefaultEvictor<SlidingCountWindows>::make(windows)));
  for (int64_t i = 1; i <= 7; ++i) { harness.push(Reading{1, i}, kNoTimestamp); }
  EXPECT_EQ(harness.take<Result>(),
            (Results{all_time(1, 1 + 2), all_time(1, 2 + 3 + 4), all_time(1, 4 + 5 + 6)}));
}

TEST(generic_window, a_count_trigger_knows_no_end_of_window) {
  Harness harness(make(sum(), tumbling(Duration(10)), trigger::count(2)));
  harness.push(Reading{1, 1}, 1);
  harness.push(Reading{1, 2}, 2);
  harness.push(Reading{1, 4}, 3);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 10, 3)}));
}

TEST(generic_window, a_purging_trigger_drops_what_has_fired) {
  Harness harness(make(sum(), tumbling(Duration(10)), trigger::purging(trigger::count(2))));
  for (int64_t i = 1; i <= 5; ++i) { harness.push(Reading{1, i}, i); }
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 10, 3), result(1, 0, 10, 7)}));
}

TEST(generic_window, a_count_trigger_adds_up_when_sessions_merge) {
  Harness harness(make(sum(), session(Duration(10)), trigger::count(4)));
  harness.push(Reading{1, 1}, 0);
  harness.push(Reading{1, 2}, 1);
  harness.push(Reading{1, 4}, 15);
  harness.push(Reading{1, 8}, 8);
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 25, 15)}));
}

TEST(generic_window, continuous_event_time_fires_at_each_interval_and_at_the_end) {
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

TEST(generic_window, early_results_come_by_the_clock_and_the_last_one_by_event_time) {
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

TEST(generic_window, early_results_of_sessions_survive_merging) {
  Harness harness(make(sum(), session(Duration(50)), EarlyTrigger{10}));
  harness.push(Reading{1, 1}, 0);
  harness.push(Reading{1, 2}, 80);
  harness.push(Reading{1, 4}, 40);
  harness.advance_clock(11);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 130, 7)});
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 130, 7)});
}

TEST(generic_window, a_delta_trigger_fires_when_the_measure_has_moved) {
  const auto measure = [](const Reading& row) { return row.value; };
  Harness harness(make(sum(), global(), trigger::delta(10, measure).bind<Reading>()));
  for (const int64_t value : {1, 5, 11, 12, 23, 24}) {
    harness.push(Reading{1, value}, kNoTimestamp);
  }
  EXPECT_EQ(harness.take<Result>(), (Results{all_time(1, 29), all_time(1, 29 + 23)}))
      << "11 - 1 is not above 10; 12 - 1 is; 23 - 12 is";
}

TEST(generic_window, processing_time_windows_fire_by_the_clock) {
  Harness harness(
      make(sum(), processing_time(sliding(Duration(10), Duration(5))), ProcessingTimeTrigger()));
  harness.advance_clock(7);
  harness.push(Reading{1, 1}, kNoTimestamp);
  harness.advance_clock(10);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 10, 1)});
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 5, 15, 1)});
}

TEST(generic_window, evictors_work_before_or_after_the_function) {
  Harness before(make(collect(), tumbling(Duration(100)), EventTimeTrigger(), evictor::count(2)));
  Harness after(
      make(collect(), tumbling(Duration(100)), trigger::count(3), evictor::count(1).after()));
  Harness recent(
      make(collect(), tumbling(Duration(100)), EventTimeTrigger(), evictor::time(Duration(10))));
  const auto measure = [](const Reading& row) { return row.value; };
  Harness alike(
      make(collect(), tumbling(Duration(100)), EventTimeTrigger(), evictor::delta(3, measure)));
  for (int64_t i = 1; i <= 6; ++i) {
    for (Harness* harness : {&before, &after, &recent, &alike}) {
      harness->push(Reading{1, i}, i * 5);
    }
  }
  for (Harness* harness : {&before, &after, &recent, &alike}) { harness->end_of_input(); }
  EXPECT_EQ(before.take<Result>(), Results{result(1, 0, 100, 11)});
  EXPECT_EQ(after.take<Result>(),
            (Results{result(1, 0, 100, 6), result(1, 0, 100, 3 + 4 + 5 + 6)}));
  EXPECT_EQ(recent.take<Result>(), Results{result(1, 0, 100, 5 + 6)})
      << "keeps times above 30 - 10";
  EXPECT_EQ(alike.take<Result>(), Results{result(1, 0, 100, 4 + 5 + 6)})
      << "6 - 3 reaches the threshold";
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

TEST(generic_window, timers_of_a_trigger_fire_once_and_can_be_dropped) {
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

struct Remembering {
  using output = Result;
  struct WindowState {
    int64_t firings = 0;
  };
  struct GlobalState {
    int64_t windows = 0;
    std::string last;
  };
  void process(const int64_t& key, std::span<const Reading> rows, auto& context) {
    ++context.window_state().firings;
    context.emit({key, context.window(),
                  static_cast<int64_t>(rows.size()) + 100 * context.window_state().firings +
                      10'000 * context.global_state().windows});
    context.side(OutputTag<Reading>("late"), rows.front());
  }
  void clear(auto& context) {
    ++context.global_state().windows;
    context.global_state().last = "cleared";
  }
};

TEST(generic_window, process_functions_have_state_for_the_window_and_for_the_key) {
  auto links = std::make_shared<NodeLinks>();
  ASSERT_TRUE(links->listen_to(OutputTag<Reading>("late")).ok());
  const auto make_it = [&] {
    return make(ProcessFunction<int64_t, Reading, Remembering>{}, tumbling(Duration(10)),
                trigger::count(1), NoEvictor(), {}, links);
  };
  MemorySnapshot snapshot;
  {
    Harness harness(make_it());
    harness.push(Reading{1, 5}, 1);
    harness.push(Reading{1, 6}, 2);
    EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 10, 101), result(1, 0, 10, 202)}));
    EXPECT_EQ(harness.take<Reading>(1).size(), 2U);
    harness.watermark(9);
    harness.push(Reading{1, 7}, 11);
    EXPECT_EQ(harness.take<Result>(), (Results{result(1, 10, 20, 10'101)}));
    harness.snapshot_into(snapshot);
  }
  Harness harness(make_it(), {}, &snapshot);
  harness.push(Reading{1, 8}, 12);
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 10, 20, 10'202)}));
  harness.push(Reading{1, 8}, 9);
  EXPECT_EQ(harness.late_dropped(), 1);
  EXPECT_EQ(harness.take<Result>(), Results{}) << "the watermark was in the snapshot";
}

struct Named {
  Text name;
  int64_t key = 0;
};

TEST(generic_window, text_of_kept_rows_outlives_the_batches) {
  const auto join_names = [](const int64_t& key, const TimeWindow& window,
                             std::span<const Named> rows) {
    std::string all;
    for (const Named& row : rows) { all += row.name.str() + ";"; }
    return WindowValue<int64_t, std::string>{key, window, all};
  };
  using Function = CollectFunction<int64_t, Named, decltype(join_names)>;
  const auto evict = evictor::count(2);
  Harness harness(
      std::make_unique<
          GenericWindowOperator<int64_t, Named, int64_t Named::*, SessionWindows, EventTimeTrigger,
                                std::remove_const_t<decltype(evict)>, Function>>(
          session(Duration(10)), EventTimeTrigger(), evict, &Named::key, Function{join_names},
          WindowSettings<Named>(), nullptr));
  for (const int64_t time : {0, 30, 5, 20, 12}) {
    const std::string name = "the row of a rather long name at " + std::to_string(time);
    harness.push(Named{Text(name), 1}, time);
  }
  harness.end_of_input();
  const auto results = harness.take<WindowValue<int64_t, std::string>>();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].row.value,
            "the row of a rather long name at 20;the row of a rather long name at 12;");
}

TEST(generic_window, keys_of_count_windows_leave_nothing_behind) {
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
