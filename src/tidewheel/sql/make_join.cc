// Where the parts of a join's condition go: to one of its sides, to its keys, to the bounds of an
// interval in time, to a join of windows; what is left is looked at for each pair of rows.
#include <algorithm>
#include <utility>

#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {
namespace {

enum class Side : uint8_t { kNeither, kLeft, kRight, kBoth };

Side side_of(const Bound& expression, size_t left_columns) {
  bool left = false;
  bool right = false;
  for_each_column(expression, [&](const Bound& column) {
    (static_cast<size_t>(column.column) < left_columns ? left : right) = true;
  });
  return left && right ? Side::kBoth : left ? Side::kLeft : right ? Side::kRight : Side::kNeither;
}

Bound shifted(Bound expression, int32_t by) {
  for_each_column(expression, [by](Bound& column) { column.column += by; });
  return expression;
}

bool is_call(const Bound& expression, std::string_view name, size_t arguments) {
  return expression.kind == Bound::Kind::kCall && expression.function->name() == name &&
         expression.arguments.size() == arguments;
}

bool has_outer(const Bound& expression) {
  return expression.kind == Bound::Kind::kOuter ||
         std::any_of(expression.arguments.begin(), expression.arguments.end(), has_outer);
}

// What can be a key of a join: `a = b` over one side each, or `a IS NOT DISTINCT FROM b` where both
// may be NULL.
enum class KeyForm : uint8_t { kNone, kEqual, kNullsMatch };

KeyForm key_form(const Bound& condition, size_t left_columns) {
  const bool equal = is_call(condition, "=", 2);
  if (!equal && !is_call(condition, "IS NOT DISTINCT FROM", 2)) { return KeyForm::kNone; }
  const Side a = side_of(condition.arguments[0], left_columns);
  const Side b = side_of(condition.arguments[1], left_columns);
  const bool joins =
      (a == Side::kLeft && b == Side::kRight) || (a == Side::kRight && b == Side::kLeft);
  if (!joins || has_outer(condition)) { return KeyForm::kNone; }
  const bool both_null =
      condition.arguments[0].type.nullable && condition.arguments[1].type.nullable;
  return equal || !both_null ? KeyForm::kEqual : KeyForm::kNullsMatch;
}

// Keys are compared all in one way: NULLs match where nothing else can be a key.
bool only_null_keys(const std::vector<Bound>& conditions, size_t left_columns) {
  bool any = false;
  for (const Bound& condition : conditions) {
    const KeyForm form = key_form(condition, left_columns);
    if (form == KeyForm::kEqual) { return false; }
    any = any || form == KeyForm::kNullsMatch;
  }
  return any;
}

// A side of a join to which columns for keys that are expressions are added.
struct JoinSide {
  PlanRef plan;
  std::vector<Bound> outputs;
  std::vector<std::string> names;
  size_t visible = 0;

  explicit JoinSide(PlanRef input) : plan(std::move(input)), outputs(all_columns(*plan)) {
    names = plan->type.names;
    visible = outputs.size();
  }
  int32_t column_of(Bound key) {
    if (key.kind == Bound::Kind::kColumn) { return key.column; }
    const auto it =
        std::find(outputs.begin() + static_cast<ptrdiff_t>(visible), outputs.end(), key);
    if (it != outputs.end()) { return static_cast<int32_t>(it - outputs.begin()); }
    names.push_back("$key" + std::to_string(outputs.size()));
    outputs.push_back(std::move(key));
    return static_cast<int32_t>(outputs.size() - 1);
  }
  PlanRef finish() {
    if (outputs.size() == visible) { return plan; }
    return make_calc(plan, std::nullopt, outputs, names);
  }
};

// A column of event time, and what is added to it.
struct TimePoint {
  int32_t column = -1;
  int64_t offset_ms = 0;
};

std::optional<TimePoint> time_point(const Bound& expression) {
  if (expression.kind == Bound::Kind::kCast && expression.arguments.size() == 1 &&
      expression.type.kind == expression.arguments[0].type.kind) {
    return time_point(expression.arguments[0]);
  }
  if (expression.kind == Bound::Kind::kColumn && expression.type.time == TimeAttribute::kEvent) {
    return TimePoint{expression.column, 0};
  }
  const bool plus = is_call(expression, "+", 2);
  if (!plus && !is_call(expression, "-", 2)) { return std::nullopt; }
  const Bound& interval = expression.arguments[1];
  if (!interval.is_literal() || interval.type.kind != TypeKind::kIntervalSecond ||
      interval.literal.is_null()) {
    return std::nullopt;
  }
  std::optional<TimePoint> point = time_point(expression.arguments[0]);
  if (point.has_value()) {
    point->offset_ms += plus ? interval.literal.integer() : -interval.literal.integer();
  }
  return point;
}

struct Interval {
  std::optional<int64_t> lower_ms;  // of left time - right time
  std::optional<int64_t> upper_ms;
  int32_t left = -1;
  int32_t right = -1;
};

// Takes `a op b` over the event times of both sides into the interval.
bool take_bound(const Bound& condition, size_t left_columns, Interval& interval) {
  static constexpr std::string_view kNames[] = {"<", "<=", ">", ">=", "="};
  const auto* name = std::find_if(std::begin(kNames), std::end(kNames),
                                  [&](std::string_view one) { return is_call(condition, one, 2); });
  if (name == std::end(kNames)) { return false; }
  auto a = time_point(condition.arguments[0]);
  auto b = time_point(condition.arguments[1]);
  if (!a.has_value() || !b.has_value()) { return false; }
  const bool a_left = static_cast<size_t>(a->column) < left_columns;
  if (a_left == (static_cast<size_t>(b->column) < left_columns)) { return false; }
  bool below = (*name)[0] == '<';  // a is below b
  const int64_t strict = name->size() == 1 && *name != "=" ? 1 : 0;
  if (!a_left) {
    std::swap(a, b);
    below = !below;
  }
  // left + a.offset <= right + b.offset: left - right <= b.offset - a.offset.
  const int64_t bound = b->offset_ms - a->offset_ms;
  interval.left = a->column;
  interval.right = b->column - static_cast<int32_t>(left_columns);
  if (below || *name == "=") {
    interval.upper_ms = std::min(interval.upper_ms.value_or(INT64_MAX), bound - strict);
  }
  if (!below || *name == "=") {
    interval.lower_ms = std::max(interval.lower_ms.value_or(INT64_MIN), bound + strict);
  }
  return true;
}

bool contains(const std::vector<int32_t>& left, const std::vector<int32_t>& right, int32_t a,
              int32_t b) {
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i] == a && right[i] == b) { return true; }
  }
  return false;
}

// Rows of windows that are equal on both sides.
void find_windows(const Plan& left, const Plan& right, JoinNode& join) {
  if (!left.window.has_value() || !right.window.has_value() || left.updates || right.updates) {
    return;
  }
  const WindowColumns& a = *left.window;
  const WindowColumns& b = *right.window;
  if (!(a.window == b.window) || a.start < 0 || a.end < 0 || b.start < 0 || b.end < 0) { return; }
  if (!contains(join.left_keys, join.right_keys, a.start, b.start) ||
      !contains(join.left_keys, join.right_keys, a.end, b.end)) {
    return;
  }
  join.left_window_end = a.end;
  join.right_window_end = b.end;
}

bool pads_left(JoinKind kind) { return kind == JoinKind::kRight || kind == JoinKind::kFull; }
bool pads_right(JoinKind kind) { return kind == JoinKind::kLeft || kind == JoinKind::kFull; }

// Columns of time go by event time behind joins of windows and intervals only.
void add_columns(const Plan& side, bool pads, bool keeps_time, RowType& type) {
  for (size_t i = 0; i < side.type.size(); ++i) {
    LogicalType column = side.type.types[i];
    column.nullable = column.nullable || pads;
    if (!keeps_time) { column.time = TimeAttribute::kNone; }
    type.add(side.type.names[i], std::move(column));
  }
}

// Joins of joins would have more and more of them. Those of one side come first.
constexpr size_t kUniqueKeysMax = 32;

void add_unique_keys(const Plan& left, const Plan& right, const JoinNode& join, Plan& plan) {
  const auto covers = [](const Plan& side, const std::vector<int32_t>& keys) {
    return std::any_of(side.unique_keys.begin(), side.unique_keys.end(), [&](const auto& unique) {
      return std::all_of(unique.begin(), unique.end(), [&](int32_t column) {
        return std::find(keys.begin(), keys.end(), column) != keys.end();
      });
    });
  };
  const auto shift = static_cast<int32_t>(left.type.size());
  if (covers(right, join.right_keys) && !pads_left(join.kind)) {
    plan.unique_keys = left.unique_keys;
  }
  if (covers(left, join.left_keys) && !pads_right(join.kind)) {
    for (std::vector<int32_t> key : right.unique_keys) {
      for (int32_t& column : key) { column += shift; }
      plan.unique_keys.push_back(std::move(key));
    }
  }
  for (const std::vector<int32_t>& a : left.unique_keys) {
    for (const std::vector<int32_t>& b : right.unique_keys) {
      if (plan.unique_keys.size() >= kUniqueKeysMax) { return; }
      std::vector<int32_t> both = a;
      for (const int32_t column : b) { both.push_back(column + shift); }
      plan.unique_keys.push_back(std::move(both));
    }
  }
}

bool gives_left_only(JoinKind kind) {
  return kind == JoinKind::kSemi || kind == JoinKind::kAnti || kind == JoinKind::kMark;
}

PlanRef finish_join(PlanRef left, PlanRef right, JoinNode join) {
  Plan plan;
  const bool one_sided = gives_left_only(join.kind);
  const bool keeps_time = join.left_time >= 0;
  if (join.kind != JoinKind::kMark && !join.nulls_match) { find_windows(*left, *right, join); }
  const bool by_window = join.left_window_end >= 0;
  add_columns(*left, pads_left(join.kind), keeps_time || by_window, plan.type);
  if (one_sided) {
    plan.unique_keys = left->unique_keys;
    if (join.kind == JoinKind::kMark) {
      plan.type.add("$mark", LogicalType::of(TypeKind::kBigint, false));
    }
  } else {
    add_columns(*right, pads_right(join.kind), keeps_time || by_window, plan.type);
    add_unique_keys(*left, *right, join, plan);
  }
  if (by_window) { plan.window = left->window; }
  const bool regular_updates = join.kind != JoinKind::kInner && join.kind != JoinKind::kSemi;
  plan.updates = left->updates || right->updates || (regular_updates && !keeps_time && !by_window);
  plan.node = std::move(join);
  plan.inputs = {std::move(left), std::move(right)};
  return make_plan(std::move(plan));
}

// Keys, bounds of an interval, and what is left of the conditions over both sides.
void take_conditions(std::vector<Bound> conditions, JoinSide& left, JoinSide& right,
                     JoinNode& join) {
  const size_t left_columns = left.visible;
  const auto shift = static_cast<int32_t>(left_columns);
  Interval interval;
  std::vector<Bound> residual;
  std::vector<Bound> times;
  join.nulls_match = only_null_keys(conditions, left_columns);
  for (Bound& condition : conditions) {
    const KeyForm form = key_form(condition, left_columns);
    if (form != KeyForm::kNone) {
      const Side a = side_of(condition.arguments[0], left_columns);
      if (form == KeyForm::kEqual || join.nulls_match) {
        const size_t first = a == Side::kLeft ? 0 : 1;
        join.left_keys.push_back(left.column_of(condition.arguments[first]));
        join.right_keys.push_back(right.column_of(shifted(condition.arguments[1 - first], -shift)));
        continue;
      }
    }
    (take_bound(condition, left_columns, interval) ? times : residual)
        .push_back(std::move(condition));
  }
  const bool one_sided = gives_left_only(join.kind);
  if (interval.lower_ms.has_value() && interval.upper_ms.has_value() && !one_sided &&
      !left.plan->updates && !right.plan->updates) {
    join.left_time = interval.left;
    join.right_time = interval.right;
    join.lower_ms = *interval.lower_ms;
    join.upper_ms = *interval.upper_ms;
  } else {
    for (Bound& time : times) { residual.push_back(std::move(time)); }
  }
  // Columns that were added for keys lie between those of both sides.
  const auto added = static_cast<int32_t>(left.outputs.size() - left.visible);
  join.condition = join_conjunction(std::move(residual));
  if (join.condition.has_value() && added > 0) {
    for_each_column(*join.condition, [&](Bound& column) {
      if (column.column >= shift) { column.column += added; }
    });
  }
}

// A join without the columns that were added to its sides for keys.
PlanRef without_added(PlanRef plan, size_t left_columns, size_t added, size_t right_columns) {
  std::vector<Bound> outputs;
  std::vector<std::string> names;
  for (size_t i = 0; i < plan->type.size(); ++i) {
    const size_t right_begin = left_columns + added;
    const bool is_right = i >= right_begin && i < right_begin + right_columns;
    if (i >= left_columns && !is_right) { continue; }
    outputs.push_back(Bound::of_column(static_cast<int32_t>(i), plan->type.types[i]));
    names.push_back(plan->type.names[i]);
  }
  return make_calc(std::move(plan), std::nullopt, std::move(outputs), std::move(names));
}

}  // namespace

std::vector<Bound> split_conjunction(Bound condition) {
  if (condition.kind != Bound::Kind::kAnd) {
    std::vector<Bound> one;
    one.push_back(std::move(condition));
    return one;
  }
  std::vector<Bound> parts;
  for (Bound& argument : condition.arguments) {
    for (Bound& part : split_conjunction(std::move(argument))) { parts.push_back(std::move(part)); }
  }
  return parts;
}

std::optional<Bound> join_conjunction(std::vector<Bound> conditions) {
  if (conditions.empty()) { return std::nullopt; }
  if (conditions.size() == 1) { return std::move(conditions[0]); }
  Bound both;
  both.kind = Bound::Kind::kAnd;
  both.type = LogicalType::of(TypeKind::kBoolean, false);
  both.span = conditions[0].span;
  for (Bound& condition : conditions) {
    both.type.nullable = both.type.nullable || condition.type.nullable;
    both.arguments.push_back(std::move(condition));
  }
  return both;
}

PlanRef make_join(PlanRef left, PlanRef right, JoinKind kind, std::vector<Bound> conditions,
                  const FunctionRegistry& functions) {
  const size_t left_columns = left->type.size();
  const auto shift = static_cast<int32_t>(left_columns);
  std::vector<Bound> left_only;
  std::vector<Bound> right_only;
  std::vector<Bound> rest;
  for (Bound& condition : conditions) {
    const Side side = side_of(condition, left_columns);
    // A row that is padded when nothing joins it may not be filtered before.
    if (side == Side::kLeft && !pads_right(kind) && kind != JoinKind::kAnti &&
        kind != JoinKind::kMark) {
      left_only.push_back(std::move(condition));
    } else if (side == Side::kRight && !pads_left(kind)) {
      right_only.push_back(shifted(std::move(condition), -shift));
    } else {
      rest.push_back(std::move(condition));
    }
  }
  if (!left_only.empty()) {
    left = make_pushed_filter(std::move(left), std::move(left_only), functions);
  }
  if (!right_only.empty()) {
    right = make_pushed_filter(std::move(right), std::move(right_only), functions);
  }
  JoinSide left_side(std::move(left));
  JoinSide right_side(std::move(right));
  JoinNode join;
  join.kind = kind;
  take_conditions(std::move(rest), left_side, right_side, join);
  const size_t right_columns = kind == JoinKind::kMark ? 1 : right_side.visible;
  const size_t added = left_side.outputs.size() - left_columns;
  const bool hides = added > 0 || right_side.outputs.size() > right_side.visible;
  PlanRef plan = finish_join(left_side.finish(), right_side.finish(), std::move(join));
  return hides ? without_added(std::move(plan), left_columns, added, right_columns) : plan;
}

std::vector<Bound> join_conditions(const Plan& plan, const FunctionRegistry& functions) {
  const auto& join = std::get<JoinNode>(plan.node);
  const auto shift = static_cast<int32_t>(plan.input(0).type.size());
  const auto column = [&](int32_t index, bool right) {
    const Plan& side = plan.input(right ? 1 : 0);
    return Bound::of_column(right ? index + shift : index,
                            side.type.types[static_cast<size_t>(index)]);
  };
  std::vector<Bound> all;
  for (size_t i = 0; i < join.left_keys.size(); ++i) {
    Bound a = column(join.left_keys[i], false);
    Bound b = column(join.right_keys[i], true);
    Bound call;
    call.kind = Bound::Kind::kCall;
    call.function = functions.find(join.nulls_match ? "IS NOT DISTINCT FROM" : "=");
    call.type = LogicalType::of(TypeKind::kBoolean,
                                !join.nulls_match && (a.type.nullable || b.type.nullable));
    call.arguments.push_back(std::move(a));
    call.arguments.push_back(std::move(b));
    all.push_back(std::move(call));
  }
  if (join.condition.has_value()) {
    for (Bound& part : split_conjunction(*join.condition)) { all.push_back(std::move(part)); }
  }
  return all;
}

}  // namespace tidewheel::sql
