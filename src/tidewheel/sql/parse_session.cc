// Statements about the session: what is current, what is shown, settings; plans, modules,
// libraries.
#include <algorithm>
#include <iterator>
#include <utility>

#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {
namespace {

Statement make(auto node) {
  Statement statement;
  statement.node = std::move(node);
  return statement;
}

}  // namespace

Result<Statement> Parser::use() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("USE"));
  Use use;
  if (accept("MODULES")) { return use_modules(); }
  if (accept("CATALOG")) { use.kind = Use::Kind::kCatalog; }
  TIDEWHEEL_ASSIGN_OR_RETURN(use.name, name("a name"));
  return make(std::move(use));
}

Result<Statement> Parser::show() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("SHOW"));
  using What = Show::What;
  constexpr std::pair<std::string_view, What> kPlain[] = {
      {"CATALOGS", What::kCatalogs},   {"DATABASES", What::kDatabases},
      {"TABLES", What::kTables},       {"VIEWS", What::kViews},
      {"FUNCTIONS", What::kFunctions}, {"COLUMNS", What::kColumns},
      {"JOBS", What::kJobs},           {"MODULES", What::kModules},
      {"JARS", What::kJars},           {"PROCEDURES", What::kProcedures},
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
  } else if (accept_all({"FULL", "MODULES"})) {
    show.what = What::kFullModules;
  } else if (accept_all({"MATERIALIZED", "TABLES"})) {
    show.what = What::kMaterializedTables;
    TIDEWHEEL_RETURN_IF_ERROR(show_filters(show));
  } else if (accept("CREATE")) {
    TIDEWHEEL_RETURN_IF_ERROR(show_create(show));
  } else if (accept("PARTITIONS")) {
    TIDEWHEEL_RETURN_IF_ERROR(show_partitions(show));
  } else {
    return unexpected(Words{"TABLES", "VIEWS", "COLUMNS", "FUNCTIONS", "CREATE", "CATALOGS",
                            "DATABASES", "CURRENT", "USER", "PARTITIONS", "JOBS", "MODULES", "FULL",
                            "JARS", "PROCEDURES", "MATERIALIZED"});
  }
  return make(std::move(show));
}

// What stands behind SHOW PARTITIONS: t [PARTITION (column = 'value', ..)]
Status Parser::show_partitions(Show& show) {
  show.what = Show::What::kPartitions;
  TIDEWHEEL_ASSIGN_OR_RETURN(show.of, name("the name of a table"));
  if (!accept("PARTITION")) { return {}; }
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    Option one;
    TIDEWHEEL_ASSIGN_OR_RETURN(Identifier column, identifier("the name of a column"));
    one.key = std::move(column.name);
    one.key_span = column.span;
    TIDEWHEEL_RETURN_IF_ERROR(expect("="));
    one.value_span = peek().span;
    if (peek().kind == TokenKind::kInteger) {
      one.value = take().text;
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(one.value, string("the value of a column, in quotes"));
    }
    show.partition.push_back(std::move(one));
    return {};
  }));
  return expect(")");
}

// What stands behind SHOW CREATE.
Status Parser::show_create(Show& show) {
  using What = Show::What;
  if (accept_all({"MATERIALIZED", "TABLE"})) {
    show.what = What::kCreateMaterializedTable;
  } else {
    constexpr std::pair<std::string_view, What> kKinds[] = {
        {"TABLE", What::kCreateTable},       {"VIEW", What::kCreateView},
        {"CATALOG", What::kCreateCatalog},   {"DATABASE", What::kCreateDatabase},
        {"FUNCTION", What::kCreateFunction},
    };
    const auto* const kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                          [this](const auto& one) { return accept(one.first); });
    if (kind == std::end(kKinds)) {
      return unexpected(Words{"TABLE", "VIEW", "CATALOG", "DATABASE", "FUNCTION", "MATERIALIZED"});
    }
    show.what = kind->second;
  }
  if (show.what == What::kCreateTable && at_string()) {
    show.is_file = true;
    show.of = file_name();
    return {};
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(show.of, name("a name"));
  return {};
}

// [FROM|IN name] [[NOT] LIKE|ILIKE 'pattern']
Status Parser::show_filters(Show& show) {
  using What = Show::What;
  if (show.what == What::kJobs || show.what == What::kModules || show.what == What::kJars) {
    return {};
  }
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
  } else if (at("FUNCTION") && at_name(1)) {
    ++at_;
    node.kind = ObjectKind::kFunction;
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
  if (at_string() || peek().kind == TokenKind::kWord) {
    TIDEWHEEL_ASSIGN_OR_RETURN(node.option, option());
  }
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

// ---- Plans, modules, libraries, and what is said to the client

// COMPILE PLAN 'file' [IF NOT EXISTS] FOR .., COMPILE AND EXECUTE PLAN 'file' FOR .., EXECUTE PLAN
// 'file'
Result<Statement> Parser::plan_statement() {
  constexpr std::string_view kFile = "the plan's file in quotes";
  if (accept_all({"EXECUTE", "PLAN"})) {
    ExecutePlan node;
    TIDEWHEEL_ASSIGN_OR_RETURN(node.path, string(kFile));
    return make(std::move(node));
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect("COMPILE"));
  CompilePlan node{"", false, false, Statement{}};
  node.executes = accept_all({"AND", "EXECUTE"});
  TIDEWHEEL_RETURN_IF_ERROR(expect("PLAN"));
  TIDEWHEEL_ASSIGN_OR_RETURN(node.path, string(kFile));
  // The plan that is there is executed in any case.
  if (!node.executes) { node.if_not_exists = accept_if_not_exists(); }
  TIDEWHEEL_RETURN_IF_ERROR(expect("FOR"));
  const Span begin = peek().span;
  if (at_statement_set()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(*node.statement, statement_set());
  } else if (at("INSERT")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(*node.statement, insert_statement());
  } else {
    return unexpected(Words{"INSERT", "STATEMENT", "EXECUTE", "BEGIN"});
  }
  node.statement->span = span_since(begin);
  return make(std::move(node));
}

// LOAD MODULE m [WITH (..)], UNLOAD MODULE m
Result<Statement> Parser::module_statement() {
  ModuleStatement node;
  if (accept("UNLOAD")) {
    node.action = ModuleStatement::Action::kUnload;
  } else {
    TIDEWHEEL_RETURN_IF_ERROR(expect("LOAD"));
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect("MODULE"));
  TIDEWHEEL_ASSIGN_OR_RETURN(Identifier module, identifier("the name of a module"));
  node.modules.push_back(std::move(module));
  if (node.action == ModuleStatement::Action::kLoad && accept("WITH")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(node.options, options_in_parentheses());
  }
  return make(std::move(node));
}

// What stands behind USE MODULES.
Result<Statement> Parser::use_modules() {
  ModuleStatement node;
  node.action = ModuleStatement::Action::kUse;
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(Identifier module, identifier("the name of a module"));
    node.modules.push_back(std::move(module));
    return {};
  }));
  return make(std::move(node));
}

// ADD JAR 'path', REMOVE JAR 'path'
Result<Statement> Parser::library_statement() {
  LibraryStatement node;
  node.removes = accept("REMOVE");
  if (!node.removes) { TIDEWHEEL_RETURN_IF_ERROR(expect("ADD")); }
  TIDEWHEEL_RETURN_IF_ERROR(expect("JAR"));
  node.path_span = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(node.path, string("the path of a shared library in quotes"));
  return make(std::move(node));
}

// A word alone.
std::optional<ClientStatement> Parser::client_statement() {
  using Action = ClientStatement::Action;
  constexpr std::pair<std::string_view, Action> kWords[] = {{"QUIT", Action::kQuit},
                                                            {"EXIT", Action::kQuit},
                                                            {"HELP", Action::kHelp},
                                                            {"CLEAR", Action::kClear}};
  for (const auto& [word, action] : kWords) {
    if (accept(word)) { return ClientStatement{action}; }
  }
  return std::nullopt;
}

}  // namespace tidewheel::sql
