#include "tidewheel/dataflow/task_checkpoint.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/snapshot_storage.h"
#include "tidewheel/dataflow/gathers_rows.h"
#include "tidewheel/dataflow/in_flight.h"
#include "tidewheel/dataflow/task.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {
namespace {

// A step spends this long on a snapshot, and a busy task a fifth of its time.
constexpr int64_t kSliceNs = 200'000;
constexpr int64_t kBusyShare = 4;  // of rows to one of snapshot
// Not at once: behind a barrier each key in use is written before it is changed for the first time,
// and rows take twice as long. If the task gave time to the rest too, rows that come at an even
// rate would pile up, and wait for longer than any other rows.
constexpr int64_t kFirstTouchesNs = 30'000'000;
// About 30 us of encoding, so that slices end when they should.
constexpr uint64_t kGrantBytes = 32 * 1024;
// An operator that waits for something wakes the task; this is for those that forget.
constexpr int64_t kRetryNs = 1'000'000;
constexpr int64_t kRetryNsMax = 1'000'000'000;

// Barriers of the checkpoint may overtake, now or later.
bool may_overtake(const CheckpointPlan& plan) {
  return plan.exactly_once && plan.kind == SnapshotKind::kCheckpoint &&
         plan.unaligned_after_ns != Clock::kNever;
}
// From then on they do.
int64_t overtakes_at_ns(const CheckpointPlan& plan) {
  if (!may_overtake(plan)) { return Clock::kNever; }
  return plan.unaligned_after_ns > Clock::kNever - plan.trigger_ns
             ? Clock::kNever
             : plan.trigger_ns + plan.unaligned_after_ns;
}
bool overtakes(const CheckpointPlan* plan, int64_t now_ns) {
  return plan != nullptr && may_overtake(*plan) &&
         (plan->unaligned_after_ns == 0 || now_ns >= overtakes_at_ns(*plan));
}

CheckpointPlanRef as_mark(const CheckpointPlan& plan) {
  auto mark = std::make_shared<CheckpointPlan>();
  mark->id = plan.id;
  mark->is_mark = true;
  mark->trigger_ns = plan.trigger_ns;
  return mark;
}

// Has those who keep rows back give them, from the head of the chain on. May be called again.
bool give_what_is_kept(Task& task, int64_t checkpoint) {
  for (const std::unique_ptr<ChainedOperator>& op : task.operators()) {
    if (dynamic_cast<const GathersRows*>(op->op()) == nullptr) { continue; }
    if (!task.flush_chain() || op->call_epoch(checkpoint) == Progress::kBlocked) { return false; }
  }
  return task.flush_chain();
}

}  // namespace

// From the freezing of the operators until all is durable.
struct TaskCheckpoint::Snapshot {
  CheckpointPlanRef plan;
  std::unique_ptr<TaskSnapshotWriter> storage;
  std::vector<SnapshotWriter*> writers;  // by operator
  std::vector<bool> written;             // by operator
  size_t left = 0;                       // operators that are not
  size_t in_hand = SIZE_MAX;             // the operator in the midst of its states
  // What the barrier has overtaken; [next_in_flight, end) is not written.
  std::vector<InFlightElement> in_flight;
  size_t next_in_flight = 0;
  InFlightWriter in_flight_writer;
  bool barrier_may_wait = false;  // for room in a channel, and overtake late
  int64_t frozen_ns = 0;
  TaskSnapshot result;
};

TaskCheckpoint::TaskCheckpoint(Task& task) : task_(task) {}
TaskCheckpoint::~TaskCheckpoint() = default;

int64_t TaskCheckpoint::now_ns() const { return task_.world().clock().now_ns(); }

// ---- Mail

void TaskCheckpoint::trigger(CheckpointPlanRef plan) {
  const bool is_over = task_.spec().plans->find(plan->id) == nullptr;
  if (is_over && !task_.spec().has_epochs) { return; }
  if (is_over && !plan->is_mark) { plan = as_mark(*plan); }
  // A source that is refused for long does not gather marks: what the older one would have ended is
  // part of the newer one's epoch, or of that of the barrier.
  if (!triggers_.empty() && triggers_.back()->is_mark) { triggers_.pop_back(); }
  triggers_.push_back(std::move(plan));
}

void TaskCheckpoint::on_complete(int64_t checkpoint) {
  for (const auto& op : task_.operators()) { op->call_checkpoint_complete(checkpoint); }
  if (stop_checkpoint_ != 0 && checkpoint >= stop_checkpoint_) { stop_complete_ = true; }
  if (first_after_end_ != 0 && checkpoint >= first_after_end_) { end_covered_ = true; }
}

void TaskCheckpoint::on_aborted(int64_t checkpoint) {
  if (task_.spec().has_epochs) {
    // Its barriers still end an epoch: they go on, as marks. Before another one that is what ends
    // the epoch.
    for (size_t i = 0; i < triggers_.size(); ++i) {
      if (triggers_[i]->id != checkpoint) { continue; }
      if (i + 1 == triggers_.size()) {
        triggers_[i] = as_mark(*triggers_[i]);
      } else {
        triggers_.erase(triggers_.begin() + static_cast<std::ptrdiff_t>(i));
      }
      break;
    }
  } else {
    std::erase_if(triggers_, [&](const auto& plan) { return plan->id == checkpoint; });
    if (task_.gate() != nullptr) { task_.gate()->cancel(checkpoint); }
  }
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

BarrierWatcher::Alignment TaskCheckpoint::on_first_barrier(int64_t checkpoint) {
  const int64_t now = now_ns();
  aligning_ = {checkpoint, task_.spec().plans->find(checkpoint), now, 0};
  if (task_.spec().has_epochs) { return Alignment::kBlock; }
  if (aligning_.plan == nullptr || !aligning_.plan->exactly_once) { return Alignment::kCount; }
  return overtakes(aligning_.plan.get(), now) ? Alignment::kOvertake : Alignment::kBlock;
}

void TaskCheckpoint::on_barrier_subsumed(int64_t checkpoint) {
  if (writing_ != nullptr && writing_->plan->id == checkpoint) { abort_writing(); }
  // Of a mark nobody waits to hear.
  if (task_.spec().has_epochs && task_.spec().plans->find(checkpoint) == nullptr) { return; }
  decline(checkpoint,
          cancelled(ErrorId::kCheckpointDeclined,
                    "the barrier of a newer checkpoint has overtaken that of {}", checkpoint));
}

void TaskCheckpoint::on_overtaken(InFlightElement element) {
  if (writing_ != nullptr) { writing_->in_flight.push_back(std::move(element)); }
}

void TaskCheckpoint::decline(int64_t checkpoint, Status why) {
  task_.listener().on_snapshot_declined(task_, checkpoint, std::move(why));
}

void TaskCheckpoint::on_due(int64_t checkpoint) {
  Barrier barrier = std::exchange(aligning_, {});
  TIDEWHEEL_CHECK(barrier.checkpoint == checkpoint, "barriers come one after the other");
  barrier.last_ns = now_ns();
  begin(std::move(barrier));
}

bool TaskCheckpoint::is_mark() const { return task_.spec().has_epochs && barrier_.plan == nullptr; }

bool TaskCheckpoint::has_trigger() const {
  return !triggers_.empty() && (task_.gate() == nullptr || task_.gate()->ended());
}

bool TaskCheckpoint::is_urgent() const {
  if (stage_ != Stage::kNone) { return overtakes(barrier_.plan.get(), now_ns()); }
  return has_trigger() && overtakes(triggers_.front().get(), now_ns());
}

void TaskCheckpoint::on_time(int64_t now_ns) {
  time_seen_ns_ = now_ns;
  InputGate* const gate = task_.gate();
  if (gate != nullptr && gate->aligning() != 0 && !gate->overtakes() &&
      overtakes(aligning_.plan.get(), now_ns)) {
    gate->overtake();
  }
  if (writing_ != nullptr && writing_->barrier_may_wait &&
      overtakes(writing_->plan.get(), now_ns)) {
    writing_->barrier_may_wait = false;
    for (const auto& writer : task_.writers()) {
      if (writer->edge() != nullptr && writer->edge()->overtakes) {
        writer->overtake_late(writing_->plan->id, writing_->in_flight);
      }
    }
  }
}

int64_t TaskCheckpoint::deadline_ns() const {
  int64_t next_ns = Clock::kNever;
  const auto add = [&](const CheckpointPlanRef& plan) {
    if (plan == nullptr) { return; }
    const int64_t time_ns = overtakes_at_ns(*plan);
    if (time_ns > time_seen_ns_) { next_ns = std::min(next_ns, time_ns); }
  };
  if (task_.gate() != nullptr && task_.gate()->aligning() != 0) { add(aligning_.plan); }
  if (stage_ != Stage::kNone) { add(barrier_.plan); }
  if (has_trigger()) { add(triggers_.front()); }
  if (writing_ != nullptr && writing_->barrier_may_wait) { add(writing_->plan); }
  return next_ns;
}

bool TaskCheckpoint::wants_end_of_data() const {
  return stage_ == Stage::kNone && has_trigger() &&
         triggers_.front()->after == AfterSavepoint::kDrain;
}

void TaskCheckpoint::begin(Barrier barrier) {
  barrier_ = std::move(barrier);
  stage_ = Stage::kOlder;
  waits_ = false;
}

TaskCheckpoint::Taking TaskCheckpoint::take_barrier() {
  // A mark does not wait for the snapshot before it.
  const bool marks = stage_ == Stage::kNone ? triggers_.front()->is_mark : is_mark();
  if (!marks && still_waits()) { return Taking::kWaits; }
  if (stage_ == Stage::kNone) {
    CheckpointPlanRef plan = std::move(triggers_.front());
    triggers_.pop_front();
    const int64_t now = now_ns();
    const int64_t id = plan->id;
    if (plan->is_mark) { plan = nullptr; }
    begin({id, std::move(plan), now, now});
  }
  if (stage_ == Stage::kOlder) {
    // A mark takes no snapshot, so that an older one may go on.
    if (!is_mark() && !finish_older()) {
      if (waits_) { return Taking::kWaits; }
      return writing_->left == 0 && writing_->next_in_flight == writing_->in_flight.size()
                 ? Taking::kRefused  // its barrier waits for room
                 : Taking::kMore;
    }
    // What was sent to the operators before the barrier belongs before it.
    stage_ = Stage::kFlush;
    task_.run_mail();
  }
  if (stage_ == Stage::kFlush) {
    const bool flushed = task_.spec().has_epochs ? task_.end_epoch(barrier_.checkpoint)
                                                 : give_what_is_kept(task_, barrier_.checkpoint);
    if (!flushed) { return Taking::kRefused; }
    const bool is_last = is_mark();
    freeze_and_forward();
    stage_ = is_last ? Stage::kNone : Stage::kWriting;
    if (is_last) {
      barrier_ = {};
      return Taking::kTaken;
    }
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
    next_slice_ns_ = now + kFirstTouchesNs;
    if (is_complete(*writing_)) { finish_writing(); }
  }
  stage_ = Stage::kNone;
  barrier_ = {};
  return Taking::kTaken;
}

// True: no snapshot is being written any more.
bool TaskCheckpoint::finish_older() {
  if (writing_ == nullptr) { return true; }
  TIDEWHEEL_MARK("task.barrier_waits_for_older_snapshot");
  // Its channels will not deliver what they owe it, now that the newer barrier has come on all.
  if (task_.gate() != nullptr && task_.gate()->recording() == writing_->plan->id) {
    const int64_t older = writing_->plan->id;
    task_.gate()->cancel(older);
    on_barrier_subsumed(older);
    return true;
  }
  write_until(now_ns() + kSliceNs, /*background=*/true);
  return writing_ == nullptr;
}

void TaskCheckpoint::freeze_and_forward() {
  if (task_.spec().plans->find(barrier_.checkpoint) == nullptr) { barrier_.plan = nullptr; }
  const CheckpointPlanRef plan = barrier_.plan;
  if (plan != nullptr && TIDEWHEEL_FAULT("task.snapshot_declined")) {
    barrier_.plan = nullptr;
    decline(plan->id, unavailable(ErrorId::kCheckpointDeclined, "declined by a test"));
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
  forward(writing_.get());
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
  task_.gauges().start_delay_ns.set(result.figures.start_delay_ns);
  task_.gauges().alignment_ns.set(result.figures.alignment_ns);
  barrier_.last_ns = now_ns();  // from here on the task stands still
  const bool is_savepoint = plan.kind == SnapshotKind::kSavepoint;
  for (const auto& op : task_.operators()) {
    snapshot->writers.push_back(&snapshot->storage->writer(op->place()));
    result.operators.push_back(op->describe());
    op->call_begin_snapshot({plan.id, is_savepoint ? 0 : plan.base_checkpoint});
  }
  return snapshot;
}

void TaskCheckpoint::forward(Snapshot* snapshot) {
  const int64_t id = barrier_.checkpoint;
  const bool announced = snapshot != nullptr && may_overtake(*snapshot->plan);
  const bool overtaking = announced && overtakes(snapshot->plan.get(), now_ns());
  for (const auto& writer : task_.writers()) {
    const bool can = writer->edge() != nullptr && writer->edge()->overtakes;
    if (overtaking && can) {
      writer->overtake(id, snapshot->in_flight);
    } else {
      writer->send_barrier(id, announced && can);
    }
  }
  if (task_.gate() != nullptr) { task_.gate()->pass_barrier(/*capture=*/snapshot != nullptr); }
  if (snapshot != nullptr) {
    snapshot->barrier_may_wait = announced && !overtaking;
    snapshot->result.figures.unaligned = overtaking;
  }
  if (!is_mark()) { task_.listener().on_barrier_taken(task_, barrier_.checkpoint); }
}

// ---- Writing

bool TaskCheckpoint::write(Pace pace) {
  if (writing_ == nullptr || stage_ != Stage::kNone || still_waits()) { return false; }
  Snapshot& snapshot = *writing_;
  if (snapshot.left == 0 && snapshot.next_in_flight == snapshot.in_flight.size()) {
    // All is written that is here; barriers are still on their way.
    if (is_complete(snapshot)) { finish_writing(); }
    return false;
  }
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
  const auto is_over = [&] { return waits_ || refuses_for_test() || now_ns() >= deadline_ns; };
  // Batches that are in flight are missed by their pools. They come between the operators, since a
  // writer has one state at a time.
  while (background && snapshot.in_hand == SIZE_MAX && !write_in_flight(snapshot)) {
    if (is_over()) { return; }
  }
  for (size_t i = 0; i < snapshot.written.size() && !waits_; ++i) {
    if (snapshot.written[i]) { continue; }
    if (!background && task_.operators()[i]->op()->snapshots_in_background()) { continue; }
    snapshot.in_hand = i;
    while (!write_operator(snapshot, i)) {
      if (is_over()) { return; }
    }
    snapshot.in_hand = SIZE_MAX;
    snapshot.written[i] = true;
    --snapshot.left;
  }
  while (background && snapshot.left == 0 && !write_in_flight(snapshot)) {
    if (is_over()) { return; }
  }
  if (background && is_complete(snapshot)) { finish_writing(); }
}

bool TaskCheckpoint::is_complete(const Snapshot& snapshot) const {
  if (snapshot.left > 0 || snapshot.next_in_flight < snapshot.in_flight.size()) { return false; }
  const int64_t id = snapshot.plan->id;
  if (task_.gate() != nullptr && task_.gate()->recording() == id) { return false; }
  return !snapshot.barrier_may_wait ||
         std::none_of(task_.writers().begin(), task_.writers().end(),
                      [&](const auto& writer) { return writer->has_waiting_barrier(id); });
}

// True: there is no element left for now.
bool TaskCheckpoint::write_in_flight(Snapshot& snapshot) {
  if (snapshot.next_in_flight == snapshot.in_flight.size()) { return true; }
  if (!take_grant(snapshot)) { return false; }
  const EdgeInfo* edge = nullptr;
  SnapshotWriter* writer = nullptr;
  while (snapshot.next_in_flight < snapshot.in_flight.size()) {
    InFlightElement& element = snapshot.in_flight[snapshot.next_in_flight];
    if (element.edge.get() != edge) {
      edge = element.edge.get();
      size_t index = 0;  // the head is the receiver
      if (element.where == InFlightElement::Where::kAtSender) {
        while (task_.operators()[index]->uid() != edge->sender_uid) { ++index; }
      }
      writer = snapshot.writers[index];
      writer->begin_state(in_flight_state(*edge));
    }
    if (!writer->ready()) { return false; }
    snapshot.result.figures.bytes_in_flight += snapshot.in_flight_writer.write(element, *writer);
    element.element.batch.reset();
    ++snapshot.next_in_flight;
  }
  return true;
}

// False: too much waits for the disk.
bool TaskCheckpoint::take_grant(Snapshot& snapshot) {
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
  return true;
}

// True: the operator has written all.
bool TaskCheckpoint::write_operator(Snapshot& snapshot, size_t index) {
  if (!take_grant(snapshot)) { return false; }
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
