// Makes queries that name columns of the query around them into queries that do not.
//
// Such a query Q(o) gives rows for each row o of the query around. What is made of it is one plan R
// and conditions over o and R's rows: those of R's rows for which the conditions are true are Q(o).
// So the query around joins R on these conditions.
//
// Conditions on o are lifted from where they were written, through projections, joins and groups.
// An equality `f(o) = g(row)` becomes one more key of a group or a partition on its way. What can't
// be lifted (`row.x < o.y` below an aggregate, o's columns among what is selected) is decided where
// it stands, by a join with all different values that the columns of o have (the domain, as in
// Neumann and Kemper, "Unnesting Arbitrary Queries"), and is an equality from there on.
#pragma once
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

struct Unnested {
  // The columns of the query, then others that the conditions need.
  PlanRef plan;
  // Over the columns of `plan`, and those of the query around as Bound::Kind::kOuter.
  std::vector<Bound> conditions;
  // The row, of constants, that there is where no row of `plan` meets the conditions: of aggregates
  // without GROUP BY.
  std::optional<std::vector<Bound>> when_none;
};

class Unnesting {
 public:
  // `around` is the plan whose columns are kOuter of `level`.
  Unnesting(PlanRef around, int32_t level, const FunctionRegistry& functions)
      : around_(std::move(around)), level_(level), functions_(functions) {}

  // Errors: kSqlUnsupported for what can't name columns of a query around.
  Result<Unnested> unnest(const PlanRef& query);
  // The same of a query as a whole, which gives a row of its aggregates also where its input has
  // none.
  Result<Unnested> unnest_whole(const PlanRef& query);
  // Has `when_none` be rows like others.
  void settle(Unnested& query);
  // An expression over the columns of `around`, and then those of what is joined to it.
  Bound over_both(Bound condition) const;

 private:
  struct Node;
  bool depends(const Plan& plan) const;
  bool depends(const Bound& expression) const;
  void collect(const Bound& expression, std::vector<int32_t>& columns) const;
  // Joins the domain of the columns that the conditions name, and `columns`.
  void join_domain(Unnested& query, std::vector<int32_t> columns);
  // The domain beside the query's rows, with `when_none` where there are none.
  PlanRef padded(const Unnested& query, const PlanRef& domain, std::vector<Bound> conditions) const;
  // Which side of an equality is of the query around: 0 or 1; -1: it is none.
  int outer_side(const Bound& condition) const;
  // Has all conditions be equalities of an expression over `around` and a column of the plan; these
  // columns.
  std::vector<int32_t> key_columns(Unnested& query);
  // What the conditions have a column of the query around be equal to, of the same type.
  std::optional<Bound> bound_by(const std::vector<Bound>& conditions, int32_t column) const;
  // The expression without outer columns; they are bound by conditions, or by the domain.
  Bound bind(Unnested& query, Bound expression, const std::vector<Bound>& all);
  Bound call(const char* name, Bound a, Bound b) const;

  const PlanRef around_;
  const int32_t level_;
  const FunctionRegistry& functions_;
  bool is_whole_ = false;  // nothing but projections has been passed on the way down
  // Of parts of the query, which is there all the while.
  mutable std::unordered_map<const Plan*, bool> depends_;
  std::unordered_map<const Plan*, Unnested> unnested_;
};

// Whether a plan gives one row at most, whatever its input.
bool is_single_row(const Plan& plan);
// What is left of a query when only whether it gives any row matters.
PlanRef without_values(PlanRef query);

}  // namespace tidewheel::sql
