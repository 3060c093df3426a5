// Casts between numbers and truth values.
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "tidewheel/sql/cast_impl.h"
#include "tidewheel/sql/row_kernel_inl.h"

namespace tidewheel::sql {
namespace {

// As Java converts: integers wrap; real numbers are cut off, and stop at the borders of INT (of
// BIGINT when they become one).
template <class R, class A>
R converted(A value) {
  if constexpr (std::is_same_v<R, uint8_t>) {
    return value != 0 ? 1 : 0;
  } else if constexpr (std::is_floating_point_v<A> && std::is_integral_v<R>) {
    using Wide = std::conditional_t<sizeof(R) == 8, int64_t, int32_t>;
    constexpr A kLimit = sizeof(R) == 8 ? A(0x1p63) : A(0x1p31);
    if (!(value < kLimit)) {
      return value != value ? R{0} : static_cast<R>(std::numeric_limits<Wide>::max());
    }
    if (value < -kLimit) { return static_cast<R>(std::numeric_limits<Wide>::min()); }
    return static_cast<R>(static_cast<Wide>(value));
  } else {
    return static_cast<R>(value);
  }
}

// f<T>() with the type in which plain numbers and truth values lie.
template <class F>
std::unique_ptr<Kernel> with_number(Physical physical, F f) {
  switch (physical) {
    case Physical::kBool: return f.template operator()<uint8_t>();
    case Physical::kInt8: return f.template operator()<int8_t>();
    case Physical::kInt16: return f.template operator()<int16_t>();
    case Physical::kInt32: return f.template operator()<int32_t>();
    case Physical::kInt64: return f.template operator()<int64_t>();
    case Physical::kFloat: return f.template operator()<float>();
    default: return f.template operator()<double>();
  }
}

template <class R, class A>
std::unique_ptr<Kernel> decimal_from_number(const LogicalType& to) {
  const int32_t precision = to.precision;
  const int32_t scale = to.scale;
  if constexpr (std::is_floating_point_v<A>) {
    return row_kernel([precision, scale](Out<R>& out, A value) {
      const auto unscaled = decimal_of_real(value, precision, scale);
      unscaled ? out.set(static_cast<R>(*unscaled)) : out.set_null();
    });
  } else {
    const Int128 factor = detail::power_of_ten(scale);
    const Int128 limit = detail::power_of_ten(precision - scale);
    constexpr int kDigits = std::is_same_v<A, uint8_t> ? 1 : std::numeric_limits<A>::digits10 + 1;
    if (precision - scale >= kDigits) {
      const R small = static_cast<R>(factor);
      if (scale == 0) {
        return value_kernel<R, A>([](A value) { return R{value}; });
      }
      return value_kernel<R, A>([small](A value) { return static_cast<R>(R{value} * small); });
    }
    return row_kernel([factor, limit](Out<R>& out, A value) {
      if (value >= limit || value <= -limit) { return out.set_null(); }
      out.set(static_cast<R>(value * factor));
    });
  }
}

template <class R, class A>
std::unique_ptr<Kernel> decimal_from_decimal(const LogicalType& from, const LogicalType& to) {
  const int32_t more = to.scale - from.scale;
  if (more >= 0 && to.precision - to.scale >= from.precision - from.scale) {
    const R factor = static_cast<R>(detail::power_of_ten(more));
    if (more == 0) {
      return value_kernel<R, A>([](A value) { return static_cast<R>(value); });
    }
    return value_kernel<R, A>([factor](A value) {
      // The result fits; bytes of NULL rows may not.
      return static_cast<R>(static_cast<UInt128>(value) * static_cast<UInt128>(factor));
    });
  }
  return row_kernel(
      [from = from.scale, to = to.scale, precision = to.precision](Out<R>& out, const A& value) {
        const auto unscaled = detail::rescale_decimal(value, from, to, precision);
        unscaled ? out.set(static_cast<R>(*unscaled)) : out.set_null();
      });
}

template <class A>
std::unique_ptr<Kernel> number_from_decimal(const LogicalType& from, const LogicalType& to) {
  return with_number(to.physical(), [&]<class R>() -> std::unique_ptr<Kernel> {
    const int32_t scale = from.scale;
    if constexpr (std::is_floating_point_v<R>) {
      return row_kernel([scale](Out<R>& out, const A& value) {
        out.set(static_cast<R>(real_of_decimal(value, scale)));
      });
    } else {
      const A factor = static_cast<A>(detail::power_of_ten(scale));
      return value_kernel<R, A>([factor](A value) {
        return std::is_same_v<R, uint8_t> ? static_cast<R>(value != 0)
                                          : static_cast<R>(value / factor);
      });
    }
  });
}

}  // namespace

double real_of_decimal(Int128 unscaled, int32_t scale) {
  constexpr Int128 kExact = Int128{1} << 53;
  if (unscaled < kExact && unscaled > -kExact && scale <= 22) {
    // Both are exact, so the quotient is rounded once.
    static constexpr auto kPowers = [] {
      std::array<double, 23> powers{};
      double power = 1;
      for (double& one : powers) {
        one = power;
        power *= 10;
      }
      return powers;
    }();
    return static_cast<double>(unscaled) / kPowers[static_cast<size_t>(scale)];
  }
  const std::string text = detail::decimal_to_string(unscaled, scale);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

NumberText parse_decimal_text(std::string_view text, int32_t precision, int32_t scale,
                              Int128& unscaled) {
  std::string_view mantissa = text;
  int exponent = 0;
  const size_t e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    mantissa = text.substr(0, e);
    std::string_view power = text.substr(e + 1);
    if (power.starts_with('+')) { power.remove_prefix(1); }
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (error != std::errc() || end != power.data() + power.size() || power.empty()) {
      return NumberText::kBad;
    }
  }
  std::string digits;
  int before_point = -1;
  const bool negative = mantissa.starts_with('-');
  for (const char c : mantissa.substr(negative || mantissa.starts_with('+') ? 1 : 0)) {
    if (c == '.' && before_point < 0) {
      before_point = static_cast<int>(digits.size());
    } else if (c >= '0' && c <= '9') {
      digits += c;
    } else {
      return NumberText::kBad;
    }
  }
  if (digits.empty()) { return NumberText::kBad; }
  if (before_point < 0) { before_point = static_cast<int>(digits.size()); }
  // The point moves by the exponent.
  constexpr int64_t kFar = 400;
  const int64_t point = std::clamp<int64_t>(int64_t{before_point} + exponent, -kFar,
                                            static_cast<int64_t>(digits.size()) + kFar);
  if (point <= 0) {
    digits.insert(0, static_cast<size_t>(-point), '0');
    digits.insert(0, "0.");
  } else if (point >= static_cast<int64_t>(digits.size())) {
    digits.append(static_cast<size_t>(point) - digits.size(), '0');
  } else {
    digits.insert(static_cast<size_t>(point), ".");
  }
  const auto value = detail::parse_decimal(digits, precision, scale);
  if (!value) { return NumberText::kTooLarge; }
  unscaled = negative ? -*value : *value;
  return NumberText::kGood;
}

namespace {

template <class T>
std::optional<Int128> decimal_of(T value, int32_t precision, int32_t scale) {
  if (!std::isfinite(value)) { return std::nullopt; }
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific)
                       .ptr;
  Int128 unscaled = 0;
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  if (parse_decimal_text(text, precision, scale, unscaled) != NumberText::kGood) {
    return std::nullopt;
  }
  return unscaled;
}

}  // namespace

std::optional<Int128> decimal_of_real(double value, int32_t precision, int32_t scale) {
  return decimal_of(value, precision, scale);
}
std::optional<Int128> decimal_of_real(float value, int32_t precision, int32_t scale) {
  return decimal_of(value, precision, scale);
}

std::unique_ptr<Kernel> make_number_cast(const LogicalType& from, const LogicalType& to) {
  const bool from_long = from.physical() == Physical::kInt128;
  const bool to_long = to.physical() == Physical::kInt128;
  if (from.kind == TypeKind::kDecimal && to.kind == TypeKind::kDecimal) {
    if (from_long) {
      return to_long ? decimal_from_decimal<Int128, Int128>(from, to)
                     : decimal_from_decimal<int64_t, Int128>(from, to);
    }
    return to_long ? decimal_from_decimal<Int128, int64_t>(from, to)
                   : decimal_from_decimal<int64_t, int64_t>(from, to);
  }
  if (from.kind == TypeKind::kDecimal) {
    return from_long ? number_from_decimal<Int128>(from, to)
                     : number_from_decimal<int64_t>(from, to);
  }
  return with_number(from.physical(), [&]<class A>() -> std::unique_ptr<Kernel> {
    if (to.kind == TypeKind::kDecimal) {
      return to_long ? decimal_from_number<Int128, A>(to) : decimal_from_number<int64_t, A>(to);
    }
    return with_number(to.physical(), []<class R>() -> std::unique_ptr<Kernel> {
      return value_kernel<R, A>([](A value) { return converted<R>(value); });
    });
  });
}

}  // namespace tidewheel::sql
