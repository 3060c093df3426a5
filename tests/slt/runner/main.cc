// Runs .slt files: `slt [--parallelism N] [--batch-rows N] [--mini-batch] [--backend TYPE]
// [--crash] [--epochs] FILE...`
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/slt/runner/script.h"
#include "tests/slt/runner/script_table.h"
#include "tidewheel/api/env.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cli/function_loader.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/result_text.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/tables/table_registry.h"

namespace tidewheel::slt {
namespace {

struct Options {
  std::vector<std::string> files;
  std::vector<std::pair<std::string, std::string>> settings;
  // Changes come in another order, or not one by one: tables at the end are compared instead.
  bool compares_tables_only = false;
  bool shows = false;  // prints what queries give, instead of comparing
  // Each query over feeds or constant rows is checkpointed when its sources are in the middle of
  // theirs, cancelled, and goes on from the checkpoint in another job.
  bool crashes = false;
  // 'consistency' = 'epoch', with short epochs and slow sources. Of queries that only depend on the
  // rows of one table, and not on time or its end, each epoch has to end with the table that the
  // query gives for a prefix of those rows, never for a shorter one than before.
  bool has_epochs = false;
  std::string parallelism = "1";
  std::string parallelism_after;  // of that job; empty: the same
};

std::string cell_text(const std::string& cell, bool is_null) {
  if (is_null) { return "NULL"; }
  const bool quotes = cell.empty() || cell.find(' ') != std::string::npos;
  return quotes ? "'" + cell + "'" : cell;
}

std::string row_text(const sql::ResultTable::Row& row, size_t columns) {
  std::string out;
  for (size_t i = 0; i < columns; ++i) {
    if (i > 0) { out += ' '; }
    out += cell_text(row.cells[i], row.nulls[i]);
  }
  return out;
}

// What a list of changes amounts to.
std::vector<std::string> amount_to(const std::vector<std::string>& changes) {
  std::vector<std::string> table;
  for (const std::string& change : changes) {
    const std::string row = change.substr(std::min<size_t>(change.size(), 3));
    if (change.starts_with("+")) {
      table.push_back(row);
      continue;
    }
    const auto it = std::find(table.rbegin(), table.rend(), row);
    if (it != table.rend()) { table.erase(std::next(it).base()); }
  }
  return table;
}

// A folder for one script, which names it {{folder}}.
constexpr std::string_view kFolderWord = "{{folder}}";
class Folder {
 public:
  explicit Folder(World& world)
      : world_(world),
        path_(fmt::format("{}/slt-{:016x}", world.environment("TMPDIR").value_or("/tmp"),
                          world.fork_random().next())) {}
  ~Folder() { ignore(world_.files().remove_all(path_), "a test's files are only rubbish"); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  Status make() const { return world_.files().make_directories(path_); }
  const std::string& path() const { return path_; }

 private:
  World& world_;
  const std::string path_;
};

class Runner {
 public:
  Runner(World& world, const Options& options)
      : world_(world),
        options_(options),
        checkpoints_(fmt::format("/tmp/slt-{:016x}", world.fork_random().next())) {}
  ~Runner() {
    if (options_.crashes) {
      ignore(world_.files().remove_all(checkpoints_), "a folder of temporary files");
    }
  }

  // Returns how many records failed.
  Result<int> run_file(const std::string& path) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string text, read_all(world_.files(), path));
    const Folder folder(world_);
    TIDEWHEEL_RETURN_IF_ERROR(folder.make());
    for (size_t at = 0; (at = text.find(kFolderWord, at)) != std::string::npos;) {
      text.replace(at, kFolderWord.size(), folder.path());
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<Record> records, parse_script(text, path));
    feeds_ = std::make_shared<ScriptFeeds>();
    tables_ = make_table_registry();
    tables_->add(make_script_connector(feeds_));
    sql::Session session(world_, {.tables = tables_,
                                  .config = {},
                                  .file_table = nullptr,
                                  .load_functions = load_functions(),
                                  .source_pause = [feeds = feeds_] { return feeds->pause; }});
    if (options_.crashes) {
      TIDEWHEEL_RETURN_IF_ERROR(set(session, "execution.checkpointing.dir", checkpoints_));
      TIDEWHEEL_RETURN_IF_ERROR(set(session,
                                    "execution.checkpointing.externalized-checkpoint-retention",
                                    "RETAIN_ON_CANCELLATION"));
    }
    feeds_->is_slow = options_.has_epochs;
    for (const auto& [key, value] : options_.settings) {
      TIDEWHEEL_RETURN_IF_ERROR(set(session, key, value));
    }
    int failures = 0;
    for (const Record& record : records) {
      const Status status = run_record(session, record);
      ++records_;
      if (status.ok()) { continue; }
      ++failures;
      fmt::print("{}:{}: {}\n{}\n", path, record.line, record.sql, status.message());
    }
    return failures;
  }
  int records() const { return records_; }
  int epochs() const { return epochs_; }

 private:
  static Status set(sql::Session& session, const std::string& key, const std::string& value) {
    sql::Statement set;
    set.node = sql::Set{sql::Option{key, value, {}, {}}};
    return session.execute("", set).status();
  }

  // Scripts name libraries by file: those that were built.
  sql::FunctionLoader load_functions() {
    return [load = make_function_loader(world_.files())](const std::string& name) {
      return load(std::string(TIDEWHEEL_SLT_LIBRARIES) + "/" + name);
    };
  }
  Status run_record(sql::Session& session, const Record& record) {
    feeds_->by_table.clear();
    for (const Feed& feed : record.feeds) { feeds_->by_table[feed.table].push_back(feed); }
    const Result<sql::Statement> statement = sql::parse_statement(record.sql);
    if (options_.crashes && record.kind != Record::Kind::kError && statement.ok() &&
        (!record.feeds.empty() || std::holds_alternative<sql::Query>(statement->node))) {
      return run_with_crash(session, record, *statement);
    }
    Result<sql::StatementResult> result = statement.ok()
                                              ? session.execute(record.sql, *statement)
                                              : Result<sql::StatementResult>(statement.status());
    if (record.kind == Record::Kind::kError) { return check_error(record, std::move(result)); }
    if (!result.ok()) { return result.status(); }
    if (auto* query = std::get_if<sql::RunningQuery>(&*result)) {
      query->job->wait();
      TIDEWHEEL_RETURN_IF_ERROR(query->job->result());
      const std::vector<sql::ResultQueue::Rows> rows = query->rows->take_all();
      TIDEWHEEL_RETURN_IF_ERROR(check_rows(record, *query, rows, 1));
      return options_.has_epochs ? check_epochs(session, record, *statement, *query, rows)
                                 : ok_status();
    }
    if (const auto* listing = std::get_if<sql::Listing>(&*result)) {
      return record.kind == Record::Kind::kStatement ? ok_status()
                                                     : check_listing(record, *listing);
    }
    if (auto* insert = std::get_if<sql::RunningInsert>(&*result)) {
      insert->job->wait();
      return insert->job->result();
    }
    return ok_status();
  }

  Status check_error(const Record& record, Result<sql::StatementResult> result) {
    Status status = result.status();
    if (result.ok()) {
      if (auto* query = std::get_if<sql::RunningQuery>(&*result)) {
        query->job->wait();
        status = query->job->result();
      } else if (auto* insert = std::get_if<sql::RunningInsert>(&*result)) {
        insert->job->wait();
        status = insert->job->result();
      }
    }
    if (status.ok()) {
      return invalid_argument(ErrorId::kUsage, "it succeeds, and was to fail with: {}",
                              record.error);
    }
    if (status.message().find(record.error) != std::string::npos) { return ok_status(); }
    return invalid_argument(ErrorId::kUsage, "it fails with:\n{}\nand not with: {}",
                            status.message(), record.error);
  }

  // What SHOW and its like give, in its order.
  Status check_listing(const Record& record, const sql::Listing& listing) {
    // Plans of jobs have an operator more.
    if (options_.has_epochs && record.sql.starts_with("EXPLAIN")) { return ok_status(); }
    std::vector<std::string> found;
    for (const std::vector<std::string>& row : listing.rows) {
      std::string line;
      for (const std::string& cell : row) {
        if (listing.is_text) {
          line += cell;
        } else {
          line += (line.empty() ? "" : " ") + cell_text(cell, false);
        }
      }
      found.push_back(std::move(line));
    }
    return compare(record, found, record.expected);
  }

  Status compare(const Record& record, const std::vector<std::string>& found,
                 const std::vector<std::string>& expected) {
    if (options_.shows) {
      fmt::print("{}----\n{}\n\n", record.sql, fmt::join(found, "\n"));
      return ok_status();
    }
    if (found == expected) { return ok_status(); }
    return invalid_argument(ErrorId::kUsage, "expected:\n  {}\nfound:\n  {}",
                            fmt::join(expected, "\n  "), fmt::join(found, "\n  "));
  }

  // Of a job all of whose sources wait. It may have tasks that do not run yet even then.
  Result<int64_t> checkpoint_in_the_middle(JobHandle& job, const sql::SourcePause& pause) {
    while (true) {
      if (job.wait(world_.clock().now_ns() + kPollNs)) {
        TIDEWHEEL_RETURN_IF_ERROR(job.result());
        return invalid_argument(ErrorId::kUsage, "it ended before the middle of its feeds");
      }
      if (pause.waiting < pause.sources) { continue; }
      Result<int64_t> id = job.trigger_checkpoint();
      if (id.ok() || id.status().id() != ErrorId::kCheckpointDeclined) { return id; }
    }
  }

  // Both halves of a query's input in jobs of their own, the second from a checkpoint of the first.
  Status run_with_crash(sql::Session& session, const Record& record,
                        const sql::Statement& statement) {
    std::vector<sql::ResultQueue::Rows> rows;
    std::string checkpoint;
    int32_t sources = 0;
    {
      const auto pause = std::make_shared<sql::SourcePause>();
      feeds_->pause = pause;
      Result<sql::StatementResult> result = session.execute(record.sql, statement);
      feeds_->pause = nullptr;
      TIDEWHEEL_RETURN_IF_ERROR(result.status());
      auto* const query = std::get_if<sql::RunningQuery>(&*result);
      if (query == nullptr) {
        return invalid_argument(ErrorId::kUsage, "only queries are fed with --crash");
      }
      JobHandle& job = *query->job;
      sources = pause->sources;
      if (sources == 0) {  // it reads other tables, which can't be held
        job.wait();
        TIDEWHEEL_RETURN_IF_ERROR(job.result());
        return check_rows(record, *query, query->rows->take_all(), sources);
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t id, checkpoint_in_the_middle(job, *pause));
      job.cancel();
      job.wait();
      rows = query->rows->take_all();
      checkpoint = fmt::format("{}/{}/chk-{}", checkpoints_, job.job_id(), id);
    }
    // A script that sets its parallelism means it.
    const bool rescales = !options_.parallelism_after.empty() &&
                          session.setting("parallelism.default") == options_.parallelism;
    const auto after = [&](const std::string& path, const std::string& parallelism) -> Status {
      TIDEWHEEL_RETURN_IF_ERROR(set(session, "execution.state-recovery.path", path));
      if (!rescales) { return ok_status(); }
      return set(session, "parallelism.default", parallelism);
    };
    TIDEWHEEL_RETURN_IF_ERROR(after(checkpoint, options_.parallelism_after));
    Result<sql::StatementResult> result = session.execute(record.sql, statement);
    TIDEWHEEL_RETURN_IF_ERROR(after("", options_.parallelism));
    if (!result.ok()) { return result.status().with_context("restoring"); }
    auto& query = std::get<sql::RunningQuery>(*result);
    query.job->wait();
    TIDEWHEEL_RETURN_IF_ERROR(query.job->result().with_context("after the restore"));
    if (!query.job->checkpoints().latest_restore.has_value()) {
      return invalid_argument(ErrorId::kUsage, "the second job began anew");
    }
    for (sql::ResultQueue::Rows& batch : query.rows->take_all()) { rows.push_back(batch); }
    return check_rows(record, query, rows, sources);
  }

  // `sources`: of those that can be held in the middle.
  Status check_rows(const Record& record, const sql::RunningQuery& query,
                    const std::vector<sql::ResultQueue::Rows>& batches, int32_t sources) {
    std::vector<std::string> found;
    TimeZone zone;
    // With several inputs it matters where each of them stopped.
    const bool is_cut = options_.crashes && (feeds_->by_table.size() > 1 || sources > 1);
    const bool table =
        record.kind != Record::Kind::kChangelog || options_.compares_tables_only || is_cut;
    sql::ResultTable rows(query.type, query.visible, query.order_by, zone);
    for (const sql::ResultQueue::Rows& batch : batches) {
      if (table) {
        rows.apply(batch);
        continue;
      }
      for (uint32_t i = batch.begin; i < batch.end; ++i) {
        found.push_back(
            std::string(row_kind_text(batch.columns().kind(i))) + " " +
            row_text(sql::result_row(query.type, batch.columns(), i, zone), query.visible));
      }
    }
    if (table) {
      for (const sql::ResultTable::Row* row : rows.rows()) {
        found.push_back(row_text(*row, query.visible));
      }
    }
    std::vector<std::string> expected = record.expected;
    if (table && record.kind == Record::Kind::kChangelog) { expected = amount_to(expected); }
    if (table && record.kind != Record::Kind::kOrdered) {
      std::sort(found.begin(), found.end());
      std::sort(expected.begin(), expected.end());
    }
    return compare(record, found, expected);
  }

  // Whether what a node gives for rows that have come depends on nothing else.
  static bool is_timeless(const sql::Plan& plan) {
    const bool is_node_timeless = std::visit(
        []<class Node>(const Node& node) {
          if constexpr (std::is_same_v<Node, sql::CalcNode>) {
            return std::all_of(node.outputs.begin(), node.outputs.end(), sql::is_deterministic);
          } else if constexpr (std::is_same_v<Node, sql::JoinNode>) {
            return node.left_window_end < 0 && node.left_time < 0;
          } else if constexpr (std::is_same_v<Node, sql::TopNNode>) {
            return node.window_end < 0;
          } else {
            return std::is_same_v<Node, sql::ScanNode> || std::is_same_v<Node, sql::UnionNode> ||
                   std::is_same_v<Node, sql::AggregateNode> ||
                   std::is_same_v<Node, sql::SetOperationNode> ||
                   std::is_same_v<Node, sql::LimitNode> || std::is_same_v<Node, sql::CorrelateNode>;
          }
        },
        plan.node);
    return is_node_timeless &&
           std::all_of(plan.inputs.begin(), plan.inputs.end(),
                       [](const sql::PlanRef& input) { return is_timeless(*input); });
  }

  // The table that changes make, sorted.
  static std::vector<std::string> table_of(const sql::RunningQuery& query,
                                           const sql::ResultTable& rows) {
    std::vector<std::string> table;
    for (const sql::ResultTable::Row* row : rows.rows()) {
      table.push_back(row_text(*row, query.visible));
    }
    std::sort(table.begin(), table.end());
    return table;
  }

  Status check_epochs(sql::Session& session, const Record& record, const sql::Statement& statement,
                      const sql::RunningQuery& query,
                      const std::vector<sql::ResultQueue::Rows>& batches) {
    const auto* const text = std::get_if<sql::Query>(&statement.node);
    if (text == nullptr || feeds_->by_table.size() != 1) { return ok_status(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const sql::PlanRef plan, session.plan(record.sql, *text, true));
    if (!is_timeless(*plan)) { return ok_status(); }
    std::vector<Feed>& feed = feeds_->by_table.begin()->second;
    const std::vector<Feed> all = feed;
    const TimeZone zone;
    size_t prefix = 0;
    const auto give = [&]() -> Result<std::vector<std::string>> {
      feed.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(prefix));
      TIDEWHEEL_ASSIGN_OR_RETURN(sql::StatementResult result,
                                 session.execute(record.sql, statement));
      auto& made = std::get<sql::RunningQuery>(result);
      made.job->wait();
      TIDEWHEEL_RETURN_IF_ERROR(made.job->result());
      sql::ResultTable rows(made.type, made.visible, made.order_by, zone);
      for (const sql::ResultQueue::Rows& batch : made.rows->take_all()) { rows.apply(batch); }
      return table_of(made, rows);
    };
    feeds_->is_slow = false;
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<std::string> wanted, give());
    sql::ResultTable rows(query.type, query.visible, query.order_by, zone);
    for (size_t i = 0; i < batches.size(); ++i) {
      rows.apply(batches[i]);
      if (i + 1 < batches.size() && batches[i + 1].epoch == batches[i].epoch) { continue; }
      const std::vector<std::string> found = table_of(query, rows);
      ++epochs_;
      while (found != wanted) {
        if (prefix++ == all.size()) {
          return invalid_argument(ErrorId::kUsage,
                                  "after epoch {} there is what no prefix gives:\n  {}",
                                  batches[i].epoch, fmt::join(found, "\n  "));
        }
        TIDEWHEEL_ASSIGN_OR_RETURN(wanted, give());
      }
    }
    feeds_->is_slow = true;
    return ok_status();
  }

  static constexpr int64_t kPollNs = 1'000'000;

  World& world_;
  const Options& options_;
  const std::string checkpoints_;  // their folder
  std::shared_ptr<ScriptFeeds> feeds_;
  std::shared_ptr<TableRegistry> tables_;
  int records_ = 0;
  int epochs_ = 0;  // whose ends were compared
};

bool parse_arguments(int argc, char** argv, Options& options) {
  const auto set = [&](const char* key, std::string value) {
    options.settings.emplace_back(key, std::move(value));
  };
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--parallelism" && has_value) {
      options.parallelism = argv[++i];
      set("parallelism.default", options.parallelism);
      options.compares_tables_only = true;
    } else if (argument == "--batch-rows" && has_value) {
      set("taskmanager.batch-rows", argv[++i]);
    } else if (argument == "--backend" && has_value) {
      set("state.backend.type", argv[++i]);
    } else if (argument == "--mini-batch") {
      set("table.exec.mini-batch.enabled", "true");
      set("table.exec.mini-batch.allow-latency", "20 ms");
      set("table.exec.mini-batch.size", "1000");
      options.compares_tables_only = true;
    } else if (argument == "--epochs") {
      set("consistency", "epoch");
      set("table.exec.epoch.interval", "1 ms");
      options.has_epochs = true;
      options.compares_tables_only = true;
    } else if (argument == "--crash") {
      options.crashes = true;
    } else if (argument == "--parallelism-after" && has_value) {
      options.parallelism_after = argv[++i];
      options.compares_tables_only = true;
    } else if (argument == "--show") {
      options.shows = true;
    } else if (argument.starts_with("--")) {
      return false;
    } else {
      options.files.push_back(argument);
    }
  }
  return !options.files.empty();
}

int run(int argc, char** argv) {
  Options options;
  if (!parse_arguments(argc, argv, options)) {
    fmt::print(stderr,
               "slt [--parallelism N] [--batch-rows N] [--mini-batch] [--backend TYPE] [--show]\n"
               "    [--crash [--parallelism-after N]] [--epochs] FILE...\n");
    return 2;
  }
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kError});
  Runner runner(*world, options);
  int failures = 0;
  for (const std::string& file : options.files) {
    const Result<int> failed = runner.run_file(file);
    if (!failed.ok()) {
      fmt::print("{}: {}\n", file, failed.status().to_string());
      ++failures;
      continue;
    }
    failures += *failed;
  }
  fmt::print("{} records of {} files, {} failed\n", runner.records(), options.files.size(),
             failures);
  if (options.has_epochs) { fmt::print("{} ends of epochs compared\n", runner.epochs()); }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tidewheel::slt

int main(int argc, char** argv) { return tidewheel::slt::run(argc, argv); }
