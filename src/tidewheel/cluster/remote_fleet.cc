#include "tidewheel/cluster/remote_fleet.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tidewheel/base/options.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/stack_sampling.h"
#include "tidewheel/cluster/worker.pb.h"
#include "tidewheel/cluster/worker_messages.h"
#include "tidewheel/dataflow/restore.h"

namespace tidewheel {
namespace {

// Attempts at a task that are remembered.
constexpr size_t kAttemptsMax = 16;
// How long it is waited for the word of a worker's TaskManager on how it has ended.
constexpr int64_t kWordNs = 1'000'000'000;
// A worker that takes longer is left out of the metrics.
constexpr int64_t kMetricsMs = 2'000;

// What a region starts from, until it is sent.
struct RemoteStart final : TaskFleet::Prepared {
  std::string snapshot_path;
  bool is_restart = false;
  bool commits_only = false;
  std::string manifest;  // of that; empty: it is at snapshot_path
};

// What one region has in it.
Manifest part_of(const Manifest& manifest, const ChainedGraph& chained,
                 const std::vector<int32_t>& vertices) {
  Manifest part;
  part.checkpoint = manifest.checkpoint;
  part.job_id = manifest.job_id;
  part.job_name = manifest.job_name;
  for (const int32_t vertex : vertices) {
    for (const int32_t node : chained.vertices[static_cast<size_t>(vertex)].nodes) {
      const ManifestOperator* const op = manifest.find(snapshot_uid(chained, node));
      if (op != nullptr) { part.operators.push_back(*op); }
    }
  }
  return part;
}

}  // namespace

struct RemoteFleet::Member {
  uint64_t number = 0;
  std::string worker_id;
  std::string task_manager_id;
  std::string host;
  int32_t data_port = 0;
  bool is_ready = false;
  RpcClient client;
  // Its connection has ended; kNever: it has not.
  int64_t gone_ns = Clock::kNever;
  Status why_gone;
  std::map<std::string, int64_t> accumulators;

  std::string name() const { return fmt::format("worker {} on {}", number, task_manager_id); }
};

RemoteFleet::RemoteFleet(Parts parts)
    : parts_(std::move(parts)),
      alive_(std::make_shared<bool>(true)),
      worker_of_slot_(static_cast<size_t>(parts_.layout.slot_count())),
      regions_(parts_.layout.region_count()),
      worker_of_place_(parts_.layout.task_count()),
      tasks_(parts_.layout.task_count()),
      waits_since_ns_(parts_.clock.now_ns()) {}

RemoteFleet::~RemoteFleet() = default;

std::shared_ptr<RpcService> RemoteFleet::make_service(RpcPoster poster) {
  poster_ = poster;
  auto service = std::make_shared<RpcService>("Workers", std::move(poster));
  service->accept_only(parts_.epoch);
  service->on<pb::RegisterWorkerRequest, pb::RegisterWorkerResponse>(
      "Register", [this](const RpcRequest& from, const pb::RegisterWorkerRequest& request,
                         const RpcAnswer<pb::RegisterWorkerResponse>& answer) {
        on_register(from, request, answer);
      });
  service->on_notice<pb::WorkerReadyNotice>(
      "Ready", [this](const RpcRequest& from, const pb::WorkerReadyNotice& notice) {
        on_ready(from, notice);
      });
  service->on_notice<pb::WorkerFailedNotice>(
      "Failed", [this](const RpcRequest& from, const pb::WorkerFailedNotice& notice) {
        on_failed(from, notice);
      });
  service->on_notice<pb::HappenedNotice>(
      "Happened", [this](const RpcRequest& from, const pb::HappenedNotice& notice) {
        on_happened(from, notice);
      });
  service->on_notice<pb::FiguresNotice>(
      "Figures", [this](const RpcRequest& from, const pb::FiguresNotice& notice) {
        on_figures(from, notice);
      });
  return service;
}

// ---- Workers

RemoteFleet::Member* RemoteFleet::member_of(const RpcPeerRef& peer) {
  for (const auto& [number, member] : members_) {
    if (member->client.peer() == peer) { return member.get(); }
  }
  return nullptr;
}

void RemoteFleet::on_register(const RpcRequest& from, const pb::RegisterWorkerRequest& request,
                              const RpcAnswer<pb::RegisterWorkerResponse>& answer) {
  if (over_) {
    answer.fail(failed_precondition(ErrorId::kJobState, "the job has ended"));
    return;
  }
  auto member = std::make_unique<Member>();
  member->number = ++workers_so_far_;
  member->worker_id = request.worker_id();
  member->task_manager_id = request.task_manager_id();
  member->host = request.host();
  member->client = RpcClient(from.peer, "Worker", poster_);
  member->client.set_fence(parts_.epoch);
  const uint64_t number = member->number;
  parts_.logger.info("{} has come", member->name());
  from.peer->watch({.poster = poster_,
                    .on_up = [] {},
                    .on_lost =
                        [this, number, alive = std::weak_ptr<bool>(alive_)](const Status& why) {
                          if (!alive.expired()) { on_gone(number, why); }
                        }});
  ends_.erase(member->task_manager_id);
  members_[number] = std::move(member);
  pb::RegisterWorkerResponse response;
  response.set_number(number);
  response.set_token(parts_.token);
  response.set_job_name(parts_.job_name);
  response.set_fingerprint(graph_fingerprint(parts_.chained));
  for (const GraphNode& node : parts_.chained.graph.nodes) {
    response.add_max_parallelism(node.max_parallelism);
  }
  for (const auto& [id, parallelism] : parts_.parallelism) {
    pb::VertexParallelism& vertex = *response.add_parallelism();
    vertex.set_vertex_id(id);
    vertex.set_parallelism(parallelism);
  }
  answer.ok(response);
}

void RemoteFleet::on_ready(const RpcRequest& from, const pb::WorkerReadyNotice& notice) {
  Member* const member = member_of(from.peer);
  if (member == nullptr) { return; }
  member->data_port = static_cast<int32_t>(notice.data_port());
  member->is_ready = true;
  place_slots();
}

void RemoteFleet::on_failed(const RpcRequest& from, const pb::WorkerFailedNotice& notice) {
  const Member* const member = member_of(from.peer);
  if (member == nullptr) { return; }
  parts_.listener.cannot_deploy(from_message(notice.why()).with_context("{}", member->name()));
}

void RemoteFleet::worker_lost(const std::string& task_manager_id, const std::string& worker_id,
                              const Status& why) {
  for (const auto& [number, member] : members_) {
    if (member->worker_id == worker_id) { return on_lost(number, why); }
  }
  ends_[task_manager_id] = why.message();
}

// It gets nothing more to do. Why its tasks have failed is told when that is known.
void RemoteFleet::on_gone(uint64_t number, const Status& why) {
  const auto found = members_.find(number);
  if (found == members_.end()) { return; }
  if (over_) { return on_lost(number, why); }
  Member& member = *found->second;
  member.is_ready = false;
  member.gone_ns = parts_.clock.now_ns();
  member.why_gone = why;
  std::replace(worker_of_slot_.begin(), worker_of_slot_.end(), number, uint64_t{0});
  place_slots();
}

void RemoteFleet::on_lost(uint64_t number, const Status& why) {
  const auto found = members_.find(number);
  if (found == members_.end()) { return; }
  const std::unique_ptr<Member> member = std::move(found->second);
  members_.erase(found);
  member->client.peer()->close();
  if (over_) { return; }
  const Status failure =
      unavailable(ErrorId::kProcessLost, "{} is lost: {}", member->name(), why.message());
  parts_.logger.warning("{}", failure.message());
  std::replace(worker_of_slot_.begin(), worker_of_slot_.end(), number, uint64_t{0});
  std::vector<TaskId> lost;
  for (size_t place = 0; place < worker_of_place_.size(); ++place) {
    const TaskId task = parts_.layout.tasks()[place];
    const Region& region = regions_[parts_.layout.region_of(task.vertex)];
    const bool reads_there = worker_of_place_[place] != 0 && region.readers.contains(number);
    if (worker_of_place_[place] == number || reads_there) { lost.push_back(task); }
  }
  give_up(lost, failure);
  tell_held();
  place_slots();
}

void RemoteFleet::give_up(const std::vector<TaskId>& tasks, const Status& why) {
  for (const TaskId task : tasks) {
    const size_t place = parts_.layout.place_of(task);
    worker_of_place_[place] = 0;
    if (!commits_only(place)) { tasks_[place].back().failure = why; }
    set_state(place, ExecutionState::kFailed);
  }
  if (!tasks.empty()) { parts_.listener.tasks_lost(tasks, why); }
}

// ---- Slots

void RemoteFleet::assign(SlotAssignment assignment) {
  assignment_ = std::move(assignment);
  place_slots();
}

// Slots keep their workers. What is free of the others goes to slots that have none, in the order
// of the assignment: neighbours in a vertex come to neighbours on a machine.
void RemoteFleet::place_slots() {
  for (const SlotAssignment::On& on : assignment_.on) {
    for (const auto& [number, member] : members_) {
      const bool fits = member->is_ready && member->task_manager_id == on.task_manager_id &&
                        (on.worker_id.empty() || on.worker_id == member->worker_id);
      if (!fits) { continue; }
      auto left = on.slots - static_cast<int32_t>(std::count(worker_of_slot_.begin(),
                                                             worker_of_slot_.end(), number));
      for (uint64_t& worker : worker_of_slot_) {
        if (worker != 0 || left <= 0) { continue; }
        worker = number;
        --left;
      }
    }
  }
  waits_since_ns_ = is_ready() ? Clock::kNever : std::min(waits_since_ns_, parts_.clock.now_ns());
  parts_.listener.fleet_changed();
}

int32_t RemoteFleet::missing_slots() const {
  return static_cast<int32_t>(std::count(worker_of_slot_.begin(), worker_of_slot_.end(), 0U));
}

bool RemoteFleet::is_ready() const { return missing_slots() == 0; }

std::string RemoteFleet::obstacle() const {
  const int32_t missing = missing_slots();
  if (missing == 0) { return {}; }
  const std::string& reason = assignment_.reason;
  std::string out = fmt::format("waits for {} of {} slots{}", missing, worker_of_slot_.size(),
                                reason.empty() ? "" : ": " + reason);
  for (const auto& [task_manager, end] : ends_) {
    out += fmt::format("; the last worker on {} did not come up: {}", task_manager, end);
  }
  return out;
}

int64_t RemoteFleet::on_turn(int64_t now_ns) {
  const int64_t next_ns =
      std::min(parts_.on_turn ? parts_.on_turn() : Clock::kNever, end_waiting_for_words(now_ns));
  if (waits_since_ns_ == Clock::kNever || parts_.slot_timeout_ns == Clock::kNever || over_) {
    return next_ns;
  }
  if (now_ns >= waits_since_ns_ + parts_.slot_timeout_ns) {
    waits_since_ns_ = now_ns;
    parts_.listener.cannot_deploy(
        unavailable(ErrorId::kNoSlots,
                    "the job {}, and has for {} ms: start more TaskManagers, or give it a "
                    "smaller parallelism",
                    obstacle(), parts_.slot_timeout_ns / 1'000'000));
  }
  return std::min(next_ns, waits_since_ns_ + parts_.slot_timeout_ns);
}

// Of workers that are gone, and of what may follow from that. Returns when it is to be looked at
// again.
int64_t RemoteFleet::end_waiting_for_words(int64_t now_ns) {
  if (over_) { return Clock::kNever; }
  int64_t next_ns = Clock::kNever;
  std::vector<uint64_t> unexplained;
  for (const auto& [number, member] : members_) {
    if (member->gone_ns == Clock::kNever) { continue; }
    const int64_t until_ns = member->gone_ns + kWordNs;
    if (now_ns >= until_ns) {
      unexplained.push_back(number);
    } else {
      next_ns = std::min(next_ns, until_ns);
    }
  }
  for (const uint64_t number : unexplained) {
    const Status why = members_.at(number)->why_gone;
    on_lost(number, why);
  }
  if (held_.empty()) { return next_ns; }
  if (now_ns < held_.front().until_ns) { return std::min(next_ns, held_.front().until_ns); }
  tell_held();
  return next_ns;
}

void RemoteFleet::tell_held() {
  for (const Held& held : std::exchange(held_, {})) { take_happened(held.from, *held.notice); }
}

// ---- Regions

Result<std::shared_ptr<TaskFleet::Prepared>> RemoteFleet::prepare(
    size_t region, const DeploymentStart& start) const {
  auto prepared = std::make_shared<RemoteStart>();
  prepared->snapshot_path = start.snapshot_path;
  prepared->is_restart = start.is_restart;
  prepared->commits_only = start.commits_only;
  if (!start.commits_only || start.manifest == nullptr) {
    return std::shared_ptr<Prepared>(std::move(prepared));
  }
  const std::vector<int32_t>& vertices = parts_.layout.vertices_of(region);
  std::string manifest = encode_manifest(part_of(*start.manifest, parts_.chained, vertices));
  if (manifest.size() <= kHandOverBytesMax) {
    prepared->manifest = std::move(manifest);
  } else if (start.snapshot_path.empty()) {
    return resource_exhausted(
        ErrorId::kRpcMessage,
        "what the sinks of '{}' are to commit is {} bytes, and workers are told no more than {}: "
        "set {} to a folder that all of them reach",
        parts_.chained.vertices[static_cast<size_t>(vertices.front())].name, manifest.size(),
        kHandOverBytesMax, options::kCheckpointDirectory.key);
  }
  return std::shared_ptr<Prepared>(std::move(prepared));
}

template <class Message>
void RemoteFleet::tell_all(const char* method, const Message& message) {
  for (const auto& [number, member] : members_) {
    if (member->is_ready) { member->client.notify(method, message); }
  }
}

void RemoteFleet::deploy(size_t region, std::shared_ptr<Prepared> prepared) {
  const auto& start = static_cast<const RemoteStart&>(*prepared);
  regions_[region].attempt = ++attempts_so_far_;
  pb::DeployNotice notice;
  notice.set_region(static_cast<int32_t>(region));
  notice.set_attempt(attempts_so_far_);
  notice.set_snapshot(start.snapshot_path);
  notice.set_is_restart(start.is_restart);
  notice.set_commits_only(start.commits_only);
  notice.set_manifest(start.manifest);
  regions_[region].commits_only = start.commits_only;
  for (const auto& [number, member] : members_) {
    if (!member->is_ready) { continue; }
    pb::WorkerPlace& place = *notice.add_workers();
    place.set_number(number);
    place.set_host(member->host);
    place.set_data_port(static_cast<uint32_t>(member->data_port));
    place.set_name(member->name());
  }
  for (const uint64_t worker : worker_of_slot_) { notice.add_worker_of_slot(worker); }
  std::vector<TaskId> lost;
  for (const TaskId task : parts_.layout.tasks_of(region)) {
    const size_t place = parts_.layout.place_of(task);
    const uint64_t worker = worker_of_slot_[static_cast<size_t>(parts_.layout.slot_of(task))];
    if (!start.commits_only) { begin_attempt(task, worker); }
    notice.add_attempts(tasks_[place].empty() ? 0
                                              : static_cast<uint32_t>(tasks_[place].back().number));
    worker_of_place_[place] = worker;
    // It was there when the region was found to be ready, and was lost meanwhile.
    if (!members_.contains(worker)) { lost.push_back(task); }
  }
  if (lost.empty() && (start.commits_only || add_results(region, notice))) {
    regions_[region].readers = {notice.worker_of_result().begin(), notice.worker_of_result().end()};
    tell_all("Deploy", notice);
    return;
  }
  const std::string why = lost.empty() ? "has lost what a stage of it was to read" : obstacle();
  // Nobody has been told: all of the region's tasks have ended at once.
  lost = parts_.layout.tasks_of(region);
  for (const TaskId task : lost) {
    const size_t place = parts_.layout.place_of(task);
    worker_of_place_[place] = 0;
    set_state(place, ExecutionState::kFailed);
  }
  parts_.listener.tasks_lost(std::move(lost),
                             unavailable(ErrorId::kProcessLost, "the job {}", why));
}

void RemoteFleet::begin_attempt(TaskId task, uint64_t worker) {
  const size_t place = parts_.layout.place_of(task);
  std::vector<TaskAttempt>& attempts = tasks_[place];
  TaskAttempt& attempt = attempts.emplace_back();
  if (attempts.size() > 1) { attempt.number = attempts[attempts.size() - 2].number + 1; }
  if (attempts.size() > kAttemptsMax) { attempts.erase(attempts.begin()); }
  set_state(place, ExecutionState::kCreated);
  const auto member = members_.find(worker);
  if (member == members_.end()) { return; }
  attempts.back().task_manager_id = member->second->task_manager_id;
  attempts.back().host = member->second->host;
  attempts.back().data_port = member->second->data_port;
  set_state(place, ExecutionState::kDeploying);
}

void RemoteFleet::tell_region(size_t region, int what) {
  if (regions_[region].attempt == 0) { return; }
  pb::ToRegionNotice notice;
  notice.set_region(static_cast<int32_t>(region));
  notice.set_attempt(regions_[region].attempt);
  notice.set_what(static_cast<pb::ToRegionNotice::What>(what));
  tell_all("ToRegion", notice);
}

void RemoteFleet::stop(size_t region) { tell_region(region, pb::ToRegionNotice::STOP); }

void RemoteFleet::cancel(size_t region) {
  for (const TaskId task : parts_.layout.tasks_of(region)) {
    const size_t place = parts_.layout.place_of(task);
    if (worker_of_place_[place] != 0) { set_state(place, ExecutionState::kCanceling); }
  }
  tell_region(region, pb::ToRegionNotice::CANCEL);
}

// The worker that reads the files of the task: any on the machine where it has run. 0: there is
// none.
uint64_t RemoteFleet::reader_of(size_t place) const {
  if (tasks_[place].empty()) { return 0; }
  for (const auto& [number, member] : members_) {
    if (member->is_ready && member->task_manager_id == tasks_[place].back().task_manager_id) {
      return number;
    }
  }
  return 0;
}

bool RemoteFleet::has_results(size_t region) const {
  const std::vector<TaskId> tasks = parts_.layout.tasks_of(region);
  return std::all_of(tasks.begin(), tasks.end(),
                     [&](TaskId task) { return reader_of(parts_.layout.place_of(task)) != 0; });
}

// False: some of what the region reads has been lost since it was found to be there.
bool RemoteFleet::add_results(size_t region, pb::DeployNotice& notice) const {
  const std::vector<size_t>& producers = parts_.layout.producers_of(region);
  if (producers.empty()) { return true; }
  std::vector<uint64_t> attempts(regions_.size());
  std::vector<uint64_t> workers(parts_.layout.task_count());
  for (const size_t producer : producers) {
    attempts[producer] = regions_[producer].attempt;
    for (const TaskId task : parts_.layout.tasks_of(producer)) {
      const size_t place = parts_.layout.place_of(task);
      workers[place] = reader_of(place);
      if (workers[place] == 0) { return false; }
    }
  }
  notice.mutable_result_attempt()->Assign(attempts.begin(), attempts.end());
  notice.mutable_worker_of_result()->Assign(workers.begin(), workers.end());
  return true;
}

void RemoteFleet::drop_results(size_t region) {
  tell_region(region, pb::ToRegionNotice::DROP_RESULTS);
}

// Workers do so by themselves.
void RemoteFleet::retire(size_t, std::function<void()> done) { done(); }

void RemoteFleet::shut_down() {
  over_ = true;
  for (const auto& [number, member] : members_) { member->client.notify("End", pb::EndNotice()); }
}

void RemoteFleet::hand_over(const std::string& reason) {
  over_ = true;
  pb::EndNotice notice;
  notice.set_reason(reason);
  for (const auto& [number, member] : members_) { member->client.notify("End", notice); }
}

// ---- Checkpoints and events

void RemoteFleet::trigger(const CheckpointPlanRef& plan, const std::vector<TaskId>& tasks) {
  std::map<uint64_t, pb::TriggerNotice> notices;
  for (const auto& [number, member] : members_) {
    if (member->is_ready) { to_message(*plan, parts_.clock, *notices[number].mutable_plan()); }
  }
  for (const TaskId task : tasks) {
    const auto notice = notices.find(worker_of_place_[parts_.layout.place_of(task)]);
    if (notice != notices.end()) { to_message(task, *notice->second.add_tasks()); }
  }
  for (const auto& [number, notice] : notices) {
    // Of a mark nobody has to know before it comes.
    if (plan->is_mark && notice.tasks().empty()) { continue; }
    members_[number]->client.notify("Trigger", notice);
  }
}

void RemoteFleet::checkpoint_complete(int64_t checkpoint, bool notify) {
  pb::CheckpointOverNotice notice;
  notice.set_checkpoint(checkpoint);
  notice.set_complete(true);
  notice.set_notify(notify);
  tell_all("CheckpointOver", notice);
}

void RemoteFleet::checkpoint_aborted(int64_t checkpoint) {
  pb::CheckpointOverNotice notice;
  notice.set_checkpoint(checkpoint);
  tell_all("CheckpointOver", notice);
}

void RemoteFleet::deliver(int32_t node, int32_t subtask, std::string event) {
  const int32_t vertex = parts_.chained.vertex_of_node[static_cast<size_t>(node)];
  const auto member = members_.find(worker_of_place_[parts_.layout.place_of({vertex, subtask})]);
  if (member == members_.end()) { return; }
  pb::DeliverNotice notice;
  notice.set_node(node);
  notice.set_subtask(subtask);
  notice.set_attempt(regions_[parts_.layout.region_of(vertex)].attempt);
  notice.set_event(std::move(event));
  member->second->client.notify("Deliver", notice);
}

// ---- What tasks tell

// Rows of another worker do not come any more, or the task's own worker is being ended.
bool RemoteFleet::may_follow_from_a_loss(const pb::HappenedNotice& notice) const {
  constexpr auto kLost = static_cast<uint32_t>(ErrorId::kNetworkLost);
  if (notice.input_lost().id() == kLost || notice.ended().failure().id() == kLost) { return true; }
  // Nobody has told the task to end: its process does.
  if (notice.what_case() != pb::HappenedNotice::kEnded ||
      notice.ended().state() != static_cast<uint32_t>(TaskState::kCancelled)) {
    return false;
  }
  const TaskId task = from_message(notice.task());
  const auto& all = parts_.layout.tasks();
  if (std::find(all.begin(), all.end(), task) == all.end()) { return false; }
  const std::vector<TaskAttempt>& attempts = tasks_[parts_.layout.place_of(task)];
  return !attempts.empty() && attempts.back().state != ExecutionState::kCanceling;
}

void RemoteFleet::on_happened(const RpcRequest& from, const pb::HappenedNotice& notice) {
  // In order: what comes behind something that waits does so as well.
  if (!over_ && (!held_.empty() || may_follow_from_a_loss(notice))) {
    held_.push_back({parts_.clock.now_ns() + kWordNs, from.peer,
                     std::make_shared<const pb::HappenedNotice>(notice)});
    return;
  }
  take_happened(from.peer, notice);
}

void RemoteFleet::take_happened(const RpcPeerRef& from, const pb::HappenedNotice& notice) {
  const Member* const member = member_of(from);
  const TaskId task = from_message(notice.task());
  const auto vertices = static_cast<int32_t>(parts_.chained.vertices.size());
  if (member == nullptr || task.vertex < 0 || task.vertex >= vertices || task.subtask < 0 ||
      task.subtask >= parts_.chained.vertices[static_cast<size_t>(task.vertex)].parallelism) {
    return;
  }
  const size_t place = parts_.layout.place_of(task);
  const Region& region = regions_[parts_.layout.region_of(task.vertex)];
  if (notice.what_case() == pb::HappenedNotice::kResultsLost) {
    if (notice.attempt() != region.attempt) { return; }
    return parts_.listener.results_lost(task, from_message(notice.results_lost()));
  }
  if (notice.what_case() == pb::HappenedNotice::kInputLost) {
    if (notice.attempt() != region.attempt || worker_of_place_[place] == 0) { return; }
    return give_up({task}, from_message(notice.input_lost()));
  }
  if (notice.attempt() != region.attempt || worker_of_place_[place] != member->number) { return; }
  FleetListener& listener = parts_.listener;
  switch (notice.what_case()) {
    case pb::HappenedNotice::kRunning:
      set_state(place, ExecutionState::kRunning);
      listener.task_running(task);
      return;
    case pb::HappenedNotice::kEnded: {
      const auto state = static_cast<TaskState>(notice.ended().state());
      Status failure = from_message(notice.ended().failure());
      return on_ended(place, state, std::move(failure));
    }
    case pb::HappenedNotice::kEvent: {
      const int32_t node = notice.event().node();
      if (node < 0 || node >= static_cast<int32_t>(parts_.chained.graph.nodes.size()) ||
          parts_.chained.vertex_of_node[static_cast<size_t>(node)] != task.vertex) {
        return;
      }
      return listener.operator_event(node, task.subtask, notice.event().event());
    }
    case pb::HappenedNotice::kEndOfData: return listener.end_of_data(task);
    case pb::HappenedNotice::kBarrierTaken:
      return listener.barrier_taken(task, notice.barrier_taken());
    case pb::HappenedNotice::kSnapshotTaken: {
      auto snapshot = from_message(task, notice.snapshot_taken());
      if (!snapshot.ok()) {
        return listener.snapshot_declined(task, notice.snapshot_taken().checkpoint(),
                                          snapshot.status());
      }
      parts_.store.note_written(*snapshot);
      return listener.snapshot_taken(std::move(snapshot).value());
    }
    case pb::HappenedNotice::kSnapshotDeclined:
      return listener.snapshot_declined(task, notice.snapshot_declined().checkpoint(),
                                        from_message(notice.snapshot_declined().why()));
    case pb::HappenedNotice::kResultsLost:
    case pb::HappenedNotice::kInputLost:
    case pb::HappenedNotice::WHAT_NOT_SET: return;
  }
}

void RemoteFleet::on_ended(size_t place, TaskState state, Status failure) {
  worker_of_place_[place] = 0;
  switch (state) {
    case TaskState::kFinished: set_state(place, ExecutionState::kFinished); break;
    case TaskState::kCancelled: set_state(place, ExecutionState::kCanceled); break;
    default:
      state = TaskState::kFailed;
      if (failure.ok()) {
        failure = internal_error(ErrorId::kInternal, "a task has failed without a reason");
      }
      if (!commits_only(place)) { tasks_[place].back().failure = failure; }
      set_state(place, ExecutionState::kFailed);
  }
  parts_.listener.task_ended(parts_.layout.tasks()[place], state, std::move(failure));
}

void RemoteFleet::on_figures(const RpcRequest& from, const pb::FiguresNotice& notice) {
  Member* const member = member_of(from.peer);
  if (member == nullptr) { return; }
  for (const pb::TaskFigures& figures : notice.tasks()) {
    const TaskId task = from_message(figures.task());
    const auto& all = parts_.layout.tasks();
    const auto vertices = static_cast<int32_t>(parts_.chained.vertices.size());
    if (task.vertex < 0 || task.vertex >= vertices || task.subtask < 0) { continue; }
    const size_t place = parts_.layout.place_of(task);
    if (place >= all.size() || all[place] != task || tasks_[place].empty() || commits_only(place) ||
        regions_[parts_.layout.region_of(task.vertex)].attempt != figures.attempt()) {
      continue;
    }
    take_figures(tasks_[place].back(), figures);
  }
  if (notice.accumulators_size() > 0) {
    member->accumulators.clear();
    for (const pb::AccumulatorFigure& figure : notice.accumulators()) {
      member->accumulators[figure.name()] = figure.value();
    }
  }
}

// Rates are over the time since the figures before, if that is not too short to tell.
void RemoteFleet::take_figures(TaskAttempt& attempt, const pb::TaskFigures& figures) {
  TaskInfo& info = attempt.info;
  const int64_t now_ns = parts_.clock.now_ns();
  const int64_t passed_ms = (now_ns - attempt.figures_ns) / 1'000'000;
  if (attempt.figures_ns != 0 && passed_ms >= 100) {
    const auto rate = [&](int64_t now, int64_t before) {
      return static_cast<double>(now - before) * 1000 / static_cast<double>(passed_ms);
    };
    const auto share = [&](int64_t now, int64_t before) {
      return static_cast<int32_t>(std::clamp(rate(now, before), 0.0, 1000.0));
    };
    attempt.busy_ms_per_second = share(figures.busy_ms(), info.busy_ms);
    attempt.idle_ms_per_second = share(figures.idle_ms(), info.idle_ms);
    attempt.backpressured_ms_per_second = share(figures.backpressured_ms(), info.backpressured_ms);
    attempt.rows_in_per_second = rate(figures.rows_in(), info.rows_in);
    attempt.rows_out_per_second = rate(figures.rows_out(), info.rows_out);
  }
  attempt.figures_ns = now_ns;
  info.busy_ms = figures.busy_ms();
  info.idle_ms = figures.idle_ms();
  info.backpressured_ms = figures.backpressured_ms();
  info.rows_in = figures.rows_in();
  info.rows_out = figures.rows_out();
  info.watermark = figures.watermark();
  attempt.bytes_in = figures.bytes_in();
  attempt.bytes_out = figures.bytes_out();
}

// ---- What is shown

bool RemoteFleet::commits_only(size_t place) const {
  return regions_[parts_.layout.region_of(parts_.layout.tasks()[place].vertex)].commits_only;
}

void RemoteFleet::set_state(size_t place, ExecutionState state) {
  if (commits_only(place)) { return; }
  TaskAttempt& attempt = tasks_[place].back();
  attempt.state = state;
  const int64_t now_ms = parts_.clock.wall_ms();
  attempt.state_ms[static_cast<size_t>(state)] = now_ms;
  const bool has_ended = state == ExecutionState::kFinished || state == ExecutionState::kCanceled ||
                         state == ExecutionState::kFailed;
  if (has_ended) { attempt.end_ms = now_ms; }
}

void RemoteFleet::count_states(int32_t (&counts)[kExecutionStateCount]) const {
  std::fill(std::begin(counts), std::end(counts), 0);
  for (const std::vector<TaskAttempt>& attempts : tasks_) {
    const auto state = attempts.empty() ? ExecutionState::kScheduled : attempts.back().state;
    ++counts[static_cast<size_t>(state)];
  }
}

std::map<std::string, int64_t> RemoteFleet::accumulators() const {
  std::map<std::string, int64_t> sums;
  for (const auto& [number, member] : members_) {
    for (const auto& [name, value] : member->accumulators) { sums[name] += value; }
  }
  return sums;
}

void RemoteFleet::collect_metrics(std::function<void(std::shared_ptr<pb::MetricReport>)> done) {
  struct Collection {
    std::shared_ptr<pb::MetricReport> report = std::make_shared<pb::MetricReport>();
    size_t awaited = 0;
    std::function<void(std::shared_ptr<pb::MetricReport>)> done;
  };
  auto collection = std::make_shared<Collection>();
  collection->done = std::move(done);
  collection->awaited = members_.size();
  if (members_.empty()) { return collection->done(collection->report); }
  for (const auto& [number, member] : members_) {
    RpcClient client = member->client;
    client.set_timeout_ms(kMetricsMs);
    client.call<pb::WorkerMetricsResponse>(
        "Metrics", pb::WorkerMetricsRequest(),
        [collection](const Result<pb::WorkerMetricsResponse>& response) {
          pb::MetricReport part;
          if (response.ok() && part.ParseFromString(response->report())) {
            collection->report->MergeFrom(part);
          }
          if (--collection->awaited == 0) { collection->done(collection->report); }
        });
  }
}

void RemoteFleet::sample_stacks(const std::vector<TaskId>& tasks, const StackSampling& sampling,
                                std::function<void(std::vector<SampledStack>)> done) {
  std::map<uint64_t, std::set<int32_t>> slots;  // by worker
  for (const TaskId task : tasks) {
    const int32_t slot = parts_.layout.slot_of(task);
    slots[worker_of_slot_[static_cast<size_t>(slot)]].insert(slot);
  }
  std::map<uint64_t, pb::WorkerSampleRequest> requests;
  for (const auto& [number, wanted] : slots) {
    if (!members_.contains(number)) { continue; }
    for (const int32_t slot : wanted) { requests[number].add_slots(slot); }
  }
  sample_members(requests, sampling, std::move(done));
}

void RemoteFleet::sample_workers(const std::string& task_manager_id, const StackSampling& sampling,
                                 std::function<void(std::vector<SampledStack>)> done) {
  std::map<uint64_t, pb::WorkerSampleRequest> requests;
  for (const auto& [number, member] : members_) {
    if (member->task_manager_id == task_manager_id) { requests[number].set_all_threads(true); }
  }
  sample_members(requests, sampling, std::move(done));
}

void RemoteFleet::sample_members(const std::map<uint64_t, pb::WorkerSampleRequest>& requests,
                                 const StackSampling& sampling,
                                 std::function<void(std::vector<SampledStack>)> done) {
  struct Collection {
    std::vector<SampledStack> stacks;
    size_t awaited = 0;
    std::function<void(std::vector<SampledStack>)> done;
  };
  auto collection = std::make_shared<Collection>();
  collection->done = std::move(done);
  collection->awaited = requests.size();
  if (requests.empty()) { return collection->done({}); }
  for (const auto& [number, wanted] : requests) {
    pb::WorkerSampleRequest request = wanted;
    request.set_kind(static_cast<uint32_t>(sampling.kind));
    request.set_samples(sampling.samples);
    request.set_interval_ms(sampling.interval_ms);
    request.set_depth_max(sampling.depth_max);
    RpcClient client = members_.at(number)->client;
    client.set_timeout_ms(sampling.samples * sampling.interval_ms + kMetricsMs);
    client.call<pb::WorkerSampleResponse>(
        "SampleStacks", request, [collection](const Result<pb::WorkerSampleResponse>& response) {
          if (response.ok()) {
            for (const pb::WorkerStack& stack : response->stacks()) {
              SampledStack one{.frames = {stack.frames().begin(), stack.frames().end()},
                               .count = stack.count()};
              merge_stacks(collection->stacks, {std::move(one)});
            }
          }
          if (--collection->awaited == 0) { collection->done(std::move(collection->stacks)); }
        });
  }
}

}  // namespace tidewheel
