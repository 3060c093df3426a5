// The SQL of a C++ job: a session whose queries and inserts become parts of one job.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/api/table.h"
#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/build.h"
#include "tidewheel/sql/query_draft.h"
#include "tidewheel/sql/row_mapping.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/sql/stream_table.h"
#include "tidewheel/sql/table.h"

namespace tidewheel::sql {

using FileTable =
    std::function<Result<std::shared_ptr<const TableDefinition>>(const std::string& path)>;

// Belongs to the environment, which it refers to. Mistakes are kept by the environment's graph,
// with the place of the C++ call.
class JobSql : public std::enable_shared_from_this<JobSql> {
 public:
  JobSql(Env& env, std::unique_ptr<TableRegistry> tables, FileTable file_table);

  Session& session() { return session_; }
  // Also for connectors and formats of the job's own.
  TableRegistry& tables() { return *tables_; }

  // env.sql, env.table, env.view
  Table execute(std::string_view text, std::source_location where);
  Table named(std::string_view name, std::source_location where);
  void add_functions(std::shared_ptr<const FunctionLibrary> library, std::source_location where);
  void add_stream(const std::string& name, const RowShape& shape, const ViewOptions& options,
                  StreamTable stream, std::source_location where);

  // The plan of a query, as it would run with such rows at its end.
  Result<PlanRef> plan(const std::string& text, const Query& query) const;
  // Adds a plan to the job, whose rows leave SQL.
  Result<Stream<ColumnRow>> build(const Plan& plan);
  Status insert(const Plan& plan, const TableDefinition& table);
  Status insert(std::string_view text, const std::vector<Insert>& inserts);
  BinderEnvironment binder_environment() const;
  Result<PlanRef> optimized(PlanRef plan) const { return session_.optimized(std::move(plan)); }
  const std::shared_ptr<JobGraph>& graph() const { return env_.graph(); }

  // A table for a query that was written or made. Its errors are noted. `may_be_limited`: an order
  // that needs a LIMIT is none of them yet.
  Table draft(std::string text, Query query, std::source_location where, std::string_view call,
              bool may_be_limited = false);
  Table failed(Status status, std::source_location where, std::string_view call);
  void note(Status status, std::source_location where, std::string_view call);

 private:
  struct StatementRunner;
  PlanRef with_shared_scans(const Plan& plan) const;
  JobBuilder& builder(bool is_bounded);
  Table nothing(std::string why);

  Env& env_;
  const std::shared_ptr<TableRegistry> tables_;
  const std::shared_ptr<std::vector<StreamTable>> streams_;
  Session session_;
  std::unique_ptr<JobBuilder> builder_;
  bool is_bounded_ = false;
  bool settings_changed_ = false;
};

}  // namespace tidewheel::sql
