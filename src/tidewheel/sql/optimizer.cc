#include "tidewheel/sql/optimizer.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/query_binder.h"
#include "tidewheel/sql/scan_pushdown.h"

namespace tidewheel::sql {
namespace {

// What has been made of parts of a plan: of those that several read, once.
using MadePlans = std::unordered_map<const Plan*, PlanRef>;

std::shared_ptr<Plan> copy_of(const Plan& plan) { return std::make_shared<Plan>(plan); }

// ---- Folding

// Of a join of any kind; null: it is none.
std::optional<Bound>* join_condition(Plan& plan) {
  if (auto* join = std::get_if<JoinNode>(&plan.node)) { return &join->condition; }
  if (auto* join = std::get_if<TemporalJoinNode>(&plan.node)) { return &join->condition; }
  if (auto* join = std::get_if<LookupJoinNode>(&plan.node)) { return &join->condition; }
  return nullptr;
}

class Folding {
 public:
  explicit Folding(const EvalOptions& options) : options_(options) {}

  PlanRef of(const PlanRef& plan) {
    if (const auto it = made_.find(plan.get()); it != made_.end()) { return it->second; }
    std::shared_ptr<Plan> made = copy_of(*plan);
    for (PlanRef& input : made->inputs) { input = of(input); }
    if (auto* calc = std::get_if<CalcNode>(&made->node)) {
      if (calc->condition.has_value()) {
        calc->condition = fold(std::move(*calc->condition), options_);
      }
      for (Bound& output : calc->outputs) { output = fold(std::move(output), options_); }
      if (calc->condition.has_value() && calc->condition->is_literal() &&
          !calc->condition->literal.is_null() && calc->condition->literal.truth()) {
        calc->condition.reset();
      }
    } else if (auto* watermark = std::get_if<WatermarkNode>(&made->node)) {
      if (watermark->has_value) { watermark->value = fold(std::move(watermark->value), options_); }
    } else if (std::optional<Bound>* const condition = join_condition(*made)) {
      if (condition->has_value()) { *condition = fold(std::move(**condition), options_); }
    }
    return made_[plan.get()] = std::move(made);
  }

 private:
  const EvalOptions& options_;
  MadePlans made_;
};

// ---- Row numbers below a limit

// Takes `column op literal` into [first, last]; false when it says something else.
bool take_limit(const Bound& condition, int32_t column, int64_t& first, int64_t& last) {
  if (condition.kind != Bound::Kind::kCall || condition.arguments.size() != 2) { return false; }
  std::string op = condition.function->name();
  const Bound* a = &condition.arguments[0];
  const Bound* b = &condition.arguments[1];
  if (a->is_literal()) {
    std::swap(a, b);
    op = op == "<" ? ">" : op == "<=" ? ">=" : op == ">" ? "<" : op == ">=" ? "<=" : op;
  }
  if (a->kind != Bound::Kind::kColumn || a->column != column || !b->is_literal() ||
      b->literal.is_null() || !b->type.is_integer()) {
    return false;
  }
  const int64_t value = b->literal.integer();
  if (op == "<=" || op == "<") {
    last = std::min(last, op == "<" ? value - 1 : value);
  } else if (op == ">=" || op == ">") {
    first = std::max(first, op == ">" ? value + 1 : value);
  } else if (op == "=") {
    first = std::max(first, value);
    last = std::min(last, value);
  } else {
    return false;
  }
  return true;
}

bool uses_column(const Bound& expression, int32_t column) {
  bool uses = false;
  for_each_column(expression, [&](const Bound& one) { uses = uses || one.column == column; });
  return uses;
}

// Numbers of rows without a limit on them are values like others.
PlanRef over_of(const Plan& rank_plan) {
  const auto& rank = std::get<RankNode>(rank_plan.node);
  using Function = RankNode::Function;
  OverCallNode call;
  call.kind = rank.function == Function::kRowNumber ? OverCallNode::Kind::kRowNumber
              : rank.function == Function::kRank    ? OverCallNode::Kind::kRank
                                                    : OverCallNode::Kind::kDenseRank;
  call.call.function = rank.function == Function::kRowNumber ? "ROW_NUMBER"
                       : rank.function == Function::kRank    ? "RANK"
                                                             : "DENSE_RANK";
  call.call.result = rank_plan.type.types.back();
  OverNode node;
  node.partition_by = rank.partition_by;
  node.order_by = rank.order_by;
  node.calls.push_back(std::move(call));
  const PlanRef over = make_over(rank_plan.inputs[0], std::move(node));
  if (!rank_plan.side.has_value()) { return over; }
  std::shared_ptr<Plan> made = copy_of(*over);
  made->side = rank_plan.side;
  return made;
}

// Whether the windows of a plan go by event time.
bool has_event_windows(const Plan& plan) {
  const auto goes_by = [&](int32_t time) {
    return plan.input().type.types[static_cast<size_t>(time)].time == TimeAttribute::kEvent;
  };
  if (const auto* window = std::get_if<WindowNode>(&plan.node)) { return goes_by(window->time); }
  if (const auto* window = std::get_if<WindowAggregateNode>(&plan.node)) {
    return window->is_attached ? has_event_windows(plan.input()) : goes_by(window->time);
  }
  return !plan.inputs.empty() && has_event_windows(plan.input());
}

// The column of window_end when partitions are windows, and may be given when these are over.
int32_t window_end_of(const Plan& rank_plan, const std::vector<int32_t>& partition_by) {
  const std::optional<WindowColumns>& window = rank_plan.input().window;
  if (!window.has_value() || window->end < 0 || window->start < 0) { return -1; }
  const auto is_key = [&](int32_t column) {
    return std::find(partition_by.begin(), partition_by.end(), column) != partition_by.end();
  };
  const bool is_over_windows = is_key(window->start) && is_key(window->end);
  return is_over_windows && has_event_windows(rank_plan.input()) ? window->end : -1;
}

Result<PlanRef> top_n_of(const Plan& calc_plan, const CalcNode& calc, const Plan& rank_plan) {
  const auto& rank = std::get<RankNode>(rank_plan.node);
  const auto column = static_cast<int32_t>(rank_plan.type.size()) - 1;
  int64_t first = 1;
  int64_t last = INT64_MAX;
  std::vector<Bound> rest;
  if (calc.condition.has_value()) {
    for (Bound& part : split_conjunction(*calc.condition)) {
      if (!take_limit(part, column, first, last)) { rest.push_back(std::move(part)); }
    }
  }
  if (last < first) {
    // No row has such a number. The operator keeps the first ones, and none of them passes.
    first = last = 1;
    rest = {Bound::of_literal({int64_t{0}}, LogicalType::of(TypeKind::kBoolean, false))};
  }
  if (last == INT64_MAX) {
    return make_calc(over_of(rank_plan), calc.condition, calc.outputs, calc_plan.type.names);
  }
  const auto uses = [&](const Bound& one) { return uses_column(one, column); };
  const auto time_of = [&](const SortKeyNode& key) {
    return rank_plan.type.types[static_cast<size_t>(key.column)].time;
  };
  // By processing time no two rows are equal.
  const bool by_clock = time_of(rank.order_by[0]) == TimeAttribute::kProcessing;
  TopNNode node;
  node.partition_by = rank.partition_by;
  node.order_by = rank.order_by;
  node.first = first;
  node.last = last;
  node.has_rank = std::any_of(calc.outputs.begin(), calc.outputs.end(), uses) ||
                  std::any_of(rest.begin(), rest.end(), uses);
  node.function = by_clock ? RankNode::Function::kRowNumber : rank.function;
  node.window_end = window_end_of(rank_plan, rank.partition_by);
  Plan plan;
  plan.type = rank_plan.type;
  if (!node.has_rank) {
    plan.type.names.pop_back();
    plan.type.types.pop_back();
  }
  // A row may leave again, unless those that came first stay, or windows are given as wholes.
  const bool keeps_first = by_clock && !rank.order_by[0].descending && !rank_plan.input().updates;
  plan.updates = !keeps_first && node.window_end < 0;
  plan.window = rank_plan.window;
  plan.unique_keys = rank_plan.input().unique_keys;
  const bool is_numbered = node.function == RankNode::Function::kRowNumber;
  if (node.last == 1 && is_numbered) { plan.unique_keys.push_back(node.partition_by); }
  if (node.has_rank && is_numbered) {
    std::vector<int32_t> key = node.partition_by;
    key.push_back(column);
    plan.unique_keys.push_back(std::move(key));
  }
  plan.inputs = rank_plan.inputs;
  plan.side = rank_plan.side;
  plan.node = std::move(node);
  return make_calc(make_plan(std::move(plan)), join_conjunction(std::move(rest)), calc.outputs,
                   calc_plan.type.names);
}

Result<PlanRef> with_top_n(const PlanRef& plan, MadePlans& made_plans) {
  if (const auto it = made_plans.find(plan.get()); it != made_plans.end()) { return it->second; }
  const auto make = [&]() -> Result<PlanRef> {
    std::shared_ptr<Plan> made = copy_of(*plan);
    const auto* calc = std::get_if<CalcNode>(&plan->node);
    if (calc != nullptr && std::holds_alternative<RankNode>(plan->input().node)) {
      std::shared_ptr<Plan> rank = copy_of(plan->input());
      TIDEWHEEL_ASSIGN_OR_RETURN(rank->inputs[0], with_top_n(rank->inputs[0], made_plans));
      return top_n_of(*plan, *calc, *rank);
    }
    for (PlanRef& input : made->inputs) {
      TIDEWHEEL_ASSIGN_OR_RETURN(input, with_top_n(input, made_plans));
    }
    if (std::holds_alternative<RankNode>(made->node)) { return over_of(*made); }
    // What is below may only add rows now.
    if (calc != nullptr) {
      return make_calc(made->inputs[0], calc->condition, calc->outputs, plan->type.names);
    }
    return PlanRef(std::move(made));
  };
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef made, make());
  if (plan->is_shared && !made->is_shared) {
    std::shared_ptr<Plan> shared = copy_of(*made);
    shared->is_shared = true;
    made = std::move(shared);
  }
  made_plans.emplace(plan.get(), made);
  return made;
}

// ---- Columns that nobody needs

// A plan with fewer columns: column i is now column moved[i], or gone (-1).
struct Pruned {
  std::shared_ptr<Plan> plan;
  std::vector<int32_t> moved;
};
using Needed = std::vector<bool>;

void need(const Bound& expression, Needed& needed) {
  for_each_column(expression,
                  [&](const Bound& column) { needed[static_cast<size_t>(column.column)] = true; });
}
void need(const std::vector<int32_t>& columns, Needed& needed) {
  for (const int32_t column : columns) { needed[static_cast<size_t>(column)] = true; }
}
void need(const std::vector<SortKeyNode>& keys, Needed& needed) {
  for (const SortKeyNode& key : keys) { needed[static_cast<size_t>(key.column)] = true; }
}
void move(int32_t& column, const std::vector<int32_t>& moved) {
  if (column >= 0) { column = moved[static_cast<size_t>(column)]; }
}
void move(std::vector<int32_t>& columns, const std::vector<int32_t>& moved) {
  for (int32_t& column : columns) { move(column, moved); }
}
void move(std::vector<SortKeyNode>& keys, const std::vector<int32_t>& moved) {
  for (SortKeyNode& key : keys) { move(key.column, moved); }
}
void move(Bound& expression, const std::vector<int32_t>& moved) {
  for_each_column(expression, [&](Bound& column) { move(column.column, moved); });
}
void need(const std::vector<AggregateCallNode>& calls, Needed& needed) {
  for (const AggregateCallNode& call : calls) {
    need(call.arguments, needed);
    if (call.filter >= 0) { needed[static_cast<size_t>(call.filter)] = true; }
  }
}
void move(std::vector<AggregateCallNode>& calls, const std::vector<int32_t>& moved) {
  for (AggregateCallNode& call : calls) {
    move(call.arguments, moved);
    move(call.filter, moved);
  }
}

// Keeps the columns of `plan` for which `keeps` is true, and tells where they went. What refers to
// columns of the output is moved.
std::vector<int32_t> keep_columns(Plan& plan, const Needed& keeps) {
  std::vector<int32_t> moved(keeps.size(), -1);
  RowType type;
  for (size_t i = 0; i < keeps.size(); ++i) {
    if (!keeps[i]) { continue; }
    moved[i] = static_cast<int32_t>(type.size());
    type.add(std::move(plan.type.names[i]), std::move(plan.type.types[i]));
  }
  plan.type = std::move(type);
  if (plan.window.has_value()) {
    for (int32_t* column : {&plan.window->start, &plan.window->end, &plan.window->time}) {
      move(*column, moved);
    }
  }
  std::erase_if(plan.unique_keys, [&](const std::vector<int32_t>& key) {
    return std::any_of(key.begin(), key.end(),
                       [&](int32_t column) { return moved[static_cast<size_t>(column)] < 0; });
  });
  for (std::vector<int32_t>& key : plan.unique_keys) { move(key, moved); }
  return moved;
}

// Parts that several read are made once, with the columns that any of them needs: so all are asked
// what they need first, from the top, and then plans are made.
class Pruning {
 public:
  explicit Pruning(const PlanRef& plan) : plan_(plan) { visit(plan); }

  PlanRef pruned() {
    needed_[plan_.get()] = Needed(plan_->type.size(), true);
    for (size_t i = parts_.size(); i-- > 0;) { ask(*parts_[i]); }
    is_asking_ = false;
    return prune(*plan_, needed_.at(plan_.get())).plan;
  }

  // Has input `index` of a plan give what is needed of it.
  std::vector<int32_t> input(Plan& plan, size_t index, const Needed& needed) {
    if (!plan.side.has_value() || index > 0) { return columns_of(plan, index, needed); }
    // Rows that come too late go elsewhere, with columns that nobody else may need.
    Needed all = needed;
    for (const Bound& value : plan.side->values) { need(value, all); }
    std::vector<int32_t> moved = columns_of(plan, 0, all);
    for (Bound& value : plan.side->values) { move(value, moved); }
    return moved;
  }

 private:
  // Takes the parts of a plan, inputs first.
  void visit(const PlanRef& plan) {
    for (const PlanRef& input : plan->inputs) {
      if (readers_[input.get()]++ == 0) { visit(input); }
    }
    parts_.push_back(plan);
  }
  bool has_readers(const PlanRef& part) const {
    return readers_.at(part.get()) > 1 && !is_row_by_row(*part);
  }
  void ask(const Plan& part) {
    Plan scratch = part;
    Needed needed = needed_[&part];
    needed.resize(part.type.size(), false);
    visit_node(scratch, needed);
  }
  Pruned prune(const Plan& plan, const Needed& needed) {
    Pruned pruned{copy_of(plan), {}};
    pruned.moved = visit_node(*pruned.plan, needed);
    return pruned;
  }
  std::vector<int32_t> visit_node(Plan& plan, const Needed& needed);
  std::vector<int32_t> columns_of(Plan& plan, size_t index, const Needed& needed) {
    const PlanRef part = plan.inputs[index];
    if (is_asking_) {
      Needed& all = needed_[part.get()];
      all.resize(needed.size(), false);
      for (size_t i = 0; i < needed.size(); ++i) { all[i] = all[i] || needed[i]; }
      std::vector<int32_t> same(needed.size());
      std::iota(same.begin(), same.end(), 0);
      return same;
    }
    if (!has_readers(part)) {
      Pruned input = prune(*part, needed);
      plan.inputs[index] = std::move(input.plan);
      return std::move(input.moved);
    }
    return shared_columns(plan, index, needed);
  }
  // Of a part with several readers, the columns that this one needs.
  std::vector<int32_t> shared_columns(Plan& plan, size_t index, const Needed& needed) {
    const PlanRef part = plan.inputs[index];
    const Needed& all = needed_.at(part.get());
    auto it = made_.find(part.get());
    if (it == made_.end()) { it = made_.emplace(part.get(), prune(*part, all)).first; }
    const Pruned& made = it->second;
    plan.inputs[index] = made.plan;
    if (needed == all) { return made.moved; }
    std::vector<Bound> outputs;
    std::vector<std::string> names;
    std::vector<int32_t> moved(needed.size(), -1);
    for (size_t i = 0; i < needed.size(); ++i) {
      if (!needed[i]) { continue; }
      const auto from = static_cast<size_t>(made.moved[i]);
      moved[i] = static_cast<int32_t>(outputs.size());
      outputs.push_back(Bound::of_column(made.moved[i], made.plan->type.types[from]));
      names.push_back(made.plan->type.names[from]);
    }
    plan.inputs[index] = make_calc(made.plan, std::nullopt, std::move(outputs), std::move(names));
    return moved;
  }

  const PlanRef plan_;
  bool is_asking_ = true;
  std::vector<PlanRef> parts_;
  std::unordered_map<const Plan*, int32_t> readers_;
  std::unordered_map<const Plan*, Needed> needed_;
  std::unordered_map<const Plan*, Pruned> made_;
};

struct Pruner {
  Pruning& pruning;
  Plan& plan;
  const Needed& needed;

  Needed none(size_t index = 0) const { return Needed(plan.input(index).type.size(), false); }

  std::vector<int32_t> operator()(ScanNode& node) const {
    Needed keeps = needed;
    // A row without columns could not be counted. Whether a record can be read, and so whether it
    // is a dead letter, is not to depend on the query.
    if (std::none_of(keeps.begin(), keeps.end(), [](bool one) { return one; })) { keeps[0] = true; }
    if (plan.side.has_value()) { keeps.assign(keeps.size(), true); }
    std::vector<size_t> columns;
    std::vector<int32_t> fields;
    for (size_t i = 0; i < keeps.size(); ++i) {
      if (!keeps[i]) { continue; }
      columns.push_back(node.columns[i]);
      fields.push_back(node.field(i));
    }
    node.columns = std::move(columns);
    node.fields = std::move(fields);
    return keep_columns(plan, keeps);
  }
  std::vector<int32_t> operator()(ValuesNode& node) const {
    for (std::vector<Datum>& row : node.rows) {
      std::vector<Datum> kept;
      for (size_t i = 0; i < row.size(); ++i) {
        if (needed[i]) { kept.push_back(std::move(row[i])); }
      }
      row = std::move(kept);
    }
    return keep_columns(plan, needed);
  }
  std::vector<int32_t> operator()(CalcNode& node) const {
    Needed inner = none();
    std::vector<Bound> outputs;
    for (size_t i = 0; i < needed.size(); ++i) {
      if (!needed[i]) { continue; }
      need(node.outputs[i], inner);
      outputs.push_back(std::move(node.outputs[i]));
    }
    if (node.condition.has_value()) { need(*node.condition, inner); }
    node.outputs = std::move(outputs);
    const std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    for (Bound& output : node.outputs) { move(output, moved); }
    if (node.condition.has_value()) { move(*node.condition, moved); }
    return keep_columns(plan, needed);
  }
  std::vector<int32_t> operator()(WatermarkNode& node) const {
    Needed inner = needed;
    inner[static_cast<size_t>(node.column)] = true;
    if (node.has_value) { need(node.value, inner); }
    const std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    move(node.column, moved);
    if (node.has_value) { move(node.value, moved); }
    return pass(moved);
  }
  std::vector<int32_t> operator()(AggregateNode& node) const {
    return aggregate(node.keys, node.calls, nullptr);
  }
  std::vector<int32_t> operator()(WindowAggregateNode& node) const {
    return aggregate(node.keys, node.calls, &node.time);
  }
  std::vector<int32_t> operator()(WindowNode& node) const {
    const size_t columns = plan.input().type.size();
    Needed inner(needed.begin(), needed.begin() + static_cast<ptrdiff_t>(columns));
    inner[static_cast<size_t>(node.time)] = true;
    need(node.partition_by, inner);
    std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    move(node.time, moved);
    move(node.partition_by, moved);
    return pass(std::move(moved), 3);
  }
  // The keys and the condition of a join, and more columns of both sides (-1: none). `both`: which
  // columns of both are needed behind it. Returns where these have gone.
  template <class Node>
  std::vector<int32_t> prune_sides(Node& node, Needed both, std::initializer_list<int32_t*> lefts,
                                   std::initializer_list<int32_t*> rights) const {
    const auto left_columns = static_cast<ptrdiff_t>(plan.input(0).type.size());
    if (node.condition.has_value()) { need(*node.condition, both); }
    const auto prune_side = [&](size_t side, Needed inner, std::vector<int32_t>& keys,
                                std::initializer_list<int32_t*> columns) {
      need(keys, inner);
      for (const int32_t* const column : columns) {
        if (*column >= 0) { inner[static_cast<size_t>(*column)] = true; }
      }
      std::vector<int32_t> moved = pruning.input(plan, side, inner);
      move(keys, moved);
      for (int32_t* const column : columns) { move(*column, moved); }
      return moved;
    };
    std::vector<int32_t> moved =
        prune_side(0, Needed(both.begin(), both.begin() + left_columns), node.left_keys, lefts);
    const std::vector<int32_t> moved_right =
        prune_side(1, Needed(both.begin() + left_columns, both.end()), node.right_keys, rights);
    const auto shift = static_cast<int32_t>(plan.input(0).type.size());
    for (const int32_t column : moved_right) { moved.push_back(column < 0 ? -1 : column + shift); }
    if (node.condition.has_value()) { move(*node.condition, moved); }
    return moved;
  }
  std::vector<int32_t> operator()(JoinNode& node) const {
    Needed both = needed;
    const bool marks = node.kind == JoinKind::kMark;  // behind the left columns
    if (marks) { both.pop_back(); }
    both.resize(plan.input(0).type.size() + plan.input(1).type.size(), false);
    std::vector<int32_t> moved =
        prune_sides(node, std::move(both), {&node.left_window_end, &node.left_time},
                    {&node.right_window_end, &node.right_time});
    moved.resize(needed.size() - (marks ? 1 : 0));
    return pass(std::move(moved), marks ? 1 : 0);
  }
  // Made of joins when columns have been pruned (multi_join_rule.h).
  std::vector<int32_t> operator()(MultiJoinNode&) const {
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      pruning.input(plan, i, Needed(plan.input(i).type.size(), true));
    }
    return keep_columns(plan, Needed(needed.size(), true));
  }
  std::vector<int32_t> operator()(TemporalJoinNode& node) const {
    return pass(prune_sides(node, needed, {&node.left_time}, {&node.right_time}));
  }
  std::vector<int32_t> operator()(LookupJoinNode& node) const {
    const size_t input_columns = plan.input().type.size();
    Needed both = needed;
    if (node.condition.has_value()) { need(*node.condition, both); }
    Needed inner(both.begin(), both.begin() + static_cast<ptrdiff_t>(input_columns));
    need(node.input_keys, inner);
    std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    move(node.input_keys, moved);
    auto next = static_cast<int32_t>(plan.input().type.size());
    std::vector<size_t> columns;
    for (size_t i = input_columns; i < both.size(); ++i) {
      moved.push_back(both[i] ? next++ : -1);
      if (both[i]) { columns.push_back(node.columns[i - input_columns]); }
    }
    node.columns = std::move(columns);
    if (node.condition.has_value()) { move(*node.condition, moved); }
    return pass(std::move(moved));
  }
  std::vector<int32_t> operator()(CorrelateNode& node) const {
    Needed keeps = needed;
    // A row without columns could not be counted.
    if (std::none_of(keeps.begin(), keeps.end(), [](bool one) { return one; })) {
      keeps.back() = true;
    }
    const size_t passed_before = node.passed.size();
    const auto kept = [&](const std::vector<int32_t>& columns, size_t first) {
      std::vector<int32_t> left;
      for (size_t i = 0; i < columns.size(); ++i) {
        if (keeps[first + i]) { left.push_back(columns[i]); }
      }
      return left;
    };
    node.passed = kept(node.passed, 0);
    node.given = kept(node.given, passed_before);
    Needed inner = none();
    need(node.arguments, inner);
    need(node.passed, inner);
    const std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    move(node.arguments, moved);
    move(node.passed, moved);
    return keep_columns(plan, keeps);
  }
  std::vector<int32_t> operator()(ExpandNode& node) const {
    Needed keeps = needed;
    // A row without columns could not be counted.
    if (std::none_of(keeps.begin(), keeps.end(), [](bool one) { return one; })) {
      keeps.back() = true;
    }
    Needed inner = none();
    for (std::vector<Bound>& outputs : node.projections) {
      std::vector<Bound> kept;
      for (size_t i = 0; i < keeps.size(); ++i) {
        if (keeps[i]) { kept.push_back(std::move(outputs[i])); }
      }
      outputs = std::move(kept);
      for (const Bound& output : outputs) { need(output, inner); }
    }
    const std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    for (std::vector<Bound>& outputs : node.projections) {
      for (Bound& output : outputs) { move(output, moved); }
    }
    return keep_columns(plan, keeps);
  }
  std::vector<int32_t> operator()(UnionNode&) const {
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      // All inputs have the same columns: a node that keeps one nobody needs would not do.
      const std::vector<int32_t> moved = pruning.input(plan, i, needed);
      select(i, moved);
    }
    return keep_columns(plan, needed);
  }
  // Whether rows are equal depends on all columns.
  std::vector<int32_t> operator()(SetOperationNode&) const {
    const Needed all(needed.size(), true);
    for (size_t i = 0; i < plan.inputs.size(); ++i) { pruning.input(plan, i, all); }
    return keep_columns(plan, all);
  }
  std::vector<int32_t> operator()(TopNNode& node) const {
    const size_t columns = plan.input().type.size();
    Needed inner(needed.begin(), needed.begin() + static_cast<ptrdiff_t>(columns));
    need(node.partition_by, inner);
    need(node.order_by, inner);
    // Rows that are equal in what is kept would be taken for one that comes again.
    if (plan.input().updates) { inner.assign(columns, true); }
    std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    move(node.partition_by, moved);
    move(node.order_by, moved);
    move(node.window_end, moved);
    return pass(std::move(moved), node.has_rank ? 1 : 0);
  }
  std::vector<int32_t> operator()(LimitNode&) const {
    const Needed inner = plan.input().updates ? Needed(needed.size(), true) : needed;
    return pass(pruning.input(plan, 0, inner));
  }
  std::vector<int32_t> operator()(SortNode& node) const {
    Needed inner = plan.input().updates ? Needed(needed.size(), true) : needed;
    need(node.order_by, inner);
    std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    move(node.order_by, moved);
    return pass(std::move(moved));
  }
  std::vector<int32_t> operator()(RankNode&) const {
    return pruning.input(plan, 0, Needed(plan.input().type.size(), true));
  }
  std::vector<int32_t> operator()(OverNode& node) const {
    const size_t columns = plan.input().type.size();
    Needed inner(needed.begin(), needed.begin() + static_cast<ptrdiff_t>(columns));
    // A row without results would be one that has not been given.
    std::vector<bool> is_kept(needed.begin() + static_cast<ptrdiff_t>(columns), needed.end());
    if (std::none_of(is_kept.begin(), is_kept.end(), [](bool one) { return one; })) {
      is_kept[0] = true;
    }
    std::vector<OverCallNode> kept;
    Needed keeps(columns, true);
    for (size_t i = 0; i < node.calls.size(); ++i) {
      if (is_kept[i]) { kept.push_back(node.calls[i]); }
      keeps.push_back(is_kept[i]);
    }
    node.calls = std::move(kept);
    need(node.partition_by, inner);
    need(node.order_by, inner);
    for (OverCallNode& call : node.calls) {
      need(call.call.arguments, inner);
      if (call.call.filter >= 0) { inner[static_cast<size_t>(call.call.filter)] = true; }
    }
    if (plan.input().updates) { inner.assign(columns, true); }
    const std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    move(node.partition_by, moved);
    move(node.order_by, moved);
    for (OverCallNode& call : node.calls) {
      move(call.call.arguments, moved);
      move(call.call.filter, moved);
    }
    for (size_t i = 0; i < columns; ++i) { keeps[i] = moved[i] >= 0; }
    return keep_columns(plan, keeps);
  }
  std::vector<int32_t> operator()(MatchNode& node) const {
    Needed inner = none();
    need(node.partition_by, inner);
    need(node.order_by, inner);
    for (const MatchLookupNode& lookup : node.lookups) {
      if (lookup.kind == MatchLookupNode::Kind::kAggregate) {
        need(std::vector<AggregateCallNode>{lookup.call}, inner);
      } else if (lookup.kind != MatchLookupNode::Kind::kTime) {
        inner[static_cast<size_t>(lookup.column)] = true;
      }
    }
    const std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    move(node.partition_by, moved);
    move(node.order_by, moved);
    for (MatchLookupNode& lookup : node.lookups) {
      if (lookup.kind == MatchLookupNode::Kind::kAggregate) {
        move(lookup.call.arguments, moved);
        move(lookup.call.filter, moved);
      } else if (lookup.kind != MatchLookupNode::Kind::kTime) {
        move(lookup.column, moved);
      }
    }
    return keep_columns(plan, Needed(plan.type.size(), true));
  }

  // The output has the columns that the input kept, and `added` of its own.
  std::vector<int32_t> pass(std::vector<int32_t> moved, size_t added = 0) const {
    int32_t next = 0;
    Needed keeps;
    for (const int32_t column : moved) {
      keeps.push_back(column >= 0);
      next = std::max(next, column + 1);
    }
    for (size_t i = 0; i < added; ++i) { keeps.push_back(true); }
    return keep_columns(plan, keeps);
  }
  std::vector<int32_t> aggregate(std::vector<int32_t>& keys, std::vector<AggregateCallNode>& calls,
                                 int32_t* time) const {
    Needed keeps = needed;
    std::vector<AggregateCallNode> kept;
    for (size_t i = 0; i < keys.size(); ++i) { keeps[i] = true; }
    for (size_t i = 0; i < calls.size(); ++i) {
      if (keeps[keys.size() + i]) { kept.push_back(calls[i]); }
    }
    for (size_t i = keys.size() + calls.size(); i < keeps.size(); ++i) { keeps[i] = true; }
    calls = std::move(kept);
    Needed inner = none();
    need(keys, inner);
    need(calls, inner);
    if (time != nullptr) { inner[static_cast<size_t>(*time)] = true; }
    const std::vector<int32_t> moved = pruning.input(plan, 0, inner);
    move(keys, moved);
    move(calls, moved);
    if (time != nullptr) { move(*time, moved); }
    return keep_columns(plan, keeps);
  }
  // Has input `index` give what is needed, and nothing else.
  void select(size_t index, const std::vector<int32_t>& moved) const {
    std::vector<Bound> outputs;
    std::vector<std::string> names;
    const PlanRef input = plan.inputs[index];
    for (size_t i = 0; i < needed.size(); ++i) {
      if (!needed[i]) { continue; }
      const auto column = static_cast<size_t>(moved[i]);
      outputs.push_back(Bound::of_column(moved[i], input->type.types[column]));
      names.push_back(input->type.names[column]);
    }
    if (outputs.size() != input->type.size()) {
      plan.inputs[index] = make_calc(input, std::nullopt, std::move(outputs), std::move(names));
    }
  }
};

std::vector<int32_t> Pruning::visit_node(Plan& plan, const Needed& needed) {
  return std::visit([&](auto& node) { return Pruner{*this, plan, needed}(node); }, plan.node);
}

}  // namespace

Result<PlanRef> optimize(PlanRef plan, const EvalOptions& options) {
  plan = Folding(options).of(plan);
  MadePlans with_numbers;
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, with_top_n(plan, with_numbers));
  plan = push_into_scans(Pruning(plan).pruned());
  return Pruning(plan).pruned();
}

}  // namespace tidewheel::sql
