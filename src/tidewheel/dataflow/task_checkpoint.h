// What a task does for checkpoints: takes a barrier between two elements, freezes its operators,
// writes their state while it goes on, and hands over the references.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/checkpoint/task_snapshot.h"
#include "tidewheel/dataflow/input_gate.h"

namespace tidewheel {

class SnapshotWriter;      // state/snapshot.h
class Task;                // dataflow/task.h
class TaskSnapshotWriter;  // checkpoint/snapshot_storage.h

// Lives on its task's thread. One snapshot is written at a time; those before it may still be on
// their way to disk.
class TaskCheckpoint final : public BarrierWatcher {
 public:
  explicit TaskCheckpoint(Task& task);
  ~TaskCheckpoint();
  TaskCheckpoint(const TaskCheckpoint&) = delete;
  TaskCheckpoint& operator=(const TaskCheckpoint&) = delete;

  // ---- Mail.
  void trigger(CheckpointPlanRef plan);
  void on_complete(int64_t checkpoint);
  void on_aborted(int64_t checkpoint);
  // Somebody has asked for attention: what waits tries again.
  void on_attention() { waits_ = false; }

  // ---- Barriers. That of `checkpoint` is due at the gate.
  void on_due(int64_t checkpoint);
  // A barrier is to be taken before anything else.
  bool has_barrier() const { return stage_ != Stage::kNone || has_trigger(); }
  // It does not wait for room in the channels.
  bool is_urgent() const;
  // Called in each step: barriers that have been under way for too long overtake from now on.
  void on_time(int64_t now_ns);
  // When on_time has something to do.
  int64_t deadline_ns() const;
  // It wants the end of the source's data first.
  bool wants_end_of_data() const;
  enum class Taking : uint8_t {
    kTaken,    // go on
    kRefused,  // an output refused
    kWaits,    // for attention, or until retry_at_ns
    kMore,     // call again
  };
  Taking take_barrier();
  Alignment on_first_barrier(int64_t checkpoint) override;
  void on_barrier_subsumed(int64_t checkpoint) override;
  void on_overtaken(InFlightElement element) override;

  // ---- Writing in the background.
  bool is_writing() const { return writing_ != nullptr; }
  // Writes for a while, if the task has nothing else to do or it is the snapshot's turn.
  enum class Pace : uint8_t { kBusy, kIdle };
  // False: there is nothing to do now.
  bool write(Pace pace);
  int64_t retry_at_ns() const { return waits_ ? retry_at_ns_ : Clock::kNever; }
  // Some snapshot is not yet durable.
  bool is_under_way() const { return writing_ != nullptr || !on_their_way_.empty(); }

  // ---- The end. After the barrier of a savepoint that stops the job nothing is sent.
  bool is_stopping() const { return stop_checkpoint_ != 0; }
  // It is complete: the task ends.
  bool stop_is_complete() const { return stop_complete_; }
  // A checkpoint is complete that has all the task did before the end of its data.
  bool end_is_covered() const { return end_covered_; }
  // The task has ended: what is under way is dropped.
  void close();

 private:
  // How far the barrier in hand is.
  enum class Stage : uint8_t {
    kNone,
    kOlder,    // the snapshot before it is written to its end
    kFlush,    // what was gathered goes through the chain
    kWriting,  // operators that do not write in the background do so
  };
  // A barrier on its way through the task.
  struct Barrier {
    int64_t checkpoint = 0;
    CheckpointPlanRef plan;  // null: it is only passed on
    int64_t first_ns = 0;
    int64_t last_ns = 0;
  };
  struct Snapshot;

  // Tasks that others send to are triggered too, when those have all ended.
  bool has_trigger() const;
  // The barrier in hand only ends an epoch.
  bool is_mark() const;
  void begin(Barrier barrier);
  bool finish_older();
  void freeze_and_forward();
  std::unique_ptr<Snapshot> freeze();
  void forward(Snapshot* snapshot);
  void write_until(int64_t deadline_ns, bool background);
  bool write_operator(Snapshot& snapshot, size_t index);
  bool write_in_flight(Snapshot& snapshot);
  bool take_grant(Snapshot& snapshot);
  bool is_complete(const Snapshot& snapshot) const;
  void decline(int64_t checkpoint, Status why);
  void wait_elsewhere();
  bool still_waits();
  void finish_writing();
  void on_written(int64_t checkpoint, Result<std::vector<std::vector<SegmentRef>>> segments);
  void abort_writing();
  int64_t now_ns() const;

  Task& task_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  std::deque<CheckpointPlanRef> triggers_;  // of a source
  Barrier aligning_;                        // the first was heard of it
  Stage stage_ = Stage::kNone;
  Barrier barrier_;  // the one in hand

  std::unique_ptr<Snapshot> writing_;
  std::vector<std::unique_ptr<Snapshot>> on_their_way_;  // written, not yet durable
  bool waits_ = false;
  int64_t retry_at_ns_ = Clock::kNever;
  int64_t retry_after_ns_ = 0;
  int64_t next_slice_ns_ = 0;  // a busy task writes no earlier

  int64_t time_seen_ns_ = 0;  // of on_time

  int64_t stop_checkpoint_ = 0;
  bool stop_complete_ = false;
  int64_t first_after_end_ = 0;  // the first checkpoint whose barrier came behind the end of data
  bool end_covered_ = false;
};

}  // namespace tidewheel
