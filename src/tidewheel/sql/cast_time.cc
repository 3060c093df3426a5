// Casts between dates, times and timestamps.
#include <optional>
#include <string>

#include "tidewheel/sql/cast_impl.h"
#include "tidewheel/sql/row_kernel_inl.h"
#include "tidewheel/sql/time_text.h"
#include "tidewheel/types/time.h"

namespace tidewheel::sql {
namespace {

// `cast` of a value: nothing is out of range.
template <class T, class F>
std::unique_ptr<Kernel> cast_in_range(const LogicalType& to, bool is_try, F cast) {
  return row_kernel(
      [cast, is_try, type = to.as_nullable().to_string()](Out<int64_t>& out, T value) mutable {
        const std::optional<int64_t> made = cast(value);
        if (made.has_value()) { return out.set(*made); }
        if (is_try) { return out.set_null(); }
        out.fail("the value is no " + type +
                 ", which reaches from 1677-09-21 00:12:43.145224192 to 2262-04-11 "
                 "23:47:16.854775807; TRY_CAST gives NULL for such values");
      });
}

// The instant at which clocks of the zone show a time, or back: within the units of the precision.
std::optional<int64_t> moved_to(bool to_local, TimeZone& zone, int64_t value, int32_t precision) {
  const int64_t per_ms = units_of(precision) / 1000;
  const int64_t ms = floor_div(value, per_ms);
  const int64_t by = (to_local ? local_of_utc_ms(zone, ms) : utc_of_local_ms(zone, ms)) - ms;
  int64_t moved = 0;
  if (__builtin_add_overflow(value, by * per_ms, &moved)) { return std::nullopt; }
  return moved;
}

std::unique_ptr<Kernel> timestamp_in_range(const LogicalType& from, const LogicalType& to,
                                           bool is_try, const EvalOptions& options) {
  const int32_t p = from.precision;
  const int32_t q = to.precision;
  if (from.kind == to.kind) {
    return cast_in_range<int64_t>(to, is_try,
                                  [p, q](int64_t value) { return in_precision(value, p, q); });
  }
  const bool to_local = to.kind == TypeKind::kTimestamp;
  return cast_in_range<int64_t>(
      to, is_try, [p, q, to_local, zone = options.zone](int64_t value) mutable {
        const std::optional<int64_t> moved = moved_to(to_local, zone, value, p);
        return moved.has_value() ? in_precision(*moved, p, q) : moved;
      });
}

std::unique_ptr<Kernel> timestamp_to_timestamp(const LogicalType& from, const LogicalType& to,
                                               const EvalOptions& options) {
  const int32_t p = from.precision;
  const int32_t q = to.precision;
  if (from.kind == to.kind) {
    return value_kernel<int64_t, int64_t>(
        [p, q](int64_t value) { return with_precision(value, p, q); });
  }
  const bool to_local = to.kind == TypeKind::kTimestamp;
  return value_kernel<int64_t, int64_t>([p, q, to_local, zone = options.zone](int64_t v) mutable {
    const int64_t per_ms = units_of(p) / 1000;
    const int64_t ms = floor_div(v, per_ms);
    const int64_t moved = to_local ? local_of_utc_ms(zone, ms) : utc_of_local_ms(zone, ms);
    return with_precision(static_cast<int64_t>(static_cast<uint64_t>(v) +
                                               static_cast<uint64_t>((moved - ms) * per_ms)),
                          p, q);
  });
}

// To DATE or TIME.
std::unique_ptr<Kernel> timestamp_to_part(const LogicalType& from, const LogicalType& to,
                                          const EvalOptions& options) {
  const int64_t per_ms = from.units_per_second() / 1000;
  const bool is_instant = from.kind == TypeKind::kTimestampLtz;
  const bool to_date = to.kind == TypeKind::kDate;
  return value_kernel<int32_t, int64_t>(
      [per_ms, is_instant, to_date, zone = options.zone](int64_t value) mutable {
        int64_t ms = floor_div(value, per_ms);
        if (is_instant) { ms = local_of_utc_ms(zone, ms); }
        return static_cast<int32_t>(to_date ? floor_div(ms, kMsPerDay) : floor_mod(ms, kMsPerDay));
      });
}

// From DATE or TIME.
std::unique_ptr<Kernel> part_to_timestamp(const LogicalType& from, const LogicalType& to,
                                          bool is_try, const EvalOptions& options) {
  const bool from_date = from.kind == TypeKind::kDate;
  const bool is_instant = to.kind == TypeKind::kTimestampLtz;
  auto ms_of = [from_date, is_instant, zone = options.zone](int32_t value) mutable {
    const int64_t ms = from_date ? value * kMsPerDay : value;
    return is_instant ? utc_of_local_ms(zone, ms) : ms;
  };
  const int32_t precision = to.precision;
  if (may_leave_range(from, to)) {
    return cast_in_range<int32_t>(to, is_try, [ms_of, precision](int32_t value) mutable {
      return in_precision(ms_of(value), 3, precision);
    });
  }
  return value_kernel<int64_t, int32_t>([ms_of, precision](int32_t value) mutable {
    return with_precision(ms_of(value), 3, precision);
  });
}

}  // namespace

bool may_leave_range(const LogicalType& from, const LogicalType& to) {
  if (!to.is_timestamp() || !has_short_range(to.precision)) { return false; }
  if (from.is_timestamp()) { return from.kind != to.kind || !has_short_range(from.precision); }
  return from.kind == TypeKind::kDate;
}

std::unique_ptr<Kernel> make_time_cast(const LogicalType& from, const LogicalType& to, bool is_try,
                                       const EvalOptions& options) {
  if (from.is_timestamp() && to.is_timestamp()) {
    return may_leave_range(from, to) ? timestamp_in_range(from, to, is_try, options)
                                     : timestamp_to_timestamp(from, to, options);
  }
  if (from.is_timestamp()) { return timestamp_to_part(from, to, options); }
  if (to.is_timestamp()) { return part_to_timestamp(from, to, is_try, options); }
  // TIME of fewer digits.
  const int32_t step = to.precision >= 3   ? 1
                       : to.precision == 2 ? 10
                       : to.precision == 1 ? 100
                                           : 1000;
  return value_kernel<int32_t, int32_t>([step](int32_t ms) { return ms / step * step; });
}

}  // namespace tidewheel::sql
