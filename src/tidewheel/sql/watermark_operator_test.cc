// Tests of watermarks in the middle of a job.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/sql/bound.h"
#include "tidewheel/sql/calc.h"
#include "tidewheel/sql/operator_testing.h"
#include "tidewheel/testing/operator_harness.h"

namespace tidewheel::sql {
namespace {

using tidewheel::testing::HarnessSnapshot;
using tidewheel::testing::OperatorHarness;

RowType row_type() {
  return testing::columns({{"at", LogicalType::with(TypeKind::kTimestamp, 3, 0, true)}});
}

std::unique_ptr<Operator> make_operator() {
  auto made = make_watermark_operator(Bound::of_column(0, row_type().types[0]), row_type().types,
                                      false, {});
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return std::move(made).value();
}

OperatorHarness harness_of(int32_t subtask, int32_t parallelism) {
  return OperatorHarness(make_operator(), {.subtask_index = subtask, .parallelism = parallelism});
}

void push(OperatorHarness& harness, const std::string& row) {
  harness.push_element(Element::rows(testing::make_batch(row_type(), {row})), 0);
}

TEST(WatermarkOperator, a_restored_one_goes_on_from_the_time_that_was_reached) {
  OperatorHarness before = harness_of(0, 1);
  push(before, "+I 5000");
  push(before, "+I 4000");
  EXPECT_EQ(before.take_watermarks(), (std::vector<int64_t>{5000}));
  const HarnessSnapshot snapshot = before.snapshot();

  OperatorHarness after = harness_of(0, 1);
  ASSERT_TRUE(after.open_restored(snapshot).ok());
  after.advance_to_wall_ms(1);
  EXPECT_EQ(after.take_watermarks(), (std::vector<int64_t>{5000}));  // no row has come
  push(after, "+I 4999");
  push(after, "+I 5001");
  EXPECT_EQ(after.take_watermarks(), (std::vector<int64_t>{5001}));
}

TEST(WatermarkOperator, at_another_parallelism_nobody_is_ahead_of_the_slowest) {
  std::vector<HarnessSnapshot> parts;
  for (int32_t subtask = 0; subtask < 2; ++subtask) {
    OperatorHarness before = harness_of(subtask, 2);
    push(before, subtask == 0 ? "+I 5000" : "+I 3000");
    parts.push_back(before.snapshot());
  }
  const HarnessSnapshot whole = OperatorHarness::join_snapshots(parts);
  for (int32_t subtask = 0; subtask < 3; ++subtask) {
    OperatorHarness after = harness_of(subtask, 3);
    ASSERT_TRUE(after.open_restored(whole).ok());
    after.advance_to_wall_ms(1);
    EXPECT_EQ(after.take_watermarks(), (std::vector<int64_t>{3000})) << subtask;
  }
}

TEST(WatermarkOperator, nothing_reached_is_nothing_sent) {
  OperatorHarness before = harness_of(0, 1);
  const HarnessSnapshot snapshot = before.snapshot();
  OperatorHarness after = harness_of(0, 1);
  ASSERT_TRUE(after.open_restored(snapshot).ok());
  after.advance_to_wall_ms(1);
  EXPECT_TRUE(after.take_watermarks().empty());
}

}  // namespace
}  // namespace tidewheel::sql
