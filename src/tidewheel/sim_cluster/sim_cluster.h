// A whole cluster in one simulation: JobManagers and TaskManagers as they are, with job masters and
// workers as their children, on hosts that can be cut off and processes that can be killed.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/process.h"
#include "tidewheel/cluster/roles.h"
#include "tidewheel/dataflow/graph.h"
#include "tidewheel/jobmanager/job_manager.h"
#include "tidewheel/sim/sim_process.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/sim_cluster/sim_election.h"

namespace tidewheel {

struct SimClusterOptions {
  int32_t job_managers = 2;
  int32_t task_managers = 3;
  int32_t slots = 2;  // of each TaskManager
  Config config;
  SimHostOptions host;
  // What a job's program does up to `execute`, in each of its processes. `alive` ends with the
  // process.
  std::function<Result<LogicalGraph>(World&, const Config&, std::shared_ptr<const bool> alive)>
      program;
};

class SimCluster {
 public:
  SimCluster(Simulation& simulation, SimClusterOptions options);
  ~SimCluster();
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;

  // All managers that do not run.
  void start_all();

  // ---- Faults. "jm0", "tm2".
  std::vector<std::string> running_managers() const;
  // `with_masters`: as if its machine had failed. Those of a JobManager whose process only is
  // killed live on.
  void kill_manager(const std::string& name, bool with_masters = false);
  void start_manager(const std::string& name);
  // Of a manager: its job masters or workers.
  std::vector<int64_t> children_of(const std::string& name) const;
  void kill_child(int64_t id);
  // Stops a process where it is, or lets it go on; one that is killed meanwhile is gone.
  void freeze_manager(const std::string& name, bool is_frozen);
  void freeze_child(int64_t id, bool is_frozen);
  std::vector<std::string> hosts() const;
  void cut(const std::string& a, const std::string& b, bool is_cut);
  void cut_from_election(const std::string& host, bool is_cut);
  SimNetworkFabric& fabric() { return fabric_; }
  SimElection& election() { return election_; }
  void jump_wall_clock(const std::string& host, int64_t by_ms);

  // ---- A client. Null: nobody leads.
  ClusterGateway* leading_gateway();
  // Null: it does not run, or is no JobManager.
  ClusterGateway* gateway_of(const std::string& name) const;
  // A file of the shared storage, for uploads; and that file's hash.
  std::string write_program(const std::string& name, std::string* sha256);
  SimWorld& storage() { return storage_; }
  std::string describe() const;
  // Job masters and workers that are there, dying or not.
  size_t child_count() const { return children_.size(); }

 private:
  class Node;
  class Launcher;
  class Child;
  struct Process;
  struct Manager;

  void start_job_manager(Manager& manager);
  void start_task_manager(Manager& manager);
  void thaw(const Process& process);
  // Ends objects of processes that have been killed; between turns.
  void bury(std::unique_ptr<Process> process);

  Simulation& simulation_;
  const SimClusterOptions options_;
  SimNetworkFabric fabric_;
  SimWorld storage_;  // whose files all processes share
  SimElection election_;
  std::map<std::string, std::unique_ptr<SimWorld>> hosts_;
  std::map<std::string, bool> cut_from_election_;
  std::map<std::string, bool> frozen_;  // managers
  std::map<std::string, std::unique_ptr<Manager>> managers_;
  std::map<int64_t, std::unique_ptr<Process>> children_;  // of all managers
  int64_t next_process_ = 1;
  int64_t buried_ = 0;  // being ended now
};

}  // namespace tidewheel
