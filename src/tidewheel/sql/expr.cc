#include "tidewheel/sql/expr.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "tidewheel/sql/expr_node.h"
#include "tidewheel/sql/job_sql.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"

namespace tidewheel {

namespace sql {

Name name_of(std::string_view text) {
  Name name;
  name.parts.emplace_back();
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`') {
      // Two of them are one that belongs to the name.
      if (quoted && i + 1 < text.size() && text[i + 1] == '`') {
        name.parts.back().name += text[i++];
      } else {
        quoted = !quoted;
      }
    } else if (text[i] == '.' && !quoted) {
      name.parts.emplace_back();
    } else {
      name.parts.back().name += text[i];
    }
  }
  return name;
}

Expression interval_literal(int64_t ms) {
  struct Unit {
    TimeUnit unit;
    uint64_t ms;
  };
  constexpr Unit kUnits[] = {{TimeUnit::kDay, 86'400'000},
                             {TimeUnit::kHour, 3'600'000},
                             {TimeUnit::kMinute, 60'000},
                             {TimeUnit::kSecond, 1000}};
  const uint64_t length =
      ms < 0 ? uint64_t{0} - static_cast<uint64_t>(ms) : static_cast<uint64_t>(ms);
  IntervalLiteral literal;
  literal.negative = ms < 0;
  literal.units.from = TimeUnit::kSecond;
  literal.text = fmt::format("{}.{:03}", length / 1000, length % 1000);
  for (const Unit& unit : kUnits) {
    if (length % unit.ms != 0 || (length == 0 && unit.unit != TimeUnit::kSecond)) { continue; }
    literal.units.from = unit.unit;
    literal.text = std::to_string(length / unit.ms);
    break;
  }
  return Expression{std::move(literal), {}};
}

namespace {

// The first error of several expressions.
Status first_error(std::initializer_list<const Expr*> parts) {
  for (const Expr* part : parts) {
    if (!part->node().error.ok()) { return part->node().error; }
  }
  return ok_status();
}

Expr make(Expression::Node node, Status error = {}) {
  return Expr(std::make_shared<const ExprNode>(ExprNode{{std::move(node), {}}, std::move(error)}));
}
Expr wrong(Status error) { return make(Literal{}, std::move(error)); }

Expr literal(Literal::Kind kind, std::string text) { return make(Literal{kind, std::move(text)}); }

Expr binary(Binary::Op op, const Expr& a, const Expr& b) {
  return make(Binary{op, a.node().tree, b.node().tree}, first_error({&a, &b}));
}
Expr unary(Unary::Op op, const Expr& a) {
  return make(Unary{op, a.node().tree}, first_error({&a}));
}

Expr logical(bool is_and, const Expr& a, const Expr& b) {
  Logical node;
  node.is_and = is_and;
  const auto* left = std::get_if<Logical>(&a.node().tree.node);
  if (left != nullptr && left->is_and == is_and) {
    node.operands = left->operands;
  } else {
    node.operands.push_back(a.node().tree);
  }
  node.operands.push_back(b.node().tree);
  return make(std::move(node), first_error({&a, &b}));
}

Expr test(Is::Test kind, bool negated, const Expr& operand) {
  return make(Is{kind, negated, operand.node().tree}, first_error({&operand}));
}

Expr cast_to(bool is_try, const Expr& operand, std::string_view text) {
  Result<DataType> type = parse_data_type(text);
  if (!type.ok()) { return wrong(type.status()); }
  return make(Cast{is_try, operand.node().tree, std::move(*type)}, first_error({&operand}));
}

SortKey sort_key(const SortBy& key) {
  return {key.value().node().tree, key.is_descending(), key.are_nulls_first()};
}

// Changes a copy of the call that an expression is.
template <class F>
Expr changed_call(const Expr& expression, const char* what, F change) {
  const auto* call = std::get_if<FunctionCall>(&expression.node().tree.node);
  if (call == nullptr) {
    Status error = first_error({&expression});
    if (error.ok()) {
      error =
          invalid_argument(ErrorId::kSqlQuery, "{} belongs to the call of a function, not to {}",
                           what, expression.to_sql());
    }
    return wrong(std::move(error));
  }
  FunctionCall changed = *call;
  Status error = expression.node().error;
  change(changed, error);
  return make(std::move(changed), std::move(error));
}

}  // namespace
}  // namespace sql

using sql::Between;
using sql::Binary;
using sql::Case;
using sql::Cast;
using sql::ColumnName;
using sql::Expression;
using sql::ExprNode;
using sql::FieldAccess;
using sql::Frame;
using sql::FrameBound;
using sql::FunctionCall;
using sql::In;
using sql::Is;
using sql::Like;
using sql::Literal;
using sql::Star;
using sql::Subscript;
using sql::Unary;
using sql::WindowSpec;

Expr::Expr(std::shared_ptr<const ExprNode> node) : node_(std::move(node)) {}
Expr::~Expr() = default;
Expr::Expr(const Expr&) = default;
Expr::Expr(Expr&&) noexcept = default;
Expr& Expr::operator=(const Expr&) = default;
Expr& Expr::operator=(Expr&&) noexcept = default;

Expr::Expr(std::string_view text) : Expr(sql::literal(Literal::Kind::kString, std::string(text))) {}
Expr::Expr(std::nullptr_t) : Expr(sql::literal(Literal::Kind::kNull, "")) {}
Expr::Expr(Timestamp at) : Expr(call("TO_TIMESTAMP_LTZ", at.ms(), 3)) {}
Expr::Expr(LocalTimestamp at)
    : Expr(sql::literal(Literal::Kind::kTimestamp, tidewheel::to_string(at))) {}
Expr::Expr(Date day) : Expr(sql::literal(Literal::Kind::kDate, tidewheel::to_string(day))) {}

Expr Expr::truth(bool value) {
  return sql::literal(value ? Literal::Kind::kTrue : Literal::Kind::kFalse, "");
}
Expr Expr::natural(uint64_t value) {
  return sql::literal(Literal::Kind::kInteger, std::to_string(value));
}
Expr Expr::whole(int64_t value) {
  if (value >= 0) { return natural(static_cast<uint64_t>(value)); }
  return -natural(uint64_t{0} - static_cast<uint64_t>(value));
}
Expr Expr::real(double value) {
  if (!std::isfinite(value)) {
    return Expr(value > 0 ? "Infinity" : value < 0 ? "-Infinity" : "NaN").cast("DOUBLE");
  }
  std::string text = fmt::format("{}", std::abs(value));
  if (text.find('e') == std::string::npos) { text += "E0"; }
  const Expr positive = sql::literal(Literal::Kind::kDouble, std::move(text));
  return std::signbit(value) ? -positive : positive;
}
Expr Expr::interval(int64_t ms) { return sql::make(std::move(sql::interval_literal(ms).node)); }

Expr Expr::as(std::string_view name) const {
  ExprNode node = *node_;
  node.alias = std::string(name);
  return Expr(std::make_shared<const ExprNode>(std::move(node)));
}
Expr Expr::cast(std::string_view type) const { return sql::cast_to(false, *this, type); }
Expr Expr::try_cast(std::string_view type) const { return sql::cast_to(true, *this, type); }
Expr Expr::is_null() const { return sql::test(Is::Test::kNull, false, *this); }
Expr Expr::is_not_null() const { return sql::test(Is::Test::kNull, true, *this); }
Expr Expr::is_distinct_from(const Expr& other) const {
  return sql::binary(Binary::Op::kDistinctFrom, *this, other);
}
Expr Expr::between(const Expr& low, const Expr& high) const {
  return sql::make(Between{false, false, node().tree, low.node().tree, high.node().tree},
                   sql::first_error({this, &low, &high}));
}
Expr Expr::like(std::string_view pattern) const {
  return sql::make(Like{false, false, node().tree, Expr(pattern).node().tree, std::nullopt},
                   sql::first_error({this}));
}
Expr Expr::in(const std::vector<Expr>& values) const {
  In node{false, this->node().tree, {}, std::nullopt};
  Status error = sql::first_error({this});
  for (const Expr& value : values) {
    node.list.push_back(value.node().tree);
    if (error.ok()) { error = value.node().error; }
  }
  return sql::make(std::move(node), std::move(error));
}
Expr Expr::field(std::string_view name) const {
  return sql::make(FieldAccess{node().tree, {std::string(name), {}}}, sql::first_error({this}));
}
Expr Expr::at(const Expr& index) const {
  return sql::make(Subscript{node().tree, index.node().tree}, sql::first_error({this, &index}));
}

Expr Expr::count() const { return call("COUNT", *this); }
Expr Expr::sum() const { return call("SUM", *this); }
Expr Expr::avg() const { return call("AVG", *this); }
Expr Expr::min() const { return call("MIN", *this); }
Expr Expr::max() const { return call("MAX", *this); }
Expr Expr::first_value() const { return call("FIRST_VALUE", *this); }
Expr Expr::last_value() const { return call("LAST_VALUE", *this); }
Expr Expr::distinct() const {
  return sql::changed_call(*this, "distinct()",
                           [](FunctionCall& call, Status&) { call.distinct = true; });
}
Expr Expr::filter(const Expr& condition) const {
  return sql::changed_call(*this, "filter()", [&](FunctionCall& call, Status& error) {
    call.filter = condition.node().tree;
    if (error.ok()) { error = condition.node().error; }
  });
}
Expr Expr::over(const Over& rows) const {
  return sql::changed_call(*this, "over()", [&](FunctionCall& call, Status& error) {
    const auto note = [&](const Expr& part) {
      if (error.ok()) { error = part.node().error; }
    };
    WindowSpec window;
    for (const Item& item : rows.partition_by) {
      window.partition_by.push_back(item.expression().node().tree);
      note(item.expression());
    }
    for (const SortBy& key : rows.order_by) {
      window.order_by.push_back(sql::sort_key(key));
      note(key.value());
    }
    if (rows.rows.has_value() || rows.range.has_value()) {
      Frame frame;
      frame.by_rows = rows.rows.has_value();
      const Expr offset = frame.by_rows ? Expr(*rows.rows) : Expr(*rows.range);
      frame.start = {FrameBound::Kind::kPreceding, offset.node().tree};
      frame.end = FrameBound{FrameBound::Kind::kCurrentRow, std::nullopt};
      window.frame = std::move(frame);
    }
    call.over = std::move(window);
  });
}

SortBy Expr::asc() const { return SortBy(*this); }
SortBy Expr::desc() const { return SortBy(*this).descending(); }
SortBy SortBy::descending() const {
  SortBy key = *this;
  key.descending_ = true;
  return key;
}
SortBy SortBy::nulls_first() const {
  SortBy key = *this;
  key.nulls_first_ = true;
  return key;
}
SortBy SortBy::nulls_last() const {
  SortBy key = *this;
  key.nulls_first_ = false;
  return key;
}

std::string Expr::to_sql() const { return sql::to_sql(node_->tree); }

Item::Item(std::string_view column)
    : expression_(column == "*" ? sql::make(Star{})
                  : column.ends_with(".*")
                      ? sql::make(Star{sql::name_of(column.substr(0, column.size() - 2))})
                      : col(column)) {}

Expr col(std::string_view name) { return sql::make(ColumnName{sql::name_of(name)}); }
Expr sql_expr(std::string_view text) {
  Result<Expression> parsed = sql::parse_expression(text);
  if (!parsed.ok()) { return sql::wrong(parsed.status()); }
  return sql::make(std::move(parsed->node));
}
Expr call_function(std::string_view name, const std::vector<Expr>& arguments) {
  FunctionCall node;
  node.name = sql::name_of(name);
  Status error;
  for (const Expr& argument : arguments) {
    node.arguments.push_back({std::nullopt, argument.node().tree});
    if (error.ok()) { error = argument.node().error; }
  }
  return sql::make(std::move(node), std::move(error));
}
Expr count_all() {
  FunctionCall node;
  node.name = sql::name_of("COUNT");
  node.arguments.push_back({std::nullopt, Expression{Star{}, {}}});
  return sql::make(std::move(node));
}
Expr row_number() { return call_function("ROW_NUMBER", {}); }
Expr if_else(const Expr& condition, const Expr& then, const Expr& otherwise) {
  Case node;
  node.branches.push_back({condition.node().tree, then.node().tree});
  node.otherwise = otherwise.node().tree;
  return sql::make(std::move(node), sql::first_error({&condition, &then, &otherwise}));
}

Expr operator+(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kAdd, a, b); }
Expr operator-(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kSubtract, a, b); }
Expr operator*(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kMultiply, a, b); }
Expr operator/(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kDivide, a, b); }
Expr operator%(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kModulo, a, b); }
Expr operator-(const Expr& a) { return sql::unary(Unary::Op::kMinus, a); }
Expr operator==(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kEqual, a, b); }
Expr operator!=(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kNotEqual, a, b); }
Expr operator<(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kLess, a, b); }
Expr operator<=(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kLessEqual, a, b); }
Expr operator>(const Expr& a, const Expr& b) { return sql::binary(Binary::Op::kGreater, a, b); }
Expr operator>=(const Expr& a, const Expr& b) {
  return sql::binary(Binary::Op::kGreaterEqual, a, b);
}
Expr operator&&(const Expr& a, const Expr& b) { return sql::logical(true, a, b); }
Expr operator||(const Expr& a, const Expr& b) { return sql::logical(false, a, b); }
Expr operator!(const Expr& a) { return sql::unary(Unary::Op::kNot, a); }

}  // namespace tidewheel
