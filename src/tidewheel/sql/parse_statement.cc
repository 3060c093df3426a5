// Statements, but for the definition of tables.
#include <utility>

#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {

namespace {

// Statements of the dialect that there are no trees for.
constexpr std::string_view kUnsupported[] = {"UPDATE",  "DELETE", "TRUNCATE", "CALL",
                                             "ANALYZE", "LOAD",   "UNLOAD",   "COMPILE",
                                             "MERGE",   "ADD",    "REMOVE"};

template <class T>
Result<Statement> wrap(Result<T> node) {
  if (!node.ok()) { return std::move(node).status(); }
  Statement statement;
  statement.node = *std::move(node);
  return statement;
}

Statement make(auto node) {
  Statement statement;
  statement.node = std::move(node);
  return statement;
}

}  // namespace

const Identifier& column_name(const Column& column) {
  return std::visit([](const auto& each) -> const Identifier& { return each.name; }, column);
}

Result<Statement> Parser::statement() {
  const Span begin = peek().span;
  links_ = 0;
  TIDEWHEEL_ASSIGN_OR_RETURN(Statement statement, statement_node());
  statement.span = span_since(begin);
  return statement;
}

Result<Statement> Parser::statement_node() {
  if (at_query()) { return wrap(query()); }
  if (at("CREATE")) { return create(); }
  if (at_all({"REPLACE", "TABLE"})) {
    ++at_;
    CreateTable table;
    table.replace = true;
    return create_table(std::move(table));
  }
  if (at("DROP")) { return drop(); }
  if (at("ALTER")) { return alter(); }
  if (at("INSERT")) { return insert_statement(); }
  if (at_all({"EXECUTE", "STATEMENT"}) || at_all({"BEGIN", "STATEMENT"})) {
    return statement_set();
  }
  if (at("EXPLAIN")) { return explain(); }
  if (at("USE")) { return use(); }
  if (at("SHOW")) { return show(); }
  if (at("DESCRIBE") || at("DESC")) { return describe(); }
  if (at("SET")) { return set(); }
  if (at("RESET")) { return reset(); }
  if (at("STOP")) { return stop_job(); }
  for (const std::string_view word : kUnsupported) {
    if (at(word)) { return unsupported(peek().span, word); }
  }
  return unexpected(Words{"SELECT", "INSERT", "CREATE", "WITH", "SET", "SHOW", "EXPLAIN", "DROP",
                          "ALTER", "DESCRIBE", "USE", "RESET", "EXECUTE", "VALUES", "STOP"});
}

// ---- CREATE

Result<Statement> Parser::create() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("CREATE"));
  CreateTable table;
  table.or_replace = accept_all({"OR", "REPLACE"});
  table.temporary = accept("TEMPORARY");
  if (at("TABLE")) { return create_table(std::move(table)); }
  if (table.or_replace) { return unexpected(Words{"TABLE"}); }
  if (accept("VIEW")) { return create_view(table.temporary); }
  if (at("FUNCTION") || at_all({"SYSTEM", "FUNCTION"})) { return create_function(table.temporary); }
  if (!table.temporary && accept("CATALOG")) { return create_catalog(); }
  if (!table.temporary && accept("DATABASE")) { return create_database(); }
  if (at("MATERIALIZED")) { return unsupported(peek().span, "a materialized table"); }
  return unexpected(Words{"TABLE", "VIEW", "FUNCTION", "CATALOG", "DATABASE", "TEMPORARY"});
}

Result<std::optional<std::string>> Parser::optional_comment() {
  if (!accept("COMMENT")) { return std::optional<std::string>(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::string text, string("a comment in quotes"));
  return std::optional<std::string>(std::move(text));
}

Result<Statement> Parser::create_view(bool temporary) {
  CreateView view;
  view.temporary = temporary;
  view.if_not_exists = accept_if_not_exists();
  TIDEWHEEL_ASSIGN_OR_RETURN(view.name, name("the name of the view"));
  if (at("(") && !at_query()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(view.columns, identifiers_in_parentheses("the name of a column"));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(view.comment, optional_comment());
  TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
  TIDEWHEEL_ASSIGN_OR_RETURN(view.query, query());
  return make(std::move(view));
}

Result<Statement> Parser::create_catalog() {
  CreateCatalog catalog;
  catalog.if_not_exists = accept_if_not_exists();
  TIDEWHEEL_ASSIGN_OR_RETURN(catalog.name, identifier("the name of the catalog"));
  TIDEWHEEL_ASSIGN_OR_RETURN(catalog.comment, optional_comment());
  if (accept("WITH")) { TIDEWHEEL_ASSIGN_OR_RETURN(catalog.options, options_in_parentheses()); }
  return make(std::move(catalog));
}

Result<Statement> Parser::create_database() {
  CreateDatabase database;
  database.if_not_exists = accept_if_not_exists();
  TIDEWHEEL_ASSIGN_OR_RETURN(database.name, name("the name of the database"));
  TIDEWHEEL_ASSIGN_OR_RETURN(database.comment, optional_comment());
  if (accept("WITH")) { TIDEWHEEL_ASSIGN_OR_RETURN(database.options, options_in_parentheses()); }
  return make(std::move(database));
}

Result<Statement> Parser::create_function(bool temporary) {
  CreateFunction function;
  function.temporary = temporary;
  function.system = accept("SYSTEM");
  if (function.system && !temporary) {
    return error(peek().span, "a system function is temporary: CREATE TEMPORARY SYSTEM FUNCTION");
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect("FUNCTION"));
  function.if_not_exists = accept_if_not_exists();
  TIDEWHEEL_ASSIGN_OR_RETURN(function.name, name("the name of the function"));
  TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
  TIDEWHEEL_ASSIGN_OR_RETURN(function.symbol, string("the function's symbol in quotes"));
  if (accept("LANGUAGE")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(function.language, identifier("a language"));
  }
  if (!accept("USING")) { return make(std::move(function)); }
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    if (at("JAR")) {
      return error(peek().span,
                   "functions here are written in C++ and not in Java: LANGUAGE CPP "
                   "USING LIBRARY 'path.so', built by add_tidewheel_functions");
    }
    TIDEWHEEL_RETURN_IF_ERROR(expect("LIBRARY"));
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string path, string("the path of a library in quotes"));
    function.libraries.push_back(std::move(path));
    return {};
  }));
  return make(std::move(function));
}

// ---- DROP and ALTER

Result<ObjectKind> Parser::object_kind() {
  if (accept("TABLE")) { return ObjectKind::kTable; }
  if (accept("VIEW")) { return ObjectKind::kView; }
  if (accept("CATALOG")) { return ObjectKind::kCatalog; }
  if (accept("DATABASE")) { return ObjectKind::kDatabase; }
  if (accept("FUNCTION")) { return ObjectKind::kFunction; }
  return unexpected(Words{"TABLE", "VIEW", "FUNCTION", "CATALOG", "DATABASE"});
}

Result<Statement> Parser::drop() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("DROP"));
  Drop drop;
  drop.temporary = accept("TEMPORARY");
  drop.system = drop.temporary && accept("SYSTEM");
  const Span place = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(drop.kind, object_kind());
  if (drop.system && drop.kind != ObjectKind::kFunction) {
    return error(place, "only functions are system objects");
  }
  if (drop.temporary && (drop.kind == ObjectKind::kCatalog || drop.kind == ObjectKind::kDatabase)) {
    return error(place, "only tables, views and functions are temporary");
  }
  drop.if_exists = accept_if_exists();
  TIDEWHEEL_ASSIGN_OR_RETURN(drop.name, name("a name"));
  if (accept("RESTRICT")) { drop.rest = Drop::Rest::kRestrict; }
  if (accept("CASCADE")) { drop.rest = Drop::Rest::kCascade; }
  return make(std::move(drop));
}

Result<Statement> Parser::alter() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("ALTER"));
  Alter alter{ObjectKind::kTable, false, {}, RenameTo{}};
  const Span place = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(alter.kind, object_kind());
  if (alter.kind == ObjectKind::kFunction) {
    return unsupported(place, "ALTER FUNCTION; drop it and create it again: this");
  }
  alter.if_exists = accept_if_exists();
  TIDEWHEEL_ASSIGN_OR_RETURN(alter.name, name("a name"));
  TIDEWHEEL_RETURN_IF_ERROR(alter_action(alter));
  return make(std::move(alter));
}

Status Parser::alter_action(Alter& alter) {
  const bool is_table = alter.kind == ObjectKind::kTable;
  const bool is_view = alter.kind == ObjectKind::kView;
  if ((is_table || is_view) && accept_all({"RENAME", "TO"})) {
    RenameTo action;
    TIDEWHEEL_ASSIGN_OR_RETURN(action.name, name("the new name"));
    alter.action = std::move(action);
    return {};
  }
  if (is_view) {
    TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
    ReplaceQuery action;
    TIDEWHEEL_ASSIGN_OR_RETURN(action.query, query());
    alter.action = std::move(action);
    return {};
  }
  if (accept("SET")) {
    SetOptions action;
    TIDEWHEEL_ASSIGN_OR_RETURN(action.options, options_in_parentheses());
    alter.action = std::move(action);
    return {};
  }
  if (accept("RESET")) {
    ResetOptions action;
    TIDEWHEEL_RETURN_IF_ERROR(expect("("));
    TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
      TIDEWHEEL_ASSIGN_OR_RETURN(std::string key, string("the key of an option in quotes"));
      action.keys.push_back(std::move(key));
      return {};
    }));
    alter.action = std::move(action);
    return expect(")");
  }
  if (is_table && (at("ADD") || at("MODIFY"))) {
    const bool modify = take().upper == "MODIFY";
    TIDEWHEEL_ASSIGN_OR_RETURN(alter.action, alter_schema(modify));
    return {};
  }
  if (is_table && accept("DROP")) { return alter_drop(alter); }
  if (is_table && accept("RENAME")) {
    RenameColumn action;
    TIDEWHEEL_ASSIGN_OR_RETURN(action.from, identifier("the name of a column"));
    TIDEWHEEL_RETURN_IF_ERROR(expect("TO"));
    TIDEWHEEL_ASSIGN_OR_RETURN(action.to, identifier("the new name"));
    alter.action = std::move(action);
    return {};
  }
  if (is_table) { return unexpected(Words{"ADD", "MODIFY", "DROP", "RENAME", "SET", "RESET"}); }
  return unexpected(Words{"SET", "RESET"});
}

Status Parser::alter_drop(Alter& alter) {
  DropPart part;
  if (at_all({"PARTITION", "("})) {
    return unsupported(peek().span,
                       "ALTER TABLE .. DROP PARTITION; partitions are folders, delete them: this");
  }
  if (accept_all({"PRIMARY", "KEY"})) {
    part.kind = DropPart::Kind::kPrimaryKey;
  } else if (accept("WATERMARK")) {
    part.kind = DropPart::Kind::kWatermark;
  } else if (accept("CONSTRAINT")) {
    part.kind = DropPart::Kind::kConstraint;
    TIDEWHEEL_ASSIGN_OR_RETURN(part.name, identifier("the name of a constraint"));
  } else {
    DropColumns action;
    if (at("(")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(action.columns,
                                 identifiers_in_parentheses("the name of a column"));
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(Identifier column, identifier("the name of a column"));
      action.columns.push_back(std::move(column));
    }
    alter.action = std::move(action);
    return {};
  }
  alter.action = std::move(part);
  return {};
}

// ---- Data

Result<Statement> Parser::insert_statement() { return wrap(insert()); }

Result<Insert> Parser::insert() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("INSERT"));
  Insert insert;
  insert.overwrite = accept("OVERWRITE");
  if (!insert.overwrite && !accept("INTO")) { return unexpected(Words{"INTO", "OVERWRITE"}); }
  TIDEWHEEL_ASSIGN_OR_RETURN(insert.table, name("the name of a table"));
  TIDEWHEEL_ASSIGN_OR_RETURN(insert.hints, hints());
  if (accept("PARTITION")) {
    TIDEWHEEL_RETURN_IF_ERROR(expect("("));
    TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
      Insert::Partition each;
      TIDEWHEEL_ASSIGN_OR_RETURN(each.column, identifier("the name of a column"));
      TIDEWHEEL_RETURN_IF_ERROR(expect("="));
      TIDEWHEEL_ASSIGN_OR_RETURN(each.value, expression());
      insert.partition.push_back(std::move(each));
      return {};
    }));
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  }
  if (at("(") && !at_query()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(insert.columns, identifiers_in_parentheses("the name of a column"));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(insert.query, query());
  return insert;
}

// [EXECUTE] STATEMENT SET BEGIN ..; END, or BEGIN STATEMENT SET; ..; END
Result<Statement> Parser::statement_set() {
  if (accept("BEGIN")) {
    TIDEWHEEL_RETURN_IF_ERROR(expect_all({"STATEMENT", "SET", ";"}));
  } else {
    accept("EXECUTE");
    TIDEWHEEL_RETURN_IF_ERROR(expect_all({"STATEMENT", "SET", "BEGIN"}));
  }
  StatementSet set;
  while (!at("END")) {
    if (!at("INSERT")) { return unexpected(Words{"INSERT", "END"}); }
    TIDEWHEEL_ASSIGN_OR_RETURN(Insert each, insert());
    set.inserts.push_back(std::move(each));
    TIDEWHEEL_RETURN_IF_ERROR(expect(";"));
  }
  if (set.inserts.empty()) { return unexpected(Words{"INSERT"}); }
  ++at_;
  return make(std::move(set));
}

// EXPLAIN [PLAN FOR | detail, detail | ANALYZE] statement
Result<Statement> Parser::explain() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("EXPLAIN"));
  Explain node{{}, Statement{}};
  if (!accept_all({"PLAN", "FOR"})) {
    using Detail = Explain::Detail;
    constexpr std::pair<std::string_view, Detail> kDetails[] = {
        {"ESTIMATED_COST", Detail::kEstimatedCost},
        {"CHANGELOG_MODE", Detail::kChangelogMode},
        {"JSON_EXECUTION_PLAN", Detail::kJsonExecutionPlan},
        {"PLAN_ADVICE", Detail::kPlanAdvice},
        {"ANALYZE", Detail::kAnalyze},
    };
    for (bool more = true; more;) {
      more = false;
      for (const auto& [word, detail] : kDetails) {
        if (!accept(word)) { continue; }
        node.details.push_back(detail);
        more = accept(",");
        break;
      }
    }
  }
  const bool is_set = at_all({"STATEMENT", "SET"}) || at_all({"EXECUTE", "STATEMENT"});
  if (!is_set && !at_query() && !at("INSERT") && !at("CREATE")) {
    return unexpected(Words{"SELECT", "INSERT", "CREATE", "STATEMENT", "WITH", "CHANGELOG_MODE",
                            "ESTIMATED_COST", "JSON_EXECUTION_PLAN", "PLAN_ADVICE", "ANALYZE"});
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(*node.statement, is_set ? statement_set() : statement_node());
  return make(std::move(node));
}

// ---- The session

Result<Statement> Parser::use() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("USE"));
  Use use;
  if (at_all({"MODULES"})) { return unsupported(peek().span, "USE MODULES"); }
  if (accept("CATALOG")) { use.kind = Use::Kind::kCatalog; }
  TIDEWHEEL_ASSIGN_OR_RETURN(use.name, name("a name"));
  return make(std::move(use));
}

Result<Statement> Parser::show() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("SHOW"));
  using What = Show::What;
  constexpr std::pair<std::string_view, What> kPlain[] = {
      {"CATALOGS", What::kCatalogs}, {"DATABASES", What::kDatabases}, {"TABLES", What::kTables},
      {"VIEWS", What::kViews},       {"FUNCTIONS", What::kFunctions}, {"COLUMNS", What::kColumns},
      {"JOBS", What::kJobs},
  };
  Show show;
  for (const auto& [word, what] : kPlain) {
    if (!accept(word)) { continue; }
    show.what = what;
    TIDEWHEEL_RETURN_IF_ERROR(show_filters(show));
    return make(std::move(show));
  }
  if (accept_all({"USER", "FUNCTIONS"})) {
    show.what = What::kUserFunctions;
    TIDEWHEEL_RETURN_IF_ERROR(show_filters(show));
  } else if (accept("CURRENT")) {
    const auto what = accept_one({"CATALOG", "DATABASE"});
    if (!what.has_value()) { return unexpected(Words{"CATALOG", "DATABASE"}); }
    show.what = what == "CATALOG" ? What::kCurrentCatalog : What::kCurrentDatabase;
  } else if (accept("CREATE")) {
    const auto what = accept_one({"TABLE", "VIEW", "CATALOG"});
    if (!what.has_value()) { return unexpected(Words{"TABLE", "VIEW", "CATALOG"}); }
    show.what = what == "TABLE"  ? What::kCreateTable
                : what == "VIEW" ? What::kCreateView
                                 : What::kCreateCatalog;
    if (show.what == What::kCreateTable && at_string()) {
      show.is_file = true;
      show.of = file_name();
      return make(std::move(show));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(show.of, name("a name"));
  } else if (accept("PARTITIONS")) {
    show.what = What::kPartitions;
    TIDEWHEEL_ASSIGN_OR_RETURN(show.of, name("the name of a table"));
  } else {
    for (const std::string_view word : {"MODULES", "FULL", "JARS", "PROCEDURES"}) {
      if (at(word)) { return unsupported(peek().span, "SHOW " + std::string(word)); }
    }
    return unexpected(Words{"TABLES", "VIEWS", "COLUMNS", "FUNCTIONS", "CREATE", "CATALOGS",
                            "DATABASES", "CURRENT", "USER", "PARTITIONS", "JOBS"});
  }
  return make(std::move(show));
}

// [FROM|IN name] [[NOT] LIKE|ILIKE 'pattern']
Status Parser::show_filters(Show& show) {
  using What = Show::What;
  if (show.what == What::kJobs) { return {}; }
  if (show.what != What::kCatalogs && accept_one({"FROM", "IN"}).has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(show.of, name("a name"));
  } else if (show.what == What::kColumns) {
    return unexpected(Words{"FROM", "IN"});
  }
  show.not_like = at("NOT") && (at("LIKE", 1) || at("ILIKE", 1)) && accept("NOT");
  show.ignore_case = at("ILIKE");
  if (accept_one({"LIKE", "ILIKE"}).has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(show.like, string("a pattern in quotes"));
  }
  return {};
}

Result<Statement> Parser::describe() {
  if (!accept("DESCRIBE")) { TIDEWHEEL_RETURN_IF_ERROR(expect("DESC")); }
  if (at("JOB") && at_string(1)) {
    ++at_;
    return make(DescribeJob{take().text});
  }
  Describe node;
  if (accept("CATALOG")) { node.kind = ObjectKind::kCatalog; }
  if (at("DATABASE") && at_name(1)) {
    ++at_;
    node.kind = ObjectKind::kDatabase;
  }
  if (at("EXTENDED") && (at_name(1) || at_string(1))) {
    ++at_;
    node.extended = true;
  }
  if (node.kind == ObjectKind::kTable && at_string()) {
    node.is_file = true;
    node.name = file_name();
    return make(std::move(node));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(node.name, name("the name of a table or view"));
  return make(std::move(node));
}

// SET ['key' = 'value']
Result<Statement> Parser::set() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("SET"));
  Set node;
  if (at_string()) { TIDEWHEEL_ASSIGN_OR_RETURN(node.option, option()); }
  return make(std::move(node));
}

Result<Statement> Parser::reset() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("RESET"));
  Reset node;
  if (at_string()) { node.key = take().text; }
  return make(std::move(node));
}

Result<Statement> Parser::stop_job() {
  TIDEWHEEL_RETURN_IF_ERROR(expect_all({"STOP", "JOB"}));
  StopJob node;
  TIDEWHEEL_ASSIGN_OR_RETURN(node.id, string("the id of a job in quotes"));
  node.with_savepoint = accept_all({"WITH", "SAVEPOINT"});
  const Span place = peek().span;
  node.with_drain = accept_all({"WITH", "DRAIN"});
  if (node.with_drain && !node.with_savepoint) {
    return error(place, "WITH DRAIN stands behind WITH SAVEPOINT");
  }
  return make(std::move(node));
}

}  // namespace tidewheel::sql
