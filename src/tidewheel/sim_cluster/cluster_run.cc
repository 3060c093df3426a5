#include "tidewheel/sim_cluster/cluster_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include "tidewheel/base/batch_options.h"
#include "tidewheel/base/check.h"
#include "tidewheel/base/memory_options.h"
#include "tidewheel/base/options.h"
#include "tidewheel/sim_cluster/counting_job.h"
#include "tidewheel/sim_cluster/sim_client.h"
#include "tidewheel/sim_cluster/sim_cluster.h"

namespace tidewheel {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kRunsWithinMs = 60'000;  // after the last fault
constexpr int64_t kEndsWithinMs = 240'000;
constexpr int64_t kGoneWithinMs = 60'000;  // processes and slots, after the last job
constexpr int32_t kSlots = 2;              // of each TaskManager
constexpr int32_t kTaskManagers = 3;
constexpr int64_t kParallelism = 3;
constexpr const char* kFirstTable = "counts";

Config cluster_config(bool is_adaptive, bool has_copies) {
  Config config;
  for (const char* const setting :
       {"execution.checkpointing.interval=300ms", "execution.checkpointing.timeout=5s",
        "execution.checkpointing.tolerable-failed-checkpoints=1000",
        "execution.checkpointing.dir=/shared/checkpoints", "restart-strategy.type=fixed-delay",
        "restart-strategy.fixed-delay.attempts=1000000", "restart-strategy.fixed-delay.delay=50ms",
        "heartbeat.interval=300ms", "heartbeat.timeout=2s", "slot.request.timeout=1h",
        "taskmanager.registration.timeout=1h", "parallelism.default=3",
        "high-availability.job-master.leaderless-timeout=15s",
        // Clocks jump.
        "jobstore.expiration-time=1000h", "pekko.ask.timeout=3s",
        "jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout=500ms",
        "jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout=1s"}) {
    const Status status = config.set_assignment(setting);
    TIDEWHEEL_CHECK(status.ok(), "{}", status.to_string());
  }
  for (const char* const setting : {"execution.checkpointing.local-backup.enabled=true",
                                    "execution.state-recovery.from-local=true",
                                    "execution.checkpointing.data-inline-threshold=0",
                                    "execution.checkpointing.local-backup.dirs=/local/copies"}) {
    if (has_copies) { TIDEWHEEL_CHECK(config.set_assignment(setting).ok(), "no copies"); }
  }
  if (is_adaptive) {
    TIDEWHEEL_CHECK(config.set_assignment("jobmanager.scheduler=Adaptive").ok(), "no scheduler");
  }
  return config;
}

// A job in stages, or one whose tasks run all at once.
struct StagedRun {
  explicit StagedRun(uint64_t seed, bool may_be) : random(seed ^ 0x57a6edULL) {
    is_staged = random.chance(0.25) && may_be;
    stage_ms = 100 + static_cast<int64_t>(random.below(2'500));
  }
  Random random;  // of its own, so that other runs are what they were
  bool is_staged = false;
  int64_t stage_ms = 0;  // what one takes, about
};

SimulationOptions simulation_options(uint64_t seed) {
  Random random(seed ^ 0xc1a57e2ULL);
  SimulationOptions options;
  options.seed = seed;
  options.steps_max = 200'000'000;
  if (random.chance(0.5)) { options.disorder = 0.2; }
  if (random.chance(0.2)) { options.slow_chance = 0.1; }
  if (random.chance(0.2)) { options.refusal_chance = 0.02; }
  if (random.chance(0.2)) { options.fault_site_chance = 0.05; }
  return options;
}

class ClusterRun {
 public:
  explicit ClusterRun(const ClusterRunOptions& options)
      : options_(options),
        simulation_(simulation_options(options.seed)),
        random_(simulation_.random().fork()),
        is_adaptive_(random_.chance(0.5)),
        has_copies_(random_.chance(0.5)),
        staged_(options.seed, options.in_stages),
        faults_ms_(2000 + static_cast<int64_t>(random_.below(10'000))),
        job_(draw_job()),
        cluster_(std::make_unique<SimCluster>(simulation_, cluster_options())),
        client_(
            simulation_, *cluster_, [this](std::string why) { fail(std::move(why)); },
            [this](const std::string& line) { note(line); }) {}

  ClusterRunResult run() {
    SimLink link;
    link.whole_chance = random_.chance(0.3) ? 0.5 : 0.95;
    link.window_bytes_max = random_.chance(0.3) ? 65536 : 1 << 20;
    cluster_->fabric().set_all_links(link);
    note(fmt::format("{} rows, {} each {} ms, {}, {}", job_.rows, job_.burst, job_.pause_ms,
                     is_adaptive_ ? "adaptive" : "fixed",
                     staged_.is_staged ? "in stages" : "all at once"));
    client_.add_job(job_id(0), kFirstTable, "");
    cluster_->start_all();
    const int64_t begin_ns = simulation_.now_ns();
    attack();
    recover();
    if (well()) { check_results(); }
    result_.leaders = cluster_->election().leaders_so_far();
    result_.virtual_ms = (simulation_.now_ns() - begin_ns) / kMs;
    cluster_.reset();
    result_.answers = client_.answer_count();
    result_.answers_by_kind = client_.answers_by_kind();
    result_.is_staged = staged_.is_staged;
    result_.trace = simulation_.trace().hash();
    result_.marks = simulation_.marks();
    return std::move(result_);
  }

 private:
  using Job = SimClient::Job;
  using Then = SavepointOrder::Then;

  CountingJob draw_job() {
    CountingJob job;
    job.burst = 1 + static_cast<int64_t>(random_.below(40));
    job.pause_ms = 5 + static_cast<int64_t>(random_.below(60));
    const auto drawn_ms = static_cast<int64_t>(random_.below(10'000));
    // All stages are to have their share of the faults.
    const int64_t runs_ms = staged_.is_staged ? staged_.stage_ms : 1000 + drawn_ms;
    job.rows = std::max<int64_t>(1000, 2 * job.burst * runs_ms / job.pause_ms);
    if (staged_.is_staged) {
      // In most runs the numbers take no longer to read than a stage takes.
      const int64_t burst_of_stage = job.rows * job.pause_ms / (2 * staged_.stage_ms);
      if (options_.seed % 4 != 3) { job.burst = std::max(job.burst, burst_of_stage); }
      const int64_t row_ns = staged_.stage_ms * kMs * kParallelism / job.rows;
      job.work = [this, row_ns] { simulation_.charge(row_ns); };
      // They end one after the other, and take as long as the stages together.
      job.commit_work = [this](int32_t subtask) {
        simulation_.charge(4 * staged_.stage_ms * kMs * (subtask + 1) / kParallelism);
      };
    }
    return job;
  }
  SimClusterOptions cluster_options() {
    SimClusterOptions out;
    out.task_managers = kTaskManagers;
    out.slots = kSlots;
    out.config = cluster_config(is_adaptive_, has_copies_);
    if (staged_.is_staged) { out.config.set(options::kRuntimeMode, "BATCH"); }
    // Draws of its own, so that other runs are what they were.
    Random tightness(options_.seed ^ 0x4e7b17eULL);
    if (tightness.chance(0.25)) {
      // Each channel has one batch on its way, and no more.
      out.config.set(options::kNetworkMemoryMin, 64);
      out.config.set(options::kNetworkMemoryMax, 64);
      out.config.set(options::kUnalignedCheckpoints, tightness.chance(0.5));
    }
    out.host.print_log = options_.print_log;
    out.host.log_level = options_.print_log ? LogLevel::kInfo : LogLevel::kError;
    out.program = [this](World& world, const Config& config, std::shared_ptr<const bool> alive) {
      auto client = std::make_shared<sim::LedgerClient>(
          sim::LedgerClient{.ledger = ledger_,
                            .alive = [alive] { return *alive; },
                            .can_be_lost = [](int64_t) { return false; },
                            .report = [this](std::string wrong) { fail(std::move(wrong)); },
                            .refuses = [](std::string_view) { return false; }});
      return staged_.is_staged ? staged_counting_graph(world, config, job_, client)
                               : counting_graph(world, config, job_, client);
    };
    return out;
  }
  static std::string job_id(int32_t index) { return fmt::format("{:032x}", 0xabcd00 + index); }

  void note(const std::string& line) {
    result_.story += fmt::format("{:>7} ms  {}\n", simulation_.now_ns() / kMs, line);
    if (options_.print_log) { fmt::print(stderr, "== {}\n", line); }
  }
  void fail(std::string why) {
    if (!result_.failure.empty()) { return; }
    note("WRONG: " + why);
    result_.failure = std::move(why);
  }
  bool well() const { return result_.failure.empty(); }
  void check() {
    if (!cluster_->election().broken().empty()) { fail(cluster_->election().broken()); }
    client_.check_answers();
  }

  // ---- Phases.
  void attack() {
    const int64_t end_ns = simulation_.now_ns() + faults_ms_ * kMs;
    while (simulation_.now_ns() < end_ns && well() && !client_.all_ended()) {
      simulation_.run_for(simulation_.draw(1, 1000) * kMs);
      client_.ask();
      if (options_.asks && random_.chance(0.5)) { request(); }
      if (random_.chance(0.6)) { do_harm(); }
      check();
    }
  }
  void recover() {
    heal();
    note("no more faults");
    const int64_t healed_ns = simulation_.now_ns();
    const auto since_ms = [&] { return (simulation_.now_ns() - healed_ns) / kMs; };
    bool all_run = false;
    while (well() && !client_.all_ended() && since_ms() < kEndsWithinMs) {
      turn();
      all_run = all_run || client_.all_run();
      if (!all_run && since_ms() > kRunsWithinMs) {
        fail(fmt::format("not all jobs run within {} ms\n{}", kRunsWithinMs, describe()));
      }
      // What was asked of a leader that is gone may have been forgotten with it.
      for (auto& [id, job] : client_.jobs()) {
        if (job.cancel_asked && !job.ended()) { client_.cancel(job); }
      }
    }
    if (well() && !client_.all_ended()) {
      fail(fmt::format("jobs have not ended within {} ms\n{}", kEndsWithinMs, describe()));
    }
    const auto is_clean = [&] {
      return cluster_->child_count() == 0 && kept_results().empty() &&
             client_.slots() == std::pair(kSlots * kTaskManagers, kSlots * kTaskManagers);
    };
    const int64_t deadline_ns = simulation_.now_ns() + kGoneWithinMs * kMs;
    while (well() && !is_clean() && simulation_.now_ns() < deadline_ns) { turn(); }
    if (well() && !is_clean()) {
      fail(fmt::format("processes or slots are left {} ms after the last job\n{}", kGoneWithinMs,
                       describe()));
    }
  }
  void turn() {
    simulation_.run_for(200 * kMs);
    cluster_->start_all();
    client_.ask();
    check();
  }
  std::string describe() const {
    std::string out;
    for (const auto& [id, job] : const_cast<SimClient&>(client_).jobs()) {
      out += fmt::format("{} is {}\n", job.table,
                         job.status ? cluster_job_status_name(*job.status) : "not known");
    }
    out += fmt::format("{} slots of {} are free\n", client_.slots().first, client_.slots().second);
    for (const std::string& path : kept_results()) { out += path + '\n'; }
    return out + cluster_->describe();
  }

  // ---- Requests.
  void request() {
    std::vector<Job*> jobs;
    for (auto& [id, job] : client_.jobs()) {
      if (job.accepted && !job.ended()) { jobs.push_back(&job); }
    }
    restore_one();
    if (jobs.empty()) { return; }
    Job& job = *jobs[random_.below(jobs.size())];
    const uint64_t what = random_.below(100);
    if (what < 30) {
      note("a savepoint of " + job.table + " is asked for");
      client_.savepoint(job, Then::kGoOn);
    } else if (what < 45) {
      client_.checkpoint(job);
    } else if (what < 75) {
      client_.rescale(job, 4);
    } else if (what < 80) {
      note(job.table + " is to be cancelled");
      client_.cancel(job);
    } else if (what < 85) {
      const Then then =
          std::array{Then::kStop, Then::kStop, Then::kDrain, Then::kCancel}[random_.below(4)];
      note(fmt::format("{} is to end with a savepoint ({})", job.table, static_cast<int>(then)));
      client_.savepoint(job, then);
    }
  }
  // What was acknowledged can be gone on from.
  void restore_one() {
    if (client_.jobs().size() > 2) { return; }
    for (const SimClient::Savepoint& savepoint : client_.savepoints()) {
      const bool is_end = savepoint.then == Then::kStop || savepoint.then == Then::kCancel;
      if (savepoint.then == Then::kDrain || !tried_.insert(savepoint.path).second) { continue; }
      if (!is_end && !random_.chance(0.3)) { continue; }
      const auto number = static_cast<int32_t>(client_.jobs().size());
      Job& job =
          client_.add_job(job_id(number), fmt::format("restored-{}", number), savepoint.path);
      restored_from_[job.id] = savepoint;
      ++result_.restored_savepoints;
      return note(job.table + " goes on from " + savepoint.path);
    }
  }

  // ---- Faults.
  std::string any_of(const std::vector<std::string>& names) {
    return names.empty() ? std::string() : names[random_.below(names.size())];
  }
  // Two different hosts; empty: it has drawn the same one twice.
  std::pair<std::string, std::string> any_link() {
    const std::vector<std::string> hosts = cluster_->hosts();
    std::pair<std::string, std::string> link{any_of(hosts), any_of(hosts)};
    return link.first == link.second ? std::pair<std::string, std::string>() : link;
  }
  template <class Undo>
  void later(int64_t ms_max, Undo undo) {
    // The simulation goes on while the cluster is taken down.
    simulation_.call_later(simulation_.draw(1, ms_max) * kMs, [this, undo = std::move(undo)] {
      if (cluster_ != nullptr) { undo(); }
    });
  }
  void do_harm() {
    if (staged_.is_staged && !options_.is_calm() && staged_.random.chance(0.15)) {
      return damage_results();
    }
    switch (random_.below(10)) {
      case 8: return damage_copy();
      case 0: return options_.kills_children ? kill_child() : void();
      case 1: return options_.kills_managers ? kill_manager() : void();
      case 2: return options_.cuts_links ? cut_link() : void();
      case 3: return options_.cuts_links ? reset_link() : void();
      case 4: return options_.cuts_links ? slow_link() : void();
      case 5: return options_.flaps_elections ? flap_election() : void();
      case 6: return options_.freezes ? freeze() : void();
      case 7: return options_.freezes ? jump_clock() : void();
      default: cluster_->start_all(); return note("all managers are started");
    }
  }
  int64_t any_child(std::string* manager) {
    *manager = any_of(cluster_->running_managers());
    if (manager->empty()) { return 0; }
    const std::vector<int64_t> children = cluster_->children_of(*manager);
    return children.empty() ? 0 : children[random_.below(children.size())];
  }
  void kill_child() {
    std::string manager;
    const int64_t child = any_child(&manager);
    if (child == 0) { return; }
    note(fmt::format("child {} of {} is killed", child, manager));
    cluster_->kill_child(child);
  }
  void kill_manager() {
    const std::string manager = any_of(cluster_->running_managers());
    if (manager.empty()) { return; }
    const bool with_masters = random_.chance(0.3);
    note(manager + (with_masters ? " and all on its machine are killed" : " is killed"));
    client_.killed(cluster_->gateway_of(manager));
    cluster_->kill_manager(manager, with_masters);
    // Most come back by themselves.
    if (!random_.chance(0.7)) { return; }
    later(5000, [this, manager] {
      note(manager + " starts");
      cluster_->start_manager(manager);
    });
  }
  void cut_link() {
    const auto [a, b] = any_link();
    if (a.empty()) { return; }
    const bool one_way = random_.chance(0.3);
    note(fmt::format("{} does not reach {}{}", a, b, one_way ? "" : ", nor the other way"));
    if (one_way) {
      cluster_->fabric().cut(a, b, true);
    } else {
      cluster_->cut(a, b, true);
    }
    later(6000, [this, a = a, b = b] {
      note(fmt::format("{} and {} reach each other", a, b));
      cluster_->cut(a, b, false);
    });
  }
  void reset_link() {
    const auto [a, b] = any_link();
    if (a.empty()) { return; }
    const bool half = random_.chance(0.5);
    note(fmt::format("connections of {} and {} are {}", a, b, half ? "half open" : "reset"));
    if (half) {
      cluster_->fabric().half_open(a, b);
    } else {
      cluster_->fabric().reset(a, b);
    }
  }
  void slow_link() {
    const auto [a, b] = any_link();
    if (a.empty()) { return; }
    SimLink slow;
    slow.latency_ns_max = simulation_.draw(10, 1500) * kMs;
    slow.window_bytes_max = simulation_.draw(100, 20'000);
    slow.loss_chance = random_.chance(0.5) ? 0.01 : 0;
    note(fmt::format("from {} to {} it takes up to {} ms", a, b, slow.latency_ns_max / kMs));
    cluster_->fabric().set_link(a, b, slow);
    later(4000, [this, a = a, b = b] { cluster_->fabric().set_link(a, b, SimLink()); });
  }
  void flap_election() {
    if (random_.chance(0.3)) {
      note("the leader's session expires");
      return cluster_->election().expire_leader();
    }
    const std::string host = any_of(cluster_->hosts());
    note(host + " does not reach the election");
    cluster_->cut_from_election(host, true);
    later(8000, [this, host] {
      note(host + " reaches the election");
      cluster_->cut_from_election(host, false);
    });
  }
  void freeze() {
    if (random_.chance(0.5)) {
      std::string manager;
      const int64_t child = any_child(&manager);
      if (child == 0) { return; }
      note(fmt::format("child {} of {} is frozen", child, manager));
      cluster_->freeze_child(child, true);
      return later(6000, [this, child] { cluster_->freeze_child(child, false); });
    }
    const std::string manager = any_of(cluster_->running_managers());
    if (manager.empty()) { return; }
    note(manager + " is frozen");
    cluster_->freeze_manager(manager, true);
    later(8000, [this, manager] {
      note(manager + " is let go");
      cluster_->freeze_manager(manager, false);
    });
  }
  // Of state, on the disk of one machine.
  void damage_copy() {
    FileSystem& files = cluster_->storage().files();
    const std::string root = "/local/copies";
    const auto jobs = files.list(root);
    if (!jobs.ok() || jobs->empty()) { return; }
    const std::string folder = join_path(root, (*jobs)[random_.below(jobs->size())].name);
    const auto copies = files.list(folder);
    if (!copies.ok() || copies->empty()) { return; }
    const std::string path = join_path(folder, (*copies)[random_.below(copies->size())].name);
    Result<std::string> bytes = read_all(files, path);
    if (!bytes.ok() || bytes->empty()) { return; }
    note("the local copy " + path + " is damaged");
    (*bytes)[random_.below(bytes->size())] ^= 1;
    TIDEWHEEL_CHECK(write_all_durably(files, path, *bytes).ok(), "no copy");
  }
  // Files in which rows are kept until the stage behind reads them, on all machines.
  std::vector<std::string> kept_results() const {
    std::vector<std::string> paths = cluster_->storage().sim_files().files_below("/processes");
    std::erase_if(
        paths, [](const std::string& path) { return path.find("/results/") == std::string::npos; });
    return paths;
  }
  void damage_results() {
    const std::vector<std::string> paths = kept_results();
    if (paths.empty()) { return; }
    SimFileSystem& files = cluster_->storage().sim_files();
    const std::string& path = paths[staged_.random.below(paths.size())];
    const uint64_t how = staged_.random.below(3);
    note(fmt::format("{} {}", path, std::array{"is lost", "is damaged", "is cut short"}[how]));
    ignore(how == 0   ? files.remove(path)
           : how == 1 ? files.flip_bit(path)
                      : files.cut_short(path),
           "it may be empty");
  }
  void jump_clock() {
    const std::string host = any_of(cluster_->hosts());
    // Backward only so far: what waits for a time of day waits for longer.
    const int64_t by_ms =
        random_.chance(0.5) ? simulation_.draw(1, 3'600'000) : -simulation_.draw(1, 3'000);
    note(fmt::format("the clock of {} jumps by {} ms", host, by_ms));
    cluster_->jump_wall_clock(host, by_ms);
  }
  void heal() {
    const std::vector<std::string> hosts = cluster_->hosts();
    for (const std::string& a : hosts) {
      cluster_->cut_from_election(a, false);
      cluster_->freeze_manager(a, false);
      for (const int64_t child : cluster_->children_of(a)) { cluster_->freeze_child(child, false); }
      for (const std::string& b : hosts) {
        if (a == b) { continue; }
        cluster_->cut(a, b, false);
        cluster_->fabric().set_link(a, b, SimLink());
      }
    }
    simulation_.stop_faults();
    cluster_->start_all();
  }

  // ---- The ledger's oracles.
  void check_results() {
    std::string failure;
    std::map<std::string, CountedRanges> by_table;
    for (const auto& [id, job] : client_.jobs()) {
      if (staged_.is_staged) { break; }
      by_table[job.id] = read_counts(ledger_, job.table, failure);
    }
    for (const auto& [id, job] : client_.jobs()) {
      if (failure.empty()) { failure = check_job(job, by_table); }
      if (!failure.empty() && well()) { fail(fmt::format("{}: {}", job.table, failure)); }
    }
  }
  std::string check_job(const Job& job, const std::map<std::string, CountedRanges>& by_table) {
    const ClusterJobStatus status = *job.status;
    if (status == ClusterJobStatus::kFailed) { return "it has failed"; }
    if (status == ClusterJobStatus::kCanceled && !job.cancel_asked) { return "it was cancelled"; }
    std::string failure;
    if (staged_.is_staged) {
      return check_staged(ledger_, job.table, job_, status == ClusterJobStatus::kFinished);
    }
    CountedRanges ranges = by_table.at(job.id);
    const auto from = restored_from_.find(job.id);
    if (from == restored_from_.end()) {
      failure = check_begin(ranges);
    } else if (from->second.then != Then::kStop) {
      // The job that it is from has gone on as well, or was cancelled before it could commit what
      // the savepoint has.
      for (size_t digit = 0; digit < ranges.size(); ++digit) {
        if (ranges[digit].last == 0) { ranges[digit].last = count_of(job_, digit); }
      }
    } else {
      // Written by the one or by the other, and by neither twice.
      ranges = join(by_table.at(from->second.job_id), ranges, failure);
    }
    const bool is_whole = status == ClusterJobStatus::kFinished && !job.stop_asked;
    if (failure.empty() && is_whole) { failure = check_end(ranges, job_); }
    return failure;
  }

  const ClusterRunOptions options_;
  ClusterRunResult result_;
  sim::Ledger ledger_;
  Simulation simulation_;
  Random random_;
  const bool is_adaptive_;
  const bool has_copies_;  // of state, on local disks
  StagedRun staged_;
  const int64_t faults_ms_;
  const CountingJob job_;
  std::unique_ptr<SimCluster> cluster_;
  SimClient client_;
  std::set<std::string> tried_;                                // savepoints
  std::map<std::string, SimClient::Savepoint> restored_from_;  // by job
};

}  // namespace

ClusterRunResult run_cluster(const ClusterRunOptions& options) { return ClusterRun(options).run(); }

}  // namespace tidewheel
