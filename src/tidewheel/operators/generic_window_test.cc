// Windows of all kinds with evictors and functions of all rows; against the model with the default
// trigger.
#include "tidewheel/operators/generic_window.h"

#include <gtest/gtest.h>

#include "tidewheel/operators/window_model.h"

namespace tidewheel {
namespace {

using window_testing::AnyAssigner;
using window_testing::compare_checkpoints;
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
  compare_many(AnyAssigner(assigner),
               [=](Settings settings, std::shared_ptr<const NodeLinks> links) {
                 return make(function, assigner, EventTimeTrigger(), NoEvictor(),
                             std::move(settings), std::move(links));
               });
}

TEST(generic_window, folds_agree_with_the_model) {
  compare(tumbling(Duration(10)), sum());
  compare(sliding(Duration(20), Duration(7)), sum());
  compare(session(Duration(12)), sum());
}
TEST(generic_window, functions_of_all_rows_agree_with_the_model) {
  compare(tumbling(Duration(10)), collect());
  compare(session(Duration(5)), collect());
}

TEST(generic_window, state_in_a_backend_makes_no_difference) {
  for (const std::vector<int64_t>& backends :
       {std::vector<int64_t>{1}, {1'000'000}, {0, 1, 1, 0, 0, 1}}) {
    const auto compare_one = [&](auto assigner, auto function) {
      const auto make_it = [=](Settings settings, std::shared_ptr<const NodeLinks> links) {
        return make(function, assigner, EventTimeTrigger(), NoEvictor(), std::move(settings),
                    std::move(links));
      };
      if (backends.size() > 1) { compare_many(AnyAssigner(assigner), make_it, backends); }
      compare_checkpoints(AnyAssigner(assigner), make_it, backends);
    };
    compare_one(session(Duration(12)), sum());
    compare_one(sliding(Duration(40), Duration(10)), collect());
  }
}

TEST(generic_window, incremental_checkpoints_have_what_there_was_at_the_barrier) {
  const auto compare_one = [](auto assigner, auto function) {
    compare_checkpoints(AnyAssigner(assigner),
                        [=](Settings settings, std::shared_ptr<const NodeLinks> links) {
                          return make(function, assigner, EventTimeTrigger(), NoEvictor(),
                                      std::move(settings), std::move(links));
                        });
  };
  compare_one(tumbling(Duration(10)), sum());
  compare_one(session(Duration(12)), sum());
  compare_one(sliding(Duration(40), Duration(10)), collect());
}

Timed<Result> all_time(int64_t key, int64_t value) {
  return result(key, kAllTime.start.ms(), kAllTime.end.ms(), value);
}

class GenericWindow : public window_testing::OnEachBackend {};
INSTANTIATE_TEST_SUITE_P(backends, GenericWindow, window_testing::each_backend());

TEST_P(GenericWindow, sliding_count_windows_hold_the_last_rows) {
  const auto windows = count(3, 2);
  Harness harness(make(collect(), windows, DefaultTrigger<SlidingCountWindows>::make(windows),
                       DefaultEvictor<SlidingCountWindows>::make(windows)));
  for (int64_t i = 1; i <= 7; ++i) { harness.push(Reading{1, i}, kNoTimestamp); }
  EXPECT_EQ(harness.take<Result>(),
            (Results{all_time(1, 1 + 2), all_time(1, 2 + 3 + 4), all_time(1, 4 + 5 + 6)}));
}

TEST_P(GenericWindow, evictors_work_before_or_after_the_function) {
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

TEST_P(GenericWindow, process_functions_have_state_for_the_window_and_for_the_key) {
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

TEST_P(GenericWindow, text_of_kept_rows_outlives_the_batches) {
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

}  // namespace
}  // namespace tidewheel
