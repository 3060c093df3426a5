// Statements that make and change tables and views.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/sql/table_definition.h"

namespace tidewheel::sql {
namespace {

std::string quoted_path(const ObjectPath& path) {
  std::string out;
  for (const std::string* part : {&path.catalog, &path.database, &path.object}) {
    out += out.empty() ? "`" : ".`";
    for (const char c : *part) { out += c == '`' ? std::string("``") : std::string(1, c); }
    out += '`';
  }
  return out;
}

}  // namespace

// ---- Tables

Status Session::check_table(const CatalogObject& object) const {
  TIDEWHEEL_RETURN_IF_ERROR(check_definition(object));
  return table_columns(environment(), object).status();
}

Result<bool> Session::add_table(CatalogObject object, const CreateTable& statement) {
  // What is wrong with it is said now, and not when it is used.
  TIDEWHEEL_RETURN_IF_ERROR(check_table(object));
  return catalog_.create(std::move(object), statement.if_not_exists,
                         statement.or_replace || statement.replace);
}

Result<StatementResult> Session::create_table(std::string_view text, const CreateTable& statement) {
  if (statement.materialization.has_value()) { return create_materialized(text, statement); }
  if (statement.query.has_value()) { return create_table_as(text, statement); }
  CatalogObject object;
  object.path = catalog_.path_of(statement.name);
  object.temporary = statement.temporary;
  object.text = std::make_shared<const std::string>(text);
  object.definition = statement;
  if (statement.like.has_value()) {
    const Result<const CatalogObject*> source = catalog_.find(statement.like->table);
    if (!source.ok()) {
      return error_at(text, statement.like->table.span(), source.status().id(),
                      std::string(source.status().message()));
    }
    if ((*source)->table() == nullptr) {
      return error_at(text, statement.like->table.span(), ErrorId::kSqlQuery,
                      "LIKE takes a table, and this is a view");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(object.definition, merge_like(text, statement, *(*source)->table()));
    TIDEWHEEL_ASSIGN_OR_RETURN(object, rewritten(std::move(object)));
  }
  TIDEWHEEL_RETURN_IF_ERROR(add_table(std::move(object), statement).status());
  return StatementResult(Done{});
}

Result<StatementResult> Session::create_table_as(std::string_view text,
                                                 const CreateTable& statement) {
  if (statement.temporary) {
    return error_at(text, statement.name.span(), ErrorId::kSqlUnsupported,
                    "a temporary table can't be created AS a query; CREATE TEMPORARY VIEW is one "
                    "without a store");
  }
  if (statement.like.has_value()) {
    return error_at(text, statement.name.span(), ErrorId::kSqlQuery,
                    "a table is made AS a query or LIKE a table, not both");
  }
  CatalogObject object;
  object.path = catalog_.path_of(statement.name);
  std::optional<CatalogObject> old;
  if (const Result<const CatalogObject*> found = catalog_.find(statement.name); found.ok()) {
    // The job that fills it may have been interrupted.
    if (statement.if_not_exists && !options_.resumes) { return StatementResult(Done{}); }
    if ((*found)->table() == nullptr || (*found)->temporary) {
      return error_at(text, statement.name.span(), ErrorId::kSqlCatalog,
                      fmt::format("a {}{} has this name", (*found)->temporary ? "temporary " : "",
                                  (*found)->kind()));
    }
    old = **found;
  } else if (statement.replace && !statement.or_replace) {
    return error_at(text, statement.name.span(), ErrorId::kSqlCatalog,
                    std::string(found.status().message()) +
                        "; CREATE OR REPLACE TABLE makes it when it is not there");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef plan, bind_query(environment(), text, *statement.query));
  TIDEWHEEL_ASSIGN_OR_RETURN(object.definition, merge_query(text, statement, plan->type));
  TIDEWHEEL_ASSIGN_OR_RETURN(object, rewritten(std::move(object)));
  TIDEWHEEL_RETURN_IF_ERROR(add_table(std::move(object), statement).status());
  Insert insert;
  insert.table = statement.name;
  insert.query = *statement.query;
  for (const std::string& column : plan->type.names) {
    insert.columns.push_back(Identifier{column, statement.query->span});
  }
  Result<StatementResult> running = run_inserts(text, {insert});
  if (running.ok() || running.status().id() == ErrorId::kJobFinished) { return running; }
  // A table that nothing fills is not left behind.
  const auto undo = [&]() -> Status {
    if (old.has_value()) { return catalog_.create(std::move(*old), false, true).status(); }
    Drop drop;
    drop.name = statement.name;
    return catalog_.drop(drop);
  };
  if (const Status undone = undo(); !undone.ok()) {
    return running.status().with_context("the table stays, since taking it back fails too ({})",
                                         undone.message());
  }
  return running;
}

// ---- Views

Result<CatalogObject> Session::make_view(std::string_view text, CreateView statement,
                                         const ObjectPath& path) const {
  std::map<uint32_t, std::pair<Span, ObjectPath>> named;  // by where it begins
  bool reads_itself = false;
  BinderEnvironment environment = this->environment();
  environment.on_object = [&](Span place, const ObjectPath& object, int32_t depth) {
    if (depth == 0) { named[place.begin] = {place, object}; }
    reads_itself = reads_itself || object == path;
  };
  TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef plan, bind_query(environment, text, statement.query));
  if (reads_itself) {
    return error_at(text, statement.name.span(), ErrorId::kSqlQuery, "a view can't read itself");
  }
  if (!statement.columns.empty() && statement.columns.size() != plan->type.size()) {
    return error_at(text, statement.name.span(), ErrorId::kSqlName,
                    fmt::format("the view names {} columns, and its query has {}",
                                statement.columns.size(), plan->type.size()));
  }
  // Whoever uses it may be in another database.
  const Span whole = statement.query.span;
  std::string query;
  uint32_t done = whole.begin;
  for (const auto& [begin, one] : named) {
    query += text.substr(done, begin - done);
    query += quoted_path(one.second);
    done = one.first.end;
  }
  query += text.substr(done, whole.end - done);
  TIDEWHEEL_ASSIGN_OR_RETURN(Statement parsed, parse_statement(query));
  statement.query = std::move(std::get<Query>(parsed.node));
  CatalogObject object;
  object.path = path;
  object.temporary = statement.temporary;
  object.definition = std::move(statement);
  return rewritten(std::move(object));
}

Result<StatementResult> Session::create_view(std::string_view text, const CreateView& statement) {
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogObject object,
                             make_view(text, statement, catalog_.path_of(statement.name)));
  TIDEWHEEL_RETURN_IF_ERROR(
      catalog_.create(std::move(object), statement.if_not_exists, false).status());
  return StatementResult(Done{});
}

// ---- ALTER

Result<StatementResult> Session::alter(std::string_view text, const Alter& statement) {
  const auto done = [](Status status) -> Result<StatementResult> {
    if (!status.ok()) { return status; }
    return StatementResult(Done{});
  };
  if (statement.kind == ObjectKind::kMaterializedTable) {
    return alter_materialized(text, statement);
  }
  if (statement.kind == ObjectKind::kDatabase) { return done(catalog_.alter_database(statement)); }
  if (statement.kind == ObjectKind::kCatalog) {
    TIDEWHEEL_RETURN_IF_ERROR(catalog_.store(statement.name.parts.back().name).status());
    return error_at(text, statement.name.span(), ErrorId::kSqlUnsupported,
                    "the options of a catalog can't be changed; DROP CATALOG, then CREATE it: what "
                    "is kept in files stays there");
  }
  if (const auto* rename = std::get_if<RenameTo>(&statement.action)) {
    return done(catalog_.rename(statement.kind, statement.name, rename->name, statement.if_exists));
  }
  if (const auto* replace = std::get_if<ReplaceQuery>(&statement.action)) {
    return done(catalog_.change(statement.kind, statement.name, statement.if_exists,
                                [&](CatalogObject now) -> Result<CatalogObject> {
                                  CreateView view = *now.view();
                                  view.columns.clear();
                                  view.name = statement.name;
                                  view.query = replace->query;
                                  view.temporary = now.temporary;
                                  return make_view(text, std::move(view), now.path);
                                }));
  }
  return done(catalog_.change(statement.kind, statement.name, statement.if_exists,
                              [&](CatalogObject now) -> Result<CatalogObject> {
                                TIDEWHEEL_ASSIGN_OR_RETURN(now.definition,
                                                           altered(text, statement, *now.table()));
                                TIDEWHEEL_ASSIGN_OR_RETURN(now, rewritten(std::move(now)));
                                const Status right = check_table(now);
                                if (!right.ok()) {
                                  return right.with_context("the table would be wrong");
                                }
                                return now;
                              }));
}

}  // namespace tidewheel::sql
