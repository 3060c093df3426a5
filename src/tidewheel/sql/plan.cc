#include "tidewheel/sql/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/multi_join_rule.h"
#include "tidewheel/sql/plan_keys.h"
#include "tidewheel/sql/table_function.h"

namespace tidewheel::sql {
namespace {

// Where column `column` of the input is passed on unchanged; -1: nowhere.
int32_t passed_as(const std::vector<Bound>& outputs, int32_t column) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].kind == Bound::Kind::kColumn && outputs[i].column == column) {
      return static_cast<int32_t>(i);
    }
  }
  return -1;
}

void take_calc_traits(const CalcNode& calc, const Plan& input, Plan& plan) {
  plan.is_bounded = input.is_bounded;
  plan.updates = input.updates;
  if (input.window.has_value()) {
    const auto moved = [&](int32_t column) {
      return column < 0 ? -1 : passed_as(calc.outputs, column);
    };
    WindowColumns window = *input.window;
    window.start = moved(window.start);
    window.end = moved(window.end);
    window.time = moved(window.time);
    if (window.start >= 0 || window.end >= 0) { plan.window = window; }
  }
  for (const std::vector<int32_t>& key : input.unique_keys) {
    std::vector<int32_t> moved;
    for (const int32_t column : key) {
      const int32_t to = passed_as(calc.outputs, column);
      if (to >= 0) { moved.push_back(to); }
    }
    if (moved.size() == key.size()) { plan.unique_keys.push_back(std::move(moved)); }
  }
}

// Puts `inner`'s expressions in the place of references to its outputs.
Bound substitute(Bound expression, const std::vector<Bound>& inner) {
  if (expression.kind == Bound::Kind::kColumn) {
    Bound replaced = inner[static_cast<size_t>(expression.column)];
    replaced.span = expression.span;
    return replaced;
  }
  for (Bound& argument : expression.arguments) {
    argument = substitute(std::move(argument), inner);
  }
  return expression;
}

// Whether merging computes nothing twice: what is used more than once is a column or a literal.
bool merges_for_free(const std::optional<Bound>& condition, const std::vector<Bound>& outputs,
                     const std::vector<Bound>& inner) {
  std::vector<int> uses(inner.size(), 0);
  const auto count = [&](const Bound& reference) { ++uses[static_cast<size_t>(reference.column)]; };
  if (condition.has_value()) { for_each_column(*condition, count); }
  for (const Bound& output : outputs) { for_each_column(output, count); }
  for (size_t i = 0; i < inner.size(); ++i) {
    const bool cheap =
        inner[i].kind == Bound::Kind::kColumn || inner[i].kind == Bound::Kind::kLiteral;
    if (!cheap && (uses[i] > 1 || !is_deterministic(inner[i]))) { return false; }
  }
  return true;
}

Bound conjunction(Bound a, Bound b) {
  Bound both;
  both.kind = Bound::Kind::kAnd;
  both.type = LogicalType::of(TypeKind::kBoolean, a.type.nullable || b.type.nullable);
  both.span = b.span;
  for (Bound* part : {&a, &b}) {
    if (part->kind == Bound::Kind::kAnd) {
      for (Bound& one : part->arguments) { both.arguments.push_back(std::move(one)); }
    } else {
      both.arguments.push_back(std::move(*part));
    }
  }
  return both;
}

}  // namespace

bool is_deterministic(const Bound& expression) {
  if (expression.kind == Bound::Kind::kCall && !expression.function->is_deterministic()) {
    return false;
  }
  return std::all_of(expression.arguments.begin(), expression.arguments.end(), is_deterministic);
}

std::vector<Bound> all_columns(const Plan& plan) {
  std::vector<Bound> columns;
  for (size_t i = 0; i < plan.type.size(); ++i) {
    columns.push_back(Bound::of_column(static_cast<int32_t>(i), plan.type.types[i]));
  }
  return columns;
}

PlanRef make_calc(PlanRef input, std::optional<Bound> condition, std::vector<Bound> outputs,
                  std::vector<std::string> names) {
  const int64_t kept_ms = input->kept_ms;
  if (const auto* inner = std::get_if<CalcNode>(&input->node);
      inner != nullptr && !input->is_shared &&
      merges_for_free(condition, outputs, inner->outputs)) {
    for (Bound& output : outputs) { output = substitute(std::move(output), inner->outputs); }
    if (condition.has_value()) { condition = substitute(std::move(*condition), inner->outputs); }
    if (inner->condition.has_value()) {
      condition = condition.has_value() ? conjunction(*inner->condition, std::move(*condition))
                                        : *inner->condition;
    }
    input = input->inputs[0];
  }
  Plan plan;
  for (size_t i = 0; i < outputs.size(); ++i) { plan.type.add(names[i], outputs[i].type); }
  CalcNode calc{std::move(condition), std::move(outputs)};
  take_calc_traits(calc, *input, plan);
  plan.kept_ms = kept_ms;
  plan.node = std::move(calc);
  plan.inputs.push_back(std::move(input));
  return std::make_shared<Plan>(std::move(plan));
}

PlanRef make_filter(PlanRef input, Bound condition) {
  std::vector<Bound> outputs = all_columns(*input);
  std::vector<std::string> names = input->type.names;
  return make_calc(std::move(input), std::move(condition), std::move(outputs), std::move(names));
}

PlanRef make_plan(Plan plan) {
  for (const PlanRef& input : plan.inputs) {
    plan.is_bounded = plan.is_bounded && input->is_bounded;
  }
  return std::make_shared<Plan>(std::move(plan));
}

bool is_row_by_row(const Plan& plan) {
  if (std::holds_alternative<ScanNode>(plan.node) ||
      std::holds_alternative<ValuesNode>(plan.node)) {
    return true;
  }
  const bool passes_rows = std::holds_alternative<CalcNode>(plan.node) ||
                           std::holds_alternative<WatermarkNode>(plan.node) ||
                           std::holds_alternative<WindowNode>(plan.node);
  return passes_rows && is_row_by_row(plan.input());
}

// ---- Text

namespace {

std::string literal_text(const Datum& datum, const LogicalType& type) {
  if (datum.is_null()) { return "NULL"; }
  if (const auto* integer = std::get_if<int64_t>(&datum.value)) {
    if (type.kind == TypeKind::kBoolean) { return *integer != 0 ? "TRUE" : "FALSE"; }
    return std::to_string(*integer);
  }
  if (const auto* decimal = std::get_if<Int128>(&datum.value)) {
    return detail::decimal_to_string(*decimal, type.scale);
  }
  if (const auto* real = std::get_if<double>(&datum.value)) { return fmt::format("{}", *real); }
  if (const auto* text = std::get_if<std::string>(&datum.value)) { return "'" + *text + "'"; }
  return "(..)";
}

std::string joined_texts(const std::vector<Bound>& list, const RowType* input,
                         std::string_view between) {
  std::string out;
  for (const Bound& one : list) {
    if (!out.empty()) { out += between; }
    out += bound_text(one, input);
  }
  return out;
}

// Columns have texts of their own, since plans of the same text are built once: behind a join there
// may be several of a name.
std::string column_text(int32_t column, const RowType& type) {
  if (column < 0 || static_cast<size_t>(column) >= type.size()) {
    return fmt::format("${}", column);
  }
  const auto own = type.names.begin() + column;
  const bool is_first = std::find(type.names.begin(), own, *own) == own;
  return is_first ? *own : fmt::format("{}${}", *own, column);
}

std::string columns_text(const std::vector<int32_t>& columns, const RowType& type) {
  std::string out;
  for (const int32_t column : columns) {
    if (!out.empty()) { out += ", "; }
    out += column_text(column, type);
  }
  return out;
}

std::string sort_text(const std::vector<SortKeyNode>& keys, const RowType& type) {
  std::string out;
  for (const SortKeyNode& key : keys) {
    if (!out.empty()) { out += ", "; }
    out += column_text(key.column, type) + (key.descending ? " DESC" : " ASC");
  }
  return out;
}

std::string calls_text(const std::vector<AggregateCallNode>& calls, const RowType& type) {
  std::string out;
  for (const AggregateCallNode& call : calls) {
    if (!out.empty()) { out += ", "; }
    out += call.function + "(" + (call.distinct ? "DISTINCT " : "") +
           (call.arguments.empty() ? "*" : columns_text(call.arguments, type)) + ")";
    if (call.filter >= 0) { out += " FILTER " + column_text(call.filter, type); }
  }
  return out;
}

std::string frame_text(int64_t bound, const char* side, const char* other) {
  if (bound == OverFrameNode::kUnbounded) { return std::string("UNBOUNDED ") + side; }
  if (bound == 0) { return "CURRENT ROW"; }
  return fmt::format("{} {}", bound < 0 ? -bound : bound, bound < 0 ? other : side);
}

std::string over_text(const OverCallNode& call, const RowType& type) {
  if (call.kind == OverCallNode::Kind::kAggregate) {
    return fmt::format("{} {} BETWEEN {} AND {}", calls_text({call.call}, type),
                       call.frame.by_rows ? "ROWS" : "RANGE",
                       frame_text(call.frame.preceding, "PRECEDING", "FOLLOWING"),
                       frame_text(call.frame.following, "FOLLOWING", "PRECEDING"));
  }
  std::string arguments = columns_text(call.call.arguments, type);
  if (call.offset != 0) {
    arguments += (arguments.empty() ? "" : ", ") +
                 std::to_string(call.offset < 0 ? -call.offset : call.offset);
  }
  return call.call.function + "(" + arguments + ")";
}

std::string pattern_text(const MatchNode& match) {
  std::string out;
  for (const MatchElementNode& element : match.pattern) {
    out += (out.empty() ? "" : " ") + element.variable;
    if (element.least != 1 || element.most != 1) {
      out += element.most == INT64_MAX ? fmt::format("{{{},}}", element.least)
                                       : fmt::format("{{{},{}}}", element.least, element.most);
    }
    if (element.reluctant) { out += "?"; }
  }
  return out;
}

std::string lookup_text(const MatchLookupNode& lookup, const MatchNode& match,
                        const RowType& input) {
  static constexpr const char* kNames[] = {"PREV", "FIRST", "LAST", "", "MATCH_ROWTIME()"};
  const std::string of =
      lookup.variable < 0 ? "" : match.pattern[static_cast<size_t>(lookup.variable)].variable + ".";
  switch (lookup.kind) {
    case MatchLookupNode::Kind::kAggregate: return of + calls_text({lookup.call}, input);
    case MatchLookupNode::Kind::kTime: return kNames[4];
    default: break;
  }
  return fmt::format("{}({}{}, {})", kNames[static_cast<size_t>(lookup.kind)], of,
                     column_text(lookup.column, input), lookup.offset);
}

std::string match_text(const MatchNode& node, const RowType& input) {
  static constexpr const char* kSkips[] = {"PAST LAST ROW", "TO NEXT ROW", "TO FIRST ", "TO LAST "};
  RowType looked_up;
  for (const MatchLookupNode& lookup : node.lookups) {
    looked_up.add(lookup_text(lookup, node, input), lookup.type);
  }
  std::string conditions;
  for (size_t i = 0; i < node.conditions.size(); ++i) {
    if (!node.conditions[i].has_value()) { continue; }
    conditions += (conditions.empty() ? "" : ", ") + node.pattern[i].variable + " AS " +
                  bound_text(*node.conditions[i], &looked_up);
  }
  std::string out = fmt::format(
      "Match(partitionBy=[{}], orderBy=[{}], measures=[{}], pattern=[{}], define=[{}], skip=[{}{}]",
      columns_text(node.partition_by, input), sort_text(node.order_by, input),
      joined_texts(node.measures, &looked_up, ", "), pattern_text(node), conditions,
      kSkips[static_cast<size_t>(node.skip)],
      node.skip_to < 0 ? "" : node.pattern[static_cast<size_t>(node.skip_to)].variable);
  if (node.within_ms > 0) { out += fmt::format(", within=[{} ms]", node.within_ms); }
  return out + ")";
}

std::string window_text(const WindowSpecNode& window) {
  static constexpr const char* kNames[] = {"TUMBLE", "HOP", "CUMULATE", "SESSION"};
  std::string out =
      fmt::format("{}(size=[{} ms]", kNames[static_cast<size_t>(window.kind)], window.size_ms);
  if (window.slide_ms != 0) { out += fmt::format(", slide=[{} ms]", window.slide_ms); }
  if (window.offset_ms != 0) { out += fmt::format(", offset=[{} ms]", window.offset_ms); }
  return out + ")";
}

struct NodeText {
  const Plan& plan;
  const RowType& in() const { return plan.inputs.empty() ? plan.type : plan.input().type; }

  std::string operator()(const ScanNode& node) const {
    std::string columns;
    for (size_t i = 0; i < node.columns.size(); ++i) {
      const TableColumn& column = node.table->columns[node.columns[i]];
      columns += (columns.empty() ? "" : ", ") + column.name;
      if (node.field(i) != ScanNode::kWhole) {
        columns += "." + column.type.names[static_cast<size_t>(node.field(i))];
      }
    }
    std::string kept;
    for (const ScanNode::OneOf& one : node.kept) {
      kept += kept.empty() ? ", where=[" : " AND ";
      kept += fmt::format("{} IN ({})", node.table->columns[one.column].name,
                          fmt::join(one.values, ", "));
    }
    if (!kept.empty()) { kept += "]"; }
    return fmt::format("TableScan(table=[{}], fields=[{}]{})", node.table->path, columns, kept);
  }
  std::string operator()(const ValuesNode& node) const {
    std::string rows;
    for (const std::vector<Datum>& row : node.rows) {
      std::string values;
      for (size_t i = 0; i < row.size(); ++i) {
        values += (i > 0 ? ", " : "") + literal_text(row[i], plan.type.types[i]);
      }
      rows += (rows.empty() ? "(" : ", (") + values + ")";
    }
    return fmt::format("Values(rows=[{}])", rows);
  }
  std::string operator()(const CalcNode& node) const {
    std::string select;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const std::string text = bound_text(node.outputs[i], &in());
      select += (select.empty() ? "" : ", ") + text;
      if (text != plan.type.names[i]) { select += " AS " + plan.type.names[i]; }
    }
    std::string out = "Calc(select=[" + select + "]";
    if (node.condition.has_value()) {
      out += ", where=[" + bound_text(*node.condition, &in()) + "]";
    }
    return out + ")";
  }
  std::string operator()(const WatermarkNode& node) const {
    return fmt::format("WatermarkAssigner(rowtime=[{}], watermark=[{}])",
                       column_text(node.column, in()), bound_text(node.value, &in()));
  }
  std::string operator()(const AggregateNode& node) const {
    return fmt::format("GroupAggregate(groupBy=[{}], select=[{}]{})", columns_text(node.keys, in()),
                       calls_text(node.calls, in()), node.two_phase ? ", phases=[2]" : "");
  }
  std::string operator()(const WindowNode& node) const {
    const std::string parts =
        node.partition_by.empty()
            ? ""
            : fmt::format(", partitionBy=[{}]", columns_text(node.partition_by, in()));
    return fmt::format("WindowTableFunction(window=[{}], time=[{}]{})", window_text(node.window),
                       column_text(node.time, in()), parts);
  }
  std::string operator()(const WindowAggregateNode& node) const {
    return fmt::format("WindowAggregate(groupBy=[{}], window=[{}], time=[{}], select=[{}])",
                       columns_text(node.keys, in()), window_text(node.window),
                       column_text(node.time, in()), calls_text(node.calls, in()));
  }
  std::string operator()(const JoinNode& node) const {
    static constexpr const char* kNames[] = {"InnerJoin",     "LeftOuterJoin", "RightOuterJoin",
                                             "FullOuterJoin", "SemiJoin",      "AntiJoin",
                                             "MarkJoin"};
    RowType both = plan.input(0).type;
    for (size_t i = 0; i < plan.input(1).type.size(); ++i) {
      both.add(plan.input(1).type.names[i], plan.input(1).type.types[i]);
    }
    std::string keys;
    for (size_t i = 0; i < node.left_keys.size(); ++i) {
      keys += (keys.empty() ? "" : ", ") + column_text(node.left_keys[i], plan.input(0).type) +
              (node.nulls_match ? " IS NOT DISTINCT FROM " : " = ") +
              column_text(node.right_keys[i], plan.input(1).type);
    }
    const char* const prefix = node.left_window_end >= 0 ? "Window"
                               : node.left_time >= 0     ? "Interval"
                                                         : "";
    std::string out = fmt::format("{}Join(joinType=[{}], on=[{}]", prefix,
                                  kNames[static_cast<size_t>(node.kind)], keys);
    if (node.left_time >= 0) {
      out += fmt::format(", interval=[{} ms, {} ms]", node.lower_ms, node.upper_ms);
    }
    if (node.condition.has_value()) {
      out += ", where=[" + bound_text(*node.condition, &both) + "]";
    }
    return out + ")";
  }
  std::string operator()(const MultiJoinNode& node) const {
    std::string types;
    std::string where;
    RowType all = plan.input().type;
    for (size_t i = 0; i < node.steps.size(); ++i) {
      const MultiJoinNode::Step& step = node.steps[i];
      const RowType& type = plan.input(i + 1).type;
      for (size_t c = 0; c < type.size(); ++c) { all.add(type.names[c], type.types[c]); }
      types += fmt::format("{}{}", types.empty() ? "" : ", ",
                           step.kind == JoinKind::kLeft ? "LeftOuterJoin" : "InnerJoin");
      // Left joins miss a row that is compared with NULLs.
      if (step.kind == JoinKind::kLeft || step.anchors != std::vector<int32_t>{0}) {
        types += fmt::format(" to {}", fmt::join(step.anchors, " and "));
      }
      if (!step.condition.has_value()) { continue; }
      where += fmt::format("{}{}: {}", where.empty() ? "" : ", ", i + 1,
                           bound_text(*step.condition, &all));
    }
    std::string keys;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      keys += (keys.empty() ? "(" : " = (") + columns_text(node.keys[i], plan.input(i).type) + ")";
    }
    // What an input's rows are kept with says which state there is.
    const std::vector<int32_t> shared = shared_inputs(plan);
    std::string same;
    for (size_t i = 0; i < shared.size(); ++i) {
      if (shared[i] < 0) { continue; }
      same += fmt::format("{}{} as {}", same.empty() ? "" : ", ", i, shared[i]);
    }
    return fmt::format("MultiJoin(joinTypes=[{}], on=[{}]{}{})", types, keys,
                       where.empty() ? "" : ", where=[" + where + "]",
                       same.empty() ? "" : ", shared=[" + same + "]");
  }
  // The columns of the input, then those of the other side.
  RowType beside(const RowType& other) const {
    RowType both = plan.input(0).type;
    for (size_t i = 0; i < other.size(); ++i) { both.add(other.names[i], other.types[i]); }
    return both;
  }
  static std::string where_text(const std::optional<Bound>& condition, const RowType& both) {
    return condition.has_value() ? ", where=[" + bound_text(*condition, &both) + "]" : "";
  }
  std::string operator()(const TemporalJoinNode& node) const {
    const RowType& right = plan.input(1).type;
    std::string keys;
    for (size_t i = 0; i < node.left_keys.size(); ++i) {
      keys += (keys.empty() ? "" : ", ") + column_text(node.left_keys[i], in()) + " = " +
              column_text(node.right_keys[i], right);
    }
    return fmt::format("TemporalJoin(joinType=[{}], on=[{}], asOf=[{} >= {}]{})",
                       node.kind == JoinKind::kLeft ? "LeftOuterJoin" : "InnerJoin", keys,
                       column_text(node.left_time, in()), column_text(node.right_time, right),
                       where_text(node.condition, beside(right)));
  }
  std::string operator()(const LookupJoinNode& node) const {
    RowType right;
    std::string keys;
    std::string columns;
    for (const size_t column : node.columns) {
      const TableColumn& one = node.table->columns[column];
      right.add(one.name, one.type);
      columns += (columns.empty() ? "" : ", ") + one.name;
    }
    for (size_t i = 0; i < node.input_keys.size(); ++i) {
      keys += (keys.empty() ? "" : ", ") + node.table->columns[node.table_keys[i]].name + "=" +
              column_text(node.input_keys[i], in());
    }
    std::string hint;
    if (node.hint.is_async >= 0) { hint += node.hint.is_async > 0 ? ", async" : ", sync"; }
    if (node.hint.is_ordered >= 0) { hint += node.hint.is_ordered > 0 ? "" : ", unordered"; }
    if (node.hint.capacity >= 0) { hint += fmt::format(", capacity=[{}]", node.hint.capacity); }
    if (node.hint.timeout_ms >= 0) {
      hint += fmt::format(", timeout=[{} ms]", node.hint.timeout_ms);
    }
    if (node.hint.retries_misses) {
      hint += fmt::format(", retry=[{} times, after {} ms]", node.hint.attempts_max,
                          node.hint.retry_delay_ms);
    }
    return fmt::format("LookupJoin(table=[{}], joinType=[{}], lookup=[{}], select=[{}]{}{})",
                       node.table->path,
                       node.kind == JoinKind::kLeft ? "LeftOuterJoin" : "InnerJoin", keys, columns,
                       where_text(node.condition, beside(right)), hint);
  }
  std::string operator()(const CorrelateNode& node) const {
    std::string select = columns_text(node.passed, in());
    for (size_t i = 0; i < node.given.size(); ++i) {
      select += (select.empty() ? "" : ", ") + plan.type.names[node.passed.size() + i];
    }
    if (node.function->is_async()) {
      return fmt::format("AsyncCalc(invocation=[{}({})], select=[{}])", node.function->name(),
                         columns_text(node.arguments, in()), select);
    }
    return fmt::format("Correlate(invocation=[{}({})], joinType=[{}], select=[{}])",
                       node.function->name(), columns_text(node.arguments, in()),
                       node.is_left ? "LeftOuterJoin" : "InnerJoin", select);
  }
  std::string operator()(const ExpandNode& node) const {
    std::string projections;
    for (const std::vector<Bound>& one : node.projections) {
      projections += (projections.empty() ? "{" : ", {") + joined_texts(one, &in(), ", ") + "}";
    }
    return fmt::format("Expand(projects=[{}])", projections);
  }
  std::string operator()(const UnionNode&) const { return "Union(all=[true])"; }
  std::string operator()(const SetOperationNode& node) const {
    return fmt::format("{}(all=[{}])", node.is_intersect ? "Intersect" : "Except", node.all);
  }
  std::string operator()(const RankNode& node) const {
    return fmt::format("Rank(partitionBy=[{}], orderBy=[{}])",
                       columns_text(node.partition_by, in()), sort_text(node.order_by, in()));
  }
  std::string operator()(const TopNNode& node) const {
    static constexpr const char* kRanks[] = {"", ", rank=[RANK]", ", rank=[DENSE_RANK]"};
    return fmt::format("{}TopN(partitionBy=[{}], orderBy=[{}], range=[{}..{}]{}{})",
                       node.window_end >= 0 ? "Window" : "", columns_text(node.partition_by, in()),
                       node.newest ? "newest first" : sort_text(node.order_by, in()), node.first,
                       node.last, kRanks[static_cast<size_t>(node.function)],
                       node.has_rank ? ", with rank" : "");
  }
  std::string operator()(const OverNode& node) const {
    static constexpr const char* kModes[] = {"", ", at the end", ", updating"};
    std::string calls;
    for (const OverCallNode& call : node.calls) {
      if (!calls.empty()) { calls += ", "; }
      calls += over_text(call, in());
    }
    return fmt::format("OverAggregate(partitionBy=[{}], orderBy=[{}], select=[{}]{})",
                       columns_text(node.partition_by, in()), sort_text(node.order_by, in()), calls,
                       kModes[static_cast<size_t>(node.mode)]);
  }
  std::string operator()(const MatchNode& node) const { return match_text(node, in()); }
  std::string operator()(const LimitNode& node) const {
    return fmt::format("Limit(offset=[{}], fetch=[{}])", node.offset, node.count);
  }
  std::string operator()(const SortNode& node) const {
    return fmt::format("{}(orderBy=[{}])", node.by_time ? "TemporalSort" : "Sort",
                       sort_text(node.order_by, in()));
  }
};

// Puts more behind what a node says, within its parentheses.
void add_within(std::string& line, const std::string& text) {
  line.pop_back();
  line += ", " + text + ")";
}

using Note = std::function<std::string(const Plan&)>;

class PlanPrinter {
 public:
  PlanPrinter(bool with_changelog, const Note& note)
      : with_changelog_(with_changelog), note_(note) {}

  std::string print(const Plan& plan) {
    count_readers(plan);
    append_line(plan, -1);
    append_inputs(plan, "");
    return std::move(out_);
  }

 private:
  void count_readers(const Plan& plan) {
    for (const PlanRef& input : plan.inputs) {
      if (readers_[keys_.number(input)]++ == 0) { count_readers(*input); }
    }
  }
  void append_inputs(const Plan& plan, const std::string& indent) {
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      const PlanRef& input = plan.inputs[i];
      out_ += indent + "+- ";
      const int32_t number = keys_.number(input);
      if (const auto it = shown_.find(number); it != shown_.end()) {
        out_ += fmt::format("Reused(reference_id=[{}])\n", it->second);
        continue;
      }
      append_line(*input, number);
      append_inputs(*input, indent + (i + 1 == plan.inputs.size() ? "   " : ":  "));
    }
  }
  // `number`: -1: of the whole, which nothing reads.
  void append_line(const Plan& plan, int32_t number) {
    std::string line = node_text(plan, with_changelog_);
    const std::string text = note_ ? note_(plan) : "";
    if (!text.empty()) { add_within(line, text); }
    // What has no inputs is as short as its number.
    if (number >= 0 && readers_.at(number) > 1 && !plan.inputs.empty()) {
      const size_t id = shown_.size() + 1;
      shown_.emplace(number, id);
      line += fmt::format("(reuse_id=[{}])", id);
    }
    out_ += line + "\n";
  }

  const bool with_changelog_;
  const Note& note_;
  PlanKeys keys_{true};
  std::unordered_map<int32_t, int32_t> readers_;  // of each part that is read
  std::unordered_map<int32_t, size_t> shown_;     // parts with several, by their ids
  std::string out_;
};

}  // namespace

std::string bound_text(const Bound& expression, const RowType* input) {
  const std::vector<Bound>& arguments = expression.arguments;
  switch (expression.kind) {
    case Bound::Kind::kColumn:
      return input == nullptr ? fmt::format("${}", expression.column)
                              : column_text(expression.column, *input);
    case Bound::Kind::kOuter:
      return fmt::format("outer{}.${}", expression.level, expression.column);
    case Bound::Kind::kLiteral: return literal_text(expression.literal, expression.type);
    case Bound::Kind::kAnd: return "(" + joined_texts(arguments, input, " AND ") + ")";
    case Bound::Kind::kOr: return "(" + joined_texts(arguments, input, " OR ") + ")";
    case Bound::Kind::kCast:
    case Bound::Kind::kTryCast:
      return fmt::format("{}({} AS {})",
                         expression.kind == Bound::Kind::kCast ? "CAST" : "TRY_CAST",
                         bound_text(arguments[0], input), expression.type.to_string());
    case Bound::Kind::kCoalesce: return "COALESCE(" + joined_texts(arguments, input, ", ") + ")";
    case Bound::Kind::kCase: return "CASE(" + joined_texts(arguments, input, ", ") + ")";
    case Bound::Kind::kField:
      return bound_text(arguments[0], input) + "." +
             arguments[0].type.names[static_cast<size_t>(expression.column)];
    case Bound::Kind::kCall: break;
  }
  const std::string name(expression.function->name());
  const bool is_operator = !name.empty() && !std::isalpha(static_cast<unsigned char>(name[0]));
  if (is_operator && arguments.size() == 2 && name != "[]") {
    return "(" + bound_text(arguments[0], input) + " " + name + " " +
           bound_text(arguments[1], input) + ")";
  }
  return name + "(" + joined_texts(arguments, input, ", ") + ")";
}

std::string plan_text(const Plan& plan, bool with_changelog) {
  return plan_text(plan, with_changelog, nullptr);
}
std::string plan_text(const Plan& plan, bool with_changelog, const Note& note) {
  return PlanPrinter(with_changelog, note).print(plan);
}

std::string node_text(const Plan& plan, bool with_changelog) {
  std::string line = std::visit(NodeText{plan}, plan.node);
  if (plan.side.has_value()) {
    const bool reads = std::holds_alternative<ScanNode>(plan.node);
    add_within(line,
               fmt::format("{}=[{}]", reads ? "deadLetters" : "lateRows", plan.side->table->path));
  }
  if (!with_changelog) { return line; }
  add_within(line, !plan.updates       ? "changelogMode=[I]"
                   : plan.emits_before ? "changelogMode=[I,UB,UA,D]"
                                       : "changelogMode=[I,UA,D]");
  if (plan.kept_ms >= 0) { add_within(line, fmt::format("stateTtl=[{} ms]", plan.kept_ms)); }
  return line;
}

}  // namespace tidewheel::sql
