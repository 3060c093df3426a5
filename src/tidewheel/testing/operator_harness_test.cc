#include "tidewheel/testing/operator_harness.h"

#include <gtest/gtest.h>

#include "tidewheel/operators/keyed_fold.h"
#include "tidewheel/operators/map.h"

namespace tidewheel::testing {
namespace {

struct Sale {
  std::string shop;
  int64_t cents = 0;
  friend bool operator==(const Sale&, const Sale&) = default;
};

auto sum_by_shop() {
  using Fold = FieldFold<Sale, std::string, int64_t, Pick::kSum>;
  return std::make_unique<
      KeyedFoldOperator<Sale, std::string, std::string Sale::*, Sale, Sale, Fold>>(
      &Sale::shop, Fold{&Sale::cents}, nullptr);
}

TEST(OperatorHarness, rows_come_out_in_order_however_often_the_output_refuses) {
  const auto twice = [](int64_t n) { return 2 * n; };
  OperatorHarness harness(
      std::make_unique<MapOperator<int64_t, int64_t, decltype(twice)>>(twice, nullptr),
      {.batch_rows = 3, .refusal = 0.7});
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < 100; ++i) {
    harness.push<int64_t>(i, i);
    expected.push_back(2 * i);
    if (i % 10 == 9) { harness.watermark(i); }
  }
  EXPECT_EQ(harness.take<int64_t>(), expected);
}

TEST(OperatorHarness, watermarks_stand_behind_the_rows_before_them) {
  const auto same = [](int64_t n) { return n; };
  OperatorHarness harness(
      std::make_unique<MapOperator<int64_t, int64_t, decltype(same)>>(same, nullptr));
  harness.push<int64_t>(1, 10);
  harness.watermark(10);
  harness.push<int64_t>(2, 20);
  const auto elements = harness.take_elements();
  ASSERT_EQ(elements.size(), 3U);
  EXPECT_EQ(elements[0].kind, Element::Kind::kBatch);
  EXPECT_EQ(elements[1].kind, Element::Kind::kWatermark);
  EXPECT_EQ(elements[2].kind, Element::Kind::kBatch);
}

TEST(OperatorHarness, state_moves_to_another_parallelism) {
  HarnessSnapshot all;
  {
    OperatorHarness harness(sum_by_shop());
    for (int i = 0; i < 50; ++i) { harness.push<Sale>({"shop " + std::to_string(i), 100 + i}, 0); }
    all = harness.snapshot();
  }
  int found = 0;
  for (int32_t subtask = 0; subtask < 3; ++subtask) {
    OperatorHarness harness(sum_by_shop(), {.subtask_index = subtask, .parallelism = 3});
    ASSERT_TRUE(harness.open_restored(all).ok());
    for (int i = 0; i < 50; ++i) {
      const std::string shop = "shop " + std::to_string(i);
      if (!harness.context().key_groups().contains(key_hash(shop, 128).group)) { continue; }
      harness.push<Sale>({shop, 1}, 0);
      EXPECT_EQ(harness.take<Sale>(), (std::vector<Sale>{{shop, 101 + i}}));
      ++found;
    }
  }
  EXPECT_EQ(found, 50);
}

}  // namespace
}  // namespace tidewheel::testing
