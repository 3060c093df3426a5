#include "tidewheel/sql/time_arithmetic.h"

#include <algorithm>
#include <utility>

#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/time_text.h"
#include "tidewheel/types/time.h"

namespace tidewheel::sql {
namespace {

bool is_time(const LogicalType& type) {
  return type.kind == TypeKind::kDate || type.kind == TypeKind::kTime || type.is_timestamp();
}

LogicalType plain(LogicalType type, bool nullable) {
  type.time = TimeAttribute::kNone;
  type.nullable = nullable;
  return type;
}

Result<Signature> time_and_interval(const Argument& time, const Argument& interval) {
  if (time.type.kind == TypeKind::kTime && interval.type.kind == TypeKind::kIntervalMonth) {
    return not_these();
  }
  const bool nullable = time.type.nullable || interval.type.nullable;
  LogicalType result = plain(time.type, nullable);
  // A date with hours is a timestamp.
  const bool has_hours = interval.type.kind == TypeKind::kIntervalSecond &&
                         interval.literal != nullptr && !interval.literal->is_null() &&
                         interval.literal->integer() % kMsPerDay != 0;
  if (time.type.kind == TypeKind::kDate && has_hours) {
    result = LogicalType::with(TypeKind::kTimestamp, 3, 0, nullable);
  }
  if (result.is_timestamp() && has_short_range(result.precision)) { result.nullable = true; }
  return Signature{result, {plain(time.type, time.type.nullable), interval.type}};
}

// `f(time, interval)`, whichever comes first.
template <class R, class T, class I, class F>
std::unique_ptr<Kernel> time_first(bool swapped, F f) {
  if (swapped) {
    return value_kernel<R, I, T>([f](I interval, T time) { return f(time, interval); });
  }
  return value_kernel<R, T, I>(f);
}

std::unique_ptr<Kernel> date_sum(bool swapped, bool by_months, bool to_timestamp, int64_t sign) {
  if (by_months) {
    return time_first<int32_t, int32_t, int32_t>(
        swapped, [sign](int32_t days, int32_t months) { return add_months(days, months * sign); });
  }
  if (to_timestamp) {
    return time_first<int64_t, int32_t, int64_t>(swapped, [sign](int32_t days, int64_t ms) {
      return wrapping_add(days * kMsPerDay, wrapping_multiply(ms, sign));
    });
  }
  return time_first<int32_t, int32_t, int64_t>(swapped, [sign](int32_t days, int64_t ms) {
    return static_cast<int32_t>(wrapping_add(days, wrapping_multiply(ms, sign) / kMsPerDay));
  });
}

// NULL for what is out of range.
std::unique_ptr<Kernel> sum_in_range(bool swapped, bool by_months, int64_t sign, int64_t per_ms) {
  const auto add = [sign, per_ms](Out<int64_t>& out, int64_t value, int64_t ms) {
    int64_t units = 0;
    int64_t sum = 0;
    const bool is_over = __builtin_mul_overflow(ms, per_ms * sign, &units) ||
                         __builtin_add_overflow(value, units, &sum);
    is_over ? out.set_null() : out.set(sum);
  };
  const auto add_months = [add, per_ms, sign](Out<int64_t>& out, int64_t value, int32_t months) {
    const int64_t ms = floor_div(value, per_ms);
    add(out, value, (add_months_to_ms(ms, months * sign) - ms) * sign);
  };
  if (by_months) {
    if (!swapped) { return row_kernel(add_months); }
    return row_kernel([add_months](Out<int64_t>& out, int32_t months, int64_t value) {
      add_months(out, value, months);
    });
  }
  if (!swapped) { return row_kernel(add); }
  return row_kernel([add](Out<int64_t>& out, int64_t ms, int64_t value) { add(out, value, ms); });
}

std::unique_ptr<Kernel> timestamp_sum(const LogicalType& type, bool swapped, bool by_months,
                                      int64_t sign) {
  const int64_t per_ms = type.units_per_second() / 1000;
  if (has_short_range(type.precision)) { return sum_in_range(swapped, by_months, sign, per_ms); }
  if (by_months) {
    return time_first<int64_t, int64_t, int32_t>(
        swapped, [per_ms, sign](int64_t value, int32_t months) {
          const int64_t ms = floor_div(value, per_ms);
          const int64_t moved = add_months_to_ms(ms, months * sign);
          return wrapping_add(value, wrapping_multiply(wrapping_subtract(moved, ms), per_ms));
        });
  }
  return time_first<int64_t, int64_t, int64_t>(
      swapped, [factor = per_ms * sign](int64_t value, int64_t ms) {
        return wrapping_add(value, wrapping_multiply(ms, factor));
      });
}

std::unique_ptr<Kernel> timestamp_difference(const LogicalType& a, const LogicalType& b) {
  const int64_t a_units = a.units_per_second() / 1000;
  const int64_t b_units = b.units_per_second() / 1000;
  return value_kernel<int64_t, int64_t, int64_t>([a_units, b_units](int64_t x, int64_t y) {
    return wrapping_subtract(floor_div(x, a_units), floor_div(y, b_units));
  });
}

}  // namespace

int32_t add_months(int32_t days, int64_t months) {
  constexpr int64_t kMonthsMax = int64_t{12} * 1'000'000'000;
  CivilTime civil = civil_of_day(days);
  const int64_t total =
      civil.year * 12 + civil.month - 1 + std::clamp(months, -kMonthsMax, kMonthsMax);
  civil.year = floor_div(total, 12);
  civil.month = static_cast<int32_t>(floor_mod(total, 12)) + 1;
  civil.day = std::min(civil.day, days_in_month(civil.year, civil.month));
  return static_cast<int32_t>(days_from_civil(civil.year, civil.month, civil.day));
}

int64_t add_months_to_ms(int64_t ms, int64_t months) {
  const int64_t days = floor_div(ms, kMsPerDay);
  const int64_t moved = add_months(static_cast<int32_t>(days), months);
  return moved * kMsPerDay + floor_mod(ms, kMsPerDay);
}

Result<Signature> time_sum_signature(std::span<const Argument> arguments) {
  const Argument& a = arguments[0];
  const Argument& b = arguments[1];
  if (is_time(a.type) && b.type.is_interval()) { return time_and_interval(a, b); }
  if (is_time(b.type) && a.type.is_interval()) {
    auto signature = time_and_interval(b, a);
    if (signature.ok()) { std::swap(signature->arguments[0], signature->arguments[1]); }
    return signature;
  }
  if (a.type.is_interval() && a.type.kind == b.type.kind) {
    return Signature{plain(a.type, a.type.nullable || b.type.nullable), {a.type, b.type}};
  }
  return not_these();
}

Result<Signature> time_difference_signature(std::span<const Argument> arguments) {
  const Argument& a = arguments[0];
  const Argument& b = arguments[1];
  if (b.type.is_interval()) {
    return a.type.is_interval() || is_time(a.type) ? time_sum_signature(arguments) : not_these();
  }
  if (a.type.is_timestamp() && a.type.kind == b.type.kind) {
    return Signature{LogicalType::of(TypeKind::kIntervalSecond, a.type.nullable || b.type.nullable),
                     {plain(a.type, a.type.nullable), plain(b.type, b.type.nullable)}};
  }
  return not_these();
}

Result<std::unique_ptr<Kernel>> time_sum_kernel(const KernelSetup& setup, bool subtract) {
  const int64_t sign = subtract ? -1 : 1;
  const bool swapped = setup.arguments[0].is_interval() && !setup.arguments[1].is_interval();
  const LogicalType& time = setup.arguments[swapped ? 1 : 0];
  const LogicalType& interval = setup.arguments[swapped ? 0 : 1];
  const bool by_months = interval.kind == TypeKind::kIntervalMonth;
  switch (time.kind) {
    case TypeKind::kDate:
      return date_sum(swapped, by_months, setup.result.kind == TypeKind::kTimestamp, sign);
    case TypeKind::kTime:
      return time_first<int32_t, int32_t, int64_t>(swapped, [sign](int32_t ms, int64_t more) {
        return static_cast<int32_t>(floor_mod(ms + more % kMsPerDay * sign, kMsPerDay));
      });
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      if (interval.is_timestamp()) { return timestamp_difference(time, interval); }
      return timestamp_sum(time, swapped, by_months, sign);
    case TypeKind::kIntervalMonth:
      return value_kernel<int32_t, int32_t, int32_t>(
          [sign](int32_t a, int32_t b) { return static_cast<int32_t>(a + b * sign); });
    default:
      return value_kernel<int64_t, int64_t, int64_t>(
          [sign](int64_t a, int64_t b) { return wrapping_add(a, wrapping_multiply(b, sign)); });
  }
}

Result<Signature> interval_scaling_signature(std::span<const Argument> arguments, bool divide) {
  const LogicalType& a = arguments[0].type;
  const LogicalType& b = arguments[1].type;
  const bool nullable = a.nullable || b.nullable;
  if (a.is_interval() && b.is_numeric()) {
    return Signature{a.as_nullable(nullable), {a, LogicalType::of(TypeKind::kDouble, b.nullable)}};
  }
  if (!divide && b.is_interval() && a.is_numeric()) {
    return Signature{b.as_nullable(nullable), {LogicalType::of(TypeKind::kDouble, a.nullable), b}};
  }
  return not_these();
}

Result<std::unique_ptr<Kernel>> interval_scaling_kernel(const KernelSetup& setup, bool divide) {
  const bool swapped = !setup.arguments[0].is_interval();
  const auto make = [&]<class T>() -> std::unique_ptr<Kernel> {
    const auto scale = [divide](Out<T>& out, T interval, double number) {
      if (divide && number == 0) { return out.fail("division of an interval by zero"); }
      const double value =
          divide ? static_cast<double>(interval) / number : static_cast<double>(interval) * number;
      constexpr double kLimit = sizeof(T) == 8 ? 0x1p63 : 0x1p31;
      if (!(value < kLimit && value > -kLimit)) { return out.set_null(); }
      out.set(static_cast<T>(value));
    };
    if (swapped) {
      return row_kernel(
          [scale](Out<T>& out, double number, T interval) { scale(out, interval, number); });
    }
    return row_kernel(scale);
  };
  return setup.result.kind == TypeKind::kIntervalMonth ? make.template operator()<int32_t>()
                                                       : make.template operator()<int64_t>();
}

}  // namespace tidewheel::sql
