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
#include "tidewheel/dataflow/remote_edges.h"
#include "tidewheel/dataflow/slot.h"
#include "tidewheel/dataflow/task.h"
#include "tidewheel/dataflow/task_fleet.h"
#include "tidewheel/dataflow/task_layout.h"

namespace tidewheel {

class ResultStore;    // dataflow/result_store.h
class StateBackends;  // state/state_backend.h

// The tasks of a region, and the channels between them.
struct RegionTasks final : TaskFleet::Prepared {
  std::shared_ptr<const SnapshotSource> restore;  // read by the tasks while they open
  std::shared_ptr<RemoteEdges> remote;            // null: all of the region is here
  uint64_t attempt = 0;                           // of all deployments here; 0: never deployed
  bool commits_only = false;
  std::vector<std::unique_ptr<Channel>> channels;
  std::vector<std::unique_ptr<Task>> tasks;
  // Last, so that they are destroyed first: nobody wakes the tasks any more.
  std::vector<std::unique_ptr<RemoteChannel>> remote_channels;
};

// The fleet of a job in one process; or a worker's part of a job, which has some of the slots and
// their tasks only. When a region is deployed anew, the slots and other regions go on. Destroyed
// after the workers of its slots.
class Deployment final : public TaskFleet {
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
    uint64_t hand_over_bytes_max = UINT64_MAX;  // of a task whose exchanges are blocking
    DeploymentStart start = {};
    StateBackends* backends = nullptr;  // null: keyed state is in memory
    ResultStore* results = nullptr;     // null: no edge keeps its rows
    // It has no slots at first, and no tasks: regions are prepared with DeploymentStart::remote.
    bool is_partial = false;
  };
  // Errors: those of the operators' factories, kGraphEdge for an output that does not exist.
  static Result<std::unique_ptr<Deployment>> make(const Parts& parts);

  // By number; null: it is elsewhere.
  std::vector<std::unique_ptr<Slot>>& slots() { return slots_; }
  // Of a partial deployment, before a region with tasks in it is prepared. Its worker is the
  // caller's.
  Slot& add_slot(int32_t number);
  const TaskLayout& layout() const { return layout_; }
  // By place; null: it is elsewhere.
  const std::vector<Task*>& tasks() const { return tasks_; }
  Task& task_of(int32_t node, int32_t subtask);
  std::vector<Task*> tasks_of(size_t region) const;  // those that are here
  // Makes the tasks of a region anew, without touching those that are there. Any thread.
  Result<std::shared_ptr<RegionTasks>> make_region(size_t region,
                                                   const DeploymentStart& start) const;

  // ---- TaskFleet. `retire` has the slots forget the tasks.
  Result<std::shared_ptr<Prepared>> prepare(size_t region,
                                            const DeploymentStart& start) const override;
  void deploy(size_t region, std::shared_ptr<Prepared> tasks) override;
  void stop(size_t region) override;
  void cancel(size_t region) override;
  void retire(size_t region, std::function<void()> done) override;
  void trigger(const CheckpointPlanRef& plan, const std::vector<TaskId>& tasks) override;
  void checkpoint_complete(int64_t checkpoint, bool notify) override;
  void checkpoint_aborted(int64_t checkpoint) override;
  void deliver(int32_t node, int32_t subtask, std::string event) override;
  void drop_results(size_t region) override;
  void shut_down() override;

  // Any thread: the tasks as of now, which live as long as the answer. Those that only commit are
  // not among them: those that have prepared what is committed are.
  using Attempts = std::vector<std::shared_ptr<const RegionTasks>>;  // by region
  std::shared_ptr<const Attempts> attempts() const {
    return attempts_.load(std::memory_order_acquire);
  }

 private:
  class Builder;
  explicit Deployment(const Parts& parts) : parts_(parts), layout_(parts.chained) {}
  void make_slots();
  void make_accounts();
  void make_places();
  Slot* slot_of(TaskId task) const;
  void set_region(size_t region, std::shared_ptr<RegionTasks> tasks);

  const Parts parts_;
  const TaskLayout layout_;
  std::vector<std::unique_ptr<MemoryPool>> accounts_;  // by node
  std::vector<int32_t> input_counts_;                  // by node
  std::vector<MetricGroup*> groups_;                   // by node
  std::vector<size_t> place_in_chain_;                 // by node
  std::vector<uint32_t> first_channel_;                // by edge
  mutable std::atomic<uint64_t> attempts_so_far_{0};   // where nobody else counts them
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Task*> tasks_;
  // Last: tasks give memory back to the accounts.
  std::vector<std::shared_ptr<const RegionTasks>> committing_;  // by region
  std::atomic<std::shared_ptr<const Attempts>> attempts_{std::make_shared<const Attempts>()};
};

}  // namespace tidewheel
