// Parses SQL in Flink's dialect into the trees of statement.h, by recursive descent, with operator
// precedence for expressions (Pratt, "Top down operator precedence", POPL 1973). The precedences
// are those of Apache Calcite, which Flink uses.
//
// Errors: kSqlSyntax with line, column and the underlined place; what was expected there, and the
// keyword that a misspelt word may have been. kSqlUnsupported for statements of the dialect that
// the engine does not have. Neither depth nor size of a text ends the process.
#pragma once
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/statement.h"

namespace tidewheel::sql {

// How deep parentheses, queries and types may be nested, and how high the tree of an expression
// like `a + b + c ...` may become.
inline constexpr int32_t kNestingMax = 200;
inline constexpr int32_t kTreeHeightMax = 1500;

// The statements of a script, which `;` ends; the last one may do without.
Result<std::vector<Statement>> parse_script(std::string_view text);
// One statement, with or without a `;` behind it.
Result<Statement> parse_statement(std::string_view text);
// An expression alone.
Result<Expression> parse_expression(std::string_view text);
// A type alone.
Result<DataType> parse_data_type(std::string_view text);

}  // namespace tidewheel::sql
