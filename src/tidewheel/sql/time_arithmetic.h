// Sums of times and intervals, for + and -.
#pragma once
#include <memory>
#include <span>

#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/kernel.h"

namespace tidewheel::sql {

// DATE, TIME, TIMESTAMP or TIMESTAMP_LTZ and an interval, in either order; two intervals.
Result<Signature> time_sum_signature(std::span<const Argument> arguments);
// The same with the interval behind; two timestamps give INTERVAL DAY TO SECOND.
Result<Signature> time_difference_signature(std::span<const Argument> arguments);
Result<std::unique_ptr<Kernel>> time_sum_kernel(const KernelSetup& setup, bool subtract);
// An interval times or by a number.
Result<Signature> interval_scaling_signature(std::span<const Argument> arguments, bool divide);
Result<std::unique_ptr<Kernel>> interval_scaling_kernel(const KernelSetup& setup, bool divide);

// Days with `months` added; a day that the month lacks becomes its last one.
int32_t add_months(int32_t days, int64_t months);
int64_t add_months_to_ms(int64_t ms, int64_t months);

}  // namespace tidewheel::sql
