#include "tidewheel/sim_cluster/cluster_run.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/api/keyed.h"
#include "tidewheel/api/stream.h"
#include "tidewheel/sim/ledger.h"
#include "tidewheel/sim_cluster/sim_cluster.h"

namespace tidewheel {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kFaultsMs = 15'000;
constexpr int64_t kBoundMs = 240'000;  // after the last fault
constexpr const char* kJobId = "0123456789abcdef0123456789abcdef";
constexpr const char* kTable = "counts";
constexpr int64_t kKeys = 10;
constexpr int64_t kRowsPerMs = 2;

// ---- The job: numbers, counted by their last digit, into the ledger.

struct PacedNumbers {
  using output = int64_t;
  struct Split {
    int64_t next = 0;
    int64_t end = 0;
  };
  int64_t count = 0;
  Clock* clock = nullptr;  // of a reader

  Result<std::vector<Split>> discover(SplitContext&) {
    return std::vector<Split>{{0, count / 2}, {count / 2, count}};
  }
  Status open(SourceContext& context) {
    clock = &context.clock();
    return ok_status();
  }
  ReadResult read(Split& split, SourceOut<int64_t>& out) {
    for (int64_t i = 0; i < kRowsPerMs && split.next < split.end; ++i) { out.emit(split.next++); }
    if (split.next >= split.end) { return ReadResult::end(); }
    return ReadResult::wait_until(clock->wall_ms() + 1);
  }
};

Result<LogicalGraph> counting_job(World& world, const Config& config, int64_t count,
                                  const std::shared_ptr<sim::LedgerClient>& ledger) {
  Env env(world, config);
  env.from("numbers", PacedNumbers{.count = count})
      .uid("numbers")
      .key_by([](int64_t number) { return number % kKeys; })
      .running(int64_t{0}, [](int64_t& n, int64_t) { ++n; })
      .uid("counts")
      .map([](const std::pair<int64_t, int64_t>& counted) {
        return sim::Row{.origin = counted.first, .number = counted.second, .note = ""};
      })
      .uid("rows")
      .to(sim::TidyLedgerSink(ledger, kTable))
      .uid("ledger");
  return env.graph()->finish("counts");
}

Config cluster_config() {
  Config config;
  for (const char* const setting :
       {"execution.checkpointing.interval=300ms", "execution.checkpointing.timeout=5s",
        "execution.checkpointing.tolerable-failed-checkpoints=1000",
        "execution.checkpointing.dir=/shared/checkpoints", "restart-strategy.type=fixed-delay",
        "restart-strategy.fixed-delay.attempts=1000000", "restart-strategy.fixed-delay.delay=50ms",
        "heartbeat.interval=300ms", "heartbeat.timeout=2s", "slot.request.timeout=1h",
        "taskmanager.registration.timeout=1h", "parallelism.default=3",
        "jobstore.expiration-time=1h", "pekko.ask.timeout=3s"}) {
    const Status status = config.set_assignment(setting);
    TIDEWHEEL_CHECK(status.ok(), "{}", status.to_string());
  }
  return config;
}

class ClusterRun {
 public:
  explicit ClusterRun(const ClusterRunOptions& options)
      : options_(options),
        simulation_({.seed = options.seed, .steps_max = 200'000'000}),
        random_(simulation_.random().fork()),
        row_count_(8000 + static_cast<int64_t>(random_.below(60'000))),
        cluster_(simulation_, cluster_options()) {}

  ClusterRunResult run() {
    cluster_.start_all();
    const int64_t begin_ns = simulation_.now_ns();
    const auto since_ms = [&] { return (simulation_.now_ns() - begin_ns) / kMs; };
    while (since_ms() < kFaultsMs && result_.failure.empty() && !ended()) {
      simulation_.run_for(simulation_.draw(1, 1500) * kMs);
      ask();
      if (random_.chance(0.7)) { do_harm(); }
      check();
    }
    heal();
    note("no more faults");
    const int64_t deadline_ns = simulation_.now_ns() + kBoundMs * kMs;
    while (!ended() && result_.failure.empty() && simulation_.now_ns() < deadline_ns) {
      simulation_.run_for(200 * kMs);
      cluster_.start_all();
      ask();
      check();
    }
    if (result_.failure.empty() && !ended()) {
      fail(fmt::format("the job has not ended within {} ms without faults; it is {}\n{}", kBoundMs,
                       status_.has_value() ? cluster_job_status_name(*status_) : "not known",
                       cluster_.describe()));
    }
    if (result_.failure.empty()) { check_results(); }
    result_.leaders = cluster_.election().leaders_so_far();
    result_.virtual_ms = since_ms();
    result_.trace = simulation_.trace().hash();
    return std::move(result_);
  }

 private:
  SimClusterOptions cluster_options() {
    SimClusterOptions out;
    out.config = cluster_config();
    out.host.print_log = options_.print_log;
    if (options_.print_log) { out.host.log_level = LogLevel::kInfo; }
    out.program = [this](World& world, const Config& config, std::shared_ptr<const bool> alive) {
      auto client = std::make_shared<sim::LedgerClient>(
          sim::LedgerClient{.ledger = ledger_,
                            .alive = [alive] { return *alive; },
                            .can_be_lost = [](int64_t) { return false; },
                            .report = [this](std::string wrong) { fail(std::move(wrong)); },
                            .refuses = [](std::string_view) { return false; }});
      return counting_job(world, config, row_count_, client);
    };
    return out;
  }

  void note(const std::string& line) {
    result_.story += fmt::format("{:>7} ms  {}\n", simulation_.now_ns() / kMs, line);
  }
  void fail(std::string why) {
    if (result_.failure.empty()) { result_.failure = std::move(why); }
  }
  bool ended() const { return status_.has_value() && is_final(*status_); }

  // ---- The client: submits the job until it is accepted, and then asks how it is.
  void ask() {
    ClusterGateway* const gateway = cluster_.leading_gateway();
    if (gateway == nullptr) { return; }
    if (!accepted_) { return submit(*gateway); }
    gateway->jobs([this](const Result<std::vector<JobSummary>>& jobs) {
      if (!jobs.ok()) { return; }
      const auto found = std::find_if(jobs->begin(), jobs->end(),
                                      [](const JobSummary& job) { return job.id == kJobId; });
      if (found == jobs->end()) { return fail("a job that was accepted is lost"); }
      if (ended() && *status_ != found->status) { fail("a job that has ended is another one now"); }
      status_ = found->status;
      if (ended() && *status_ != ClusterJobStatus::kFinished) {
        fail(fmt::format("the job is {}", cluster_job_status_name(*status_)));
      }
    });
  }
  void submit(ClusterGateway& gateway) {
    std::string sha256;
    const std::string path = cluster_.write_program("libjob.so", &sha256);
    gateway.add_program({.path = path, .name = "libjob.so", .sha256 = sha256, .bytes = 9},
                        [this, &gateway](const Result<ProgramInfo>& program) {
                          if (!program.ok()) { return; }
                          ProgramRun run;
                          run.job_id = kJobId;
                          gateway.run_program(
                              program->id, run, [this](const Result<std::string>& id) {
                                // An answer may have been lost: then the job is there already.
                                if (id.ok() || id.status().id() == ErrorId::kDuplicateJob) {
                                  accepted_ = true;
                                }
                              });
                        });
  }

  // ---- Faults.
  std::string any_of(const std::vector<std::string>& names) {
    return names.empty() ? std::string() : names[random_.below(names.size())];
  }
  void do_harm() {
    switch (random_.below(6)) {
      case 0: return options_.kills_children ? kill_child() : void();
      case 1: return options_.kills_managers ? kill_manager() : void();
      case 2: return options_.cuts_links ? cut_link() : void();
      case 3: return options_.cuts_links ? reset_link() : void();
      case 4: return options_.flaps_elections ? flap_election() : void();
      default: cluster_.start_all(); return note("all managers are started");
    }
  }
  void kill_child() {
    const std::string manager = any_of(cluster_.running_managers());
    if (manager.empty()) { return; }
    const std::vector<int64_t> children = cluster_.children_of(manager);
    if (children.empty()) { return; }
    note("a child of " + manager + " is killed");
    cluster_.kill_child(children[random_.below(children.size())]);
  }
  void kill_manager() {
    const std::string manager = any_of(cluster_.running_managers());
    if (manager.empty()) { return; }
    note(manager + " is killed");
    cluster_.kill_manager(manager);
    // Most come back by themselves.
    if (random_.chance(0.7)) {
      simulation_.call_later(simulation_.draw(1, 5000) * kMs, [this, manager] {
        note(manager + " starts");
        cluster_.start_manager(manager);
      });
    }
  }
  void cut_link() {
    const std::vector<std::string> hosts = cluster_.hosts();
    const std::string a = any_of(hosts);
    const std::string b = any_of(hosts);
    if (a == b) { return; }
    note(fmt::format("{} and {} are cut off from each other", a, b));
    cluster_.cut(a, b, true);
    simulation_.call_later(simulation_.draw(1, 6000) * kMs, [this, a, b] {
      note(fmt::format("{} and {} reach each other", a, b));
      cluster_.cut(a, b, false);
    });
  }
  void reset_link() {
    const std::vector<std::string> hosts = cluster_.hosts();
    const std::string a = any_of(hosts);
    const std::string b = any_of(hosts);
    if (a == b) { return; }
    const bool half = random_.chance(0.5);
    note(fmt::format("connections of {} and {} are {}", a, b, half ? "half open" : "reset"));
    if (half) {
      cluster_.fabric().half_open(a, b);
    } else {
      cluster_.fabric().reset(a, b);
    }
  }
  void flap_election() {
    if (random_.chance(0.3)) {
      note("the leader's session expires");
      return cluster_.election().expire_leader();
    }
    const std::string host = any_of(cluster_.hosts());
    note(host + " does not reach the election");
    cluster_.cut_from_election(host, true);
    simulation_.call_later(simulation_.draw(1, 8000) * kMs, [this, host] {
      note(host + " reaches the election");
      cluster_.cut_from_election(host, false);
    });
  }
  void heal() {
    const std::vector<std::string> hosts = cluster_.hosts();
    for (const std::string& a : hosts) {
      cluster_.cut_from_election(a, false);
      for (const std::string& b : hosts) {
        if (a != b) { cluster_.cut(a, b, false); }
      }
    }
    cluster_.start_all();
  }

  // ---- Oracles.
  void check() {
    if (!cluster_.election().broken().empty()) { fail(cluster_.election().broken()); }
  }
  void check_results() {
    std::map<std::pair<int64_t, int64_t>, int64_t> times;
    for (const sim::TimedRow& row : ledger_.committed(kTable)) {
      ++times[{row.row.origin, row.row.number}];
    }
    for (int64_t key = 0; key < kKeys; ++key) {
      const int64_t rows = row_count_ / kKeys + (key < row_count_ % kKeys ? 1 : 0);
      for (int64_t number = 1; number <= rows; ++number) {
        const int64_t seen = times[{key, number}];
        if (seen != 1) {
          return fail(
              fmt::format("the count {} of digit {} was written {} times", number, key, seen));
        }
      }
    }
    if (static_cast<int64_t>(times.size()) != row_count_) {
      fail(fmt::format("{} rows of {}", times.size(), row_count_));
    }
  }

  const ClusterRunOptions options_;
  ClusterRunResult result_;
  sim::Ledger ledger_;
  Simulation simulation_;
  Random random_;
  const int64_t row_count_;
  bool accepted_ = false;
  std::optional<ClusterJobStatus> status_;
  SimCluster cluster_;
};

}  // namespace

ClusterRunResult run_cluster(const ClusterRunOptions& options) { return ClusterRun(options).run(); }

}  // namespace tidewheel
