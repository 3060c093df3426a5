#include "tidewheel/connectors/file/time_bucket.h"

#include <gtest/gtest.h>

#include <string>

#include "tidewheel/dataflow/batch.h"

namespace tidewheel::file {
namespace {

std::string name_of(const TimeBucket& bucket, int64_t timestamp_ms, int64_t now_ms = 0) {
  auto names = TimeBucketNames::make(bucket);
  if (!names.ok()) { return names.status().to_string(); }
  const auto name = names->of(timestamp_ms, now_ms);
  return name.ok() ? std::string(*name) : name.status().to_string();
}

constexpr int64_t kTime = 1'359'612'309'012;  // 2013-01-31T06:05:09.012Z

TEST(TimeBucket, is_the_hour_of_the_wall_clock) {
  EXPECT_EQ(name_of({}, kNoTimestamp, kTime), "2013-01-31--06");
  EXPECT_EQ(name_of({.zone = "+02:00"}, kNoTimestamp, kTime), "2013-01-31--08");
  EXPECT_EQ(name_of({.zone = "-0730"}, kNoTimestamp, kTime), "2013-01-30--22");
}

TEST(TimeBucket, follows_the_clocks_of_a_named_zone) {
  const TimeBucket berlin{.zone = "Europe/Berlin"};
  constexpr int64_t kHour = 3'600'000;
  constexpr int64_t kSpring = 1'711'846'800'000;  // 2024-03-31T01:00Z: clocks go from 2 to 3
  constexpr int64_t kAutumn = 1'729'990'800'000;  // 2024-10-27T01:00Z: from 3 to 2
  EXPECT_EQ(name_of(berlin, kNoTimestamp, kSpring - 1), "2024-03-31--01");
  EXPECT_EQ(name_of(berlin, kNoTimestamp, kSpring), "2024-03-31--03");
  auto names = TimeBucketNames::make(berlin).value();
  EXPECT_EQ(names.of(0, kAutumn - kHour).value(), "2024-10-27--02");
  EXPECT_EQ(names.of(0, kAutumn - 1).value(), "2024-10-27--02");
  EXPECT_EQ(names.of(0, kAutumn).value(), "2024-10-27--02");  // the hour that comes twice
  EXPECT_EQ(names.of(0, kAutumn + kHour).value(), "2024-10-27--03");
  EXPECT_EQ(names.of(0, kSpring).value(), "2024-03-31--03");
}

TEST(TimeBucket, can_be_of_the_row_and_of_any_pattern) {
  const TimeBucket bucket{.pattern = "yyyy/MM/dd/HHmm", .event_time = true};
  EXPECT_EQ(name_of(bucket, kTime), "2013/01/31/0605");
  EXPECT_EQ(name_of(bucket, -1), "1969/12/31/2359");
  EXPECT_NE(name_of(bucket, kNoTimestamp).find("event time"), std::string::npos);
}

TEST(TimeBucket, changes_when_the_name_does) {
  auto names = TimeBucketNames::make({.pattern = "HH-mm-ss-SSS"});
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(*names->of(0, 1), "00-00-00-001");
  EXPECT_EQ(*names->of(0, 2), "00-00-00-002");
  auto seconds = TimeBucketNames::make({.pattern = "HH-mm-ss"});
  ASSERT_TRUE(seconds.ok());
  EXPECT_EQ(*seconds->of(0, 999), "00-00-00");
  EXPECT_EQ(*seconds->of(0, 1000), "00-00-01");
}

TEST(TimeBucket, refuses_what_it_does_not_know) {
  for (const char* zone : {"", "Europe/Berln", "+", "+25:00", "+1:00", "02:00"}) {
    EXPECT_EQ(TimeBucketNames::make({.zone = zone}).status().id(), ErrorId::kConnectorOption)
        << zone;
  }
  for (const char* pattern : {"", "/yyyy", ".yyyy", "QQ"}) {
    EXPECT_EQ(TimeBucketNames::make({.pattern = pattern}).status().id(), ErrorId::kConnectorOption)
        << pattern;
  }
}

}  // namespace
}  // namespace tidewheel::file
