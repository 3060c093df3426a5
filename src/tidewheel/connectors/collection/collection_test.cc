#include "tidewheel/connectors/collection/collection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/sim/sim_world.h"
#include "tidewheel/testing/connector_harness.h"

namespace tidewheel {
namespace {

using testing::SourceHarness;
using Numbers = std::vector<int64_t>;

struct Tick {
  int64_t index = 0;
  Text name;
};

class CollectionTest : public ::testing::Test {
 protected:
  CollectionTest() : machine_(SimulationOptions()) {}
  World& world() { return machine_.world; }
  SimMachine machine_;
};

static_assert(Source<SequenceSource> && Source<CollectionSource<int64_t, int64_t>>);

TEST_F(CollectionTest, elements_come_in_order) {
  SourceHarness harness(world(), elements<std::string>({"to", "be", "or"}), {.batch_rows = 2});
  std::vector<std::string> rows;
  ASSERT_TRUE(harness.read_all(rows, [](const std::string& row) { return row; }).ok());
  EXPECT_EQ(rows, (std::vector<std::string>{"to", "be", "or"}));
}

TEST_F(CollectionTest, timed_elements_have_their_times) {
  SourceHarness harness(world(), timed_elements<int64_t>({{1, Timestamp(10)}, {2, Timestamp(-5)}}));
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok());
  const auto some = harness.read(splits->front());
  EXPECT_EQ(some.result.next(), ReadResult::Next::kEnd);
  EXPECT_EQ(Numbers(some.rows().begin(), some.rows().end()), Numbers({1, 2}));
  EXPECT_EQ(Numbers(some.timestamps().begin(), some.timestamps().end()), Numbers({10, -5}));
}

TEST_F(CollectionTest, collections_go_on_from_the_split_of_a_snapshot) {
  SourceHarness harness(world(), collection(Numbers{1, 2, 3, 4, 5}), {.batch_rows = 2});
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok());
  CollectionSplit split = splits->front();
  static_cast<void>(harness.read(split));
  SourceHarness next(world(), collection(Numbers{1, 2, 3, 4, 5}));
  Numbers rows;
  next.drain(split, rows, [](int64_t row) { return row; });
  EXPECT_EQ(rows, Numbers({3, 4, 5}));
}

TEST_F(CollectionTest, an_empty_collection_ends) {
  SourceHarness harness(world(), collection(Numbers()));
  Numbers rows;
  ASSERT_TRUE(harness.read_all(rows, [](int64_t row) { return row; }).ok());
  EXPECT_TRUE(rows.empty());
}

Numbers sequence_of(World& world, int64_t first, int64_t last, int32_t parallelism) {
  SourceHarness harness(world, sequence(first, last),
                        {.parallelism = parallelism, .batch_rows = 3});
  Numbers rows;
  EXPECT_TRUE(harness.read_all(rows, [](int64_t row) { return row; }).ok());
  return rows;
}

TEST_F(CollectionTest, a_sequence_has_every_number_once) {
  for (int32_t parallelism = 1; parallelism <= 5; ++parallelism) {
    for (int64_t count = 0; count < 14; ++count) {
      Numbers expected;
      for (int64_t i = 0; i < count; ++i) { expected.push_back(i - 7); }
      EXPECT_EQ(sequence_of(world(), -7, count - 8, parallelism), expected);
    }
    EXPECT_EQ(sequence_of(world(), INT64_MAX - 1, INT64_MAX, parallelism),
              Numbers({INT64_MAX - 1, INT64_MAX}));
    EXPECT_EQ(sequence_of(world(), INT64_MIN, INT64_MIN + 1, parallelism),
              Numbers({INT64_MIN, INT64_MIN + 1}));
  }
  SourceHarness all(world(), sequence(INT64_MIN, INT64_MAX), {.parallelism = 3});
  const auto splits = all.discover();
  ASSERT_TRUE(splits.ok());
  ASSERT_EQ(splits->size(), 3U);
  EXPECT_EQ(splits->back().last, INT64_MAX);
}

TEST_F(CollectionTest, a_generator_has_every_index_once) {
  for (int32_t parallelism = 1; parallelism <= 3; ++parallelism) {
    SourceHarness harness(world(), generate([](int64_t i) { return i * i; }, {.count = 10}),
                          {.parallelism = parallelism, .batch_rows = 3});
    Numbers rows;
    ASSERT_TRUE(harness.read_all(rows, [](int64_t row) { return row; }).ok());
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(rows, Numbers({0, 1, 4, 9, 16, 25, 36, 49, 64, 81}));
  }
}

TEST_F(CollectionTest, a_generator_can_make_text) {
  const auto make = [](int64_t i, Arena& arena) {
    return Tick{i, arena.copy("tick " + std::to_string(i))};
  };
  SourceHarness harness(world(), generate(make, {.count = 3}));
  std::vector<std::string> rows;
  ASSERT_TRUE(harness.read_all(rows, [](const Tick& tick) { return tick.name.str(); }).ok());
  EXPECT_EQ(rows, (std::vector<std::string>{"tick 0", "tick 1", "tick 2"}));
}

TEST_F(CollectionTest, a_rate_limits_how_many_rows_are_due) {
  SourceHarness harness(world(), generate([](int64_t i) { return i; }, {.rate = 10}));
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok());
  ASSERT_TRUE(harness.open().ok());
  const int64_t start = world().clock().wall_ms();
  Numbers rows;
  const auto read_on = [&] {
    return harness.drain(splits->front(), rows, [](int64_t row) { return row; });
  };
  EXPECT_EQ(read_on().wake_at_ms(), start + 100);
  EXPECT_EQ(rows, Numbers({0}));
  machine_.world.jump_wall_clock(99);
  EXPECT_EQ(read_on().wake_at_ms(), start + 100);
  EXPECT_EQ(rows.size(), 1U);
  machine_.world.jump_wall_clock(1);
  EXPECT_EQ(read_on().wake_at_ms(), start + 200);
  EXPECT_EQ(rows.size(), 2U);
  machine_.world.jump_wall_clock(1000);
  EXPECT_EQ(read_on().wake_at_ms(), start + 1200);
  EXPECT_EQ(rows.size(), 12U);
}

TEST_F(CollectionTest, a_generator_refuses_options_that_make_no_sense) {
  for (const GeneratorOptions& options :
       {GeneratorOptions{.count = -2}, GeneratorOptions{.rate = -1}}) {
    SourceHarness harness(world(), generate([](int64_t i) { return i; }, options));
    EXPECT_EQ(harness.discover().status().id(), ErrorId::kConnectorOption);
  }
}

TEST_F(CollectionTest, splits_can_be_divided) {
  const auto check = [this](auto source, auto split) {
    SourceHarness harness(world(), source);
    ASSERT_TRUE(harness.open().ok());
    const auto same = [](int64_t row) { return row; };
    Numbers expected;
    auto whole = split;
    EXPECT_EQ(harness.drain(whole, expected, same).next(), ReadResult::Next::kEnd);
    std::sort(expected.begin(), expected.end());
    for (const int32_t parts : {1, 2, 3, 7, 100}) {
      Numbers rows;
      for (auto part : source.divide(split, parts)) {
        EXPECT_EQ(harness.drain(part, rows, same).next(), ReadResult::Next::kEnd);
      }
      std::sort(rows.begin(), rows.end());
      EXPECT_EQ(rows, expected) << parts;
    }
  };
  check(sequence(0, 0), SequenceSplit{5, 47});
  check(sequence(0, 0), SequenceSplit{5, 5});
  check(generate([](int64_t i) { return i; }, {.count = 50}), GeneratorSplit{7, 3});
}

}  // namespace
}  // namespace tidewheel
