#include <gtest/gtest.h>

#include <map>

#include "tidewheel/operators/async_map.h"
#include "tidewheel/testing/operator_harness.h"

namespace tidewheel {
namespace {

using testing::HarnessSnapshot;
using testing::OperatorHarness;
using namespace std::chrono_literals;

template <class F, class Fallback = NoTimeoutFallback>
std::unique_ptr<Operator> async(F function, AsyncOptions options = {}, Fallback fallback = {}) {
  return std::make_unique<AsyncMapOperator<int64_t, int64_t, F, Fallback>>(function, fallback,
                                                                           options, nullptr);
}

Async<int64_t> wait_as_long(int64_t n) {
  co_await sleep(Duration(n));
  co_return n;
}

TEST(AsyncMap, ordered_results_wait_for_those_before_them) {
  OperatorHarness harness(async(wait_as_long));
  harness.push<int64_t>(30, 1);
  harness.push<int64_t>(10, 2);
  harness.advance_to_wall_ms(20);
  EXPECT_TRUE(harness.take<int64_t>().empty());
  harness.advance_to_wall_ms(40);
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{30, 10}));
}

TEST(AsyncMap, unordered_results_do_not_cross_a_watermark) {
  OperatorHarness harness(async(wait_as_long, {.ordered = false}));
  harness.push<int64_t>(30, 1);
  harness.push<int64_t>(10, 2);
  harness.watermark(2);
  harness.push<int64_t>(5, 3);
  harness.advance_to_wall_ms(20);
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{10}));
  harness.advance_to_wall_ms(50);
  const auto elements = harness.take_elements();
  ASSERT_EQ(elements.size(), 3U);
  EXPECT_EQ(RowBatch<int64_t>::of(*elements[0].batch).row(elements[0].begin), 30);
  EXPECT_EQ(elements[1].value, 2);
  EXPECT_EQ(RowBatch<int64_t>::of(*elements[2].batch).row(elements[2].begin), 5);
}

TEST(AsyncMap, blocking_calls_run_on_the_pool_and_the_end_waits_for_them) {
  OperatorHarness harness(async(
                              [](int64_t n) -> Async<int64_t> {
                                const int64_t square = co_await offload([n] { return n * n; });
                                co_return square;
                              },
                              {.capacity = 3}),
                          {.refusal = 0.3});
  harness.push<int64_t>(2, 0);
  harness.push<int64_t>(3, 0);
  EXPECT_TRUE(harness.take<int64_t>().empty());
  harness.end_of_input();
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{4, 9}));
}

TEST(AsyncMap, the_end_of_an_epoch_waits_for_the_calls_that_have_begun) {
  OperatorHarness harness(async(
      [](int64_t n) -> Async<int64_t> { co_return co_await offload([n] { return n * n; }); }));
  harness.push<int64_t>(2, 0);
  harness.push<int64_t>(3, 0);
  EXPECT_TRUE(harness.take<int64_t>().empty());
  harness.epoch(1);
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{4, 9}));
}

TEST(AsyncMap, nested_coroutines_pass_values_and_exceptions_on) {
  const auto outer = [](int64_t n) -> Async<int64_t> {
    const int64_t waited = co_await wait_as_long(n);
    int64_t caught = 0;
    try {
      co_await offload([] { throw std::runtime_error("down"); });
    } catch (const std::runtime_error&) { caught = 1000; }
    co_return waited + caught;
  };
  OperatorHarness harness(async(outer));
  harness.push<int64_t>(5, 0);
  harness.advance_to_wall_ms(10);
  harness.run_pending();
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{1005}));
}

TEST(AsyncMap, a_timeout_takes_the_fallback_and_drops_the_late_result) {
  const auto fallback = [](int64_t n) { return -n; };
  OperatorHarness harness(async(wait_as_long, {.timeout = 20ms}, fallback));
  harness.push<int64_t>(100, 0);
  harness.push<int64_t>(10, 0);
  harness.advance_to_wall_ms(25);
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{-100, 10}));
  harness.advance_to_wall_ms(200);
  EXPECT_TRUE(harness.take<int64_t>().empty());
}

TEST(AsyncMap, a_timeout_without_a_fallback_fails_the_operator) {
  OperatorHarness harness(async(wait_as_long, {.timeout = 20ms}));
  harness.push<int64_t>(100, 0);
  try {
    harness.advance_to_wall_ms(30);
    FAIL() << "it must throw";
  } catch (const OperatorFailure& failure) {
    EXPECT_EQ(failure.status().code(), StatusCode::kDeadlineExceeded);
  }
}

TEST(AsyncMap, a_call_that_throws_is_made_again_with_growing_waits) {
  auto calls = std::make_shared<std::vector<int64_t>>();
  const auto flaky = [calls](int64_t n) -> Async<int64_t> {
    calls->push_back(n);
    if (calls->size() < 3) { throw std::runtime_error("not yet"); }
    co_return n;
  };
  OperatorHarness harness(async(flaky, {.retry = {.attempts = 3, .first = 10ms}}));
  harness.push<int64_t>(7, 0);
  EXPECT_EQ(calls->size(), 1U);
  harness.advance_to_wall_ms(15);
  EXPECT_EQ(calls->size(), 2U);
  harness.advance_to_wall_ms(25);
  EXPECT_EQ(calls->size(), 2U);
  harness.advance_to_wall_ms(40);
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{7}));
}

TEST(AsyncMap, inputs_in_flight_are_begun_again_after_a_restore) {
  HarnessSnapshot all;
  {
    OperatorHarness harness(async(wait_as_long));
    harness.push<int64_t>(30, 1);
    harness.push<int64_t>(10, 2);
    all = harness.snapshot();
  }
  OperatorHarness restored(async(wait_as_long));
  ASSERT_TRUE(restored.open_restored(all).ok());
  restored.push<int64_t>(1, 3);
  restored.advance_to_wall_ms(50);
  const auto rows = restored.take_timed<int64_t>();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].timestamp, 1);
  EXPECT_EQ(rows[2].row, 1);
}

TEST(AsyncMap, what_was_in_flight_goes_on_though_no_rows_come) {
  HarnessSnapshot all;
  {
    OperatorHarness harness(async(wait_as_long));
    harness.push<int64_t>(30, 1);
    all = harness.snapshot();
  }
  OperatorHarness restored(async(wait_as_long));
  ASSERT_TRUE(restored.open_restored(all).ok());
  restored.run_pending();
  restored.advance_to_wall_ms(50);
  EXPECT_EQ(restored.take<int64_t>(), (std::vector<int64_t>{30}));
}

TEST(AsyncMap, more_than_fit_at_once_are_begun_after_a_restore) {
  // Of three subtasks, each full, one is left.
  std::vector<HarnessSnapshot> all;
  for (int32_t i = 0; i < 3; ++i) {
    OperatorHarness harness(async(wait_as_long, {.capacity = 2}),
                            {.subtask_index = i, .parallelism = 3});
    harness.push<int64_t>(10 + i, 0);
    harness.push<int64_t>(20 + i, 0);
    all.push_back(harness.snapshot());
  }
  OperatorHarness restored(async(wait_as_long, {.capacity = 2}));
  ASSERT_TRUE(restored.open_restored(OperatorHarness::join_snapshots(all)).ok());
  auto pool = BatchPool::create_for<int64_t>(1, nullptr);
  auto* batch = static_cast<RowBatch<int64_t>*>(pool->acquire());
  batch->append(5, 0);
  const Element row = Element::rows(BatchRef::adopt(batch));
  uint32_t cursor = 0;
  for (int64_t now_ms = 1; restored.op().on_rows(0, row, cursor) == Progress::kBlocked; ++now_ms) {
    ASSERT_LT(now_ms, 1000);
    restored.advance_to_wall_ms(now_ms);
  }
  restored.advance_to_wall_ms(2000);
  EXPECT_EQ(restored.take<int64_t>(), (std::vector<int64_t>{10, 20, 11, 21, 12, 22, 5}));
}

TEST(AsyncMap, says_that_it_waits_only_while_it_does) {
  OperatorHarness harness(async(wait_as_long, {.capacity = 1}));
  ASSERT_TRUE(harness.open().ok());
  auto pool = BatchPool::create_for<int64_t>(2, nullptr);
  auto* batch = static_cast<RowBatch<int64_t>*>(pool->acquire());
  batch->append(10, 0);
  batch->append(20, 0);
  const Element rows = Element::rows(BatchRef::adopt(batch));
  uint32_t cursor = 0;
  EXPECT_EQ(harness.op().on_rows(0, rows, cursor), Progress::kBlocked);
  EXPECT_EQ(cursor, 1U);
  EXPECT_TRUE(harness.op().waits_until_ns().has_value());
  harness.advance_to_wall_ms(15);
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{10}));
  EXPECT_FALSE(harness.op().waits_until_ns().has_value());
}

TEST(AsyncMap, coroutines_that_never_wait_do_not_fill_the_capacity) {
  const auto at_once = [](int64_t n) -> Async<int64_t> { co_return n; };
  OperatorHarness harness(async(at_once, {.capacity = 2}), {.refusal = 0.5});
  std::vector<testing::TimedRow<int64_t>> rows;
  for (int64_t i = 0; i < 20; ++i) { rows.push_back({i, i}); }
  harness.push_rows(rows);
  EXPECT_EQ(harness.take<int64_t>().size(), 20U);
}

}  // namespace
}  // namespace tidewheel
