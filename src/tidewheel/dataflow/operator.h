// What the runtime asks of an operator. Every call runs on the task's slot, and is resumable: it
// may answer kBlocked when an output refuses, and is called again with the same arguments. A call
// that can't go on throws OperatorFailure (dataflow/operator_failure.h).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/dataflow/output.h"
#include "tidewheel/state/key_group.h"

namespace tidewheel {

class Config;          // base/config.h
class Executor;        // base/executor.h
class FileSystem;      // base/file_system.h
class MemoryPool;      // base/memory_pool.h
class MetricGroup;     // base/metrics.h
class Network;         // base/network.h
class Random;          // base/random.h
class SnapshotReader;  // state/snapshot.h
class SnapshotWriter;  // state/snapshot.h
class StateBackend;    // state/state_backend.h
struct SnapshotStart;  // state/snapshot.h

// What an operator may know and use. Owned by the task; valid from `open` to `close`.
class OperatorContext {
 public:
  virtual ~OperatorContext() = default;

  virtual const std::string& name() const = 0;  // the operator's name, as the user gave it
  virtual const std::string& uid() const = 0;   // the user's uid, or the derived id in hex
  virtual int32_t subtask_index() const = 0;
  virtual int32_t parallelism() const = 0;
  virtual int32_t max_parallelism() const = 0;
  virtual KeyGroupRange key_groups() const = 0;  // those that this subtask owns
  virtual uint32_t batch_rows() const = 0;       // size at which an output sends its batch

  virtual Clock& clock() = 0;
  virtual Random& random() = 0;      // of this subtask alone
  virtual Executor& executor() = 0;  // for run_blocking
  virtual FileSystem& files() = 0;
  virtual Network& network() = 0;
  virtual MemoryPool& memory() = 0;  // this operator's account
  virtual MetricGroup& metrics() = 0;
  virtual const Config& config() const = 0;
  // Where this operator's keyed state is, made at the first call; null: in memory. It outlives the
  // operator. Errors: kStateBackend.
  virtual Result<StateBackend*> state_backend() { return nullptr; }

  // Checkpoints are taken, and a last one follows the end of the input, before `close`.
  virtual bool takes_final_checkpoint() const { return false; }
  // An earlier attempt at this job has run here: it may have left something behind that no snapshot
  // names. False for a job that is started for the first time.
  virtual bool is_restart() const { return false; }

  // Asks for Operator::on_processing_time once the wall clock has passed `time_ms`. One request is
  // kept, the earliest; ask again from the callback. Task thread only.
  virtual void wake_at_wall_ms(int64_t time_ms) = 0;
  // Has the task call Operator::on_wake (or poll a source) soon. Any thread; the call has returned
  // before `close` does.
  virtual void wake() = 0;
  // Sends an event to this operator's coordinator (dataflow/coordinator.h). Task thread only.
  virtual void send_to_coordinator(std::string event) = 0;
  // Runs `mail` on the task's thread between two steps. Any thread; dropped when the task has
  // ended.
  virtual void post(std::function<void()> mail) = 0;
};

// One operator of a chain, in one subtask.
class Operator {
 public:
  virtual ~Operator() = default;

  // Called once, before any input, after `restore` has been given what there was. Makes the
  // outputs' pools and the state.
  [[nodiscard]] virtual Status open(OperatorContext& context) = 0;

  // Takes rows [cursor, rows.end) of input `input`; moves `cursor` past what it has taken.
  // While user code runs, `cursor` is the row in hand, so that the task can name it when that
  // throws.
  virtual Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) = 0;

  // Event time has reached `time_ms` on all inputs: fires timers, then passes it on. The default
  // passes it on. Never called with a time that is not later than the last one.
  virtual Progress on_watermark(int64_t time_ms);
  // The watermark of one input alone; for operators that keep them apart. The default does nothing.
  virtual void on_input_watermark(int32_t input, int64_t time_ms);
  // All inputs have become idle, or one is active again. The default passes it on.
  virtual Progress on_idle(bool idle);
  // The wall clock has passed a time asked for by wake_at_wall_ms. `now_ms` is the last millisecond
  // that is over: timers with a time <= now_ms fire.
  virtual Progress on_processing_time(int64_t now_ms);
  // After wake(): for operators with work that completes elsewhere. The default does nothing.
  virtual Progress on_wake();
  // Says that it answered kBlocked though no output has refused: it is called again after wake(),
  // or at this time of the monotonic clock (Clock::kNever: after wake() only).
  virtual std::optional<int64_t> waits_until_ns() const { return std::nullopt; }
  // Input `input` has ended. The last one comes after the final watermark. The default does
  // nothing; the runtime passes the end on by itself when all inputs have ended and this answered
  // kDone.
  virtual Progress on_end_of_input(int32_t input);
  virtual Progress on_latency_marker(const Element& marker);
  // An epoch ends: all that sources have sent before its mark has come, on all inputs, and nothing
  // else. Whoever keeps rows back gives those that belong to it; what has begun elsewhere is waited
  // for. Comes before the snapshot of a barrier too, and resumes as all calls do. The default has
  // nothing to do.
  virtual Progress on_epoch(int64_t epoch);
  // The coordinator of this operator has sent an event. The default does nothing.
  virtual void on_coordinator_event(std::string_view event);

  // ---- Snapshots. A barrier has come to a task: begin_snapshot, then `snapshot` until it answers
  // kDone, or abort_snapshot. One snapshot at a time.

  // State is frozen as it is now: `snapshot` writes the state of this moment. Takes time that does
  // not grow with the state. The default does nothing.
  virtual void begin_snapshot(const SnapshotStart& start);
  // Writes all state, or what has changed, by key group, so that `restore` at any parallelism can
  // read it. Resumable: kBlocked when the writer takes no more now, or when something has to
  // complete elsewhere, which then calls OperatorContext::wake().
  virtual Progress snapshot(SnapshotWriter& writer);
  // True: rows, watermarks and timers may come between two calls of `snapshot`. False: the task
  // calls it to the end before anything else, so that it must be short.
  virtual bool snapshots_in_background() const { return false; }
  // The snapshot that has begun is not wanted any more.
  virtual void abort_snapshot() {}
  // Reads the part of earlier snapshots that belongs to this subtask. Comes before `open`; `reader`
  // stays valid until that has returned, for operators that make their state there.
  [[nodiscard]] virtual Status restore(SnapshotReader& reader);

  // The checkpoint is complete everywhere; sinks commit. Best effort, may skip ids: covers all <=
  // id.
  virtual void on_checkpoint_complete(int64_t checkpoint);
  // The checkpoint will never be complete. Best effort.
  virtual void on_checkpoint_aborted(int64_t checkpoint);
  // Asked when all input was taken and the last checkpoint is complete. False: something goes on
  // elsewhere (a commit), so the task does not end yet; it asks again after wake().
  virtual bool may_end() { return true; }
  // Called once at the end, also after failure or cancellation. `finished`: all input was taken.
  virtual void close(bool finished);

  // Ports in order: 0 is the main output, the others are side outputs. Fixed after construction.
  virtual std::span<OutputPort* const> outputs() = 0;

  // True when all outputs are ready.
  bool outputs_ready();
};

// A source at the head of a chain: it is polled instead of being given rows.
class SourceOperator : public Operator {
 public:
  enum class Poll : uint8_t {
    kMore,        // emitted something, and has more at once
    kNothingYet,  // wait for wake() or the wall time asked for
    kBlocked,     // an output refused
    kEnd,         // bounded input has ended: the runtime sends the final watermark
  };
  // Emits a bounded amount (about one batch of rows) and watermarks.
  virtual Poll poll() = 0;
  Progress on_rows(int32_t, const Element&, uint32_t&) final { return Progress::kDone; }
};

}  // namespace tidewheel
