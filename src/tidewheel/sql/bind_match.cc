// MATCH_RECOGNIZE: the pattern, and what its conditions and measures look up along a match.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {
namespace {

using Lookup = MatchLookupNode;

// Binds DEFINE and MEASURES: rows are looked up, and what is left is an expression over what was
// found.
class MatchBinder {
 public:
  MatchBinder(std::string_view text, const Scope& scope, const FunctionRegistry& functions,
              const MatchRecognize& match)
      : text_(text), scope_(scope), match_(match), rows_(text, scope, functions) {
    rows_.set_intercept([this](const Expression& one) { return row_column(one); });
    // What stands outside of lookups sees no columns of its own.
    along_.emplace(text, scope, functions);
    along_->set_intercept([this](const Expression& one) { return look_up(one); });
  }

  Status take_pattern();
  Status take_order(const Planned& input);
  Status take_conditions();
  Status take_measures(RowType& output);
  Status take_skip();
  Status take_within();
  // The node over the input with all that lookups look at.
  PlanRef finish(PlanRef input, RowType output);

 private:
  Status error(Span span, ErrorId id, std::string message) const {
    return error_at(text_, span, id, std::move(message));
  }
  int32_t variable(const Identifier& name) const {
    for (size_t i = 0; i < node_.pattern.size(); ++i) {
      if (node_.pattern[i].variable == name.name) { return static_cast<int32_t>(i); }
    }
    return -1;
  }
  std::vector<std::string> variable_names() const {
    std::vector<std::string> names;
    for (const MatchElementNode& element : node_.pattern) { names.push_back(element.variable); }
    return names;
  }
  Result<int32_t> known_variable(const Identifier& name) const {
    const int32_t found = variable(name);
    if (found >= 0) { return found; }
    return error(name.span, ErrorId::kSqlName,
                 fmt::format("the pattern has no variable '{}'{}", name.name,
                             near_miss(name.name, variable_names())));
  }
  Status add_elements(const RowPattern& pattern);

  // A.price within a lookup: the column of the row that is looked at.
  Result<std::optional<Bound>> row_column(const Expression& expression);
  Result<std::optional<Bound>> look_up(const Expression& expression);
  Result<std::optional<Bound>> look_up_call(const std::string& name, const FunctionCall& call,
                                            Span span);
  Result<std::optional<Bound>> look_up_aggregate(const std::string& name, const FunctionCall& call,
                                                 Span span);
  // Binds what is looked at, of rows of one variable.
  Result<Bound> row_value(const Expression& expression, int32_t& variable);
  int32_t column_of(Bound value);
  std::optional<Bound> add(Lookup lookup, Span span);
  Lookup value_lookup(Lookup::Kind kind, int32_t of, int64_t offset, Bound value);

  const std::string_view text_;
  const Scope& scope_;
  const MatchRecognize& match_;
  ExpressionBinder rows_;
  std::optional<ExpressionBinder> along_;
  MatchNode node_;
  std::vector<Bound> partition_;
  std::vector<Bound> added_;  // columns behind those of the input
  bool in_condition_ = false;
  bool has_row_variable_ = false;  // of the value at hand
  int32_t row_variable_ = -1;
};

// ---- The pattern

Status MatchBinder::add_elements(const RowPattern& pattern) {
  using Kind = RowPattern::Kind;
  if (pattern.kind == Kind::kSequence && !pattern.quantifier.has_value()) {
    for (const RowPattern& part : pattern.parts) { TIDEWHEEL_RETURN_IF_ERROR(add_elements(part)); }
    return {};
  }
  const Span span = match_.input->span;
  if (pattern.kind != Kind::kVariable) {
    return error(span, ErrorId::kSqlUnsupported,
                 "a pattern is variables one behind the other, each with a quantifier of its own: "
                 "groups, alternatives, PERMUTE and {- -} are not there");
  }
  if (variable(pattern.variable) >= 0) {
    return error(pattern.variable.span, ErrorId::kSqlQuery,
                 fmt::format("the variable '{}' is in the pattern twice", pattern.variable.name));
  }
  MatchElementNode element;
  element.variable = pattern.variable.name;
  if (pattern.quantifier.has_value()) {
    element.least = pattern.quantifier->least;
    element.most = pattern.quantifier->most.value_or(INT64_MAX);
    element.reluctant = pattern.quantifier->reluctant;
  }
  const bool is_optional = element.least == 0 && element.most == 1;
  if (element.most < 1 || element.most < element.least) {
    return error(pattern.variable.span, ErrorId::kSqlQuery,
                 "a quantifier lets at least one row match, and its bounds are in order");
  }
  if (is_optional && element.reluctant) {
    return error(pattern.variable.span, ErrorId::kSqlUnsupported,
                 "a variable that may be missing is greedy: a reluctant '?' is not there");
  }
  node_.pattern.push_back(std::move(element));
  return {};
}

Status MatchBinder::take_pattern() {
  if (match_.all_rows.value_or(false)) {
    return error(match_.input->span, ErrorId::kSqlUnsupported,
                 "ALL ROWS PER MATCH is not there; ONE ROW PER MATCH is");
  }
  TIDEWHEEL_RETURN_IF_ERROR(add_elements(match_.pattern));
  const auto is_needed = [](const MatchElementNode& one) { return one.least > 0; };
  if (std::none_of(node_.pattern.begin(), node_.pattern.end(), is_needed)) {
    return error(match_.pattern.kind == RowPattern::Kind::kVariable ? match_.pattern.variable.span
                                                                    : match_.input->span,
                 ErrorId::kSqlQuery,
                 "the pattern would match no rows at all: one has to be needed");
  }
  const MatchElementNode& last = node_.pattern.back();
  const bool is_single = last.least == last.most || (last.least == 0 && last.most == 1);
  if (!is_single && !last.reluctant) {
    return error(
        match_.input->span, ErrorId::kSqlUnsupported,
        fmt::format("the last variable of a pattern can't be greedy, since its match would "
                    "have no end: '{}' needs a '?' behind its quantifier, or one more "
                    "variable",
                    last.variable));
  }
  node_.conditions.resize(node_.pattern.size());
  return {};
}

Status MatchBinder::take_order(const Planned& input) {
  if (input.plan->updates) {
    return error(match_.input->span, ErrorId::kSqlUnsupported,
                 "MATCH_RECOGNIZE takes rows that are only added; these are changed, too");
  }
  for (const Expression& one : match_.partition_by) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, rows_.bind(one));
    if (value.kind != Bound::Kind::kColumn) {
      return error(one.span, ErrorId::kSqlQuery, "PARTITION BY takes columns");
    }
    partition_.push_back(std::move(value));
  }
  for (const SortKey& key : match_.order_by) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, rows_.bind(*key.value));
    const bool is_first = node_.order_by.empty();
    if (is_first && (value.type.time == TimeAttribute::kNone || key.descending)) {
      return error(key.value->span, ErrorId::kSqlQuery,
                   "the first column of ORDER BY is a time attribute, ascending: one with a "
                   "WATERMARK, or of PROCTIME()");
    }
    node_.order_by.push_back(
        {column_of(std::move(value)), key.descending, key.nulls_first.value_or(!key.descending)});
  }
  if (node_.order_by.empty()) {
    return error(match_.input->span, ErrorId::kSqlQuery,
                 "MATCH_RECOGNIZE needs an ORDER BY of a time attribute");
  }
  return {};
}

Status MatchBinder::take_skip() {
  using Skip = MatchRecognize::Skip;
  node_.skip = match_.skip == Skip::kToNextRow ? MatchNode::Skip::kToNextRow
               : match_.skip == Skip::kToFirst ? MatchNode::Skip::kToFirst
               : match_.skip == Skip::kToLast  ? MatchNode::Skip::kToLast
                                               : MatchNode::Skip::kPastLastRow;
  if (match_.skip_to.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(node_.skip_to, known_variable(*match_.skip_to));
  }
  return {};
}

Status MatchBinder::take_within() {
  if (!match_.within.has_value()) { return {}; }
  const Span span = match_.input->span;
  TIDEWHEEL_ASSIGN_OR_RETURN(const Bound within, bind_interval(text_, *match_.within, span));
  if (within.type.kind != TypeKind::kIntervalSecond || within.literal.integer() <= 0) {
    return error(span, ErrorId::kSqlType,
                 "WITHIN takes an INTERVAL of days to seconds, above zero");
  }
  node_.within_ms = within.literal.integer();
  return {};
}

// ---- Values

Result<std::optional<Bound>> MatchBinder::row_column(const Expression& expression) {
  if (const auto* call = std::get_if<FunctionCall>(&expression.node)) {
    const std::string name = in_capitals(call->name.parts.back().name);
    if (is_aggregate_function(name) || name == "FIRST" || name == "LAST" || name == "PREV") {
      return error(
          expression.span, ErrorId::kSqlQuery,
          "FIRST, LAST, PREV and aggregates of MATCH_RECOGNIZE can't stand in one another");
    }
  }
  const auto* column = std::get_if<ColumnName>(&expression.node);
  if (column == nullptr) { return std::optional<Bound>(); }
  const std::vector<Identifier>& parts = column->name.parts;
  int32_t of = -1;
  Name rest = column->name;
  if (parts.size() > 1 && variable(parts[0]) >= 0) {
    of = variable(parts[0]);
    rest.parts.erase(rest.parts.begin());
  }
  if (has_row_variable_ && of != row_variable_) {
    return error(expression.span, ErrorId::kSqlQuery,
                 "what is looked up at once is of one variable of the pattern");
  }
  has_row_variable_ = true;
  row_variable_ = of;
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound found, resolve_column(scope_, text_, rest));
  return std::optional<Bound>(std::move(found));
}

Result<Bound> MatchBinder::row_value(const Expression& expression, int32_t& of) {
  has_row_variable_ = false;
  row_variable_ = -1;
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, rows_.bind(expression));
  of = row_variable_;
  return value;
}

int32_t MatchBinder::column_of(Bound value) {
  if (value.kind == Bound::Kind::kColumn) { return value.column; }
  const auto first = static_cast<int32_t>(scope_.columns.size());
  const auto it = std::find(added_.begin(), added_.end(), value);
  const auto column = first + static_cast<int32_t>(it - added_.begin());
  if (it == added_.end()) { added_.push_back(std::move(value)); }
  return column;
}

std::optional<Bound> MatchBinder::add(Lookup lookup, Span span) {
  auto it = std::find(node_.lookups.begin(), node_.lookups.end(), lookup);
  if (it == node_.lookups.end()) {
    node_.lookups.push_back(std::move(lookup));
    it = node_.lookups.end() - 1;
  }
  return Bound::of_column(static_cast<int32_t>(it - node_.lookups.begin()), it->type, span);
}

Lookup MatchBinder::value_lookup(Lookup::Kind kind, int32_t of, int64_t offset, Bound value) {
  Lookup lookup;
  lookup.kind = kind;
  lookup.variable = of;
  lookup.offset = offset;
  lookup.type = value.type;
  lookup.type.time = TimeAttribute::kNone;
  // The row may be missing.
  if (of >= 0 || offset > 0) { lookup.type.nullable = true; }
  lookup.column = column_of(std::move(value));
  return lookup;
}

Result<std::optional<Bound>> MatchBinder::look_up(const Expression& expression) {
  if (std::holds_alternative<ColumnName>(expression.node)) {
    int32_t of = -1;
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, row_value(expression, of));
    return add(value_lookup(Lookup::Kind::kLast, of, 0, std::move(value)), expression.span);
  }
  const auto* call = std::get_if<FunctionCall>(&expression.node);
  if (call == nullptr) { return std::optional<Bound>(); }
  return look_up_call(in_capitals(call->name.parts.back().name), *call, expression.span);
}

Result<std::optional<Bound>> MatchBinder::look_up_call(const std::string& name,
                                                       const FunctionCall& call, Span span) {
  if (is_aggregate_function(name)) { return look_up_aggregate(name, call, span); }
  if (name == "MATCH_ROWTIME") {
    Lookup lookup;
    lookup.kind = Lookup::Kind::kTime;
    const auto time = static_cast<size_t>(node_.order_by[0].column);
    lookup.type = scope_.columns.types[time];
    if (lookup.type.time != TimeAttribute::kEvent) {
      return error(span, ErrorId::kSqlQuery, "MATCH_ROWTIME() is there for event time only");
    }
    lookup.type.nullable = false;
    return add(std::move(lookup), span);
  }
  if (name == "MATCH_PROCTIME") {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound now, rows_.call("PROCTIME", {}, span));
    return std::optional<Bound>(std::move(now));
  }
  if (name == "NEXT") {
    return error(span, ErrorId::kSqlUnsupported,
                 "NEXT would look at rows that have not come yet; use one more variable");
  }
  if (name != "FIRST" && name != "LAST" && name != "PREV") { return std::optional<Bound>(); }
  if (name == "PREV" && !in_condition_) {
    return error(span, ErrorId::kSqlUnsupported, "PREV can stand in DEFINE only");
  }
  if (call.arguments.empty() || call.arguments.size() > 2) {
    return error(span, ErrorId::kSqlType,
                 fmt::format("{} takes a value and a number of rows", name));
  }
  int64_t offset = name == "PREV" ? 1 : 0;
  if (call.arguments.size() == 2) {
    const Expression& rows = *call.arguments[1].value;
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound number, rows_.bind(rows));
    number = fold(std::move(number), EvalOptions{});
    if (!number.is_literal() || number.literal.is_null() || !number.type.is_integer() ||
        number.literal.integer() < 0) {
      return error(rows.span, ErrorId::kSqlType, "a number of rows is a constant, and not below 0");
    }
    offset = number.literal.integer();
  }
  int32_t of = -1;
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, row_value(*call.arguments[0].value, of));
  const Lookup::Kind kind = name == "PREV"    ? Lookup::Kind::kPrevious
                            : name == "FIRST" ? Lookup::Kind::kFirst
                                              : Lookup::Kind::kLast;
  return add(value_lookup(kind, of, offset, std::move(value)), span);
}

Result<std::optional<Bound>> MatchBinder::look_up_aggregate(const std::string& name,
                                                            const FunctionCall& call, Span span) {
  if (call.distinct || call.filter.has_value() || call.over.has_value()) {
    return error(span, ErrorId::kSqlUnsupported,
                 "aggregates of MATCH_RECOGNIZE have no DISTINCT, FILTER or OVER");
  }
  Lookup lookup;
  lookup.kind = Lookup::Kind::kAggregate;
  AggregateCallNode& node = lookup.call;
  node.function = name == "STDDEV" ? "STDDEV_SAMP" : name == "VARIANCE" ? "VAR_SAMP" : name;
  if (name == "APPROX_COUNT_DISTINCT") {
    return error(span, ErrorId::kSqlUnsupported,
                 "aggregates of MATCH_RECOGNIZE have no DISTINCT, FILTER or OVER");
  }
  std::vector<LogicalType> types;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const Expression& argument = *call.arguments[i].value;
    if (const auto* star = std::get_if<Star>(&argument.node)) {
      if (star->of.has_value()) {
        TIDEWHEEL_ASSIGN_OR_RETURN(lookup.variable, known_variable(star->of->parts.back()));
      }
      continue;
    }
    int32_t of = -1;
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, row_value(argument, of));
    types.push_back(value.type);
    if (name == "LISTAGG" && i == 1) {
      if (!value.is_literal() || !value.type.is_character()) {
        return error(argument.span, ErrorId::kSqlType, "the separator of LISTAGG is a string");
      }
      node.separator = value.literal.text();
      continue;
    }
    lookup.variable = of;
    node.arguments.push_back(column_of(std::move(value)));
  }
  if (node.arguments.empty() && name != "COUNT") {
    return error(span, ErrorId::kSqlType, fmt::format("{} takes an argument", name));
  }
  Result<LogicalType> type = aggregate_call_type(name, types, /*may_be_empty=*/true);
  if (!type.ok()) { return error(span, ErrorId::kSqlType, std::string(type.status().message())); }
  node.result = std::move(*type);
  lookup.type = node.result;
  return add(std::move(lookup), span);
}

Status MatchBinder::take_conditions() {
  in_condition_ = true;
  for (const MatchRecognize::Definition& one : match_.definitions) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int32_t index, known_variable(one.variable));
    std::optional<Bound>& condition = node_.conditions[static_cast<size_t>(index)];
    if (condition.has_value()) {
      return error(one.variable.span, ErrorId::kSqlQuery,
                   fmt::format("'{}' is defined twice", one.variable.name));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(condition, along_->bind_condition(one.condition));
  }
  in_condition_ = false;
  return {};
}

Status MatchBinder::take_measures(RowType& output) {
  for (const Bound& key : partition_) {
    node_.partition_by.push_back(key.column);
    output.add(scope_.columns.names[static_cast<size_t>(key.column)], key.type);
  }
  for (const MatchRecognize::Measure& one : match_.measures) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, along_->bind(one.value));
    output.add(one.name.name, value.type);
    node_.measures.push_back(std::move(value));
  }
  if (output.size() == 0) {
    return error(match_.input->span, ErrorId::kSqlQuery,
                 "nothing would be given for a match: MEASURES or PARTITION BY are needed");
  }
  return {};
}

PlanRef MatchBinder::finish(PlanRef input, RowType output) {
  if (!added_.empty()) {
    std::vector<Bound> outputs = all_columns(*input);
    std::vector<std::string> names = input->type.names;
    for (Bound& value : added_) {
      names.push_back("$match" + std::to_string(outputs.size()));
      outputs.push_back(std::move(value));
    }
    input = make_calc(std::move(input), std::nullopt, std::move(outputs), std::move(names));
  }
  Plan plan;
  plan.type = std::move(output);
  plan.node = std::move(node_);
  plan.inputs.push_back(std::move(input));
  return make_plan(std::move(plan));
}

}  // namespace

Result<Planned> QueryBinder::from_node(const MatchRecognize& match,
                                       const TableReference& reference) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Planned input, from(*match.input));
  MatchBinder binder(text_, input.scope, environment_.functions, match);
  TIDEWHEEL_RETURN_IF_ERROR(binder.take_pattern());
  TIDEWHEEL_RETURN_IF_ERROR(binder.take_order(input));
  TIDEWHEEL_RETURN_IF_ERROR(binder.take_skip());
  TIDEWHEEL_RETURN_IF_ERROR(binder.take_within());
  TIDEWHEEL_RETURN_IF_ERROR(binder.take_conditions());
  RowType output;
  TIDEWHEEL_RETURN_IF_ERROR(binder.take_measures(output));
  std::optional<SideTableNode> late;
  if (hints_ != nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(late, late_table(*hints_, input.scope, *input.plan));
  }
  const PlanRef plan = binder.finish(std::move(input.plan), std::move(output));
  if (!late.has_value()) { return aliased(plan, reference.alias, ""); }
  auto made = std::make_shared<Plan>(*plan);
  made->side = std::move(late);
  return aliased(std::move(made), reference.alias, "");
}

}  // namespace tidewheel::sql
