// The rows of the flights job: what it reads, what flows through it, and what it writes.
#pragma once
#include <cstdint>
#include <optional>

#include <tidewheel/tidewheel.h>

namespace flights {
namespace tw = tidewheel;

// ---- Read from CSV; the columns are found by these names, others are skipped ----

// A scheduled departure. Without dep_time it was cancelled.
struct Flight {
  std::optional<int32_t> dep_time;
  int32_t sched_dep_time = 0;  // local time, as hour * 100 + minute
  std::optional<int32_t> dep_delay;
  tw::Text carrier;
  int32_t flight = 0;
  std::optional<tw::Text> tailnum;
  tw::Text origin;
  tw::Text dest;
  tw::Timestamp time_hour;  // the scheduled hour, in UTC

  tw::Timestamp scheduled() const {
    return time_hour + tw::Duration(int64_t{sched_dep_time % 100} * 60'000);
  }
  bool is_cancelled() const { return !dep_time.has_value(); }
};

struct Plane {
  tw::Text tailnum;
  std::optional<int32_t> year;
  tw::Text manufacturer;
  tw::Text model;
};

struct Weather {
  tw::Text origin;
  std::optional<double> wind_speed;
  double precip = 0;
  double visib = 0;
  tw::Timestamp time_hour;
};

// ---- In between ----

// A departure of an aircraft that is known.
struct Departure {
  tw::Text tailnum;
  tw::Timestamp scheduled;
  tw::Text carrier;
  int32_t flight = 0;
  tw::Text dest;
  int32_t delay = 0;  // minutes
};

// An aircraft has left late three times in a row.
struct LateThrice {
  tw::Text tailnum;
  tw::Timestamp at;
  int32_t first = 0, second = 0, third = 0;  // minutes
};

// ---- Written as CSV ----

struct Hourly {
  tw::Text origin;
  tw::Timestamp window_start;
  int64_t flights = 0;
  int64_t cancelled = 0;
  std::optional<tw::Decimal<12, 3>> mean_delay;  // minutes, of those that departed
  std::optional<int32_t> p95_delay;              // nearest rank
};

struct LateRow {
  tw::Text origin;
  tw::Text carrier;
  int32_t flight = 0;
  std::optional<tw::Text> tailnum;
  tw::Timestamp scheduled;
  std::optional<int32_t> delay;
};

struct Session {
  tw::Text tailnum;
  tw::Timestamp start;
  tw::Timestamp end;
  int64_t legs = 0;
  int64_t cancelled = 0;
  int64_t delay_minutes = 0;
};

struct Alert {
  tw::Text tailnum;
  tw::Timestamp at;
  int32_t first = 0, second = 0, third = 0;
  std::optional<tw::Text> manufacturer;
  std::optional<tw::Text> model;
  std::optional<int32_t> year;
};

struct InWeather {
  tw::Text origin;
  tw::Timestamp scheduled;
  tw::Text carrier;
  int32_t flight = 0;
  int32_t delay = 0;
  double visib = 0;
  double precip = 0;
  std::optional<double> wind_speed;
};

}  // namespace flights
