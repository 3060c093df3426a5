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
#include "tidewheel/sql/join_order.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/like_pattern.h"
#include "tidewheel/sql/multi_join_rule.h"
#include "tidewheel/sql/optimizer.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/read_settings.h"
#include "tidewheel/sql/shared_scans.h"
#include "tidewheel/sql/sink_plan.h"
#include "tidewheel/sql/skew.h"

namespace tidewheel::sql {
namespace {

// A setting of SQL itself. All others are options of the engine.
struct Setting {
  std::string_view key;
  OptionKind kind;
  std::string_view default_text;
  std::string_view description;
  std::string_view choices = "";  // of a text: what it may be, compared without case
};
constexpr Setting kSettings[] = {
    {"consistency", OptionKind::kText, "eventual",
     "eventual: results are right when the input rests; epoch: whatever is given leads from the "
     "exact answer for one part of the input to that for a longer one",
     "EVENTUAL, EPOCH"},
    {"pipeline.name", OptionKind::kText, "", "what the next jobs are called"},
    {"pipeline.auto-watermark-interval", OptionKind::kDuration, "200 ms",
     "0: a watermark behind every row that advances event time; else behind every batch"},
    {"sql-client.execution.result-mode", OptionKind::kText, "table",
     "table: the rows there are at the end; changelog: every change; tableau: as changelog",
     "TABLE, CHANGELOG, TABLEAU"},
    {"table.dml-sync", OptionKind::kBool, "false", "INSERT waits until its job has ended"},
    {"table.exec.async-lookup.buffer-capacity", OptionKind::kInt, "100",
     "calls of an asynchronous lookup join that may be under way"},
    {"table.exec.async-lookup.output-mode", OptionKind::kText, "ORDERED",
     "ORDERED: rows of asynchronous lookup joins keep their order; ALLOW_UNORDERED: as they come",
     "ORDERED, ALLOW_UNORDERED"},
    {"table.exec.async-lookup.timeout", OptionKind::kDuration, "3 min",
     "how long an asynchronous lookup may take"},
    {"table.exec.async-scalar.buffer-capacity", OptionKind::kInt, "10",
     "calls of an asynchronous function that may be under way"},
    {"table.exec.async-scalar.max-attempts", OptionKind::kInt, "3",
     "how often a call that fails is made, with the first"},
    {"table.exec.async-scalar.retry-delay", OptionKind::kDuration, "100 ms",
     "how long after a failure a call is made again"},
    {"table.exec.async-scalar.retry-strategy", OptionKind::kText, "FIXED_DELAY",
     "whether a call that fails is made again", "FIXED_DELAY, NO_RETRY"},
    {"table.exec.async-scalar.timeout", OptionKind::kDuration, "3 min",
     "how long the value of a row may take, with all attempts; 0: for ever"},
    {"table.exec.epoch.buffer-size", OptionKind::kMemory, "64 mb",
     "what a subtask before a table keeps of an epoch at most"},
    {"table.exec.epoch.interval", OptionKind::kDuration, "100 ms",
     "how long an epoch lasts, from 1 ms"},
    {"table.exec.deduplicate.insert-update-after-sensitive-enabled", OptionKind::kText, "TRUE",
     "the first row of a key is an insertion, always", "TRUE"},
    {"table.exec.fold-batches.enabled", OptionKind::kBool, "false",
     "aggregates give one change a key for each batch of rows, and not one for each row"},
    {"table.exec.interval-join.min-cleanup-interval", OptionKind::kText, "0 ms",
     "rows of interval joins go as soon as the watermark allows it", "0 MS, 0 S, 0"},
    {"table.exec.mini-batch.allow-latency", OptionKind::kDuration, "0 ms",
     "how long rows wait for a mini-batch to fill; above 0 where there are mini-batches"},
    {"table.exec.mini-batch.enabled", OptionKind::kBool, "false",
     "aggregates gather rows, and give one change a key for all of them"},
    {"table.exec.mini-batch.size", OptionKind::kInt, "-1",
     "so many rows make a mini-batch full; above 0 where there are mini-batches"},
    {"table.exec.resource.default-parallelism", OptionKind::kInt, "-1",
     "subtasks of operators of SQL; -1: parallelism.default"},
    {"table.exec.sink.keyed-shuffle", OptionKind::kText, "AUTO",
     "whether rows for a table with a primary key are spread by it: AUTO, where subtasks of the "
     "sink are others than those before it and rows change",
     "AUTO, FORCE, NONE"},
    {"table.exec.sink.not-null-enforcer", OptionKind::kText, "ERROR",
     "a row with NULL for a column that can't be NULL fails the job, or is left out (DROP)",
     "ERROR, DROP"},
    {"table.exec.sink.upsert-materialize", OptionKind::kText, "AUTO",
     "whether all rows of a primary key are kept, so that it has the last one of those there are: "
     "AUTO, where rows of several keys of the query may have the same",
     "AUTO, FORCE, NONE"},
    {"table.exec.sink.type-length-enforcer", OptionKind::kText, "TRIM_PAD",
     "values are cut, and CHAR and BINARY are filled up, to the length that a column is declared "
     "with",
     "TRIM_PAD"},
    {"table.exec.sort.default-limit", OptionKind::kText, "-1",
     "ORDER BY gives all rows where no LIMIT is said", "-1"},
    {"table.exec.source.cdc-events-duplicate", OptionKind::kText, "FALSE",
     "changes that a table is read from come once each", "FALSE"},
    {"table.exec.state.ttl", OptionKind::kDuration, "0 ms",
     "how long state of a key is kept that is not used; 0: for ever"},
    {"table.exec.uid.generation", OptionKind::kText, "ALWAYS",
     "state is found by what an operator does, with a compiled plan or without",
     "ALWAYS, PLAN_ONLY"},
    {"table.dynamic-table-options.enabled", OptionKind::kText, "TRUE",
     "the hint OPTIONS is followed", "TRUE"},
    {"table.optimizer.agg-phase-strategy", OptionKind::kText, "AUTO",
     "TWO_PHASE: rows are aggregated where they come from before they are spread by key, where "
     "nothing is taken back; AUTO: those of windows, with several subtasks; ONE_PHASE: none",
     "AUTO, ONE_PHASE, TWO_PHASE"},
    {"table.optimizer.distinct-agg.split.bucket-num", OptionKind::kInt, "1024",
     "into how many parts the values of DISTINCT are split"},
    {"table.optimizer.distinct-agg.split.enabled", OptionKind::kBool, "false",
     "values of DISTINCT are counted in parts first, in several subtasks"},
    {"table.local-time-zone", OptionKind::kText, "UTC",
     "where TIMESTAMP_LTZ is shown, and CURRENT_TIMESTAMP taken: a name, an offset, or system"},
    {"table.optimizer.join-reorder-enabled", OptionKind::kBool, "false",
     "inner joins of inputs that end are put into the order that is expected to cost least; else "
     "they stay as they are written"},
    {"table.optimizer.multi-join.enabled", OptionKind::kText, "AUTO",
     "joins of several tables on a key that they have in common are one operator, which keeps the "
     "rows of each table and no results of joins between them: TRUE, inner and left ones; AUTO, "
     "inner ones of inputs that do not end; FALSE, none",
     "AUTO, TRUE, FALSE"},
    {"table.optimizer.non-deterministic-update.strategy", OptionKind::kText, "IGNORE",
     "changes of values that are others when they are computed again are not looked for", "IGNORE"},
    {"table.optimizer.reuse-sub-plan-enabled", OptionKind::kText, "TRUE",
     "equal parts of a job are computed once", "TRUE"},
    {"table.plan.force-recompile", OptionKind::kBool, "false",
     "COMPILE PLAN writes over a plan that is there"},
};

// Keys of the dialect that mean nothing here, and what is done instead. A key that ends with a dot:
// all that begin so.
constexpr std::pair<std::string_view, std::string_view> kRefusedSettings[] = {
    {"table.exec.emit.",
     "windows give their results once, when event time has passed their end; CUMULATE gives some "
     "before, and the hint LATE_TABLE has a place for rows that come later"},
    {"table.exec.rank.topn-cache-size", "Top-N has its rows in its state, and no cache beside it"},
    {"table.exec.sink.rowtime-inserter",
     "a table writes the time of a record where it has a column METADATA FROM 'timestamp'"},
    {"table.exec.source.idle-timeout",
     "'scan.watermark.idle-timeout' says it for each table, in WITH or by the hint OPTIONS"},
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
    case OptionKind::kInt:
      if (value == setting.default_text) { return ok_status(); }  // -1: as if it were not set
      return parse_int(value).ok() && *parse_int(value) >= 1 ? ok_status()
                                                             : wrong("a whole number from 1 on");
    case OptionKind::kDuration:
      if (!parse_duration_ms(value).ok()) { return wrong("a duration such as '5 s'"); }
      if (setting.key == "table.exec.epoch.interval" && *parse_duration_ms(value) < 1) {
        return wrong("a duration of 1 ms or more");
      }
      return ok_status();
    case OptionKind::kMemory:
      return parse_memory_bytes(value).ok() && *parse_memory_bytes(value) >= 1
                 ? ok_status()
                 : wrong("a size such as '64 mb'");
    default: break;
  }
  if (setting.key == "table.local-time-zone") { return TimeZone::find(value).status(); }
  if (!setting.choices.empty()) {
    const std::string wanted = in_capitals(value);
    for (size_t begin = 0; begin < setting.choices.size();) {
      const size_t end = std::min(setting.choices.find(", ", begin), setting.choices.size());
      if (setting.choices.substr(begin, end - begin) == wanted) { return ok_status(); }
      begin = end + 2;
    }
    // One choice: what is so in any case.
    if (setting.choices.find(',') == std::string_view::npos) {
      return invalid_argument(ErrorId::kBadOptionValue, "'{}' is '{}' here, and not '{}': {}",
                              setting.key, setting.default_text, value, setting.description);
    }
    return wrong(std::string(setting.choices).c_str());
  }
  return ok_status();
}

}  // namespace

Session::Session(World& world, SessionOptions options)
    : world_(world),
      options_(std::move(options)),
      catalog_(&world),
      functions_(builtin_functions()) {}
Session::~Session() = default;

BinderEnvironment Session::environment() const {
  BinderEnvironment made{catalog_, functions_, tables(), options_.file_table};
  if (named_objects_ == nullptr) { return made; }
  made.on_object = [this](Span, const ObjectPath& object, int32_t) {
    named_objects_->insert(object);
  };
  made.file_table = [](const std::string& path) -> Result<std::shared_ptr<const TableDefinition>> {
    return unimplemented(ErrorId::kSqlUnsupported,
                         "a plan has the definitions of its tables, and a file has none: CREATE "
                         "TABLE for '{0}' (SHOW CREATE TABLE '{0}' writes one)",
                         path);
  };
  return made;
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

std::vector<std::string> Session::setting_keys() const {
  std::vector<std::string> keys;
  for (const Setting& setting : kSettings) { keys.emplace_back(setting.key); }
  return keys;
}

std::string Session::setting(const std::string& key) const {
  if (const auto it = settings_.find(key); it != settings_.end()) { return it->second; }
  const Setting* const known = find_setting(key);
  return known == nullptr ? "" : std::string(known->default_text);
}

BuildOptions Session::build_options(bool is_bounded) const {
  return ReadSettings{*this}.build(world_, is_bounded);
}

void Session::lend_to(Env& env) const { env.graph()->keep(options_.tables); }

std::unique_ptr<Env> Session::make_env(const std::string& name) {
  Config config = options_.config;
  if (const int64_t count = *parse_int(setting("table.exec.resource.default-parallelism"));
      count > 0) {
    config.set(options::kParallelism, count);
  }
  auto env = std::make_unique<Env>(world_, std::move(config));
  // Jobs are found again by their names: each of a session has its own.
  std::string chosen = setting("pipeline.name");
  if (chosen.empty()) { chosen = name; }
  const int32_t number = ++names_[chosen];
  env->default_name(number == 1 ? chosen : fmt::format("{}-{}", chosen, number));
  lend_to(*env);
  if (options_.runner) { env->run_with(options_.runner); }
  return env;
}

Result<PlanRef> Session::optimized(PlanRef plan) const {
  const ReadSettings settings{*this};
  TIDEWHEEL_RETURN_IF_ERROR(settings.check_mini_batch());
  if (settings.flag("table.optimizer.join-reorder-enabled")) {
    plan = with_join_order(plan, tables(), world_.files(), functions_);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, optimize(std::move(plan), settings.eval(world_, false)));
  const std::string joins = settings.word("table.optimizer.multi-join.enabled");
  if (joins == "FALSE") { return plan; }
  return with_multi_joins(plan, joins == "TRUE" ? MultiJoins::kAll : MultiJoins::kAuto);
}

Result<PlanRef> Session::plan(std::string_view text, const Query& query, bool needs_before) {
  const BinderEnvironment environment = this->environment();
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, bind_query(environment, text, query));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, optimized(std::move(plan)));
  return infer_changelog(with_skew_handled(plan, ReadSettings{*this}.skew()), needs_before);
}

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
    // By time it is no work that could be left to whoever shows the rows: late ones are dropped.
    if (!sort->by_time) { plan = plan->inputs[0]; }
  } else if (const auto* top = std::get_if<TopNNode>(&plan->node);
             top != nullptr && top->partition_by.empty() && !top->has_rank) {
    running.order_by = top->order_by;
  } else if (const auto* limit = std::get_if<LimitNode>(&plan->node);
             limit != nullptr && !plan->updates) {
    running.limit = limit->count;
  }
  return plan;
}

Result<StatementResult> Session::run_query(std::string_view text, const Query& query) {
  if (options_.runner) {
    return unimplemented(ErrorId::kSqlUnsupported,
                         "the rows of a query have nobody to see them on a cluster: INSERT them "
                         "INTO a table");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, this->plan(text, query, /*needs_before=*/true));
  RunningQuery running;
  const std::vector<std::string> names = plan->type.names;
  plan = take_order(std::move(plan), running);
  const bool has_epochs = ReadSettings{*this}.epochs().interval_ms > 0;
  if (has_epochs) { plan = share_scans({plan})[0]; }
  running.type = plan->type;
  // What named them may have gone with the order.
  std::copy_n(names.begin(), std::min(names.size(), running.type.size()),
              running.type.names.begin());
  running.updates = plan->updates;
  running.is_bounded = plan->is_bounded;
  running.rows = std::make_shared<ResultQueue>();
  running.env = make_env("query");
  BuildOptions options = ReadSettings{*this}.build(world_, plan->is_bounded);
  if (options_.source_pause) { options.pause = options_.source_pause(); }
  JobBuilder builder(*running.env, tables(), std::move(options));
  TIDEWHEEL_RETURN_IF_ERROR(builder.show(*plan, ResultSink(running.rows, has_epochs)));
  TIDEWHEEL_ASSIGN_OR_RETURN(running.job, running.env->execute_async());
  return StatementResult(std::move(running));
}

Result<bool> Session::takes_changes(const TableDefinition& table) const {
  const auto option = table.options.find("connector");
  if (option == table.options.end()) {
    return invalid_argument(ErrorId::kSqlOption,
                            "the table has no option 'connector', so that nobody can write it: {}",
                            table.path);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const TableConnector* const connector,
                             tables().connector(option->second));
  TIDEWHEEL_RETURN_IF_ERROR(check_metadata(*connector, table));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSink> sink,
                             connector->sink({table, tables()}));
  return sink->changelog() != ChangelogKinds::kAppend;
}

Result<Session::Prepared> Session::prepare_insert(std::string_view text, const Insert& insert) {
  if (insert.overwrite) {
    return error_at(text, insert.table.span(), ErrorId::kSqlUnsupported,
                    "a table is added to while a query runs, and can't be overwritten by it; use "
                    "INSERT INTO");
  }
  Result<const CatalogObject*> found = catalog_.find(insert.table);
  if (!found.ok()) {
    return error_at(text, insert.table.span(), found.status().id(),
                    std::string(found.status().message()));
  }
  if ((*found)->table() == nullptr) {
    return error_at(text, insert.table.span(), ErrorId::kSqlCatalog,
                    "nothing can be inserted into a view");
  }
  if (named_objects_ != nullptr) { named_objects_->insert((*found)->path); }
  std::vector<Option> options;
  for (const Hint& hint : insert.hints) {
    options.insert(options.end(), hint.options.begin(), hint.options.end());
  }
  Prepared prepared;
  TIDEWHEEL_ASSIGN_OR_RETURN(prepared.bound, bind_query(environment(), text, insert.query));
  TIDEWHEEL_RETURN_IF_ERROR(plan_insert(text, insert.query, **found, options, insert.columns,
                                        insert.partition, prepared));
  return prepared;
}

Status Session::plan_insert(std::string_view text, const Query& query, const CatalogObject& table,
                            const std::vector<Option>& hints,
                            const std::vector<Identifier>& columns,
                            const std::vector<Insert::Partition>& partition, Prepared& prepared) {
  const BinderEnvironment environment = this->environment();
  TIDEWHEEL_ASSIGN_OR_RETURN(prepared.sink, define_table(environment, table, hints));
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, fit_to_sink(environment, text, query, prepared.bound,
                                                       *prepared.sink, columns, partition));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, optimized(std::move(plan)));
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool takes_changes, this->takes_changes(*prepared.sink));
  plan = with_materializer(std::move(plan), *prepared.sink,
                           ReadSettings{*this}.upsert_materialize(), takes_changes);
  prepared.plan = infer_changelog(with_skew_handled(plan, ReadSettings{*this}.skew()),
                                  /*needs_before=*/true);
  return ok_status();
}

void Session::share_inputs(std::vector<Prepared>& all) const {
  if (ReadSettings{*this}.epochs().interval_ms == 0) { return; }
  std::vector<PlanRef> plans;
  for (const Prepared& one : all) { plans.push_back(one.plan); }
  plans = share_scans(std::move(plans));
  for (size_t i = 0; i < all.size(); ++i) { all[i].plan = std::move(plans[i]); }
}

Result<StatementResult> Session::run_inserts(std::string_view text,
                                             const std::vector<Insert>& inserts) {
  for (const Insert& insert : inserts) {
    const Result<const CatalogObject*> found = catalog_.find(insert.table);
    if (!found.ok() || (*found)->table() == nullptr) { continue; }  // said where it is bound
    if ((*found)->table()->materialization.has_value()) {
      return error_at(text, insert.table.span(), ErrorId::kSqlCatalog,
                      "a materialized table has what its query gives, and nothing is inserted");
    }
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(RunningInsert running, build_inserts(text, inserts));
  return start(std::move(running));
}

Result<RunningInsert> Session::build_inserts(std::string_view text,
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
  share_inputs(all);
  JobBuilder builder(*running.env, tables(), ReadSettings{*this}.build(world_, is_bounded));
  for (const Prepared& prepared : all) {
    TIDEWHEEL_RETURN_IF_ERROR(builder.insert(*prepared.plan, *prepared.sink));
  }
  return running;
}

Result<StatementResult> Session::start(RunningInsert running) {
  running.waits = ReadSettings{*this}.flag("table.dml-sync");
  running.env->resume(options_.resumes);
  if (options_.resumes && options_.config.get(options::kCheckpointDirectory).empty()) {
    return invalid_argument(ErrorId::kUsage,
                            "to go on from checkpoints takes the folder that they are in: SET '{}' "
                            "= '..', or --checkpoint-dir",
                            options::kCheckpointDirectory.key);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(running.job, running.env->execute_async());
  return StatementResult(std::move(running));
}

namespace {

// Errors: kUnknownOption for keys of Flink that can mean nothing here.
Status check_not_refused(const std::string& key) {
  for (const auto& [refused, why] : kRefusedSettings) {
    const bool is_prefix = refused.ends_with('.');
    if (is_prefix ? key.starts_with(refused) : key == refused) {
      return invalid_argument(ErrorId::kUnknownOption, "{} means nothing here: {}", key, why);
    }
  }
  return ok_status();
}

}  // namespace

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
  TIDEWHEEL_RETURN_IF_ERROR(check_not_refused(option.key));
  TIDEWHEEL_RETURN_IF_ERROR(options_.config.set(option.key, option.value));
  return StatementResult(Done{});
}

void Session::keep_as_defaults() {
  default_settings_ = settings_;
  default_config_ = options_.config;
}

Result<StatementResult> Session::reset(const Reset& statement) {
  if (!statement.key.has_value()) {
    settings_ = default_settings_;
    options_.config = default_config_;
    return StatementResult(Done{});
  }
  const auto known = default_settings_.find(*statement.key);
  if (known != default_settings_.end()) {
    settings_[known->first] = known->second;
    return StatementResult(Done{});
  }
  if (settings_.erase(*statement.key) > 0 || find_setting(*statement.key) != nullptr) {
    return StatementResult(Done{});
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_not_refused(*statement.key));
  Config rest;
  // No value is given: what is wrong with that one does not matter.
  Status named = rest.set(*statement.key, "");
  if (!named.ok() && named.id() == ErrorId::kUnknownOption) { return named; }
  rest = {};
  for (const auto& [key, value] : options_.config.values()) {
    if (key != *statement.key) { TIDEWHEEL_RETURN_IF_ERROR(rest.set(key, value)); }
  }
  const auto& values = default_config_.values();
  if (const auto kept = values.find(*statement.key); kept != values.end()) {
    TIDEWHEEL_RETURN_IF_ERROR(rest.set(kept->first, kept->second));
  }
  options_.config = std::move(rest);
  return StatementResult(Done{});
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
    if (drop.kind == ObjectKind::kFunction) { return done(session.drop_function(drop)); }
    if (drop.kind == ObjectKind::kMaterializedTable) {
      return done(session.drop_materialized(drop));
    }
    return done(session.catalog_.drop(drop));
  }
  Out operator()(const Alter& alter) const { return session.alter(text, alter); }
  Out operator()(const Insert& insert) const { return session.run_inserts(text, {insert}); }
  Out operator()(const StatementSet& set) const {
    if (set.inserts.empty()) { return StatementResult(Done{}); }
    return session.run_inserts(text, set.inserts);
  }
  Out operator()(const Explain& explain) const { return session.explain(text, explain); }
  Out operator()(const Use& use) const {
    Status used = use.kind == Use::Kind::kCatalog
                      ? session.catalog_.use_catalog(use.name.parts.back().name)
                      : session.catalog_.use_database(use.name);
    session.functions_.set_current(session.catalog_.current_catalog(),
                                   session.catalog_.current_database());
    return done(std::move(used));
  }
  Out operator()(const Show& show) const { return session.show(show); }
  Out operator()(const Describe& describe) const { return session.describe(describe); }
  Out operator()(const Set& set) const { return session.set(set); }
  Out operator()(const Reset& reset) const { return session.reset(reset); }
  Out operator()(const CreateFunction& create) const {
    return done(session.create_function(text, create));
  }
  Out operator()(const DescribeJob& describe) const { return session.describe_job(describe); }
  Out operator()(const StopJob& stop) const { return session.stop_job(stop); }
  Out operator()(const CompilePlan& plan) const { return session.compile_plan(text, plan); }
  Out operator()(const ExecutePlan& plan) const { return session.execute_plan(plan.path); }
  Out operator()(const ModuleStatement& modules) const {
    return done(session.change_modules(text, modules));
  }
  Out operator()(const LibraryStatement& library) const {
    return session.change_libraries(text, library);
  }
  // Whoever executes a script has seen to it.
  Out operator()(const ClientStatement&) const { return StatementResult(Done{}); }
};

Result<StatementResult> Session::execute(std::string_view text, const Statement& statement) {
  catalog_.forget();
  return std::visit(Executor{*this, text}, statement.node);
}

}  // namespace tidewheel::sql
