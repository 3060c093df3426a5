// Session windows: merging, lateness and timers, and a comparison with a model that keeps each
// session.
#include "tidewheel/operators/session_window.h"

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

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

using Key = int64_t Reading::*;
using Sum = SumFold<int64_t, Reading, Key>;
using Settings = WindowSettings<Reading>;

template <class Assigner>
std::unique_ptr<Operator> make(Assigner assigner, Settings settings = {},
                               std::shared_ptr<const NodeLinks> links = nullptr) {
  return std::make_unique<SessionWindowOperator<int64_t, Reading, Key, Assigner, Sum>>(
      assigner, &Reading::key, Sum(&Reading::value), std::move(settings), std::move(links));
}
template <class Assigner>
auto maker(Assigner assigner) {
  return [assigner](Settings settings, std::shared_ptr<const NodeLinks> links) {
    return make(assigner, std::move(settings), std::move(links));
  };
}

class SessionWindow : public window_testing::OnEachBackend {};
INSTANTIATE_TEST_SUITE_P(backends, SessionWindow, window_testing::each_backend());

TEST_P(SessionWindow, rows_within_the_gap_are_one_session) {
  Harness harness(make(session(Duration(10))));
  harness.push(Reading{1, 1}, 0);
  harness.push(Reading{1, 2}, 9);
  harness.push(Reading{1, 4}, 30);
  harness.push(Reading{2, 8}, 5);
  harness.watermark(18);
  EXPECT_EQ(harness.take<Result>(), (Results{result(2, 5, 15, 8), result(1, 0, 19, 3)}));
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 30, 40, 4)}));
}

TEST_P(SessionWindow, sessions_that_touch_are_one) {
  Harness harness(make(session(Duration(10))));
  harness.push(Reading{1, 1}, 0);
  harness.push(Reading{1, 2}, 10);
  harness.push(Reading{1, 4}, 21);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 20, 3), result(1, 21, 31, 4)}));
}

TEST_P(SessionWindow, a_row_between_two_sessions_joins_them) {
  Harness harness(make(session(Duration(10))));
  harness.push(Reading{1, 1}, 0);
  harness.push(Reading{1, 2}, 20);
  harness.push(Reading{1, 4}, 40);
  harness.push(Reading{1, 8}, 30);
  harness.push(Reading{1, 16}, 10);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 50, 31)}));
}

TEST_P(SessionWindow, the_gap_may_depend_on_the_row) {
  Harness harness(make(session([](const Reading& row) { return Duration(row.value); })));
  harness.push(Reading{1, 5}, 0);
  harness.push(Reading{1, 50}, 3);
  harness.push(Reading{1, 1}, 40);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 53, 56)}));
}

TEST_P(SessionWindow, a_gap_of_nothing_fails_the_operator) {
  Harness harness(make(session([](const Reading&) { return Duration(0); })));
  EXPECT_THROW(harness.push(Reading{1, 1}, 0), OperatorFailure);
}

TEST_P(SessionWindow, a_late_row_that_joins_a_kept_session_fires_it_again) {
  Settings settings;
  settings.allowed_lateness_ms = 20;
  Harness harness(make(session(Duration(10)), settings));
  harness.push(Reading{1, 1}, 0);
  harness.watermark(9);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 10, 1)});
  harness.watermark(15);
  harness.push(Reading{1, 2}, 5);  // [5, 15) is over, and touches: fires at once
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 15, 3)});
  harness.push(Reading{1, 4}, 12);  // makes it longer than the watermark: fires when that is there
  EXPECT_EQ(harness.take<Result>(), Results{});
  harness.watermark(21);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 22, 7)});
  harness.watermark(41);
  harness.push(Reading{1, 8}, 11);
  EXPECT_EQ(harness.late_dropped(), 1);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), Results{});
}

TEST_P(SessionWindow, a_session_at_the_end_of_time_fires_with_the_last_watermark) {
  Harness harness(make(session(Duration(10))));
  harness.push(Reading{1, 1}, kMax - 3);
  harness.watermark(kMax - 1);
  EXPECT_EQ(harness.take<Result>(), Results{});
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), Results{result(1, kMax - 3, kMax, 1)});
}

TEST_P(SessionWindow, sessions_fire_in_the_order_of_their_ends) {
  Harness harness(make(session(Duration(10))));
  for (int64_t i = 0; i < 100; ++i) { harness.push(Reading{i, 1}, (i * 37) % 100); }
  // Prolongs some, whose timers then come too early.
  for (int64_t i = 0; i < 100; i += 3) { harness.push(Reading{i, 1}, (i * 37) % 100 + 9); }
  harness.end_of_input();
  const Results results = harness.take<Result>();
  ASSERT_EQ(results.size(), 100U);
  for (size_t i = 1; i < results.size(); ++i) { EXPECT_LE(results[i - 1].time, results[i].time); }
}

TEST_P(SessionWindow, by_the_clock_a_session_ends_when_no_row_has_come_for_the_gap) {
  Settings settings;
  settings.time = WindowTime::kProcessing;
  Harness harness(make(session(Duration(10)), settings));
  harness.push(Reading{1, 1}, kNoTimestamp);
  harness.advance_clock(8);
  harness.push(Reading{1, 2}, kNoTimestamp);
  harness.advance_clock(17);
  EXPECT_EQ(harness.take<Result>(), Results{});
  harness.advance_clock(19);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 18, 3)});
  harness.push(Reading{1, 4}, kNoTimestamp);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 19, 29, 4)});
}

TEST(session_window, agrees_with_the_model) {
  compare_many(AnyAssigner(session(Duration(12))), maker(session(Duration(12))));
}
TEST(session_window, agrees_with_the_model_when_sessions_are_short) {
  compare_many(AnyAssigner(session(Duration(2))), maker(session(Duration(2))));
}
TEST(session_window, agrees_with_the_model_when_the_gap_differs_from_row_to_row) {
  const auto assigner = session([](const Reading& row) { return Duration(1 + row.value % 30); });
  compare_many(AnyAssigner(assigner), maker(assigner));
}

TEST(session_window, state_in_a_backend_makes_no_difference) {
  for (const std::vector<int64_t>& backends :
       {std::vector<int64_t>{1}, {1'000'000}, {0, 1, 1, 0, 0, 1}}) {
    for (const int64_t gap : {2, 30}) {
      const AnyAssigner assigner(session(Duration(gap)));
      if (backends.size() > 1) { compare_many(assigner, maker(session(Duration(gap))), backends); }
      compare_checkpoints(assigner, maker(session(Duration(gap))), backends);
    }
  }
}

TEST(session_window, incremental_checkpoints_have_what_there_was_at_the_barrier) {
  for (const int64_t gap : {12, 200}) {
    compare_checkpoints(AnyAssigner(session(Duration(gap))), maker(session(Duration(gap))));
  }
}

struct Named {
  Text name;
  int64_t value = 0;
};

TEST_P(SessionWindow, text_in_keys_and_accumulators_outlives_the_batches) {
  using Latest = ExtremeRowFold<Text, Named, int64_t Named::*, true>;
  using NameKey = Text Named::*;
  MemorySnapshot snapshot;
  const auto make_it = [] {
    return std::make_unique<SessionWindowOperator<Text, Named, NameKey, SessionWindows, Latest>>(
        session(Duration(10)), &Named::name, Latest(&Named::value), WindowSettings<Named>(),
        nullptr);
  };
  const auto push = [](Harness& harness, int64_t number, int64_t time) {
    const std::string name =
        "a name that is long enough to be told apart " + std::to_string(number % 3);
    harness.push(Named{Text(name), number}, time);
  };
  {
    Harness harness(make_it());
    for (int64_t i = 0; i < 30; ++i) { push(harness, i, (i * 7) % 30 * 5); }
    harness.snapshot_into(snapshot);
  }
  Harness harness(make_it(), {}, &snapshot);
  for (int64_t i = 30; i < 60; ++i) { push(harness, i, (i * 11) % 30 * 5 + 2); }
  harness.end_of_input();
  const auto results = harness.take<WindowValue<Text, Named>>();
  ASSERT_GE(results.size(), 3U);
  for (const auto& one : results) {
    EXPECT_EQ(one.row.key.view(), "a name that is long enough to be told apart " +
                                      std::to_string(one.row.value.value % 3));
    EXPECT_EQ(one.row.key, one.row.value.name);
  }
}

TEST(session_window, many_keys_cost_one_timer_each) {
  Harness harness(make(session(Duration(1000))), {.batch_rows = 1024});
  for (int64_t round = 0; round < 5; ++round) {
    std::vector<window_testing::Timed<Reading>> rows;
    for (int64_t key = 0; key < 20'000; ++key) {
      rows.push_back({{key, 1}, round * 500 + key / 100});
    }
    harness.push(rows);
    harness.watermark(round * 500);
  }
  harness.end_of_input();
  const Results results = harness.take<Result>();
  ASSERT_EQ(results.size(), 20'000U);
  EXPECT_EQ(results[0].row.value, 5);
}

}  // namespace
}  // namespace tidewheel
