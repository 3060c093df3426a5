#include "tidewheel/sql/local_window_aggregate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/base/random.h"
#include "tidewheel/sql/operator_testing.h"
#include "tidewheel/testing/operator_harness.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::Lines;
using testing::SqlHarness;
using tidewheel::testing::HarnessOptions;
using tidewheel::testing::OperatorHarness;
using F = AggregateFunction;
using Kind = GridWindow::Kind;

RowType input_type() {
  return testing::columns({{"k", bigint()},
                           {"v", bigint()},
                           {"t", LogicalType::with(TypeKind::kTimestamp, 3)},
                           {"s", LogicalType::string()}});
}

AggregateCall call(F function, std::vector<int32_t> arguments) {
  const RowType input = input_type();
  AggregateCall made;
  made.function = function;
  made.arguments = std::move(arguments);
  std::vector<LogicalType> types;
  for (const int32_t column : made.arguments) {
    types.push_back(input.types[static_cast<size_t>(column)]);
  }
  made.result = aggregate_result_type(function, types).value();
  return made;
}

std::unique_ptr<Operator> made(Result<std::unique_ptr<Operator>> op) {
  EXPECT_TRUE(op.ok()) << op.status().to_string();
  return std::move(op).value();
}

WindowAggregateSpec one_phase(GridWindow window, std::vector<int32_t> keys = {0}) {
  WindowAggregateSpec spec;
  spec.input = input_type();
  spec.keys = std::move(keys);
  spec.calls = {call(F::kCountStar, {}), call(F::kSum, {1}), call(F::kMax, {3})};
  spec.window = window;
  spec.time = 2;
  spec.properties = {WindowProperty::kStart, WindowProperty::kEnd};
  return spec;
}

LocalWindowSpec local_of(const WindowAggregateSpec& spec) {
  return {spec.input, spec.keys, spec.calls, spec.window, spec.time, 200};
}

WindowAggregateSpec second_phase(WindowAggregateSpec spec) {
  spec.partial = spec.input;
  spec.input = local_window_output(local_of(spec));
  for (size_t i = 0; i < spec.keys.size(); ++i) { spec.keys[i] = static_cast<int32_t>(i); }
  return spec;
}

// Timestamps as their numbers.
RowType shown_output(const WindowAggregateSpec& spec) {
  RowType output = window_aggregate_output(spec);
  for (LogicalType& type : output.types) {
    if (type.is_timestamp()) { type = bigint(); }
  }
  return output;
}

SqlHarness harness_of(const WindowAggregateSpec& spec) {
  return SqlHarness([spec] { return made(make_window_aggregate(spec)); }, {spec.input},
                    shown_output(spec));
}

// First phases of some subtasks, and the second one. What the first give is taken at once; the
// watermark of the second is the least of theirs.
class TwoPhases {
 public:
  TwoPhases(const WindowAggregateSpec& spec, size_t subtasks, double refusal = 0)
      : input_(spec.input),
        output_(shown_output(spec)),
        times_(subtasks, INT64_MIN),
        second_(made(make_window_aggregate(second_phase(spec))), {.refusal = refusal}) {
    for (size_t i = 0; i < subtasks; ++i) {
      first_.push_back(
          std::make_unique<OperatorHarness>(made(make_local_window_aggregate(local_of(spec))),
                                            HarnessOptions{.refusal = refusal, .seed = i + 1}));
    }
  }
  // Closed from the last one on, since what the first phases gave is kept.
  ~TwoPhases() { second_.close(); }

  TwoPhases& push(size_t subtask, const Lines& rows) {
    first_[subtask]->push_element(Element::rows(testing::make_batch(input_, rows)), 0);
    return pass(subtask);
  }
  TwoPhases& watermark(size_t subtask, int64_t time_ms) {
    first_[subtask]->watermark(time_ms);
    pass(subtask);
    times_[subtask] = time_ms;
    const int64_t least = *std::min_element(times_.begin(), times_.end());
    if (least > reached_) {
      reached_ = least;
      second_.watermark(least);
    }
    return *this;
  }
  TwoPhases& idle(size_t subtask) {
    first_[subtask]->idle(true);
    return pass(subtask);
  }
  TwoPhases& epoch(size_t subtask) {
    first_[subtask]->epoch(1);
    return pass(subtask);
  }
  Lines take() {
    Lines all;
    for (const Element& element : second_.take_elements()) {
      if (element.kind != Element::Kind::kBatch) { continue; }
      const Lines lines = testing::batch_lines(output_.types, element);
      all.insert(all.end(), lines.begin(), lines.end());
    }
    return all;
  }
  // Rows that the first phases gave the second since the last call.
  int64_t given() { return std::exchange(given_, 0); }
  int64_t dropped() {
    return static_cast<int64_t>(
        second_.context().metrics().counter("numLateRecordsDropped").value());
  }

 private:
  TwoPhases& pass(size_t subtask) {
    for (const Element& element : first_[subtask]->take_elements()) {
      if (element.kind != Element::Kind::kBatch) { continue; }
      given_ += element.end - element.begin;
      second_.push_element(element, 0);
    }
    return *this;
  }

  const RowType input_;
  const RowType output_;
  std::vector<int64_t> times_;
  int64_t reached_ = INT64_MIN;
  int64_t given_ = 0;
  std::vector<std::unique_ptr<OperatorHarness>> first_;
  OperatorHarness second_;
};

Lines sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST(LocalWindowAggregate, a_row_goes_on_for_each_key_and_slice_when_the_window_ends) {
  TwoPhases phases(one_phase({Kind::kTumble, 10, 0, 0}), 1);
  phases.push(0, {"+I 1,5,0,a", "+I 1,6,9,c", "+I 2,1,9,b", "+I 1,7,10,d"}).watermark(0, 8);
  EXPECT_EQ(phases.given(), 0);
  phases.watermark(0, 9);
  EXPECT_EQ(phases.given(), 2);
  EXPECT_EQ(sorted(phases.take()), (Lines{"+I 1,2,11,c,0,10", "+I 2,1,1,b,0,10"}));
  phases.watermark(0, 100);
  EXPECT_EQ(phases.take(), Lines{"+I 1,1,7,d,10,20"});
}

TEST(LocalWindowAggregate, a_slice_of_sliding_windows_goes_once) {
  TwoPhases phases(one_phase({Kind::kHop, 10, 5, 0}), 2);
  phases.push(0, {"+I 1,1,4,a", "+I 1,2,7,b"}).push(1, {"+I 1,3,4,c"});
  phases.watermark(0, 100).watermark(1, 100);
  EXPECT_EQ(phases.given(), 3);
  EXPECT_EQ(phases.take(), (Lines{"+I 1,2,4,c,-5,5", "+I 1,3,6,c,0,10", "+I 1,1,2,b,5,15"}));
}

TEST(LocalWindowAggregate, a_row_whose_window_is_over_goes_at_once_and_is_counted_when_late) {
  TwoPhases phases(one_phase({Kind::kTumble, 10, 0, 0}), 2);
  phases.push(0, {"+I 1,1,0,a"}).watermark(0, 9);
  EXPECT_EQ(phases.given(), 1);
  // Late for this subtask, though not for the second phase, which waits for the other subtask.
  phases.push(0, {"+I 1,2,3,b", "+I 1,3,4,c"});
  EXPECT_EQ(phases.given(), 2);
  phases.watermark(1, 9);
  EXPECT_EQ(phases.take(), Lines{"+I 1,3,6,c,0,10"});
  phases.push(0, {"+I 1,2,3,b", "+I 1,3,4,c"}).watermark(0, 50).watermark(1, 50);
  EXPECT_EQ(phases.take(), Lines{});
  EXPECT_EQ(phases.dropped(), 2);
}

TEST(LocalWindowAggregate, nothing_is_kept_back_behind_a_barrier_or_an_idle_input) {
  TwoPhases phases(one_phase({Kind::kTumble, 10, 0, 0}), 1);
  phases.push(0, {"+I 1,1,0,a", "+I 1,1,1,a"}).epoch(0);
  EXPECT_EQ(phases.given(), 1);
  phases.push(0, {"+I 1,1,2,a"}).idle(0);
  EXPECT_EQ(phases.given(), 1);
  phases.watermark(0, 9);
  EXPECT_EQ(phases.take(), Lines{"+I 1,3,3,a,0,10"});
}

TEST(LocalWindowAggregate, rows_pass_one_by_one_while_most_have_a_key_of_their_own) {
  TwoPhases phases(one_phase({Kind::kTumble, 1'000'000, 0, 0}), 1);
  constexpr int64_t kRows = 70'000;
  int64_t expected = 0;
  for (int64_t key = 0; key < kRows;) {
    Lines rows;
    for (int i = 0; i < 1000; ++i, ++key) { rows.push_back(fmt::format("+I {},1,5,a", key)); }
    phases.push(0, rows);
    expected += 1000;
  }
  // They were given before the window's end, each.
  EXPECT_EQ(phases.given(), expected);
  phases.watermark(0, 2'000'000);
  EXPECT_EQ(phases.given(), 0);
  EXPECT_EQ(phases.take().size(), static_cast<size_t>(kRows));
}

TEST(LocalWindowAggregate, watermarks_between_ends_of_windows_are_held_back_for_a_while) {
  LocalWindowSpec spec = local_of(one_phase({Kind::kTumble, 10, 0, 0}));
  OperatorHarness harness(made(make_local_window_aggregate(spec)));
  harness.watermark(1);
  harness.watermark(2);
  harness.watermark(5);
  EXPECT_EQ(harness.take_watermarks(), std::vector<int64_t>{1});
  harness.watermark(12);
  harness.watermark(13);
  EXPECT_EQ(harness.take_watermarks(), std::vector<int64_t>{12});
  harness.advance_to_wall_ms(199);
  EXPECT_EQ(harness.take_watermarks(), std::vector<int64_t>{});
  harness.advance_to_wall_ms(300);
  EXPECT_EQ(harness.take_watermarks(), std::vector<int64_t>{13});
  harness.watermark(14);
  harness.epoch(1);
  EXPECT_EQ(harness.take_watermarks(), std::vector<int64_t>{14});
  harness.watermark(15);
  harness.idle(true);
  EXPECT_EQ(harness.take_watermarks(), std::vector<int64_t>{15});
  spec.watermark_interval_ms = 0;
  OperatorHarness each(made(make_local_window_aggregate(spec)));
  each.watermark(1);
  each.watermark(2);
  EXPECT_EQ(each.take_watermarks(), (std::vector<int64_t>{1, 2}));
}

TEST(LocalWindowAggregate, calls_that_cannot_be_merged_have_one_phase) {
  AggregateCall distinct = call(F::kCount, {1});
  EXPECT_TRUE(can_be_local({distinct}));
  EXPECT_TRUE(can_be_local({}));
  distinct.distinct = true;
  EXPECT_FALSE(can_be_local({distinct}));
}

TEST(LocalWindowAggregate, random_rows_give_what_one_phase_gives) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const Kind kind = std::array{Kind::kTumble, Kind::kHop, Kind::kCumulate}[random.below(3)];
    const GridWindow window{kind, 20, kind == Kind::kTumble ? 0 : 5, 0};
    const std::vector<int32_t> keys =
        random.chance(0.5) ? std::vector<int32_t>{0} : std::vector<int32_t>{0, 3};
    const WindowAggregateSpec spec = one_phase(window, keys);
    SqlHarness one = harness_of(spec);
    TwoPhases two(spec, 2, random.chance(0.5) ? 0.3 : 0.0);
    for (int64_t round = 0; round < 20; ++round) {
      for (size_t subtask = 0; subtask < 2; ++subtask) {
        Lines rows;
        for (uint64_t i = random.below(9); i > 0; --i) {
          const std::string key = random.chance(0.1) ? "NULL" : std::to_string(random.below(3));
          const std::string value = random.chance(0.1) ? "NULL" : std::to_string(random.below(9));
          // Some are late, for both subtasks.
          const int64_t time =
              round * 10 + static_cast<int64_t>(random.below(25)) - (random.chance(0.1) ? 30 : 0);
          rows.push_back(fmt::format("+I {},{},{},{}", key, value, time, random.below(3)));
        }
        if (rows.empty()) { continue; }
        one.push(rows);
        two.push(subtask, rows);
        if (random.chance(0.1)) { two.epoch(subtask); }
      }
      one.watermark(round * 10);
      two.watermark(0, round * 10).watermark(1, round * 10);
    }
    one.watermark(1000);
    two.watermark(0, 1000).watermark(1, 1000);
    EXPECT_EQ(sorted(two.take()), sorted(one.take())) << "seed " << seed;
    EXPECT_EQ(two.dropped(), one.counter("numLateRecordsDropped")) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tidewheel::sql
