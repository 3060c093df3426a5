#include "tidewheel/dataflow/chained_operator.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/fault.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/task_snapshot.h"
#include "tidewheel/dataflow/task.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {
namespace {

constexpr std::string_view kAccumulatorGroup = "accumulators";

// Marks whose code runs, so that the task's border can name it when it throws. Restored on the
// normal path only: an exception leaves the innermost operator's mark.
class Running {
 public:
  Running(Task& task, ChainedOperator* op)
      : task_(task), before_(std::exchange(task.running_operator(), op)) {}
  void done() { task_.running_operator() = before_; }

 private:
  Task& task_;
  ChainedOperator* const before_;
};

}  // namespace

ChainedOperator::ChainedOperator(Task& task, ChainedOperatorSpec spec, Random random)
    : task_(task),
      spec_(std::move(spec)),
      op_(std::move(spec_.op)),
      source_(spec_.input_count == 0 ? static_cast<SourceOperator*>(op_.get()) : nullptr),
      random_(random),
      open_inputs_(spec_.input_count),
      rows_in_(spec_.metrics->counter("numRecordsIn")),
      rows_out_(spec_.metrics->counter("numRecordsOut")),
      watermark_gauge_(spec_.metrics->gauge("currentInputWatermark")),
      output_watermark_(spec_.metrics->gauge("currentOutputWatermark")) {
  watermark_gauge_.set(kMinWatermark);
  output_watermark_.set(kMinWatermark);
  for (int32_t input = 1; input <= spec_.input_count && spec_.input_count > 1; ++input) {
    input_watermarks_.push_back(
        &spec_.metrics->gauge(fmt::format("currentInput{}Watermark", input)));
    input_watermarks_.back()->set(kMinWatermark);
  }
}

SentGauges ChainedOperator::sent_gauges() {
  Gauge* const event_time = source_ == nullptr ? nullptr : &task_.gauges().latest_event_time;
  return {.watermark = &output_watermark_, .event_time = event_time};
}

bool ChainedOperator::offer(Element& element) {
  // What it has sent before comes first. So the chain resumes from its tail.
  if (retry_outputs() == Progress::kBlocked) { return false; }
  before_.note(element);
  return take(0, element);
}

bool ChainedOperator::take(int32_t input, Element& element) {
  Running running(task_, this);
  bool taken = true;
  switch (element.kind) {
    case Element::Kind::kBatch: taken = take_rows(input, element); break;
    case Element::Kind::kWatermark: taken = take_watermark(element.value); break;
    case Element::Kind::kIdle: taken = op_->on_idle(true) == Progress::kDone; break;
    case Element::Kind::kActive: taken = op_->on_idle(false) == Progress::kDone; break;
    case Element::Kind::kLatencyMarker: taken = take_marker(element); break;
    case Element::Kind::kEndOfData: taken = take_end(input); break;
    case Element::Kind::kBarrier:
    case Element::Kind::kEndOfInput: break;  // the task's own
  }
  count_output();
  running.done();
  return taken;
}

bool ChainedOperator::take_rows(int32_t input, const Element& rows) {
  if (!in_progress_) {
    cursor_ = rows.begin;
    in_progress_ = true;
  }
  Progress progress = Progress::kDone;
  try {
    progress = op_->on_rows(input, rows, cursor_);
  } catch (...) {
    // Now: whoever catches it may find the batch gone.
    failed_row_ = describe_row(rows);
    throw;
  }
  if (progress == Progress::kBlocked) {
    TIDEWHEEL_MARK("chain.rows_refused");
    return false;
  }
  in_progress_ = false;
  rows_in_.add(rows.end - rows.begin);
  return true;
}

bool ChainedOperator::take_watermark(int64_t time_ms) {
  if (!in_progress_) {
    if (time_ms <= last_watermark_) { return true; }
    last_watermark_ = time_ms;
    watermark_gauge_.set(time_ms);
    if (op_->outputs().empty()) { output_watermark_.set(time_ms); }
    in_progress_ = true;
    if (spec_.input_count == 1) { op_->on_input_watermark(0, time_ms); }
  }
  if (op_->on_watermark(time_ms) == Progress::kBlocked) {
    TIDEWHEEL_MARK("chain.watermark_refused");
    return false;
  }
  in_progress_ = false;
  return true;
}

void ChainedOperator::take_input_watermark(int32_t input, int64_t time_ms) {
  Running running(task_, this);
  input_watermarks_[static_cast<size_t>(input)]->set(time_ms);
  op_->on_input_watermark(input, time_ms);
  running.done();
}

bool ChainedOperator::take_end(int32_t input) {
  if (!in_progress_) {
    if (op_->on_end_of_input(input) == Progress::kBlocked) {
      TIDEWHEEL_MARK("chain.end_of_input_refused");
      return false;
    }
    if (--open_inputs_ > 0) { return true; }
    in_progress_ = true;  // what is left is to pass it on
  }
  if (!send_end()) { return false; }
  in_progress_ = false;
  return true;
}

bool ChainedOperator::take_marker(const Element& marker) {
  if (op_->on_latency_marker(marker) == Progress::kBlocked) { return false; }
  if (op_->outputs().empty()) {
    spec_.metrics->histogram("latencyNs").record(clock().now_ns() - marker.value);
  }
  return true;
}

bool ChainedOperator::end_source() {
  Running running(task_, this);
  if (!in_progress_) {
    if (!op_->outputs_ready()) {
      running.done();
      return false;
    }
    for (OutputPort* port : op_->outputs()) {
      static_cast<void>(port->send(Element::watermark(kMaxWatermark)));
    }
    watermark_gauge_.set(kMaxWatermark);
    in_progress_ = true;
  }
  const bool sent = send_end();
  if (sent) { in_progress_ = false; }
  running.done();
  return sent;
}

bool ChainedOperator::send_end() {
  if (!op_->outputs_ready()) { return false; }
  for (OutputPort* port : op_->outputs()) {
    static_cast<void>(port->send(Element::control(Element::Kind::kEndOfData)));
  }
  has_ended_ = true;
  return true;
}

Progress ChainedOperator::call_wake() {
  Running running(task_, this);
  const Progress progress = op_->on_wake();
  count_output();
  running.done();
  return progress;
}

Progress ChainedOperator::call_processing_time(int64_t over_ms) {
  Running running(task_, this);
  const Progress progress = op_->on_processing_time(over_ms);
  count_output();
  running.done();
  return progress;
}

Progress ChainedOperator::call_epoch(int64_t epoch) {
  Running running(task_, this);
  const Progress progress = op_->on_epoch(epoch);
  count_output();
  running.done();
  return progress;
}

SourceOperator::Poll ChainedOperator::call_poll() {
  Running running(task_, this);
  const SourceOperator::Poll poll = source_->poll();
  count_output();
  running.done();
  return poll;
}

Progress ChainedOperator::retry_outputs() {
  Progress progress = Progress::kDone;
  for (OutputPort* port : op_->outputs()) {
    if (port->retry() == Progress::kBlocked) { progress = Progress::kBlocked; }
  }
  return progress;
}

Progress ChainedOperator::flush_outputs() {
  Progress progress = Progress::kDone;
  for (OutputPort* port : op_->outputs()) {
    if (port->has_gathered_rows() && port->flush() == Progress::kBlocked) {
      progress = Progress::kBlocked;
    }
  }
  count_output();
  return progress;
}

bool ChainedOperator::waits_for_memory() const {
  const auto ports = op_->outputs();
  return std::any_of(ports.begin(), ports.end(),
                     [](const OutputPort* port) { return port->waits_for_memory(); });
}

Status ChainedOperator::open(const SnapshotSource* source) {
  Running running(task_, this);
  std::unique_ptr<SnapshotReader> reader;  // until the operator is open
  if (source != nullptr) {
    restore_accumulators(*spec_.metrics, spec_.accumulators);
    TIDEWHEEL_ASSIGN_OR_RETURN(reader, source->reader(place()));
    TIDEWHEEL_RETURN_IF_ERROR(op_->restore(*reader));
  }
  TIDEWHEEL_RETURN_IF_ERROR(op_->open(*this));
  running.done();
  return ok_status();
}

void restore_accumulators(MetricGroup& metrics, const std::map<std::string, int64_t>& values) {
  MetricGroup& group = metrics.group(kAccumulatorGroup);
  for (const auto& [name, value] : group.counter_values()) { group.counter(name).add(-value); }
  for (const auto& [name, value] : values) { group.counter(name).add(value); }
}

SnapshotPlace ChainedOperator::place() const {
  return {.operator_uid = spec_.uid,
          .subtask = subtask_index(),
          .parallelism = parallelism(),
          .max_parallelism = spec_.max_parallelism};
}

OperatorSnapshot ChainedOperator::describe() const {
  OperatorSnapshot snapshot;
  snapshot.uid = spec_.uid;
  snapshot.name = name();
  snapshot.subtask = subtask_index();
  snapshot.parallelism = parallelism();
  snapshot.max_parallelism = spec_.max_parallelism;
  snapshot.accumulators = spec_.metrics->group(kAccumulatorGroup).counter_values();
  return snapshot;
}

void ChainedOperator::call_begin_snapshot(const SnapshotStart& start) {
  Running running(task_, this);
  op_->begin_snapshot(start);
  running.done();
}

Progress ChainedOperator::call_snapshot(SnapshotWriter& writer) {
  Running running(task_, this);
  const Progress progress = op_->snapshot(writer);
  running.done();
  return progress;
}

void ChainedOperator::call_abort_snapshot() {
  Running running(task_, this);
  op_->abort_snapshot();
  running.done();
}

void ChainedOperator::call_checkpoint_complete(int64_t checkpoint) {
  Running running(task_, this);
  op_->on_checkpoint_complete(checkpoint);
  running.done();
}

void ChainedOperator::call_checkpoint_aborted(int64_t checkpoint) {
  Running running(task_, this);
  op_->on_checkpoint_aborted(checkpoint);
  running.done();
}

void ChainedOperator::close(bool finished) {
  Running running(task_, this);
  op_->close(finished);
  running.done();
}

void ChainedOperator::count_output() {
  int64_t rows = 0;
  for (const OutputPort* port : op_->outputs()) { rows += port->rows_sent(); }
  rows_out_.add(rows - rows_out_.value());
}

std::string ChainedOperator::describe_row(const Element& rows) const {
  if (cursor_ < rows.begin || cursor_ >= rows.end) { return {}; }
  // Batches of columns are taken as wholes, and have no times of their own.
  if (rows.batch->timestamps() == nullptr) { return {}; }
  const int64_t time_ms = rows.batch->timestamps()[cursor_];
  const std::string time =
      time_ms == kNoTimestamp ? "without event time" : fmt::format("event time {} ms", time_ms);
  return fmt::format(", row {} of the {} in the batch, {}", cursor_ - rows.begin + 1,
                     rows.end - rows.begin, time);
}

int32_t ChainedOperator::subtask_index() const { return task_.spec().subtask; }
int32_t ChainedOperator::parallelism() const { return task_.spec().parallelism; }
KeyGroupRange ChainedOperator::key_groups() const {
  return key_groups_of(subtask_index(), parallelism(), spec_.max_parallelism);
}
uint32_t ChainedOperator::batch_rows() const { return task_.spec().batch_rows; }
Clock& ChainedOperator::clock() { return task_.world().clock(); }
Executor& ChainedOperator::executor() { return task_.world().executor(); }
FileSystem& ChainedOperator::files() { return task_.world().files(); }
Network& ChainedOperator::network() { return task_.world().network(); }
const Config& ChainedOperator::config() const { return *task_.spec().config; }
Result<StateBackend*> ChainedOperator::state_backend() {
  if (spec_.backends == nullptr) { return nullptr; }
  if (backend_ == nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(backend_,
                               spec_.backends->make({.operator_uid = uid(),
                                                     .operator_name = name(),
                                                     .subtask = subtask_index(),
                                                     .key_groups = key_groups(),
                                                     .max_parallelism = max_parallelism()},
                                                    spec_.metrics));
  }
  return backend_.get();
}
bool ChainedOperator::takes_final_checkpoint() const {
  const TaskSpec& spec = task_.spec();
  return spec.waits_for_final_checkpoint || spec.hands_over || spec.commits_only;
}
bool ChainedOperator::is_restart() const { return task_.spec().is_restart; }

void ChainedOperator::wake_at_wall_ms(int64_t time_ms) {
  if (time_ms < wake_wall_ms_) {
    wake_wall_ms_ = time_ms;
    task_.arm_wall_timer(time_ms);
  }
}

void ChainedOperator::wake() {
  wake_requested_.store(true, std::memory_order_seq_cst);
  task_.ask_for_attention();
}

void ChainedOperator::send_to_coordinator(std::string event) {
  task_.listener().on_operator_event(spec_.node, subtask_index(), std::move(event));
}

void ChainedOperator::post(std::function<void()> mail) { task_.post(std::move(mail)); }

}  // namespace tidewheel
