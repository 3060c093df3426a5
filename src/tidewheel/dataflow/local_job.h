// Runs a job in this process: chains its graph, deploys the tasks on slots (threads of the world's
// executor), and watches over them.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/graph.h"
#include "tidewheel/dataflow/task_info.h"

namespace tidewheel {

class MemoryPool;  // base/memory_pool.h
class World;       // base/world.h

enum class JobState : uint8_t {
  kRunning,
  kStopping,  // sources were told to end; what they have read is still being worked on
  kCancelling,
  kFailing,   // a task has failed, the others are being cancelled
  kFinished,  // all input was taken
  kCancelled,
  kFailed,
};
std::string_view job_state_name(JobState state);  // "RUNNING"
inline bool is_final(JobState state) {
  return state == JobState::kFinished || state == JobState::kCancelled ||
         state == JobState::kFailed;
}

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

// Starts jobs in this process. `world` outlives it and all its jobs. Any thread.
class LocalJobRunner {
 public:
  explicit LocalJobRunner(World& world) : world_(&world) {}

  // Deploys the job and returns. Errors: those of `chain_graph` (dataflow/chaining.h), and of the
  // operators' factories. What fails later is in the handle's `result`.
  Result<std::unique_ptr<JobHandle>> start(LogicalGraph graph, Config config);

 private:
  World* world_;
};

}  // namespace tidewheel
