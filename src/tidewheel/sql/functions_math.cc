// Mathematics: functions of real numbers, and rounding of numbers of all types.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/cast_impl.h"
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/typing.h"

namespace tidewheel::sql {
namespace {

using MadeKernel = Result<std::unique_ptr<Kernel>>;

// ---- Real numbers

template <class F>
void define_real(FunctionTable& table, const char* name, F f) {
  // Numbers may be slow to compute, and a FLOAT or INT column is cast before: no other care.
  table.define(name, kStrict, {"double -> double"}, {by_value<double, double>(f)});
}

void add_reals(FunctionTable& table) {
  define_real(table, "SQRT", [](double x) { return std::sqrt(x); });
  define_real(table, "LN", [](double x) { return std::log(x); });
  define_real(table, "LOG10", [](double x) { return std::log10(x); });
  define_real(table, "LOG2", [](double x) { return std::log(x) / std::log(2.0); });
  define_real(table, "EXP", [](double x) { return std::exp(x); });
  define_real(table, "SIN", [](double x) { return std::sin(x); });
  define_real(table, "SINH", [](double x) { return std::sinh(x); });
  define_real(table, "COS", [](double x) { return std::cos(x); });
  define_real(table, "COSH", [](double x) { return std::cosh(x); });
  define_real(table, "TAN", [](double x) { return std::tan(x); });
  define_real(table, "TANH", [](double x) { return std::tanh(x); });
  define_real(table, "COT", [](double x) { return 1.0 / std::tan(x); });
  define_real(table, "ASIN", [](double x) { return std::asin(x); });
  define_real(table, "ACOS", [](double x) { return std::acos(x); });
  define_real(table, "ATAN", [](double x) { return std::atan(x); });
  define_real(table, "DEGREES", [](double x) { return x * (180.0 / std::numbers::pi); });
  define_real(table, "RADIANS", [](double x) { return x * (std::numbers::pi / 180.0); });
  table.define(
      "ATAN2", kStrict, {"double, double -> double"},
      {by_value<double, double, double>([](double y, double x) { return std::atan2(y, x); })});
  table.define("POWER", kStrict, {"double, double -> double"},
               {by_value<double, double, double>(
                   [](double base, double exponent) { return std::pow(base, exponent); })});
  table.define("LOG", kStrict, {"double -> double", "double, double -> double"},
               {by_value<double, double>([](double x) { return std::log(x); }),
                by_value<double, double, double>(
                    [](double base, double x) { return std::log(x) / std::log(base); })});
  table.define("PI", kStrict, {"-> double!"},
               {by_row([](Out<double>& out) { out.set(std::numbers::pi); })});
  table.define("E", kStrict, {"-> double!"},
               {by_row([](Out<double>& out) { out.set(std::numbers::e); })});
}

// ---- Rounding

enum class Rounding : uint8_t { kHalfUp, kDown, kFloor, kCeil };

// value / 10^digits, rounded to a whole number.
Int128 divided(Int128 value, int32_t digits, Rounding rounding) {
  if (digits <= 0) { return value; }
  if (digits > LogicalType::kMaxDecimal) {
    return rounding == Rounding::kFloor && value < 0  ? -1
           : rounding == Rounding::kCeil && value > 0 ? 1
                                                      : 0;
  }
  const Int128 divisor = detail::power_of_ten(digits);
  const Int128 quotient = value / divisor;
  const Int128 rest = value % divisor;
  switch (rounding) {
    case Rounding::kDown: return quotient;
    case Rounding::kFloor: return quotient - (rest < 0 ? 1 : 0);
    case Rounding::kCeil: return quotient + (rest > 0 ? 1 : 0);
    case Rounding::kHalfUp: break;
  }
  const Int128 magnitude = rest < 0 ? -rest : rest;
  return quotient + (magnitude >= divisor - magnitude ? (rest < 0 ? -1 : 1) : 0);
}

// The value rounded to `places` behind the point (before it, when below 0), in scale `to`.
Int128 rounded(Int128 value, int32_t scale, int32_t places, int32_t to, Rounding rounding) {
  const int32_t kept = std::min(places, scale);
  if (kept < -LogicalType::kMaxDecimal) { return 0; }
  const Int128 whole = divided(value, scale - kept, rounding);
  const int32_t up = to - kept;
  if (up >= 0) { return whole * detail::power_of_ten(std::min(up, LogicalType::kMaxDecimal)); }
  return divided(whole, -up, Rounding::kDown);
}

template <class T>
T rounded_real(T value, int32_t places, Rounding rounding) {
  if (!std::isfinite(value) || places > 30) { return value; }
  // By its decimal digits, as BigDecimal.valueOf has them: 2.675 is rounded up.
  constexpr int32_t kScale = 18;
  if (std::fabs(value) < T(1e19) && places <= kScale) {
    const auto exact = decimal_of_real(value, 38, kScale);
    if (exact) {
      return static_cast<T>(
          real_of_decimal(rounded(*exact, kScale, places, kScale, rounding), kScale));
    }
  }
  if (places >= 0) { return value; }  // all digits are before the point
  const T power = std::pow(T(10), static_cast<T>(-places));
  const T quotient = value / power;
  return (rounding == Rounding::kHalfUp ? std::round(quotient) : std::trunc(quotient)) * power;
}

// f<T>() for the C++ type of a number.
template <class F>
std::unique_ptr<Kernel> with_number(Physical physical, F f) {
  switch (physical) {
    case Physical::kInt8: return f.template operator()<int8_t>();
    case Physical::kInt16: return f.template operator()<int16_t>();
    case Physical::kInt32: return f.template operator()<int32_t>();
    case Physical::kInt64: return f.template operator()<int64_t>();
    case Physical::kInt128: return f.template operator()<Int128>();
    case Physical::kFloat: return f.template operator()<float>();
    default: return f.template operator()<double>();
  }
}

template <Rounding kRounding>
MadeKernel rounding_kernel(const KernelSetup& setup) {
  const LogicalType& from = setup.arguments[0];
  const int32_t scale = from.kind == TypeKind::kDecimal ? from.scale : 0;
  const int32_t to = from.kind == TypeKind::kDecimal ? setup.result.scale : 0;
  const bool has_places = setup.arguments.size() == 2;
  return with_number(from.physical(), [&]<class T>() -> std::unique_ptr<Kernel> {
    const auto round = [scale, to](T value, int32_t places) {
      if constexpr (std::is_floating_point_v<T>) {
        return rounded_real(value, places, kRounding);
      } else {
        return rounded(value, scale, places, to, kRounding);
      }
    };
    using Wide = decltype(round(T{}, 0));
    const auto make = [&]<class R>() -> std::unique_ptr<Kernel> {
      if (has_places) {
        return row_kernel([round](Out<R>& out, const T& value, int32_t places) {
          out.set(static_cast<R>(round(value, places)));
        });
      }
      return row_kernel(
          [round](Out<R>& out, const T& value) { out.set(static_cast<R>(round(value, 0))); });
    };
    if constexpr (std::is_same_v<Wide, Int128>) {
      if (setup.result.physical() == Physical::kInt128) {
        return make.template operator()<Int128>();
      }
      if constexpr (sizeof(T) == 16) { return make.template operator()<int64_t>(); }
    }
    return make.template operator()<T>();
  });
}

// The scale becomes the number of places when that is known.
Result<Signature> rounding_signature(std::span<const Argument> arguments) {
  if (arguments.empty() || arguments.size() > 2 || !arguments[0].type.is_numeric()) {
    return not_these();
  }
  const LogicalType& type = arguments[0].type;
  Signature signature{type.as_nullable(any_nullable(arguments)), {type}};
  if (arguments.size() == 2) {
    const LogicalType& places = arguments[1].type;
    if (!places.is_integer() || places.kind == TypeKind::kBigint) { return not_these(); }
    signature.arguments.push_back(LogicalType::of(TypeKind::kInt, places.nullable));
  }
  if (type.kind != TypeKind::kDecimal) { return signature; }
  const Datum* const literal = arguments.size() == 2 ? arguments[1].literal : nullptr;
  if (arguments.size() == 2 && (literal == nullptr || literal->is_null())) { return signature; }
  const auto places = literal == nullptr
                          ? 0
                          : static_cast<int32_t>(std::clamp<int64_t>(literal->integer(), -38, 38));
  if (places >= type.scale) { return signature; }
  const int32_t scale = std::max(places, 0);
  const int32_t precision =
      std::clamp(type.precision - type.scale + 1 + scale, 1, LogicalType::kMaxDecimal);
  signature.result = LogicalType::decimal(precision, scale, signature.result.nullable);
  return signature;
}

}  // namespace

Result<Signature> whole_number_signature(const LogicalType& type) {
  if (!type.is_numeric()) { return not_these(); }
  if (type.kind != TypeKind::kDecimal) { return Signature{type, {type}}; }
  const int32_t precision =
      std::min(type.precision - type.scale + (type.scale > 0 ? 1 : 0), LogicalType::kMaxDecimal);
  return Signature{LogicalType::decimal(std::max(precision, 1), 0, type.nullable), {type}};
}

Result<std::unique_ptr<Kernel>> whole_number_kernel(const KernelSetup& setup, bool up) {
  const LogicalType& type = setup.arguments[0];
  if (type.kind == TypeKind::kDouble) {
    return value_kernel<double, double>(
        [up](double value) { return up ? std::ceil(value) : std::floor(value); });
  }
  if (type.kind == TypeKind::kFloat) {
    return value_kernel<float, float>(
        [up](float value) { return up ? std::ceil(value) : std::floor(value); });
  }
  return up ? rounding_kernel<Rounding::kCeil>(setup) : rounding_kernel<Rounding::kFloor>(setup);
}

namespace {

// ---- Random numbers

// With a seed they are the same in every run, as in Java: its linear congruential generator.
class JavaRandom {
 public:
  explicit JavaRandom(int64_t seed) : state_((static_cast<uint64_t>(seed) ^ kMultiplier) & kMask) {}
  double next_double() {
    const uint64_t high = next(26);
    return static_cast<double>((high << 27) + next(27)) * 0x1.0p-53;
  }
  int32_t next_below(int32_t bound) {
    if ((bound & (bound - 1)) == 0) {
      return static_cast<int32_t>((static_cast<uint64_t>(bound) * next(31)) >> 31);
    }
    while (true) {
      const auto bits = static_cast<int64_t>(next(31));
      const int64_t value = bits % bound;
      if (bits - value + (bound - 1) <= INT32_MAX) { return static_cast<int32_t>(value); }
    }
  }

 private:
  static constexpr uint64_t kMultiplier = 0x5deece66dULL;
  static constexpr uint64_t kMask = (uint64_t{1} << 48) - 1;
  uint64_t next(int bits) {
    state_ = (state_ * kMultiplier + 0xb) & kMask;
    return state_ >> (48 - bits);
  }
  uint64_t state_;
};

JavaRandom random_for(const KernelSetup& setup, bool has_seed) {
  const Datum* const seed = has_seed ? setup.literals[0] : nullptr;
  if (seed != nullptr && !seed->is_null()) { return JavaRandom(seed->integer()); }
  return JavaRandom(static_cast<int64_t>(Random(setup.options.random_seed).next()));
}

void add_random(FunctionTable& table) {
  table.define(
      "RAND", kVolatile, {"-> double!", "int -> double"},
      {[](const KernelSetup& setup) -> MadeKernel {
         return row_kernel([random = random_for(setup, false)](Out<double>& out) mutable {
           out.set(random.next_double());
         });
       },
       [](const KernelSetup& setup) -> MadeKernel {
         return row_kernel([random = random_for(setup, true)](Out<double>& out, int32_t) mutable {
           out.set(random.next_double());
         });
       }});
  const auto below = [](auto& random, Out<int32_t>& out, int32_t bound) {
    if (bound <= 0) { return out.fail("RAND_INTEGER below " + std::to_string(bound)); }
    out.set(random.next_below(bound));
  };
  table.define("RAND_INTEGER", kVolatile, {"int -> int", "int, int -> int"},
               {[below](const KernelSetup& setup) -> MadeKernel {
                  return row_kernel(
                      [below, random = random_for(setup, false)](
                          Out<int32_t>& out, int32_t bound) mutable { below(random, out, bound); });
                },
                [below](const KernelSetup& setup) -> MadeKernel {
                  return row_kernel([below, random = random_for(setup, true)](
                                        Out<int32_t>& out, int32_t, int32_t bound) mutable {
                    below(random, out, bound);
                  });
                }});
  table.define(
      "UUID", kVolatile, {"-> string!"}, {[](const KernelSetup& setup) -> MadeKernel {
        return row_kernel([random = Random(setup.options.random_seed)](Out<Text>& out) mutable {
          constexpr std::string_view kDigits = "0123456789abcdef";
          char* const text = out.arena().allocate(36);
          const uint64_t words[] = {random.next(), random.next()};
          int digit = 0;
          for (int i = 0; i < 36; ++i) {
            if (i == 8 || i == 13 || i == 18 || i == 23) {
              text[i] = '-';
              continue;
            }
            text[i] = kDigits[words[digit / 16] >> (digit % 16 * 4) & 15];
            ++digit;
          }
          text[14] = '4';  // random
          text[19] = kDigits[8 | (words[1] & 3)];
          out.set(Text(text, 36));
        });
      }});
}

}  // namespace

void add_mathematics(FunctionTable& table) {
  add_reals(table);
  table.define("ROUND", kCareful, "ROUND(number [, places as an INT])", rounding_signature,
               rounding_kernel<Rounding::kHalfUp>);
  table.define("TRUNCATE", kCareful, "TRUNCATE(number [, places as an INT])", rounding_signature,
               rounding_kernel<Rounding::kDown>);
  add_random(table);
}

}  // namespace tidewheel::sql
