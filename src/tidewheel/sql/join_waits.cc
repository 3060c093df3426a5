#include "tidewheel/sql/join_waits.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/sql/functions.h"

namespace tidewheel::sql {
namespace {

// So often are all rows that wait looked at while one of them does.
constexpr int64_t kWindowsMax = 32;

bool is_call(const Bound& expression, std::string_view name) {
  return expression.kind == Bound::Kind::kCall && expression.function->name() == name &&
         expression.arguments.size() == 2;
}

// A timestamp in milliseconds.
bool is_time(const LogicalType& type) {
  return (type.kind == TypeKind::kTimestamp || type.kind == TypeKind::kTimestampLtz) &&
         type.physical() == Physical::kInt64 && type.precision <= 3;
}

// A column of time, and what is added to it.
struct Moment {
  int32_t column = -1;
  int64_t offset_ms = 0;
};

std::optional<Moment> moment_of(const Bound& expression) {
  if (!is_time(expression.type)) { return std::nullopt; }
  if (expression.kind == Bound::Kind::kColumn) { return Moment{expression.column, 0}; }
  if (expression.kind == Bound::Kind::kCast && expression.arguments.size() == 1 &&
      expression.type.kind == expression.arguments[0].type.kind) {
    return moment_of(expression.arguments[0]);
  }
  const bool plus = is_call(expression, "+");
  if (!plus && !is_call(expression, "-")) { return std::nullopt; }
  const Bound& interval = expression.arguments[1];
  if (!interval.is_literal() || interval.type.kind != TypeKind::kIntervalSecond ||
      interval.literal.is_null()) {
    return std::nullopt;
  }
  std::optional<Moment> moment = moment_of(expression.arguments[0]);
  if (moment.has_value()) {
    moment->offset_ms += plus ? interval.literal.integer() : -interval.literal.integer();
  }
  return moment;
}

// The windows whose end a column of a plan is.
const WindowSpecNode* windows_of(const Plan& plan, int32_t column) {
  if (const auto* calc = std::get_if<CalcNode>(&plan.node)) {
    const Bound& output = calc->outputs[static_cast<size_t>(column)];
    return output.kind == Bound::Kind::kColumn ? windows_of(plan.input(), output.column) : nullptr;
  }
  const auto* windows = std::get_if<WindowAggregateNode>(&plan.node);
  if (windows == nullptr || windows->is_attached) { return nullptr; }
  const LogicalType& time = plan.input().type.types[static_cast<size_t>(windows->time)];
  const size_t first = windows->keys.size() + windows->calls.size();
  const auto at = static_cast<size_t>(column);
  if (time.time != TimeAttribute::kEvent || at < first ||
      at - first >= windows->properties.size() ||
      windows->properties[at - first] != WindowAggregateNode::Property::kEnd ||
      windows->window.kind == WindowSpecNode::Kind::kSession) {
    return nullptr;
  }
  return &windows->window;
}

// `later` >= `earlier`, if that is what a condition says.
std::optional<std::pair<Moment, Moment>> order_of(const Bound& condition) {
  const bool is_after = is_call(condition, ">=") || is_call(condition, ">");
  if (!is_after && !is_call(condition, "<=") && !is_call(condition, "<")) { return std::nullopt; }
  const auto later = moment_of(condition.arguments[is_after ? 0 : 1]);
  const auto earlier = moment_of(condition.arguments[is_after ? 1 : 0]);
  if (!later.has_value() || !earlier.has_value()) { return std::nullopt; }
  return std::pair(*later, *earlier);
}

bool fits(const Plan& join, const JoinNode& node) {
  return node.kind == JoinKind::kInner && !node.nulls_match && node.condition.has_value() &&
         node.left_keys.size() == 1 && !join.input(0).updates && !join.input(1).updates;
}

}  // namespace

std::optional<WaitingSpec> find_waiting_side(const Plan& join) {
  const auto& node = std::get<JoinNode>(join.node);
  if (!fits(join, node)) { return std::nullopt; }
  const auto left_columns = static_cast<int32_t>(join.input(0).type.size());
  for (const Bound& condition : split_conjunction(*node.condition)) {
    const auto order = order_of(condition);
    if (!order.has_value()) { continue; }
    const auto& [later, earlier] = *order;
    const size_t side = later.column < left_columns ? 0 : 1;
    if (side == (earlier.column < left_columns ? 0U : 1U)) { continue; }
    const int32_t end = earlier.column - (side == 0 ? left_columns : 0);
    const WindowSpecNode* const windows = windows_of(join.input(1 - side), end);
    if (windows == nullptr) { continue; }
    WaitingSpec waits;
    waits.side = side;
    waits.key = static_cast<size_t>((side == 0 ? node.left_keys : node.right_keys)[0]);
    waits.time = static_cast<size_t>(later.column - (side == 0 ? 0 : left_columns));
    waits.after_ms = later.offset_ms - earlier.offset_ms;
    const int64_t each_ms = windows->slide_ms > 0 ? windows->slide_ms : windows->size_ms;
    const bool is_often = waits.after_ms / std::max<int64_t>(each_ms, 1) > kWindowsMax;
    const LogicalType& key = join.input(side).type.types[waits.key];
    if (!is_often && key.physical() == Physical::kInt64) { return waits; }
  }
  return std::nullopt;
}

}  // namespace tidewheel::sql
