// What stands behind FROM: tables, views, files, queries, windows and joins.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {
namespace {

JoinKind join_kind(Join::Kind kind) {
  switch (kind) {
    case Join::Kind::kLeft: return JoinKind::kLeft;
    case Join::Kind::kRight: return JoinKind::kRight;
    case Join::Kind::kFull: return JoinKind::kFull;
    default: return JoinKind::kInner;
  }
}

// The arguments of a window function by their names, whether they were given by name or by place.
struct WindowArguments {
  const Expression* data = nullptr;
  const Expression* time = nullptr;
  std::vector<const Expression*> lengths;
};

std::vector<std::string> length_names(const std::string& function) {
  if (function == "TUMBLE") { return {"SIZE", "OFFSET"}; }
  if (function == "HOP") { return {"SLIDE", "SIZE", "OFFSET"}; }
  if (function == "CUMULATE") { return {"STEP", "SIZE", "OFFSET"}; }
  return {"GAP"};
}

bool is_window_function(const std::string& name) {
  return name == "TUMBLE" || name == "HOP" || name == "CUMULATE" || name == "SESSION";
}

// What is joined with a table that is made of no columns.
Planned one_row() {
  Plan one;
  one.node = ValuesNode{{{}}};
  return Planned{make_plan(std::move(one)), Scope()};
}

}  // namespace

bool is_lateral(const TableReference& reference) {
  if (std::holds_alternative<UnnestTable>(reference.node)) { return true; }
  if (const auto* derived = std::get_if<DerivedTable>(&reference.node)) { return derived->lateral; }
  const auto* table = std::get_if<FunctionTable>(&reference.node);
  if (table == nullptr) { return false; }
  const auto* call = std::get_if<FunctionCall>(&table->call.node);
  return call != nullptr && !is_window_function(in_capitals(call->name.parts.back().name));
}

Result<Planned> QueryBinder::from(const TableReference& reference) {
  return std::visit([&](const auto& node) { return from_node(node, reference); }, reference.node);
}

Result<Planned> QueryBinder::aliased(PlanRef plan, const std::optional<Alias>& alias,
                                     std::string name) {
  RowType columns = plan->type;
  if (alias.has_value()) {
    name = alias->name.name;
    if (!alias->columns.empty()) {
      if (alias->columns.size() != columns.size()) {
        return error(alias->name.span, ErrorId::kSqlName,
                     fmt::format("{} columns are named, and there are {}", alias->columns.size(),
                                 columns.size()));
      }
      for (size_t i = 0; i < columns.size(); ++i) { columns.names[i] = alias->columns[i].name; }
    }
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, with_state_ttl(std::move(plan), name));
  return Planned{std::move(plan), Scope::of(std::move(columns), std::move(name))};
}

namespace {

// Whether a plan has numbers of rows without a limit: conditions of its readers, which may give
// one, have to get there.
bool has_open_numbers(const Plan& plan, std::unordered_set<const Plan*>& seen) {
  if (std::holds_alternative<RankNode>(plan.node)) { return true; }
  const auto* calc = std::get_if<CalcNode>(&plan.node);
  const bool passes_conditions = calc != nullptr || std::holds_alternative<JoinNode>(plan.node) ||
                                 std::holds_alternative<UnionNode>(plan.node) ||
                                 std::holds_alternative<SetOperationNode>(plan.node) ||
                                 std::holds_alternative<CorrelateNode>(plan.node) ||
                                 std::holds_alternative<AggregateNode>(plan.node);
  if (!passes_conditions || plan.is_shared || !seen.insert(&plan).second) { return false; }
  if (calc != nullptr && calc->condition.has_value() &&
      std::holds_alternative<RankNode>(plan.input().node)) {
    bool is_limited = false;
    const size_t number = plan.input().type.size() - 1;
    for_each_column(*calc->condition, [&](const Bound& column) {
      is_limited = is_limited || static_cast<size_t>(column.column) == number;
    });
    return !is_limited;
  }
  return std::any_of(plan.inputs.begin(), plan.inputs.end(),
                     [&](const PlanRef& input) { return has_open_numbers(*input, seen); });
}

// What several parts of a statement name. Rows that are made one by one are made again for each;
// so are numbers of rows, of which each may want others.
PlanRef as_shared(PlanRef plan) {
  const Plan* below = plan.get();
  while (std::holds_alternative<CalcNode>(below->node)) { below = &below->input(); }
  if (is_row_by_row(*below) || std::holds_alternative<RankNode>(below->node)) { return plan; }
  std::unordered_set<const Plan*> seen;
  if (has_open_numbers(*plan, seen)) { return plan; }
  auto made = std::make_shared<Plan>(*plan);
  made->is_shared = true;
  return made;
}

}  // namespace

Result<PlanRef> QueryBinder::expand_view(const CatalogObject& view) {
  if (depth_ >= kViewDepthMax) {
    return invalid_argument(ErrorId::kSqlQuery, "views are nested too deeply, or in each other: {}",
                            view.path.to_string());
  }
  if (const auto it = named_->views.find(view.path); it != named_->views.end()) {
    return it->second;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, bind_view(view));
  if (named_->uses.is_shared(view.path)) { plan = as_shared(std::move(plan)); }
  named_->views.emplace(view.path, plan);
  return plan;
}

Result<PlanRef> QueryBinder::bind_view(const CatalogObject& view) {
  QueryBinder inner(environment_, *view.text, depth_ + 1, named_);
  TIDEWHEEL_ASSIGN_OR_RETURN(
      PlanRef plan,
      inner.query(view.view()->query).with_context("in the view {}", view.path.to_string()));
  const std::vector<Identifier>& columns = view.view()->columns;
  if (columns.empty()) { return plan; }
  if (columns.size() != plan->type.size()) {
    return invalid_argument(ErrorId::kSqlName, "the view {} names {} columns, and its query has {}",
                            view.path.to_string(), columns.size(), plan->type.size());
  }
  std::vector<std::string> names;
  for (const Identifier& column : columns) { names.push_back(column.name); }
  std::vector<Bound> outputs = all_columns(*plan);
  return make_calc(std::move(plan), std::nullopt, std::move(outputs), std::move(names));
}

Result<PlanRef> QueryBinder::common_table(size_t index) {
  const Common one = common_[index];
  if (*one.bound != nullptr) { return *one.bound; }
  if (named_->depth >= kNamedDepthMax) {
    return error(
        one.table->name.span, ErrorId::kSqlQuery,
        fmt::format("queries of WITH name each other {} deep, and no deeper", kNamedDepthMax));
  }
  ++named_->depth;
  Result<PlanRef> plan = bind_common(index);
  --named_->depth;
  if (!plan.ok()) { return plan; }
  *one.bound = named_->uses.is_shared(*one.table) ? as_shared(std::move(*plan)) : std::move(*plan);
  return *one.bound;
}

// A query of WITH sees those before it, and what was around it.
Result<PlanRef> QueryBinder::bind_common(size_t index) {
  const std::vector<Common> all = common_;
  const std::vector<ExpressionBinder*> outers = outers_;
  const CommonTable& one = *common_[index].table;
  outers_.resize(std::min(outers_.size(), common_[index].outers));
  common_.resize(index);
  Result<PlanRef> plan = query(*one.query);
  common_ = all;
  outers_ = outers;
  if (!plan.ok() || one.columns.empty()) { return plan; }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      Planned renamed, aliased(std::move(*plan), Alias{one.name, one.columns}, one.name.name));
  std::vector<Bound> outputs = all_columns(*renamed.plan);
  return make_calc(std::move(renamed.plan), std::nullopt, std::move(outputs),
                   renamed.scope.columns.names);
}

bool QueryBinder::is_common(const Name& name) const {
  return name.parts.size() == 1 &&
         std::any_of(common_.begin(), common_.end(),
                     [&](const Common& one) { return one.table->name.name == name.parts[0].name; });
}

Result<PlanRef> QueryBinder::named(const NamedTable& table) {
  if (table.is_file) {
    const Identifier& path = table.name.parts[0];
    if (!environment_.file_table) {
      return error(path.span, ErrorId::kSqlUnsupported, "files can't be named here");
    }
    Result<std::shared_ptr<const TableDefinition>> file = environment_.file_table(path.name);
    if (!file.ok()) {
      return error(path.span, file.status().id(), std::string(file.status().message()));
    }
    return scan_definition(std::move(*file));
  }
  if (table.name.parts.size() == 1) {
    for (size_t i = common_.size(); i-- > 0;) {
      if (common_[i].table->name.name == table.name.parts[0].name) { return common_table(i); }
    }
  }
  Result<const CatalogObject*> found = environment_.catalog.find(table.name);
  if (!found.ok()) {
    std::string message(found.status().message());
    return error(table.name.span(), found.status().id(), std::move(message));
  }
  if (environment_.on_object) { environment_.on_object(table.name.span(), (*found)->path, depth_); }
  if ((*found)->view() != nullptr) { return expand_view(**found); }
  std::vector<Option> options;
  for (const Hint& hint : table.hints) {
    if (in_capitals(hint.name.name) == "OPTIONS") {
      options.insert(options.end(), hint.options.begin(), hint.options.end());
    } else {
      return error(hint.name.span, ErrorId::kSqlUnsupported,
                   fmt::format("a table takes the hint OPTIONS only, not {}", hint.name.name));
    }
  }
  Result<PlanRef> made = this->table(**found, options);
  // What is wrong with its options, or its connector, has no place of its own.
  if (!made.ok() && !made.status().message().starts_with("line ")) {
    return error(table.name.span(), made.status().id(), std::string(made.status().message()));
  }
  return made;
}

Result<Planned> QueryBinder::from_node(const NamedTable& table, const TableReference& reference) {
  if (table.as_of.has_value()) {
    return error(table.as_of->span, ErrorId::kSqlQuery,
                 "FOR SYSTEM_TIME AS OF stands behind the right table of a JOIN .. ON only");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, named(table));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      Planned planned,
      aliased(std::move(plan), reference.alias, table.is_file ? "" : table.name.parts.back().name));
  if (reference.alias.has_value() || table.is_file || is_common(table.name)) { return planned; }
  // By its own name, its columns can be called with their whole path.
  if (const auto found = environment_.catalog.find(table.name); found.ok()) {
    planned.scope.relations.front().catalog = (*found)->path.catalog;
    planned.scope.relations.front().database = (*found)->path.database;
  }
  return planned;
}

Result<Planned> QueryBinder::from_node(const DerivedTable& table, const TableReference& reference) {
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, query(*table.query));
  return aliased(std::move(plan), reference.alias, "");
}

Result<Planned> QueryBinder::from_node(const UnnestTable&, const TableReference& reference) {
  return lateral(one_row(), reference, nullptr);
}
Result<Planned> QueryBinder::from_node(const FunctionTable& table,
                                       const TableReference& reference) {
  const auto* call = std::get_if<FunctionCall>(&table.call.node);
  if (is_lateral(reference)) { return lateral(one_row(), reference, nullptr); }
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, window_table(*call, table.call.span));
  return aliased(std::move(plan), reference.alias, "");
}

namespace {

Result<WindowArguments> window_arguments(std::string_view text, const FunctionCall& call,
                                         const std::string& name, Span span) {
  const std::vector<std::string> lengths = length_names(name);
  WindowArguments found;
  found.lengths.resize(lengths.size(), nullptr);
  size_t place = 0;
  for (const FunctionCall::Argument& argument : call.arguments) {
    std::string key;
    if (argument.name.has_value()) {
      key = in_capitals(argument.name->name);
    } else {
      key = place == 0 ? "DATA" : place == 1 ? "TIMECOL" : "";
      if (place >= 2 && place - 2 < lengths.size()) { key = lengths[place - 2]; }
      ++place;
    }
    const auto it = std::find(lengths.begin(), lengths.end(), key);
    if (key == "DATA") {
      found.data = &*argument.value;
    } else if (key == "TIMECOL") {
      found.time = &*argument.value;
    } else if (it != lengths.end()) {
      found.lengths[static_cast<size_t>(it - lengths.begin())] = &*argument.value;
    } else {
      std::string all = "DATA, TIMECOL";
      for (const std::string& one : lengths) { all += ", " + one; }
      return error_at(text, argument.value->span, ErrorId::kSqlQuery,
                      fmt::format("{} takes the arguments {}", name, all));
    }
  }
  for (size_t i = 0; i < lengths.size(); ++i) {
    const bool missing = found.lengths[i] == nullptr && lengths[i] != "OFFSET";
    if (missing || found.data == nullptr || found.time == nullptr) {
      return error_at(text, span, ErrorId::kSqlQuery,
                      fmt::format("{}(TABLE t, DESCRIPTOR(time), {}) is missing an argument", name,
                                  lengths[0]));
    }
  }
  return found;
}

Result<int64_t> window_length(std::string_view text, const Expression& expression,
                              bool may_be_zero) {
  const auto* interval = std::get_if<IntervalLiteral>(&expression.node);
  if (interval == nullptr) {
    return error_at(text, expression.span, ErrorId::kSqlType,
                    "a length of a window is an INTERVAL of days to seconds");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const Bound bound, bind_interval(text, *interval, expression.span));
  if (bound.type.kind != TypeKind::kIntervalSecond ||
      (!may_be_zero && bound.literal.integer() <= 0)) {
    return error_at(text, expression.span, ErrorId::kSqlType,
                    "a length of a window is an INTERVAL of days to seconds, above zero");
  }
  return bound.literal.integer();
}

Status check_multiple(std::string_view text, const std::string& name, const WindowSpecNode& window,
                      Span span) {
  if (window.slide_ms == 0 || window.size_ms % window.slide_ms == 0) { return ok_status(); }
  return error_at(text, span, ErrorId::kSqlQuery,
                  fmt::format("the size of {} ({} ms) has to be a multiple of its {} ({} ms)", name,
                              window.size_ms, name == "HOP" ? "slide" : "step", window.slide_ms));
}

}  // namespace

Result<PlanRef> QueryBinder::window_table(const FunctionCall& call, Span span) {
  const std::string name = in_capitals(call.name.parts.back().name);
  TIDEWHEEL_ASSIGN_OR_RETURN(const WindowArguments arguments,
                             window_arguments(text_, call, name, span));
  WindowSpecNode window;
  const auto length = [&](size_t index, bool may_be_zero, int64_t& to) -> Status {
    if (arguments.lengths[index] == nullptr) { return ok_status(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(to, window_length(text_, *arguments.lengths[index], may_be_zero));
    return ok_status();
  };
  if (name == "TUMBLE") {
    TIDEWHEEL_RETURN_IF_ERROR(length(0, false, window.size_ms));
    TIDEWHEEL_RETURN_IF_ERROR(length(1, true, window.offset_ms));
  } else if (name == "SESSION") {
    window.kind = WindowSpecNode::Kind::kSession;
    TIDEWHEEL_RETURN_IF_ERROR(length(0, false, window.size_ms));
  } else {
    window.kind = name == "HOP" ? WindowSpecNode::Kind::kHop : WindowSpecNode::Kind::kCumulate;
    TIDEWHEEL_RETURN_IF_ERROR(length(0, false, window.slide_ms));
    TIDEWHEEL_RETURN_IF_ERROR(length(1, false, window.size_ms));
    TIDEWHEEL_RETURN_IF_ERROR(length(2, true, window.offset_ms));
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_multiple(text_, name, window, span));
  const auto* data = std::get_if<TableArgument>(&arguments.data->node);
  const auto* subquery = std::get_if<Subquery>(&arguments.data->node);
  const auto* descriptor = std::get_if<Descriptor>(&arguments.time->node);
  if ((data == nullptr && subquery == nullptr) || descriptor == nullptr ||
      descriptor->columns.size() != 1) {
    return error(span, ErrorId::kSqlQuery,
                 fmt::format("{} is called with TABLE t and DESCRIPTOR(time)", name));
  }
  PlanRef input;
  if (data != nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(input, named(NamedTable{data->table, false, {}, std::nullopt}));
  } else {
    TIDEWHEEL_ASSIGN_OR_RETURN(input, query(*subquery->query));
  }
  const Scope scope = Scope::of(input->type, "");
  TIDEWHEEL_ASSIGN_OR_RETURN(const Bound time,
                             resolve_column(scope, text_, Name{descriptor->columns}));
  if (time.type.time == TimeAttribute::kNone) {
    return error(
        descriptor->columns[0].span, ErrorId::kSqlType,
        fmt::format("'{}' is no time attribute: windows need a column with a WATERMARK, or "
                    "of PROCTIME()",
                    descriptor->columns[0].name));
  }
  WindowNode node{window, time.column, {}};
  if (data != nullptr) {
    ExpressionBinder binder(text_, scope, environment_.functions);
    for (const Expression& one : data->partition_by) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const Bound column, binder.bind(one));
      if (column.kind != Bound::Kind::kColumn) {
        return error(one.span, ErrorId::kSqlQuery, "PARTITION BY of a window takes columns");
      }
      node.partition_by.push_back(column.column);
    }
  }
  return make_window(std::move(input), std::move(node));
}

PlanRef make_window(PlanRef input, WindowNode node) {
  Plan plan;
  plan.type = input->type;
  plan.updates = input->updates;
  const auto first = static_cast<int32_t>(plan.type.size());
  LogicalType bound = LogicalType::with(TypeKind::kTimestamp, 3, 0, false);
  LogicalType time = plan.type.types[static_cast<size_t>(node.time)];
  time.nullable = false;
  // The time attribute of what comes behind is the window's.
  for (LogicalType& type : plan.type.types) { type.time = TimeAttribute::kNone; }
  plan.type.add("window_start", bound);
  plan.type.add("window_end", bound);
  plan.type.add("window_time", time);
  plan.window = WindowColumns{node.window, first, first + 1, first + 2};
  plan.node = std::move(node);
  plan.inputs.push_back(std::move(input));
  return make_plan(std::move(plan));
}

Result<Planned> QueryBinder::query_join(const Join& join, JoinKind kind, Planned left,
                                        Planned right) {
  if (kind != JoinKind::kInner) {
    return error(join.on->span, ErrorId::kSqlUnsupported,
                 "the condition of an outer join can't have queries; join what they give");
  }
  Scope scope = Scope::beside(left.scope, right.scope);
  Planned joined{
      make_join(std::move(left.plan), std::move(right.plan), kind, {}, environment_.functions),
      std::move(scope)};
  joined.scope.columns.types = joined.plan->type.types;
  ExpressionBinder behind = expressions(joined.scope);
  TIDEWHEEL_ASSIGN_OR_RETURN(joined.plan, filtered(joined.plan, behind, *join.on));
  return joined;
}

Result<Planned> QueryBinder::from_node(const Join& join, const TableReference& reference) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Planned left, from(*join.left));
  if (const auto* table = std::get_if<NamedTable>(&join.right->node);
      table != nullptr && table->as_of.has_value()) {
    return temporal_join(join, reference, std::move(left));
  }
  if (is_lateral(*join.right)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Planned both, lateral(std::move(left), *join.right, &join));
    if (!reference.alias.has_value()) { return both; }
    return aliased(std::move(both.plan), reference.alias, "");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(Planned right, from(*join.right));
  const JoinKind kind = join_kind(join.kind);
  const bool has_async = join.on.has_value() && has_async_call(*join.on);
  if (has_async || (join.on.has_value() && has_query(*join.on))) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        Planned joined, has_async ? async_join(join, kind, std::move(left), std::move(right))
                                  : query_join(join, kind, std::move(left), std::move(right)));
    if (reference.alias.has_value()) { return aliased(joined.plan, reference.alias, ""); }
    return joined;
  }
  Scope scope = Scope::beside(left.scope, right.scope);
  TIDEWHEEL_ASSIGN_OR_RETURN(const CommonColumns common,
                             common_columns(join, left.scope, right.scope));
  std::vector<Bound> conditions;
  for (size_t i = 0; i < common.size(); ++i) {
    ExpressionBinder binder(text_, scope, environment_.functions);
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound equal,
                               binder.call("=", {common[i].left, common[i].right}, common[i].span));
    conditions.push_back(std::move(equal));
  }
  if (join.on.has_value()) {
    ExpressionBinder binder = expressions(scope);
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound condition, binder.bind_condition(*join.on));
    conditions = split_conjunction(std::move(condition));
  }
  Planned joined{make_join(std::move(left.plan), std::move(right.plan), kind, std::move(conditions),
                           environment_.functions),
                 std::move(scope)};
  joined.scope.columns.types = joined.plan->type.types;
  if (!common.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(joined, with_common(std::move(joined), kind, common));
  }
  if (reference.alias.has_value()) { return aliased(std::move(joined.plan), reference.alias, ""); }
  return joined;
}

Result<QueryBinder::CommonColumns> QueryBinder::common_columns(const Join& join, const Scope& left,
                                                               const Scope& right) const {
  std::vector<Identifier> names = join.using_columns;
  if (join.natural) {
    for (const size_t column : left.all()) {
      const Identifier name{left.columns.names[column], join.right->span};
      if (is_known(right, Name{{name}})) { names.push_back(name); }
    }
  }
  const auto shift = static_cast<int32_t>(left.columns.size());
  CommonColumns common;
  for (const Identifier& name : names) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound a, resolve_column(left, text_, Name{{name}}));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound b, resolve_column(right, text_, Name{{name}}));
    b.column += shift;
    common.push_back({std::move(a), std::move(b), name.span});
  }
  return common;
}

Result<Planned> QueryBinder::with_common(Planned joined, JoinKind kind,
                                         const CommonColumns& common) {
  Scope& scope = joined.scope;
  const std::vector<size_t> rest = scope.all();
  std::vector<size_t> first;
  const auto of_join = [&](const Bound& column) {
    return Bound::of_column(column.column, scope.columns.types[static_cast<size_t>(column.column)],
                            column.span);
  };
  // Of a full join either side may be missing: what they have in common is a column of its own.
  if (kind == JoinKind::kFull) {
    std::vector<Bound> outputs = all_columns(*joined.plan);
    std::vector<std::string> names = joined.plan->type.names;
    const size_t behind = outputs.size();
    ExpressionBinder binder(text_, scope, environment_.functions);
    for (const CommonColumn& one : common) {
      TIDEWHEEL_ASSIGN_OR_RETURN(
          Bound value, binder.call("COALESCE", {of_join(one.left), of_join(one.right)}, one.span));
      first.push_back(outputs.size());
      names.push_back(scope.columns.names[static_cast<size_t>(one.left.column)]);
      scope.columns.add(names.back(), value.type);
      outputs.push_back(std::move(value));
    }
    scope.relations.push_back({"", "", "", behind, common.size()});
    joined.plan =
        make_calc(std::move(joined.plan), std::nullopt, std::move(outputs), std::move(names));
  }
  for (const CommonColumn& one : common) {
    // Of a right join the right one is the one that is always there.
    if (kind != JoinKind::kRight) { scope.hide(static_cast<size_t>(one.right.column)); }
    if (kind == JoinKind::kRight || kind == JoinKind::kFull) {
      scope.hide(static_cast<size_t>(one.left.column));
    }
    if (kind == JoinKind::kFull) { continue; }
    const Bound& shown = kind == JoinKind::kRight ? one.right : one.left;
    first.push_back(static_cast<size_t>(shown.column));
  }
  for (const size_t column : rest) {
    const bool is_first = std::find(first.begin(), first.end(), column) != first.end();
    if (!is_first && !scope.is_hidden(column)) { first.push_back(column); }
  }
  scope.order = std::move(first);
  return joined;
}

}  // namespace tidewheel::sql
