#include "tidewheel/sim_cluster/sim_cluster.h"

#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/memory_options.h"
#include "tidewheel/cluster/job_master_process.h"
#include "tidewheel/cluster/worker.h"
#include "tidewheel/jobmanager/program_store.h"
#include "tidewheel/taskmanager/task_manager.h"

namespace tidewheel {
namespace {

constexpr int64_t kBootNsMax = 20'000'000;
constexpr int64_t kLookNs = 5'000'000;
constexpr int32_t kKillSignal = 9;
constexpr int64_t kMegabyte = 1 << 20;

}  // namespace

// What one process sees: the network and the clock of its host, the shared files, and an executor
// that waits for its own calls.
class SimCluster::Node final : public World {
 public:
  Node(Simulation& simulation, SimWorld& storage, SimWorld& host, const std::string& name)
      : host_(host), process_(simulation, storage, name), logger_(host.logger().named(name)) {}
  Clock& clock() override { return host_.clock(); }
  Executor& executor() override { return process_.executor(); }
  FileSystem& files() override { return process_.files(); }
  Network& network() override { return host_.network(); }
  Logger& logger() override { return logger_; }
  Random fork_random() override { return process_.fork_random(); }
  std::optional<std::string> environment(const std::string&) override { return std::nullopt; }
  int64_t memory_bytes() const override { return host_.memory_bytes(); }
  SimProcess& process() { return process_; }

 private:
  SimWorld& host_;
  SimProcess process_;
  Logger logger_;
};

// A process, its parts in the order in which they are built.
struct SimCluster::Process {
  std::string name;
  std::string parent;  // of a child: its manager
  std::unique_ptr<Node> node;
  std::unique_ptr<HighAvailability> availability;
  std::unique_ptr<Launcher> launcher;
  std::unique_ptr<JobManager> job_manager;
  std::unique_ptr<TaskManager> task_manager;
  std::unique_ptr<JobMasterProcess> master;
  std::unique_ptr<JobWorker> worker;
  // Of a child: who is to be told of its end, if he still asks.
  std::shared_ptr<std::function<void(ProcessEnd)>> on_end;
  bool outlives_parent = false;
  bool booted = false;
  bool busy = false;   // in a call that waits: it stays where it is, killed or not
  int32_t signal = 0;  // that has ended it

  ~Process() {
    worker.reset();
    master.reset();
    task_manager.reset();
    job_manager.reset();
    launcher.reset();
    availability.reset();
    node.reset();
  }
};

struct SimCluster::Manager {
  std::string name;
  bool is_job_manager = false;
  std::unique_ptr<Process> process;  // null: it does not run
};

class SimCluster::Child final : public ChildProcess {
 public:
  // `outlived`: the parent's life, which the child may go on behind; null: it does not.
  Child(SimCluster& cluster, int64_t id, std::shared_ptr<std::function<void(ProcessEnd)>> on_end,
        std::shared_ptr<const bool> outlived)
      : cluster_(cluster), id_(id), on_end_(std::move(on_end)), outlived_(std::move(outlived)) {}
  ~Child() override {
    *on_end_ = nullptr;
    if (is_left_) { return; }
    // A process that was killed destroys nothing.
    if (outlived_ == nullptr || *outlived_) { cluster_.kill_child(id_); }
  }
  int64_t id() const override { return id_; }
  // A role has no handler for it.
  void terminate() override { cluster_.kill_child(id_); }
  void kill() override { cluster_.kill_child(id_); }
  void leave() override {
    *on_end_ = nullptr;
    is_left_ = true;
  }
  int64_t memory_bytes() const override { return cluster_.children_.contains(id_) ? kMegabyte : 0; }

 private:
  SimCluster& cluster_;
  const int64_t id_;
  const std::shared_ptr<std::function<void(ProcessEnd)>> on_end_;
  const std::shared_ptr<const bool> outlived_;
  bool is_left_ = false;
};

class SimCluster::Launcher final : public ProcessLauncher {
 public:
  Launcher(SimCluster& cluster, std::string parent, std::shared_ptr<const bool> parent_life,
           SimWorld& host)
      : cluster_(cluster),
        parent_(std::move(parent)),
        parent_life_(std::move(parent_life)),
        host_(host) {}

  Result<std::unique_ptr<ChildProcess>> start(ProcessSpec spec,
                                              std::function<void(ProcessEnd)> on_end) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const ProcessRole role, parse_role(spec.arguments));
    const int64_t id = cluster_.next_process_++;
    auto process = std::make_unique<Process>();
    process->name = fmt::format(
        "{}/{}-{}", parent_, role.kind == ProcessRole::Kind::kJobMaster ? "master" : "worker", id);
    process->parent = parent_;
    process->node =
        std::make_unique<Node>(cluster_.simulation_, cluster_.storage_, host_, process->name);
    process->on_end = std::make_shared<std::function<void(ProcessEnd)>>(std::move(on_end));
    process->outlives_parent = spec.outlives_parent;
    auto child = std::make_unique<Child>(cluster_, id, process->on_end,
                                         spec.outlives_parent ? parent_life_ : nullptr);
    cluster_.children_.emplace(id, std::move(process));
    cluster_.simulation_.call_later(
        cluster_.simulation_.draw(1, kBootNsMax),
        [&cluster = cluster_, id, role] { Launcher::boot(cluster, id, role); });
    return std::unique_ptr<ChildProcess>(std::move(child));
  }
  std::string why_no_memory_limits() override { return "they are simulated"; }
  std::vector<int32_t> usable_cores() const override { return {}; }
  std::string own_program() const override { return "tidewheel"; }

 private:
  static void boot(SimCluster& cluster, int64_t id, const ProcessRole& role) {
    const auto found = cluster.children_.find(id);
    if (found == cluster.children_.end() || found->second->signal != 0) { return; }
    Process& process = *found->second;
    process.busy = true;
    const Status status = begin(cluster, process, role);
    process.busy = false;
    process.booted = true;
    if (process.signal != 0) { return end(cluster, id, {.signal = process.signal}); }
    if (!status.ok()) {
      process.node->logger().warning("does not start: {}", status.to_string());
      return end(cluster, id, {.exit_code = exit_code_of(status)});
    }
    look(cluster, id);
  }

  static Status begin(SimCluster& cluster, Process& process, const ProcessRole& role) {
    World& world = *process.node;
    Config config;
    TIDEWHEEL_RETURN_IF_ERROR(config.load_file(world.files(), role.config_file));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        LogicalGraph graph,
        cluster.options_.program(world, config, process.node->process().life()));
    if (role.kind == ProcessRole::Kind::kJobMaster) {
      TIDEWHEEL_ASSIGN_OR_RETURN(process.master,
                                 JobMasterProcess::start(world, std::move(graph), config, {role}));
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(process.worker,
                                 JobWorker::start(world, std::move(graph), config, {role}));
    }
    return ok_status();
  }

  // Whether it has come to its end; now and then.
  static void look(SimCluster& cluster, int64_t id) {
    const auto found = cluster.children_.find(id);
    if (found == cluster.children_.end()) { return; }
    Process& process = *found->second;
    if (process.worker != nullptr && process.worker->ended().is_set()) {
      const Status status = process.worker->result();
      return end(cluster, id, {.exit_code = exit_code_of(status)});
    }
    if (process.master != nullptr && process.signal == 0) {
      process.busy = true;
      const bool is_over = process.master->advance();
      process.busy = false;
      if (is_over || process.signal != 0) {
        const Status status = is_over ? process.master->result() : Status();
        return end(cluster, id, {.exit_code = exit_code_of(status), .signal = process.signal});
      }
    }
    cluster.simulation_.call_later(kLookNs, [&cluster, id] { look(cluster, id); });
  }

  static int32_t exit_code_of(const Status& status) {
    if (status.ok() || status.id() == ErrorId::kJobCancelled) { return kRoleDone; }
    const bool is_lost =
        status.id() == ErrorId::kProcessLost || status.id() == ErrorId::kFileLocked;
    return is_lost ? kRoleLost : kRoleFailed;
  }

  static void end(SimCluster& cluster, int64_t id, const ProcessEnd& how) {
    auto node = cluster.children_.extract(id);
    if (node.empty()) { return; }
    std::unique_ptr<Process> process = std::move(node.mapped());
    cluster.thaw(*process);
    process->node->process().kill();
    const auto on_end = process->on_end;
    cluster.bury(std::move(process));
    if (*on_end) { (*on_end)(how); }
  }

  friend class SimCluster;
  SimCluster& cluster_;
  const std::string parent_;
  const std::shared_ptr<const bool> parent_life_;
  SimWorld& host_;
};

SimCluster::SimCluster(Simulation& simulation, SimClusterOptions options)
    : simulation_(simulation),
      options_(std::move(options)),
      fabric_(simulation),
      storage_(simulation, fabric_, "storage", options_.host),
      election_(simulation, {}) {
  const auto add = [&](const std::string& name, bool is_job_manager) {
    hosts_[name] = std::make_unique<SimWorld>(simulation, fabric_, name, options_.host);
    cut_from_election_[name] = frozen_[name] = false;
    auto manager = std::make_unique<Manager>();
    manager->name = name;
    manager->is_job_manager = is_job_manager;
    managers_.emplace(name, std::move(manager));
  };
  for (int32_t i = 0; i < options_.job_managers; ++i) { add(fmt::format("jm{}", i), true); }
  for (int32_t i = 0; i < options_.task_managers; ++i) { add(fmt::format("tm{}", i), false); }
}

SimCluster::~SimCluster() {
  for (const auto& [name, manager] : managers_) { kill_manager(name, /*with_masters=*/true); }
  for (const auto& [name, manager] : managers_) {
    for (const int64_t id : children_of(name)) { kill_child(id); }
  }
  simulation_.run_until([this] { return buried_ == 0 && children_.empty(); });
}

void SimCluster::start_all() {
  for (const auto& [name, manager] : managers_) {
    if (manager->process == nullptr) { start_manager(name); }
  }
}

void SimCluster::start_manager(const std::string& name) {
  Manager& manager = *managers_.at(name);
  if (manager.process != nullptr) { return; }
  manager.process = std::make_unique<Process>();
  Process& process = *manager.process;
  process.name = name;
  process.node = std::make_unique<Node>(simulation_, storage_, *hosts_.at(name), name);
  process.launcher =
      std::make_unique<Launcher>(*this, name, process.node->process().life(), *hosts_.at(name));
  process.availability = election_.connect(
      name, process.node->process().life(),
      [this, name] { return !cut_from_election_.at(name) && !frozen_.at(name); }, "/shared");
  if (manager.is_job_manager) {
    start_job_manager(manager);
  } else {
    start_task_manager(manager);
  }
}

void SimCluster::start_job_manager(Manager& manager) {
  Process& process = *manager.process;
  JobManagerOptions options;
  options.config = options_.config;
  options.bind_host = manager.name;
  options.ports = {0};
  options.host = manager.name;
  options.working_directory = "/processes/" + manager.name;
  options.log_directory = "/log/" + manager.name;
  options.high_availability = process.availability.get();
  options.launcher = process.launcher.get();
  // It is started again, as by an init system.
  options.on_end = [this, name = manager.name](int) {
    simulation_.call_later(1, [this, name] { kill_manager(name); });
    simulation_.call_later(100'000'000, [this, name] { start_manager(name); });
  };
  auto opened = JobManager::open(*process.node, std::move(options));
  TIDEWHEEL_CHECK(opened.ok(), "{}", opened.status().to_string());
  process.job_manager = std::move(*opened);
  process.job_manager->start("http://" + manager.name);
}

void SimCluster::start_task_manager(Manager& manager) {
  Process& process = *manager.process;
  TaskManagerOptions options;
  options.config = options_.config;
  options.bind_host = manager.name;
  options.ports = {0};
  options.data_ports = {0};
  options.host = manager.name;
  options.slots = options_.slots;
  // The same for each slot, however many there are.
  Config memory = options_.config;
  memory.set(options::kTaskManagerMemory, (64 + 256 * int64_t{options_.slots}) * kMegabyte);
  options.memory = plan_memory(memory, options_.slots, 0).value();
  options.working_directory = "/processes/" + manager.name;
  options.log_directory = "/log/" + manager.name;
  options.high_availability = process.availability.get();
  options.launcher = process.launcher.get();
  options.on_end = [this, name = manager.name](int) {
    simulation_.call_later(1, [this, name] { kill_manager(name); });
    simulation_.call_later(100'000'000, [this, name] { start_manager(name); });
  };
  auto started = TaskManager::start(*process.node, std::move(options));
  TIDEWHEEL_CHECK(started.ok(), "{}", started.status().to_string());
  process.task_manager = std::move(*started);
}

void SimCluster::kill_manager(const std::string& name, bool with_masters) {
  Manager& manager = *managers_.at(name);
  if (manager.process == nullptr) { return; }
  frozen_.at(name) = false;
  thaw(*manager.process);
  manager.process->node->process().kill();
  std::vector<int64_t> ids = children_of(name);
  for (const int64_t id : ids) {
    if (with_masters || !children_.at(id)->outlives_parent) { kill_child(id); }
  }
  bury(std::move(manager.process));
}

void SimCluster::kill_child(int64_t id) {
  const auto found = children_.find(id);
  if (found == children_.end() || found->second->signal != 0) { return; }
  Process& process = *found->second;
  process.signal = kKillSignal;
  thaw(process);
  process.node->process().kill();
  if (process.busy) { return; }  // it ends when that call returns
  simulation_.call_later(1, [this, id] {
    const auto there = children_.find(id);
    if (there == children_.end() || there->second->busy) { return; }
    Launcher::end(*this, id, {.signal = kKillSignal});
  });
}

// Its workers are named "HOST/PROCESS:WORKER".
void SimCluster::freeze_manager(const std::string& name, bool is_frozen) {
  if (managers_.at(name)->process == nullptr) { return; }
  frozen_.at(name) = is_frozen;
  simulation_.freeze(fmt::format("{}/{}:", name, name), is_frozen);
}

void SimCluster::freeze_child(int64_t id, bool is_frozen) {
  const auto found = children_.find(id);
  if (found == children_.end() || found->second->signal != 0) { return; }
  const Process& process = *found->second;
  simulation_.freeze(fmt::format("{}/{}:", process.parent, process.name), is_frozen);
}

void SimCluster::thaw(const Process& process) {
  const std::string& host = process.parent.empty() ? process.name : process.parent;
  simulation_.freeze(fmt::format("{}/{}:", host, process.name), false);
}

void SimCluster::bury(std::unique_ptr<Process> process) {
  ++buried_;
  simulation_.call_later(1,
                         [this, shared = std::shared_ptr<Process>(std::move(process))]() mutable {
                           shared.reset();
                           --buried_;
                         });
}

std::vector<std::string> SimCluster::running_managers() const {
  std::vector<std::string> out;
  for (const auto& [name, manager] : managers_) {
    if (manager->process != nullptr) { out.push_back(name); }
  }
  return out;
}

std::vector<int64_t> SimCluster::children_of(const std::string& name) const {
  std::vector<int64_t> out;
  for (const auto& [id, process] : children_) {
    if (process->parent == name && process->signal == 0) { out.push_back(id); }
  }
  return out;
}

std::vector<std::string> SimCluster::hosts() const {
  std::vector<std::string> out;
  for (const auto& [name, host] : hosts_) { out.push_back(name); }
  return out;
}

void SimCluster::cut(const std::string& a, const std::string& b, bool is_cut) {
  fabric_.cut(a, b, is_cut);
  fabric_.cut(b, a, is_cut);
}

void SimCluster::cut_from_election(const std::string& host, bool is_cut) {
  cut_from_election_.at(host) = is_cut;
}

void SimCluster::jump_wall_clock(const std::string& host, int64_t by_ms) {
  hosts_.at(host)->jump_wall_clock(by_ms);
}

ClusterGateway* SimCluster::leading_gateway() {
  for (const auto& [name, manager] : managers_) {
    if (manager->process == nullptr || manager->process->job_manager == nullptr) { continue; }
    const Result<std::string> leader = manager->process->job_manager->leader_address();
    if (leader.ok() && leader->empty()) { return manager->process->job_manager.get(); }
  }
  return nullptr;
}

ClusterGateway* SimCluster::gateway_of(const std::string& name) const {
  const Manager& manager = *managers_.at(name);
  return manager.process == nullptr ? nullptr : manager.process->job_manager.get();
}

std::string SimCluster::write_program(const std::string& name, std::string* sha256) {
  const std::string path = "/uploads/" + name;
  TIDEWHEEL_CHECK(storage_.files().make_directories("/uploads").ok(), "no folder for uploads");
  TIDEWHEEL_CHECK(write_all_durably(storage_.files(), path, "a program").ok(), "no upload");
  *sha256 = *sha256_of_file(storage_.files(), path);
  return path;
}

std::string SimCluster::describe() const {
  std::string out = fmt::format("leader {}\n", election_.leader_name());
  for (const auto& [name, manager] : managers_) {
    out += fmt::format("{}{}\n", name, manager->process == nullptr ? " does not run" : "");
  }
  for (const auto& [id, process] : children_) {
    out += fmt::format("{}{}{}\n", process->name, process->booted ? "" : " starts",
                       process->signal != 0 ? " is killed" : "");
  }
  return out;
}

}  // namespace tidewheel
