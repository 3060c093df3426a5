// The tasks of a job as its master sees them, wherever they run: in this process (a Deployment), or
// in workers of a cluster.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/coordinator.h"
#include "tidewheel/dataflow/task_info.h"

namespace tidewheel {

struct Manifest;       // checkpoint/manifest.h
class RemoteEdges;     // dataflow/remote_edges.h
class SnapshotSource;  // state/snapshot.h

// What the tasks of a region go on from.
struct DeploymentStart {
  std::shared_ptr<const SnapshotSource> restore;  // null: from nothing
  // The folder of the snapshot, for those who open it elsewhere; empty: there is none.
  std::string snapshot_path = {};
  // An earlier attempt at the job has run (a restart after a failure, or a job that is resumed).
  bool is_restart = false;
  // By vertex and subtask: the snapshot has it at the end of its data. Empty: none is.
  std::vector<std::vector<bool>> at_end = {};
  // By node and subtask: values of the counters in the operator's group "accumulators".
  std::vector<std::vector<std::map<std::string, int64_t>>> accumulators = {};
  // The number of this deployment of the region, and, by region, those of the ones whose results it
  // reads. 0: the fleet counts by itself.
  uint64_t attempt = 0;
  std::vector<uint64_t> result_attempts = {};
  // Where the other tasks are; null: all are here.
  std::shared_ptr<RemoteEdges> remote = nullptr;
  // ---- Of jobs whose exchanges are blocking.
  // Only what sinks commit of `restore` is to be done: tasks have sinks alone, without channels.
  bool commits_only = false;
  // The same as `restore`, for those who open it elsewhere; null: it is at snapshot_path.
  std::shared_ptr<const Manifest> manifest = nullptr;
  // By region: it has come to its end in an earlier run of the job. Empty: none has.
  std::vector<bool> over = {};
};

// What a fleet tells. Any thread; for each task in the order in which it happened, and nothing of a
// task of an earlier attempt at its region once that was retired.
class FleetListener {
 public:
  virtual void task_running(TaskId task) = 0;
  // Once for each task that was deployed. `failure` is OK unless the state is kFailed.
  virtual void task_ended(TaskId task, TaskState state, Status failure) = 0;
  // Several have ended as failed at once, with the process that ran them: one failure of the job.
  virtual void tasks_lost(std::vector<TaskId> tasks, Status failure) = 0;
  // What the task keeps, or has kept, for those who read it after its end can't be written or read.
  virtual void results_lost(TaskId task, Status why) = 0;
  virtual void operator_event(int32_t node, int32_t subtask, std::string event) = 0;
  virtual void end_of_data(TaskId task) = 0;
  virtual void barrier_taken(TaskId task, int64_t checkpoint) = 0;
  virtual void snapshot_taken(TaskSnapshot snapshot) = 0;
  virtual void snapshot_declined(TaskId task, int64_t checkpoint, Status why) = 0;
  // `is_ready` may give another answer now.
  virtual void fleet_changed() = 0;
  // Regions that wait can't be deployed, as it seems: there is no room for them.
  virtual void cannot_deploy(Status why) = 0;

 protected:
  ~FleetListener() = default;
};

// On the master's thread, but for `prepare`. Nothing blocks; what comes of it is told the listener.
class TaskFleet {
 public:
  // A region's tasks before they run; what that is, the fleet knows.
  class Prepared {
   public:
    virtual ~Prepared() = default;
  };

  virtual ~TaskFleet() = default;

  // Any thread; may block. Does not touch the tasks that are there.
  virtual Result<std::shared_ptr<Prepared>> prepare(size_t region,
                                                    const DeploymentStart& start) const = 0;
  // There is room for all tasks.
  virtual bool is_ready() const { return true; }
  // Runs tasks in the place of those that were retired.
  virtual void deploy(size_t region, std::shared_ptr<Prepared> tasks) = 0;
  virtual void stop(size_t region) = 0;
  virtual void cancel(size_t region) = 0;
  // All of the region's tasks have ended: they are forgotten. `done` is called on any thread.
  virtual void retire(size_t region, std::function<void()> done) = 0;
  // Of a region that has finished: what it has kept for its consumers can be reached, as far as is
  // known.
  virtual bool has_results(size_t /*region*/) const { return true; }
  // Nobody will read what the region's latest attempt keeps.
  virtual void drop_results(size_t /*region*/) {}

  virtual void trigger(const CheckpointPlanRef& plan, const std::vector<TaskId>& tasks) = 0;
  // `notify`: tasks are to be told.
  virtual void checkpoint_complete(int64_t checkpoint, bool notify) = 0;
  virtual void checkpoint_aborted(int64_t checkpoint) = 0;
  // In order, for each subtask. Dropped when the task has ended.
  virtual void deliver(int32_t node, int32_t subtask, std::string event) = 0;

  // Called at the end of each of the master's turns; when the next one is to be at the latest.
  virtual int64_t on_turn(int64_t /*now_ns*/) { return Clock::kNever; }
  // All tasks have ended, and none will be deployed.
  virtual void shut_down() = 0;
};

}  // namespace tidewheel
