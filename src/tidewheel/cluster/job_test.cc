// Whole jobs on a master and workers in one process, without managers: over the simulated network,
// and over loopback.
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "tidewheel/api/env.h"
#include "tidewheel/api/keyed.h"
#include "tidewheel/api/stream.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/gateway.h"
#include "tidewheel/cluster/job_master_process.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/manager.pb.h"
#include "tidewheel/cluster/worker.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/deployment.h"
#include "tidewheel/dataflow/remote_edges.h"
#include "tidewheel/rpc/service.h"
#include "tidewheel/sim/sim_process.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel {
namespace {

constexpr const char* kJobId = "00112233445566778899aabbccddeeff";
constexpr uint64_t kFence = 77;

// ---- The job: numbers, counted by their last digit.

struct Numbers {
  using output = int64_t;
  struct Split {
    int64_t next = 0;
    int64_t end = 0;
  };
  int64_t count = 0;
  int64_t rows_per_ms = 0;  // 0: as fast as can be
  int32_t splits = 2;
  Clock* clock = nullptr;  // of a reader

  Result<std::vector<Split>> discover(SplitContext&) {
    std::vector<Split> all;
    for (int32_t i = 0; i < splits; ++i) {
      all.push_back({count * i / splits, count * (i + 1) / splits});
    }
    return all;
  }
  Status open(SourceContext& context) {
    clock = &context.clock();
    return ok_status();
  }
  ReadResult read(Split& split, SourceOut<int64_t>& out) {
    const int64_t rows = rows_per_ms == 0 ? 512 : rows_per_ms;
    for (int64_t i = 0; i < rows && split.next < split.end; ++i) { out.emit(split.next++); }
    if (split.next >= split.end) { return ReadResult::end(); }
    return rows_per_ms == 0 ? ReadResult::more() : ReadResult::wait_until(clock->wall_ms() + 1);
  }
};

// By digit: the highest count that has come.
struct Results {
  std::mutex mutex;
  std::map<int64_t, int64_t> counts;
  int64_t rows = 0;

  int64_t rows_so_far() {
    const std::lock_guard lock(mutex);
    return rows;
  }
};

struct ResultSink {
  using input = std::pair<int64_t, int64_t>;
  std::shared_ptr<Results> results;
  void write(const input& row) {
    const std::lock_guard lock(results->mutex);
    int64_t& count = results->counts[row.first];
    count = std::max(count, row.second);
    ++results->rows;
  }
};

LogicalGraph count_digits(World& world, const Config& config, const Numbers& numbers,
                          const std::shared_ptr<Results>& results,
                          const std::string& source_uid = "numbers") {
  Env env(world, config);
  env.from("numbers", numbers)
      .uid(source_uid)
      .key_by([](int64_t number) { return number % 10; })
      .running(int64_t{0}, [](int64_t& n, int64_t) { ++n; })
      .uid("counts")
      .to(ResultSink{results})
      .uid("results");
  auto graph = env.graph()->finish("digits");
  EXPECT_TRUE(graph.ok()) << graph.status().to_string();
  return std::move(graph).value();
}

// ---- The same, with a sink that commits.

// A service that takes rows in two phases.
struct PreparedRows {
  std::mutex mutex;
  std::vector<std::vector<int64_t>> prepared;
  std::set<int64_t> committed;
  std::string first_to_commit;        // the host
  size_t commits_allowed = SIZE_MAX;  // others are refused

  size_t committed_so_far() {
    const std::lock_guard lock(mutex);
    return committed.size();
  }
  void allow(size_t commits) {
    const std::lock_guard lock(mutex);
    commits_allowed = commits;
  }
  // How often each count is there.
  std::map<int64_t, int64_t> committed_counts() {
    const std::lock_guard lock(mutex);
    std::map<int64_t, int64_t> counts;
    for (const int64_t id : committed) {
      for (const int64_t count : prepared[static_cast<size_t>(id)]) { ++counts[count]; }
    }
    return counts;
  }
};

struct CommittingSink {
  using input = std::pair<int64_t, int64_t>;
  struct Pending {
    int64_t id = 0;
  };
  std::shared_ptr<PreparedRows> table;
  std::string host;
  std::vector<int64_t> rows = {};

  void write(const input& row) { rows.push_back(row.second); }
  Result<std::vector<Pending>> prepare(int64_t) {
    const std::lock_guard lock(table->mutex);
    table->prepared.push_back(std::exchange(rows, {}));
    return std::vector<Pending>{{static_cast<int64_t>(table->prepared.size()) - 1}};
  }
  Status commit(const Pending& pending) {
    const std::lock_guard lock(table->mutex);
    if (!table->committed.contains(pending.id) &&
        table->committed.size() >= table->commits_allowed) {
      return unavailable(ErrorId::kNetworkLost, "not now");
    }
    if (table->committed.empty()) { table->first_to_commit = host; }
    table->committed.insert(pending.id);
    return {};
  }
};

LogicalGraph count_and_commit(World& world, const Config& config, const Numbers& numbers,
                              const std::string& host, const std::shared_ptr<PreparedRows>& table) {
  Env env(world, config);
  env.from("numbers", numbers)
      .uid("numbers")
      .key_by([](int64_t number) { return number % 10; })
      .running(int64_t{0}, [](int64_t& n, int64_t) { ++n; })
      .uid("counts")
      .to(CommittingSink{table, host})
      .uid("table");
  auto graph = env.graph()->finish("commits");
  EXPECT_TRUE(graph.ok()) << graph.status().to_string();
  return std::move(graph).value();
}

// ---- The same numbers as transfers: each adds to one account what it takes from another.

// By epoch: the total over all accounts, of all subtasks of a sink.
struct Totals {
  struct Epoch {
    int64_t total = 0;
    int64_t accounts = 0;
    int32_t subtasks = 0;
  };
  std::mutex mutex;
  std::map<int64_t, Epoch> epochs;
};

struct TotalSink {
  using input = std::pair<int64_t, int64_t>;
  std::shared_ptr<Totals> totals;
  std::map<int64_t, int64_t> balances;
  void write(const input& row) { balances[row.first] = row.second; }
  Status flush_epoch(int64_t number) {
    const std::lock_guard lock(totals->mutex);
    Totals::Epoch& epoch = totals->epochs[number];
    for (const auto& [account, balance] : balances) { epoch.total += balance; }
    epoch.accounts += static_cast<int64_t>(balances.size());
    ++epoch.subtasks;
    return {};
  }
};

LogicalGraph sum_transfers(World& world, const Config& config, const Numbers& numbers,
                           const std::shared_ptr<Totals>& totals) {
  using Entry = std::pair<int64_t, int64_t>;
  Env env(world, config);
  env.from("numbers", numbers)
      .flat_map<Entry>([](int64_t number, Out<Entry>& out) {
        out.emit(Entry(number % 100, -number));
        out.emit(Entry(number * 7 % 100, number));
      })
      .key_by([](const Entry& entry) { return entry.first; })
      .running(int64_t{0}, [](int64_t& balance, const Entry& entry) { balance += entry.second; })
      .to(TotalSink{totals, {}});
  auto graph = env.graph()->finish("transfers");
  EXPECT_TRUE(graph.ok()) << graph.status().to_string();
  return std::move(graph).value();
}

// ---- Where processes run.

class Machines {
 public:
  virtual ~Machines() = default;
  virtual World& host(const std::string& name) = 0;
  virtual std::string address_of(const std::string& name) = 0;
  virtual Network* network(const std::string& /*name*/) { return nullptr; }
  // Nothing that runs there is heard of any more.
  virtual void kill(const std::string& name) = 0;
  virtual std::string folder() = 0;
};

// Hosts whose files are those of one of them.
class SimulatedMachines final : public Machines {
 public:
  explicit SimulatedMachines(uint64_t seed) : machine_({.seed = seed}) {}
  World& host(const std::string& name) override {
    auto& found = hosts_[name];
    if (found == nullptr) { found = std::make_unique<Host>(machine_, name); }
    return *found;
  }
  std::string address_of(const std::string& name) override { return name; }
  void kill(const std::string& name) override {
    for (const auto& [other, host] : hosts_) {
      if (other == name) { continue; }
      machine_.fabric.cut(name, other, true);
      machine_.fabric.cut(other, name, true);
    }
  }
  std::string folder() override { return "/checkpoints"; }

 private:
  class Host final : public World {
   public:
    Host(SimMachine& machine, const std::string& name)
        : shared_(machine.world), own_(machine.simulation, machine.fabric, name) {}
    Clock& clock() override { return own_.clock(); }
    Executor& executor() override { return own_.executor(); }
    FileSystem& files() override { return shared_.files(); }
    Network& network() override { return own_.network(); }
    Logger& logger() override { return own_.logger(); }
    Random fork_random() override { return own_.fork_random(); }
    std::optional<std::string> environment(const std::string&) override { return std::nullopt; }
    int64_t memory_bytes() const override { return own_.memory_bytes(); }

   private:
    SimWorld& shared_;
    SimWorld own_;
  };

  SimMachine machine_;
  std::map<std::string, std::unique_ptr<Host>> hosts_;
};

// A network that can be pulled out.
class PulledNetwork final : public Network {
 public:
  explicit PulledNetwork(Network& network) : network_(network) {}
  void pull() { pulled_.store(true); }

  std::unique_ptr<Connection> connect(const NetworkAddress& address, int64_t timeout_ns,
                                      ReadyCallback on_ready) override {
    return std::make_unique<Pulled>(*this,
                                    network_.connect(address, timeout_ns, std::move(on_ready)));
  }
  Result<std::unique_ptr<Listener>> listen(const NetworkAddress& address,
                                           ReadyCallback on_ready) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto listener, network_.listen(address, std::move(on_ready)));
    return std::unique_ptr<Listener>(std::make_unique<PulledListener>(*this, std::move(listener)));
  }

 private:
  class Pulled final : public Connection {
   public:
    Pulled(PulledNetwork& network, std::unique_ptr<Connection> connection)
        : network_(network), connection_(std::move(connection)) {}
    // Silence, as from a machine that is gone.
    Result<Transfer> read(std::span<char> into) override {
      if (network_.pulled_.load()) { return Transfer{}; }
      return connection_->read(into);
    }
    Result<Transfer> write(std::string_view bytes) override {
      if (network_.pulled_.load()) { return Transfer{}; }
      return connection_->write(bytes);
    }
    Status shutdown_write() override { return connection_->shutdown_write(); }
    bool is_connected() const override { return connection_->is_connected(); }
    std::string peer() const override { return connection_->peer(); }

   private:
    PulledNetwork& network_;
    const std::unique_ptr<Connection> connection_;
  };
  class PulledListener final : public Listener {
   public:
    PulledListener(PulledNetwork& network, std::unique_ptr<Listener> listener)
        : network_(network), listener_(std::move(listener)) {}
    Result<std::unique_ptr<Connection>> accept(ReadyCallback on_ready) override {
      TIDEWHEEL_ASSIGN_OR_RETURN(auto connection, listener_->accept(std::move(on_ready)));
      if (connection == nullptr) { return connection; }
      return std::unique_ptr<Connection>(std::make_unique<Pulled>(network_, std::move(connection)));
    }
    uint16_t port() const override { return listener_->port(); }

   private:
    PulledNetwork& network_;
    const std::unique_ptr<Listener> listener_;
  };

  Network& network_;
  std::atomic<bool> pulled_{false};
};

class RealMachines final : public Machines {
 public:
  RealMachines()
      : folder_(fmt::format("/tmp/tidewheel_job_test_{}", world_->fork_random().next())) {}
  ~RealMachines() override { static_cast<void>(world_->files().remove_all(folder_)); }
  World& host(const std::string&) override { return *world_; }
  std::string address_of(const std::string&) override { return "127.0.0.1"; }
  Network* network(const std::string& name) override {
    auto& found = networks_[name];
    if (found == nullptr) { found = std::make_unique<PulledNetwork>(world_->network()); }
    return found.get();
  }
  void kill(const std::string& name) override { networks_[name]->pull(); }
  std::string folder() override { return folder_; }

 private:
  std::unique_ptr<World> world_ = make_real_world({.log_level = LogLevel::kError});
  std::map<std::string, std::unique_ptr<PulledNetwork>> networks_;
  const std::string folder_;
};

void rest_ms(World& world, int64_t ms) {
  static_cast<void>(world.executor().make_event()->wait(world.clock().now_ns() + ms * 1'000'000));
}

// ---- A JobManager that gives the slots that the test says.

class FakeManager {
 public:
  explicit FakeManager(World& world, const std::string& host) : world_(world) {
    loop_ = std::make_unique<EventLoop>(world, "manager");
    auto endpoint = RpcEndpoint::start(world, {.name = "manager",
                                               .listens = true,
                                               .listen_at = {host, 0},
                                               .heartbeat_interval_ms = 100,
                                               .heartbeat_timeout_ms = 600});
    EXPECT_TRUE(endpoint.ok()) << endpoint.status().to_string();
    endpoint_ = std::move(endpoint).value();
    auto service = std::make_shared<RpcService>("JobManager", loop_->poster());
    service->on<pb::RegisterJobMasterRequest, pb::RegisterJobMasterResponse>(
        "RegisterJobMaster",
        [this](const RpcRequest& from, const pb::RegisterJobMasterRequest& request,
               const RpcAnswer<pb::RegisterJobMasterResponse>& answer) {
          EXPECT_EQ(from.fence, kFence);
          epoch_ = request.epoch();
          master_ = RpcClient(from.peer, "JobMaster", loop_->poster());
          master_.set_fence(kFence);
          answer.ok({});
        });
    service->on<pb::DeclareSlotsRequest, pb::Empty>(
        "DeclareSlots", [this](const RpcRequest&, const pb::DeclareSlotsRequest& request,
                               const RpcAnswer<pb::Empty>& answer) {
          slots_asked.store(request.slots());
          answer.ok({});
          tell_slots();
        });
    service->on_notice<pb::JobChangedNotice>(
        "JobChanged", [this](const RpcRequest&, const pb::JobChangedNotice& notice) {
          status.store(static_cast<int32_t>(notice.status()));
        });
    service->on<pb::JobEndingRequest, pb::Empty>(
        "JobEnding", [this](const RpcRequest&, const pb::JobEndingRequest& request,
                            const RpcAnswer<pb::Empty>& answer) {
          ending.store(static_cast<int32_t>(request.status()));
          answer.ok({});
        });
    service->on<pb::JobEndedRequest, pb::Empty>(
        "JobEnded", [this](const RpcRequest&, const pb::JobEndedRequest& request,
                           const RpcAnswer<pb::Empty>& answer) {
          status.store(static_cast<int32_t>(request.status()));
          EXPECT_TRUE(report.ParseFromString(request.report()));
          answer.ok({});
        });
    endpoint_->serve(std::move(service));
  }
  ~FakeManager() {
    endpoint_.reset();
    loop_.reset();
  }

  struct Given {
    std::string task_manager;
    int32_t slots;
    std::string worker;
  };
  void give(std::vector<Given> slots) {
    loop_->post([this, slots = std::move(slots)] {
      given_ = slots;
      tell_slots();
    });
  }
  void lose(const std::string& task_manager, const std::string& worker, const std::string& why) {
    loop_->post([this, task_manager, worker, why] {
      pb::WorkerLostNotice notice;
      notice.set_epoch(epoch_);
      notice.set_task_manager_id(task_manager);
      notice.set_worker_id(worker);
      notice.set_reason(why);
      master_.notify("WorkerLost", notice);
    });
  }
  // As of now; the test waits for it.
  pb::JobReport ask_report() {
    auto done = std::make_shared<std::unique_ptr<Event>>(world_.executor().make_event());
    auto answer = std::make_shared<pb::JobReport>();
    loop_->post([this, done, answer] {
      master_.call<pb::ReportResponse>("Report", pb::Empty(),
                                       [done, answer](const Result<pb::ReportResponse>& response) {
                                         if (response.ok()) {
                                           answer->ParseFromString(response->report());
                                         }
                                         (*done)->set();
                                       });
    });
    static_cast<void>((*done)->wait());
    return *answer;
  }
  Status ask_cancel() {
    auto done = std::make_shared<std::unique_ptr<Event>>(world_.executor().make_event());
    auto answer = std::make_shared<Status>();
    loop_->post([this, done, answer] {
      master_.call<pb::Empty>("Cancel", pb::Empty(), [done, answer](const Result<pb::Empty>& r) {
        *answer = r.status();
        (*done)->set();
      });
    });
    static_cast<void>((*done)->wait());
    return *answer;
  }
  uint16_t port() const { return endpoint_->port(); }

  std::atomic<int32_t> slots_asked{0};
  std::atomic<int32_t> ending{-1};
  std::atomic<int32_t> status{-1};
  pb::JobReport report;  // once the job has ended

 private:
  void tell_slots() {
    if (!master_) { return; }
    pb::SlotsAssignedNotice notice;
    notice.set_epoch(epoch_);
    for (const Given& given : given_) {
      pb::SlotsOnTaskManager& on = *notice.add_on();
      on.set_task_manager_id(given.task_manager);
      on.set_slots(given.slots);
      on.set_worker_id(given.worker);
    }
    master_.notify("SlotsAssigned", notice);
  }

  World& world_;
  std::vector<Given> given_;
  uint64_t epoch_ = 0;
  RpcClient master_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<RpcEndpoint> endpoint_;
};

// ---- The processes of one job.

class JobOnWorkers {
 public:
  JobOnWorkers(Machines& machines, const Numbers& numbers)
      : machines_(machines),
        numbers_(numbers),
        manager(machines.host("manager"), machines.address_of("manager")) {
    set("parallelism.default", "2");
    set("heartbeat.interval", "100 ms");
    set("heartbeat.timeout", "600 ms");
    set("restart-strategy.type", "fixed-delay");
    set("restart-strategy.fixed-delay.attempts", "5");
    set("restart-strategy.fixed-delay.delay", "10 ms");
    set("execution.checkpointing.dir", machines.folder());
  }
  ~JobOnWorkers() {
    keeper_.reset();
    gone_.clear();
    workers.clear();
    master.reset();
  }
  void set(const std::string& key, const std::string& value) {
    const Status status = config.set(key, value);
    EXPECT_TRUE(status.ok()) << status.to_string();
  }
  LogicalGraph graph(const std::string& host) {
    World& world = machines_.host(host);
    if (totals != nullptr) { return sum_transfers(world, config, numbers_, totals); }
    if (table != nullptr) { return count_and_commit(world, config, numbers_, host, table); }
    return count_digits(world, config, numbers_, results, source_uid);
  }
  void start_master(uint64_t epoch = 1, const std::string& host = "master") {
    ProcessRole role = role_on(host, epoch);
    role.kind = ProcessRole::Kind::kJobMaster;
    role.manager = {machines_.address_of("manager"), manager.port()};
    role.manager_fence = kFence;
    epoch_ = epoch;
    master_host_ = host;
    auto started = JobMasterProcess::start(machines_.host(host), graph(host), config,
                                           {.role = role, .network = machines_.network(host)});
    ASSERT_TRUE(started.ok()) << started.status().to_string();
    master = std::move(started).value();
  }
  void start_worker(const std::string& host, const std::string& task_manager = "") {
    ProcessRole role = role_on(host, epoch_);
    role.worker_id = "w-" + host;
    role.task_manager_id = task_manager.empty() ? host : task_manager;
    role.results_directory = machines_.folder() + "/results/" + role.task_manager_id;
    role.master = {machines_.address_of(master_host_), master->port()};
    auto started = JobWorker::start(machines_.host(host), graph(host), config,
                                    {.role = role, .network = machines_.network(host)});
    ASSERT_TRUE(started.ok()) << started.status().to_string();
    workers[host] = std::move(started).value();
  }
  void expect_exact_counts() {
    const std::lock_guard lock(results->mutex);
    ASSERT_EQ(results->counts.size(), 10U);
    for (const auto& [digit, count] : results->counts) {
      EXPECT_EQ(count, numbers_.count / 10) << digit;
    }
  }

  // Starts workers again that were told to end, and calls `look` now and then. Both on a thread of
  // their own: the test waits for the job meanwhile.
  void keep_workers_running(std::function<void()> look) {
    keeper_ = std::make_unique<EventLoop>(machines_.host("keeper"), "keeper");
    // By itself rather than keeper_, which is null already when its last turn is waited for.
    keeper_->post(
        [this, keeper = keeper_.get(), look = std::move(look)] { keep_on(*keeper, look); });
  }

  Machines& machines_;
  const Numbers numbers_;
  FakeManager manager;
  Config config;
  std::string source_uid = "numbers";  // of the programs that are started from now on
  std::shared_ptr<Results> results = std::make_shared<Results>();
  std::shared_ptr<Totals> totals;       // null: digits are counted
  std::shared_ptr<PreparedRows> table;  // where the counts go in two phases; null: to `results`
  std::unique_ptr<JobMasterProcess> master;
  std::map<std::string, std::unique_ptr<JobWorker>> workers;

 private:
  ProcessRole role_on(const std::string& host, uint64_t epoch) {
    ProcessRole role;
    role.job_id = kJobId;
    role.epoch = epoch;
    role.listen_at = {machines_.address_of(host), 0};
    role.host = machines_.address_of(host);
    return role;
  }
  void keep_on(EventLoop& keeper, const std::function<void()>& look) {
    std::vector<std::string> ended;
    for (const auto& [host, worker] : workers) {
      if (worker->ended().is_set() && worker->result().ok()) { ended.push_back(host); }
    }
    for (const std::string& host : ended) {
      gone_.push_back(std::move(workers[host]));
      start_worker(host);
    }
    look();
    keeper.after_ms(20, [this, &keeper, look] { keep_on(keeper, look); });
  }

  uint64_t epoch_ = 1;
  std::string master_host_;
  std::vector<std::unique_ptr<JobWorker>> gone_;
  std::unique_ptr<EventLoop> keeper_;
};

// Of the present attempts.
std::set<std::string> task_managers_of(const pb::JobReport& report) {
  std::set<std::string> all;
  for (const pb::VertexReport& vertex : report.vertices()) {
    for (const pb::SubtaskReport& subtask : vertex.subtasks()) {
      all.insert(subtask.attempts(0).task_manager());
    }
  }
  return all;
}

class ClusterJob : public ::testing::TestWithParam<bool> {
 protected:
  ClusterJob() {
    if (GetParam()) {
      machines_ = std::make_unique<SimulatedMachines>(7);
    } else {
      machines_ = std::make_unique<RealMachines>();
    }
  }
  std::unique_ptr<Machines> machines_;
};
INSTANTIATE_TEST_SUITE_P(Networks, ClusterJob, ::testing::Values(true, false),
                         [](const auto& test) { return test.param ? "simulated" : "loopback"; });

TEST_P(ClusterJob, runs_on_two_workers) {
  JobOnWorkers job(*machines_, {.count = 20'000});
  job.start_master();
  job.start_worker("tm1");
  job.start_worker("tm2");
  job.manager.give({{"tm1", 1, ""}, {"tm2", 1, "w-tm2"}});
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  job.expect_exact_counts();
  EXPECT_EQ(job.manager.slots_asked, 2);
  EXPECT_EQ(job.manager.status, static_cast<int32_t>(ClusterJobStatus::kFinished));
  const pb::JobReport& report = job.manager.report;
  ASSERT_EQ(report.vertices_size(), 2);
  int64_t rows = 0;
  for (const pb::SubtaskReport& subtask : report.vertices(1).subtasks()) {
    EXPECT_EQ(subtask.attempts(0).state(), static_cast<uint32_t>(ExecutionState::kFinished));
    rows += subtask.attempts(0).rows_in();
  }
  EXPECT_EQ(task_managers_of(report), (std::set<std::string>{"tm1", "tm2"}));
  EXPECT_EQ(rows, 20'000);
  for (const auto& [host, worker] : job.workers) {
    static_cast<void>(worker->ended().wait());
    EXPECT_TRUE(worker->result().ok()) << worker->result().to_string();
  }
}

TEST_P(ClusterJob, an_epoch_ends_at_one_place_on_all_workers) {
  JobOnWorkers job(*machines_, {.count = 20'000, .rows_per_ms = 20});
  job.totals = std::make_shared<Totals>();
  job.set("execution.epoch.interval", "5 ms");
  job.set("execution.checkpointing.interval", "50 ms");
  job.start_master();
  job.start_worker("tm1");
  job.start_worker("tm2");
  job.manager.give({{"tm1", 1, "w-tm1"}, {"tm2", 1, "w-tm2"}});
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  EXPECT_GT(job.manager.report.checkpoints().completed(), 0);
  int64_t complete = 0;
  for (const auto& [number, epoch] : job.totals->epochs) {
    if (epoch.subtasks < 2) { continue; }
    EXPECT_EQ(epoch.total, 0) << "over " << epoch.accounts << " accounts, in epoch " << number;
    if (epoch.accounts > 0) { ++complete; }
  }
  EXPECT_GT(complete, 10);
}

TEST_P(ClusterJob, goes_on_from_its_checkpoint_when_a_worker_is_lost) {
  JobOnWorkers job(*machines_, {.count = 60'000, .rows_per_ms = 20});
  job.set("execution.checkpointing.interval", "50 ms");
  job.start_master();
  job.start_worker("tm1");
  job.start_worker("tm2");
  job.manager.give({{"tm1", 1, "w-tm1"}, {"tm2", 1, "w-tm2"}});
  World& world = machines_->host("manager");
  while (job.results->rows_so_far() < 10'000) { rest_ms(world, 5); }
  EXPECT_GT(job.manager.ask_report().checkpoints().completed(), 0);
  machines_->kill("tm2");
  job.start_worker("tm3");
  job.manager.give({{"tm1", 1, "w-tm1"}, {"tm3", 1, ""}});
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  job.expect_exact_counts();
  const pb::JobReport& report = job.manager.report;
  EXPECT_GE(report.restarts(), 1);
  EXPECT_EQ(report.checkpoints().restored(), report.restarts());
  EXPECT_GT(report.failures_size(), 0);
  EXPECT_EQ(task_managers_of(report), (std::set<std::string>{"tm1", "tm3"}));
}

TEST_P(ClusterJob, tasks_that_end_with_their_worker_have_failed_by_what_its_task_manager_says) {
  JobOnWorkers job(*machines_, {.count = 60'000, .rows_per_ms = 20});
  job.set("execution.checkpointing.interval", "50 ms");
  job.start_master();
  job.start_worker("tm1");
  job.start_worker("tm2");
  job.manager.give({{"tm1", 1, "w-tm1"}, {"tm2", 1, "w-tm2"}});
  World& world = machines_->host("manager");
  while (job.results->rows_so_far() < 10'000) { rest_ms(world, 5); }
  job.workers.erase("tm2");  // its tasks are cancelled, and told so
  rest_ms(world, 100);
  job.manager.lose("tm2", "w-tm2", "its TaskManager tm2 was stopped");
  job.start_worker("tm3");
  job.manager.give({{"tm1", 1, "w-tm1"}, {"tm3", 1, ""}});
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  job.expect_exact_counts();
  ASSERT_GT(job.manager.report.failures_size(), 0);
  for (const pb::FailureReport& failure : job.manager.report.failures()) {
    EXPECT_NE(failure.text().find("its TaskManager tm2 was stopped"), std::string::npos)
        << failure.text();
  }
}

// Room for one batch or two between two workers: senders wait nearly always, barriers overtake
// them, and what they have overtaken is beyond the bound.
TEST_P(ClusterJob, with_hardly_any_memory_for_the_network_waits_and_is_right) {
  JobOnWorkers job(*machines_, {.count = 1'000'000});
  job.set("taskmanager.memory.network.min", "8 kb");
  job.set("taskmanager.memory.network.max", "8 kb");
  job.set("execution.checkpointing.interval", "10 ms");
  job.set("execution.checkpointing.unaligned.enabled", "true");
  job.start_master();
  job.start_worker("tm1");
  job.start_worker("tm2");
  job.manager.give({{"tm1", 1, "w-tm1"}, {"tm2", 1, "w-tm2"}});
  World& world = machines_->host("manager");
  while (job.results->rows_so_far() < 100'000 ||
         job.manager.ask_report().checkpoints().completed() == 0) {
    rest_ms(world, 5);
  }
  machines_->kill("tm2");
  job.start_worker("tm3");
  job.manager.give({{"tm1", 1, "w-tm1"}, {"tm3", 1, ""}});
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  job.expect_exact_counts();
  EXPECT_GE(job.manager.report.restarts(), 1);
}

// ---- In stages: counts begin when all numbers are in files.

int32_t attempts_at_numbers(const pb::JobReport& report) {
  int32_t most = 0;
  for (const pb::SubtaskReport& subtask : report.vertices(0).subtasks()) {
    most = std::max(most, subtask.attempts_size());
  }
  return most;
}

TEST_P(ClusterJob, in_stages_reads_the_files_of_both_workers) {
  JobOnWorkers job(*machines_, {.count = 20'000});
  job.set("execution.runtime-mode", "BATCH");
  job.set("taskmanager.network.compression.codec", "LZ4");
  job.start_master();
  job.start_worker("tm1");
  job.start_worker("tm2");
  job.manager.give({{"tm1", 1, ""}, {"tm2", 1, ""}});
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  job.expect_exact_counts();
  EXPECT_EQ(job.results->rows_so_far(), 20'000);
  EXPECT_EQ(task_managers_of(job.manager.report), (std::set<std::string>{"tm1", "tm2"}));
  EXPECT_EQ(job.manager.report.restarts(), 0);
}

// In stages, with a worker on each of tm1 and tm2, until there are results.
void run_into_last_stage(JobOnWorkers& job, World& manager) {
  job.set("execution.runtime-mode", "BATCH");
  job.start_master();
  job.start_worker("tm1");
  job.start_worker("tm2");
  job.manager.give({{"tm1", 1, ""}, {"tm2", 1, ""}});
  while (job.results->rows_so_far() == 0) { rest_ms(manager, 1); }
}

// Another worker of its TaskManager has its files.
TEST_P(ClusterJob, in_stages_goes_on_from_the_files_of_a_worker_that_is_lost) {
  JobOnWorkers job(*machines_, {.count = 400'000});
  run_into_last_stage(job, machines_->host("manager"));
  machines_->kill("tm2");
  job.start_worker("tm2b", "tm2");
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  job.expect_exact_counts();
  EXPECT_GE(job.manager.report.restarts(), 1);
  EXPECT_EQ(attempts_at_numbers(job.manager.report), 1);
}

TEST_P(ClusterJob, in_stages_makes_again_what_was_lost_with_a_machine) {
  JobOnWorkers job(*machines_, {.count = 400'000});
  run_into_last_stage(job, machines_->host("manager"));
  machines_->kill("tm2");
  job.start_worker("tm3");
  job.manager.give({{"tm1", 1, ""}, {"tm3", 1, ""}});
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  job.expect_exact_counts();
  EXPECT_GE(job.manager.report.restarts(), 1);
  EXPECT_EQ(attempts_at_numbers(job.manager.report), 2);
}

// In stages, with a worker on each of tm1 and tm2, until one of two tasks has committed, which is
// all that can be. Returns whose worker that is.
std::string run_into_commits(JobOnWorkers& job, World& manager) {
  job.set("execution.runtime-mode", "BATCH");
  job.set("restart-strategy.fixed-delay.attempts", "1000");
  job.table = std::make_shared<PreparedRows>();
  job.table->allow(1);
  job.start_master();
  job.start_worker("tm1");
  job.start_worker("tm2");
  job.manager.give({{"tm1", 1, ""}, {"tm2", 1, ""}});
  while (job.table->committed_so_far() == 0) { rest_ms(manager, 1); }
  const std::lock_guard lock(job.table->mutex);
  return job.table->first_to_commit;
}

void expect_each_count_once(JobOnWorkers& job) {
  const std::map<int64_t, int64_t> counts = job.table->committed_counts();
  EXPECT_EQ(counts.size(), 2'000U);
  for (const auto& [count, times] : counts) { ASSERT_EQ(times, 10) << count; }
}

// What is shown is what has written the rows.
void expect_each_row_shown_once(const pb::JobReport& report) {
  int64_t rows = 0;
  for (const pb::SubtaskReport& subtask : report.vertices(1).subtasks()) {
    ASSERT_EQ(subtask.attempts_size(), 1);
    EXPECT_EQ(subtask.attempts(0).state(), static_cast<uint32_t>(ExecutionState::kFinished));
    rows += subtask.attempts(0).rows_in();
  }
  EXPECT_EQ(rows, 20'000);
}

TEST_P(ClusterJob, in_stages_only_commits_again_when_a_worker_is_lost_meanwhile) {
  JobOnWorkers job(*machines_, {.count = 20'000});
  job.set("execution.checkpointing.dir", "");
  const std::string kept = run_into_commits(job, machines_->host("manager"));
  machines_->kill(kept == "tm1" ? "tm2" : "tm1");
  job.start_worker("tm3");
  job.manager.give({{kept, 1, ""}, {"tm3", 1, ""}});
  job.table->allow(2);
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  expect_each_count_once(job);
  EXPECT_EQ(job.table->prepared.size(), 2U);
  EXPECT_GE(job.manager.report.restarts(), 1);
  expect_each_row_shown_once(job.manager.report);
}

// Whether the master has heard of the commit before or not.
TEST_P(ClusterJob, in_stages_what_a_lost_worker_has_committed_is_there_once) {
  JobOnWorkers job(*machines_, {.count = 20'000});
  job.set("execution.checkpointing.dir", "");
  const std::string lost = run_into_commits(job, machines_->host("manager"));
  machines_->kill(lost);
  job.start_worker("tm3");
  job.manager.give({{lost == "tm1" ? "tm2" : "tm1", 1, ""}, {"tm3", 1, ""}});
  job.table->allow(2);
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  expect_each_count_once(job);
  EXPECT_EQ(job.table->prepared.size(), 2U);
  expect_each_row_shown_once(job.manager.report);
}

TEST_P(ClusterJob, in_stages_the_next_master_finishes_what_was_begun) {
  JobOnWorkers job(*machines_, {.count = 20'000});
  run_into_commits(job, machines_->host("manager"));
  job.master.reset();
  for (const auto& [host, worker] : job.workers) { static_cast<void>(worker->ended().wait()); }
  job.table->allow(2);
  job.start_master(2, "master2");
  job.start_worker("tm3");
  job.manager.give({{"tm3", 2, ""}});
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  expect_each_count_once(job);
  EXPECT_EQ(job.table->prepared.size(), 2U);
}

TEST_P(ClusterJob, is_cancelled_on_all_workers) {
  JobOnWorkers job(*machines_, {.count = 1'000'000'000, .rows_per_ms = 5});
  job.start_master();
  job.start_worker("tm1");
  job.manager.give({{"tm1", 2, ""}});
  World& world = machines_->host("manager");
  while (job.results->rows_so_far() < 500) { rest_ms(world, 5); }
  EXPECT_TRUE(job.manager.ask_cancel().ok());
  EXPECT_EQ(job.master->wait().id(), ErrorId::kJobCancelled);
  EXPECT_EQ(job.manager.ending, static_cast<int32_t>(ClusterJobStatus::kCanceled));
  EXPECT_EQ(job.manager.status, static_cast<int32_t>(ClusterJobStatus::kCanceled));
}

TEST_P(ClusterJob, another_master_goes_on_with_it) {
  JobOnWorkers job(*machines_, {.count = 60'000, .rows_per_ms = 20});
  job.set("execution.checkpointing.interval", "50 ms");
  job.start_master(1);
  job.start_worker("tm1");
  job.manager.give({{"tm1", 2, ""}});
  World& world = machines_->host("manager");
  while (job.results->rows_so_far() < 10'000) { rest_ms(world, 5); }
  job.master.reset();
  static_cast<void>(job.workers["tm1"]->ended().wait());
  EXPECT_EQ(job.workers["tm1"]->result().id(), ErrorId::kProcessLost);
  job.start_master(2, "master2");
  job.start_worker("tm2");
  job.manager.give({{"tm2", 2, ""}});
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  job.expect_exact_counts();
  EXPECT_EQ(job.manager.report.checkpoints().restored(), 1);
}

TEST_P(ClusterJob, that_has_ended_is_told_by_the_next_master_and_not_run_again) {
  JobOnWorkers job(*machines_, {.count = 2'000});
  job.set("execution.checkpointing.interval", "50 ms");
  job.start_master(1);
  job.start_worker("tm1");
  job.manager.give({{"tm1", 2, ""}});
  ASSERT_TRUE(job.master->wait().ok());
  job.master.reset();
  const int64_t rows = job.results->rows_so_far();
  job.manager.status = -1;
  job.start_master(2, "master2");
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  EXPECT_EQ(job.manager.status, static_cast<int32_t>(ClusterJobStatus::kFinished));
  EXPECT_EQ(job.results->rows_so_far(), rows);
}

TEST_P(ClusterJob, under_the_adaptive_scheduler_starts_with_what_there_is_and_takes_more) {
  JobOnWorkers job(*machines_, {.count = 60'000, .rows_per_ms = 20});
  job.set("jobmanager.scheduler", "Adaptive");
  job.set("jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout", "50 ms");
  job.start_master();
  job.start_worker("tm1");
  job.manager.give({{"tm1", 1, ""}});
  bool has_more = false;
  job.keep_workers_running([&] {
    if (has_more || job.results->rows_so_far() < 10'000) { return; }
    has_more = true;
    job.start_worker("tm2");
    job.manager.give({{"tm1", 1, ""}, {"tm2", 1, ""}});
  });
  const Status end = job.master->wait();
  EXPECT_TRUE(end.ok()) << end.to_string();
  job.expect_exact_counts();
  EXPECT_TRUE(has_more);
  EXPECT_EQ(job.manager.slots_asked, 2);
  const pb::JobReport& report = job.manager.report;
  EXPECT_EQ(report.vertices(1).parallelism(), 2);
  EXPECT_EQ(report.vertices(1).parallelism_lower(), 1);
  EXPECT_EQ(report.checkpoints().restored(), 1);
}

TEST_P(ClusterJob, without_slots_it_fails_and_says_what_it_waits_for) {
  JobOnWorkers job(*machines_, {.count = 100});
  job.set("slot.request.timeout", "300 ms");
  job.set("restart-strategy.type", "none");
  job.start_master();
  job.start_worker("tm1");
  job.manager.give({{"tm1", 1, ""}});
  const Status end = job.master->wait();
  EXPECT_EQ(end.id(), ErrorId::kNoSlots) << end.to_string();
  EXPECT_NE(end.message().find("waits for 1 of 2 slots"), std::string::npos) << end.to_string();
}

TEST_P(ClusterJob, a_worker_whose_program_makes_another_graph_is_refused) {
  JobOnWorkers job(*machines_, {.count = 100});
  job.start_master();
  job.source_uid = "other numbers";
  job.start_worker("tm1");
  job.manager.give({{"tm1", 2, ""}});
  EXPECT_EQ(job.master->wait().id(), ErrorId::kGraphMismatch);
}

// ---- A worker's part of a job, without its process.

struct NoListener final : TaskListener {
  void on_task_running(Task&) override {}
  void on_task_ended(Task&, TaskState, Status) override {}
  void on_operator_event(int32_t, int32_t, std::string) override {}
  void on_end_of_data(Task&) override {}
  void on_barrier_taken(Task&, int64_t) override {}
  void on_snapshot_taken(Task&, TaskSnapshot) override {}
  void on_snapshot_declined(Task&, int64_t, Status) override {}
};

// The first subtasks are here. Whoever sends to them has something already when the channel is
// made.
class EagerEdges final : public RemoteEdges {
 public:
  bool is_here(TaskId task) const override { return task.subtask == 0; }
  Result<std::unique_ptr<RemoteChannel>> make_outgoing(const RemoteChannelSpec& spec,
                                                       WakeTarget& sender) override {
    return std::unique_ptr<RemoteChannel>(std::make_unique<End>(spec.credits, sender, other_side_));
  }
  Result<std::unique_ptr<RemoteChannel>> make_incoming(const RemoteChannelSpec& spec,
                                                       WakeTarget& receiver) override {
    auto end = std::make_unique<End>(spec.credits, other_side_, receiver);
    receiver.wake();
    ++wakes;
    return std::unique_ptr<RemoteChannel>(std::move(end));
  }

  int wakes = 0;

 private:
  struct OtherSide final : WakeTarget {
    void on_scheduled(bool) override {}
  };
  struct End final : RemoteChannel {
    End(uint32_t credits, WakeTarget& sender, WakeTarget& receiver)
        : made(credits, false, sender, receiver) {}
    Channel& channel() override { return made; }
    Channel made;
  };
  OtherSide other_side_;
};

TEST(WorkersPart, tasks_that_are_woken_before_they_are_deployed_wait_for_it) {
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kError});
  Config config;
  ASSERT_TRUE(config.set("parallelism.default", "2").ok());
  auto chained = chain_graph(
      count_digits(*world, config, {.count = 100}, std::make_shared<Results>()), config);
  ASSERT_TRUE(chained.ok()) << chained.status().to_string();
  MemoryPool memory("job", int64_t{64} << 20);
  MetricGroup metrics("job");
  NoListener listener;
  auto deployment = Deployment::make({.world = *world,
                                      .chained = *chained,
                                      .config = config,
                                      .memory = memory,
                                      .metrics = metrics,
                                      .listener = listener,
                                      .is_partial = true});
  ASSERT_TRUE(deployment.ok()) << deployment.status().to_string();
  Slot& slot = (*deployment)->add_slot((*deployment)->layout().slot_of({0, 0}));
  DeploymentStart start;
  const auto edges = std::make_shared<EagerEdges>();
  start.remote = edges;
  auto prepared = (*deployment)->prepare(0, start);
  ASSERT_TRUE(prepared.ok()) << prepared.status().to_string();
  ASSERT_GT(edges->wakes, 0);
  EXPECT_EQ(slot.turn().next, Turn::Next::kSleep);
  (*deployment)->deploy(0, std::move(*prepared));
  const auto turn_until = [&](TaskState state) {
    for (int i = 0; i < 100; ++i) { slot.turn(); }
    for (const Task* task : (*deployment)->tasks_of(0)) { EXPECT_EQ(task->state(), state); }
  };
  turn_until(TaskState::kRunning);
  (*deployment)->cancel(0);
  turn_until(TaskState::kCancelled);
}

}  // namespace
}  // namespace tidewheel
