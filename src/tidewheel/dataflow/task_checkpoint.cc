#include "tidewheel/dataflow/task_checkpoint.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/snapshot_storage.h"
#include "tidewheel/dataflow/task.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {
namespace {

// A step spends this long on a snapshot, and a busy task a fifth of its time.
constexpr int64_t kSliceNs = 200'000;
constexpr int64_t kBusyShare = 4;  // of rows to one of snapshot
// About 30 us of encoding, so that slices end when they should.
constexpr uint64_t kGrantBytes = 32 * 1024;
// An operator that waits for something wakes the task; this is for those that forget.
constexpr int64_t kRetryNs = 1'000'000;
constexpr int64_t kRetryNsMax = 1'000'000'000;
constexpr std::string_view kAccumulators = "accumulators";

}  // namespace

// From the freezing of the operators until all is durable.
struct TaskCheckpoint::Snapshot {
  CheckpointPlanRef plan;
  std::unique_ptr<TaskSnapshotWriter> storage;
  std::vector<SnapshotWriter*> writers;  // by operator
  std::vector<bool> written;             // by operator
  size_t left = 0;                       // operators that are not
  int64_t frozen_ns = 0;
  TaskSnapshot result;
};

TaskCheckpoint::TaskCheckpoint(Task& task) : task_(task) {}
TaskCheckpoint::~TaskCheckpoint() = default;

int64_t TaskCheckpoint::now_ns() const { return task_.world().clock().now_ns(); }

// ---- Mail

void TaskCheckpoint::trigger(CheckpointPlanRef plan) {
  if (task_.spec().plans->find(plan->id) == nullptr) { return; }  // it is over already
  triggers_.push_back(std::move(plan));
}

void TaskCheckpoint::on_complete(int64_t checkpoint) {
  for (const auto& op : task_.operators()) { op->call_checkpoint_complete(checkpoint); }
  if (stop_checkpoint_ != 0 && checkpoint >= stop_checkpoint_) { stop_complete_ = true; }
  if (first_after_end_ != 0 && checkpoint >= first_after_end_) { end_covered_ = true; }
}

void TaskCheckpoint::on_aborted(int64_t checkpoint) {
  std::erase_if(triggers_, [&](const auto& plan) { return plan->id == checkpoint; });
  task_.cancel_alignment(checkpoint);
  if (stage_ != Stage::kNone && barrier_.checkpoint == checkpoint) { barrier_.plan = nullptr; }
  if (writing_ != nullptr && writing_->plan->id == checkpoint) { abort_writing(); }
  std::erase_if(on_their_way_, [&](const auto& snapshot) {
    if (snapshot->plan->id != checkpoint) { return false; }
    TIDEWHEEL_MARK("task.snapshot_aborted_on_its_way");
    snapshot->storage->abandon();
    return true;
  });
  for (const auto& op : task_.operators()) { op->call_checkpoint_aborted(checkpoint); }
  if (stop_checkpoint_ == checkpoint && !stop_complete_) { stop_checkpoint_ = 0; }
}

void TaskCheckpoint::abort_writing() {
  TIDEWHEEL_MARK("task.snapshot_aborted");
  const std::unique_ptr<Snapshot> snapshot = std::move(writing_);
  for (size_t i = 0; i < snapshot->written.size(); ++i) {
    if (!snapshot->written[i]) { task_.operators()[i]->call_abort_snapshot(); }
  }
  snapshot->storage->abandon();
  waits_ = false;
}

// ---- Barriers

bool TaskCheckpoint::on_first_barrier(int64_t checkpoint) {
  aligning_ = {checkpoint, task_.spec().plans->find(checkpoint), now_ns(), 0};
  return aligning_.plan != nullptr && aligning_.plan->exactly_once;
}

void TaskCheckpoint::on_barrier_subsumed(int64_t checkpoint) {
  task_.listener().on_snapshot_declined(
      task_, checkpoint,
      cancelled(ErrorId::kCheckpointDeclined,
                "the barrier of a newer checkpoint has overtaken that of {}", checkpoint));
}

void TaskCheckpoint::on_aligned(int64_t checkpoint) {
  Barrier barrier = std::exchange(aligning_, {});
  TIDEWHEEL_CHECK(barrier.checkpoint == checkpoint, "barriers come one after the other");
  barrier.last_ns = now_ns();
  begin(std::move(barrier));
}

bool TaskCheckpoint::wants_end_of_data() const {
  return stage_ == Stage::kNone && !triggers_.empty() &&
         triggers_.front()->after == AfterSavepoint::kDrain;
}

void TaskCheckpoint::begin(Barrier barrier) {
  barrier_ = std::move(barrier);
  stage_ = Stage::kOlder;
  waits_ = false;
}

TaskCheckpoint::Taking TaskCheckpoint::take_barrier() {
  if (still_waits()) { return Taking::kWaits; }
  if (stage_ == Stage::kNone) {
    CheckpointPlanRef plan = std::move(triggers_.front());
    triggers_.pop_front();
    const int64_t now = now_ns();
    const int64_t id = plan->id;
    begin({id, std::move(plan), now, now});
  }
  if (stage_ == Stage::kOlder) {
    if (writing_ != nullptr) {
      TIDEWHEEL_MARK("task.barrier_waits_for_older_snapshot");
      write_until(now_ns() + kSliceNs, /*background=*/true);
    }
    if (writing_ != nullptr) { return waits_ ? Taking::kWaits : Taking::kMore; }
    // What was sent to the operators before the barrier belongs before it.
    stage_ = Stage::kFlush;
    task_.run_mail();
  }
  if (stage_ == Stage::kFlush) {
    if (!task_.flush_chain()) { return Taking::kRefused; }
    freeze_and_forward();
    stage_ = Stage::kWriting;
  }
  if (writing_ != nullptr) { write_until(Clock::kNever, /*background=*/false); }
  if (writing_ != nullptr && writing_->left > 0) {
    for (size_t i = 0; i < writing_->written.size(); ++i) {
      if (!writing_->written[i] && !task_.operators()[i]->op()->snapshots_in_background()) {
        return waits_ ? Taking::kWaits : Taking::kMore;
      }
    }
  }
  if (writing_ != nullptr) {
    const int64_t now = now_ns();
    writing_->result.figures.sync_ns = now - barrier_.last_ns;
    writing_->frozen_ns = now;
    if (writing_->left == 0) { finish_writing(); }
  }
  stage_ = Stage::kNone;
  barrier_ = {};
  return Taking::kTaken;
}

void TaskCheckpoint::freeze_and_forward() {
  if (task_.spec().plans->find(barrier_.checkpoint) == nullptr) { barrier_.plan = nullptr; }
  const CheckpointPlanRef plan = barrier_.plan;
  if (plan != nullptr && TIDEWHEEL_FAULT("task.snapshot_declined")) {
    barrier_.plan = nullptr;
    task_.listener().on_snapshot_declined(
        task_, plan->id, unavailable(ErrorId::kCheckpointDeclined, "declined by a test"));
  }
  if (barrier_.plan == nullptr) {
    TIDEWHEEL_MARK("task.barrier_without_snapshot");
  } else {
    writing_ = freeze();
    if (plan->after != AfterSavepoint::kGoOn) { stop_checkpoint_ = plan->id; }
    const bool counts =
        plan->kind == SnapshotKind::kCheckpoint || plan->after != AfterSavepoint::kGoOn;
    if (counts && task_.is_at_end_of_data() && first_after_end_ == 0) {
      first_after_end_ = plan->id;
    }
  }
  forward();
}

std::unique_ptr<TaskCheckpoint::Snapshot> TaskCheckpoint::freeze() {
  const CheckpointPlan& plan = *barrier_.plan;
  const TaskSpec& spec = task_.spec();
  auto snapshot = std::make_unique<Snapshot>();
  snapshot->plan = barrier_.plan;
  snapshot->storage = spec.storage->write(plan, spec.vertex, spec.subtask);
  snapshot->left = task_.operators().size();
  snapshot->written.resize(snapshot->left);
  TaskSnapshot& result = snapshot->result;
  result.checkpoint = plan.id;
  result.vertex = spec.vertex;
  result.subtask = spec.subtask;
  result.end_of_data = task_.is_at_end_of_data();
  result.figures.start_delay_ns = barrier_.first_ns - plan.trigger_ns;
  result.figures.alignment_ns = barrier_.last_ns - barrier_.first_ns;
  barrier_.last_ns = now_ns();  // from here on the task stands still
  const bool is_savepoint = plan.kind == SnapshotKind::kSavepoint;
  for (const auto& op : task_.operators()) {
    const SnapshotPlace place = op->place();
    snapshot->writers.push_back(&snapshot->storage->writer(place));
    OperatorSnapshot one;
    one.uid = place.operator_uid;
    one.name = op->name();
    one.subtask = place.subtask;
    one.parallelism = place.parallelism;
    one.max_parallelism = place.max_parallelism;
    one.accumulators = op->spec().metrics->group(kAccumulators).counter_values();
    result.operators.push_back(std::move(one));
    op->call_begin_snapshot({plan.id, is_savepoint ? 0 : plan.base_checkpoint});
  }
  return snapshot;
}

void TaskCheckpoint::forward() {
  task_.send_to_channels(Element::control(Element::Kind::kBarrier, barrier_.checkpoint));
  task_.listener().on_barrier_taken(task_, barrier_.checkpoint);
}

// ---- Writing

bool TaskCheckpoint::write(Pace pace) {
  if (writing_ == nullptr || stage_ != Stage::kNone || still_waits()) { return false; }
  const int64_t begin_ns = now_ns();
  if (pace == Pace::kBusy && begin_ns < next_slice_ns_) { return false; }
  write_until(begin_ns + kSliceNs, /*background=*/true);
  const int64_t end_ns = now_ns();
  next_slice_ns_ = end_ns + kBusyShare * (end_ns - begin_ns);
  return true;
}

// `background`: all operators, else those only that do not write in the background.
void TaskCheckpoint::write_until(int64_t deadline_ns, bool background) {
  Snapshot& snapshot = *writing_;
  for (size_t i = 0; i < snapshot.written.size() && !waits_; ++i) {
    if (snapshot.written[i]) { continue; }
    if (!background && task_.operators()[i]->op()->snapshots_in_background()) { continue; }
    while (!write_operator(snapshot, i)) {
      if (waits_ || refuses_for_test() || now_ns() >= deadline_ns) { return; }
    }
    snapshot.written[i] = true;
    --snapshot.left;
  }
  if (background && snapshot.left == 0) { finish_writing(); }
}

// True: the operator has written all.
bool TaskCheckpoint::write_operator(Snapshot& snapshot, size_t index) {
  snapshot.storage->grant(kGrantBytes, [task = &task_, gate = gate_] {
    if (!gate->enter()) { return; }
    task->ask_for_attention();
    gate->leave();
  });
  if (!snapshot.storage->has_room()) {
    TIDEWHEEL_MARK("task.snapshot_waits_for_disk");
    waits_ = true;
    retry_at_ns_ = Clock::kNever;
    return false;
  }
  ChainedOperator& op = *task_.operators()[index];
  if (op.call_snapshot(*snapshot.writers[index]) == Progress::kDone) {
    retry_after_ns_ = 0;
    return true;
  }
  if (snapshot.writers[index]->ready()) {
    wait_elsewhere();
  } else {
    retry_after_ns_ = 0;
  }
  return false;
}

void TaskCheckpoint::wait_elsewhere() {
  waits_ = true;
  retry_after_ns_ = std::clamp(retry_after_ns_ * 2, kRetryNs, kRetryNsMax);
  retry_at_ns_ = now_ns() + retry_after_ns_;
}

bool TaskCheckpoint::still_waits() {
  if (waits_ && now_ns() >= retry_at_ns_) { waits_ = false; }
  return waits_;
}

void TaskCheckpoint::finish_writing() {
  std::unique_ptr<Snapshot> snapshot = std::move(writing_);
  TaskSnapshotWriter& storage = *snapshot->storage;
  const int64_t checkpoint = snapshot->plan->id;
  on_their_way_.push_back(std::move(snapshot));
  storage.finish([task = &task_, gate = gate_, this,
                  checkpoint](Result<std::vector<std::vector<SegmentRef>>> segments) {
    if (!gate->enter()) { return; }
    auto result =
        std::make_shared<Result<std::vector<std::vector<SegmentRef>>>>(std::move(segments));
    task->post([this, checkpoint, result] { on_written(checkpoint, std::move(*result)); });
    gate->leave();
  });
}

void TaskCheckpoint::on_written(int64_t checkpoint,
                                Result<std::vector<std::vector<SegmentRef>>> segments) {
  const auto it = std::find_if(on_their_way_.begin(), on_their_way_.end(),
                               [&](const auto& one) { return one->plan->id == checkpoint; });
  if (it == on_their_way_.end()) { return; }  // aborted meanwhile
  const std::unique_ptr<Snapshot> snapshot = std::move(*it);
  on_their_way_.erase(it);
  if (!segments.ok()) {
    TIDEWHEEL_MARK("task.snapshot_failed");
    task_.listener().on_snapshot_declined(task_, checkpoint, segments.status());
    return;
  }
  TaskSnapshot& result = snapshot->result;
  result.figures.async_ns = now_ns() - snapshot->frozen_ns;
  for (size_t i = 0; i < result.operators.size() && i < segments->size(); ++i) {
    result.operators[i].segments = std::move((*segments)[i]);
    for (const SegmentRef& segment : result.operators[i].segments) {
      result.figures.bytes_written += segment.place.length;
    }
  }
  task_.listener().on_snapshot_taken(task_, std::move(result));
}

void TaskCheckpoint::close() {
  gate_->close();
  if (writing_ != nullptr) { writing_->storage->abandon(); }
  for (const auto& snapshot : on_their_way_) { snapshot->storage->abandon(); }
  writing_.reset();
  on_their_way_.clear();
  triggers_.clear();
}

}  // namespace tidewheel
