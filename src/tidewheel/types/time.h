// Points and lengths of time in records: Timestamp (UTC), LocalTimestamp, Date, Time, Interval.
// The calendar is the proleptic Gregorian one, for all years that 64-bit milliseconds can name.
#pragma once
#include <chrono>
#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <ratio>
#include <string>
#include <string_view>

namespace tidewheel {

// A length of time in records and options. Finer chrono lengths must be cast by the user.
using Duration = std::chrono::milliseconds;

// Additions that stop at the borders instead of wrapping: a window that ends after the end of time
// ends at the end of time.
constexpr int64_t saturating_add(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) { return sum; }
  return b < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}
constexpr int64_t saturating_subtract(int64_t a, int64_t b) {
  int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) { return difference; }
  return b > 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

// Whole milliseconds of any chrono duration, rounded down, at most as large as int64 allows.
template <class Rep, class Period>
constexpr int64_t to_ms(std::chrono::duration<Rep, Period> duration) {
  using Limits = std::numeric_limits<int64_t>;
  if constexpr (std::floating_point<Rep>) {
    const auto ms = std::chrono::duration<double, std::milli>(duration).count();
    if (ms >= 0x1p63) { return Limits::max(); }
    if (!(ms >= -0x1p63)) { return Limits::min(); }
    const auto truncated = static_cast<int64_t>(ms);
    return static_cast<double>(truncated) > ms ? truncated - 1 : truncated;
  } else {
    using Ratio = std::ratio_divide<Period, std::milli>;
    const auto count = static_cast<int64_t>(duration.count());
    int64_t scaled = 0;
    if (__builtin_mul_overflow(count, static_cast<int64_t>(Ratio::num), &scaled)) {
      return count < 0 ? Limits::min() : Limits::max();
    }
    const int64_t quotient = scaled / Ratio::den;
    return scaled % Ratio::den < 0 ? quotient - 1 : quotient;
  }
}

namespace detail {

// What Timestamp and LocalTimestamp share: milliseconds, ordered, with arithmetic that saturates.
template <class Self>
class TimePoint {
 public:
  constexpr TimePoint() = default;
  constexpr explicit TimePoint(int64_t ms) : ms_(ms) {}

  static constexpr Self of_ms(int64_t ms) { return Self(ms); }
  static constexpr Self min() { return Self(std::numeric_limits<int64_t>::min()); }
  static constexpr Self max() { return Self(std::numeric_limits<int64_t>::max()); }
  constexpr int64_t ms() const { return ms_; }

  friend constexpr bool operator==(const Self& a, const Self& b) { return a.ms() == b.ms(); }
  friend constexpr std::strong_ordering operator<=>(const Self& a, const Self& b) {
    return a.ms() <=> b.ms();
  }
  template <class Rep, class Period>
  friend constexpr Self operator+(const Self& a, std::chrono::duration<Rep, Period> b) {
    return Self(saturating_add(a.ms(), to_ms(b)));
  }
  template <class Rep, class Period>
  friend constexpr Self operator+(std::chrono::duration<Rep, Period> a, const Self& b) {
    return b + a;
  }
  template <class Rep, class Period>
  friend constexpr Self operator-(const Self& a, std::chrono::duration<Rep, Period> b) {
    return Self(saturating_subtract(a.ms(), to_ms(b)));
  }
  friend constexpr Duration operator-(const Self& a, const Self& b) {
    return Duration(saturating_subtract(a.ms(), b.ms()));
  }
  template <class Rep, class Period>
  constexpr Self& operator+=(std::chrono::duration<Rep, Period> b) {
    ms_ = saturating_add(ms_, to_ms(b));
    return static_cast<Self&>(*this);
  }
  template <class Rep, class Period>
  constexpr Self& operator-=(std::chrono::duration<Rep, Period> b) {
    ms_ = saturating_subtract(ms_, to_ms(b));
    return static_cast<Self&>(*this);
  }

 private:
  int64_t ms_ = 0;
};

}  // namespace detail

// Milliseconds since 1970-01-01T00:00:00Z; may be negative. Taken from chrono durations implicitly,
// so that tests can write `10min`.
class Timestamp : public detail::TimePoint<Timestamp> {
 public:
  constexpr Timestamp() = default;
  constexpr explicit Timestamp(int64_t ms) : TimePoint(ms) {}
  template <class Rep, class Period>
  constexpr Timestamp(std::chrono::duration<Rep, Period> since_epoch)  // NOLINT: meant
      : TimePoint(to_ms(since_epoch)) {}
};

// A date and time of day without a zone: milliseconds since 1970-01-01T00:00:00 on some clock.
class LocalTimestamp : public detail::TimePoint<LocalTimestamp> {
 public:
  constexpr LocalTimestamp() = default;
  constexpr explicit LocalTimestamp(int64_t ms) : TimePoint(ms) {}
};

// A day: days since 1970-01-01.
class Date {
 public:
  constexpr Date() = default;
  constexpr explicit Date(int32_t days) : days_(days) {}
  // Any month and day are carried over: month 14 is February of the next year.
  static Date of(int64_t year, int32_t month, int32_t day);
  constexpr int32_t days() const { return days_; }
  friend constexpr auto operator<=>(const Date&, const Date&) = default;

 private:
  int32_t days_ = 0;
};

// A time of day: milliseconds since midnight, 0 to 86,399,999.
class Time {
 public:
  constexpr Time() = default;
  constexpr explicit Time(int32_t ms) : ms_(ms) {}
  constexpr int32_t ms() const { return ms_; }
  friend constexpr auto operator<=>(const Time&, const Time&) = default;

 private:
  int32_t ms_ = 0;
};

// A length of time of months and milliseconds (either may be 0).
struct Interval {
  int64_t months = 0;
  int64_t ms = 0;
  friend constexpr auto operator<=>(const Interval&, const Interval&) = default;
};

// The fields of a point in time.
struct CivilTime {
  int64_t year = 1970;
  int32_t month = 1;  // 1 to 12
  int32_t day = 1;    // 1 to 31
  int32_t hour = 0;
  int32_t minute = 0;
  int32_t second = 0;
  int32_t millisecond = 0;
};
CivilTime civil_from_ms(int64_t ms);
// Saturates at the borders. The month is 1 to 12; the other fields may be out of their range.
int64_t ms_from_civil(const CivilTime& civil);
int64_t days_from_civil(int64_t year, int32_t month, int32_t day);
int32_t days_in_month(int64_t year, int32_t month);

// "2013-01-31 05:07:09.012", the year with as many digits and the sign that it needs. Appends
// to a buffer of at least kTimeTextBytesMax; returns the end.
inline constexpr size_t kTimeTextBytesMax = 40;
char* write_timestamp(char* out, int64_t ms);
char* write_date(char* out, int64_t days);
char* write_time_of_day(char* out, int64_t ms);
std::string to_string(Timestamp value);
std::string to_string(LocalTimestamp value);
std::string to_string(Date value);             // yyyy-MM-dd
std::string to_string(Time value);             // HH:mm:ss.SSS
std::string to_string(const Interval& value);  // "P2M" or "PT1.500S", ISO 8601

// ISO 8601 and its near kin: "yyyy-MM-dd", then optionally "T" or " " with "HH:mm[:ss[.fraction]]",
// then optionally "Z", "+hh:mm", "+hhmm" or "+hh". Without a zone it is UTC. Digits of the fraction
// beyond milliseconds are dropped. Nothing may follow.
std::optional<Timestamp> parse_timestamp(std::string_view text);
// The same without a zone.
std::optional<LocalTimestamp> parse_local_timestamp(std::string_view text);
std::optional<Date> parse_date(std::string_view text);
std::optional<Time> parse_time(std::string_view text);

// A pattern for times, compiled once: yyyy MM dd HH mm ss SSS (as many S as there are digits, up to
// 9), M d H m s for one or two digits, XXX or Z for a zone, and all else literally ('...' quotes
// letters).
class TimePattern {
 public:
  // Nothing when the pattern has a letter that means nothing here.
  static std::optional<TimePattern> compile(std::string_view pattern);
  // Milliseconds since the epoch; fields that the pattern lacks are those of 1970-01-01T00:00:00Z.
  std::optional<int64_t> parse(std::string_view text) const;
  std::string format(int64_t ms) const;
  const std::string& pattern() const { return pattern_; }

 private:
  std::string pattern_;
};

}  // namespace tidewheel
