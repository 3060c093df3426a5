// Texts of dates and times as CAST reads them, and times of clocks in zones.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "tidewheel/base/time_zone.h"
#include "tidewheel/types/time.h"

namespace tidewheel::sql {

inline constexpr int64_t kMsPerDay = 86'400'000;
inline constexpr int64_t kMsPerHour = 3'600'000;
inline constexpr int64_t kMsPerMinute = 60'000;
inline constexpr int64_t kMsPerSecond = 1000;

constexpr int64_t floor_div(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b < 0 ? quotient - 1 : quotient;
}
constexpr int64_t floor_mod(int64_t a, int64_t b) {
  const int64_t rest = a % b;
  return rest < 0 ? rest + b : rest;
}

// Two's complement, as integers of SQL wrap.
constexpr int64_t wrapping_add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
constexpr int64_t wrapping_subtract(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
constexpr int64_t wrapping_multiply(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

// Units in a second of timestamps of this precision.
constexpr int64_t units_of(int32_t precision) {
  return precision <= 3 ? 1'000 : precision <= 6 ? 1'000'000 : 1'000'000'000;
}
// Nanoseconds, and so timestamps of more than 6 digits, reach from 1677-09-21 to 2262-04-11 only.
constexpr bool has_short_range(int32_t precision) { return precision > 6; }
// From one precision to another: finer digits are cut off (towards the past). What is out of range
// stops at its end.
int64_t with_precision(int64_t value, int32_t from, int32_t to);
// The same; nothing for what is out of range.
std::optional<int64_t> in_precision(int64_t value, int32_t from, int32_t to);

// "2020-01-31", "2020-1-31 5:00:00.25": what follows a blank is the time, with seconds. In the
// units of the precision, with no more digits than that.
std::optional<int64_t> parse_timestamp_text(std::string_view text, int32_t precision);
// "2020", "2020-1", "2020-01-31", and what follows a blank does not count.
std::optional<int32_t> parse_date_text(std::string_view text);
// "5", "05:00", "05:00:00.123"
std::optional<int32_t> parse_time_text(std::string_view text);

// What clocks of the zone show at an instant, and back. A time that clocks skip is that much later;
// of one that they show twice, the first.
int64_t local_of_utc_ms(TimeZone& zone, int64_t utc_ms);
int64_t utc_of_local_ms(TimeZone& zone, int64_t local_ms);

// The date of any number of days; those beyond what milliseconds can name stop there.
CivilTime civil_of_day(int64_t days);

std::string_view without_blanks(std::string_view text);

}  // namespace tidewheel::sql
