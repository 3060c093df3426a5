#include "tidewheel/checkpoint/coordinator.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/mutant.h"

namespace tidewheel {
namespace {

constexpr size_t kRequestsMax = 1000;
constexpr size_t kGivenUpMax = 16;
// After how long a final checkpoint that could not be taken is tried again.
constexpr int64_t kFinalRetryNs = 100'000'000;
// How often the _metadata of a checkpoint that could not be completed is tried to be removed, and
// when again: first after 10 ms, at last each second, for about a minute.
constexpr int64_t kWithdrawalsMax = 70;
constexpr int64_t kWithdrawFirstNs = 10'000'000;
constexpr int64_t kWithdrawLastNs = 1'000'000'000;

template <class T, class F>
std::function<void(Result<CompletedSnapshot>)> when_done(std::function<void(Result<T>)> done,
                                                         F value_of) {
  return [done = std::move(done), value_of](Result<CompletedSnapshot> result) {
    if (!done) { return; }
    if (!result.ok()) {
      done(result.status());
    } else {
      done(value_of(*result));
    }
  };
}

Status refused(const std::string& why) {
  return failed_precondition(ErrorId::kCheckpointDeclined, "no checkpoint can be taken: {}", why);
}

}  // namespace

CheckpointCoordinator::CheckpointCoordinator(CheckpointRules settings, CheckpointedJob job,
                                             Parts parts)
    : settings_(std::move(settings)),
      job_(std::move(job)),
      parts_(std::move(parts)),
      history_(settings_.history),
      next_id_(parts_.store.highest_found() + 1) {}

void CheckpointCoordinator::start_from(const CompletedSnapshot& snapshot, bool owned) {
  restore_point_ = snapshot;
  next_id_ = std::max(next_id_, snapshot.manifest.checkpoint + 1);
  if (!owned) { return; }
  // Older ones of the same job are subsumed as if it had never stopped.
  for (const CompletedSnapshot& older : parts_.store.found()) {
    if (older.manifest.checkpoint >= snapshot.manifest.checkpoint) { continue; }
    retained_.push_back(older);
    call_store([older](CheckpointStore& store) { store.adopt(older); }, nullptr);
  }
  retained_.push_back(snapshot);
  call_store([snapshot](CheckpointStore& store) { store.adopt(snapshot); }, nullptr);
}

void CheckpointCoordinator::restored(const CompletedSnapshot& snapshot) {
  history_.restored({snapshot.manifest.checkpoint, snapshot.manifest.kind, snapshot.path,
                     parts_.clock.wall_ms()});
  ++version_;
}

bool CheckpointCoordinator::fall_back(const Status& why) {
  if (retained_.size() < 2 || !restore_point_ || restore_point_->path != retained_.back().path) {
    return false;
  }
  TIDEWHEEL_MARK("checkpoint.fell_back");
  const int64_t damaged = retained_.back().manifest.checkpoint;
  retained_.pop_back();
  parts_.logger.warning("{} is damaged, the job goes back to {}: {}", restore_point_->path,
                        retained_.back().path, why.to_string());
  restore_point_ = retained_.back();
  const int64_t from = restore_point_->manifest.checkpoint;
  auto set_aside = std::make_shared<std::optional<Result<std::vector<std::string>>>>();
  call_store(
      [=](CheckpointStore& store) {
        store.release(damaged);
        *set_aside = store.set_aside_newer(from);
      },
      [this, set_aside] { tell_set_aside(**set_aside); });
  return true;
}

void CheckpointCoordinator::tell_set_aside(const Result<std::vector<std::string>>& set_aside) {
  if (!set_aside.ok()) {
    parts_.logger.warning("a checkpoint that was passed over stays where it is: {}",
                          set_aside.status().to_string());
    return;
  }
  for (const std::string& path : *set_aside) {
    parts_.logger.warning("the checkpoint that was passed over is kept as {}", path);
  }
}

// ---- What happens to the job

void CheckpointCoordinator::on_all_running() {
  if (running_ || shut_down_) { return; }
  running_ = true;
  stopped_with_.clear();
  if (settings_.interval_ns > 0) {
    // Jobs that start together do not write together.
    const int64_t least_ns = std::min(settings_.min_pause_ns, settings_.interval_ns);
    const auto spread = static_cast<uint64_t>(settings_.interval_ns - least_ns) + 1;
    periodic_ns_ = now_ns() + least_ns + static_cast<int64_t>(parts_.random.below(spread));
  }
  if (settings_.epoch_interval_ns > 0) { mark_ns_ = now_ns() + settings_.epoch_interval_ns; }
  retry_final(0);
  begin_next();
}

void CheckpointCoordinator::on_failover(const std::string& why) {
  running_ = false;
  periodic_ns_ = Clock::kNever;
  final_ns_ = Clock::kNever;
  mark_ns_ = Clock::kNever;
  stopped_with_.clear();
  abort_all(Cause::kFailover,
            cancelled(ErrorId::kCheckpointDeclined, "the checkpoint was given up: {}", why));
  refuse_requests(why);
}

void CheckpointCoordinator::on_end_of_data(TaskId task) {
  if (!settings_.waits_for_final() || shut_down_) { return; }
  at_end_.insert(task);
  retry_final(0);
  begin_next();
}

void CheckpointCoordinator::on_task_lost(TaskId task) { at_end_.erase(task); }

// It takes part in nothing any more. (That it has taken all its input is what the next participants
// say.)
void CheckpointCoordinator::on_task_finished(TaskId task) {
  at_end_.erase(task);
  std::vector<int64_t> without_it;
  for (const auto& [id, pending] : pending_) {
    if (pending.stage < Stage::kCollecting || pending.missing.contains(task)) {
      without_it.push_back(id);
    }
  }
  for (const int64_t id : without_it) {
    TIDEWHEEL_MARK("checkpoint.task_ended");
    abort(id, Cause::kTaskEnded,
          cancelled(ErrorId::kCheckpointDeclined, "a task ended before it had taken part"));
  }
  begin_next();
}

void CheckpointCoordinator::on_acknowledged(TaskSnapshot snapshot) {
  const TaskId task{snapshot.vertex, snapshot.subtask};
  Pending* const pending = find(snapshot.checkpoint);
  if (pending == nullptr || pending->stage != Stage::kCollecting ||
      pending->missing.erase(task) == 0) {
    TIDEWHEEL_MARK("checkpoint.late_acknowledgement");
    for (const auto& plan : given_up_) {
      if (plan->id == snapshot.checkpoint) {
        discard(plan);
        break;
      }
    }
    return;
  }
  history_.acknowledge(snapshot.checkpoint, snapshot, now_ns());
  ++version_;
  pending->acknowledged[task] = std::move(snapshot);
  if (pending->missing.empty()) { complete_next(); }
}

// A checkpoint does not become complete after a newer one that may be: it would be what the job
// goes back to, and what the newer one has committed would come again.
void CheckpointCoordinator::complete_next() {
  std::vector<int64_t> ready;
  bool newer_may_be = false;
  for (auto it = pending_.rbegin(); it != pending_.rend(); ++it) {
    const Pending& pending = it->second;
    const bool is_ready = pending.stage == Stage::kCollecting && pending.missing.empty();
    const bool counts_as_checkpoint = pending.plan->kind == SnapshotKind::kCheckpoint ||
                                      pending.plan->after != AfterSavepoint::kGoOn;
    if (is_ready && counts_as_checkpoint && newer_may_be) {
      TIDEWHEEL_MARK("checkpoint.older_waits_for_newer");
    } else if (is_ready) {
      ready.push_back(it->first);
    }
    if (counts_as_checkpoint && (is_ready || pending.stage == Stage::kCompleting)) {
      newer_may_be = true;
    }
  }
  for (const int64_t id : ready) { begin_completion(*find(id)); }
}

void CheckpointCoordinator::on_declined(TaskId task, int64_t checkpoint, const Status& why) {
  Pending* const pending = find(checkpoint);
  if (pending == nullptr || pending->stage == Stage::kCompleting) { return; }
  // A task that only gave way to a newer barrier has not failed.
  const bool subsumed = why.code() == StatusCode::kCancelled;
  abort(checkpoint, subsumed ? Cause::kSubsumed : Cause::kDeclined,
        why.with_context("subtask {} of vertex {} declined", task.subtask, task.vertex));
  begin_next();
}

int64_t CheckpointCoordinator::next_ns() const {
  int64_t next = Clock::kNever;
  for (const auto& [id, pending] : pending_) {
    next = std::min(
        next, pending.stage == Stage::kCompleting ? pending.withdraw_ns : pending.deadline_ns);
  }
  if (may_mark()) { next = std::min(next, mark_ns_); }
  if (!may_begin() || stop_is_under_way()) { return next; }
  next = std::min(next, final_ns_);
  return std::min(next, periodic_ns_ == Clock::kNever ? Clock::kNever
                                                      : std::max(periodic_ns_, paused_until_ns_));
}

void CheckpointCoordinator::on_timer() {
  const int64_t now = now_ns();
  std::vector<int64_t> expired;
  for (auto& [id, pending] : pending_) {
    if (pending.withdraw_ns <= now) { withdraw(pending); }
    if (pending.stage != Stage::kCompleting && pending.deadline_ns <= now) {
      expired.push_back(id);
    }
  }
  for (const int64_t id : expired) {
    const Pending* const pending = find(id);
    if (pending == nullptr) { continue; }
    TIDEWHEEL_MARK("checkpoint.expired");
    std::string who;
    if (pending->stage == Stage::kCollecting) {
      const TaskId task = *pending->missing.begin();
      who =
          fmt::format(": {} of {} subtasks have not taken part, the first of them {} of vertex {}",
                      pending->missing.size(), pending->participants.to_acknowledge.size(),
                      task.subtask, task.vertex);
    }
    abort(id, Cause::kExpired,
          deadline_exceeded(ErrorId::kCheckpointExpired, "checkpoint {} took longer than {} ms{}",
                            id, settings_.timeout_ns / 1'000'000, who));
  }
  begin_next();
  if (may_mark() && mark_ns_ <= now) { send_mark(); }
}

// ---- Requests

void CheckpointCoordinator::trigger(std::function<void(Result<int64_t>)> done) {
  Request request;
  request.trigger = Trigger::kUser;
  request.done = when_done<int64_t>(
      std::move(done), [](CompletedSnapshot& snapshot) { return snapshot.manifest.checkpoint; });
  add(std::move(request));
}

void CheckpointCoordinator::savepoint(const std::string& directory, AfterSavepoint after,
                                      std::function<void(Result<std::string>)> done,
                                      SavepointForm form) {
  Request request;
  request.trigger = Trigger::kSavepoint;
  request.after = after;
  request.form = form;
  request.directory = directory.empty() ? settings_.savepoint_directory : directory;
  request.done = when_done<std::string>(
      std::move(done), [](CompletedSnapshot& snapshot) { return std::move(snapshot.path); });
  if (request.directory.empty()) {
    request.done(invalid_argument(ErrorId::kBadOptionValue,
                                  "a savepoint needs a directory: name one, or set "
                                  "execution.checkpointing.savepoint-dir"));
    return;
  }
  add(std::move(request));
}

void CheckpointCoordinator::add(Request request) {
  std::string obstacle;
  if (shut_down_) {
    obstacle = "the job has ended";
  } else if (request.trigger != Trigger::kSavepoint && !settings_.has_directory) {
    obstacle = "execution.checkpointing.dir is not set";
  } else if (stop_is_under_way()) {
    obstacle = "the job is being stopped with a savepoint";
  } else if (!running_) {
    obstacle = "not all tasks are running";
  } else if (requests_.size() >= kRequestsMax) {
    obstacle = fmt::format("{} requests are waiting", kRequestsMax);
  }
  if (!obstacle.empty()) {
    if (request.done) { request.done(refused(obstacle)); }
    return;
  }
  const auto place = std::find_if(requests_.begin(), requests_.end(), [&](const Request& other) {
    return other.trigger > request.trigger;
  });
  requests_.insert(place, std::move(request));
  begin_next();
}

void CheckpointCoordinator::refuse_requests(const std::string& why) {
  for (Request& request : std::exchange(requests_, {})) {
    if (request.done) { request.done(refused(why)); }
  }
}

bool CheckpointCoordinator::stop_is_under_way() const {
  if (!stopped_with_.empty()) { return true; }
  const auto stops = [](const Request& request) { return request.after != AfterSavepoint::kGoOn; };
  return std::any_of(requests_.begin(), requests_.end(), stops) ||
         std::any_of(pending_.begin(), pending_.end(),
                     [&](const auto& entry) { return stops(entry.second.request); });
}

void CheckpointCoordinator::retry_final(int64_t delay_ns) {
  if (!at_end_.empty()) { final_ns_ = std::min(final_ns_, now_ns() + delay_ns); }
}

// One at a time is on its way to the tasks, so that barriers come in the order of their ids; and
// deleting old checkpoints comes first, else they would pile up.
bool CheckpointCoordinator::may_begin() const {
  const auto limit = static_cast<size_t>(settings_.concurrent_max);
  return running_ && !shut_down_ && stopped_with_.empty() && pending_.size() < limit &&
         calls_.size() <= limit &&
         (pending_.empty() || pending_.rbegin()->second.stage >= Stage::kCollecting);
}

// Not while a checkpoint has its number, but no barriers yet; nor behind the barrier of a savepoint
// that stops the job, behind which nothing comes.
bool CheckpointCoordinator::may_mark() const {
  return mark_ns_ != Clock::kNever && running_ && !shut_down_ && !stop_is_under_way() &&
         (pending_.empty() || pending_.rbegin()->second.stage >= Stage::kCollecting);
}

void CheckpointCoordinator::send_mark() {
  mark_ns_ = now_ns() + settings_.epoch_interval_ns;
  const CheckpointParticipants participants = parts_.gateway.participants();
  if (!participants.obstacle.empty() || participants.to_trigger.empty()) { return; }
  auto mark = std::make_shared<CheckpointPlan>();
  mark->id = next_id_++;
  mark->is_mark = true;
  mark->trigger_ns = now_ns();
  mark->trigger_wall_ms = parts_.clock.wall_ms();
  parts_.gateway.trigger(mark, participants.to_trigger);
}

void CheckpointCoordinator::begin_next() {
  const int64_t now = now_ns();
  while (may_begin()) {
    if (!requests_.empty()) {
      Request request = std::move(requests_.front());
      requests_.pop_front();
      begin(std::move(request));
      continue;
    }
    if (stop_is_under_way()) { return; }
    if (final_ns_ <= now) {
      final_ns_ = Clock::kNever;
      if (at_end_.empty()) { continue; }
      begin(request_of(Trigger::kFinal));
      continue;
    }
    if (periodic_ns_ > now || paused_until_ns_ > now || periodic_ns_ == Clock::kNever) { return; }
    periodic_ns_ = std::max(periodic_ns_ + settings_.interval_ns, now + 1);
    begin(request_of(Trigger::kPeriodic));
  }
}

// No task takes part any more: it is completed at once.
void CheckpointCoordinator::commit_point(HandedOver handed_over, std::function<void(Status)> done) {
  TIDEWHEEL_CHECK(is_settled(), "two commit points at once");
  Pending pending;
  pending.stage = Stage::kCompleting;
  pending.request = request_of(Trigger::kCommit);
  pending.request.done = [done = std::move(done)](const Result<CompletedSnapshot>& result) {
    done(result.status());
  };
  auto plan = std::make_shared<CheckpointPlan>();
  plan->id = next_id_++;
  plan->trigger_ns = now_ns();
  plan->trigger_wall_ms = parts_.clock.wall_ms();
  pending.plan = plan;
  pending.acknowledged = std::move(handed_over.tasks);
  pending.participants.finished = std::move(handed_over.ended);
  if (!settings_.has_directory) {
    restore_point_ = CompletedSnapshot{"", manifest_of(pending)};
    pending.request.done(*restore_point_);
    return;
  }
  auto manifest = std::make_shared<Manifest>(manifest_of(pending));
  pending_.emplace(plan->id, std::move(pending));
  auto result = std::make_shared<std::optional<Result<CompletedSnapshot>>>();
  call_store(
      [plan, manifest, result](CheckpointStore& store) {
        Result<std::string> directory = store.prepare(plan->id);
        if (!directory.ok()) {
          *result = std::move(directory).status();
          return;
        }
        plan->directory = *directory;
        *result = store.complete(*plan, std::move(*manifest));
      },
      [this, plan, result] {
        if (!plan->directory.empty()) { return on_completed(plan->id, std::move(**result)); }
        // There is nothing of it, and what has its name is not to be touched.
        find(plan->id)->stage = Stage::kPreparing;
        abort(plan->id, Cause::kIo, (*result)->status());
      });
}

// ---- One checkpoint

CheckpointCoordinator::Request CheckpointCoordinator::request_of(Trigger trigger) {
  Request request;
  request.trigger = trigger;
  return request;
}

void CheckpointCoordinator::begin(Request request) {
  CheckpointParticipants participants = parts_.gateway.participants();
  if (participants.obstacle.empty() && !settings_.after_tasks_finish &&
      !participants.finished.empty()) {
    participants.obstacle = "some tasks have finished";
  }
  if (participants.obstacle.empty() && participants.to_acknowledge.empty()) {
    participants.obstacle = "all tasks have finished";
  }
  if (!participants.obstacle.empty()) {
    if (request.done) { request.done(refused(participants.obstacle)); }
    if (request.trigger == Trigger::kFinal) { retry_final(kFinalRetryNs); }
    return;
  }
  const int64_t id = next_id_++;
  auto plan = std::make_shared<CheckpointPlan>();
  plan->id = id;
  plan->kind =
      request.trigger == Trigger::kSavepoint ? SnapshotKind::kSavepoint : SnapshotKind::kCheckpoint;
  plan->after = request.after;
  plan->form = request.form;
  plan->exactly_once = settings_.exactly_once;
  const bool is_checkpoint = plan->kind == SnapshotKind::kCheckpoint;
  if (is_checkpoint) { plan->unaligned_after_ns = settings_.unaligned_after_ns; }
  plan->trigger_ns = now_ns();
  plan->trigger_wall_ms = parts_.clock.wall_ms();
  if (is_checkpoint && settings_.incremental && !retained_.empty()) {
    plan->base_checkpoint = retained_.back().manifest.checkpoint;
  }
  Pending pending;
  pending.missing = {participants.to_acknowledge.begin(), participants.to_acknowledge.end()};
  pending.participants = std::move(participants);
  pending.plan = plan;
  pending.deadline_ns = plan->trigger_ns + settings_.timeout_ns;
  pending.request = std::move(request);
  history_.begin(*plan, static_cast<int32_t>(pending.missing.size()));
  ++version_;
  const std::string target = pending.request.directory;
  pending_.emplace(id, std::move(pending));
  auto result = std::make_shared<std::optional<Result<std::string>>>();
  call_store(
      [=](CheckpointStore& store) {
        *result = is_checkpoint ? store.prepare(id) : store.prepare_savepoint(target);
      },
      [this, id, plan, result] {
        if ((*result)->ok()) { plan->directory = ***result; }
        on_prepared(id, std::move(**result));
      });
}

void CheckpointCoordinator::on_prepared(int64_t id, Result<std::string> directory) {
  Pending* const pending = find(id);
  if (pending == nullptr) {
    // Given up meanwhile, when there was no folder yet.
    for (const auto& plan : given_up_) {
      if (plan->id == id && directory.ok()) {
        discard(plan);
        break;
      }
    }
    begin_next();
    return;
  }
  if (!directory.ok()) {
    abort(id, Cause::kIo, directory.status().with_context("preparing checkpoint {}", id));
    begin_next();
    return;
  }
  // Tasks may have ended meanwhile.
  const CheckpointParticipants now = parts_.gateway.participants();
  if (!now.obstacle.empty()) {
    abort(id, Cause::kNotAllRunning, refused(now.obstacle));
    begin_next();
    return;
  }
  pending->stage = Stage::kCoordinators;
  parts_.gateway.snapshot_coordinators(
      id, [this, id](Result<CheckpointGateway::CoordinatorStates> states) {
        on_coordinators(id, std::move(states));
      });
}

void CheckpointCoordinator::on_coordinators(int64_t id,
                                            Result<CheckpointGateway::CoordinatorStates> states) {
  Pending* const pending = find(id);
  if (pending == nullptr) { return; }
  if (!states.ok()) {
    abort(id, Cause::kDeclined, states.status());
    begin_next();
    return;
  }
  pending->coordinators = std::move(*states);
  pending->stage = Stage::kCollecting;
  plans_.add(pending->plan);
  parts_.gateway.trigger(pending->plan, pending->participants.to_trigger);
  // Its barrier ends an epoch as well.
  if (mark_ns_ != Clock::kNever) { mark_ns_ = now_ns() + settings_.epoch_interval_ns; }
  begin_next();
}

Manifest CheckpointCoordinator::manifest_of(const Pending& pending) const {
  Manifest manifest;
  manifest.checkpoint = pending.plan->id;
  manifest.kind = pending.plan->kind;
  manifest.job_id = job_.id;
  manifest.job_name = job_.name;
  manifest.trigger_wall_ms = pending.plan->trigger_wall_ms;
  manifest.complete_wall_ms = parts_.clock.wall_ms();
  const std::set<TaskId> finished(pending.participants.finished.begin(),
                                  pending.participants.finished.end());
  for (const CheckpointedOperator& op : job_.operators) {
    ManifestOperator out;
    out.uid = op.uid;
    out.name = op.name;
    out.parallelism = op.parallelism;
    out.max_parallelism = op.max_parallelism;
    out.finished = true;
    const auto state = pending.coordinators.find(op.uid);
    if (state != pending.coordinators.end()) { out.coordinator_state = state->second; }
    for (int32_t i = 0; i < op.parallelism; ++i) {
      OperatorSnapshot subtask;
      const auto task = pending.acknowledged.find({op.vertex, i});
      if (task != pending.acknowledged.end()) {
        for (const OperatorSnapshot& snapshot : task->second.operators) {
          if (snapshot.uid == op.uid) { subtask = snapshot; }
        }
        subtask.end_of_data = task->second.end_of_data;
      } else {
        subtask.end_of_data = finished.contains({op.vertex, i});
      }
      subtask.uid = op.uid;
      subtask.name = op.name;
      subtask.subtask = i;
      subtask.parallelism = op.parallelism;
      subtask.max_parallelism = op.max_parallelism;
      out.finished = out.finished && subtask.end_of_data;
      out.subtasks.push_back(std::move(subtask));
    }
    manifest.operators.push_back(std::move(out));
  }
  return manifest;
}

void CheckpointCoordinator::begin_completion(Pending& pending) {
  pending.stage = Stage::kCompleting;
  if (TIDEWHEEL_MUTANT("commit_before_durable")) { parts_.gateway.completed(*pending.plan, true); }
  const int64_t id = pending.plan->id;
  auto manifest = std::make_shared<Manifest>(manifest_of(pending));
  auto result = std::make_shared<std::optional<Result<CompletedSnapshot>>>();
  // Sinks commit what it holds, so nobody may go on from an older one.
  const bool stops = pending.plan->after != AfterSavepoint::kGoOn && settings_.has_directory;
  const EndedJob stopping{job_.id, job_.name, pending.plan->directory, parts_.clock.wall_ms(),
                          next_id_ - 1};
  call_store(
      [plan = pending.plan, manifest, result, stops, stopping](CheckpointStore& store) {
        const Status noted = stops ? store.note_stopping(stopping) : ok_status();
        *result = noted.ok() ? store.complete(*plan, std::move(*manifest)) : noted;
      },
      [this, id, result] { on_completed(id, std::move(**result)); });
}

void CheckpointCoordinator::on_completed(int64_t id, Result<CompletedSnapshot> result) {
  const auto found = pending_.find(id);
  TIDEWHEEL_CHECK(found != pending_.end(), "checkpoint {} completes twice", id);
  if (!result.ok()) {
    found->second.failure = result.status().with_context("completing checkpoint {}", id);
    withdraw(found->second);
    return;
  }
  const Pending pending = std::move(found->second);
  pending_.erase(found);
  plans_.remove(id);
  history_.complete(id, result->manifest.size_bytes(), result->path, now_ns());
  ++version_;
  after_completion(pending, *result);
  if (pending.request.done) { pending.request.done(*result); }
  begin_next();
}

// The error may have come when the checkpoint could be found already: by a process that goes on
// from the newest there is, while sinks take back what they had prepared for it. So nobody hears of
// it before it is gone for sure. Until then it is being completed, for all others.
void CheckpointCoordinator::withdraw(Pending& pending) {
  pending.withdraw_ns = Clock::kNever;
  ++pending.withdrawals;
  auto result = std::make_shared<Status>();
  call_store(
      [plan = pending.plan, result](CheckpointStore& store) { *result = store.withdraw(*plan); },
      [this, id = pending.plan->id, result] { on_withdrawn(id, *result); });
}

void CheckpointCoordinator::on_withdrawn(int64_t id, const Status& result) {
  Pending& pending = *find(id);
  if (!result.ok() && pending.withdrawals < kWithdrawalsMax) {
    TIDEWHEEL_MARK("checkpoint.withdrawn_again");
    const int64_t doublings = std::min<int64_t>(pending.withdrawals - 1, 7);
    pending.withdraw_ns = now_ns() + std::min(kWithdrawFirstNs << doublings, kWithdrawLastNs);
    return;
  }
  const Status why = pending.failure;
  if (!result.ok()) {
    parts_.logger.warning("checkpoint {} failed, but may be found complete later: {}", id,
                          result.to_string());
  }
  abort(id, Cause::kFinalize, why);
  begin_next();
}

void CheckpointCoordinator::after_completion(const Pending& pending,
                                             const CompletedSnapshot& snapshot) {
  const CheckpointPlan& plan = *pending.plan;
  const bool stops = plan.after != AfterSavepoint::kGoOn;
  const bool is_checkpoint = plan.kind == SnapshotKind::kCheckpoint;
  paused_until_ns_ = now_ns() + settings_.min_pause_ns;
  failures_in_a_row_ = 0;
  // One savepoint among checkpoints is the user's alone: nobody goes back to it, nobody commits
  // for it. One that ends the job is its last checkpoint.
  if (is_checkpoint || stops) {
    TIDEWHEEL_CHECK(!restore_point_ || restore_point_->manifest.checkpoint < plan.id,
                    "checkpoint {} completes after {}", plan.id,
                    restore_point_->manifest.checkpoint);
    restore_point_ = snapshot;
    if (stops) {
      stopped_with_ = snapshot.path;
      drained_ = plan.after == AfterSavepoint::kDrain;
    }
    std::vector<int64_t> older;
    for (const auto& [id, other] : pending_) {
      const bool may_go =
          other.plan->kind == SnapshotKind::kCheckpoint && other.stage != Stage::kCompleting;
      if (id < plan.id && may_go) { older.push_back(id); }
    }
    for (const int64_t id : older) {
      TIDEWHEEL_MARK("checkpoint.subsumed");
      abort(id, Cause::kSubsumed,
            cancelled(ErrorId::kCheckpointDeclined, "checkpoint {} completed before it", plan.id));
    }
    for (const auto& [task, acknowledged] : pending.acknowledged) {
      if (acknowledged.end_of_data) { at_end_.erase(task); }
    }
    // All that is left to do is to end.
    const bool all_at_end = std::all_of(pending.acknowledged.begin(), pending.acknowledged.end(),
                                        [](const auto& entry) { return entry.second.end_of_data; });
    if (all_at_end) { periodic_ns_ = Clock::kNever; }
  }
  if (is_checkpoint) { retained_.push_back(snapshot); }
  parts_.gateway.completed(plan, is_checkpoint || stops);
  drop_subsumed();
  retry_final(0);
}

// A checkpoint that one under way builds on stays as long as that.
void CheckpointCoordinator::drop_subsumed() {
  while (retained_.size() > static_cast<size_t>(settings_.retained)) {
    const int64_t oldest = retained_.front().manifest.checkpoint;
    for (const auto& [id, pending] : pending_) {
      if (pending.plan->base_checkpoint == oldest) { return; }
    }
    retained_.pop_front();
    auto dropped = std::make_shared<Status>();
    call_store([=](CheckpointStore& store) { *dropped = store.drop(oldest); },
               [this, oldest, dropped] {
                 if (!dropped->ok()) {
                   parts_.logger.warning("checkpoint {} could not be deleted: {}", oldest,
                                         dropped->to_string());
                 }
                 begin_next();
               });
  }
}

void CheckpointCoordinator::abort(int64_t id, Cause cause, const Status& why) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) { return; }
  Pending pending = std::move(found->second);
  pending_.erase(found);
  plans_.remove(id);
  history_.fail(id, why.to_string(), now_ns());
  ++version_;
  given_up_.push_back(pending.plan);
  if (given_up_.size() > kGivenUpMax) { given_up_.pop_front(); }
  parts_.gateway.aborted(*pending.plan);
  if (pending.stage != Stage::kPreparing) { discard(pending.plan); }
  const bool again = cause == Cause::kTaskEnded && running_;  // without that task
  if (again && pending.request.done) {
    requests_.push_front(std::move(pending.request));
  } else if (again && pending.request.trigger == Trigger::kPeriodic) {
    periodic_ns_ = std::min(periodic_ns_, now_ns());
  } else if (pending.request.done) {
    pending.request.done(why);
  }
  if (shut_down_) { return; }
  if (cause == Cause::kTaskEnded) {
    parts_.logger.info("checkpoint {} is taken again: {}", id, why.to_string());
  } else if (cause != Cause::kFailover) {
    parts_.logger.warning("checkpoint {} was given up: {}", id, why.to_string());
  }
  drop_subsumed();
  if (cause == Cause::kFinalize) { complete_next(); }
  const bool failed_final =
      pending.request.trigger == Trigger::kFinal && cause != Cause::kTaskEnded;
  retry_final(failed_final ? kFinalRetryNs : 0);
  // The final watermark is out already: only an older state can go on.
  if (pending.plan->after == AfterSavepoint::kDrain && cause != Cause::kFailover &&
      pending.stage >= Stage::kCollecting) {
    parts_.gateway.fail_job(why.with_context("draining the job for a savepoint"));
    return;
  }
  if (!counts(cause) || pending.plan->kind == SnapshotKind::kSavepoint ||
      pending.request.trigger == Trigger::kCommit) {
    return;
  }
  if (++failures_in_a_row_ <= settings_.tolerable_failures) { return; }
  failures_in_a_row_ = 0;
  parts_.gateway.fail_job(unavailable(ErrorId::kCheckpointFailures,
                                      "exceeded the {} checkpoint failures in a row that are "
                                      "tolerable (execution.checkpointing.tolerable-failed-"
                                      "checkpoints): {}",
                                      settings_.tolerable_failures, why.to_string()));
}

void CheckpointCoordinator::abort_all(Cause cause, const Status& why) {
  std::vector<int64_t> ids;
  for (const auto& [id, pending] : pending_) {
    if (pending.stage != Stage::kCompleting) { ids.push_back(id); }
  }
  for (const int64_t id : ids) { abort(id, cause, why); }
}

void CheckpointCoordinator::discard(std::shared_ptr<const CheckpointPlan> plan) {
  auto result = std::make_shared<Status>();
  call_store([plan, result](CheckpointStore& store) { *result = store.discard(*plan); },
             [this, plan, result] {
               if (!result->ok()) {
                 parts_.logger.warning("what was written for checkpoint {} stays behind: {}",
                                       plan->id, result->to_string());
               }
               begin_next();
             });
}

// ---- The end

bool CheckpointCoordinator::is_settled() const {
  return std::none_of(pending_.begin(), pending_.end(),
                      [](const auto& entry) { return entry.second.stage == Stage::kCompleting; });
}

void CheckpointCoordinator::shut_down(JobEnd end, std::function<void()> done) {
  TIDEWHEEL_CHECK(is_settled() && !shut_down_, "shut down while a checkpoint is being completed");
  shut_down_ = true;
  note_end(end, stopped_with_);
  on_failover("the job has ended");
  for (const auto& plan : given_up_) {
    if (!plan->directory.empty()) { discard(plan); }
  }
  const bool keep = (end == JobEnd::kFailed && settings_.retention != CheckpointRetention::kNone) ||
                    (end == JobEnd::kCancelled &&
                     settings_.retention == CheckpointRetention::kRetainOnCancellation);
  for (const CompletedSnapshot& snapshot : std::exchange(retained_, {})) {
    const int64_t id = snapshot.manifest.checkpoint;
    auto dropped = std::make_shared<Status>();
    call_store(
        [=](CheckpointStore& store) {
          if (keep) {
            store.release(id);
          } else {
            *dropped = store.drop(id);
          }
        },
        [this, id, dropped] {
          if (!dropped->ok()) {
            parts_.logger.warning("checkpoint {} could not be deleted: {}", id,
                                  dropped->to_string());
          }
        });
  }
  call_store([](CheckpointStore& store) { store.close(); }, nullptr);
  on_shut_down_ = std::move(done);
  if (!call_runs_ && calls_.empty()) { std::exchange(on_shut_down_, nullptr)(); }
}

// Before the checkpoints go: whoever resumes the job finds them, or that it has ended. A job that
// was only asked to end, with no savepoint, begins anew.
void CheckpointCoordinator::note_end(JobEnd end, const std::string& savepoint) {
  const bool at_end = end == JobEnd::kFinished || !savepoint.empty();
  if (!settings_.has_directory || !at_end || end == JobEnd::kCancelled || end == JobEnd::kFailed) {
    return;
  }
  const EndedJob ended{job_.id, job_.name, drained_ ? "" : savepoint, parts_.clock.wall_ms(),
                       next_id_ - 1};
  auto noted = std::make_shared<Status>();
  call_store([=](CheckpointStore& store) { *noted = store.note_end(ended); },
             [this, noted] {
               if (!noted->ok()) {
                 parts_.logger.warning("the end of the job could not be noted: {}",
                                       noted->to_string());
               }
             });
}

// ---- Calls to the store

void CheckpointCoordinator::call_store(std::function<void(CheckpointStore&)> work,
                                       std::function<void()> then) {
  calls_.push_back({std::move(work), std::move(then)});
  if (!call_runs_) { run_next_call(); }
}

void CheckpointCoordinator::run_next_call() {
  if (calls_.empty()) {
    call_runs_ = false;
    if (on_shut_down_) { std::exchange(on_shut_down_, nullptr)(); }
    return;
  }
  call_runs_ = true;
  Call call = std::move(calls_.front());
  calls_.pop_front();
  parts_.blocking.run([&store = parts_.store, work = std::move(call.work)] { work(store); },
                      [this, then = std::move(call.then)] {
                        if (then) { then(); }
                        run_next_call();
                      });
}

CheckpointCoordinator::Pending* CheckpointCoordinator::find(int64_t id) {
  const auto found = pending_.find(id);
  return found == pending_.end() ? nullptr : &found->second;
}

}  // namespace tidewheel
