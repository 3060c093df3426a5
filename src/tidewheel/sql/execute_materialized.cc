// Materialized tables: tables that a job keeps to what their query gives. The catalog has the
// query; the session has the job, or the savepoint in which it was suspended.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/base/options.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/sql/expression_binder.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/sql/table_definition.h"

namespace tidewheel::sql {
namespace {

// From here on a table whose mode is not said would be refreshed as a whole, by Flink's default
// ('materialized-table.refresh-mode.freshness-threshold').
constexpr int64_t kContinuousBelowMs = 30 * 60 * 1000;

// Errors: kSqlUnsupported, when nobody could keep it so fresh.
Result<int64_t> freshness_ms(std::string_view text, const CreateTable& table) {
  const Materialization& made = *table.materialization;
  const auto refuse = [&](std::string why) {
    return error_at(text, table.name.span(), ErrorId::kSqlUnsupported, std::move(why));
  };
  TIDEWHEEL_ASSIGN_OR_RETURN(const Bound interval,
                             bind_interval(text, made.freshness, table.name.span()));
  if (interval.type.kind != TypeKind::kIntervalSecond) {
    return refuse("FRESHNESS is an interval of days, hours, minutes or seconds");
  }
  const int64_t ms = interval.literal.integer();
  if (ms <= 0) { return refuse("FRESHNESS is an interval above 0"); }
  using Mode = Materialization::Mode;
  if (made.mode == Mode::kFull || (made.mode == Mode::kUnsaid && ms >= kContinuousBelowMs)) {
    return refuse(
        fmt::format("a table can't be overwritten as a whole again and again{}; REFRESH_MODE = "
                    "CONTINUOUS has a job keep it to what its query gives",
                    made.mode == Mode::kFull ? ""
                                             : ", which a FRESHNESS of 30 minutes or more means "
                                               "unless something else is said"));
  }
  return ms;
}

}  // namespace

Result<StatementResult> Session::create_materialized(std::string_view text,
                                                     const CreateTable& statement) {
  TIDEWHEEL_RETURN_IF_ERROR(freshness_ms(text, statement).status());
  const ObjectPath path = catalog_.path_of(statement.name);
  if (catalog_.find(statement.name).ok() && statement.if_not_exists) {
    return StatementResult(Done{});
  }
  // Its query is one that is understood wherever it is read.
  CreateView view;
  view.name = statement.name;
  view.query = *statement.query;
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogObject of_query, make_view(text, std::move(view), path));
  TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef plan, bind_query(environment(), text, *statement.query));
  CatalogObject object;
  object.path = path;
  TIDEWHEEL_ASSIGN_OR_RETURN(CreateTable table, merge_query(text, statement, plan->type));
  table.query = of_query.view()->query;
  object.definition = std::move(table);
  TIDEWHEEL_ASSIGN_OR_RETURN(object, rewritten(std::move(object)));
  TIDEWHEEL_RETURN_IF_ERROR(add_table(object, statement).status());
  Result<StatementResult> running = refresh(object, {}, "");
  if (running.ok() || running.status().id() == ErrorId::kJobFinished) { return running; }
  // A table that nothing fills is not left behind.
  Drop drop;
  drop.kind = ObjectKind::kMaterializedTable;
  drop.name = path.name();
  if (const Status undone = catalog_.drop(drop); !undone.ok()) {
    return running.status().with_context("the table stays, since taking it back fails too ({})",
                                         undone.message());
  }
  return running;
}

// Starts the job of a table. `savepoint`: what it goes on from; empty: from its beginning.
Result<StatementResult> Session::refresh(const CatalogObject& object,
                                         const std::vector<Option>& options,
                                         const std::string& savepoint) {
  const CreateTable& table = *object.table();
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t freshness, freshness_ms(*object.text, table));
  Insert insert;
  insert.table = object.path.name();
  insert.query = *table.query;
  if (!options.empty()) { insert.hints.push_back({Identifier{"OPTIONS", {}}, options, {}}); }
  for (const Column& column : table.columns) { insert.columns.push_back(column_name(column)); }
  const Config config = options_.config;
  // Rows are there to be read when a checkpoint has them.
  if (!config.has(options::kCheckpointInterval) &&
      !config.get(options::kCheckpointDirectory).empty()) {
    options_.config.set(options::kCheckpointInterval, freshness);
  }
  if (!savepoint.empty()) { options_.config.set(options::kRecoveryPath, savepoint); }
  const auto run = [&]() -> Result<StatementResult> {
    TIDEWHEEL_ASSIGN_OR_RETURN(RunningInsert running, build_inserts(*object.text, {insert}));
    return start(std::move(running));
  };
  Result<StatementResult> running = run();
  options_.config = config;
  if (running.ok()) {
    refreshes_[object.path] = {std::get<RunningInsert>(*running).job->job_id(), ""};
  }
  return running;
}

Result<StatementResult> Session::alter_materialized(std::string_view text, const Alter& statement) {
  const auto refuse = [&](std::string why) {
    return error_at(text, statement.name.span(), ErrorId::kSqlCatalog, std::move(why));
  };
  const Result<const CatalogObject*> found = catalog_.find(statement.name);
  const CreateTable* const table = found.ok() ? (*found)->table() : nullptr;
  if (table == nullptr || !table->materialization.has_value()) {
    if (statement.if_exists) { return StatementResult(Done{}); }
    return refuse(found.ok() ? "this is no materialized table"
                             : std::string(found.status().message()));
  }
  const CatalogObject object = **found;
  const auto& action = std::get<AlterRefresh>(statement.action);
  const auto refresh = refreshes_.find(object.path);
  const Result<const SubmittedJob*> job = refresh == refreshes_.end()
                                              ? Result<const SubmittedJob*>(nullptr)
                                              : find_job(refresh->second.job_id);
  const bool runs = job.ok() && *job != nullptr && !is_final((*job)->job->state());
  if (action.action == AlterRefresh::Action::kResume) {
    if (runs) { return refuse("the table is not suspended"); }
    return this->refresh(object, action.options,
                         refresh == refreshes_.end() ? "" : refresh->second.savepoint);
  }
  if (!runs) {
    return refuse(refresh != refreshes_.end() && !refresh->second.savepoint.empty()
                      ? "the table is suspended already"
                      : "no job of this session refreshes the table");
  }
  SavepointRequest request;
  request.after = AfterSavepoint::kSuspend;
  TIDEWHEEL_ASSIGN_OR_RETURN(refresh->second.savepoint, (*job)->job->savepoint(request));
  (*job)->job->wait();
  return StatementResult(Done{});
}

Status Session::drop_materialized(const Drop& statement) {
  const ObjectPath path = catalog_.path_of(statement.name);
  TIDEWHEEL_RETURN_IF_ERROR(catalog_.drop(statement));
  const auto refresh = refreshes_.find(path);
  if (refresh == refreshes_.end()) { return {}; }
  if (const Result<const SubmittedJob*> job = find_job(refresh->second.job_id); job.ok()) {
    (*job)->job->cancel();
    (*job)->job->wait();
  }
  refreshes_.erase(refresh);
  return {};
}

Result<std::vector<std::string>> Session::materialized_tables(const ObjectPath& database) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<std::string> names,
                             catalog_.objects(database, true, false));
  std::erase_if(names, [&](const std::string& name) {
    const auto found = catalog_.find(ObjectPath{database.catalog, database.database, name}.name());
    return !found.ok() || (*found)->table() == nullptr ||
           !(*found)->table()->materialization.has_value();
  });
  return names;
}

}  // namespace tidewheel::sql
