// Expressions from text to values, for tests: a binder without tables, and tables of values.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/sql/cast.h"
#include "tidewheel/sql/datum_column.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/query.h"
#include "tidewheel/sql/time_text.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql {

class TestBinder {
 public:
  explicit TestBinder(RowType input = {}) : input_(std::move(input)) {}

  Result<Bound> bind(std::string_view text) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Expression expression, parse_expression(text));
    return bind(expression);
  }

  static LogicalType type_of(const DataType& type) {
    using D = DataType::Kind;
    const bool nullable = !type.not_null;
    const auto number = [&](int32_t otherwise) { return type.precision.value_or(otherwise); };
    const auto with = [&](TypeKind kind, int32_t precision = 0) {
      return LogicalType::with(kind, precision, 0, nullable);
    };
    switch (type.kind) {
      case D::kBoolean: return with(TypeKind::kBoolean);
      case D::kTinyint: return with(TypeKind::kTinyint);
      case D::kSmallint: return with(TypeKind::kSmallint);
      case D::kInt: return with(TypeKind::kInt);
      case D::kBigint: return with(TypeKind::kBigint);
      case D::kFloat: return with(TypeKind::kFloat);
      case D::kDouble: return with(TypeKind::kDouble);
      case D::kDecimal: return LogicalType::decimal(number(10), type.scale.value_or(0), nullable);
      case D::kChar: return with(TypeKind::kChar, number(1));
      case D::kVarchar: return with(TypeKind::kVarchar, number(1));
      case D::kString: return with(TypeKind::kVarchar, LogicalType::kMaxLength);
      case D::kBinary: return with(TypeKind::kBinary, number(1));
      case D::kVarbinary: return with(TypeKind::kVarbinary, number(1));
      case D::kBytes: return with(TypeKind::kVarbinary, LogicalType::kMaxLength);
      case D::kDate: return with(TypeKind::kDate);
      case D::kTime: return with(TypeKind::kTime, number(0));
      case D::kTimestamp: return with(TypeKind::kTimestamp, number(6));
      case D::kTimestampLtz: return with(TypeKind::kTimestampLtz, number(6));
      case D::kInterval:
        return with(type.units.from <= TimeUnit::kMonth ? TypeKind::kIntervalMonth
                                                        : TypeKind::kIntervalSecond);
      case D::kArray: return LogicalType::array(type_of(type.children[0]), nullable);
      case D::kMap:
        return LogicalType::map(type_of(type.children[0]), type_of(type.children[1]), nullable);
      case D::kRow: {
        std::vector<std::string> names;
        std::vector<LogicalType> fields;
        for (const auto& field : type.fields) {
          names.push_back(field.name.name);
          fields.push_back(type_of(*field.type));
        }
        return LogicalType::row(names, fields, nullable);
      }
      default: ADD_FAILURE() << "a type that tests do not use"; return {};
    }
  }
  static LogicalType type_of(std::string_view text) {
    return type_of(parse_data_type(text).value());
  }

  Result<Bound> call(const std::string& name, std::vector<Bound> arguments) {
    std::vector<Argument> list;
    for (const Bound& argument : arguments) {
      list.push_back({argument.type, argument.is_literal() ? &argument.literal : nullptr});
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const Resolved resolved, functions_.resolve(name, list));
    Bound bound;
    bound.kind = Bound::Kind::kCall;
    bound.function = resolved.function;
    bound.type = resolved.result;
    for (size_t i = 0; i < arguments.size(); ++i) {
      bound.arguments.push_back(converted(std::move(arguments[i]), resolved.argument_types[i]));
    }
    return bound;
  }

  static Bound converted(Bound value, const LogicalType& to) {
    if (value.type.same_type(to)) { return value; }
    Bound cast;
    cast.kind = Bound::Kind::kCast;
    cast.type = to.as_nullable(value.type.nullable || value.type.kind == TypeKind::kNull);
    cast.arguments.push_back(std::move(value));
    return cast;
  }

  const FunctionRegistry& functions() const { return functions_; }

 private:
  Result<Bound> bind(const Expression& expression) {
    return std::visit([&](const auto& node) { return of(node); }, expression.node);
  }
  Result<std::vector<Bound>> bind_all(const Expressions& list) {
    std::vector<Bound> bound;
    for (const Expression& one : list) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, bind(one));
      bound.push_back(std::move(value));
    }
    return bound;
  }

  static Bound text(std::string value) {
    const auto length = static_cast<int32_t>(count_of(value));
    return Bound::of_literal({std::move(value)},
                             LogicalType::with(TypeKind::kChar, std::max(length, 1), 0, false));
  }
  static size_t count_of(const std::string& value) { return value.size(); }

  Result<Bound> of(const Literal& literal) {
    using K = Literal::Kind;
    const auto number = [](int64_t value, TypeKind kind) {
      return Bound::of_literal({value}, LogicalType::of(kind, false));
    };
    switch (literal.kind) {
      case K::kNull:
      case K::kUnknown: return Bound::of_literal({}, LogicalType::of(TypeKind::kNull));
      case K::kTrue: return number(1, TypeKind::kBoolean);
      case K::kFalse: return number(0, TypeKind::kBoolean);
      case K::kInteger: {
        const int64_t value = std::stoll(literal.text);
        return number(value, value <= INT32_MAX ? TypeKind::kInt : TypeKind::kBigint);
      }
      case K::kDecimal: {
        const size_t point = literal.text.find('.');
        const auto scale = static_cast<int32_t>(literal.text.size() - point - 1);
        const auto digits = std::max<int32_t>(
            static_cast<int32_t>(literal.text.size()) - 1 - (literal.text[0] == '0' ? 1 : 0),
            scale);
        return Bound::of_literal({*detail::parse_decimal(literal.text, 38, scale)},
                                 LogicalType::decimal(digits, scale, false));
      }
      case K::kDouble:
        return Bound::of_literal({std::stod(literal.text)},
                                 LogicalType::of(TypeKind::kDouble, false));
      case K::kString: return text(literal.text);
      case K::kBytes:
        return Bound::of_literal(
            {literal.text}, LogicalType::with(TypeKind::kBinary,
                                              static_cast<int32_t>(literal.text.size()), 0, false));
      case K::kDate: return number(*parse_date_text(literal.text), TypeKind::kDate);
      case K::kTime: return number(*parse_time_text(literal.text), TypeKind::kTime);
      case K::kTimestamp: {
        const size_t point = literal.text.find('.');
        const auto precision =
            point == std::string::npos ? 0 : static_cast<int32_t>(literal.text.size() - point - 1);
        return Bound::of_literal({*parse_timestamp_text(literal.text, precision)},
                                 LogicalType::with(TypeKind::kTimestamp, precision, 0, false));
      }
    }
    return Bound();
  }

  // One unit only.
  Result<Bound> of(const IntervalLiteral& literal) {
    const double value = std::stod(literal.text) * (literal.negative ? -1 : 1);
    const TimeUnit unit = literal.units.from;
    if (unit == TimeUnit::kYear || unit == TimeUnit::kMonth) {
      return Bound::of_literal({static_cast<int64_t>(value * (unit == TimeUnit::kYear ? 12 : 1))},
                               LogicalType::of(TypeKind::kIntervalMonth, false));
    }
    const double ms = unit == TimeUnit::kDay      ? 86'400'000
                      : unit == TimeUnit::kHour   ? 3'600'000
                      : unit == TimeUnit::kMinute ? 60'000
                                                  : 1000;
    return Bound::of_literal({static_cast<int64_t>(value * ms)},
                             LogicalType::of(TypeKind::kIntervalSecond, false));
  }

  Result<Bound> of(const ColumnName& column) {
    size_t index = input_.find(column.name.parts[0].name);
    if (index == input_.size()) {
      return not_found(ErrorId::kSqlName, "no column {}", column.name.parts[0].name);
    }
    Bound bound = Bound::of_column(static_cast<int32_t>(index), input_.types[index]);
    for (size_t i = 1; i < column.name.parts.size(); ++i) {
      bound = field(std::move(bound), column.name.parts[i].name);
    }
    return bound;
  }
  static Bound field(Bound row, const std::string& name) {
    const auto& names = row.type.names;
    Bound bound;
    bound.kind = Bound::Kind::kField;
    bound.column =
        static_cast<int32_t>(std::find(names.begin(), names.end(), name) - names.begin());
    bound.type = row.type.children[static_cast<size_t>(bound.column)];
    bound.type.nullable |= row.type.nullable;
    bound.arguments.push_back(std::move(row));
    return bound;
  }
  Result<Bound> of(const FieldAccess& access) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound row, bind(*access.of));
    return field(std::move(row), access.field.name);
  }

  Result<Bound> of(const Unary& unary) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(*unary.operand));
    if (unary.op == Unary::Op::kPlus) { return operand; }
    TIDEWHEEL_ASSIGN_OR_RETURN(
        Bound bound, call(unary.op == Unary::Op::kNot ? "NOT" : "-", {std::move(operand)}));
    return fold(std::move(bound), {});  // -2 is a literal
  }

  Result<Bound> of(const Binary& binary) {
    static constexpr const char* kNames[] = {"+",
                                             "-",
                                             "*",
                                             "/",
                                             "%",
                                             "||",
                                             "=",
                                             "<>",
                                             "<",
                                             "<=",
                                             ">",
                                             ">=",
                                             "IS DISTINCT FROM",
                                             "IS NOT DISTINCT FROM",
                                             "OVERLAPS"};
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound left, bind(*binary.left));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound right, bind(*binary.right));
    return call(kNames[static_cast<size_t>(binary.op)], {std::move(left), std::move(right)});
  }

  Result<Bound> of(const Logical& logical) {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto operands, bind_all(logical.operands));
    return chain(logical.is_and ? Bound::Kind::kAnd : Bound::Kind::kOr, std::move(operands));
  }
  static Bound chain(Bound::Kind kind, std::vector<Bound> operands) {
    Bound bound;
    bound.kind = kind;
    bound.type = LogicalType::of(TypeKind::kBoolean);
    for (Bound& operand : operands) {
      bound.arguments.push_back(converted(std::move(operand), bound.type));
    }
    return bound;
  }

  Result<Bound> of(const Is& is) {
    static constexpr const char* kTests[] = {"NULL",        "TRUE",       "FALSE",
                                             "UNKNOWN",     "JSON",       "JSON VALUE",
                                             "JSON OBJECT", "JSON ARRAY", "JSON SCALAR"};
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(*is.operand));
    return call(std::string(is.negated ? "IS NOT " : "IS ") + kTests[static_cast<size_t>(is.test)],
                {std::move(operand)});
  }

  Result<Bound> negated_if(bool negated, Result<Bound> value) {
    if (!negated || !value.ok()) { return value; }
    return call("NOT", {std::move(*value)});
  }

  Result<Bound> of(const Between& between) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Bound value, bind(*between.operand));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound low, bind(*between.low));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound high, bind(*between.high));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound above, call(">=", {value, std::move(low)}));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound below, call("<=", {value, std::move(high)}));
    return negated_if(between.negated,
                      chain(Bound::Kind::kAnd, {std::move(above), std::move(below)}));
  }

  Result<Bound> of(const Like& like) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, bind(*like.operand));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound pattern, bind(*like.pattern));
    std::vector<Bound> arguments{std::move(value), std::move(pattern)};
    if (like.escape) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound escape, bind(**like.escape));
      arguments.push_back(std::move(escape));
    }
    return negated_if(like.negated, call(like.similar ? "SIMILAR TO" : "LIKE", arguments));
  }

  Result<Bound> of(const In& in) {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto list, bind_all(in.list));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, bind(*in.operand));
    list.insert(list.begin(), std::move(value));
    return negated_if(in.negated, call("IN", std::move(list)));
  }

  Result<Bound> of(const Case& node) {
    Bound bound;
    bound.kind = Bound::Kind::kCase;
    std::vector<LogicalType> types;
    for (const Case::Branch& branch : node.branches) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound when, bind(*branch.when));
      if (node.operand) {
        TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(**node.operand));
        TIDEWHEEL_ASSIGN_OR_RETURN(when, call("=", {std::move(operand), std::move(when)}));
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound then, bind(*branch.then));
      types.push_back(then.type);
      bound.arguments.push_back(converted(std::move(when), LogicalType::of(TypeKind::kBoolean)));
      bound.arguments.push_back(std::move(then));
    }
    Bound otherwise = Bound::of_literal({}, LogicalType::of(TypeKind::kNull));
    if (node.otherwise) { TIDEWHEEL_ASSIGN_OR_RETURN(otherwise, bind(**node.otherwise)); }
    types.push_back(otherwise.type);
    bound.arguments.push_back(std::move(otherwise));
    TIDEWHEEL_ASSIGN_OR_RETURN(bound.type, common_type(types));
    for (size_t i = 0; i < bound.arguments.size(); ++i) {
      if (i % 2 == 1 || i + 1 == bound.arguments.size()) {
        bound.arguments[i] = converted(std::move(bound.arguments[i]), bound.type);
      }
    }
    return bound;
  }

  Result<Bound> of(const Cast& cast) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(*cast.operand));
    Bound bound;
    bound.kind = cast.is_try ? Bound::Kind::kTryCast : Bound::Kind::kCast;
    bound.type = type_of(cast.type);
    bound.arguments.push_back(std::move(operand));
    return bound;
  }

  Result<Bound> of(const FunctionCall& node) {
    std::vector<Bound> arguments;
    for (const auto& argument : node.arguments) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, bind(*argument.value));
      arguments.push_back(std::move(value));
    }
    const std::string& name = node.name.parts[0].name;
    if (name != "COALESCE") { return call(name, std::move(arguments)); }
    std::vector<LogicalType> types;
    for (const Bound& argument : arguments) { types.push_back(argument.type); }
    Bound bound;
    bound.kind = Bound::Kind::kCoalesce;
    TIDEWHEEL_ASSIGN_OR_RETURN(bound.type, common_type(types));
    for (Bound& argument : arguments) {
      bound.arguments.push_back(converted(std::move(argument), bound.type));
    }
    return bound;
  }

  static std::string unit_name(TimeUnit unit) {
    static constexpr const char* kNames[] = {
        "MILLENNIUM", "CENTURY", "DECADE", "YEAR",   "QUARTER",     "MONTH",       "WEEK",
        "DAY",        "HOUR",    "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND",
        "EPOCH",      "DOW",     "ISODOW", "DOY",    "ISOYEAR"};
    return kNames[static_cast<size_t>(unit)];
  }
  Result<Bound> of(const SpecialCall& node) {
    using K = SpecialCall::Kind;
    TIDEWHEEL_ASSIGN_OR_RETURN(auto arguments, bind_all(node.arguments));
    const Bound unit = text(unit_name(node.unit));
    switch (node.kind) {
      case K::kExtract: return call("EXTRACT", {unit, arguments[0]});
      case K::kCeil:
      case K::kFloor:
        arguments.push_back(unit);
        return call(node.kind == K::kCeil ? "CEIL" : "FLOOR", std::move(arguments));
      case K::kTimestampAdd: return call("TIMESTAMPADD", {unit, arguments[0], arguments[1]});
      case K::kTimestampDiff: return call("TIMESTAMPDIFF", {unit, arguments[0], arguments[1]});
      case K::kPosition: return call("POSITION", std::move(arguments));
      case K::kSubstring: return call("SUBSTRING", std::move(arguments));
      case K::kOverlay: return call("OVERLAY", std::move(arguments));
      case K::kTrim: {
        static constexpr const char* kSides[] = {"BOTH", "LEADING", "TRAILING"};
        const Bound what = arguments.size() > 1 ? arguments[1] : text(" ");
        return call("TRIM", {text(kSides[static_cast<size_t>(node.side)]), what, arguments[0]});
      }
    }
    return Bound();
  }

  Result<Bound> of(const Constructor& node) {
    static constexpr const char* kNames[] = {"ROW", "ARRAY", "MAP", "MULTISET"};
    TIDEWHEEL_ASSIGN_OR_RETURN(auto values, bind_all(node.values));
    return call(kNames[static_cast<size_t>(node.kind)], std::move(values));
  }
  Result<Bound> of(const Subscript& node) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound collection, bind(*node.of));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound index, bind(*node.index));
    return call("[]", {std::move(collection), std::move(index)});
  }
  template <class Node>
  Result<Bound> of(const Node&) {
    return unimplemented(ErrorId::kSqlUnsupported, "an expression that tests do not use");
  }

  RowType input_;
  FunctionRegistry functions_ = builtin_functions();
};

// The result of an expression for one row of no columns, as text; "error: ..." when it fails.
inline std::string evaluated(TestBinder& binder, std::string_view text,
                             const EvalOptions& options = {}) {
  auto bound = binder.bind(text);
  if (!bound.ok()) { return "error: " + bound.status().message(); }
  auto evaluator = Evaluator::compile({*bound}, {}, options);
  if (!evaluator.ok()) { return "error: " + evaluator.status().message(); }
  const ArenaRef arena = Arena::create();
  Evaluated result;
  const Status status = (*evaluator)->run({}, 0, 1, {}, *arena, std::span(&result, 1));
  if (!status.ok()) { return "error: " + status.message(); }
  TimeZone zone = options.zone;
  return value_to_text(bound->type, result.view, 0, {.zone = &zone});
}

}  // namespace tidewheel::sql
