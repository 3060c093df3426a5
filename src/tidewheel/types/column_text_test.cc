#include "tidewheel/types/column_text.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

#include "tidewheel/base/time_zone.h"
#include "tidewheel/types/time.h"

namespace tidewheel {
namespace {

constexpr ColumnTextOptions kExternal{.style = TextStyle::kExternal};

template <class T>
std::string text_of(T value, const LogicalType& type, const ColumnTextOptions& options = {}) {
  Column column(type);
  column.ensure(1);
  column.values<T>()[0] = value;
  return value_to_text(type, column.view(), 0, options);
}

std::string real(double value) { return text_of(value, LogicalType::of(TypeKind::kDouble)); }

TEST(column_text, numbers_are_the_shortest_that_read_back) {
  EXPECT_EQ(real(1e10), "1.0E10");
  EXPECT_EQ(real(0), "0.0");
  EXPECT_EQ(real(-0.0), "-0.0");
  EXPECT_EQ(real(1), "1.0");
  EXPECT_EQ(real(100), "100.0");
  EXPECT_EQ(real(1234567.875), "1234567.875");
  EXPECT_EQ(real(9999999), "9999999.0");
  EXPECT_EQ(real(1e7), "1.0E7");
  EXPECT_EQ(real(0.001), "0.001");
  EXPECT_EQ(real(0.00099), "9.9E-4");
  EXPECT_EQ(real(-0.0125), "-0.0125");
  EXPECT_EQ(real(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(real(std::numeric_limits<double>::max()), "1.7976931348623157E308");
  EXPECT_EQ(real(std::numeric_limits<double>::denorm_min()), "5.0E-324");
  EXPECT_EQ(real(std::numeric_limits<double>::quiet_NaN()), "NaN");
  EXPECT_EQ(real(-std::numeric_limits<double>::infinity()), "-Infinity");
  EXPECT_EQ(text_of(0.1F, LogicalType::of(TypeKind::kFloat)), "0.1");
  EXPECT_EQ(text_of(INT64_MIN, LogicalType::of(TypeKind::kBigint)), "-9223372036854775808");
}

TEST(column_text, decimals_have_all_digits_of_their_scale) {
  EXPECT_EQ(text_of<int64_t>(150, LogicalType::decimal(10, 2)), "1.50");
  EXPECT_EQ(text_of<int64_t>(-5, LogicalType::decimal(10, 2)), "-0.05");
  EXPECT_EQ(text_of<int64_t>(0, LogicalType::decimal(5, 0)), "0");
  const Int128 largest = detail::power_of_ten(38) - 1;
  EXPECT_EQ(text_of<Int128>(-largest, LogicalType::decimal(38, 38)), "-0." + std::string(38, '9'));
  EXPECT_EQ(text_of<Int128>(detail::power_of_ten(18), LogicalType::decimal(38, 0)),
            "1000000000000000000");
  EXPECT_EQ(text_of<int64_t>(12, LogicalType::decimal(10, 8), kExternal), "1.2E-7");
  EXPECT_EQ(text_of<int64_t>(12, LogicalType::decimal(10, 6), kExternal), "0.000012");
}

TEST(column_text, times_have_the_digits_of_their_precision) {
  const auto timestamp = [](int precision) {
    return LogicalType::with(TypeKind::kTimestamp, precision);
  };
  const int64_t ms = ms_from_civil({.year = 2020, .hour = 10, .millisecond = 120});
  EXPECT_EQ(text_of(ms, timestamp(3)), "2020-01-01 10:00:00.120");
  EXPECT_EQ(text_of(ms, timestamp(0)), "2020-01-01 10:00:00");
  EXPECT_EQ(text_of(ms * 1000 + 1, timestamp(6)), "2020-01-01 10:00:00.120001");
  EXPECT_EQ(text_of(int64_t{-1}, timestamp(9)), "1969-12-31 23:59:59.999999999");
  EXPECT_EQ(text_of(ms, timestamp(3), kExternal), "2020-01-01T10:00:00.120");
  EXPECT_EQ(text_of(ms - 120, timestamp(3), kExternal), "2020-01-01T10:00");
  const auto instant = LogicalType::with(TypeKind::kTimestampLtz, 3);
  EXPECT_EQ(text_of(ms - 120, instant, kExternal), "2020-01-01T10:00:00Z");
  TimeZone berlin = TimeZone::find("Europe/Berlin").value();
  EXPECT_EQ(text_of(ms, instant, {.zone = &berlin}), "2020-01-01 11:00:00.120");
  EXPECT_EQ(text_of(18'262, LogicalType::of(TypeKind::kDate)), "2020-01-01");
  EXPECT_EQ(text_of(3'600'050, LogicalType::with(TypeKind::kTime, 0)), "01:00:00");
  EXPECT_EQ(text_of(3'600'050, LogicalType::with(TypeKind::kTime, 3)), "01:00:00.050");
  EXPECT_EQ(text_of(3'600'000, LogicalType::with(TypeKind::kTime, 0), kExternal), "01:00");
}

TEST(column_text, intervals_have_signs) {
  const auto months = LogicalType::of(TypeKind::kIntervalMonth);
  const auto seconds = LogicalType::of(TypeKind::kIntervalSecond);
  EXPECT_EQ(text_of(14, months), "+1-02");
  EXPECT_EQ(text_of(-3, months), "-0-03");
  EXPECT_EQ(text_of(14, months, kExternal), "P1Y2M");
  EXPECT_EQ(text_of(0, months, kExternal), "P0D");
  EXPECT_EQ(text_of(int64_t{3'600'000}, seconds), "+0 01:00:00.000");
  EXPECT_EQ(text_of(int64_t{-90'061'001}, seconds), "-1 01:01:01.001");
  EXPECT_EQ(text_of(int64_t{3'661'500}, seconds, kExternal), "PT1H1M1.5S");
  EXPECT_EQ(text_of(int64_t{-500}, seconds, kExternal), "PT-0.5S");
  EXPECT_EQ(text_of(int64_t{0}, seconds, kExternal), "PT0S");
}

TEST(column_text, bytes_are_characters_or_numbers) {
  const auto type = LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength);
  EXPECT_EQ(text_of(Text("A\xff"), type), "A\xff");
  EXPECT_EQ(text_of(Text("A\xff"), type, kExternal), "[65, -1]");
}

TEST(column_text, nested_values_show_their_parts) {
  const auto map = LogicalType::map(LogicalType::string(), LogicalType::of(TypeKind::kBoolean));
  const auto type = LogicalType::row(
      {"a", "b", "c"},
      {LogicalType::array(LogicalType::of(TypeKind::kInt)), map, LogicalType::string()});
  Column column(type);
  column.ensure(2);
  Column& list = column.child(0);
  list.child(0).ensure(2);
  list.child(0).values<int32_t>()[0] = 1;
  list.child(0).set_null(1);
  Column& entries = column.child(1);
  entries.child(0).ensure(1);
  entries.child(0).values<Text>()[0] = "k";
  entries.child(1).ensure(1);
  entries.child(1).values<uint8_t>()[0] = 1;
  list.offsets()[1] = 2;
  entries.offsets()[1] = 1;
  column.child(2).values<Text>()[0] = "x";
  column.set_null(1);
  EXPECT_EQ(value_to_text(type, column.view(), 0), "([1, NULL], {k=TRUE}, x)");
  EXPECT_EQ(value_to_text(type, column.view(), 0, kExternal), "+I[[1, null], {k=true}, x]");
  EXPECT_EQ(value_to_text(type, column.view(), 1), "NULL");
  EXPECT_EQ(value_to_text(type, column.view(), 1, {.null_text = "<NULL>"}), "<NULL>");
}

}  // namespace
}  // namespace tidewheel
