#include "tidewheel/operators/join.h"

namespace tidewheel {

Result<IntervalBounds> make_interval(int64_t lower, int64_t upper, bool lower_exclusive,
                                     bool upper_exclusive) {
  const IntervalBounds bounds{saturating_add(lower, lower_exclusive ? 1 : 0),
                              saturating_subtract(upper, upper_exclusive ? 1 : 0)};
  if (bounds.lower > bounds.upper) {
    return invalid_argument(
        ErrorId::kWindowOption,
        "no time lies between the bounds of the interval join: the lower one must "
        "not be above the upper one, but they are {} ms{} and {} ms{}",
        lower, lower_exclusive ? " (excluded)" : "", upper, upper_exclusive ? " (excluded)" : "");
  }
  return bounds;
}

int64_t interval_bucket_ms(const IntervalBounds& bounds) {
  const int64_t length = saturating_subtract(bounds.upper, bounds.lower);
  // The longest that a row is kept for, in buckets of which there should be some dozens at most.
  const int64_t horizon =
      std::max({bounds.upper, saturating_subtract(0, bounds.lower), int64_t{0}});
  return std::max({length / 2, horizon / 32, int64_t{100}});
}

}  // namespace tidewheel
