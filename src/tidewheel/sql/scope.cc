#include "tidewheel/sql/scope.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/source_text.h"

namespace tidewheel::sql {
namespace {

constexpr size_t kNone = SIZE_MAX;

struct Found {
  size_t column = kNone;
  size_t parts = 0;     // of the name, that were needed
  std::string several;  // more than one column has the name: which
};

// Columns called `column` in relations called `relation` (any, when it is null).
Found find_in(const Scope& scope, const std::string* relation, const std::string& column,
              size_t parts) {
  Found found;
  std::string first;  // with its table
  for (const Relation& one : scope.relations) {
    if (relation != nullptr && one.alias != *relation) { continue; }
    for (size_t i = one.first; i < one.first + one.count; ++i) {
      if (scope.columns.names[i] != column) { continue; }
      if (relation == nullptr && scope.is_hidden(i)) { continue; }
      std::string whole = fmt::format("{}.{}", one.alias.empty() ? "(unnamed)" : one.alias, column);
      if (found.column != kNone) {
        if (found.several.empty()) { found.several = first; }
        found.several += ", " + whole;
        continue;
      }
      first = std::move(whole);
      found.column = i;
      found.parts = parts;
    }
  }
  return found;
}

// How many parts of a name come before that of the table: database.t.c, catalog.database.t.c
size_t parts_before_table(const Scope& scope, const Name& name) {
  const std::vector<Identifier>& parts = name.parts;
  for (const size_t before : {size_t{2}, size_t{1}}) {
    if (parts.size() < before + 2) { continue; }
    for (const Relation& one : scope.relations) {
      if (!one.database.empty() && one.alias == parts[before].name &&
          one.database == parts[before - 1].name && (before == 1 || one.catalog == parts[0].name)) {
        return before;
      }
    }
  }
  return 0;
}

Found find(const Scope& scope, const Name& name) {
  const std::vector<Identifier>& parts = name.parts;
  Found found;
  if (parts.size() > 1) { found = find_in(scope, &parts[0].name, parts[1].name, 2); }
  if (found.column == kNone) { found = find_in(scope, nullptr, parts[0].name, 1); }
  const size_t before = found.column == kNone ? parts_before_table(scope, name) : 0;
  if (before == 0) { return found; }
  return find_in(scope, &parts[before].name, parts[before + 1].name, before + 2);
}

Result<Bound> take_fields(Bound value, std::string_view text, const Name& name, size_t from) {
  for (size_t i = from; i < name.parts.size(); ++i) {
    const Identifier& part = name.parts[i];
    if (value.type.kind != TypeKind::kRow) {
      return error_at(text, part.span, ErrorId::kSqlName,
                      fmt::format("'{}' is of type {}, which has no fields", name.parts[i - 1].name,
                                  value.type.to_string()));
    }
    const auto& names = value.type.names;
    const auto it = std::find(names.begin(), names.end(), part.name);
    if (it == names.end()) {
      return error_at(text, part.span, ErrorId::kSqlName,
                      fmt::format("there is no field '{}' in '{}'{}", part.name,
                                  name.parts[i - 1].name, near_miss(part.name, names)));
    }
    const auto index = static_cast<size_t>(it - names.begin());
    Bound field;
    field.kind = Bound::Kind::kField;
    field.column = static_cast<int32_t>(index);
    field.type = value.type.children[index];
    field.type.nullable |= value.type.nullable;
    field.span = name.span();
    field.arguments.push_back(std::move(value));
    value = std::move(field);
  }
  return value;
}

Status unknown(const Scope& scope, std::string_view text, const Name& name) {
  const Identifier& first = name.parts.front();
  if (name.parts.size() > 1) {
    std::vector<std::string> tables;
    for (const Relation& relation : scope.relations) {
      if (relation.alias == first.name) {
        const std::vector<std::string> columns(
            scope.columns.names.begin() + static_cast<ptrdiff_t>(relation.first),
            scope.columns.names.begin() + static_cast<ptrdiff_t>(relation.first + relation.count));
        return error_at(text, name.parts[1].span, ErrorId::kSqlName,
                        fmt::format("there is no column '{}' in '{}'{}", name.parts[1].name,
                                    first.name, near_miss(name.parts[1].name, columns)));
      }
      tables.push_back(relation.alias);
    }
    tables.insert(tables.end(), scope.columns.names.begin(), scope.columns.names.end());
    return error_at(text, first.span, ErrorId::kSqlName,
                    fmt::format("there is no table or column '{}' here{}", first.name,
                                near_miss(first.name, tables)));
  }
  return error_at(text, first.span, ErrorId::kSqlName,
                  fmt::format("there is no column '{}' here{}", first.name,
                              near_miss(first.name, scope.columns.names)));
}

}  // namespace

Scope Scope::beside(const Scope& left, const Scope& right) {
  Scope both = left;
  const size_t shift = left.columns.size();
  both.hidden.resize(shift, false);
  for (size_t i = 0; i < right.columns.size(); ++i) {
    both.columns.add(right.columns.names[i], right.columns.types[i]);
    both.hidden.push_back(right.is_hidden(i));
  }
  for (Relation relation : right.relations) {
    relation.first += shift;
    both.relations.push_back(std::move(relation));
  }
  if (left.order.empty() && right.order.empty()) { return both; }
  both.order = left.all();
  for (const size_t column : right.all()) { both.order.push_back(column + shift); }
  return both;
}

std::vector<size_t> Scope::all() const {
  if (!order.empty()) { return order; }
  std::vector<size_t> out;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!is_hidden(i)) { out.push_back(i); }
  }
  return out;
}

Scope Scope::of(RowType columns, std::string alias) {
  Scope scope;
  scope.relations.push_back({std::move(alias), "", "", 0, columns.size()});
  scope.columns = std::move(columns);
  return scope;
}

bool is_known(const Scope& scope, const Name& name) { return find(scope, name).column != kNone; }

Result<Bound> resolve_column(const Scope& scope, std::string_view text, const Name& name) {
  const Found found = find(scope, name);
  if (found.column == kNone) { return unknown(scope, text, name); }
  if (!found.several.empty()) {
    return error_at(text, name.span(), ErrorId::kSqlName,
                    fmt::format("'{}' is a column of several tables; name the table too: {}",
                                name.parts[0].name, found.several));
  }
  Bound column = Bound::of_column(static_cast<int32_t>(found.column),
                                  scope.columns.types[found.column], name.span());
  return take_fields(std::move(column), text, name, found.parts);
}

}  // namespace tidewheel::sql
