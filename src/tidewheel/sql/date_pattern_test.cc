#include "tidewheel/sql/date_pattern.h"

#include <gtest/gtest.h>

#include <string>

#include "tidewheel/base/random.h"

namespace tidewheel::sql {
namespace {

DatePattern compiled(const std::string& text) { return DatePattern::compile(text).value(); }

TEST(date_pattern, what_was_formatted_before_does_not_matter) {
  Random random(7);
  for (const std::string text :
       {"yyyy-MM-dd", "HH:mm", "HH", "mm:ss", "ss.SSS", "n", "a h", "EEEE D", "XXX", "MMM d"}) {
    DatePattern kept = compiled(text);
    LocalTime time;
    for (int i = 0; i < 500; ++i) {
      time.ms += static_cast<int64_t>(random.below(random.chance(0.5) ? 1'500 : 90'000'000)) - 500;
      time.ns = static_cast<int32_t>(random.below(1'000'000));
      const auto offset_ms = static_cast<int64_t>(random.below(2)) * 3'600'000;
      EXPECT_EQ(kept.format(time, offset_ms), compiled(text).format(time, offset_ms)) << text;
    }
  }
}

TEST(date_pattern, reads_what_it_writes) {
  Random random(8);
  for (const std::string text : {"yyyy-MM-dd HH:mm:ss.SSS", "yyyyMMddHHmmssSSS",
                                 "d MMM yyyy, hh:mm:ss.SSS a", "D yyyy HH mm ss SSS"}) {
    DatePattern pattern = compiled(text);
    for (int i = 0; i < 500; ++i) {
      const auto ms = static_cast<int64_t>(random.below(4'000'000'000'000));
      const std::string written(pattern.format({ms, 0}));
      for (const bool lenient : {false, true}) {
        const auto read = pattern.parse(written, lenient);
        ASSERT_TRUE(read.has_value()) << written;
        EXPECT_EQ(read->ms, ms) << written;
      }
    }
  }
}

TEST(date_pattern, weeks_are_those_of_iso_8601) {
  const auto day = [](int64_t year, int32_t month, int32_t of_month) {
    return days_from_civil(year, month, of_month);
  };
  EXPECT_EQ(iso_week(day(2021, 1, 3)), 53);
  EXPECT_EQ(iso_year(day(2021, 1, 3)), 2020);
  EXPECT_EQ(iso_week(day(2021, 1, 4)), 1);
  EXPECT_EQ(iso_week(day(2018, 12, 31)), 1);
  EXPECT_EQ(iso_year(day(2018, 12, 31)), 2019);
  EXPECT_EQ(day_of_week(day(1970, 1, 1)), 4);
}

}  // namespace
}  // namespace tidewheel::sql
