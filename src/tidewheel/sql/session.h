// A session of SQL: a catalog, settings, and the statements that are executed one after another.
// Queries and inserts run as jobs in this process.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/api/table.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/status.h"
#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/plan.h"
#include "tidewheel/sql/result.h"
#include "tidewheel/sql/statement.h"
#include "tidewheel/sql/user_function.h"

namespace tidewheel {
class JobHandle;  // dataflow/local_job.h
class World;      // base/world.h
}  // namespace tidewheel

namespace tidewheel::sql {

struct BinderEnvironment;  // sql/binder.h
struct BuildOptions;       // sql/build.h
class JobAnalysis;         // sql/job_analysis.h
struct SavedPlan;          // sql/saved_plan.h
struct SourcePause;        // sql/values_source.h

struct SessionOptions {
  std::shared_ptr<const TableRegistry> tables;
  Config config;  // of jobs
  // INSERTs go on from the newest checkpoints of jobs of their names, where there are some.
  bool resumes = false;
  // The table behind FROM 'file'; null: files can't be named.
  std::function<Result<std::shared_ptr<const TableDefinition>>(const std::string& path)> file_table;
  // Loads what CREATE FUNCTION .. USING LIBRARY names; null: no libraries can be loaded.
  FunctionLoader load_functions = nullptr;
  // Has the connectors and formats of a library among `tables`, or no longer: ADD JAR and REMOVE
  // JAR of a plug-in. Null: none can be added.
  std::function<Status(const std::string& path, bool removes)> change_plugins = nullptr;
  // Runs the jobs of INSERTs elsewhere (Env::run_with); queries are refused then, since nobody
  // would see their rows. Null: jobs run in this process.
  JobRunner runner = nullptr;
  // Of the constant rows of the next query, for tests; null, or what gives null: there is none.
  std::function<std::shared_ptr<SourcePause>()> source_pause = nullptr;
};

// A statement that has nothing to show.
struct Done {
  std::string message = "OK";
};

// A list: of SHOW, DESCRIBE, EXPLAIN, SET.
struct Listing {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  bool is_text = false;  // one column of lines, to be shown as they are
};

// Lines to be shown as they are.
Listing text_listing(const std::string& text);

// A query that runs. Rows come into `rows` while it does.
struct RunningQuery {
  RowType type;
  size_t visible = 0;                 // columns; those behind them are for sorting
  std::vector<SortKeyNode> order_by;  // of the table that the changes amount to; empty: none
  int64_t limit = -1;                 // so many rows are all; -1: not known
  bool updates = false;
  bool is_bounded = true;
  std::shared_ptr<ResultQueue> rows;
  std::unique_ptr<Env> env;
  std::unique_ptr<JobHandle> job;
};

// What the caller does with the rows of a query by himself is noted and taken out of its plan:
// sorting, and stopping when he has enough.
PlanRef take_order(PlanRef plan, RunningQuery& running);

// An INSERT, or a set of them, that runs.
struct RunningInsert {
  std::unique_ptr<Env> env;
  std::unique_ptr<JobHandle> job;
  bool waits = false;  // 'table.dml-sync': whoever executes it waits for its end
  // Of EXPLAIN ANALYZE: what is shown when it has ended.
  std::shared_ptr<const JobAnalysis> analysis;
};

using StatementResult = std::variant<Done, Listing, RunningQuery, RunningInsert>;

// QUIT and EXIT: what stands behind it in a script is not executed.
inline bool is_quit(const Statement& statement) {
  const auto* const client = std::get_if<ClientStatement>(&statement.node);
  return client != nullptr && client->action == ClientStatement::Action::kQuit;
}

// One thread. The world outlives the session and the jobs that it gave; the jobs may outlive the
// session, because they share what they need of it.
class Session {
 public:
  Session(World& world, SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // `text`: what the statement was parsed from; its places refer to it.
  Result<StatementResult> execute(std::string_view text, const Statement& statement);

  // Makes a program's functions known, as temporary system functions. Jobs that run keep what they
  // call. Errors: kSqlCatalog when there is one of the name.
  Status add_functions(const UserFunctions& functions);

  // The plan of a query, as it would run. For tests.
  Result<PlanRef> plan(std::string_view text, const Query& query, bool needs_before);

  // What is set now is what RESET goes back to.
  void keep_as_defaults();

  // What is bound as it would run: optimized as the settings say, without its changelog kinds.
  Result<PlanRef> optimized(PlanRef plan) const;

  // ---- For jobs that somebody else builds and runs.

  struct Prepared {
    PlanRef bound;  // as it was written
    PlanRef plan;
    std::shared_ptr<const TableDefinition> sink;  // null: of a query
  };
  Result<Prepared> prepare_insert(std::string_view text, const Insert& insert);
  BinderEnvironment environment() const;
  // As the settings are now.
  BuildOptions build_options(bool is_bounded) const;
  // Has the job's graph keep what plans of this session refer to, and do not share.
  void lend_to(Env& env) const;

  // Has the default catalog in files of a folder, which is made when it is not there.
  Status keep_catalog_in(const std::string& directory) {
    return catalog_.keep_default_in(directory);
  }
  // Takes over an INSERT that nobody waits for: it goes on while other statements are executed,
  // until it ends, is stopped, or the session ends. Returns its id.
  std::string submit(RunningInsert insert);
  // Ids and names of submitted jobs that still run.
  std::vector<std::string> running_jobs() const;
  // A line for each submitted job that has ended since this was asked before.
  std::vector<std::string> take_ended_jobs();
  // Waits for all of them. Errors: the first failure.
  Status wait_for_jobs(const std::function<void(JobHandle*)>& watch);
  const SessionOptions& options() const { return options_; }
  const Catalog& catalog() const { return catalog_; }
  const FunctionRegistry& functions() const { return functions_; }
  // Of all tables of the current database, for completion.
  std::vector<std::string> column_names() const;
  // Keys of settings of SQL, which are no options of the engine.
  std::vector<std::string> setting_keys() const;
  // The value of a setting: what was SET, or its default.
  std::string setting(const std::string& key) const;
  const TableRegistry& tables() const { return *options_.tables; }

 private:
  struct Executor;
  Result<StatementResult> run_query(std::string_view text, const Query& query);
  Result<StatementResult> run_inserts(std::string_view text, const std::vector<Insert>& inserts);
  // A job that has not been started.
  Result<RunningInsert> build_inserts(std::string_view text, const std::vector<Insert>& inserts);
  Result<StatementResult> start(RunningInsert running);
  Result<StatementResult> set(const Set& statement);
  Result<StatementResult> reset(const Reset& statement);
  // ---- session_functions.cc
  Status create_function(std::string_view text, const CreateFunction& statement);
  Status drop_function(const Drop& statement);
  // The function of a statement, and which library it is in.
  Result<NamedFunction> load_function(std::string_view text, CreateFunction& statement) const;
  const CreateFunction* made_function(const Name& name) const;
  bool is_built_in(const Name& name) const;
  Result<const CreateFunction*> find_function(const Name& name) const;
  Result<StatementResult> describe_function(const Describe& statement) const;

  // ---- session_libraries.cc
  Result<StatementResult> change_libraries(std::string_view text,
                                           const LibraryStatement& statement);
  Status change_modules(std::string_view text, const ModuleStatement& statement) const;
  Listing show_modules(bool full) const;

  // ---- execute_plan.cc
  Result<StatementResult> compile_plan(std::string_view text, const CompilePlan& statement);
  Result<StatementResult> execute_plan(const std::string& path);
  Result<SavedPlan> save_plan(std::string_view text, const Statement& statement);
  // A session in which there is what the plan holds, and nothing else.
  Result<std::unique_ptr<Session>> session_of(const SavedPlan& plan) const;
  Status take_objects(const SavedPlan& plan);
  Status take_functions(const SavedPlan& plan);

  // ---- execute_ddl.cc
  Result<StatementResult> create_table(std::string_view text, const CreateTable& statement);
  Result<StatementResult> create_table_as(std::string_view text, const CreateTable& statement);
  // Makes it, when it is right. Returns whether it was made.
  Result<bool> add_table(CatalogObject object, const CreateTable& statement);
  Status check_table(const CatalogObject& object) const;
  Result<StatementResult> create_view(std::string_view text, const CreateView& statement);
  // A view whose names say in which catalog and database they are looked for.
  Result<CatalogObject> make_view(std::string_view text, CreateView statement,
                                  const ObjectPath& path) const;
  Result<StatementResult> alter(std::string_view text, const Alter& statement);

  // ---- execute_materialized.cc
  Result<StatementResult> create_materialized(std::string_view text, const CreateTable& statement);
  Result<StatementResult> refresh(const CatalogObject& object, const std::vector<Option>& options,
                                  const std::string& savepoint);
  Result<StatementResult> alter_materialized(std::string_view text, const Alter& statement);
  Status drop_materialized(const Drop& statement);
  Result<std::vector<std::string>> materialized_tables(const ObjectPath& database) const;

  // ---- execute_explain.cc
  Result<StatementResult> explain(std::string_view text, const Explain& statement);
  Result<std::vector<Prepared>> explained(std::string_view text, const Explain& statement);
  Result<StatementResult> analyze(const std::vector<Prepared>& all, const Explain& statement);
  Status build_explained(Env& env, const std::vector<Prepared>& all, bool unique_names,
                         std::map<const Plan*, std::string>* names);

  // ---- execute_jobs.cc
  Listing show_jobs() const;
  Result<StatementResult> describe_job(const DescribeJob& statement) const;
  Result<StatementResult> stop_job(const StopJob& statement);

  // ---- execute_show.cc
  Result<StatementResult> show(const Show& statement);
  Result<std::vector<std::string>> shown_names(const Show& statement);
  Result<std::vector<std::string>> shown_partitions(const Show& statement);
  Result<StatementResult> show_columns(const Show& statement);
  Result<StatementResult> show_create(const Show& statement);
  Result<StatementResult> show_create_other(const Name& name, Show::What what) const;
  Result<StatementResult> describe(const Describe& statement);
  // Of a file in the place of a table.
  Result<std::shared_ptr<const TableDefinition>> file_table(const Name& file) const;
  Result<StatementResult> describe_file(const Describe& statement) const;
  Result<StatementResult> show_create_of_file(const Name& file) const;
  Result<Listing> describe_columns(const CatalogObject& object);
  Result<StatementResult> describe_container(const Describe& statement);

  Result<bool> takes_changes(const TableDefinition& table) const;
  // Has the plans of one job, where there are epochs, read each table once.
  void share_inputs(std::vector<Prepared>& all) const;
  // Of a query that is bound.
  Status plan_insert(std::string_view text, const Query& query, const CatalogObject& table,
                     const std::vector<Option>& hints, const std::vector<Identifier>& columns,
                     const std::vector<Insert::Partition>& partition, Prepared& prepared);
  std::unique_ptr<Env> make_env(const std::string& name);

  World& world_;
  SessionOptions options_;
  Catalog catalog_;
  FunctionRegistry functions_;
  std::map<std::string, std::string> settings_;
  std::map<std::string, std::string> default_settings_;  // that RESET goes back to
  Config default_config_;
  std::map<std::string, int32_t> names_;  // of jobs: how often each was given
  // By layer and path: the statements that made functions, with whole names.
  std::map<std::pair<FunctionLayer, std::string>, CreateFunction> made_functions_;
  std::optional<FunctionRegistry> of_program_;  // with those of `add_functions` only
  std::vector<std::string> libraries_;          // ADD JAR
  // Of a materialized table: the job that fills it, and in what it was suspended.
  struct Refresh {
    std::string job_id;
    std::string savepoint;
  };
  std::map<ObjectPath, Refresh> refreshes_;
  std::set<ObjectPath>* named_objects_ = nullptr;  // when not null, is told what queries name
  struct SubmittedJob {
    int64_t begun_wall_ms = 0;
    std::unique_ptr<Env> env;
    std::unique_ptr<JobHandle> job;
    bool is_told = false;  // that it has ended
  };
  Result<const SubmittedJob*> find_job(const std::string& id) const;
  std::vector<SubmittedJob> jobs_;  // last: their functions are those of the session
};

}  // namespace tidewheel::sql
