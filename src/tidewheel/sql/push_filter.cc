// Where the parts of a condition go: as far down as they mean the same. Outer joins whose padded
// rows a condition drops become inner ones, and inner joins are put into an order in which each has
// keys.
#include <algorithm>
#include <numeric>
#include <utility>

#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {
namespace {

Bound substituted(Bound expression, const std::vector<Bound>& columns) {
  if (expression.kind == Bound::Kind::kColumn) {
    return columns[static_cast<size_t>(expression.column)];
  }
  for (Bound& argument : expression.arguments) {
    argument = substituted(std::move(argument), columns);
  }
  return expression;
}

bool is_within(const Bound& expression, size_t begin, size_t end) {
  bool within = true;
  for_each_column(expression, [&](const Bound& column) {
    const auto at = static_cast<size_t>(column.column);
    within = within && at >= begin && at < end;
  });
  return within;
}
bool has_column(const Bound& expression) { return !is_within(expression, 0, 0); }

Bound shifted(Bound expression, int32_t by) {
  for_each_column(expression, [by](Bound& column) { column.column += by; });
  return expression;
}

PlanRef filter_above(PlanRef plan, std::vector<Bound> conditions) {
  std::optional<Bound> condition = join_conjunction(std::move(conditions));
  return condition.has_value() ? make_filter(std::move(plan), std::move(*condition)) : plan;
}

// ---- Alternatives

Bound any_of(std::vector<Bound> branches) {
  if (branches.size() == 1) { return std::move(branches[0]); }
  Bound either;
  either.kind = Bound::Kind::kOr;
  either.type = LogicalType::of(TypeKind::kBoolean, false);
  either.span = branches[0].span;
  for (Bound& branch : branches) {
    either.type.nullable |= branch.type.nullable;
    either.arguments.push_back(std::move(branch));
  }
  return either;
}

// (a AND b) OR (a AND c) is a AND (b OR c). The first are those that all branches have.
void factor(const Bound& either, std::vector<Bound>& out) {
  std::vector<std::vector<Bound>> branches;
  for (const Bound& branch : either.arguments) { branches.push_back(split_conjunction(branch)); }
  std::vector<Bound> common;
  for (const Bound& part : branches[0]) {
    const bool everywhere = std::all_of(branches.begin(), branches.end(), [&](const auto& one) {
      return std::find(one.begin(), one.end(), part) != one.end();
    });
    if (everywhere && std::find(common.begin(), common.end(), part) == common.end()) {
      common.push_back(part);
    }
  }
  if (common.empty()) { return out.push_back(either); }
  std::vector<Bound> rest;
  bool is_one_empty = false;
  for (std::vector<Bound>& branch : branches) {
    std::erase_if(branch, [&](const Bound& part) {
      return std::find(common.begin(), common.end(), part) != common.end();
    });
    std::optional<Bound> left = join_conjunction(std::move(branch));
    is_one_empty = is_one_empty || !left.has_value();
    if (left.has_value()) { rest.push_back(std::move(*left)); }
  }
  for (Bound& part : common) { out.push_back(std::move(part)); }
  if (!is_one_empty) { out.push_back(any_of(std::move(rest))); }
}

// What all branches ask of the columns [begin, end) alone; nothing when one of them does not.
std::optional<Bound> asked_of(const Bound& either, size_t begin, size_t end) {
  std::vector<Bound> branches;
  for (const Bound& branch : either.arguments) {
    std::vector<Bound> parts;
    for (Bound& part : split_conjunction(branch)) {
      if (has_column(part) && is_within(part, begin, end)) { parts.push_back(std::move(part)); }
    }
    std::optional<Bound> all = join_conjunction(std::move(parts));
    if (!all.has_value()) { return std::nullopt; }
    branches.push_back(std::move(*all));
  }
  return any_of(std::move(branches));
}

// ---- NULLs

// Whether an expression is NULL when all of the columns [begin, end) are.
bool is_null_with(const Bound& expression, size_t begin, size_t end) {
  switch (expression.kind) {
    case Bound::Kind::kColumn: return is_within(expression, begin, end);
    case Bound::Kind::kCast:
    case Bound::Kind::kTryCast:
    case Bound::Kind::kField: return is_null_with(expression.arguments[0], begin, end);
    case Bound::Kind::kCall:
      return expression.function->traits().is_strict &&
             std::any_of(expression.arguments.begin(), expression.arguments.end(),
                         [&](const Bound& one) { return is_null_with(one, begin, end); });
    default: return false;
  }
}

// Whether a condition is not true when all of the columns [begin, end) are NULL.
bool drops_nulls(const Bound& condition, size_t begin, size_t end) {
  const auto drops = [&](const Bound& one) { return drops_nulls(one, begin, end); };
  const std::vector<Bound>& arguments = condition.arguments;
  if (condition.kind == Bound::Kind::kAnd) {
    return std::any_of(arguments.begin(), arguments.end(), drops);
  }
  if (condition.kind == Bound::Kind::kOr) {
    return std::all_of(arguments.begin(), arguments.end(), drops);
  }
  if (condition.kind == Bound::Kind::kCall && condition.function->name() == "IS NOT NULL") {
    return is_null_with(arguments[0], begin, end);
  }
  return is_null_with(condition, begin, end);
}

// ---- The order of inner joins

const JoinNode* regular_inner_join(const Plan& plan) {
  const auto* join = std::get_if<JoinNode>(&plan.node);
  const bool is = join != nullptr && join->kind == JoinKind::kInner && join->left_time < 0 &&
                  join->left_window_end < 0;
  return is ? join : nullptr;
}

// What inner joins are made of: the inputs, whose columns are numbered one behind the other, and
// conditions over them.
class JoinOrder {
 public:
  JoinOrder(const PlanRef& plan, const FunctionRegistry& functions)
      : functions_(functions), names_(plan->type.names), outputs_(flatten(plan)) {
    order_ = greedy();
  }

  // Whether there is a join of all rows with all in the plan that this one has not.
  bool is_better(const Plan& plan) const {
    return leaves_.size() > 2 && crosses_in(plan) > greedy_crosses_;
  }
  PlanRef make() const {
    std::vector<Bound> place(positions_end_);  // of the columns of leaves, in the plan
    std::vector<bool> is_done(conditions_.size(), false);
    PlanRef plan;
    for (const size_t number : order_) {
      const Leaf& leaf = leaves_[number];
      const size_t width = plan == nullptr ? 0 : plan->type.size();
      for (size_t i = 0; i < leaf.plan->type.size(); ++i) {
        place[leaf.first + i] =
            Bound::of_column(static_cast<int32_t>(width + i), leaf.plan->type.types[i]);
      }
      std::vector<Bound> conditions;
      for (size_t i = 0; i < conditions_.size(); ++i) {
        if (is_done[i] || !is_placed(conditions_[i], place)) { continue; }
        is_done[i] = true;
        conditions.push_back(substituted(conditions_[i], place));
      }
      plan = plan == nullptr
                 ? make_pushed_filter(leaf.plan, std::move(conditions), functions_)
                 : make_join(plan, leaf.plan, JoinKind::kInner, std::move(conditions), functions_);
    }
    std::vector<Bound> outputs;
    for (const Bound& output : outputs_) { outputs.push_back(substituted(output, place)); }
    for (Bound& output : outputs) {
      output.type = plan->type.types[static_cast<size_t>(output.column)];
    }
    return make_calc(plan, std::nullopt, std::move(outputs), names_);
  }

 private:
  struct Leaf {
    PlanRef plan;
    size_t first = 0;
  };

  static bool is_placed(const Bound& condition, const std::vector<Bound>& place) {
    bool all = true;
    for_each_column(condition, [&](const Bound& column) {
      all = all && place[static_cast<size_t>(column.column)].kind == Bound::Kind::kColumn;
    });
    return all;
  }
  // Gives what the columns of `plan` are, over those of the leaves.
  std::vector<Bound> flatten(const PlanRef& plan) {
    if (plan->is_shared) { return leaf_columns(plan); }
    if (regular_inner_join(*plan) != nullptr) {
      std::vector<Bound> columns = flatten(plan->inputs[0]);
      for (Bound& column : flatten(plan->inputs[1])) { columns.push_back(std::move(column)); }
      for (Bound& one : join_conditions(*plan, functions_)) {
        conditions_.push_back(substituted(std::move(one), columns));
      }
      return columns;
    }
    // Columns that were put into another order, or left out.
    const auto* calc = std::get_if<CalcNode>(&plan->node);
    if (calc != nullptr && regular_inner_join(plan->input()) != nullptr &&
        std::all_of(calc->outputs.begin(), calc->outputs.end(),
                    [](const Bound& output) { return output.kind == Bound::Kind::kColumn; })) {
      const std::vector<Bound> below = flatten(plan->inputs[0]);
      if (calc->condition.has_value()) {
        for (Bound& one : split_conjunction(*calc->condition)) {
          conditions_.push_back(substituted(std::move(one), below));
        }
      }
      std::vector<Bound> columns;
      for (const Bound& output : calc->outputs) { columns.push_back(substituted(output, below)); }
      return columns;
    }
    return leaf_columns(plan);
  }
  std::vector<Bound> leaf_columns(const PlanRef& plan) {
    const size_t first = positions_end_;
    leaves_.push_back({plan, first});
    positions_end_ += plan->type.size();
    std::vector<Bound> columns = all_columns(*plan);
    for (Bound& column : columns) { column.column += static_cast<int32_t>(first); }
    return columns;
  }

  // From the first on, always the first that has a key in common with those before.
  std::vector<size_t> greedy() {
    std::vector<size_t> order;
    std::vector<bool> is_in(leaves_.size(), false);
    while (order.size() < leaves_.size()) {
      size_t next = leaves_.size();
      for (size_t i = 0; i < leaves_.size() && next == leaves_.size(); ++i) {
        if (!is_in[i] && (order.empty() || is_connected(i, is_in))) { next = i; }
      }
      if (next == leaves_.size()) {
        ++greedy_crosses_;
        next = static_cast<size_t>(std::find(is_in.begin(), is_in.end(), false) - is_in.begin());
      }
      is_in[next] = true;
      order.push_back(next);
    }
    return order;
  }
  bool is_connected(size_t leaf, const std::vector<bool>& is_in) const {
    const size_t begin = leaves_[leaf].first;
    const size_t end = begin + leaves_[leaf].plan->type.size();
    const auto is_before = [&](const Bound& expression) {
      bool all = has_column(expression);
      for_each_column(expression, [&](const Bound& column) {
        all = all && is_in[leaf_of(static_cast<size_t>(column.column))];
      });
      return all;
    };
    return std::any_of(conditions_.begin(), conditions_.end(), [&](const Bound& condition) {
      if (condition.kind != Bound::Kind::kCall || condition.arguments.size() != 2 ||
          condition.function->name() != "=") {
        return false;
      }
      const Bound& a = condition.arguments[0];
      const Bound& b = condition.arguments[1];
      const auto is_of_leaf = [&](const Bound& one) {
        return has_column(one) && is_within(one, begin, end);
      };
      return (is_of_leaf(a) && is_before(b)) || (is_of_leaf(b) && is_before(a));
    });
  }
  size_t leaf_of(size_t column) const {
    size_t leaf = leaves_.size() - 1;
    while (leaves_[leaf].first > column) { --leaf; }
    return leaf;
  }
  static size_t crosses_in(const Plan& plan) {
    const JoinNode* const join = regular_inner_join(plan);
    const bool is_calc = std::holds_alternative<CalcNode>(plan.node);
    if (plan.is_shared || (join == nullptr && !is_calc)) { return 0; }
    size_t count = join != nullptr && join->left_keys.empty() ? 1 : 0;
    for (const PlanRef& input : plan.inputs) { count += crosses_in(*input); }
    return count;
  }

  const FunctionRegistry& functions_;
  const std::vector<std::string> names_;
  std::vector<Leaf> leaves_;
  size_t positions_end_ = 0;
  std::vector<Bound> conditions_;
  std::vector<Bound> outputs_;
  std::vector<size_t> order_;
  size_t greedy_crosses_ = 0;
};

// Conditions over the columns that a correlate passes on are looked at before tables are made of
// rows that do not pass.
PlanRef push_below_correlate(const PlanRef& plan, const CorrelateNode& node,
                             std::vector<Bound>& conditions, const FunctionRegistry& functions) {
  std::vector<Bound> below;
  std::vector<Bound> rest;
  for (Bound& condition : conditions) {
    bool is_below = is_deterministic(condition);
    for_each_column(condition, [&](const Bound& column) {
      is_below = is_below && static_cast<size_t>(column.column) < node.passed.size();
    });
    (is_below ? below : rest).push_back(std::move(condition));
  }
  conditions = std::move(rest);
  if (below.empty()) { return plan; }
  for (Bound& condition : below) {
    for_each_column(condition, [&](Bound& column) {
      column.column = node.passed[static_cast<size_t>(column.column)];
    });
  }
  auto made = std::make_shared<Plan>(*plan);
  made->inputs[0] = make_pushed_filter(made->inputs[0], std::move(below), functions);
  return made;
}

// ---- By kind of node

class FilterPush {
 public:
  FilterPush(const PlanRef& plan, const FunctionRegistry& functions)
      : plan_(plan), functions_(functions) {}

  PlanRef push(std::vector<Bound> conditions) const {
    if (std::holds_alternative<JoinNode>(plan_->node)) { return into_join(std::move(conditions)); }
    if (std::holds_alternative<CalcNode>(plan_->node)) { return into_calc(std::move(conditions)); }
    if (std::holds_alternative<AggregateNode>(plan_->node)) {
      return into_aggregate(std::move(conditions));
    }
    if (std::holds_alternative<UnionNode>(plan_->node) ||
        std::holds_alternative<SetOperationNode>(plan_->node)) {
      Plan made = *plan_;
      for (PlanRef& input : made.inputs) {
        input = make_pushed_filter(input, conditions, functions_);
      }
      return make_plan(std::move(made));
    }
    if (const auto* correlate = std::get_if<CorrelateNode>(&plan_->node)) {
      PlanRef made = push_below_correlate(plan_, *correlate, conditions, functions_);
      return filter_above(std::move(made), std::move(conditions));
    }
    return filter_above(plan_, std::move(conditions));
  }

 private:
  // Through outputs that are columns or constants; others would be computed twice.
  PlanRef into_calc(std::vector<Bound> conditions) const {
    const auto& calc = std::get<CalcNode>(plan_->node);
    std::vector<Bound> below;
    std::vector<Bound> above;
    if (calc.condition.has_value()) {
      if (!is_deterministic(*calc.condition)) { return filter_above(plan_, std::move(conditions)); }
      below = split_conjunction(*calc.condition);
    }
    const size_t own = below.size();
    for (Bound& condition : conditions) {
      bool passes = true;
      for_each_column(condition, [&](const Bound& column) {
        const Bound& output = calc.outputs[static_cast<size_t>(column.column)];
        passes =
            passes && (output.kind == Bound::Kind::kColumn || output.kind == Bound::Kind::kLiteral);
      });
      if (passes) {
        below.push_back(substituted(std::move(condition), calc.outputs));
      } else {
        above.push_back(std::move(condition));
      }
    }
    if (below.size() == own) { return filter_above(plan_, std::move(above)); }
    PlanRef input = make_pushed_filter(plan_->inputs[0], std::move(below), functions_);
    PlanRef made = make_calc(std::move(input), std::nullopt, calc.outputs, plan_->type.names);
    return filter_above(std::move(made), std::move(above));
  }

  // What is asked of keys alone is asked of the rows before.
  PlanRef into_aggregate(std::vector<Bound> conditions) const {
    const auto& aggregate = std::get<AggregateNode>(plan_->node);
    std::vector<Bound> columns;
    for (const int32_t key : aggregate.keys) {
      columns.push_back(Bound::of_column(key, plan_->input().type.types[static_cast<size_t>(key)]));
    }
    std::vector<Bound> below;
    std::vector<Bound> above;
    for (Bound& condition : conditions) {
      const bool passes = has_column(condition) && is_within(condition, 0, columns.size());
      if (passes) {
        below.push_back(substituted(std::move(condition), columns));
      } else {
        above.push_back(std::move(condition));
      }
    }
    if (below.empty()) { return filter_above(plan_, std::move(above)); }
    return filter_above(
        with_input(0, make_pushed_filter(plan_->inputs[0], std::move(below), functions_)),
        std::move(above));
  }

  PlanRef into_join(std::vector<Bound> conditions) const {
    const auto& join = std::get<JoinNode>(plan_->node);
    const size_t left = plan_->input(0).type.size();
    const size_t all = plan_->type.size();
    if (join.left_time >= 0) {
      // An interval stays what it is; the rest is looked at behind it.
      return filter_above(plan_, std::move(conditions));
    }
    if (join.kind == JoinKind::kInner) { return into_inner(std::move(conditions)); }
    const bool one_sided = join.kind == JoinKind::kSemi || join.kind == JoinKind::kAnti ||
                           join.kind == JoinKind::kMark;
    JoinKind kind = join.kind;
    const bool full = kind == JoinKind::kFull;
    const auto drops = [&](size_t begin, size_t end) {
      return std::any_of(conditions.begin(), conditions.end(),
                         [&](const Bound& one) { return drops_nulls(one, begin, end); });
    };
    const bool drops_right = !one_sided && (full || kind == JoinKind::kLeft) && drops(left, all);
    const bool drops_left = (full || kind == JoinKind::kRight) && drops(0, left);
    if (drops_right) { kind = full ? JoinKind::kRight : JoinKind::kInner; }
    if (drops_left) { kind = full && !drops_right ? JoinKind::kLeft : JoinKind::kInner; }
    if (kind != join.kind) { return as_kind(kind, std::move(conditions)); }
    const bool left_passes = one_sided || kind == JoinKind::kLeft;
    std::vector<Bound> below[2];
    std::vector<Bound> above;
    for (Bound& condition : conditions) {
      if (has_column(condition) && left_passes && is_within(condition, 0, left)) {
        below[0].push_back(std::move(condition));
      } else if (has_column(condition) && kind == JoinKind::kRight &&
                 is_within(condition, left, all)) {
        below[1].push_back(shifted(std::move(condition), -static_cast<int32_t>(left)));
      } else {
        above.push_back(std::move(condition));
      }
    }
    PlanRef made = plan_;
    for (size_t side = 0; side < 2; ++side) {
      if (below[side].empty()) { continue; }
      made = with_input(
          side, make_pushed_filter(plan_->inputs[side], std::move(below[side]), functions_));
    }
    return filter_above(std::move(made), std::move(above));
  }
  // A row that is not padded any more can't be NULL where its side is not.
  PlanRef as_kind(JoinKind kind, std::vector<Bound> conditions) const {
    PlanRef made = make_join(plan_->inputs[0], plan_->inputs[1], kind,
                             join_conditions(*plan_, functions_), functions_);
    if (kind == JoinKind::kInner) {
      // The types that those behind know stay as they are.
      std::vector<Bound> outputs = all_columns(*plan_);
      made = make_pushed_filter(std::move(made), std::move(conditions), functions_);
      return make_calc(std::move(made), std::nullopt, std::move(outputs), plan_->type.names);
    }
    return make_pushed_filter(std::move(made), std::move(conditions), functions_);
  }
  // The join is made anew of all that its condition was, and what comes to it.
  PlanRef into_inner(std::vector<Bound> conditions) const {
    std::vector<Bound> all = join_conditions(*plan_, functions_);
    for (Bound& condition : conditions) { all.push_back(std::move(condition)); }
    PlanRef made =
        make_join(plan_->inputs[0], plan_->inputs[1], JoinKind::kInner, std::move(all), functions_);
    JoinOrder order(made, functions_);
    return order.is_better(*made) ? order.make() : made;
  }

  PlanRef with_input(size_t index, PlanRef input) const {
    Plan made = *plan_;
    made.updates = made.updates || input->updates;
    made.inputs[index] = std::move(input);
    return make_plan(std::move(made));
  }

  const PlanRef plan_;
  const FunctionRegistry& functions_;
};

}  // namespace

void add_implied(std::vector<Bound>& conditions,
                 const std::vector<std::pair<size_t, size_t>>& relations) {
  std::vector<Bound> all;
  for (Bound& condition : conditions) {
    if (condition.kind == Bound::Kind::kOr) {
      factor(condition, all);
    } else {
      all.push_back(std::move(condition));
    }
  }
  conditions = all;
  for (const Bound& condition : all) {
    if (condition.kind != Bound::Kind::kOr) { continue; }
    for (const auto& [first, count] : relations) {
      if (is_within(condition, first, first + count)) { continue; }  // goes there as it is
      std::optional<Bound> asked = asked_of(condition, first, first + count);
      if (asked.has_value()) { conditions.push_back(std::move(*asked)); }
    }
  }
}

PlanRef make_pushed_filter(PlanRef plan, std::vector<Bound> conditions,
                           const FunctionRegistry& functions) {
  if (conditions.empty()) { return plan; }
  // What several read is made once, whatever each of them asks for.
  const bool passes =
      !plan->is_shared && std::all_of(conditions.begin(), conditions.end(), is_deterministic);
  if (!passes) { return filter_above(std::move(plan), std::move(conditions)); }
  PlanRef pushed = FilterPush(plan, functions).push(std::move(conditions));
  if (pushed->kept_ms == plan->kept_ms) { return pushed; }
  auto made = std::make_shared<Plan>(*pushed);
  made->kept_ms = plan->kept_ms;
  return made;
}

}  // namespace tidewheel::sql
