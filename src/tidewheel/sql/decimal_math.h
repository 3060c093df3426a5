// Arithmetic of decimals whose intermediate results need more than 128 bits.
#pragma once
#include <cstdint>
#include <optional>

#include "tidewheel/types/decimal.h"

namespace tidewheel::sql {

// All give nothing when the magnitude reaches 10^precision; they round half away from zero.

// (a * 10^a_up + b * 10^b_up) / 10^down
std::optional<Int128> decimal_sum(Int128 a, int32_t a_up, Int128 b, int32_t b_up, int32_t down,
                                  int32_t precision);
// a * b / 10^down
std::optional<Int128> decimal_product(Int128 a, Int128 b, int32_t down, int32_t precision);
// a * 10^up / b; `up` may be below 0, b is not 0.
std::optional<Int128> decimal_quotient(Int128 a, int32_t up, Int128 b, int32_t precision);
// The rest of (a * 10^a_up) / (b * 10^b_up), with the sign of a, in the finer one's scale.
std::optional<Int128> decimal_remainder(Int128 a, int32_t a_up, Int128 b, int32_t b_up,
                                        int32_t precision);

}  // namespace tidewheel::sql
