// + - * / % and their kin: of numbers, and of times and intervals. Integers wrap; DECIMAL that has
// too many digits is NULL; division of exact numbers by 0 is an error.
#include <algorithm>
#include <cmath>
#include <utility>

#include "tidewheel/sql/decimal_math.h"
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/time_arithmetic.h"
#include "tidewheel/sql/time_text.h"
#include "tidewheel/sql/typing.h"

namespace tidewheel::sql {
namespace {

using MadeKernel = Result<std::unique_ptr<Kernel>>;

enum class Arithmetic : uint8_t { kAdd, kSubtract, kMultiply, kDivide, kModulo };

const char* symbol_of(Arithmetic op) {
  switch (op) {
    case Arithmetic::kAdd: return "+";
    case Arithmetic::kSubtract: return "-";
    case Arithmetic::kMultiply: return "*";
    case Arithmetic::kDivide: return "/";
    case Arithmetic::kModulo: return "%";
  }
  return "";
}

// ---- Types

bool is_decimal_arithmetic(const LogicalType& a, const LogicalType& b) {
  return (a.kind == TypeKind::kDecimal || b.kind == TypeKind::kDecimal) && !a.is_approximate() &&
         !b.is_approximate();
}

LogicalType decimal_type(Arithmetic op, const LogicalType& a, const LogicalType& b) {
  switch (op) {
    case Arithmetic::kMultiply: return decimal_product_type(a, b);
    case Arithmetic::kDivide: return decimal_quotient_type(a, b);
    case Arithmetic::kModulo: return decimal_remainder_type(a, b);
    default: return decimal_sum_type(a, b);
  }
}

// Kernels for decimals take INT and BIGINT as they are.
LogicalType decimal_operand(const LogicalType& type) {
  if (type.kind == TypeKind::kTinyint || type.kind == TypeKind::kSmallint) {
    return LogicalType::of(TypeKind::kInt, type.nullable);
  }
  return type;
}

Signature number_signature(Arithmetic op, const LogicalType& a, const LogicalType& b) {
  Signature signature;
  if (is_decimal_arithmetic(a, b)) {
    signature.result = decimal_type(op, a, b);
    signature.arguments = {decimal_operand(a), decimal_operand(b)};
    return signature;
  }
  const std::vector<LogicalType> types{a, b};
  const LogicalType common = common_type(types).value();
  signature.arguments = {common.as_nullable(a.nullable), common.as_nullable(b.nullable)};
  signature.result = common.as_nullable(a.nullable || b.nullable);
  // The rest has the type of what was divided by.
  if (op == Arithmetic::kModulo && common.is_integer()) {
    signature.result = b.as_nullable(a.nullable || b.nullable);
  }
  return signature;
}

// ---- Numbers

template <Arithmetic kOp, class T>
T computed(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (kOp) {
      case Arithmetic::kAdd: return a + b;
      case Arithmetic::kSubtract: return a - b;
      case Arithmetic::kMultiply: return a * b;
      case Arithmetic::kDivide: return a / b;
      case Arithmetic::kModulo: return std::fmod(a, b);
    }
  } else {
    using U = std::make_unsigned_t<std::conditional_t<(sizeof(T) < 4), int32_t, T>>;
    const U x = static_cast<U>(a);
    const U y = static_cast<U>(b);
    switch (kOp) {
      case Arithmetic::kAdd: return static_cast<T>(x + y);
      case Arithmetic::kSubtract: return static_cast<T>(x - y);
      default: return static_cast<T>(x * y);
    }
  }
}

// Of the least integer by -1, which the processor can't: it wraps.
template <Arithmetic kOp, class T>
T divided(T a, T b) {
  if (b == T{-1}) {
    if (kOp == Arithmetic::kModulo) { return T{0}; }
    return static_cast<T>(0 - static_cast<uint64_t>(a));
  }
  return static_cast<T>(kOp == Arithmetic::kDivide ? a / b : a % b);
}

// By a constant that is neither 0 nor -1: a product with its inverse instead of a division, which
// costs many times as much (Granlund and Montgomery, "Division by invariant integers using
// multiplication", PLDI 1994).
class Divisor {
 public:
  explicit Divisor(int64_t divisor) : divisor_(divisor) {
    const uint64_t d =
        divisor < 0 ? 0 - static_cast<uint64_t>(divisor) : static_cast<uint64_t>(divisor);
    shift_ = 63 - __builtin_clzll(d);
    if ((d & (d - 1)) != 0) {
      // ceil(2^(64 + shift) / d), which has 65 bits: the highest one is left out.
      const UInt128 power = UInt128{1} << (64 + shift_);
      magic_ = static_cast<uint64_t>(power / d) + 1;
    } else {
      magic_ = 0;
    }
  }
  int64_t quotient(int64_t a) const {
    const uint64_t n = a < 0 ? 0 - static_cast<uint64_t>(a) : static_cast<uint64_t>(a);
    uint64_t q = n;
    if (magic_ == 0) {
      q >>= shift_;
    } else {
      // n < 2^63 + 1 and magic < 2^64: the quotient is exact for all n up to 2^63.
      q = static_cast<uint64_t>((UInt128{n} * magic_) >> 64) >> shift_;
    }
    const bool negative = (a < 0) != (divisor_ < 0);
    return static_cast<int64_t>(negative ? 0 - q : q);
  }
  int64_t rest(int64_t a) const {
    return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(quotient(a)) *
                                                               static_cast<uint64_t>(divisor_));
  }

 private:
  int64_t divisor_;
  int shift_;
  uint64_t magic_;
};

// R: the type of the second operand for %, else T.
template <Arithmetic kOp, class T, class R>
std::unique_ptr<Kernel> integer_division(const Datum* divisor) {
  const int64_t constant = divisor != nullptr && !divisor->is_null() ? divisor->integer() : 0;
  if (constant != 0 && constant != -1) {
    return value_kernel<R, T, T>([by = Divisor(constant)](T a, T) {
      return static_cast<R>(kOp == Arithmetic::kDivide ? by.quotient(a) : by.rest(a));
    });
  }
  return row_kernel([](Out<R>& out, T a, T b) {
    if (b == 0) [[unlikely]] { return out.fail("division of " + std::to_string(a) + " by zero"); }
    out.set(static_cast<R>(divided<kOp, T>(a, b)));
  });
}

template <class F>
std::unique_ptr<Kernel> with_integer(Physical physical, F f) {
  switch (physical) {
    case Physical::kInt8: return f.template operator()<int8_t>();
    case Physical::kInt16: return f.template operator()<int16_t>();
    case Physical::kInt32: return f.template operator()<int32_t>();
    default: return f.template operator()<int64_t>();
  }
}

template <Arithmetic kOp>
std::unique_ptr<Kernel> number_kernel(const KernelSetup& setup) {
  const Physical physical = setup.arguments[0].physical();
  constexpr bool kIsDivision = kOp == Arithmetic::kDivide || kOp == Arithmetic::kModulo;
  if (physical == Physical::kFloat) {
    return value_kernel<float, float, float>(
        [](float a, float b) { return computed<kOp, float>(a, b); });
  }
  if (physical == Physical::kDouble) {
    return value_kernel<double, double, double>(
        [](double a, double b) { return computed<kOp, double>(a, b); });
  }
  return with_integer(physical, [&]<class T>() -> std::unique_ptr<Kernel> {
    if constexpr (!kIsDivision) {
      return value_kernel<T, T, T>([](T a, T b) { return computed<kOp, T>(a, b); });
    } else if constexpr (kOp == Arithmetic::kDivide) {
      return integer_division<kOp, T, T>(setup.literals[1]);
    } else {
      return with_integer(setup.result.physical(), [&]<class R>() -> std::unique_ptr<Kernel> {
        if constexpr (sizeof(R) > sizeof(T)) {
          return nullptr;  // the common type is as wide as both
        } else {
          return integer_division<kOp, T, R>(setup.literals[1]);
        }
      });
    }
  });
}

// ---- Decimals

int32_t scale_of(const LogicalType& type) {
  return type.kind == TypeKind::kDecimal ? type.scale : 0;
}

// Without overflow: types have room for all results, or were cut to 38 digits.
bool has_room(Arithmetic op, const LogicalType& a, const LogicalType& b,
              const LogicalType& result) {
  const LogicalType x = as_decimal(a);
  const LogicalType y = as_decimal(b);
  if (op == Arithmetic::kMultiply) { return x.precision + y.precision <= LogicalType::kMaxDecimal; }
  const int32_t whole = std::max(x.precision - x.scale, y.precision - y.scale);
  return whole + result.scale + 1 <= LogicalType::kMaxDecimal &&
         result.scale == std::max(x.scale, y.scale);
}

template <class R, class A, class B>
std::unique_ptr<Kernel> exact_decimal(Arithmetic op, int32_t a_up, int32_t b_up) {
  // In unsigned numbers of the result's width: what is in NULL rows may overflow.
  using U = std::conditional_t<sizeof(R) == 16, UInt128, uint64_t>;
  if (op == Arithmetic::kMultiply) {
    return value_kernel<R, A, B>([](A a, B b) {
      return static_cast<R>(static_cast<U>(static_cast<R>(a)) * static_cast<U>(static_cast<R>(b)));
    });
  }
  const U x = static_cast<U>(detail::power_of_ten(a_up));
  U y = static_cast<U>(detail::power_of_ten(b_up));
  if (op == Arithmetic::kSubtract) { y = 0 - y; }
  return value_kernel<R, A, B>([x, y](A a, B b) {
    return static_cast<R>(static_cast<U>(static_cast<R>(a)) * x +
                          static_cast<U>(static_cast<R>(b)) * y);
  });
}

template <class R, class A, class B>
std::unique_ptr<Kernel> checked_decimal(Arithmetic op, const LogicalType& a, const LogicalType& b,
                                        const LogicalType& result) {
  const int32_t x = scale_of(a);
  const int32_t y = scale_of(b);
  const int32_t finer = std::max(x, y);
  const int32_t precision = result.precision;
  const int32_t scale = result.scale;
  return row_kernel([=](Out<R>& out, const A& p, const B& q) {
    std::optional<Int128> value;
    const bool divides = op == Arithmetic::kDivide || op == Arithmetic::kModulo;
    if (divides && q == 0) [[unlikely]] {
      return out.fail("division of " + detail::decimal_to_string(p, x) + " by zero");
    }
    switch (op) {
      case Arithmetic::kMultiply: value = decimal_product(p, q, x + y - scale, precision); break;
      case Arithmetic::kDivide: value = decimal_quotient(p, scale - x + y, q, precision); break;
      case Arithmetic::kModulo:
        value = decimal_remainder(p, finer - x, q, finer - y, precision);
        break;
      default: {
        const Int128 signed_q = op == Arithmetic::kSubtract ? -Int128{q} : Int128{q};
        value = decimal_sum(p, finer - x, signed_q, finer - y, finer - scale, precision);
      }
    }
    value ? out.set(static_cast<R>(*value)) : out.set_null();
  });
}

template <class F>
std::unique_ptr<Kernel> with_exact(Physical physical, F f) {
  switch (physical) {
    case Physical::kInt32: return f.template operator()<int32_t>();
    case Physical::kInt64: return f.template operator()<int64_t>();
    default: return f.template operator()<Int128>();
  }
}

std::unique_ptr<Kernel> decimal_kernel(Arithmetic op, const KernelSetup& setup) {
  const LogicalType& a = setup.arguments[0];
  const LogicalType& b = setup.arguments[1];
  const LogicalType& result = setup.result;
  const bool divides = op == Arithmetic::kDivide || op == Arithmetic::kModulo;
  const int32_t finer = std::max(scale_of(a), scale_of(b));
  return with_exact(a.physical(), [&]<class A>() {
    return with_exact(b.physical(), [&]<class B>() {
      const auto make = [&]<class R>() -> std::unique_ptr<Kernel> {
        if (!divides && has_room(op, a, b, result)) {
          return exact_decimal<R, A, B>(op, finer - scale_of(a), finer - scale_of(b));
        }
        return checked_decimal<R, A, B>(op, a, b, result);
      };
      return result.physical() == Physical::kInt64 ? make.template operator()<int64_t>()
                                                   : make.template operator()<Int128>();
    });
  });
}

// ---- One operand

// f<T>() for numbers, as they are.
template <class F>
std::unique_ptr<Kernel> with_number(Physical physical, F f) {
  switch (physical) {
    case Physical::kFloat: return f.template operator()<float>();
    case Physical::kDouble: return f.template operator()<double>();
    case Physical::kInt128: return f.template operator()<Int128>();
    default: return with_integer(physical, f);
  }
}

template <class T>
T negated(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return -value;
  } else {
    using U = std::conditional_t<sizeof(T) == 16, UInt128, uint64_t>;
    return static_cast<T>(U{0} - static_cast<U>(value));
  }
}

MadeKernel negation_kernel(const KernelSetup& setup) {
  return with_number(setup.result.physical(), []<class T>() {
    return value_kernel<T, T>([](T value) { return negated(value); });
  });
}

// ---- The operators

template <Arithmetic kOp>
Result<Signature> arithmetic_signature(std::span<const Argument> arguments) {
  if (kOp == Arithmetic::kSubtract && arguments.size() == 1 &&
      (arguments[0].type.is_numeric() || arguments[0].type.is_interval())) {
    return Signature{arguments[0].type, {arguments[0].type}};
  }
  if (arguments.size() != 2) { return not_these(); }
  LogicalType a = arguments[0].type;
  LogicalType b = arguments[1].type;
  // NULL is a value of the other's type.
  if (a.kind == TypeKind::kNull && b.is_numeric()) { a = b.as_nullable(); }
  if (b.kind == TypeKind::kNull && a.is_numeric()) { b = a.as_nullable(); }
  if (a.is_numeric() && b.is_numeric()) { return number_signature(kOp, a, b); }
  if (kOp == Arithmetic::kAdd) { return time_sum_signature(arguments); }
  if (kOp == Arithmetic::kSubtract) { return time_difference_signature(arguments); }
  if (kOp == Arithmetic::kMultiply || kOp == Arithmetic::kDivide) {
    return interval_scaling_signature(arguments, kOp == Arithmetic::kDivide);
  }
  return not_these();
}

template <Arithmetic kOp>
MadeKernel arithmetic_kernel(const KernelSetup& setup) {
  if (setup.arguments.size() == 1) { return negation_kernel(setup); }
  const LogicalType& a = setup.arguments[0];
  const LogicalType& b = setup.arguments[1];
  if (a.is_numeric() && b.is_numeric()) {
    if (is_decimal_arithmetic(a, b)) { return decimal_kernel(kOp, setup); }
    return number_kernel<kOp>(setup);
  }
  if (kOp == Arithmetic::kAdd || kOp == Arithmetic::kSubtract) {
    return time_sum_kernel(setup, kOp == Arithmetic::kSubtract);
  }
  return interval_scaling_kernel(setup, kOp == Arithmetic::kDivide);
}

template <Arithmetic kOp>
void define_arithmetic(FunctionTable& table, std::string usage) {
  const bool divides = kOp == Arithmetic::kDivide || kOp == Arithmetic::kModulo;
  table.define(symbol_of(kOp), divides ? kCareful : kStrict, std::move(usage),
               arithmetic_signature<kOp>, arithmetic_kernel<kOp>);
}

MadeKernel magnitude_kernel(const KernelSetup& setup) {
  return with_number(setup.result.physical(), []<class T>() {
    return value_kernel<T, T>([](T value) {
      if constexpr (std::is_floating_point_v<T>) { return std::fabs(value); }
      return value < 0 ? negated(value) : value;
    });
  });
}

MadeKernel sign_kernel(const KernelSetup& setup) {
  const Int128 one = setup.result.kind == TypeKind::kDecimal
                         ? detail::power_of_ten(setup.result.scale)
                         : Int128{1};
  return with_number(setup.result.physical(), [&]<class T>() {
    return value_kernel<T, T>([unit = static_cast<T>(one)](T value) {
      return value > 0 ? unit : value < 0 ? static_cast<T>(-unit) : value;
    });
  });
}

}  // namespace

void add_arithmetic(FunctionTable& table) {
  define_arithmetic<Arithmetic::kAdd>(
      table, "two numbers, a date or time and an interval, or two intervals of a kind");
  define_arithmetic<Arithmetic::kSubtract>(
      table,
      "two numbers, a date or time and an interval, two timestamps, or two intervals of a kind");
  define_arithmetic<Arithmetic::kMultiply>(table, "two numbers, or an interval and a number");
  define_arithmetic<Arithmetic::kDivide>(table, "two numbers, or an interval and a number");
  define_arithmetic<Arithmetic::kModulo>(table, "two numbers");
  table.alias("MOD", "%");
  table.define("ABS", kStrict, {"numeric -> $0"}, {magnitude_kernel});
  table.define("SIGN", kStrict, {"numeric -> $0"}, {sign_kernel});
}

}  // namespace tidewheel::sql
