// The catalog of a session: catalogs, databases, tables and views, kept as the statements that made
// them, so that what is stored and what SHOW CREATE prints is SQL. One thread.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/statement.h"

namespace tidewheel::sql {

// catalog.database.object
struct ObjectPath {
  std::string catalog;
  std::string database;
  std::string object;
  std::string to_string() const { return catalog + "." + database + "." + object; }
  friend auto operator<=>(const ObjectPath&, const ObjectPath&) = default;
};

// A table or a view. The text is the one that the statement's places refer to.
struct CatalogObject {
  ObjectPath path;
  std::shared_ptr<const std::string> text;
  std::variant<CreateTable, CreateView> definition;
  bool temporary = false;

  const CreateTable* table() const { return std::get_if<CreateTable>(&definition); }
  const CreateView* view() const { return std::get_if<CreateView>(&definition); }
};

class Catalog {
 public:
  static constexpr std::string_view kDefaultCatalog = "default_catalog";
  static constexpr std::string_view kDefaultDatabase = "default_database";

  Catalog();

  const std::string& current_catalog() const { return current_catalog_; }
  const std::string& current_database() const { return current_database_; }
  // Errors: kSqlCatalog, naming what there is.
  Status use_catalog(const std::string& name);
  Status use_database(const Name& name);

  Status create_catalog(const CreateCatalog& statement);
  Status create_database(const CreateDatabase& statement);
  // `object.path` is filled in from the statement's name.
  Status create(CatalogObject object, bool if_not_exists, bool replace);
  Status drop(const Drop& statement);
  Status rename(ObjectKind kind, const Name& from, const Name& to, bool if_exists);

  // Temporary objects come before permanent ones. Errors: kSqlName, with the near miss.
  Result<const CatalogObject*> find(const Name& name) const;
  CatalogObject* find_mutable(const ObjectPath& path);

  ObjectPath path_of(const Name& name) const;
  std::vector<std::string> catalogs() const;
  std::vector<std::string> databases() const;  // of the current catalog
  // Of the current database; `kind` is kTable or kView.
  std::vector<std::string> objects(bool tables, bool views) const;

 private:
  Status check_database(const ObjectPath& path) const;

  std::string current_catalog_;
  std::string current_database_;
  std::map<std::string, std::map<std::string, std::vector<Option>>> databases_;  // by catalog
  std::map<ObjectPath, std::unique_ptr<CatalogObject>> objects_;
  std::map<ObjectPath, std::unique_ptr<CatalogObject>> temporary_;
};

// A name as it is written: back-ticks where needed.
std::string name_text(const Name& name);

// "; did you mean 'x'?", or nothing.
std::string near_miss(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace tidewheel::sql
