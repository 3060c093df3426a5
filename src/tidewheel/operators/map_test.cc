#include "tidewheel/operators/map.h"

#include <gtest/gtest.h>

#include "tidewheel/testing/operator_harness.h"

namespace tidewheel {
namespace {

using testing::OperatorHarness;
using testing::TimedRow;

struct Line {
  int64_t number = 0;
  Text text;
};

TEST(Map, keeps_timestamps) {
  const auto twice = [](int64_t n) { return std::to_string(n); };
  OperatorHarness harness(
      std::make_unique<MapOperator<int64_t, std::string, decltype(twice)>>(twice, nullptr));
  harness.push<int64_t>(7, 70);
  EXPECT_EQ(harness.take_timed<std::string>(), (std::vector<TimedRow<std::string>>{{"7", 70}}));
}

TEST(Map, text_made_in_the_arena_lives_with_the_result) {
  const auto shout = [](const Line& line, Arena& arena) {
    return Line{line.number, arena.copy(line.text.str() + "!")};
  };
  OperatorHarness harness(
      std::make_unique<MapOperator<Line, Line, decltype(shout)>>(shout, nullptr));
  {
    const std::string gone = "hello";
    harness.push<Line>({1, Text(gone)}, 0);
  }
  const auto rows = harness.take<Line>();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].text, "hello!");
}

TEST(Map, a_throwing_function_is_named_with_its_record) {
  const auto bad = [](int64_t n) -> int64_t {
    if (n == 3) { throw std::runtime_error("three is too many"); }
    return n;
  };
  OperatorHarness harness(
      std::make_unique<MapOperator<int64_t, int64_t, decltype(bad)>>(bad, nullptr),
      {.subtask_index = 1, .parallelism = 4, .name = "counting", .uid = "c-1"});
  try {
    harness.push_rows<int64_t>({{1, 0}, {2, 0}, {3, 0}});
    FAIL() << "it must throw";
  } catch (const OperatorFailure& failure) {
    EXPECT_EQ(failure.status().id(), ErrorId::kUserCodeThrew);
    const std::string text = failure.status().message();
    EXPECT_NE(text.find("operator 'counting' (uid c-1), subtask 2 of 4, in map, at record 3"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("three is too many"), std::string::npos) << text;
  }
}

TEST(Filter, keeps_rows_and_order_when_the_output_refuses) {
  const auto even = [](int64_t n) { return n % 2 == 0; };
  OperatorHarness harness(std::make_unique<FilterOperator<int64_t, decltype(even)>>(even, nullptr),
                          {.batch_rows = 3, .refusal = 0.6});
  std::vector<TimedRow<int64_t>> rows;
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < 50; ++i) {
    rows.push_back({i, i});
    if (i % 2 == 0) { expected.push_back(i); }
  }
  harness.push_rows(rows);
  EXPECT_EQ(harness.take<int64_t>(), expected);
}

TEST(Filter, text_of_the_few_rows_that_stay_is_copied) {
  const auto one = [](const Line& line) { return line.number == 42; };
  OperatorHarness harness(std::make_unique<FilterOperator<Line, decltype(one)>>(one, nullptr),
                          {.batch_rows = 100});
  {
    std::vector<std::string> texts;
    std::vector<TimedRow<Line>> rows;
    for (int64_t i = 0; i < 60; ++i) { texts.push_back("line " + std::to_string(i)); }
    for (int64_t i = 0; i < 60; ++i) {
      rows.push_back({{i, Text(texts[static_cast<size_t>(i)])}, i});
    }
    harness.push_rows(rows);
  }
  const auto rows = harness.take<Line>();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].text, "line 42");
}

TEST(FlatMap, many_rows_of_one_row_are_all_sent) {
  const auto spread = [](int64_t n, Out<int64_t>& out) {
    for (int64_t i = 0; i < n; ++i) { out(i); }
  };
  OperatorHarness harness(
      std::make_unique<FlatMapOperator<int64_t, int64_t, decltype(spread)>>(spread, nullptr),
      {.batch_rows = 4, .refusal = 0.5});
  harness.push<int64_t>(100, 5);
  const auto rows = harness.take_timed<int64_t>();
  ASSERT_EQ(rows.size(), 100U);
  EXPECT_EQ(rows[99], (TimedRow<int64_t>{99, 5}));
}

TEST(FlatMap, side_outputs_reach_their_readers_only) {
  const OutputTag<std::string> odd{"odd"};
  const OutputTag<std::string> unread{"unread"};
  auto links = std::make_shared<NodeLinks>();
  ASSERT_EQ(links->listen_to(odd).value(), 1);
  const auto split = [odd, unread](int64_t n, Out<int64_t>& out) {
    if (n % 2 == 0) {
      out(n);
    } else {
      out.side(odd, std::to_string(n));
      out.side(unread, std::string("never seen"));
    }
  };
  OperatorHarness harness(
      std::make_unique<FlatMapOperator<int64_t, int64_t, decltype(split)>>(split, links));
  for (int64_t i = 0; i < 4; ++i) { harness.push<int64_t>(i, i); }
  EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(harness.take<std::string>(1), (std::vector<std::string>{"1", "3"}));
}

TEST(SideOutputs, one_tag_of_two_types_is_refused) {
  NodeLinks links;
  ASSERT_TRUE(links.listen_to(OutputTag<std::string>{"late"}).ok());
  EXPECT_EQ(links.listen_to(OutputTag<std::string>{"late"}).value(), 1);
  EXPECT_EQ(links.listen_to(OutputTag<int64_t>{"late"}).status().id(), ErrorId::kGraphEdge);
}

struct Opened {
  std::string prefix;
  Counter* seen = nullptr;
  void open(RuntimeContext& context) {
    prefix = context.name() + ":";
    seen = &context.counter("seen");
  }
  std::string operator()(int64_t n) {
    seen->add();
    return prefix + std::to_string(n);
  }
};

TEST(Map, rich_functions_are_opened_and_count) {
  OperatorHarness harness(
      std::make_unique<MapOperator<int64_t, std::string, Opened>>(Opened{}, nullptr),
      {.name = "rich"});
  harness.push<int64_t>(1, 0);
  harness.push<int64_t>(2, 0);
  EXPECT_EQ(harness.take<std::string>(), (std::vector<std::string>{"rich:1", "rich:2"}));
  EXPECT_EQ(harness.context().metrics().group("accumulators").counter("seen").value(), 2);
}

}  // namespace
}  // namespace tidewheel
