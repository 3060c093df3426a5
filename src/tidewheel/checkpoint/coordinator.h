// Decides when a checkpoint of a job begins, who has to take part, when it is complete or given up,
// and which checkpoints are kept.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/log.h"
#include "tidewheel/base/random.h"
#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/plan_registry.h"
#include "tidewheel/checkpoint/rules.h"
#include "tidewheel/checkpoint/stats.h"

namespace tidewheel {

// A subtask of the job.
struct TaskId {
  int32_t vertex = 0;
  int32_t subtask = 0;
  friend auto operator<=>(const TaskId&, const TaskId&) = default;
};

// The job, as its manifests describe it.
struct CheckpointedOperator {
  std::string uid;
  std::string name;
  int32_t vertex = 0;
  int32_t parallelism = 1;
  int32_t max_parallelism = 1;
};
struct CheckpointedJob {
  std::string id;
  std::string name;
  std::vector<CheckpointedOperator> operators;
};

// Who is there to take part, now.
struct CheckpointParticipants {
  std::string obstacle;                // why there can be no checkpoint; empty: there can
  std::vector<TaskId> to_trigger;      // tasks that begin: nobody sends to them any more, or ever
  std::vector<TaskId> to_acknowledge;  // all that run
  std::vector<TaskId> finished;        // those that have taken all their input, and ended
};

// The job, as the coordinator sees it. All on the coordinator's thread.
class CheckpointGateway {
 public:
  using CoordinatorStates = std::map<std::string, std::string>;  // by the operators' uids

  virtual CheckpointParticipants participants() = 0;
  // Takes the state of the operators' coordinators, and from then on holds back what they send to
  // a subtask until that has taken the barrier, or the checkpoint is over. `done` is called once,
  // on the coordinator's thread, at once or later.
  virtual void snapshot_coordinators(int64_t checkpoint,
                                     std::function<void(Result<CoordinatorStates>)> done) = 0;
  virtual void trigger(const CheckpointPlanRef& plan, const std::vector<TaskId>& tasks) = 0;
  // The checkpoint is complete, and tasks are to be told (`notify`); or the job goes on as if
  // nothing had been (a savepoint).
  virtual void completed(const CheckpointPlan& plan, bool notify) = 0;
  virtual void aborted(const CheckpointPlan& plan) = 0;
  // Too many checkpoints have failed, or a drain did: the job goes back to its newest checkpoint.
  virtual void fail_job(Status why) = 0;

 protected:
  ~CheckpointGateway() = default;
};

// Runs what blocks elsewhere.
class BlockingCalls {
 public:
  // `then` is called on the coordinator's thread when `work` has returned.
  virtual void run(std::function<void()> work, std::function<void()> then) = 0;

 protected:
  ~BlockingCalls() = default;
};

// How a job ended. kStopped: it was asked to, and would have gone on else.
enum class JobEnd : uint8_t { kFinished, kStopped, kCancelled, kFailed };

// One thread, and it never blocks. Life of a checkpoint:
//
//   kPreparing -> kCoordinators -> kCollecting -> kCompleting -> complete
//
// and from all but kCompleting to aborted: once the manifest is being written there is no way to
// say that the checkpoint is not there, so its outcome is waited for.
//
// Between checkpoints it has the ends of epochs marked, when the rules say so. Marks take their
// numbers from the same sequence, and are sent in its order, so that for a gate a mark is a barrier
// like any other; behind a restored checkpoint the numbers go on.
class CheckpointCoordinator {
 public:
  struct Parts {
    Clock& clock;
    Logger logger;
    Random random;
    CheckpointGateway& gateway;
    BlockingCalls& blocking;
    CheckpointStore& store;
  };
  CheckpointCoordinator(CheckpointRules settings, CheckpointedJob job, Parts parts);

  // ---- Before the first checkpoint.
  // The job starts from `snapshot`; ids go on behind it. `owned`: it is kept, and deleted, like
  // those that are taken here, and so are the older ones that the store has found.
  void start_from(const CompletedSnapshot& snapshot, bool owned);

  // ---- What happens to the job.
  // All tasks run: checkpoints are taken by the clock from now on.
  void on_all_running();
  // Some tasks have failed, or the job is ending: what is under way is given up, and nothing is
  // begun before on_all_running.
  void on_failover(const std::string& why);
  // The task will be started again.
  void on_task_lost(TaskId task);
  void on_end_of_data(TaskId task);
  void on_task_finished(TaskId task);
  void on_acknowledged(TaskSnapshot snapshot);
  void on_declined(TaskId task, int64_t checkpoint, const Status& why);
  void on_timer();
  // When on_timer is to be called next.
  int64_t next_ns() const;

  // ---- What the user asks for. `done` is called once.
  void trigger(std::function<void(Result<int64_t>)> done);
  void savepoint(const std::string& directory, AfterSavepoint after,
                 std::function<void(Result<std::string>)> done,
                 SavepointForm form = SavepointForm::kCanonical);

  // ---- Of a job that takes no checkpoints: its sinks are about to commit what tasks have handed
  // over, and those that are named have ended. That is what is restored from now on, by whoever has
  // the job; on disk where the job has a folder, else here. `done` is called once, at once or
  // later.
  struct HandedOver {
    std::map<TaskId, TaskSnapshot> tasks;
    std::vector<TaskId> ended;  // also those that had nothing to hand over
  };
  void commit_point(HandedOver handed_over, std::function<void(Status)> done);

  // ---- For the master.
  // False while it is not known whether a checkpoint will have become complete.
  bool is_settled() const;
  // What a restart goes back to; none: the job starts anew.
  const std::optional<CompletedSnapshot>& restore_point() const { return restore_point_; }
  void restored(const CompletedSnapshot& snapshot);
  // The restore point can't be read, as `why` says. True: there is an older one, to which the job
  // goes back; the damaged one is set aside, in nobody's care.
  bool fall_back(const Status& why);
  // Path of the savepoint that the job is to end with, once that is complete.
  const std::string& stopped_with() const { return stopped_with_; }
  // The job has ended: deletes what is not to be kept. `done` is called when nothing runs any more.
  void shut_down(JobEnd end, std::function<void()> done);

  const CheckpointPlans& plans() const { return plans_; }
  const CheckpointStatistics& statistics() const { return history_.statistics(); }
  // Changes with the statistics.
  uint64_t version() const { return version_; }

 private:
  enum class Stage : uint8_t { kPreparing, kCoordinators, kCollecting, kCompleting };
  // Why a checkpoint was given up. The first ones count as failures of the job's checkpoints.
  enum class Cause : uint8_t {
    kDeclined,
    kExpired,
    kIo,
    kFinalize,
    kNotAllRunning,
    kSubsumed,
    kTaskEnded,
    kFailover,
  };
  // In order of priority; kCommit begins at once.
  enum class Trigger : uint8_t { kSavepoint, kUser, kFinal, kPeriodic, kCommit };
  struct Request {
    Trigger trigger = Trigger::kPeriodic;
    AfterSavepoint after = AfterSavepoint::kGoOn;
    SavepointForm form = SavepointForm::kCanonical;
    std::string directory;
    std::function<void(Result<CompletedSnapshot>)> done;  // may be empty
  };
  struct Pending {
    Stage stage = Stage::kPreparing;
    Request request;
    std::shared_ptr<CheckpointPlan> plan;
    CheckpointParticipants participants;
    std::set<TaskId> missing;
    std::map<TaskId, TaskSnapshot> acknowledged;
    CheckpointGateway::CoordinatorStates coordinators;
    int64_t deadline_ns = Clock::kNever;
    // Its completion has failed, and it is to be withdrawn, at this time again.
    int64_t withdraw_ns = Clock::kNever;
    int64_t withdrawals = 0;
    Status failure;
  };

  static Request request_of(Trigger trigger);
  static bool counts(Cause cause) { return cause <= Cause::kFinalize; }
  void add(Request request);
  void begin_next();
  bool may_begin() const;
  void begin(Request request);
  bool may_mark() const;
  void send_mark();
  void on_prepared(int64_t id, Result<std::string> directory);
  void on_coordinators(int64_t id, Result<CheckpointGateway::CoordinatorStates> states);
  void complete_next();
  void begin_completion(Pending& pending);
  void on_completed(int64_t id, Result<CompletedSnapshot> result);
  void withdraw(Pending& pending);
  void on_withdrawn(int64_t id, const Status& result);
  void after_completion(const Pending& pending, const CompletedSnapshot& snapshot);
  Manifest manifest_of(const Pending& pending) const;
  void drop_subsumed();
  void abort(int64_t id, Cause cause, const Status& why);
  void abort_all(Cause cause, const Status& why);
  void discard(std::shared_ptr<const CheckpointPlan> plan);
  void retry_final(int64_t delay_ns);
  void note_end(JobEnd end, const std::string& savepoint);
  void tell_set_aside(const Result<std::vector<std::string>>& set_aside);
  void refuse_requests(const std::string& why);
  bool stop_is_under_way() const;
  void call_store(std::function<void(CheckpointStore&)> work, std::function<void()> then);
  void run_next_call();
  Pending* find(int64_t id);
  int64_t now_ns() const { return parts_.clock.now_ns(); }

  const CheckpointRules settings_;
  const CheckpointedJob job_;
  Parts parts_;
  PlanRegistry plans_;
  CheckpointHistory history_;
  uint64_t version_ = 0;

  bool running_ = false;  // all tasks were seen running since the last failover
  bool shut_down_ = false;
  std::function<void()> on_shut_down_;
  int64_t next_id_;
  int64_t periodic_ns_ = Clock::kNever;  // when the next one is due
  int64_t final_ns_ = Clock::kNever;     // when one for the tasks at their end is due
  int64_t mark_ns_ = Clock::kNever;      // when the next epoch ends
  int64_t paused_until_ns_ = INT64_MIN;  // min pause, for periodic ones
  std::deque<Request> requests_;
  std::map<int64_t, Pending> pending_;
  std::set<TaskId> at_end_;  // tasks that wait for a checkpoint that holds all they did
  std::deque<CompletedSnapshot> retained_;  // the oldest first
  std::optional<CompletedSnapshot> restore_point_;
  std::string stopped_with_;
  bool drained_ = false;  // by that savepoint
  int64_t failures_in_a_row_ = 0;
  // Of those given up lately: what comes late is deleted too.
  std::deque<std::shared_ptr<const CheckpointPlan>> given_up_;

  // The store takes one call at a time, in order.
  struct Call {
    std::function<void(CheckpointStore&)> work;
    std::function<void()> then;
  };
  std::deque<Call> calls_;
  bool call_runs_ = false;
};

}  // namespace tidewheel
