#include "tidewheel/testing/certification.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <span>

#include "tidewheel/api/env.h"
#include "tidewheel/base/check.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/sink.h"
#include "tidewheel/testing/table_harness.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::certification {

namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kLastLifeNs = int64_t{3'600'000} * kMs;  // after that a job hangs
constexpr int64_t kLifeNs = 2'000 * kMs;                   // of one that is to be killed
constexpr int64_t kPeerNs = 3'000 * kMs;                   // how long a peer is not well
constexpr int64_t kAfterwardsNs = 1'000 * kMs;             // what was asked for last gets done

// ---- What stands at the other end of the connector under test

// Rows that were committed; outside of the process that may be killed.
struct Committed {
  std::vector<std::vector<std::string>> prepared;  // emptied when they are committed
  std::vector<std::string> rows;
  bool are_projected = false;  // they have the columns that were asked for
};

// Takes some rows a millisecond, so that several checkpoints see the job at work.
class CommittingSink {
 public:
  using input = ColumnRow;
  struct Pending {
    int64_t number = 0;
  };
  CommittingSink(std::vector<LogicalType> types, std::shared_ptr<Committed> outside,
                 std::shared_ptr<const bool> alive, Simulation& simulation)
      : types_(std::move(types)),
        outside_(std::move(outside)),
        alive_(std::move(alive)),
        simulation_(&simulation) {}

  Status open(SinkContext& context) {
    pace_ = std::make_shared<Pace>(Pace{&context, kRowsAMillisecond, false});
    return ok_status();
  }
  Status close(bool /*finished*/) {
    pace_ = nullptr;
    return ok_status();
  }
  bool ready() {
    if (pace_->allowance > 0) { return true; }
    if (!std::exchange(pace_->waits, true)) {
      simulation_->call_later(kMs, [pace = std::weak_ptr(pace_), alive = alive_] {
        const std::shared_ptr<Pace> held = pace.lock();
        if (held == nullptr || !*alive) { return; }
        *held = {held->context, kRowsAMillisecond, false};
        held->context->wake();
      });
    }
    return false;
  }
  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
    pace_->allowance -= end - begin;
    for (uint32_t row = begin; row < end; ++row) {
      std::string& text = rows_.emplace_back();
      for (size_t i = 0; i < types_.size(); ++i) {
        if (i > 0) { text += ", "; }
        append_value_text(text, types_[i], rows.view(i), row);
      }
    }
    return ok_status();
  }
  Result<std::vector<Pending>> prepare(int64_t) {
    if (!*alive_) { return gone(); }
    if (rows_.empty()) { return std::vector<Pending>(); }
    outside_->prepared.push_back(std::exchange(rows_, {}));
    return std::vector<Pending>{{static_cast<int64_t>(outside_->prepared.size()) - 1}};
  }
  Status commit(const Pending& pending) {
    if (!*alive_) { return gone(); }
    for (std::string& row :
         std::exchange(outside_->prepared[static_cast<size_t>(pending.number)], {})) {
      outside_->rows.push_back(std::move(row));
    }
    return ok_status();
  }

 private:
  static constexpr int64_t kRowsAMillisecond = 4;
  struct Pace {
    SinkContext* context;
    int64_t allowance;
    bool waits;
  };

  static Status gone() { return unavailable(ErrorId::kNetworkLost, "the process is dead"); }
  std::vector<LogicalType> types_;
  std::shared_ptr<Committed> outside_;
  std::shared_ptr<const bool> alive_;
  std::vector<std::string> rows_;
  Simulation* simulation_;
  std::shared_ptr<Pace> pace_;  // while it is open
};

// Rows (n, 'word-n'), some a millisecond.
class NumberSource {
 public:
  using output = ColumnRow;
  struct Split {
    int64_t next = 0;
  };
  static constexpr int32_t fixed_parallelism = 1;
  NumberSource(std::vector<LogicalType> types, int64_t rows)
      : types_(std::move(types)), rows_(rows) {}
  Status open(SourceContext& context) {
    clock_ = &context.clock();
    random_ = &context.random();
    return ok_status();
  }
  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>(1); }
  ReadResult read(Split& split, SourceOut<ColumnRow>& out) {
    ColumnBatch& batch = out.batch();
    if (batch.size() == 0) { batch.set_types(types_); }
    const auto most = static_cast<int64_t>(1 + random_->below(5));
    for (int64_t i = 0; i < most && split.next < rows_ && out.room() > 0; ++i, ++split.next) {
      const uint32_t row = batch.size();
      batch.ensure_room(1);
      batch.column(0).values<int64_t>()[row] = split.next;
      batch.column(1).values<Text>()[row] = out.intern(fmt::format("word-{}", split.next));
      batch.set_size(row + 1);
    }
    if (split.next == rows_) { return ReadResult::end(); }
    return ReadResult::wait_until(clock_->wall_ms() + 1);
  }

 private:
  std::vector<LogicalType> types_;
  int64_t rows_;
  Clock* clock_ = nullptr;
  Random* random_ = nullptr;
};

std::vector<LogicalType> types_of(const TableDefinition& table) {
  std::vector<LogicalType> types;
  for (const TableColumn& column : table.columns) { types.push_back(column.type); }
  return types;
}

// ---- One run: lives of a process, until one is not killed

struct Plan {
  // Puts the job together.
  std::function<Status(Env&, SimProcess&)> build;
  // How many rows are to be seen outside.
  std::function<size_t()> visible;
  // The job does not end by itself: it is over when this says so.
  std::function<bool()> is_done;
};

class Run {
 public:
  Run(Subject& subject, const RunOptions& options)
      : machine({.seed = options.seed, .refusal_chance = 0.02}),
        subject_(subject),
        options_(options) {
    subject_.start(machine);
  }
  ~Run() { subject_.finish(); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  SimMachine machine;
  std::map<Phase, int64_t> kills;

  // The job's end, as its last process has seen it.
  Status run(const Plan& plan) {
    if (options_.peer != Peer::kWell) {
      simulation().call_later(5 * kMs, [this] { subject_.set_peer(options_.peer); });
      simulation().call_later(5 * kMs + kPeerNs, [this] { subject_.set_peer(Peer::kWell); });
    }
    while (true) {
      const std::optional<Status> ended = live(plan);
      if (ended.has_value()) { return *ended; }
      simulation().run_for(simulation().draw(0, 50 * kMs));
    }
  }

 private:
  Simulation& simulation() { return machine.simulation; }

  Config config() {
    Config config;
    int32_t parallelism = subject_.parallelism();
    if (parallelism == 0) {
      parallelism = options_.rescales ? static_cast<int32_t>(simulation().draw(1, 4)) : 2;
    }
    config.set(options::kParallelism, parallelism);
    config.set(options::kBatchRows, simulation().draw(1, 8));
    config.set(options::kCheckpointInterval, simulation().draw(2, 8));
    config.set(options::kCheckpointDirectory, std::string("/checkpoints"));
    config.set(options::kCheckpointRetention, std::string("RETAIN_ON_CANCELLATION"));
    config.set(options::kCheckpointHistory, 1);
    if (options_.peer == Peer::kWell && !subject_.needs_restarts()) {
      config.set(options::kRestartStrategy, std::string("none"));
    } else {
      config.set(options::kRestartStrategy, std::string("fixed-delay"));
      config.set(options::kFixedDelayAttempts, 10'000);
      config.set(options::kFixedDelay, 100);
    }
    return config;
  }

  // Empty: the process was killed.
  std::optional<Status> live(const Plan& plan) {
    SimProcess process(simulation(), machine.world, "job");
    subject_.start_process(process);
    Env env(process, config(), JobArgs(std::vector<std::string>()));
    env.resume(true);
    if (const Status built = plan.build(env, process); !built.ok()) { return built; }
    bool was_stopped = false, hangs = false;
    env.on_execute([&](JobHandle* handle) {
      if (handle == nullptr) { return; }
      if (may_kill()) { run_to_the_kill(*handle, process, plan); }
      if (process.alive() && !is_final(handle->state())) {
        const auto over = [&] {
          return is_final(handle->state()) || (plan.is_done != nullptr && plan.is_done());
        };
        hangs = !simulation().run_until(over, simulation().now_ns() + kLastLifeNs);
        was_stopped = true;
      }
      if (!is_final(handle->state())) { handle->cancel(); }
    });
    const Result<JobResult> ended = env.execute();
    if (hangs) { return internal_error(ErrorId::kInternal, "the job does not end"); }
    if (!process.alive()) { return std::nullopt; }
    if (ended.ok()) { return ok_status(); }
    // Killed when the last checkpoint was complete, and at its end already; or stopped by us.
    const ErrorId id = ended.status().id();
    if (id == ErrorId::kJobFinished || (was_stopped && id == ErrorId::kJobCancelled)) {
      return ok_status();
    }
    return ended.status();
  }

  bool may_kill() const {
    int64_t count = 0;
    for (const auto& [phase, times] : kills) { count += times; }
    return count < options_.kills_max;
  }

  void run_to_the_kill(JobHandle& handle, SimProcess& process, const Plan& plan) {
    const auto& phases = options_.phases;
    const Phase phase =
        phases.empty() ? kPhases[simulation().draw(0, std::ssize(kPhases) - 1)]
                       : phases[static_cast<size_t>(simulation().draw(0, std::ssize(phases) - 1))];
    const int64_t deadline_ns = simulation().now_ns() + kLifeNs;
    const auto over = [&] { return is_final(handle.state()) || !process.alive(); };
    const auto wait = [&](const std::function<bool()>& fact) {
      return simulation().run_until([&] { return over() || fact(); }, deadline_ns) && !over();
    };
    const auto steps = [&](int64_t count) { wait([&] { return count-- <= 0; }); };
    if (!reach(phase, handle, process, plan, wait, steps)) {
      // The job was faster, or the phase does not come: it goes on to its end, or to another kill.
      if (!process.alive()) { ++kills[phase]; }
      return;
    }
    ++kills[phase];
    if (process.alive()) { process.kill(); }
  }

  template <class Wait, class Steps>
  bool reach(Phase phase, JobHandle& handle, SimProcess& process, const Plan& plan,
             const Wait& wait, const Steps& steps) {
    const auto completed = [&] { return handle.checkpoints().completed; };
    const auto is_under_way = [&] { return handle.checkpoints().in_progress > 0; };
    switch (phase) {
      case Phase::kBetween:
        if (!wait([&] { return completed() > 0 && !is_under_way(); })) { return false; }
        steps(simulation().draw(1, 60));
        return !is_under_way();
      case Phase::kSnapshot:
        if (!wait(is_under_way)) { return false; }
        steps(simulation().draw(0, 30));
        return true;
      case Phase::kPreparing:
        if (!wait(is_under_way)) { return false; }
        subject_.kill_at_call(process, simulation().draw(0, 15));
        return wait([] { return false; });
      case Phase::kComplete: {
        const int64_t before = completed();
        if (!wait([&] { return completed() > before; })) { return false; }
        steps(simulation().draw(0, 30));
        return true;
      }
      case Phase::kCommitted: {
        const size_t before = plan.visible();
        return wait([&] { return plan.visible() > before; });
      }
    }
    return false;
  }

  Subject& subject_;
  const RunOptions options_;
};

// ---- Judging

std::string some_of(const std::vector<std::string>& rows) {
  const size_t count = std::min<size_t>(rows.size(), 5);
  return fmt::format("{} [{}{}]", rows.size(), fmt::join(std::span(rows).first(count), "; "),
                     rows.size() > count ? "; .." : "");
}

std::string judge(Promise promise, const std::vector<std::string>& expected,
                  std::vector<std::string> seen) {
  std::sort(seen.begin(), seen.end());
  std::vector<std::string> missing, more;
  std::set_difference(expected.begin(), expected.end(), seen.begin(), seen.end(),
                      std::back_inserter(missing));
  std::set_difference(seen.begin(), seen.end(), expected.begin(), expected.end(),
                      std::back_inserter(more));
  std::vector<std::string> foreign;
  for (const std::string& row : more) {
    if (!std::binary_search(expected.begin(), expected.end(), row)) { foreign.push_back(row); }
  }
  if (!foreign.empty()) { return "rows that nobody wrote: " + some_of(foreign); }
  if (promise != Promise::kAtMostOnce && !missing.empty()) {
    return "rows are lost: " + some_of(missing);
  }
  if (promise != Promise::kAtLeastOnce && !more.empty()) {
    return "rows are there twice: " + some_of(more);
  }
  return "";
}

// A run of the source; `settled`: how many rows are all.
Status read_source(SourceSubject& subject, const TableDefinition& table, const RunOptions& options,
                   const std::vector<size_t>* columns, size_t settled, Committed& seen,
                   std::map<Phase, int64_t>& kills, bool puts_bad_record = false) {
  const auto outside = std::make_shared<Committed>();
  Run run(subject, options);
  subject.fill(run.machine.world, 0, options.rows / 2);
  if (puts_bad_record && !subject.put_bad_record(run.machine.world)) {
    return internal_error(ErrorId::kInternal, "the adaptor puts no bad record there");
  }
  const int64_t rest = options.rows - options.rows / 2;
  if (subject.is_bounded()) {
    subject.fill(run.machine.world, options.rows / 2, rest);
  } else {
    run.machine.simulation.call_later(
        20 * kMs, [&] { subject.fill(run.machine.world, options.rows / 2, rest); });
  }
  std::vector<LogicalType> types = types_of(table);
  Plan plan;
  plan.build = [&](Env& env, SimProcess& process) -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSource> source,
                               subject.source(table, process));
    if (columns != nullptr && source->project(*columns)) {
      outside->are_projected = true;
      types.clear();
      for (const size_t column : *columns) { types.push_back(table.columns[column].type); }
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const Stream<ColumnRow> rows, source->add_to(env, "table", "table"));
    rows.to(CommittingSink(types, outside, process.life(), run.machine.simulation))
        .name("rows")
        .uid("rows");
    return ok_status();
  };
  plan.visible = [&] { return outside->rows.size(); };
  if (!subject.is_bounded()) {
    plan.is_done = [&] { return outside->rows.size() >= settled || subject.is_exhausted(); };
  }
  Status status = run.run(plan);
  kills = run.kills;
  seen = *outside;
  return status;
}

}  // namespace

const char* phase_name(Phase phase) {
  switch (phase) {
    case Phase::kBetween: return "between checkpoints";
    case Phase::kSnapshot: return "during a checkpoint";
    case Phase::kPreparing: return "in a call outside, during a checkpoint";
    case Phase::kComplete: return "when a checkpoint is complete";
    case Phase::kCommitted: return "after a commit";
  }
  return "?";
}

Result<std::vector<std::string>> rows_of(SourceSubject& subject, const RunOptions& options) {
  Committed seen;
  std::map<Phase, int64_t> kills;
  TIDEWHEEL_RETURN_IF_ERROR(read_source(subject, subject.table(), options, nullptr,
                                        static_cast<size_t>(options.rows), seen, kills));
  std::sort(seen.rows.begin(), seen.rows.end());
  return std::move(seen.rows);
}

Outcome run_source(SourceSubject& subject, const std::vector<std::string>& expected,
                   const RunOptions& options) {
  Outcome outcome;
  Committed seen;
  const Status status =
      read_source(subject, subject.table(), options, nullptr, expected.size(), seen, outcome.kills);
  outcome.problem =
      status.ok() ? judge(subject.promise(), expected, std::move(seen.rows)) : status.to_string();
  return outcome;
}

Outcome run_sink(SinkSubject& subject, const RunOptions& options) {
  Outcome outcome;
  const TableDefinition table = subject.table();
  Run run(subject, options);
  Plan plan;
  plan.build = [&](Env& env, SimProcess& process) -> Status {
    const auto rows =
        env.add_source("numbers", NumberSource(types_of(table), options.rows)).uid("numbers");
    return subject.write(env, rows.rebalance(), process);
  };
  plan.visible = [&] { return subject.visible(run.machine.world).size(); };
  const Status status = run.run(plan);
  run.machine.simulation.run_for(kAfterwardsNs);
  outcome.kills = run.kills;
  if (!status.ok()) {
    outcome.problem = status.to_string();
    return outcome;
  }
  std::vector<std::string> expected, seen;
  for (int64_t n = 0; n < options.rows; ++n) { expected.push_back(std::to_string(n)); }
  for (const int64_t n : subject.visible(run.machine.world)) { seen.push_back(std::to_string(n)); }
  std::sort(expected.begin(), expected.end());
  outcome.problem = judge(subject.promise(), expected, std::move(seen));
  return outcome;
}

namespace {

// Why a table is refused, of reading or of writing: that of the side that does. Empty: neither.
std::optional<Status> refusal(const Subject& subject, const TableDefinition& table) {
  const TableConnector& connector = subject.connector();
  if (connector.can_read()) {
    const Status status = connector.source({table, subject.registry()}).status();
    if (!status.ok()) { return status; }
  }
  if (connector.can_write()) {
    const Status status = connector.sink({table, subject.registry()}).status();
    if (!status.ok()) { return status; }
  }
  const Status status = connector.lookup({table, subject.registry()}).status();
  if (!status.ok()) { return status; }
  return std::nullopt;
}

std::string missing_in(const std::optional<Status>& status, const std::string& what,
                       const std::vector<std::string>& words) {
  if (!status.has_value()) { return what + " is taken"; }
  if (status->id() != ErrorId::kSqlOption) {
    return fmt::format("{} is refused by another error than kSqlOption: {}", what,
                       status->to_string());
  }
  for (const std::string& word : words) {
    if (status->message().find(word) == std::string_view::npos) {
      return fmt::format("{} is refused without saying {}: {}", what, word, status->message());
    }
  }
  return "";
}

std::string check_one_option(const Subject& subject, const TableOption& option) {
  TableDefinition table = subject.table();
  if (option.required) {
    table.options.erase(option.key);
    const std::string problem =
        missing_in(refusal(subject, table), "a table without " + option.key, {option.key});
    if (!problem.empty()) { return problem; }
  }
  std::vector<WrongOption> all = subject.wrong_options();
  const std::vector<std::string> free = subject.free_options();
  if (std::find(free.begin(), free.end(), option.key) == free.end()) {
    all.push_back({option.key, "?!"});
  }
  for (const WrongOption& wrong : all) {
    if (wrong.key != option.key) { continue; }
    table = subject.table();
    table.options[wrong.key] = wrong.value;
    const std::string problem =
        missing_in(refusal(subject, table), fmt::format("'{}' = '{}'", wrong.key, wrong.value),
                   {wrong.key, wrong.accepted});
    if (!problem.empty()) { return problem; }
  }
  return "";
}

}  // namespace

std::string check_options(const Subject& subject) {
  if (const auto status = refusal(subject, subject.table()); status.has_value()) {
    return "the table of the adaptor is refused: " + status->to_string();
  }
  TableDefinition table = subject.table();
  table.options["no-such-option"] = "1";
  std::vector<std::string> words = {"no-such-option"};
  for (const TableOption& option : subject.connector().options()) { words.push_back(option.key); }
  std::string problem = missing_in(refusal(subject, table), "an unknown option", words);
  for (const TableOption& option : subject.connector().options()) {
    if (problem.empty()) { problem = check_one_option(subject, option); }
  }
  return problem;
}

std::string check_bad_records(SourceSubject& failing, SourceSubject& skipping) {
  const RunOptions options;
  Committed seen;
  std::map<Phase, int64_t> kills;
  const Status failed =
      read_source(failing, failing.table(), options, nullptr, SIZE_MAX, seen, kills, true);
  if (failed.ok() || failed.id() != ErrorId::kRecordMalformed) {
    return "a bad record does not fail the job with kRecordMalformed: " + failed.to_string();
  }
  TableDefinition table = skipping.table();
  const auto [key, value] = skipping.skip_option();
  table.options[key] = value;
  const auto rows = static_cast<size_t>(options.rows);
  seen = {};
  const Status left_out = read_source(skipping, table, options, nullptr, rows, seen, kills, true);
  if (!left_out.ok()) {
    return fmt::format("with {} = {} a bad record fails the job: {}", key, value,
                       left_out.to_string());
  }
  if (seen.rows.size() == rows) { return ""; }
  return fmt::format("with {} = {} there are {} rows, not {}", key, value, seen.rows.size(), rows);
}

std::string check_projection(SourceSubject& subject, const std::vector<std::string>& expected) {
  const TableDefinition table = subject.table();
  if (table.columns.size() != 2) { return ""; }
  std::vector<std::string> turned;
  for (const std::string& row : expected) {
    const size_t comma = row.find(", ");
    turned.push_back(row.substr(comma + 2) + ", " + row.substr(0, comma));
  }
  std::sort(turned.begin(), turned.end());
  const RunOptions options;
  const std::vector<size_t> columns = {1, 0};
  Committed seen;
  std::map<Phase, int64_t> kills;
  const Status status = read_source(subject, table, options, &columns, turned.size(), seen, kills);
  if (!status.ok()) { return status.to_string(); }
  // A source may also give all columns as they were declared.
  return judge(Promise::kExactlyOnce, seen.are_projected ? turned : expected, std::move(seen.rows));
}

Result<std::unique_ptr<TableSource>> SourceSubject::source(const TableDefinition& table,
                                                           SimProcess&) const {
  return connector().source({table, registry()});
}

Status SinkSubject::write(Env& env, Stream<ColumnRow> rows, SimProcess&) {
  const TableDefinition definition = table();
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSink> sink,
                             connector().sink({definition, registry()}));
  return sink->add_to(env, std::move(rows), "table", "table");
}

TableDefinition numbered_table(std::map<std::string, std::string> options) {
  return test::table_of(
      {{"n", LogicalType::of(TypeKind::kBigint)}, {"word", LogicalType::string()}},
      std::move(options));
}

std::string json_lines(int64_t first, int64_t count) {
  std::string lines;
  for (int64_t n = first; n < first + count; ++n) {
    lines += fmt::format("{{\"n\":{},\"word\":\"word-{}\"}}\n", n, n);
  }
  return lines;
}

void put_json_file(SimWorld& host, const std::string& path, int64_t first, int64_t count) {
  FileSystem& files = host.files();
  Status status = files.make_directories(parent_path(path));
  if (status.ok()) { status = write_all_durably(files, path, json_lines(first, count)); }
  TIDEWHEEL_CHECK(status.ok(), "{}", status.to_string());
}

namespace {
void add_numbers(FileSystem& files, const std::string& folder, std::vector<int64_t>& numbers) {
  const auto entries = files.list(folder);
  if (!entries.ok()) { return; }  // nothing was written yet
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = join_path(folder, entry.name);
    if (entry.name.starts_with('.')) { continue; }
    if (entry.is_directory) {
      add_numbers(files, path, numbers);
      continue;
    }
    constexpr std::string_view kKey = "\"n\":";
    const std::string text = read_all(files, path).value_or(std::string());
    for (size_t at = text.find(kKey); at != std::string::npos; at = text.find(kKey, at)) {
      at += kKey.size();
      const size_t end = text.find_first_of(",}", at);
      numbers.push_back(parse_int(std::string_view(text).substr(at, end - at)).value_or(-1));
    }
  }
}
}  // namespace

std::vector<int64_t> numbers_in(SimWorld& host, const std::string& folder) {
  std::vector<int64_t> numbers;
  add_numbers(host.files(), folder, numbers);
  return numbers;
}

}  // namespace tidewheel::certification
