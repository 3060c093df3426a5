// Calls of asynchronous functions in the expressions of a query: each becomes an operator below
// them, whose value is one more column.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/sql/expression_binder.h"
#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

class AsyncCalls {
 public:
  // Both outlive this. The binder gets to know the calls that are taken, until another intercept is
  // set.
  AsyncCalls(const FunctionRegistry& functions, ExpressionBinder& binder);
  AsyncCalls(const AsyncCalls&) = delete;
  AsyncCalls& operator=(const AsyncCalls&) = delete;

  // Adds the values of the calls in an expression behind the columns of the plan. Errors: kSqlType.
  Status take(const Expression& expression, PlanRef& plan);
  // The value of a call that was taken; of what is none, nothing.
  std::optional<Bound> column_of(const Expression& expression) const;

 private:
  Status add(const Expression& expression, PlanRef& plan);

  const FunctionRegistry& functions_;
  ExpressionBinder& binder_;
  std::vector<std::pair<const Expression*, Bound>> taken_;
};

}  // namespace tidewheel::sql
