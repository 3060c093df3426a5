// Joins FOR SYSTEM_TIME AS OF: with the version that a table had at the event time of a row, and,
// by processing time, with the rows that a table has now; and what hints say of them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {

struct QueryBinder::TemporalSides {
  PlanRef left;
  PlanRef right;
  JoinKind kind = JoinKind::kInner;
  Bound as_of;
  std::vector<Bound> conditions;  // over the columns of both
  Span span;
  std::string name;  // of the right table, as the query calls it

  // Columns of the left side, with those that were added for keys.
  std::vector<Bound> left_outputs;
  std::vector<std::string> left_names;

  int32_t shift() const { return static_cast<int32_t>(left->type.size()); }
  size_t added() const { return left_outputs.size() - left->type.size(); }
  int32_t left_column_of(Bound key) {
    if (key.kind == Bound::Kind::kColumn) { return key.column; }
    const auto it = std::find(left_outputs.begin() + shift(), left_outputs.end(), key);
    if (it != left_outputs.end()) { return static_cast<int32_t>(it - left_outputs.begin()); }
    left_names.push_back("$key" + std::to_string(left_outputs.size()));
    left_outputs.push_back(std::move(key));
    return static_cast<int32_t>(left_outputs.size() - 1);
  }
};

namespace {

struct SidesOf {
  bool left = false;
  bool right = false;
};
SidesOf sides_of(const Bound& expression, int32_t shift) {
  SidesOf sides;
  for_each_column(expression, [&](const Bound& column) {
    (column.column < shift ? sides.left : sides.right) = true;
  });
  return sides;
}

// `left = right column`, whichever stands first; null when a condition is something else.
struct KeyPair {
  const Bound* left = nullptr;
  const Bound* right = nullptr;  // a column
};
std::optional<KeyPair> key_pair(const Bound& condition, int32_t shift) {
  if (condition.kind != Bound::Kind::kCall || condition.function->name() != "=" ||
      condition.arguments.size() != 2) {
    return std::nullopt;
  }
  KeyPair pair{&condition.arguments[0], &condition.arguments[1]};
  if (sides_of(*pair.left, shift).right) { std::swap(pair.left, pair.right); }
  const SidesOf left = sides_of(*pair.left, shift);
  if (!left.left || left.right || pair.right->kind != Bound::Kind::kColumn ||
      pair.right->column < shift) {
    return std::nullopt;
  }
  return pair;
}

int32_t place_of(const std::vector<Bound>& outputs, int32_t column) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].kind == Bound::Kind::kColumn && outputs[i].column == column) {
      return static_cast<int32_t>(i);
    }
  }
  return -1;
}

// Constants are not folded yet: 1 is CAST(1 AS BIGINT).
const Bound& without_cast(const Bound& value) {
  const bool casts = value.kind == Bound::Kind::kCast && value.type.is_integer() &&
                     value.arguments[0].type.is_integer();
  return casts ? without_cast(value.arguments[0]) : value;
}

// `number = 1` and the like.
bool keeps_first_only(const Bound& condition, int32_t number) {
  if (condition.kind != Bound::Kind::kCall || condition.arguments.size() != 2) { return false; }
  const std::string_view op = condition.function->name();
  const Bound& a = without_cast(condition.arguments[0]);
  const Bound& b = without_cast(condition.arguments[1]);
  if (a.kind != Bound::Kind::kColumn || a.column != number || !b.is_literal() ||
      b.literal.is_null() || !b.type.is_integer()) {
    return false;
  }
  const int64_t value = b.literal.integer();
  return ((op == "=" || op == "<=") && value == 1) || (op == "<" && value == 2);
}

// The columns by which the versions of a table are told apart; `why` when it has none.
std::optional<std::vector<int32_t>> version_key(const Plan& plan, std::string& why) {
  if (std::holds_alternative<WatermarkNode>(plan.node)) { return version_key(plan.input(), why); }
  const auto* calc = std::get_if<CalcNode>(&plan.node);
  if (calc == nullptr) {
    if (!plan.unique_keys.empty()) { return plan.unique_keys[0]; }
    why = "no primary key can be found";
    return std::nullopt;
  }
  std::optional<std::vector<int32_t>> key;
  if (const auto* rank = std::get_if<RankNode>(&plan.input().node)) {
    const Plan& ranked = plan.input();
    const auto number = static_cast<int32_t>(ranked.type.size()) - 1;
    const bool is_newest = rank->function == RankNode::Function::kRowNumber &&
                           rank->order_by.size() == 1 && rank->order_by[0].descending &&
                           ranked.type.types[static_cast<size_t>(rank->order_by[0].column)].time ==
                               TimeAttribute::kEvent;
    if (!is_newest || !calc->condition.has_value() || !keeps_first_only(*calc->condition, number)) {
      why =
          "a view has versions when it keeps ROW_NUMBER() OVER (PARTITION BY key ORDER BY rowtime "
          "DESC) = 1, with no other condition";
      return std::nullopt;
    }
    key = rank->partition_by;
  } else {
    if (calc->condition.has_value() && plan.input().updates) {
      why = "some of its versions are left out by WHERE";
      return std::nullopt;
    }
    key = version_key(plan.input(), why);
  }
  if (!key.has_value()) { return std::nullopt; }
  for (int32_t& column : *key) {
    column = place_of(calc->outputs, column);
    if (column < 0) {
      why = "no primary key can be found: the view leaves a column of it out";
      return std::nullopt;
    }
  }
  return key;
}

// A view of the newest rows of a log has fewer versions than the log: those that come behind a
// newer one are missing. The join keeps versions by their time, and needs nothing below it to do
// so.
PlanRef with_all_versions(const PlanRef& right) {
  const auto* calc = std::get_if<CalcNode>(&right->node);
  if (calc == nullptr || !std::holds_alternative<RankNode>(right->input().node) ||
      right->input().input().updates) {
    return right;
  }
  const auto number = static_cast<int32_t>(right->input().type.size()) - 1;
  bool uses_number = false;
  for (const Bound& output : calc->outputs) {
    for_each_column(output, [&](const Bound& column) { uses_number |= column.column == number; });
  }
  if (uses_number) { return right; }
  auto made = std::make_shared<Plan>(
      *make_calc(right->input().inputs[0], std::nullopt, calc->outputs, right->type.names));
  made->kept_ms = right->kept_ms;
  return made;
}

int32_t event_time_of(const RowType& type) {
  for (size_t i = 0; i < type.size(); ++i) {
    if (type.types[i].time == TimeAttribute::kEvent) { return static_cast<int32_t>(i); }
  }
  return -1;
}

std::string names_of(const RowType& type, const std::vector<int32_t>& columns) {
  std::string out;
  for (const int32_t column : columns) {
    out += (out.empty() ? "" : ", ") + type.names[static_cast<size_t>(column)];
  }
  return out;
}

// The columns of a side as those of a join.
void add_side(const RowType& side, bool pads, bool keeps_time, RowType& type) {
  for (size_t i = 0; i < side.size(); ++i) {
    LogicalType column = side.types[i];
    column.nullable = column.nullable || pads;
    if (!keeps_time) { column.time = TimeAttribute::kNone; }
    type.add(side.names[i], std::move(column));
  }
}

// Columns of the right side lie behind those that were added to the left one.
Bound behind_added(Bound condition, int32_t shift, int32_t added) {
  for_each_column(condition, [&](Bound& column) {
    if (column.column >= shift) { column.column += added; }
  });
  return condition;
}

}  // namespace

Result<Planned> QueryBinder::temporal_join(const Join& join, const TableReference& reference,
                                           Planned left) {
  const auto& table = std::get<NamedTable>(join.right->node);
  TemporalSides sides;
  sides.span = join.right->span;
  if (join.kind != Join::Kind::kInner && join.kind != Join::Kind::kLeft) {
    return error(sides.span, ErrorId::kSqlUnsupported,
                 "a join FOR SYSTEM_TIME AS OF is an inner or a left join");
  }
  if (!join.on.has_value()) {
    return error(sides.span, ErrorId::kSqlQuery,
                 "a join FOR SYSTEM_TIME AS OF needs ON with the keys of the table");
  }
  sides.kind = join.kind == Join::Kind::kLeft ? JoinKind::kLeft : JoinKind::kInner;
  ExpressionBinder time_binder(text_, left.scope, environment_.functions);
  TIDEWHEEL_ASSIGN_OR_RETURN(sides.as_of, time_binder.bind(*table.as_of));
  const TimeAttribute time = sides.as_of.type.time;
  if (time == TimeAttribute::kNone ||
      (time == TimeAttribute::kEvent && sides.as_of.kind != Bound::Kind::kColumn)) {
    return error(table.as_of->span, ErrorId::kSqlQuery,
                 "FOR SYSTEM_TIME AS OF takes a time attribute of the left table: a column with a "
                 "WATERMARK, or of PROCTIME()");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(sides.right, named(table));
  const std::string name = table.is_file ? "" : table.name.parts.back().name;
  TIDEWHEEL_ASSIGN_OR_RETURN(const Planned right, aliased(sides.right, join.right->alias, name));
  sides.right = right.plan;
  sides.name = right.scope.relations.empty() ? name : right.scope.relations[0].alias;
  Scope scope = Scope::beside(left.scope, right.scope);
  ExpressionBinder binder(text_, scope, environment_.functions);
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound condition, binder.bind_condition(*join.on));
  sides.left = std::move(left.plan);
  std::vector<Bound> left_only;
  for (Bound& part : split_conjunction(std::move(condition))) {
    const SidesOf of = sides_of(part, sides.shift());
    const bool to_left = of.left && !of.right && sides.kind == JoinKind::kInner;
    (to_left ? left_only : sides.conditions).push_back(std::move(part));
  }
  if (!left_only.empty()) {
    sides.left =
        make_pushed_filter(std::move(sides.left), std::move(left_only), environment_.functions);
  }
  sides.left_outputs = all_columns(*sides.left);
  sides.left_names = sides.left->type.names;
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, time == TimeAttribute::kEvent
                                               ? versioned_join(sides, table)
                                               : lookup_join(sides, table));
  scope.columns.types = plan->type.types;
  if (reference.alias.has_value()) { return aliased(std::move(plan), reference.alias, ""); }
  return Planned{std::move(plan), std::move(scope)};
}

Result<PlanRef> QueryBinder::versioned_join(TemporalSides& sides, const NamedTable& table) {
  const auto refuse = [&](std::string message) {
    return error(table.name.span(), ErrorId::kSqlQuery, std::move(message));
  };
  const int32_t shift = sides.shift();
  TemporalJoinNode node;
  node.kind = sides.kind;
  node.left_time = sides.as_of.column;
  node.right_time = event_time_of(sides.right->type);
  std::string why;
  const std::optional<std::vector<int32_t>> key = version_key(*sides.right, why);
  if (!key.has_value() || node.right_time < 0) {
    if (why.empty()) { why = "it has no column with a WATERMARK"; }
    return refuse(
        fmt::format("Event-Time Temporal Table Join requires both primary key and row "
                    "time attribute in versioned table, but {}: {}",
                    why, sides.name));
  }
  sides.right = with_all_versions(sides.right);
  const LogicalType& right_time = sides.right->type.types[static_cast<size_t>(node.right_time)];
  if (right_time.kind != sides.as_of.type.kind) {
    return refuse(
        fmt::format("Event-Time Temporal Table Join requires same rowtime type in left "
                    "table and versioned table, but the rowtime types are {} and {}",
                    sides.as_of.type.to_string(), right_time.to_string()));
  }
  // Equality of other columns says which versions fit; it does not tell whose versions they are.
  std::vector<int32_t> missing = *key;
  std::vector<Bound> rest;
  for (Bound& condition : sides.conditions) {
    const std::optional<KeyPair> pair = key_pair(condition, shift);
    const auto it = pair.has_value()
                        ? std::find(missing.begin(), missing.end(), pair->right->column - shift)
                        : missing.end();
    if (it == missing.end()) {
      rest.push_back(std::move(condition));
      continue;
    }
    node.right_keys.push_back(*it);
    missing.erase(it);
    node.left_keys.push_back(sides.left_column_of(*pair->left));
  }
  if (!missing.empty()) {
    return refuse(
        fmt::format("Temporal table's primary key [{}] must be included in the "
                    "equivalence condition of temporal join: {}",
                    names_of(sides.right->type, *key), sides.name));
  }
  const auto added = static_cast<int32_t>(sides.added());
  for (Bound& condition : rest) { condition = behind_added(std::move(condition), shift, added); }
  node.condition = join_conjunction(std::move(rest));
  const PlanRef left =
      added == 0 ? sides.left
                 : make_calc(sides.left, std::nullopt, sides.left_outputs, sides.left_names);
  Plan plan;
  add_side(left->type, false, true, plan.type);
  add_side(sides.right->type, sides.kind == JoinKind::kLeft, false, plan.type);
  plan.unique_keys = left->unique_keys;
  plan.updates = left->updates;
  plan.node = std::move(node);
  plan.inputs = {left, sides.right};
  PlanRef made = make_plan(std::move(plan));
  if (added == 0) { return made; }
  std::vector<Bound> outputs = all_columns(*made);
  std::vector<std::string> names = made->type.names;
  outputs.erase(outputs.begin() + shift, outputs.begin() + shift + added);
  names.erase(names.begin() + shift, names.begin() + shift + added);
  return make_calc(std::move(made), std::nullopt, std::move(outputs), std::move(names));
}

// ---- Lookups

namespace {

// A table whose rows are looked up: the columns that are stored, and what is computed of them.
struct LookedUpTable {
  const ScanNode* scan = nullptr;
  const Plan* plan = nullptr;  // of the scan
  std::vector<Bound> outputs;  // over the columns of the scan
  bool is_computed = false;    // some of them
};

std::optional<LookedUpTable> looked_up_table(const Plan& right) {
  const Plan* plan = &right;
  if (std::holds_alternative<WatermarkNode>(plan->node)) { plan = &plan->input(); }
  LookedUpTable table;
  const auto* calc = std::get_if<CalcNode>(&plan->node);
  if (calc != nullptr && !calc->condition.has_value()) {
    plan = &plan->input();
    table.outputs = calc->outputs;
    table.is_computed = true;
  }
  table.plan = plan;
  table.scan = std::get_if<ScanNode>(&plan->node);
  if (table.scan == nullptr) { return std::nullopt; }
  if (!table.is_computed) { table.outputs = all_columns(*plan); }
  return table;
}

// Puts what the columns of the right side are computed of in their place.
Bound over_stored(Bound expression, int32_t shift, const LookedUpTable& table) {
  if (expression.kind == Bound::Kind::kColumn && expression.column >= shift) {
    Bound stored = table.outputs[static_cast<size_t>(expression.column - shift)];
    for_each_column(stored, [shift](Bound& column) { column.column += shift; });
    return stored;
  }
  for (Bound& argument : expression.arguments) {
    argument = over_stored(std::move(argument), shift, table);
  }
  return expression;
}

// A value that is NULL where no row was found.
Bound if_found(const FunctionRegistry& functions, Bound value, Bound key) {
  Bound found;
  found.kind = Bound::Kind::kCall;
  found.function = functions.find("IS NOT NULL");
  found.type = LogicalType::of(TypeKind::kBoolean, false);
  found.arguments.push_back(std::move(key));
  Bound made;
  made.kind = Bound::Kind::kCase;
  made.type = value.type;
  made.type.nullable = true;
  made.type.time = TimeAttribute::kNone;
  Bound none = Bound::of_literal(Datum{}, made.type);
  made.arguments.push_back(std::move(found));
  made.arguments.push_back(std::move(value));
  made.arguments.push_back(std::move(none));
  return made;
}

// Where the columns of a lookup join are: those of the left side, those that were added to it for
// keys, those of the table, of which `key` is one that is not NULL in rows that were found.
struct LookupPlaces {
  int32_t left = 0;
  int32_t added = 0;
  int32_t key = 0;
};

// The columns of both sides as the query sees them.
PlanRef as_seen(PlanRef made, const LookedUpTable& right,
                const std::vector<std::string>& right_names, const LookupPlaces& places,
                const FunctionRegistry& functions) {
  const bool pads = std::get<LookupJoinNode>(made->node).kind == JoinKind::kLeft;
  const auto type_of = [&](int32_t column) {
    return made->type.types[static_cast<size_t>(column)];
  };
  std::vector<Bound> outputs = all_columns(*made);
  std::vector<std::string> names = made->type.names;
  outputs.resize(static_cast<size_t>(places.left));
  names.resize(static_cast<size_t>(places.left));
  for (size_t i = 0; i < right.outputs.size(); ++i) {
    Bound value = right.outputs[i];
    for_each_column(value, [&](Bound& column) {
      column.column += places.left + places.added;
      column.type = type_of(column.column);
    });
    if (value.kind != Bound::Kind::kColumn && pads) {
      value =
          if_found(functions, std::move(value), Bound::of_column(places.key, type_of(places.key)));
    }
    value.type.time = TimeAttribute::kNone;
    outputs.push_back(std::move(value));
    names.push_back(right_names[i]);
  }
  return make_calc(std::move(made), std::nullopt, std::move(outputs), std::move(names));
}

}  // namespace

Result<PlanRef> QueryBinder::lookup_join(TemporalSides& sides, const NamedTable& table) {
  const std::optional<LookedUpTable> right = looked_up_table(*sides.right);
  if (!right.has_value()) {
    return error(sides.span, ErrorId::kSqlUnsupported,
                 "Processing-time temporal join is not supported yet: rows are looked up in tables "
                 "whose connector can do it, not in views");
  }
  const TableDefinition& definition = *right->scan->table;
  const std::string& connector_name = definition.options.at("connector");
  TIDEWHEEL_ASSIGN_OR_RETURN(const TableConnector* const connector,
                             environment_.tables.connector(connector_name));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableLookup> lookup,
                             connector->lookup({definition, environment_.tables}));
  if (lookup == nullptr) {
    return error(table.is_file ? sides.span : table.name.span(), ErrorId::kSqlUnsupported,
                 fmt::format("Processing-time temporal join is not supported yet: the connector "
                             "'{}' can't look rows up",
                             connector_name));
  }
  const int32_t shift = sides.shift();
  LookupJoinNode node;
  node.kind = sides.kind;
  node.table = right->scan->table;
  node.columns = right->scan->columns;
  TIDEWHEEL_ASSIGN_OR_RETURN(node.hint, lookup_hint(sides.name));
  std::vector<Bound> rest;
  for (Bound& one : sides.conditions) {
    Bound condition = over_stored(std::move(one), shift, *right);
    const std::optional<KeyPair> pair = key_pair(condition, shift);
    if (!pair.has_value()) {
      rest.push_back(std::move(condition));
      continue;
    }
    node.table_keys.push_back(
        right->scan->columns[static_cast<size_t>(pair->right->column - shift)]);
    node.input_keys.push_back(sides.left_column_of(*pair->left));
  }
  if (node.table_keys.empty()) {
    return error(sides.span, ErrorId::kSqlQuery,
                 "Temporal table join requires an equality condition on fields of table: a column "
                 "of it, of the type of what it is compared with");
  }
  const auto added = static_cast<int32_t>(sides.added());
  for (Bound& condition : rest) { condition = behind_added(std::move(condition), shift, added); }
  node.condition = join_conjunction(std::move(rest));
  const PlanRef left =
      added == 0 ? sides.left
                 : make_calc(sides.left, std::nullopt, sides.left_outputs, sides.left_names);
  const size_t key = node.table_keys[0];
  Plan plan;
  add_side(left->type, false, true, plan.type);
  add_side(right->plan->type, sides.kind == JoinKind::kLeft, false, plan.type);
  plan.updates = left->updates;
  plan.node = std::move(node);
  plan.inputs = {left};
  PlanRef made = make_plan(std::move(plan));
  if (added == 0 && !right->is_computed) { return made; }
  const auto& scanned = right->scan->columns;
  const auto key_place = static_cast<int32_t>(std::find(scanned.begin(), scanned.end(), key) -
                                              scanned.begin() + shift + added);
  return as_seen(std::move(made), *right, sides.right->type.names, {shift, added, key_place},
                 environment_.functions);
}

// ---- Hints

namespace {

Result<int64_t> hint_number(std::string_view text, const Option& option, int64_t least) {
  const Result<int64_t> number = parse_int(option.value);
  if (number.ok() && *number >= least) { return number; }
  return error_at(text, option.value_span, ErrorId::kSqlOption,
                  fmt::format("'{}' takes a whole number from {} on", option.key, least));
}

Result<int64_t> hint_duration(std::string_view text, const Option& option) {
  const Result<int64_t> ms = parse_duration_ms(option.value);
  if (ms.ok() && *ms >= 0) { return ms; }
  return error_at(text, option.value_span, ErrorId::kSqlOption,
                  fmt::format("'{}' takes a duration such as '10 s'", option.key));
}

Result<size_t> hint_choice(std::string_view text, const Option& option,
                           const std::vector<std::string>& choices) {
  const std::string value = in_capitals(option.value);
  for (size_t i = 0; i < choices.size(); ++i) {
    if (value == in_capitals(choices[i])) { return i; }
  }
  return error_at(text, option.value_span, ErrorId::kSqlOption,
                  fmt::format("'{}' takes {}", option.key, fmt::join(choices, " or ")));
}

Status read_lookup_option(std::string_view text, const Option& option, LookupHintNode& hint) {
  if (option.key == "async") {
    TIDEWHEEL_ASSIGN_OR_RETURN(const size_t value, hint_choice(text, option, {"false", "true"}));
    hint.is_async = static_cast<int8_t>(value);
  } else if (option.key == "output-mode") {
    TIDEWHEEL_ASSIGN_OR_RETURN(const size_t value,
                               hint_choice(text, option, {"allow_unordered", "ordered"}));
    hint.is_ordered = static_cast<int8_t>(value);
  } else if (option.key == "capacity") {
    TIDEWHEEL_ASSIGN_OR_RETURN(hint.capacity, hint_number(text, option, 1));
  } else if (option.key == "timeout") {
    TIDEWHEEL_ASSIGN_OR_RETURN(hint.timeout_ms, hint_duration(text, option));
  } else if (option.key == "retry-predicate") {
    TIDEWHEEL_RETURN_IF_ERROR(hint_choice(text, option, {"lookup_miss"}).status());
    hint.retries_misses = true;
  } else if (option.key == "retry-strategy") {
    TIDEWHEEL_RETURN_IF_ERROR(hint_choice(text, option, {"fixed_delay"}).status());
  } else if (option.key == "fixed-delay") {
    TIDEWHEEL_ASSIGN_OR_RETURN(hint.retry_delay_ms, hint_duration(text, option));
  } else if (option.key == "max-attempts") {
    TIDEWHEEL_ASSIGN_OR_RETURN(hint.attempts_max, hint_number(text, option, 1));
  } else if (option.key != "table") {
    return error_at(text, option.key_span, ErrorId::kSqlOption,
                    "LOOKUP takes 'table', 'async', 'output-mode', 'capacity', 'timeout', "
                    "'retry-predicate', 'retry-strategy', 'fixed-delay' and 'max-attempts'");
  }
  return ok_status();
}

}  // namespace

Result<LookupHintNode> QueryBinder::lookup_hint(const std::string& table) {
  LookupHintNode hint;
  for (const Hint& one : hints_ == nullptr ? std::vector<Hint>() : *hints_) {
    if (in_capitals(one.name.name) != "LOOKUP") { continue; }
    const auto named = std::find_if(one.options.begin(), one.options.end(),
                                    [](const Option& option) { return option.key == "table"; });
    if (named == one.options.end() || named->value != table) { continue; }
    for (const Option& option : one.options) {
      TIDEWHEEL_RETURN_IF_ERROR(read_lookup_option(text_, option, hint));
    }
    if (hint.retries_misses != (hint.retry_delay_ms >= 0) ||
        hint.retries_misses != (hint.attempts_max >= 0)) {
      return error(one.name.span, ErrorId::kSqlOption,
                   "'retry-predicate', 'fixed-delay' and 'max-attempts' come together");
    }
    used_hints_.push_back(named->value);
  }
  return hint;
}

Status QueryBinder::check_hints(const std::vector<Hint>& hints) const {
  for (const Hint& hint : hints) {
    const std::string name = in_capitals(hint.name.name);
    if (name == "LATE_TABLE") { continue; }
    if (name != "LOOKUP" && name != "STATE_TTL") {
      return error(hint.name.span, ErrorId::kSqlUnsupported,
                   fmt::format("SELECT takes the hints LOOKUP, STATE_TTL and LATE_TABLE, not {}",
                               hint.name.name));
    }
    bool names_table = false;
    for (const Option& option : hint.options) {
      const bool is_table = name == "STATE_TTL" || option.key == "table";
      if (!is_table) { continue; }
      names_table = true;
      const std::string& table = name == "STATE_TTL" ? option.key : option.value;
      if (std::find(used_hints_.begin(), used_hints_.end(), table) != used_hints_.end()) {
        continue;
      }
      return error(name == "STATE_TTL" ? option.key_span : option.value_span, ErrorId::kSqlName,
                   name == "STATE_TTL"
                       ? fmt::format("there is no table '{}' in this FROM", table)
                       : fmt::format("no table '{}' is looked up in this FROM", table));
    }
    if (!names_table) {
      return error(hint.name.span, ErrorId::kSqlOption,
                   name == "STATE_TTL" ? "STATE_TTL('table' = '1 d') names tables of this FROM"
                                       : "LOOKUP('table' = ..) names a table of this FROM");
    }
  }
  return ok_status();
}

Result<PlanRef> QueryBinder::with_state_ttl(PlanRef plan, const std::string& name) {
  for (const Hint& hint : hints_ == nullptr ? std::vector<Hint>() : *hints_) {
    if (in_capitals(hint.name.name) != "STATE_TTL") { continue; }
    for (const Option& option : hint.options) {
      if (option.key != name) { continue; }
      auto made = std::make_shared<Plan>(*plan);
      TIDEWHEEL_ASSIGN_OR_RETURN(made->kept_ms, hint_duration(text_, option));
      used_hints_.push_back(name);
      plan = std::move(made);
    }
  }
  return plan;
}

}  // namespace tidewheel::sql
