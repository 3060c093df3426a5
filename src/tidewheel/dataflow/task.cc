#include "tidewheel/dataflow/task.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/mutant.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/in_flight.h"
#include "tidewheel/dataflow/operator_failure.h"
#include "tidewheel/dataflow/slot.h"
#include "tidewheel/state/due_timers.h"

namespace tidewheel {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// Memory that others give back wakes nobody, so a task that waits for it looks again by itself.
constexpr int64_t kMemoryRetryNs = kNsPerMs;
constexpr int64_t kWhimRetryNsMax = 3600 * 1000 * kNsPerMs;
// Longer sleeps are cut, so that sums of times stay in range.
constexpr int64_t kLongestSleepMs = int64_t{1} << 40;

}  // namespace

Task::Task(TaskSpec spec, World& world, TaskListener& listener)
    : spec_(std::move(spec)), world_(world), listener_(listener) {
  if (spec_.storage != nullptr && spec_.plans != nullptr) {
    checkpoint_ = std::make_unique<TaskCheckpoint>(*this);
  }
  gauges_.latest_event_time.set(kNoTimestamp);
}

Task::~Task() = default;

ChainedOperator& Task::add_operator(ChainedOperatorSpec spec) {
  operators_.push_back(
      std::make_unique<ChainedOperator>(*this, std::move(spec), world_.fork_random()));
  return *operators_.back();
}

void Task::add_writer(OutputPort& port, std::unique_ptr<ChannelWriter> writer) {
  port.connect(*writer);
  writers_.push_back(std::move(writer));
}

void Task::set_inputs(const std::vector<InputGate::Source>& sources) {
  gate_.emplace(sources);
  if (checkpoint_ != nullptr) { gate_->set_watcher(*checkpoint_); }
  if (spec_.restore != nullptr && TIDEWHEEL_MUTANT("watermark_passes_restored_channel")) {
    gate_->take_all_for_idle();
  }
}

void Task::on_scheduled(bool from_own_slot) { slot_->schedule(*this, from_own_slot); }

void Task::stop() {
  stop_asked_.store(true, std::memory_order_seq_cst);
  ask_for_attention();
}

void Task::cancel() {
  cancel_asked_.store(true, std::memory_order_seq_cst);
  ask_for_attention();
}

// It is counted first: the run that takes it comes after the call for attention.
void Task::post(std::function<void()> mail) {
  if (int64_t none = 0; gauges_.oldest_mail_ns.load(std::memory_order_relaxed) == none) {
    gauges_.oldest_mail_ns.compare_exchange_strong(none, world_.clock().now_ns());
  }
  gauges_.mails_waiting.fetch_add(1, std::memory_order_acq_rel);
  mailbox_.post(std::move(mail));
  ask_for_attention();
}

// All that waits at once, so that the oldest says how long mail waits.
void Task::run_mail() {
  const int64_t oldest_ns = gauges_.oldest_mail_ns.exchange(0, std::memory_order_acq_rel);
  const int64_t mails = gauges_.mails_waiting.exchange(0, std::memory_order_acq_rel);
  if (mails > 0) {
    gauges_.mails.add(mails);
    if (oldest_ns > 0) { gauges_.mail_waits_ns.add(world_.clock().now_ns() - oldest_ns); }
  }
  mailbox_.run_pending();
}

// `step` turns it into the end of the task.
void Task::fail(Status why) {
  post([why = std::move(why)] { throw OperatorFailure(why); });
}

void Task::trigger_checkpoint(CheckpointPlanRef plan) {
  if (checkpoint_ == nullptr) { return; }
  post([this, plan = std::move(plan)]() mutable { checkpoint_->trigger(std::move(plan)); });
}

void Task::checkpoint_complete(int64_t checkpoint) {
  if (checkpoint_ == nullptr) { return; }
  post([this, checkpoint] { checkpoint_->on_complete(checkpoint); });
}

void Task::checkpoint_aborted(int64_t checkpoint) {
  if (checkpoint_ == nullptr) { return; }
  post([this, checkpoint] { checkpoint_->on_aborted(checkpoint); });
}

void Task::alert() {
  alerted_.store(true, std::memory_order_seq_cst);
  ask_for_attention();
}

// ---- Stepping

Step Task::step(const StepBudget& budget) {
  const int64_t timers = due_timers_of_thread();
  try {
    const Step step = run_all(budget);
    if (const int64_t fired = due_timers_of_thread() - timers; fired > 0) {
      gauges_.fired_timers.add(fired);
    }
    wake_at_ns_ = step == Step::kDone ? Clock::kNever : next_time_ns();
    return step;
  } catch (const OperatorFailure& failure) {
    end(TaskState::kFailed, failure.status());
  } catch (const std::exception& exception) {
    end(TaskState::kFailed, failure_of(exception.what()));
  } catch (...) { end(TaskState::kFailed, failure_of("an exception that is no std::exception")); }
  wake_at_ns_ = Clock::kNever;
  return Step::kDone;
}

// A snapshot that is being written gets its share, and all the time that is left.
Step Task::run_all(const StepBudget& budget) {
  const Step step = run(budget);
  if (checkpoint_ == nullptr || !checkpoint_->is_writing() || step == Step::kDone) { return step; }
  const bool busy = step == Step::kWorked;
  const bool wrote =
      checkpoint_->write(busy ? TaskCheckpoint::Pace::kBusy : TaskCheckpoint::Pace::kIdle);
  return wrote ? Step::kWorked : step;
}

Step Task::run(const StepBudget& budget) {
  if (attention_.load(std::memory_order_relaxed) && !take_control()) { return Step::kDone; }
  if (phase_ == Phase::kNew) {
    Status opened = open();
    if (!opened.ok()) {
      end(TaskState::kFailed, std::move(opened));
      return Step::kDone;
    }
  }
  if (checkpoint_ != nullptr) { prepare_barriers(budget.now_ns); }
  if (blocked_) {
    if (!settle()) { return block(); }
    blocked_ = false;
  }
  // From here on no call is under way in any operator, once the refused one has gone through.
  if (call_.kind != Call::Kind::kNone && !run_call()) { return block(); }
  if (has_item_ && !take_item()) { return block(); }
  if (phase_ >= Phase::kEnding) { return finish(); }
  if (checkpoint_ != nullptr) {
    if (checkpoint_->has_barrier()) {
      if (const std::optional<Step> step = take_barriers()) { return *step; }
      if (phase_ >= Phase::kEnding) { return finish(); }
    }
    if (checkpoint_->is_stopping()) {
      if (const std::optional<Step> step = wait_for_stop()) { return *step; }
    }
  }
  if (!run_calls(budget.now_ns)) { return block(); }
  return work(budget);
}

// A barrier that overtakes does not wait for room: the piece of work in hand goes through the chain
// whatever the channels say, so that no operator stands in the middle of it.
void Task::prepare_barriers(int64_t now_ns) {
  checkpoint_->on_time(now_ns);
  if (gate_ && gate_->due() != 0 && !checkpoint_->has_barrier()) {
    checkpoint_->on_due(gate_->due());
  }
  const bool urgent = checkpoint_->has_barrier() && checkpoint_->is_urgent();
  if (urgent == overdraft_) { return; }
  overdraft_ = urgent;
  for (const auto& writer : writers_) { writer->set_overdraft(urgent); }
}

// Control comes before data, even when outputs are full. False: the task was cancelled.
bool Task::take_control() {
  attention_.exchange(false, std::memory_order_seq_cst);
  if (cancel_asked_.load(std::memory_order_seq_cst)) {
    end(TaskState::kCancelled, ok_status());
    return false;
  }
  if (stop_asked_.load(std::memory_order_seq_cst)) { stop_source_ = true; }
  if (phase_ != Phase::kNew) { run_mail(); }
  if (checkpoint_ != nullptr) {
    checkpoint_->on_attention();
    if (gate_ && alerted_.exchange(false, std::memory_order_seq_cst)) {
      gate_->look_for_announcements();
    }
  }
  scan_wakes_ = true;
  source_has_more_ = true;
  return true;
}

Status Task::open() {
  const int64_t began_ns = world_.clock().now_ns();
  // From the tail: what an operator emits while it opens finds the next one open.
  for (auto it = operators_.rbegin(); it != operators_.rend(); ++it) {
    running_ = it->get();
    Status opened = (*it)->open(spec_.restore);
    if (!opened.ok()) {
      return std::move(opened).with_context("opening operator '{}' (uid {}), subtask {} of {}",
                                            (*it)->name(), (*it)->uid(), spec_.subtask,
                                            spec_.parallelism);
    }
  }
  running_ = nullptr;
  if (spec_.restore != nullptr && gate_) { TIDEWHEEL_RETURN_IF_ERROR(restore_in_flight()); }
  phase_ = Phase::kRunning;
  if (spec_.commits_only) {
    phase_ = Phase::kAtEnd;
  } else if (spec_.restored_at_end_of_data) {
    TIDEWHEEL_MARK("task.restored_at_end_of_data");
    send_to_channels(Element::watermark(kMaxWatermark));
    send_to_channels(Element::control(Element::Kind::kEndOfData));
    phase_ = Phase::kAtEnd;
  }
  if (!gate_ && spec_.latency_interval_ms > 0) { marker_at_ns_ = world_.clock().now_ns(); }
  state_.store(TaskState::kRunning, std::memory_order_release);
  gauges_.initialization_ns.set(world_.clock().now_ns() - began_ns);
  listener_.on_task_running(*this);
  run_mail();
  return ok_status();
}

Status Task::restore_in_flight() {
  std::deque<InFlightElement> elements;
  std::vector<const EdgeInfo*> seen;
  for (const InputGate::Source& source : gate_->sources()) {
    if (source.edge == nullptr) { continue; }
    if (std::find(seen.begin(), seen.end(), source.edge.get()) != seen.end()) { continue; }
    seen.push_back(source.edge.get());
    const ChainedOperator& head = *operators_[0];
    TIDEWHEEL_RETURN_IF_ERROR(
        read_in_flight(*spec_.restore,
                       {.edge = source.edge,
                        .receiver_uid = head.uid(),
                        .receiver = spec_.subtask,
                        .batch_rows = spec_.batch_rows,
                        .memory = head.spec().memory},
                       elements)
            .with_context("restoring what was in flight to operator '{}'", head.name()));
  }
  if (!elements.empty()) { TIDEWHEEL_MARK("task.restored_in_flight"); }
  gate_->restore(std::move(elements));
  return ok_status();
}

Step Task::work(const StepBudget& budget) {
  whim_retry_ns_ = kMemoryRetryNs;
  gathered_ = true;
  for (uint32_t batches = 0; batches < budget.batches_max; ++batches) {
    if (gate_) {
      if (operators_[0]->has_ended()) {
        phase_ = Phase::kAtEnd;
        return finish();
      }
      if (!gate_->next(item_)) {
        if (gate_->due() != 0) { return Step::kWorked; }
        if (gate_->ended()) { return suspend(); }
        return dry(Step::kNoInput);
      }
      if (!take_item()) { return block(); }
    } else {
      SourceOperator::Poll poll = SourceOperator::Poll::kNothingYet;
      if (stop_source_) {
        poll = SourceOperator::Poll::kEnd;
      } else if (source_has_more_) {
        poll = operators_[0]->call_poll();
      }
      if (poll == SourceOperator::Poll::kBlocked) { return block(); }
      if (poll == SourceOperator::Poll::kEnd) {
        phase_ = Phase::kEnding;
        return finish();
      }
      if (poll == SourceOperator::Poll::kNothingYet) {
        source_has_more_ = false;
        return dry(Step::kWaiting);
      }
      gauges_.latest_read_ns.set(budget.now_ns);
    }
    if (attention_.load(std::memory_order_relaxed)) { break; }
    // The clock is read now and then only: a step of small batches costs less than the clock.
    if ((batches & 3) == 3 && world_.clock().now_ns() >= budget.deadline_ns) { break; }
  }
  if (spec_.buffer_timeout_ms >= 0 && budget.now_ns >= flush_at_ns_) {
    flush_at_ns_ = budget.now_ns + spec_.buffer_timeout_ms * kNsPerMs;
    if (!deliver_all(/*flush=*/true)) { return block(); }
  }
  return Step::kWorked;
}

// Nothing to read: what was gathered so far goes out, or at least what was sent already.
Step Task::dry(Step step) {
  if (gathered_) {
    if (!deliver_all(spec_.buffer_timeout_ms >= 0)) { return block(); }
    gathered_ = false;
  }
  return step;
}

// The task is to end though its data has not: after a savepoint that stops the job.
Step Task::suspend() {
  TIDEWHEEL_MARK("task.suspended");
  suspended_ = true;
  phase_ = Phase::kClosing;
  send_to_channels(Element::control(Element::Kind::kEndOfInput));
  return finish();
}

// All rows were read: the end goes through the chain, and everything out to the channels.
Step Task::finish() {
  if (phase_ == Phase::kEnding) {
    if (!operators_[0]->end_source()) { return block(); }
    phase_ = Phase::kAtEnd;
  }
  if (phase_ == Phase::kAtEnd) {
    if (checkpoint_ != nullptr && checkpoint_->has_barrier()) {
      if (const std::optional<Step> step = take_barriers()) { return *step; }
    }
    if (!deliver_all(/*flush=*/true)) { return block(); }
    if (const std::optional<Step> step = wait_at_end()) { return *step; }
    phase_ = Phase::kClosing;
    send_to_channels(Element::control(Element::Kind::kEndOfInput));
  }
  if (!deliver_all(/*flush=*/true)) { return block(); }
  if (!operators_may_end() || !hand_over()) { return Step::kWaiting; }
  end(TaskState::kFinished, ok_status());
  return Step::kDone;
}

// Between the end of data and the task's own: barriers are still taken. Nothing: it is over.
std::optional<Step> Task::wait_at_end() {
  const bool waits = spec_.waits_for_final_checkpoint && checkpoint_ != nullptr;
  if (waits && !told_end_of_data_) {
    told_end_of_data_ = true;
    listener_.on_end_of_data(*this);
  }
  if (!run_wakes()) { return block(); }
  if (gate_) {
    while (gate_->next(item_)) {}
    if (gate_->due() != 0) { return Step::kWorked; }
  }
  if (checkpoint_ != nullptr && checkpoint_->has_barrier()) { return Step::kWorked; }
  if (gate_ && !gate_->ended()) { return Step::kNoInput; }
  if (waits && (!checkpoint_->end_is_covered() || checkpoint_->is_under_way())) {
    return Step::kWaiting;
  }
  if (checkpoint_ != nullptr && checkpoint_->is_stopping() && !checkpoint_->stop_is_complete()) {
    return Step::kWaiting;
  }
  return std::nullopt;
}

// Behind the barrier of a savepoint that stops the job, which may itself still wait for room.
// Nothing: the savepoint was aborted.
std::optional<Step> Task::wait_for_stop() {
  if (!deliver_all(/*flush=*/false)) { return block(); }
  if (!checkpoint_->stop_is_complete()) { return Step::kWaiting; }
  // Only ends of channels are left in them.
  while (gate_ && gate_->next(item_)) {}
  if (gate_ && !gate_->ended()) { return Step::kNoInput; }
  return suspend();
}

// Nothing: no barrier is to be taken now, go on.
std::optional<Step> Task::take_barriers() {
  while (checkpoint_->has_barrier()) {
    if (phase_ == Phase::kRunning && checkpoint_->wants_end_of_data()) {
      phase_ = Phase::kEnding;
      return Step::kWorked;
    }
    gathered_ = true;
    if (!drain_gate()) { return block(); }
    switch (checkpoint_->take_barrier()) {
      case TaskCheckpoint::Taking::kTaken:
        // Marks that come faster than they are let through do not keep a source from its rows.
        if (!gate_ && spec_.has_epochs && phase_ == Phase::kRunning) { return std::nullopt; }
        break;
      case TaskCheckpoint::Taking::kRefused: return block();
      case TaskCheckpoint::Taking::kWaits: return Step::kWaiting;
      case TaskCheckpoint::Taking::kMore: return Step::kWorked;
    }
  }
  return std::nullopt;
}

// What the gate has taken from its channels comes before the barrier.
bool Task::drain_gate() {
  while (gate_ && gate_->has_items() && gate_->next(item_)) {
    if (phase_ == Phase::kRunning && !take_item()) { return false; }
  }
  if (gate_ && phase_ == Phase::kRunning && operators_[0]->has_ended()) { phase_ = Phase::kAtEnd; }
  return true;
}

bool Task::operators_may_end() {
  if (suspended_) {
    // Nobody takes rows any more: only what has no outputs has still something to do.
    for (const auto& op : operators_) {
      if (!op->op()->outputs().empty() || !op->take_wake_request()) { continue; }
      if (op->call_wake() == Progress::kBlocked) { return false; }
    }
  } else if (!run_wakes()) {
    return false;
  }
  return std::all_of(operators_.begin(), operators_.end(),
                     [](const auto& op) { return op->op()->may_end(); });
}

// False: a sink waits for what it prepares.
bool Task::hand_over() {
  if (!spec_.hands_over) { return true; }
  if (hand_over_ == nullptr) { hand_over_ = std::make_unique<HandOver>(*this); }
  if (hand_over_->is_empty()) { return true; }
  Result<std::optional<TaskSnapshot>> handed = hand_over_->advance();
  if (!handed.ok()) { throw OperatorFailure(handed.status()); }
  if (!handed->has_value()) { return false; }
  listener_.on_snapshot_taken(*this, std::move(**handed));
  return true;
}

bool Task::take_item() {
  ChainedOperator& head = *operators_[0];
  if (item_.element.kind == Element::Kind::kWatermark && item_.input != GateItem::kAllInputs) {
    head.take_input_watermark(item_.input, item_.element.value);
    has_item_ = false;
    return true;
  }
  has_item_ = !head.take(item_.input, item_.element);
  if (!has_item_) { item_.element.batch.reset(); }
  return !has_item_;
}

// Offers again what was refused, from the tail of the chain.
bool Task::settle() {
  bool settled = true;
  for (const auto& writer : writers_) {
    if (writer->retry() == Progress::kBlocked) { settled = false; }
  }
  if (!settled && !overdraft_) { return false; }
  for (auto it = operators_.rbegin(); it != operators_.rend(); ++it) {
    if ((*it)->retry_outputs() == Progress::kBlocked) { return false; }
  }
  return true;
}

// From the head of the chain, so that nothing is left behind: delivers what outputs keep, with
// `flush` also the rows that wait for their batch to fill.
bool Task::deliver_all(bool flush) {
  for (const auto& op : operators_) {
    if (flush && op->flush_outputs() == Progress::kBlocked) { return false; }
    if (op->retry_outputs() == Progress::kBlocked) { return false; }
  }
  bool delivered = true;
  for (const auto& writer : writers_) {
    const Progress progress = flush ? writer->flush() : writer->retry();
    if (progress == Progress::kBlocked) { delivered = false; }
  }
  return delivered;
}

bool Task::flush_chain() {
  for (const auto& op : operators_) {
    if (op->flush_outputs() == Progress::kBlocked) { return false; }
    if (op->retry_outputs() == Progress::kBlocked) { return false; }
  }
  return true;
}

bool Task::end_epoch(int64_t epoch) {
  for (; epoch_step_ < 2 * operators_.size(); ++epoch_step_) {
    ChainedOperator& op = *operators_[epoch_step_ / 2];
    if (epoch_step_ % 2 == 0) {
      if (op.call_epoch(epoch) == Progress::kBlocked) { return false; }
    } else if (op.flush_outputs() == Progress::kBlocked ||
               op.retry_outputs() == Progress::kBlocked) {
      return false;
    }
  }
  epoch_step_ = 0;
  return true;
}

void Task::send_to_channels(const Element& element) {
  for (const auto& writer : writers_) { writer->send_control(element); }
}

// Something was refused. Says who will go on: a receiver that makes room, or the clock, or, when
// the refusal was a test's whim, nobody, so that the task has to be called again.
Step Task::block() {
  blocked_ = true;
  memory_at_ns_ = Clock::kNever;
  bool waits = false;
  bool starved = false;
  for (const auto& writer : writers_) {
    waits = waits || writer->waits_for_room();
    starved = starved || writer->waits_for_memory();
  }
  const int64_t now_ns = world_.clock().now_ns();
  for (const auto& op : operators_) {
    if (const std::optional<int64_t> until_ns = op->op()->waits_until_ns()) {
      waits = true;
      memory_at_ns_ = std::min(memory_at_ns_, *until_ns);
    }
  }
  for (const auto& op : operators_) { starved = starved || op->waits_for_memory(); }
  // An operator's wake may have come while something else was refused: by a test's whim, or for
  // want of memory. Neither wakes anybody once it is over. A whim is over soon, so that it is
  // looked for less and less often: the operator may well wait for hours.
  if (waits && starved) { memory_at_ns_ = std::min(memory_at_ns_, now_ns + kMemoryRetryNs); }
  if (waits && FaultPlan::current() != nullptr) {
    memory_at_ns_ = std::min(memory_at_ns_, now_ns + whim_retry_ns_);
    whim_retry_ns_ = std::min(whim_retry_ns_ * 2, kWhimRetryNsMax);
  }
  if (waits) { return Step::kOutputFull; }
  if (!starved) { return Step::kWorked; }
  memory_at_ns_ = now_ns + kMemoryRetryNs;
  return Step::kOutputFull;
}

// ---- Calls that are not data

bool Task::run_calls(int64_t now_ns) {
  if (now_ns >= wall_timer_ns_ && !fire_wall_timer()) { return false; }
  if (scan_wakes_ && !run_wakes()) { return false; }
  return now_ns < marker_at_ns_ || send_latency_marker(now_ns);
}

bool Task::run_wakes() {
  if (!scan_wakes_) { return true; }
  for (const auto& op : operators_) {
    if (!op->take_wake_request()) { continue; }
    gathered_ = true;
    call_ = {Call::Kind::kWake, op.get(), 0};
    if (!run_call()) { return false; }
  }
  scan_wakes_ = false;
  return true;
}

bool Task::run_call() {
  const Progress progress = call_.kind == Call::Kind::kWake
                                ? call_.op->call_wake()
                                : call_.op->call_processing_time(call_.time_ms);
  if (progress == Progress::kBlocked) { return false; }
  call_ = {};
  return true;
}

void Task::arm_wall_timer(int64_t wall_ms) {
  if (wall_ms >= next_wall_ms_) { return; }
  next_wall_ms_ = wall_ms;
  // A time is over when the next millisecond has begun.
  const int64_t now_ms = world_.clock().wall_ms();
  const int64_t wait_ms =
      wall_ms < now_ms ? 0 : std::min(wall_ms - now_ms, kLongestSleepMs - 1) + 1;
  wall_timer_ns_ = world_.clock().now_ns() + wait_ms * kNsPerMs;
}

bool Task::fire_wall_timer() {
  const int64_t over_ms = world_.clock().wall_ms() - 1;
  for (const auto& op : operators_) {
    if (op->wake_wall_ms() > over_ms) { continue; }
    op->clear_wake_wall_ms();
    gathered_ = true;
    source_has_more_ = true;
    call_ = {Call::Kind::kProcessingTime, op.get(), over_ms};
    if (!run_call()) { return false; }
  }
  // The wall clock may have been set back meanwhile, so the rest is measured anew.
  int64_t next_ms = Clock::kNever;
  for (const auto& op : operators_) { next_ms = std::min(next_ms, op->wake_wall_ms()); }
  next_wall_ms_ = Clock::kNever;
  wall_timer_ns_ = Clock::kNever;
  arm_wall_timer(next_ms);
  return true;
}

bool Task::send_latency_marker(int64_t now_ns) {
  Operator& source = *operators_[0]->op();
  // One that the outputs have no room for is left out: trying again at once would keep the slot
  // busy.
  marker_at_ns_ = now_ns + spec_.latency_interval_ms * kNsPerMs;
  if (!source.outputs_ready()) { return true; }
  Element marker = Element::control(Element::Kind::kLatencyMarker, now_ns);
  marker.source = static_cast<uint32_t>(operators_[0]->spec().node);
  gathered_ = true;
  for (OutputPort* port : source.outputs()) {
    if (port->send(marker) == Progress::kBlocked) { return false; }
  }
  return true;
}

int64_t Task::next_time_ns() const {
  int64_t next_ns = Clock::kNever;
  if (blocked_) {
    next_ns = memory_at_ns_;
  } else if (phase_ == Phase::kRunning &&
             (checkpoint_ == nullptr ||
              (!checkpoint_->has_barrier() && !checkpoint_->is_stopping()))) {
    next_ns = std::min(wall_timer_ns_, marker_at_ns_);
  }
  if (checkpoint_ == nullptr) { return next_ns; }
  return std::min({next_ns, checkpoint_->retry_at_ns(), checkpoint_->deadline_ns()});
}

bool Task::rest_unless_work(Step step) {
  rest();
  bool work = attention_.load(std::memory_order_seq_cst);
  if (step == Step::kNoInput) {
    work = work || gate_->has_data();
  } else if (step == Step::kOutputFull) {
    for (const auto& writer : writers_) { work = work || writer->has_room(); }
  }
  if (work) { wake_from_own_slot(); }
  return work;
}

// ---- The end

void Task::end(TaskState state, Status failure) {
  // Operators that were never opened are not closed.
  const bool opened = phase_ != Phase::kNew;
  phase_ = Phase::kOver;
  mailbox_.close();
  if (checkpoint_ != nullptr) { checkpoint_->close(); }
  for (const auto& op : operators_) {
    if (!opened) { break; }
    try {
      op->close(state == TaskState::kFinished && !suspended_);
    } catch (const std::exception& exception) {
      if (failure.ok()) { failure = failure_of(exception.what()); }
      state = TaskState::kFailed;
    }
  }
  running_ = nullptr;
  item_ = {};
  hand_over_ = nullptr;
  for (const auto& op : operators_) { op->destroy(); }
  state_.store(state, std::memory_order_release);
  listener_.on_task_ended(*this, state, std::move(failure));
}

Status Task::failure_of(const char* what) {
  if (running_ == nullptr) {
    return user_error(ErrorId::kUserCodeThrew, "task '{}', subtask {} of {}: {}", spec_.vertex_name,
                      spec_.subtask, spec_.parallelism, what);
  }
  return user_error(ErrorId::kUserCodeThrew, "operator '{}' (uid {}), subtask {} of {}{}: {}",
                    running_->name(), running_->uid(), spec_.subtask, spec_.parallelism,
                    running_->failed_row(), what);
}

TaskInfo Task::info() const {
  TaskInfo info;
  info.vertex = spec_.vertex_name;
  info.vertex_index = spec_.vertex;
  info.subtask = spec_.subtask;
  info.parallelism = spec_.parallelism;
  info.slot = slot_ == nullptr ? 0 : slot_->index();
  info.state = state();
  info.busy_ms = times_.busy_ns.value() / kNsPerMs;
  info.idle_ms = times_.idle_ns.value() / kNsPerMs;
  info.backpressured_ms = times_.backpressured_ns.value() / kNsPerMs;
  info.rows_in = operators_.front()->rows_in();
  info.rows_out = operators_.back()->rows_out();
  info.watermark = operators_.front()->watermark();
  return info;
}

namespace {

TaskFigures::Flow flow_of(const Traffic& traffic) {
  return {traffic.bytes.value(), traffic.batches.value()};
}

}  // namespace

TaskFigures Task::figures() const {
  TaskFigures figures;
  if (gate_) {
    figures.in_local = flow_of(gate_->local_traffic());
    figures.in_remote = flow_of(gate_->remote_traffic());
    figures.input = gate_->queued();
  } else {
    figures.is_source = true;
    const int64_t read_ns = gauges_.latest_read_ns.value();
    if (read_ns != 0) { figures.latest_read_ns = read_ns; }
    const int64_t event_time = gauges_.latest_event_time.value();
    if (event_time != kNoTimestamp) { figures.latest_event_time = event_time; }
  }
  for (const auto& writer : writers_) {
    const TaskFigures::Flow out = flow_of(writer->traffic());
    figures.out.bytes += out.bytes;
    figures.out.batches += out.batches;
    const QueueLength queued = writer->queued();
    figures.output.elements += queued.elements;
    figures.output.capacity += queued.capacity;
  }
  figures.fired_timers = gauges_.fired_timers.value();
  figures.mails = gauges_.mails.value();
  figures.mails_waiting = gauges_.mails_waiting.load(std::memory_order_relaxed);
  figures.mail_waits_ns = gauges_.mail_waits_ns.sorted();
  figures.initialization_ns = gauges_.initialization_ns.value();
  figures.alignment_ns = gauges_.alignment_ns.value();
  figures.start_delay_ns = gauges_.start_delay_ns.value();
  return figures;
}

// What the task notes in between is lost; it is but one of many.
int64_t Task::take_longest_refusal_ns() {
  const int64_t longest_ns = gauges_.longest_refusal_ns.value();
  gauges_.longest_refusal_ns.set(0);
  return longest_ns;
}

}  // namespace tidewheel
