#include "tidewheel/sql/interval_join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/operator_testing.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::columns;
using testing::for_seeds;
using testing::less_filter;
using testing::Lines;
using testing::must_make;
using testing::random_options;
using testing::SqlHarness;
using testing::SqlHarnessOptions;
using Kind = StreamJoinKind;

IntervalJoinSpec spec_of(Kind kind, int64_t lower, int64_t upper) {
  IntervalJoinSpec spec;
  spec.kind = kind;
  spec.left = columns(
      {{"k", bigint()}, {"t", LogicalType::with(TypeKind::kTimestamp, 3)}, {"v", bigint()}});
  spec.right = spec.left;
  spec.left_keys = {0};
  spec.right_keys = {0};
  spec.left_time = spec.right_time = 1;
  spec.lower_ms = lower;
  spec.upper_ms = upper;
  return spec;
}

SqlHarness harness_of(const IntervalJoinSpec& spec, bool filter = false,
                      SqlHarnessOptions options = {}) {
  RowType output = interval_join_output(spec);
  for (LogicalType& type : output.types) { type = bigint(); }
  return SqlHarness(
      [spec, filter] {
        return must_make(make_interval_join(spec, filter ? less_filter(2, 5) : nullptr));
      },
      {spec.left, spec.right}, output, options);
}

TEST(IntervalJoin, rows_are_joined_when_their_times_are_near) {
  SqlHarness harness = harness_of(spec_of(Kind::kInner, -5, 5));
  harness.push({"+I 1,10,1"}, 0).push({"+I 1,5,2", "+I 1,15,3", "+I 1,16,4", "+I 2,10,5"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,10,1,1,5,2", "+I 1,10,1,1,15,3"}));
}

TEST(IntervalJoin, a_row_without_a_match_comes_when_there_can_be_none_any_more) {
  SqlHarness harness = harness_of(spec_of(Kind::kLeft, -5, 5));
  harness.push({"+I 1,10,1", "+I 1,11,2", "+I NULL,1,1"}, 0).push({"+I 1,6,7"}, 1);
  EXPECT_EQ(harness.take(),
            (Lines{"+I NULL,1,1,NULL,NULL,NULL", "+I 1,10,1,1,6,7", "+I 1,11,2,1,6,7"}));
  harness.push({"+I 3,10,1"}, 0).watermark(14);
  EXPECT_EQ(harness.take(), Lines{});
  harness.restart().watermark(15);
  EXPECT_EQ(harness.take(), Lines{"+I 3,10,1,NULL,NULL,NULL"});
}

TEST(IntervalJoin, a_late_row_meets_what_is_there_and_is_not_kept) {
  SqlHarness harness = harness_of(spec_of(Kind::kInner, 0, 10));
  harness.push({"+I 1,20,1"}, 0).watermark(15);
  harness.push({"+I 1,12,2", "+I 1,3,3"}, 1).push({"+I 1,12,4"}, 0);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,20,1,1,12,2", "+I 1,12,4,1,12,2"}));
}

struct Row {
  int64_t key;
  int64_t time;
  int64_t value;
  std::string text() const {
    return std::to_string(key) + "," + std::to_string(time) + "," + std::to_string(value);
  }
};

TEST(IntervalJoin, random_rows_give_what_all_pairs_give) {
  static constexpr Kind kKinds[] = {Kind::kInner, Kind::kLeft, Kind::kRight, Kind::kFull};
  for_seeds(120, [](uint64_t seed) {
    Random random(seed);
    const int64_t lower = static_cast<int64_t>(random.below(12)) - 8;
    const IntervalJoinSpec spec =
        spec_of(kKinds[random.below(4)], lower, lower + static_cast<int64_t>(random.below(9)));
    const bool filter = random.chance(0.5);
    const SqlHarnessOptions options = random_options(random, seed);
    SqlHarness harness = harness_of(spec, filter, options);
    std::vector<Row> rows[2];
    Lines found;
    for (int64_t round = 0; round < 10; ++round) {
      const auto input = static_cast<int32_t>(random.below(2));
      Lines lines;
      for (uint64_t i = random.below(10); i > 0; --i) {
        const Row row{static_cast<int64_t>(random.below(3)),
                      round * 10 + static_cast<int64_t>(random.below(20)),
                      static_cast<int64_t>(random.below(5))};
        lines.push_back("+I " + row.text());
        rows[input].push_back(row);
      }
      harness.push(lines, input).watermark(round * 10 + 5);  // nothing is late
      for (const std::string& line : harness.take()) { found.push_back(line); }
      if (random.chance(0.3)) { harness.restart(); }
    }
    harness.watermark(10'000);
    for (const std::string& line : harness.take()) { found.push_back(line); }
    const auto fits = [&](const Row& a, const Row& b) {
      return a.key == b.key && a.time >= b.time + spec.lower_ms &&
             a.time <= b.time + spec.upper_ms && (!filter || a.value < b.value);
    };
    Lines expected;
    for (const Row& a : rows[0]) {
      bool is_matched = false;
      for (const Row& b : rows[1]) {
        if (!fits(a, b)) { continue; }
        is_matched = true;
        expected.push_back("+I " + a.text() + "," + b.text());
      }
      if (!is_matched && (spec.kind == Kind::kLeft || spec.kind == Kind::kFull)) {
        expected.push_back("+I " + a.text() + ",NULL,NULL,NULL");
      }
    }
    for (const Row& b : rows[1]) {
      if ((spec.kind == Kind::kRight || spec.kind == Kind::kFull) &&
          std::none_of(rows[0].begin(), rows[0].end(), [&](const Row& a) { return fits(a, b); })) {
        expected.push_back("+I NULL,NULL,NULL," + b.text());
      }
    }
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(found, expected);
  });
}

}  // namespace
}  // namespace tidewheel::sql
