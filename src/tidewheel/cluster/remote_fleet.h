// The tasks of a job in its workers, as the job's master sees them.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/log.h"
#include "tidewheel/base/status.h"
#include "tidewheel/cluster/gateway.h"
#include "tidewheel/cluster/parallelism.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/task_fleet.h"
#include "tidewheel/dataflow/task_layout.h"
#include "tidewheel/rpc/service.h"

namespace tidewheel {

class CheckpointStore;  // checkpoint/checkpoint_store.h

namespace pb {
class DeployNotice;           // cluster/worker.proto
class FiguresNotice;          // the same
class HappenedNotice;         // the same
class MetricReport;           // cluster/job_report.proto
class RegisterWorkerRequest;  // the same
class RegisterWorkerResponse;
class WorkerFailedNotice;
class TaskFigures;
class WorkerReadyNotice;
class WorkerSampleRequest;
}  // namespace pb

// What the job has, as the resource manager says. The whole of it each time.
struct SlotAssignment {
  struct On {
    std::string task_manager_id;
    int32_t slots = 0;
    std::string worker_id;  // of the worker that is to come; empty: any of this TaskManager
  };
  std::vector<On> on;
  std::string reason;  // why some are missing; empty when none is
};

// One attempt at one task, as far as the master knows it.
struct TaskAttempt {
  int32_t number = 0;  // from 0, for each task
  ExecutionState state = ExecutionState::kCreated;
  int64_t state_ms[kExecutionStateCount] = {};  // wall times
  int64_t end_ms = 0;
  std::string task_manager_id;
  std::string host;
  int32_t data_port = 0;
  TaskInfo info;  // as of the latest figures
  int64_t bytes_in = 0;
  int64_t bytes_out = 0;
  // Of each second, between the latest figures; -1: not known yet.
  int32_t busy_ms_per_second = -1;
  int32_t idle_ms_per_second = -1;
  int32_t backpressured_ms_per_second = -1;
  double rows_in_per_second = 0;
  double rows_out_per_second = 0;
  int64_t figures_ns = 0;  // when they came; 0: there are none
  Status failure;
};

// All on the master's thread, but for `prepare` and `service`.
//
// A worker comes (Register), says that it is ready, and gets slots of the job when the resource
// manager has given slots of its TaskManager to the job. A slot stays with its worker until that is
// lost. Tasks of a worker that is lost have failed, all at once: when its TaskManager has said how
// it ended, or, if nobody does, some time after its connection has. What others tell meanwhile that
// may follow from that waits as long, so that the cause is told first.
class RemoteFleet final : public TaskFleet {
 public:
  struct Parts {
    Clock& clock;
    Logger logger;
    const ChainedGraph& chained;
    const TaskLayout& layout;
    CheckpointStore& store;
    FleetListener& listener;
    std::string job_name;
    uint64_t epoch = 0;
    uint64_t token = 0;                    // a secret of the job's workers
    ParallelismByVertex parallelism = {};  // of vertices that have another than their program says
    int64_t slot_timeout_ns = Clock::kNever;
    // At each turn of the master; answers when it wants the next one.
    std::function<int64_t()> on_turn;
  };
  explicit RemoteFleet(Parts parts);
  ~RemoteFleet() override;

  // What workers call; `poster` is the master's. Before the endpoint serves it.
  std::shared_ptr<RpcService> make_service(RpcPoster poster);
  void assign(SlotAssignment assignment);
  // Its TaskManager has seen it end, or is lost itself.
  void worker_lost(const std::string& task_manager_id, const std::string& worker_id,
                   const Status& why);

  // Another fleet takes over: workers are told to end, others come to it.
  void hand_over(const std::string& reason);

  int32_t missing_slots() const;
  // Why the job can't be deployed now, for people; empty: it can.
  std::string obstacle() const;
  // By place of the task, the newest last.
  const std::vector<std::vector<TaskAttempt>>& attempts() const { return tasks_; }
  size_t place_of(TaskId task) const { return parts_.layout.place_of(task); }
  // How many tasks are in each state.
  void count_states(int32_t (&counts)[kExecutionStateCount]) const;
  // Sums over all workers.
  std::map<std::string, int64_t> accumulators() const;
  // Asks all workers. `done` gets what has come in time, on the master's thread.
  void collect_metrics(std::function<void(std::shared_ptr<pb::MetricReport>)> done);
  // The stacks of the slots that these tasks are in. `done` gets what has come in time, on the
  // master's thread.
  void sample_stacks(const std::vector<TaskId>& tasks, const StackSampling& sampling,
                     std::function<void(std::vector<SampledStack>)> done);
  // Those of all threads of the workers on a TaskManager.
  void sample_workers(const std::string& task_manager_id, const StackSampling& sampling,
                      std::function<void(std::vector<SampledStack>)> done);

  // ---- TaskFleet
  Result<std::shared_ptr<Prepared>> prepare(size_t region,
                                            const DeploymentStart& start) const override;
  bool is_ready() const override;
  void deploy(size_t region, std::shared_ptr<Prepared> tasks) override;
  void stop(size_t region) override;
  void cancel(size_t region) override;
  void retire(size_t region, std::function<void()> done) override;
  bool has_results(size_t region) const override;
  void drop_results(size_t region) override;
  void trigger(const CheckpointPlanRef& plan, const std::vector<TaskId>& tasks) override;
  void checkpoint_complete(int64_t checkpoint, bool notify) override;
  void checkpoint_aborted(int64_t checkpoint) override;
  void deliver(int32_t node, int32_t subtask, std::string event) override;
  int64_t on_turn(int64_t now_ns) override;
  void shut_down() override;

 private:
  struct Member;  // a worker
  struct Region {
    uint64_t attempt = 0;        // 0: it was never deployed
    std::set<uint64_t> readers;  // workers that read for it what its inputs have kept
    bool commits_only = false;   // what is shown is the attempt that has prepared what is committed
  };

  void on_register(const RpcRequest& from, const pb::RegisterWorkerRequest& request,
                   const RpcAnswer<pb::RegisterWorkerResponse>& answer);
  void on_ready(const RpcRequest& from, const pb::WorkerReadyNotice& notice);
  void on_failed(const RpcRequest& from, const pb::WorkerFailedNotice& notice);
  void on_happened(const RpcRequest& from, const pb::HappenedNotice& notice);
  void take_happened(const RpcPeerRef& from, const pb::HappenedNotice& notice);
  bool may_follow_from_a_loss(const pb::HappenedNotice& notice) const;
  void tell_held();
  int64_t end_waiting_for_words(int64_t now_ns);
  void on_ended(size_t place, TaskState state, Status failure);
  void on_figures(const RpcRequest& from, const pb::FiguresNotice& notice);
  // Its connection has ended.
  void on_gone(uint64_t number, const Status& why);
  void on_lost(uint64_t number, const Status& why);
  // They have not ended, and can't go on.
  void give_up(const std::vector<TaskId>& tasks, const Status& why);

  void take_figures(TaskAttempt& attempt, const pb::TaskFigures& figures);
  void sample_members(const std::map<uint64_t, pb::WorkerSampleRequest>& requests,
                      const StackSampling& sampling,
                      std::function<void(std::vector<SampledStack>)> done);
  Member* member_of(const RpcPeerRef& peer);
  uint64_t reader_of(size_t place) const;
  bool add_results(size_t region, pb::DeployNotice& notice) const;
  void place_slots();
  void begin_attempt(TaskId task, uint64_t worker);
  bool commits_only(size_t place) const;
  void set_state(size_t place, ExecutionState state);
  void tell_region(size_t region, int what);
  template <class Message>
  void tell_all(const char* method, const Message& message);

  Parts parts_;
  const std::shared_ptr<bool> alive_;  // for watches that outlive the fleet
  RpcPoster poster_;
  uint64_t workers_so_far_ = 0;
  uint64_t attempts_so_far_ = 0;
  std::map<uint64_t, std::unique_ptr<Member>> members_;  // by number
  // What may follow from the loss of a worker that is not known yet.
  struct Held {
    int64_t until_ns = 0;
    RpcPeerRef from;
    std::shared_ptr<const pb::HappenedNotice> notice;
  };
  std::vector<Held> held_;                   // in the order in which they came
  std::map<std::string, std::string> ends_;  // of workers that never came, by TaskManager
  SlotAssignment assignment_;
  std::vector<uint64_t> worker_of_slot_;  // 0: none
  std::vector<Region> regions_;
  std::vector<uint64_t> worker_of_place_;  // of tasks that have not ended; 0: others
  std::vector<std::vector<TaskAttempt>> tasks_;
  int64_t waits_since_ns_ = Clock::kNever;  // for slots; kNever: it does not
  bool over_ = false;
};

}  // namespace tidewheel
