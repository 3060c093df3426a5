#include "tidewheel/sql/sort.h"

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
using testing::Lines;
using testing::must_make;
using testing::random_options;
using testing::SqlHarness;
using testing::SqlHarnessOptions;

SqlHarness harness_of(const SortSpec& spec, bool by_time, SqlHarnessOptions options = {}) {
  return SqlHarness(
      [spec, by_time] { return must_make(by_time ? make_time_sort(spec) : make_full_sort(spec)); },
      {spec.input}, spec.input, options);
}

SortSpec by_two() {
  SortSpec spec;
  spec.input = columns({{"a", bigint()}, {"b", bigint()}});
  spec.order_by = {{0, false, true}, {1, true, false}};
  return spec;
}
SortSpec by_time() {
  SortSpec spec = by_two();
  spec.input.types[0].time = TimeAttribute::kEvent;
  return spec;
}

TEST(Sort, rows_are_given_in_order_when_the_input_has_ended) {
  SqlHarness harness = harness_of(by_two(), false);
  harness.push({"+I 2,1", "+I 1,1", "+I 1,2", "+I NULL,1"}).restart().push({"+I 0,5", "-D 1,1"});
  EXPECT_EQ(harness.take(), Lines{});
  harness.end_of_input();
  EXPECT_EQ(harness.take(), (Lines{"+I NULL,1", "+I 0,5", "+I 1,2", "+I 2,1"}));
}

TEST(Sort, by_time_rows_are_given_when_the_watermark_has_passed_them) {
  SqlHarness harness = harness_of(by_time(), true);
  harness.push({"+I 20,1", "+I 10,1", "+I 10,2"}).watermark(15);
  EXPECT_EQ(harness.take(), (Lines{"+I 10,2", "+I 10,1"}));
  harness.restart().push({"+I 15,1", "+I 16,1"}).watermark(20);
  EXPECT_EQ(harness.take(), (Lines{"+I 16,1", "+I 20,1"}));
  EXPECT_EQ(harness.counter("numLateRecordsDropped"), 1);
}

TEST(Sort, columns_without_an_order_are_refused) {
  SortSpec spec = by_two();
  spec.input.types[0] = LogicalType::array(bigint());
  EXPECT_EQ(make_full_sort(spec).status().id(), ErrorId::kSqlUnsupported);
}

TEST(Sort, random_rows_are_sorted_in_every_way_of_running) {
  for_seeds(50, [](uint64_t seed) {
    Random random(seed);
    const SqlHarnessOptions options = random_options(random, seed);
    const bool is_by_time = random.chance(0.5);
    SqlHarness harness = harness_of(is_by_time ? by_time() : by_two(), is_by_time, options);
    std::vector<std::pair<int64_t, int64_t>> rows;
    for (int round = 0; round < 5; ++round) {
      Lines lines;
      for (uint64_t i = random.below(40); i > 0; --i) {
        rows.emplace_back(random.below(10), random.below(10));
        lines.push_back("+I " + std::to_string(rows.back().first) + "," +
                        std::to_string(rows.back().second));
      }
      harness.push(lines);
      if (random.chance(0.3)) { harness.restart(); }
    }
    harness.watermark(INT64_MAX);
    harness.end_of_input();
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first < b.first : a.second > b.second;
    });
    Lines expected;
    for (const auto& [a, b] : rows) {
      expected.push_back("+I " + std::to_string(a) + "," + std::to_string(b));
    }
    ASSERT_EQ(harness.take(), expected);
  });
}

}  // namespace
}  // namespace tidewheel::sql
