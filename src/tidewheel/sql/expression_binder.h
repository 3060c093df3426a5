// Binds expressions: names become columns, calls become functions with the casts that they need.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/sql/bound.h"
#include "tidewheel/sql/expression.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/scope.h"

namespace tidewheel::sql {

class ExpressionBinder {
 public:
  // Looks at an expression before it is bound: what it gives stands for the expression; nothing has
  // it bound as usual.
  using Intercept = std::function<Result<std::optional<Bound>>(const Expression&)>;

  // All outlive the binder. `text` is what places refer to.
  ExpressionBinder(std::string_view text, const Scope& scope, const FunctionRegistry& functions)
      : text_(text), scope_(scope), functions_(functions) {}
  void set_intercept(Intercept intercept) { intercept_ = std::move(intercept); }
  // Binds columns that the scope lacks: those of queries around this one.
  using Outer = std::function<Result<Bound>(const ColumnName&, Span)>;
  void set_outer(Outer outer) { outer_ = std::move(outer); }
  // Gives the values of queries in expressions: Subquery, In, Quantified.
  using Queries = std::function<Result<Bound>(const Expression&, ExpressionBinder&)>;
  void set_queries(Queries queries) { queries_ = std::move(queries); }

  Result<Bound> bind(const Expression& expression);
  // A condition: of type BOOLEAN.
  Result<Bound> bind_condition(const Expression& expression);
  // With the type that values are cast to implicitly. Errors: kSqlType at `span`.
  Result<Bound> coerce(Bound value, const LogicalType& type, Span span);
  Result<Bound> call(std::string_view name, std::vector<Bound> arguments, Span span);
  Result<Bound> call(const FunctionRef& function, std::vector<Bound> arguments, Span span);

  // ---- bind_json.cc: JSON_ARRAYAGG and JSON_OBJECTAGG. What is gathered of each row, and what is
  // made of the array of all of them.
  Result<Bound> json_part(const JsonCall& json, Span span);
  Result<Bound> json_whole(const JsonCall& json, Bound parts, Span span);

  // NOT, where `negated`.
  Result<Bound> negate(Bound value, bool negated, Span span);

  std::string_view text() const { return text_; }
  const Scope& scope() const { return scope_; }
  const FunctionRegistry& functions() const { return functions_; }
  Status error(Span span, ErrorId id, std::string message) const;

 private:
  Result<Bound> bind_node(const Expression& expression);
  Result<Bound> bind_node(const Literal& literal, Span span);
  Result<Bound> bind_node(const IntervalLiteral& literal, Span span);
  Result<Bound> bind_node(const ColumnName& column, Span span);
  Result<Bound> bind_node(const Unary& unary, Span span);
  Result<Bound> bind_node(const Binary& binary, Span span);
  Result<std::vector<Bound>> period(const Expression& expression);
  Result<Bound> bind_node(const Logical& logical, Span span);
  Result<Bound> bind_node(const Is& is, Span span);
  Result<Bound> bind_node(const Between& between, Span span);
  Result<Bound> bind_node(const Like& like, Span span);
  Result<Bound> bind_node(const In& in, Span span);
  Result<Bound> bind_node(const Case& one, Span span);
  Result<Bound> bind_node(const Cast& cast, Span span);
  Result<Bound> bind_node(const FunctionCall& call, Span span);
  Result<Bound> bind_node(const SpecialCall& call, Span span);
  Result<Bound> bind_node(const Constructor& constructor, Span span);
  Result<Bound> bind_node(const Subscript& subscript, Span span);
  Result<Bound> bind_node(const FieldAccess& access, Span span);
  // ---- bind_json.cc
  Result<Bound> bind_node(const JsonCall& json, Span span);
  Result<std::vector<Bound>> json_input(const JsonCall& json);
  Result<Bound> json_default(const std::optional<JsonCall::Handler>& handler,
                             const LogicalType& type, Span span);
  Result<Bound> json_value(const JsonCall& json, Span span);
  Result<Bound> json_query(const JsonCall& json, Span span);
  Result<Bound> json_constructor(const JsonCall& json, Span span);
  // Nodes that have no value by themselves.
  template <class Node>
  Result<Bound> bind_node(const Node& node, Span span);

  Result<std::vector<Bound>> bind_all(const Expressions& expressions);
  Result<Bound> compare(std::string_view op, Bound left, Bound right, Span span);
  Result<Bound> make_case(std::vector<Bound> parts, Span span);
  Result<Bound> bind_conditional(const std::string& name, std::vector<Bound> arguments, Span span);

  const std::string_view text_;
  const Scope& scope_;
  const FunctionRegistry& functions_;
  Intercept intercept_;
  Outer outer_;
  Queries queries_;
};

const char* operator_name(Binary::Op op);
// Whether the expression is a query, or compares with what one gives.
bool is_query(const Expression& expression);

// An interval as it was written. Errors: kSqlSyntax.
Result<Bound> bind_interval(std::string_view text, const IntervalLiteral& literal, Span span);
// JSON_ARRAYAGG or JSON_OBJECTAGG.
bool is_json_aggregate(const JsonCall& json);
// By its name in capitals.
bool is_aggregate_function(std::string_view name);
// The aggregates of users that a call means; null: none.
UserAggregatesRef user_aggregates(const FunctionRegistry& functions, const FunctionCall& call);

}  // namespace tidewheel::sql
