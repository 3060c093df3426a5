// Jobs that fail, and go on: their output and state are as if nothing had happened.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>

#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

constexpr int64_t kMs = 1'000'000;
using Count = std::pair<int64_t, int64_t>;

// What was committed, by transaction: a commit that comes again changes nothing.
struct Ledger {
  std::mutex mutex;
  std::map<int64_t, std::vector<Count>> transactions;
  int64_t next_transaction = 1;
  std::map<int64_t, std::vector<Count>> prepared;

  std::vector<Count> rows() {
    const std::lock_guard lock(mutex);
    std::vector<Count> all;
    for (const auto& [id, rows] : transactions) { all.insert(all.end(), rows.begin(), rows.end()); }
    std::sort(all.begin(), all.end());
    return all;
  }
};

struct LedgerSink {
  using input = Count;
  struct Pending {
    int64_t transaction = 0;
  };
  std::shared_ptr<Ledger> ledger;
  std::vector<Count> open = {};

  void write(const Count& row) { open.push_back(row); }
  Result<std::vector<Pending>> prepare(int64_t) {
    if (open.empty()) { return std::vector<Pending>(); }
    const std::lock_guard lock(ledger->mutex);
    const int64_t id = ledger->next_transaction++;
    ledger->prepared[id] = std::exchange(open, {});
    return std::vector<Pending>{{id}};
  }
  Status commit(const Pending& pending) {
    const std::lock_guard lock(ledger->mutex);
    ledger->transactions[pending.transaction] = ledger->prepared[pending.transaction];
    return ok_status();
  }
};

// The running counts of `keys` keys over the numbers below `rows`.
std::vector<Count> expected_counts(int64_t rows, int64_t keys) {
  std::vector<Count> counts;
  for (int64_t i = 0; i < rows; ++i) { counts.emplace_back(i % keys, i / keys + 1); }
  std::sort(counts.begin(), counts.end());
  return counts;
}

// Each test in a simulated machine, in virtual time.
class Recovery : public ::testing::TestWithParam<uint64_t> {
 protected:
  Recovery() : machine_(options()) {}
  static SimulationOptions options() {
    SimulationOptions options;
    options.seed = GetParam();
    return options;
  }
  Config config() {
    Config config;
    config.set(options::kCheckpointDirectory, "/checkpoints");
    config.set(options::kCheckpointInterval, 20);
    config.set(options::kBatchRows, 16);
    config.set(options::kParallelism, 2);
    config.set(options::kExponentialInitial, 10);
    config.set(options::kExponentialMax, 100);
    return config;
  }
  // Counts numbers by key; each number that `doom` names makes the job throw once.
  std::unique_ptr<JobHandle> start(Env& env, int64_t rows, std::set<int64_t> doom,
                                   double rate = 2000) {
    GeneratorOptions generator;
    generator.count = rows;
    generator.rate = rate;
    {
      const std::lock_guard lock(*doom_mutex_);
      *doom_ = std::move(doom);
    }
    auto thrower = [left = doom_, mutex = doom_mutex_](int64_t n) {
      const std::lock_guard lock(*mutex);
      if (left->erase(n) > 0) { throw std::runtime_error("row of doom"); }
      return n;
    };
    env.generate([](int64_t i) { return i; }, generator)
        .uid("numbers")
        .map(thrower)
        .uid("thrower")
        .key_by([](int64_t n) { return n % kKeys; })
        .running(int64_t{0}, [](int64_t& count, int64_t) { ++count; })
        .uid("counts")
        .to(LedgerSink{ledger_})
        .uid("ledger");
    auto job = env.execute_async("counts");
    EXPECT_TRUE(job.ok()) << job.status().to_string();
    return job.ok() ? std::move(job).value() : nullptr;
  }
  int64_t in_ms(int64_t ms) { return machine_.simulation.now_ns() + ms * kMs; }
  std::vector<DirectoryEntry> entries_of(const std::string& path) {
    auto entries = machine_.world.files().list(path);
    EXPECT_TRUE(entries.ok()) << entries.status().to_string();
    return entries.ok() ? std::move(entries).value() : std::vector<DirectoryEntry>();
  }
  size_t checkpoint_folders() {
    size_t count = 0;
    const auto jobs = machine_.world.files().list("/checkpoints");
    if (!jobs.ok()) { return 0; }
    for (const DirectoryEntry& job : *jobs) {
      const auto entries = machine_.world.files().list("/checkpoints/" + job.name);
      for (const DirectoryEntry& entry : *entries) { count += entry.name.starts_with("chk-"); }
    }
    return count;
  }

  static constexpr int64_t kKeys = 7;
  static constexpr int64_t kRows = 1000;
  SimMachine machine_;
  std::shared_ptr<Ledger> ledger_ = std::make_shared<Ledger>();
  std::shared_ptr<std::mutex> doom_mutex_ = std::make_shared<std::mutex>();
  std::shared_ptr<std::set<int64_t>> doom_ = std::make_shared<std::set<int64_t>>();
};
INSTANTIATE_TEST_SUITE_P(Seeds, Recovery, ::testing::Range<uint64_t>(1, 41));

// Of one metric of the job; -1 when there is none.
int64_t metric_of(const JobHandle& job, std::string_view name) {
  for (const MetricValue& metric : job.metrics()) {
    if (metric.name == name) { return metric.value; }
  }
  return -1;
}

TEST_P(Recovery, an_undisturbed_job_commits_all_and_leaves_nothing) {
  Env env(machine_.world, config());
  auto job = start(env, kRows, {});
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
  EXPECT_GT(job->checkpoints().completed, 1);
  EXPECT_EQ(job->restarts(), 0);
  EXPECT_EQ(checkpoint_folders(), 0U);
}

TEST_P(Recovery, a_job_that_throws_gives_the_same_output) {
  for (const char* strategy : {"exponential-delay", "fixed-delay", "failure-rate"}) {
    ledger_ = std::make_shared<Ledger>();
    Config conf = config();
    conf.set(options::kRestartStrategy, strategy);
    conf.set(options::kFixedDelayAttempts, 10);
    conf.set(options::kFixedDelay, 5);
    conf.set(options::kFailureRateMax, 10);
    conf.set(options::kFailureRateDelay, 5);
    conf.set(options::kFailoverStrategy, GetParam() % 2 == 0 ? "full" : "region");
    conf.set(options::kIncrementalCheckpoints, GetParam() % 3 == 0);
    Env env(machine_.world, std::move(conf));
    auto job = start(env, kRows, {0, 3, 250, 251, 640, 999});
    ASSERT_TRUE(job->result().ok()) << job->result().to_string();
    EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys)) << strategy;
    EXPECT_GE(job->restarts(), 2);
    EXPECT_EQ(job->failures()[0].status.id(), ErrorId::kUserCodeThrew);
    EXPECT_EQ(metric_of(*job, "numRestarts"), job->restarts());
    EXPECT_EQ(checkpoint_folders(), 0U);
  }
}

// The files of the checkpoints can't be read for as long as the job runs: nobody has to.
TEST_P(Recovery, a_failed_job_goes_on_from_local_copies_alone) {
  Config conf = config();
  const bool linked = GetParam() % 4 == 0;
  ASSERT_TRUE(conf.set("state.backend.local-recovery", "true").ok());
  conf.set(options::kLocalBackupDirectories, linked ? "/checkpoints/local" : "/local");
  conf.set(options::kInlineThreshold, 0);
  conf.set(options::kIncrementalCheckpoints, GetParam() % 3 == 0);
  conf.set(options::kUnalignedCheckpoints, GetParam() % 2 == 0);
  Env env(machine_.world, std::move(conf));
  auto job = start(env, kRows, {250, 251, 640, 999});
  ASSERT_NE(job, nullptr);
  machine_.world.sim_files().set_unreachable("/checkpoints/" + job->job_id());
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
  EXPECT_GE(job->restarts(), 2);
  EXPECT_EQ(machine_.world.sim_files().reads_refused(), 0);
  EXPECT_GT(metric_of(*job, "localStateFilesUsed"), 0);
  EXPECT_EQ(metric_of(*job, "localStateFilesUnusable"), 0);
  EXPECT_EQ(metric_of(*job, "localStateFilesMissing"), 0);
  EXPECT_TRUE(machine_.world.sim_files().files_below("/local").empty());
}

// Says of each row whether it was late.
struct Lateness {
  using output = Count;
  void on_element(const Count& row, auto& ctx) {
    const bool late = row.second <= ctx.watermark().ms();
    ctx.emit(Count(row.first, late ? 1 : 0));
  }
};

// Event time that begins in the middle of a job: rows that are late are late in every run.
TEST_P(Recovery, late_rows_are_the_same_ones_when_a_job_has_failed) {
  const auto run = [this](std::set<int64_t> doom) {
    ledger_ = std::make_shared<Ledger>();
    Config conf = config();
    conf.set(options::kUnalignedCheckpoints, GetParam() % 2 == 0);
    conf.set(options::kOperatorChaining, GetParam() % 3 != 0);
    Env env(machine_.world, std::move(conf));
    env.parallelism(1);
    GeneratorOptions generator;
    generator.count = kRows;
    generator.rate = 2000;
    const auto left = std::make_shared<std::set<int64_t>>(std::move(doom));
    env.generate([](int64_t i) { return i; }, generator)
        .map([left](int64_t n) {
          if (left->erase(n) > 0) { throw std::runtime_error("row of doom"); }
          // Time goes on in steps of 64 rows, a quarter of the rows is behind it.
          return Count(n, n % 64 == 0 ? n * 10 : (n - (n % 4 == 1 ? 90 : 0)) * 10);
        })
        .event_time([](const Count& row) { return Timestamp(row.second); },
                    bounded_lateness(Duration(300)).per_record())
        .key_by([](const Count& row) { return row.first % kKeys; })
        .process(Lateness{})
        .uid("lateness")
        .to(LedgerSink{ledger_})
        .uid("ledger");
    auto job = env.execute_async("lateness").value();
    EXPECT_TRUE(job->result().ok()) << job->result().to_string();
    if (!left->empty()) { ADD_FAILURE() << "not all doom has come"; }
    return std::pair(ledger_->rows(), job->restarts());
  };
  const auto [undisturbed, none] = run({});
  EXPECT_EQ(none, 0);
  int64_t late = 0;
  for (const Count& row : undisturbed) { late += row.second; }
  EXPECT_GT(late, kRows / 8);
  EXPECT_LT(late, kRows / 2);
  const auto [failed, restarts] = run({100, 390, 391, 777, 900});
  EXPECT_GE(restarts, 2);
  EXPECT_EQ(failed, undisturbed);
}

// Counts what passes, in an accumulator.
struct Passing {
  Counter* seen = nullptr;
  std::shared_ptr<std::set<int64_t>> doom;
  void open(RuntimeContext& context) { seen = &context.counter("seen"); }
  int64_t operator()(int64_t n) {
    seen->add();
    if (doom->erase(n) > 0) { throw std::runtime_error("row of doom"); }
    return n;
  }
};

TEST_P(Recovery, accumulators_count_each_row_once) {
  const auto run = [this](Env& env, std::set<int64_t> doom) {
    GeneratorOptions generator;
    generator.count = kRows;
    generator.rate = 2000;
    env.generate([](int64_t i) { return i; }, generator)
        .uid("numbers")
        .map(Passing{nullptr, std::make_shared<std::set<int64_t>>(std::move(doom))})
        .uid("passing")
        .map([](int64_t n) { return Count(n, n); })
        .to(LedgerSink{ledger_})
        .uid("ledger");
    return env.execute_async("counts").value();
  };
  {
    Config conf = config();
    conf.set(options::kCheckpointRetention, "RETAIN_ON_CANCELLATION");
    Env env(machine_.world, std::move(conf));
    auto job = run(env, {50, 250, 251});
    job->wait(in_ms(400));
    EXPECT_GE(job->restarts(), 1);
    job->cancel();
    job->wait();
  }
  Config conf = config();
  conf.set(options::kParallelism, 1 + static_cast<int64_t>(GetParam() % 4));
  Env env(machine_.world, std::move(conf));
  env.resume();
  auto job = run(env, {999});
  ASSERT_TRUE(job->checkpoints().latest_restore.has_value());
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_GE(job->restarts(), 1);
  EXPECT_EQ(job->accumulators().at("seen"), kRows);
}

TEST_P(Recovery, damaged_local_copies_are_not_needed) {
  Config conf = config();
  ASSERT_TRUE(conf.set("state.backend.local-recovery", "true").ok());
  conf.set(options::kLocalBackupDirectories, "/local");
  conf.set(options::kInlineThreshold, 0);
  Env env(machine_.world, std::move(conf));
  auto job = start(env, kRows, {250, 640});
  ASSERT_NE(job, nullptr);
  for (int32_t i = 0; i < 100; ++i) {
    machine_.simulation.call_later(i * 10 * kMs, [this] {
      for (const std::string& file : machine_.world.sim_files().files_below("/local")) {
        ASSERT_TRUE(machine_.world.sim_files().flip_bit(file).ok());
      }
    });
  }
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
  EXPECT_GE(job->restarts(), 1);
}

TEST_P(Recovery, attempts_run_out) {
  Config conf = config();
  conf.set(options::kRestartStrategy, "fixed-delay");
  conf.set(options::kFixedDelayAttempts, 2);
  conf.set(options::kFixedDelay, 1000);
  Env env(machine_.world, std::move(conf));
  // Far enough from one another that each comes in an attempt of its own.
  auto job = start(env, kRows, {10, 300, 600, 900});
  const Status result = job->result();
  EXPECT_EQ(job->state(), JobState::kFailed);
  EXPECT_EQ(result.id(), ErrorId::kUserCodeThrew);
  EXPECT_NE(result.message().find("Recovery is suppressed by fixed delay"), std::string::npos);
  EXPECT_NE(result.message().find("after 2 restarts"), std::string::npos) << result.message();
  EXPECT_EQ(job->failures().size(), 3U);
  EXPECT_EQ(checkpoint_folders(), 0U);
}

TEST_P(Recovery, a_savepoint_is_the_beginning_of_another_job) {
  std::string path;
  {
    Env env(machine_.world, config());
    auto job = start(env, kRows, {});
    job->wait(in_ms(200));
    auto saved = job->savepoint({"/savepoints", AfterSavepoint::kSuspend});
    ASSERT_TRUE(saved.ok()) << saved.status().to_string();
    path = *saved;
    ASSERT_TRUE(job->result().ok());
    EXPECT_EQ(job->state(), JobState::kFinished);
    EXPECT_LT(ledger_->rows().size(), static_cast<size_t>(kRows));
  }
  Config conf = config();
  conf.set(options::kRecoveryPath, path);
  conf.set(options::kParallelism, 1 + static_cast<int64_t>(GetParam() % 3));
  Env env(machine_.world, std::move(conf));
  auto job = start(env, kRows, {700});
  ASSERT_NE(job, nullptr);
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
}

TEST_P(Recovery, a_job_that_was_cut_short_is_resumed) {
  std::string id;
  {
    Config conf = config();
    conf.set(options::kCheckpointRetention, "RETAIN_ON_CANCELLATION");
    Env env(machine_.world, std::move(conf));
    auto job = start(env, kRows, {100});
    job->wait(in_ms(300));
    id = job->job_id();
    job->cancel();
    job->wait();
    EXPECT_EQ(job->state(), JobState::kCancelled);
  }
  EXPECT_EQ(checkpoint_folders(), 1U);
  Env env(machine_.world, config());
  env.resume();
  auto job = start(env, kRows, {600});
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(job->job_id(), id);
  ASSERT_TRUE(job->checkpoints().latest_restore.has_value());
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
  EXPECT_EQ(checkpoint_folders(), 0U);
}

TEST_P(Recovery, cancelling_with_a_savepoint_keeps_the_savepoint) {
  std::string path;
  {
    Env env(machine_.world, config());
    auto job = start(env, kRows, {});
    job->wait(in_ms(150));
    auto saved = job->cancel_with_savepoint("/savepoints");
    ASSERT_TRUE(saved.ok()) << saved.status().to_string();
    path = *saved;
    EXPECT_EQ(job->result().id(), ErrorId::kJobCancelled);
  }
  EXPECT_EQ(checkpoint_folders(), 0U);
  Config conf = config();
  conf.set(options::kRecoveryPath, path);
  Env env(machine_.world, std::move(conf));
  auto job = start(env, kRows, {});
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
}

TEST_P(Recovery, state_without_an_operator_is_refused) {
  std::string path;
  {
    Env env(machine_.world, config());
    auto job = start(env, kRows, {});
    job->wait(in_ms(150));
    auto saved = job->savepoint({"/savepoints", AfterSavepoint::kSuspend});
    ASSERT_TRUE(saved.ok()) << saved.status().to_string();
    path = *saved;
    job->wait();
  }
  const auto start_other = [&](bool ignore) {
    Config conf = config();
    conf.set(options::kRecoveryPath, path);
    conf.set(options::kIgnoreUnclaimedState, ignore);
    Env env(machine_.world, std::move(conf));
    GeneratorOptions generator;
    generator.count = kRows;
    env.generate([](int64_t i) { return Count(i % kKeys, i); }, generator)
        .uid("numbers")
        .to(LedgerSink{ledger_})
        .uid("ledger");
    return env.execute_async("counts");
  };
  const auto refused = start_other(false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().id(), ErrorId::kStateNotRestored);
  EXPECT_NE(refused.status().message().find("uid counts"), std::string::npos)
      << refused.status().message();
  auto allowed = start_other(true);
  ASSERT_TRUE(allowed.ok()) << allowed.status().to_string();
  EXPECT_TRUE((*allowed)->result().ok());
}

TEST_P(Recovery, faults_in_between_change_nothing) {
  SimulationOptions hard = options();
  hard.refusal_chance = 0.1;
  hard.fault_site_chance = 0.7;
  hard.stall_chance = 0.01;
  hard.wake_ns_max = 2'000'000;
  SimMachine machine(hard);
  Config conf = config();
  conf.set(options::kTolerableFailedCheckpoints, static_cast<int64_t>(GetParam() % 3));
  conf.set(options::kMaxConcurrentCheckpoints, 1 + static_cast<int64_t>(GetParam() % 2));
  conf.set(options::kIncrementalCheckpoints, GetParam() % 2 == 0);
  conf.set(options::kUnalignedCheckpoints, GetParam() % 2 == 0);
  conf.set(options::kRetainedCheckpoints, 1 + static_cast<int64_t>(GetParam() % 3));
  Env env(machine.world, std::move(conf));
  auto job = start(env, kRows, {0, 100, 300, 301, 640, 999});
  ASSERT_NE(job, nullptr);
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
}

struct Counting {
  using output = int64_t;
  struct Split {
    int64_t next = 0;
  };
  static constexpr int32_t fixed_parallelism = 1;
  std::shared_ptr<std::atomic<int>> opened;
  Result<std::vector<Split>> discover(SplitContext&) {
    ++*opened;  // once for each attempt
    return std::vector<Split>(1);
  }
  ReadResult read(Split& split, SourceOut<int64_t>& out) {
    if (split.next < 100) { out.emit(split.next++); }
    return split.next < 100 ? ReadResult::more() : ReadResult::end();
  }
};

TEST_P(Recovery, what_is_not_connected_runs_on) {
  Env env(machine_.world, config());
  auto opened = std::make_shared<std::atomic<int>>(0);
  auto other = env.from("other", Counting{opened}).uid("other").collect();
  auto job = start(env, kRows, {500, 700});
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_GE(job->restarts(), 1);
  EXPECT_EQ(*opened, 1);
  EXPECT_EQ(other.sorted().size(), 100U);
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
}

TEST_P(Recovery, a_damaged_checkpoint_is_passed_over) {
  {
    Config conf = config();
    conf.set(options::kCheckpointRetention, "RETAIN_ON_CANCELLATION");
    conf.set(options::kRetainedCheckpoints, 2);
    conf.set(options::kInlineThreshold, 0);
    Env env(machine_.world, std::move(conf));
    auto job = start(env, kRows, {});
    job->wait(in_ms(300));
    job->cancel();
    job->wait();
  }
  ASSERT_EQ(checkpoint_folders(), 2U);
  // One byte of a state file of the newest one is another.
  FileSystem& files = machine_.world.files();
  const std::string folder = "/checkpoints/" + entries_of("/checkpoints").front().name;
  std::string newest;
  int64_t newest_number = 0;
  for (const DirectoryEntry& entry : entries_of(folder)) {
    if (!entry.name.starts_with("chk-")) { continue; }
    const int64_t number = std::stoll(entry.name.substr(4));
    if (number > newest_number) {
      newest_number = number;
      newest = folder + "/" + entry.name;
    }
  }
  int damaged = 0;
  for (const DirectoryEntry& entry : entries_of(newest)) {
    if (entry.name == "_metadata") { continue; }
    const std::string path = newest + "/" + entry.name;
    std::string bytes = *read_all(files, path);
    for (size_t i = 0; i < bytes.size(); i += 5) { bytes[i] = static_cast<char>(bytes[i] ^ 1); }
    ASSERT_TRUE(files.remove(path).ok());
    ASSERT_TRUE(write_all_durably(files, path, bytes).ok());
    ++damaged;
  }
  ASSERT_GT(damaged, 0);
  Env env(machine_.world, config());
  env.resume();
  auto job = start(env, kRows, {});
  ASSERT_NE(job, nullptr);
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_LT(job->checkpoints().latest_restore->checkpoint, newest_number);
  // What the damaged one had committed comes again.
  std::vector<Count> rows = ledger_->rows();
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  EXPECT_EQ(rows, expected_counts(kRows, kKeys));
}

TEST_P(Recovery, a_drained_job_has_committed_all_it_took) {
  Env env(machine_.world, config());
  auto job = start(env, kRows, {});
  job->wait(in_ms(200));
  auto saved = job->savepoint({"/savepoints", AfterSavepoint::kDrain});
  ASSERT_TRUE(saved.ok()) << saved.status().to_string();
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(job->state(), JobState::kFinished);
  const std::vector<Count> rows = ledger_->rows();
  EXPECT_GT(rows.size(), 0U);
  EXPECT_EQ(std::adjacent_find(rows.begin(), rows.end()), rows.end());
  // The counts of a key have no gap.
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool is_first = i == 0 || rows[i - 1].first != rows[i].first;
    EXPECT_EQ(rows[i].second, is_first ? 1 : rows[i - 1].second + 1);
  }
}

TEST_P(Recovery, a_job_goes_on_when_it_can_not_be_stopped_with_a_savepoint) {
  ASSERT_TRUE(write_all_durably(machine_.world.files(), "/file", "in the way").ok());
  Env env(machine_.world, config());
  auto job = start(env, kRows, {});
  job->wait(in_ms(150));
  for (const AfterSavepoint after :
       {AfterSavepoint::kGoOn, AfterSavepoint::kSuspend, AfterSavepoint::kDrain}) {
    EXPECT_FALSE(job->savepoint({"/file", after}).ok());
  }
  EXPECT_EQ(job->savepoint({}).status().id(), ErrorId::kBadOptionValue);
  EXPECT_FALSE(job->cancel_with_savepoint("/file").ok());
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(job->restarts(), 0);
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
  EXPECT_EQ(job->savepoint({"/savepoints"}).status().id(), ErrorId::kCheckpointDeclined);
  EXPECT_EQ(job->trigger_checkpoint().status().id(), ErrorId::kCheckpointDeclined);
}

TEST_P(Recovery, savepoints_need_no_checkpoints) {
  std::string path;
  Config conf;
  conf.set(options::kParallelism, 2);
  {
    Env env(machine_.world, conf);
    auto job = start(env, kRows, {});
    job->wait(in_ms(150));
    EXPECT_EQ(job->trigger_checkpoint().status().id(), ErrorId::kCheckpointDeclined);
    auto saved = job->savepoint({"/savepoints"});
    ASSERT_TRUE(saved.ok()) << saved.status().to_string();
    path = *saved;
    ASSERT_TRUE(job->result().ok());
    EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
  }
  // The second job goes on from the middle of the first, with its counts.
  ledger_ = std::make_shared<Ledger>();
  conf.set(options::kRecoveryPath, path);
  Env env(machine_.world, conf);
  auto job = start(env, kRows, {});
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  const std::vector<Count> rows = ledger_->rows();
  const std::vector<Count> all = expected_counts(kRows, kKeys);
  EXPECT_LT(rows.size(), all.size());
  EXPECT_GT(rows.size(), 0U);
  EXPECT_TRUE(std::includes(all.begin(), all.end(), rows.begin(), rows.end()));
  EXPECT_EQ(rows.back(), all.back());
}

TEST_P(Recovery, without_checkpoints_a_failure_is_the_end) {
  Config conf;
  conf.set(options::kParallelism, 2);
  Env env(machine_.world, std::move(conf));
  auto job = start(env, kRows, {500});
  EXPECT_EQ(job->result().id(), ErrorId::kUserCodeThrew);
  EXPECT_EQ(job->result().message().find("suppressed"), std::string::npos);
  EXPECT_EQ(job->restarts(), 0);
}

TEST_P(Recovery, without_checkpoints_a_restart_begins_anew) {
  Config conf;
  conf.set(options::kParallelism, 2);
  conf.set(options::kRestartStrategy, "fixed-delay");
  conf.set(options::kFixedDelay, 10);
  Env env(machine_.world, std::move(conf));
  auto job = start(env, kRows, {500});
  ASSERT_TRUE(job->result().ok()) << job->result().to_string();
  EXPECT_EQ(job->restarts(), 1);
  EXPECT_EQ(ledger_->rows(), expected_counts(kRows, kKeys));
}

// The same with threads.
TEST(RecoveryOnThreads, a_job_that_throws_gives_the_same_output) {
  const auto world = make_real_world({LogLevel::kOff, 1, 4, true});
  const std::string folder = ::testing::TempDir() + fmt::format("recovery_{}", ::getpid());
  auto ledger = std::make_shared<Ledger>();
  auto mutex = std::make_shared<std::mutex>();
  auto doom = std::make_shared<std::set<int64_t>>(std::set<int64_t>{100, 5'000, 20'000, 49'999});
  Config config;
  config.set(options::kCheckpointDirectory, folder);
  config.set(options::kCheckpointInterval, 5);
  config.set(options::kParallelism, 3);
  config.set(options::kExponentialInitial, 1);
  config.set(options::kBatchRows, 64);
  Env env(*world, std::move(config));
  GeneratorOptions generator;
  generator.count = 50'000;
  generator.rate = 200'000;
  env.generate([](int64_t i) { return i; }, generator)
      .map([doom, mutex](int64_t n) {
        const std::lock_guard lock(*mutex);
        if (doom->erase(n) > 0) { throw std::runtime_error("row of doom"); }
        return n;
      })
      .key_by([](int64_t n) { return n % 1000; })
      .running(int64_t{0}, [](int64_t& count, int64_t) { ++count; })
      .to(LedgerSink{ledger});
  auto job = env.execute_async("counts");
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  ASSERT_TRUE((*job)->result().ok()) << (*job)->result().to_string();
  EXPECT_GE((*job)->restarts(), 1);
  EXPECT_EQ(ledger->rows(), expected_counts(50'000, 1000));
  static_cast<void>(world->files().remove_all(folder));
}

}  // namespace
}  // namespace tidewheel
