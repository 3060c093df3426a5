// Decimal numbers of a fixed scale: money and the like, without rounding errors.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "tidewheel/types/hash.h"

namespace tidewheel {

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

namespace detail {
constexpr Int128 power_of_ten(int exponent) {
  Int128 power = 1;
  for (int i = 0; i < exponent; ++i) { power *= 10; }
  return power;
}
// "-12.050" for -12050 with scale 3.
std::string decimal_to_string(Int128 unscaled, int scale);
// The number times 10^scale, rounded half away from zero; nothing when it is no decimal number or
// its magnitude reaches 10^precision.
std::optional<Int128> parse_decimal(std::string_view text, int precision, int scale);
// unscaled * 10^(to - from), rounded half away from zero; nothing when beyond 10^precision.
std::optional<Int128> rescale_decimal(Int128 unscaled, int from, int to, int precision);
}  // namespace detail

// A number with at most kPrecision digits, kScale of them after the point. 8 bytes for up to 18
// digits, else 16. Arithmetic that leaves the range throws std::overflow_error.
template <int kPrecision, int kScale>
class Decimal {
  static_assert(kPrecision >= 1 && kPrecision <= 38, "a Decimal has 1 to 38 digits");
  static_assert(kScale >= 0 && kScale <= kPrecision, "a Decimal's scale is 0 to its precision");

 public:
  using Storage = std::conditional_t<kPrecision <= 18, int64_t, Int128>;
  static constexpr int precision = kPrecision;
  static constexpr int scale = kScale;
  static constexpr Int128 kLimit = detail::power_of_ten(kPrecision);

  constexpr Decimal() = default;
  // Whole numbers.
  constexpr explicit Decimal(int64_t whole)
      : Decimal(check(static_cast<Int128>(whole) * detail::power_of_ten(kScale))) {}
  static constexpr Decimal of_unscaled(Storage unscaled) { return Decimal(check(unscaled)); }
  static std::optional<Decimal> parse(std::string_view text) {
    const auto unscaled = detail::parse_decimal(text, kPrecision, kScale);
    if (!unscaled) { return std::nullopt; }
    return Decimal(Checked{*unscaled});
  }
  // From another scale or precision, rounded half away from zero.
  template <int kOtherPrecision, int kOtherScale>
  static std::optional<Decimal> from(const Decimal<kOtherPrecision, kOtherScale>& other) {
    const auto unscaled =
        detail::rescale_decimal(other.unscaled(), kOtherScale, kScale, kPrecision);
    if (!unscaled) { return std::nullopt; }
    return Decimal(Checked{*unscaled});
  }

  constexpr Storage unscaled() const { return unscaled_; }
  std::string to_string() const { return detail::decimal_to_string(unscaled_, kScale); }
  explicit operator double() const {
    return static_cast<double>(unscaled_) / static_cast<double>(detail::power_of_ten(kScale));
  }

  friend constexpr bool operator==(const Decimal&, const Decimal&) = default;
  friend constexpr std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) {
    return a.unscaled_ < b.unscaled_   ? std::strong_ordering::less
           : a.unscaled_ > b.unscaled_ ? std::strong_ordering::greater
                                       : std::strong_ordering::equal;
  }
  friend constexpr Decimal operator+(const Decimal& a, const Decimal& b) {
    return Decimal(check(static_cast<Int128>(a.unscaled_) + b.unscaled_));
  }
  friend constexpr Decimal operator-(const Decimal& a, const Decimal& b) {
    return Decimal(check(static_cast<Int128>(a.unscaled_) - b.unscaled_));
  }
  constexpr Decimal operator-() const { return Decimal(Checked{-static_cast<Int128>(unscaled_)}); }
  friend constexpr Decimal operator*(const Decimal& a, int64_t factor) {
    Int128 product = 0;
    if (__builtin_mul_overflow(static_cast<Int128>(a.unscaled_), static_cast<Int128>(factor),
                               &product)) {
      throw_overflow();
    }
    return Decimal(check(product));
  }
  constexpr Decimal& operator+=(const Decimal& other) { return *this = *this + other; }
  constexpr Decimal& operator-=(const Decimal& other) { return *this = *this - other; }

  uint64_t key_hash64() const {
    const auto wide = static_cast<UInt128>(static_cast<Int128>(unscaled_));
    return mix64(static_cast<uint64_t>(wide) ^ mix64(static_cast<uint64_t>(wide >> 64)));
  }
  uint32_t key_hash32() const { return fold32(key_hash64()); }

 private:
  struct Checked {
    Int128 unscaled;
  };
  constexpr explicit Decimal(Checked checked) : unscaled_(static_cast<Storage>(checked.unscaled)) {}
  [[noreturn]] static void throw_overflow() {
    throw std::overflow_error("the result has more digits than its DECIMAL(" +
                              std::to_string(kPrecision) + ", " + std::to_string(kScale) +
                              ") can hold");
  }
  static constexpr Checked check(Int128 unscaled) {
    if (unscaled >= kLimit || unscaled <= -kLimit) { throw_overflow(); }
    return {unscaled};
  }

  Storage unscaled_ = 0;
};

namespace kinds {
template <class T>
inline constexpr bool kDecimal = false;
template <int kPrecision, int kScale>
inline constexpr bool kDecimal<Decimal<kPrecision, kScale>> = true;
}  // namespace kinds

}  // namespace tidewheel
