// Comparisons. Numbers are compared as their common type; NaN equals itself and is greater than all
// else, in comparisons as in ORDER BY, so that joins, groups and filters agree. Strings are
// compared by their bytes, which is the order of code points.
#include <algorithm>
#include <utility>

#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/text_needle.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/sql/value_compare.h"
#include "tidewheel/sql/vector_ops.h"

namespace tidewheel::sql {
namespace {

enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

template <Comparison kOp, class T>
uint8_t compared(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool a_nan = a != a;
    const bool b_nan = b != b;
    switch (kOp) {
      case Comparison::kEqual: return (a == b) | (a_nan & b_nan);
      case Comparison::kNotEqual: return !((a == b) | (a_nan & b_nan));
      case Comparison::kLess: return (a < b) | (b_nan & !a_nan);
      case Comparison::kLessEqual: return (a <= b) | b_nan;
      case Comparison::kGreater: return (a > b) | (a_nan & !b_nan);
      case Comparison::kGreaterEqual: return (a >= b) | a_nan;
    }
  }
  switch (kOp) {
    case Comparison::kEqual: return a == b;
    case Comparison::kNotEqual: return !(a == b);
    case Comparison::kLess: return a < b;
    case Comparison::kLessEqual: return a <= b;
    case Comparison::kGreater: return a > b;
    case Comparison::kGreaterEqual: return a >= b;
  }
  return 0;
}

// Of arrays, rows, maps and multisets: = and <> only.
class NestedEqual final : public Kernel {
 public:
  NestedEqual(LogicalType type, bool equal) : type_(std::move(type)), equal_(equal) {}
  Status run(const KernelCall& call) override {
    auto* const out = call.result->values<uint8_t>();
    const ColumnView& a = call.arguments[0];
    const ColumnView& b = call.arguments[1];
    for (uint32_t row = 0; row < call.rows; ++row) {
      const bool both = !a.is_null(row) && !b.is_null(row);
      out[row] = both && values_equal(type_, a, row, b, row) == equal_ ? 1 : 0;
    }
    return {};
  }

 private:
  LogicalType type_;
  bool equal_;
};

// Of strings: = and <>, one of which is mostly a constant.
class TextEqual final : public Kernel {
 public:
  explicit TextEqual(bool equal) : equal_(equal) {}
  Status run(const KernelCall& call) override {
    uint8_t* const __restrict out = call.result->values<uint8_t>();
    const uint32_t rows = call.rows;
    const bool equal = equal_;
    const size_t constant = call.arguments[1].is_constant ? 1 : 0;
    const Text* const values = call.arguments[1 - constant].as<Text>();
    if (call.arguments[constant].is_constant) {
      const TextNeedle needle(call.arguments[constant].as<Text>()[0]);
      for (uint32_t i = 0; i < rows; ++i) { out[i] = needle.equals(values[i]) == equal; }
      return {};
    }
    const Text* const others = call.arguments[constant].as<Text>();
    for (uint32_t i = 0; i < rows; ++i) { out[i] = (values[i] == others[i]) == equal; }
    return {};
  }

 private:
  const bool equal_;
};

template <Comparison kOp>
std::unique_ptr<Kernel> comparison_kernel(const LogicalType& type) {
  const Physical physical = type.physical();
  if (physical == Physical::kList || physical == Physical::kStruct) {
    return std::make_unique<NestedEqual>(type, kOp == Comparison::kEqual);
  }
  constexpr bool kIsEquality = kOp == Comparison::kEqual || kOp == Comparison::kNotEqual;
  if (physical == Physical::kText && kIsEquality) {
    return std::make_unique<TextEqual>(kOp == Comparison::kEqual);
  }
  return with_physical(physical, []<class T>() -> std::unique_ptr<Kernel> {
    return value_kernel<uint8_t, T, T>(
        [](const T& a, const T& b) { return compared<kOp, T>(a, b); });
  });
}

bool has_order(const LogicalType& type) { return type.children.empty(); }

SignatureRule comparison_rule(std::string name, bool needs_order, bool is_strict) {
  return [name, needs_order, is_strict](std::span<const Argument> arguments) -> Result<Signature> {
    if (arguments.size() != 2) { return not_these(); }
    // What both are cast to.
    const std::vector<LogicalType> types{arguments[0].type, arguments[1].type};
    auto type = common_type(types);
    if (!type.ok()) {
      return invalid_argument(ErrorId::kSqlType, "{} can't be compared with {} by {}: CAST one",
                              arguments[0].type.as_nullable().to_string(),
                              arguments[1].type.as_nullable().to_string(), name);
    }
    if (needs_order && !has_order(*type)) {
      return invalid_argument(ErrorId::kSqlType, "values of {} have no order: {} takes none",
                              type->as_nullable().to_string(), name);
    }
    Signature signature;
    signature.result = LogicalType::of(TypeKind::kBoolean, is_strict && any_nullable(arguments));
    type->time = TimeAttribute::kNone;
    for (const Argument& argument : arguments) {
      signature.arguments.push_back(type->as_nullable(argument.type.nullable));
    }
    return signature;
  };
}

template <Comparison kOp>
void define_comparison(FunctionTable& table, const std::string& name) {
  const bool needs_order = kOp != Comparison::kEqual && kOp != Comparison::kNotEqual;
  table.define(name, kStrict, "two values of one type", comparison_rule(name, needs_order, true),
               [](const KernelSetup& setup) -> Result<std::unique_ptr<Kernel>> {
                 return comparison_kernel<kOp>(setup.arguments[0]);
               });
}

// IS [NOT] DISTINCT FROM: as <> and =, with NULL as a value.
class DistinctKernel final : public Kernel {
 public:
  DistinctKernel(std::unique_ptr<Kernel> equal, bool distinct)
      : equal_(std::move(equal)), distinct_(distinct) {}

  Status run(const KernelCall& call) override {
    TIDEWHEEL_RETURN_IF_ERROR(equal_->run(call));
    auto* const out = call.result->values<uint8_t>();
    const ColumnView& a = call.arguments[0];
    const ColumnView& b = call.arguments[1];
    if (a.validity != nullptr || b.validity != nullptr) {
      for (uint32_t i = 0; i < call.rows; ++i) {
        const bool a_null = a.is_null(i);
        const bool b_null = b.is_null(i);
        out[i] = a_null || b_null ? static_cast<uint8_t>(a_null == b_null) : out[i];
      }
    }
    for (uint32_t i = 0; distinct_ && i < call.rows; ++i) { out[i] ^= 1; }
    return {};
  }

 private:
  std::unique_ptr<Kernel> equal_;
  bool distinct_;
};

void define_distinct(FunctionTable& table, const std::string& name, bool distinct) {
  table.define(name, kNullAware, "two values of one type", comparison_rule(name, false, false),
               [distinct](const KernelSetup& setup) -> Result<std::unique_ptr<Kernel>> {
                 return std::unique_ptr<Kernel>(std::make_unique<DistinctKernel>(
                     comparison_kernel<Comparison::kEqual>(setup.arguments[0]), distinct));
               });
}

}  // namespace

void add_comparisons(FunctionTable& table) {
  define_comparison<Comparison::kEqual>(table, "=");
  define_comparison<Comparison::kNotEqual>(table, "<>");
  table.alias("!=", "<>");
  define_comparison<Comparison::kLess>(table, "<");
  define_comparison<Comparison::kLessEqual>(table, "<=");
  define_comparison<Comparison::kGreater>(table, ">");
  define_comparison<Comparison::kGreaterEqual>(table, ">=");
  define_distinct(table, "IS DISTINCT FROM", true);
  define_distinct(table, "IS NOT DISTINCT FROM", false);
}

}  // namespace tidewheel::sql
