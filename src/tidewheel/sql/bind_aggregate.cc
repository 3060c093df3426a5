// GROUP BY: keys and aggregates, over a whole input or by window.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/bind_async.h"
#include "tidewheel/sql/bind_subquery.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/over_binder.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/query_binder.h"
#include "tidewheel/sql/user_aggregate.h"

namespace tidewheel::sql {

namespace {

// Of values of which none is NULL: of one value alone, or because it has too many digits.
bool may_have_no_result(AggregateFunction function, const LogicalType& result) {
  using F = AggregateFunction;
  const bool is_total = function == F::kSum || function == F::kAvg;
  return function == F::kVarSamp || function == F::kStddevSamp ||
         (is_total && result.kind == TypeKind::kDecimal);
}

}  // namespace

Result<LogicalType> aggregate_call_type(const std::string& name,
                                        const std::vector<LogicalType>& types, bool may_be_empty) {
  if (name == "COUNT" || name == "APPROX_COUNT_DISTINCT") {
    return LogicalType::of(TypeKind::kBigint, false);
  }
  if (types.size() != 1 && !(name == "LISTAGG" && types.size() == 2)) {
    return invalid_argument(ErrorId::kSqlType, "{} takes one argument, not {}", name, types.size());
  }
  AggregateFunction function{};
  if (!find_aggregate_function(name, function)) {
    return unimplemented(ErrorId::kSqlUnsupported, "the aggregate {} is not there yet", name);
  }
  Result<LogicalType> type = aggregate_result_type(function, types);
  if (!type.ok()) {
    return invalid_argument(ErrorId::kSqlType, "{} can't be taken of {}", name,
                            types[0].to_string());
  }
  // The operators take any value for one that may be NULL; the query knows better.
  if (function == AggregateFunction::kCollect) {
    type->children[0] = types[0];
  } else {
    type->nullable = types[0].nullable || may_be_empty || may_have_no_result(function, *type);
  }
  return type;
}

Status bind_user_aggregate(std::string_view text, const UserAggregates& functions,
                           const FunctionCall& call, Span span, ExpressionBinder& binder,
                           AggregateCallNode& node, std::vector<Bound>& arguments) {
  std::vector<Bound> values;
  for (const FunctionCall::Argument& argument : call.arguments) {
    if (std::holds_alternative<Star>(argument.value->node)) {
      return error_at(text, argument.value->span, ErrorId::kSqlType, "* is for COUNT alone");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(*argument.value));
    values.push_back(std::move(value));
  }
  std::vector<Argument> types;
  for (const Bound& value : values) {
    types.push_back({value.type, value.is_literal() ? &value.literal : nullptr});
  }
  const Result<UserAggregateRef> found = functions.resolve(types);
  if (!found.ok()) {
    return error_at(text, span, found.status().id(), std::string(found.status().message()));
  }
  node.user = *found;
  for (const Identifier& part : call.name.parts) {
    node.function += (node.function.empty() ? "" : ".") + in_capitals(part.name);
  }
  node.distinct = call.distinct;
  node.result = node.user->result();
  for (size_t i = 0; i < values.size(); ++i) {
    const LogicalType& type = node.user->arguments()[i];
    const bool may_be_null = values[i].type.nullable || values[i].type.kind == TypeKind::kNull;
    const Span place = values[i].span;
    TIDEWHEEL_ASSIGN_OR_RETURN(
        Bound value, binder.coerce(std::move(values[i]), type.as_nullable(may_be_null), place));
    arguments.push_back(std::move(value));
  }
  return {};
}

namespace {

// A group window of the older form: GROUP BY TUMBLE(ts, INTERVAL '1' HOUR).
bool is_group_window(const Expression& expression) {
  const auto* call = std::get_if<FunctionCall>(&expression.node);
  if (call == nullptr) { return false; }
  const std::string name = in_capitals(call->name.parts.back().name);
  return name == "TUMBLE" || name == "HOP" || name == "SESSION";
}

}  // namespace

class Grouping {
 public:
  Grouping(std::string_view text, ExpressionBinder input) : text_(text), input_(std::move(input)) {}

  ExpressionBinder& input() { return input_; }
  std::vector<Bound>& keys() { return keys_; }
  size_t keys_count() const { return keys_.size(); }
  const std::vector<Bound>& arguments() const { return arguments_; }
  std::vector<AggregateCallNode>& calls() { return calls_; }
  void set_properties(std::vector<std::pair<std::string, size_t>> properties) {
    properties_ = std::move(properties);
  }
  // The expressions of GROUP BY, each with its key: those with queries are found by what they say.
  void set_written(std::vector<std::pair<const Expression*, size_t>> written) {
    written_ = std::move(written);
  }
  // The keys of each grouping set, by their numbers. Once all keys are there.
  void set_sets(std::vector<std::vector<size_t>> sets) {
    sets_ = std::move(sets);
    for (size_t key = 0; key < keys_.size(); ++key) {
      const bool always = std::all_of(sets_.begin(), sets_.end(), [&](const auto& set) {
        return std::find(set.begin(), set.end(), key) != set.end();
      });
      key_types_.push_back(always ? keys_[key].type : keys_[key].type.as_nullable());
    }
  }
  bool has_sets() const { return sets_.size() > 1; }
  // What becomes of rows that come too late for their window; over the columns of the input.
  void set_late(std::optional<SideTableNode> late) { late_ = std::move(late); }
  const std::optional<SideTableNode>& late() const { return late_; }
  const std::vector<std::vector<size_t>>& sets() const { return sets_; }
  const std::vector<LogicalType>& key_types() const { return key_types_; }
  // The keys that GROUPING was called with, for each different call.
  const std::vector<std::vector<size_t>>& groupings() const { return groupings_; }
  // Errors: kSqlUnsupported when a call can't take rows back.
  Status check_retracts() const {
    if (!no_retract_.has_value()) { return {}; }
    return error_at(text_, no_retract_->second, ErrorId::kSqlUnsupported,
                    no_retract_->first->no_retract_text());
  }
  // The grouping by one set only.
  Grouping of_set(size_t set) const {
    Grouping one = *this;
    one.keys_.clear();
    for (const size_t key : sets_[set]) { one.keys_.push_back(keys_[key]); }
    const auto by = static_cast<int32_t>(keys_.size() - one.keys_.size());
    for (AggregateCallNode& call : one.calls_) {
      for (int32_t& argument : call.arguments) { argument -= by; }
      if (call.filter >= 0) { call.filter -= by; }
    }
    return one;
  }

  // Binds what stands behind the grouping: keys and results are its columns.
  Result<std::optional<Bound>> intercept(const Expression& expression) {
    if (const auto* call = std::get_if<FunctionCall>(&expression.node)) {
      const std::string name = in_capitals(call->name.parts.back().name);
      const UserAggregatesRef user = user_aggregates(input_.functions(), *call);
      if (!call->over.has_value() && user != nullptr) {
        return add_user_call(*user, *call, expression.span);
      }
      if (!call->over.has_value() && is_aggregate_function(name)) {
        return add_call(name, *call, expression.span);
      }
      const bool is_group_id = name == "GROUP_ID" && call->arguments.empty();
      if (is_group_id || name == "GROUPING" || name == "GROUPING_ID") {
        return add_grouping(*call, is_group_id, expression);
      }
      for (const auto& [property, key] : properties_) {
        if (name == property) { return std::optional<Bound>(key_column(key, expression.span)); }
      }
    }
    if (const auto* json = std::get_if<JsonCall>(&expression.node);
        json != nullptr && is_json_aggregate(*json)) {
      return add_json(*json, expression.span);
    }
    if (has_query(expression)) {
      for (const auto& [one, key] : written_) {
        if (*one == expression) { return std::optional<Bound>(key_column(key, expression.span)); }
      }
      return std::optional<Bound>();
    }
    if (has_aggregate(expression, input_.functions())) { return std::optional<Bound>(); }
    Result<Bound> bound = input_.bind(expression);
    if (bound.ok()) {
      const auto it = std::find(keys_.begin(), keys_.end(), *bound);
      if (it != keys_.end()) {
        return std::optional<Bound>(
            key_column(static_cast<size_t>(it - keys_.begin()), expression.span));
      }
    }
    if (std::holds_alternative<ColumnName>(expression.node)) {
      if (!bound.ok()) { return bound.status(); }
      if (is_of_outer(*bound)) { return std::optional<Bound>(std::move(*bound)); }
      return error_at(
          text_, expression.span, ErrorId::kSqlQuery,
          fmt::format("'{}' is neither in GROUP BY nor in an aggregate", to_sql(expression)));
    }
    return std::optional<Bound>();
  }

  // What the aggregate reads: the keys, then arguments and filters.
  int32_t argument_column(Bound value) {
    for (const std::vector<Bound>* list : {&keys_, &arguments_}) {
      // A key that a set leaves out is an argument like others.
      if (has_sets() && list == &keys_) { continue; }
      const auto it = std::find(list->begin(), list->end(), value);
      if (it != list->end()) {
        return static_cast<int32_t>(it - list->begin()) +
               (list == &keys_ ? 0 : static_cast<int32_t>(keys_.size()));
      }
    }
    arguments_.push_back(std::move(value));
    return static_cast<int32_t>(keys_.size() + arguments_.size() - 1);
  }

 private:
  Bound key_column(size_t index, Span span) const {
    LogicalType type = key_types_.empty() ? keys_[index].type : key_types_[index];
    return Bound::of_column(static_cast<int32_t>(index), std::move(type), span);
  }

  // GROUPING(a, b): a bit for each argument, the last is the lowest: 1 where the row is of a set
  // without it. GROUP_ID(), kept as a call without keys: how many sets like the row's come before.
  Result<std::optional<Bound>> add_grouping(const FunctionCall& call, bool is_group_id,
                                            const Expression& expression) {
    std::vector<size_t> keys;
    for (const FunctionCall::Argument& argument : call.arguments) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const Bound bound, input_.bind(*argument.value));
      const auto it = std::find(keys_.begin(), keys_.end(), bound);
      if (it == keys_.end()) {
        return error_at(text_, argument.value->span, ErrorId::kSqlQuery,
                        "GROUPING takes expressions of GROUP BY");
      }
      keys.push_back(static_cast<size_t>(it - keys_.begin()));
    }
    if ((keys.empty() && !is_group_id) || keys.size() > 62) {
      return error_at(text_, expression.span, ErrorId::kSqlQuery,
                      "GROUPING takes one expression of GROUP BY, or several");
    }
    const LogicalType type = LogicalType::of(TypeKind::kBigint, false);
    if (!has_sets()) {
      return std::optional<Bound>(Bound::of_literal({int64_t{0}}, type, expression.span));
    }
    auto it = std::find(groupings_.begin(), groupings_.end(), keys);
    if (it == groupings_.end()) { it = groupings_.insert(groupings_.end(), std::move(keys)); }
    const auto column = static_cast<int32_t>(keys_.size() + calls_.size() +
                                             static_cast<size_t>(it - groupings_.begin()));
    return std::optional<Bound>(Bound::of_column(column, type, expression.span));
  }

  Result<std::optional<Bound>> add_call(const std::string& name, const FunctionCall& call,
                                        Span span) {
    AggregateCallNode node;
    node.function = name == "STDDEV" ? "STDDEV_SAMP" : name == "VARIANCE" ? "VAR_SAMP" : name;
    node.distinct = call.distinct;
    if (name == "APPROX_COUNT_DISTINCT") {
      node.function = "COUNT";
      node.distinct = true;
    }
    std::vector<LogicalType> types;
    bool counts_rows = call.arguments.empty();
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      const Expression& argument = *call.arguments[i].value;
      if (std::holds_alternative<Star>(argument.node)) {
        counts_rows = true;
        continue;
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, input_.bind(argument));
      if (is_of_outer(value)) {
        return error_at(text_, argument.span, ErrorId::kSqlUnsupported,
                        "an aggregate of columns of the query around can't stand in this one");
      }
      types.push_back(value.type);
      if (name == "LISTAGG" && i == 1) {
        if (!value.is_literal() || !value.type.is_character()) {
          return error_at(text_, argument.span, ErrorId::kSqlType,
                          "the separator of LISTAGG is a string");
        }
        node.separator = value.literal.text();
        continue;
      }
      node.arguments.push_back(argument_column(std::move(value)));
    }
    if (counts_rows && name != "COUNT") {
      return error_at(text_, span, ErrorId::kSqlType, fmt::format("{} takes an argument", name));
    }
    if (call.filter.has_value()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound filter, input_.bind_condition(**call.filter));
      node.filter = argument_column(std::move(filter));
    }
    Result<LogicalType> type =
        aggregate_call_type(name, types, may_be_empty() || call.filter.has_value());
    if (!type.ok()) {
      return error_at(text_, span, ErrorId::kSqlType, std::string(type.status().message()));
    }
    node.result = std::move(*type);
    return std::optional<Bound>(result_column(std::move(node), span));
  }

  Result<std::optional<Bound>> add_user_call(const UserAggregates& functions,
                                             const FunctionCall& call, Span span) {
    AggregateCallNode node;
    std::vector<Bound> arguments;
    TIDEWHEEL_RETURN_IF_ERROR(
        bind_user_aggregate(text_, functions, call, span, input_, node, arguments));
    for (Bound& argument : arguments) {
      if (is_of_outer(argument)) {
        return error_at(text_, argument.span, ErrorId::kSqlUnsupported,
                        "an aggregate of columns of the query around can't stand in this one");
      }
      node.arguments.push_back(argument_column(std::move(argument)));
    }
    if (call.filter.has_value()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound filter, input_.bind_condition(**call.filter));
      node.filter = argument_column(std::move(filter));
    }
    if (!node.user->has_retract() && !no_retract_.has_value()) { no_retract_ = {node.user, span}; }
    return std::optional<Bound>(result_column(std::move(node), span));
  }

  // JSON_ARRAYAGG and JSON_OBJECTAGG gather the texts of their elements, and put them together
  // behind the grouping.
  Result<std::optional<Bound>> add_json(const JsonCall& json, Span span) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound part, input_.json_part(json, span));
    AggregateCallNode node;
    node.function = "ARRAY_AGG";
    node.result = LogicalType::array(part.type, may_be_empty());
    node.arguments.push_back(argument_column(std::move(part)));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound whole,
                               input_.json_whole(json, result_column(std::move(node), span), span));
    return std::optional<Bound>(std::move(whole));
  }

  Bound result_column(AggregateCallNode node, Span span) {
    auto it = std::find(calls_.begin(), calls_.end(), node);
    if (it == calls_.end()) {
      calls_.push_back(std::move(node));
      it = calls_.end() - 1;
    }
    const auto column =
        static_cast<int32_t>(keys_.size() + static_cast<size_t>(it - calls_.begin()));
    return Bound::of_column(column, it->result, span);
  }

  bool may_be_empty() const {
    if (!has_sets()) { return keys_.empty(); }
    return std::any_of(sets_.begin(), sets_.end(), [](const auto& set) { return set.empty(); });
  }
  // Whether an expression is over columns, and all of them are of queries around.
  static bool is_of_outer(const Bound& expression) {
    bool inner = false;
    bool outer = false;
    const auto look = [&](const Bound& one, const auto& self) -> void {
      inner = inner || one.kind == Bound::Kind::kColumn;
      outer = outer || one.kind == Bound::Kind::kOuter;
      for (const Bound& argument : one.arguments) { self(argument, self); }
    };
    look(expression, look);
    return outer && !inner;
  }

  const std::string_view text_;
  ExpressionBinder input_;
  std::vector<std::pair<const Expression*, size_t>> written_;
  std::vector<std::vector<size_t>> sets_;
  std::vector<LogicalType> key_types_;
  std::vector<std::vector<size_t>> groupings_;
  std::vector<Bound> keys_;
  std::vector<Bound> arguments_;
  std::vector<AggregateCallNode> calls_;
  std::optional<SideTableNode> late_;
  std::optional<std::pair<UserAggregateRef, Span>> no_retract_;  // the first call that can't
  std::vector<std::pair<std::string, size_t>> properties_;       // TUMBLE_START and such: which key
};

namespace {

struct Inputs {
  PlanRef plan;  // keys, then arguments, then what was added, then what late rows are made of
  int32_t added = -1;
  int32_t late = -1;
};

// The columns that the aggregate reads, computed below it.
Inputs make_inputs(PlanRef plan, const std::vector<Bound>& keys,
                   const std::vector<Bound>& arguments, std::optional<Bound> condition,
                   std::optional<Bound> added, const std::vector<Bound>& late = {}) {
  std::vector<Bound> outputs;
  std::vector<std::string> names;
  const auto add = [&](const Bound& value) {
    names.push_back(value.kind == Bound::Kind::kColumn
                        ? plan->type.names[static_cast<size_t>(value.column)]
                        : "$f" + std::to_string(outputs.size()));
    outputs.push_back(value);
  };
  for (const Bound& key : keys) { add(key); }
  for (const Bound& argument : arguments) { add(argument); }
  Inputs inputs;
  if (added.has_value()) {
    inputs.added = static_cast<int32_t>(outputs.size());
    add(*added);
  }
  inputs.late = static_cast<int32_t>(outputs.size());
  for (const Bound& value : late) { add(value); }
  inputs.plan =
      make_calc(std::move(plan), std::move(condition), std::move(outputs), std::move(names));
  return inputs;
}

void add_result_columns(const std::vector<AggregateCallNode>& calls, RowType& type) {
  for (size_t i = 0; i < calls.size(); ++i) {
    type.add("$agg" + std::to_string(i), calls[i].result);
  }
}

PlanRef group_aggregate(PlanRef plan, Grouping& grouping) {
  Inputs inputs = make_inputs(std::move(plan), grouping.keys(), grouping.arguments(), std::nullopt,
                              std::nullopt);
  Plan made;
  AggregateNode node;
  for (size_t i = 0; i < grouping.keys().size(); ++i) {
    node.keys.push_back(static_cast<int32_t>(i));
    made.type.add(inputs.plan->type.names[i], inputs.plan->type.types[i]);
    made.type.types.back().time = TimeAttribute::kNone;
  }
  made.unique_keys.push_back(node.keys);
  node.calls = grouping.calls();
  add_result_columns(node.calls, made.type);
  made.updates = !node.calls.empty() || inputs.plan->updates;
  made.node = std::move(node);
  made.inputs.push_back(std::move(inputs.plan));
  return make_plan(std::move(made));
}

bool uses_from(const Bound& expression, int32_t first) {
  bool uses = false;
  for_each_column(expression, [&](const Bound& column) { uses = uses || column.column >= first; });
  return uses;
}

// Aggregates by window: one operator makes the windows and aggregates, when the columns of the
// window are nothing but keys; else what has been put into windows before is aggregated by their
// ends.
class WindowGrouping {
 public:
  WindowGrouping(PlanRef plan, Grouping& grouping) : plan_(std::move(plan)), grouping_(grouping) {}

  // Whether the keys have both ends of a window.
  // Sessions that were made before can't be told by their ends alone.
  bool applies() const {
    return plan_->window.has_value() && !is_made_session() && plan_->window->start >= 0 &&
           plan_->window->end >= 0 && key_of(plan_->window->start) >= 0 &&
           key_of(plan_->window->end) >= 0;
  }

  // Sessions are those of rows with the same keys: that is what the query has to say too.
  bool are_sessions_by_keys() const {
    const auto* calc = std::get_if<CalcNode>(&plan_->node);
    const Plan& below = calc == nullptr ? *plan_ : plan_->input();
    std::vector<int32_t> keys;
    for (const Bound& key : grouping_.keys()) {
      if (window_property(key, *plan_->window) >= 0) { continue; }
      const Bound low = calc == nullptr ? key : substituted(key, calc->outputs);
      if (low.kind != Bound::Kind::kColumn) { return false; }
      keys.push_back(low.column);
    }
    std::vector<int32_t> parts = std::get<WindowNode>(below.node).partition_by;
    std::sort(keys.begin(), keys.end());
    std::sort(parts.begin(), parts.end());
    return keys == parts;
  }
  bool is_session() const { return plan_->window->window.kind == WindowSpecNode::Kind::kSession; }

  PlanRef make() {
    const WindowColumns columns = *plan_->window;
    WindowAggregateNode node;
    node.window = columns.window;
    node.properties = {WindowAggregateNode::Property::kStart, WindowAggregateNode::Property::kEnd,
                       WindowAggregateNode::Property::kTime};
    std::vector<Bound> keys;
    std::vector<size_t> key_numbers;  // of the grouping, for each of `keys`
    for (size_t i = 0; i < grouping_.keys().size(); ++i) {
      if (window_property(grouping_.keys()[i], columns) >= 0) { continue; }
      keys.push_back(grouping_.keys()[i]);
      key_numbers.push_back(i);
    }
    Inputs inputs;
    if (!sliced(columns, keys, inputs, node)) {
      attached(columns, keys, key_numbers, inputs, node);
    }
    return finish(std::move(inputs), std::move(node), key_numbers, columns);
  }

 private:
  bool is_made_session() const {
    const bool below = std::holds_alternative<WindowNode>(plan_->node) ||
                       (std::holds_alternative<CalcNode>(plan_->node) &&
                        std::holds_alternative<WindowNode>(plan_->input().node));
    return is_session() && !below;
  }
  int32_t key_of(int32_t column) const {
    for (size_t i = 0; i < grouping_.keys().size(); ++i) {
      const Bound& key = grouping_.keys()[i];
      if (key.kind == Bound::Kind::kColumn && key.column == column) {
        return static_cast<int32_t>(i);
      }
    }
    return -1;
  }
  // 0: start, 1: end, 2: time; -1: none of them.
  static int32_t window_property(const Bound& key, const WindowColumns& columns) {
    if (key.kind != Bound::Kind::kColumn) { return -1; }
    return key.column == columns.start  ? 0
           : key.column == columns.end  ? 1
           : key.column == columns.time ? 2
                                        : -1;
  }

  // The node that puts rows into windows is right below: it is left out.
  bool sliced(const WindowColumns&, const std::vector<Bound>& keys, Inputs& inputs,
              WindowAggregateNode& node) {
    const auto* calc = std::get_if<CalcNode>(&plan_->node);
    const PlanRef window_plan = calc == nullptr ? plan_ : plan_->inputs[0];
    const auto* window = std::get_if<WindowNode>(&window_plan->node);
    if (window == nullptr) { return false; }
    const PlanRef below = window_plan->inputs[0];
    const auto first = static_cast<int32_t>(below->type.size());
    const auto through = [&](Bound value) {
      if (calc == nullptr) { return value; }
      return substituted(std::move(value), calc->outputs);
    };
    std::vector<Bound> low_keys;
    std::vector<Bound> low_arguments;
    std::vector<Bound> low_late;
    for (const Bound& value : late_values()) { low_late.push_back(through(value)); }
    for (const Bound& key : keys) { low_keys.push_back(through(key)); }
    for (const Bound& argument : grouping_.arguments()) {
      low_arguments.push_back(through(argument));
    }
    std::optional<Bound> condition =
        calc == nullptr ? std::nullopt : std::optional<Bound>(calc->condition);
    const auto uses = [&](const Bound& value) { return uses_from(value, first); };
    if (std::any_of(low_keys.begin(), low_keys.end(), uses) ||
        std::any_of(low_arguments.begin(), low_arguments.end(), uses) ||
        std::any_of(low_late.begin(), low_late.end(), uses) ||
        (condition.has_value() && uses(*condition))) {
      return false;
    }
    Bound time =
        Bound::of_column(window->time, below->type.types[static_cast<size_t>(window->time)]);
    inputs = make_inputs(below, low_keys, low_arguments, std::move(condition), std::move(time),
                         low_late);
    node.time = inputs.added;
    return true;
  }
  static Bound substituted(Bound value, const std::vector<Bound>& inner) {
    if (value.kind == Bound::Kind::kColumn) { return inner[static_cast<size_t>(value.column)]; }
    for (Bound& argument : value.arguments) { argument = substituted(std::move(argument), inner); }
    return value;
  }

  // A window of the rows is known by its end alone: those of one kind end a slide apart. So they
  // are tumbling ones over window_end - 1 ms; where a window began is a key like others.
  void attached(const WindowColumns& columns, std::vector<Bound>& keys,
                std::vector<size_t>& key_numbers, Inputs& inputs, WindowAggregateNode& node) {
    const auto start = static_cast<size_t>(key_of(columns.start));
    keys.push_back(grouping_.keys()[start]);
    key_numbers.push_back(start);
    if (node.window.slide_ms != 0) { node.window.size_ms = node.window.slide_ms; }
    node.window.slide_ms = 0;
    if (node.window.kind != WindowSpecNode::Kind::kSession) {
      node.window.kind = WindowSpecNode::Kind::kTumble;
    }
    node.is_attached = true;
    std::vector<Bound> last_moment;
    last_moment.push_back(
        Bound::of_column(columns.end, plan_->type.types[static_cast<size_t>(columns.end)]));
    last_moment.push_back(
        Bound::of_literal({int64_t{1}}, LogicalType::of(TypeKind::kIntervalSecond, false)));
    Result<Bound> time = grouping_.input().call("-", std::move(last_moment), {});
    TIDEWHEEL_CHECK(time.ok(), "a timestamp minus an interval: {}", time.status().message());
    inputs = make_inputs(plan_, keys, grouping_.arguments(), std::nullopt, std::move(*time),
                         late_values());
    node.time = inputs.added;
  }
  std::vector<Bound> late_values() const {
    return grouping_.late().has_value() ? grouping_.late()->values : std::vector<Bound>();
  }
  // What becomes of late rows, over the columns of the aggregate's input.
  std::optional<SideTableNode> late_of(const Inputs& inputs) const {
    if (!grouping_.late().has_value()) { return std::nullopt; }
    SideTableNode late{grouping_.late()->table, {}};
    for (size_t i = 0; i < grouping_.late()->values.size(); ++i) {
      const auto column = inputs.late + static_cast<int32_t>(i);
      late.values.push_back(
          Bound::of_column(column, inputs.plan->type.types[static_cast<size_t>(column)]));
    }
    return late;
  }

  // Brings keys and results into the order of the grouping.
  PlanRef finish(Inputs inputs, WindowAggregateNode node, const std::vector<size_t>& key_numbers,
                 const WindowColumns& columns) {
    const auto key_count = static_cast<int32_t>(key_numbers.size());
    const auto old_keys = static_cast<int32_t>(grouping_.keys().size());
    Plan made;
    for (int32_t i = 0; i < key_count; ++i) {
      node.keys.push_back(i);
      made.type.add(inputs.plan->type.names[static_cast<size_t>(i)],
                    inputs.plan->type.types[static_cast<size_t>(i)]);
      made.type.types.back().time = TimeAttribute::kNone;
    }
    node.calls = grouping_.calls();
    for (AggregateCallNode& call : node.calls) {
      for (int32_t& argument : call.arguments) {
        argument = moved(argument, old_keys, key_numbers);
      }
      if (call.filter >= 0) { call.filter = moved(call.filter, old_keys, key_numbers); }
    }
    add_result_columns(node.calls, made.type);
    const auto first_property = static_cast<int32_t>(made.type.size());
    const LogicalType bound = LogicalType::with(TypeKind::kTimestamp, 3, 0, false);
    made.type.add("window_start", bound);
    made.type.add("window_end", bound);
    LogicalType time = bound;
    time.time = TimeAttribute::kEvent;
    made.type.add("window_time", time);
    WindowColumns out;
    out.window = columns.window;
    out.start = node.is_attached ? key_count - 1 : first_property;
    out.end = first_property + 1;
    out.time = first_property + 2;
    made.window = out;
    made.unique_keys.push_back({});
    for (int32_t i = 0; i < key_count; ++i) { made.unique_keys[0].push_back(i); }
    made.unique_keys[0].push_back(out.start);
    made.unique_keys[0].push_back(out.end);
    const int32_t call_count = static_cast<int32_t>(node.calls.size());
    made.side = late_of(inputs);
    made.node = std::move(node);
    made.inputs.push_back(std::move(inputs.plan));
    const PlanRef plan = make_plan(std::move(made));
    std::vector<Bound> outputs;
    std::vector<std::string> names;
    const auto add = [&](int32_t column) {
      outputs.push_back(Bound::of_column(column, plan->type.types[static_cast<size_t>(column)]));
      names.push_back(plan->type.names[static_cast<size_t>(column)]);
    };
    for (size_t i = 0; i < grouping_.keys().size(); ++i) {
      const int32_t property = window_property(grouping_.keys()[i], columns);
      if (property >= 0) {
        add(property == 0 ? out.start : property == 1 ? out.end : out.time);
        continue;
      }
      const auto it = std::find(key_numbers.begin(), key_numbers.end(), i);
      add(static_cast<int32_t>(it - key_numbers.begin()));
    }
    for (int32_t i = 0; i < call_count; ++i) { add(key_count + i); }
    return make_calc(plan, std::nullopt, std::move(outputs), std::move(names));
  }
  // The columns of arguments, when there are other keys before them.
  static int32_t moved(int32_t column, int32_t old_keys, const std::vector<size_t>& key_numbers) {
    if (column >= old_keys) { return column - old_keys + static_cast<int32_t>(key_numbers.size()); }
    const auto it = std::find(key_numbers.begin(), key_numbers.end(), static_cast<size_t>(column));
    return static_cast<int32_t>(it - key_numbers.begin());
  }

  const PlanRef plan_;
  Grouping& grouping_;
};

}  // namespace

// ---- Grouping sets

namespace {

using KeySet = std::vector<size_t>;

// One set for each pair of `a` and `b`, with the keys of both.
std::vector<KeySet> crossed(const std::vector<KeySet>& a, const std::vector<KeySet>& b) {
  std::vector<KeySet> sets;
  for (const KeySet& left : a) {
    for (const KeySet& right : b) {
      KeySet both = left;
      for (const size_t key : right) {
        if (std::find(both.begin(), both.end(), key) == both.end()) { both.push_back(key); }
      }
      sets.push_back(std::move(both));
    }
  }
  return sets;
}

// The sets of CUBE, of which each element is in or not, or of ROLLUP, which leaves out the last.
std::vector<KeySet> expanded(const std::vector<KeySet>& elements, bool is_cube) {
  std::vector<KeySet> sets;
  const size_t count = elements.size();
  const size_t all = is_cube ? size_t{1} << count : count + 1;
  for (size_t number = 0; number < all; ++number) {
    std::vector<KeySet> one{{}};
    for (size_t i = 0; i < count; ++i) {
      const bool is_in = is_cube ? ((number >> (count - 1 - i)) & 1) == 0 : i + number < count;
      if (is_in) { one = crossed(one, {elements[i]}); }
    }
    sets.push_back(std::move(one[0]));
  }
  return sets;
}

}  // namespace

// Reads the elements of GROUP BY: which keys there are, and which of them make up each set.
class GroupByReader {
 public:
  static constexpr size_t kSetsMax = 4096;
  // `key` gives the numbers of the keys of an expression.
  using Key = std::function<Result<std::vector<size_t>>(const Expression&)>;
  GroupByReader(std::string_view text, Key key) : text_(text), key_(std::move(key)) {}

  Result<std::vector<KeySet>> read(const Expressions& group_by) {
    std::vector<KeySet> sets{{}};
    for (const Expression& one : group_by) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<KeySet> its, element(one));
      sets = crossed(sets, its);
      if (sets.size() > kSetsMax) { return too_many(one.span); }
    }
    return sets;
  }

 private:
  Status too_many(Span span) const {
    return error_at(text_, span, ErrorId::kSqlQuery,
                    fmt::format("there are more than {} grouping sets", kSetsMax));
  }
  Result<std::vector<KeySet>> element(const Expression& expression) {
    const auto* sets = std::get_if<GroupingSets>(&expression.node);
    if (sets == nullptr) {
      TIDEWHEEL_ASSIGN_OR_RETURN(KeySet one, keys(expression));
      return std::vector<KeySet>{std::move(one)};
    }
    std::vector<KeySet> all;
    for (const Expression& one : sets->elements) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<KeySet> its, element(one));
      all.insert(all.end(), its.begin(), its.end());
      if (all.size() > kSetsMax) { return too_many(one.span); }
    }
    if (sets->kind == GroupingSets::Kind::kSets) { return all; }
    const bool is_cube = sets->kind == GroupingSets::Kind::kCube;
    if (is_cube && all.size() > 12) { return too_many(expression.span); }
    return expanded(all, is_cube);
  }
  // Those of (a, b), of (), or of a.
  Result<KeySet> keys(const Expression& expression) {
    const auto* row = std::get_if<Constructor>(&expression.node);
    if (row == nullptr || row->kind != Constructor::Kind::kRow) { return key_(expression); }
    KeySet all;
    for (const Expression& one : row->values) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const KeySet its, keys(one));
      all = crossed({all}, {its})[0];
    }
    return all;
  }

  const std::string_view text_;
  const Key key_;
};

namespace {

const Expression* over_call_with_query(const Expression& expression) {
  std::vector<const Expression*> calls;
  collect_over_calls(expression, calls);
  const auto it = std::find_if(calls.begin(), calls.end(),
                               [](const Expression* call) { return has_query(*call); });
  return it == calls.end() ? nullptr : *it;
}

// What GROUPING, or GROUP_ID (without keys), gives for the rows of a set.
int64_t grouping_bits(const Grouping& grouping, const std::vector<size_t>& keys, size_t number) {
  const KeySet& set = grouping.sets()[number];
  int64_t bits = 0;
  for (const size_t key : keys) {
    bits = bits * 2 + (std::find(set.begin(), set.end(), key) == set.end() ? 1 : 0);
  }
  for (size_t before = 0; keys.empty() && before < number; ++before) {
    const KeySet& other = grouping.sets()[before];
    bits += other.size() == set.size() && std::is_permutation(set.begin(), set.end(), other.begin())
                ? 1
                : 0;
  }
  return bits;
}

// What one grouping set gives, in the columns of all: NULL for keys that it lacks.
PlanRef of_all_keys(PlanRef plan, const Grouping& grouping, size_t number) {
  const KeySet& set = grouping.sets()[number];
  std::vector<Bound> outputs;
  std::vector<std::string> names;
  const auto place_of = [&](size_t key) { return std::find(set.begin(), set.end(), key); };
  for (size_t key = 0; key < grouping.keys_count(); ++key) {
    const auto it = place_of(key);
    names.push_back("$key" + std::to_string(key));
    if (it == set.end()) {
      outputs.push_back(Bound::of_literal({}, grouping.key_types()[key].as_nullable()));
    } else {
      const auto column = static_cast<size_t>(it - set.begin());
      outputs.push_back(Bound::of_column(static_cast<int32_t>(column), plan->type.types[column]));
      names.back() = plan->type.names[column];
    }
  }
  for (size_t i = set.size(); i < plan->type.size(); ++i) {
    outputs.push_back(Bound::of_column(static_cast<int32_t>(i), plan->type.types[i]));
    names.push_back(plan->type.names[i]);
  }
  for (const std::vector<size_t>& keys : grouping.groupings()) {
    names.push_back("$grouping" + std::to_string(names.size()));
    outputs.push_back(Bound::of_literal({grouping_bits(grouping, keys, number)},
                                        LogicalType::of(TypeKind::kBigint, false)));
  }
  return make_calc(std::move(plan), std::nullopt, std::move(outputs), std::move(names));
}

// All sets in one aggregate: each row comes once for each of them, with NULL for the keys that the
// set lacks, and the set's number is one more key.
PlanRef group_by_sets(const PlanRef& plan, Grouping& grouping) {
  const PlanRef input =
      make_inputs(plan, grouping.keys(), grouping.arguments(), std::nullopt, std::nullopt).plan;
  const LogicalType number_type = LogicalType::of(TypeKind::kBigint, false);
  const size_t key_count = grouping.keys_count();
  Plan expanded;
  ExpandNode expand;
  for (size_t i = 0; i < input->type.size(); ++i) {
    expanded.type.add(input->type.names[i],
                      i < key_count ? grouping.key_types()[i] : input->type.types[i]);
    expanded.type.types.back().time = TimeAttribute::kNone;
  }
  const auto set_column = static_cast<int32_t>(expanded.type.size());
  expanded.type.add("$set", number_type);
  for (size_t i = 0; i < grouping.groupings().size(); ++i) {
    expanded.type.add("$grouping" + std::to_string(i), number_type);
  }
  for (size_t number = 0; number < grouping.sets().size(); ++number) {
    const KeySet& set = grouping.sets()[number];
    std::vector<Bound>& outputs = expand.projections.emplace_back();
    for (size_t i = 0; i < input->type.size(); ++i) {
      const bool lacks = i < key_count && std::find(set.begin(), set.end(), i) == set.end();
      outputs.push_back(lacks ? Bound::of_literal({}, grouping.key_types()[i])
                              : Bound::of_column(static_cast<int32_t>(i), expanded.type.types[i]));
    }
    outputs.push_back(Bound::of_literal({static_cast<int64_t>(number)}, number_type));
    for (const std::vector<size_t>& keys : grouping.groupings()) {
      outputs.push_back(Bound::of_literal({grouping_bits(grouping, keys, number)}, number_type));
    }
  }
  expanded.updates = input->updates;
  expanded.node = std::move(expand);
  expanded.inputs.push_back(input);
  const PlanRef rows = make_plan(std::move(expanded));

  Plan made;
  AggregateNode node;
  const auto add_key = [&](int32_t column) {
    node.keys.push_back(column);
    made.type.add(rows->type.names[static_cast<size_t>(column)],
                  rows->type.types[static_cast<size_t>(column)]);
  };
  for (size_t i = 0; i < key_count; ++i) { add_key(static_cast<int32_t>(i)); }
  for (auto i = static_cast<size_t>(set_column); i < rows->type.size(); ++i) {
    add_key(static_cast<int32_t>(i));
  }
  std::vector<int32_t> unique(node.keys.size());
  std::iota(unique.begin(), unique.end(), 0);
  made.unique_keys.push_back(std::move(unique));
  node.calls = grouping.calls();
  add_result_columns(node.calls, made.type);
  made.updates = !node.calls.empty() || rows->updates;
  made.node = std::move(node);
  made.inputs.push_back(rows);
  const PlanRef groups = make_plan(std::move(made));

  // Keys, results, then what GROUPING gives.
  std::vector<Bound> outputs;
  std::vector<std::string> names;
  const auto give = [&](size_t column) {
    outputs.push_back(Bound::of_column(static_cast<int32_t>(column), groups->type.types[column]));
    names.push_back(groups->type.names[column]);
  };
  const size_t all_keys = key_count + 1 + grouping.groupings().size();
  for (size_t i = 0; i < key_count; ++i) { give(i); }
  for (size_t i = all_keys; i < groups->type.size(); ++i) { give(i); }
  for (size_t i = key_count + 1; i < all_keys; ++i) { give(i); }
  return make_calc(groups, std::nullopt, std::move(outputs), std::move(names));
}

}  // namespace

Result<PlanRef> QueryBinder::grouped(const PlanRef& input, Grouping& grouping, bool has_old_window,
                                     Span span) {
  const auto one = [&](Grouping& keys) -> Result<PlanRef> {
    WindowGrouping windows(input, keys);
    // In the older form the keys are those of the sessions by themselves.
    if (windows.applies() && windows.is_session() && !has_old_window &&
        !windows.are_sessions_by_keys()) {
      return error(span, ErrorId::kSqlUnsupported,
                   "the columns of PARTITION BY in SESSION have to be those of GROUP BY, beside "
                   "window_start and window_end");
    }
    return windows.applies() ? windows.make() : group_aggregate(input, keys);
  };
  if (input->updates) { TIDEWHEEL_RETURN_IF_ERROR(grouping.check_retracts()); }
  if (!grouping.has_sets()) { return one(grouping); }
  if (!WindowGrouping(input, grouping).applies()) { return group_by_sets(input, grouping); }
  // Windows are aggregated for each set by itself, over the same input.
  std::vector<PlanRef> plans;
  for (size_t i = 0; i < grouping.sets().size(); ++i) {
    Grouping set = grouping.of_set(i);
    TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, one(set));
    plans.push_back(of_all_keys(std::move(plan), grouping, i));
  }
  return make_union(std::move(plans));
}

Result<std::vector<size_t>> QueryBinder::group_keys(
    const Expression& expression, const Planned& input, Grouping& grouping,
    const std::optional<std::string>& old_window,
    std::vector<std::pair<std::string, size_t>>& properties) {
  std::vector<Bound>& keys = grouping.keys();
  const auto number_of = [&](Bound key) {
    const auto it = std::find(keys.begin(), keys.end(), key);
    const auto number = static_cast<size_t>(it - keys.begin());
    if (it == keys.end()) { keys.push_back(std::move(key)); }
    return number;
  };
  if (!is_group_window(expression)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound key, grouping.input().bind(expression));
    return std::vector<size_t>{number_of(std::move(key))};
  }
  const auto first = static_cast<int32_t>(input.scope.columns.size()) - 3;
  std::vector<size_t> ends;
  for (int32_t i = 0; i < 3; ++i) {
    ends.push_back(number_of(Bound::of_column(
        first + i, input.plan->type.types[static_cast<size_t>(first + i)], expression.span)));
  }
  properties.emplace_back(*old_window + "_START", ends[0]);
  properties.emplace_back(*old_window + "_END", ends[1]);
  const bool is_event = keys[ends[2]].type.time == TimeAttribute::kEvent;
  properties.emplace_back(*old_window + (is_event ? "_ROWTIME" : "_PROCTIME"), ends[2]);
  return ends;
}

// Has the grouping know its keys and sets.
Status QueryBinder::read_group_by(const Expressions& group_by, const Planned& input,
                                  Grouping& grouping,
                                  const std::optional<std::string>& old_window) {
  std::vector<std::pair<std::string, size_t>> properties;
  std::vector<std::pair<const Expression*, size_t>> written;
  GroupByReader reader(text_, [&](const Expression& one) -> Result<std::vector<size_t>> {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<size_t> keys,
                               group_keys(one, input, grouping, old_window, properties));
    written.emplace_back(&one, keys[0]);
    return keys;
  });
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<KeySet> sets, reader.read(group_by));
  grouping.set_sets(std::move(sets));
  grouping.set_written(std::move(written));
  grouping.set_properties(std::move(properties));
  return {};
}

// Finds the aggregates and the calls with OVER of what is selected and sorted by.
Status QueryBinder::bind_group_items(const Select& select, const std::vector<Item>& items,
                                     const std::vector<SortKey>& order_by, OverBinder& overs,
                                     ExpressionBinder& behind) {
  for (const Item& item : items) {
    if (item.expression == nullptr) {
      return error(select.items[0].value.span, ErrorId::kSqlQuery, "* can't stand beside GROUP BY");
    }
    if (const Expression* const call = over_call_with_query(*item.expression)) {
      return error(call->span, ErrorId::kSqlUnsupported,
                   "beside GROUP BY a call with OVER can't have queries; use a query in FROM");
    }
    TIDEWHEEL_RETURN_IF_ERROR(overs.take_all_and_bind(*item.expression, behind));
  }
  for (const SortKey& key : order_by) {
    // The names of items are looked up by `project`.
    if (!std::holds_alternative<ColumnName>(key.value->node)) {
      TIDEWHEEL_RETURN_IF_ERROR(overs.take_all_and_bind(*key.value, behind));
    }
  }
  return {};
}

Result<QueryBinder::Sorted> QueryBinder::aggregate(Planned input, const Select& select,
                                                   const std::vector<SortKey>& order_by) {
  const Expressions none;
  const Expressions& group_by = select.group_by.has_value() ? *select.group_by : none;
  // Below the groups, and below their windows of the older form.
  const Scope names = input.scope;
  ExpressionBinder low = expressions(names);
  AsyncCalls low_calls(functions(), low);
  TIDEWHEEL_RETURN_IF_ERROR(take_async_below(select, order_by, low_calls, input.plan));
  TIDEWHEEL_RETURN_IF_ERROR(check_async_above(select, order_by));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<std::string> old_window,
                             old_group_window(input, group_by));
  // Queries below the aggregate are joined to its input, those behind to what it gives.
  QueryJoins below(*this, input.plan);
  QueryJoins above(*this);
  Grouping grouping(text_, expressions(input.scope));
  grouping.input().set_intercept([&](const Expression& expression) -> Result<std::optional<Bound>> {
    return low_calls.column_of(expression);
  });
  grouping.input().set_queries([&](const Expression& query, ExpressionBinder& around) {
    return below.value(query, around);
  });
  TIDEWHEEL_RETURN_IF_ERROR(read_group_by(group_by, input, grouping, old_window));

  // Items and conditions are bound first, since they say which aggregates there are.
  OverBinder overs(text_, select);
  ExpressionBinder behind = expressions(input.scope);
  AsyncCalls calls(functions(), behind);  // of what groups give
  behind.set_intercept([&](const Expression& expression) -> Result<std::optional<Bound>> {
    if (std::optional<Bound> over = overs.column_of(expression)) { return over; }
    if (std::optional<Bound> value = calls.column_of(expression)) { return value; }
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<Bound> group, grouping.intercept(expression));
    if (group.has_value()) { return group; }
    return calls.place_of(expression);
  });
  const ExpressionBinder::Queries queries = [&](const Expression& query, ExpressionBinder& around) {
    return above.value(query, around);
  };
  behind.set_queries(queries);
  if (select.having.has_value()) {
    TIDEWHEEL_RETURN_IF_ERROR(behind.bind_condition(*select.having).status());
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<Item> items, expand_items(select, input.scope));
  TIDEWHEEL_RETURN_IF_ERROR(bind_group_items(select, items, order_by, overs, behind));
  if (WindowGrouping(below.plan(), grouping).applies() && !grouping.has_sets()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<SideTableNode> late,
                               late_table(select.hints, input.scope, *below.plan()));
    grouping.set_late(std::move(late));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, grouped(below.plan(), grouping, old_window.has_value(),
                                                   select.items[0].value.span));
  if (select.having.has_value()) {
    TIDEWHEEL_RETURN_IF_ERROR(calls.take_calls(async_above({&*select.having}, select), plan));
    // What GROUPING gives has its place only when all calls are known.
    TIDEWHEEL_ASSIGN_OR_RETURN(plan, filtered(std::move(plan), behind, *select.having,
                                              grouping.has_sets() ? nullptr : &above));
    behind.set_queries(queries);
  }
  std::vector<const Expression*> shown;
  for (const Item& item : items) { shown.push_back(item.expression); }
  for (const SortKey& key : order_by) {
    if (!std::holds_alternative<ColumnName>(key.value->node)) { shown.push_back(&*key.value); }
  }
  TIDEWHEEL_RETURN_IF_ERROR(calls.take_calls(async_above(shown, select), plan));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, overs.apply(std::move(plan)));
  above.join_to(std::move(plan));
  return project(above.plan(), behind, items, order_by);
}

// GROUP BY TUMBLE(ts, ..) is as if the input came from the table function of the same name. Gives
// the name of the function.
Result<std::optional<std::string>> QueryBinder::old_group_window(Planned& input,
                                                                 const Expressions& group_by) {
  std::optional<std::string> found;
  for (const Expression& one : group_by) {
    if (!is_group_window(one)) { continue; }
    const auto& call = std::get<FunctionCall>(one.node);
    found = in_capitals(call.name.parts.back().name);
    const size_t lengths = *found == "HOP" ? 2 : 1;
    if (call.arguments.size() != lengths + 1) {
      return error(one.span, ErrorId::kSqlQuery,
                   fmt::format("{} of GROUP BY takes a time and {} interval(s)", *found, lengths));
    }
    ExpressionBinder binder = expressions(input.scope);
    TIDEWHEEL_ASSIGN_OR_RETURN(const Bound time, binder.bind(*call.arguments[0].value));
    if (time.kind != Bound::Kind::kColumn || time.type.time == TimeAttribute::kNone) {
      return error(call.arguments[0].value->span, ErrorId::kSqlType,
                   "windows need a column with a WATERMARK, or of PROCTIME()");
    }
    std::vector<int64_t> ms;
    for (size_t i = 1; i <= lengths; ++i) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const Bound length, binder.bind(*call.arguments[i].value));
      if (!length.is_literal() || length.type.kind != TypeKind::kIntervalSecond ||
          length.literal.integer() <= 0) {
        return error(call.arguments[i].value->span, ErrorId::kSqlType,
                     "a length of a window is an INTERVAL of days to seconds, above zero");
      }
      ms.push_back(length.literal.integer());
    }
    WindowNode node;
    node.time = time.column;
    node.window.kind = *found == "TUMBLE" ? WindowSpecNode::Kind::kTumble
                       : *found == "HOP"  ? WindowSpecNode::Kind::kHop
                                          : WindowSpecNode::Kind::kSession;
    node.window.size_ms = ms.back();
    if (*found == "HOP") { node.window.slide_ms = ms.front(); }
    input.plan = make_window(std::move(input.plan), std::move(node));
    for (size_t i = input.scope.columns.size(); i < input.plan->type.size(); ++i) {
      input.scope.columns.add(input.plan->type.names[i], input.plan->type.types[i]);
    }
    return found;
  }
  return found;
}

}  // namespace tidewheel::sql
