// Calls of asynchronous functions in the expressions of a query: each becomes an operator below
// them, whose value is one more column.
#pragma once
#include <memory>
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
  // The same of some calls, those in arguments of others first; and of OVER in the expression too.
  Status take_calls(const std::vector<const Expression*>& calls, PlanRef& plan);
  Status take_with_over(const Expression& expression, PlanRef& plan);
  // Before calls can be taken: a column that does not exist yet in the place of a call, whose
  // arguments are bound. Of what is none, nothing.
  Result<std::optional<Bound>> place_of(const Expression& expression);
  // The value of a call that was taken; of what is none, nothing.
  std::optional<Bound> column_of(const Expression& expression) const;

 private:
  struct BoundCall {
    std::shared_ptr<const TableFunction> function;
    std::vector<Bound> arguments;
    LogicalType result;
  };
  Result<BoundCall> bind(const Expression& expression);
  Status add(const Expression& expression, PlanRef& plan);

  const FunctionRegistry& functions_;
  ExpressionBinder& binder_;
  std::vector<std::pair<const Expression*, Bound>> taken_;
};

}  // namespace tidewheel::sql
