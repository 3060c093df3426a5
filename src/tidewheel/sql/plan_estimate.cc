#include "tidewheel/sql/plan_estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tidewheel/base/file_system.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/join_waits.h"
#include "tidewheel/sql/multi_join_rule.h"

namespace tidewheel::sql {
namespace {

// Rules of thumb, where nothing is known of the values.
constexpr double kKeysPerRow = 0.1;   // how many rows have a key that none before has had
constexpr double kEqualPart = 0.15;   // of rows that pass `a = b`
constexpr double kRangePart = 0.5;    // `a < b`
constexpr double kNotNullPart = 0.9;  // `a IS NOT NULL`
constexpr double kOtherPart = 0.25;   // other conditions
constexpr double kTextBytes = 24;     // of a string
constexpr double kElements = 4;       // of a collection
constexpr double kEntryBytes = 48;    // of what is kept, beside its values
constexpr double kAccumulatorBytes = 16;
constexpr double kJsonFactor = 2.5;  // an encoded row to its values: names and quotes
constexpr double kKiB = 1024;

double width_of(const LogicalType& type) {
  switch (type.physical()) {
    case Physical::kText: return kTextBytes;
    case Physical::kList: {
      double width = 0;
      for (const LogicalType& child : type.children) { width += kElements * width_of(child); }
      return width;
    }
    case Physical::kStruct: {
      double width = 0;
      for (const LogicalType& child : type.children) { width += width_of(child); }
      return width;
    }
    default: return static_cast<double>(physical_bytes(type.physical()));
  }
}
double width_of(const RowType& row) {
  double width = 0;
  for (const LogicalType& type : row.types) { width += width_of(type); }
  return width;
}
double width_of(const RowType& row, const std::vector<int32_t>& columns) {
  double width = 0;
  for (const int32_t column : columns) {
    width += width_of(row.types[static_cast<size_t>(column)]);
  }
  return width;
}

// The part of rows that pass.
double part_of(const Bound& condition) {
  double part = 1;
  switch (condition.kind) {
    case Bound::Kind::kLiteral: return condition.literal.is_null() ? 0 : 1;
    case Bound::Kind::kAnd:
      for (const Bound& one : condition.arguments) { part *= part_of(one); }
      return part;
    case Bound::Kind::kOr:
      for (const Bound& one : condition.arguments) { part *= 1 - part_of(one); }
      return 1 - part;
    case Bound::Kind::kCall: break;
    default: return kOtherPart;
  }
  const std::string_view name = condition.function->name();
  if (name == "=") { return kEqualPart; }
  if (name == "<>") { return 1 - kEqualPart; }
  if (name == "<" || name == "<=" || name == ">" || name == ">=") { return kRangePart; }
  if (name == "NOT" && condition.arguments.size() == 1) {
    return 1 - part_of(condition.arguments[0]);
  }
  return name == "IS NOT NULL" ? kNotNullPart : kOtherPart;
}

bool has_unique_key(const Plan& plan, const std::vector<int32_t>& columns) {
  return std::any_of(plan.unique_keys.begin(), plan.unique_keys.end(), [&](const auto& key) {
    return std::all_of(key.begin(), key.end(), [&](int32_t column) {
      return std::find(columns.begin(), columns.end(), column) != columns.end();
    });
  });
}

double keys_of(const Plan& input, const std::vector<int32_t>& keys, double rows) {
  if (rows < 0) { return -1; }
  if (keys.empty()) { return std::min(rows, 1.0); }
  return has_unique_key(input, keys) ? rows : std::max(std::min(rows, 1.0), rows * kKeysPerRow);
}

}  // namespace

struct PlanEstimates::Rules {
  PlanEstimates& estimates;
  const Plan& plan;

  double rows(size_t input = 0) const { return estimates.of(plan.input(input)).rows; }

  NodeEstimate operator()(const ScanNode& node) const {
    NodeEstimate made{.rows = -1, .state_bytes = 0};
    const auto option = node.table->options.find("connector");
    if (option == node.table->options.end() || !plan.is_bounded) { return made; }
    const Result<const TableConnector*> connector = estimates.tables_.connector(option->second);
    if (!connector.ok()) { return made; }
    const auto source = (*connector)->source({*node.table, estimates.tables_});
    if (!source.ok()) { return made; }
    const TableEstimate known = (*source)->estimate(estimates.files_);
    // Conditions that the source takes over.
    double part = 1;
    for (const ScanNode::OneOf& kept : node.kept) {
      part *= std::min(1.0, kEqualPart * static_cast<double>(kept.values.size()));
    }
    if (known.rows >= 0) { made.rows = std::ceil(static_cast<double>(known.rows) * part); }
    if (known.rows >= 0 || known.bytes < 0) { return made; }
    double width = 0;
    for (const TableColumn& column : node.table->columns) { width += width_of(column.type); }
    const auto format = node.table->options.find("format");
    const bool is_csv = format != node.table->options.end() && format->second == "csv";
    made.rows = std::ceil(part * static_cast<double>(known.bytes) /
                          std::max(1.0, width * (is_csv ? 1 : kJsonFactor)));
    return made;
  }
  NodeEstimate operator()(const ValuesNode& node) const {
    return {static_cast<double>(node.rows.size()), 0};
  }
  NodeEstimate operator()(const CalcNode& node) const {
    const double input = rows();
    const double part = node.condition.has_value() ? part_of(*node.condition) : 1;
    return {input < 0 ? -1 : std::ceil(input * part), 0};
  }
  NodeEstimate operator()(const WatermarkNode&) const { return {rows(), 0}; }
  NodeEstimate operator()(const WindowNode& node) const {
    if (node.window.kind == WindowSpecNode::Kind::kSession) {
      return {rows(), rows() < 0 ? -1 : rows() * (kEntryBytes + width_of(plan.input().type))};
    }
    const double copies = node.window.kind == WindowSpecNode::Kind::kHop ||
                                  node.window.kind == WindowSpecNode::Kind::kCumulate
                              ? static_cast<double>(node.window.size_ms) /
                                    static_cast<double>(std::max<int64_t>(1, node.window.slide_ms))
                              : 1;
    return {rows() < 0 ? -1 : rows() * copies, 0};
  }
  NodeEstimate aggregate(const std::vector<int32_t>& keys,
                         const std::vector<AggregateCallNode>& calls) const {
    const double groups = keys_of(plan.input(), keys, rows());
    if (groups < 0) { return {-1, -1}; }
    double each = kEntryBytes + width_of(plan.input().type, keys) +
                  kAccumulatorBytes * static_cast<double>(calls.size());
    double values = 0;
    for (const AggregateCallNode& call : calls) {
      if (call.distinct) {
        values += rows() * (kEntryBytes + width_of(plan.input().type, call.arguments));
      }
    }
    return {groups, groups * each + values};
  }
  NodeEstimate operator()(const AggregateNode& node) const {
    return aggregate(node.keys, node.calls);
  }
  NodeEstimate operator()(const WindowAggregateNode& node) const {
    return aggregate(node.keys, node.calls);
  }
  NodeEstimate operator()(const JoinNode& node) const {
    const double left = rows(0);
    const double right = rows(1);
    if (left < 0 || right < 0) { return {-1, -1}; }
    double both = std::max(left, right);
    if (node.left_keys.empty()) {
      both = left * right;
    } else if (has_unique_key(plan.input(1), node.right_keys)) {
      both = left;
    } else if (has_unique_key(plan.input(0), node.left_keys)) {
      both = right;
    }
    if (node.condition.has_value()) { both *= part_of(*node.condition); }
    if (node.kind == JoinKind::kSemi || node.kind == JoinKind::kAnti) {
      both = std::min(both, left);
    }
    if (node.kind == JoinKind::kMark) { both = left; }
    if (node.kind == JoinKind::kLeft || node.kind == JoinKind::kFull) {
      both = std::max(both, left);
    }
    if (node.kind == JoinKind::kRight || node.kind == JoinKind::kFull) {
      both = std::max(both, right);
    }
    return {std::ceil(both), left * (kEntryBytes + width_of(plan.input(0).type)) +
                                 right * (kEntryBytes + width_of(plan.input(1).type))};
  }
  NodeEstimate operator()(const ExpandNode& node) const {
    return {rows() < 0 ? -1 : rows() * static_cast<double>(node.projections.size()), 0};
  }
  NodeEstimate operator()(const MultiJoinNode& node) const {
    double all = rows(0);
    double state = all * (kEntryBytes + width_of(plan.input(0).type));
    const std::vector<int32_t> shared = shared_inputs(plan);
    for (size_t i = 1; i < plan.inputs.size(); ++i) {
      const double next = rows(i);
      if (all < 0 || next < 0) { return {-1, -1}; }
      if (shared[i] < 0) { state += next * (kEntryBytes + width_of(plan.input(i).type)); }
      const MultiJoinNode::Step& step = node.steps[i - 1];
      double both = has_unique_key(plan.input(i), node.keys[i]) ? all : std::max(all, next);
      if (step.condition.has_value()) { both *= part_of(*step.condition); }
      all = step.kind == JoinKind::kLeft ? std::max(both, all) : both;
    }
    return {std::ceil(all), state};
  }
  NodeEstimate operator()(const UnionNode&) const {
    double sum = 0;
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      if (rows(i) < 0) { return {-1, 0}; }
      sum += rows(i);
    }
    return {sum, 0};
  }
  // Half of the left rows are taken to be on the right as well.
  NodeEstimate operator()(const SetOperationNode&) const {
    if (rows(0) < 0 || rows(1) < 0) { return {rows(0) < 0 ? -1 : rows(0), -1}; }
    return {std::ceil(rows(0) / 2), (rows(0) + rows(1)) * (kEntryBytes + width_of(plan.type))};
  }
  NodeEstimate operator()(const TopNNode& node) const {
    const double groups = keys_of(plan.input(), node.partition_by, rows());
    if (groups < 0) { return {-1, -1}; }
    const double given = std::min(rows(), groups * static_cast<double>(node.last - node.first + 1));
    const double kept =
        plan.input().updates ? rows() : std::min(rows(), groups * static_cast<double>(node.last));
    return {given, kept * (kEntryBytes + width_of(plan.input().type))};
  }
  NodeEstimate operator()(const LimitNode& node) const {
    const auto most = static_cast<double>(node.count);
    return {rows() < 0 ? most : std::min(rows(), most), 8};
  }
  NodeEstimate operator()(const SortNode&) const {
    return {rows(), rows() < 0 ? -1 : rows() * (kEntryBytes + width_of(plan.type))};
  }
  NodeEstimate operator()(const TemporalJoinNode&) const {
    const double versions = rows(1);
    return {rows(0), versions < 0 ? -1 : versions * (kEntryBytes + width_of(plan.input(1).type))};
  }
  NodeEstimate operator()(const LookupJoinNode&) const { return {rows(), 0}; }
  NodeEstimate operator()(const CorrelateNode&) const {
    return {rows() < 0 ? -1 : rows() * kElements, 0};
  }
  NodeEstimate operator()(const OverNode&) const {
    return {rows(), rows() < 0 ? -1 : rows() * (kEntryBytes + width_of(plan.input().type))};
  }
  // One of which no more is known than that its rows are those of its input.
  template <class Node>
  NodeEstimate operator()(const Node&) const {
    return {plan.inputs.empty() ? -1 : rows(), -1};
  }
};

const NodeEstimate& PlanEstimates::of(const Plan& plan) {
  if (const auto it = known_.find(&plan); it != known_.end()) { return it->second; }
  NodeEstimate made = std::visit(Rules{*this, plan}, plan.node);
  return known_[&plan] = made;
}

std::string PlanEstimates::text(const Plan& plan) {
  const NodeEstimate& estimate = of(plan);
  std::string out = fmt::format("rows=[{}]", estimate.rows < 0 ? "?" : count_text(estimate.rows));
  if (estimate.state_bytes != 0) {
    out += fmt::format(", state=[{}]",
                       estimate.state_bytes < 0 ? "?" : bytes_text(estimate.state_bytes));
  }
  return out;
}

std::string count_text(double count) {
  constexpr double kShownWhole = 1e6;
  if (count < kShownWhole) { return fmt::format("{:.0f}", count); }
  const double power = std::floor(std::log10(count));
  return fmt::format("{:.1f}E{:.0f}", count / std::pow(10.0, power), power);
}

std::string bytes_text(double bytes) {
  if (bytes < kKiB) { return fmt::format("{:.0f} B", bytes); }
  static constexpr const char* kUnits[] = {"KB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  bytes /= kKiB;
  while (bytes >= kKiB && unit + 1 < std::size(kUnits)) {
    bytes /= kKiB;
    ++unit;
  }
  return fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

// ---- State

namespace {

std::string names_of(const RowType& row, const std::vector<int32_t>& columns) {
  std::string out;
  for (const int32_t column : columns) {
    out += (out.empty() ? "" : ", ") + row.names[static_cast<size_t>(column)];
  }
  return out;
}
std::string names_of(const RowType& row) { return fmt::format("{}", fmt::join(row.names, ", ")); }

std::string by_text(const RowType& row, const std::vector<int32_t>& keys) {
  return keys.empty() ? "in one place" : "by (" + names_of(row, keys) + ")";
}

struct StateText {
  const Plan& plan;
  int64_t ttl_ms;

  const RowType& in(size_t index = 0) const { return plan.input(index).type; }
  // `hint`: what a hint says; -1: nothing.
  std::string kept(int64_t hint = -1) const {
    const int64_t ms = hint >= 0 ? hint : ttl_ms;
    return ms == 0 ? "for ever" : fmt::format("for {} ms after its last use", ms);
  }

  std::string calls(const std::vector<AggregateCallNode>& all) const {
    std::string out;
    for (const AggregateCallNode& call : all) {
      out += out.empty() ? "" : ", ";
      out += call.function + "(" + (call.distinct ? "DISTINCT " : "") +
             (call.arguments.empty() ? "*" : names_of(in(), call.arguments)) + ")";
      const bool holds_values =
          plan.input().updates && (call.function == "MIN" || call.function == "MAX" ||
                                   call.function == "FIRST_VALUE" || call.function == "LAST_VALUE");
      if (call.distinct || holds_values || call.function == "COLLECT" ||
          call.function == "LISTAGG") {
        out += " with all its values";
      }
    }
    return out.empty() ? "that the key was there" : out;
  }

  std::string operator()(const AggregateNode& node) const {
    return fmt::format("{}: {}, {}", by_text(in(), node.keys), calls(node.calls),
                       kept(plan.input().kept_ms));
  }
  std::string operator()(const WindowNode& node) const {
    if (node.window.kind != WindowSpecNode::Kind::kSession) { return ""; }
    return fmt::format("{}: rows ({}), until the session has ended",
                       by_text(in(), node.partition_by), names_of(in()));
  }
  std::string operator()(const WindowAggregateNode& node) const {
    return fmt::format("{} and window: {}, until the window has ended", by_text(in(), node.keys),
                       calls(node.calls));
  }
  std::string operator()(const JoinNode& node) const {
    std::string until = kept();
    if (plan.input(0).kept_ms >= 0 || plan.input(1).kept_ms >= 0) {
      until = fmt::format("the left ones {}, the right ones {}", kept(plan.input(0).kept_ms),
                          kept(plan.input(1).kept_ms));
    }
    if (until == "for ever" && node.left_window_end < 0 && node.left_time < 0) {
      const auto waits = find_waiting_side(plan);
      if (waits.has_value()) {
        const bool left = waits->side == 0;
        until = fmt::format(
            "the {} ones in memory until event time has passed them by {} ms, the {} ones for ever",
            left ? "left" : "right", waits->after_ms, left ? "right" : "left");
      }
    }
    if (node.left_window_end >= 0) { until = "until the window has ended"; }
    if (node.left_time >= 0) {
      until = fmt::format("until event time has passed them by {} ms and {} ms", -node.lower_ms,
                          node.upper_ms);
    }
    return fmt::format("{}: rows ({}), and {}: rows ({}), {}", by_text(in(0), node.left_keys),
                       names_of(in(0)), by_text(in(1), node.right_keys), names_of(in(1)), until);
  }
  std::string operator()(const MultiJoinNode& node) const {
    bool has_hint = false;
    for (const PlanRef& input : plan.inputs) { has_hint = has_hint || input->kept_ms >= 0; }
    std::string out;
    const std::vector<int32_t> shared = shared_inputs(plan);
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      if (shared[i] >= 0) { continue; }
      out += fmt::format("{}{}: rows ({}){}", out.empty() ? "" : ", and ",
                         by_text(in(i), node.keys[i]), names_of(in(i)),
                         has_hint ? " " + kept(plan.input(i).kept_ms) : "");
    }
    return has_hint ? out : out + ", " + kept();
  }
  std::string operator()(const TopNNode& node) const {
    const bool all = plan.input().updates;
    if (node.window_end >= 0) {
      return fmt::format("{}: the first {} rows ({}), until the window has ended",
                         by_text(in(), node.partition_by), node.last, names_of(in()));
    }
    return fmt::format("{}: {} ({}), {}", by_text(in(), node.partition_by),
                       all ? "all rows" : fmt::format("the first {} rows", node.last),
                       names_of(in()), kept(plan.input().kept_ms));
  }
  std::string operator()(const SetOperationNode&) const {
    return fmt::format("by all columns ({}): how often either side has them, {}", names_of(in()),
                       kept(plan.input().kept_ms));
  }
  std::string operator()(const TemporalJoinNode& node) const {
    return fmt::format("{}: rows ({}), until event time has come to them; {}: versions ({}), {}",
                       by_text(in(0), node.left_keys), names_of(in(0)),
                       by_text(in(1), node.right_keys), names_of(in(1)),
                       kept(plan.input(1).kept_ms));
  }
  std::string operator()(const OverNode& node) const {
    static constexpr const char* kHowLong[] = {"as long as a frame reaches back",
                                               "until the input has ended", "for ever"};
    const int64_t hint = plan.input().kept_ms;
    const bool has_ttl = node.mode == OverNode::Mode::kUpdating && (hint > 0 || ttl_ms > 0);
    return fmt::format("{}: rows ({}), {}", by_text(in(), node.partition_by), names_of(in()),
                       has_ttl ? kept(hint) : kHowLong[static_cast<size_t>(node.mode)]);
  }
  std::string operator()(const MatchNode& node) const {
    return fmt::format("{}: rows of matches that have begun ({}), {}",
                       by_text(in(), node.partition_by), names_of(in()),
                       node.within_ms > 0 ? fmt::format("for {} ms of event time", node.within_ms)
                                          : "until they end");
  }
  std::string operator()(const LimitNode&) const { return "in one place: how many rows have come"; }
  std::string operator()(const SortNode& node) const {
    return fmt::format("in one place: rows ({}), until {}", names_of(in()),
                       node.by_time ? "event time has passed them" : "the input has ended");
  }
  template <class Node>
  std::string operator()(const Node&) const {
    return "";
  }
};

}  // namespace

std::string state_text(const Plan& plan, int64_t ttl_ms) {
  return std::visit(StateText{plan, ttl_ms}, plan.node);
}

}  // namespace tidewheel::sql
