// Watches over the tasks of one job: runs its operators' coordinators, has checkpoints taken, and
// after a failure starts what has failed again.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/mailbox.h"
#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/coordinator.h"
#include "tidewheel/checkpoint/restart_strategy.h"
#include "tidewheel/dataflow/coordinator_context.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/dataflow/task.h"
#include "tidewheel/dataflow/task_fleet.h"
#include "tidewheel/dataflow/task_layout.h"

namespace tidewheel {

struct ChainedGraph;  // dataflow/chaining.h

// One worker. Job states: kCreated -> kRunning; kRunning and kStopping, from both to kRestarting
// and back; from all four kCancelling -> kCancelled and kFailing -> kFailed; kFinished when all
// regions have finished.
//
// A region whose inputs are what others have kept waits until all of these have finished; when it
// fails it is started again alone, and they are only when what they had kept is gone.
// The sinks of such jobs do not commit by themselves. Their tasks hand over what they have
// prepared, and end. Once all regions that are connected have finished, none of them is run again:
// the commit point, which has all that was handed over, is made, and only then regions that have
// something to commit are deployed once more, to do just that (Region::Commit).
// A region: kRunning -> kCancelling (its tasks end) -> kRetiring (their slots forget them) ->
// kWaiting (for its delay, and until it is known which checkpoint is the newest) -> kDeploying (on
// the blocking pool) -> kRunning; kFinished when all its tasks have.
// Its tasks are a fleet's. A fleet in this process is deployed before the master starts, so that
// what is wrong with the job is known at once; another one has all regions kWaiting at first.
class JobMaster final : public Turnable,
                        public TaskListener,
                        public FleetListener,
                        public CheckpointGateway,
                        public BlockingCalls,
                        public CoordinatorHost {
 public:
  struct Parts {
    World& world;
    const ChainedGraph& chained;
    CheckpointRules settings;
    CheckpointedJob job;
    CheckpointStore& store;
    std::unique_ptr<RestartStrategy> strategy;
    bool tells_strategy = false;     // in the job's failure
    bool restarts_all = false;       // not only the failed region
    bool verifies = true;            // snapshots, before any task starts from one
    bool is_resumed = false;         // an earlier attempt at the job has run
    MetricGroup* metrics = nullptr;  // of the job; null: nobody asks for figures
  };
  explicit JobMaster(Parts parts);
  ~JobMaster() override;

  // ---- On the deploying thread, before the worker starts.
  // What the job starts from; see CheckpointCoordinator::start_from.
  void start_from(const CompletedSnapshot& snapshot, bool owned);
  // What tasks go on from, by the point that restarts go back to, or, when that is damaged, an
  // older one. Blocks.
  Result<DeploymentStart> make_start();
  Status make_coordinators();
  // `fleet` outlives the worker. `is_deployed`: the tasks are there, and will be run.
  void set_fleet(TaskFleet& fleet, bool is_deployed);
  // Called on the master's thread before the job ends as cancelled or failed, with what goes on
  // with that (any thread): its checkpoints are deleted then, so whoever would start it again has
  // to know before. Never called back: the job is abandoned.
  using BeforeEnd = std::function<void(JobEnd how, std::function<void()> go_on)>;
  void set_before_end(BeforeEnd before_end) { before_end_ = std::move(before_end); }
  const TaskLayout& layout() const { return layout_; }
  const CheckpointPlans& plans() const { return checkpoints_.plans(); }

  // The worker that turns it, once it has started.
  void set_worker(Worker* worker);
  Turn turn() override;

  // ---- Any thread.
  // Runs `mail` on the master's thread, while the job has not ended.
  void post(std::function<void()> mail);
  void stop();
  void cancel();
  void fail(Status failure);
  // It stops turning, and `ended` is set, while the job is what it was: another master goes on with
  // it from its newest checkpoint. Tasks are left to their fleet.
  void abandon();
  // `done` is called once, on this or another thread.
  void savepoint(SavepointRequest request, std::function<void(Result<std::string>)> done);
  void cancel_with_savepoint(std::string directory, std::function<void(Result<std::string>)> done,
                             SavepointForm form = SavepointForm::kCanonical);
  void trigger_checkpoint(std::function<void(Result<int64_t>)> done);
  JobState state() const { return state_.load(std::memory_order_acquire); }
  Event& ended() { return *ended_; }
  // Once the job has ended.
  const Status& failure() const { return failure_; }
  int64_t started_ns() const { return started_ns_; }
  int64_t ended_ns() const { return ended_ns_.load(std::memory_order_acquire); }
  std::shared_ptr<const CheckpointStatistics> statistics() const {
    return statistics_.load(std::memory_order_acquire);
  }
  std::shared_ptr<const std::vector<JobFailure>> failures() const {
    return failures_.load(std::memory_order_acquire);
  }
  int64_t restarts() const { return restarts_.load(std::memory_order_relaxed); }
  // Nobody on the blocking pool is in here any more.
  void close() { gate_->close(); }

  // ---- FleetListener. Any thread.
  void task_running(TaskId task) override;
  void task_ended(TaskId task, TaskState state, Status failure) override;
  void tasks_lost(std::vector<TaskId> tasks, Status failure) override;
  void results_lost(TaskId task, Status why) override;
  void operator_event(int32_t node, int32_t subtask, std::string event) override;
  void end_of_data(TaskId task) override;
  void barrier_taken(TaskId task, int64_t checkpoint) override;
  void snapshot_taken(TaskSnapshot snapshot) override;
  void snapshot_declined(TaskId task, int64_t checkpoint, Status why) override;
  void fleet_changed() override;
  void cannot_deploy(Status why) override;

  // ---- TaskListener, of tasks in this process.
  void on_task_running(Task& task) override;
  void on_task_ended(Task& task, TaskState state, Status failure) override;
  void on_operator_event(int32_t node, int32_t subtask, std::string event) override;
  void on_end_of_data(Task& task) override;
  void on_barrier_taken(Task& task, int64_t checkpoint) override;
  void on_snapshot_taken(Task& task, TaskSnapshot snapshot) override;
  void on_snapshot_declined(Task& task, int64_t checkpoint, Status why) override;

 private:
  struct Region {
    enum class Commit : uint8_t {
      kNone,     // it has run, or will, to write rows
      kDecided,  // rows are not written again; the commit point is still to be made
      kDue,      // the commit point has what it is to commit
      kDropped,  // the job ends without: sinks remove what they had prepared
    };
    enum class State : uint8_t {
      kRunning,
      kCancelling,
      kRetiring,
      kWaiting,
      kDeploying,
      kFinished
    };
    State state = State::kRunning;
    size_t live = 0;           // tasks that have not ended
    std::set<TaskId> opening;  // tasks that do not run yet
    int64_t restart_at_ns = 0;
    bool failed_again = false;   // while it was being deployed
    bool was_deployed = false;   // once, at least
    bool keeps_results = false;  // of its latest attempt, for its consumers
    bool is_over = false;        // it is not run again but to commit
    bool has_prepared = false;   // sinks of an attempt, or more; they may have been dropped
    Commit commit = Commit::kNone;
  };
  // What the blocking pool has made of a region.
  struct Redeployment {
    Status status;
    std::shared_ptr<TaskFleet::Prepared> tasks;
    struct Coordinator {
      int32_t node;
      std::unique_ptr<OperatorCoordinator> coordinator;
      std::string state;
    };
    std::vector<Coordinator> coordinators;
  };
  using StopAnswer = std::function<void(Result<std::string>)>;

  // ---- CheckpointGateway
  CheckpointParticipants participants() override;
  void snapshot_coordinators(int64_t checkpoint,
                             std::function<void(Result<CoordinatorStates>)> done) override;
  void trigger(const CheckpointPlanRef& plan, const std::vector<TaskId>& tasks) override;
  void completed(const CheckpointPlan& plan, bool notify) override;
  void aborted(const CheckpointPlan& plan) override;
  void fail_job(Status why) override;
  // ---- BlockingCalls
  void run(std::function<void()> work, std::function<void()> then) override;
  // ---- CoordinatorHost
  World& host_world() override { return parts_.world; }
  void deliver(int32_t node, int32_t subtask, std::string event) override;
  void post_mail(std::function<void()> mail) override { post(std::move(mail)); }
  void coordinator_failed(int32_t node, Status failure) override;
  MetricGroup* coordinator_metrics(int32_t node) override;

  bool is_ending() const;  // cancelling, failing, or over
  Region& region_of(int32_t vertex) { return regions_[layout_.region_of(vertex)]; }
  bool has_coordinator(int32_t vertex) const;
  HostedCoordinator* coordinator_of(int32_t node);
  void for_coordinators_of(size_t region, const std::function<void(HostedCoordinator&)>& call);
  void note_ended(TaskId task, TaskState state, const Status& failure);
  void forget(TaskId task);
  void region_emptied(size_t region);
  // Frees what a region without tasks had; then it waits.
  void retire(size_t region);
  // Starts again, or ends the job. `regions`: those that have failed.
  void on_failure(std::vector<size_t> regions, const Status& failure, const std::string& task);
  void note_failure(const Status& failure, const std::string& task);
  // After how long to start again; nothing: the job fails, and has begun to.
  std::optional<int64_t> delay_after(const Status& failure, const std::string& task);
  // With all that read their results, directly or not: they may be others the next time.
  std::vector<size_t> with_consumers(std::vector<size_t> regions) const;
  bool has_inputs(size_t region) const;
  bool waits_for_inputs(size_t region) const;
  void drop_results(size_t region);
  void drop_taken_results(size_t consumer);
  void rerun_lost_producers();
  // ---- Commits.
  // What the tasks of the region have handed over has something to commit.
  bool has_commits(size_t region) const;
  void decide_commits(size_t region);
  void make_commit_point();
  void on_commit_point(const std::vector<size_t>& regions, const Status& made);
  void forget_commits(size_t region);
  void drop_prepared(size_t region);
  bool may_start(size_t region) const;
  // What an earlier run of the job has come to its end with.
  void take_over_commits();
  std::vector<bool> regions_over() const;
  void restart(size_t region, int64_t at_ns);
  void advance_restarts();
  // `is_wanted`: the operators that are to be started; null: all.
  Result<DeploymentStart> make_start_from(
      const std::optional<CompletedSnapshot>& point, bool is_restart,
      const std::function<bool(const std::string& uid)>& is_wanted) const;
  Result<std::unique_ptr<OperatorCoordinator>> make_coordinator(int32_t node) const;
  void redeploy(size_t region);
  Redeployment make_redeployment(size_t region, const std::optional<CompletedSnapshot>& point,
                                 bool is_restart, bool commits_only) const;
  Status install(size_t region, Redeployment made);
  bool is_covered(size_t region) const;
  bool is_at_end(size_t region) const;
  void on_redeployed(size_t region, Redeployment made);
  void check_all_running();
  void update_state();
  void end_by(JobState state);
  bool may_end() const;
  void shut_down();
  void end();
  void answer_stops(const std::function<Result<std::string>(const std::string& path)>& answer);
  void publish(bool at_once);
  std::string name_of(TaskId task) const;

  Parts parts_;
  CheckpointCoordinator checkpoints_;
  const TaskLayout layout_;
  const std::vector<std::vector<size_t>> upstream_;  // by place of a task
  TaskFleet* fleet_ = nullptr;
  BeforeEnd before_end_;                                          // null: nobody has to know
  std::vector<std::shared_ptr<HostedCoordinator>> coordinators_;  // by node; null: it has none
  std::vector<Region> regions_;
  std::set<TaskId> finished_;                   // tasks of the regions' present attempts
  std::map<TaskId, TaskSnapshot> handed_over_;  // by those, and by regions that are over
  bool commit_point_is_due_ = false;
  int64_t commit_point_at_ns_ = 0;  // after a failure
  bool started_ = false;
  bool all_running_ = false;
  bool stop_asked_ = false;
  bool stopping_with_savepoint_ = false;
  bool shutting_down_ = false;
  bool ended_now_ = false;
  std::vector<std::pair<std::string, StopAnswer>> stop_answers_;  // paths of complete savepoints
  Status failure_;
  std::atomic<JobState> state_{JobState::kRunning};
  std::unique_ptr<Event> ended_;
  const int64_t started_ns_;
  std::atomic<int64_t> ended_ns_{0};
  std::atomic<int64_t> restarts_{0};
  uint64_t published_ = UINT64_MAX;
  int64_t published_ns_ = 0;
  std::atomic<std::shared_ptr<const CheckpointStatistics>> statistics_{
      std::make_shared<const CheckpointStatistics>()};
  std::atomic<std::shared_ptr<const std::vector<JobFailure>>> failures_{
      std::make_shared<const std::vector<JobFailure>>()};
  Mailbox mailbox_;
  std::atomic<Worker*> worker_{nullptr};
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
};

}  // namespace tidewheel
