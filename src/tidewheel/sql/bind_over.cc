// OVER: which rows a call looks at, and how a plan gets at them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/over_binder.h"
#include "tidewheel/sql/query_binder.h"
#include "tidewheel/sql/user_aggregate.h"

namespace tidewheel::sql {
namespace {

using Kind = OverCallNode::Kind;

bool is_rank(const OverCallNode& node) {
  return node.kind == Kind::kRowNumber || node.kind == Kind::kRank || node.kind == Kind::kDenseRank;
}

// How many units of a column's values a millisecond is; 0: they are no times.
Result<int64_t> scaled_interval(int64_t ms, const LogicalType& type) {
  const auto refused = [&] {
    return invalid_argument(ErrorId::kSqlType, "an interval can't be a distance between {}",
                            type.to_string());
  };
  if (type.kind == TypeKind::kDate) {
    static constexpr int64_t kDayMs = 24 * 60 * 60 * 1000;
    if (ms % kDayMs != 0) {
      return invalid_argument(ErrorId::kSqlType, "dates are whole days apart");
    }
    return ms / kDayMs;
  }
  if (type.kind != TypeKind::kTimestamp && type.kind != TypeKind::kTimestampLtz) {
    return refused();
  }
  const int64_t scale = type.precision <= 3 ? 1 : type.precision <= 6 ? 1000 : 1000000;
  int64_t scaled = 0;
  if (__builtin_mul_overflow(ms, scale, &scaled)) { return refused(); }
  return scaled;
}

}  // namespace

Status OverBinder::take_all(const Expression& expression, ExpressionBinder& inner) {
  std::vector<const Expression*> found;
  collect_over_calls(expression, found);
  for (const Expression* one : found) { TIDEWHEEL_RETURN_IF_ERROR(take(*one, inner)); }
  return {};
}

std::optional<Bound> OverBinder::column_of(const Expression& expression) const {
  const auto* call = std::get_if<FunctionCall>(&expression.node);
  for (const Call& one : calls_) {
    if (one.call == call && call != nullptr) {
      return Bound::of_column(one.column, one.node.call.result, expression.span);
    }
  }
  return std::nullopt;
}

Status OverBinder::take(const Expression& expression, ExpressionBinder& inner) {
  const auto& call = std::get<FunctionCall>(expression.node);
  const std::string name = in_capitals(call.name.parts.back().name);
  std::vector<const Expression*> nested;
  for (const auto& argument : call.arguments) { collect_over_calls(*argument.value, nested); }
  if (!nested.empty()) {
    return error(nested[0]->span, ErrorId::kSqlQuery,
                 "OVER can't stand in another one; use a sub-query");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(Window window, window_of(*call.over, expression.span, inner));
  Call bound;
  bound.call = &call;
  bound.span = expression.span;
  TIDEWHEEL_RETURN_IF_ERROR(bind_function(name, call, window, inner, bound));
  const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const Group& group) {
    return group.partition_by == window.partition_by && group.order_by == window.order_by;
  });
  bound.group = static_cast<size_t>(found - groups_.begin());
  if (found == groups_.end()) {
    groups_.push_back({std::move(window.partition_by), std::move(window.order_by)});
  }
  calls_.push_back(std::move(bound));
  return {};
}

// ---- Windows

Result<OverBinder::Window> OverBinder::window_of(const WindowSpec& spec, Span span,
                                                 ExpressionBinder& inner) {
  Window window;
  window.span = span;
  TIDEWHEEL_RETURN_IF_ERROR(inherit(spec, inner, window));
  return window;
}

Status OverBinder::inherit(const WindowSpec& spec, ExpressionBinder& inner, Window& window) {
  if (spec.base.has_value()) {
    const auto found =
        std::find_if(select_.windows.begin(), select_.windows.end(),
                     [&](const NamedWindow& one) { return one.name.name == spec.base->name; });
    if (found == select_.windows.end()) {
      std::vector<std::string> names;
      for (const NamedWindow& one : select_.windows) { names.push_back(one.name.name); }
      return error(spec.base->span, ErrorId::kSqlName,
                   fmt::format("there is no window '{}' here{}", spec.base->name,
                               near_miss(spec.base->name, names)));
    }
    if (found->window.base.has_value() && found->window.base->name == spec.base->name) {
      return error(spec.base->span, ErrorId::kSqlName, "a window can't be made of itself");
    }
    TIDEWHEEL_RETURN_IF_ERROR(inherit(found->window, inner, window));
    if (window.frame != nullptr && !spec.name_only) {
      return error(spec.base->span, ErrorId::kSqlQuery,
                   "a window with a frame can be named, and not added to");
    }
  }
  if (!spec.partition_by.empty() && spec.base.has_value()) {
    return error(spec.base->span, ErrorId::kSqlQuery, "PARTITION BY is what the named window says");
  }
  for (const Expression& one : spec.partition_by) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, inner.bind(one));
    window.partition_by.push_back(std::move(value));
  }
  if (!spec.order_by.empty() && !window.order_by.empty()) {
    return error(spec.order_by[0].value->span, ErrorId::kSqlQuery,
                 "the named window has an ORDER BY already");
  }
  for (const SortKey& key : spec.order_by) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, inner.bind(*key.value));
    window.order_by.push_back(
        {std::move(value), key.descending, key.nulls_first.value_or(!key.descending)});
  }
  if (spec.frame.has_value()) { window.frame = &*spec.frame; }
  return {};
}

Result<int64_t> OverBinder::whole_number(const Expression& expression, const char* what,
                                         ExpressionBinder& inner) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, inner.bind(expression));
  value = fold(std::move(value), EvalOptions{});
  if (!value.is_literal() || value.literal.is_null() || !value.type.is_integer()) {
    return error(expression.span, ErrorId::kSqlType,
                 fmt::format("{} is a whole number that does not change", what));
  }
  return value.literal.integer();
}

Result<int64_t> OverBinder::distance_of(const FrameBound& bound, bool by_rows, const Window& window,
                                        ExpressionBinder& inner) {
  const Expression& offset = **bound.offset;
  if (by_rows) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t rows, whole_number(offset, "a number of rows", inner));
    if (rows < 0) {
      return error(offset.span, ErrorId::kSqlType, "a number of rows is not below 0");
    }
    return rows;
  }
  if (window.order_by.size() != 1) {
    return error(offset.span, ErrorId::kSqlQuery,
                 "a range with a distance needs an ORDER BY of one column");
  }
  const LogicalType& order = window.order_by[0].value.type;
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, inner.bind(offset));
  value = fold(std::move(value), EvalOptions{});
  const bool is_known = value.is_literal() && !value.literal.is_null();
  Result<int64_t> distance = invalid_argument(
      ErrorId::kSqlType, "between values of type {} a distance is {}, and does not change",
      order.to_string(), order.is_numeric() ? "a whole number" : "an INTERVAL of days to seconds");
  if (is_known && value.type.kind == TypeKind::kIntervalSecond) {
    distance = scaled_interval(value.literal.integer(), order);
  } else if (is_known && value.type.is_integer() && order.is_numeric() &&
             order.kind != TypeKind::kDecimal) {
    distance = value.literal.integer();
  }
  if (!distance.ok()) {
    return error(offset.span, ErrorId::kSqlType, std::string(distance.status().message()));
  }
  if (*distance < 0) { return error(offset.span, ErrorId::kSqlType, "a distance is not below 0"); }
  return distance;
}

Result<OverFrameNode> OverBinder::frame_of(const Window& window, ExpressionBinder& inner) {
  OverFrameNode node;
  if (window.frame == nullptr) {
    if (window.order_by.empty()) { node.following = OverFrameNode::kUnbounded; }
    return node;
  }
  const Frame& frame = *window.frame;
  node.by_rows = frame.by_rows;
  const FrameBound current;
  const FrameBound& end = frame.end.has_value() ? *frame.end : current;
  using Bounds = FrameBound::Kind;
  if (frame.start.kind == Bounds::kUnboundedFollowing || end.kind == Bounds::kUnboundedPreceding ||
      frame.start.kind > end.kind) {
    return error(window.span, ErrorId::kSqlQuery, "the frame ends before it begins");
  }
  if (window.order_by.empty()) {
    return error(window.span, ErrorId::kSqlQuery, "a frame needs an ORDER BY");
  }
  const auto distance = [&](const FrameBound& bound, bool forward) -> Result<int64_t> {
    if (bound.kind == Bounds::kCurrentRow) { return int64_t{0}; }
    if (!bound.offset.has_value()) { return OverFrameNode::kUnbounded; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t rows,
                               distance_of(bound, frame.by_rows, window, inner));
    return (bound.kind == Bounds::kFollowing) == forward ? rows : -rows;
  };
  TIDEWHEEL_ASSIGN_OR_RETURN(node.preceding, distance(frame.start, false));
  TIDEWHEEL_ASSIGN_OR_RETURN(node.following, distance(end, true));
  return node;
}

// ---- Functions

Status OverBinder::bind_function(const std::string& name, const FunctionCall& call,
                                 const Window& window, ExpressionBinder& inner, Call& bound) {
  if (name == "LAG" || name == "LEAD") { return bind_shift(name, call, window, inner, bound); }
  for (const char* const rank :
       {"ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE"}) {
    if (name == rank) { return bind_rank(name, call, window, inner, bound); }
  }
  if (const UserAggregatesRef user = user_aggregates(inner.functions(), call)) {
    return bind_user(*user, call, window, inner, bound);
  }
  if (is_aggregate_function(name)) { return bind_aggregate(name, call, window, inner, bound); }
  return error(bound.span, ErrorId::kSqlName,
               fmt::format("{} can't stand before OVER: that takes aggregates, LAG, LEAD, "
                           "ROW_NUMBER, RANK, DENSE_RANK, PERCENT_RANK, CUME_DIST and NTILE",
                           name));
}

Status OverBinder::bind_rank(const std::string& name, const FunctionCall& call,
                             const Window& window, ExpressionBinder& inner, Call& bound) {
  OverCallNode& node = bound.node;
  node.kind = name == "ROW_NUMBER"     ? Kind::kRowNumber
              : name == "RANK"         ? Kind::kRank
              : name == "DENSE_RANK"   ? Kind::kDenseRank
              : name == "PERCENT_RANK" ? Kind::kPercentRank
              : name == "CUME_DIST"    ? Kind::kCumeDist
                                       : Kind::kNtile;
  const size_t arguments = node.kind == Kind::kNtile ? 1 : 0;
  if (call.arguments.size() != arguments) {
    return error(
        bound.span, ErrorId::kSqlType,
        fmt::format("{} takes {} arguments", name, arguments == 0 ? "no" : "one, and not more"));
  }
  if (window.order_by.empty()) {
    return error(bound.span, ErrorId::kSqlQuery, fmt::format("{} needs an ORDER BY", name));
  }
  if (window.frame != nullptr) {
    return error(bound.span, ErrorId::kSqlQuery, fmt::format("{} has no frame of rows", name));
  }
  if (node.kind == Kind::kNtile) {
    const Expression& parts = *call.arguments[0].value;
    TIDEWHEEL_ASSIGN_OR_RETURN(node.offset, whole_number(parts, "the number of parts", inner));
    if (node.offset < 1) {
      return error(parts.span, ErrorId::kSqlType, "there is at least one part");
    }
  }
  const bool is_real = node.kind == Kind::kPercentRank || node.kind == Kind::kCumeDist;
  node.call.function = name;
  node.call.result = LogicalType::of(is_real ? TypeKind::kDouble : TypeKind::kBigint, false);
  return {};
}

Status OverBinder::bind_shift(const std::string& name, const FunctionCall& call,
                              const Window& window, ExpressionBinder& inner, Call& bound) {
  if (call.arguments.empty() || call.arguments.size() > 3) {
    return error(bound.span, ErrorId::kSqlType,
                 fmt::format("{} takes a value, a number of rows, and what is given where there is "
                             "no such row",
                             name));
  }
  if (window.order_by.empty()) {
    return error(bound.span, ErrorId::kSqlQuery, fmt::format("{} needs an ORDER BY", name));
  }
  if (window.frame != nullptr) {
    return error(bound.span, ErrorId::kSqlQuery, fmt::format("{} has no frame of rows", name));
  }
  if (call.nulls == FunctionCall::Nulls::kIgnore) {
    return error(bound.span, ErrorId::kSqlUnsupported,
                 fmt::format("{} takes NULL for a value: IGNORE NULLS is not there", name));
  }
  OverCallNode& node = bound.node;
  node.kind = Kind::kShift;
  node.call.function = name;
  node.offset = 1;
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, inner.bind(*call.arguments[0].value));
  if (call.arguments.size() > 1) {
    const Expression& rows = *call.arguments[1].value;
    TIDEWHEEL_ASSIGN_OR_RETURN(node.offset, whole_number(rows, "a number of rows", inner));
    if (node.offset < 0) {
      return error(rows.span, ErrorId::kSqlType, "a number of rows is not below 0");
    }
  }
  if (name == "LEAD") { node.offset = -node.offset; }
  node.call.result = value.type.as_nullable();
  node.call.result.time = TimeAttribute::kNone;
  const bool value_nullable = value.type.nullable;
  const LogicalType type = node.call.result;
  bound.arguments.push_back(std::move(value));
  if (call.arguments.size() > 2) {
    const Expression& otherwise = *call.arguments[2].value;
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound given, inner.bind(otherwise));
    TIDEWHEEL_ASSIGN_OR_RETURN(given, inner.coerce(std::move(given), type, otherwise.span));
    node.call.result.nullable = value_nullable || given.type.nullable;
    bound.arguments.push_back(std::move(given));
  }
  return {};
}

Status OverBinder::bind_aggregate(const std::string& name, const FunctionCall& call,
                                  const Window& window, ExpressionBinder& inner, Call& bound) {
  OverCallNode& node = bound.node;
  AggregateCallNode& aggregate = node.call;
  aggregate.function = name == "STDDEV" ? "STDDEV_SAMP" : name == "VARIANCE" ? "VAR_SAMP" : name;
  aggregate.distinct = call.distinct;
  if (name == "APPROX_COUNT_DISTINCT") {
    aggregate.function = "COUNT";
    aggregate.distinct = true;
  }
  if (call.nulls == FunctionCall::Nulls::kRespect) {
    return error(bound.span, ErrorId::kSqlUnsupported,
                 fmt::format("{} passes over NULL: RESPECT NULLS is not there", name));
  }
  std::vector<LogicalType> types;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const Expression& argument = *call.arguments[i].value;
    if (std::holds_alternative<Star>(argument.node)) { continue; }
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, inner.bind(argument));
    types.push_back(value.type);
    if (name == "LISTAGG" && i == 1) {
      if (!value.is_literal() || !value.type.is_character()) {
        return error(argument.span, ErrorId::kSqlType, "the separator of LISTAGG is a string");
      }
      aggregate.separator = value.literal.text();
      continue;
    }
    bound.arguments.push_back(std::move(value));
  }
  if (bound.arguments.empty() && aggregate.function != "COUNT") {
    return error(bound.span, ErrorId::kSqlType, fmt::format("{} takes an argument", name));
  }
  if (call.filter.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(bound.filter, inner.bind_condition(**call.filter));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(node.frame, frame_of(window, inner));
  const bool may_be_empty =
      call.filter.has_value() || node.frame.preceding < 0 || node.frame.following < 0;
  Result<LogicalType> type = aggregate_call_type(name, types, may_be_empty);
  if (!type.ok()) {
    return error(bound.span, ErrorId::kSqlType, std::string(type.status().message()));
  }
  aggregate.result = std::move(*type);
  return {};
}

Status OverBinder::bind_user(const UserAggregates& functions, const FunctionCall& call,
                             const Window& window, ExpressionBinder& inner, Call& bound) {
  OverCallNode& node = bound.node;
  TIDEWHEEL_RETURN_IF_ERROR(
      bind_user_aggregate(text_, functions, call, bound.span, inner, node.call, bound.arguments));
  if (call.filter.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(bound.filter, inner.bind_condition(**call.filter));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(node.frame, frame_of(window, inner));
  if (node.frame.preceding != OverFrameNode::kUnbounded && !node.call.user->has_retract()) {
    return error(bound.span, ErrorId::kSqlUnsupported, node.call.user->no_retract_text());
  }
  return {};
}

// ---- Plans

Result<PlanRef> OverBinder::apply(PlanRef plan) {
  for (size_t group = 0; group < groups_.size(); ++group) {
    plan = add_group(std::move(plan), group);
  }
  return plan;
}

PlanRef OverBinder::add_group(PlanRef input, size_t index) {
  // What the calls look at is computed below, behind the columns that are there.
  std::vector<Bound> outputs = all_columns(*input);
  std::vector<std::string> names = input->type.names;
  const auto column_of = [&](const Bound& value) {
    if (value.kind == Bound::Kind::kColumn) { return value.column; }
    const auto it = std::find(outputs.begin(), outputs.end(), value);
    const auto column = static_cast<int32_t>(it - outputs.begin());
    if (it == outputs.end()) {
      names.push_back("$over" + std::to_string(outputs.size()));
      outputs.push_back(value);
    }
    return column;
  };
  const Group& group = groups_[index];
  OverNode node;
  for (const Bound& one : group.partition_by) { node.partition_by.push_back(column_of(one)); }
  for (const Sort& sort : group.order_by) {
    node.order_by.push_back({column_of(sort.value), sort.descending, sort.nulls_first});
  }
  std::vector<Call*> calls;
  for (Call& call : calls_) {
    if (call.group != index) { continue; }
    for (const Bound& argument : call.arguments) {
      call.node.call.arguments.push_back(column_of(argument));
    }
    if (call.filter.has_value()) { call.node.call.filter = column_of(*call.filter); }
    node.calls.push_back(call.node);
    calls.push_back(&call);
  }
  if (outputs.size() != input->type.size()) {
    input = make_calc(std::move(input), std::nullopt, std::move(outputs), std::move(names));
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    calls[i]->column = static_cast<int32_t>(input->type.size() + i);
  }
  // One number of rows may be below a limit.
  if (calls_.size() == 1 && is_rank(calls_[0].node)) {
    const Kind kind = calls_[0].node.kind;
    Plan plan;
    plan.type = input->type;
    plan.type.add("$row_number", LogicalType::of(TypeKind::kBigint, false));
    plan.window = input->window;
    plan.unique_keys = input->unique_keys;
    plan.updates = true;
    plan.node = RankNode{kind == Kind::kRowNumber ? RankNode::Function::kRowNumber
                         : kind == Kind::kRank    ? RankNode::Function::kRank
                                                  : RankNode::Function::kDenseRank,
                         node.partition_by, node.order_by};
    plan.inputs.push_back(std::move(input));
    plan.side = late_;
    return make_plan(std::move(plan));
  }
  const PlanRef over = make_over(std::move(input), std::move(node));
  if (!late_.has_value()) { return over; }
  auto made = std::make_shared<Plan>(*over);
  made->side = late_;
  return made;
}

PlanRef make_over(PlanRef input, OverNode node) {
  const auto looks_ahead = [](const OverCallNode& call) {
    switch (call.kind) {
      case Kind::kAggregate: return call.frame.following != 0 || call.frame.preceding < 0;
      case Kind::kShift: return call.offset < 0;
      default: return call.kind > Kind::kDenseRank;
    }
  };
  const bool by_time =
      node.order_by.size() == 1 && !node.order_by[0].descending &&
      input->type.types[static_cast<size_t>(node.order_by[0].column)].time != TimeAttribute::kNone;
  const bool keeps_order =
      by_time && !input->updates && std::none_of(node.calls.begin(), node.calls.end(), looks_ahead);
  node.mode = keeps_order         ? OverNode::Mode::kByTime
              : input->is_bounded ? OverNode::Mode::kAtEnd
                                  : OverNode::Mode::kUpdating;
  Plan plan;
  plan.type = input->type;
  plan.window = input->window;
  if (node.mode != OverNode::Mode::kByTime) {
    for (LogicalType& type : plan.type.types) { type.time = TimeAttribute::kNone; }
    plan.window.reset();
  }
  for (size_t i = 0; i < node.calls.size(); ++i) {
    plan.type.add("$over" + std::to_string(plan.type.size()), node.calls[i].call.result);
  }
  plan.unique_keys = input->unique_keys;
  plan.updates = node.mode == OverNode::Mode::kUpdating;
  plan.node = std::move(node);
  plan.inputs.push_back(std::move(input));
  return make_plan(std::move(plan));
}

}  // namespace tidewheel::sql
