// Sliced windows: every rule of lateness and firing, and a comparison with a model that keeps each
// window.
#include "tidewheel/operators/slicing_window.h"

#include <gtest/gtest.h>

#include "tidewheel/operators/window_model.h"

namespace tidewheel {
namespace {

using window_testing::AnyAssigner;
using window_testing::compare_checkpoints;
using window_testing::compare_many;
using window_testing::Harness;
using window_testing::Options;
using window_testing::Reading;
using window_testing::result;
using window_testing::Result;
using window_testing::Results;
using window_testing::sorted;
using window_testing::Timed;

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

using Key = int64_t Reading::*;
using Sum = SumFold<int64_t, Reading, Key>;
using Settings = WindowSettings<Reading>;

std::unique_ptr<Operator> make(WindowGrid grid, Settings settings = {},
                               std::shared_ptr<const NodeLinks> links = nullptr) {
  return std::make_unique<SlicingWindowOperator<int64_t, Reading, Key, Sum>>(
      grid, &Reading::key, Sum(&Reading::value), std::move(settings), std::move(links));
}
auto maker(WindowGrid grid) {
  return [grid](Settings settings, std::shared_ptr<const NodeLinks> links) {
    return make(grid, std::move(settings), std::move(links));
  };
}
Settings late_by(int64_t lateness) {
  Settings settings;
  settings.allowed_lateness_ms = lateness;
  return settings;
}

class SlicingWindow : public window_testing::OnEachBackend {};
INSTANTIATE_TEST_SUITE_P(backends, SlicingWindow, window_testing::each_backend());

TEST_P(SlicingWindow, fires_when_the_watermark_reaches_the_last_millisecond) {
  Harness harness(make(tumbling(Duration(10)).grid()));
  harness.push(Reading{1, 5}, 3);
  harness.push(Reading{1, 6}, 9);
  harness.push(Reading{2, 7}, -1);
  harness.watermark(-2);
  EXPECT_EQ(harness.take<Result>(), Results{});
  harness.watermark(8);
  EXPECT_EQ(harness.take<Result>(), Results{result(2, -10, 0, 7)});
  harness.watermark(9);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 10, 11)});
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), Results{});
}

TEST_P(SlicingWindow, a_row_at_the_end_of_time_has_a_window_of_one_millisecond) {
  Harness harness(make(tumbling(Duration(1)).grid()));
  harness.push(Reading{1, 5}, kMax - 7);
  harness.push(Reading{1, 6}, kMax);
  harness.end_of_input();
  const Results results = harness.take<Result>();
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].row.value, 5);
  EXPECT_EQ(results[1].row.value, 6);
  EXPECT_EQ(results[1].row.window.end.ms(), kMax);
}

TEST_P(SlicingWindow, a_sliding_window_merges_its_slices) {
  Harness harness(make(sliding(Duration(10), Duration(5)).grid()));
  harness.push(Reading{1, 1}, 1);
  harness.push(Reading{1, 2}, 7);
  harness.push(Reading{1, 4}, 12);
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, -5, 5, 1), result(1, 0, 10, 3),
                                             result(1, 5, 15, 6), result(1, 10, 20, 4)}));
}

TEST_P(SlicingWindow, a_slide_above_the_size_leaves_gaps) {
  Harness harness(make(sliding(Duration(3), Duration(10)).grid()));
  harness.push(Reading{1, 1}, 2);
  harness.push(Reading{1, 2}, 3);
  harness.watermark(20);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 3, 1)});
  harness.push(Reading{1, 2}, 13);
  EXPECT_EQ(harness.late_dropped(), 1) << "a row of no window is late by its own time";
  harness.push(Reading{1, 2}, 24);
  EXPECT_EQ(harness.late_dropped(), 1);
}

TEST_P(SlicingWindow, cumulative_windows_grow_and_begin_anew) {
  Harness harness(make(cumulative(Duration(30), Duration(10)).grid()));
  harness.push(Reading{1, 1}, 1);
  harness.push(Reading{1, 2}, 12);
  harness.watermark(19);
  harness.push(Reading{1, 4}, 5);  // late for [0, 10) and [0, 20), not for [0, 30)
  harness.push(Reading{1, 8}, 31);
  harness.watermark(39);
  EXPECT_EQ(harness.take<Result>(), (Results{result(1, 0, 10, 1), result(1, 0, 20, 3),
                                             result(1, 0, 30, 7), result(1, 30, 40, 8)}));
}

TEST_P(SlicingWindow, late_rows_are_dropped_and_counted_without_a_side_output) {
  Harness harness(make(tumbling(Duration(10)).grid()));
  harness.watermark(9);
  harness.push(Reading{1, 1}, 9);
  EXPECT_EQ(harness.late_dropped(), 1);
  harness.push(Reading{1, 1}, 10);
  EXPECT_EQ(harness.late_dropped(), 1);
}

TEST_P(SlicingWindow, a_late_row_within_the_lateness_fires_again_at_once) {
  Harness harness(make(tumbling(Duration(10)).grid(), late_by(5)));
  harness.push(Reading{1, 1}, 1);
  harness.watermark(9);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 10, 1)});
  harness.push(Reading{1, 2}, 2);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 10, 3)});
  harness.watermark(13);
  harness.push<Reading>({{Reading{2, 4}, 3}, {Reading{1, 8}, 4}});
  EXPECT_EQ(harness.take<Result>(), (Results{result(2, 0, 10, 4), result(1, 0, 10, 11)}));
  harness.watermark(14);
  harness.push(Reading{1, 2}, 9);
  EXPECT_EQ(harness.take<Result>(), Results{});
  EXPECT_EQ(harness.late_dropped(), 1);
}

TEST_P(SlicingWindow, windows_at_the_borders_of_time_fire) {
  Harness harness(make(tumbling(Duration(1000)).grid()));
  harness.push(Reading{1, 1}, kMax);
  harness.push(Reading{1, 2}, kMax - 1);
  harness.push(Reading{1, 4}, kMin + 1);
  harness.watermark(kMin + 2000);
  EXPECT_EQ(harness.take<Result>().size(), 1U);
  harness.watermark(kMax - 1);
  EXPECT_EQ(harness.take<Result>().size(), 0U);
  harness.watermark(kMax);
  const auto last = harness.take<Result>();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].row.value, 3);
  EXPECT_EQ(last[0].row.window.end.ms(), kMax);
  EXPECT_EQ(last[0].time, kMax);
}

TEST_P(SlicingWindow, a_row_without_event_time_fails_the_operator) {
  Harness harness(make(tumbling(Duration(1000)).grid()));
  try {
    harness.push(Reading{1, 1}, kNoTimestamp);
    FAIL();
  } catch (const OperatorFailure& failure) {
    EXPECT_EQ(failure.status().id(), ErrorId::kRowWithoutTimestamp);
  }
}

TEST_P(SlicingWindow, processing_time_windows_fire_when_the_clock_has_passed_them) {
  Settings settings;
  settings.time = WindowTime::kProcessing;
  Harness harness(make(tumbling(Duration(10)).grid(), settings));
  harness.advance_clock(3);
  harness.push(Reading{1, 1}, kNoTimestamp);
  harness.advance_clock(9);
  harness.push(Reading{1, 2}, kNoTimestamp);
  EXPECT_EQ(harness.take<Result>(), Results{});
  harness.advance_clock(10);
  harness.push(Reading{1, 4}, kNoTimestamp);
  harness.advance_clock(11);
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 0, 10, 3)});
  harness.end_of_input();
  EXPECT_EQ(harness.take<Result>(), Results{result(1, 10, 20, 4)});
}

TEST(slicing_window, lateness_is_refused_in_processing_time) {
  Settings settings = late_by(5);
  settings.time = WindowTime::kProcessing;
  Harness harness(make(tumbling(Duration(10)).grid(), settings));
  EXPECT_EQ(harness.opened.id(), ErrorId::kWindowOption);
}

TEST_P(SlicingWindow, windows_over_the_whole_stream_need_no_key) {
  const auto no_key = [](const Reading&) { return Unkeyed{}; };
  using Fold = CountFold<Unkeyed, Reading>;
  Harness harness(std::make_unique<SlicingWindowOperator<Unkeyed, Reading, decltype(no_key), Fold>>(
      tumbling(Duration(10)).grid(), no_key, Fold(), Settings(), nullptr));
  harness.push<Reading>({{{1, 1}, 1}, {{2, 1}, 2}, {{3, 1}, 9}, {{3, 1}, 10}});
  harness.end_of_input();
  const auto results = harness.take<WindowTotal<int64_t>>();
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].row.value, 3);
  EXPECT_EQ(results[1].row.value, 1);
}

struct Named {
  Text name;
  int64_t value = 0;
  friend bool operator==(const Named&, const Named&) = default;
};

TEST_P(SlicingWindow, text_in_keys_and_accumulators_outlives_the_batches) {
  using Longest = ExtremeRowFold<Text, Named, int64_t Named::*, true>;
  using NameKey = Text Named::*;
  Harness harness(std::make_unique<SlicingWindowOperator<Text, Named, NameKey, Longest>>(
      sliding(Duration(10), Duration(5)).grid(), &Named::name, Longest(&Named::value),
      WindowSettings<Named>(), nullptr));
  for (int64_t i = 0; i < 40; ++i) {
    const std::string name = "a name that is long enough to be told apart " + std::to_string(i % 3);
    harness.push(Named{Text(name), i}, i);
  }
  harness.end_of_input();
  const auto results = harness.take<WindowValue<Text, Named>>();
  ASSERT_EQ(results.size(), 27U);
  for (const auto& one : results) {
    EXPECT_EQ(one.row.key, one.row.value.name);
    EXPECT_EQ(one.row.key.view(), "a name that is long enough to be told apart " +
                                      std::to_string(one.row.value.value % 3));
  }
}

TEST(slicing_window, tumbling_windows_agree_with_the_model) {
  for (const auto& assigner : {tumbling(Duration(10)), tumbling(Duration(7), Duration(-3))}) {
    compare_many(AnyAssigner(assigner), maker(assigner.grid()));
  }
}
TEST(slicing_window, sliding_windows_agree_with_the_model) {
  for (const auto& assigner :
       {sliding(Duration(20), Duration(5)), sliding(Duration(10), Duration(4)),
        sliding(Duration(3), Duration(8)), sliding(Duration(30), Duration(7), Duration(2))}) {
    compare_many(AnyAssigner(assigner), maker(assigner.grid()));
  }
}
TEST(slicing_window, cumulative_windows_agree_with_the_model) {
  for (const auto& assigner : {cumulative(Duration(30), Duration(10)),
                               cumulative(Duration(24), Duration(4), Duration(3))}) {
    compare_many(AnyAssigner(assigner), maker(assigner.grid()));
  }
}

// A cache that holds some entries, and one that holds most; and back and forth between memory and
// backends.
TEST(slicing_window, state_in_a_backend_makes_no_difference) {
  for (const std::vector<int64_t>& backends :
       {std::vector<int64_t>{1}, {100'000}, {0, 1, 1, 0, 0, 1}}) {
    const auto test = [&](const auto& assigner) {
      if (backends.size() > 1) {
        compare_many(AnyAssigner(assigner), maker(assigner.grid()), backends);
      }
      compare_checkpoints(AnyAssigner(assigner), maker(assigner.grid()), backends);
    };
    test(tumbling(Duration(10)));
    test(sliding(Duration(20), Duration(7)));
    test(cumulative(Duration(60), Duration(10)));
  }
}

TEST(slicing_window, incremental_checkpoints_have_what_there_was_at_the_barrier) {
  for (const auto& assigner : {tumbling(Duration(10)), tumbling(Duration(150))}) {
    compare_checkpoints(AnyAssigner(assigner), maker(assigner.grid()));
  }
  for (const auto& assigner :
       {sliding(Duration(40), Duration(10)), sliding(Duration(20), Duration(7))}) {
    compare_checkpoints(AnyAssigner(assigner), maker(assigner.grid()));
  }
  const auto growing = cumulative(Duration(60), Duration(10));
  compare_checkpoints(AnyAssigner(growing), maker(growing.grid()));
}

// As an unaligned barrier leaves them: one subtask has fired windows, and dropped some of them,
// that the other has not seen the end of.
void check_uneven_subtasks(WindowGrid grid, size_t windows_of_key, int32_t parallelism) {
  std::vector<SnapshotSegmentRef> layers;
  const auto keys_of = [](int32_t subtask) {
    std::vector<Timed<Reading>> rows;
    for (int64_t key = 0; key < 500; ++key) {
      if (subtask_of(key_hash(key, 128).group, 2, 128) == subtask) {
        rows.push_back({{key, 1}, 5});
      }
    }
    return rows;
  };
  size_t fired = 0;
  for (int32_t subtask = 0; subtask < 2; ++subtask) {
    Harness harness(make(grid), {.subtask = subtask, .parallelism = 2, .incremental = true});
    for (int64_t checkpoint = 1; checkpoint <= 2; ++checkpoint) {
      if (checkpoint == 1) {
        harness.push(keys_of(subtask));
      } else if (subtask == 0) {
        harness.watermark(20);
        fired = harness.take<Result>().size();
      }
      harness.begin_snapshot({checkpoint, checkpoint - 1});
      while (!harness.write_snapshot()) {}
      for (const auto& segment : harness.take_snapshot()) {
        if (segment->content == StateContent::kAll) {
          std::erase_if(layers, [&](const SnapshotSegmentRef& old) {
            return old->meta.name == segment->meta.name && old->subtask == subtask;
          });
        }
        layers.push_back(segment);
      }
    }
  }
  EXPECT_GT(fired, 100U);
  MemorySnapshot snapshot;
  snapshot.add(layers);
  for (int32_t subtask = 0; subtask < parallelism; ++subtask) {
    Harness restored(make(grid), {.subtask = subtask, .parallelism = parallelism}, &snapshot);
    restored.end_of_input();
    fired += restored.take<Result>().size();
  }
  EXPECT_EQ(fired, 500 * windows_of_key);
}

TEST_P(SlicingWindow, what_one_subtask_has_done_is_not_done_again_by_the_watermark_of_another) {
  for (const int32_t parallelism : {1, 2, 3}) {
    check_uneven_subtasks(tumbling(Duration(10)).grid(), 1, parallelism);
    check_uneven_subtasks(cumulative(Duration(30), Duration(10)).grid(), 3, parallelism);
    check_uneven_subtasks(sliding(Duration(40), Duration(10)).grid(), 4, parallelism);
  }
}

TEST_P(SlicingWindow, what_user_code_throws_names_the_operator_and_the_row) {
  const auto add = [](int64_t& sum, const Reading& row) {
    if (row.value == 13) { throw std::runtime_error("unlucky"); }
    sum += row.value;
  };
  auto functions = make_aggregator([] { return int64_t{0}; }, add,
                                   [](int64_t& sum, const int64_t& other) { sum += other; });
  auto fold = make_fold<int64_t, Reading>(functions);
  Harness harness(std::make_unique<SlicingWindowOperator<int64_t, Reading, Key, decltype(fold)>>(
      tumbling(Duration(10)).grid(), &Reading::key, fold, Settings(), nullptr));
  try {
    harness.push<Reading>({{{1, 1}, 1}, {{1, 13}, 2}, {{1, 2}, 3}});
    FAIL();
  } catch (const OperatorFailure& failure) {
    EXPECT_EQ(failure.status().id(), ErrorId::kUserCodeThrew);
    EXPECT_NE(failure.status().message().find("unlucky"), std::string::npos);
    EXPECT_NE(failure.status().message().find("13"), std::string::npos);
    EXPECT_NE(failure.status().message().find("'window'"), std::string::npos);
  }
}

TEST(slicing_window, state_beyond_the_memory_limit_fails_with_the_list_of_holders) {
  Harness harness(make(tumbling(Duration(1'000'000)).grid()), {.memory_limit = 1 << 20});
  try {
    for (int64_t i = 0; i < 1000; ++i) {
      std::vector<Timed<Reading>> rows;
      for (int64_t j = 0; j < 1000; ++j) { rows.push_back({{i * 1000 + j, 1}, i}); }
      harness.push(rows);
    }
    FAIL();
  } catch (const OperatorFailure& failure) {
    EXPECT_EQ(failure.status().id(), ErrorId::kMemoryLimit);
  }
}

TEST_P(SlicingWindow, the_folds_give_what_they_are_named_after) {
  const auto run = [](auto fold) {
    using Fold = decltype(fold);
    Harness harness(std::make_unique<SlicingWindowOperator<int64_t, Reading, Key, Fold>>(
        sliding(Duration(10), Duration(5)).grid(), &Reading::key, fold, Settings(), nullptr));
    harness.push<Reading>({{{1, 4}, 5}, {{1, 9}, 6}, {{1, 2}, 12}, {{1, 9}, 13}, {{1, 5}, 14}});
    harness.watermark(14);
    auto rows = harness.take<typename Fold::Output>();
    return rows.back().row;  // [5, 15)
  };
  EXPECT_EQ(run(CountFold<int64_t, Reading>()).value, 5);
  EXPECT_EQ(run(SumFold<int64_t, Reading, Key>(&Reading::value)).value, 29);
  EXPECT_EQ(run(ExtremeFold<int64_t, Reading, Key, false>(&Reading::value)).value, 2);
  EXPECT_EQ(run(ExtremeFold<int64_t, Reading, Key, true>(&Reading::value)).value, 9);
  EXPECT_EQ(run(ExtremeRowFold<int64_t, Reading, Key, true>(&Reading::value)).value.value, 9);
  EXPECT_DOUBLE_EQ(run(AverageFold<int64_t, Reading, Key>(&Reading::value)).value, 29.0 / 5);
  const auto top = run(TopFold<int64_t, Reading, Key>(3, &Reading::value)).value;
  EXPECT_EQ(top, (std::vector<Reading>{{1, 9}, {1, 9}, {1, 5}}));
  const auto later = [](const Reading&, const Reading& row) { return row; };
  EXPECT_EQ(run(WindowReduceFold<int64_t, Reading, decltype(later)>{later}), (Reading{1, 5}));
}

struct Describe {
  using output = WindowValue<int64_t, std::string>;
  void process(const int64_t& key, const Result& sum, auto& context) {
    context.emit({key, context.window(),
                  std::to_string(sum.value) + " at " + std::to_string(context.watermark().ms())});
  }
};

TEST_P(SlicingWindow, a_process_function_may_follow_a_fold) {
  using Fold = ProcessedFold<int64_t, Sum, Describe>;
  Harness harness(std::make_unique<SlicingWindowOperator<int64_t, Reading, Key, Fold>>(
      tumbling(Duration(10)).grid(), &Reading::key, Fold{Sum(&Reading::value), Describe()},
      Settings(), nullptr));
  harness.push<Reading>({{{1, 4}, 5}, {{1, 9}, 6}});
  harness.watermark(30);
  const auto rows = harness.take<Describe::output>();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].row.value, "13 at 30");
}

TEST(slicing_window, another_grid_is_refused_at_restore) {
  MemorySnapshot snapshot;
  {
    Harness harness(make(tumbling(Duration(10)).grid()));
    harness.push(Reading{1, 5}, 3);
    harness.snapshot_into(snapshot);
  }
  auto reader = snapshot.reader({"op", 0, 1, 128});
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE(make(tumbling(Duration(20)).grid())->restore(**reader).ok());
}

}  // namespace
}  // namespace tidewheel
