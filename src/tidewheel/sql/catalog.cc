#include "tidewheel/sql/catalog.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/sql/print.h"

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

Catalog::Catalog() : current_catalog_(kDefaultCatalog), current_database_(kDefaultDatabase) {
  databases_[current_catalog_][current_database_];
}

Status Catalog::use_catalog(const std::string& name) {
  const auto it = databases_.find(name);
  if (it == databases_.end()) {
    return not_found(ErrorId::kSqlCatalog, "there is no catalog '{}'{}; there are: {}", name,
                     near_miss(name, catalogs()), joined(catalogs()));
  }
  current_catalog_ = name;
  current_database_ = it->second.begin()->first;
  return ok_status();
}

Status Catalog::use_database(const Name& name) {
  const std::string& catalog = name.parts.size() > 1 ? name.parts[0].name : current_catalog_;
  const std::string& database = name.parts.back().name;
  TIDEWHEEL_RETURN_IF_ERROR(check_database({catalog, database, ""}));
  current_catalog_ = catalog;
  current_database_ = database;
  return ok_status();
}

Status Catalog::check_database(const ObjectPath& path) const {
  const auto it = databases_.find(path.catalog);
  if (it == databases_.end()) {
    return not_found(ErrorId::kSqlCatalog, "there is no catalog '{}'{}; there are: {}",
                     path.catalog, near_miss(path.catalog, catalogs()), joined(catalogs()));
  }
  if (it->second.count(path.database) > 0) { return ok_status(); }
  std::vector<std::string> names;
  for (const auto& [name, options] : it->second) { names.push_back(name); }
  return not_found(ErrorId::kSqlCatalog,
                   "there is no database '{}' in the catalog '{}'{}; there "
                   "are: {}",
                   path.database, path.catalog, near_miss(path.database, names), joined(names));
}

Status Catalog::create_catalog(const CreateCatalog& statement) {
  if (databases_.count(statement.name.name) > 0) {
    if (statement.if_not_exists) { return ok_status(); }
    return already_exists(ErrorId::kSqlCatalog, "the catalog '{}' exists already",
                          statement.name.name);
  }
  for (const Option& option : statement.options) {
    if (option.key == "type" && option.value == "generic_in_memory") { continue; }
    return invalid_argument(ErrorId::kSqlOption,
                            "a catalog has the option 'type' = 'generic_in_memory' only, not '{}' "
                            "= '{}'",
                            option.key, option.value);
  }
  databases_[statement.name.name][std::string(kDefaultDatabase)];
  return ok_status();
}

Status Catalog::create_database(const CreateDatabase& statement) {
  const Name& name = statement.name;
  const std::string& catalog = name.parts.size() > 1 ? name.parts[0].name : current_catalog_;
  const auto it = databases_.find(catalog);
  if (it == databases_.end()) {
    return not_found(ErrorId::kSqlCatalog, "there is no catalog '{}'{}", catalog,
                     near_miss(catalog, catalogs()));
  }
  if (it->second.count(name.parts.back().name) > 0) {
    if (statement.if_not_exists) { return ok_status(); }
    return already_exists(ErrorId::kSqlCatalog, "the database '{}' exists already",
                          name.parts.back().name);
  }
  it->second[name.parts.back().name] = statement.options;
  return ok_status();
}

ObjectPath Catalog::path_of(const Name& name) const {
  const size_t count = name.parts.size();
  return {count > 2 ? name.parts[count - 3].name : current_catalog_,
          count > 1 ? name.parts[count - 2].name : current_database_, name.parts.back().name};
}

Status Catalog::create(CatalogObject object, bool if_not_exists, bool replace) {
  TIDEWHEEL_RETURN_IF_ERROR(check_database(object.path));
  auto& objects = object.temporary ? temporary_ : objects_;
  const auto it = objects.find(object.path);
  if (it != objects.end() && !replace) {
    if (if_not_exists) { return ok_status(); }
    return already_exists(ErrorId::kSqlCatalog, "{} '{}' exists already",
                          it->second->table() != nullptr ? "a table" : "a view",
                          object.path.to_string());
  }
  const ObjectPath path = object.path;
  objects[path] = std::make_unique<CatalogObject>(std::move(object));
  return ok_status();
}

Status Catalog::drop(const Drop& statement) {
  const bool is_table = statement.kind == ObjectKind::kTable;
  if (statement.kind == ObjectKind::kCatalog) {
    const std::string& name = statement.name.parts.back().name;
    if (name == current_catalog_) {
      return invalid_argument(ErrorId::kSqlCatalog, "the current catalog can't be dropped: {}",
                              name);
    }
    if (databases_.erase(name) > 0 || statement.if_exists) { return ok_status(); }
    return not_found(ErrorId::kSqlCatalog, "there is no catalog '{}'{}", name,
                     near_miss(name, catalogs()));
  }
  if (statement.kind == ObjectKind::kDatabase) {
    const Name& name = statement.name;
    const ObjectPath path{name.parts.size() > 1 ? name.parts[0].name : current_catalog_,
                          name.parts.back().name, ""};
    if (Status known = check_database(path); !known.ok()) {
      return statement.if_exists ? ok_status() : known;
    }
    const auto first = objects_.lower_bound(path);
    const bool is_empty = first == objects_.end() || first->first.catalog != path.catalog ||
                          first->first.database != path.database;
    if (!is_empty && statement.rest != Drop::Rest::kCascade) {
      return invalid_argument(ErrorId::kSqlCatalog,
                              "the database '{}' is not empty: drop what is in it, or add CASCADE",
                              path.database);
    }
    std::erase_if(objects_, [&](const auto& entry) {
      return entry.first.catalog == path.catalog && entry.first.database == path.database;
    });
    databases_[path.catalog].erase(path.database);
    return ok_status();
  }
  const ObjectPath path = path_of(statement.name);
  auto& objects = statement.temporary ? temporary_ : objects_;
  const auto it = objects.find(path);
  if (it == objects.end() || (it->second->table() != nullptr) != is_table) {
    if (statement.if_exists) { return ok_status(); }
    return not_found(ErrorId::kSqlCatalog, "there is no {}{} '{}'{}",
                     statement.temporary ? "temporary " : "", is_table ? "table" : "view",
                     path.to_string(), near_miss(path.object, this->objects(is_table, !is_table)));
  }
  objects.erase(it);
  return ok_status();
}

Status Catalog::rename(ObjectKind kind, const Name& from, const Name& to, bool if_exists) {
  const ObjectPath old_path = path_of(from);
  ObjectPath new_path = old_path;
  new_path.object = to.parts.back().name;
  const auto it = objects_.find(old_path);
  if (it == objects_.end() || (it->second->table() != nullptr) != (kind == ObjectKind::kTable)) {
    if (if_exists) { return ok_status(); }
    return not_found(ErrorId::kSqlCatalog, "there is no table or view '{}'", old_path.to_string());
  }
  if (objects_.count(new_path) > 0) {
    return already_exists(ErrorId::kSqlCatalog, "'{}' exists already", new_path.to_string());
  }
  std::unique_ptr<CatalogObject> object = std::move(it->second);
  objects_.erase(it);
  object->path = new_path;
  objects_[new_path] = std::move(object);
  return ok_status();
}

Result<const CatalogObject*> Catalog::find(const Name& name) const {
  const ObjectPath path = path_of(name);
  for (const auto* objects : {&temporary_, &objects_}) {
    const auto it = objects->find(path);
    if (it != objects->end()) { return it->second.get(); }
  }
  return not_found(ErrorId::kSqlName, "there is no table or view '{}'{}", name_text(name),
                   near_miss(path.object, objects(true, true)));
}

CatalogObject* Catalog::find_mutable(const ObjectPath& path) {
  const auto it = objects_.find(path);
  return it == objects_.end() ? nullptr : it->second.get();
}

std::vector<std::string> Catalog::catalogs() const {
  std::vector<std::string> names;
  for (const auto& [name, databases] : databases_) { names.push_back(name); }
  return names;
}

std::vector<std::string> Catalog::databases() const {
  std::vector<std::string> names;
  for (const auto& [name, options] : databases_.at(current_catalog_)) { names.push_back(name); }
  return names;
}

std::vector<std::string> Catalog::objects(bool tables, bool views) const {
  std::vector<std::string> names;
  for (const auto* objects : {&temporary_, &objects_}) {
    for (const auto& [path, object] : *objects) {
      if (path.catalog != current_catalog_ || path.database != current_database_) { continue; }
      if (object->table() != nullptr ? tables : views) { names.push_back(path.object); }
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace tidewheel::sql
