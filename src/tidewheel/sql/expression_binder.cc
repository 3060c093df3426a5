#include "tidewheel/sql/expression_binder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/cast.h"
#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/query.h"
#include "tidewheel/sql/table_function.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/types/time.h"

namespace tidewheel::sql {
namespace {

LogicalType boolean(bool nullable) { return LogicalType::of(TypeKind::kBoolean, nullable); }

int32_t code_points(std::string_view text) {
  return static_cast<int32_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

int32_t length_of(int32_t count) { return std::max(count, 1); }

Bound number_literal(int64_t value, TypeKind kind, Span span) {
  return Bound::of_literal({value}, LogicalType::of(kind, false), span);
}

// Digits with at most one point.
std::optional<Bound> decimal_literal(const std::string& text, Span span) {
  const size_t point = text.find('.');
  const auto scale = point == std::string::npos ? 0 : static_cast<int32_t>(text.size() - point - 1);
  size_t first = text.find_first_not_of('0');
  if (first == std::string::npos || text[first] == '.') { first = std::min(point, text.size()); }
  const auto digits =
      static_cast<int32_t>(text.size() - first - (point == std::string::npos ? 0 : 1));
  const int32_t precision = std::max({digits, scale, 1});
  if (precision > LogicalType::kMaxDecimal) { return std::nullopt; }
  const auto unscaled = detail::parse_decimal(text, precision, scale);
  if (!unscaled.has_value()) { return std::nullopt; }
  return Bound::of_literal({*unscaled}, LogicalType::decimal(precision, scale, false), span);
}

// The digits of seconds behind the point of a time.
int32_t fraction_digits(std::string_view text) {
  const size_t point = text.rfind('.');
  return point == std::string_view::npos ? 0 : static_cast<int32_t>(text.size() - point - 1);
}

}  // namespace

const char* operator_name(Binary::Op op) {
  switch (op) {
    case Binary::Op::kAdd: return "+";
    case Binary::Op::kSubtract: return "-";
    case Binary::Op::kMultiply: return "*";
    case Binary::Op::kDivide: return "/";
    case Binary::Op::kModulo: return "%";
    case Binary::Op::kConcat: return "||";
    case Binary::Op::kEqual: return "=";
    case Binary::Op::kNotEqual: return "<>";
    case Binary::Op::kLess: return "<";
    case Binary::Op::kLessEqual: return "<=";
    case Binary::Op::kGreater: return ">";
    case Binary::Op::kGreaterEqual: return ">=";
    case Binary::Op::kDistinctFrom: return "IS DISTINCT FROM";
    case Binary::Op::kNotDistinctFrom: return "IS NOT DISTINCT FROM";
    case Binary::Op::kOverlaps: return "OVERLAPS";
  }
  return "";
}

bool is_query(const Expression& expression) {
  const auto* in = std::get_if<In>(&expression.node);
  return std::holds_alternative<Subquery>(expression.node) ||
         std::holds_alternative<Quantified>(expression.node) ||
         (in != nullptr && in->query.has_value());
}

namespace {

// Numbers may have more digits than a DECIMAL holds, and give NULL then.
bool cast_may_give_null(const LogicalType& from, const LogicalType& to) {
  if (from.nullable || to.kind != TypeKind::kDecimal) { return from.nullable; }
  const LogicalType exact = from.is_integer() || from.kind == TypeKind::kDecimal
                                ? as_decimal(from)
                                : LogicalType::decimal(LogicalType::kMaxDecimal, 0);
  return exact.precision - exact.scale > to.precision - to.scale;
}

bool is_comparison(Binary::Op op) {
  return op >= Binary::Op::kEqual && op <= Binary::Op::kNotDistinctFrom;
}

const char* unit_name(TimeUnit unit) {
  static constexpr const char* kNames[] = {
      "MILLENNIUM", "CENTURY", "DECADE", "YEAR",   "QUARTER",     "MONTH",       "WEEK",
      "DAY",        "HOUR",    "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND",
      "EPOCH",      "DOW",     "ISODOW", "DOY",    "ISOYEAR"};
  return kNames[static_cast<size_t>(unit)];
}

// Nothing when it is too large; what is too small is 0.
std::optional<Bound> double_literal(const std::string& text, Span span) {
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure == std::errc::result_out_of_range && text.find('-') == std::string::npos) {
    return std::nullopt;
  }
  return Bound::of_literal({value}, LogicalType::of(TypeKind::kDouble, false), span);
}

Bound string_literal(std::string value, Span span) {
  const int32_t length = length_of(code_points(value));
  return Bound::of_literal({std::move(value)}, LogicalType::with(TypeKind::kChar, length, 0, false),
                           span);
}

// ---- Intervals

struct UnitScale {
  TimeUnit unit;
  int64_t scale;  // months, or ms
  bool months;
};
constexpr UnitScale kUnits[] = {
    {TimeUnit::kYear, 12, true},         {TimeUnit::kQuarter, 3, true},
    {TimeUnit::kMonth, 1, true},         {TimeUnit::kWeek, 604'800'000, false},
    {TimeUnit::kDay, 86'400'000, false}, {TimeUnit::kHour, 3'600'000, false},
    {TimeUnit::kMinute, 60'000, false},  {TimeUnit::kSecond, 1000, false},
    {TimeUnit::kMillisecond, 1, false},
};
const UnitScale* scale_of(TimeUnit unit) {
  const auto* it = std::find_if(std::begin(kUnits), std::end(kUnits),
                                [&](const UnitScale& one) { return one.unit == unit; });
  return it == std::end(kUnits) ? nullptr : it;
}

// The numbers in "1 10:20:30.5", which stand between single separators.
std::optional<std::vector<std::string_view>> number_parts(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = text.find_first_not_of("0123456789.", begin);
    end = std::min(end, text.size());
    if (end == begin) { return std::nullopt; }
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::optional<int64_t> scaled(std::string_view number, const UnitScale& unit) {
  const size_t point = number.find('.');
  int64_t whole = 0;
  const std::string_view digits = number.substr(0, point);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), whole);
  if (error != std::errc() || end != digits.data() + digits.size()) { return std::nullopt; }
  int64_t value = 0;
  if (__builtin_mul_overflow(whole, unit.scale, &value)) { return std::nullopt; }
  if (point == std::string_view::npos) { return value; }
  if (unit.unit != TimeUnit::kSecond) { return std::nullopt; }
  int64_t place = 100;
  for (const char digit : number.substr(point + 1)) {
    if (digit < '0' || digit > '9') { return std::nullopt; }
    value += (digit - '0') * place;
    place /= 10;
  }
  return value;
}

constexpr TimeUnit kFields[] = {TimeUnit::kYear, TimeUnit::kMonth,  TimeUnit::kDay,
                                TimeUnit::kHour, TimeUnit::kMinute, TimeUnit::kSecond};

std::vector<TimeUnit> units_between(const IntervalUnits& units) {
  if (!units.to.has_value()) { return {units.from}; }
  std::vector<TimeUnit> between;
  bool inside = false;
  for (const TimeUnit unit : kFields) {
    inside = inside || unit == units.from;
    if (inside) { between.push_back(unit); }
    if (unit == *units.to) { break; }
  }
  return between;
}

}  // namespace

Result<Bound> bind_interval(std::string_view text, const IntervalLiteral& literal, Span span) {
  const auto wrong = [&] {
    return error_at(text, span, ErrorId::kSqlSyntax,
                    fmt::format("'{}' is no interval of these units", literal.text));
  };
  std::string_view body = literal.text;
  bool negative = literal.negative;
  if (!body.empty() && (body[0] == '-' || body[0] == '+')) {
    negative = negative != (body[0] == '-');
    body.remove_prefix(1);
  }
  const std::vector<TimeUnit> units = units_between(literal.units);
  const auto parts = number_parts(body);
  if (!parts.has_value() || parts->size() != units.size()) { return wrong(); }
  int64_t sum = 0;
  bool months = false;
  for (size_t i = 0; i < units.size(); ++i) {
    const UnitScale* const unit = scale_of(units[i]);
    if (unit == nullptr) { return wrong(); }
    const auto value = scaled((*parts)[i], *unit);
    if (!value.has_value() || __builtin_add_overflow(sum, *value, &sum)) { return wrong(); }
    months = unit->months;
  }
  if (months && sum > INT32_MAX) { return wrong(); }
  const TypeKind kind = months ? TypeKind::kIntervalMonth : TypeKind::kIntervalSecond;
  return number_literal(negative ? -sum : sum, kind, span);
}

Status ExpressionBinder::error(Span span, ErrorId id, std::string message) const {
  return error_at(text_, span, id, std::move(message));
}

Result<Bound> ExpressionBinder::bind(const Expression& expression) {
  if (intercept_) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<Bound> instead, intercept_(expression));
    if (instead.has_value()) { return std::move(*instead); }
  }
  if (is_query(expression)) {
    if (queries_) { return queries_(expression, *this); }
    return error(expression.span, ErrorId::kSqlUnsupported, "a query can't stand here");
  }
  return bind_node(expression);
}

Result<Bound> ExpressionBinder::bind_node(const Expression& expression) {
  return std::visit([&](const auto& node) { return bind_node(node, expression.span); },
                    expression.node);
}

template <class Node>
Result<Bound> ExpressionBinder::bind_node(const Node&, Span span) {
  return error(span, ErrorId::kSqlQuery, "this can't stand here");
}

Result<std::vector<Bound>> ExpressionBinder::bind_all(const Expressions& expressions) {
  std::vector<Bound> bound;
  for (const Expression& one : expressions) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, bind(one));
    bound.push_back(std::move(value));
  }
  return bound;
}

Result<Bound> ExpressionBinder::call(std::string_view name, std::vector<Bound> arguments,
                                     Span span) {
  const FunctionRef function = functions_.find(name);
  if (function != nullptr) { return call(function, std::move(arguments), span); }
  const Status unknown = functions_.unknown(Name{{{std::string(name), {}}}});
  return error(span, unknown.id(), std::string(unknown.message()));
}

Result<Bound> ExpressionBinder::call(const FunctionRef& function, std::vector<Bound> arguments,
                                     Span span) {
  std::vector<Argument> given;
  for (const Bound& argument : arguments) {
    given.push_back({argument.type, argument.is_literal() ? &argument.literal : nullptr});
  }
  Result<Resolved> resolved = FunctionRegistry::resolve(function, given);
  if (!resolved.ok()) {
    return error(span, resolved.status().id(), std::string(resolved.status().message()));
  }
  Bound bound;
  bound.kind = Bound::Kind::kCall;
  bound.function = resolved->function;
  bound.type = resolved->result;
  if (bound.function->name() == "PROCTIME") { bound.type.time = TimeAttribute::kProcessing; }
  bound.span = span;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Span place = arguments[i].span;
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound argument,
                               coerce(std::move(arguments[i]), resolved->argument_types[i], place));
    bound.arguments.push_back(std::move(argument));
  }
  return bound;
}

Result<Bound> ExpressionBinder::coerce(Bound value, const LogicalType& type, Span span) {
  if (value.type.same_type(type)) { return value; }
  if (value.is_null_literal()) {
    value.type = type.as_nullable();
    return value;
  }
  if (!can_cast_implicitly(value.type, type)) {
    return error(span, ErrorId::kSqlType,
                 fmt::format("a value of type {} can't be used as {}; use CAST",
                             value.type.to_string(), type.to_string()));
  }
  Bound cast;
  cast.kind = Bound::Kind::kCast;
  cast.type = type.as_nullable(value.type.nullable);
  cast.span = span;
  cast.arguments.push_back(std::move(value));
  return cast;
}

Result<Bound> ExpressionBinder::bind_condition(const Expression& expression) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound condition, bind(expression));
  if (condition.is_null_literal()) { condition.type = boolean(true); }
  if (condition.type.kind != TypeKind::kBoolean) {
    return error(
        expression.span, ErrorId::kSqlType,
        fmt::format("a condition has to be BOOLEAN; this is {}", condition.type.to_string()));
  }
  return condition;
}

Result<Bound> ExpressionBinder::bind_node(const Literal& literal, Span span) {
  switch (literal.kind) {
    case Literal::Kind::kNull: return Bound::of_literal({}, LogicalType::of(TypeKind::kNull), span);
    case Literal::Kind::kTrue: return Bound::of_literal({int64_t{1}}, boolean(false), span);
    case Literal::Kind::kFalse: return Bound::of_literal({int64_t{0}}, boolean(false), span);
    case Literal::Kind::kUnknown: return Bound::of_literal({}, boolean(true), span);
    case Literal::Kind::kInteger: {
      int64_t value = 0;
      const std::string& digits = literal.text;
      const auto [end, failure] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (failure == std::errc() && end == digits.data() + digits.size()) {
        return number_literal(value, value <= INT32_MAX ? TypeKind::kInt : TypeKind::kBigint, span);
      }
      [[fallthrough]];
    }
    case Literal::Kind::kDecimal: {
      std::optional<Bound> decimal = decimal_literal(literal.text, span);
      if (decimal.has_value()) { return std::move(*decimal); }
      return error(span, ErrorId::kSqlType, "a number has at most 38 digits");
    }
    case Literal::Kind::kDouble: {
      std::optional<Bound> number = double_literal(literal.text, span);
      if (number.has_value()) { return std::move(*number); }
      return error(span, ErrorId::kSqlType, "a DOUBLE is 1.7976931348623157e308 at most");
    }
    case Literal::Kind::kString: return string_literal(literal.text, span);
    case Literal::Kind::kBytes:
      return Bound::of_literal(
          {literal.text},
          LogicalType::with(TypeKind::kBinary, length_of(static_cast<int32_t>(literal.text.size())),
                            0, false),
          span);
    case Literal::Kind::kDate: {
      const auto date = parse_date(literal.text);
      if (!date.has_value()) {
        return error(span, ErrorId::kSqlSyntax, "a date is written 'yyyy-MM-dd'");
      }
      return number_literal(date->days(), TypeKind::kDate, span);
    }
    case Literal::Kind::kTime: {
      // '2:55:00' is in the dialect's own examples.
      const bool is_short = literal.text.size() > 1 && literal.text[1] == ':';
      const auto time = parse_time(is_short ? "0" + literal.text : literal.text);
      if (!time.has_value()) {
        return error(span, ErrorId::kSqlSyntax, "a time is written 'HH:mm:ss'");
      }
      return number_literal(time->ms(), TypeKind::kTime, span);
    }
    case Literal::Kind::kTimestamp: {
      const auto time = parse_local_timestamp(literal.text);
      const int32_t digits = fraction_digits(literal.text);
      if (!time.has_value() || digits > 9) {
        return error(span, ErrorId::kSqlSyntax,
                     "a timestamp is written 'yyyy-MM-dd HH:mm:ss', with up to 9 digits of "
                     "fractions");
      }
      const LogicalType type = LogicalType::with(TypeKind::kTimestamp, digits, 0, false);
      Result<Datum> value = cast_datum({literal.text}, LogicalType::string(), type);
      if (!value.ok()) {
        return error(span, ErrorId::kSqlSyntax, std::string(value.status().message()));
      }
      return Bound::of_literal(*std::move(value), type, span);
    }
  }
  return error(span, ErrorId::kSqlSyntax, "a literal of an unknown kind");
}

Result<Bound> ExpressionBinder::bind_node(const IntervalLiteral& literal, Span span) {
  return bind_interval(text_, literal, span);
}

Result<Bound> ExpressionBinder::bind_node(const ColumnName& column, Span span) {
  if (outer_ && !is_known(scope_, column.name)) {
    Result<Bound> outer = outer_(column, span);
    // What the name of a query around says there is more than that there is no such column.
    if (outer.ok() || outer.status().id() != ErrorId::kSqlName) { return outer; }
  }
  Result<Bound> found = resolve_column(scope_, text_, column.name);
  // The one function without parentheses whose name is no keyword.
  if (!found.ok() && column.name.parts.size() == 1 && !is_known(scope_, column.name) &&
      in_capitals(column.name.parts[0].name) == "PI") {
    return call("PI", {}, span);
  }
  return found;
}

Result<Bound> ExpressionBinder::bind_node(const Unary& unary, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(*unary.operand));
  switch (unary.op) {
    case Unary::Op::kPlus:
      if (operand.type.is_numeric() || operand.type.is_interval()) { return operand; }
      return error(span, ErrorId::kSqlType, "only numbers and intervals can have a sign");
    case Unary::Op::kMinus: {
      // One number, and not a call: -2147483648 is an INT, and types may depend on literals.
      if (std::holds_alternative<Literal>(unary.operand->node) && operand.type.is_integer()) {
        const int64_t value = -operand.literal.integer();
        return number_literal(value, value >= INT32_MIN ? TypeKind::kInt : TypeKind::kBigint, span);
      }
      std::vector<Bound> arguments;
      arguments.push_back(std::move(operand));
      return call("-", std::move(arguments), span);
    }
    case Unary::Op::kNot: return negate(std::move(operand), true, span);
  }
  return operand;
}

Result<Bound> ExpressionBinder::negate(Bound value, bool negated, Span span) {
  if (!negated) { return value; }
  std::vector<Bound> arguments;
  arguments.push_back(std::move(value));
  return call("NOT", std::move(arguments), span);
}

namespace {

bool is_time_point(const LogicalType& type) {
  return type.kind == TypeKind::kDate || type.kind == TypeKind::kTime || type.is_timestamp();
}

// A string that stands next to a date or time is read as one, with all digits that it has.
Bound as_time(Bound value, const LogicalType& type) {
  if (!value.type.is_character()) { return value; }
  Bound time;
  time.kind = Bound::Kind::kCast;
  time.type = type.as_nullable(value.type.nullable);
  time.type.time = TimeAttribute::kNone;
  if (type.is_timestamp()) {
    constexpr int32_t kDigitsMax = 9;
    int32_t digits = kDigitsMax;
    if (value.is_literal()) {
      const std::string_view text = value.literal.text();
      const size_t point = text.find('.');
      digits = point == text.npos ? 0 : static_cast<int32_t>(text.size() - point - 1);
    }
    time.type.precision = std::clamp(digits, type.precision, kDigitsMax);
  }
  time.span = value.span;
  time.arguments.push_back(std::move(value));
  return time;
}

}  // namespace

Result<Bound> ExpressionBinder::compare(std::string_view op, Bound left, Bound right, Span span) {
  if (is_time_point(left.type)) { right = as_time(std::move(right), left.type); }
  if (is_time_point(right.type)) { left = as_time(std::move(left), right.type); }
  std::vector<Bound> arguments;
  arguments.push_back(std::move(left));
  arguments.push_back(std::move(right));
  return call(op, std::move(arguments), span);
}

// (begin, end) or (begin, length): both ends.
Result<std::vector<Bound>> ExpressionBinder::period(const Expression& expression) {
  const auto* const row = std::get_if<Constructor>(&expression.node);
  if (row == nullptr || row->kind != Constructor::Kind::kRow || row->values.size() != 2) {
    return error(expression.span, ErrorId::kSqlType,
                 "OVERLAPS compares (begin, end) or (begin, interval) with another such pair");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound begin, bind(row->values[0]));
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound end, bind(row->values[1]));
  if (end.type.kind == TypeKind::kIntervalSecond || end.type.kind == TypeKind::kIntervalMonth) {
    TIDEWHEEL_ASSIGN_OR_RETURN(end, call("+", {begin, std::move(end)}, row->values[1].span));
  }
  return std::vector<Bound>{std::move(begin), std::move(end)};
}

Result<Bound> ExpressionBinder::bind_node(const Binary& binary, Span span) {
  if (binary.op == Binary::Op::kOverlaps) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> ends, period(*binary.left));
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> others, period(*binary.right));
    for (Bound& end : others) { ends.push_back(std::move(end)); }
    return call("OVERLAPS", std::move(ends), span);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound left, bind(*binary.left));
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound right, bind(*binary.right));
  if (is_comparison(binary.op) && left.is_null_literal() && right.is_null_literal()) {
    left.type = right.type = boolean(true);
  }
  return compare(operator_name(binary.op), std::move(left), std::move(right), span);
}

Result<Bound> ExpressionBinder::bind_node(const Logical& logical, Span span) {
  Bound bound;
  bound.kind = logical.is_and ? Bound::Kind::kAnd : Bound::Kind::kOr;
  bound.span = span;
  bool nullable = false;
  for (const Expression& operand : logical.operands) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound condition, bind_condition(operand));
    nullable = nullable || condition.type.nullable;
    if (condition.kind == bound.kind) {
      for (Bound& part : condition.arguments) { bound.arguments.push_back(std::move(part)); }
    } else {
      bound.arguments.push_back(std::move(condition));
    }
  }
  bound.type = boolean(nullable);
  return bound;
}

Result<Bound> ExpressionBinder::bind_node(const Is& is, Span span) {
  static constexpr const char* kNames[] = {"IS NULL",        "IS TRUE",       "IS FALSE",
                                           "IS UNKNOWN",     "IS JSON",       "IS JSON VALUE",
                                           "IS JSON OBJECT", "IS JSON ARRAY", "IS JSON SCALAR"};
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(*is.operand));
  std::vector<Bound> arguments;
  arguments.push_back(std::move(operand));
  if (is.test == Is::Test::kNull || is.test == Is::Test::kUnknown) {
    return call(is.negated ? "IS NOT NULL" : "IS NULL", std::move(arguments), span);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      Bound test, call(kNames[static_cast<size_t>(is.test)], std::move(arguments), span));
  return negate(std::move(test), is.negated, span);
}

Result<Bound> ExpressionBinder::bind_node(const Between& between, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(*between.operand));
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound low, bind(*between.low));
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound high, bind(*between.high));
  const auto range = [&](const Bound& from, const Bound& to) -> Result<Bound> {
    Bound both;
    both.kind = Bound::Kind::kAnd;
    both.span = span;
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound above, compare(">=", operand, from, span));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound below, compare("<=", operand, to, span));
    both.type = boolean(above.type.nullable || below.type.nullable);
    both.arguments.push_back(std::move(above));
    both.arguments.push_back(std::move(below));
    return both;
  };
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound inside, range(low, high));
  if (between.symmetric) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound other, range(high, low));
    Bound either;
    either.kind = Bound::Kind::kOr;
    either.span = span;
    either.type = inside.type;
    either.arguments.push_back(std::move(inside));
    either.arguments.push_back(std::move(other));
    inside = std::move(either);
  }
  return negate(std::move(inside), between.negated, span);
}

Result<Bound> ExpressionBinder::bind_node(const Like& like, Span span) {
  std::vector<Bound> arguments;
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(*like.operand));
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound pattern, bind(*like.pattern));
  arguments.push_back(std::move(operand));
  arguments.push_back(std::move(pattern));
  if (like.escape.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound escape, bind(**like.escape));
    arguments.push_back(std::move(escape));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      Bound matches, call(like.similar ? "SIMILAR TO" : "LIKE", std::move(arguments), span));
  return negate(std::move(matches), like.negated, span);
}

Result<Bound> ExpressionBinder::bind_node(const In& in, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(*in.operand));
  Bound either;
  either.kind = Bound::Kind::kOr;
  either.span = span;
  bool nullable = false;
  for (const Expression& one : in.list) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, bind(one));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound equal, compare("=", operand, std::move(value), one.span));
    nullable = nullable || equal.type.nullable;
    either.arguments.push_back(std::move(equal));
  }
  either.type = boolean(nullable);
  if (either.arguments.size() == 1) {
    Bound only = std::move(either.arguments[0]);
    return negate(std::move(only), in.negated, span);
  }
  return negate(std::move(either), in.negated, span);
}

// `parts`: when, then, .., else. Casts the values to their common type.
Result<Bound> ExpressionBinder::make_case(std::vector<Bound> parts, Span span) {
  std::vector<LogicalType> types;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i % 2 == 1 || i + 1 == parts.size()) { types.push_back(parts[i].type); }
  }
  Result<LogicalType> type = common_type(types);
  if (!type.ok()) { return error(span, ErrorId::kSqlType, std::string(type.status().message())); }
  Bound bound;
  bound.kind = Bound::Kind::kCase;
  bound.span = span;
  bound.type = *type;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i % 2 == 1 || i + 1 == parts.size()) {
      const Span place = parts[i].span;
      TIDEWHEEL_ASSIGN_OR_RETURN(parts[i], coerce(std::move(parts[i]), *type, place));
    }
    bound.arguments.push_back(std::move(parts[i]));
  }
  return bound;
}

Result<Bound> ExpressionBinder::bind_node(const Case& one, Span span) {
  std::optional<Bound> operand;
  if (one.operand.has_value()) { TIDEWHEEL_ASSIGN_OR_RETURN(operand, bind(**one.operand)); }
  std::vector<Bound> parts;
  for (const Case::Branch& branch : one.branches) {
    if (operand.has_value()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, bind(*branch.when));
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound when,
                                 compare("=", *operand, std::move(value), branch.when->span));
      parts.push_back(std::move(when));
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound when, bind_condition(*branch.when));
      parts.push_back(std::move(when));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound then, bind(*branch.then));
    parts.push_back(std::move(then));
  }
  Bound otherwise = Bound::of_literal({}, LogicalType::of(TypeKind::kNull), span);
  if (one.otherwise.has_value()) { TIDEWHEEL_ASSIGN_OR_RETURN(otherwise, bind(**one.otherwise)); }
  parts.push_back(std::move(otherwise));
  return make_case(std::move(parts), span);
}

Result<Bound> ExpressionBinder::bind_node(const Cast& cast, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound operand, bind(*cast.operand));
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType type, bind_type(text_, cast.type));
  if (operand.is_null_literal()) {
    operand.type = type.as_nullable();
    return operand;
  }
  if (!can_cast(operand.type, type)) {
    return error(span, ErrorId::kSqlType,
                 fmt::format("{} can't be cast to {}", operand.type.to_string(), type.to_string()));
  }
  Bound bound;
  bound.kind = cast.is_try ? Bound::Kind::kTryCast : Bound::Kind::kCast;
  bound.type = type.as_nullable(cast.is_try || cast_may_give_null(operand.type, type));
  bound.span = span;
  bound.arguments.push_back(std::move(operand));
  return bound;
}

// Calls that are branches in truth.
Result<Bound> ExpressionBinder::bind_conditional(const std::string& name,
                                                 std::vector<Bound> arguments, Span span) {
  const auto needs = [&](size_t count) -> Status {
    if (arguments.size() == count) { return ok_status(); }
    return error(span, ErrorId::kSqlType,
                 fmt::format("{} takes {} arguments, not {}", name, count, arguments.size()));
  };
  if (name == "IF") {
    TIDEWHEEL_RETURN_IF_ERROR(needs(3));
    if (arguments[0].type.kind != TypeKind::kBoolean) {
      return error(arguments[0].span, ErrorId::kSqlType, "IF begins with a condition");
    }
    return make_case(std::move(arguments), span);
  }
  if (name == "NULLIF") {
    TIDEWHEEL_RETURN_IF_ERROR(needs(2));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound equal, compare("=", arguments[0], arguments[1], span));
    std::vector<Bound> parts;
    parts.push_back(std::move(equal));
    parts.push_back(Bound::of_literal({}, LogicalType::of(TypeKind::kNull), span));
    parts.push_back(std::move(arguments[0]));
    return make_case(std::move(parts), span);
  }
  if (name == "IFNULL") { TIDEWHEEL_RETURN_IF_ERROR(needs(2)); }
  if (arguments.empty()) { return needs(1); }
  std::vector<LogicalType> types;
  bool nullable = true;
  for (const Bound& argument : arguments) {
    types.push_back(argument.type);
    nullable = nullable && argument.type.nullable;
  }
  Result<LogicalType> type = common_type(types);
  if (!type.ok()) { return error(span, ErrorId::kSqlType, std::string(type.status().message())); }
  Bound bound;
  bound.kind = Bound::Kind::kCoalesce;
  bound.type = type->as_nullable(nullable);
  bound.span = span;
  for (Bound& argument : arguments) {
    const Span place = argument.span;
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, coerce(std::move(argument), *type, place));
    bound.arguments.push_back(std::move(value));
  }
  return bound;
}

Result<Bound> ExpressionBinder::bind_node(const FunctionCall& call, Span span) {
  const std::string name = in_capitals(call.name.parts.back().name);
  if (call.over.has_value()) {
    return error(span, ErrorId::kSqlQuery, "OVER can stand in the list of SELECT only");
  }
  if (is_aggregate_function(name) || user_aggregates(functions_, call) != nullptr) {
    return error(span, ErrorId::kSqlQuery,
                 fmt::format("the aggregate {} can stand in SELECT, HAVING and ORDER BY only, and "
                             "not in another one",
                             name));
  }
  const NamedFunction found = functions_.look_up(call.name);
  const bool is_conditional =
      name == "COALESCE" || name == "IF" || name == "NULLIF" || name == "IFNULL";
  // Before its arguments: what is wrong in those may be for want of the function.
  if (found.scalar == nullptr && found.table == nullptr && !is_conditional) {
    const Status unknown = functions_.unknown(call.name);
    return error(call.name.span(), unknown.id(), std::string(unknown.message()));
  }
  std::vector<Bound> arguments;
  for (const FunctionCall::Argument& argument : call.arguments) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, bind(*argument.value));
    arguments.push_back(std::move(value));
  }
  if (found.table != nullptr && found.table->is_async()) {
    return error(
        call.name.span(), ErrorId::kSqlUnsupported,
        fmt::format("the asynchronous function {} can't stand here: its value comes later, "
                    "and has to be there before the rows are; call it in a query in FROM",
                    name));
  }
  if (found.table != nullptr) {
    return error(
        call.name.span(), ErrorId::kSqlQuery,
        fmt::format("{} makes tables: it stands in FROM, as LATERAL TABLE({}(..))", name, name));
  }
  const bool is_builtin = found.scalar == nullptr || found.scalar == functions_.find(name);
  if (is_conditional && is_builtin) { return bind_conditional(name, std::move(arguments), span); }
  return this->call(found.scalar, std::move(arguments), span);
}

Result<Bound> ExpressionBinder::bind_node(const SpecialCall& special, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> arguments, bind_all(special.arguments));
  const auto with_unit = [&](const char* name) {
    arguments.insert(arguments.begin(), string_literal(unit_name(special.unit), span));
    return call(name, std::move(arguments), span);
  };
  switch (special.kind) {
    case SpecialCall::Kind::kExtract: return with_unit("EXTRACT");
    case SpecialCall::Kind::kCeil:
    case SpecialCall::Kind::kFloor:
      arguments.push_back(string_literal(unit_name(special.unit), span));
      return call(special.kind == SpecialCall::Kind::kCeil ? "CEIL" : "FLOOR", std::move(arguments),
                  span);
    case SpecialCall::Kind::kTimestampAdd: return with_unit("TIMESTAMPADD");
    case SpecialCall::Kind::kTimestampDiff: return with_unit("TIMESTAMPDIFF");
    case SpecialCall::Kind::kPosition: return call("POSITION", std::move(arguments), span);
    case SpecialCall::Kind::kTrim: {
      static constexpr const char* kSides[] = {"BOTH", "LEADING", "TRAILING"};
      std::vector<Bound> given;
      given.push_back(string_literal(kSides[static_cast<size_t>(special.side)], span));
      given.push_back(arguments.size() > 1 ? std::move(arguments[1]) : string_literal(" ", span));
      given.push_back(std::move(arguments[0]));
      return call("TRIM", std::move(given), span);
    }
    case SpecialCall::Kind::kSubstring: return call("SUBSTRING", std::move(arguments), span);
    case SpecialCall::Kind::kOverlay: return call("OVERLAY", std::move(arguments), span);
  }
  return error(span, ErrorId::kSqlUnsupported, "this call is not there");
}

Result<Bound> ExpressionBinder::bind_node(const Constructor& constructor, Span span) {
  static constexpr const char* kNames[] = {"ROW", "ARRAY", "MAP", "MULTISET"};
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> values, bind_all(constructor.values));
  return call(kNames[static_cast<size_t>(constructor.kind)], std::move(values), span);
}

Result<Bound> ExpressionBinder::bind_node(const Subscript& subscript, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound of, bind(*subscript.of));
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound index, bind(*subscript.index));
  return compare("[]", std::move(of), std::move(index), span);
}

Result<Bound> ExpressionBinder::bind_node(const FieldAccess& access, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound of, bind(*access.of));
  const auto& names = of.type.names;
  const auto it = std::find(names.begin(), names.end(), access.field.name);
  if (of.type.kind != TypeKind::kRow || it == names.end()) {
    return error(access.field.span, ErrorId::kSqlName,
                 fmt::format("there is no field '{}' in a value of type {}{}", access.field.name,
                             of.type.to_string(), near_miss(access.field.name, names)));
  }
  const auto field = static_cast<size_t>(it - names.begin());
  Bound bound;
  bound.kind = Bound::Kind::kField;
  bound.column = static_cast<int32_t>(field);
  bound.type = of.type.children[field];
  bound.type.nullable |= of.type.nullable;
  bound.span = span;
  bound.arguments.push_back(std::move(of));
  return bound;
}

}  // namespace tidewheel::sql
