#include "tidewheel/sql/mini_batch.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/group_aggregate.h"
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

GroupAggregateSpec sums() {
  GroupAggregateSpec spec;
  spec.input = columns({{"k", LogicalType::string()}, {"v", bigint()}});
  spec.keys = {0};
  AggregateCall sum;
  sum.function = AggregateFunction::kSum;
  sum.arguments = {1};
  sum.result = aggregate_result_type(sum.function, {{bigint()}}).value();
  spec.calls = {sum};
  spec.mini_batch = true;
  return spec;
}

SqlHarness harness_of(const GroupAggregateSpec& spec, int64_t rows_max,
                      SqlHarnessOptions options = {}) {
  return SqlHarness(
      [spec, rows_max] {
        return make_mini_batch({spec.input.types, rows_max, 100},
                               must_make(make_group_aggregate(spec)));
      },
      {spec.input}, group_aggregate_output(spec), options);
}

TEST(MiniBatch, rows_wait_until_there_are_enough) {
  SqlHarness harness = harness_of(sums(), 4);
  harness.push({"+I a,1"}).push({"+I b,2", "+I a,4"});
  EXPECT_EQ(harness.take(), Lines{});
  harness.push({"+I a,8", "+I a,16", "+I a,32"});
  EXPECT_EQ(harness.take(), (Lines{"+I a,13", "+I b,2"}));
  harness.push({"+I c,1", "+I c,1"});
  EXPECT_EQ(harness.take(), (Lines{"-U a,13", "+U a,61", "+I c,2"}));
}

TEST(MiniBatch, the_first_row_waits_for_no_longer_than_the_latency) {
  SqlHarness harness = harness_of(sums(), 1000);
  harness.push({"+I a,1"}).advance_to_wall_ms(60).push({"+I a,2"}).advance_to_wall_ms(99);
  EXPECT_EQ(harness.take(), Lines{});
  harness.advance_to_wall_ms(101);
  EXPECT_EQ(harness.take(), (Lines{"+I a,3"}));
  harness.advance_to_wall_ms(500).push({"+I a,1"}).advance_to_wall_ms(590);
  EXPECT_EQ(harness.take(), Lines{});
  harness.advance_to_wall_ms(601);
  EXPECT_EQ(harness.take(), (Lines{"-U a,3", "+U a,4"}));
}

TEST(MiniBatch, event_time_epochs_and_the_end_of_the_input_end_it) {
  SqlHarness harness = harness_of(sums(), 1000);
  harness.push({"+I a,1", "+I a,1"}).watermark(5);
  EXPECT_EQ(harness.take(), (Lines{"+I a,2"}));
  // As before a barrier: nothing is in the snapshot but what the operator has.
  harness.push({"+I a,1", "+I a,1"}).epoch(1);
  EXPECT_EQ(harness.take(), (Lines{"-U a,2", "+U a,4"}));
  harness.restart().push({"+I a,1"}).end_of_input();
  EXPECT_EQ(harness.take(), (Lines{"-U a,4", "+U a,5"}));
}

TEST(MiniBatch, the_table_is_the_same_whatever_is_refused) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    GroupAggregateSpec spec = sums();
    spec.input_retracts = true;
    Random random(seed);
    SqlHarness batched = harness_of(spec, 1 + static_cast<int64_t>(random.below(50)),
                                    {.refusal = 0.4, .seed = seed});
    spec.mini_batch = false;
    SqlHarness plain([spec] { return std::move(make_group_aggregate(spec)).value(); }, {spec.input},
                     group_aggregate_output(spec), {});
    Lines rows;
    for (int i = 0; i < 300; ++i) {
      const std::string row =
          std::to_string(random.below(6)) + "," + std::to_string(random.below(9));
      rows.push_back("+I " + row);
      if (random.below(3) == 0) { rows.push_back("-D " + row); }
    }
    Changelog wanted;
    Changelog found;
    plain.push(rows);
    batched.push(rows).end_of_input();
    wanted.take(plain.take());
    found.take(batched.take());
    EXPECT_EQ(found.rows(), wanted.rows()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tidewheel::sql
