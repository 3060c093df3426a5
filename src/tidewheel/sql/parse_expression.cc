// Expressions: operators by precedence, literals, names.
#include <algorithm>
#include <utility>

#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {

namespace {

struct Operator {
  std::string_view symbol;
  Binary::Op op;
  Precedence precedence;
};
constexpr Operator kArithmetic[] = {
    {"+", Binary::Op::kAdd, Precedence::kSum},
    {"-", Binary::Op::kSubtract, Precedence::kSum},
    {"*", Binary::Op::kMultiply, Precedence::kProduct},
    {"/", Binary::Op::kDivide, Precedence::kProduct},
    {"%", Binary::Op::kModulo, Precedence::kProduct},
    {"||", Binary::Op::kConcat, Precedence::kProduct},
};
constexpr Operator kComparisons[] = {
    {"=", Binary::Op::kEqual, Precedence::kComparison},
    {"<>", Binary::Op::kNotEqual, Precedence::kComparison},
    {"!=", Binary::Op::kNotEqual, Precedence::kComparison},
    {"<", Binary::Op::kLess, Precedence::kComparison},
    {"<=", Binary::Op::kLessEqual, Precedence::kComparison},
    {">", Binary::Op::kGreater, Precedence::kComparison},
    {">=", Binary::Op::kGreaterEqual, Precedence::kComparison},
};

struct UnitName {
  std::string_view name;
  TimeUnit unit;
};
// The first name of a unit is the one that is printed.
constexpr UnitName kUnits[] = {
    {"MILLENNIUM", TimeUnit::kMillennium},
    {"CENTURY", TimeUnit::kCentury},
    {"DECADE", TimeUnit::kDecade},
    {"YEAR", TimeUnit::kYear},
    {"QUARTER", TimeUnit::kQuarter},
    {"MONTH", TimeUnit::kMonth},
    {"WEEK", TimeUnit::kWeek},
    {"DAY", TimeUnit::kDay},
    {"HOUR", TimeUnit::kHour},
    {"MINUTE", TimeUnit::kMinute},
    {"SECOND", TimeUnit::kSecond},
    {"MILLISECOND", TimeUnit::kMillisecond},
    {"MICROSECOND", TimeUnit::kMicrosecond},
    {"NANOSECOND", TimeUnit::kNanosecond},
    {"EPOCH", TimeUnit::kEpoch},
    {"DOW", TimeUnit::kDow},
    {"ISODOW", TimeUnit::kIsodow},
    {"DOY", TimeUnit::kDoy},
    {"ISOYEAR", TimeUnit::kIsoyear},
    {"YEARS", TimeUnit::kYear},
    {"MONTHS", TimeUnit::kMonth},
    {"WEEKS", TimeUnit::kWeek},
    {"DAYS", TimeUnit::kDay},
    {"HOURS", TimeUnit::kHour},
    {"MINUTES", TimeUnit::kMinute},
    {"SECONDS", TimeUnit::kSecond},
};

}  // namespace

std::optional<TimeUnit> time_unit_of(std::string_view upper) {
  for (const UnitName& each : kUnits) {
    if (each.name == upper) { return each.unit; }
  }
  return std::nullopt;
}

std::string_view time_unit_name(TimeUnit unit) {
  return std::find_if(std::begin(kUnits), std::end(kUnits),
                      [unit](const UnitName& each) { return each.unit == unit; })
      ->name;
}

// ---- Operators. height_ is that of what was parsed last; each node of a chain adds one.

Result<Expression> Parser::expression() {
  Nested nested(*this);
  TIDEWHEEL_RETURN_IF_ERROR(check_nesting());
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression parsed, binary(Precedence::kLowest));
  tallest_ = std::max(tallest_, height_);
  return parsed;
}

Result<Expression> Parser::binary(Precedence least) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression left, prefix());
  int32_t height = height_;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, infix(least, left, height));
    if (!more) { break; }
    ++height;
    TIDEWHEEL_RETURN_IF_ERROR(check_height(height));
  }
  height_ = height;
  return left;
}

Result<Expression> Parser::prefix() {
  const Span begin = peek().span;
  std::optional<Unary::Op> op;
  Precedence operand = Precedence::kSign;
  if (accept("NOT")) {
    op = Unary::Op::kNot;
    operand = Precedence::kNot;
  } else if (accept("-")) {
    op = Unary::Op::kMinus;
  } else if (accept("+")) {
    op = Unary::Op::kPlus;
  }
  if (!op.has_value()) { return primary(); }
  Nested nested(*this);
  TIDEWHEEL_RETURN_IF_ERROR(check_nesting());
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression inner, binary(operand));
  ++height_;
  return Expression{Unary{*op, std::move(inner)}, span_since(begin)};
}

// Takes one operator and its right side, if there is one that binds as tightly as `least`.
Result<bool> Parser::infix(Precedence least, Expression& left, int32_t& height) {
  if (peek().kind != TokenKind::kWord && peek().kind != TokenKind::kSymbol) { return false; }
  for (const auto step : {&Parser::arithmetic, &Parser::comparison, &Parser::logical,
                          &Parser::is_test, &Parser::predicate}) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool taken, (this->*step)(least, left, height));
    if (taken) { return true; }
  }
  return false;
}

Result<Expression> Parser::right_of(Precedence precedence, int32_t& height) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression right, binary(above(precedence)));
  height = std::max(height, height_);
  return right;
}

Result<bool> Parser::binary_node(Binary::Op op, Precedence precedence, Expression& left,
                                 int32_t& height) {
  const Span begin = left.span;
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression right, right_of(precedence, height));
  left = Expression{Binary{op, std::move(left), std::move(right)}, span_since(begin)};
  return true;
}

Result<bool> Parser::arithmetic(Precedence least, Expression& left, int32_t& height) {
  for (const Operator& each : kArithmetic) {
    if (!at(each.symbol)) { continue; }
    if (each.precedence < least) { return false; }
    ++at_;
    return binary_node(each.op, each.precedence, left, height);
  }
  return false;
}

Result<bool> Parser::comparison(Precedence least, Expression& left, int32_t& height) {
  if (Precedence::kComparison < least) { return false; }
  for (const Operator& each : kComparisons) {
    if (!accept(each.symbol)) { continue; }
    const bool all = at("ALL");
    if ((!all && !at("ANY") && !at("SOME")) || !at("(", 1)) {
      return binary_node(each.op, each.precedence, left, height);
    }
    ++at_;
    const Span begin = left.span;
    TIDEWHEEL_ASSIGN_OR_RETURN(Query of, query_in_parentheses());
    left = Expression{Quantified{each.op, all, std::move(left), std::move(of)}, span_since(begin)};
    return true;
  }
  return false;
}

// All operands of a chain of AND (or OR) are in one node.
Result<bool> Parser::logical(Precedence least, Expression& left, int32_t& height) {
  const bool is_and = at("AND");
  if (!is_and && !at("OR")) { return false; }
  const Precedence precedence = is_and ? Precedence::kAnd : Precedence::kOr;
  if (precedence < least) { return false; }
  const Span begin = left.span;
  Logical node{is_and, {}};
  node.operands.push_back(std::move(left));
  while (accept(is_and ? "AND" : "OR")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression operand, right_of(precedence, height));
    node.operands.push_back(std::move(operand));
  }
  left = Expression{std::move(node), span_since(begin)};
  return true;
}

Result<bool> Parser::is_test(Precedence least, Expression& left, int32_t& height) {
  if (!at("IS")) { return false; }
  const bool negated = at("NOT", 1);
  const size_t word = negated ? 2 : 1;
  if (at_all({"DISTINCT", "FROM"}, word)) {
    if (Precedence::kComparison < least) { return false; }
    at_ += word + 2;
    return binary_node(negated ? Binary::Op::kNotDistinctFrom : Binary::Op::kDistinctFrom,
                       Precedence::kComparison, left, height);
  }
  if (Precedence::kIs < least) { return false; }
  at_ += word;
  Is::Test test = Is::Test::kNull;
  const auto what = accept_one({"NULL", "TRUE", "FALSE", "UNKNOWN", "JSON"});
  if (!what.has_value()) {
    return unexpected(Words{"NULL", "NOT", "TRUE", "FALSE", "UNKNOWN", "DISTINCT", "JSON"});
  }
  if (*what == "TRUE") { test = Is::Test::kTrue; }
  if (*what == "FALSE") { test = Is::Test::kFalse; }
  if (*what == "UNKNOWN") { test = Is::Test::kUnknown; }
  if (*what == "JSON") {
    test = accept("VALUE")    ? Is::Test::kJsonValue
           : accept("OBJECT") ? Is::Test::kJsonObject
           : accept("ARRAY")  ? Is::Test::kJsonArray
           : accept("SCALAR") ? Is::Test::kJsonScalar
                              : Is::Test::kJson;
  }
  const Span begin = left.span;
  left = Expression{Is{test, negated, std::move(left)}, span_since(begin)};
  return true;
}

// [NOT] BETWEEN, IN, LIKE, SIMILAR TO, and OVERLAPS.
Result<bool> Parser::predicate(Precedence least, Expression& left, int32_t& height) {
  if (Precedence::kBetween < least) { return false; }
  if (accept("OVERLAPS")) {
    return binary_node(Binary::Op::kOverlaps, Precedence::kBetween, left, height);
  }
  const bool negated = at("NOT");
  const size_t word = negated ? 1 : 0;
  if (!at("BETWEEN", word) && !at("IN", word) && !at("LIKE", word) && !at("SIMILAR", word)) {
    if (negated) {
      ++at_;
      return unexpected(Words{"BETWEEN", "IN", "LIKE", "SIMILAR"});
    }
    return false;
  }
  at_ += word;
  const int32_t outer = std::exchange(tallest_, 0);
  Result<Expression> node = accept("BETWEEN") ? between(std::move(left), negated)
                            : accept("IN")    ? in(std::move(left), negated)
                            : accept("LIKE")  ? like(std::move(left), negated, false)
                                              : like(std::move(left), negated, true);
  height = std::max(height, tallest_);
  tallest_ = outer;
  TIDEWHEEL_ASSIGN_OR_RETURN(left, std::move(node));
  return true;
}

Result<Expression> Parser::between(Expression left, bool negated) {
  const Span begin = left.span;
  const bool symmetric = accept("SYMMETRIC");
  if (!symmetric) { accept("ASYMMETRIC"); }
  int32_t height = 0;
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression low, right_of(Precedence::kBetween, height));
  TIDEWHEEL_RETURN_IF_ERROR(expect("AND"));
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression high, right_of(Precedence::kBetween, height));
  tallest_ = std::max(tallest_, height);
  return Expression{Between{negated, symmetric, std::move(left), std::move(low), std::move(high)},
                    span_since(begin)};
}

Result<Expression> Parser::in(Expression left, bool negated) {
  const Span begin = left.span;
  if (at("(") && at_query(1)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Query of, query_in_parentheses());
    return Expression{In{negated, std::move(left), {}, std::move(of)}, span_since(begin)};
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  TIDEWHEEL_ASSIGN_OR_RETURN(Expressions list, expressions());
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return Expression{In{negated, std::move(left), std::move(list), std::nullopt}, span_since(begin)};
}

Result<Expression> Parser::like(Expression left, bool negated, bool similar) {
  const Span begin = left.span;
  if (similar) { TIDEWHEEL_RETURN_IF_ERROR(expect_all({"SIMILAR", "TO"})); }
  int32_t height = 0;
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression pattern, right_of(Precedence::kBetween, height));
  Like node{negated, similar, std::move(left), std::move(pattern), std::nullopt};
  if (accept("ESCAPE")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression escape, right_of(Precedence::kBetween, height));
    node.escape = std::move(escape);
  }
  tallest_ = std::max(tallest_, height);
  return Expression{std::move(node), span_since(begin)};
}

// ---- What operators connect

Result<Expression> Parser::primary() {
  const int32_t outer = std::exchange(tallest_, 0);
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression node, primary_node());
  TIDEWHEEL_ASSIGN_OR_RETURN(node, postfix(std::move(node)));
  height_ = tallest_ + 1;
  tallest_ = outer;
  return node;
}

Result<Expression> Parser::primary_node() {
  const Span begin = peek().span;
  if (std::optional<Literal> value = literal()) {
    return Expression{*std::move(value), span_since(begin)};
  }
  if (at("(")) { return in_parentheses(); }
  if (at("CASE")) { return case_node(); }
  if (at("CAST") || at("TRY_CAST")) { return cast_node(); }
  if (at("INTERVAL")) { return interval_node(); }
  if (accept("EXISTS")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Query of, query_in_parentheses());
    return Expression{Subquery{true, std::move(of)}, span_since(begin)};
  }
  if (at("ROW") && at("(", 1)) {
    at_ += 2;
    Constructor row{Constructor::Kind::kRow, {}};
    if (!at(")")) { TIDEWHEEL_ASSIGN_OR_RETURN(row.values, expressions()); }
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
    return Expression{std::move(row), span_since(begin)};
  }
  if ((at("ARRAY") || at("MAP") || at("MULTISET")) && at("[", 1)) { return bracket_constructor(); }
  if (at_special_call()) { return special_call(); }
  return name_or_call();
}

std::optional<Literal> Parser::literal() {
  using Kind = Literal::Kind;
  const Token& token = peek();
  const auto taken = [&](Kind kind, size_t tokens, std::string text) {
    at_ += tokens;
    return Literal{kind, std::move(text)};
  };
  switch (token.kind) {
    case TokenKind::kInteger: return taken(Kind::kInteger, 1, token.text);
    case TokenKind::kDecimal: return taken(Kind::kDecimal, 1, token.text);
    case TokenKind::kDouble: return taken(Kind::kDouble, 1, token.text);
    case TokenKind::kString: return taken(Kind::kString, 1, token.text);
    case TokenKind::kBytes: return taken(Kind::kBytes, 1, token.text);
    case TokenKind::kWord: break;
    default: return std::nullopt;
  }
  if (token.upper == "NULL") { return taken(Kind::kNull, 1, {}); }
  if (token.upper == "TRUE") { return taken(Kind::kTrue, 1, {}); }
  if (token.upper == "FALSE") { return taken(Kind::kFalse, 1, {}); }
  if (token.upper == "UNKNOWN") { return taken(Kind::kUnknown, 1, {}); }
  if (!at_string(1)) { return std::nullopt; }
  const std::string& text = peek(1).text;
  if (token.upper == "DATE") { return taken(Kind::kDate, 2, text); }
  if (token.upper == "TIME") { return taken(Kind::kTime, 2, text); }
  if (token.upper == "TIMESTAMP") { return taken(Kind::kTimestamp, 2, text); }
  return std::nullopt;
}

// (x), (x, y) or (SELECT ..)
Result<Expression> Parser::in_parentheses() {
  const Span begin = peek().span;
  // ((SELECT ..) + 1) is an expression: what stands behind the inner parentheses says so.
  const auto goes_on_as_query = [&] {
    if (!at("(", 1)) { return true; }
    size_t next = 2;
    for (int32_t open = 1; open > 0 && peek(next).kind != TokenKind::kEnd; ++next) {
      open += at("(", next) ? 1 : at(")", next) ? -1 : 0;
    }
    static constexpr std::string_view kBehind[] = {")",     "UNION", "INTERSECT", "EXCEPT", "MINUS",
                                                   "ORDER", "LIMIT", "OFFSET",    "FETCH"};
    return std::any_of(std::begin(kBehind), std::end(kBehind),
                       [&](std::string_view word) { return at(word, next); });
  };
  if (at_query(1) && goes_on_as_query()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Query of, query_in_parentheses());
    return Expression{Subquery{false, std::move(of)}, span_since(begin)};
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  TIDEWHEEL_ASSIGN_OR_RETURN(Expressions values, expressions());
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  if (values.size() > 1) {
    return Expression{Constructor{Constructor::Kind::kRow, std::move(values)}, span_since(begin)};
  }
  values[0].span = span_since(begin);
  const auto* const binary = std::get_if<Binary>(&values[0].node);
  const bool is_difference = binary != nullptr && binary->op == Binary::Op::kSubtract;
  const auto is_unit = [&](std::string_view word) { return at(word); };
  static constexpr std::string_view kUnits[] = {"DAY", "HOUR", "MINUTE", "SECOND"};
  if (is_difference && std::any_of(std::begin(kUnits), std::end(kUnits), is_unit)) {
    // (later - earlier) DAY TO SECOND: the difference as an interval of these units.
    DataType type;
    type.kind = DataType::Kind::kInterval;
    TIDEWHEEL_ASSIGN_OR_RETURN(type.units, interval_units());
    return Expression{Cast{false, std::move(values[0]), std::move(type)}, span_since(begin)};
  }
  return std::move(values[0]);
}

Result<Expression> Parser::case_node() {
  const Span begin = peek().span;
  TIDEWHEEL_RETURN_IF_ERROR(expect("CASE"));
  Case node;
  if (!at("WHEN")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression operand, expression());
    node.operand = std::move(operand);
  }
  do {
    TIDEWHEEL_RETURN_IF_ERROR(expect("WHEN"));
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression when, expression());
    TIDEWHEEL_RETURN_IF_ERROR(expect("THEN"));
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression then, expression());
    node.branches.push_back({std::move(when), std::move(then)});
  } while (at("WHEN"));
  TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<Expression> otherwise, optional_expression("ELSE"));
  if (otherwise.has_value()) { node.otherwise = *std::move(otherwise); }
  if (!accept("END")) { return unexpected(Words{"WHEN", "ELSE", "END"}); }
  return Expression{std::move(node), span_since(begin)};
}

Result<Expression> Parser::cast_node() {
  const Span begin = peek().span;
  const bool is_try = take().upper == "TRY_CAST";
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression operand, expression());
  TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
  TIDEWHEEL_ASSIGN_OR_RETURN(DataType type, data_type());
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return Expression{Cast{is_try, std::move(operand), std::move(type)}, span_since(begin)};
}

Result<Expression> Parser::interval_node() {
  const Span begin = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(IntervalLiteral value, interval_literal());
  return Expression{std::move(value), span_since(begin)};
}

Result<IntervalLiteral> Parser::interval_literal() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("INTERVAL"));
  IntervalLiteral value;
  value.negative = accept("-");
  if (!value.negative) { accept("+"); }
  TIDEWHEEL_ASSIGN_OR_RETURN(value.text, string("the length of the interval in quotes, as in "
                                                "INTERVAL '5' SECOND"));
  TIDEWHEEL_ASSIGN_OR_RETURN(value.units, interval_units());
  return value;
}

// unit [(digits)] [TO unit [(digits)]]
Result<IntervalUnits> Parser::interval_units() {
  IntervalUnits units;
  TIDEWHEEL_ASSIGN_OR_RETURN(units.from, time_unit());
  if (accept("(")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t digits, integer("a number of digits"));
    if (digits > 10) { return error(peek().span, "a unit has at most 10 digits"); }
    units.precision = static_cast<int32_t>(digits);
    if (units.from == TimeUnit::kSecond && accept(",")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t fraction, integer("a number of digits"));
      if (fraction > 9) {
        return error(peek().span, "seconds have at most 9 digits behind the point");
      }
      units.fraction = static_cast<int32_t>(fraction);
    }
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  }
  if (!accept("TO")) { return units; }
  TIDEWHEEL_ASSIGN_OR_RETURN(units.to, time_unit());
  if (units.to == TimeUnit::kSecond && accept("(")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t fraction, integer("a number of digits"));
    if (fraction > 9) {
      return error(peek().span, "seconds have at most 9 digits behind the point");
    }
    units.fraction = static_cast<int32_t>(fraction);
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  }
  return units;
}

Result<TimeUnit> Parser::time_unit() {
  const std::optional<TimeUnit> unit =
      peek().kind == TokenKind::kWord ? time_unit_of(peek().upper) : std::nullopt;
  if (!unit.has_value()) {
    return unexpected(Words{"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"});
  }
  ++at_;
  return *unit;
}

// ARRAY[..], MAP[..], MULTISET[..]
Result<Expression> Parser::bracket_constructor() {
  const Span begin = peek().span;
  Constructor node;
  const std::string& word = take().upper;
  node.kind = word == "ARRAY" ? Constructor::Kind::kArray
              : word == "MAP" ? Constructor::Kind::kMap
                              : Constructor::Kind::kMultiset;
  TIDEWHEEL_RETURN_IF_ERROR(expect("["));
  if (!at("]")) { TIDEWHEEL_ASSIGN_OR_RETURN(node.values, expressions()); }
  TIDEWHEEL_RETURN_IF_ERROR(expect("]"));
  if (node.kind == Constructor::Kind::kMap && node.values.size() % 2 != 0) {
    return error(span_since(begin), "a map takes keys and values in turn: MAP[key, value, ...]");
  }
  return Expression{std::move(node), span_since(begin)};
}

// a.b.c, a.b.*, f(..). CURRENT_DATE and the like are calls without parentheses.
Result<Expression> Parser::name_or_call() {
  const Span begin = peek().span;
  for (const std::string_view word :
       {"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"}) {
    if (!accept(word)) { continue; }
    FunctionCall call;
    call.name.parts.push_back({std::string(word), begin});
    call.has_parentheses = false;
    return Expression{std::move(call), begin};
  }
  if ((at("LEFT") || at("RIGHT")) && at("(", 1)) {  // keywords, and functions on text
    const Token& word = take();
    return call(Name{{{word.text, word.span}}}, std::nullopt);
  }
  Name name;
  do {
    if (!name.parts.empty() && accept("*")) {
      return Expression{Star{std::move(name)}, span_since(begin)};
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Identifier part, identifier("an expression"));
    name.parts.push_back(std::move(part));
  } while (accept("."));
  if (at("(")) { return call(std::move(name), std::nullopt); }
  return Expression{ColumnName{std::move(name)}, span_since(begin)};
}

// [i] and .field behind a value.
Result<Expression> Parser::postfix(Expression operand) {
  if (std::holds_alternative<Star>(operand.node)) { return operand; }
  for (;;) {
    const Span begin = operand.span;
    if (accept("[")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Expression index, expression());
      TIDEWHEEL_RETURN_IF_ERROR(expect("]"));
      operand = Expression{Subscript{std::move(operand), std::move(index)}, span_since(begin)};
    } else if (at(".")) {
      ++at_;
      TIDEWHEEL_ASSIGN_OR_RETURN(Identifier field, identifier("the name of a field"));
      operand = Expression{FieldAccess{std::move(operand), std::move(field)}, span_since(begin)};
    } else {
      return operand;
    }
    ++tallest_;
    TIDEWHEEL_RETURN_IF_ERROR(check_height(tallest_));
  }
}

Result<Expressions> Parser::expressions() {
  Expressions values;
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression value, expression());
    values.push_back(std::move(value));
    return {};
  }));
  return values;
}

Result<std::optional<Expression>> Parser::optional_expression(std::string_view keyword) {
  if (!accept(keyword)) { return std::optional<Expression>(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression value, expression());
  return std::optional<Expression>(std::move(value));
}

}  // namespace tidewheel::sql
