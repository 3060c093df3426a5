// Writes trees as SQL, in one line, with no more parentheses than are needed. Parsing what is
// written gives the same tree.
#pragma once
#include <string>

#include "tidewheel/sql/statement.h"

namespace tidewheel::sql {

std::string to_sql(const Statement& statement);
// The same, but for columns and options of a table, which have a line each.
std::string to_sql_lines(const Statement& statement);
std::string to_sql(const Query& query);
std::string to_sql(const Expression& expression);
std::string to_sql(const DataType& type);

}  // namespace tidewheel::sql
