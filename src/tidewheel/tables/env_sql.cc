#include "tidewheel/tables/env_sql.h"

#include <utility>

#include "tidewheel/base/world.h"
#include "tidewheel/sql/job_sql.h"
#include "tidewheel/tables/file_table.h"
#include "tidewheel/tables/table_registry.h"

namespace tidewheel {
namespace {

sql::JobSql& job_sql(Env& env) {
  if (env.sql_state() == nullptr) {
    std::unique_ptr<TableRegistry> tables =
        make_table_registry(env.world(), [&env]() -> const Config& { return env.config(); });
    // Both live as long as what the registry is handed to.
    const TableRegistry& known = *tables;
    env.sql_state() = std::make_shared<sql::JobSql>(
        env, std::move(tables), [&files = env.world().files(), &known](const std::string& path) {
          return make_file_table(files, known, path);
        });
  }
  return *static_cast<sql::JobSql*>(env.sql_state().get());
}

}  // namespace

void add_functions(Env& env, std::shared_ptr<const FunctionLibrary> library,
                   std::source_location where) {
  job_sql(env).add_functions(std::move(library), where);
}

namespace sql {
void add_view(Env& env, const std::string& name, const RowShape& shape, const ViewOptions& options,
              StreamTable stream, std::source_location where) {
  job_sql(env).add_stream(name, shape, options, std::move(stream), where);
}
}  // namespace sql

Table Env::sql(std::string_view text, std::source_location where) {
  return job_sql(*this).execute(text, where);
}

Table Env::table(std::string_view name, std::source_location where) {
  return job_sql(*this).named(name, where);
}

}  // namespace tidewheel
