// What an Expr holds.
#pragma once
#include <optional>
#include <string>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/query.h"

namespace tidewheel::sql {

struct ExprNode {
  Expression tree;
  Status error = {};  // of what was given as text; then the tree means nothing
  std::optional<std::string> alias = {};
};

// "a.b" as a name of two parts; back-ticks keep a part together.
Name name_of(std::string_view text);
// INTERVAL '10' MINUTE, in the largest unit of which it is a whole number.
Expression interval_literal(int64_t ms);

}  // namespace tidewheel::sql
