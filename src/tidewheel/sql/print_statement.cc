// How statements are written.
#include <utility>

#include "tidewheel/sql/print.h"
#include "tidewheel/sql/printer.h"

namespace tidewheel::sql {

namespace {

std::string_view text_of(ObjectKind kind) {
  constexpr std::string_view kKinds[] = {"TABLE ",    "VIEW ",     "CATALOG ",
                                         "DATABASE ", "FUNCTION ", "MATERIALIZED TABLE "};
  return kKinds[static_cast<size_t>(kind)];
}

}  // namespace

std::string to_sql(const Statement& statement) {
  Printer printer;
  printer.print(statement);
  return printer.take();
}

std::string to_sql_lines(const Statement& statement) {
  Printer printer(Printer::Layout::kLines);
  printer.print(statement);
  return printer.take();
}

void Printer::print(const Statement& statement) {
  std::visit([this](const auto& each) { node(each); }, statement.node);
}

void Printer::comment(const std::optional<std::string>& comment) {
  if (!comment.has_value()) { return; }
  text(" COMMENT ");
  string(*comment);
}

// ---- CREATE

void Printer::column(const Column& column) {
  // Without back-ticks these would begin something else than a column.
  name_unlike(column_name(column), {"CONSTRAINT", "PRIMARY", "UNIQUE", "WATERMARK", "PARTITION"});
  if (const auto* computed = std::get_if<ComputedColumn>(&column)) {
    text(" AS ");
    print(computed->value);
    comment(computed->comment);
  } else if (const auto* physical = std::get_if<PhysicalColumn>(&column)) {
    text(" ");
    print(physical->type);
    if (physical->primary_key) { text(" PRIMARY KEY NOT ENFORCED"); }
    comment(physical->comment);
  } else if (const auto* metadata = std::get_if<MetadataColumn>(&column)) {
    text(" ");
    print(metadata->type);
    text(" METADATA");
    if (metadata->key.has_value()) {
      text(" FROM ");
      string(*metadata->key);
    }
    if (metadata->is_virtual) { text(" VIRTUAL"); }
    comment(metadata->comment);
  }
}

void Printer::watermark(const WatermarkDefinition& watermark) {
  text("WATERMARK FOR ");
  name(watermark.column);
  text(" AS ");
  print(watermark.value);
}

void Printer::primary_key(const PrimaryKey& key) {
  if (key.name.has_value()) {
    text("CONSTRAINT ");
    name(*key.name);
    text(" ");
  }
  text("PRIMARY KEY ");
  names(key.columns);
  text(" NOT ENFORCED");
}

void Printer::table_elements(const CreateTable& table) {
  if (table.columns.empty() && !table.watermark.has_value() && !table.primary_key.has_value()) {
    return;
  }
  text(" (");
  bool is_first = true;
  const auto next = [&] { element_break(std::exchange(is_first, false)); };
  for (const Column& each : table.columns) {
    next();
    column(each);
  }
  if (table.watermark.has_value()) {
    next();
    watermark(*table.watermark);
  }
  if (table.primary_key.has_value()) {
    next();
    primary_key(*table.primary_key);
  }
  elements_end();
  text(")");
}

void Printer::table_tail(const CreateTable& table) {
  comment(table.comment);
  if (table.distribution.has_value()) {
    const Distribution& distribution = *table.distribution;
    text(" DISTRIBUTED");
    if (!distribution.columns.empty()) {
      constexpr std::string_view kKinds[] = {" BY ", " BY HASH ", " BY RANGE "};
      text(kKinds[static_cast<size_t>(distribution.kind)]);
      names(distribution.columns);
    }
    if (distribution.buckets.has_value()) {
      text(" INTO ");
      number(*distribution.buckets);
      text(" BUCKETS");
    }
  }
  if (!table.partitioned_by.empty()) {
    text(" PARTITIONED BY ");
    names(table.partitioned_by);
  }
  if (!table.options.empty()) {
    text(layout_ == Layout::kLines ? "\nWITH " : " WITH ");
    table_options(table.options);
  }
}

void Printer::table_options(const std::vector<Option>& all) {
  text("(");
  for (size_t i = 0; i < all.size(); ++i) {
    element_break(i == 0);
    string(all[i].key);
    text(" = ");
    string(all[i].value);
  }
  elements_end();
  text(")");
}

void Printer::like(const LikeTable& like) {
  constexpr std::string_view kActions[] = {"INCLUDING ", "EXCLUDING ", "OVERWRITING "};
  constexpr std::string_view kFeatures[] = {"ALL",        "CONSTRAINTS", "DISTRIBUTION",
                                            "GENERATED",  "METADATA",    "OPTIONS",
                                            "PARTITIONS", "WATERMARKS"};
  text(" LIKE ");
  name(like.table);
  if (like.rules.empty()) { return; }
  text(" (");
  list(like.rules, [this, &kActions, &kFeatures](const LikeTable::Rule& each) {
    text(kActions[static_cast<size_t>(each.action)]);
    text(kFeatures[static_cast<size_t>(each.feature)]);
  });
  text(")");
}

void Printer::materialization(const Materialization& made) {
  text(layout_ == Layout::kLines ? "\nFRESHNESS = " : " FRESHNESS = ");
  node(made.freshness);
  if (made.mode == Materialization::Mode::kUnsaid) { return; }
  text(made.mode == Materialization::Mode::kFull ? " REFRESH_MODE = FULL"
                                                 : " REFRESH_MODE = CONTINUOUS");
}

void Printer::node(const CreateTable& table) {
  text(table.replace ? "REPLACE " : table.or_replace ? "CREATE OR REPLACE " : "CREATE ");
  text(table.temporary                     ? "TEMPORARY TABLE "
       : table.materialization.has_value() ? "MATERIALIZED TABLE "
                                           : "TABLE ");
  if (table.if_not_exists) { text("IF NOT EXISTS "); }
  name(table.name);
  table_elements(table);
  table_tail(table);
  if (table.like.has_value()) { like(*table.like); }
  if (table.materialization.has_value()) { materialization(*table.materialization); }
  if (table.query.has_value()) {
    text(layout_ == Layout::kLines ? "\nAS " : " AS ");
    print(*table.query);
  }
}

void Printer::node(const CreateView& view) {
  text(view.temporary ? "CREATE TEMPORARY VIEW " : "CREATE VIEW ");
  if (view.if_not_exists) { text("IF NOT EXISTS "); }
  name(view.name);
  if (!view.columns.empty()) {
    text(" ");
    names(view.columns);
  }
  comment(view.comment);
  text(layout_ == Layout::kLines ? "\nAS " : " AS ");
  print(view.query);
}

void Printer::node(const CreateCatalog& catalog) {
  text("CREATE CATALOG ");
  if (catalog.if_not_exists) { text("IF NOT EXISTS "); }
  name(catalog.name);
  comment(catalog.comment);
  if (catalog.options.empty()) { return; }
  text(" WITH ");
  options(catalog.options);
}

void Printer::node(const CreateDatabase& database) {
  text("CREATE DATABASE ");
  if (database.if_not_exists) { text("IF NOT EXISTS "); }
  name(database.name);
  comment(database.comment);
  if (database.options.empty()) { return; }
  text(" WITH ");
  options(database.options);
}

void Printer::node(const CreateFunction& function) {
  text(function.alters ? "ALTER " : "CREATE ");
  if (function.temporary) { text("TEMPORARY "); }
  if (function.system) { text("SYSTEM "); }
  text("FUNCTION ");
  if (function.if_not_exists) { text("IF NOT EXISTS "); }
  if (function.if_exists) { text("IF EXISTS "); }
  name(function.name);
  text(" AS ");
  string(function.symbol);
  if (function.language.has_value()) {
    text(" LANGUAGE ");
    name(*function.language);
  }
  if (!function.libraries.empty()) { text(" USING "); }
  list(function.libraries, [this](const std::string& each) {
    text("LIBRARY ");
    string(each);
  });
}

// ---- DROP and ALTER

void Printer::node(const Drop& drop) {
  constexpr std::string_view kRests[] = {"", " RESTRICT", " CASCADE"};
  text("DROP ");
  if (drop.temporary) { text("TEMPORARY "); }
  if (drop.system) { text("SYSTEM "); }
  text(text_of(drop.kind));
  if (drop.if_exists) { text("IF EXISTS "); }
  name(drop.name);
  text(kRests[static_cast<size_t>(drop.rest)]);
}

void Printer::node(const Alter& alter) {
  text("ALTER ");
  text(text_of(alter.kind));
  if (alter.if_exists) { text("IF EXISTS "); }
  name(alter.name);
  text(" ");
  std::visit([this](const auto& each) { action(each); }, alter.action);
}

void Printer::action(const RenameTo& action) {
  text("RENAME TO ");
  name(action.name);
}
void Printer::action(const SetOptions& action) {
  text("SET ");
  options(action.options);
}
void Printer::action(const ResetOptions& action) {
  text("RESET (");
  list(action.keys, [this](const std::string& each) { string(each); });
  text(")");
}
void Printer::action(const AlterSchema& action) {
  text(action.modify ? "MODIFY (" : "ADD (");
  list(action.columns, [this](const AlterSchema::Placed& each) {
    column(each.column);
    if (each.first) { text(" FIRST"); }
    if (each.after.has_value()) {
      text(" AFTER ");
      name(*each.after);
    }
  });
  if (action.watermark.has_value()) {
    if (!action.columns.empty()) { text(", "); }
    watermark(*action.watermark);
  }
  if (action.primary_key.has_value()) {
    if (!action.columns.empty() || action.watermark.has_value()) { text(", "); }
    primary_key(*action.primary_key);
  }
  text(")");
}
void Printer::action(const DropColumns& action) {
  text("DROP ");
  names(action.columns);
}
void Printer::action(const DropPart& action) {
  constexpr std::string_view kKinds[] = {"DROP PRIMARY KEY", "DROP WATERMARK", "DROP CONSTRAINT "};
  text(kKinds[static_cast<size_t>(action.kind)]);
  if (action.name.has_value()) { name(*action.name); }
}
void Printer::action(const RenameColumn& action) {
  text("RENAME ");
  name_unlike(action.from, {"TO"});
  text(" TO ");
  name(action.to);
}
void Printer::action(const ReplaceQuery& action) {
  text("AS ");
  print(action.query);
}

void Printer::action(const AlterRefresh& action) {
  text(action.action == AlterRefresh::Action::kSuspend ? "SUSPEND" : "RESUME");
  if (action.options.empty()) { return; }
  text(" WITH ");
  options(action.options);
}

// ---- Data

void Printer::node(const Insert& insert) {
  text(insert.overwrite ? "INSERT OVERWRITE " : "INSERT INTO ");
  name(insert.table);
  text(" ");
  hints(insert.hints);
  if (!insert.hints.empty()) { text(" "); }
  if (!insert.partition.empty()) {
    text("PARTITION (");
    list(insert.partition, [this](const Insert::Partition& each) {
      name(each.column);
      text(" = ");
      print(each.value);
    });
    text(") ");
  }
  if (!insert.columns.empty()) {
    names(insert.columns);
    text(" ");
  }
  print(insert.query);
}

void Printer::node(const StatementSet& set) {
  text("EXECUTE STATEMENT SET BEGIN ");
  for (const Insert& each : set.inserts) {
    node(each);
    text("; ");
  }
  text("END");
}

void Printer::node(const Explain& explain) {
  constexpr std::string_view kDetails[] = {"ESTIMATED_COST", "CHANGELOG_MODE",
                                           "JSON_EXECUTION_PLAN", "PLAN_ADVICE", "ANALYZE"};
  text("EXPLAIN ");
  list(explain.details,
       [this, &kDetails](Explain::Detail each) { text(kDetails[static_cast<size_t>(each)]); });
  if (!explain.details.empty()) { text(" "); }
  print(*explain.statement);
}

// ---- The session

void Printer::node(const Use& use) {
  text(use.kind == Use::Kind::kCatalog ? "USE CATALOG " : "USE ");
  name_unlike(use.name, {"CATALOG", "MODULES"});
}

void Printer::node(const Show& show) {
  constexpr std::string_view kWhat[] = {"CATALOGS",
                                        "DATABASES",
                                        "TABLES",
                                        "VIEWS",
                                        "FUNCTIONS",
                                        "USER FUNCTIONS",
                                        "COLUMNS",
                                        "CREATE TABLE",
                                        "CREATE VIEW",
                                        "CREATE CATALOG",
                                        "PARTITIONS",
                                        "JOBS",
                                        "CURRENT CATALOG",
                                        "CURRENT DATABASE",
                                        "CREATE DATABASE",
                                        "CREATE FUNCTION",
                                        "CREATE MATERIALIZED TABLE",
                                        "MATERIALIZED TABLES",
                                        "MODULES",
                                        "FULL MODULES",
                                        "JARS",
                                        "PROCEDURES"};
  text("SHOW ");
  text(kWhat[static_cast<size_t>(show.what)]);
  const bool is_direct =
      (show.what >= Show::What::kCreateTable && show.what <= Show::What::kPartitions) ||
      (show.what >= Show::What::kCreateDatabase &&
       show.what <= Show::What::kCreateMaterializedTable);
  if (show.of.has_value()) {
    text(is_direct ? " " : " FROM ");
    show.is_file ? string(show.of->parts.front().name) : name(*show.of);
  }
  for (const Option& one : show.partition) {
    text(&one == show.partition.data() ? " PARTITION (" : ", ");
    text(quoted_name(one.key));
    text(" = ");
    string(one.value);
  }
  if (!show.partition.empty()) { text(")"); }
  if (!show.like.has_value()) { return; }
  text(show.not_like ? " NOT" : "");
  text(show.ignore_case ? " ILIKE " : " LIKE ");
  string(*show.like);
}

void Printer::node(const Describe& describe) {
  text("DESCRIBE ");
  if (describe.kind == ObjectKind::kCatalog) { text("CATALOG "); }
  if (describe.kind == ObjectKind::kDatabase) { text("DATABASE "); }
  if (describe.kind == ObjectKind::kFunction) { text("FUNCTION "); }
  if (describe.extended) { text("EXTENDED "); }
  if (describe.is_file) { return string(describe.name.parts.front().name); }
  name_unlike(describe.name, {"CATALOG", "DATABASE", "EXTENDED", "FUNCTION", "JOB"});
}

void Printer::node(const Set& set) {
  text("SET");
  if (!set.option.has_value()) { return; }
  text(" ");
  string(set.option->key);
  text(" = ");
  string(set.option->value);
}

void Printer::node(const Reset& reset) {
  text("RESET");
  if (!reset.key.has_value()) { return; }
  text(" ");
  string(*reset.key);
}

void Printer::node(const DescribeJob& job) {
  text("DESCRIBE JOB ");
  string(job.id);
}

void Printer::node(const StopJob& job) {
  text("STOP JOB ");
  string(job.id);
  if (job.with_savepoint) { text(" WITH SAVEPOINT"); }
  if (job.with_drain) { text(" WITH DRAIN"); }
}

void Printer::node(const CompilePlan& plan) {
  text(plan.executes ? "COMPILE AND EXECUTE PLAN " : "COMPILE PLAN ");
  string(plan.path);
  if (plan.if_not_exists) { text(" IF NOT EXISTS"); }
  text(" FOR ");
  print(*plan.statement);
}

void Printer::node(const ExecutePlan& plan) {
  text("EXECUTE PLAN ");
  string(plan.path);
}

void Printer::node(const ModuleStatement& statement) {
  constexpr std::string_view kActions[] = {"LOAD MODULE ", "UNLOAD MODULE ", "USE MODULES "};
  text(kActions[static_cast<size_t>(statement.action)]);
  list(statement.modules, [this](const Identifier& each) { name(each); });
  if (statement.options.empty()) { return; }
  text(" WITH ");
  options(statement.options);
}

void Printer::node(const LibraryStatement& statement) {
  text(statement.removes ? "REMOVE JAR " : "ADD JAR ");
  string(statement.path);
}

void Printer::node(const ClientStatement& statement) {
  constexpr std::string_view kActions[] = {"QUIT", "HELP", "CLEAR"};
  text(kActions[static_cast<size_t>(statement.action)]);
}

}  // namespace tidewheel::sql
