// Casts between dates, times and timestamps.
#include "tidewheel/sql/cast_impl.h"
#include "tidewheel/sql/row_kernel_inl.h"
#include "tidewheel/sql/time_text.h"
#include "tidewheel/types/time.h"

namespace tidewheel::sql {
namespace {

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
                                          const EvalOptions& options) {
  const bool from_date = from.kind == TypeKind::kDate;
  const bool is_instant = to.kind == TypeKind::kTimestampLtz;
  const int32_t precision = to.precision;
  return value_kernel<int64_t, int32_t>(
      [from_date, is_instant, precision, zone = options.zone](int32_t value) mutable {
        int64_t ms = from_date ? value * kMsPerDay : value;
        if (is_instant) { ms = utc_of_local_ms(zone, ms); }
        return with_precision(ms, 3, precision);
      });
}

}  // namespace

std::unique_ptr<Kernel> make_time_cast(const LogicalType& from, const LogicalType& to,
                                       const EvalOptions& options) {
  if (from.is_timestamp()) {
    return to.is_timestamp() ? timestamp_to_timestamp(from, to, options)
                             : timestamp_to_part(from, to, options);
  }
  if (to.is_timestamp()) { return part_to_timestamp(from, to, options); }
  // TIME of fewer digits.
  const int32_t step = to.precision >= 3   ? 1
                       : to.precision == 2 ? 10
                       : to.precision == 1 ? 100
                                           : 1000;
  return value_kernel<int32_t, int32_t>([step](int32_t ms) { return ms / step * step; });
}

}  // namespace tidewheel::sql
