// A chain of operators in one subtask, stepped by its slot.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/mailbox.h"
#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/checkpoint/task_snapshot.h"
#include "tidewheel/dataflow/chained_operator.h"
#include "tidewheel/dataflow/channel_writer.h"
#include "tidewheel/dataflow/hand_over.h"
#include "tidewheel/dataflow/input_gate.h"
#include "tidewheel/dataflow/task_checkpoint.h"
#include "tidewheel/dataflow/task_figures.h"
#include "tidewheel/dataflow/task_info.h"
#include "tidewheel/dataflow/wake_target.h"

namespace tidewheel {

class Config;           // base/config.h
class Slot;             // dataflow/slot.h
class SnapshotSource;   // state/snapshot.h
class SnapshotStorage;  // checkpoint/snapshot_storage.h
class World;            // base/world.h

enum class Step : uint8_t {
  kWorked,      // made progress: call again
  kNoInput,     // all open inputs are empty: counted as idle
  kOutputFull,  // no credit downstream, or no memory: counted as back-pressured
  kWaiting,     // a timer or a wake will go on: counted as idle
  kDone,        // finished for good
};

// How much one step may do.
struct StepBudget {
  int64_t now_ns = 0;
  int64_t deadline_ns = Clock::kNever;
  uint32_t batches_max = 16;
};

// Told what tasks do. Called on the tasks' threads.
class TaskListener {
 public:
  virtual void on_task_running(Task& task) = 0;
  // Called once. `failure` is OK unless the state is kFailed.
  virtual void on_task_ended(Task& task, TaskState state, Status failure) = 0;
  virtual void on_operator_event(int32_t node, int32_t subtask, std::string event) = 0;
  // All input was taken; the task waits for one more checkpoint before it ends.
  virtual void on_end_of_data(Task& task) = 0;
  // The task has frozen its state for a checkpoint and sent the barrier on (or passed it on without
  // taking part). What its operators are sent from now on belongs behind the barrier.
  virtual void on_barrier_taken(Task& task, int64_t checkpoint) = 0;
  // The task's part of a checkpoint is durable.
  virtual void on_snapshot_taken(Task& task, TaskSnapshot snapshot) = 0;
  // The task can't take part.
  virtual void on_snapshot_declined(Task& task, int64_t checkpoint, Status why) = 0;

 protected:
  ~TaskListener() = default;
};

struct TaskSpec {
  std::string vertex_name;
  int32_t vertex = 0;
  int32_t subtask = 0;
  int32_t parallelism = 1;
  uint32_t batch_rows = 1024;
  int64_t buffer_timeout_ms = 10;   // -1: only full batches are sent
  int64_t latency_interval_ms = 0;  // of a source's latency markers; 0: none
  const Config* config = nullptr;
  // ---- Snapshots; null: the job takes none, or starts from nothing.
  SnapshotStorage* storage = nullptr;
  const CheckpointPlans* plans = nullptr;
  const SnapshotSource* restore = nullptr;
  bool waits_for_final_checkpoint = false;  // between the end of its data and its own end
  bool is_restart = false;                  // an earlier attempt at the job has run
  // At its end its sinks prepare, hand over what they have prepared, and do not commit it.
  bool hands_over = false;
  uint64_t hand_over_bytes_max = UINT64_MAX;
  // It has sinks only, without input, and ends when these have committed what `restore` has.
  bool commits_only = false;
  bool has_epochs = false;  // every barrier ends one, whether or not a snapshot is taken
  bool restored_at_end_of_data =
      false;  // the restored snapshot has it finished: operators are not run again
};

// How a step went on, in ns: one of the three grows with the clock.
struct TaskTimes {
  Counter busy_ns;
  Counter idle_ns;
  Counter backpressured_ns;
};

// Wired by the deploying thread, then used on its slot's thread, but for what is marked.
class Task final : public WakeTarget {
 public:
  Task(TaskSpec spec, World& world, TaskListener& listener);
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  // ---- Wiring. Parents come before their children; the first operator is the head.
  ChainedOperator& add_operator(ChainedOperatorSpec spec);
  void add_writer(OutputPort& port, std::unique_ptr<ChannelWriter> writer);
  void set_inputs(const std::vector<InputGate::Source>& sources);
  void set_slot(Slot& slot) { slot_ = &slot; }

  // ---- For the slot.
  Step step(const StepBudget& budget);
  // Wakes count again. True when there is something to do already: then the task is scheduled, and
  // the caller runs it on.
  bool rest_unless_work(Step step);
  // When to be stepped next at the latest, on the monotonic clock.
  int64_t wake_at_ns() const { return wake_at_ns_; }
  TaskTimes& times() { return times_; }

  // ---- Any thread.
  // Has a source end as if it had no more input.
  void stop();
  // Ends the task before its next piece of work.
  void cancel();
  // Has a source send the plan's barrier, between two of its batches.
  void trigger_checkpoint(CheckpointPlanRef plan);
  // The checkpoint is complete everywhere: operators commit. Covers all ids <= `checkpoint`.
  void checkpoint_complete(int64_t checkpoint);
  // What is still being written of it is dropped.
  void checkpoint_aborted(int64_t checkpoint);
  // Ends it as failed, between two steps: something that it needs is lost.
  void fail(Status why);
  // Dropped when the task has ended.
  void post(std::function<void()> mail);
  void ask_for_attention() {
    attention_.store(true, std::memory_order_seq_cst);
    wake();
  }
  TaskState state() const { return state_.load(std::memory_order_acquire); }
  // As of the latest batch.
  TaskInfo info() const;
  TaskFigures figures() const;
  // That a single wait for room took since the last call.
  int64_t take_longest_refusal_ns();
  Slot* slot() const { return slot_; }
  Task* next_ready = nullptr;  // the link of its stack of woken tasks, for the slot
  size_t slot_entry = 0;       // of the slot too

  // ---- For the operators of the chain.
  const TaskSpec& spec() const { return spec_; }
  World& world() { return world_; }
  TaskListener& listener() { return listener_; }
  ChainedOperator*& running_operator() { return running_; }
  void arm_wall_timer(int64_t wall_ms);
  const std::vector<std::unique_ptr<ChainedOperator>>& operators() const { return operators_; }
  TaskGauges& gauges() { return gauges_; }

  // ---- For its part in checkpoints.
  void run_mail();
  // Brings all rows that were gathered through the chain to the writers. False: refused.
  bool flush_chain();
  // The same where epochs end: what operators give for the end of this one goes before the barrier.
  bool end_epoch(int64_t epoch);
  // Puts a control element behind all that was sent to every channel.
  void send_to_channels(const Element& element);
  InputGate* gate() { return gate_ ? &*gate_ : nullptr; }
  const std::vector<std::unique_ptr<ChannelWriter>>& writers() const { return writers_; }
  bool is_at_end_of_data() const { return phase_ == Phase::kAtEnd; }

 private:
  // A call into an operator that was refused and comes again.
  struct Call {
    enum class Kind : uint8_t { kNone, kWake, kProcessingTime };
    Kind kind = Kind::kNone;
    ChainedOperator* op = nullptr;
    int64_t time_ms = 0;
  };
  enum class Phase : uint8_t {
    kNew,
    kRunning,
    kEnding,   // a source's end goes through the chain
    kAtEnd,    // all data was taken; barriers may come
    kClosing,  // nothing comes any more
    kOver,
  };

  void on_scheduled(bool from_own_slot) override;
  void alert() override;
  void prepare_barriers(int64_t now_ns);
  bool drain_gate();
  Status restore_in_flight();
  Status open();
  Step run_all(const StepBudget& budget);
  Step run(const StepBudget& budget);
  Step work(const StepBudget& budget);
  Step dry(Step step);
  Step finish();
  Step suspend();
  std::optional<Step> wait_at_end();
  std::optional<Step> wait_for_stop();
  std::optional<Step> take_barriers();
  bool operators_may_end();
  bool hand_over();
  bool take_control();
  bool settle();
  bool run_calls(int64_t now_ns);
  bool run_wakes();
  bool run_call();
  bool fire_wall_timer();
  bool send_latency_marker(int64_t now_ns);
  bool take_item();
  bool deliver_all(bool flush);
  Step block();
  void end(TaskState state, Status failure);
  Status failure_of(const char* what);
  int64_t next_time_ns() const;

  const TaskSpec spec_;
  World& world_;
  TaskListener& listener_;
  Slot* slot_ = nullptr;
  std::vector<std::unique_ptr<ChainedOperator>> operators_;
  std::vector<std::unique_ptr<ChannelWriter>> writers_;
  std::optional<InputGate> gate_;  // none: the head is a source
  ChainedOperator* running_ = nullptr;
  Phase phase_ = Phase::kNew;

  GateItem item_;
  bool has_item_ = false;  // `item_` was refused, and comes again
  Call call_;
  bool blocked_ = false;         // something was refused: outputs are retried before anything else
  bool overdraft_ = false;       // writers take all: a barrier overtakes
  bool gathered_ = false;        // rows may wait in outputs for their batch to fill
  bool scan_wakes_ = false;      // some operator may have asked for on_wake
  bool source_has_more_ = true;  // poll it
  bool stop_source_ = false;
  bool told_end_of_data_ = false;
  size_t epoch_step_ = 0;                       // of end_epoch: two for each operator
  bool suspended_ = false;                      // it ends with a savepoint, not with its data
  std::unique_ptr<TaskCheckpoint> checkpoint_;  // null: the job takes none
  std::unique_ptr<HandOver> hand_over_;         // of its end; null: that has not begun

  int64_t next_wall_ms_ = Clock::kNever;   // the earliest request of the operators
  int64_t wall_timer_ns_ = Clock::kNever;  // when that is, on the monotonic clock
  int64_t marker_at_ns_ = Clock::kNever;
  int64_t memory_at_ns_ = Clock::kNever;  // look for memory again
  int64_t whim_retry_ns_ = 1'000'000;     // after how long a test's refusal is looked at again
  int64_t flush_at_ns_ = 0;
  int64_t wake_at_ns_ = Clock::kNever;

  TaskTimes times_;
  TaskGauges gauges_;
  std::atomic<TaskState> state_{TaskState::kDeploying};
  std::atomic<bool> attention_{false};
  std::atomic<bool> stop_asked_{false};
  std::atomic<bool> cancel_asked_{false};
  std::atomic<bool> alerted_{false};
  Mailbox mailbox_;
};

}  // namespace tidewheel
