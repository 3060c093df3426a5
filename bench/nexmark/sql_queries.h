// The Nexmark queries in SQL, with the semantics of the benchmark's own texts.
#pragma once
#include <span>

#include "bench/nexmark/queries.h"

namespace tidewheel::bench {

struct SqlQuery {
  std::string_view name;
  std::string_view what;
  std::string_view sql;
};

// In the order of their numbers.
std::span<const SqlQuery> all_sql_queries();

// Adds a query to the job. Errors: those of SQL.
Status build_sql_query(const SqlQuery& query, QueryRun& run);

}  // namespace tidewheel::bench
