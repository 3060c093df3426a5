// Queries as wholes: WITH, set operations, VALUES, ORDER BY and LIMIT.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/query_binder.h"
#include "tidewheel/sql/typing.h"

namespace tidewheel::sql {
PlanRef make_union(std::vector<PlanRef> inputs) {
  Plan plan;
  plan.type = inputs[0]->type;
  for (const PlanRef& input : inputs) {
    plan.updates = plan.updates || input->updates;
    for (size_t i = 0; i < plan.type.size(); ++i) {
      plan.type.types[i].nullable |= input->type.types[i].nullable;
      if (input->type.types[i].time != plan.type.types[i].time) {
        plan.type.types[i].time = TimeAttribute::kNone;
      }
    }
  }
  // What is in windows stays in them, when all are.
  plan.window = inputs[0]->window;
  for (const PlanRef& input : inputs) {
    if (!plan.window.has_value() || !input->window.has_value() ||
        !(input->window->window == plan.window->window) ||
        input->window->start != plan.window->start || input->window->end != plan.window->end ||
        input->window->time != plan.window->time) {
      plan.window.reset();
    }
  }
  plan.node = UnionNode{};
  plan.inputs = std::move(inputs);
  return make_plan(std::move(plan));
}

namespace {
// Whether rows can be sorted as time goes on.
bool is_by_time(const Plan& plan, const std::vector<SortKeyNode>& keys) {
  return !keys.empty() && !keys[0].descending &&
         plan.type.types[static_cast<size_t>(keys[0].column)].time == TimeAttribute::kEvent;
}

std::vector<Bound> first_columns(const Plan& plan, size_t count) {
  std::vector<Bound> columns = all_columns(plan);
  columns.resize(count);
  return columns;
}

}  // namespace

Result<PlanRef> QueryBinder::query(const Query& query) {
  if (named_ == nullptr) {
    named_ = std::make_shared<Named>(Named{TableUses(environment_.catalog, query)});
  }
  const size_t outer = common_.size();
  for (const CommonTable& one : query.with) { common_.push_back({&one, outers_.size()}); }
  Result<Sorted> sorted = body(query);
  Result<PlanRef> plan =
      sorted.ok() ? ordered(query, std::move(*sorted)) : Result<PlanRef>(sorted.status());
  common_.resize(outer);
  if (const auto* one = std::get_if<Select>(&query.body); one != nullptr && plan.ok()) {
    TIDEWHEEL_RETURN_IF_ERROR(check_late_used(one->hints));
  }
  return plan;
}

Result<QueryBinder::Sorted> QueryBinder::body(const Query& query) {
  if (const auto* one = std::get_if<Select>(&query.body)) { return select(*one, query.order_by); }
  Result<PlanRef> plan = [&]() -> Result<PlanRef> {
    if (const auto* operation = std::get_if<SetOperation>(&query.body)) {
      return set_operation(*operation);
    }
    if (const auto* rows = std::get_if<Values>(&query.body)) { return values(*rows); }
    if (const auto* nested = std::get_if<NestedQuery>(&query.body)) {
      return this->query(*nested->query);
    }
    return named(NamedTable{std::get<TableQuery>(query.body).table, false, {}, std::nullopt});
  }();
  if (!plan.ok()) { return plan.status(); }
  return sort_by_outputs(std::move(*plan), query.order_by);
}

Result<QueryBinder::Sorted> QueryBinder::sort_by_outputs(PlanRef plan,
                                                         const std::vector<SortKey>& keys) {
  Sorted sorted;
  sorted.visible = plan->type.size();
  const Scope scope = Scope::of(plan->type, "");
  ExpressionBinder binder = expressions(scope);
  std::vector<Bound> outputs = all_columns(*plan);
  std::vector<std::string> names = plan->type.names;
  for (const SortKey& key : keys) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(*key.value));
    auto it = std::find(outputs.begin(), outputs.end(), value);
    if (it == outputs.end()) {
      outputs.push_back(std::move(value));
      names.push_back("$sort" + std::to_string(names.size()));
      it = outputs.end() - 1;
    }
    sorted.keys.push_back({static_cast<int32_t>(it - outputs.begin()), key.descending,
                           key.nulls_first.value_or(!key.descending)});
  }
  sorted.plan = outputs.size() == sorted.visible ? std::move(plan)
                                                 : make_calc(std::move(plan), std::nullopt,
                                                             std::move(outputs), std::move(names));
  return sorted;
}

Result<std::optional<int64_t>> QueryBinder::row_count(const std::optional<Expression>& expression) {
  if (!expression.has_value()) { return std::optional<int64_t>(); }
  const auto* literal = std::get_if<Literal>(&expression->node);
  if (literal == nullptr || literal->kind != Literal::Kind::kInteger || literal->text.size() > 18) {
    return error(expression->span, ErrorId::kSqlQuery, "a number of rows is a whole number");
  }
  return std::optional<int64_t>(std::stoll(literal->text));
}

Result<PlanRef> QueryBinder::ordered(const Query& query, Sorted sorted) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<int64_t> limit, row_count(query.limit));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<int64_t> offset, row_count(query.offset));
  PlanRef plan = std::move(sorted.plan);
  if (!limit.has_value() && offset.has_value()) {
    return error(query.offset->span, ErrorId::kSqlQuery,
                 "OFFSET needs a LIMIT: without one all rows of an endless input would have to be "
                 "kept");
  }
  if (limit.has_value() || !sorted.keys.empty()) {
    Plan made;
    made.type = plan->type;
    made.unique_keys = plan->unique_keys;
    made.updates = plan->updates;
    const bool by_time =
        !limit.has_value() && !plan->is_bounded && !plan->updates && is_by_time(*plan, sorted.keys);
    if (!by_time) {
      for (LogicalType& type : made.type.types) { type.time = TimeAttribute::kNone; }
    }
    if (!limit.has_value()) {
      made.node = SortNode{sorted.keys, by_time};
      made.updates = false;
      if (const auto* one = std::get_if<Select>(&query.body); one != nullptr && by_time) {
        TIDEWHEEL_ASSIGN_OR_RETURN(made.side,
                                   late_table(one->hints, Scope::of(plan->type, ""), *plan));
      }
      if (!by_time && !plan->is_bounded) {
        return error(query.order_by[0].value->span, ErrorId::kSqlQuery,
                     "an input without an end can be sorted by event time, ascending, and not by "
                     "other columns; add a LIMIT");
      }
    } else if (sorted.keys.empty() && !plan->updates) {
      made.node = LimitNode{offset.value_or(0), *limit};
    } else {
      TopNNode node;
      node.order_by = sorted.keys;
      node.first = offset.value_or(0) + 1;
      node.last = saturating_add(offset.value_or(0), *limit);
      made.node = std::move(node);
      made.updates = true;
    }
    made.inputs.push_back(std::move(plan));
    plan = make_plan(std::move(made));
  }
  if (plan->type.size() == sorted.visible) { return plan; }
  std::vector<std::string> names = plan->type.names;
  names.resize(sorted.visible);
  std::vector<Bound> outputs = first_columns(*plan, sorted.visible);
  return make_calc(std::move(plan), std::nullopt, std::move(outputs), std::move(names));
}

Result<PlanRef> QueryBinder::coerced(PlanRef plan, const std::vector<LogicalType>& types,
                                     Span span) {
  const Scope scope = Scope::of(plan->type, "");
  ExpressionBinder binder(text_, scope, environment_.functions);
  std::vector<Bound> outputs;
  bool same = true;
  for (size_t i = 0; i < types.size(); ++i) {
    Bound column = Bound::of_column(static_cast<int32_t>(i), plan->type.types[i]);
    same = same && column.type.same_type(types[i]);
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.coerce(std::move(column), types[i], span));
    outputs.push_back(std::move(value));
  }
  if (same) { return plan; }
  std::vector<std::string> names = plan->type.names;
  return make_calc(std::move(plan), std::nullopt, std::move(outputs), std::move(names));
}

Result<PlanRef> QueryBinder::set_operation(const SetOperation& operation) {
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef left, query(*operation.left));
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef right, query(*operation.right));
  const Span span = operation.right->span;
  if (left->type.size() != right->type.size()) {
    return error(span, ErrorId::kSqlType,
                 fmt::format("both sides need as many columns: {} and {}", left->type.size(),
                             right->type.size()));
  }
  std::vector<LogicalType> types;
  for (size_t i = 0; i < left->type.size(); ++i) {
    const std::vector<LogicalType> both{left->type.types[i], right->type.types[i]};
    Result<LogicalType> type = common_type(both);
    if (!type.ok()) {
      return error(span, ErrorId::kSqlType,
                   fmt::format("column '{}': {}", left->type.names[i], type.status().message()));
    }
    types.push_back(std::move(*type));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(left, coerced(std::move(left), types, operation.left->span));
  TIDEWHEEL_ASSIGN_OR_RETURN(right, coerced(std::move(right), types, span));
  if (operation.kind == SetOperation::Kind::kUnion) {
    PlanRef plan = make_union({std::move(left), std::move(right)});
    return operation.all ? std::move(plan) : make_distinct(std::move(plan));
  }
  Plan plan;
  const bool is_intersect = operation.kind == SetOperation::Kind::kIntersect;
  plan.node = SetOperationNode{is_intersect, operation.all};
  plan.type = left->type;
  for (size_t i = 0; i < plan.type.size(); ++i) {
    plan.type.types[i].time = TimeAttribute::kNone;
    plan.type.types[i].nullable |= right->type.types[i].nullable;
  }
  if (!operation.all) {
    plan.unique_keys.emplace_back(plan.type.size());
    std::iota(plan.unique_keys[0].begin(), plan.unique_keys[0].end(), 0);
  }
  plan.updates = !is_intersect || left->updates || right->updates;
  plan.inputs = {std::move(left), std::move(right)};
  return make_plan(std::move(plan));
}

Result<PlanRef> QueryBinder::values(const Values& values) {
  const Scope scope;
  ExpressionBinder binder = expressions(scope);
  std::vector<std::vector<Bound>> rows;
  for (const Expression& row : values.rows) {
    std::vector<Bound> bound;
    const auto* constructor = std::get_if<Constructor>(&row.node);
    if (constructor != nullptr && constructor->kind == Constructor::Kind::kRow) {
      for (const Expression& one : constructor->values) {
        TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(one));
        bound.push_back(std::move(value));
      }
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(row));
      bound.push_back(std::move(value));
    }
    if (!rows.empty() && rows[0].size() != bound.size()) {
      return error(
          row.span, ErrorId::kSqlType,
          fmt::format("all rows need as many values: {} and {}", rows[0].size(), bound.size()));
    }
    rows.push_back(std::move(bound));
  }
  Plan plan;
  ValuesNode node;
  node.rows.resize(rows.size());
  for (size_t column = 0; column < rows[0].size(); ++column) {
    std::vector<LogicalType> types;
    for (const auto& row : rows) { types.push_back(row[column].type); }
    Result<LogicalType> type = common_type(types);
    if (!type.ok()) {
      return error(rows[0][column].span, ErrorId::kSqlType, std::string(type.status().message()));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const Span span = rows[i][column].span;
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value,
                                 binder.coerce(std::move(rows[i][column]), *type, span));
      value = fold(std::move(value), EvalOptions{});
      if (!value.is_literal()) { return error(span, ErrorId::kSqlQuery, "VALUES takes constants"); }
      node.rows[i].push_back(std::move(value.literal));
    }
    plan.type.add("EXPR$" + std::to_string(column), std::move(*type));
  }
  plan.node = std::move(node);
  return make_plan(std::move(plan));
}

Result<PlanRef> bind_query(const BinderEnvironment& environment, std::string_view text,
                           const Query& query) {
  QueryBinder binder(environment, text);
  return binder.query(query);
}

}  // namespace tidewheel::sql
