// Statements, but for the definition of tables.
#include <utility>

#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {

namespace {

// Statements of the dialect that there are no trees for, and what is done instead.
constexpr std::string_view kNoChange =
    "rows of a table can't be changed by a condition: a table with a PRIMARY KEY takes a newer row "
    "by INSERT INTO, and loses the rows that a query takes back";
constexpr std::pair<std::string_view, std::string_view> kRefused[] = {
    {"UPDATE", kNoChange},
    {"DELETE", kNoChange},
    {"MERGE", kNoChange},
    {"TRUNCATE",
     "a table can't be emptied: its data is where its connector has it (files in the folder that "
     "'path' names); INSERT INTO a new one, or delete the data there"},
    {"ANALYZE",
     "nothing has to be gathered: how large inputs are is looked up when a query is planned, and "
     "EXPLAIN ESTIMATED_COST shows it"},
    {"CALL", "no catalog has procedures that could be called (SHOW PROCEDURES)"},
};

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
  if (at("COMPILE") || at_all({"EXECUTE", "PLAN"})) { return plan_statement(); }
  if (accept("EXECUTE")) {
    if (at_query()) { return wrap(query()); }
    if (at("INSERT")) { return insert_statement(); }
    return unexpected(Words{"SELECT", "INSERT", "VALUES", "WITH", "STATEMENT", "PLAN"});
  }
  if (at_all({"LOAD", "MODULE"}) || at_all({"UNLOAD", "MODULE"})) { return module_statement(); }
  if (at_all({"ADD", "JAR"}) || at_all({"REMOVE", "JAR"})) { return library_statement(); }
  if (const auto client = client_statement()) { return make(*client); }
  for (const auto& [word, why] : kRefused) {
    if (at(word)) {
      return error_at(text_, peek().span, ErrorId::kSqlUnsupported,
                      fmt::format("{} is not supported: {}", word, why));
    }
  }
  return unexpected(Words{"SELECT",  "INSERT", "CREATE", "WITH",     "SET",  "SHOW",
                          "EXPLAIN", "DROP",   "ALTER",  "DESCRIBE", "USE",  "RESET",
                          "EXECUTE", "VALUES", "STOP",   "COMPILE",  "LOAD", "UNLOAD",
                          "ADD",     "REMOVE", "QUIT",   "EXIT",     "HELP", "CLEAR"});
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
  if (at("FUNCTION") || at_all({"SYSTEM", "FUNCTION"})) {
    return create_function(table.temporary, false);
  }
  if (!table.temporary && accept("CATALOG")) { return create_catalog(); }
  if (!table.temporary && accept("DATABASE")) { return create_database(); }
  if (!table.temporary && accept("MATERIALIZED")) {
    table.materialization.emplace();
    return create_table(std::move(table));
  }
  return unexpected(
      Words{"TABLE", "VIEW", "FUNCTION", "CATALOG", "DATABASE", "TEMPORARY", "MATERIALIZED"});
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

Result<Statement> Parser::create_function(bool temporary, bool alters) {
  CreateFunction function;
  function.alters = alters;
  function.temporary = temporary;
  function.system = accept("SYSTEM");
  if (function.system && !temporary) {
    return error(peek().span,
                 fmt::format("a system function is temporary: {} TEMPORARY SYSTEM FUNCTION",
                             alters ? "ALTER" : "CREATE"));
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect("FUNCTION"));
  function.if_not_exists = !alters && accept_if_not_exists();
  function.if_exists = alters && accept_if_exists();
  TIDEWHEEL_ASSIGN_OR_RETURN(function.name, name("the name of the function"));
  TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
  TIDEWHEEL_ASSIGN_OR_RETURN(function.symbol, string("the function's symbol in quotes"));
  if (accept("LANGUAGE")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(function.language, identifier("a language"));
  }
  if (!accept("USING")) { return make(std::move(function)); }
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    if (at("JAR") && at_string(1) && peek(1).text.ends_with(".jar")) {
      return error(peek().span,
                   "functions here are written in C++ and not in Java: LANGUAGE CPP "
                   "USING LIBRARY 'path.so', built by add_tidewheel_functions");
    }
    if (!accept("JAR")) { TIDEWHEEL_RETURN_IF_ERROR(expect("LIBRARY")); }
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
  if (accept_all({"MATERIALIZED", "TABLE"})) { return ObjectKind::kMaterializedTable; }
  return unexpected(Words{"TABLE", "VIEW", "FUNCTION", "CATALOG", "DATABASE", "MATERIALIZED"});
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
  if (drop.temporary && (drop.kind == ObjectKind::kCatalog || drop.kind == ObjectKind::kDatabase ||
                         drop.kind == ObjectKind::kMaterializedTable)) {
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
  const bool temporary = accept("TEMPORARY");
  if (temporary || at("FUNCTION") || at_all({"SYSTEM", "FUNCTION"})) {
    return create_function(temporary, true);
  }
  Alter alter{ObjectKind::kTable, false, {}, RenameTo{}};
  TIDEWHEEL_ASSIGN_OR_RETURN(alter.kind, object_kind());
  alter.if_exists = accept_if_exists();
  TIDEWHEEL_ASSIGN_OR_RETURN(alter.name, name("a name"));
  TIDEWHEEL_RETURN_IF_ERROR(alter_action(alter));
  return make(std::move(alter));
}

Status Parser::alter_action(Alter& alter) {
  const bool is_table = alter.kind == ObjectKind::kTable;
  const bool is_view = alter.kind == ObjectKind::kView;
  if (alter.kind == ObjectKind::kMaterializedTable) { return alter_refresh(alter); }
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
  if (alter.kind == ObjectKind::kCatalog && at("COMMENT")) {
    return unsupported(peek().span,
                       "ALTER CATALOG .. COMMENT; DROP CATALOG, then CREATE it, what is kept in "
                       "files stays there: this");
  }
  return unexpected(Words{"SET", "RESET"});
}

// SUSPEND, RESUME [WITH (..)]
Status Parser::alter_refresh(Alter& alter) {
  AlterRefresh action;
  const Span place = peek().span;
  const auto word = accept_one({"SUSPEND", "RESUME", "REFRESH", "AS"});
  if (!word.has_value()) { return unexpected(Words{"SUSPEND", "RESUME"}); }
  if (*word == "REFRESH" || *word == "AS") {
    return unsupported(
        place, *word == "AS" ? "ALTER MATERIALIZED TABLE .. AS; drop the table and create it: this"
                             : "ALTER MATERIALIZED TABLE .. REFRESH; a table that is refreshed "
                               "continuously has what its query gives: this");
  }
  if (*word == "RESUME") {
    action.action = AlterRefresh::Action::kResume;
    if (accept("WITH")) { TIDEWHEEL_ASSIGN_OR_RETURN(action.options, options_in_parentheses()); }
  }
  alter.action = std::move(action);
  return {};
}

Status Parser::no_distribution() const {
  return unsupported(peek().span, "a DISTRIBUTION; it needs a connector with buckets: this");
}

Status Parser::alter_drop(Alter& alter) {
  DropPart part;
  if (at_all({"PARTITION", "("}) || at_all({"IF", "EXISTS", "PARTITION"})) {
    return unsupported(peek().span,
                       "ALTER TABLE .. DROP PARTITION; partitions are folders, delete them: this");
  }
  if (at("DISTRIBUTION")) { return no_distribution(); }
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

bool Parser::at_statement_set() const {
  return at_all({"STATEMENT", "SET"}) || at_all({"EXECUTE", "STATEMENT"}) ||
         at_all({"BEGIN", "STATEMENT"});
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
  const bool is_set = at_statement_set();
  if (!is_set && !at_query() && !at("INSERT") && !at("CREATE")) {
    return unexpected(Words{"SELECT", "INSERT", "CREATE", "STATEMENT", "WITH", "CHANGELOG_MODE",
                            "ESTIMATED_COST", "JSON_EXECUTION_PLAN", "PLAN_ADVICE", "ANALYZE"});
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(*node.statement, is_set ? statement_set() : statement_node());
  return make(std::move(node));
}

}  // namespace tidewheel::sql
