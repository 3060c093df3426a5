#include "tidewheel/sql/table_definition.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/parser.h"

namespace tidewheel::sql {
namespace {

std::vector<std::string> column_names(const CreateTable& table) {
  std::vector<std::string> names;
  for (const Column& column : table.columns) { names.push_back(column_name(column).name); }
  return names;
}
auto find_column(CreateTable& table, const std::string& name) {
  return std::find_if(table.columns.begin(), table.columns.end(),
                      [&](const Column& column) { return column_name(column).name == name; });
}
const Column* column_of(const CreateTable& table, const std::string& name) {
  for (const Column& column : table.columns) {
    if (column_name(column).name == name) { return &column; }
  }
  return nullptr;
}

Status no_column(std::string_view text, const Identifier& name, const CreateTable& table) {
  return error_at(text, name.span, ErrorId::kSqlName,
                  fmt::format("the table has no column '{}'{}", name.name,
                              near_miss(name.name, column_names(table))));
}

// ---- LIKE

using Action = LikeTable::Action;
using Feature = LikeTable::Feature;
constexpr size_t kFeatures = static_cast<size_t>(Feature::kWatermarks) + 1;
constexpr std::string_view kFeatureNames[kFeatures] = {"ALL",        "CONSTRAINTS", "DISTRIBUTION",
                                                       "GENERATED",  "METADATA",    "OPTIONS",
                                                       "PARTITIONS", "WATERMARKS"};

bool may_overwrite(Feature feature) {
  return feature == Feature::kGenerated || feature == Feature::kMetadata ||
         feature == Feature::kOptions || feature == Feature::kWatermarks;
}

class LikeMerge {
 public:
  LikeMerge(std::string_view text, const CreateTable& statement, CreateTable source)
      : text_(text), statement_(statement), source_(std::move(source)), made_(statement) {}

  Result<CreateTable> merge() {
    TIDEWHEEL_RETURN_IF_ERROR(read_rules());
    gather_primary_key(source_);
    gather_primary_key(made_);
    TIDEWHEEL_RETURN_IF_ERROR(merge_columns());
    TIDEWHEEL_RETURN_IF_ERROR(merge_one(Feature::kWatermarks, made_.watermark, source_.watermark,
                                        "a watermark",
                                        "EXCLUDING WATERMARKS or OVERWRITING WATERMARKS"));
    TIDEWHEEL_RETURN_IF_ERROR(merge_one(Feature::kConstraints, made_.primary_key,
                                        source_.primary_key, "a primary key",
                                        "EXCLUDING CONSTRAINTS"));
    TIDEWHEEL_RETURN_IF_ERROR(merge_one(Feature::kDistribution, made_.distribution,
                                        source_.distribution, "a distribution",
                                        "EXCLUDING DISTRIBUTION"));
    if (action(Feature::kPartitions) != Action::kExcluding && !source_.partitioned_by.empty()) {
      if (!made_.partitioned_by.empty()) {
        return refused(made_.partitioned_by[0].span, "is partitioned", "EXCLUDING PARTITIONS");
      }
      made_.partitioned_by = source_.partitioned_by;
    }
    TIDEWHEEL_RETURN_IF_ERROR(merge_options());
    made_.like.reset();
    return std::move(made_);
  }

 private:
  Action action(Feature feature) const { return actions_[static_cast<size_t>(feature)]; }
  Status refused(Span place, std::string_view what, std::string_view instead) const {
    return error_at(
        text_, place, ErrorId::kSqlQuery,
        fmt::format("the table that this one is LIKE {} already; add {}", what, instead));
  }

  Status read_rules() {
    actions_.fill(Action::kIncluding);
    actions_[static_cast<size_t>(Feature::kOptions)] = Action::kOverwriting;
    // ALL goes first, wherever it stands.
    for (const bool all : {true, false}) {
      for (const LikeTable::Rule& rule : statement_.like->rules) {
        if ((rule.feature == Feature::kAll) != all) { continue; }
        if (rule.action == Action::kOverwriting && !may_overwrite(rule.feature)) {
          return error_at(text_, statement_.like->table.span(), ErrorId::kSqlQuery,
                          fmt::format("OVERWRITING is for GENERATED, METADATA, OPTIONS and "
                                      "WATERMARKS, not for {}",
                                      kFeatureNames[static_cast<size_t>(rule.feature)]));
        }
        if (all) {
          actions_.fill(rule.action);
        } else {
          actions_[static_cast<size_t>(rule.feature)] = rule.action;
        }
      }
    }
    return ok_status();
  }

  // The source's columns, then those of the statement; one that overwrites stands where the old one
  // stood.
  Status merge_columns() {
    std::vector<Column> columns;
    for (const Column& column : source_.columns) {
      const bool is_left_out = (std::holds_alternative<ComputedColumn>(column) &&
                                action(Feature::kGenerated) == Action::kExcluding) ||
                               (std::holds_alternative<MetadataColumn>(column) &&
                                action(Feature::kMetadata) == Action::kExcluding);
      if (!is_left_out) { columns.push_back(column); }
    }
    for (const Column& column : statement_.columns) {
      const Identifier& name = column_name(column);
      const auto old = std::find_if(columns.begin(), columns.end(), [&](const Column& other) {
        return column_name(other).name == name.name;
      });
      if (old == columns.end()) {
        columns.push_back(column);
        continue;
      }
      const bool both_computed = std::holds_alternative<ComputedColumn>(column) &&
                                 std::holds_alternative<ComputedColumn>(*old);
      const bool both_metadata = std::holds_alternative<MetadataColumn>(column) &&
                                 std::holds_alternative<MetadataColumn>(*old);
      if ((both_computed && action(Feature::kGenerated) == Action::kOverwriting) ||
          (both_metadata && action(Feature::kMetadata) == Action::kOverwriting)) {
        *old = column;
        continue;
      }
      return refused(name.span, fmt::format("has a column '{}'", name.name),
                     both_computed   ? "EXCLUDING GENERATED or OVERWRITING GENERATED"
                     : both_metadata ? "EXCLUDING METADATA or OVERWRITING METADATA"
                                     : "a column of another name");
    }
    made_.columns = std::move(columns);
    return ok_status();
  }

  template <class Part>
  Status merge_one(Feature feature, std::optional<Part>& mine, const std::optional<Part>& theirs,
                   std::string_view what, std::string_view instead) {
    if (action(feature) == Action::kExcluding || !theirs.has_value()) { return ok_status(); }
    if (!mine.has_value()) {
      mine = theirs;
      return ok_status();
    }
    if (action(feature) == Action::kOverwriting) { return ok_status(); }
    return refused(statement_.name.span(), fmt::format("has {}", what), instead);
  }

  Status merge_options() {
    if (action(Feature::kOptions) == Action::kExcluding) { return ok_status(); }
    std::vector<Option> options = source_.options;
    for (const Option& option : statement_.options) {
      const auto old = std::find_if(options.begin(), options.end(),
                                    [&](const Option& other) { return other.key == option.key; });
      if (old == options.end()) {
        options.push_back(option);
      } else if (action(Feature::kOptions) == Action::kOverwriting) {
        *old = option;
      } else {
        return refused(option.key_span, fmt::format("has the option '{}'", option.key),
                       "OVERWRITING OPTIONS");
      }
    }
    made_.options = std::move(options);
    return ok_status();
  }

  const std::string_view text_;
  const CreateTable& statement_;
  CreateTable source_;
  CreateTable made_;
  std::array<Action, kFeatures> actions_{};
};

// ---- ALTER

struct AlterTable {
  std::string_view text;
  const Alter& statement;
  CreateTable& table;

  Status wrong(Span place, const std::string& message) const {
    return error_at(text, place, ErrorId::kSqlQuery, message);
  }
  Span place() const { return statement.name.span(); }

  Status operator()(const RenameTo&) const { return ok_status(); }
  Status operator()(const ReplaceQuery&) const {
    return wrong(place(), "a table has no query to replace");
  }
  Status operator()(const AlterRefresh&) const {
    return wrong(place(), "only a materialized table is suspended and resumed");
  }
  Status operator()(const SetOptions& set) const {
    for (const Option& option : set.options) {
      std::erase_if(table.options, [&](const Option& old) { return old.key == option.key; });
      table.options.push_back(option);
    }
    return ok_status();
  }
  Status operator()(const ResetOptions& reset) const {
    for (const std::string& key : reset.keys) {
      std::erase_if(table.options, [&](const Option& old) { return old.key == key; });
    }
    return ok_status();
  }

  Status operator()(const AlterSchema& action) const {
    for (const AlterSchema::Placed& placed : action.columns) {
      TIDEWHEEL_RETURN_IF_ERROR(put(placed, action.modify));
    }
    const auto put_part = [&](const auto& part, auto& into, const char* what) -> Status {
      if (!part.has_value()) { return ok_status(); }
      if (into.has_value() != action.modify) {
        return wrong(place(), action.modify
                                  ? fmt::format("the table has no {} to MODIFY; ADD one", what)
                                  : fmt::format("the table has a {} already; MODIFY it", what));
      }
      into = part;
      return ok_status();
    };
    TIDEWHEEL_RETURN_IF_ERROR(put_part(action.watermark, table.watermark, "watermark"));
    return put_part(action.primary_key, table.primary_key, "primary key");
  }
  Status put(const AlterSchema::Placed& placed, bool modify) const {
    const Identifier& name = column_name(placed.column);
    const auto old = find_column(table, name.name);
    if (modify && old == table.columns.end()) { return no_column(text, name, table); }
    if (!modify && old != table.columns.end()) {
      return wrong(name.span,
                   fmt::format("the table has a column '{}' already; MODIFY it", name.name));
    }
    auto at = table.columns.end();
    if (modify) {
      if (!placed.first && !placed.after.has_value()) {
        *old = placed.column;
        return keep_key_of(placed.column);
      }
      table.columns.erase(old);
    }
    at = placed.first ? table.columns.begin() : table.columns.end();
    if (placed.after.has_value()) {
      at = find_column(table, placed.after->name);
      if (at == table.columns.end()) { return no_column(text, *placed.after, table); }
      ++at;
    }
    table.columns.insert(at, placed.column);
    return keep_key_of(placed.column);
  }
  // `a INT PRIMARY KEY NOT ENFORCED` adds a key to the table.
  Status keep_key_of(const Column& column) const {
    const auto* const physical = std::get_if<PhysicalColumn>(&column);
    if (physical == nullptr || !physical->primary_key) { return ok_status(); }
    if (table.primary_key.has_value()) {
      return wrong(physical->name.span, "the table has a primary key already");
    }
    gather_primary_key(table);
    return ok_status();
  }

  Status operator()(const DropColumns& action) const {
    for (const Identifier& name : action.columns) {
      const auto old = find_column(table, name.name);
      if (old == table.columns.end()) { return no_column(text, name, table); }
      const auto names_it = [&](const Identifier& one) { return one.name == name.name; };
      const std::vector<Identifier>& parts = table.partitioned_by;
      if (std::any_of(parts.begin(), parts.end(), names_it)) {
        return wrong(name.span, "the table is partitioned by this column");
      }
      if (table.primary_key.has_value() &&
          std::any_of(table.primary_key->columns.begin(), table.primary_key->columns.end(),
                      names_it)) {
        return wrong(name.span,
                     "this column belongs to the primary key; ALTER TABLE .. DROP PRIMARY KEY "
                     "first");
      }
      if (table.watermark.has_value() && table.watermark->column.parts.front().name == name.name) {
        return wrong(name.span,
                     "the table has a watermark for this column; ALTER TABLE .. DROP WATERMARK "
                     "first");
      }
      table.columns.erase(old);
    }
    if (table.columns.empty()) { return wrong(place(), "a table keeps one column at least"); }
    return ok_status();
  }

  Status operator()(const DropPart& action) const {
    if (action.kind == DropPart::Kind::kWatermark) {
      if (!table.watermark.has_value()) { return wrong(place(), "the table has no watermark"); }
      table.watermark.reset();
      return ok_status();
    }
    if (!table.primary_key.has_value()) { return wrong(place(), "the table has no primary key"); }
    if (action.kind == DropPart::Kind::kConstraint) {
      std::string name = "PK";
      for (const Identifier& one : table.primary_key->columns) { name += "_" + one.name; }
      if (table.primary_key->name.has_value()) { name = table.primary_key->name->name; }
      if (action.name->name != name) {
        return wrong(action.name->span,
                     fmt::format("the table has no constraint '{}', only its primary key '{}'",
                                 action.name->name, name));
      }
    }
    table.primary_key.reset();
    return ok_status();
  }

  Status operator()(const RenameColumn& action) const {
    const auto old = find_column(table, action.from.name);
    if (old == table.columns.end()) { return no_column(text, action.from, table); }
    if (find_column(table, action.to.name) != table.columns.end()) {
      return wrong(action.to.span,
                   fmt::format("the table has a column '{}' already", action.to.name));
    }
    // A column of metadata is found by its key, which was its name.
    if (auto* const metadata = std::get_if<MetadataColumn>(&*old)) {
      if (!metadata->key.has_value()) { metadata->key = metadata->name.name; }
    }
    std::visit([&](auto& column) { column.name.name = action.to.name; }, *old);
    const auto rename = [&](Identifier& one) {
      if (one.name == action.from.name) { one.name = action.to.name; }
    };
    for (Identifier& one : table.partitioned_by) { rename(one); }
    if (table.primary_key.has_value()) {
      for (Identifier& one : table.primary_key->columns) { rename(one); }
    }
    return ok_status();
  }
};

Status check_columns(const CatalogObject& object, const std::vector<Identifier>& columns,
                     const char* what) {
  const CreateTable& table = *object.table();
  for (size_t i = 0; i < columns.size(); ++i) {
    const Column* const column = column_of(table, columns[i].name);
    if (column == nullptr) { return no_column(*object.text, columns[i], table); }
    if (!std::holds_alternative<PhysicalColumn>(*column)) {
      return error_at(*object.text, columns[i].span, ErrorId::kSqlQuery,
                      fmt::format("{} is made of columns that are stored, and '{}' is not", what,
                                  columns[i].name));
    }
    for (size_t j = 0; j < i; ++j) {
      if (columns[j].name != columns[i].name) { continue; }
      return error_at(*object.text, columns[i].span, ErrorId::kSqlQuery,
                      fmt::format("{} has the column '{}' twice", what, columns[i].name));
    }
  }
  return ok_status();
}

}  // namespace

void gather_primary_key(CreateTable& table) {
  for (Column& column : table.columns) {
    auto* const physical = std::get_if<PhysicalColumn>(&column);
    if (physical == nullptr || !physical->primary_key) { continue; }
    physical->primary_key = false;
    if (!table.primary_key.has_value()) { table.primary_key.emplace(); }
    table.primary_key->columns.push_back(physical->name);
    table.primary_key->span = physical->name.span;
  }
}

Result<CreateTable> merge_like(std::string_view text, const CreateTable& statement,
                               CreateTable source) {
  return LikeMerge(text, statement, std::move(source)).merge();
}

Result<CreateTable> merge_query(std::string_view text, const CreateTable& statement,
                                const RowType& query) {
  CreateTable made = statement;
  made.query.reset();
  made.columns.clear();
  const auto of_query = [&](size_t index) -> Result<Column> {
    LogicalType type = query.types[index];
    if (type.kind == TypeKind::kNull) {
      return error_at(text, statement.query->span, ErrorId::kSqlType,
                      fmt::format("column '{}' of the query is always NULL, and has no type; use "
                                  "CAST(NULL AS ..)",
                                  query.names[index]));
    }
    // That of ''.
    if (type.kind == TypeKind::kChar && type.precision == 0) {
      type = LogicalType::string(type.nullable);
    }
    PhysicalColumn column;
    column.name.name = query.names[index];
    TIDEWHEEL_ASSIGN_OR_RETURN(column.type, parse_data_type(type.to_string()));
    return Column(std::move(column));
  };
  std::vector<bool> is_named(query.size(), false);
  bool only_names = !statement.columns.empty();
  for (const Column& column : statement.columns) {
    const Identifier& name = column_name(column);
    const size_t index = query.find(name.name);
    if (index < query.size()) { is_named[index] = true; }
    if (!std::holds_alternative<ColumnReference>(column)) {
      only_names = false;
      made.columns.push_back(column);
      continue;
    }
    if (index == query.size()) {
      return error_at(text, name.span, ErrorId::kSqlName,
                      fmt::format("the query has no column '{}'{}", name.name,
                                  near_miss(name.name, query.names)));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Column taken, of_query(index));
    made.columns.push_back(std::move(taken));
  }
  for (size_t i = 0; i < query.size(); ++i) {
    if (is_named[i]) { continue; }
    if (only_names) {
      return error_at(text, statement.name.span(), ErrorId::kSqlQuery,
                      fmt::format("a list of names alone gives the order of all columns of the "
                                  "query, and '{}' is not in it",
                                  query.names[i]));
    }
    if (query.find(query.names[i]) != i) {
      return error_at(
          text, statement.query->span, ErrorId::kSqlName,
          fmt::format("the query has two columns '{}'; name them with AS", query.names[i]));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Column taken, of_query(i));
    made.columns.push_back(std::move(taken));
  }
  return made;
}

Result<CreateTable> altered(std::string_view text, const Alter& statement, CreateTable table) {
  gather_primary_key(table);
  TIDEWHEEL_RETURN_IF_ERROR(std::visit(AlterTable{text, statement, table}, statement.action));
  return table;
}

Status check_definition(const CatalogObject& object) {
  const CreateTable& table = *object.table();
  int keys = table.primary_key.has_value() ? 1 : 0;
  for (const Column& column : table.columns) {
    const auto* const physical = std::get_if<PhysicalColumn>(&column);
    if (physical != nullptr && physical->primary_key && ++keys > 1) {
      return error_at(*object.text, physical->name.span, ErrorId::kSqlQuery,
                      "a table has one primary key; one of several columns stands behind them: "
                      "PRIMARY KEY (a, b) NOT ENFORCED");
    }
  }
  if (table.primary_key.has_value()) {
    TIDEWHEEL_RETURN_IF_ERROR(check_columns(object, table.primary_key->columns, "the primary key"));
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_columns(object, table.partitioned_by, "PARTITIONED BY"));
  if (table.distribution.has_value()) {
    return error_at(*object.text, table.name.span(), ErrorId::kSqlUnsupported,
                    "DISTRIBUTED BY needs a connector with buckets, and none has them");
  }
  return ok_status();
}

}  // namespace tidewheel::sql
