// Statements that show what the catalog has: SHOW and DESCRIBE.
#include <algorithm>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/like_pattern.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/session.h"

namespace tidewheel::sql {
namespace {

const char* heading(Show::What what) {
  switch (what) {
    case Show::What::kCatalogs: return "catalog name";
    case Show::What::kDatabases: return "database name";
    case Show::What::kTables: return "table name";
    case Show::What::kViews: return "view name";
    case Show::What::kFunctions:
    case Show::What::kUserFunctions: return "function name";
    case Show::What::kPartitions: return "partition name";
    case Show::What::kMaterializedTables: return "table name";
    case Show::What::kJars: return "jars";
    case Show::What::kProcedures: return "procedure name";
    case Show::What::kCurrentCatalog: return "current catalog name";
    case Show::What::kCurrentDatabase: return "current database name";
    default: return "result";
  }
}

// LIKE and ILIKE of SHOW.
class NameFilter {
 public:
  static Result<NameFilter> make(const Show& show) {
    const std::string pattern = show.like.value_or("%");
    TIDEWHEEL_ASSIGN_OR_RETURN(
        LikePattern like,
        LikePattern::compile(show.ignore_case ? in_capitals(pattern) : pattern, ""));
    return NameFilter(std::move(like), show);
  }
  bool passes(const std::string& name) const {
    return like_.matches(show_.ignore_case ? in_capitals(name) : name) != show_.not_like;
  }

 private:
  NameFilter(LikePattern like, const Show& show) : like_(std::move(like)), show_(show) {}
  LikePattern like_;
  const Show& show_;
};

const std::optional<std::string>& comment_of(const Column& column) {
  static const std::optional<std::string> kNone;
  if (const auto* physical = std::get_if<PhysicalColumn>(&column)) { return physical->comment; }
  if (const auto* metadata = std::get_if<MetadataColumn>(&column)) { return metadata->comment; }
  if (const auto* computed = std::get_if<ComputedColumn>(&column)) { return computed->comment; }
  return kNone;
}

Status check_partition_columns(const CatalogObject& object, const std::vector<Option>& asked) {
  const std::vector<Identifier>& columns = object.table()->partitioned_by;
  for (const Option& one : asked) {
    if (std::any_of(columns.begin(), columns.end(),
                    [&](const Identifier& column) { return column.name == one.key; })) {
      continue;
    }
    std::vector<std::string> names;
    for (const Identifier& column : columns) { names.push_back(column.name); }
    return invalid_argument(
        ErrorId::kSqlName, "{} is not partitioned by '{}'{}", object.path.to_string(), one.key,
        names.empty() ? ", but not at all"
                      : ", but by " + fmt::format("{}", fmt::join(names, ", ")));
  }
  return {};
}

std::string extras_of(const Column& column) {
  if (const auto* computed = std::get_if<ComputedColumn>(&column)) {
    return "AS " + to_sql(computed->value);
  }
  const auto* const metadata = std::get_if<MetadataColumn>(&column);
  if (metadata == nullptr) { return ""; }
  std::string out = "METADATA";
  if (metadata->key.has_value()) { out += " FROM '" + *metadata->key + "'"; }
  return metadata->is_virtual ? out + " VIRTUAL" : out;
}

}  // namespace

Listing text_listing(const std::string& text) {
  Listing listing;
  listing.is_text = true;
  listing.columns = {"result"};
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    listing.rows.push_back({text.substr(begin, end - begin)});
    begin = end + 1;
  }
  return listing;
}

// ---- SHOW

Result<std::vector<std::string>> Session::shown_names(const Show& statement) {
  // FROM names a database, or for SHOW DATABASES a catalog.
  ObjectPath database{catalog_.current_catalog(), catalog_.current_database(), ""};
  const bool of_database = statement.what == Show::What::kTables ||
                           statement.what == Show::What::kViews ||
                           statement.what == Show::What::kProcedures ||
                           statement.what == Show::What::kMaterializedTables;
  if (statement.of.has_value() && of_database) {
    database = catalog_.database_path_of(*statement.of);
    TIDEWHEEL_RETURN_IF_ERROR(catalog_.check_database(database));
  }
  switch (statement.what) {
    case Show::What::kCatalogs: return catalog_.catalogs();
    case Show::What::kDatabases:
      return catalog_.databases(statement.of.has_value() ? statement.of->parts.back().name
                                                         : catalog_.current_catalog());
    case Show::What::kTables: return catalog_.objects(database, true, true);
    case Show::What::kViews: return catalog_.objects(database, false, true);
    case Show::What::kMaterializedTables: return materialized_tables(database);
    case Show::What::kJars: return libraries_;
    case Show::What::kProcedures: return std::vector<std::string>();  // no catalog has any
    case Show::What::kFunctions: return functions_.all_names();
    case Show::What::kUserFunctions: return functions_.user_names();
    case Show::What::kCurrentCatalog: return std::vector{catalog_.current_catalog()};
    case Show::What::kCurrentDatabase: return std::vector{catalog_.current_database()};
    case Show::What::kPartitions: return shown_partitions(statement);
    default: return std::vector<std::string>();
  }
}

Result<std::vector<std::string>> Session::shown_partitions(const Show& statement) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObject* const object, catalog_.find(*statement.of));
  if (object->table() == nullptr) {
    return invalid_argument(ErrorId::kSqlQuery, "a view has no partitions: {}",
                            object->path.to_string());
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_partition_columns(*object, statement.partition));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto definition, define_table(environment(), *object, {}));
  const auto option = definition->options.find("connector");
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const TableConnector* const connector,
      tables().connector(option == definition->options.end() ? "" : option->second));
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<std::string> names,
                             connector->partitions(world_.files(), {*definition, tables()}));
  for (const Option& one : statement.partition) {
    std::erase_if(names, [&](const std::string& name) {
      return ("/" + name + "/").find("/" + one.key + "=" + one.value + "/") == std::string::npos;
    });
  }
  return names;
}

Result<StatementResult> Session::show(const Show& statement) {
  switch (statement.what) {
    case Show::What::kColumns: return show_columns(statement);
    case Show::What::kCreateTable:
    case Show::What::kCreateView:
    case Show::What::kCreateMaterializedTable: return show_create(statement);
    case Show::What::kCreateCatalog:
    case Show::What::kCreateDatabase:
    case Show::What::kCreateFunction: return show_create_other(*statement.of, statement.what);
    case Show::What::kModules:
    case Show::What::kFullModules:
      return StatementResult(show_modules(statement.what == Show::What::kFullModules));
    case Show::What::kJobs: return StatementResult(show_jobs());
    default: break;
  }
  Listing listing;
  listing.columns = {heading(statement.what)};
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<std::string> names, shown_names(statement));
  Show asked = statement;
  // Their names are the same in any case.
  asked.ignore_case = asked.ignore_case || asked.what == Show::What::kFunctions ||
                      asked.what == Show::What::kUserFunctions;
  TIDEWHEEL_ASSIGN_OR_RETURN(const NameFilter filter, NameFilter::make(asked));
  for (std::string& name : names) {
    if (filter.passes(name)) { listing.rows.push_back({std::move(name)}); }
  }
  return StatementResult(std::move(listing));
}

Result<StatementResult> Session::show_columns(const Show& statement) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObject* const object, catalog_.find(*statement.of));
  TIDEWHEEL_ASSIGN_OR_RETURN(Listing listing, describe_columns(*object));
  TIDEWHEEL_ASSIGN_OR_RETURN(const NameFilter filter, NameFilter::make(statement));
  std::erase_if(listing.rows, [&](const auto& row) { return !filter.passes(row[0]); });
  return StatementResult(std::move(listing));
}

Result<StatementResult> Session::show_create(const Show& statement) {
  if (statement.is_file) { return show_create_of_file(*statement.of); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObject* const object, catalog_.find(*statement.of));
  const CreateTable* const table = object->table();
  const auto kind = table == nullptr                     ? Show::What::kCreateView
                    : table->materialization.has_value() ? Show::What::kCreateMaterializedTable
                                                         : Show::What::kCreateTable;
  if (kind != statement.what) {
    const char* const words[] = {"VIEW", "MATERIALIZED TABLE", "TABLE"};
    const char* const word = words[kind == Show::What::kCreateView                ? 0
                                   : kind == Show::What::kCreateMaterializedTable ? 1
                                                                                  : 2];
    return invalid_argument(ErrorId::kSqlCatalog, "{} is a {}: SHOW CREATE {}",
                            object->path.to_string(), object->kind(), word);
  }
  return StatementResult(text_listing(to_sql_lines(statement_of(*object))));
}

// Of what is no table and no view.
Result<StatementResult> Session::show_create_other(const Name& name, Show::What what) const {
  Statement whole;
  if (what == Show::What::kCreateCatalog) {
    CreateCatalog made;
    made.name = name.parts.back();
    TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogStore* const store, catalog_.store(made.name.name));
    made.options = store->options();
    made.comment = catalog_.comment(made.name.name);
    whole.node = std::move(made);
  } else if (what == Show::What::kCreateFunction) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const CreateFunction* const made, find_function(name));
    whole.node = *made;
  } else {
    const ObjectPath path = catalog_.database_path_of(name);
    TIDEWHEEL_RETURN_IF_ERROR(catalog_.check_database(path));
    TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, catalog_.store(path.catalog));
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<CreateDatabase> made, store->database(path.database));
    if (!made.has_value()) { made.emplace(); }
    made->if_not_exists = false;
    made->name.parts = {{path.catalog, {}}, {path.database, {}}};
    whole.node = *std::move(made);
  }
  return StatementResult(text_listing(to_sql_lines(whole)));
}

// ---- DESCRIBE

Result<std::shared_ptr<const TableDefinition>> Session::file_table(const Name& file) const {
  if (!options_.file_table) {
    return unimplemented(ErrorId::kSqlUnsupported, "files can't be named here");
  }
  return options_.file_table(file.parts.front().name);
}

Result<StatementResult> Session::describe_file(const Describe& statement) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::shared_ptr<const TableDefinition> table,
                             file_table(statement.name));
  Listing listing;
  listing.columns = {"name", "type", "null", "key", "extras", "watermark"};
  for (const TableColumn& column : table->columns) {
    listing.rows.push_back({column.name, column.type.as_nullable().to_string(),
                            column.type.nullable ? "TRUE" : "FALSE", "", "", ""});
  }
  if (!statement.extended) { return StatementResult(std::move(listing)); }
  listing.rows.push_back({"", "", "", "", "", ""});
  listing.rows.push_back({"# kind", "file", "", "", "", ""});
  for (const auto& [key, value] : table->options) {
    listing.rows.push_back({"# " + key, value, "", "", "", ""});
  }
  return StatementResult(std::move(listing));
}

Result<StatementResult> Session::show_create_of_file(const Name& file) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::shared_ptr<const TableDefinition> table, file_table(file));
  CreateTable made;
  // The file's name without what follows a dot.
  std::string name = table->path.substr(table->path.rfind('/') + 1);
  name = name.substr(0, name.find('.', 1));
  made.name.parts.push_back({name.empty() ? "t" : name, {}});
  for (const TableColumn& column : table->columns) {
    TIDEWHEEL_ASSIGN_OR_RETURN(DataType type, parse_data_type(column.type.to_string()));
    PhysicalColumn physical;
    physical.name = {column.name, {}};
    physical.type = std::move(type);
    made.columns.emplace_back(std::move(physical));
  }
  for (const auto& [key, value] : table->options) { made.options.push_back({key, value, {}, {}}); }
  Statement whole;
  whole.node = std::move(made);
  return StatementResult(text_listing(to_sql_lines(whole)));
}

Result<StatementResult> Session::describe(const Describe& statement) {
  if (statement.is_file) { return describe_file(statement); }
  if (statement.kind == ObjectKind::kFunction) { return describe_function(statement); }
  if (statement.kind == ObjectKind::kCatalog || statement.kind == ObjectKind::kDatabase) {
    return describe_container(statement);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObject* const object, catalog_.find(statement.name));
  TIDEWHEEL_ASSIGN_OR_RETURN(Listing listing, describe_columns(*object));
  if (statement.extended) {
    listing.rows.push_back(std::vector<std::string>(listing.columns.size()));
    const auto add = [&](const std::string& name, const std::string& value) {
      std::vector<std::string> row(listing.columns.size());
      row[0] = "# " + name;
      row[1] = value;
      listing.rows.push_back(std::move(row));
    };
    add("path", object->path.to_string());
    add("kind", std::string(object->temporary ? "temporary " : "") + std::string(object->kind()));
    if (const CreateTable* const table = object->table()) {
      if (table->comment.has_value()) { add("comment", *table->comment); }
      for (const Identifier& column : table->partitioned_by) { add("partitioned by", column.name); }
      for (const Option& option : table->options) { add(option.key, option.value); }
    } else {
      if (object->view()->comment.has_value()) { add("comment", *object->view()->comment); }
      add("query", to_sql(object->view()->query));
    }
  }
  return StatementResult(std::move(listing));
}

Result<StatementResult> Session::describe_container(const Describe& statement) {
  Listing listing;
  listing.columns = {"info name", "info value"};
  if (statement.kind == ObjectKind::kCatalog) {
    const std::string& name = statement.name.parts.back().name;
    TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogStore* const store, catalog_.store(name));
    listing.rows.push_back({"name", name});
    if (const auto comment = catalog_.comment(name)) {
      listing.rows.push_back({"comment", *comment});
    }
    for (const Option& option : store->options()) {
      listing.rows.push_back({option.key, option.value});
    }
    return StatementResult(std::move(listing));
  }
  const ObjectPath path = catalog_.database_path_of(statement.name);
  TIDEWHEEL_RETURN_IF_ERROR(catalog_.check_database(path));
  TIDEWHEEL_ASSIGN_OR_RETURN(CatalogStore* const store, catalog_.store(path.catalog));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<CreateDatabase> database,
                             store->database(path.database));
  listing.rows.push_back({"name", path.database});
  listing.rows.push_back({"catalog", path.catalog});
  if (!database.has_value()) { return StatementResult(std::move(listing)); }
  listing.rows.push_back({"comment", database->comment.value_or("")});
  for (const Option& option : database->options) {
    listing.rows.push_back({option.key, option.value});
  }
  return StatementResult(std::move(listing));
}

Result<Listing> Session::describe_columns(const CatalogObject& object) {
  Listing listing;
  listing.columns = {"name", "type", "null", "key", "extras", "watermark"};
  const CreateTable* const table = object.table();
  RowType type;
  if (table == nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const PlanRef plan,
                               bind_query(environment(), *object.text, object.view()->query));
    type = plan->type;
    const std::vector<Identifier>& names = object.view()->columns;
    for (size_t i = 0; i < names.size() && i < type.size(); ++i) { type.names[i] = names[i].name; }
  } else {
    TIDEWHEEL_ASSIGN_OR_RETURN(type, table_columns(environment(), object));
  }
  const bool has_comments =
      table != nullptr &&
      std::any_of(table->columns.begin(), table->columns.end(),
                  [](const Column& column) { return comment_of(column).has_value(); });
  if (has_comments) { listing.columns.emplace_back("comment"); }
  std::string key;
  if (table != nullptr && table->primary_key.has_value()) {
    for (const Identifier& one : table->primary_key->columns) {
      key += (key.empty() ? "PRI(" : ", ") + one.name;
    }
    key += ")";
  }
  for (size_t i = 0; i < type.size(); ++i) {
    std::vector<std::string> row(listing.columns.size());
    row[0] = type.names[i];
    row[1] = type.types[i].as_nullable().to_string();
    row[2] = type.types[i].nullable ? "TRUE" : "FALSE";
    if (type.types[i].time == TimeAttribute::kEvent) { row[1] += " *ROWTIME*"; }
    if (type.types[i].time == TimeAttribute::kProcessing) { row[1] += " *PROCTIME*"; }
    if (table != nullptr) {
      const Column& column = table->columns[i];
      const auto* const physical = std::get_if<PhysicalColumn>(&column);
      if (physical != nullptr && physical->primary_key) { row[3] = "PRI(" + row[0] + ")"; }
      if (table->primary_key.has_value()) {
        for (const Identifier& one : table->primary_key->columns) {
          if (one.name == row[0]) { row[3] = key; }
        }
      }
      row[4] = extras_of(column);
      if (table->watermark.has_value() && table->watermark->column.parts.back().name == row[0]) {
        row[5] = to_sql(table->watermark->value);
      }
      if (has_comments) { row[6] = comment_of(column).value_or(""); }
    }
    listing.rows.push_back(std::move(row));
  }
  return listing;
}

}  // namespace tidewheel::sql
