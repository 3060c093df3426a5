// GROUP BY: keys and aggregates, over a whole input or by window.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/over_binder.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {

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
    type->nullable = types[0].nullable || may_be_empty;
  }
  return type;
}

namespace {

// A group window of the older form: GROUP BY TUMBLE(ts, INTERVAL '1' HOUR).
bool is_group_window(const Expression& expression) {
  const auto* call = std::get_if<FunctionCall>(&expression.node);
  if (call == nullptr) { return false; }
  const std::string name = in_capitals(call->name.parts.back().name);
  return name == "TUMBLE" || name == "HOP" || name == "SESSION";
}

class Grouping {
 public:
  Grouping(std::string_view text, const Scope& scope, const FunctionRegistry& functions)
      : text_(text), input_(text, scope, functions) {}

  ExpressionBinder& input() { return input_; }
  std::vector<Bound>& keys() { return keys_; }
  const std::vector<Bound>& arguments() const { return arguments_; }
  std::vector<AggregateCallNode>& calls() { return calls_; }
  void set_properties(std::vector<std::pair<std::string, size_t>> properties) {
    properties_ = std::move(properties);
  }

  // Binds what stands behind the grouping: keys and results are its columns.
  Result<std::optional<Bound>> intercept(const Expression& expression) {
    if (const auto* call = std::get_if<FunctionCall>(&expression.node)) {
      const std::string name = in_capitals(call->name.parts.back().name);
      if (!call->over.has_value() && is_aggregate_function(name)) {
        return add_call(name, *call, expression.span);
      }
      for (const auto& [property, key] : properties_) {
        if (name == property) { return std::optional<Bound>(key_column(key, expression.span)); }
      }
    }
    if (const auto* json = std::get_if<JsonCall>(&expression.node);
        json != nullptr && is_json_aggregate(*json)) {
      return add_json(*json, expression.span);
    }
    if (has_aggregate(expression)) { return std::optional<Bound>(); }
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
      return error_at(
          text_, expression.span, ErrorId::kSqlQuery,
          fmt::format("'{}' is neither in GROUP BY nor in an aggregate", to_sql(expression)));
    }
    return std::optional<Bound>();
  }

  // What the aggregate reads: the keys, then arguments and filters.
  int32_t argument_column(Bound value) {
    for (const std::vector<Bound>* list : {&keys_, &arguments_}) {
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
    LogicalType type = keys_[index].type;
    return Bound::of_column(static_cast<int32_t>(index), std::move(type), span);
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
        aggregate_call_type(name, types, keys_.empty() || call.filter.has_value());
    if (!type.ok()) {
      return error_at(text_, span, ErrorId::kSqlType, std::string(type.status().message()));
    }
    node.result = std::move(*type);
    return std::optional<Bound>(result_column(std::move(node), span));
  }

  // JSON_ARRAYAGG and JSON_OBJECTAGG gather the texts of their elements, and put them together
  // behind the grouping.
  Result<std::optional<Bound>> add_json(const JsonCall& json, Span span) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound part, input_.json_part(json, span));
    AggregateCallNode node;
    node.function = "ARRAY_AGG";
    node.result = LogicalType::array(part.type, keys_.empty());
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

  const std::string_view text_;
  ExpressionBinder input_;
  std::vector<Bound> keys_;
  std::vector<Bound> arguments_;
  std::vector<AggregateCallNode> calls_;
  std::vector<std::pair<std::string, size_t>> properties_;  // TUMBLE_START and such: which key
};

struct Inputs {
  PlanRef plan;  // keys, then arguments, then what was added
  int32_t added = -1;
};

// The columns that the aggregate reads, computed below it.
Inputs make_inputs(PlanRef plan, const std::vector<Bound>& keys,
                   const std::vector<Bound>& arguments, std::optional<Bound> condition,
                   std::optional<Bound> added) {
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
    for (const Bound& key : keys) { low_keys.push_back(through(key)); }
    for (const Bound& argument : grouping_.arguments()) {
      low_arguments.push_back(through(argument));
    }
    std::optional<Bound> condition =
        calc == nullptr ? std::nullopt : std::optional<Bound>(calc->condition);
    const auto uses = [&](const Bound& value) { return uses_from(value, first); };
    if (std::any_of(low_keys.begin(), low_keys.end(), uses) ||
        std::any_of(low_arguments.begin(), low_arguments.end(), uses) ||
        (condition.has_value() && uses(*condition))) {
      return false;
    }
    Bound time =
        Bound::of_column(window->time, below->type.types[static_cast<size_t>(window->time)]);
    inputs = make_inputs(below, low_keys, low_arguments, std::move(condition), std::move(time));
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
    inputs = make_inputs(plan_, keys, grouping_.arguments(), std::nullopt, std::move(*time));
    node.time = inputs.added;
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

Result<QueryBinder::Sorted> QueryBinder::aggregate(Planned input, const Select& select,
                                                   const std::vector<SortKey>& order_by) {
  std::vector<std::pair<std::string, size_t>> properties;
  const Expressions none;
  const Expressions& group_by = select.group_by.has_value() ? *select.group_by : none;
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<std::string> old_window,
                             old_group_window(input, group_by));
  Grouping grouping(text_, input.scope, environment_.functions);
  for (const Expression& one : group_by) {
    if (std::holds_alternative<GroupingSets>(one.node)) {
      return error(one.span, ErrorId::kSqlUnsupported,
                   "GROUPING SETS, CUBE and ROLLUP are not there yet");
    }
    const auto* empty = std::get_if<Constructor>(&one.node);
    if (empty != nullptr && empty->values.empty()) { continue; }  // GROUP BY ()
    if (is_group_window(one)) {
      const auto first = static_cast<int32_t>(input.plan->type.size()) - 3;
      const size_t key = grouping.keys().size();
      for (int32_t i = 0; i < 3; ++i) {
        grouping.keys().push_back(Bound::of_column(
            first + i, input.plan->type.types[static_cast<size_t>(first + i)], one.span));
      }
      const bool is_event = grouping.keys().back().type.time == TimeAttribute::kEvent;
      properties.emplace_back(*old_window + "_START", key);
      properties.emplace_back(*old_window + "_END", key + 1);
      properties.emplace_back(*old_window + (is_event ? "_ROWTIME" : "_PROCTIME"), key + 2);
      continue;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound key, grouping.input().bind(one));
    if (std::find(grouping.keys().begin(), grouping.keys().end(), key) == grouping.keys().end()) {
      grouping.keys().push_back(std::move(key));
    }
  }
  grouping.set_properties(std::move(properties));

  // Items and conditions are bound first, since they say which aggregates there are.
  OverBinder overs(text_, select);
  ExpressionBinder behind(text_, input.scope, environment_.functions);
  behind.set_intercept([&](const Expression& expression) -> Result<std::optional<Bound>> {
    if (std::optional<Bound> over = overs.column_of(expression)) { return over; }
    return grouping.intercept(expression);
  });
  std::optional<Bound> having;
  if (select.having.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(having, behind.bind_condition(*select.having));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<Item> items, expand_items(select, input.scope));
  for (const Item& item : items) {
    if (item.expression == nullptr) {
      return error(select.items[0].value.span, ErrorId::kSqlQuery, "* can't stand beside GROUP BY");
    }
    TIDEWHEEL_RETURN_IF_ERROR(overs.take_all_and_bind(*item.expression, behind));
  }
  for (const SortKey& key : order_by) {
    // The names of items are looked up by `project`.
    if (!std::holds_alternative<ColumnName>(key.value->node)) {
      TIDEWHEEL_RETURN_IF_ERROR(overs.take_all_and_bind(*key.value, behind));
    }
  }
  WindowGrouping windows(input.plan, grouping);
  // In the older form the keys are those of the sessions by themselves.
  if (windows.applies() && windows.is_session() && !old_window.has_value() &&
      !windows.are_sessions_by_keys()) {
    return error(select.items[0].value.span, ErrorId::kSqlUnsupported,
                 "the columns of PARTITION BY in SESSION have to be those of GROUP BY, beside "
                 "window_start and window_end");
  }
  PlanRef plan = windows.applies() ? windows.make() : group_aggregate(input.plan, grouping);
  if (having.has_value()) { plan = make_filter(std::move(plan), std::move(*having)); }
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, overs.apply(std::move(plan)));
  return project(std::move(plan), behind, items, order_by);
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
    ExpressionBinder binder(text_, input.scope, environment_.functions);
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
