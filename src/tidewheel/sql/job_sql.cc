#include "tidewheel/sql/job_sql.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/changelog.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/shared_scans.h"
#include "tidewheel/sql/user_function.h"

namespace tidewheel::sql {
namespace {

std::string_view file_name(const std::source_location& where) {
  const std::string_view path = where.file_name();
  return path.substr(path.find_last_of('/') + 1);
}

// The columns of a stream's table, as CREATE TABLE has them.
Result<std::string> stream_columns(const RowShape& shape, const ViewOptions& options) {
  std::string columns;
  const auto add = [&](const std::string& column) {
    columns += columns.empty() ? "" : ", ";
    columns += column;
  };
  bool has_time = options.rowtime.empty();
  for (size_t i = 0; i < shape.type.size(); ++i) {
    const LogicalType& type = shape.type.types[i];
    add(quoted_name(shape.type.names[i]) + " " + type.to_string());
    if (shape.type.names[i] != options.rowtime) { continue; }
    has_time = true;
    if (!type.is_timestamp() || type.nullable) {
      return invalid_argument(ErrorId::kSqlType,
                              ".rowtime has to be a tw::Timestamp or tw::LocalTimestamp of {}, or "
                              "another name than its fields have; the field '{}' is {}",
                              shape.name, options.rowtime, type.to_string());
    }
  }
  if (!has_time) { add(quoted_name(options.rowtime) + " TIMESTAMP_LTZ(3) NOT NULL"); }
  if (!options.proctime.empty()) { add(quoted_name(options.proctime) + " AS PROCTIME()"); }
  if (!options.rowtime.empty()) {
    add("WATERMARK FOR " + quoted_name(options.rowtime) + " AS SOURCE_WATERMARK()");
  }
  return columns;
}

}  // namespace

JobSql::JobSql(Env& env, std::unique_ptr<TableRegistry> tables, FileTable file_table)
    : env_(env),
      tables_(std::move(tables)),
      streams_(std::make_shared<std::vector<StreamTable>>()),
      session_(env.world(),
               {.tables = tables_, .config = {}, .file_table = std::move(file_table)}) {
  tables_->add(stream_table_connector(streams_));
}

void JobSql::note(Status status, std::source_location where, std::string_view call) {
  if (status.ok()) { return; }
  env_.graph()->fail(
      std::move(status).with_context("{}:{}: {}", file_name(where), where.line(), call));
}

Table JobSql::failed(Status status, std::source_location where, std::string_view call) {
  note(std::move(status), where, call);
  return nothing("");
}

Table JobSql::nothing(std::string why) {
  return Table(std::make_shared<const QueryDraft>(
      QueryDraft{shared_from_this(), {}, std::nullopt, std::move(why)}));
}

Table JobSql::draft(std::string text, Query query, std::source_location where,
                    std::string_view call, bool may_be_limited) {
  Query checked = query;
  if (may_be_limited) { checked.limit = Expression{Literal{Literal::Kind::kInteger, "1"}, {}}; }
  const Result<PlanRef> plan = bind_query(binder_environment(), text, checked);
  if (!plan.ok()) { return failed(plan.status(), where, call); }
  return Table(std::make_shared<const QueryDraft>(
      QueryDraft{shared_from_this(), std::move(text), std::move(query), {}}));
}

BinderEnvironment JobSql::binder_environment() const { return session_.environment(); }

Result<PlanRef> JobSql::plan(const std::string& text, const Query& query) const {
  return bind_query(binder_environment(), text, query);
}

JobBuilder& JobSql::builder(bool is_bounded) {
  session_.lend_to(env_);
  if (builder_ == nullptr) {
    builder_ = std::make_unique<JobBuilder>(env_, *tables_, session_.build_options(is_bounded));
  } else if (settings_changed_ || is_bounded != is_bounded_) {
    builder_->use(session_.build_options(is_bounded));
  }
  settings_changed_ = false;
  is_bounded_ = is_bounded;
  return *builder_;
}

PlanRef JobSql::with_shared_scans(const Plan& plan) const {
  PlanRef copy = std::make_shared<const Plan>(plan);
  if (in_capitals(session_.setting("consistency")) != "EPOCH") { return copy; }
  return share_scans({std::move(copy)})[0];
}

Result<Stream<ColumnRow>> JobSql::build(const Plan& plan) {
  return builder(plan.is_bounded).give(*with_shared_scans(plan));
}

Status JobSql::insert(const Plan& plan, const TableDefinition& table) {
  return builder(plan.is_bounded).insert(*with_shared_scans(plan), table);
}

Status JobSql::insert(std::string_view text, const std::vector<Insert>& inserts) {
  for (const Insert& insert : inserts) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Session::Prepared prepared,
                               session_.prepare_insert(text, insert));
    TIDEWHEEL_RETURN_IF_ERROR(this->insert(*prepared.plan, *prepared.sink));
  }
  return ok_status();
}

void JobSql::add_functions(std::shared_ptr<const FunctionLibrary> library,
                           std::source_location where) {
  const Result<UserFunctionsRef> functions = UserFunctions::of(std::move(library));
  note(functions.ok() ? session_.add_functions(**functions) : functions.status(), where,
       "add_functions");
}

void JobSql::add_stream(const std::string& name, const RowShape& shape, const ViewOptions& options,
                        StreamTable stream, std::source_location where) {
  const Result<std::string> columns = stream_columns(shape, options);
  if (!columns.ok()) { return note(columns.status(), where, "view"); }
  const std::string text =
      fmt::format("CREATE TEMPORARY TABLE {} ({}) WITH ('connector' = '{}', 'stream' = '{}')",
                  quoted_name(name), *columns, kStreamConnector, streams_->size());
  streams_->push_back(std::move(stream));
  const Result<Statement> statement = parse_statement(text);
  if (!statement.ok()) { return note(statement.status(), where, "view"); }
  note(session_.execute(text, *statement).status(), where, "view");
}

// By kind of statement. Gives why there are no rows, or nothing for a query.
struct JobSql::StatementRunner {
  JobSql& sql;
  std::string_view text;
  const Statement& statement;
  using Out = Result<std::string>;

  Out executed(const char* what) const {
    TIDEWHEEL_RETURN_IF_ERROR(sql.session_.execute(text, statement).status());
    return std::string(what);
  }
  Out operator()(const Insert& insert) const {
    TIDEWHEEL_RETURN_IF_ERROR(sql.insert(text, {insert}));
    return "INSERT";
  }
  Out operator()(const StatementSet& set) const {
    TIDEWHEEL_RETURN_IF_ERROR(sql.insert(text, set.inserts));
    return "EXECUTE STATEMENT SET";
  }
  Out operator()(const CreateTable& create) const {
    if (create.query.has_value()) {
      return error_at(
          text, create.name.span(), ErrorId::kSqlUnsupported,
          "CREATE TABLE .. AS would run a job of its own: create the table, then INSERT "
          "INTO it");
    }
    return executed("CREATE TABLE");
  }
  Out operator()(const Set& set) const {
    if (!set.option.has_value()) { return for_shell("SET without a key"); }
    sql.settings_changed_ = true;
    TIDEWHEEL_RETURN_IF_ERROR(sql.session_.execute(text, statement).status());
    // An option of the engine is one of this job.
    ignore(sql.env_.config().set(set.option->key, set.option->value),
           "a setting of SQL is none of the engine");
    return "SET";
  }
  Out operator()(const Reset&) const {
    sql.settings_changed_ = true;
    return executed("RESET");
  }
  Out operator()(const Explain&) const { return for_shell("EXPLAIN"); }
  Out operator()(const Show&) const { return for_shell("SHOW"); }
  Out operator()(const Describe&) const { return for_shell("DESCRIBE"); }
  Out operator()(const Query&) const { return std::string(); }
  template <class Other>
  Out operator()(const Other&) const {
    return executed("the statement");
  }
  Out for_shell(const char* what) const {
    return error_at(text, statement.span, ErrorId::kSqlUnsupported,
                    fmt::format("{} is for the shell; a job can ask a table for its row_type(), "
                                "to_sql() and explain()",
                                what));
  }
};

Table JobSql::execute(std::string_view text, std::source_location where) {
  const Result<std::vector<Statement>> statements = parse_script(text);
  if (!statements.ok()) { return failed(statements.status(), where, "sql"); }
  std::string last = "nothing";
  for (const Statement& statement : *statements) {
    if (const auto* query = std::get_if<Query>(&statement.node)) {
      if (&statement == &statements->back()) {
        return draft(std::string(text), *query, where, "sql");
      }
      return failed(error_at(text, statement.span, ErrorId::kSqlQuery,
                             "a query stands last: nobody asks for the rows of this one"),
                    where, "sql");
    }
    Result<std::string> done = std::visit(StatementRunner{*this, text, statement}, statement.node);
    if (!done.ok()) { return failed(done.status(), where, "sql"); }
    last = std::move(*done);
  }
  return nothing(std::move(last));
}

Table JobSql::named(std::string_view name, std::source_location where) {
  std::string text = "SELECT * FROM " + std::string(name);
  Result<Statement> statement = parse_statement(text);
  if (!statement.ok()) { return failed(statement.status(), where, "table"); }
  return draft(std::move(text), std::move(std::get<Query>(statement->node)), where, "table");
}

}  // namespace tidewheel::sql
