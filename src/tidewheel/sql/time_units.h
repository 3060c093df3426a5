// Units of time by name, as EXTRACT, FLOOR and TIMESTAMPADD take them.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tidewheel/sql/functions.h"

namespace tidewheel::sql {

enum class Unit : uint8_t {
  kMillennium,
  kCentury,
  kDecade,
  kYear,
  kIsoYear,
  kQuarter,
  kMonth,
  kWeek,
  kDay,
  kDayOfWeek,     // Sunday 1
  kIsoDayOfWeek,  // Monday 1
  kDayOfYear,
  kHour,
  kMinute,
  kSecond,
  kMillisecond,
  kMicrosecond,
  kNanosecond,
  kEpoch,
};

// "YEAR", "SQL_TSI_YEAR", "DOW" and the like, in capitals or not.
std::optional<Unit> find_unit(std::string_view name);
// Of a literal argument. Errors: kSqlType.
Result<Unit> unit_of(const Argument& argument);
Result<Unit> unit_of(const Datum* literal);

// Milliseconds of units that all have the same length; 0 for others.
int64_t ms_of(Unit unit);
// Months of units that have a whole number of them; 0 for others.
int64_t months_of(Unit unit);

}  // namespace tidewheel::sql
