#include "tidewheel/sql/catalog.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/sql/file_catalog.h"

namespace tidewheel::sql {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) { out += ", "; }
    out += name;
  }
  return out.empty() ? "(none)" : out;
}

bool is_kind(const CatalogObject& object, ObjectKind kind) {
  if (object.table() == nullptr) { return kind == ObjectKind::kView; }
  const bool materialized = object.table()->materialization.has_value();
  return kind == (materialized ? ObjectKind::kMaterializedTable : ObjectKind::kTable);
}

}  // namespace

std::string near_miss(std::string_view name, const std::vector<std::string>& candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  const std::string nearest = nearest_text(name, views);
  return nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
}

std::string name_text(const Name& name) {
  std::string out;
  for (const Identifier& part : name.parts) {
    if (!out.empty()) { out += '.'; }
    out += part.name;
  }
  return out;
}

Catalog::Catalog(World* world)
    : world_(world), current_catalog_(kDefaultCatalog), current_database_(kDefaultDatabase) {
  stores_[current_catalog_] = {std::make_unique<MemoryCatalog>(current_database_),
                               current_database_};
}

// ---- Catalogs and databases

Status Catalog::no_catalog(const std::string& name) const {
  return not_found(ErrorId::kSqlCatalog, "there is no catalog '{}'{}; there are: {}", name,
                   near_miss(name, catalogs()), joined(catalogs()));
}

Result<CatalogStore*> Catalog::store(const std::string& catalog) const {
  const auto it = stores_.find(catalog);
  if (it == stores_.end()) { return no_catalog(catalog); }
  return it->second.store.get();
}

Status Catalog::use_catalog(const std::string& name) {
  const auto it = stores_.find(name);
  if (it == stores_.end()) { return no_catalog(name); }
  current_catalog_ = name;
  current_database_ = it->second.first_database;
  return ok_status();
}

ObjectPath Catalog::database_path_of(const Name& name) const {
  return {name.parts.size() > 1 ? name.parts[0].name : current_catalog_, name.parts.back().name,
          ""};
}

Status Catalog::use_database(const Name& name) {
  const ObjectPath path = database_path_of(name);
  TIDEWHEEL_RETURN_IF_ERROR(check_database(path));
  current_catalog_ = path.catalog;
  current_database_ = path.database;
  return ok_status();
}

Status Catalog::check_database(const ObjectPath& path) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, this->store(path.catalog));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<std::string> names, store->databases());
  if (std::find(names.begin(), names.end(), path.database) != names.end()) { return ok_status(); }
  return not_found(ErrorId::kSqlCatalog,
                   "there is no database '{}' in the catalog '{}'{}; there are: {}", path.database,
                   path.catalog, near_miss(path.database, names), joined(names));
}

Status Catalog::make_store(const CreateCatalog& statement, Entry& entry) const {
  std::string type = "generic_in_memory";
  std::string directory;
  entry.first_database = kDefaultDatabase;
  for (const Option& option : statement.options) {
    if (option.key == "type") {
      type = option.value;
    } else if (option.key == "default-database" && !option.value.empty()) {
      entry.first_database = option.value;
    } else if (option.key == "path") {
      directory = option.value;
    } else {
      return invalid_argument(
          ErrorId::kSqlOption,
          "a catalog has the options 'type', 'path' and 'default-database', not '{}' = '{}'",
          option.key, option.value);
    }
  }
  if (type == "generic_in_memory") {
    if (!directory.empty()) {
      return invalid_argument(ErrorId::kSqlOption,
                              "a catalog in memory has no 'path'; one in files is of the 'type' "
                              "'file'");
    }
    entry.store = std::make_unique<MemoryCatalog>(entry.first_database);
    return ok_status();
  }
  if (type != "file") {
    return invalid_argument(ErrorId::kSqlOption,
                            "the 'type' of a catalog is 'generic_in_memory' or 'file', not '{}'",
                            type);
  }
  if (directory.empty()) {
    return invalid_argument(ErrorId::kSqlOption,
                            "a catalog in files needs the option 'path', the folder it is in");
  }
  if (world_ == nullptr) {
    return invalid_argument(ErrorId::kSqlOption, "catalogs in files can't be used here");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(entry.store, open_file_catalog(*world_, directory, statement.name.name,
                                                            entry.first_database));
  return ok_status();
}

Status Catalog::keep_default_in(const std::string& directory) {
  CreateCatalog statement;
  statement.name.name = kDefaultCatalog;
  statement.options = {Option{"type", "file", {}, {}}, Option{"path", directory, {}, {}}};
  return make_store(statement, stores_[std::string(kDefaultCatalog)]);
}

Status Catalog::create_catalog(const CreateCatalog& statement) {
  if (stores_.count(statement.name.name) > 0) {
    if (statement.if_not_exists) { return ok_status(); }
    return already_exists(ErrorId::kSqlCatalog, "the catalog '{}' exists already",
                          statement.name.name);
  }
  Entry entry;
  TIDEWHEEL_RETURN_IF_ERROR(make_store(statement, entry));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<std::string> databases, entry.store->databases());
  // One that was there may have been made with another first database.
  if (std::find(databases.begin(), databases.end(), entry.first_database) == databases.end() &&
      !databases.empty()) {
    entry.first_database = databases.front();
  }
  entry.comment = statement.comment;
  stores_[statement.name.name] = std::move(entry);
  return ok_status();
}

std::optional<std::string> Catalog::comment(const std::string& catalog) const {
  const auto entry = stores_.find(catalog);
  return entry == stores_.end() ? std::nullopt : entry->second.comment;
}

Status Catalog::create_database(const CreateDatabase& statement) {
  const ObjectPath path = database_path_of(statement.name);
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, this->store(path.catalog));
  Status made = store->create_database(path.database, statement);
  if (statement.if_not_exists && made.code() == StatusCode::kAlreadyExists) { return ok_status(); }
  return made;
}

Status Catalog::alter_database(const Alter& statement) {
  const ObjectPath path = database_path_of(statement.name);
  if (Status known = check_database(path); !known.ok()) {
    return statement.if_exists ? ok_status() : known;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, this->store(path.catalog));
  return store->alter_database(path.database, [&](CreateDatabase& database) {
    const auto remove = [&](const std::string& key) {
      std::erase_if(database.options, [&](const Option& old) { return old.key == key; });
    };
    if (const auto* set = std::get_if<SetOptions>(&statement.action)) {
      for (const Option& option : set->options) {
        remove(option.key);
        database.options.push_back(option);
      }
    } else {
      for (const std::string& key : std::get<ResetOptions>(statement.action).keys) { remove(key); }
    }
  });
}

Status Catalog::drop_catalog(const Drop& statement) {
  const std::string& name = statement.name.parts.back().name;
  if (name == current_catalog_) {
    return invalid_argument(ErrorId::kSqlCatalog, "the current catalog can't be dropped: {}", name);
  }
  if (stores_.erase(name) == 0 && !statement.if_exists) { return no_catalog(name); }
  std::erase_if(temporary_, [&](const auto& entry) { return entry.first.catalog == name; });
  return ok_status();
}

Status Catalog::drop_database(const Drop& statement) {
  const ObjectPath path = database_path_of(statement.name);
  if (Status known = check_database(path); !known.ok()) {
    return statement.if_exists ? ok_status() : known;
  }
  if (path.catalog == current_catalog_ && path.database == current_database_) {
    return invalid_argument(ErrorId::kSqlCatalog, "the current database can't be dropped: {}",
                            path.database);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, this->store(path.catalog));
  return store->drop_database(path.database, statement.rest == Drop::Rest::kCascade);
}

// ---- Objects

ObjectPath Catalog::path_of(const Name& name) const {
  const size_t count = name.parts.size();
  return {count > 2 ? name.parts[count - 3].name : current_catalog_,
          count > 1 ? name.parts[count - 2].name : current_database_, name.parts.back().name};
}

Status Catalog::not_there(ObjectKind kind, const ObjectPath& path, bool temporary) const {
  const bool is_table = kind != ObjectKind::kView;
  const Result<std::vector<std::string>> names = objects(path, is_table, !is_table);
  const char* const what = kind == ObjectKind::kMaterializedTable ? "materialized table"
                           : is_table                             ? "table"
                                                                  : "view";
  return not_found(ErrorId::kSqlCatalog, "there is no {}{} '{}'{}", temporary ? "temporary " : "",
                   what, path.to_string(), names.ok() ? near_miss(path.object, *names) : "");
}

Result<bool> Catalog::create(CatalogObject object, bool if_not_exists, bool replace) {
  TIDEWHEEL_RETURN_IF_ERROR(check_database(object.path));
  TIDEWHEEL_ASSIGN_OR_RETURN(object, rewritten(std::move(object)));
  const ObjectPath path = object.path;
  bool is_made = true;
  const auto make = [&](const CatalogObject* now) -> Result<std::optional<CatalogObject>> {
    if (now == nullptr || replace) { return std::optional<CatalogObject>(std::move(object)); }
    if (!if_not_exists) {
      return already_exists(ErrorId::kSqlCatalog, "a {} '{}' exists already", now->kind(),
                            path.to_string());
    }
    is_made = false;
    return std::optional<CatalogObject>(*now);
  };
  if (object.temporary) {
    const auto it = temporary_.find(path);
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<CatalogObject> made,
                               make(it == temporary_.end() ? nullptr : it->second.get()));
    temporary_[path] = std::make_shared<CatalogObject>(std::move(*made));
    return is_made;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, this->store(path.catalog));
  TIDEWHEEL_RETURN_IF_ERROR(store->change(path, make));
  return is_made;
}

Status Catalog::drop(const Drop& statement) {
  if (statement.kind == ObjectKind::kCatalog) { return drop_catalog(statement); }
  if (statement.kind == ObjectKind::kDatabase) { return drop_database(statement); }
  const ObjectPath path = path_of(statement.name);
  const auto missing = [&] {
    return statement.if_exists ? ok_status() : not_there(statement.kind, path, statement.temporary);
  };
  const auto it = temporary_.find(path);
  const bool is_shadowed = it != temporary_.end() && is_kind(*it->second, statement.kind);
  if (statement.temporary) {
    if (!is_shadowed) { return missing(); }
    temporary_.erase(it);
    return ok_status();
  }
  if (is_shadowed) {
    return invalid_argument(ErrorId::kSqlCatalog,
                            "there is a temporary {0} '{1}', which comes before any other of this "
                            "name: DROP TEMPORARY {2} it first",
                            it->second->kind(), path.to_string(),
                            statement.kind == ObjectKind::kTable ? "TABLE" : "VIEW");
  }
  const Result<CatalogStore*> store = this->store(path.catalog);
  if (!store.ok()) { return statement.if_exists ? ok_status() : store.status(); }
  const Result<CatalogObjectRef> now = (*store)->find(path);
  // What is damaged can be dropped, whatever it was.
  if (!now.ok() && now.status().code() != StatusCode::kDataLoss) { return now.status(); }
  if (now.ok() && (*now == nullptr || !is_kind(**now, statement.kind))) { return missing(); }
  return (*store)->remove(path);
}

Status Catalog::rename(ObjectKind kind, const Name& from, const Name& to, bool if_exists) {
  const ObjectPath old_path = path_of(from);
  ObjectPath new_path = old_path;
  new_path.object = to.parts.back().name;
  if (to.parts.size() > 1 &&
      (path_of(to).database != old_path.database || path_of(to).catalog != old_path.catalog)) {
    return invalid_argument(ErrorId::kSqlCatalog,
                            "RENAME keeps the database: '{}' can't become '{}'",
                            old_path.to_string(), path_of(to).to_string());
  }
  if (temporary_.count(old_path) > 0) {
    return invalid_argument(ErrorId::kSqlCatalog, "what is temporary can't be renamed: {}",
                            old_path.to_string());
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, this->store(old_path.catalog));
  bool is_missing = false;
  const Status renamed = store->rename(old_path, new_path, [&](const CatalogObject* now) -> Status {
    if (now != nullptr && is_kind(*now, kind)) { return ok_status(); }
    is_missing = true;
    return not_there(kind, old_path, false);
  });
  return is_missing && if_exists ? ok_status() : renamed;
}

Status Catalog::change(ObjectKind kind, const Name& name, bool if_exists, const Change& change) {
  const ObjectPath path = path_of(name);
  bool is_missing = false;
  const auto apply = [&](const CatalogObject* now) -> Result<std::optional<CatalogObject>> {
    if (now == nullptr || !is_kind(*now, kind)) {
      is_missing = true;
      return not_there(kind, path, false);
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(CatalogObject made, change(*now));
    return std::optional<CatalogObject>(std::move(made));
  };
  if (const auto it = temporary_.find(path); it != temporary_.end()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<CatalogObject> made, apply(it->second.get()));
    it->second = std::make_shared<CatalogObject>(std::move(*made));
    return ok_status();
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, this->store(path.catalog));
  TIDEWHEEL_RETURN_IF_ERROR(check_database(path));
  const Status changed = store->change(path, apply);
  return is_missing && if_exists ? ok_status() : changed;
}

Result<const CatalogObject*> Catalog::find(const Name& name) const {
  const ObjectPath path = path_of(name);
  const auto keep = [this](CatalogObjectRef object) -> const CatalogObject* {
    found_.push_back(std::move(object));
    return found_.back().get();
  };
  if (const auto it = temporary_.find(path); it != temporary_.end()) { return keep(it->second); }
  if (const auto it = stores_.find(path.catalog); it != stores_.end()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(CatalogObjectRef found, it->second.store->find(path));
    if (found != nullptr) { return keep(std::move(found)); }
  }
  const Result<std::vector<std::string>> names = objects(path, true, true);
  return not_found(ErrorId::kSqlName, "there is no table or view '{}'{}", name_text(name),
                   names.ok() ? near_miss(path.object, *names) : "");
}

std::vector<std::string> Catalog::catalogs() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : stores_) { names.push_back(name); }
  return names;
}

Result<std::vector<std::string>> Catalog::databases(const std::string& catalog) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, this->store(catalog));
  return store->databases();
}

Result<std::vector<std::string>> Catalog::objects(const ObjectPath& database, bool tables,
                                                  bool views) const {
  std::vector<std::string> names;
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, this->store(database.catalog));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<std::string> all, store->objects(database.database));
  for (const std::string& name : all) {
    if (!tables || !views) {
      const Result<CatalogObjectRef> object =
          store->find({database.catalog, database.database, name});
      if (object.ok() && (*object == nullptr || ((*object)->table() != nullptr) != tables)) {
        continue;
      }
    }
    names.push_back(name);
  }
  for (const auto& [path, object] : temporary_) {
    if (path.catalog != database.catalog || path.database != database.database) { continue; }
    if (object->table() != nullptr ? tables : views) { names.push_back(path.object); }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<std::string> Catalog::objects(bool tables, bool views) const {
  return objects({current_catalog_, current_database_, ""}, tables, views).value_or({});
}

}  // namespace tidewheel::sql
