#include "tidewheel/types/time.h"

#include <gtest/gtest.h>

#include "tidewheel/types/decimal.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

TEST(time, formats_before_and_after_the_epoch) {
  EXPECT_EQ(to_string(Timestamp(0)), "1970-01-01 00:00:00.000");
  EXPECT_EQ(to_string(Timestamp(-1)), "1969-12-31 23:59:59.999");
  EXPECT_EQ(to_string(Timestamp(1356998400123)), "2013-01-01 00:00:00.123");
  EXPECT_EQ(to_string(Timestamp(951782400000)), "2000-02-29 00:00:00.000");
  EXPECT_EQ(to_string(Timestamp(-62198755200000)), "-0001-01-01 00:00:00.000");
  EXPECT_EQ(to_string(Timestamp::max()), "292278994-08-17 07:12:55.807");
  EXPECT_EQ(to_string(Timestamp::min()), "-292275055-05-16 16:47:04.192");
  EXPECT_EQ(to_string(Date(-1)), "1969-12-31");
  EXPECT_EQ(to_string(Time(86'399'999)), "23:59:59.999");
  EXPECT_EQ(to_string(Interval{14, 0}), "P14M");
  EXPECT_EQ(to_string(Interval{0, -1500}), "PT-1.500S");
}

TEST(time, calendar_agrees_with_itself_on_every_day_of_800_years) {
  int64_t days = days_from_civil(1600, 1, 1);
  for (int64_t year = 1600; year < 2400; ++year) {
    for (int32_t month = 1; month <= 12; ++month) {
      for (int32_t day = 1; day <= days_in_month(year, month); ++day, ++days) {
        ASSERT_EQ(days_from_civil(year, month, day), days);
        const CivilTime civil = civil_from_ms(days * 86'400'000 + 5);
        ASSERT_EQ(civil.year, year);
        ASSERT_EQ(civil.month, month);
        ASSERT_EQ(civil.day, day);
        ASSERT_EQ(civil.millisecond, 5);
      }
    }
  }
}

TEST(time, parses_iso) {
  EXPECT_EQ(parse_timestamp("2013-01-01"), Timestamp(1356998400000));
  EXPECT_EQ(parse_timestamp("2013-01-01T05:00:00Z"), Timestamp(1357016400000));
  EXPECT_EQ(parse_timestamp("2013-01-01 05:00"), Timestamp(1357016400000));
  EXPECT_EQ(parse_timestamp("2013-01-01T05:00:00.1239+02:00"), Timestamp(1357009200123));
  EXPECT_EQ(parse_timestamp("2013-01-01T05:00:00-0530"), Timestamp(1357036200000));
  EXPECT_EQ(parse_timestamp("1969-12-31 23:59:59.5"), Timestamp(-500));
  for (const int64_t ms : {INT64_MIN, int64_t{-1}, int64_t{1}, INT64_MAX}) {
    EXPECT_EQ(parse_timestamp(to_string(Timestamp(ms))), Timestamp(ms));
  }
  for (const char* bad : {"", "2013", "2013-13-01", "2013-02-29", "2013-01-01T", "2013-01-01T24:00",
                          "2013-01-01T05:00:00x", "2013-01-01T05:00:00.", "NA", "2013-1-1"}) {
    EXPECT_FALSE(parse_timestamp(bad)) << bad;
  }
  EXPECT_FALSE(parse_local_timestamp("2013-01-01T05:00:00Z"));
  EXPECT_EQ(parse_local_timestamp("2013-01-01T05:00:00"), LocalTimestamp(1357016400000));
  EXPECT_EQ(parse_date("2000-02-29"), Date(11016));
  EXPECT_EQ(parse_time("00:00:01.5"), Time(1500));
}

TEST(time, arithmetic_stops_at_the_borders) {
  EXPECT_EQ(Timestamp::max() + 1ms, Timestamp::max());
  EXPECT_EQ(Timestamp::min() - 1h, Timestamp::min());
  EXPECT_EQ(Timestamp::max() - Timestamp::min(), Duration::max());
  EXPECT_EQ(Timestamp(10min).ms(), 600'000);
  EXPECT_EQ(Timestamp(std::chrono::hours::max()), Timestamp::max());
  EXPECT_EQ(Timestamp(-1us).ms(), -1);
  EXPECT_EQ(Timestamp(1999us).ms(), 1);
  EXPECT_EQ(Timestamp(std::chrono::duration<double>(1.5)).ms(), 1500);
  Timestamp at = 1s;
  at += 2s;
  at -= 500ms;
  EXPECT_EQ(at, Timestamp(2500));
  EXPECT_LT(at, Timestamp(3s));
}

TEST(time, dates_carry_over) {
  EXPECT_EQ(Date::of(2013, 14, 1), Date::of(2014, 2, 1));
  EXPECT_EQ(Date::of(2013, 1, 32), Date::of(2013, 2, 1));
  EXPECT_EQ(Date::of(1970, 1, 1), Date(0));
  EXPECT_EQ(Date::of(1970, 0, 31), Date(-1));
}

TEST(time, patterns_parse_and_format) {
  const auto pattern = TimePattern::compile("dd/MM/yyyy 'at' HH:mm:ss.SSS");
  ASSERT_TRUE(pattern);
  EXPECT_EQ(pattern->parse("01/02/2013 at 03:04:05.678"),
            parse_timestamp("2013-02-01T03:04:05.678")->ms());
  EXPECT_EQ(pattern->format(1357016400001), "01/01/2013 at 05:00:00.001");
  EXPECT_FALSE(pattern->parse("01/02/2013"));
  EXPECT_FALSE(pattern->parse("30/02/2013 at 03:04:05.678"));
  const auto short_pattern = TimePattern::compile("M/d/yyyy H:mm");
  ASSERT_TRUE(short_pattern);
  EXPECT_EQ(short_pattern->parse("1/13/2013 5:07"), parse_timestamp("2013-01-13T05:07")->ms());
  const auto zoned = TimePattern::compile("yyyyMMdd'T'HHmmssXXX");
  ASSERT_TRUE(zoned);
  EXPECT_EQ(zoned->parse("20130101T050000+01:00"), 1357012800000);
  EXPECT_FALSE(TimePattern::compile("yyyy-QQ"));
  EXPECT_FALSE(TimePattern::compile("yyyy 'open"));
}

TEST(decimal, keeps_its_scale) {
  using Money = Decimal<10, 2>;
  EXPECT_EQ(Money::parse("12.5")->to_string(), "12.50");
  EXPECT_EQ(Money::parse("-0.005")->to_string(), "-0.01");
  EXPECT_EQ(Money::parse("+7")->unscaled(), 700);
  EXPECT_EQ(Money::parse("99999999.99")->to_string(), "99999999.99");
  EXPECT_FALSE(Money::parse("99999999.995"));
  EXPECT_FALSE(Money::parse("100000000"));
  EXPECT_FALSE(Money::parse(""));
  EXPECT_FALSE(Money::parse("."));
  EXPECT_FALSE(Money::parse("1e3"));
  EXPECT_EQ(*Money::parse("1.10") + *Money::parse("2.20"), *Money::parse("3.30"));
  EXPECT_EQ((*Money::parse("1.10") * 3).to_string(), "3.30");
  EXPECT_THROW(*Money::parse("99999999.99") + Money(1), std::overflow_error);
  EXPECT_EQ(sizeof(Money), 8U);
}

TEST(decimal, holds_38_digits) {
  using Wide = Decimal<38, 10>;
  const auto value = Wide::parse("-1234567890123456789012345678.0123456789");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->to_string(), "-1234567890123456789012345678.0123456789");
  EXPECT_EQ((Decimal<10, 2>::from(Decimal<10, 4>::of_unscaled(12345))->to_string()), "1.23");
  EXPECT_EQ((Decimal<10, 2>::from(Decimal<10, 4>::of_unscaled(-12350))->to_string()), "-1.24");
  EXPECT_FALSE((Decimal<3, 2>::from(Decimal<10, 1>::of_unscaled(12345))));
}

}  // namespace
}  // namespace tidewheel
