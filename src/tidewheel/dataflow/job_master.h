// Watches over the tasks of one job, and runs its operator coordinators.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/mailbox.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/coordinator.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/dataflow/task.h"

namespace tidewheel {

class Deployment;     // dataflow/deployment.h
struct ChainedGraph;  // dataflow/chaining.h

// One worker. States: kRunning -> kStopping -> kFinished; from both kCancelling -> kCancelled and
// kFailing -> kFailed. The first failure is the job's; the others are consequences, and dropped.
class JobMaster final : public Turnable, public TaskListener {
 public:
  JobMaster(World& world, const ChainedGraph& chained);
  ~JobMaster() override;

  // Makes the coordinators. On the deploying thread.
  Status make_coordinators();
  // Before the worker starts; `deployment` outlives it.
  void set_deployment(Deployment& deployment);
  // The worker that turns it, once it has started.
  void set_worker(Worker* worker);
  Turn turn() override;

  // ---- Any thread.
  void stop();
  void cancel();
  void fail(Status failure);
  JobState state() const { return state_.load(std::memory_order_acquire); }
  Event& ended() { return *ended_; }
  // Once the job has ended.
  const Status& failure() const { return failure_; }
  int64_t started_ns() const { return started_ns_; }
  int64_t ended_ns() const { return ended_ns_.load(std::memory_order_acquire); }

  // ---- TaskListener
  void on_task_running(Task& task) override;
  void on_task_ended(Task& task, TaskState state, Status failure) override;
  void on_operator_event(int32_t node, int32_t subtask, std::string event) override;
  void on_end_of_data(Task& task) override;
  void on_barrier_taken(Task& task, int64_t checkpoint) override;
  void on_snapshot_taken(Task& task, TaskSnapshot snapshot) override;
  void on_snapshot_declined(Task& task, int64_t checkpoint, Status why) override;

 private:
  class Context;

  void post(std::function<void()> mail);
  void start_coordinators();
  void fire_timers();
  void change_to(JobState state);
  void cancel_tasks(JobState state);
  void end();
  void guarded(Context& context, const std::function<void()>& call);

  World& world_;
  const ChainedGraph& chained_;
  Deployment* deployment_ = nullptr;
  std::vector<std::unique_ptr<Context>> contexts_;  // by node; null: no coordinator
  bool started_ = false;
  size_t live_tasks_ = 0;
  Status failure_;
  std::atomic<JobState> state_{JobState::kRunning};
  std::unique_ptr<Event> ended_;
  const int64_t started_ns_;
  std::atomic<int64_t> ended_ns_{0};
  Mailbox mailbox_;
  std::atomic<Worker*> worker_{nullptr};
};

}  // namespace tidewheel
