// Tables that are made of each row of what stands to their left: UNNEST, LATERAL TABLE(f(..)),
// LATERAL (query).
#include <fmt/format.h>

#include <utility>

#include "tidewheel/sql/decorrelate.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/query_binder.h"
#include "tidewheel/sql/table_function.h"

namespace tidewheel::sql {
namespace {

// A call of a table function, its arguments bound to columns of the left side.
struct LateralCall {
  TableFunctionRef function;
  std::vector<Bound> arguments;
  RowType result;
};

Result<LateralCall> resolve_call(ExpressionBinder& binder, TableFunctionRef function,
                                 std::vector<Bound> values, Span span) {
  std::vector<Argument> given;
  for (const Bound& value : values) {
    given.push_back({value.type, value.is_literal() ? &value.literal : nullptr});
  }
  Result<TableSignature> signature = function->resolve(given);
  if (!signature.ok()) {
    return binder.error(span, signature.status().id(), std::string(signature.status().message()));
  }
  LateralCall call{std::move(function), {}, std::move(signature->result)};
  for (size_t i = 0; i < values.size(); ++i) {
    const Span place = values[i].span;
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value,
                               binder.coerce(std::move(values[i]), signature->arguments[i], place));
    call.arguments.push_back(std::move(value));
  }
  return call;
}

Result<LateralCall> bind_unnest(ExpressionBinder& binder, const UnnestTable& unnest, Span span) {
  if (unnest.values.size() != 1) {
    return binder.error(span, ErrorId::kSqlUnsupported, "UNNEST takes one collection");
  }
  std::vector<Bound> values;
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(unnest.values[0]));
  values.push_back(std::move(value));
  return resolve_call(binder, make_unnest(unnest.with_ordinality), std::move(values),
                      unnest.values[0].span);
}

Result<LateralCall> bind_function(ExpressionBinder& binder, const FunctionRegistry& functions,
                                  const FunctionTable& table) {
  const auto& call = std::get<FunctionCall>(table.call.node);
  const NamedFunction found = functions.look_up(call.name);
  if (!found) {
    const Status unknown = functions.unknown(call.name);
    return binder.error(call.name.span(), unknown.id(), std::string(unknown.message()));
  }
  if (found.table == nullptr || found.table->is_async()) {
    return binder.error(call.name.span(), ErrorId::kSqlQuery,
                        fmt::format("{} gives one value and no table; TABLE(..) takes TUMBLE, HOP, "
                                    "CUMULATE, SESSION, or a table function of one's own",
                                    call.name.parts.back().name));
  }
  std::vector<Bound> values;
  for (const FunctionCall::Argument& argument : call.arguments) {
    if (argument.name.has_value()) {
      return binder.error(argument.name->span, ErrorId::kSqlUnsupported,
                          "arguments of functions of one's own are given by their place");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(*argument.value));
    values.push_back(std::move(value));
  }
  return resolve_call(binder, found.table, std::move(values), table.call.span);
}

// The arguments as columns behind those of the left side; `columns` gets their places.
PlanRef with_arguments(PlanRef left, std::vector<Bound> arguments, std::vector<int32_t>& columns) {
  std::vector<Bound> outputs = all_columns(*left);
  std::vector<std::string> names = left->type.names;
  const size_t before = outputs.size();
  for (Bound& argument : arguments) {
    if (argument.kind == Bound::Kind::kColumn) {
      columns.push_back(argument.column);
      continue;
    }
    columns.push_back(static_cast<int32_t>(outputs.size()));
    names.push_back(fmt::format("argument${}", columns.size()));
    outputs.push_back(std::move(argument));
  }
  if (outputs.size() == before) { return left; }
  return make_calc(std::move(left), std::nullopt, std::move(outputs), std::move(names));
}

PlanRef make_correlate_plan(PlanRef left, size_t left_columns, CorrelateNode node,
                            const RowType& result) {
  Plan plan;
  for (size_t i = 0; i < left_columns; ++i) {
    node.passed.push_back(static_cast<int32_t>(i));
    plan.type.add(left->type.names[i], left->type.types[i]);
  }
  for (size_t i = 0; i < result.size(); ++i) {
    node.given.push_back(static_cast<int32_t>(i));
    plan.type.add(result.names[i],
                  result.types[i].as_nullable(node.is_left || result.types[i].nullable));
  }
  plan.updates = left->updates;
  plan.window = left->window;
  plan.node = std::move(node);
  plan.inputs.push_back(std::move(left));
  return make_plan(std::move(plan));
}

bool is_true(const Expression& expression) {
  const auto* literal = std::get_if<Literal>(&expression.node);
  return literal != nullptr && literal->kind == Literal::Kind::kTrue;
}

// How a table that is made of the rows of the left side may be joined with it.
Status check_join(std::string_view text, const Join& join, Span span) {
  const bool is_left = join.kind == Join::Kind::kLeft;
  if (join.kind == Join::Kind::kRight || join.kind == Join::Kind::kFull || join.natural ||
      !join.using_columns.empty()) {
    return error_at(text, span, ErrorId::kSqlUnsupported,
                    "a table that is made of the columns to its left is joined by CROSS JOIN, "
                    "[INNER] JOIN .. ON or LEFT JOIN .. ON TRUE");
  }
  if (is_left && join.on.has_value() && !is_true(*join.on)) {
    return error_at(text, join.on->span, ErrorId::kSqlUnsupported,
                    "LEFT JOIN with a table that is made of the columns to its left takes ON TRUE "
                    "only");
  }
  return ok_status();
}

// Each row of `left` with the rows that a query gives for it, whose columns of `left` are outer
// ones of `unnesting`: the columns of both. A query that gives a row whatever its input (an
// aggregate of all) gives one here too.
Result<PlanRef> join_query(const PlanRef& left, PlanRef query, bool is_left, Unnesting unnesting,
                           const FunctionRegistry& functions) {
  const size_t width = left->type.size();
  const size_t query_width = query->type.size();
  TIDEWHEEL_ASSIGN_OR_RETURN(Unnested made, unnesting.unnest_whole(query));
  unnesting.settle(made);
  std::vector<Bound> conditions;
  for (const Bound& one : made.conditions) { conditions.push_back(unnesting.over_both(one)); }
  const PlanRef joined = make_join(left, made.plan, is_left ? JoinKind::kLeft : JoinKind::kInner,
                                   std::move(conditions), functions);
  std::vector<Bound> outputs = all_columns(*joined);
  outputs.resize(width + query_width);
  std::vector<std::string> names(left->type.names);
  names.insert(names.end(), query->type.names.begin(), query->type.names.end());
  return make_calc(joined, std::nullopt, std::move(outputs), std::move(names));
}

}  // namespace

Result<Planned> QueryBinder::lateral(Planned left, const TableReference& right, const Join* join) {
  if (join != nullptr) { TIDEWHEEL_RETURN_IF_ERROR(check_join(text_, *join, right.span)); }
  ExpressionBinder binder = expressions(left.scope);
  if (const auto* derived = std::get_if<DerivedTable>(&right.node)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef inner, inner_query(*derived->query, binder));
    const bool is_left = join != nullptr && join->kind == Join::Kind::kLeft;
    Result<PlanRef> plan = join_query(
        left.plan, inner, is_left, Unnesting(left.plan, outer_level(), functions()), functions());
    if (!plan.ok()) {
      return error(right.span, plan.status().id(), std::string(plan.status().message()));
    }
    RowType made;
    for (size_t i = left.plan->type.size(); i < (*plan)->type.size(); ++i) {
      made.add((*plan)->type.names[i], (*plan)->type.types[i]);
    }
    return beside(std::move(left), std::move(*plan), std::move(made), right, join);
  }
  const auto* unnest = std::get_if<UnnestTable>(&right.node);
  Result<LateralCall> bound =
      unnest != nullptr
          ? bind_unnest(binder, *unnest, right.span)
          : bind_function(binder, environment_.functions, std::get<FunctionTable>(right.node));
  if (!bound.ok()) { return bound.status(); }
  LateralCall call = std::move(*bound);
  CorrelateNode node;
  node.function = std::move(call.function);
  node.is_left = join != nullptr && join->kind == Join::Kind::kLeft;
  const size_t left_columns = left.plan->type.size();
  PlanRef input = with_arguments(std::move(left.plan), std::move(call.arguments), node.arguments);
  PlanRef plan = make_correlate_plan(std::move(input), left_columns, std::move(node), call.result);
  RowType made = call.result;
  for (size_t i = 0; i < made.size(); ++i) { made.types[i] = plan->type.types[left_columns + i]; }
  // An alias without columns names the one column there is, as the standard has it for UNNEST.
  const bool names_column = unnest != nullptr && made.size() == 1 && right.alias.has_value() &&
                            right.alias->columns.empty();
  if (names_column) { made.names[0] = right.alias->name.name; }
  return beside(std::move(left), std::move(plan), std::move(made), right, join);
}

Result<Planned> QueryBinder::beside(Planned left, PlanRef plan, RowType made,
                                    const TableReference& right, const Join* join) {
  Plan only;  // names and columns of the table that was made
  only.type = made;
  TIDEWHEEL_ASSIGN_OR_RETURN(const Planned named,
                             aliased(std::make_shared<Plan>(std::move(only)), right.alias, ""));
  Planned both{std::move(plan), Scope::beside(left.scope, named.scope)};
  // What is made by a join has no columns of time any more.
  both.scope.columns.types = both.plan->type.types;
  if (join != nullptr && join->kind != Join::Kind::kLeft && join->on.has_value()) {
    ExpressionBinder on = expressions(both.scope);
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound condition, on.bind_condition(*join->on));
    both.plan = make_pushed_filter(std::move(both.plan), split_conjunction(std::move(condition)),
                                   environment_.functions);
  }
  return both;
}

}  // namespace tidewheel::sql
