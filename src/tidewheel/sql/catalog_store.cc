#include "tidewheel/sql/catalog_store.h"

#include <utility>

#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"

namespace tidewheel::sql {
namespace {

Status database_exists(const std::string& name) {
  return already_exists(ErrorId::kSqlCatalog, "the database '{}' exists already", name);
}
Status no_database(const std::string& name) {
  return not_found(ErrorId::kSqlCatalog, "there is no database '{}'", name);
}

}  // namespace

Statement statement_of(const CatalogObject& object) {
  Statement statement;
  const Name name{{Identifier{object.path.object, {}}}};
  if (const CreateTable* const table = object.table()) {
    CreateTable made = *table;
    made.name = name;
    made.or_replace = made.replace = made.if_not_exists = false;
    made.temporary = object.temporary;
    statement.node = std::move(made);
  } else {
    CreateView made = *object.view();
    made.name = name;
    made.if_not_exists = false;
    made.temporary = object.temporary;
    statement.node = std::move(made);
  }
  return statement;
}

Result<CatalogObject> rewritten(CatalogObject object) {
  object.text = std::make_shared<const std::string>(to_sql_lines(statement_of(object)));
  TIDEWHEEL_ASSIGN_OR_RETURN(Statement parsed, parse_statement(*object.text));
  if (auto* const table = std::get_if<CreateTable>(&parsed.node)) {
    object.definition = std::move(*table);
  } else {
    object.definition = std::move(std::get<CreateView>(parsed.node));
  }
  return object;
}

MemoryCatalog::MemoryCatalog(const std::string& first_database) { databases_[first_database]; }

std::vector<Option> MemoryCatalog::options() const {
  return {Option{"type", "generic_in_memory", {}, {}}};
}

Result<std::vector<std::string>> MemoryCatalog::databases() {
  std::vector<std::string> names;
  for (const auto& [name, database] : databases_) { names.push_back(name); }
  return names;
}

Result<std::optional<CreateDatabase>> MemoryCatalog::database(const std::string& name) {
  const auto it = databases_.find(name);
  if (it == databases_.end()) { return std::optional<CreateDatabase>(); }
  return std::optional<CreateDatabase>(it->second.statement);
}

Status MemoryCatalog::create_database(const std::string& name, const CreateDatabase& statement) {
  if (!databases_.try_emplace(name, Database{statement, {}}).second) {
    return database_exists(name);
  }
  return ok_status();
}

Status MemoryCatalog::alter_database(const std::string& name,
                                     const std::function<void(CreateDatabase&)>& change) {
  const auto it = databases_.find(name);
  if (it == databases_.end()) { return no_database(name); }
  change(it->second.statement);
  return ok_status();
}

Status MemoryCatalog::drop_database(const std::string& name, bool cascades) {
  const auto it = databases_.find(name);
  if (it == databases_.end()) { return no_database(name); }
  if (!cascades && !it->second.objects.empty()) {
    return invalid_argument(ErrorId::kSqlCatalog,
                            "the database '{}' is not empty: drop what is in it, or add CASCADE",
                            name);
  }
  databases_.erase(it);
  return ok_status();
}

Result<std::vector<std::string>> MemoryCatalog::objects(const std::string& database) {
  std::vector<std::string> names;
  const auto it = databases_.find(database);
  if (it == databases_.end()) { return names; }
  for (const auto& [name, object] : it->second.objects) { names.push_back(name); }
  return names;
}

Result<CatalogObjectRef> MemoryCatalog::find(const ObjectPath& path) {
  const auto database = databases_.find(path.database);
  if (database == databases_.end()) { return CatalogObjectRef(); }
  const auto it = database->second.objects.find(path.object);
  return it == database->second.objects.end() ? CatalogObjectRef() : it->second;
}

Status MemoryCatalog::change(const ObjectPath& path, const Change& change) {
  const auto database = databases_.find(path.database);
  if (database == databases_.end()) { return no_database(path.database); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObjectRef now, find(path));
  TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<CatalogObject> made, change(now.get()));
  if (made.has_value()) {
    database->second.objects[path.object] = std::make_shared<CatalogObject>(std::move(*made));
  } else {
    database->second.objects.erase(path.object);
  }
  return ok_status();
}

Status MemoryCatalog::remove(const ObjectPath& path) {
  const auto database = databases_.find(path.database);
  if (database != databases_.end()) { database->second.objects.erase(path.object); }
  return ok_status();
}

Status MemoryCatalog::rename(const ObjectPath& from, const ObjectPath& to,
                             const std::function<Status(const CatalogObject*)>& check) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObjectRef now, find(from));
  TIDEWHEEL_RETURN_IF_ERROR(check(now.get()));
  TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObjectRef taken, find(to));
  if (taken != nullptr) {
    return already_exists(ErrorId::kSqlCatalog, "'{}' exists already", to.to_string());
  }
  CatalogObject renamed = *now;
  renamed.path = to;
  TIDEWHEEL_ASSIGN_OR_RETURN(renamed, rewritten(std::move(renamed)));
  auto& objects = databases_[from.database].objects;
  objects.erase(from.object);
  objects[to.object] = std::make_shared<CatalogObject>(std::move(renamed));
  return ok_status();
}

}  // namespace tidewheel::sql
