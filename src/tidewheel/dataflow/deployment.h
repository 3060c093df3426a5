// The tasks of a job, wired by channels and dealt out to slots.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/slot.h"
#include "tidewheel/dataflow/task.h"

namespace tidewheel {

class StateBackends;  // state/state_backend.h

// What the tasks of a region go on from.
struct DeploymentStart {
  std::shared_ptr<const SnapshotSource> restore;  // null: from nothing
  // An earlier attempt at the job has run (a restart after a failure, or a job that is resumed).
  bool is_restart = false;
  // By vertex and subtask: the snapshot has it at the end of its data. Empty: none is.
  std::vector<std::vector<bool>> at_end = {};
  // By node and subtask: values of the counters in the operator's group "accumulators".
  std::vector<std::vector<std::map<std::string, int64_t>>> accumulators = {};
};

// The tasks of a region, and the channels between them.
struct RegionTasks {
  std::shared_ptr<const SnapshotSource> restore;  // read by the tasks while they open
  std::vector<std::unique_ptr<Channel>> channels;
  std::vector<std::unique_ptr<Task>> tasks;  // last: they are destroyed first
};

// Subtask i of every vertex of a slot sharing group goes to the group's slot i, so a group needs as
// many slots as its largest parallelism. Vertices that edges connect make a region: it fails, and
// is deployed anew, as a whole, while the slots and other regions go on. Destroyed after the
// workers of its slots.
class Deployment {
 public:
  // All but `world` is kept by the caller for as long as the deployment.
  struct Parts {
    World& world;
    const ChainedGraph& chained;
    const Config& config;
    MemoryPool& memory;
    MetricGroup& metrics;
    TaskListener& listener;
    // Null: the job takes no snapshots, or starts from nothing.
    SnapshotStorage* storage = nullptr;
    const CheckpointPlans* plans = nullptr;
    bool waits_for_final_checkpoint = false;
    DeploymentStart start = {};
    StateBackends* backends = nullptr;  // null: keyed state is in memory
  };
  // Errors: those of the operators' factories, kGraphEdge for an output that does not exist.
  static Result<std::unique_ptr<Deployment>> make(const Parts& parts);

  std::vector<std::unique_ptr<Slot>>& slots() { return slots_; }
  // By vertex, then subtask.
  const std::vector<Task*>& tasks() const { return tasks_; }
  Task& task_of(int32_t node, int32_t subtask);
  Task& task_of_vertex(int32_t vertex, int32_t subtask);
  size_t place_of(int32_t vertex, int32_t subtask) const;  // in tasks()
  // Places of the tasks that send to the task at `place`.
  const std::vector<size_t>& upstream_of(size_t place) const { return upstream_[place]; }

  // ---- Regions, numbered in the order of their first vertices.
  size_t region_count() const { return region_vertices_.size(); }
  size_t region_of(int32_t vertex) const { return region_of_vertex_[static_cast<size_t>(vertex)]; }
  const std::vector<int32_t>& vertices_of(size_t region) const { return region_vertices_[region]; }
  std::vector<Task*> tasks_of(size_t region) const;
  // Makes the tasks of a region anew, without touching those that are there. Any thread.
  Result<std::shared_ptr<RegionTasks>> make_region(size_t region,
                                                   const DeploymentStart& start) const;
  // Has the slots forget the region's tasks, which have all ended; then calls `done`, on any
  // thread.
  void retire(size_t region, const std::function<void()>& done);
  // Puts them in the place of those that were retired, and has the slots step them.
  void install(size_t region, std::shared_ptr<RegionTasks> tasks);

  // Any thread: the tasks as of now, which live as long as the answer.
  using Attempts = std::vector<std::shared_ptr<const RegionTasks>>;  // by region
  std::shared_ptr<const Attempts> attempts() const {
    return attempts_.load(std::memory_order_acquire);
  }

 private:
  class Builder;
  explicit Deployment(const Parts& parts) : parts_(parts) {}
  void make_slots();
  void make_accounts();
  void make_places();
  void make_regions();
  void set_region(size_t region, std::shared_ptr<RegionTasks> tasks);

  const Parts parts_;
  std::vector<std::unique_ptr<MemoryPool>> accounts_;  // by node
  std::vector<int32_t> input_counts_;                  // by node
  std::vector<MetricGroup*> groups_;                   // by node
  std::vector<int32_t> first_slot_;                    // by vertex
  std::vector<size_t> first_task_;                     // by vertex
  std::vector<size_t> place_in_chain_;                 // by node
  std::vector<std::vector<size_t>> upstream_;          // by task
  std::vector<size_t> region_of_vertex_;
  std::vector<std::vector<int32_t>> region_vertices_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Task*> tasks_;
  // Last: tasks give memory back to the accounts.
  std::atomic<std::shared_ptr<const Attempts>> attempts_{std::make_shared<const Attempts>()};
};

// The subtasks [first, last) that a subtask of the sending operator sends to. A rescale connects
// neighbours only, so that each receiver's senders are a contiguous share too.
std::pair<int32_t, int32_t> receivers_of(EdgeKind kind, int32_t sender, int32_t senders,
                                         int32_t receivers);

}  // namespace tidewheel
