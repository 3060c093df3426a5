#include "tidewheel/checkpoint/restart_strategy.h"

#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"

namespace tidewheel {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kS = 1000 * kMs;

std::unique_ptr<RestartStrategy> make(const Config& config, bool checkpoints = true) {
  auto made = make_restart_strategy(config, checkpoints, Random(1));
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return std::move(made).value();
}

Config of_type(std::string_view type) {
  Config config;
  config.set(options::kRestartStrategy, type);
  return config;
}

TEST(RestartStrategyTest, without_checkpoints_there_is_no_restart) {
  EXPECT_FALSE(make({}, false)->on_failure(0).has_value());
  EXPECT_TRUE(make({}, true)->on_failure(0).has_value());
  for (const char* type : {"none", "off", "disable"}) {
    EXPECT_FALSE(make(of_type(type))->on_failure(0).has_value());
  }
}

TEST(RestartStrategyTest, a_fixed_delay_has_its_attempts) {
  Config config = of_type("fixed-delay");
  config.set(options::kFixedDelayAttempts, 2);
  config.set(options::kFixedDelay, 50);
  const auto strategy = make(config);
  EXPECT_EQ(strategy->on_failure(0), 50 * kMs);
  EXPECT_EQ(strategy->on_failure(1), 50 * kMs);
  EXPECT_FALSE(strategy->on_failure(2).has_value());
  EXPECT_NE(strategy->describe().find("fixed delay of 50 ms, 2 attempts"), std::string::npos);
}

TEST(RestartStrategyTest, the_failure_rate_counts_within_an_interval) {
  Config config = of_type("failure-rate");
  config.set(options::kFailureRateMax, 2);
  config.set(options::kFailureRateInterval, 1000);
  config.set(options::kFailureRateDelay, 10);
  const auto strategy = make(config);
  EXPECT_EQ(strategy->on_failure(0), 10 * kMs);
  EXPECT_EQ(strategy->on_failure(600 * kMs), 10 * kMs);
  // The first one is out of the interval by now, the second is not.
  EXPECT_EQ(strategy->on_failure(1001 * kMs), 10 * kMs);
  EXPECT_FALSE(strategy->on_failure(1600 * kMs).has_value());
}

TEST(RestartStrategyTest, the_exponential_delay_grows_to_its_limit_and_is_reset) {
  Config config = of_type("exponential-delay");
  config.set(options::kExponentialJitter, 0.0);
  config.set(options::kExponentialMultiplier, 2.0);
  config.set(options::kExponentialMax, 5000);
  config.set(options::kExponentialReset, 60'000);
  const auto strategy = make(config);
  int64_t now = 0;
  for (const int64_t expected_s : {1, 2, 4, 5, 5}) {
    const auto delay = strategy->on_failure(now);
    ASSERT_EQ(delay, expected_s * kS);
    now += *delay + 1;
  }
  now += 60 * kS;
  EXPECT_EQ(strategy->on_failure(now), 1 * kS);
}

TEST(RestartStrategyTest, failures_while_a_restart_waits_are_merged) {
  Config config = of_type("exponential-delay");
  config.set(options::kExponentialJitter, 0.0);
  config.set(options::kExponentialAttempts, 1);
  const auto strategy = make(config);
  EXPECT_EQ(strategy->on_failure(0), 1 * kS);
  EXPECT_EQ(strategy->on_failure(400 * kMs), 600 * kMs);
  EXPECT_FALSE(strategy->on_failure(1 * kS).has_value());
}

TEST(RestartStrategyTest, jitter_stays_within_its_share_and_the_limits) {
  Config config = of_type("exponential-delay");
  config.set(options::kExponentialJitter, 0.5);
  config.set(options::kExponentialMultiplier, 1.0);
  config.set(options::kExponentialMax, 1200);
  const auto strategy = make(config);
  int64_t now = 0;
  for (int i = 0; i < 200; ++i) {
    const auto delay = strategy->on_failure(now);
    ASSERT_TRUE(delay.has_value());
    ASSERT_GE(*delay, 1 * kS);
    ASSERT_LE(*delay, 1200 * kMs);
    now += *delay;
  }
}

TEST(RestartStrategyTest, what_can_not_be_used_is_refused) {
  Config config = of_type("now-and-then");
  EXPECT_EQ(make_restart_strategy(config, true, Random(1)).status().id(), ErrorId::kBadOptionValue);
  config = of_type("exponential-delay");
  config.set(options::kExponentialMultiplier, 0.5);
  EXPECT_EQ(make_restart_strategy(config, true, Random(1)).status().id(), ErrorId::kBadOptionValue);
  config = of_type("exponential-delay");
  config.set(options::kExponentialMax, 10);
  EXPECT_EQ(make_restart_strategy(config, true, Random(1)).status().id(), ErrorId::kBadOptionValue);
}

}  // namespace
}  // namespace tidewheel
