#include "tidewheel/sql/epoch_fold.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/operator_failure.h"
#include "tidewheel/sql/operator_testing.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::Changelog;
using testing::columns;
using testing::Lines;
using testing::must_make;
using testing::SqlHarness;
using testing::SqlHarnessOptions;

EpochFoldSpec spec_of(std::vector<int32_t> keys, bool updates = true) {
  EpochFoldSpec spec;
  spec.input = columns({{"id", bigint()}, {"name", LogicalType::string()}});
  spec.has_key = !keys.empty();
  spec.keys = std::move(keys);
  spec.updates = updates;
  return spec;
}

SqlHarness harness_of(const EpochFoldSpec& spec, SqlHarnessOptions options = {}) {
  return SqlHarness([spec] { return must_make(make_epoch_fold(spec)); }, {spec.input}, spec.input,
                    options);
}

TEST(EpochFold, changes_of_a_key_are_one_at_the_end_of_the_epoch) {
  SqlHarness harness = harness_of(spec_of({0}));
  harness.push({"+I 1,a", "-U 1,a", "+U 1,b", "+I 2,x"});
  EXPECT_EQ(harness.take(), Lines{});
  harness.epoch(1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,b", "+I 2,x"}));
  harness.push({"-U 1,b", "+U 1,c", "-U 1,c", "+U 1,d", "-D 2,x"}).epoch(2);
  EXPECT_EQ(harness.take(), (Lines{"-U 1,b", "+U 1,d", "-D 2,x"}));
}

TEST(EpochFold, what_is_as_it_was_gives_nothing) {
  SqlHarness harness = harness_of(spec_of({0}));
  harness.push(
      {"-U 1,a", "+U 1,b", "-U 1,b", "+U 1,a", "+I 2,x", "-D 2,x", "+I NULL,NULL", "-D NULL,NULL"});
  harness.epoch(1).epoch(2);
  EXPECT_EQ(harness.take(), Lines{});
}

// Two subtasks of a join may each have one of the two.
TEST(EpochFold, a_row_may_come_before_the_one_whose_place_it_takes_has_gone) {
  SqlHarness harness = harness_of(spec_of({0}));
  harness.push({"+I 1,b", "-D 1,a"}).epoch(1);
  EXPECT_EQ(harness.take(), (Lines{"-U 1,a", "+U 1,b"}));
}

TEST(EpochFold, without_a_key_rows_come_and_go_as_often_as_they_did) {
  SqlHarness harness = harness_of(spec_of({}));
  harness.push({"+I 1,a", "+I 1,a", "-D 2,b", "-D 2,b", "+I 3,c", "-D 3,c"}).epoch(1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,a", "+I 1,a", "-D 2,b", "-D 2,b"}));
}

TEST(EpochFold, a_key_without_columns_is_that_of_one_row) {
  EpochFoldSpec spec = spec_of({});
  spec.has_key = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"-U 1,a", "+U 2,b", "-U 2,b", "+U 3,c"}).epoch(1);
  EXPECT_EQ(harness.take(), (Lines{"-U 1,a", "+U 3,c"}));
}

TEST(EpochFold, rows_that_are_only_added_wait_too_and_event_time_with_them) {
  for (const bool updates : {false, true}) {
    SqlHarness harness = harness_of(spec_of({}, updates));
    harness.push({"+I 1,a", "+I 2,b"}).watermark(5).push({"+I 3,c"}).watermark(7);
    EXPECT_EQ(harness.take(), Lines{});
    harness.epoch(1);
    EXPECT_EQ(harness.take(), (Lines{"+I 1,a", "+I 2,b", "+I 3,c"}));
  }
}

TEST(EpochFold, the_end_of_the_input_ends_the_last_epoch) {
  for (const bool updates : {false, true}) {
    SqlHarness harness = harness_of(spec_of({}, updates));
    harness.push({"+I 1,a"}).end_of_input();
    EXPECT_EQ(harness.take(), (Lines{"+I 1,a"}));
  }
}

TEST(EpochFold, too_many_added_rows_go_on_before_the_end) {
  EpochFoldSpec spec = spec_of({}, false);
  spec.buffer_bytes = 1;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,a"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,a"}));
}

TEST(EpochFold, too_many_changes_fail_the_job_with_what_to_do) {
  EpochFoldSpec spec = spec_of({0});
  spec.buffer_bytes = 20'000;
  SqlHarness harness = harness_of(spec);
  try {
    for (int i = 0; i < 10'000; ++i) { harness.push({"+I " + std::to_string(i) + ",name"}); }
    FAIL() << "it keeps more than it may";
  } catch (const OperatorFailure& failure) {
    EXPECT_EQ(failure.status().id(), ErrorId::kMemoryLimit);
    EXPECT_NE(failure.status().message().find("table.exec.epoch.buffer-size"), std::string::npos)
        << failure.status().to_string();
  }
}

// One key that changes all the time has no more rows than the first and the last.
TEST(EpochFold, a_key_that_changes_often_takes_no_more_room) {
  EpochFoldSpec spec = spec_of({0});
  spec.buffer_bytes = 20'000;
  SqlHarness harness = harness_of(spec);
  harness.push({"-U 1,first", "+U 1,1"});
  for (int i = 1; i < 10'000; ++i) {
    harness.push({"-U 1," + std::to_string(i), "+U 1," + std::to_string(i + 1)});
  }
  harness.epoch(1);
  EXPECT_EQ(harness.take(), (Lines{"-U 1,first", "+U 1,10000"}));
}

TEST(EpochFold, random_changes_amount_to_the_same_table_at_each_end_of_an_epoch) {
  for (const bool keyed : {false, true}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Random random(seed);
      SqlHarness harness =
          harness_of(spec_of(keyed ? std::vector<int32_t>{0} : std::vector<int32_t>{}),
                     {.refusal = 0.3, .seed = seed});
      Changelog wanted;
      Changelog found;
      std::map<uint64_t, uint64_t> now;  // the table, id to name
      for (int epoch = 1; epoch <= 10; ++epoch) {
        for (uint64_t i = random.below(200); i > 0; --i) {
          const uint64_t id = random.below(30);
          const auto text = [&](uint64_t name) {
            return std::to_string(id) + "," + std::to_string(name);
          };
          Lines lines;
          if (const auto it = now.find(id); it == now.end()) {
            lines = {"+I " + text(now[id] = random.below(5))};
          } else if (random.chance(0.4)) {
            lines = {"-D " + text(it->second)};
            now.erase(it);
          } else {
            lines = {"-U " + text(it->second)};
            it->second = random.below(5);
            lines.push_back("+U " + text(it->second));
          }
          wanted.take(lines);
          harness.push(lines);
        }
        ASSERT_EQ(harness.take(), Lines{});
        harness.epoch(epoch);
        const Lines given = harness.take();
        ASSERT_LE(given.size(), 60U);
        found.take(given);
        ASSERT_EQ(found.rows(), wanted.rows()) << "seed " << seed << ", epoch " << epoch;
      }
    }
  }
}

}  // namespace
}  // namespace tidewheel::sql
