// COMPILE PLAN and EXECUTE PLAN: a statement is kept with all that its job is made of, and executed
// in a session that has nothing else.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/api/job_graph.h"
#include "tidewheel/base/version.h"
#include "tidewheel/base/world.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/read_settings.h"
#include "tidewheel/sql/saved_plan.h"
#include "tidewheel/sql/session.h"

namespace tidewheel::sql {
namespace {

// What is no part of a plan, but says how it is executed.
constexpr std::array<std::string_view, 5> kOfTheSession = {
    "pipeline.name", "sql-client.execution.result-mode", "table.dml-sync",
    "table.exec.resource.default-parallelism", "table.plan.force-recompile"};

bool is_of_the_session(const std::string& key) {
  return std::find(kOfTheSession.begin(), kOfTheSession.end(), key) != kOfTheSession.end();
}

std::vector<Insert> inserts_of(const Statement& statement) {
  if (const auto* insert = std::get_if<Insert>(&statement.node)) { return {*insert}; }
  if (const auto* set = std::get_if<StatementSet>(&statement.node)) { return set->inserts; }
  return {};
}

// All words of a text, in capitals.
Result<std::set<std::string>> words_of(std::string_view text) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<Token> tokens, tokenize(text));
  std::set<std::string> words;
  for (const Token& token : tokens) {
    if (token.kind == TokenKind::kWord || token.kind == TokenKind::kQuotedName) {
      words.insert(in_capitals(token.text));
    }
  }
  return words;
}

// A statement of a plan, which is of the kind T.
template <class T>
Result<T> parsed(const std::string& text, const char* what) {
  Result<Statement> statement = parse_statement(text);
  if (!statement.ok()) {
    return statement.status().with_context("the plan's {} can't be read", what);
  }
  if (T* const node = std::get_if<T>(&statement->node)) { return std::move(*node); }
  return invalid_argument(ErrorId::kSqlQuery, "the plan's {} is another statement: {}", what, text);
}

}  // namespace

// ---- COMPILE PLAN

Result<StatementResult> Session::compile_plan(std::string_view text, const CompilePlan& statement) {
  FileSystem& files = world_.files();
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_there, files.exists(statement.path));
  if (is_there && statement.executes) { return execute_plan(statement.path); }
  if (is_there && statement.if_not_exists) { return StatementResult(Done{}); }
  if (is_there && !ReadSettings{*this}.flag("table.plan.force-recompile")) {
    return already_exists(ErrorId::kSqlCatalog,
                          "there is a plan in this file; COMPILE PLAN .. IF NOT EXISTS leaves it, "
                          "SET 'table.plan.force-recompile' = 'true' has a new one take its place: "
                          "{}",
                          statement.path);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const SavedPlan plan, save_plan(text, *statement.statement));
  TIDEWHEEL_RETURN_IF_ERROR(write_all_durably(files, statement.path, to_json(plan)));
  if (statement.executes) { return execute_plan(statement.path); }
  return StatementResult(Done{});
}

Result<SavedPlan> Session::save_plan(std::string_view text, const Statement& statement) {
  std::set<ObjectPath> named;
  const std::map<std::string, int32_t> names = names_;
  named_objects_ = &named;
  const Result<RunningInsert> built = build_inserts(text, inserts_of(statement));
  named_objects_ = nullptr;
  names_ = names;  // no job was started
  TIDEWHEEL_RETURN_IF_ERROR(built.status());
  SavedPlan plan;
  plan.version = kVersion;
  plan.catalog = catalog_.current_catalog();
  plan.database = catalog_.current_database();
  plan.statement = to_sql(statement);
  for (const std::string& key : setting_keys()) {
    if (!is_of_the_session(key)) { plan.settings[key] = setting(key); }
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::set<std::string> words, words_of(plan.statement));
  for (const ObjectPath& path : named) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObject* const object, catalog_.find(path.name()));
    plan.objects.push_back({path, to_sql(statement_of(*object))});
    TIDEWHEEL_ASSIGN_OR_RETURN(std::set<std::string> more, words_of(plan.objects.back().statement));
    words.merge(more);
  }
  // All functions whose names occur: that they are called would have to be looked up.
  for (const auto& [key, function] : made_functions_) {
    if (!words.contains(in_capitals(function.name.parts.back().name))) { continue; }
    Statement made;
    made.node = function;
    plan.functions.push_back(to_sql(made));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const LogicalGraph graph, built->env->graph()->finish("plan"));
  plan.operators = operators_of(graph);
  return plan;
}

// ---- EXECUTE PLAN

Status Session::take_objects(const SavedPlan& plan) {
  const auto need_database = [&](const std::string& catalog,
                                 const std::string& database) -> Status {
    const std::vector<std::string> catalogs = catalog_.catalogs();
    if (std::find(catalogs.begin(), catalogs.end(), catalog) == catalogs.end()) {
      CreateCatalog made;
      made.name = {catalog, {}};
      made.options.push_back({"type", "generic_in_memory", {}, {}});
      TIDEWHEEL_RETURN_IF_ERROR(catalog_.create_catalog(made));
    }
    if (catalog_.check_database({catalog, database, ""}).ok()) { return {}; }
    CreateDatabase made;
    made.name.parts = {{catalog, {}}, {database, {}}};
    return catalog_.create_database(made);
  };
  for (const SavedPlan::Object& saved : plan.objects) {
    TIDEWHEEL_RETURN_IF_ERROR(need_database(saved.path.catalog, saved.path.database));
    CatalogObject object;
    object.path = saved.path;
    object.text = std::make_shared<const std::string>(saved.statement);
    Result<Statement> made = parse_statement(saved.statement);
    if (!made.ok()) {
      return made.status().with_context("the plan's definition of {}", saved.path.to_string());
    }
    if (auto* const table = std::get_if<CreateTable>(&made->node)) {
      object.definition = std::move(*table);
    } else if (auto* const view = std::get_if<CreateView>(&made->node)) {
      object.definition = std::move(*view);
    } else {
      return invalid_argument(ErrorId::kSqlQuery,
                              "the plan's definition of {} is no CREATE TABLE or CREATE VIEW",
                              saved.path.to_string());
    }
    TIDEWHEEL_RETURN_IF_ERROR(catalog_.create(std::move(object), false, false).status());
  }
  TIDEWHEEL_RETURN_IF_ERROR(need_database(plan.catalog, plan.database));
  TIDEWHEEL_RETURN_IF_ERROR(catalog_.use_catalog(plan.catalog));
  return catalog_.use_database({{Identifier{plan.database, {}}}});
}

Status Session::take_functions(const SavedPlan& plan) {
  functions_.set_current(plan.catalog, plan.database);
  for (const std::string& text : plan.functions) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const CreateFunction function,
                               parsed<CreateFunction>(text, "function"));
    TIDEWHEEL_RETURN_IF_ERROR(create_function(text, function));
  }
  return {};
}

Result<std::unique_ptr<Session>> Session::session_of(const SavedPlan& plan) const {
  auto session = std::make_unique<Session>(world_, options_);
  if (of_program_.has_value()) { session->functions_ = *of_program_; }
  for (const auto& [key, value] : settings_) {
    if (is_of_the_session(key)) { session->settings_[key] = value; }
  }
  for (const auto& [key, value] : plan.settings) {
    Set set;
    set.option = Option{key, value, {}, {}};
    TIDEWHEEL_RETURN_IF_ERROR(session->set(set).status().with_context("a setting of the plan"));
  }
  TIDEWHEEL_RETURN_IF_ERROR(session->take_objects(plan));
  TIDEWHEEL_RETURN_IF_ERROR(session->take_functions(plan));
  return session;
}

Result<StatementResult> Session::execute_plan(const std::string& path) {
  const auto run = [&]() -> Result<StatementResult> {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string json, read_all(world_.files(), path));
    TIDEWHEEL_ASSIGN_OR_RETURN(const SavedPlan plan, parse_saved_plan(json));
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, session_of(plan));
    const Result<Statement> statement = parse_statement(plan.statement);
    if (!statement.ok() || inserts_of(*statement).empty()) {
      return invalid_argument(ErrorId::kSqlQuery,
                              "the plan's statement is no INSERT and no statement set: {}",
                              plan.statement);
    }
    session->names_ = names_;
    TIDEWHEEL_ASSIGN_OR_RETURN(RunningInsert running,
                               session->build_inserts(plan.statement, inserts_of(*statement)));
    names_ = session->names_;
    JobGraph& graph = *running.env->graph();
    TIDEWHEEL_ASSIGN_OR_RETURN(const LogicalGraph made, graph.finish("plan"));
    TIDEWHEEL_RETURN_IF_ERROR(check_operators(plan, operators_of(made)));
    // The ids are those that the plan was compiled with, however they are made now.
    for (size_t i = 0; i < plan.operators.size(); ++i) {
      graph.node(static_cast<int32_t>(i)).uid = plan.operators[i].uid;
    }
    return session->start(std::move(running));
  };
  Result<StatementResult> result = run();
  if (result.ok() || result.status().id() == ErrorId::kJobFinished) { return result; }
  return result.status().with_context("{}", path);
}

}  // namespace tidewheel::sql
