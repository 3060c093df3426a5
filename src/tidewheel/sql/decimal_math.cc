#include "tidewheel/sql/decimal_math.h"

#include <utility>

namespace tidewheel::sql {
namespace {

constexpr int32_t kScaleMax = 38;

// 256 bits without a sign.
struct Wide {
  UInt128 high = 0;
  UInt128 low = 0;
};

Wide product_of(UInt128 a, UInt128 b) {
  const UInt128 mask = ~uint64_t{0};
  const UInt128 a0 = a & mask;
  const UInt128 a1 = a >> 64;
  const UInt128 b0 = b & mask;
  const UInt128 b1 = b >> 64;
  const UInt128 low = a0 * b0;
  const UInt128 middle = a1 * b0 + (low >> 64);  // can't overflow
  const UInt128 cross = a0 * b1 + (middle & mask);
  return {a1 * b1 + (middle >> 64) + (cross >> 64), (cross << 64) | (low & mask)};
}

Wide sum_of(Wide a, Wide b) {
  Wide sum{a.high + b.high, a.low + b.low};
  if (sum.low < a.low) { ++sum.high; }
  return sum;
}
Wide difference_of(Wide a, Wide b) {
  Wide difference{a.high - b.high, a.low - b.low};
  if (a.low < b.low) { --difference.high; }
  return difference;
}
bool less(Wide a, Wide b) { return a.high != b.high ? a.high < b.high : a.low < b.low; }

// Bit by bit: only numbers beyond 128 bits get here. {quotient, rest}
std::pair<Wide, UInt128> divided(Wide a, UInt128 b) {
  if (a.high == 0) { return {Wide{0, a.low / b}, a.low % b}; }
  Wide quotient;
  UInt128 rest = 0;
  for (int bit = 255; bit >= 0; --bit) {
    const bool carry = (rest >> 127) != 0;
    const UInt128 next = bit >= 128 ? (a.high >> (bit - 128)) & 1 : (a.low >> bit) & 1;
    rest = (rest << 1) | next;
    if (carry || rest >= b) {
      rest -= b;
      if (bit >= 128) {
        quotient.high |= UInt128{1} << (bit - 128);
      } else {
        quotient.low |= UInt128{1} << bit;
      }
    }
  }
  return {quotient, rest};
}

UInt128 magnitude(Int128 value) {
  return value < 0 ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
}
UInt128 power(int32_t exponent) { return static_cast<UInt128>(detail::power_of_ten(exponent)); }

std::optional<Int128> checked(Wide value, bool negative, int32_t precision) {
  if (value.high != 0 || value.low >= power(precision)) { return std::nullopt; }
  const auto result = static_cast<Int128>(value.low);
  return negative ? -result : result;
}

std::optional<Int128> rounded_quotient(Wide a, UInt128 b, bool negative, int32_t precision) {
  auto [quotient, rest] = divided(a, b);
  if (rest >= b - rest) { quotient = sum_of(quotient, {0, 1}); }
  return checked(quotient, negative, precision);
}

}  // namespace

std::optional<Int128> decimal_sum(Int128 a, int32_t a_up, Int128 b, int32_t b_up, int32_t down,
                                  int32_t precision) {
  const Wide x = product_of(magnitude(a), power(a_up));
  const Wide y = product_of(magnitude(b), power(b_up));
  bool negative = a < 0;
  Wide sum;
  if ((a < 0) == (b < 0)) {
    sum = sum_of(x, y);
  } else if (less(x, y)) {
    sum = difference_of(y, x);
    negative = b < 0;
  } else {
    sum = difference_of(x, y);
  }
  return rounded_quotient(sum, power(down), negative, precision);
}

std::optional<Int128> decimal_product(Int128 a, Int128 b, int32_t down, int32_t precision) {
  return rounded_quotient(product_of(magnitude(a), magnitude(b)), power(down), (a < 0) != (b < 0),
                          precision);
}

std::optional<Int128> decimal_quotient(Int128 a, int32_t up, Int128 b, int32_t precision) {
  const bool negative = (a < 0) != (b < 0);
  if (up <= kScaleMax) {
    if (up >= 0) {
      return rounded_quotient(product_of(magnitude(a), power(up)), magnitude(b), negative,
                              precision);
    }
    const Wide divisor = product_of(magnitude(b), power(-up));
    if (divisor.high != 0) { return Int128{0}; }
    return rounded_quotient({0, magnitude(a)}, divisor.low, negative, precision);
  }
  // More digits than one power of ten has: in two steps, the first one exact.
  const Wide first = product_of(magnitude(a), power(kScaleMax));
  const UInt128 factor = power(up - kScaleMax);
  const Wide low = product_of(first.low, factor);
  const Wide high = product_of(first.high, factor);
  if (high.high != 0) { return std::nullopt; }
  return rounded_quotient(sum_of(low, {high.low, 0}), magnitude(b), negative, precision);
}

std::optional<Int128> decimal_remainder(Int128 a, int32_t a_up, Int128 b, int32_t b_up,
                                        int32_t precision) {
  const Wide x = product_of(magnitude(a), power(a_up));
  const Wide y = product_of(magnitude(b), power(b_up));
  if (y.high != 0) { return checked(x, a < 0, precision); }  // beyond all a
  return checked({0, divided(x, y.low).second}, a < 0, precision);
}

}  // namespace tidewheel::sql
