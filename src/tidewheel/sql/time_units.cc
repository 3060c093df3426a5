#include "tidewheel/sql/time_units.h"

#include <utility>

#include "tidewheel/sql/text_ops.h"
#include "tidewheel/sql/time_text.h"

namespace tidewheel::sql {
namespace {

constexpr std::pair<std::string_view, Unit> kUnits[] = {
    {"MILLENNIUM", Unit::kMillennium},
    {"CENTURY", Unit::kCentury},
    {"DECADE", Unit::kDecade},
    {"YEAR", Unit::kYear},
    {"ISOYEAR", Unit::kIsoYear},
    {"QUARTER", Unit::kQuarter},
    {"MONTH", Unit::kMonth},
    {"WEEK", Unit::kWeek},
    {"DAY", Unit::kDay},
    {"DOW", Unit::kDayOfWeek},
    {"ISODOW", Unit::kIsoDayOfWeek},
    {"DOY", Unit::kDayOfYear},
    {"HOUR", Unit::kHour},
    {"MINUTE", Unit::kMinute},
    {"SECOND", Unit::kSecond},
    {"MILLISECOND", Unit::kMillisecond},
    {"MICROSECOND", Unit::kMicrosecond},
    {"NANOSECOND", Unit::kNanosecond},
    {"EPOCH", Unit::kEpoch},
    {"FRAC_SECOND", Unit::kMicrosecond},
};

}  // namespace

std::optional<Unit> find_unit(std::string_view name) {
  std::string upper;
  append_upper(upper, name);
  std::string_view word = upper;
  if (word.starts_with("SQL_TSI_")) { word.remove_prefix(8); }
  for (const auto& [text, unit] : kUnits) {
    if (word == text || (word.ends_with('S') && word.substr(0, word.size() - 1) == text)) {
      return unit;
    }
  }
  return std::nullopt;
}

Result<Unit> unit_of(const Datum* literal) {
  if (literal != nullptr && !literal->is_null()) {
    const auto unit = find_unit(literal->text());
    if (unit) { return *unit; }
    return invalid_argument(ErrorId::kSqlType,
                            "'{}' is no unit of time: it may be YEAR, QUARTER, MONTH, WEEK, DAY, "
                            "HOUR, MINUTE, SECOND and the like",
                            literal->text());
  }
  return invalid_argument(ErrorId::kSqlType, "a unit of time has to be a literal");
}

Result<Unit> unit_of(const Argument& argument) { return unit_of(argument.literal); }

int64_t ms_of(Unit unit) {
  switch (unit) {
    case Unit::kWeek: return 7 * kMsPerDay;
    case Unit::kDay: return kMsPerDay;
    case Unit::kHour: return kMsPerHour;
    case Unit::kMinute: return kMsPerMinute;
    case Unit::kSecond: return kMsPerSecond;
    case Unit::kMillisecond: return 1;
    default: return 0;
  }
}

int64_t months_of(Unit unit) {
  switch (unit) {
    case Unit::kMillennium: return 12'000;
    case Unit::kCentury: return 1'200;
    case Unit::kDecade: return 120;
    case Unit::kYear: return 12;
    case Unit::kQuarter: return 3;
    case Unit::kMonth: return 1;
    default: return 0;
  }
}

}  // namespace tidewheel::sql
