// SELECT: items, WHERE, DISTINCT, numbered rows.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/bind_async.h"
#include "tidewheel/sql/bind_subquery.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/over_binder.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/query_binder.h"
#include "tidewheel/sql/table_function.h"

namespace tidewheel::sql {
namespace {

// Calls f(expression) for the expression and all within it, but not within queries. Stops when f
// answers true.
template <class F>
bool any_within(const Expression& expression, const F& f);

template <class F>
struct Children {
  const F& f;
  bool one(const Expression& expression) const { return any_within(expression, f); }
  bool all(const Expressions& list) const {
    return std::any_of(list.begin(), list.end(), [&](const Expression& e) { return one(e); });
  }
  bool operator()(const Unary& n) const { return one(*n.operand); }
  bool operator()(const Binary& n) const { return one(*n.left) || one(*n.right); }
  bool operator()(const Logical& n) const { return all(n.operands); }
  bool operator()(const Is& n) const { return one(*n.operand); }
  bool operator()(const Between& n) const { return one(*n.operand) || one(*n.low) || one(*n.high); }
  bool operator()(const Like& n) const { return one(*n.operand) || one(*n.pattern); }
  bool operator()(const In& n) const { return one(*n.operand) || all(n.list); }
  bool operator()(const Case& n) const {
    return (n.operand.has_value() && one(**n.operand)) ||
           std::any_of(n.branches.begin(), n.branches.end(),
                       [&](const Case::Branch& b) { return one(*b.when) || one(*b.then); }) ||
           (n.otherwise.has_value() && one(**n.otherwise));
  }
  bool operator()(const Cast& n) const { return one(*n.operand); }
  bool operator()(const FunctionCall& n) const {
    return std::any_of(n.arguments.begin(), n.arguments.end(),
                       [&](const auto& a) { return one(*a.value); });
  }
  bool operator()(const SpecialCall& n) const { return all(n.arguments); }
  bool operator()(const JsonCall& n) const { return all(n.arguments); }
  bool operator()(const Constructor& n) const { return all(n.values); }
  bool operator()(const Subscript& n) const { return one(*n.of) || one(*n.index); }
  bool operator()(const FieldAccess& n) const { return one(*n.of); }
  template <class Node>
  bool operator()(const Node&) const {
    return false;
  }
};

template <class F>
bool any_within(const Expression& expression, const F& f) {
  return f(expression) || std::visit(Children<F>{f}, expression.node);
}

// The name of an item without an alias.
std::string item_name(const Expression& expression, size_t index) {
  if (const auto* column = std::get_if<ColumnName>(&expression.node)) {
    return column->name.parts.back().name;
  }
  if (const auto* field = std::get_if<FieldAccess>(&expression.node)) { return field->field.name; }
  return "EXPR$" + std::to_string(index);
}

}  // namespace

bool is_aggregate_function(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "COUNT",       "SUM",         "AVG",        "MIN",       "MAX",      "STDDEV_POP",
      "STDDEV_SAMP", "STDDEV",      "VAR_POP",    "VAR_SAMP",  "VARIANCE", "LISTAGG",
      "COLLECT",     "FIRST_VALUE", "LAST_VALUE", "ARRAY_AGG", "SUM0",     "APPROX_COUNT_DISTINCT"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

UserAggregatesRef user_aggregates(const FunctionRegistry& functions, const FunctionCall& call) {
  if (call.name.parts.size() == 1) {
    const std::string name = in_capitals(call.name.parts[0].name);
    if (is_aggregate_function(name) && !functions.has_user(FunctionLayer::kTemporarySystem, name)) {
      return nullptr;
    }
  }
  return functions.look_up(call.name).aggregate;
}

// Whether the expression itself is an aggregate.
static bool is_aggregate(const Expression& expression, const FunctionRegistry& functions) {
  const auto* json = std::get_if<JsonCall>(&expression.node);
  if (json != nullptr && is_json_aggregate(*json)) { return true; }
  const auto* call = std::get_if<FunctionCall>(&expression.node);
  return call != nullptr && !call->over.has_value() &&
         (is_aggregate_function(in_capitals(call->name.parts.back().name)) ||
          user_aggregates(functions, *call) != nullptr);
}

bool has_aggregate(const Expression& expression, const FunctionRegistry& functions) {
  return any_within(expression,
                    [&](const Expression& one) { return is_aggregate(one, functions); });
}

void collect_async_calls(const Expression& expression, const FunctionRegistry& functions,
                         std::vector<const Expression*>& calls) {
  const auto first = static_cast<ptrdiff_t>(calls.size());
  static_cast<void>(any_within(expression, [&](const Expression& one) {
    const auto* call = std::get_if<FunctionCall>(&one.node);
    const bool is_async = call != nullptr && [&] {
      const TableFunctionRef table = functions.look_up(call->name).table;
      return table != nullptr && table->is_async();
    }();
    if (is_async) { calls.push_back(&one); }
    return false;
  }));
  // A call is found before those in its arguments.
  std::reverse(calls.begin() + first, calls.end());
}

void collect_async_calls_below(const Expression& expression, const FunctionRegistry& functions,
                               std::vector<const Expression*>& calls) {
  static_cast<void>(any_within(expression, [&](const Expression& one) {
    if (!is_aggregate(one, functions)) { return false; }
    collect_async_calls(one, functions, calls);
    const auto* call = std::get_if<FunctionCall>(&one.node);
    if (call != nullptr && call->filter.has_value()) {
      collect_async_calls(**call->filter, functions, calls);
    }
    return false;
  }));
}

void collect_async_calls_above(const Expression& expression, const FunctionRegistry& functions,
                               const Expressions& keys, std::vector<const Expression*>& calls) {
  std::vector<const Expression*> below;
  static_cast<void>(any_within(expression, [&](const Expression& one) {
    const bool is_key =
        std::any_of(keys.begin(), keys.end(), [&](const Expression& key) { return key == one; });
    if (is_key || is_aggregate(one, functions)) { collect_async_calls(one, functions, below); }
    return false;
  }));
  std::vector<const Expression*> all;
  collect_async_calls(expression, functions, all);
  for (const Expression* const call : all) {
    if (std::find(below.begin(), below.end(), call) == below.end()) { calls.push_back(call); }
  }
}

void collect_async_calls_of_over(const Expression& expression, const FunctionRegistry& functions,
                                 std::vector<const Expression*>& calls) {
  std::vector<const Expression*> overs;
  collect_over_calls(expression, overs);
  for (const Expression* const over : overs) {
    const auto& call = std::get<FunctionCall>(over->node);
    for (const Expression& one : call.over->partition_by) {
      collect_async_calls(one, functions, calls);
    }
    for (const SortKey& key : call.over->order_by) {
      collect_async_calls(*key.value, functions, calls);
    }
    if (call.filter.has_value()) { collect_async_calls(**call.filter, functions, calls); }
  }
}

void collect_names(const Expression& expression, std::vector<const Name*>& names) {
  static_cast<void>(any_within(expression, [&](const Expression& one) {
    if (const auto* column = std::get_if<ColumnName>(&one.node)) { names.push_back(&column->name); }
    return false;
  }));
}

bool has_query(const Expression& expression) { return any_within(expression, is_query); }
void collect_over_calls(const Expression& expression, std::vector<const Expression*>& calls) {
  static_cast<void>(any_within(expression, [&](const Expression& one) {
    const auto* call = std::get_if<FunctionCall>(&one.node);
    if (call != nullptr && call->over.has_value()) { calls.push_back(&one); }
    return false;
  }));
}

Result<std::vector<QueryBinder::Item>> QueryBinder::expand_items(const Select& select,
                                                                 const Scope& scope) {
  std::vector<Item> items;
  for (const SelectItem& item : select.items) {
    const auto* star = std::get_if<Star>(&item.value.node);
    if (star == nullptr) {
      items.push_back(
          {&item.value, -1,
           item.alias.has_value() ? item.alias->name : item_name(item.value, items.size())});
      continue;
    }
    std::vector<size_t> columns;
    if (!star->of.has_value()) { columns = scope.all(); }
    for (const Relation& relation : scope.relations) {
      if (!star->of.has_value() || relation.alias != star->of->parts.back().name) { continue; }
      for (size_t i = 0; i < relation.count; ++i) { columns.push_back(relation.first + i); }
    }
    for (const size_t column : columns) {
      items.push_back({nullptr, static_cast<int32_t>(column), scope.columns.names[column]});
    }
    if (columns.empty()) {
      std::vector<std::string> names;
      for (const Relation& relation : scope.relations) { names.push_back(relation.alias); }
      return error(item.value.span, ErrorId::kSqlName,
                   star->of.has_value()
                       ? fmt::format("there is no table '{}' here{}", star->of->parts.back().name,
                                     near_miss(star->of->parts.back().name, names))
                       : "there is nothing for * to stand for");
    }
  }
  return items;
}

// Later columns of the same name get a number, since a name has to mean one column.
static void make_names_unique(std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string base = names[i];
    for (int number = 0; std::find(names.begin(), names.begin() + static_cast<ptrdiff_t>(i),
                                   names[i]) != names.begin() + static_cast<ptrdiff_t>(i);
         ++number) {
      names[i] = base + std::to_string(number);
    }
  }
}

Result<QueryBinder::Sorted> QueryBinder::project(PlanRef& plan, ExpressionBinder& binder,
                                                 const std::vector<Item>& items,
                                                 const std::vector<SortKey>& order_by) {
  std::vector<Bound> outputs;
  std::vector<std::string> names;
  for (const Item& item : items) {
    if (item.expression == nullptr) {
      outputs.push_back(
          Bound::of_column(item.column, plan->type.types[static_cast<size_t>(item.column)]));
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(*item.expression));
      outputs.push_back(std::move(value));
    }
    names.push_back(item.name);
  }
  make_names_unique(names);
  Sorted sorted;
  sorted.visible = outputs.size();
  for (const SortKey& key : order_by) {
    // The name of an item goes before a column of the input.
    size_t index = outputs.size();
    if (const auto* column = std::get_if<ColumnName>(&key.value->node);
        column != nullptr && column->name.parts.size() == 1) {
      const auto it = std::find(names.begin(), names.begin() + static_cast<ptrdiff_t>(items.size()),
                                column->name.parts[0].name);
      index = static_cast<size_t>(it - names.begin());
    }
    if (const auto* literal = std::get_if<Literal>(&key.value->node);
        literal != nullptr && literal->kind == Literal::Kind::kInteger) {
      const size_t number = literal->text.size() < 6 ? std::stoul(literal->text) : 0;
      if (number < 1 || number > items.size()) {
        return error(key.value->span, ErrorId::kSqlQuery,
                     fmt::format("there are {} columns to sort by", items.size()));
      }
      index = number - 1;
    }
    if (index >= items.size()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(*key.value));
      const auto it = std::find(outputs.begin(), outputs.end(), value);
      index = static_cast<size_t>(it - outputs.begin());
      if (it == outputs.end()) {
        names.push_back("$sort" + std::to_string(outputs.size()));
        outputs.push_back(std::move(value));
      }
    }
    sorted.keys.push_back(
        {static_cast<int32_t>(index), key.descending, key.nulls_first.value_or(!key.descending)});
  }
  // Queries among the items may have been joined to the plan, which then has no columns of time.
  for (Bound& output : outputs) {
    if (output.kind == Bound::Kind::kColumn) {
      output.type.time = plan->type.types[static_cast<size_t>(output.column)].time;
    }
  }
  sorted.plan = make_calc(plan, std::nullopt, std::move(outputs), std::move(names));
  return sorted;
}

PlanRef make_distinct(PlanRef plan) {
  Plan made;
  AggregateNode node;
  for (size_t i = 0; i < plan->type.size(); ++i) { node.keys.push_back(static_cast<int32_t>(i)); }
  made.type = plan->type;
  for (LogicalType& type : made.type.types) { type.time = TimeAttribute::kNone; }
  made.unique_keys.push_back(node.keys);
  // What is there once stays, unless the input takes it back.
  made.updates = plan->updates;
  made.node = std::move(node);
  made.inputs.push_back(std::move(plan));
  return make_plan(std::move(made));
}

// Hints are those of the innermost query.
Result<Planned> QueryBinder::from_with_hints(const Select& select) {
  const auto* const outer = std::exchange(hints_, &select.hints);
  std::vector<std::string> outer_used = std::exchange(used_hints_, {});
  Result<Planned> planned = from(*select.from);
  const Status hints = planned.ok() ? check_hints(select.hints) : ok_status();
  hints_ = outer;
  used_hints_ = std::move(outer_used);
  TIDEWHEEL_RETURN_IF_ERROR(hints);
  return planned;
}

// The calls of items, of ORDER BY, and of what OVER goes by.
Status QueryBinder::take_async_of_rows(const Select& select, const std::vector<SortKey>& order_by,
                                       AsyncCalls& asyncs, PlanRef& plan) {
  for (const SelectItem& item : select.items) {
    TIDEWHEEL_RETURN_IF_ERROR(asyncs.take_with_over(item.value, plan));
  }
  for (const SortKey& key : order_by) {
    TIDEWHEEL_RETURN_IF_ERROR(asyncs.take_with_over(*key.value, plan));
  }
  for (const NamedWindow& window : select.windows) {
    for (const Expression& one : window.window.partition_by) {
      TIDEWHEEL_RETURN_IF_ERROR(asyncs.take(one, plan));
    }
    for (const SortKey& key : window.window.order_by) {
      TIDEWHEEL_RETURN_IF_ERROR(asyncs.take(*key.value, plan));
    }
  }
  return {};
}

// A SELECT that does not aggregate.
Result<QueryBinder::Sorted> QueryBinder::select_rows(Planned input, const Select& select,
                                                     const std::vector<SortKey>& order_by) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<Item> items, expand_items(select, input.scope));
  OverBinder overs(text_, select);
  ExpressionBinder binder = expressions(input.scope);
  AsyncCalls asyncs(environment_.functions, binder);
  TIDEWHEEL_RETURN_IF_ERROR(take_async_of_rows(select, order_by, asyncs, input.plan));
  QueryJoins joins(*this, input.plan);
  binder.set_queries([&](const Expression& query, ExpressionBinder& around) {
    return joins.value(query, around);
  });
  for (const SelectItem& item : select.items) {
    TIDEWHEEL_RETURN_IF_ERROR(overs.take_all(item.value, binder));
  }
  for (const SortKey& key : order_by) {
    TIDEWHEEL_RETURN_IF_ERROR(overs.take_all(*key.value, binder));
  }
  if (!overs.is_empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<SideTableNode> late,
                               late_table(select.hints, input.scope, *input.plan));
    overs.set_late(std::move(late));
  }
  // What queries in the calls gave stands before what the calls give.
  TIDEWHEEL_ASSIGN_OR_RETURN(input.plan, overs.apply(joins.plan()));
  joins.plan() = input.plan;
  // Columns may not be times any more, where rows are given in another order.
  for (size_t i = 0; i < input.scope.columns.size(); ++i) {
    input.scope.columns.types[i] = input.plan->type.types[i];
  }
  binder.set_intercept([&](const Expression& expression) -> Result<std::optional<Bound>> {
    if (std::optional<Bound> async = asyncs.column_of(expression)) { return async; }
    return overs.column_of(expression);
  });
  return project(joins.plan(), binder, items, order_by);
}

Result<QueryBinder::Sorted> QueryBinder::select(const Select& select,
                                                const std::vector<SortKey>& order_by) {
  Planned input;
  if (select.from.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(input, from_with_hints(select));
  } else {
    Plan one;
    one.node = ValuesNode{{{}}};
    input.plan = make_plan(std::move(one));
  }
  if (select.where.has_value()) {
    if (has_aggregate(*select.where, functions())) {
      return error(select.where->span, ErrorId::kSqlQuery,
                   "WHERE is looked at before rows are aggregated; use HAVING");
    }
    ExpressionBinder binder = expressions(input.scope);
    AsyncCalls asyncs(environment_.functions, binder);
    TIDEWHEEL_RETURN_IF_ERROR(asyncs.take(*select.where, input.plan));
    TIDEWHEEL_ASSIGN_OR_RETURN(input.plan, filtered(std::move(input.plan), binder, *select.where));
  }
  const bool aggregates =
      select.group_by.has_value() || select.having.has_value() ||
      std::any_of(select.items.begin(), select.items.end(),
                  [&](const SelectItem& item) { return has_aggregate(item.value, functions()); });
  Sorted sorted;
  if (aggregates) {
    TIDEWHEEL_ASSIGN_OR_RETURN(sorted, aggregate(std::move(input), select, order_by));
  } else {
    TIDEWHEEL_ASSIGN_OR_RETURN(sorted, select_rows(std::move(input), select, order_by));
  }
  if (select.distinct) {
    if (sorted.plan->type.size() != sorted.visible) {
      return error(order_by[0].value->span, ErrorId::kSqlQuery,
                   "with DISTINCT, rows can be sorted by what is selected only");
    }
    sorted.plan = make_distinct(std::move(sorted.plan));
  }
  return sorted;
}

}  // namespace tidewheel::sql
