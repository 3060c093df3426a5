// Which part of a query makes its rows change, for messages.
#pragma once
#include <string>
#include <string_view>

#include "tidewheel/sql/binder.h"

namespace tidewheel::sql {

struct UpdatingClause {
  Span span;
  std::string why;  // "GROUP BY changes the row of a group whenever a row comes to it"
};

// Of a query whose plan updates rows, the innermost clause that does.
UpdatingClause find_updating_clause(const BinderEnvironment& environment, std::string_view text,
                                    const Query& query);

}  // namespace tidewheel::sql
