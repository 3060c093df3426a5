// A session of SQL: a catalog, settings, and the statements that are executed one after another.
// Queries and inserts run as jobs in this process.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/status.h"
#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/plan.h"
#include "tidewheel/sql/result.h"
#include "tidewheel/sql/statement.h"

namespace tidewheel {
class Env;        // api/env.h
class JobHandle;  // dataflow/local_job.h
class World;      // base/world.h
}  // namespace tidewheel

namespace tidewheel::sql {

struct BinderEnvironment;  // sql/binder.h
struct BuildOptions;       // sql/build.h

struct SessionOptions {
  std::shared_ptr<const TableRegistry> tables;
  Config config;  // of jobs
  // The table behind FROM 'file'; null: files can't be named.
  std::function<Result<std::shared_ptr<const TableDefinition>>(const std::string& path)> file_table;
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

// An INSERT, or a set of them, that runs.
struct RunningInsert {
  std::unique_ptr<Env> env;
  std::unique_ptr<JobHandle> job;
  bool waits = false;  // 'table.dml-sync': whoever executes it waits for its end
};

using StatementResult = std::variant<Done, Listing, RunningQuery, RunningInsert>;

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

  // The plan of a query, as it would run. For tests.
  Result<PlanRef> plan(std::string_view text, const Query& query, bool needs_before);

  // ---- For jobs that somebody else builds and runs.

  struct Prepared {
    PlanRef plan;
    std::shared_ptr<const TableDefinition> sink;
  };
  Result<Prepared> prepare_insert(std::string_view text, const Insert& insert);
  BinderEnvironment binder_environment() const;
  // As the settings are now.
  BuildOptions build_options(bool is_bounded) const;
  // Has the job's graph keep what plans of this session refer to.
  void lend_to(Env& env) const;

  Catalog& catalog() { return catalog_; }
  const Catalog& catalog() const { return catalog_; }
  const FunctionRegistry& functions() const { return *functions_; }
  // Jobs that were made before go on with the functions that there were.
  void add_function(std::shared_ptr<const ScalarFunction> function);
  // Of all tables of the current database, for completion.
  std::vector<std::string> column_names() const;
  // The value of a setting: what was SET, or its default.
  std::string setting(const std::string& key) const;
  const TableRegistry& tables() const { return *options_.tables; }

 private:
  struct Executor;
  Result<StatementResult> run_query(std::string_view text, const Query& query);
  Result<StatementResult> run_inserts(std::string_view text, const std::vector<Insert>& inserts);
  Result<StatementResult> explain(std::string_view text, const Explain& statement);
  Result<StatementResult> set(const Set& statement);
  Result<StatementResult> reset(const Reset& statement);
  Result<StatementResult> show(const Show& statement);
  Result<StatementResult> describe(const Describe& statement);
  Result<StatementResult> create_table(std::string_view text, const CreateTable& statement);
  Result<StatementResult> create_view(std::string_view text, const CreateView& statement);
  Result<StatementResult> alter(const Alter& statement);

  std::unique_ptr<Env> make_env(const std::string& name);
  struct BinderEnvironmentHolder;

  World& world_;
  SessionOptions options_;
  Catalog catalog_;
  std::shared_ptr<const FunctionRegistry> functions_;
  std::map<std::string, std::string> settings_;
};

}  // namespace tidewheel::sql
