#include "tidewheel/sql/bind_subquery.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/evaluator.h"

namespace tidewheel::sql {
namespace {

LogicalType truth_type() { return LogicalType::of(TypeKind::kBoolean, false); }
Bound truth(bool value) { return Bound::of_literal({int64_t{value ? 1 : 0}}, truth_type()); }

Bound column_of(const Plan& plan, size_t column, Span span = {}) {
  return Bound::of_column(static_cast<int32_t>(column), plan.type.types[column], span);
}

Bound call(ExpressionBinder& binder, std::string_view name, std::vector<Bound> arguments) {
  Result<Bound> made = binder.call(name, std::move(arguments), {});
  TIDEWHEEL_CHECK(made.ok(), "{} of truth values: {}", name, made.status().message());
  return std::move(*made);
}
Bound one_of(ExpressionBinder& binder, std::string_view name, Bound argument) {
  std::vector<Bound> arguments;
  arguments.push_back(std::move(argument));
  return call(binder, name, std::move(arguments));
}
Bound chosen(Bound when, Bound then, Bound otherwise) {
  Bound made;
  made.kind = Bound::Kind::kCase;
  made.type = LogicalType::of(TypeKind::kBoolean, true);
  made.arguments.push_back(std::move(when));
  made.arguments.push_back(std::move(then));
  made.arguments.push_back(std::move(otherwise));
  return made;
}

// The rows of a plan with one more column.
PlanRef with_column(const PlanRef& plan, Bound value, const char* name) {
  std::vector<Bound> outputs = all_columns(*plan);
  std::vector<std::string> names = plan->type.names;
  outputs.push_back(std::move(value));
  names.emplace_back(name);
  return make_calc(plan, std::nullopt, std::move(outputs), std::move(names));
}
PlanRef first_columns(const PlanRef& plan, size_t count) {
  if (plan->type.size() == count) { return plan; }
  std::vector<Bound> outputs = all_columns(*plan);
  outputs.resize(count);
  std::vector<std::string> names = plan->type.names;
  names.resize(count);
  return make_calc(plan, std::nullopt, std::move(outputs), std::move(names));
}

// One row with the value of the only row of a query; more than one are an error when it runs.
PlanRef only_value(const PlanRef& query, const FunctionRegistry& functions) {
  const LogicalType type = query->type.types[0].as_nullable();
  AggregateNode node;
  AggregateCallNode value;
  value.function = "FIRST_VALUE";
  value.arguments = {0};
  value.result = type;
  AggregateCallNode count;
  count.function = "COUNT";
  count.result = LogicalType::of(TypeKind::kBigint, false);
  Plan plan;
  plan.type.add("$value", type);
  plan.type.add("$count", count.result);
  node.calls = {std::move(value), std::move(count)};
  plan.node = std::move(node);
  plan.unique_keys.emplace_back();
  plan.updates = true;
  plan.inputs.push_back(query);
  const PlanRef counted = make_plan(std::move(plan));
  Bound only;
  only.kind = Bound::Kind::kCall;
  only.function = functions.find("$SINGLE_VALUE");
  only.type = type;
  only.arguments = all_columns(*counted);
  std::vector<Bound> outputs;
  outputs.push_back(std::move(only));
  return make_calc(counted, std::nullopt, std::move(outputs), {query->type.names[0]});
}

// The opposite of a comparison, but for NULL.
const char* opposite(Binary::Op op) {
  switch (op) {
    case Binary::Op::kEqual: return "<>";
    case Binary::Op::kNotEqual: return "=";
    case Binary::Op::kLess: return ">=";
    case Binary::Op::kLessEqual: return ">";
    case Binary::Op::kGreater: return "<=";
    default: return "<";
  }
}

}  // namespace

Result<PlanRef> QueryJoins::bound(const Query& query, ExpressionBinder& around) {
  if (const auto it = queries_.find(&query); it != queries_.end()) { return it->second; }
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, binder_.inner_query(query, around));
  queries_.emplace(&query, plan);
  return plan;
}

Bound QueryJoins::added_column(Span span) const {
  return column_of(*plan_, plan_->type.size() - 1, span);
}

Result<Bound> QueryJoins::value(const Expression& expression, ExpressionBinder& around) {
  if (const auto it = values_.find(&expression); it != values_.end()) { return it->second; }
  Result<Bound> made = [&]() -> Result<Bound> {
    if (const auto* query = std::get_if<Subquery>(&expression.node)) {
      return query->exists ? exists(*query->query, around, expression.span)
                           : scalar(*query->query, around, expression.span);
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const Comparison comparison, comparison_of(expression, around));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound found, any(comparison, around));
    const auto* in = std::get_if<In>(&expression.node);
    const auto* quantified = std::get_if<Quantified>(&expression.node);
    const bool negated = in != nullptr ? in->negated : quantified->all;
    return around.negate(std::move(found), negated, expression.span);
  }();
  if (made.ok() && plan_ != nullptr) { values_.emplace(&expression, *made); }
  return made;
}

Result<Unnested> QueryJoins::unnested(const PlanRef& query, bool settles) {
  Unnesting unnesting = this->unnesting();
  TIDEWHEEL_ASSIGN_OR_RETURN(Unnested made, unnesting.unnest_whole(query));
  if (settles) { unnesting.settle(made); }
  return made;
}

PlanRef QueryJoins::join(const Unnested& query, JoinKind kind,
                         std::vector<Bound> conditions) const {
  const Unnesting unnesting = this->unnesting();
  for (const Bound& one : query.conditions) { conditions.push_back(unnesting.over_both(one)); }
  return make_join(plan_, query.plan, kind, std::move(conditions), binder_.functions());
}

Bound QueryJoins::mark(const Unnested& query, std::vector<Bound> conditions,
                       ExpressionBinder& around) {
  const size_t width = plan_->type.size();
  const PlanRef joined = join(query, JoinKind::kMark, std::move(conditions));
  std::vector<Bound> both;
  both.push_back(column_of(*joined, width));
  both.push_back(Bound::of_literal({int64_t{0}}, LogicalType::of(TypeKind::kBigint, false)));
  std::vector<Bound> outputs = all_columns(*joined);
  outputs.back() = call(around, "<>", std::move(both));
  plan_ = make_calc(joined, std::nullopt, std::move(outputs), joined->type.names);
  return added_column({});
}

Result<Bound> QueryJoins::scalar(const Query& query, ExpressionBinder& around, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef right, bound(query, around));
  if (right->type.size() != 1) {
    return error(around, query.span, ErrorId::kSqlType,
                 fmt::format("a query in the place of a value gives one column; this gives {}",
                             right->type.size()));
  }
  LogicalType type = right->type.types[0].as_nullable();
  type.time = TimeAttribute::kNone;
  if (plan_ == nullptr) { return Bound::of_column(0, std::move(type), span); }
  if (std::holds_alternative<SortNode>(right->node)) { right = right->inputs[0]; }
  if (!is_single_row(*right)) { right = only_value(first_columns(right, 1), binder_.functions()); }
  TIDEWHEEL_ASSIGN_OR_RETURN(Unnested made, unnested(right, /*settles=*/false));
  std::optional<Bound> otherwise;
  if (made.when_none.has_value()) {
    otherwise = fold(std::move((*made.when_none)[0]), EvalOptions{});
    if (otherwise->is_null_literal()) { otherwise.reset(); }
  }
  const size_t width = plan_->type.size();
  const size_t right_width = made.plan->type.size();
  if (otherwise.has_value()) { made.plan = with_column(made.plan, truth(true), "$present"); }
  const PlanRef joined = join(made, JoinKind::kLeft, {});
  Bound value = column_of(*joined, width, span);
  if (otherwise.has_value()) {
    Bound none = one_of(around, "IS NULL", column_of(*joined, width + right_width));
    Bound choice = chosen(std::move(none), std::move(*otherwise), std::move(value));
    choice.type = type;
    value = std::move(choice);
  }
  std::vector<Bound> outputs = all_columns(*plan_);
  std::vector<std::string> names = plan_->type.names;
  // The join has columns of time no more.
  for (size_t i = 0; i < width; ++i) { outputs[i].type = joined->type.types[i]; }
  value.type.time = TimeAttribute::kNone;
  outputs.push_back(std::move(value));
  names.emplace_back("$query" + std::to_string(width));
  plan_ = make_calc(joined, std::nullopt, std::move(outputs), std::move(names));
  return added_column(span);
}

Result<Bound> QueryJoins::exists(const Query& query, ExpressionBinder& around, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef right, bound(query, around));
  if (plan_ == nullptr) { return Bound::of_column(0, truth_type(), span); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const Unnested made, unnested(without_values(right), false));
  if (made.when_none.has_value()) { return truth(true); }
  return mark(made, {}, around);
}

Result<QueryJoins::Comparison> QueryJoins::comparison_of(const Expression& expression,
                                                         ExpressionBinder& around) {
  Comparison made;
  made.span = expression.span;
  const Expression* operand = nullptr;
  if (const auto* in = std::get_if<In>(&expression.node)) {
    operand = &*in->operand;
    made.query = &**in->query;
  } else {
    const auto& quantified = std::get<Quantified>(expression.node);
    operand = &*quantified.operand;
    made.query = &*quantified.query;
    made.op = quantified.all ? opposite(quantified.op) : operator_name(quantified.op);
  }
  const auto* row = std::get_if<Constructor>(&operand->node);
  if (row != nullptr && row->kind == Constructor::Kind::kRow) {
    if (std::string_view(made.op) != "=" && row->values.size() > 1) {
      return error(around, operand->span, ErrorId::kSqlUnsupported,
                   "rows of several values can be looked for by IN and NOT IN only");
    }
    for (const Expression& one : row->values) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, around.bind(one));
      made.operands.push_back(std::move(value));
    }
    return made;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, around.bind(*operand));
  made.operands.push_back(std::move(value));
  return made;
}

Result<Bound> QueryJoins::comparison_over_both(const Comparison& comparison, const Plan& right,
                                               ExpressionBinder& around) {
  if (comparison.operands.size() != right.type.size()) {
    return error(around, comparison.query->span, ErrorId::kSqlType,
                 fmt::format("the query gives {} column(s), and is compared with {}",
                             right.type.size(), comparison.operands.size()));
  }
  std::vector<Bound> all;
  for (size_t i = 0; i < right.type.size(); ++i) {
    std::vector<Bound> both;
    both.push_back(comparison.operands[i]);
    const size_t shift = plan_ == nullptr ? 0 : plan_->type.size();
    both.push_back(Bound::of_column(static_cast<int32_t>(shift + i), right.type.types[i]));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound one,
                               around.call(comparison.op, std::move(both), comparison.span));
    all.push_back(std::move(one));
  }
  return *join_conjunction(std::move(all));
}

// TRUE where a row makes the comparison true; else NULL where one leaves it open; else FALSE.
Result<Bound> QueryJoins::any(const Comparison& comparison, ExpressionBinder& around) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef right, bound(*comparison.query, around));
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound is, comparison_over_both(comparison, *right, around));
  const bool may_be_null = is.type.nullable;
  if (plan_ == nullptr) {
    return Bound::of_column(0, LogicalType::of(TypeKind::kBoolean, may_be_null), comparison.span);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const Unnested made, unnested(right, /*settles=*/true));
  const bool is_single = comparison.operands.size() == 1;
  Bound found = mark(made, split_conjunction(std::move(is)), around);
  if (!may_be_null) { return found; }
  // Which rows may leave it open: those that are NULL, all when the operand is.
  std::vector<Bound> open;
  const auto mark_open = [&](Unnested rows, std::vector<Bound> conditions) {
    open.push_back(mark(rows, std::move(conditions), around));
  };
  if (!is_single) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound again, comparison_over_both(comparison, *right, around));
    std::vector<Bound> conditions;
    conditions.push_back(one_of(around, "IS NOT FALSE", std::move(again)));
    mark_open(made, std::move(conditions));
  } else {
    if (right->type.types[0].nullable) {
      Unnested nulls = made;
      nulls.plan = make_filter(made.plan, one_of(around, "IS NULL", column_of(*made.plan, 0)));
      mark_open(std::move(nulls), {});
    }
    if (comparison.operands[0].type.nullable) {
      Unnested any_row = made;
      any_row.plan = with_column(made.plan, truth(true), "$any");
      const size_t last = plan_->type.size() + any_row.plan->type.size() - 1;
      // Rows whose operand is there have no key, and need not be kept.
      std::vector<Bound> both;
      Bound key = chosen(one_of(around, "IS NULL", comparison.operands[0]), truth(true),
                         Bound::of_literal({}, LogicalType::of(TypeKind::kBoolean, true)));
      both.push_back(std::move(key));
      both.push_back(Bound::of_column(static_cast<int32_t>(last), truth_type()));
      std::vector<Bound> conditions;
      conditions.push_back(call(around, "=", std::move(both)));
      mark_open(std::move(any_row), std::move(conditions));
    }
  }
  Bound value = truth(false);
  const Bound unknown = Bound::of_literal({}, LogicalType::of(TypeKind::kBoolean, true));
  for (Bound& one : open) { value = chosen(std::move(one), unknown, std::move(value)); }
  return chosen(std::move(found), truth(true), std::move(value));
}

// ---- Conditions of WHERE and HAVING

Status QueryJoins::filter(const Expression& condition, ExpressionBinder& around) {
  const Expression* inner = &condition;
  bool negated = false;
  for (const auto* unary = std::get_if<Unary>(&inner->node);
       unary != nullptr && unary->op == Unary::Op::kNot; unary = std::get_if<Unary>(&inner->node)) {
    inner = &*unary->operand;
    negated = !negated;
  }
  if (const auto* query = std::get_if<Subquery>(&inner->node); query != nullptr && query->exists) {
    return filter_exists(*query->query, around, negated);
  }
  const auto* in = std::get_if<In>(&inner->node);
  const auto* quantified = std::get_if<Quantified>(&inner->node);
  if ((in != nullptr && in->query.has_value()) || quantified != nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Comparison comparison, comparison_of(*inner, around));
    const bool is_none = in != nullptr ? in->negated : quantified->all;
    return filter_any(comparison, around, negated != is_none);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound bound, around.bind_condition(condition));
  plan_ = make_pushed_filter(plan_, split_conjunction(std::move(bound)), binder_.functions());
  return ok_status();
}

Status QueryJoins::filter_exists(const Query& query, ExpressionBinder& around, bool negated) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef right, bound(query, around));
  TIDEWHEEL_ASSIGN_OR_RETURN(Unnested made, unnested(without_values(right), false));
  if (made.when_none.has_value()) {  // there is a row, whatever the input
    if (negated) { plan_ = make_filter(plan_, truth(false)); }
    return ok_status();
  }
  if (made.conditions.empty()) {
    // One row says as much as all of them.
    std::vector<Bound> outputs;
    outputs.push_back(truth(true));
    made.plan = make_distinct(make_calc(made.plan, std::nullopt, std::move(outputs), {"$any"}));
  }
  plan_ = join(made, negated ? JoinKind::kAnti : JoinKind::kSemi, {});
  return ok_status();
}

Status QueryJoins::filter_any(const Comparison& comparison, ExpressionBinder& around,
                              bool negated) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef right, bound(*comparison.query, around));
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound is, comparison_over_both(comparison, *right, around));
  TIDEWHEEL_ASSIGN_OR_RETURN(Unnested made, unnested(right, /*settles=*/true));
  if (negated && is.type.nullable) { return filter_none(comparison, around, std::move(made)); }
  plan_ = join(made, negated ? JoinKind::kAnti : JoinKind::kSemi, split_conjunction(std::move(is)));
  return ok_status();
}

Status QueryJoins::filter_none(const Comparison& comparison, ExpressionBinder& around,
                               Unnested query) {
  const size_t columns = comparison.operands.size();
  const Plan& right = *query.plan;
  Plan only;  // the columns that are compared
  for (size_t i = 0; i < columns; ++i) { only.type.add(right.type.names[i], right.type.types[i]); }
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound is, comparison_over_both(comparison, only, around));
  if (columns > 1 || std::string_view(comparison.op) != "=") {
    // No key can be made of it: all pairs are looked at once.
    std::vector<Bound> conditions;
    conditions.push_back(one_of(around, "IS NOT FALSE", std::move(is)));
    plan_ = join(query, JoinKind::kAnti, std::move(conditions));
    return ok_status();
  }
  plan_ = join(query, JoinKind::kAnti, split_conjunction(std::move(is)));
  if (right.type.types[0].nullable) {
    Unnested nulls = query;
    nulls.plan = make_filter(query.plan, one_of(around, "IS NULL", column_of(right, 0)));
    plan_ = join(nulls, JoinKind::kAnti, {});
  }
  if (comparison.operands[0].type.nullable) {
    Unnested rows = query;
    rows.plan = with_column(query.plan, truth(true), "$any");
    const size_t last = plan_->type.size() + rows.plan->type.size() - 1;
    std::vector<Bound> both;
    both.push_back(chosen(one_of(around, "IS NULL", comparison.operands[0]), truth(true),
                          Bound::of_literal({}, LogicalType::of(TypeKind::kBoolean, true))));
    both.push_back(Bound::of_column(static_cast<int32_t>(last), truth_type()));
    std::vector<Bound> conditions;
    conditions.push_back(call(around, "=", std::move(both)));
    plan_ = join(rows, JoinKind::kAnti, std::move(conditions));
  }
  return ok_status();
}

// ---- The binder

Result<PlanRef> QueryBinder::inner_query(const Query& query, ExpressionBinder& around) {
  outers_.push_back(&around);
  Result<PlanRef> plan = this->query(query);
  outers_.pop_back();
  return plan;
}

ExpressionBinder QueryBinder::expressions(const Scope& scope) {
  ExpressionBinder binder(text_, scope, environment_.functions);
  if (!outers_.empty()) {
    binder.set_outer([this, outer = outers_.size() - 1](const ColumnName& column, Span span) {
      return outer_column(outer, column, span);
    });
  }
  return binder;
}

namespace {

// Columns of a query around, as the one inside sees them.
void make_outer(Bound& expression, int32_t level) {
  if (expression.kind == Bound::Kind::kColumn) {
    expression.kind = Bound::Kind::kOuter;
    expression.level = level;
  }
  expression.type.time = TimeAttribute::kNone;
  for (Bound& argument : expression.arguments) { make_outer(argument, level); }
}

// The parts of a condition that are joined by AND.
void collect_conjuncts(const Expression& condition, std::vector<const Expression*>& parts) {
  const auto* logical = std::get_if<Logical>(&condition.node);
  if (logical == nullptr || !logical->is_and) {
    parts.push_back(&condition);
    return;
  }
  for (const Expression& operand : logical->operands) { collect_conjuncts(operand, parts); }
}

}  // namespace

Result<Bound> QueryBinder::outer_column(size_t outer, const ColumnName& column, Span span) {
  Expression expression;
  expression.node = column;
  expression.span = span;
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound bound, outers_[outer]->bind(expression));
  make_outer(bound, static_cast<int32_t>(outer));
  return bound;
}

Result<PlanRef> QueryBinder::filtered(PlanRef plan, ExpressionBinder& binder,
                                      const Expression& condition, const QueryJoins* known) {
  std::vector<const Expression*> parts;
  collect_conjuncts(condition, parts);
  std::vector<Bound> conditions;
  std::vector<const Expression*> with_queries;
  for (const Expression* part : parts) {
    if (has_query(*part)) {
      with_queries.push_back(part);
      continue;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound bound, binder.bind_condition(*part));
    for (Bound& one : split_conjunction(std::move(bound))) { conditions.push_back(std::move(one)); }
  }
  std::vector<std::pair<size_t, size_t>> relations;
  for (const Relation& relation : binder.scope().relations) {
    relations.emplace_back(relation.first, relation.count);
  }
  add_implied(conditions, relations);
  const size_t width = plan->type.size();
  plan = make_pushed_filter(std::move(plan), std::move(conditions), environment_.functions);
  if (with_queries.empty()) { return plan; }
  QueryJoins joins(*this, std::move(plan));
  if (known != nullptr) { joins.know(*known); }
  binder.set_queries([&](const Expression& query, ExpressionBinder& around) {
    return joins.value(query, around);
  });
  Status status;
  for (const Expression* part : with_queries) {
    status = joins.filter(*part, binder);
    if (!status.ok()) { break; }
  }
  binder.set_queries(nullptr);
  TIDEWHEEL_RETURN_IF_ERROR(status);
  return first_columns(joins.plan(), width);
}

}  // namespace tidewheel::sql
