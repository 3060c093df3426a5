// One operator in the chain of a task: hands it the elements of the operator before it, and is the
// context that it sees.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/dataflow/output.h"
#include "tidewheel/dataflow/task_figures.h"
#include "tidewheel/state/state_backend.h"

namespace tidewheel {

class SnapshotSource;     // state/snapshot.h
class Task;               // dataflow/task.h
class World;              // base/world.h
struct OperatorSnapshot;  // checkpoint/task_snapshot.h
struct SnapshotPlace;     // state/snapshot.h

// What the job knows of one operator in one subtask.
struct ChainedOperatorSpec {
  int32_t node = 0;  // in the job's graph
  std::string name;
  std::string uid;  // or the derived id
  int32_t max_parallelism = 128;
  int32_t input_count = 1;            // 0 for a source
  MemoryPool* memory = nullptr;       // the operator's account, shared by its subtasks
  MetricGroup* metrics = nullptr;     // of this subtask alone
  StateBackends* backends = nullptr;  // null: keyed state is in memory
  std::unique_ptr<Operator> op;
  // Restored values of the counters in its group "accumulators".
  std::map<std::string, int64_t> accumulators = {};
};

// Sets the counters of an operator's subtask in its group "accumulators": a run before may have
// counted there.
void restore_accumulators(MetricGroup& metrics, const std::map<std::string, int64_t>& values);

// Lives on its task's thread, but for what OperatorContext says is for any thread. It outlives the
// operator, which is destroyed when it was closed.
class ChainedOperator final : public ElementSink, public OperatorContext {
 public:
  ChainedOperator(Task& task, ChainedOperatorSpec spec, Random random);

  // As the consumer of the operator before it.
  [[nodiscard]] bool offer(Element& element) override;
  // Told what the operator before it sends.
  void set_sent_gauges(const SentGauges& gauges) { before_ = gauges; }
  // For whoever takes what this one sends.
  SentGauges sent_gauges();
  // Takes an element of input `input`; watermarks and idleness are those of all inputs together.
  // False: refused, to be called again with the same arguments.
  [[nodiscard]] bool take(int32_t input, Element& element);
  // The watermark of one of several inputs.
  void take_input_watermark(int32_t input, int64_t time_ms);
  // The end of a source's rows: the final watermark, then the end of data. False: refused.
  [[nodiscard]] bool end_source();
  [[nodiscard]] Progress call_wake();
  [[nodiscard]] Progress call_processing_time(int64_t over_ms);
  [[nodiscard]] Progress call_epoch(int64_t epoch);
  [[nodiscard]] SourceOperator::Poll call_poll();
  // Offers again what was refused. kDone when nothing is left.
  Progress retry_outputs();
  // Sends the rows that wait in outputs for their batch to fill.
  Progress flush_outputs();
  bool waits_for_memory() const;
  // All inputs have ended, and this was passed on.
  bool has_ended() const { return has_ended_; }

  // Restores it when there is something to restore from, then opens it.
  Status open(const SnapshotSource* source);
  void call_begin_snapshot(const SnapshotStart& start);
  [[nodiscard]] Progress call_snapshot(SnapshotWriter& writer);
  void call_abort_snapshot();
  void call_checkpoint_complete(int64_t checkpoint);
  void call_checkpoint_aborted(int64_t checkpoint);
  SnapshotPlace place() const;
  // What a snapshot says of it, without its segments.
  OperatorSnapshot describe() const;
  void close(bool finished);
  // After `close`: frees the operator with its state and outputs.
  void destroy() {
    op_.reset();
    backend_.reset();
  }
  Operator* op() { return op_.get(); }
  const ChainedOperatorSpec& spec() const { return spec_; }

  // True once after each wake().
  bool take_wake_request() { return wake_requested_.exchange(false, std::memory_order_seq_cst); }
  int64_t wake_wall_ms() const { return wake_wall_ms_; }
  void clear_wake_wall_ms() { wake_wall_ms_ = Clock::kNever; }

  // ", row 3 of a batch of 10, event time 1234": the row on which on_rows has thrown, when it has.
  const std::string& failed_row() const { return failed_row_; }

  int64_t rows_in() const { return rows_in_.value(); }
  int64_t rows_out() const { return rows_out_.value(); }
  int64_t watermark() const { return watermark_gauge_.value(); }

  // ---- OperatorContext
  const std::string& name() const override { return spec_.name; }
  const std::string& uid() const override { return spec_.uid; }
  int32_t subtask_index() const override;
  int32_t parallelism() const override;
  int32_t max_parallelism() const override { return spec_.max_parallelism; }
  KeyGroupRange key_groups() const override;
  uint32_t batch_rows() const override;
  Clock& clock() override;
  Random& random() override { return random_; }
  Executor& executor() override;
  FileSystem& files() override;
  Network& network() override;
  MemoryPool& memory() override { return *spec_.memory; }
  MetricGroup& metrics() override { return *spec_.metrics; }
  const Config& config() const override;
  Result<StateBackend*> state_backend() override;
  bool takes_final_checkpoint() const override;
  bool is_restart() const override;
  void wake_at_wall_ms(int64_t time_ms) override;
  void wake() override;
  void send_to_coordinator(std::string event) override;
  void post(std::function<void()> mail) override;

 private:
  std::string describe_row(const Element& rows) const;
  [[nodiscard]] bool take_rows(int32_t input, const Element& rows);
  [[nodiscard]] bool take_watermark(int64_t time_ms);
  [[nodiscard]] bool take_end(int32_t input);
  [[nodiscard]] bool take_marker(const Element& marker);
  [[nodiscard]] bool send_end();
  void count_output();

  Task& task_;
  ChainedOperatorSpec spec_;
  std::unique_ptr<StateBackend> backend_;  // outlives the operator
  std::unique_ptr<Operator> op_;
  SourceOperator* const source_;  // op_, when it is one
  Random random_;

  bool in_progress_ = false;  // an element was begun and refused: it comes again
  uint32_t cursor_ = 0;       // the row that is next, within that element
  std::string failed_row_;
  int64_t last_watermark_ = kMinWatermark;
  int32_t open_inputs_;
  bool has_ended_ = false;

  int64_t wake_wall_ms_ = Clock::kNever;
  std::atomic<bool> wake_requested_{false};

  Counter& rows_in_;
  Counter& rows_out_;
  Gauge& watermark_gauge_;
  Gauge& output_watermark_;
  std::vector<Gauge*> input_watermarks_;  // by input, of an operator that has several
  SentGauges before_;
};

}  // namespace tidewheel
