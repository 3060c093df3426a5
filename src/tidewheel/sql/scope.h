// The names that can be used at a place in a query: the columns of the tables of its FROM.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/sql/bound.h"
#include "tidewheel/sql/expression.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// Some columns of a scope, under the name of their table.
struct Relation {
  std::string alias;  // empty: it has none
  // Where the table is that is called by its own name; empty for all else.
  std::string catalog;
  std::string database;
  size_t first = 0;  // of its columns
  size_t count = 0;
};

struct Scope {
  RowType columns;
  std::vector<Relation> relations;
  std::vector<bool> hidden;  // columns that `*` and simple names pass over (of USING); may be empty
  std::vector<size_t> order;  // what `*` stands for; empty: all that are not hidden

  bool is_hidden(size_t column) const { return column < hidden.size() && hidden[column]; }
  void hide(size_t column) {
    hidden.resize(columns.size(), false);
    hidden[column] = true;
  }
  // The columns that `*` stands for.
  std::vector<size_t> all() const;
  // The scope of two tables side by side.
  static Scope beside(const Scope& left, const Scope& right);
  static Scope of(RowType columns, std::string alias);
};

// The column that a name means, or a field of one. Errors: kSqlName at the name's place, with the
// near miss; when several columns have the name, all of them.
Result<Bound> resolve_column(const Scope& scope, std::string_view text, const Name& name);

// Whether the name means something here, be it in several tables.
bool is_known(const Scope& scope, const Name& name);

}  // namespace tidewheel::sql
