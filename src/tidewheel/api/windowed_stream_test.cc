// Windows through the API, in whole small jobs.
#include <gtest/gtest.h>

#include <algorithm>

#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

struct Trade {
  std::string symbol;
  int64_t cents = 0;
  Timestamp at;
};
struct Total {
  std::string symbol;
  int64_t cents = 0;
  Timestamp end;
  friend bool operator==(const Total&, const Total&) = default;
  friend auto operator<=>(const Total&, const Total&) = default;
};

std::vector<Trade> some_trades() {
  return {{"A", 5, 1s},  {"B", 7, 2s},  {"A", 6, 9s},  {"A", 1, 10s},
          {"B", 2, 14s}, {"A", 3, 25s}, {"B", 9, 31s}, {"A", 4, 12s}};
}
Stream<Trade> trades(Env& env) {
  return env.from_collection(some_trades()).event_time(&Trade::at, bounded_lateness(20s));
}
template <class T>
std::vector<T> run(Env& env, const Collected<T>& collected) {
  const auto result = env.execute("windows");
  EXPECT_TRUE(result.ok()) << result.status().to_string();
  std::vector<T> rows = collected.get();
  std::sort(rows.begin(), rows.end());
  return rows;
}
auto total_aggregator() {
  return aggregator{
      .init = [] { return int64_t{0}; },
      .add = [](int64_t& sum, const Trade& trade) { sum += trade.cents; },
      .merge = [](int64_t& sum, const int64_t& other) { sum += other; },
      .result =
          [](const std::string& symbol, const TimeWindow& window, const int64_t& sum) {
            return Total{symbol, sum, window.end};
          }};
}

TEST(WindowedStream, tumbling_windows_are_aggregated_by_key) {
  Env env;
  auto totals = trades(env)
                    .key_by(&Trade::symbol)
                    .window(tumbling(10s))
                    .aggregate(total_aggregator())
                    .collect();
  EXPECT_EQ(run(env, totals), (std::vector<Total>{{"A", 3, 30s},
                                                  {"A", 5, 20s},
                                                  {"A", 11, 10s},
                                                  {"B", 2, 20s},
                                                  {"B", 7, 10s},
                                                  {"B", 9, 40s}}));
}

TEST(WindowedStream, sessions_end_after_their_gap) {
  Env env;
  auto totals = trades(env)
                    .key_by(&Trade::symbol)
                    .window(session(5s))
                    .aggregate(total_aggregator())
                    .collect();
  EXPECT_EQ(run(env, totals), (std::vector<Total>{{"A", 3, 30s},
                                                  {"A", 5, 6s},
                                                  {"A", 11, 17s},
                                                  {"B", 2, 19s},
                                                  {"B", 7, 7s},
                                                  {"B", 9, 36s}}));
}

struct Spread {
  using output = Total;
  struct WindowState {
    int64_t firings = 0;
  };
  void process(const std::string& key, std::span<const Trade> rows, auto& context) {
    ++context.window_state().firings;
    const auto [least, most] = std::minmax_element(
        rows.begin(), rows.end(), [](const Trade& a, const Trade& b) { return a.cents < b.cents; });
    context.emit(Total{key, most->cents - least->cents, context.window().end});
  }
};

TEST(WindowedStream, a_process_function_sees_all_rows) {
  Env env;
  auto totals =
      trades(env).key_by(&Trade::symbol).window(cumulative(20s, 10s)).process(Spread{}).collect();
  EXPECT_EQ(run(env, totals), (std::vector<Total>{{"A", 0, 30s},
                                                  {"A", 0, 40s},
                                                  {"A", 1, 10s},
                                                  {"A", 5, 20s},
                                                  {"B", 0, 10s},
                                                  {"B", 0, 40s},
                                                  {"B", 5, 20s}}));
}

TEST(WindowedStream, short_forms_name_key_and_window) {
  Env env;
  auto counts = trades(env).key_by(&Trade::symbol).window(tumbling(1min)).count().collect();
  auto best = trades(env).window_all(tumbling(1min)).max(&Trade::cents).collect();
  auto mean =
      trades(env).key_by(&Trade::symbol).window(tumbling(1min)).avg(&Trade::cents).collect();
  auto top = trades(env).window_all(tumbling(1min)).top(2, &Trade::cents).collect();
  auto rows =
      trades(env)
          .key_by(&Trade::symbol)
          .window(count(2))
          .collect([](const std::string& key, const TimeWindow&, std::span<const Trade> pair) {
            return Total{key, pair[0].cents * 100 + pair[1].cents, {}};
          })
          .collect();
  ASSERT_TRUE(env.execute("short forms").ok());
  ASSERT_EQ(counts.get().size(), 2U);
  EXPECT_EQ(counts.get()[0].value + counts.get()[1].value, 8);
  ASSERT_EQ(best.get().size(), 1U);
  EXPECT_EQ(best.get()[0].value, 9);
  ASSERT_EQ(mean.get().size(), 2U);
  ASSERT_EQ(top.get().size(), 1U);
  ASSERT_EQ(top.get()[0].value.size(), 2U);
  EXPECT_EQ(top.get()[0].value[1].cents, 7);
  EXPECT_EQ(rows.get().size(), 3U);
}

TEST(WindowedStream, folds_over_windows_that_evict_see_what_is_left) {
  Env env;
  const auto by_symbol = [](const Trade& trade) { return trade.symbol; };
  auto last_two = trades(env).key_by(by_symbol).window(count(2, 3)).sum(&Trade::cents).collect();
  auto newest = trades(env)
                    .key_by(by_symbol)
                    .window(tumbling(1min))
                    .evict(evictor::count(1))
                    .trigger(trigger::purging(trigger::event_time()))
                    .reduce([](const Trade& a, const Trade&) { return a; })
                    .collect();
  ASSERT_TRUE(env.execute("evicting").ok());
  std::vector<int64_t> sums;
  for (const auto& one : last_two.get()) { sums.push_back(one.value); }
  std::sort(sums.begin(), sums.end());
  EXPECT_EQ(sums, (std::vector<int64_t>{6 + 1, 2 + 9}));
  std::vector<int64_t> cents;
  for (const auto& one : newest.get()) { cents.push_back(one.cents); }
  std::sort(cents.begin(), cents.end());
  EXPECT_EQ(cents, (std::vector<int64_t>{4, 9}));
}

TEST(WindowedStream, late_rows_reach_the_side_output) {
  Env env;
  const OutputTag<Trade> late{"late"};
  auto stream = env.from_collection(std::vector<Trade>{{"A", 1, 5s}, {"A", 2, 50s}, {"A", 3, 6s}})
                    .event_time(&Trade::at, monotonous().per_record())
                    .key_by(&Trade::symbol)
                    .window(tumbling(10s))
                    .late_to(late)
                    .aggregate(total_aggregator());
  auto totals = stream.collect();
  auto late_rows = stream.side(late).collect();
  EXPECT_EQ(run(env, totals), (std::vector<Total>{{"A", 1, 10s}, {"A", 2, 1min}}));
  ASSERT_EQ(late_rows.get().size(), 1U);
  EXPECT_EQ(late_rows.get()[0].cents, 3);
}

TEST(WindowedStream, bad_numbers_fail_the_job_with_a_message) {
  Env env;
  static_cast<void>(trades(env).key_by(&Trade::symbol).window(tumbling(0s)).count().collect());
  const auto result = env.execute("bad");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().id(), ErrorId::kWindowOption);
}

}  // namespace
}  // namespace tidewheel
