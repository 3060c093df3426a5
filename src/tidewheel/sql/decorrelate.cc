#include "tidewheel/sql/decorrelate.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {
namespace {

template <class F>
void for_each_outer(const Bound& expression, int32_t level, const F& f) {
  if (expression.kind == Bound::Kind::kOuter && expression.level == level) { f(expression.column); }
  for (const Bound& argument : expression.arguments) { for_each_outer(argument, level, f); }
}

// Puts what `f` gives in the place of outer columns; nothing: they stay.
template <class F>
Bound with_outer(Bound expression, int32_t level, const F& f) {
  if (expression.kind == Bound::Kind::kOuter && expression.level == level) {
    std::optional<Bound> instead = f(expression.column);
    return instead.has_value() ? std::move(*instead) : expression;
  }
  for (Bound& argument : expression.arguments) {
    argument = with_outer(std::move(argument), level, f);
  }
  return expression;
}

bool has_column(const Bound& expression) {
  bool has = false;
  for_each_column(expression, [&](const Bound&) { has = true; });
  return has;
}

Bound column_of(const Plan& plan, int32_t column) {
  return Bound::of_column(column, plan.type.types[static_cast<size_t>(column)]);
}

// The columns `order` of a plan, in this order.
PlanRef picked(const PlanRef& plan, const std::vector<int32_t>& order) {
  std::vector<Bound> outputs;
  std::vector<std::string> names;
  for (const int32_t column : order) {
    outputs.push_back(column_of(*plan, column));
    names.push_back(plan->type.names[static_cast<size_t>(column)]);
  }
  return make_calc(plan, std::nullopt, std::move(outputs), std::move(names));
}

Bound substituted(Bound expression, const std::vector<Bound>& columns) {
  if (expression.kind == Bound::Kind::kColumn) {
    return columns[static_cast<size_t>(expression.column)];
  }
  for (Bound& argument : expression.arguments) {
    argument = substituted(std::move(argument), columns);
  }
  return expression;
}

// Numbers columns anew: column c is then to[c].
void move_columns(std::vector<Bound>& conditions, const std::vector<int32_t>& to) {
  for (Bound& condition : conditions) {
    for_each_column(condition,
                    [&](Bound& column) { column.column = to[static_cast<size_t>(column.column)]; });
  }
}

// Has the outputs give what the conditions need of the input, under the numbers that it has there.
void carry(std::vector<Bound>& conditions, const Plan& input, std::vector<Bound>& outputs,
           std::vector<std::string>& names) {
  for (Bound& condition : conditions) {
    for_each_column(condition, [&](Bound& column) {
      const auto it = std::find_if(outputs.begin(), outputs.end(), [&](const Bound& one) {
        return one.kind == Bound::Kind::kColumn && one.column == column.column;
      });
      const auto index = static_cast<int32_t>(it - outputs.begin());
      if (it == outputs.end()) {
        outputs.push_back(column_of(input, column.column));
        names.push_back("$corr" + std::to_string(outputs.size()));
      }
      column.column = index;
    });
  }
}

Bound truth(bool value) {
  return Bound::of_literal({int64_t{value ? 1 : 0}}, LogicalType::of(TypeKind::kBoolean, false));
}

}  // namespace

Bound Unnesting::call(const char* name, Bound a, Bound b) const {
  Bound made;
  made.kind = Bound::Kind::kCall;
  made.function = functions_.find(name);
  const bool compares_nulls = name[0] == 'I';
  made.type =
      LogicalType::of(TypeKind::kBoolean, !compares_nulls && (a.type.nullable || b.type.nullable));
  made.arguments.push_back(std::move(a));
  made.arguments.push_back(std::move(b));
  return made;
}

bool Unnesting::depends(const Bound& expression) const {
  bool found = false;
  for_each_outer(expression, level_, [&](int32_t) { found = true; });
  return found;
}

bool Unnesting::depends(const Plan& plan) const {
  if (const auto it = depends_.find(&plan); it != depends_.end()) { return it->second; }
  const auto any = [&](const std::vector<Bound>& list) {
    return std::any_of(list.begin(), list.end(), [&](const Bound& one) { return depends(one); });
  };
  const auto* calc = std::get_if<CalcNode>(&plan.node);
  const auto* join = std::get_if<JoinNode>(&plan.node);
  const std::optional<Bound>* const condition = calc != nullptr   ? &calc->condition
                                                : join != nullptr ? &join->condition
                                                                  : nullptr;
  const bool does = (calc != nullptr && any(calc->outputs)) ||
                    (condition != nullptr && condition->has_value() && depends(**condition)) ||
                    std::any_of(plan.inputs.begin(), plan.inputs.end(),
                                [&](const PlanRef& input) { return depends(*input); });
  return depends_[&plan] = does;
}

void Unnesting::collect(const Bound& expression, std::vector<int32_t>& columns) const {
  for_each_outer(expression, level_, [&](int32_t column) {
    if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
      columns.push_back(column);
    }
  });
}

Bound Unnesting::over_both(Bound condition) const {
  const auto shift = static_cast<int32_t>(around_->type.size());
  for_each_column(condition, [&](Bound& column) { column.column += shift; });
  return with_outer(std::move(condition), level_, [&](int32_t column) {
    return std::optional<Bound>(column_of(*around_, column));
  });
}

int Unnesting::outer_side(const Bound& condition) const {
  if (condition.kind != Bound::Kind::kCall || condition.arguments.size() != 2 ||
      (condition.function->name() != "=" && condition.function->name() != "IS NOT DISTINCT FROM")) {
    return -1;
  }
  for (int side = 0; side < 2; ++side) {
    const Bound& outer = condition.arguments[static_cast<size_t>(side)];
    const Bound& inner = condition.arguments[static_cast<size_t>(1 - side)];
    if (depends(outer) && !has_column(outer) && !depends(inner)) { return side; }
  }
  return -1;
}

std::optional<Bound> Unnesting::bound_by(const std::vector<Bound>& conditions,
                                         int32_t column) const {
  for (const Bound& condition : conditions) {
    const int side = outer_side(condition);
    if (side < 0) { continue; }
    const Bound& outer = condition.arguments[static_cast<size_t>(side)];
    const Bound& inner = condition.arguments[static_cast<size_t>(1 - side)];
    if (outer.kind == Bound::Kind::kOuter && outer.column == column &&
        outer.type.same_type(inner.type)) {
      return inner;
    }
  }
  return std::nullopt;
}

void Unnesting::join_domain(Unnested& query, std::vector<int32_t> columns) {
  for (const Bound& condition : query.conditions) { collect(condition, columns); }
  PlanRef domain;
  if (columns.empty()) {
    Plan one;
    one.node = ValuesNode{{{}}};
    domain = make_plan(std::move(one));
  } else {
    domain = make_distinct(picked(around_, columns));
  }
  const auto width = static_cast<int32_t>(query.plan->type.size());
  const bool pads = query.when_none.has_value();
  // The domain stands behind the query, or before it where the query may have no row.
  const int32_t domain_first = pads ? 0 : width;
  std::vector<Bound> conditions = std::move(query.conditions);
  for (Bound& condition : conditions) {
    if (pads) {
      for_each_column(
          condition, [&](Bound& column) { column.column += static_cast<int32_t>(columns.size()); });
    }
    condition = with_outer(std::move(condition), level_, [&](int32_t column) {
      const auto index =
          static_cast<size_t>(std::find(columns.begin(), columns.end(), column) - columns.begin());
      return std::optional<Bound>(
          Bound::of_column(domain_first + static_cast<int32_t>(index), domain->type.types[index]));
    });
  }
  query.plan =
      pads ? padded(query, domain, std::move(conditions))
           : make_join(query.plan, domain, JoinKind::kInner, std::move(conditions), functions_);
  query.when_none.reset();
  query.conditions.clear();
  for (size_t i = 0; i < columns.size(); ++i) {
    Bound outer = column_of(*around_, columns[i]);
    outer.kind = Bound::Kind::kOuter;
    outer.level = level_;
    Bound inner = column_of(*query.plan, width + static_cast<int32_t>(i));
    const bool may_be_null = outer.type.nullable;
    query.conditions.push_back(
        call(may_be_null ? "IS NOT DISTINCT FROM" : "=", std::move(outer), std::move(inner)));
  }
}

PlanRef Unnesting::padded(const Unnested& query, const PlanRef& domain,
                          std::vector<Bound> conditions) const {
  const auto width = static_cast<int32_t>(query.plan->type.size());
  const auto domain_width = static_cast<int32_t>(domain->type.size());
  std::vector<Bound> outputs = all_columns(*query.plan);
  std::vector<std::string> names = query.plan->type.names;
  outputs.push_back(truth(true));
  names.emplace_back("$present");
  const PlanRef right = make_calc(query.plan, std::nullopt, std::move(outputs), std::move(names));
  const PlanRef joined =
      make_join(domain, right, JoinKind::kLeft, std::move(conditions), functions_);
  outputs.clear();
  names = query.plan->type.names;
  Bound is_none;
  is_none.kind = Bound::Kind::kCall;
  is_none.function = functions_.find("IS NULL");
  is_none.type = LogicalType::of(TypeKind::kBoolean, false);
  is_none.arguments.push_back(column_of(*joined, domain_width + width));
  for (int32_t i = 0; i < width; ++i) {
    Bound value = column_of(*joined, domain_width + i);
    // Columns behind those of the query are only of use where there is a row.
    if (static_cast<size_t>(i) < query.when_none->size()) {
      Bound chosen;
      chosen.kind = Bound::Kind::kCase;
      chosen.type = value.type;
      chosen.arguments.push_back(is_none);
      chosen.arguments.push_back((*query.when_none)[static_cast<size_t>(i)]);
      chosen.arguments.push_back(std::move(value));
      value = std::move(chosen);
    }
    outputs.push_back(std::move(value));
  }
  for (int32_t i = 0; i < domain_width; ++i) {
    outputs.push_back(column_of(*joined, i));
    names.push_back("$outer" + std::to_string(i));
  }
  return make_calc(joined, std::nullopt, std::move(outputs), std::move(names));
}

void Unnesting::settle(Unnested& query) {
  if (query.when_none.has_value()) { join_domain(query, {}); }
}

std::vector<int32_t> Unnesting::key_columns(Unnested& query) {
  const auto is_key = [&](const Bound& one) { return outer_side(one) >= 0; };
  if (query.when_none.has_value() ||
      !std::all_of(query.conditions.begin(), query.conditions.end(), is_key)) {
    join_domain(query, {});
  }
  std::vector<Bound> outputs = all_columns(*query.plan);
  std::vector<std::string> names = query.plan->type.names;
  std::vector<int32_t> keys;
  for (Bound& condition : query.conditions) {
    Bound& inner = condition.arguments[static_cast<size_t>(1 - outer_side(condition))];
    const auto it = std::find(outputs.begin(), outputs.end(), inner);
    keys.push_back(static_cast<int32_t>(it - outputs.begin()));
    const LogicalType type = inner.type;
    if (it == outputs.end()) {
      names.push_back("$corr" + std::to_string(outputs.size()));
      outputs.push_back(std::move(inner));
    }
    inner = Bound::of_column(keys.back(), type);
  }
  if (outputs.size() != query.plan->type.size()) {
    query.plan = make_calc(query.plan, std::nullopt, std::move(outputs), std::move(names));
  }
  return keys;
}

Bound Unnesting::bind(Unnested& query, Bound expression, const std::vector<Bound>& all) {
  const auto by_conditions = [&](int32_t column) { return bound_by(query.conditions, column); };
  expression = with_outer(std::move(expression), level_, by_conditions);
  if (!depends(expression)) { return expression; }
  std::vector<int32_t> columns;
  for (const Bound& one : all) { collect(one, columns); }
  join_domain(query, std::move(columns));
  return with_outer(std::move(expression), level_, by_conditions);
}

// ---- By kind of node. The columns of the plan that is given are the first of the one that is
// made.

struct Unnesting::Node {
  Unnesting& unnesting;
  const PlanRef& plan;

  Result<Unnested> input(size_t index = 0) const { return unnesting.unnest(plan->inputs[index]); }
  template <class Any>
  Result<Unnested> operator()(const Any&) const {
    const std::string text = plan_text(*plan, false);
    return unimplemented(ErrorId::kSqlUnsupported,
                         "a query that names columns of the one around it can't have: {}",
                         text.substr(0, text.find('(')));
  }

  Result<Unnested> operator()(const CalcNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Unnested below, input());
    std::vector<Bound> own;
    std::vector<Bound> lifted;
    if (node.condition.has_value()) {
      for (Bound& part : split_conjunction(*node.condition)) {
        (unnesting.depends(part) ? lifted : own).push_back(std::move(part));
      }
    }
    const bool outputs_depend = std::any_of(node.outputs.begin(), node.outputs.end(),
                                            [&](const Bound& o) { return unnesting.depends(o); });
    if (below.when_none.has_value()) {
      if (!lifted.empty() || outputs_depend || !may_filter_none(own, below)) {
        unnesting.settle(below);
      }
    }
    for (Bound& condition : lifted) { below.conditions.push_back(std::move(condition)); }
    std::vector<Bound> outputs;
    for (const Bound& output : node.outputs) {
      outputs.push_back(unnesting.bind(below, output, node.outputs));
    }
    Unnested made;
    if (below.when_none.has_value()) {
      made.when_none.emplace();
      for (const Bound& output : outputs) {
        made.when_none->push_back(fold(substituted(output, *below.when_none), EvalOptions{}));
      }
    }
    std::vector<std::string> names = plan->type.names;
    carry(below.conditions, *below.plan, outputs, names);
    made.plan = make_calc(below.plan, join_conjunction(std::move(own)), std::move(outputs),
                          std::move(names));
    made.conditions = std::move(below.conditions);
    return made;
  }
  // Whether a filter over a row that stands for none is that row's as well: when it does not pass,
  // there is none. One that passes must be told from groups that do not.
  static bool may_filter_none(const std::vector<Bound>& conditions, Unnested& below) {
    if (conditions.empty()) { return true; }
    for (const Bound& condition : conditions) {
      const Bound value = fold(substituted(condition, *below.when_none), EvalOptions{});
      if (value.is_literal() && (value.literal.is_null() || !value.literal.truth())) {
        below.when_none.reset();
        return true;
      }
    }
    return false;
  }

  Result<Unnested> operator()(const AggregateNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Unnested below, input());
    const std::vector<int32_t> added = unnesting.key_columns(below);
    AggregateNode grouped = node;
    grouped.keys.insert(grouped.keys.end(), added.begin(), added.end());
    Unnested made;
    const size_t keys = node.keys.size();
    if (keys == 0 && !node.calls.empty()) {
      made.when_none.emplace();
      for (const AggregateCallNode& call : node.calls) {
        const bool counts = call.function == "COUNT";
        made.when_none->push_back(
            Bound::of_literal(counts ? Datum{int64_t{0}} : Datum{},
                              counts ? call.result : call.result.as_nullable()));
      }
    }
    Plan grouping;
    add_range(grouping.type, plan->type, 0, keys);
    add_columns(grouping.type, below.plan->type, added);
    add_range(grouping.type, plan->type, keys, plan->type.size());
    grouping.updates = !node.calls.empty() || below.plan->updates;
    grouping.unique_keys.push_back(range(0, keys + added.size()));
    grouping.node = std::move(grouped);
    grouping.inputs.push_back(below.plan);
    finish(std::move(grouping), keys, std::move(below.conditions), added, made);
    return made;
  }
  Result<Unnested> operator()(const WindowAggregateNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Unnested below, input());
    const std::vector<int32_t> added = unnesting.key_columns(below);
    WindowAggregateNode grouped = node;
    grouped.keys.insert(grouped.keys.end(), added.begin(), added.end());
    const size_t keys = node.keys.size();
    Plan grouping;
    add_range(grouping.type, plan->type, 0, keys);
    add_columns(grouping.type, below.plan->type, added);
    add_range(grouping.type, plan->type, keys, plan->type.size());
    const auto moved = [&](int32_t column) {
      return column < static_cast<int32_t>(keys) ? column
                                                 : column + static_cast<int32_t>(added.size());
    };
    grouping.window = plan->window;
    if (grouping.window.has_value()) {
      for (int32_t* column :
           {&grouping.window->start, &grouping.window->end, &grouping.window->time}) {
        *column = moved(*column);
      }
    }
    for (std::vector<int32_t> key : plan->unique_keys) {
      for (int32_t& column : key) { column = moved(column); }
      for (size_t i = 0; i < added.size(); ++i) { key.push_back(static_cast<int32_t>(keys + i)); }
      grouping.unique_keys.push_back(std::move(key));
    }
    grouping.node = std::move(grouped);
    grouping.inputs.push_back(below.plan);
    Unnested made;
    finish(std::move(grouping), keys, std::move(below.conditions), added, made);
    return made;
  }

  Result<Unnested> operator()(const JoinNode& node) const {
    if (node.left_time >= 0 || node.kind == JoinKind::kFull) {
      return unimplemented(ErrorId::kSqlUnsupported,
                           "a query that names columns of the one around it can't have a {} join",
                           node.left_time >= 0 ? "interval" : "full");
    }
    const bool swaps = node.kind == JoinKind::kRight;
    TIDEWHEEL_ASSIGN_OR_RETURN(Unnested left, input(swaps ? 1 : 0));
    TIDEWHEEL_ASSIGN_OR_RETURN(Unnested right, input(swaps ? 0 : 1));
    unnesting.settle(left);
    unnesting.settle(right);
    std::vector<Bound> conditions = join_conditions(*plan, unnesting.functions_);
    const auto lefts = static_cast<int32_t>(plan->input(swaps ? 1 : 0).type.size());
    const auto rights = static_cast<int32_t>(plan->input(swaps ? 0 : 1).type.size());
    if (swaps) {
      std::vector<int32_t> to = range(lefts, static_cast<size_t>(lefts + rights));
      for (int32_t i = 0; i < lefts; ++i) { to.push_back(i); }
      move_columns(conditions, to);
    }
    Unnested made;
    made.plan = joined(swaps ? JoinKind::kLeft : node.kind, left, right, std::move(conditions),
                       lefts, rights, made.conditions);
    if (swaps) {  // made: left, right, others; wanted: right, left, others
      std::vector<int32_t> order = range(lefts, static_cast<size_t>(lefts + rights));
      for (int32_t i = 0; i < lefts; ++i) { order.push_back(i); }
      std::vector<int32_t> to(made.plan->type.size());
      for (size_t i = order.size(); i < to.size(); ++i) {
        order.push_back(static_cast<int32_t>(i));
      }
      for (size_t i = 0; i < order.size(); ++i) {
        to[static_cast<size_t>(order[i])] = static_cast<int32_t>(i);
      }
      move_columns(made.conditions, to);
      made.plan = picked(made.plan, order);
    }
    return made;
  }
  // The columns of left, right (and the mark), then those that were added to either.
  PlanRef joined(JoinKind kind, Unnested& left, Unnested& right, std::vector<Bound> conditions,
                 int32_t lefts, int32_t rights, std::vector<Bound>& out) const {
    const bool inner = kind == JoinKind::kInner;
    const bool gives_right = inner || kind == JoinKind::kLeft;
    const auto at_right = [&](Bound condition, int32_t from) {
      // Right columns stand behind all of the left, from `from` on.
      const auto by = static_cast<int32_t>(left.plan->type.size()) - from;
      for_each_column(condition, [&](Bound& column) {
        if (column.column >= from) { column.column += by; }
      });
      return condition;
    };
    std::vector<Bound> lifted;
    if (!inner) {
      // What is asked of the right depends on the left: that has to know the outer columns.
      std::vector<Bound> dependent;
      for (const Bound& one : right.conditions) { dependent.push_back(one); }
      for (const Bound& one : conditions) {
        if (unnesting.depends(one)) { dependent.push_back(one); }
      }
      for (const Bound& one : dependent) { unnesting.bind(left, one, dependent); }
    }
    const auto of_left = [&](int32_t column) {
      return unnesting.bound_by(left.conditions, column);
    };
    std::vector<Bound> own;
    const auto place = [&](Bound condition) {
      if (!inner) { condition = with_outer(std::move(condition), unnesting.level_, of_left); }
      (unnesting.depends(condition) ? lifted : own).push_back(std::move(condition));
    };
    for (Bound& one : conditions) { place(at_right(std::move(one), lefts)); }
    for (const Bound& one : right.conditions) { place(at_right(one, 0)); }
    for (const Bound& one : left.conditions) { lifted.push_back(one); }
    const auto all_left = static_cast<int32_t>(left.plan->type.size());
    const auto all_right = static_cast<int32_t>(right.plan->type.size());
    PlanRef made = make_join(left.plan, right.plan, kind, std::move(own), unnesting.functions_);
    std::vector<int32_t> order = range(0, static_cast<size_t>(lefts));
    const auto append = [&](int32_t from, int32_t to) {
      for (int32_t i = from; i < to; ++i) { order.push_back(i); }
    };
    if (gives_right) { append(all_left, all_left + rights); }
    if (kind == JoinKind::kMark) { append(all_left, all_left + 1); }
    append(lefts, all_left);
    if (gives_right) { append(all_left + rights, all_left + all_right); }
    std::vector<int32_t> to(made->type.size(), -1);
    for (size_t i = 0; i < order.size(); ++i) {
      to[static_cast<size_t>(order[i])] = static_cast<int32_t>(i);
    }
    move_columns(lifted, to);
    out = std::move(lifted);
    return picked(made, order);
  }

  Result<Unnested> operator()(const UnionNode&) const { return side_by_side(); }
  Result<Unnested> operator()(const SetOperationNode&) const { return side_by_side(); }
  // All inputs have to be bound by the same columns.
  Result<Unnested> side_by_side() const {
    std::vector<Unnested> inputs;
    std::vector<int32_t> columns;
    for (size_t i = 0; i < plan->inputs.size(); ++i) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Unnested one, input(i));
      for (const Bound& condition : one.conditions) { unnesting.collect(condition, columns); }
      inputs.push_back(std::move(one));
    }
    Plan made;
    std::vector<Bound> conditions;
    for (Unnested& one : inputs) {
      std::vector<Bound> outputs;
      std::vector<std::string> names = plan->type.names;
      const bool is_bound = std::all_of(columns.begin(), columns.end(), [&](int32_t column) {
        return unnesting.bound_by(one.conditions, column).has_value();
      });
      const bool all_equal = one.conditions.size() == columns.size();
      if (one.when_none.has_value() || !is_bound || !all_equal) {
        unnesting.join_domain(one, columns);
      }
      for (size_t i = 0; i < plan->type.size(); ++i) {
        outputs.push_back(column_of(*one.plan, static_cast<int32_t>(i)));
      }
      for (const int32_t column : columns) {
        outputs.push_back(*unnesting.bound_by(one.conditions, column));
        names.push_back("$outer" + std::to_string(outputs.size()));
      }
      made.inputs.push_back(
          make_calc(one.plan, std::nullopt, std::move(outputs), std::move(names)));
    }
    made.node = plan->node;
    made.type = plan->type;
    made.updates = plan->updates;
    for (const PlanRef& one : made.inputs) { made.updates = made.updates || one->updates; }
    for (size_t i = 0; i < columns.size(); ++i) {
      const size_t at = plan->type.size() + i;
      LogicalType type = made.inputs[0]->type.types[at];
      for (const PlanRef& one : made.inputs) { type.nullable |= one->type.types[at].nullable; }
      made.type.add(made.inputs[0]->type.names[at], type);
      Bound outer = column_of(*unnesting.around_, columns[i]);
      outer.kind = Bound::Kind::kOuter;
      outer.level = unnesting.level_;
      conditions.push_back(unnesting.call("IS NOT DISTINCT FROM", std::move(outer),
                                          Bound::of_column(static_cast<int32_t>(at), type)));
    }
    if (!plan->unique_keys.empty()) { made.unique_keys.push_back(range(0, made.type.size())); }
    return Unnested{make_plan(std::move(made)), std::move(conditions), std::nullopt};
  }

  Result<Unnested> operator()(const TopNNode& node) const {
    TopNNode top = node;
    return by_partition(top.partition_by, node.has_rank ? 1 : 0, [&] { return top; });
  }
  Result<Unnested> operator()(const RankNode& node) const {
    RankNode rank = node;
    return by_partition(rank.partition_by, 1, [&] { return rank; });
  }
  // The first rows of each: in whatever order, so in that of the first column.
  Result<Unnested> operator()(const LimitNode& node) const {
    TopNNode top{{}, {{0, false, true}}, node.offset + 1, saturating_end(node), false};
    return by_partition(top.partition_by, 0, [&] { return top; });
  }
  static int64_t saturating_end(const LimitNode& node) {
    return node.count > INT64_MAX - node.offset ? INT64_MAX : node.offset + node.count;
  }
  // `node()` gives the node when `partition_by` has what is added to it.
  template <class MakeNode>
  Result<Unnested> by_partition(std::vector<int32_t>& partition_by, size_t own,
                                MakeNode node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Unnested below, input());
    const std::vector<int32_t> added = unnesting.key_columns(below);
    partition_by.insert(partition_by.end(), added.begin(), added.end());
    Plan made;
    made.type = below.plan->type;
    const size_t width = plan->type.size() - own;
    add_range(made.type, plan->type, width, plan->type.size());
    made.updates = true;
    made.unique_keys = below.plan->unique_keys;
    made.node = node();
    made.inputs.push_back(below.plan);
    std::vector<int32_t> order = range(0, width);
    std::vector<int32_t> to = range(0, below.plan->type.size());
    for (size_t i = 0; i < own; ++i) {
      order.push_back(static_cast<int32_t>(below.plan->type.size() + i));
    }
    for (size_t i = width; i < below.plan->type.size(); ++i) {
      to[i] = static_cast<int32_t>(order.size());
      order.push_back(static_cast<int32_t>(i));
    }
    move_columns(below.conditions, to);
    return Unnested{picked(make_plan(std::move(made)), order), std::move(below.conditions),
                    std::nullopt};
  }
  // The order of a query's rows means nothing to the one around it.
  Result<Unnested> operator()(const SortNode&) const { return input(); }

  Result<Unnested> operator()(const WindowNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Unnested below, input());
    unnesting.settle(below);
    const size_t width = plan->input().type.size();
    const size_t all = below.plan->type.size();
    const PlanRef windows = make_window(below.plan, node);
    std::vector<int32_t> order = range(0, width);
    std::vector<int32_t> to = range(0, all);
    for (size_t i = 0; i < 3; ++i) { order.push_back(static_cast<int32_t>(all + i)); }
    for (size_t i = width; i < all; ++i) {
      to[i] = static_cast<int32_t>(order.size());
      order.push_back(static_cast<int32_t>(i));
    }
    move_columns(below.conditions, to);
    return Unnested{picked(windows, order), std::move(below.conditions), std::nullopt};
  }

  // Columns that conditions may need are passed on in each of a row's copies.
  Result<Unnested> operator()(const ExpandNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Unnested below, input());
    const size_t width = plan->type.size();
    const size_t all = below.plan->type.size();
    ExpandNode made_node = node;
    for (std::vector<Bound>& outputs : made_node.projections) {
      for (size_t i = 0; i < all; ++i) {
        outputs.push_back(Bound::of_column(static_cast<int32_t>(i), below.plan->type.types[i]));
      }
    }
    Plan made;
    made.type = plan->type;
    add_range(made.type, below.plan->type, 0, all);
    made.updates = below.plan->updates;
    made.node = std::move(made_node);
    made.inputs.push_back(below.plan);
    move_columns(below.conditions, range(static_cast<int32_t>(width), width + all));
    return Unnested{make_plan(std::move(made)), std::move(below.conditions), std::nullopt};
  }

  // Tables that are made of rows: of their columns, and those of the query around.
  Result<Unnested> operator()(const CorrelateNode& node) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(Unnested below, input());
    unnesting.settle(below);
    CorrelateNode made_node = node;
    const size_t all = below.plan->type.size();
    const size_t passed = node.passed.size();
    Plan made;
    add_range(made.type, plan->type, 0, passed);
    // All columns of the input that conditions may need are passed on.
    std::vector<int32_t> to(all);
    for (size_t i = 0; i < all; ++i) {
      to[i] = static_cast<int32_t>(plan->type.size() + i);
      made_node.passed.push_back(static_cast<int32_t>(i));
    }
    add_range(made.type, below.plan->type, 0, all);
    add_range(made.type, plan->type, passed, plan->type.size());
    made.updates = below.plan->updates;
    made.node = std::move(made_node);
    made.inputs.push_back(below.plan);
    std::vector<int32_t> order = range(0, passed);
    for (size_t i = passed + all; i < made.type.size(); ++i) {
      order.push_back(static_cast<int32_t>(i));
    }
    for (size_t i = 0; i < all; ++i) { order.push_back(static_cast<int32_t>(passed + i)); }
    move_columns(below.conditions, to);
    return Unnested{picked(make_plan(std::move(made)), order), std::move(below.conditions),
                    std::nullopt};
  }

  // ---- Columns.

  static std::vector<int32_t> range(int32_t from, size_t to) {
    std::vector<int32_t> columns;
    for (auto i = from; i < static_cast<int32_t>(to); ++i) { columns.push_back(i); }
    return columns;
  }
  static void add_range(RowType& to, const RowType& from, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) { to.add(from.names[i], from.types[i]); }
  }
  static void add_columns(RowType& to, const RowType& from, const std::vector<int32_t>& columns) {
    for (const int32_t column : columns) {
      const auto i = static_cast<size_t>(column);
      to.add(from.names[i], from.types[i]);
      to.types.back().time = TimeAttribute::kNone;
    }
  }
  // Of groups with keys that were added behind the first `keys` ones.
  static void finish(Plan grouping, size_t keys, std::vector<Bound> conditions,
                     const std::vector<int32_t>& added, Unnested& made) {
    const PlanRef grouped = make_plan(std::move(grouping));
    std::vector<int32_t> order = range(0, keys);
    for (size_t i = keys + added.size(); i < grouped->type.size(); ++i) {
      order.push_back(static_cast<int32_t>(i));
    }
    const size_t first = order.size();
    for (size_t i = 0; i < added.size(); ++i) { order.push_back(static_cast<int32_t>(keys + i)); }
    // The conditions are in the order of the keys that were made of them.
    for (size_t i = 0; i < conditions.size(); ++i) {
      for_each_column(conditions[i],
                      [&](Bound& column) { column.column = static_cast<int32_t>(first + i); });
    }
    made.plan = picked(grouped, order);
    made.conditions = std::move(conditions);
  }
};

namespace {

bool is_of_all(const Plan& plan) {
  if (std::holds_alternative<CalcNode>(plan.node)) { return is_of_all(plan.input()); }
  const auto* aggregate = std::get_if<AggregateNode>(&plan.node);
  return aggregate != nullptr && aggregate->keys.empty() && !aggregate->calls.empty();
}

}  // namespace

Result<Unnested> Unnesting::unnest_whole(const PlanRef& query) {
  is_whole_ = true;
  Result<Unnested> made = unnest(query);
  is_whole_ = false;
  return made;
}

Result<Unnested> Unnesting::unnest(const PlanRef& query) {
  const bool is_whole = is_whole_ && is_of_all(*query);
  is_whole_ = is_whole && std::holds_alternative<CalcNode>(query->node);
  if (!is_whole && !depends(*query)) { return Unnested{query, {}, std::nullopt}; }
  const auto unnest_node = [&] {
    return std::visit([&](const auto& node) { return Node{*this, query}(node); }, query->node);
  };
  if (is_whole) { return unnest_node(); }
  // What several read is made once.
  if (const auto it = unnested_.find(query.get()); it != unnested_.end()) { return it->second; }
  Result<Unnested> made = unnest_node();
  if (made.ok()) { unnested_.emplace(query.get(), *made); }
  return made;
}

namespace {

// `known`: plans that have been found to give one row.
bool gives_single_row(const Plan& plan, std::unordered_set<const Plan*>& known) {
  if (const auto* aggregate = std::get_if<AggregateNode>(&plan.node)) {
    return aggregate->keys.empty();
  }
  if (const auto* top = std::get_if<TopNNode>(&plan.node)) {
    return top->partition_by.empty() && top->last <= top->first;
  }
  if (const auto* limit = std::get_if<LimitNode>(&plan.node)) { return limit->count <= 1; }
  if (const auto* values = std::get_if<ValuesNode>(&plan.node)) { return values->rows.size() <= 1; }
  const auto* join = std::get_if<JoinNode>(&plan.node);
  const bool passes = std::holds_alternative<CalcNode>(plan.node) ||
                      std::holds_alternative<SortNode>(plan.node) ||
                      (join != nullptr && join->kind != JoinKind::kFull);
  if (!passes) { return false; }
  if (known.contains(&plan)) { return true; }
  const bool left_only =
      join != nullptr && (join->kind == JoinKind::kSemi || join->kind == JoinKind::kAnti ||
                          join->kind == JoinKind::kMark);
  const bool does = gives_single_row(plan.input(0), known) &&
                    (join == nullptr || left_only || gives_single_row(plan.input(1), known));
  if (does) { known.insert(&plan); }
  return does;
}

}  // namespace

bool is_single_row(const Plan& plan) {
  std::unordered_set<const Plan*> known;
  return gives_single_row(plan, known);
}

PlanRef without_values(PlanRef query) {
  while (true) {
    const auto* calc = std::get_if<CalcNode>(&query->node);
    const auto* aggregate = std::get_if<AggregateNode>(&query->node);
    const auto* limit = std::get_if<LimitNode>(&query->node);
    const auto* top = std::get_if<TopNNode>(&query->node);
    if (calc != nullptr && calc->condition.has_value()) {
      return make_filter(query->inputs[0], *calc->condition);
    }
    const bool goes = calc != nullptr || std::holds_alternative<SortNode>(query->node) ||
                      (aggregate != nullptr && !aggregate->keys.empty()) ||
                      (limit != nullptr && limit->offset == 0 && limit->count > 0) ||
                      (top != nullptr && top->first == 1 && top->last > 0);
    if (!goes) { return query; }
    query = query->inputs[0];
  }
}

}  // namespace tidewheel::sql
