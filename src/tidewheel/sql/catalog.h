// What the names in statements mean: the catalogs of a session, the current one, and temporary
// objects, which come before what is in a catalog. One thread.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/catalog_store.h"

namespace tidewheel {
class World;  // base/world.h
}

namespace tidewheel::sql {

class Catalog {
 public:
  static constexpr std::string_view kDefaultCatalog = "default_catalog";
  static constexpr std::string_view kDefaultDatabase = "default_database";

  // The world outlives it; null: there are no catalogs in files.
  explicit Catalog(World* world = nullptr);

  const std::string& current_catalog() const { return current_catalog_; }
  const std::string& current_database() const { return current_database_; }
  // Errors: kSqlCatalog, naming what there is.
  Status use_catalog(const std::string& name);
  Status use_database(const Name& name);

  // Has the default catalog in files of a folder, from now on.
  Status keep_default_in(const std::string& directory);

  Status create_catalog(const CreateCatalog& statement);
  Status create_database(const CreateDatabase& statement);
  Status alter_database(const Alter& statement);
  // `object.path` is filled in from the statement's name. Returns whether it was made: it is not
  // when it is there and `if_not_exists`.
  Result<bool> create(CatalogObject object, bool if_not_exists, bool replace);
  Status drop(const Drop& statement);
  Status rename(ObjectKind kind, const Name& from, const Name& to, bool if_exists);
  // `change` makes the new object of the old one. Nothing happens when there is none of this kind,
  // and `if_exists`.
  using Change = std::function<Result<CatalogObject>(CatalogObject now)>;
  Status change(ObjectKind kind, const Name& name, bool if_exists, const Change& change);

  // Temporary objects come before permanent ones. What is returned lives until `forget`. Errors:
  // kSqlName, with the near miss; kSqlCatalog when it can't be read.
  Result<const CatalogObject*> find(const Name& name) const;
  // Nobody looks any more at what was found before.
  void forget() { found_.clear(); }

  ObjectPath path_of(const Name& name) const;
  // The catalog and database that a name of a database means.
  ObjectPath database_path_of(const Name& name) const;
  Status check_database(const ObjectPath& path) const;
  Result<CatalogStore*> store(const std::string& catalog) const;

  std::vector<std::string> catalogs() const;
  // What CREATE CATALOG said of one.
  std::optional<std::string> comment(const std::string& catalog) const;
  Result<std::vector<std::string>> databases(const std::string& catalog) const;
  // Of a database, temporary ones included. What can't be read is among both.
  Result<std::vector<std::string>> objects(const ObjectPath& database, bool tables,
                                           bool views) const;
  // Of the current database; those that can be read.
  std::vector<std::string> objects(bool tables, bool views) const;

 private:
  struct Entry {
    std::unique_ptr<CatalogStore> store;
    std::string first_database;
    std::optional<std::string> comment = {};
  };
  Status make_store(const CreateCatalog& statement, Entry& entry) const;
  Status drop_catalog(const Drop& statement);
  Status drop_database(const Drop& statement);
  Status no_catalog(const std::string& name) const;
  Status not_there(ObjectKind kind, const ObjectPath& path, bool temporary) const;

  World* world_;
  std::string current_catalog_;
  std::string current_database_;
  std::map<std::string, Entry> stores_;  // by the catalog's name
  std::map<ObjectPath, CatalogObjectRef> temporary_;
  mutable std::vector<CatalogObjectRef> found_;
};

// A name as it is written, without back-ticks.
std::string name_text(const Name& name);

// "; did you mean 'x'?", or nothing.
std::string near_miss(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace tidewheel::sql
