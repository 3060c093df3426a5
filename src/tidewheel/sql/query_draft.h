// What a Table stands for.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "tidewheel/sql/query.h"

namespace tidewheel::sql {

class JobSql;  // sql/job_sql.h

struct QueryDraft {
  std::shared_ptr<JobSql> sql;
  std::string text;            // the places in `query` refer to it
  std::optional<Query> query;  // none: it was wrong, or a statement that gives no rows
  std::string nothing;         // then: why there are no rows; empty: that was reported
};

}  // namespace tidewheel::sql
