// The tasks of a job, wired by channels and dealt out to slots.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/slot.h"
#include "tidewheel/dataflow/task.h"

namespace tidewheel {

// Subtask i of every vertex of a slot sharing group goes to the group's slot i, so a group needs as
// many slots as its largest parallelism. Destroyed after the workers of its slots.
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
    const SnapshotSource* restore = nullptr;
    bool waits_for_final_checkpoint = false;
    // An earlier attempt at the job has run (a restart after a failure, or with --resume).
    bool is_restart = false;
    // By vertex: finished in the restored snapshot.
    std::vector<bool> finished_vertices = {};
  };
  // Errors: those of the operators' factories, kGraphEdge for an output that does not exist.
  static Result<std::unique_ptr<Deployment>> make(const Parts& parts);

  std::vector<std::unique_ptr<Slot>>& slots() { return slots_; }
  std::vector<std::unique_ptr<Task>>& tasks() { return tasks_; }
  const std::vector<std::unique_ptr<Task>>& tasks() const { return tasks_; }
  Task& task_of(int32_t node, int32_t subtask);

 private:
  explicit Deployment(const Parts& parts) : parts_(parts) {}
  void make_slots();
  void make_accounts();
  Status make_tasks();
  Status make_task(size_t vertex, int32_t subtask);
  Status add_operators(Task& task, const ChainVertex& vertex);
  Status connect();
  Status connect_edge(const GraphEdge& edge);
  Result<OutputPort*> port_of(const GraphEdge& edge, int32_t subtask);
  ChainedOperator& operator_of(int32_t node, int32_t subtask);

  const Parts parts_;
  std::vector<std::unique_ptr<MemoryPool>> accounts_;  // by node
  std::vector<int32_t> input_counts_;                  // by node
  std::vector<MetricGroup*> groups_;                   // by node
  std::vector<int32_t> first_slot_;                    // by vertex
  std::vector<size_t> first_task_;                     // by vertex
  std::vector<size_t> place_in_chain_;                 // by node
  std::vector<std::unique_ptr<Channel>> channels_;
  std::vector<std::vector<InputGate::Source>> inputs_;  // by task
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::unique_ptr<Task>> tasks_;  // last: they give memory back to the accounts
};

}  // namespace tidewheel
