#include "tidewheel/cli/sql_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/api/interruption.h"
#include "tidewheel/base/time_zone.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cli/sql_terminal.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/result_text.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/tables/file_table.h"
#include "tidewheel/tables/table_registry.h"

namespace tidewheel {
namespace {

constexpr int kFailed = 1;
constexpr int64_t kFirstPollNs = 500'000;
constexpr int64_t kPollNsMax = 20'000'000;

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void print_error(const std::string& text) {
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

// Executes statements and shows what they give.
class SqlRunner {
 public:
  SqlRunner(World& world, const SqlCommand& command, Interruption& interruption)
      : world_(world),
        command_(command),
        interruption_(interruption),
        tables_(make_table_registry()),
        session_(world, {.tables = tables_,
                         .config = {},
                         .file_table =
                             [&world](const std::string& path) {
                               return make_file_table(world.files(), path);
                             }}),
        is_terminal_(output_is_terminal()) {}

  sql::Session& session() { return session_; }

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
    return session_.execute("", wrapped).status();
  }

  // `echoes`: statements without a result say OK.
  Status run(const std::string& text, bool echoes) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<sql::Statement> statements,
                               sql::parse_script(text));
    for (const sql::Statement& statement : statements) {
      TIDEWHEEL_RETURN_IF_ERROR(run_one(text, statement, echoes));
    }
    return ok_status();
  }

 private:
  Status run_one(const std::string& text, const sql::Statement& statement, bool echoes) {
    const int64_t begun_ns = world_.clock().now_ns();
    TIDEWHEEL_ASSIGN_OR_RETURN(sql::StatementResult result, session_.execute(text, statement));
    if (const auto* done = std::get_if<sql::Done>(&result)) {
      if (echoes) { print(done->message + "\n"); }
    } else if (const auto* listing = std::get_if<sql::Listing>(&result)) {
      show(*listing);
    } else if (auto* query = std::get_if<sql::RunningQuery>(&result)) {
      TIDEWHEEL_RETURN_IF_ERROR(show(*query));
    } else {
      TIDEWHEEL_RETURN_IF_ERROR(wait_for(std::get<sql::RunningInsert>(result)));
      if (echoes) { print("OK\n"); }
    }
    if (command_.timing) {
      print(fmt::format("Time: {:.3f} ms\n",
                        static_cast<double>(world_.clock().now_ns() - begun_ns) * 1e-6));
    }
    std::fflush(stdout);
    return ok_status();
  }

  void show(const sql::Listing& listing) {
    if (listing.is_text) {
      for (const auto& row : listing.rows) { print(row[0] + "\n"); }
      return;
    }
    if (output() == SqlOutput::kCsv || output() == SqlOutput::kJson) {
      RowType type;
      for (const std::string& column : listing.columns) { type.add(column, LogicalType::string()); }
      const std::vector<bool> nulls(listing.columns.size(), false);
      if (output() == SqlOutput::kCsv) { print(sql::csv_line(listing.columns, nulls)); }
      for (const auto& row : listing.rows) {
        print(output() == SqlOutput::kCsv ? sql::csv_line(row, nulls)
                                          : sql::json_line(type, row, nulls));
      }
      return;
    }
    print(sql::box_text(listing.columns, std::vector<bool>(listing.columns.size(), false),
                        listing.rows));
  }

  SqlOutput output() const {
    if (command_.output != SqlOutput::kChosen) { return command_.output; }
    if (session_.setting("sql-client.execution.result-mode") != "table") {
      return SqlOutput::kChangelog;
    }
    return is_terminal_ ? SqlOutput::kBox : SqlOutput::kCsv;
  }

  // What the user sees of a query: rows as they come, or the table at the end.
  struct Shown {
    SqlOutput output = SqlOutput::kBox;
    bool at_end = false;
    RowType type;  // of the columns that are shown
    int64_t count = 0;
  };

  Status show(sql::RunningQuery& query) {
    Shown shown;
    shown.output = output();
    // Of an input that does not end there is no table at the end.
    if (!query.is_bounded && (query.updates || shown.output == SqlOutput::kBox)) {
      shown.output = SqlOutput::kChangelog;
    }
    shown.at_end = shown.output == SqlOutput::kBox || (shown.output != SqlOutput::kChangelog &&
                                                       (query.updates || !query.order_by.empty()));
    for (size_t i = 0; i < query.visible; ++i) {
      shown.type.add(query.type.names[i], query.type.types[i]);
    }
    TimeZone zone = *TimeZone::find(session_.setting("table.local-time-zone"));
    sql::ResultTable table(query.type, query.visible, query.order_by, zone);
    if (!shown.at_end) { print_header(shown); }
    bool enough = query.limit == 0;
    interruption_.watch(query.job.get());
    int64_t poll_ns = kFirstPollNs;
    for (bool ended = false; !ended;) {
      ended = query.job->wait(world_.clock().now_ns() + poll_ns);
      poll_ns = std::min(poll_ns * 2, kPollNsMax);
      for (const sql::ResultQueue::Rows& rows : query.rows->take_all()) {
        if (shown.at_end) {
          table.apply(rows);
        } else {
          print_rows(query, rows, shown, zone);
        }
        shown.count += rows.end - rows.begin;
      }
      std::fflush(stdout);
      if (!ended && query.limit >= 0 && shown.count >= query.limit && !enough) {
        enough = true;
        query.job->cancel();
      }
    }
    interruption_.watch(nullptr);
    Status result = query.job->result();
    if (enough && result.id() == ErrorId::kJobCancelled) { result = ok_status(); }
    TIDEWHEEL_RETURN_IF_ERROR(std::move(result));
    if (shown.at_end) { print_table(table, shown); }
    return ok_status();
  }

  void print_header(const Shown& shown) {
    if (shown.output == SqlOutput::kCsv) {
      print(sql::csv_line(shown.type.names, std::vector<bool>(shown.type.size(), false)));
    } else if (shown.output == SqlOutput::kChangelog) {
      std::string line = "op";
      for (const std::string& name : shown.type.names) { line += " | " + name; }
      print(line + "\n");
    }
  }

  void print_rows(const sql::RunningQuery& query, const sql::ResultQueue::Rows& rows,
                  const Shown& shown, TimeZone& zone) {
    std::string out;
    for (uint32_t i = rows.begin; i < rows.end; ++i) {
      if (query.limit >= 0 && shown.count + (i - rows.begin) >= query.limit) { break; }
      sql::ResultTable::Row row = sql::result_row(query.type, rows.columns(), i, zone);
      row.cells.resize(query.visible);
      row.nulls.resize(query.visible);
      if (shown.output == SqlOutput::kCsv) {
        out += sql::csv_line(row.cells, row.nulls);
      } else if (shown.output == SqlOutput::kJson) {
        out += sql::json_line(shown.type, row.cells, row.nulls);
      } else {
        out += row_kind_text(rows.columns().kind(i));
        for (size_t c = 0; c < query.visible; ++c) {
          out += " | " + (row.nulls[c] ? std::string("NULL") : row.cells[c]);
        }
        out += '\n';
      }
    }
    print(out);
  }

  void print_table(const sql::ResultTable& table, const Shown& shown) {
    const std::vector<const sql::ResultTable::Row*> rows = table.rows();
    if (shown.output != SqlOutput::kBox) {
      std::string out;
      if (shown.output == SqlOutput::kCsv) { print_header(shown); }
      for (const sql::ResultTable::Row* row : rows) {
        const std::vector<std::string> cells(
            row->cells.begin(), row->cells.begin() + static_cast<ptrdiff_t>(shown.type.size()));
        out += shown.output == SqlOutput::kCsv ? sql::csv_line(cells, row->nulls)
                                               : sql::json_line(shown.type, cells, row->nulls);
      }
      return print(out);
    }
    std::vector<std::vector<std::string>> cells;
    std::vector<bool> right;
    for (const LogicalType& type : shown.type.types) { right.push_back(sql::is_shown_right(type)); }
    for (const sql::ResultTable::Row* row : rows) {
      auto& line = cells.emplace_back();
      for (size_t i = 0; i < shown.type.size(); ++i) {
        line.push_back(row->nulls[i] ? "NULL" : row->cells[i]);
      }
    }
    print(sql::box_text(shown.type.names, right, cells));
    print(fmt::format("{} row{}\n", rows.size(), rows.size() == 1 ? "" : "s"));
  }

  Status wait_for(sql::RunningInsert& insert) {
    interruption_.watch(insert.job.get());
    insert.job->wait();
    interruption_.watch(nullptr);
    return insert.job->result();
  }

  World& world_;
  const SqlCommand& command_;
  Interruption& interruption_;
  const std::shared_ptr<const TableRegistry> tables_;
  sql::Session session_;
  const bool is_terminal_;
};

int failed(const Status& status) {
  print_error(status.to_string() + "\n");
  return kFailed;
}

}  // namespace

Result<int> run_sql_command(const SqlCommand& command) {
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kWarning});
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<Interruption> interruption,
                             Interruption::install());
  SqlRunner runner(*world, command, *interruption);
  // Who sees the result only has no use for every step on the way to it.
  if (command.output != SqlOutput::kChangelog) {
    TIDEWHEEL_RETURN_IF_ERROR(runner.set("table.exec.mini-batch.enabled=true"));
  }
  for (const std::string& setting : command.settings) {
    TIDEWHEEL_RETURN_IF_ERROR(runner.set(setting));
  }
  std::vector<std::string> scripts;
  if (!command.init_file.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string text, read_all(world->files(), command.init_file));
    scripts.push_back(std::move(text));
  }
  for (const std::string& file : command.files) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string text, read_all(world->files(), file));
    scripts.push_back(std::move(text));
  }
  for (const std::string& text : command.texts) { scripts.push_back(text); }
  for (const std::string& script : scripts) {
    if (const Status status = runner.run(script, /*echoes=*/false); !status.ok()) {
      return failed(status);
    }
  }
  if (!command.files.empty() || !command.texts.empty()) { return 0; }
  SqlTerminal terminal(runner.session());
  int exit_status = 0;
  while (std::optional<std::string> statement = terminal.next_statement()) {
    const Status status = runner.run(*statement, terminal.is_interactive());
    if (status.ok()) { continue; }
    exit_status = failed(status);
    if (!terminal.is_interactive()) { return exit_status; }
  }
  return terminal.is_interactive() ? 0 : exit_status;
}

}  // namespace tidewheel
