#include "tidewheel/sql/multi_join_rule.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "tidewheel/sql/plan_keys.h"

namespace tidewheel::sql {
namespace {

// A state each, of which a store has 48 at most.
constexpr size_t kInputsMax = 32;

// Inputs that one operator joins. Columns are numbered through all of them.
struct Chain {
  std::vector<PlanRef> inputs;
  std::vector<int32_t> firsts;  // the number of each input's first column
  std::vector<MultiJoinNode::Step> steps;
  // By part of the key: the column of each input, numbered within it.
  std::vector<std::vector<int32_t>> key;
  std::vector<int32_t> columns;  // which number each column of the plan has
  std::vector<LogicalType> types;
  std::vector<std::string> names;

  void add(const PlanRef& input, bool pads) {
    firsts.push_back(static_cast<int32_t>(types.size()));
    for (size_t i = 0; i < input->type.size(); ++i) {
      columns.push_back(static_cast<int32_t>(types.size()));
      LogicalType type = input->type.types[i];
      type.nullable = type.nullable || pads;
      type.time = TimeAttribute::kNone;
      types.push_back(std::move(type));
      names.push_back(input->type.names[i]);
    }
    inputs.push_back(input);
  }
  int32_t input_of(int32_t column) const {
    return static_cast<int32_t>(std::upper_bound(firsts.begin(), firsts.end(), column) -
                                firsts.begin()) -
           1;
  }
};

const JoinNode* mergeable(const Plan& plan) {
  const auto* join = std::get_if<JoinNode>(&plan.node);
  const bool is = join != nullptr &&
                  (join->kind == JoinKind::kInner || join->kind == JoinKind::kLeft) &&
                  join->left_time < 0 && join->left_window_end < 0 && !join->nulls_match &&
                  !join->left_keys.empty();
  return is ? join : nullptr;
}

// A projection that only puts columns into another order, or leaves some out.
const CalcNode* picks_columns(const Plan& plan) {
  const auto* calc = std::get_if<CalcNode>(&plan.node);
  const bool is = calc != nullptr && !calc->condition.has_value() &&
                  std::all_of(calc->outputs.begin(), calc->outputs.end(), [](const Bound& output) {
                    return output.kind == Bound::Kind::kColumn;
                  });
  return is ? calc : nullptr;
}

// Joins one more input with a chain; false when it has another key, or the chain is long.
bool extend(Chain& chain, const JoinNode& join, const PlanRef& right) {
  if (chain.inputs.size() == kInputsMax) { return false; }
  const bool is_first = chain.inputs.size() == 1;
  const size_t pairs = join.left_keys.size();
  const auto number = [&](size_t pair) {
    return chain.columns[static_cast<size_t>(join.left_keys[pair])];
  };
  MultiJoinNode::Step step;
  step.kind = join.kind;
  if (is_first) {
    for (size_t i = 0; i < pairs; ++i) { chain.key.push_back({number(i)}); }
  }
  // By part of the key the column of the input that comes; -1: none yet.
  std::vector<int32_t> added(chain.key.size(), -1);
  for (size_t i = 0; i < pairs; ++i) {
    const int32_t input = chain.input_of(number(i));
    const int32_t column = number(i) - chain.firsts[static_cast<size_t>(input)];
    bool is_taken = false;
    for (size_t part = 0; part < added.size() && !is_taken; ++part) {
      if (chain.key[part][static_cast<size_t>(input)] != column) { continue; }
      is_taken = added[part] < 0 || added[part] == join.right_keys[i];
      if (is_taken) { added[part] = join.right_keys[i]; }
    }
    if (!is_taken) { return false; }
    step.anchors.push_back(input);
  }
  if (std::find(added.begin(), added.end(), -1) != added.end()) { return false; }
  std::sort(step.anchors.begin(), step.anchors.end());
  step.anchors.erase(std::unique(step.anchors.begin(), step.anchors.end()), step.anchors.end());
  for (size_t part = 0; part < added.size(); ++part) { chain.key[part].push_back(added[part]); }
  chain.add(right, join.kind == JoinKind::kLeft);
  if (join.condition.has_value()) {
    step.condition = join.condition;
    for_each_column(*step.condition, [&](Bound& column) {
      column.column = chain.columns[static_cast<size_t>(column.column)];
    });
  }
  chain.steps.push_back(std::move(step));
  return true;
}

// See shared_inputs.
std::vector<int32_t> shared_rows(PlanKeys& same, const std::vector<PlanRef>& inputs,
                                 const std::vector<std::vector<int32_t>>& keys,
                                 const std::vector<MultiJoinNode::Step>& steps) {
  // Rows that are only added, and many to a key.
  const auto may_share = [&](size_t input) {
    const Plan& plan = *inputs[input];
    const bool pads = input > 0 && steps[input - 1].kind == JoinKind::kLeft;
    return !pads && !plan.updates && plan.unique_keys.empty() && !plan.side.has_value();
  };
  std::vector<int32_t> shared(inputs.size(), -1);
  std::vector<bool> is_taken(inputs.size(), false);
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (!may_share(i)) { continue; }
    for (size_t before = 0; before < i; ++before) {
      if (is_taken[before] || !may_share(before) || keys[before] != keys[i] ||
          inputs[before]->kept_ms != inputs[i]->kept_ms ||
          same.number(inputs[before]) != same.number(inputs[i])) {
        continue;
      }
      shared[i] = static_cast<int32_t>(before);
      is_taken[before] = is_taken[i] = true;
      break;
    }
  }
  return shared;
}

class MultiJoinRule {
 public:
  MultiJoinRule(const PlanRef& plan, MultiJoins which) : which_(which) { count_joins(plan); }

  PlanRef apply(const PlanRef& plan) {
    if (!has_joins_) { return plan; }
    if (const auto it = made_.find(plan.get()); it != made_.end()) { return it->second; }
    Chain chain;
    const bool is_one = flatten(plan, chain) && is_wanted(chain);
    PlanRef one = is_one ? made(*plan, std::move(chain)) : with_inputs(plan);
    made_.emplace(plan.get(), one);
    return one;
  }

 private:
  bool is_wanted(const Chain& chain) {
    if (which_ == MultiJoins::kAuto) {
      const auto is_left = [](const MultiJoinNode::Step& step) {
        return step.kind == JoinKind::kLeft;
      };
      const auto ends = [](const PlanRef& input) { return input->is_bounded; };
      if (std::any_of(chain.steps.begin(), chain.steps.end(), is_left) ||
          std::all_of(chain.inputs.begin(), chain.inputs.end(), ends)) {
        return false;
      }
    }
    if (chain.inputs.size() > 2) { return true; }
    std::vector<std::vector<int32_t>> keys(chain.inputs.size());
    for (const std::vector<int32_t>& part : chain.key) {
      for (size_t i = 0; i < keys.size(); ++i) { keys[i].push_back(part[i]); }
    }
    const std::vector<int32_t> shared = shared_rows(keys_, chain.inputs, keys, chain.steps);
    return std::any_of(shared.begin(), shared.end(), [](int32_t input) { return input >= 0; });
  }
  void count_joins(const PlanRef& plan) {
    has_joins_ = has_joins_ || mergeable(*plan) != nullptr;
    // Whether it is more than one is all that matters.
    if (++uses_[keys_.number(plan)] > 2) { return; }
    for (const PlanRef& input : plan->inputs) { count_joins(input); }
  }
  // Whether a plan's rows may be joined with more without being there themselves.
  bool is_mergeable_below(const PlanRef& plan) {
    if (plan->kept_ms >= 0) { return false; }  // how long its rows are kept has been said
    if (mergeable(*plan) != nullptr) { return uses_.at(keys_.number(plan)) == 1; }
    return picks_columns(*plan) != nullptr && is_mergeable_below(plan->inputs[0]);
  }
  // False when the plan is no chain.
  bool flatten(const PlanRef& plan, Chain& chain) {
    if (const CalcNode* const calc = picks_columns(*plan)) {
      if (!is_mergeable_below(plan->inputs[0]) || !flatten(plan->inputs[0], chain)) {
        return false;
      }
      std::vector<int32_t> columns;
      for (const Bound& output : calc->outputs) {
        columns.push_back(chain.columns[static_cast<size_t>(output.column)]);
      }
      chain.columns = std::move(columns);
      return true;
    }
    const JoinNode* const join = mergeable(*plan);
    if (join == nullptr) { return false; }
    const PlanRef& left = plan->inputs[0];
    if (is_mergeable_below(left) && flatten(left, chain) && extend(chain, *join, plan->inputs[1])) {
      return true;
    }
    chain = {};
    chain.add(left, false);
    return extend(chain, *join, plan->inputs[1]);
  }
  PlanRef with_inputs(const PlanRef& plan) {
    Plan made = *plan;
    bool is_changed = false;
    for (PlanRef& input : made.inputs) {
      PlanRef changed = apply(input);
      is_changed = is_changed || changed != input;
      input = std::move(changed);
    }
    return is_changed ? std::make_shared<const Plan>(std::move(made)) : plan;
  }
  // A plan that gives the same as `plan`.
  PlanRef made(const Plan& plan, Chain chain) {
    Plan joined;
    MultiJoinNode node;
    for (size_t i = 0; i < chain.inputs.size(); ++i) {
      std::vector<int32_t>& keys = node.keys.emplace_back();
      for (const std::vector<int32_t>& part : chain.key) { keys.push_back(part[i]); }
      joined.updates = joined.updates || chain.inputs[i]->updates;
      joined.inputs.push_back(apply(chain.inputs[i]));
    }
    for (const MultiJoinNode::Step& step : chain.steps) {
      joined.updates = joined.updates || step.kind == JoinKind::kLeft;
    }
    for (const std::vector<int32_t>& key : plan.unique_keys) {
      std::vector<int32_t>& moved = joined.unique_keys.emplace_back();
      for (const int32_t column : key) {
        moved.push_back(chain.columns[static_cast<size_t>(column)]);
      }
    }
    node.steps = std::move(chain.steps);
    node.shared = shared_rows(keys_, joined.inputs, node.keys, node.steps);
    joined.node = std::move(node);
    for (size_t i = 0; i < chain.types.size(); ++i) {
      joined.type.add(chain.names[i], chain.types[i]);
    }
    const PlanRef all = make_plan(std::move(joined));
    std::vector<Bound> outputs;
    bool is_same = chain.columns.size() == chain.types.size();
    for (size_t i = 0; i < chain.columns.size(); ++i) {
      const int32_t column = chain.columns[i];
      is_same = is_same && column == static_cast<int32_t>(i);
      outputs.push_back(Bound::of_column(column, chain.types[static_cast<size_t>(column)]));
    }
    Plan given =
        is_same ? *all : *make_calc(all, std::nullopt, std::move(outputs), plan.type.names);
    given.kept_ms = plan.kept_ms;
    given.is_shared = plan.is_shared;
    return std::make_shared<const Plan>(std::move(given));
  }

  const MultiJoins which_;
  PlanKeys keys_{false};
  std::unordered_map<int32_t, int> uses_;  // of each part, by its number
  bool has_joins_ = false;
  std::unordered_map<const Plan*, PlanRef> made_;
};

}  // namespace

PlanRef with_multi_joins(const PlanRef& plan, MultiJoins which) {
  return MultiJoinRule(plan, which).apply(plan);
}

std::vector<int32_t> shared_inputs(const Plan& plan) {
  return std::get<MultiJoinNode>(plan.node).shared;
}

}  // namespace tidewheel::sql
