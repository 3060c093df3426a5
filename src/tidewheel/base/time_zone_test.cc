#include "tidewheel/base/time_zone.h"

#include <gtest/gtest.h>

#include "tidewheel/base/random.h"

namespace tidewheel {
namespace {

constexpr int64_t kHour = 3'600'000;

int64_t offset_of(std::string_view zone, int64_t utc_ms) {
  return TimeZone::find(zone).value().offset_ms(utc_ms);
}

TEST(TimeZone, can_be_an_offset) {
  EXPECT_EQ(offset_of("UTC", 0), 0);
  EXPECT_EQ(offset_of("Z", INT64_MIN), 0);
  EXPECT_EQ(offset_of("+02:00", 0), 2 * kHour);
  EXPECT_EQ(offset_of("-0730", INT64_MAX), -15 * kHour / 2);
  EXPECT_EQ(offset_of("+1", 0), kHour);
  EXPECT_EQ(offset_of("GMT-08:00", 0), -8 * kHour);
  EXPECT_EQ(offset_of("UTC+1", 0), kHour);
  EXPECT_EQ(offset_of("GMT", 0), 0);
  EXPECT_FALSE(TimeZone::find("GMT08:00").ok());
}

TEST(TimeZone, changes_to_summer_time_and_back_in_the_very_millisecond) {
  TimeZone berlin = TimeZone::find("Europe/Berlin").value();
  constexpr int64_t kSpring = 1'711'846'800'000;  // 2024-03-31T01:00Z
  constexpr int64_t kAutumn = 1'729'990'800'000;  // 2024-10-27T01:00Z
  EXPECT_EQ(berlin.offset_ms(kSpring - 1), kHour);
  EXPECT_EQ(berlin.offset_ms(kSpring), 2 * kHour);
  EXPECT_EQ(berlin.offset_ms(kAutumn - 1), 2 * kHour);
  EXPECT_EQ(berlin.offset_ms(kAutumn), kHour);
  EXPECT_EQ(berlin.offset_ms(kSpring - 1), kHour);  // and back again
  // Half an hour, in the south: 2024-04-06T15:00Z.
  TimeZone lord_howe = TimeZone::find("Australia/Lord_Howe").value();
  EXPECT_EQ(lord_howe.offset_ms(1'712'415'599'999), 11 * kHour);
  EXPECT_EQ(lord_howe.offset_ms(1'712'415'600'000), 21 * kHour / 2);
  EXPECT_EQ(offset_of("Asia/Kathmandu", 1'712'415'600'000), 23 * kHour / 4);
}

TEST(TimeZone, has_an_offset_at_all_times) {
  TimeZone berlin = TimeZone::find("Europe/Berlin").value();
  TimeZone fresh = berlin;
  Random random(1);
  for (const int64_t time :
       {INT64_MIN, int64_t{-1} << 60, int64_t{0}, int64_t{1} << 60, INT64_MAX}) {
    const int64_t offset = berlin.offset_ms(time);
    EXPECT_LE(0, offset);
    EXPECT_LE(offset, 2 * kHour);
  }
  for (int32_t i = 0; i < 1000; ++i) {
    const auto time = static_cast<int64_t>(random.next());
    TimeZone again = fresh;
    EXPECT_EQ(berlin.offset_ms(time), again.offset_ms(time)) << time;
  }
}

TEST(TimeZone, that_is_not_known_is_refused_with_the_one_that_may_be_meant) {
  const auto message = [](std::string_view zone) {
    const auto found = TimeZone::find(zone);
    EXPECT_EQ(found.status().id(), ErrorId::kBadParameter) << zone;
    return found.status().message();
  };
  EXPECT_NE(message("Europe/Berln").find("did you mean 'Europe/Berlin'?"), std::string::npos);
  EXPECT_NE(message("europe/berlin").find("did you mean 'Europe/Berlin'?"), std::string::npos);
  EXPECT_NE(message("Berlin").find("did you mean 'Europe/Berlin'?"), std::string::npos);
  EXPECT_EQ(message("nowhere near any of them").find("did you mean"), std::string::npos);
  for (const char* zone : {"", "+", "+25:00", "+1:00", "02:00", "+0260", "/etc/passwd", ".."}) {
    EXPECT_NE(message(zone).find("a time zone is UTC"), std::string::npos) << zone;
  }
}

TEST(TimeZone, can_be_the_machines) {
  const auto system = TimeZone::find("system");
  ASSERT_TRUE(system.ok()) << system.status().to_string();
  TimeZone zone = *system;
  const int64_t offset = zone.offset_ms(0);
  EXPECT_LE(-24 * kHour, offset);
  EXPECT_LE(offset, 24 * kHour);
}

}  // namespace
}  // namespace tidewheel
