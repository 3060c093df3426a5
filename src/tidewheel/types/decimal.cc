#include "tidewheel/types/decimal.h"

#include <algorithm>

namespace tidewheel::detail {

std::string decimal_to_string(Int128 unscaled, int scale) {
  const bool negative = unscaled < 0;
  UInt128 rest =
      negative ? UInt128{0} - static_cast<UInt128>(unscaled) : static_cast<UInt128>(unscaled);
  std::string digits;
  while (rest != 0 || static_cast<int>(digits.size()) <= scale) {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (scale > 0) { digits.insert(static_cast<size_t>(scale), 1, '.'); }
  if (negative) { digits += '-'; }
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::optional<Int128> parse_decimal(std::string_view text, int precision, int scale) {
  const Int128 limit = power_of_ten(precision);
  size_t at = 0;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) { ++at; }
  Int128 value = 0;
  int fraction_digits = -1;  // -1: no point yet
  bool any_digit = false;
  bool round_up = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && fraction_digits < 0) {
      fraction_digits = 0;
      continue;
    }
    if (c < '0' || c > '9') { return std::nullopt; }
    any_digit = true;
    if (fraction_digits >= scale) {
      if (fraction_digits == scale) { round_up = c >= '5'; }
      ++fraction_digits;
      continue;
    }
    value = value * 10 + (c - '0');
    if (value >= limit) { return std::nullopt; }
    if (fraction_digits >= 0) { ++fraction_digits; }
  }
  if (!any_digit) { return std::nullopt; }
  for (int i = std::max(fraction_digits, 0); i < scale; ++i) {
    value *= 10;
    if (value >= limit) { return std::nullopt; }
  }
  if (round_up) { ++value; }
  if (value >= limit) { return std::nullopt; }
  return negative ? -value : value;
}

std::optional<Int128> rescale_decimal(Int128 unscaled, int from, int to, int precision) {
  const Int128 limit = power_of_ten(precision);
  if (to >= from) {
    Int128 scaled = 0;
    if (__builtin_mul_overflow(unscaled, power_of_ten(to - from), &scaled)) { return std::nullopt; }
    unscaled = scaled;
  } else {
    const Int128 divisor = power_of_ten(from - to);
    const Int128 rest = unscaled % divisor;
    unscaled /= divisor;
    const Int128 magnitude = rest < 0 ? -rest : rest;
    if (magnitude >= divisor - magnitude) { unscaled += rest < 0 ? -1 : 1; }
  }
  if (unscaled >= limit || unscaled <= -limit) { return std::nullopt; }
  return unscaled;
}

}  // namespace tidewheel::detail
