#include "tidewheel/sql/bind_async.h"

#include <fmt/format.h>

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
  for (const Expression* const call : calls) {
    if (!column_of(*call).has_value()) { TIDEWHEEL_RETURN_IF_ERROR(add(*call, plan)); }
  }
  return {};
}

Status AsyncCalls::add(const Expression& expression, PlanRef& plan) {
  const auto& call = std::get<FunctionCall>(expression.node);
  if (call.over.has_value() || call.distinct || call.filter.has_value()) {
    return binder_.error(expression.span, ErrorId::kSqlQuery,
                         fmt::format("{} is no aggregate", call.name.parts.back().name));
  }
  CorrelateNode node;
  node.function = functions_.look_up(call.name).table;
  std::vector<Bound> values;
  for (const FunctionCall::Argument& argument : call.arguments) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder_.bind(*argument.value));
    values.push_back(std::move(value));
  }
  std::vector<Argument> given;
  for (const Bound& value : values) {
    given.push_back({value.type, value.is_literal() ? &value.literal : nullptr});
  }
  const Result<TableSignature> signature = node.function->resolve(given);
  if (!signature.ok()) {
    return binder_.error(expression.span, signature.status().id(),
                         std::string(signature.status().message()));
  }
  std::vector<Bound> outputs = all_columns(*plan);
  std::vector<std::string> names = plan->type.names;
  const size_t width = outputs.size();
  for (size_t i = 0; i < values.size(); ++i) {
    const Span place = values[i].span;
    TIDEWHEEL_ASSIGN_OR_RETURN(
        Bound value, binder_.coerce(std::move(values[i]), signature->arguments[i], place));
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
  const LogicalType result = signature->result.types[0];
  made.type.add(fmt::format("async${}", width), result);
  made.window = plan->window;
  made.unique_keys = plan->unique_keys;
  made.updates = plan->updates;
  made.node = std::move(node);
  made.inputs.push_back(input);
  plan = make_plan(std::move(made));
  taken_.emplace_back(&expression,
                      Bound::of_column(static_cast<int32_t>(width), result, expression.span));
  return {};
}

}  // namespace tidewheel::sql
