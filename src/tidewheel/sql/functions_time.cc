// Parts of dates and times, rounding to units, and arithmetic with units. Instants
// (TIMESTAMP_LTZ) are taken as clocks of the session's zone show them.
#include <algorithm>
#include <utility>

#include "tidewheel/sql/date_pattern.h"
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/time_arithmetic.h"
#include "tidewheel/sql/time_text.h"
#include "tidewheel/sql/time_units.h"
#include "tidewheel/sql/typing.h"

namespace tidewheel::sql {
namespace {

using MadeKernel = Result<std::unique_ptr<Kernel>>;

bool is_time(const LogicalType& type) {
  return type.kind == TypeKind::kDate || type.kind == TypeKind::kTime || type.is_timestamp();
}

// ---- Parts

int64_t rounded_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }

int64_t part_of_day_number(Unit unit, int64_t days) {
  switch (unit) {
    case Unit::kIsoYear: return iso_year(days);
    case Unit::kWeek: return iso_week(days);
    case Unit::kDayOfWeek: return day_of_week(days) % 7 + 1;
    case Unit::kIsoDayOfWeek: return day_of_week(days);
    case Unit::kDayOfYear: return day_of_year(days);
    default: break;
  }
  const CivilTime civil = civil_of_day(days);
  switch (unit) {
    case Unit::kMillennium: return rounded_up(civil.year, 1000);
    case Unit::kCentury: return rounded_up(civil.year, 100);
    case Unit::kDecade: return floor_div(civil.year, 10);
    case Unit::kYear: return civil.year;
    case Unit::kQuarter: return (civil.month - 1) / 3 + 1;
    case Unit::kMonth: return civil.month;
    default: return civil.day;
  }
}

// The part of a time that lies within a larger one: hours of the day, and so on.
struct Within {
  int64_t unit;
  int64_t larger;
};
std::optional<Within> within_of(Unit unit, int64_t units_per_second) {
  const int64_t second = units_per_second;
  switch (unit) {
    case Unit::kHour: return Within{second * 3600, second * 86'400};
    case Unit::kMinute: return Within{second * 60, second * 3600};
    case Unit::kSecond: return Within{second, second * 60};
    case Unit::kMillisecond: return Within{second / 1000, second};
    default: return std::nullopt;
  }
}

// f<Physical type>(): int32 for dates and times, int64 for timestamps.
MadeKernel part_kernel(Unit unit, const LogicalType& type, const EvalOptions& options) {
  if (type.kind == TypeKind::kDate) {
    const bool in_day = within_of(unit, 1000).has_value();
    return value_kernel<int64_t, int32_t>([unit, in_day](int32_t days) -> int64_t {
      if (unit == Unit::kEpoch) { return days * int64_t{86'400}; }
      return in_day ? 0 : part_of_day_number(unit, days);
    });
  }
  const int64_t units = type.kind == TypeKind::kTime ? 1000 : type.units_per_second();
  const auto within = within_of(unit, units);
  const bool is_instant = type.kind == TypeKind::kTimestampLtz;
  const auto part = [unit, units, within, is_instant, zone = options.zone](int64_t value) mutable {
    if (unit == Unit::kEpoch) { return floor_div(value, units); }
    if (is_instant) {
      value = wrapping_add(value, zone.offset_ms(floor_div(value, units / 1000)) * (units / 1000));
    }
    if (within) { return floor_mod(value, within->larger) / within->unit; }
    if (unit == Unit::kMicrosecond || unit == Unit::kNanosecond) {
      const int64_t wanted = unit == Unit::kMicrosecond ? 1'000'000 : 1'000'000'000;
      const int64_t fraction = floor_mod(value, units);
      return wanted >= units ? fraction * (wanted / units) : fraction / (units / wanted);
    }
    return part_of_day_number(unit, floor_div(value, units * 86'400));
  };
  if (type.kind == TypeKind::kTime) { return value_kernel<int64_t, int32_t>(part); }
  return value_kernel<int64_t, int64_t>(part);
}

MadeKernel interval_part_kernel(Unit unit, const LogicalType& type) {
  if (type.kind == TypeKind::kIntervalMonth) {
    return value_kernel<int64_t, int32_t>([unit](int32_t months) -> int64_t {
      switch (unit) {
        case Unit::kMillennium: return months / 12'000;
        case Unit::kCentury: return months / 1'200;
        case Unit::kDecade: return months / 120;
        case Unit::kYear: return months / 12;
        case Unit::kQuarter: return months % 12 / 3 + 1;
        case Unit::kMonth: return months % 12;
        default: return 0;
      }
    });
  }
  const auto within = within_of(unit, 1000);
  return value_kernel<int64_t, int64_t>([unit, within](int64_t ms) -> int64_t {
    if (within) { return ms % within->larger / within->unit; }
    if (unit == Unit::kEpoch) { return ms / 1000; }
    return unit == Unit::kDay ? ms / kMsPerDay : unit == Unit::kWeek ? ms / (7 * kMsPerDay) : 0;
  });
}

bool has_part(Unit unit, const LogicalType& type) {
  if (type.is_interval() || type.is_timestamp()) { return true; }
  const bool in_day =
      within_of(unit, 1000) || unit == Unit::kMicrosecond || unit == Unit::kNanosecond;
  return type.kind == TypeKind::kTime ? in_day
                                      : unit != Unit::kMicrosecond && unit != Unit::kNanosecond;
}

Result<Signature> extract_signature(std::span<const Argument> arguments) {
  if (arguments.size() != 2) { return not_these(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const Unit unit, unit_of(arguments[0]));
  const LogicalType& type = arguments[1].type;
  if (!(is_time(type) || type.is_interval()) || !has_part(unit, type)) { return not_these(); }
  return Signature{LogicalType::of(TypeKind::kBigint, type.nullable), {arguments[0].type, type}};
}

// Its first argument is the unit, which the kernel has from the literal.
class SecondArgument final : public Kernel {
 public:
  explicit SecondArgument(std::unique_ptr<Kernel> kernel) : kernel_(std::move(kernel)) {}
  Status run(const KernelCall& call) override {
    KernelCall inner = call;
    inner.arguments = call.arguments.subspan(1);
    return kernel_->run(inner);
  }

 private:
  std::unique_ptr<Kernel> kernel_;
};

MadeKernel extract_kernel(const KernelSetup& setup) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const Unit unit, unit_of(setup.literals[0]));
  const LogicalType& type = setup.arguments[1];
  auto kernel = type.is_interval() ? interval_part_kernel(unit, type)
                                   : part_kernel(unit, type, setup.options);
  TIDEWHEEL_RETURN_IF_ERROR(kernel.status());
  return std::unique_ptr<Kernel>(std::make_unique<SecondArgument>(std::move(*kernel)));
}

void define_part(FunctionTable& table, const char* name, Unit unit) {
  const auto rule = [unit](std::span<const Argument> arguments) -> Result<Signature> {
    if (arguments.size() != 1) { return not_these(); }
    const LogicalType& type = arguments[0].type;
    if (!is_time(type) || !has_part(unit, type)) { return not_these(); }
    return Signature{LogicalType::of(TypeKind::kBigint, type.nullable), {type}};
  };
  table.define(name, kStrict, std::string(name) + "(date, time or timestamp)", rule,
               [unit](const KernelSetup& setup) {
                 return part_kernel(unit, setup.arguments[0], setup.options);
               });
}

// ---- FLOOR and CEIL

// The day at which the unit that `days` lies in begins; `up`: of the next one, unless it begins
// there.
int64_t round_days(Unit unit, int64_t days, bool up) {
  if (unit == Unit::kDay) { return days; }
  if (unit == Unit::kWeek) {
    const int64_t since_sunday = day_of_week(days) % 7;
    return days - since_sunday + (up && since_sunday > 0 ? 7 : 0);
  }
  if (unit == Unit::kIsoYear) { unit = Unit::kYear; }
  const CivilTime civil = civil_of_day(days);
  const int64_t step = months_of(unit);
  // Centuries and millennia begin with the year 1.
  const bool from_one = unit == Unit::kCentury || unit == Unit::kMillennium;
  const int64_t months = civil.year * 12 + civil.month - 1 - (from_one ? 12 : 0);
  const int64_t begin = floor_div(months, step) * step + (from_one ? 12 : 0);
  const auto day_at = [](int64_t month) {
    return days_from_civil(floor_div(month, 12), static_cast<int32_t>(floor_mod(month, 12)) + 1, 1);
  };
  const int64_t first = day_at(begin);
  return up && first != days ? day_at(begin + step) : first;
}

// Of a local time in units.
int64_t round_time(Unit unit, int64_t value, int64_t units, bool up) {
  const int64_t day = units * 86'400;
  const int64_t ms = ms_of(unit);
  if (ms > 0 && unit != Unit::kWeek) {
    const int64_t step = units / 1000 * ms;
    const int64_t floored = wrapping_subtract(value, floor_mod(value, step));
    return up && floored != value ? wrapping_add(floored, step) : floored;
  }
  const int64_t days = floor_div(value, day);
  const bool whole = floor_mod(value, day) == 0;
  return wrapping_multiply(round_days(unit, up && !whole ? days + 1 : days, up), day);
}

// Of nanoseconds: what is rounded may be out of their range, and is NULL.
std::unique_ptr<Kernel> rounding_in_range(Unit unit, bool is_instant, bool up, TimeZone in_zone) {
  return row_kernel([=, zone = std::move(in_zone)](Out<int64_t>& out, int64_t value) mutable {
    constexpr int64_t kPerMs = 1'000'000;
    const int64_t ms = floor_div(value, kPerMs);
    const int64_t local = is_instant ? local_of_utc_ms(zone, ms) : ms;
    // With finer digits it goes on from where a unit begins.
    const bool has_rest = floor_mod(value, kPerMs) != 0;
    int64_t rounded = round_time(unit, up && has_rest ? local + 1 : local, 1000, up);
    if (is_instant) { rounded = utc_of_local_ms(zone, rounded); }
    int64_t units = 0;
    __builtin_mul_overflow(rounded, kPerMs, &units) ? out.set_null() : out.set(units);
  });
}

MadeKernel rounding_kernel(Unit unit, const LogicalType& type, bool up,
                           const EvalOptions& options) {
  if (type.kind == TypeKind::kDate) {
    return value_kernel<int32_t, int32_t>(
        [unit, up](int32_t days) { return static_cast<int32_t>(round_days(unit, days, up)); });
  }
  if (type.kind == TypeKind::kTime) {
    return value_kernel<int32_t, int32_t>(
        [unit, up](int32_t ms) { return static_cast<int32_t>(round_time(unit, ms, 1000, up)); });
  }
  if (has_short_range(type.precision)) {
    return rounding_in_range(unit, type.kind == TypeKind::kTimestampLtz, up, options.zone);
  }
  const int64_t units = type.units_per_second();
  if (type.kind == TypeKind::kTimestamp) {
    return value_kernel<int64_t, int64_t>(
        [unit, units, up](int64_t value) { return round_time(unit, value, units, up); });
  }
  return value_kernel<int64_t, int64_t>(
      [unit, units, up, zone = options.zone](int64_t value) mutable {
        const int64_t per_ms = units / 1000;
        const int64_t offset = zone.offset_ms(floor_div(value, per_ms)) * per_ms;
        const int64_t rounded = round_time(unit, wrapping_add(value, offset), units, up);
        const int64_t ms = floor_div(rounded, per_ms);
        return wrapping_add(rounded, (utc_of_local_ms(zone, ms) - ms) * per_ms);
      });
}

bool can_round_to(Unit unit, const LogicalType& type) {
  const bool in_day = unit >= Unit::kHour && ms_of(unit) > 0;
  const bool in_calendar = months_of(unit) > 0 || unit == Unit::kWeek || unit == Unit::kDay;
  switch (type.kind) {
    case TypeKind::kDate: return in_calendar;
    case TypeKind::kTime: return in_day;
    default: return type.is_timestamp() && (in_day || in_calendar);
  }
}

void define_rounding(FunctionTable& table, const char* name, bool up) {
  const auto rule = [](std::span<const Argument> arguments) -> Result<Signature> {
    if (arguments.size() == 1) { return whole_number_signature(arguments[0].type); }
    if (arguments.size() != 2 || !is_time(arguments[0].type)) { return not_these(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const Unit unit, unit_of(arguments[1]));
    LogicalType type = arguments[0].type;
    if (!can_round_to(unit, type)) { return not_these(); }
    type.time = TimeAttribute::kNone;
    const bool may_be_out = type.is_timestamp() && has_short_range(type.precision);
    return Signature{type.as_nullable(type.nullable || may_be_out), {type, arguments[1].type}};
  };
  table.define(name, kStrict, std::string(name) + "(number), " + name + "(date or time TO unit)",
               rule, [up](const KernelSetup& setup) -> MadeKernel {
                 if (setup.arguments.size() == 1) { return whole_number_kernel(setup, up); }
                 TIDEWHEEL_ASSIGN_OR_RETURN(const Unit unit, unit_of(setup.literals[1]));
                 return rounding_kernel(unit, setup.arguments[0], up, setup.options);
               });
}

// ---- TIMESTAMPADD, TIMESTAMPDIFF

Result<Signature> add_signature(std::span<const Argument> arguments) {
  if (arguments.size() != 3) { return not_these(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const Unit unit, unit_of(arguments[0]));
  const LogicalType& count = arguments[1].type;
  LogicalType result = arguments[2].type;
  const bool by_unit = months_of(unit) > 0 || ms_of(unit) > 0 || unit == Unit::kMicrosecond;
  if (!count.is_integer() || !is_time(result) || !by_unit ||
      (result.kind == TypeKind::kTime && (ms_of(unit) == 0 || ms_of(unit) >= kMsPerDay))) {
    return not_these();
  }
  result.time = TimeAttribute::kNone;
  const LogicalType time = result;
  const bool in_day = unit >= Unit::kHour;
  if (result.kind == TypeKind::kDate && in_day) {
    result = LogicalType::with(TypeKind::kTimestamp, 3);
  }
  if (unit == Unit::kMicrosecond && result.precision < 6) {
    result = LogicalType::with(result.kind, 6);
  }
  const bool may_be_out = result.is_timestamp() && has_short_range(result.precision);
  result.nullable = count.nullable || time.nullable || may_be_out;
  return Signature{result,
                   {arguments[0].type, LogicalType::of(TypeKind::kBigint, count.nullable), time}};
}

// Of nanoseconds: NULL for what is out of their range.
std::unique_ptr<Kernel> adding_in_range(Unit unit, int64_t months, int64_t ms) {
  constexpr int64_t kPerMs = 1'000'000;
  std::unique_ptr<Kernel> kernel = row_kernel([=](Out<int64_t>& out, int64_t count, int64_t value) {
    int64_t factor = unit == Unit::kMicrosecond ? kPerMs / 1000 : ms * kPerMs;
    if (months > 0) {
      const int64_t value_ms = floor_div(value, kPerMs);
      // A million years are out of range too.
      constexpr int64_t kMonthsMax = 12'000'000;
      const int64_t by = std::clamp(count, -kMonthsMax, kMonthsMax) * months;
      count = add_months_to_ms(value_ms, by) - value_ms;
      factor = kPerMs;
    }
    int64_t units = 0;
    int64_t sum = 0;
    const bool is_over =
        __builtin_mul_overflow(count, factor, &units) || __builtin_add_overflow(value, units, &sum);
    is_over ? out.set_null() : out.set(sum);
  });
  return std::make_unique<SecondArgument>(std::move(kernel));
}

MadeKernel add_kernel(const KernelSetup& setup) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const Unit unit, unit_of(setup.literals[0]));
  const LogicalType& type = setup.arguments[2];
  const int64_t months = months_of(unit);
  const int64_t ms = ms_of(unit);
  std::unique_ptr<Kernel> kernel;
  if (type.kind == TypeKind::kDate && setup.result.kind == TypeKind::kDate) {
    kernel = value_kernel<int32_t, int64_t, int32_t>([months, ms](int64_t count, int32_t days) {
      if (months > 0) { return add_months(days, wrapping_multiply(count, months)); }
      return static_cast<int32_t>(wrapping_add(days, wrapping_multiply(count, ms / kMsPerDay)));
    });
  } else if (type.kind == TypeKind::kTime) {
    kernel = value_kernel<int32_t, int64_t, int32_t>([ms](int64_t count, int32_t time) {
      return static_cast<int32_t>(floor_mod(time + count % kMsPerDay * ms, kMsPerDay));
    });
  } else {
    const int32_t from = type.kind == TypeKind::kDate ? 3 : type.precision;
    const int32_t to = setup.result.precision;
    const int64_t per_ms = units_of(to) / 1000;
    if (has_short_range(to)) { return adding_in_range(unit, months, ms); }
    const auto add = [=, micro = unit == Unit::kMicrosecond](int64_t count, int64_t value) {
      value = with_precision(value, from, to);
      if (micro) { return wrapping_add(value, wrapping_multiply(count, per_ms / 1000)); }
      if (months == 0) { return wrapping_add(value, wrapping_multiply(count, ms * per_ms)); }
      const int64_t value_ms = floor_div(value, per_ms);
      return wrapping_add(
          value, wrapping_multiply(
                     wrapping_subtract(add_months_to_ms(value_ms, wrapping_multiply(count, months)),
                                       value_ms),
                     per_ms));
    };
    if (type.kind == TypeKind::kDate) {
      kernel = value_kernel<int64_t, int64_t, int32_t>(
          [add](int64_t count, int32_t days) { return add(count, days * kMsPerDay); });
    } else {
      kernel = value_kernel<int64_t, int64_t, int64_t>(add);
    }
  }
  return std::unique_ptr<Kernel>(std::make_unique<SecondArgument>(std::move(kernel)));
}

Result<Signature> difference_signature(std::span<const Argument> arguments) {
  if (arguments.size() != 3) { return not_these(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const Unit unit, unit_of(arguments[0]));
  if (!is_time(arguments[1].type) || !is_time(arguments[2].type) ||
      (months_of(unit) == 0 && ms_of(unit) == 0 && unit != Unit::kMicrosecond)) {
    return not_these();
  }
  const std::vector<LogicalType> types{arguments[1].type, arguments[2].type};
  auto common = common_type(types);
  if (!common.ok() || common->kind == TypeKind::kTime) { return not_these(); }
  common->time = TimeAttribute::kNone;
  const bool nullable = any_nullable(arguments);
  return Signature{LogicalType::of(TypeKind::kInt, nullable),
                   {arguments[0].type, common->as_nullable(types[0].nullable),
                    common->as_nullable(types[1].nullable)}};
}

// Whole months from a to b.
int64_t months_between(int64_t a_ms, int64_t b_ms) {
  const CivilTime a = civil_from_ms(a_ms);
  const CivilTime b = civil_from_ms(b_ms);
  int64_t months = (b.year - a.year) * 12 + b.month - a.month;
  const int64_t moved = add_months_to_ms(a_ms, months);
  if (months > 0 && moved > b_ms) { --months; }
  if (months < 0 && moved < b_ms) { ++months; }
  return months;
}

MadeKernel difference_kernel(const KernelSetup& setup) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const Unit unit, unit_of(setup.literals[0]));
  const LogicalType& type = setup.arguments[1];
  const int64_t months = months_of(unit);
  const int64_t ms = ms_of(unit);
  const bool is_date = type.kind == TypeKind::kDate;
  const int64_t per_ms = is_date ? 1 : type.units_per_second() / 1000;
  const bool is_instant = type.kind == TypeKind::kTimestampLtz;
  auto difference = [=, zone = setup.options.zone](int64_t a, int64_t b) mutable {
    if (months > 0) {
      int64_t x = floor_div(a, per_ms);
      int64_t y = floor_div(b, per_ms);
      if (is_instant) {
        x = local_of_utc_ms(zone, x);
        y = local_of_utc_ms(zone, y);
      }
      return static_cast<int32_t>(months_between(x, y) / months);
    }
    const int64_t apart = wrapping_subtract(b, a);
    if (ms == 0) {
      return static_cast<int32_t>(per_ms >= 1000 ? apart / (per_ms / 1000)
                                                 : wrapping_multiply(apart, 1000));
    }
    return static_cast<int32_t>(apart / (ms * per_ms));
  };
  std::unique_ptr<Kernel> kernel;
  if (is_date) {
    kernel = value_kernel<int32_t, int32_t, int32_t>([difference](int32_t a, int32_t b) mutable {
      return difference(a * kMsPerDay, b * kMsPerDay);
    });
  } else {
    kernel = value_kernel<int32_t, int64_t, int64_t>(difference);
  }
  return std::unique_ptr<Kernel>(std::make_unique<SecondArgument>(std::move(kernel)));
}

// ---- OVERLAPS

// OVERLAPS(begin, end, begin, end); ends may come before begins.
Result<Signature> overlaps_signature(std::span<const Argument> arguments) {
  if (arguments.size() != 4) { return not_these(); }
  std::vector<LogicalType> types;
  for (const Argument& argument : arguments) {
    if (!is_time(argument.type)) { return not_these(); }
    types.push_back(argument.type);
  }
  auto common = common_type(types);
  if (!common.ok()) { return not_these(); }
  common->time = TimeAttribute::kNone;
  Signature signature{LogicalType::of(TypeKind::kBoolean, any_nullable(arguments)), {}};
  for (const LogicalType& type : types) {
    signature.arguments.push_back(common->as_nullable(type.nullable));
  }
  return signature;
}

MadeKernel overlaps_kernel(const KernelSetup& setup) {
  const auto overlaps = [](auto a, auto b, auto c, auto d) -> uint8_t {
    return std::max(a, b) >= std::min(c, d) && std::max(c, d) >= std::min(a, b) ? 1 : 0;
  };
  if (setup.arguments[0].physical() == Physical::kInt32) {
    return value_kernel<uint8_t, int32_t, int32_t, int32_t, int32_t>(overlaps);
  }
  return value_kernel<uint8_t, int64_t, int64_t, int64_t, int64_t>(overlaps);
}

}  // namespace

void add_times(FunctionTable& table) {
  table.define("EXTRACT", kStrict, "EXTRACT(unit FROM date, time, timestamp or interval)",
               extract_signature, extract_kernel);
  define_part(table, "YEAR", Unit::kYear);
  define_part(table, "QUARTER", Unit::kQuarter);
  define_part(table, "MONTH", Unit::kMonth);
  define_part(table, "WEEK", Unit::kWeek);
  define_part(table, "DAYOFYEAR", Unit::kDayOfYear);
  define_part(table, "DAYOFMONTH", Unit::kDay);
  define_part(table, "DAYOFWEEK", Unit::kDayOfWeek);
  define_part(table, "HOUR", Unit::kHour);
  define_part(table, "MINUTE", Unit::kMinute);
  define_part(table, "SECOND", Unit::kSecond);
  define_rounding(table, "FLOOR", false);
  define_rounding(table, "CEIL", true);
  table.alias("CEILING", "CEIL");
  table.define("TIMESTAMPADD", kStrict, "TIMESTAMPADD(unit, whole number, date or time)",
               add_signature, add_kernel);
  table.define("TIMESTAMPDIFF", kStrict, "TIMESTAMPDIFF(unit, date or timestamp, the same)",
               difference_signature, difference_kernel);
  table.define("OVERLAPS", kStrict, "(begin, end) OVERLAPS (begin, end)", overlaps_signature,
               overlaps_kernel);
}

}  // namespace tidewheel::sql
