// Queries within expressions: each becomes a join with what the expression is over.
#pragma once
#include <map>
#include <optional>
#include <vector>

#include "tidewheel/sql/decorrelate.h"
#include "tidewheel/sql/query.h"
#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {

// What `queries` of an ExpressionBinder gives: the values of queries are columns that are added to
// a plan behind those that it has. Expression trees outlive this.
class QueryJoins {
 public:
  // Without a plan expressions can be bound to learn their types; nothing is joined.
  explicit QueryJoins(QueryBinder& binder, PlanRef plan = nullptr)
      : binder_(binder), plan_(std::move(plan)) {}
  void join_to(PlanRef plan) {
    plan_ = std::move(plan);
    values_.clear();
  }
  // Takes the queries that another one has bound for the same expressions.
  void know(const QueryJoins& other) { queries_ = other.queries_; }
  const PlanRef& plan() const { return plan_; }
  PlanRef& plan() { return plan_; }

  Result<Bound> value(const Expression& expression, ExpressionBinder& around);
  // Keeps the rows for which a condition that has a query is true.
  Status filter(const Expression& condition, ExpressionBinder& around);

 private:
  // x op ANY (query); of IN: `=`.
  struct Comparison {
    std::vector<Bound> operands;  // of (a, b) IN: several
    const Query* query = nullptr;
    const char* op = "=";
    Span span;
  };

  Result<PlanRef> bound(const Query& query, ExpressionBinder& around);
  Result<Bound> scalar(const Query& query, ExpressionBinder& around, Span span);
  Result<Bound> exists(const Query& query, ExpressionBinder& around, Span span);
  Result<Bound> any(const Comparison& comparison, ExpressionBinder& around);
  Result<Comparison> comparison_of(const Expression& expression, ExpressionBinder& around);
  Status filter_exists(const Query& query, ExpressionBinder& around, bool negated);
  Status filter_any(const Comparison& comparison, ExpressionBinder& around, bool negated);
  // Rows where no row of the query makes the comparison true, and none leaves it open.
  Status filter_none(const Comparison& comparison, ExpressionBinder& around, Unnested query);
  // `operand op column`, for each of them, over both sides.
  Result<Bound> comparison_over_both(const Comparison& comparison, const Plan& right,
                                     ExpressionBinder& around);
  Result<Unnested> unnested(const PlanRef& query, bool settles);
  // Joins with the query's own conditions, and others over both sides.
  PlanRef join(const Unnested& query, JoinKind kind, std::vector<Bound> conditions) const;
  Bound mark(const Unnested& query, std::vector<Bound> conditions, ExpressionBinder& around);
  Unnesting unnesting() const { return {plan_, binder_.outer_level(), binder_.functions()}; }
  Bound added_column(Span span) const;
  Status error(ExpressionBinder& around, Span span, ErrorId id, std::string message) const {
    return around.error(span, id, std::move(message));
  }

  QueryBinder& binder_;
  PlanRef plan_;
  std::map<const Query*, PlanRef> queries_;
  std::map<const Expression*, Bound> values_;
};

}  // namespace tidewheel::sql
