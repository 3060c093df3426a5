// Runs a job in this process: chains its graph, deploys the tasks on slots (threads of the world's
// executor), and watches over them.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/checkpoint/stats.h"
#include "tidewheel/dataflow/graph.h"
#include "tidewheel/dataflow/task_info.h"

namespace tidewheel {

class MemoryPool;  // base/memory_pool.h
class World;       // base/world.h

enum class JobState : uint8_t {
  kCreated,  // its tasks are yet to be deployed
  kRunning,
  kStopping,  // sources were told to end; what they have read is still being worked on
  kCancelling,
  kFailing,     // a task has failed for good, the others are being cancelled
  kRestarting,  // after a failure: tasks are being cancelled, wait for their delay, or are deployed
  kFinished,    // all input was taken
  kCancelled,
  kFailed,
};
std::string_view job_state_name(JobState state);  // "RUNNING"
inline bool is_final(JobState state) {
  return state == JobState::kFinished || state == JobState::kCancelled ||
         state == JobState::kFailed;
}

// What a savepoint is to be.
struct SavepointRequest {
  std::string
      directory;  // its folder is made in here; empty: execution.checkpointing.savepoint-dir
  AfterSavepoint after = AfterSavepoint::kGoOn;
  SavepointForm form = SavepointForm::kCanonical;
};

// A failure that the job went on from, or did not.
struct JobFailure {
  int64_t wall_ms = 0;
  std::string task;  // "source -> map, subtask 0 of 2"; empty: it was no task's
  Status status;
};

// A job that runs, or has run. Any thread, but only one waits at a time. Not to be used in a
// worker's turn.
class JobHandle {
 public:
  // Cancels the job if it still runs, and waits for its tasks.
  ~JobHandle();
  JobHandle(const JobHandle&) = delete;
  JobHandle& operator=(const JobHandle&) = delete;

  const std::string& name() const;
  JobState state() const;
  // Waits until the job has ended, or until `deadline_ns` on the monotonic clock. Returns whether
  // it has ended.
  bool wait(int64_t deadline_ns = Clock::kNever);
  // Waits for the end. OK when the job has finished, kJobCancelled, or the failure that came first.
  [[nodiscard]] Status result();

  // Has the sources end as if they had no more input: all windows fire, and sinks finish. Returns
  // at once.
  void stop();
  // Ends the tasks after their step, dropping what is under way. Returns at once; calls after the
  // first do nothing. A task whose user code blocks ends when that returns.
  void cancel();

  // Takes a savepoint, and waits for it. Returns its path. With kSuspend or kDrain the job then
  // ends as finished; when that fails it goes on. Errors: kCheckpointDeclined (also when the job is
  // not running, or has ended meanwhile), kCheckpointExpired, those of the files.
  Result<std::string> savepoint(const SavepointRequest& request);
  // `done` is called once, on another thread, and must be short.
  void savepoint_async(const SavepointRequest& request,
                       std::function<void(Result<std::string>)> done);
  // Takes a savepoint and then cancels the job; when the savepoint fails the job goes on.
  Result<std::string> cancel_with_savepoint(const std::string& directory);
  // Takes a checkpoint now, and waits for it. Returns its id.
  Result<int64_t> trigger_checkpoint();
  void trigger_checkpoint_async(std::function<void(Result<int64_t>)> done);
  // As of the latest change.
  CheckpointStatistics checkpoints() const;
  // 32 hex digits; the name of its folder of checkpoints.
  const std::string& job_id() const;
  // How often it, or a part of it, was started again.
  int64_t restarts() const;
  // The first failure, and the newest ones, oldest first; 16 at most.
  std::vector<JobFailure> failures() const;

  std::vector<TaskInfo> tasks() const;
  // Metrics by scope `<job>.<operator>.<subtask>`.
  std::vector<MetricValue> metrics() const;
  // Sums over all subtasks of the counters in groups named "accumulators"
  // (`context.metrics().group("accumulators").counter(name)`).
  std::map<std::string, int64_t> accumulators() const;
  // Account of the job's memory.
  const MemoryPool& memory() const;
  // Of the run so far, or of the whole when it has ended.
  int64_t runtime_ns() const;

 private:
  friend class LocalJobRunner;
  struct Job;
  explicit JobHandle(std::unique_ptr<Job> job);
  std::unique_ptr<Job> job_;
};

struct JobStartOptions {
  // Goes on from the newest complete checkpoint of a job with this name in
  // execution.checkpointing.dir, with its id and the numbers of its checkpoints; starts anew when
  // there is none. A damaged one is named in a warning, and the one before is used.
  bool resume = false;
  std::string job_id;  // 32 hex digits; empty: a new one
};

// Starts jobs in this process. `world` outlives it and all its jobs. Any thread.
class LocalJobRunner {
 public:
  explicit LocalJobRunner(World& world) : world_(&world) {}

  // Deploys the job and returns. Errors: those of `chain_graph` (dataflow/chaining.h), and of the
  // operators' factories. What fails later is in the handle's `result`.
  // Reads the snapshot that the job starts from (execution.state-recovery.path, or `resume`), and
  // refuses one that does not fit: kSnapshotMissing, kStateNotRestored, kGraphParallelism.
  Result<std::unique_ptr<JobHandle>> start(LogicalGraph graph, Config config,
                                           const JobStartOptions& options = {});

 private:
  World* world_;
};

}  // namespace tidewheel
