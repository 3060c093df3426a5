#include "tidewheel/sql/bind_async.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/query_binder.h"
#include "tidewheel/sql/table_function.h"

namespace tidewheel::sql {

AsyncCalls::AsyncCalls(const FunctionRegistry& functions, ExpressionBinder& binder)
    : functions_(functions), binder_(binder) {
  binder_.set_intercept([this](const Expression& expression) -> Result<std::optional<Bound>> {
    return column_of(expression);
  });
}

std::optional<Bound> AsyncCalls::column_of(const Expression& expression) const {
  for (const auto& [taken, value] : taken_) {
    if (taken == &expression || *taken == expression) { return value; }
  }
  return std::nullopt;
}

Status AsyncCalls::take(const Expression& expression, PlanRef& plan) {
  std::vector<const Expression*> calls;
  collect_async_calls(expression, functions_, calls);
  return take_calls(calls, plan);
}

Status AsyncCalls::take_with_over(const Expression& expression, PlanRef& plan) {
  std::vector<const Expression*> calls;
  collect_async_calls(expression, functions_, calls);
  collect_async_calls_of_over(expression, functions_, calls);
  return take_calls(calls, plan);
}

Status AsyncCalls::take_calls(const std::vector<const Expression*>& calls, PlanRef& plan) {
  for (const Expression* const call : calls) {
    if (!column_of(*call).has_value()) { TIDEWHEEL_RETURN_IF_ERROR(add(*call, plan)); }
  }
  return {};
}

Result<std::optional<Bound>> AsyncCalls::place_of(const Expression& expression) {
  const auto* call = std::get_if<FunctionCall>(&expression.node);
  if (call == nullptr) { return std::optional<Bound>(); }
  const TableFunctionRef function = functions_.look_up(call->name).table;
  if (function == nullptr || !function->is_async()) { return std::optional<Bound>(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(BoundCall bound, bind(expression));
  return std::optional<Bound>(Bound::of_column(0, std::move(bound.result), expression.span));
}

Result<AsyncCalls::BoundCall> AsyncCalls::bind(const Expression& expression) {
  const auto& call = std::get<FunctionCall>(expression.node);
  if (call.over.has_value() || call.distinct || call.filter.has_value()) {
    return binder_.error(expression.span, ErrorId::kSqlQuery,
                         fmt::format("{} is no aggregate", call.name.parts.back().name));
  }
  BoundCall bound;
  bound.function = functions_.look_up(call.name).table;
  std::vector<Bound> values;
  for (const FunctionCall::Argument& argument : call.arguments) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder_.bind(*argument.value));
    values.push_back(std::move(value));
  }
  std::vector<Argument> given;
  for (const Bound& value : values) {
    given.push_back({value.type, value.is_literal() ? &value.literal : nullptr});
  }
  const Result<TableSignature> signature = bound.function->resolve(given);
  if (!signature.ok()) {
    return binder_.error(expression.span, signature.status().id(),
                         std::string(signature.status().message()));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const Span place = values[i].span;
    TIDEWHEEL_ASSIGN_OR_RETURN(
        Bound value, binder_.coerce(std::move(values[i]), signature->arguments[i], place));
    bound.arguments.push_back(std::move(value));
  }
  bound.result = signature->result.types[0];
  return bound;
}

Status AsyncCalls::add(const Expression& expression, PlanRef& plan) {
  TIDEWHEEL_ASSIGN_OR_RETURN(BoundCall call, bind(expression));
  CorrelateNode node;
  node.function = std::move(call.function);
  std::vector<Bound> outputs = all_columns(*plan);
  std::vector<std::string> names = plan->type.names;
  const size_t width = outputs.size();
  for (Bound& value : call.arguments) {
    node.arguments.push_back(
        value.kind == Bound::Kind::kColumn ? value.column : static_cast<int32_t>(outputs.size()));
    if (value.kind == Bound::Kind::kColumn) { continue; }
    names.push_back(fmt::format("argument${}", outputs.size()));
    outputs.push_back(std::move(value));
  }
  const PlanRef input = outputs.size() == width
                            ? plan
                            : make_calc(plan, std::nullopt, std::move(outputs), std::move(names));
  Plan made;
  for (size_t i = 0; i < width; ++i) {
    node.passed.push_back(static_cast<int32_t>(i));
    made.type.add(plan->type.names[i], plan->type.types[i]);
  }
  node.given.push_back(0);
  made.type.add(fmt::format("async${}", width), call.result);
  made.window = plan->window;
  made.unique_keys = plan->unique_keys;
  made.updates = plan->updates;
  made.node = std::move(node);
  made.inputs.push_back(input);
  plan = make_plan(std::move(made));
  taken_.emplace_back(&expression,
                      Bound::of_column(static_cast<int32_t>(width), call.result, expression.span));
  return {};
}

// ---- Groups

bool QueryBinder::has_async_call(const Expression& expression) const {
  std::vector<const Expression*> calls;
  collect_async_calls(expression, environment_.functions, calls);
  return !calls.empty();
}

Status QueryBinder::take_async_below(const Select& select, const std::vector<SortKey>& order_by,
                                     AsyncCalls& calls, PlanRef& plan) {
  std::vector<const Expression*> below;
  if (select.group_by.has_value()) {
    for (const Expression& key : *select.group_by) { collect_async_calls(key, functions(), below); }
  }
  const auto look_at = [&](const Expression& one) {
    collect_async_calls_below(one, functions(), below);
  };
  for (const SelectItem& item : select.items) { look_at(item.value); }
  if (select.having.has_value()) { look_at(*select.having); }
  for (const SortKey& key : order_by) { look_at(*key.value); }
  if (below.empty()) { return {}; }
  if (plan->window.has_value() && plan->window->window.kind == WindowSpecNode::Kind::kSession) {
    return error(below[0]->span, ErrorId::kSqlUnsupported,
                 "an asynchronous function would come between the rows of sessions and their "
                 "aggregates; call it in a query below SESSION");
  }
  return calls.take_calls(below, plan);
}

Status QueryBinder::check_async_above(const Select& select, const std::vector<SortKey>& order_by) {
  const auto check = [&](const Expression& one) -> Status {
    std::vector<const Expression*> overs;
    collect_over_calls(one, overs);
    for (const Expression* const over : overs) {
      std::vector<const Expression*> calls;
      collect_async_calls_above(*over, functions(), {}, calls);
      collect_async_calls_of_over(*over, functions(), calls);
      if (calls.empty()) { continue; }
      return error(calls[0]->span, ErrorId::kSqlUnsupported,
                   "beside GROUP BY a call with OVER can't have asynchronous functions; use a "
                   "query in FROM");
    }
    return {};
  };
  for (const SelectItem& item : select.items) { TIDEWHEEL_RETURN_IF_ERROR(check(item.value)); }
  for (const SortKey& key : order_by) { TIDEWHEEL_RETURN_IF_ERROR(check(*key.value)); }
  return {};
}

std::vector<const Expression*> QueryBinder::async_above(
    const std::vector<const Expression*>& expressions, const Select& select) const {
  const Expressions none;
  std::vector<const Expression*> calls;
  for (const Expression* const one : expressions) {
    collect_async_calls_above(*one, environment_.functions,
                              select.group_by.has_value() ? *select.group_by : none, calls);
  }
  return calls;
}

// ---- Joins

namespace {

bool is_of(const Expression& call, const Scope& scope) {
  std::vector<const Name*> names;
  collect_names(call, names);
  return std::all_of(names.begin(), names.end(),
                     [&](const Name* name) { return is_known(scope, *name); });
}

// The values of calls become columns that no name means.
void hide_new_columns(Planned& side) {
  RowType& columns = side.scope.columns;
  side.scope.hidden.resize(columns.size(), false);
  for (size_t i = columns.size(); i < side.plan->type.size(); ++i) {
    columns.add(side.plan->type.names[i], side.plan->type.types[i]);
    side.scope.hidden.push_back(true);
  }
}

// The calls in the condition of a join, by the side that their columns are of.
struct SidesOfCalls {
  std::vector<const Expression*> left;
  std::vector<const Expression*> right;
  std::vector<const Expression*> both;

  SidesOfCalls(const Expression& condition, const Scope& left_scope, const Scope& right_scope,
               const FunctionRegistry& functions) {
    std::vector<const Expression*> calls;
    collect_async_calls(condition, functions, calls);
    for (const Expression* const call : calls) {
      (is_of(*call, left_scope) ? left : is_of(*call, right_scope) ? right : both).push_back(call);
    }
  }
  // Whether part of the condition has a call of both sides.
  bool waits(const Expression& part, const FunctionRegistry& functions) const {
    std::vector<const Expression*> calls;
    collect_async_calls(part, functions, calls);
    return std::any_of(calls.begin(), calls.end(), [&](const Expression* call) {
      return std::find(both.begin(), both.end(), call) != both.end();
    });
  }
};

std::vector<const Expression*> parts_of(const Expression& condition) {
  const auto* all = std::get_if<Logical>(&condition.node);
  if (all == nullptr || !all->is_and) { return {&condition}; }
  std::vector<const Expression*> parts;
  for (const Expression& one : all->operands) { parts.push_back(&one); }
  return parts;
}

}  // namespace

Result<Planned> QueryBinder::async_join(const Join& join, JoinKind kind, Planned left,
                                        Planned right) {
  const SidesOfCalls calls(*join.on, left.scope, right.scope, functions());
  if (!calls.both.empty() && kind != JoinKind::kInner) {
    return error(calls.both[0]->span, ErrorId::kSqlUnsupported,
                 "the condition of an outer join can't have an asynchronous function of both "
                 "sides: its value would be asked for before it is known which rows are joined");
  }
  const Scope left_names = left.scope;
  const Scope right_names = right.scope;
  ExpressionBinder in_left = expressions(left_names);
  ExpressionBinder in_right = expressions(right_names);
  AsyncCalls left_calls(functions(), in_left);
  AsyncCalls right_calls(functions(), in_right);
  TIDEWHEEL_RETURN_IF_ERROR(left_calls.take_calls(calls.left, left.plan));
  TIDEWHEEL_RETURN_IF_ERROR(right_calls.take_calls(calls.right, right.plan));
  hide_new_columns(left);
  hide_new_columns(right);
  const auto shift = static_cast<int32_t>(left.plan->type.size());
  const auto of_sides = [&](const Expression& one) -> std::optional<Bound> {
    if (std::optional<Bound> value = left_calls.column_of(one)) { return value; }
    std::optional<Bound> value = right_calls.column_of(one);
    if (value.has_value()) { value->column += shift; }
    return value;
  };
  const Scope scope = Scope::beside(left.scope, right.scope);
  ExpressionBinder beside = expressions(scope);
  beside.set_intercept(
      [&](const Expression& one) -> Result<std::optional<Bound>> { return of_sides(one); });
  std::vector<const Expression*> behind;
  std::vector<Bound> conditions;
  for (const Expression* const part : parts_of(*join.on)) {
    if (calls.waits(*part, functions())) {
      behind.push_back(part);
      continue;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound condition, beside.bind_condition(*part));
    for (Bound& one : split_conjunction(std::move(condition))) {
      conditions.push_back(std::move(one));
    }
  }
  Planned joined{make_join(std::move(left.plan), std::move(right.plan), kind, std::move(conditions),
                           environment_.functions),
                 scope};
  joined.scope.columns.types = joined.plan->type.types;
  const Scope both_names = joined.scope;
  ExpressionBinder over_both = expressions(both_names);
  AsyncCalls both_calls(functions(), over_both);
  over_both.set_intercept([&](const Expression& one) -> Result<std::optional<Bound>> {
    if (std::optional<Bound> value = of_sides(one)) { return value; }
    return both_calls.column_of(one);
  });
  TIDEWHEEL_RETURN_IF_ERROR(both_calls.take_calls(calls.both, joined.plan));
  for (const Expression* const part : behind) {
    TIDEWHEEL_ASSIGN_OR_RETURN(joined.plan, filtered(std::move(joined.plan), over_both, *part));
  }
  hide_new_columns(joined);
  return joined;
}

}  // namespace tidewheel::sql
