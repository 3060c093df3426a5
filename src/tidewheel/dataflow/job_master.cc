#include "tidewheel/dataflow/job_master.h"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "tidewheel/base/fault.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/restore.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {
namespace {

constexpr size_t kFailuresMax = 16;
// Figures of a checkpoint that is under way are brought up to date this often.
constexpr int64_t kPublishNs = 20'000'000;

// A question that is answered once, at the latest when it is dropped.
template <class T>
class Answer {
 public:
  explicit Answer(std::function<void(Result<T>)> done) : done_(std::move(done)) {}
  ~Answer() {
    give(failed_precondition(ErrorId::kCheckpointDeclined,
                             "no checkpoint can be taken: the job has ended"));
  }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  void give(Result<T> result) {
    if (done_) { std::exchange(done_, nullptr)(std::move(result)); }
  }

 private:
  std::function<void(Result<T>)> done_;
};

// Errors that would come again, whatever the job went on from.
bool may_be_over_next_time(const Status& failure) {
  if (failure.code() == StatusCode::kUnimplemented) { return false; }
  switch (failure.id()) {
    case ErrorId::kUnknownOption:
    case ErrorId::kBadOptionValue:
    case ErrorId::kBadParameter:
    case ErrorId::kGraphCycle:
    case ErrorId::kGraphParallelism:
    case ErrorId::kGraphUid:
    case ErrorId::kGraphEdge:
    case ErrorId::kGraphEmpty:
    case ErrorId::kWindowOption:
    case ErrorId::kSchemaMismatch:
    case ErrorId::kSnapshotFormat:
    case ErrorId::kStateName:
    case ErrorId::kStateNotRestored:
    case ErrorId::kGraphMismatch:
    case ErrorId::kConnectorOption: return false;
    default: return true;
  }
}

// Of the snapshot that is restored.
bool is_damage(const Status& failure) {
  return failure.id() == ErrorId::kSnapshotChecksum || failure.id() == ErrorId::kSnapshotMissing;
}

}  // namespace

JobMaster::JobMaster(Parts parts)
    : parts_(std::move(parts)),
      checkpoints_(parts_.settings, parts_.job,
                   {parts_.world.clock(), parts_.world.logger().named("checkpoint"),
                    parts_.world.fork_random(), *this, *this, parts_.store}),
      layout_(parts_.chained),
      upstream_(layout_.upstream()),
      coordinators_(parts_.chained.graph.nodes.size()),
      ended_(parts_.world.executor().make_event()),
      started_ns_(parts_.world.clock().now_ns()) {}

JobMaster::~JobMaster() { gate_->close(); }

// ---- Before the worker starts

void JobMaster::start_from(const CompletedSnapshot& snapshot, bool owned) {
  checkpoints_.start_from(snapshot, owned);
}

Result<DeploymentStart> JobMaster::make_start() {
  while (true) {
    Result<DeploymentStart> start =
        make_start_from(checkpoints_.restore_point(), parts_.is_resumed, nullptr);
    if (start.ok()) { start->over = regions_over(); }
    if (start.ok() && checkpoints_.restore_point()) {
      checkpoints_.restored(*checkpoints_.restore_point());
      publish(/*at_once=*/true);
    }
    if (start.ok() || !is_damage(start.status())) { return start; }
    if (!checkpoints_.fall_back(start.status())) {
      return std::move(start).status().with_context(
          "{} can't be used, and there is no older one to go back to",
          checkpoints_.restore_point()->path);
    }
  }
}

Result<DeploymentStart> JobMaster::make_start_from(
    const std::optional<CompletedSnapshot>& point, bool is_restart,
    const std::function<bool(const std::string& uid)>& is_wanted) const {
  DeploymentStart start;
  start.is_restart = is_restart;
  if (!point) {
    if (is_restart) { start.restore = std::make_shared<const MemorySnapshot>(); }
    return start;
  }
  const LocalCopies* const local = parts_.store.local_copies();
  const LocalCopyMap copies = local == nullptr ? LocalCopyMap() : local->find(point->manifest);
  if (parts_.verifies) {
    TIDEWHEEL_RETURN_IF_ERROR(verify_snapshot(parts_.world, *point, is_wanted, copies));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(start.restore, open_snapshot(parts_.world, *point, copies));
  start.snapshot_path = point->path;
  if (parts_.chained.exchanges_block) {
    start.manifest = std::make_shared<const Manifest>(point->manifest);
  }
  start_from_manifest(point->manifest, parts_.chained, start);
  return start;
}

Result<std::unique_ptr<OperatorCoordinator>> JobMaster::make_coordinator(int32_t node) const {
  const GraphNode& graph_node = parts_.chained.graph.nodes[static_cast<size_t>(node)];
  try {
    return graph_node.make_coordinator().with_context("making the coordinator of '{}'",
                                                      graph_node.name);
  } catch (const std::exception& exception) {
    return user_error(ErrorId::kUserCodeThrew, "making the coordinator of '{}': {}",
                      graph_node.name, exception.what());
  }
}

MetricGroup* JobMaster::coordinator_metrics(int32_t node) {
  return parts_.metrics == nullptr
             ? nullptr
             : &parts_.metrics->group(kCoordinatorGroups).group(std::to_string(node));
}

Status JobMaster::make_coordinators() {
  const std::vector<GraphNode>& nodes = parts_.chained.graph.nodes;
  const std::vector<bool> is_over = regions_over();
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].make_coordinator) { continue; }
    const auto node = static_cast<int32_t>(i);
    if (is_over[layout_.region_of(parts_.chained.vertex_of_node[i])]) { continue; }
    TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<OperatorCoordinator> made, make_coordinator(node));
    coordinators_[i] = std::make_shared<HostedCoordinator>(*this, node, nodes[i], std::move(made));
    const std::optional<CompletedSnapshot>& point = checkpoints_.restore_point();
    if (!point) { continue; }
    const ManifestOperator* const op = point->manifest.find(snapshot_uid(parts_.chained, node));
    if (op == nullptr || op->coordinator_state.empty()) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(coordinators_[i]->restore(op->coordinator_state));
  }
  return ok_status();
}

void JobMaster::set_fleet(TaskFleet& fleet, bool is_deployed) {
  fleet_ = &fleet;
  regions_.resize(layout_.region_count());
  take_over_commits();
  for (size_t i = 0; i < regions_.size(); ++i) {
    Region& region = regions_[i];
    if (region.is_over) { continue; }
    region.was_deployed = is_deployed && layout_.producers_of(i).empty();
    region.keeps_results = region.was_deployed;
    if (!region.was_deployed) {
      region.state = Region::State::kWaiting;
      continue;
    }
    for (const TaskId task : layout_.tasks_of(i)) { region.opening.insert(task); }
    region.live = region.opening.size();
  }
  update_state();
}

// A wake that came before the worker was known is made up for here.
void JobMaster::set_worker(Worker* worker) {
  worker_.store(worker, std::memory_order_seq_cst);
  worker->wake();
}

void JobMaster::post(std::function<void()> mail) {
  if (!mailbox_.post(std::move(mail))) { return; }
  Worker* const worker = worker_.load(std::memory_order_seq_cst);
  if (worker != nullptr) { worker->wake(); }
}

// ---- Turns

Turn JobMaster::turn() {
  if (!started_) {
    started_ = true;
    for (const auto& coordinator : coordinators_) {
      if (coordinator != nullptr) { coordinator->start(); }
    }
  }
  mailbox_.run_pending();
  if (ended_now_) { return Turn::stop(); }
  const int64_t now_ns = parts_.world.clock().now_ns();
  for (size_t i = 0; i < coordinators_.size(); ++i) {
    if (const auto coordinator = coordinators_[i]) { coordinator->fire_timer(now_ns); }
  }
  if (checkpoints_.next_ns() <= now_ns) { checkpoints_.on_timer(); }
  advance_restarts();
  if (may_end()) { shut_down(); }
  if (ended_now_) { return Turn::stop(); }
  publish(/*at_once=*/false);
  if (mailbox_.has_mail()) { return Turn::again(); }
  int64_t next_ns = checkpoints_.next_ns();
  for (const auto& coordinator : coordinators_) {
    if (coordinator != nullptr) { next_ns = std::min(next_ns, coordinator->timer_ns()); }
  }
  if (!is_ending() && checkpoints_.is_settled() && fleet_->is_ready()) {
    for (size_t i = 0; i < regions_.size(); ++i) {
      if (regions_[i].state == Region::State::kWaiting && may_start(i)) {
        next_ns = std::min(next_ns, regions_[i].restart_at_ns);
      }
    }
    if (commit_point_is_due_) { next_ns = std::min(next_ns, commit_point_at_ns_); }
  }
  if (published_ != checkpoints_.version()) {
    next_ns = std::min(next_ns, published_ns_ + kPublishNs);
  }
  next_ns = std::min(next_ns, fleet_->on_turn(now_ns));
  return Turn::sleep_until(next_ns);
}

bool JobMaster::is_ending() const {
  const JobState state = state_.load(std::memory_order_relaxed);
  return state == JobState::kCancelling || state == JobState::kFailing || is_final(state);
}

void JobMaster::update_state() {
  if (is_ending()) { return; }
  JobState state =
      stop_asked_ || stopping_with_savepoint_ ? JobState::kStopping : JobState::kRunning;
  for (size_t i = 0; i < regions_.size(); ++i) {
    const Region& region = regions_[i];
    // The turn of those behind others comes later, and is no news of the job.
    if (!region.was_deployed && !layout_.producers_of(i).empty()) { continue; }
    if (waits_for_inputs(i) || (region.is_over && !region.was_deployed)) { continue; }
    if (region.state != Region::State::kRunning && region.state != Region::State::kFinished) {
      const bool is_first = !region.was_deployed && restarts() == 0;
      state = is_first ? JobState::kCreated : JobState::kRestarting;
    }
  }
  state_.store(state, std::memory_order_release);
}

// ---- What tasks tell

bool JobMaster::has_coordinator(int32_t vertex) const {
  const std::vector<int32_t>& nodes = parts_.chained.vertices[static_cast<size_t>(vertex)].nodes;
  return std::any_of(nodes.begin(), nodes.end(), [&](int32_t node) {
    return bool{parts_.chained.graph.nodes[static_cast<size_t>(node)].make_coordinator};
  });
}

HostedCoordinator* JobMaster::coordinator_of(int32_t node) {
  return coordinators_[static_cast<size_t>(node)].get();
}

std::string JobMaster::name_of(TaskId task) const {
  const ChainVertex& vertex = parts_.chained.vertices[static_cast<size_t>(task.vertex)];
  return fmt::format("{}, subtask {} of {}", vertex.name, task.subtask, vertex.parallelism);
}

void JobMaster::task_running(TaskId id) {
  post([this, id] {
    Region& region = region_of(id.vertex);
    region.opening.erase(id);
    if (region.state != Region::State::kRunning) { return; }
    for (const int32_t node : parts_.chained.vertices[static_cast<size_t>(id.vertex)].nodes) {
      HostedCoordinator* const coordinator = coordinator_of(node);
      if (coordinator != nullptr && !region.is_over) { coordinator->on_subtask_ready(id.subtask); }
    }
    check_all_running();
  });
}

void JobMaster::operator_event(int32_t node, int32_t subtask, std::string event) {
  post([this, node, subtask, event = std::move(event)] {
    // Events of tasks that are being replaced are dropped: all of them come before those ended.
    const int32_t vertex = parts_.chained.vertex_of_node[static_cast<size_t>(node)];
    if (region_of(vertex).state != Region::State::kRunning) { return; }
    if (HostedCoordinator* const coordinator = coordinator_of(node)) {
      coordinator->on_event(subtask, event);
    }
  });
}

void JobMaster::end_of_data(TaskId id) {
  post([this, id] {
    if (region_of(id.vertex).state == Region::State::kRunning) { checkpoints_.on_end_of_data(id); }
  });
}

void JobMaster::barrier_taken(TaskId id, int64_t checkpoint) {
  if (!has_coordinator(id.vertex)) { return; }
  post([this, id, checkpoint] {
    for (const int32_t node : parts_.chained.vertices[static_cast<size_t>(id.vertex)].nodes) {
      if (HostedCoordinator* const coordinator = coordinator_of(node)) {
        coordinator->on_barrier_taken(id.subtask, checkpoint);
      }
    }
  });
}

void JobMaster::snapshot_taken(TaskSnapshot snapshot) {
  post([this, shared = std::make_shared<TaskSnapshot>(std::move(snapshot))] {
    if (!parts_.chained.exchanges_block) {
      return checkpoints_.on_acknowledged(std::move(*shared));
    }
    const size_t region = layout_.region_of(shared->vertex);
    if (regions_[region].state != Region::State::kRunning) { return; }
    handed_over_[{shared->vertex, shared->subtask}] = std::move(*shared);
    regions_[region].has_prepared = regions_[region].has_prepared || has_commits(region);
  });
}

void JobMaster::snapshot_declined(TaskId id, int64_t checkpoint, Status why) {
  post([this, id, checkpoint, why = std::move(why)] {
    checkpoints_.on_declined(id, checkpoint, why);
  });
}

void JobMaster::task_ended(TaskId id, TaskState state, Status failure) {
  post([this, id, state, failure = std::move(failure)] { note_ended(id, state, failure); });
}

void JobMaster::tasks_lost(std::vector<TaskId> tasks, Status failure) {
  post([this, tasks = std::move(tasks), failure = std::move(failure)] {
    std::set<size_t> lost;
    for (const TaskId task : tasks) { lost.insert(layout_.region_of(task.vertex)); }
    on_failure({lost.begin(), lost.end()}, failure, "");
    for (const TaskId task : tasks) { forget(task); }
    for (const size_t region : lost) {
      if (regions_[region].live == 0) { region_emptied(region); }
    }
  });
}

void JobMaster::results_lost(TaskId id, Status why) {
  post([this, id, why = std::move(why)] {
    Region& region = region_of(id.vertex);
    // What finished regions have kept for nobody any more may go.
    if (!region.keeps_results || region.is_over) { return; }
    on_failure({layout_.region_of(id.vertex)}, why, name_of(id));
  });
}

// Turning is all that is asked: regions that wait are looked at.
void JobMaster::fleet_changed() {
  post([] {});
}

// ---- Tasks in this process

namespace {

TaskId id_of(const Task& task) { return {task.spec().vertex, task.spec().subtask}; }

}  // namespace

void JobMaster::on_task_running(Task& task) { task_running(id_of(task)); }
void JobMaster::on_operator_event(int32_t node, int32_t subtask, std::string event) {
  operator_event(node, subtask, std::move(event));
}
void JobMaster::on_end_of_data(Task& task) { end_of_data(id_of(task)); }
void JobMaster::on_barrier_taken(Task& task, int64_t checkpoint) {
  barrier_taken(id_of(task), checkpoint);
}
void JobMaster::on_snapshot_taken(Task&, TaskSnapshot snapshot) {
  snapshot_taken(std::move(snapshot));
}
void JobMaster::on_snapshot_declined(Task& task, int64_t checkpoint, Status why) {
  snapshot_declined(id_of(task), checkpoint, std::move(why));
}
void JobMaster::on_task_ended(Task& task, TaskState state, Status failure) {
  task_ended(id_of(task), state, std::move(failure));
}

void JobMaster::forget(TaskId task) {
  Region& region = region_of(task.vertex);
  region.opening.erase(task);
  TIDEWHEEL_CHECK(region.live > 0, "task {} has ended twice", name_of(task));
  --region.live;
}

void JobMaster::note_ended(TaskId task, TaskState state, const Status& failure) {
  const size_t index = layout_.region_of(task.vertex);
  Region& region = regions_[index];
  forget(task);
  if (state == TaskState::kCancelled && region.state == Region::State::kRunning && !is_ending()) {
    // Its process ends, and ends its tasks first.
    on_failure({index},
               unavailable(ErrorId::kProcessLost, "the task was cancelled: its process ends"),
               name_of(task));
  }
  if (state == TaskState::kFinished && region.state == Region::State::kRunning) {
    finished_.insert(task);
    checkpoints_.on_task_finished(task);
    check_all_running();
  }
  if (state == TaskState::kFailed) { on_failure({index}, failure, name_of(task)); }
  if (region.live == 0) { region_emptied(index); }
}

void JobMaster::region_emptied(size_t index) {
  Region& region = regions_[index];
  if (is_ending()) { return drop_prepared(index); }
  if (region.state == Region::State::kRunning) {
    region.state = Region::State::kFinished;
    if (region.is_over) { return forget_commits(index); }
    drop_taken_results(index);
    decide_commits(index);
    return;
  }
  if (region.state != Region::State::kCancelling) { return; }
  drop_results(index);
  retire(index);
}

void JobMaster::retire(size_t index) {
  regions_[index].state = Region::State::kRetiring;
  fleet_->retire(index, [this, index] {
    post([this, index] {
      regions_[index].state = Region::State::kWaiting;
      if (is_ending()) { drop_prepared(index); }
    });
  });
}

void JobMaster::check_all_running() {
  bool any = false;
  for (size_t i = 0; i < regions_.size(); ++i) {
    const Region& region = regions_[i];
    if (region.state == Region::State::kFinished || waits_for_inputs(i)) { continue; }
    if (region.state != Region::State::kRunning || !region.opening.empty()) { return; }
    any = true;
  }
  if (all_running_ || !any || is_ending()) { return; }
  all_running_ = true;
  stopping_with_savepoint_ = false;
  answer_stops([](const std::string& path) -> Result<std::string> {
    return failed_precondition(ErrorId::kCheckpointDeclined,
                               "the savepoint {} is complete, but the job failed before it had "
                               "ended, and goes on from it",
                               path);
  });
  update_state();
  checkpoints_.on_all_running();
}

// ---- Failures

void JobMaster::fail(Status failure) {
  post([this, failure = std::move(failure)] { fail_job(failure); });
}

// As mail: whoever finds the failure is in the middle of something.
void JobMaster::fail_job(Status why) {
  post([this, why = std::move(why)] {
    std::vector<size_t> all;
    for (size_t i = 0; i < regions_.size(); ++i) {
      if (regions_[i].state != Region::State::kFinished) { all.push_back(i); }
    }
    on_failure(std::move(all), why, "");
  });
}

void JobMaster::coordinator_failed(int32_t node, Status failure) {
  const int32_t vertex = parts_.chained.vertex_of_node[static_cast<size_t>(node)];
  on_failure({layout_.region_of(vertex)}, failure, "");
}

void JobMaster::note_failure(const Status& failure, const std::string& task) {
  auto failures =
      std::make_shared<std::vector<JobFailure>>(*failures_.load(std::memory_order_relaxed));
  if (failures->size() == kFailuresMax) { failures->erase(failures->begin() + 1); }
  failures->push_back({parts_.world.clock().wall_ms(), task, failure});
  failures_.store(std::move(failures), std::memory_order_release);
}

void JobMaster::on_failure(std::vector<size_t> regions, const Status& failure,
                           const std::string& task) {
  // What comes from a region that is to be started again anyway is a consequence of that.
  std::erase_if(regions, [&](size_t region) {
    const Region::State state = regions_[region].state;
    return state == Region::State::kCancelling || state == Region::State::kRetiring ||
           state == Region::State::kWaiting;
  });
  if (is_ending() || shutting_down_ || regions.empty()) { return; }
  const std::optional<int64_t> delay_ns = delay_after(failure, task);
  if (!delay_ns) { return; }
  all_running_ = false;
  checkpoints_.on_failover(failure.to_string());
  if (parts_.restarts_all) {
    const std::set<size_t> failed(regions.begin(), regions.end());
    regions.clear();
    for (size_t i = 0; i < regions_.size(); ++i) {
      if (regions_[i].is_over ? failed.contains(i) : !is_covered(i)) { regions.push_back(i); }
    }
  }
  const int64_t restart_at_ns = parts_.world.clock().now_ns() + *delay_ns;
  for (const size_t region : with_consumers(std::move(regions))) { restart(region, restart_at_ns); }
  update_state();
}

// ---- Regions behind others

std::vector<size_t> JobMaster::with_consumers(std::vector<size_t> regions) const {
  for (size_t i = 0; i < regions.size(); ++i) {
    for (const size_t consumer : layout_.consumers_of(regions[i])) {
      if (std::find(regions.begin(), regions.end(), consumer) == regions.end()) {
        regions.push_back(consumer);
      }
    }
  }
  return regions;
}

bool JobMaster::has_inputs(size_t region) const {
  if (regions_[region].is_over) { return true; }
  const std::vector<size_t>& producers = layout_.producers_of(region);
  return std::all_of(producers.begin(), producers.end(), [&](size_t producer) {
    return regions_[producer].state == Region::State::kFinished;
  });
}

bool JobMaster::waits_for_inputs(size_t region) const {
  return regions_[region].state == Region::State::kWaiting && !has_inputs(region);
}

void JobMaster::drop_results(size_t region) {
  if (!std::exchange(regions_[region].keeps_results, false)) { return; }
  if (!layout_.consumers_of(region).empty()) { fleet_->drop_results(region); }
}

// What the consumer has read nobody else may want.
void JobMaster::drop_taken_results(size_t consumer) {
  for (const size_t producer : layout_.producers_of(consumer)) {
    const std::vector<size_t>& all = layout_.consumers_of(producer);
    const bool taken = std::all_of(all.begin(), all.end(), [&](size_t region) {
      return regions_[region].state == Region::State::kFinished;
    });
    if (taken) { drop_results(producer); }
  }
}

void JobMaster::rerun_lost_producers() {
  std::vector<size_t> lost;
  for (size_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i].state != Region::State::kWaiting || regions_[i].is_over) { continue; }
    for (const size_t producer : layout_.producers_of(i)) {
      if (regions_[producer].state != Region::State::kFinished) { continue; }
      if (regions_[producer].keeps_results && fleet_->has_results(producer)) { continue; }
      lost.push_back(producer);
    }
  }
  if (lost.empty()) { return; }
  const int64_t now_ns = parts_.world.clock().now_ns();
  parts_.world.logger().named("job").warning(
      "{} has to run again: what it had kept for those behind it is gone",
      parts_.chained.vertices[static_cast<size_t>(layout_.vertices_of(lost.front()).front())].name);
  for (const size_t region : with_consumers(std::move(lost))) { restart(region, now_ns); }
  update_state();
}

// ---- Commits

bool JobMaster::has_commits(size_t region) const {
  const std::vector<TaskId> tasks = layout_.tasks_of(region);
  return std::any_of(tasks.begin(), tasks.end(), [&](TaskId task) {
    const auto handed = handed_over_.find(task);
    if (handed == handed_over_.end()) { return false; }
    const std::vector<OperatorSnapshot>& all = handed->second.operators;
    return std::any_of(all.begin(), all.end(),
                       [](const OperatorSnapshot& op) { return !op.segments.empty(); });
  });
}

// A region has finished. What is connected to it is run again as long as one of them has not.
void JobMaster::decide_commits(size_t finished) {
  if (!parts_.chained.exchanges_block) { return; }
  const std::vector<size_t>& connected = layout_.connected_to(finished);
  const bool all_finished = std::all_of(connected.begin(), connected.end(), [&](size_t region) {
    return regions_[region].state == Region::State::kFinished;
  });
  const bool any_commits = std::any_of(connected.begin(), connected.end(),
                                       [&](size_t region) { return has_commits(region); });
  if (!all_finished || !any_commits) { return; }
  for (const size_t index : connected) {
    Region& region = regions_[index];
    region.is_over = true;
    if (!has_commits(index)) { continue; }
    region.commit = Region::Commit::kDecided;
    region.was_deployed = false;
    region.restart_at_ns = 0;
    retire(index);
  }
  commit_point_is_due_ = true;
}

void JobMaster::make_commit_point() {
  commit_point_is_due_ = false;
  CheckpointCoordinator::HandedOver all;
  std::vector<size_t> decided;
  for (size_t i = 0; i < regions_.size(); ++i) {
    if (!regions_[i].is_over) { continue; }
    if (regions_[i].commit == Region::Commit::kDecided) { decided.push_back(i); }
    for (const TaskId task : layout_.tasks_of(i)) {
      all.ended.push_back(task);
      const auto handed = handed_over_.find(task);
      if (handed != handed_over_.end()) { all.tasks[task] = handed->second; }
    }
  }
  checkpoints_.commit_point(
      std::move(all), [this, decided](const Status& made) { on_commit_point(decided, made); });
}

void JobMaster::on_commit_point(const std::vector<size_t>& regions, const Status& made) {
  if (made.ok()) {
    for (const size_t region : regions) { regions_[region].commit = Region::Commit::kDue; }
    return;
  }
  if (is_ending()) { return; }
  const std::optional<int64_t> delay_ns =
      delay_after(made.with_context("before the sinks commit"), "");
  if (!delay_ns) { return; }
  commit_point_is_due_ = true;
  commit_point_at_ns_ = parts_.world.clock().now_ns() + *delay_ns;
}

// All of it is committed.
void JobMaster::forget_commits(size_t region) {
  for (const TaskId task : layout_.tasks_of(region)) {
    const auto handed = handed_over_.find(task);
    if (handed == handed_over_.end()) { continue; }
    for (OperatorSnapshot& op : handed->second.operators) { op.segments.clear(); }
  }
}

// The job ends, and no task of the region is left: its sinks are opened as after a failure, when
// they remove what is not to be committed, and do nothing else. Without room for that it stays.
void JobMaster::drop_prepared(size_t index) {
  Region& region = regions_[index];
  const bool rests =
      region.state != Region::State::kRetiring && region.state != Region::State::kDeploying;
  if (!region.has_prepared || region.is_over || !rests || !fleet_->is_ready()) { return; }
  TIDEWHEEL_MARK("job.drops_what_was_prepared");
  region.is_over = true;
  region.commit = Region::Commit::kDropped;
  region.failed_again = false;
  if (region.state == Region::State::kWaiting) { return redeploy(index); }
  region.state = Region::State::kRetiring;
  fleet_->retire(index, [this, index] { post([this, index] { redeploy(index); }); });
}

bool JobMaster::may_start(size_t region) const {
  return has_inputs(region) && regions_[region].commit != Region::Commit::kDecided;
}

// By region: what the job starts from has all of its operators at their end.
std::vector<bool> JobMaster::regions_over() const {
  std::vector<bool> over(layout_.region_count());
  for (size_t i = 0; i < over.size() && parts_.chained.exchanges_block; ++i) {
    const std::vector<size_t>& connected = layout_.connected_to(i);
    over[i] = std::all_of(connected.begin(), connected.end(),
                          [this](size_t region) { return is_at_end(region); });
  }
  return over;
}

// Sinks of an earlier run may have committed, or some of them.
void JobMaster::take_over_commits() {
  const std::vector<bool> over = regions_over();
  for (size_t i = 0; i < over.size(); ++i) {
    if (!over[i]) { continue; }
    TIDEWHEEL_MARK("job.commits_of_an_earlier_run");
    Region& region = regions_[i];
    region.is_over = true;
    region.state = Region::State::kFinished;
    for (const int32_t vertex : layout_.vertices_of(i)) {
      for (const int32_t node : parts_.chained.vertices[static_cast<size_t>(vertex)].nodes) {
        const ManifestOperator& op =
            *checkpoints_.restore_point()->manifest.find(snapshot_uid(parts_.chained, node));
        for (const OperatorSnapshot& subtask : op.subtasks) {
          TaskSnapshot& handed = handed_over_[{vertex, subtask.subtask}];
          handed.vertex = vertex;
          handed.subtask = subtask.subtask;
          handed.end_of_data = true;
          handed.operators.push_back(subtask);
        }
      }
    }
    if (!has_commits(i)) { continue; }
    region.commit = Region::Commit::kDue;
    region.state = Region::State::kWaiting;
  }
}

std::optional<int64_t> JobMaster::delay_after(const Status& failure, const std::string& task) {
  note_failure(failure, task);
  std::optional<int64_t> delay_ns;
  bool recoverable = may_be_over_next_time(failure);
  if (!all_running_ && is_damage(failure)) { recoverable = checkpoints_.fall_back(failure); }
  if (recoverable) { delay_ns = parts_.strategy->on_failure(parts_.world.clock().now_ns()); }
  if (delay_ns) {
    restarts_.fetch_add(1, std::memory_order_relaxed);
    parts_.world.logger().named("job").warning("{}{}restarting in {} ms: {}", task,
                                               task.empty() ? "" : " failed; ",
                                               *delay_ns / 1'000'000, failure.to_string());
    return delay_ns;
  }
  failure_ = failure;
  if (recoverable && parts_.tells_strategy) {
    const int64_t times = restarts();
    std::string history;
    if (times > 0) {
      history = fmt::format(", after {} restart{}; the first failure was: {}", times,
                            times == 1 ? "" : "s", failures()->front().status.to_string());
    }
    failure_ = failure.with_context("Recovery is suppressed by {}{}", parts_.strategy->describe(),
                                    history);
  }
  end_by(JobState::kFailing);
  return std::nullopt;
}

void JobMaster::cannot_deploy(Status why) {
  post([this, why = std::move(why)] {
    const bool waits = std::any_of(regions_.begin(), regions_.end(), [](const Region& region) {
      return region.state == Region::State::kWaiting;
    });
    if (!waits || is_ending() || shutting_down_ || fleet_->is_ready()) { return; }
    const std::optional<int64_t> delay_ns = delay_after(why, "");
    if (!delay_ns) { return; }
    const int64_t at_ns = parts_.world.clock().now_ns() + *delay_ns;
    for (Region& region : regions_) {
      if (region.state == Region::State::kWaiting) {
        region.restart_at_ns = std::max(region.restart_at_ns, at_ns);
      }
    }
    update_state();
  });
}

// It has finished, and the checkpoint to go back to has that too.
bool JobMaster::is_covered(size_t region) const {
  return regions_[region].state == Region::State::kFinished && is_at_end(region);
}

// The checkpoint to go back to has all of it at its end.
bool JobMaster::is_at_end(size_t region) const {
  const std::optional<CompletedSnapshot>& point = checkpoints_.restore_point();
  if (!point) { return false; }
  for (const int32_t vertex : layout_.vertices_of(region)) {
    for (const int32_t node : parts_.chained.vertices[static_cast<size_t>(vertex)].nodes) {
      const ManifestOperator* const op = point->manifest.find(snapshot_uid(parts_.chained, node));
      if (op == nullptr || !op->finished) { return false; }
    }
  }
  return true;
}

void JobMaster::for_coordinators_of(size_t region,
                                    const std::function<void(HostedCoordinator&)>& call) {
  for (const int32_t vertex : layout_.vertices_of(region)) {
    for (const int32_t node : parts_.chained.vertices[static_cast<size_t>(vertex)].nodes) {
      if (const auto coordinator = coordinators_[static_cast<size_t>(node)]) { call(*coordinator); }
    }
  }
}

void JobMaster::restart(size_t index, int64_t at_ns) {
  Region& region = regions_[index];
  region.restart_at_ns = std::max(region.restart_at_ns, at_ns);
  if (region.state == Region::State::kDeploying) { region.failed_again = true; }
  if (region.state != Region::State::kRunning && region.state != Region::State::kFinished) {
    return;
  }
  if (region.is_over) { TIDEWHEEL_MARK("job.commits_again"); }
  region.state = Region::State::kCancelling;
  region.restart_at_ns = at_ns;
  for_coordinators_of(index, [](HostedCoordinator& coordinator) { coordinator.close(); });
  for (const TaskId task : layout_.tasks_of(index)) {
    finished_.erase(task);
    checkpoints_.on_task_lost(task);
    if (!region.is_over) { handed_over_.erase(task); }
  }
  fleet_->cancel(index);
  if (region.live == 0) { region_emptied(index); }
}

void JobMaster::advance_restarts() {
  if (is_ending() || !checkpoints_.is_settled() || !fleet_->is_ready()) { return; }
  rerun_lost_producers();
  const int64_t now_ns = parts_.world.clock().now_ns();
  if (commit_point_is_due_ && commit_point_at_ns_ <= now_ns) { make_commit_point(); }
  for (size_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i].state == Region::State::kWaiting && regions_[i].restart_at_ns <= now_ns &&
        may_start(i)) {
      redeploy(i);
    }
  }
}

void JobMaster::redeploy(size_t region) {
  regions_[region].state = Region::State::kDeploying;
  auto made = std::make_shared<Redeployment>();
  const bool commits_only = regions_[region].is_over;
  const bool is_again =
      parts_.is_resumed || restarts() > 0 || regions_[region].was_deployed || commits_only;
  // A region that writes rows begins anew, whatever others have committed.
  const bool from_point = !parts_.chained.exchanges_block ||
                          (commits_only && regions_[region].commit != Region::Commit::kDropped);
  run([this, region, made, commits_only,
       point = from_point ? checkpoints_.restore_point() : std::nullopt,
       is_again] { *made = make_redeployment(region, point, is_again, commits_only); },
      [this, region, made] { on_redeployed(region, std::move(*made)); });
}

// On the blocking pool.
JobMaster::Redeployment JobMaster::make_redeployment(size_t region,
                                                     const std::optional<CompletedSnapshot>& point,
                                                     bool is_restart, bool commits_only) const {
  Redeployment made;
  if (TIDEWHEEL_FAULT("job.redeployment_fails")) {
    made.status = unavailable(ErrorId::kFileIo, "failed by a test");
    return made;
  }
  std::set<std::string> uids;
  for (const int32_t vertex : layout_.vertices_of(region)) {
    for (const int32_t node : parts_.chained.vertices[static_cast<size_t>(vertex)].nodes) {
      uids.insert(snapshot_uid(parts_.chained, node));
    }
  }
  Result<DeploymentStart> start = make_start_from(
      point, is_restart, [&uids](const std::string& uid) { return uids.contains(uid); });
  if (!start.ok()) {
    made.status = start.status();
    return made;
  }
  start->commits_only = commits_only;
  auto tasks = fleet_->prepare(region, *start);
  if (!tasks.ok()) {
    made.status = tasks.status();
    return made;
  }
  made.tasks = std::move(tasks).value();
  if (commits_only) { return made; }
  for (const int32_t vertex : layout_.vertices_of(region)) {
    for (const int32_t node : parts_.chained.vertices[static_cast<size_t>(vertex)].nodes) {
      if (!parts_.chained.graph.nodes[static_cast<size_t>(node)].make_coordinator) { continue; }
      auto coordinator = make_coordinator(node);
      if (!coordinator.ok()) {
        made.status = coordinator.status();
        return made;
      }
      const ManifestOperator* const op =
          point ? point->manifest.find(snapshot_uid(parts_.chained, node)) : nullptr;
      made.coordinators.push_back({node, std::move(coordinator).value(),
                                   op == nullptr ? std::string() : op->coordinator_state});
    }
  }
  return made;
}

void JobMaster::on_redeployed(size_t index, Redeployment made) {
  Region& region = regions_[index];
  Status status = made.status;
  const bool is_wanted = !is_ending() || region.commit == Region::Commit::kDropped;
  if (is_wanted && !region.failed_again && status.ok()) {
    status = install(index, std::move(made));
    if (status.ok()) { return; }
  }
  if (!is_ending() && !region.failed_again) {
    TIDEWHEEL_MARK("job.recovery_failed");
    on_failure({index}, std::move(status).with_context("recovering from a failure"), "");
  }
  region.failed_again = false;
  region.state = Region::State::kWaiting;
}

Status JobMaster::install(size_t index, Redeployment made) {
  for (Redeployment::Coordinator& one : made.coordinators) {
    const auto node = static_cast<size_t>(one.node);
    coordinators_[node] = std::make_shared<HostedCoordinator>(
        *this, one.node, parts_.chained.graph.nodes[node], std::move(one.coordinator));
    if (one.state.empty()) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(coordinators_[node]->restore(one.state));
  }
  Region& region = regions_[index];
  fleet_->deploy(index, std::move(made.tasks));
  region.state = Region::State::kRunning;
  region.was_deployed = true;
  region.keeps_results = !region.is_over;
  for (const TaskId task : layout_.tasks_of(index)) { region.opening.insert(task); }
  if (stop_asked_) { fleet_->stop(index); }
  region.live = region.opening.size();
  if (checkpoints_.restore_point() && !parts_.chained.exchanges_block) {
    checkpoints_.restored(*checkpoints_.restore_point());
  }
  if (!region.is_over) {
    for_coordinators_of(index, [](HostedCoordinator& coordinator) { coordinator.start(); });
  }
  update_state();
  return ok_status();
}

// ---- Checkpoints

CheckpointParticipants JobMaster::participants() {
  CheckpointParticipants all;
  if (is_ending()) { all.obstacle = "the job is ending"; }
  if (parts_.chained.exchanges_block) {
    all.obstacle = "a job whose exchanges are blocking has none (execution.runtime-mode: BATCH)";
    return all;
  }
  for (const Region& region : regions_) {
    if (region.state == Region::State::kFinished) { continue; }
    if (region.state != Region::State::kRunning) { all.obstacle = "the job is being restarted"; }
    if (!region.opening.empty()) {
      all.obstacle = fmt::format("task {} does not run yet", name_of(*region.opening.begin()));
    }
  }
  if (!all.obstacle.empty()) { return all; }
  for (const TaskId id : layout_.tasks()) {
    if (finished_.contains(id)) {
      all.finished.push_back(id);
      continue;
    }
    all.to_acknowledge.push_back(id);
    const std::vector<size_t>& upstream = upstream_[layout_.place_of(id)];
    const bool begins = std::all_of(upstream.begin(), upstream.end(), [&](size_t place) {
      return finished_.contains(layout_.tasks()[place]);
    });
    if (begins) { all.to_trigger.push_back(id); }
  }
  return all;
}

void JobMaster::snapshot_coordinators(int64_t checkpoint,
                                      std::function<void(Result<CoordinatorStates>)> done) {
  CoordinatorStates states;
  for (size_t i = 0; i < coordinators_.size(); ++i) {
    if (coordinators_[i] == nullptr) { continue; }
    Result<std::string> state = coordinators_[i]->snapshot(checkpoint);
    if (!state.ok()) {
      done(state.status());
      return;
    }
    states[snapshot_uid(parts_.chained, static_cast<int32_t>(i))] = std::move(*state);
  }
  done(std::move(states));
}

void JobMaster::trigger(const CheckpointPlanRef& plan, const std::vector<TaskId>& tasks) {
  fleet_->trigger(plan, tasks);
  publish(/*at_once=*/true);
}

void JobMaster::completed(const CheckpointPlan& plan, bool notify) {
  for (const auto& coordinator : coordinators_) {
    if (coordinator == nullptr) { continue; }
    coordinator->on_checkpoint_over(plan.id);
    if (notify) { coordinator->on_checkpoint_complete(plan.id); }
  }
  // Of a commit point tasks that run know nothing: what they prepare is not in it.
  if (!parts_.chained.exchanges_block) { fleet_->checkpoint_complete(plan.id, notify); }
  if (plan.after != AfterSavepoint::kGoOn) {
    stopping_with_savepoint_ = true;
    update_state();
  }
  publish(/*at_once=*/true);
}

void JobMaster::aborted(const CheckpointPlan& plan) {
  for (const auto& coordinator : coordinators_) {
    if (coordinator != nullptr) { coordinator->on_checkpoint_over(plan.id); }
  }
  if (!parts_.chained.exchanges_block) { fleet_->checkpoint_aborted(plan.id); }
  publish(/*at_once=*/true);
}

void JobMaster::run(std::function<void()> work, std::function<void()> then) {
  parts_.world.executor().run_blocking(
      [this, gate = gate_, work = std::move(work), then = std::move(then)] {
        // What it uses is there for as long as the gate is open: a job that does not start, for
        // one, goes while a call waits.
        if (!gate->enter()) { return; }
        work();
        post(then);
        gate->leave();
      });
}

void JobMaster::deliver(int32_t node, int32_t subtask, std::string event) {
  fleet_->deliver(node, subtask, std::move(event));
}

void JobMaster::publish(bool at_once) {
  const int64_t now_ns = parts_.world.clock().now_ns();
  if (published_ == checkpoints_.version()) { return; }
  if (!at_once && now_ns < published_ns_ + kPublishNs) { return; }
  published_ = checkpoints_.version();
  published_ns_ = now_ns;
  statistics_.store(std::make_shared<const CheckpointStatistics>(checkpoints_.statistics()),
                    std::memory_order_release);
}

// ---- What the user asks for

void JobMaster::stop() {
  post([this] {
    if (is_ending() || stop_asked_) { return; }
    stop_asked_ = true;
    update_state();
    for (size_t i = 0; i < regions_.size(); ++i) {
      if (regions_[i].state == Region::State::kRunning) { fleet_->stop(i); }
    }
  });
}

void JobMaster::cancel() {
  post([this] { end_by(JobState::kCancelling); });
}

void JobMaster::abandon() {
  post([this] {
    if (ended_now_) { return; }
    mailbox_.close();
    ended_now_ = true;
    ended_->set();
  });
}

void JobMaster::savepoint(SavepointRequest request, std::function<void(Result<std::string>)> done) {
  auto answer = std::make_shared<Answer<std::string>>(std::move(done));
  post([this, request = std::move(request), answer = std::move(answer)] {
    checkpoints_.savepoint(
        request.directory, request.after,
        [this, answer, stops = request.after != AfterSavepoint::kGoOn](Result<std::string> path) {
          if (!stops || !path.ok()) {
            answer->give(std::move(path));
            return;
          }
          stop_answers_.emplace_back(
              *path, [answer](Result<std::string> result) { answer->give(std::move(result)); });
        },
        request.form);
  });
}

void JobMaster::cancel_with_savepoint(std::string directory,
                                      std::function<void(Result<std::string>)> done,
                                      SavepointForm form) {
  auto answer = std::make_shared<Answer<std::string>>(std::move(done));
  post([this, directory = std::move(directory), answer = std::move(answer), form] {
    checkpoints_.savepoint(
        directory, AfterSavepoint::kGoOn,
        [this, answer](Result<std::string> path) {
          if (path.ok()) { end_by(JobState::kCancelling); }
          answer->give(std::move(path));
        },
        form);
  });
}

void JobMaster::trigger_checkpoint(std::function<void(Result<int64_t>)> done) {
  auto answer = std::make_shared<Answer<int64_t>>(std::move(done));
  post([this, answer = std::move(answer)] {
    checkpoints_.trigger([answer](Result<int64_t> id) { answer->give(std::move(id)); });
  });
}

void JobMaster::answer_stops(
    const std::function<Result<std::string>(const std::string& path)>& answer) {
  for (const auto& [path, give] : std::exchange(stop_answers_, {})) { give(answer(path)); }
}

// ---- The end

void JobMaster::end_by(JobState state) {
  if (is_ending() || shutting_down_) { return; }
  state_.store(state, std::memory_order_release);
  all_running_ = false;
  checkpoints_.on_failover(state == JobState::kFailing ? "the job has failed"
                                                       : "the job is being cancelled");
  for (size_t i = 0; i < regions_.size(); ++i) { fleet_->cancel(i); }
  for (size_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i].live == 0) { drop_prepared(i); }
  }
}

bool JobMaster::may_end() const {
  if (shutting_down_ || !checkpoints_.is_settled()) { return false; }
  const bool ending = is_ending();
  return std::all_of(regions_.begin(), regions_.end(), [&](const Region& region) {
    if (!ending) { return region.state == Region::State::kFinished; }
    return region.live == 0 && region.state != Region::State::kRetiring &&
           region.state != Region::State::kDeploying;
  });
}

void JobMaster::shut_down() {
  shutting_down_ = true;
  for (const auto& coordinator : coordinators_) {
    if (coordinator != nullptr) { coordinator->close(); }
  }
  JobEnd how = stop_asked_ ? JobEnd::kStopped : JobEnd::kFinished;
  if (state_.load(std::memory_order_relaxed) == JobState::kFailing) { how = JobEnd::kFailed; }
  if (state_.load(std::memory_order_relaxed) == JobState::kCancelling) { how = JobEnd::kCancelled; }
  const auto go_on = [this, how] { checkpoints_.shut_down(how, [this] { end(); }); };
  if (before_end_ && (how == JobEnd::kFailed || how == JobEnd::kCancelled)) {
    before_end_(how, [this, go_on] { post(go_on); });
  } else {
    go_on();
  }
}

void JobMaster::end() {
  publish(/*at_once=*/true);
  JobState state = JobState::kFinished;
  switch (state_.load(std::memory_order_relaxed)) {
    case JobState::kFailing: state = JobState::kFailed; break;
    case JobState::kCancelling: state = JobState::kCancelled; break;
    default: break;
  }
  answer_stops([&](const std::string& path) -> Result<std::string> {
    if (state == JobState::kFinished) { return path; }
    return failed_precondition(ErrorId::kCheckpointDeclined,
                               "the savepoint {} is complete, but the job ended as {}", path,
                               job_state_name(state));
  });
  mailbox_.close();
  fleet_->shut_down();
  ended_ns_.store(parts_.world.clock().now_ns(), std::memory_order_release);
  state_.store(state, std::memory_order_release);
  ended_now_ = true;
  ended_->set();
}

}  // namespace tidewheel
