#include "tidewheel/connectors/nexmark/source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/sim/sim_world.h"
#include "tidewheel/testing/connector_harness.h"

namespace tidewheel::nexmark {
namespace {

using testing::SourceHarness;

struct Sale {
  int64_t auction = 0;
  Timestamp date_time;
  Text extra;
};
struct Seller {
  int64_t seller = 0;
};
std::string text_of(const Sale& sale) {
  return std::to_string(sale.auction) + "|" + std::to_string(sale.date_time.ms()) + "|" +
         sale.extra.str();
}
static_assert(Source<EventSource<None, None, Sale>> && Source<EventSource<Person, Auction, Bid>>);

class NexmarkSource : public ::testing::Test {
 protected:
  NexmarkSource() : machine_(SimulationOptions()) {}
  std::vector<std::string> read(const Options& options, int32_t parallelism, uint32_t batch_rows) {
    SourceHarness harness(machine_.world, bids<Sale>(options),
                          {.parallelism = parallelism, .batch_rows = batch_rows});
    std::vector<std::string> rows;
    EXPECT_TRUE(harness.read_all(rows, text_of).ok());
    return rows;
  }
  SimMachine machine_;
};

TEST_F(NexmarkSource, has_the_same_rows_at_any_parallelism) {
  const Options options{.events = 20'123};
  std::vector<std::string> expected = read(options, 1, 1000);
  EXPECT_TRUE(expected == read(options, 1, 7));
  EXPECT_EQ(expected.size(), 18'513U);
  std::sort(expected.begin(), expected.end());
  for (const int32_t parallelism : {2, 3, 8, 20}) {
    std::vector<std::string> rows = read(options, parallelism, 100);
    std::sort(rows.begin(), rows.end());
    EXPECT_TRUE(rows == expected) << parallelism;
  }
}

TEST_F(NexmarkSource, goes_on_from_the_split_of_a_snapshot) {
  const Options options{.events = 5'000};
  const std::vector<std::string> expected = read(options, 1, 1000);
  SourceHarness first(machine_.world, bids<Sale>(options));
  auto splits = first.discover();
  ASSERT_TRUE(splits.ok());
  EventSplit split = splits->front();
  std::vector<std::string> rows;
  while (true) {  // a new reader for each batch
    SourceHarness next(machine_.world, bids<Sale>(options), {.batch_rows = 77});
    ASSERT_TRUE(next.open().ok());
    ASSERT_TRUE(next.open_split(split).ok());
    const auto some = next.read(split);
    for (const Sale& sale : some.rows()) { rows.push_back(text_of(sale)); }
    if (some.result.next() == ReadResult::Next::kEnd) { break; }
  }
  EXPECT_TRUE(rows == expected);
}

TEST_F(NexmarkSource, watermarks_follow_event_time_and_no_row_is_late) {
  for (const int64_t delay : {0, 4000}) {
    SourceHarness harness(
        machine_.world,
        auctions<Seller>({.events = 50'000, .rate = 1000, .watermark_delay_ms = delay}),
        {.batch_rows = 100});
    auto splits = harness.discover();
    ASSERT_TRUE(splits.ok());
    ASSERT_TRUE(harness.open().ok());
    ASSERT_TRUE(harness.open_split(splits->front()).ok());
    int64_t watermark = kMinWatermark;
    while (true) {
      const auto some = harness.read(splits->front());
      for (const int64_t time : some.timestamps()) { ASSERT_GT(time, watermark); }
      ASSERT_GE(some.watermark, watermark);
      watermark = some.watermark;
      if (some.result.next() == ReadResult::Next::kEnd) { break; }
    }
    EXPECT_EQ(watermark, 1436918450000 - std::max<int64_t>(delay, 1));
  }
}

TEST_F(NexmarkSource, a_limited_rate_is_kept) {
  SourceHarness harness(machine_.world,
                        bids<Sale>({.events = 10'000, .rate = 1000, .rate_limited = true}));
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok());
  ASSERT_TRUE(harness.open().ok());
  ASSERT_TRUE(harness.open_split(splits->front()).ok());
  std::vector<std::string> rows;
  EXPECT_EQ(harness.drain(splits->front(), rows, text_of).next(), ReadResult::Next::kWait);
  EXPECT_TRUE(rows.empty());
  machine_.world.jump_wall_clock(1000);
  EXPECT_EQ(harness.drain(splits->front(), rows, text_of).next(), ReadResult::Next::kWait);
  EXPECT_EQ(splits->front().next, 1000);
  machine_.world.jump_wall_clock(1'000'000);
  EXPECT_EQ(harness.drain(splits->front(), rows, text_of).next(), ReadResult::Next::kEnd);
  EXPECT_EQ(rows.size(), 9'200U);
}

TEST_F(NexmarkSource, refuses_options_that_make_no_sense) {
  SourceHarness harness(machine_.world, bids<Sale>({.rate = 0}));
  EXPECT_EQ(harness.discover().status().id(), ErrorId::kConnectorOption);
}

TEST_F(NexmarkSource, has_the_same_rows_when_its_splits_are_divided) {
  const Options options{.events = 30'000};
  std::vector<std::string> expected = read(options, 1, 1000);
  std::sort(expected.begin(), expected.end());
  SourceHarness harness(machine_.world, bids<Sale>(options), {.parallelism = 2, .batch_rows = 70});
  ASSERT_TRUE(harness.open().ok());
  std::vector<std::string> rows;
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok());
  for (const int32_t parts : {3, 2}) {
    std::vector<EventSplit> divided;
    for (EventSplit& split : *splits) {
      ASSERT_TRUE(harness.open_split(split).ok());
      for (int i = 0; i < 20; ++i) {
        const auto some = harness.read(split);
        for (const Sale& sale : some.rows()) { rows.push_back(text_of(sale)); }
      }
      const auto some = harness.reader().divide(split, parts);
      divided.insert(divided.end(), some.begin(), some.end());
    }
    *splits = divided;
  }
  EXPECT_EQ(splits->size(), 12U);
  for (EventSplit& split : *splits) {
    ASSERT_TRUE(harness.open_split(split).ok());
    EXPECT_EQ(harness.drain(split, rows, text_of).next(), ReadResult::Next::kEnd);
  }
  std::sort(rows.begin(), rows.end());
  EXPECT_TRUE(rows == expected);
}

}  // namespace
}  // namespace tidewheel::nexmark
