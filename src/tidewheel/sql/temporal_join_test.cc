#include "tidewheel/sql/temporal_join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
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

TemporalJoinSpec spec_of(Kind kind) {
  TemporalJoinSpec spec;
  spec.kind = kind;
  spec.left = columns({{"k", bigint()}, {"t", bigint()}, {"v", bigint()}});
  spec.right = columns({{"k", bigint()}, {"t", bigint()}, {"v", bigint()}});
  spec.left_keys = {0};
  spec.right_keys = {0};
  spec.left_time = 1;
  spec.right_time = 1;
  return spec;
}

SqlHarness harness_of(const TemporalJoinSpec& spec, bool filter = false,
                      SqlHarnessOptions options = {}) {
  return SqlHarness(
      [spec, filter] {
        return must_make(make_temporal_join(spec, filter ? less_filter(2, 5) : nullptr));
      },
      {spec.left, spec.right}, temporal_join_output(spec), options);
}

TEST(TemporalJoin, a_row_waits_for_the_watermark_and_gets_the_version_of_its_time) {
  SqlHarness harness = harness_of(spec_of(Kind::kInner));
  harness.push({"+I 1,15,0", "+I 1,5,1", "+I 1,20,2"}, 0).push({"+I 1,10,100", "+U 1,20,200"}, 1);
  EXPECT_EQ(harness.take(), Lines{});
  harness.watermark(19);
  EXPECT_EQ(harness.take(), Lines{"+I 1,15,0,1,10,100"});
  harness.watermark(20);
  EXPECT_EQ(harness.take(), Lines{"+I 1,20,2,1,20,200"});
}

TEST(TemporalJoin, a_left_join_gives_nulls_before_the_first_version_and_behind_the_last) {
  SqlHarness harness = harness_of(spec_of(Kind::kLeft));
  harness.push({"+I 1,9,0", "+I 1,10,1", "+I 1,30,2", "+I NULL,10,3"}, 0)
      .push({"+I 1,10,100", "-D 1,20,100"}, 1)
      .watermark(30);
  Lines lines = harness.take();
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, (Lines{"+I 1,10,1,1,10,100", "+I 1,30,2,NULL,NULL,NULL",
                          "+I 1,9,0,NULL,NULL,NULL", "+I NULL,10,3,NULL,NULL,NULL"}));
}

TEST(TemporalJoin, a_version_that_the_condition_refuses_does_not_give_way_to_an_older_one) {
  SqlHarness harness = harness_of(spec_of(Kind::kLeft), /*filter=*/true);
  harness.push({"+I 1,15,5", "+I 1,25,5"}, 0).push({"+I 1,10,9", "+I 1,20,3"}, 1).watermark(30);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,15,5,1,10,9", "+I 1,25,5,NULL,NULL,NULL"}));
}

TEST(TemporalJoin, kinds_of_the_left_rows_stay) {
  SqlHarness harness = harness_of(spec_of(Kind::kInner));
  harness.push({"+I 1,1,7"}, 1).push({"+I 1,5,1", "-U 1,5,1", "+U 1,6,2"}, 0).watermark(10);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,5,1,1,1,7", "-U 1,5,1,1,1,7", "+U 1,6,2,1,1,7"}));
}

TEST(TemporalJoin, versions_that_nobody_can_ask_for_are_dropped) {
  SqlHarness harness = harness_of(spec_of(Kind::kInner));
  harness.push({"+I 1,10,1", "+I 1,20,2", "+I 1,30,3", "+I 2,10,1", "-D 2,20,1"}, 1).watermark(25);
  // A late row finds no older version than that of the watermark.
  harness.push({"+I 1,15,0", "+I 1,26,0", "+I 2,15,0"}, 0).watermark(26);
  EXPECT_EQ(harness.take(), Lines{"+I 1,26,0,1,20,2"});
}

TEST(TemporalJoin, versions_have_a_time_to_live) {
  TemporalJoinSpec spec = spec_of(Kind::kLeft);
  spec.right_ttl_ms = 1000;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,1"}, 1).push({"+I 1,15,0"}, 0).watermark(20);
  EXPECT_EQ(harness.take(), Lines{"+I 1,15,0,1,10,1"});
  harness.advance_to_wall_ms(2000).push({"+I 1,25,0"}, 0).watermark(30);
  EXPECT_EQ(harness.take(), Lines{"+I 1,25,0,NULL,NULL,NULL"});
}

// ---- Against the whole history.

struct Row {
  int64_t key = 0;
  int64_t time = 0;
  int64_t value = 0;
  std::string text() const {
    return std::to_string(key) + "," + std::to_string(time) + "," + std::to_string(value);
  }
};

Lines model(const std::vector<Row>& left, const std::vector<std::pair<Row, bool>>& right, bool pads,
            bool filter) {
  std::map<std::pair<int64_t, int64_t>, std::pair<Row, bool>> versions;
  for (const auto& version : right) { versions[{version.first.key, version.first.time}] = version; }
  Lines lines;
  for (const Row& row : left) {
    auto it = versions.upper_bound({row.key, row.time});
    const std::pair<Row, bool>* found = nullptr;
    if (it != versions.begin() && (--it)->first.first == row.key) { found = &it->second; }
    const bool fits =
        found != nullptr && !found->second && (!filter || row.value < found->first.value);
    if (fits) {
      lines.push_back("+I " + row.text() + "," + found->first.text());
    } else if (pads) {
      lines.push_back("+I " + row.text() + ",NULL,NULL,NULL");
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

void run_random(uint64_t seed) {
  Random random(seed);
  const TemporalJoinSpec spec = spec_of(random.chance(0.5) ? Kind::kInner : Kind::kLeft);
  const bool filter = random.chance(0.4);
  const SqlHarnessOptions options = random_options(random, seed);
  SqlHarness harness = harness_of(spec, filter, options);
  std::vector<Row> left;
  std::vector<std::pair<Row, bool>> right;
  Lines found;
  for (int64_t round = 0; round < 10; ++round) {
    const bool is_right = random.chance(0.5);
    Lines lines;
    for (uint64_t i = random.below(10); i > 0; --i) {
      const Row row{static_cast<int64_t>(random.below(3)),
                    round * 10 + static_cast<int64_t>(random.below(20)),
                    static_cast<int64_t>(random.below(5))};
      const bool is_end = is_right && random.chance(0.2);
      lines.push_back((is_end ? "-D " : "+I ") + row.text());
      if (is_right && random.chance(0.2)) { lines.push_back("-U " + row.text()); }
      if (is_right) {
        right.emplace_back(row, is_end);
      } else {
        left.push_back(row);
      }
    }
    harness.push(lines, is_right ? 1 : 0).watermark(round * 10 + 9);  // nothing is late
    for (const std::string& line : harness.take()) { found.push_back(line); }
    if (random.chance(0.3)) { harness.restart(); }
  }
  harness.watermark(10'000);
  for (const std::string& line : harness.take()) { found.push_back(line); }
  std::sort(found.begin(), found.end());
  ASSERT_EQ(found, model(left, right, spec.kind == Kind::kLeft, filter));
}

TEST(TemporalJoin, random_histories_give_what_the_whole_history_gives) {
  for_seeds(300, run_random);
}

}  // namespace
}  // namespace tidewheel::sql
