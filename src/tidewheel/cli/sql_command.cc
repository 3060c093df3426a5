#include "tidewheel/cli/sql_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <memory>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/api/interruption.h"
#include "tidewheel/api/run_report.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cli/function_loader.h"
#include "tidewheel/cli/sql_terminal.h"
#include "tidewheel/cli/sql_view.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/sql/job_analysis.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/sql/source_text.h"
#include "tidewheel/tables/file_table.h"
#include "tidewheel/tables/table_registry.h"

namespace tidewheel {
namespace {

constexpr int kFailed = 1;
constexpr int kMisused = 2;
constexpr int kInterrupted = 130;

constexpr const char* kHelp =
    "Statements end with ';'. Ctrl-C ends a query or drops what is typed; QUIT ends the shell.\n"
    "  SHOW TABLES;  DESCRIBE t;  EXPLAIN SELECT ..;  EXPLAIN ANALYZE SELECT ..;  SHOW FUNCTIONS;\n"
    "  SET;  SET 'key' = 'value';  RESET 'key';\n"
    "  INSERT INTO .. goes on by itself: SHOW JOBS;  DESCRIBE JOB 'id';  STOP JOB 'id' [WITH\n"
    "  SAVEPOINT] [WITH DRAIN];  SET 'table.dml-sync' = 'true' waits for its end\n"
    "  CLEAR;  QUIT;\n"
    "A file is a table: SELECT * FROM 'flights.csv' LIMIT 10;\n"
    "  \\d [t]    tables, or the columns of one     \\l        databases\n"
    "  \\x        a line a column, on or off        \\timing   times of statements, on or off\n"
    "  \\i FILE   executes a file                   \\q        the same as QUIT\n";

constexpr const char* kClear = "\x1b[H\x1b[2J";

InterruptionOptions shell_interruption() {
  InterruptionOptions options;
  options.keeps_process = true;
  return options;
}

// Executes statements and shows what they give.
class SqlRunner {
 public:
  SqlRunner(World& world, const SqlCommand& command)
      : world_(world),
        command_(command),
        tables_(make_table_registry(
            world, [this]() -> const Config& { return session_.options().config; },
            &change_plugins_)),
        session_(world, {.tables = tables_,
                         .config = {},
                         .resumes = command.resume,
                         .file_table =
                             [&world, &tables = *tables_](const std::string& path) {
                               return make_file_table(world.files(), tables, path);
                             },
                         .load_functions = make_function_loader(world.files()),
                         .change_plugins = change_plugins_}),
        timing_(command.timing) {
    view_.is_terminal = output_is_terminal();
    view_.shows_progress = error_is_terminal();
  }

  sql::Session& session() { return session_; }

  // In a script one Ctrl-C stops what runs, and a second one ends the process; in the shell each
  // statement has its own.
  Status watch_script() {
    TIDEWHEEL_ASSIGN_OR_RETURN(interruption_, Interruption::install());
    return ok_status();
  }
  bool interrupted() const { return interruption_ != nullptr && interruption_->interrupted(); }

  Status set(const std::string& assignment) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos) {
      return invalid_argument(ErrorId::kUsage, "-D takes key=value, not {}", assignment);
    }
    sql::Set statement;
    statement.option.emplace();
    statement.option->key = assignment.substr(0, equals);
    statement.option->value = assignment.substr(equals + 1);
    sql::Statement wrapped;
    wrapped.node = std::move(statement);
    const Status set = session_.execute("", wrapped).status();
    return set.ok() ? set
                    : invalid_argument(ErrorId::kUsage, "-D{}: {}", assignment, set.message());
  }

  // A script stops at the first statement that fails, and behind the one that was interrupted.
  Status run(const std::string& text) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<sql::Statement> statements,
                               sql::parse_script(text));
    for (const sql::Statement& statement : statements) {
      if (has_quit_) { return ok_status(); }
      if (interrupted()) {
        return cancelled(ErrorId::kJobCancelled,
                         "interrupted: the statements behind are not executed");
      }
      if (const auto* client = std::get_if<sql::ClientStatement>(&statement.node)) {
        run_client(*client);
      } else {
        const Status status = run_one(text, statement);
        if (!status.ok()) {
          return statements.size() > 1 ? placed(status, text, statement) : status;
        }
      }
    }
    return ok_status();
  }
  // Whether a script has said QUIT.
  bool has_quit() const { return has_quit_; }
  Status run_file(const std::string& path) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, read_all(world_.files(), path));
    return run(text).with_context("{}", path);
  }
  // Of jobs that nobody has waited for.
  Status wait_for_jobs() {
    return session_.wait_for_jobs([this](JobHandle* job) { interruption_->watch(job); });
  }

  // Statements and commands of a person, until there are no more.
  void run_shell(SqlTerminal& terminal) {
    is_shell_ = true;
    interruption_.reset();  // at the prompt Ctrl-C is a key
    while (true) {
      for (const std::string& line : session_.take_ended_jobs()) { print(line + "\n"); }
      const std::optional<ShellInput> input = terminal.next();
      if (input.has_value() && !is_quit(*input)) {
        const Status status = input->is_command ? command(input->text) : run_watched(input->text);
        if (!status.ok()) { print_error(status.to_string() + "\n"); }
        if (!has_quit_) { continue; }
      }
      if (may_quit(terminal)) { return; }
      has_quit_ = false;
    }
  }

 private:
  static bool is_quit(const ShellInput& input) {
    return input.is_command &&
           (input.text == "QUIT" || input.text == "EXIT" || input.text == "\\q");
  }
  bool may_quit(SqlTerminal& terminal) {
    const std::vector<std::string> running = session_.running_jobs();
    if (running.empty()) { return true; }
    for (const std::string& job : running) { print("still running: " + job + "\n"); }
    return terminal.confirm("They end with the shell. Quit? [y/N] ");
  }

  Status run_watched(const std::string& text) {
    TIDEWHEEL_ASSIGN_OR_RETURN(interruption_, Interruption::install(shell_interruption()));
    const Status status = run(text);
    interruption_.reset();
    return status;
  }

  void run_client(const sql::ClientStatement& statement) {
    using Action = sql::ClientStatement::Action;
    switch (statement.action) {
      case Action::kQuit: has_quit_ = true; return;
      case Action::kHelp: print(kHelp); return;
      case Action::kClear:
        if (view_.is_terminal) { print(kClear); }
        return;
    }
  }

  // Of the shell.
  Status command(const std::string& text) {
    const size_t blank = text.find_first_of(" \t");
    const std::string name = text.substr(0, blank);
    std::string argument;
    if (blank != std::string::npos) {
      const size_t begin = text.find_first_not_of(" \t;", blank);
      if (begin != std::string::npos) { argument = text.substr(begin); }
      while (!argument.empty() && (argument.back() == ';' || argument.back() == ' ')) {
        argument.pop_back();
      }
    }
    if (name == "HELP" || name == "\\?") {
      print(kHelp);
    } else if (name == "CLEAR") {
      print(kClear);
    } else if (name == "\\x") {
      view_.expanded = !view_.expanded;
      print(fmt::format("Expanded display is {}.\n", view_.expanded ? "on" : "off"));
    } else if (name == "\\timing") {
      timing_ = !timing_;
      print(fmt::format("Timing is {}.\n", timing_ ? "on" : "off"));
    } else if (name == "\\d") {
      return run_watched(argument.empty() ? "SHOW TABLES" : "DESCRIBE " + argument);
    } else if (name == "\\l") {
      return run_watched("SHOW DATABASES");
    } else if (name == "\\i") {
      if (argument.empty()) { return invalid_argument(ErrorId::kUsage, "\\i takes a file"); }
      TIDEWHEEL_ASSIGN_OR_RETURN(interruption_, Interruption::install(shell_interruption()));
      const Status status = run_file(argument);
      interruption_.reset();
      return status;
    } else {
      return invalid_argument(ErrorId::kUsage, "there is no command {}; \\? lists those there are",
                              name);
    }
    return ok_status();
  }

  // Which of several statements it was, of an error that does not show its place.
  static Status placed(const Status& status, const std::string& text,
                       const sql::Statement& statement) {
    if (status.message().starts_with("line ")) { return status; }
    const uint32_t line = sql::line_column(text, statement.span.begin).line;
    return status.with_context("the statement at line {}", line);
  }

  Status run_one(const std::string& text, const sql::Statement& statement) {
    const int64_t begun_ns = world_.clock().now_ns();
    choose_output();
    Result<sql::StatementResult> result = session_.execute(text, statement);
    if (!result.ok() && result.status().id() == ErrorId::kJobFinished) {
      print_error(std::string(result.status().message()) + "\n");
    } else {
      TIDEWHEEL_RETURN_IF_ERROR(result.status());
      TIDEWHEEL_RETURN_IF_ERROR(std::visit([this](auto& one) { return show(one); }, *result));
    }
    if (timing_) {
      print(fmt::format("Time: {:.3f} ms\n",
                        static_cast<double>(world_.clock().now_ns() - begun_ns) * 1e-6));
    }
    return flush_output();
  }

  void choose_output() {
    view_.output = command_.output;
    if (view_.output != SqlOutput::kChosen) { return; }
    if (sql::in_capitals(session_.setting("sql-client.execution.result-mode")) != "TABLE") {
      view_.output = SqlOutput::kChangelog;
    } else {
      view_.output = view_.is_terminal ? SqlOutput::kBox : SqlOutput::kCsv;
    }
  }

  Status show(const sql::Done& done) {
    if (is_shell_) { print(done.message + "\n"); }
    return ok_status();
  }
  Status show(const sql::Listing& listing) {
    show_listing(listing, view_);
    return ok_status();
  }
  Status show(sql::RunningQuery& query) {
    interruption_->watch(query.job.get());
    Status status = show_query(world_, query, view_, session_.setting("table.local-time-zone"),
                               interruption_.get());
    interruption_->watch(nullptr);
    return status;
  }
  Status show(sql::RunningInsert& insert) {
    tell_start(*insert.job);
    if (!insert.waits) {
      const std::string id = session_.submit(std::move(insert));
      if (is_shell_) { print("Job ID: " + id + "\n"); }
      return ok_status();
    }
    interruption_->watch(insert.job.get());
    wait_for_job(world_, *insert.job, view_);
    interruption_->watch(nullptr);
    if (insert.analysis != nullptr) { print(insert.analysis->text(*insert.job) + "\n"); }
    const std::string summary =
        checkpoint_summary(insert.job->checkpoints(), insert.job->restarts());
    if (!summary.empty()) { print_error(summary + "\n"); }
    TIDEWHEEL_RETURN_IF_ERROR(insert.job->result());
    if (is_shell_ && insert.analysis == nullptr) { print("OK\n"); }
    return ok_status();
  }
  void tell_start(const JobHandle& job) {
    const Config& config = session_.options().config;
    const std::string text = start_text(job.checkpoints(), job.name(), command_.resume,
                                        config.get(options::kCheckpointDirectory));
    if (!text.empty()) { print_error(text + "\n"); }
  }

  World& world_;
  const SqlCommand& command_;
  ChangePlugins change_plugins_;  // before what sets it
  const std::shared_ptr<const TableRegistry> tables_;
  sql::Session session_;
  SqlViewOptions view_;
  bool timing_;
  bool is_shell_ = false;
  bool has_quit_ = false;  // nothing behind is executed
  std::unique_ptr<Interruption> interruption_;
};

int failed(const Status& status) {
  print_error(status.to_string() + "\n");
  return status.id() == ErrorId::kJobCancelled ? kInterrupted
         : status.id() == ErrorId::kUsage      ? kMisused
                                               : kFailed;
}

Status prepare(SqlRunner& runner, const SqlCommand& command) {
  if (!command.catalog.empty()) {
    TIDEWHEEL_RETURN_IF_ERROR(runner.session().keep_catalog_in(command.catalog));
  }
  // What failed is to be gone on with too.
  if (command.resume) {
    TIDEWHEEL_RETURN_IF_ERROR(runner.set(
        "execution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION"));
  }
  // Who sees the result only has no use for every step on the way to it.
  if (command.output != SqlOutput::kChangelog) {
    TIDEWHEEL_RETURN_IF_ERROR(runner.set("table.exec.fold-batches.enabled=true"));
  }
  for (const std::string& setting : command.settings) {
    TIDEWHEEL_RETURN_IF_ERROR(runner.set(setting));
  }
  return ok_status();
}

// All that is no shell: files, -e, standard input.
Status run_scripts(SqlRunner& runner, const SqlCommand& command, SqlTerminal* terminal) {
  for (const std::string& file : command.files) {
    TIDEWHEEL_RETURN_IF_ERROR(runner.run_file(file));
  }
  for (const std::string& text : command.texts) { TIDEWHEEL_RETURN_IF_ERROR(runner.run(text)); }
  if (terminal != nullptr) {
    while (const std::optional<ShellInput> input = terminal->next()) {
      if (runner.has_quit()) { break; }
      TIDEWHEEL_RETURN_IF_ERROR(runner.run(input->text));
    }
    TIDEWHEEL_RETURN_IF_ERROR(terminal->failure());
  }
  return runner.wait_for_jobs();
}

}  // namespace

Result<int> run_sql_command(const SqlCommand& command) {
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kWarning});
  SqlRunner runner(*world, command);
  std::unique_ptr<SqlTerminal> terminal;
  if (command.files.empty() && command.texts.empty()) {
    terminal = std::make_unique<SqlTerminal>(runner.session());
  }
  const bool is_shell = terminal != nullptr && terminal->is_interactive();
  // A script goes on when an INSERT has ended, a person at once.
  TIDEWHEEL_RETURN_IF_ERROR(runner.set(is_shell ? "table.dml-sync=false" : "table.dml-sync=true"));
  TIDEWHEEL_RETURN_IF_ERROR(prepare(runner, command));
  runner.session().keep_as_defaults();
  TIDEWHEEL_RETURN_IF_ERROR(runner.watch_script());
  if (!command.init_file.empty()) {
    if (const Status status = runner.run_file(command.init_file); !status.ok()) {
      return failed(status);
    }
  }
  if (is_shell) {
    runner.run_shell(*terminal);
    return 0;
  }
  const Status status = run_scripts(runner, command, terminal.get());
  return status.ok() ? 0 : failed(status);
}

}  // namespace tidewheel
