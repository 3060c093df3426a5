#include "tidewheel/sql/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/base/time_zone.h"
#include "tidewheel/base/world.h"
#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/build.h"
#include "tidewheel/sql/changelog.h"
#include "tidewheel/sql/expression_binder.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/like_pattern.h"
#include "tidewheel/sql/optimizer.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"

namespace tidewheel::sql {
namespace {

// A setting of SQL itself. All others are options of the engine.
struct Setting {
  std::string_view key;
  OptionKind kind;
  std::string_view default_text;
  std::string_view description;
};
constexpr Setting kSettings[] = {
    {"pipeline.name", OptionKind::kText, "", "what the next jobs are called"},
    {"pipeline.auto-watermark-interval", OptionKind::kDuration, "200 ms",
     "0: a watermark behind every row that advances event time; else behind every batch"},
    {"sql-client.execution.result-mode", OptionKind::kText, "table",
     "table: the rows there are at the end; changelog: every change; tableau: as changelog"},
    {"table.dml-sync", OptionKind::kBool, "false", "INSERT waits until its job has ended"},
    {"table.exec.mini-batch.enabled", OptionKind::kBool, "false",
     "aggregates give one change a key for each batch of rows, and not one for each row"},
    {"table.exec.state.ttl", OptionKind::kDuration, "0 ms",
     "how long state of a key is kept that is not used; 0: for ever"},
    {"table.local-time-zone", OptionKind::kText, "UTC",
     "where TIMESTAMP_LTZ is shown, and CURRENT_TIMESTAMP taken: a name, an offset, or system"},
};

const Setting* find_setting(std::string_view key) {
  const auto* it = std::find_if(std::begin(kSettings), std::end(kSettings),
                                [&](const Setting& one) { return one.key == key; });
  return it == std::end(kSettings) ? nullptr : it;
}

Status check_setting(const Setting& setting, const std::string& value) {
  const auto wrong = [&](const char* wanted) {
    return invalid_argument(ErrorId::kBadOptionValue, "'{}' takes {}, not '{}'", setting.key,
                            wanted, value);
  };
  switch (setting.kind) {
    case OptionKind::kBool: return parse_bool(value).ok() ? ok_status() : wrong("true or false");
    case OptionKind::kInt: return parse_int(value).ok() ? ok_status() : wrong("a whole number");
    case OptionKind::kDuration:
      return parse_duration_ms(value).ok() ? ok_status() : wrong("a duration such as '5 s'");
    default: break;
  }
  if (setting.key == "table.local-time-zone") { return TimeZone::find(value).status(); }
  if (setting.key == "sql-client.execution.result-mode" && value != "table" &&
      value != "changelog" && value != "tableau") {
    return wrong("table, changelog or tableau");
  }
  return ok_status();
}

}  // namespace

Session::Session(World& world, SessionOptions options)
    : world_(world),
      options_(std::move(options)),
      functions_(std::make_shared<const FunctionRegistry>(builtin_functions())) {}
Session::~Session() = default;

BinderEnvironment Session::binder_environment() const {
  return {catalog_, *functions_, *options_.tables, options_.file_table};
}

void Session::lend_to(Env& env) const {
  env.graph()->keep(functions_);
  env.graph()->keep(options_.tables);
}

void Session::add_function(std::shared_ptr<const ScalarFunction> function) {
  auto functions = std::make_shared<FunctionRegistry>(*functions_);
  functions->add(std::move(function));
  functions_ = std::move(functions);
}

std::vector<std::string> Session::column_names() const {
  std::vector<std::string> names;
  for (const std::string& table : catalog_.objects(true, false)) {
    Name name;
    name.parts.push_back({table, {}});
    const Result<const CatalogObject*> found = catalog_.find(name);
    if (!found.ok() || (*found)->table() == nullptr) { continue; }
    for (const Column& column : (*found)->table()->columns) {
      names.push_back(column_name(column).name);
    }
  }
  return names;
}

std::string Session::setting(const std::string& key) const {
  if (const auto it = settings_.find(key); it != settings_.end()) { return it->second; }
  const Setting* const known = find_setting(key);
  return known == nullptr ? "" : std::string(known->default_text);
}

namespace {

struct ReadSettings {
  const Session& session;
  bool flag(const char* key) const { return *parse_bool(session.setting(key)); }
  int64_t ms(const char* key) const { return *parse_duration_ms(session.setting(key)); }

  EvalOptions eval(World& world, bool is_bounded) const {
    EvalOptions options;
    options.zone = *TimeZone::find(session.setting("table.local-time-zone"));
    options.clock = &world.clock();
    if (is_bounded) { options.query_start_ms = world.clock().wall_ms(); }
    options.random_seed = world.fork_random().next();
    options.database = session.catalog().current_database();
    return options;
  }
  BuildOptions build(World& world, bool is_bounded) const {
    BuildOptions options;
    options.eval = eval(world, is_bounded);
    options.watermark_per_record = ms("pipeline.auto-watermark-interval") == 0;
    options.state_ttl_ms = ms("table.exec.state.ttl");
    options.mini_batch = flag("table.exec.mini-batch.enabled");
    return options;
  }
};

}  // namespace

BuildOptions Session::build_options(bool is_bounded) const {
  return ReadSettings{*this}.build(world_, is_bounded);
}

std::unique_ptr<Env> Session::make_env(const std::string& name) {
  auto env = std::make_unique<Env>(world_, options_.config);
  const std::string chosen = setting("pipeline.name");
  env->default_name(chosen.empty() ? name : chosen);
  lend_to(*env);
  return env;
}

Result<PlanRef> Session::plan(std::string_view text, const Query& query, bool needs_before) {
  const BinderEnvironment environment = binder_environment();
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, bind_query(environment, text, query));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan,
                             optimize(std::move(plan), ReadSettings{*this}.eval(world_, false)));
  return infer_changelog(plan, needs_before);
}

namespace {

// What the caller does with the rows himself: sorting, and stopping when he has enough.
PlanRef take_order(PlanRef plan, RunningQuery& running) {
  running.visible = plan->type.size();
  const auto* calc = std::get_if<CalcNode>(&plan->node);
  if (calc != nullptr && !calc->condition.has_value()) {
    // Hidden columns to sort by stand behind those that are shown.
    bool is_prefix = true;
    for (size_t i = 0; i < calc->outputs.size(); ++i) {
      is_prefix = is_prefix && calc->outputs[i].kind == Bound::Kind::kColumn &&
                  calc->outputs[i].column == static_cast<int32_t>(i);
    }
    const Plan& below = plan->input();
    if (is_prefix && (std::holds_alternative<SortNode>(below.node) ||
                      std::holds_alternative<TopNNode>(below.node))) {
      plan = plan->inputs[0];
    }
  }
  if (const auto* sort = std::get_if<SortNode>(&plan->node)) {
    running.order_by = sort->order_by;
    plan = plan->inputs[0];
  } else if (const auto* top = std::get_if<TopNNode>(&plan->node);
             top != nullptr && top->partition_by.empty() && !top->has_rank) {
    running.order_by = top->order_by;
  } else if (const auto* limit = std::get_if<LimitNode>(&plan->node);
             limit != nullptr && !plan->updates) {
    running.limit = limit->count;
  }
  return plan;
}

}  // namespace

Result<StatementResult> Session::run_query(std::string_view text, const Query& query) {
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, this->plan(text, query, /*needs_before=*/true));
  RunningQuery running;
  plan = take_order(std::move(plan), running);
  running.type = plan->type;
  running.updates = plan->updates;
  running.is_bounded = plan->is_bounded;
  running.rows = std::make_shared<ResultQueue>();
  running.env = make_env("query");
  JobBuilder builder(*running.env, tables(), build_options(plan->is_bounded));
  TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, builder.build(*plan));
  rows.to(ResultSink(running.rows)).name("result").uid("sql-result");
  TIDEWHEEL_ASSIGN_OR_RETURN(running.job, running.env->execute_async());
  return StatementResult(std::move(running));
}

Result<Session::Prepared> Session::prepare_insert(std::string_view text, const Insert& insert) {
  if (insert.overwrite || !insert.partition.empty()) {
    return error_at(text, insert.table.span(), ErrorId::kSqlUnsupported,
                    "INSERT OVERWRITE and PARTITION are not there yet");
  }
  const BinderEnvironment environment = binder_environment();
  Result<const CatalogObject*> found = catalog_.find(insert.table);
  if (!found.ok()) {
    return error_at(text, insert.table.span(), found.status().id(),
                    std::string(found.status().message()));
  }
  if ((*found)->table() == nullptr) {
    return error_at(text, insert.table.span(), ErrorId::kSqlCatalog,
                    "nothing can be inserted into a view");
  }
  std::vector<Option> options;
  for (const Hint& hint : insert.hints) {
    options.insert(options.end(), hint.options.begin(), hint.options.end());
  }
  Prepared prepared;
  TIDEWHEEL_ASSIGN_OR_RETURN(prepared.sink, define_table(environment, **found, options));
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, bind_query(environment, text, insert.query));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, fit_to_sink(environment, text, insert.query, std::move(plan),
                                               *prepared.sink, insert.columns));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan,
                             optimize(std::move(plan), ReadSettings{*this}.eval(world_, false)));
  prepared.plan = infer_changelog(plan, /*needs_before=*/true);
  return prepared;
}

Result<StatementResult> Session::run_inserts(std::string_view text,
                                             const std::vector<Insert>& inserts) {
  RunningInsert running;
  running.env = make_env("insert-into_" + catalog_.path_of(inserts[0].table).to_string());
  std::vector<Prepared> all;
  bool is_bounded = true;
  for (const Insert& insert : inserts) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Prepared prepared, prepare_insert(text, insert));
    is_bounded = is_bounded && prepared.plan->is_bounded;
    all.push_back(std::move(prepared));
  }
  JobBuilder builder(*running.env, tables(), ReadSettings{*this}.build(world_, is_bounded));
  for (const Prepared& prepared : all) {
    TIDEWHEEL_RETURN_IF_ERROR(builder.insert(*prepared.plan, *prepared.sink));
  }
  running.waits = ReadSettings{*this}.flag("table.dml-sync");
  TIDEWHEEL_ASSIGN_OR_RETURN(running.job, running.env->execute_async());
  return StatementResult(std::move(running));
}

Result<StatementResult> Session::explain(std::string_view text, const Explain& statement) {
  bool with_changelog = false;
  for (const Explain::Detail detail : statement.details) {
    if (detail == Explain::Detail::kChangelogMode) {
      with_changelog = true;
    } else {
      return unimplemented(ErrorId::kSqlUnsupported,
                           "EXPLAIN shows CHANGELOG_MODE; the other details are not there yet");
    }
  }
  Listing listing;
  listing.is_text = true;
  listing.columns = {"plan"};
  const auto add = [&](const Plan& plan) {
    const std::string lines = plan_text(plan, with_changelog);
    for (size_t begin = 0; begin < lines.size();) {
      const size_t end = lines.find('\n', begin);
      listing.rows.push_back({lines.substr(begin, end - begin)});
      begin = end + 1;
    }
  };
  listing.rows.push_back({"== Optimized Physical Plan =="});
  if (const auto* query = std::get_if<Query>(&statement.statement->node)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef plan, this->plan(text, *query, true));
    add(*plan);
  } else if (const auto* insert = std::get_if<Insert>(&statement.statement->node)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Prepared prepared, prepare_insert(text, *insert));
    listing.rows.push_back({"Sink(table=[" + prepared.sink->path + "])"});
    add(*prepared.plan);
  } else if (const auto* set = std::get_if<StatementSet>(&statement.statement->node)) {
    for (const Insert& one : set->inserts) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const Prepared prepared, prepare_insert(text, one));
      listing.rows.push_back({"Sink(table=[" + prepared.sink->path + "])"});
      add(*prepared.plan);
    }
  } else {
    return invalid_argument(ErrorId::kSqlQuery, "EXPLAIN takes a query or an INSERT");
  }
  return StatementResult(std::move(listing));
}

Result<StatementResult> Session::set(const Set& statement) {
  if (!statement.option.has_value()) {
    Listing listing;
    listing.columns = {"key", "value"};
    std::map<std::string, std::string> all = settings_;
    for (const auto& [key, value] : options_.config.values()) { all[key] = value; }
    for (const auto& [key, value] : all) { listing.rows.push_back({key, value}); }
    return StatementResult(std::move(listing));
  }
  const Option& option = *statement.option;
  if (const Setting* const known = find_setting(option.key)) {
    TIDEWHEEL_RETURN_IF_ERROR(check_setting(*known, option.value));
    settings_[option.key] = option.value;
    return StatementResult(Done{});
  }
  TIDEWHEEL_RETURN_IF_ERROR(options_.config.set(option.key, option.value));
  return StatementResult(Done{});
}

Result<StatementResult> Session::reset(const Reset& statement) {
  if (!statement.key.has_value()) {
    settings_.clear();
    options_.config = Config();
    return StatementResult(Done{});
  }
  if (settings_.erase(*statement.key) > 0 || find_setting(*statement.key) != nullptr) {
    return StatementResult(Done{});
  }
  Config rest;
  for (const auto& [key, value] : options_.config.values()) {
    if (key != *statement.key) { TIDEWHEEL_RETURN_IF_ERROR(rest.set(key, value)); }
  }
  options_.config = std::move(rest);
  return StatementResult(Done{});
}

Result<StatementResult> Session::show(const Show& statement) {
  Listing listing;
  std::vector<std::string> names;
  switch (statement.what) {
    case Show::What::kCatalogs:
      listing.columns = {"catalog name"};
      names = catalog_.catalogs();
      break;
    case Show::What::kDatabases:
      listing.columns = {"database name"};
      names = catalog_.databases();
      break;
    case Show::What::kTables:
      listing.columns = {"table name"};
      names = catalog_.objects(true, true);
      break;
    case Show::What::kViews:
      listing.columns = {"view name"};
      names = catalog_.objects(false, true);
      break;
    case Show::What::kFunctions:
      listing.columns = {"function name"};
      names = functions_->names();
      break;
    case Show::What::kUserFunctions: listing.columns = {"function name"}; break;
    case Show::What::kCurrentCatalog:
      listing.columns = {"current catalog name"};
      names = {catalog_.current_catalog()};
      break;
    case Show::What::kCurrentDatabase:
      listing.columns = {"current database name"};
      names = {catalog_.current_database()};
      break;
    case Show::What::kColumns: {
      Describe describe;
      describe.name = *statement.of;
      return this->describe(describe);
    }
    case Show::What::kCreateTable:
    case Show::What::kCreateView: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObject* const object, catalog_.find(*statement.of));
      Statement made;
      if (const CreateTable* const table = object->table()) {
        made.node = *table;
      } else {
        made.node = *object->view();
      }
      listing.is_text = true;
      listing.columns = {"result"};
      listing.rows.push_back({to_sql(made)});
      return StatementResult(std::move(listing));
    }
    case Show::What::kJobs:
      return unimplemented(ErrorId::kSqlUnsupported,
                           "SHOW JOBS needs a cluster, and there is none");
  }
  const std::string pattern = statement.like.value_or("%");
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const LikePattern like,
      LikePattern::compile(statement.ignore_case ? in_capitals(pattern) : pattern, ""));
  for (std::string& name : names) {
    if (like.matches(statement.ignore_case ? in_capitals(name) : name) == statement.not_like) {
      continue;
    }
    listing.rows.push_back({std::move(name)});
  }
  return StatementResult(std::move(listing));
}

Result<StatementResult> Session::describe(const Describe& statement) {
  if (statement.kind != ObjectKind::kTable && statement.kind != ObjectKind::kView) {
    return unimplemented(ErrorId::kSqlUnsupported, "DESCRIBE takes a table or a view");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObject* const object, catalog_.find(statement.name));
  const BinderEnvironment environment = binder_environment();
  Listing listing;
  listing.columns = {"name", "type", "null", "key", "extras", "watermark"};
  const CreateTable* const table = object->table();
  RowType type;
  if (table == nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef plan,
                               bind_query(environment, *object->text, object->view()->query));
    type = plan->type;
    for (size_t i = 0; i < object->view()->columns.size(); ++i) {
      type.names[i] = object->view()->columns[i].name;
    }
  } else {
    TIDEWHEEL_ASSIGN_OR_RETURN(type, table_columns(environment, *object));
  }
  for (size_t i = 0; i < type.size(); ++i) {
    std::vector<std::string> row{type.names[i],
                                 type.types[i].as_nullable().to_string(),
                                 type.types[i].nullable ? "TRUE" : "FALSE",
                                 "",
                                 "",
                                 ""};
    if (type.types[i].time == TimeAttribute::kEvent) { row[1] += " *ROWTIME*"; }
    if (table != nullptr) {
      const Column& column = table->columns[i];
      const auto* physical = std::get_if<PhysicalColumn>(&column);
      bool is_key = physical != nullptr && physical->primary_key;
      if (table->primary_key.has_value()) {
        for (const Identifier& one : table->primary_key->columns) {
          is_key = is_key || one.name == type.names[i];
        }
      }
      if (is_key) { row[3] = "PRI"; }
      if (const auto* computed = std::get_if<ComputedColumn>(&column)) {
        row[4] = "AS " + to_sql(computed->value);
      } else if (const auto* metadata = std::get_if<MetadataColumn>(&column)) {
        row[4] = "METADATA";
        if (metadata->key.has_value()) { row[4] += " FROM '" + *metadata->key + "'"; }
        if (metadata->is_virtual) { row[4] += " VIRTUAL"; }
      }
      if (table->watermark.has_value() &&
          table->watermark->column.parts.back().name == type.names[i]) {
        row[5] = to_sql(table->watermark->value);
      }
    }
    listing.rows.push_back(std::move(row));
  }
  return StatementResult(std::move(listing));
}

Result<StatementResult> Session::create_table(std::string_view text, const CreateTable& statement) {
  if (statement.query.has_value() || statement.like.has_value()) {
    return error_at(text, statement.name.span(), ErrorId::kSqlUnsupported,
                    "CREATE TABLE with AS or LIKE is not there yet");
  }
  if (statement.distribution.has_value()) {
    return error_at(text, statement.name.span(), ErrorId::kSqlUnsupported,
                    "DISTRIBUTED BY is not there");
  }
  CatalogObject object;
  object.path = catalog_.path_of(statement.name);
  object.text = std::make_shared<const std::string>(text);
  object.definition = statement;
  object.temporary = statement.temporary;
  // What is wrong with it is said now, and not when it is used.
  const BinderEnvironment environment = binder_environment();
  TIDEWHEEL_RETURN_IF_ERROR(table_columns(environment, object).status());
  TIDEWHEEL_RETURN_IF_ERROR(
      catalog_.create(std::move(object), statement.if_not_exists, statement.or_replace));
  return StatementResult(Done{});
}

Result<StatementResult> Session::create_view(std::string_view text, const CreateView& statement) {
  CatalogObject object;
  object.path = catalog_.path_of(statement.name);
  object.text = std::make_shared<const std::string>(text);
  object.definition = statement;
  object.temporary = statement.temporary;
  const BinderEnvironment environment = binder_environment();
  TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef plan, bind_query(environment, text, statement.query));
  if (!statement.columns.empty() && statement.columns.size() != plan->type.size()) {
    return error_at(text, statement.name.span(), ErrorId::kSqlName,
                    fmt::format("the view names {} columns, and its query has {}",
                                statement.columns.size(), plan->type.size()));
  }
  TIDEWHEEL_RETURN_IF_ERROR(catalog_.create(std::move(object), statement.if_not_exists, false));
  return StatementResult(Done{});
}

Result<StatementResult> Session::alter(const Alter& statement) {
  if (const auto* rename = std::get_if<RenameTo>(&statement.action)) {
    TIDEWHEEL_RETURN_IF_ERROR(
        catalog_.rename(statement.kind, statement.name, rename->name, statement.if_exists));
    return StatementResult(Done{});
  }
  CatalogObject* const object = catalog_.find_mutable(catalog_.path_of(statement.name));
  auto* const table = object == nullptr ? nullptr : std::get_if<CreateTable>(&object->definition);
  if (table == nullptr) {
    if (statement.if_exists) { return StatementResult(Done{}); }
    return not_found(ErrorId::kSqlCatalog, "there is no table '{}'{}", name_text(statement.name),
                     near_miss(statement.name.parts.back().name, catalog_.objects(true, false)));
  }
  if (const auto* set = std::get_if<SetOptions>(&statement.action)) {
    for (const Option& option : set->options) {
      std::erase_if(table->options, [&](const Option& old) { return old.key == option.key; });
      table->options.push_back(option);
    }
    return StatementResult(Done{});
  }
  if (const auto* reset = std::get_if<ResetOptions>(&statement.action)) {
    for (const std::string& key : reset->keys) {
      std::erase_if(table->options, [&](const Option& old) { return old.key == key; });
    }
    return StatementResult(Done{});
  }
  return unimplemented(ErrorId::kSqlUnsupported,
                       "ALTER changes names and options; columns can't be changed yet");
}

// By kind of statement.
struct Session::Executor {
  Session& session;
  std::string_view text;
  using Out = Result<StatementResult>;

  static Out done(Status status) {
    if (!status.ok()) { return status; }
    return StatementResult(Done{});
  }
  Out operator()(const Query& query) const { return session.run_query(text, query); }
  Out operator()(const CreateTable& create) const { return session.create_table(text, create); }
  Out operator()(const CreateView& create) const { return session.create_view(text, create); }
  Out operator()(const CreateCatalog& create) const {
    return done(session.catalog_.create_catalog(create));
  }
  Out operator()(const CreateDatabase& create) const {
    return done(session.catalog_.create_database(create));
  }
  Out operator()(const Drop& drop) const {
    if (drop.kind == ObjectKind::kFunction) {
      return unimplemented(ErrorId::kSqlUnsupported, "functions of one's own are not there yet");
    }
    return done(session.catalog_.drop(drop));
  }
  Out operator()(const Alter& alter) const { return session.alter(alter); }
  Out operator()(const Insert& insert) const { return session.run_inserts(text, {insert}); }
  Out operator()(const StatementSet& set) const {
    if (set.inserts.empty()) { return StatementResult(Done{}); }
    return session.run_inserts(text, set.inserts);
  }
  Out operator()(const Explain& explain) const { return session.explain(text, explain); }
  Out operator()(const Use& use) const {
    return done(use.kind == Use::Kind::kCatalog
                    ? session.catalog_.use_catalog(use.name.parts.back().name)
                    : session.catalog_.use_database(use.name));
  }
  Out operator()(const Show& show) const { return session.show(show); }
  Out operator()(const Describe& describe) const { return session.describe(describe); }
  Out operator()(const Set& set) const { return session.set(set); }
  Out operator()(const Reset& reset) const { return session.reset(reset); }
  Out operator()(const CreateFunction&) const {
    return unimplemented(ErrorId::kSqlUnsupported, "functions of one's own are not there yet");
  }
  Out operator()(const DescribeJob&) const { return no_cluster(); }
  Out operator()(const StopJob&) const { return no_cluster(); }
  static Out no_cluster() {
    return unimplemented(ErrorId::kSqlUnsupported,
                         "jobs are looked at and stopped in a cluster, and there is none");
  }
};

Result<StatementResult> Session::execute(std::string_view text, const Statement& statement) {
  return std::visit(Executor{*this, text}, statement.node);
}

}  // namespace tidewheel::sql
