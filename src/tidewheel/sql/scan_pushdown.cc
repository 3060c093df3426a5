#include "tidewheel/sql/scan_pushdown.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/sql/functions.h"

namespace tidewheel::sql {
namespace {

using Kind = Bound::Kind;

bool is_field_of_column(const Bound& bound) {
  return bound.kind == Kind::kField && bound.arguments[0].kind == Kind::kColumn;
}

bool reads_watermark(const Bound& bound) {
  if (bound.kind == Kind::kCall && bound.function->name() == "CURRENT_WATERMARK") { return true; }
  return std::any_of(bound.arguments.begin(), bound.arguments.end(), reads_watermark);
}

// Nodes that give the same whatever event time it is. Those that are not named here count as
// others.
struct IgnoresEventTime {
  bool operator()(const CalcNode& node) const {
    return !(node.condition.has_value() && reads_watermark(*node.condition)) &&
           std::none_of(node.outputs.begin(), node.outputs.end(), reads_watermark);
  }
  bool operator()(const JoinNode& node) const {
    return node.left_window_end < 0 && node.left_time < 0;
  }
  bool operator()(const AggregateNode&) const { return true; }
  bool operator()(const UnionNode&) const { return true; }
  bool operator()(const SetOperationNode&) const { return true; }
  bool operator()(const TopNNode& node) const { return node.window_end < 0; }
  bool operator()(const LimitNode&) const { return true; }
  bool operator()(const ScanNode&) const { return true; }
  bool operator()(const WatermarkNode&) const { return true; }
  template <class Node>
  bool operator()(const Node&) const {
    return false;
  }
};

// ---- Comparisons with constants

// `condition` says that a column is one of some integers: which, and which integers.
struct OneOf {
  int32_t column = -1;
  std::vector<int64_t> values;
};
std::optional<OneOf> one_of(const Bound& condition) {
  if (condition.kind == Kind::kOr) {
    OneOf all;
    for (const Bound& branch : condition.arguments) {
      const std::optional<OneOf> one = one_of(branch);
      if (!one.has_value() || (all.column >= 0 && all.column != one->column)) {
        return std::nullopt;
      }
      all.column = one->column;
      all.values.insert(all.values.end(), one->values.begin(), one->values.end());
    }
    return all;
  }
  if (condition.kind != Kind::kCall || condition.function->name() != "=" ||
      condition.arguments.size() != 2) {
    return std::nullopt;
  }
  const Bound* column = &condition.arguments[0];
  const Bound* literal = &condition.arguments[1];
  if (column->is_literal()) { std::swap(column, literal); }
  if (column->kind != Kind::kColumn || !column->type.is_integer() || !literal->is_literal() ||
      literal->literal.is_null() || !literal->type.is_integer()) {
    return std::nullopt;
  }
  return OneOf{column->column, {literal->literal.integer()}};
}

// Takes the conditions out of `calc` that are comparisons of an integer with constants.
std::vector<Bound> take_comparisons(CalcNode& calc) {
  std::vector<Bound> taken;
  std::vector<Bound> rest;
  if (!calc.condition.has_value()) { return taken; }
  for (Bound& part : split_conjunction(*calc.condition)) {
    (one_of(part).has_value() ? taken : rest).push_back(std::move(part));
  }
  calc.condition = join_conjunction(std::move(rest));
  return taken;
}

// ---- Fields

// Calls f(expression) for the outermost parts that are a column, or a field of one.
template <class F>
void for_each_use(Bound& expression, F f) {
  if (expression.kind == Kind::kColumn || is_field_of_column(expression)) { return f(expression); }
  for (Bound& argument : expression.arguments) { for_each_use(argument, f); }
}
template <class F>
void for_each_use(CalcNode& calc, F f) {
  if (calc.condition.has_value()) { for_each_use(*calc.condition, f); }
  for (Bound& output : calc.outputs) { for_each_use(output, f); }
}

// Columns of which a calc takes nothing but fields, with these fields.
using FieldsOfColumns = std::map<int32_t, std::map<int32_t, LogicalType>>;
FieldsOfColumns fields_taken(CalcNode& calc) {
  FieldsOfColumns fields;
  std::vector<int32_t> whole;
  for_each_use(calc, [&](const Bound& use) {
    if (use.kind == Kind::kColumn) { return whole.push_back(use.column); }
    fields[use.arguments[0].column].emplace(use.column, use.type);
  });
  for (const int32_t column : whole) { fields.erase(column); }
  return fields;
}

// Where each field is found as a column of its own.
using Places = std::map<std::pair<int32_t, int32_t>, int32_t>;
void replace_fields(CalcNode& calc, const Places& places) {
  for_each_use(calc, [&](Bound& use) {
    if (use.kind != Kind::kField) { return; }
    const auto found = places.find({use.arguments[0].column, use.column});
    if (found != places.end()) { use = Bound::of_column(found->second, use.type, use.span); }
  });
}

// ---- The plan

bool passes_all(const CalcNode& calc, const Plan& input) {
  if (calc.condition.has_value() || calc.outputs.size() != input.type.size()) { return false; }
  for (size_t i = 0; i < calc.outputs.size(); ++i) {
    if (calc.outputs[i].kind != Kind::kColumn ||
        calc.outputs[i].column != static_cast<int32_t>(i)) {
      return false;
    }
  }
  return true;
}

// A calc over a scan.
PlanRef push_into_scan(Plan plan) {
  auto& calc = std::get<CalcNode>(plan.node);
  auto input = std::make_shared<Plan>(plan.input());
  auto& scan = std::get<ScanNode>(input->node);
  // Of rows that change, those that pass no more have to be told.
  std::vector<Bound> comparisons;
  if (!input->updates) { comparisons = take_comparisons(calc); }
  for (Bound& condition : comparisons) {
    OneOf found = *one_of(condition);
    scan.kept.push_back({scan.columns[static_cast<size_t>(found.column)], std::move(found.values),
                         std::move(condition)});
  }
  scan.fields.resize(scan.columns.size(), ScanNode::kWhole);
  Places places;
  for (const auto& [column, fields] : fields_taken(calc)) {
    const auto index = static_cast<size_t>(column);
    if (scan.fields[index] != ScanNode::kWhole) { continue; }
    const LogicalType row = input->type.types[index];
    for (const auto& [field, type] : fields) {
      places[{column, field}] = static_cast<int32_t>(input->type.size());
      scan.columns.push_back(scan.columns[index]);
      scan.fields.push_back(field);
      input->type.add(input->type.names[index] + "." + row.names[static_cast<size_t>(field)], type);
    }
  }
  replace_fields(calc, places);
  if (passes_all(calc, *input)) {
    input->type = plan.type;
    return input;
  }
  plan.inputs[0] = std::move(input);
  return std::make_shared<Plan>(std::move(plan));
}

class ScanPush {
 public:
  explicit ScanPush(const Plan& plan) { note(plan, false); }

  PlanRef push(const PlanRef& plan, bool time_matters) {
    time_matters = time_matters || !std::visit(IgnoresEventTime{}, plan->node);
    if (std::holds_alternative<CalcNode>(plan->node)) {
      const Plan& input = plan->input();
      const bool is_timed = std::holds_alternative<WatermarkNode>(input.node);
      // With a table for dead letters all queries read the same: no letter is written twice.
      if ((is_timed ? input.input() : input).side.has_value()) {
        return plan_above(*plan, time_matters);
      }
      if (std::holds_alternative<ScanNode>(input.node)) { return push_into_scan(*plan); }
      if (is_timed) { return push_below_watermark(*plan, time_matters); }
    }
    return plan_above(*plan, time_matters);
  }

 private:
  // Whether event time matters to a reader of parts that are made once for all of them.
  void note(const Plan& plan, bool time_matters) {
    time_matters = time_matters || !std::visit(IgnoresEventTime{}, plan.node);
    for (const PlanRef& input : plan.inputs) {
      if (is_row_by_row(*input)) { continue; }
      const auto [it, is_new] = time_matters_.try_emplace(input.get(), time_matters);
      if (!is_new && (it->second || !time_matters)) { continue; }
      it->second = time_matters;
      note(*input, time_matters);
    }
  }
  PlanRef pushed_input(const PlanRef& input, bool time_matters) {
    const auto noted = time_matters_.find(input.get());
    if (noted == time_matters_.end()) { return push(input, time_matters); }
    if (const auto it = made_.find(input.get()); it != made_.end()) { return it->second; }
    PlanRef made = push(input, noted->second);
    made_.emplace(input.get(), made);
    return made;
  }
  // The plan, with what can be done below its inputs.
  PlanRef plan_above(const Plan& plan, bool time_matters) {
    auto made = std::make_shared<Plan>(plan);
    for (PlanRef& input : made->inputs) { input = pushed_input(input, time_matters); }
    return made;
  }
  // A calc over a watermark: what can go below it does, into a calc of its own.
  PlanRef push_below_watermark(Plan plan, bool time_matters) {
    auto& calc = std::get<CalcNode>(plan.node);
    auto watermark = std::make_shared<Plan>(plan.input());
    const PlanRef below = watermark->inputs[0];
    std::vector<Bound> outputs = all_columns(*below);
    std::vector<std::string> names = below->type.names;
    Places places;
    for (const auto& [column, fields] : fields_taken(calc)) {
      const LogicalType& row = below->type.types[static_cast<size_t>(column)];
      for (const auto& [field, type] : fields) {
        Bound taken;
        taken.kind = Kind::kField;
        taken.type = type;
        taken.column = field;
        taken.arguments.push_back(outputs[static_cast<size_t>(column)]);
        places[{column, field}] = static_cast<int32_t>(outputs.size());
        names.push_back(names[static_cast<size_t>(column)] + "." +
                        row.names[static_cast<size_t>(field)]);
        watermark->type.add(names.back(), type);
        outputs.push_back(std::move(taken));
      }
    }
    std::vector<Bound> conditions;
    if (!time_matters && !watermark->updates) { conditions = take_comparisons(calc); }
    if (places.empty() && conditions.empty()) {
      watermark->inputs[0] = push(below, time_matters);
    } else {
      replace_fields(calc, places);
      watermark->inputs[0] = push(make_calc(below, join_conjunction(std::move(conditions)),
                                            std::move(outputs), std::move(names)),
                                  time_matters);
    }
    plan.inputs[0] = std::move(watermark);
    return std::make_shared<Plan>(std::move(plan));
  }

  std::unordered_map<const Plan*, bool> time_matters_;
  std::unordered_map<const Plan*, PlanRef> made_;
};

}  // namespace

PlanRef push_into_scans(const PlanRef& plan) { return ScanPush(*plan).push(plan, false); }

CalcNode calc_behind_scan(const ScanNode& scan, const RowType& output, const RowType& given,
                          const std::function<int32_t(size_t)>& place) {
  CalcNode calc;
  for (size_t i = 0; i < scan.columns.size(); ++i) {
    const int32_t column = place(scan.columns[i]);
    Bound value = Bound::of_column(column, given.types[static_cast<size_t>(column)]);
    if (scan.field(i) != ScanNode::kWhole) {
      Bound field;
      field.kind = Bound::Kind::kField;
      field.type = output.types[i];
      field.column = scan.field(i);
      field.arguments.push_back(std::move(value));
      value = std::move(field);
    }
    calc.outputs.push_back(std::move(value));
  }
  std::vector<Bound> conditions;
  for (const ScanNode::OneOf& one : scan.kept) {
    Bound condition = one.condition;
    for_each_column(condition, [&](Bound& column) { column.column = place(one.column); });
    conditions.push_back(std::move(condition));
  }
  calc.condition = join_conjunction(std::move(conditions));
  return calc;
}

}  // namespace tidewheel::sql
