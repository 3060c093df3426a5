// Jobs that are hard on the engine: much of something, times at the borders, keys that are uneven,
// and settings that can't be met. What can be shown with an operator or a task alone is tested
// beside those.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

struct Event {
  int64_t key = 0;
  Timestamp at;
};

class HardCases : public ::testing::Test {
 protected:
  HardCases() {
    RealWorldOptions options;
    options.log_level = LogLevel::kError;
    world_ = make_real_world(options);
  }
  std::unique_ptr<World> world_;
};

TEST_F(HardCases, an_operator_without_uid_is_named_when_uids_are_asked_for) {
  Config config;
  config.set(options::kAutoGenerateUids, false);
  Env env(*world_, config);
  env.from_elements<int64_t>({1})
      .uid("numbers")
      .map([](int64_t number) { return number; })
      .name("nameless")
      .to(discard())
      .uid("end");
  const auto result = env.execute();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().id(), ErrorId::kGraphUid);
  EXPECT_NE(result.status().message().find("nameless"), std::string::npos)
      << result.status().to_string();
}

TEST_F(HardCases, a_uid_that_is_given_twice_is_named) {
  Env env(*world_, Config());
  env.from_elements<int64_t>({1})
      .uid("twice")
      .map([](int64_t number) { return number; })
      .uid("twice")
      .to(discard());
  const auto result = env.execute();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().id(), ErrorId::kGraphUid);
  EXPECT_NE(result.status().message().find("twice"), std::string::npos);
}

TEST_F(HardCases, more_subtasks_than_key_groups_are_refused) {
  Env env(*world_, Config());
  env.max_parallelism(4).parallelism(8);
  env.from_elements<int64_t>({1})
      .key_by([](int64_t number) { return number; })
      .running(int64_t{0}, [](int64_t& count, int64_t) { ++count; })
      .name("counts")
      .to(discard());
  const auto result = env.execute();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().id(), ErrorId::kGraphParallelism);
  EXPECT_NE(result.status().message().find('8'), std::string::npos) << result.status().to_string();
  EXPECT_NE(result.status().message().find('4'), std::string::npos) << result.status().to_string();
}

TEST_F(HardCases, windows_before_1970_hold_their_rows) {
  Env env(*world_, Config());
  auto counts = env.from_collection<Event>({{1, Timestamp(-7'200'001)},
                                            {1, Timestamp(-7'200'000)},
                                            {1, Timestamp(-1)},
                                            {1, Timestamp(0)}})
                    .event_time(&Event::at, monotonous())
                    .key_by(&Event::key)
                    .window(tumbling(1h))
                    .count()
                    .collect();
  ASSERT_TRUE(env.execute().ok());
  std::vector<std::pair<int64_t, int64_t>> found;
  for (const auto& row : counts.get()) { found.emplace_back(row.window.start.ms(), row.value); }
  const std::vector<std::pair<int64_t, int64_t>> expected = {
      {-10'800'000, 1}, {-7'200'000, 1}, {-3'600'000, 1}, {0, 1}};
  EXPECT_EQ(found, expected);
}

TEST_F(HardCases, windows_at_the_borders_of_time_hold_their_rows) {
  constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  Env env(*world_, Config());
  // The least number says that a row has no time, and the greatest one that time has ended.
  auto rows = env.from_collection<Event>(
                     {{1, Timestamp(kFirst + 1)}, {1, Timestamp(0)}, {1, Timestamp(kLast - 1)}})
                  .event_time(&Event::at, monotonous())
                  .key_by(&Event::key);
  auto tumbled = rows.window(tumbling(1h)).count().collect();
  auto slid = rows.window(sliding(2h, 1h)).count().collect();
  auto sessions = rows.window(session(1h)).count().collect();
  const auto result = env.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  const auto sum = [](const auto& windows) {
    int64_t total = 0;
    for (const auto& row : windows.get()) {
      EXPECT_LT(row.window.start, row.window.end);
      total += row.value;
    }
    return total;
  };
  EXPECT_EQ(sum(tumbled), 3);
  EXPECT_EQ(tumbled.get().size(), 3U);
  EXPECT_GE(sum(slid), 5);  // a row at a border may lack the window beyond it
  EXPECT_LE(sum(slid), 6);
  EXPECT_EQ(sum(sessions), 3);
  EXPECT_EQ(sessions.get().size(), 3U);
}

// One timer a key, which all fire at the end.
struct OneTimer {
  using output = int64_t;
  Value<int64_t> seen{"seen"};
  void on_element(const int64_t& number, auto& ctx) {
    seen = number;
    ctx.timers().at(Timestamp(number % 1'000 + 1));
  }
  void on_timer(Timestamp when, auto& ctx) {
    if (when.ms() == *seen % 1'000 + 1 && ctx.key() == *seen) { ctx.emit(1); }
  }
};

TEST_F(HardCases, a_million_keys_with_a_timer_each) {
  constexpr int64_t kKeys = 1'000'000;
  Env env(*world_, Config());
  env.parallelism(2);
  auto fired = env.sequence(1, kKeys)
                   .key_by([](int64_t number) { return number; })
                   .process(OneTimer{})
                   .global()
                   .window_all(count(kKeys))
                   .count()
                   .collect();
  const auto result = env.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  ASSERT_EQ(fired.get().size(), 1U);
  EXPECT_EQ(fired.get()[0].value, kKeys);
}

TEST_F(HardCases, a_key_that_has_nearly_all_rows) {
  constexpr int64_t kRows = 300'000;
  Env env(*world_, Config());
  env.parallelism(4);
  auto counts = env.sequence(0, kRows - 1)
                    .map([](int64_t number) {
                      return Event{number % 100 == 0 ? number : -1, Timestamp(number)};
                    })
                    .event_time(&Event::at, bounded_lateness(1h))
                    .key_by(&Event::key)
                    .window(tumbling(24h))
                    .count()
                    .collect();
  const auto result = env.execute();
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  int64_t total = 0;
  int64_t most = 0;
  for (const auto& row : counts.get()) {
    total += row.value;
    most = std::max(most, row.value);
  }
  EXPECT_EQ(counts.get().size(), 3'001U);
  EXPECT_EQ(total, kRows);
  EXPECT_EQ(most, kRows / 100 * 99);
}

TEST_F(HardCases, a_thousand_operators_in_a_row_chained_and_not) {
  for (const bool chained : {true, false}) {
    Env env(*world_, Config());
    if (!chained) { env.disable_chaining(); }
    auto numbers = env.sequence(1, 500);
    for (int i = 0; i < 1'000; ++i) {
      numbers = numbers.map([](int64_t number) { return number + 1; });
    }
    auto rows = numbers.collect();
    const auto result = env.execute();
    ASSERT_TRUE(result.ok()) << result.status().to_string();
    ASSERT_EQ(rows.get().size(), 500U);
    EXPECT_EQ(rows.get().front(), 1'001);
    EXPECT_EQ(rows.get().back(), 1'500);
  }
}

TEST_F(HardCases, code_that_blocks_holds_up_its_job_and_no_other) {
  const auto entered = world_->executor().make_event();
  const auto released = world_->executor().make_event();
  Env blocked(*world_, Config());
  auto slow = blocked.from_elements<int64_t>({1, 2, 3})
                  .map([&](int64_t number) {
                    entered->set();
                    static_cast<void>(released->wait(Clock::kNever));
                    return number;
                  })
                  .collect();
  auto job = blocked.execute_async();
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  ASSERT_TRUE(entered->wait(Clock::kNever));

  Env other(*world_, Config());
  auto rows = other.sequence(1, 1'000).collect();
  ASSERT_TRUE(other.execute().ok());
  EXPECT_EQ(rows.get().size(), 1'000U);

  EXPECT_EQ((*job)->state(), JobState::kRunning);
  (*job)->cancel();
  released->set();
  EXPECT_EQ((*job)->result().id(), ErrorId::kJobCancelled);
}

}  // namespace
}  // namespace tidewheel
