// What is in one catalog, and where that is kept: in memory, for as long as the session lives, or
// in files (file_catalog.h). Objects are kept as the statements that made them, so that what is
// stored and what SHOW CREATE prints is SQL.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
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
  Name name() const { return {{{catalog, {}}, {database, {}}, {object, {}}}}; }
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
  std::string_view kind() const { return table() != nullptr ? "table" : "view"; }
};
using CatalogObjectRef = std::shared_ptr<const CatalogObject>;

// The statement that makes an object, named without its catalog and database.
Statement statement_of(const CatalogObject& object);
// The object with a text of its own, in which its places are those of no other text: what was put
// together of several statements, or is to be kept, is written and parsed again.
Result<CatalogObject> rewritten(CatalogObject object);

// One thread. What names something that is not there, or that is there already: kSqlCatalog.
class CatalogStore {
 public:
  // What becomes of an object: from what it is now, null when it is not there; nothing removes it.
  using Change = std::function<Result<std::optional<CatalogObject>>(const CatalogObject* now)>;

  virtual ~CatalogStore() = default;
  // The options that make such a catalog, 'type' first.
  virtual std::vector<Option> options() const = 0;

  // In the order of their names.
  virtual Result<std::vector<std::string>> databases() = 0;
  // Nothing when there is none.
  virtual Result<std::optional<CreateDatabase>> database(const std::string& name) = 0;
  virtual Status create_database(const std::string& name, const CreateDatabase& statement) = 0;
  virtual Status alter_database(const std::string& name,
                                const std::function<void(CreateDatabase&)>& change) = 0;
  // With all that is in it when it `cascades`, else it has to be empty.
  virtual Status drop_database(const std::string& name, bool cascades) = 0;

  // The names of all objects of a database, in their order; none when the database is not there.
  virtual Result<std::vector<std::string>> objects(const std::string& database) = 0;
  // Null when there is none. An object that is damaged is an error with the code kDataLoss.
  virtual Result<CatalogObjectRef> find(const ObjectPath& path) = 0;
  // Nobody else changes the object between its reading and its writing.
  virtual Status change(const ObjectPath& path, const Change& change) = 0;
  // Takes away what is there, damaged or not.
  virtual Status remove(const ObjectPath& path) = 0;
  // `check` sees what is to be renamed, null when nothing is there.
  virtual Status rename(const ObjectPath& from, const ObjectPath& to,
                        const std::function<Status(const CatalogObject*)>& check) = 0;
};

class MemoryCatalog final : public CatalogStore {
 public:
  explicit MemoryCatalog(const std::string& first_database);

  std::vector<Option> options() const override;
  Result<std::vector<std::string>> databases() override;
  Result<std::optional<CreateDatabase>> database(const std::string& name) override;
  Status create_database(const std::string& name, const CreateDatabase& statement) override;
  Status alter_database(const std::string& name,
                        const std::function<void(CreateDatabase&)>& change) override;
  Status drop_database(const std::string& name, bool cascades) override;
  Result<std::vector<std::string>> objects(const std::string& database) override;
  Result<CatalogObjectRef> find(const ObjectPath& path) override;
  Status change(const ObjectPath& path, const Change& change) override;
  Status remove(const ObjectPath& path) override;
  Status rename(const ObjectPath& from, const ObjectPath& to,
                const std::function<Status(const CatalogObject*)>& check) override;

 private:
  struct Database {
    CreateDatabase statement;
    std::map<std::string, CatalogObjectRef> objects;
  };
  std::map<std::string, Database> databases_;
};

}  // namespace tidewheel::sql
