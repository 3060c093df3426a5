// TaskManagers, and which of their slots belong to which job.
#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/log_context.h"
#include "tidewheel/base/options.h"
#include "tidewheel/jobmanager/job_manager_role.h"

namespace tidewheel {
namespace {

constexpr int64_t kPieceBytes = 4 << 20;
// Between starts of a worker that came to nothing.
constexpr int64_t kStartAfterMsMin = 200;
constexpr int64_t kStartAfterMsMax = 10'000;
constexpr int32_t kDoublingsMax = 8;

// A piece of a program, as TaskManagers fetch it. Calls block.
Result<pb::FetchProgramResponse> read_piece(FileSystem& files, const std::string& path,
                                            int64_t offset) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto file, files.open_read(path));
  TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, file->info());
  pb::FetchProgramResponse response;
  response.set_size_bytes(info.size_bytes);
  std::string piece(
      static_cast<size_t>(std::clamp<int64_t>(info.size_bytes - offset, 0, kPieceBytes)), '\0');
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t bytes, file->read_at(offset, piece));
  piece.resize(static_cast<size_t>(bytes));
  response.set_piece(std::move(piece));
  return response;
}

}  // namespace

Result<JobManager::Role::TaskManager*> JobManager::Role::find_task_manager(const std::string& id) {
  TIDEWHEEL_RETURN_IF_ERROR(check_leads());
  const auto found = task_managers_.find(id);
  if (found == task_managers_.end()) {
    return not_found(ErrorId::kUnknownTaskManager, "the cluster has no TaskManager {}", id);
  }
  return &found->second;
}

void JobManager::Role::on_register_task_manager(
    const RpcRequest& from, const pb::RegisterTaskManagerRequest& request,
    const RpcAnswer<pb::RegisterTaskManagerResponse>& answer) {
  const Status leads = check_leads();
  if (!leads.ok()) { return answer.fail(leads); }
  const std::string& id = request.info().id();
  if (id.empty() || request.info().slots() < 1) {
    return answer.fail(
        invalid_argument(ErrorId::kRpcMessage, "a TaskManager registers with an id and slots"));
  }
  const auto before = task_managers_.find(id);
  if (before != task_managers_.end() && before->second.client.peer() != from.peer) {
    // Another one that has been given the same id: it has to wait until this one is lost.
    if (before->second.info.instance() != request.info().instance()) {
      return answer.fail(failed_precondition(
          ErrorId::kBadOptionValue,
          "another process of {}:{} is the TaskManager {}; {} has to be different for each",
          before->second.info.host(), before->second.info.rpc_port(), id,
          options::kTaskManagerId.key));
    }
    // The same one, of which it was not known yet that the connection is lost.
    const RpcPeerRef old = before->second.client.peer();
    on_task_manager_lost(id, old.get(),
                         unavailable(ErrorId::kProcessLost, "it has registered again"));
    old->close();
  }
  TaskManager& added = task_managers_[id];
  added.info = request.info();
  added.client = RpcClient(from.peer, "TaskManager", loop_.poster());
  added.client.set_fence(fence_);
  added.client.set_timeout_ms(options_.config.get(options::kAskTimeout));
  added.heard_ms = world_.clock().wall_ms();
  from.peer->watch({.poster = loop_.poster(),
                    .on_up = nullptr,
                    .on_lost = [this, id, peer = from.peer.get()](const Status& why) {
                      on_task_manager_lost(id, peer, why);
                    }});
  pool_.add_task_manager(id, request.info().slots());
  pb::RegisterTaskManagerResponse response;
  response.set_fence(fence_);
  for (const pb::WorkerInfo& worker : request.workers()) {
    const auto job = jobs_.find(worker.job_id());
    if (job == jobs_.end() || is_final(job->second.status)) {
      response.add_unknown_jobs(worker.job_id());
      continue;
    }
    pool_.adopt(worker.job_id(), id, worker.slots());
    if (worker.epoch() == job->second.epoch) { job->second.workers[id] = worker.worker_id(); }
  }
  log_.info("TaskManager {} has registered, with {} slots", id, request.info().slots());
  answer.ok(response);
  settle();
  task_manager_has_come(id);
}

void JobManager::Role::on_task_manager_lost(const std::string& id, const RpcPeer* peer,
                                            const Status& why) {
  task_manager_is_gone(id, peer, fmt::format("is lost: {}", why.message()));
}

void JobManager::Role::task_manager_is_gone(const std::string& id, const RpcPeer* peer,
                                            const std::string& how) {
  const auto found = task_managers_.find(id);
  if (found == task_managers_.end() || found->second.client.peer().get() != peer) { return; }
  log_.warning("TaskManager {} {}", id, how);
  task_managers_.erase(found);
  pool_.remove_task_manager(id);
  for (auto& [job_id, job] : jobs_) {
    const auto worker = job.workers.find(id);
    if (worker == job.workers.end()) { continue; }
    if (job.master) {
      pb::WorkerLostNotice notice;
      notice.set_epoch(job.epoch);
      notice.set_task_manager_id(id);
      notice.set_worker_id(worker->second);
      notice.set_reason(fmt::format("its TaskManager {} {}", id, how));
      job.master.notify("WorkerLost", notice);
    }
    job.workers.erase(worker);
  }
  settle();
}

void JobManager::Role::on_worker_ended(const pb::WorkerEndedNotice& notice) {
  const std::string& id = notice.task_manager_id();
  Job* const job = present(notice.worker().job_id(), notice.worker().epoch());
  const auto task_manager = task_managers_.find(id);
  if (job == nullptr || is_final(job->status) || task_manager == task_managers_.end()) { return; }
  const LogContext about({.job = job->id});
  log_.warning("job {}: its worker on {} is lost: {}", job->id, id, notice.reason());
  const auto known = job->workers.find(id);
  // It may have ended before the answer came that it was started.
  if (known != job->workers.end() && known->second != notice.worker().worker_id()) { return; }
  if (known != job->workers.end()) { job->workers.erase(known); }
  if (job->master) {
    pb::WorkerLostNotice lost;
    lost.set_epoch(job->epoch);
    lost.set_task_manager_id(id);
    lost.set_worker_id(notice.worker().worker_id());
    lost.set_reason(notice.reason());
    job->master.notify("WorkerLost", lost);
  }
  assign_later(id, job->id);
}

void JobManager::Role::on_fetch(const pb::FetchProgramRequest& request,
                                const RpcAnswer<pb::FetchProgramResponse>& answer) {
  if (!is_sha256(request.sha256()) || request.offset() < 0) {
    return answer.fail(
        invalid_argument(ErrorId::kArtifact, "'{}' is no program's SHA-256", request.sha256()));
  }
  files_->run([this, path = programs_->blob_path(request.sha256()), offset = request.offset(),
               answer] { answer.finish(read_piece(world_.files(), path, offset)); });
}

void JobManager::Role::settle() {
  const SlotPool::Changes changes = pool_.settle();
  for (const auto& [task_manager, job] : changes.on_task_managers) { assign(task_manager, job); }
  for (const std::string& id : changes.jobs) {
    const auto job = jobs_.find(id);
    if (job != jobs_.end()) { tell_slots(job->second); }
  }
}

// Says what the job has there; as often as there may be something new in it.
void JobManager::Role::assign(const std::string& task_manager, const std::string& id) {
  const auto there = task_managers_.find(task_manager);
  if (there == task_managers_.end()) { return; }
  const auto job = jobs_.find(id);
  pb::AssignSlotsRequest request;
  request.set_job_id(id);
  request.set_slots(pool_.slots_of(id, task_manager));
  request.set_epoch(job == jobs_.end() ? UINT64_MAX : job->second.epoch);
  if (request.slots() > 0) {
    // Its master asks for slots when it is up; those of the one before are kept until then.
    if (job == jobs_.end() || job->second.master_address.empty()) { return; }
    *request.mutable_program() = job->second.submission.program();
    for (const auto& [key, value] : job->second.config.values()) {
      pb::Setting* const setting = request.add_configuration();
      setting->set_key(key);
      setting->set_value(value);
    }
    request.set_master_address(job->second.master_address);
    request.set_job_name(job->second.name);
  } else if (job != jobs_.end()) {
    job->second.workers.erase(task_manager);
  }
  there->second.client.call<pb::AssignSlotsResponse>(
      "AssignSlots", request,
      [this, task_manager, id,
       epoch = request.epoch()](const Result<pb::AssignSlotsResponse>& response) {
        on_assigned(task_manager, id, epoch, response);
      });
}

void JobManager::Role::on_assigned(const std::string& task_manager, const std::string& id,
                                   uint64_t epoch,
                                   const Result<pb::AssignSlotsResponse>& response) {
  Job* const job = present(id, epoch);
  const bool has_slots = pool_.slots_of(id, task_manager) > 0;
  if (!response.ok()) {
    if (!task_managers_.contains(task_manager)) { return; }
    const LogContext about({.job = id});
    log_.warning("TaskManager {} did not take what job {} has there: {}", task_manager, id,
                 response.status().to_string());
    return assign_later(task_manager, id);
  }
  if (job == nullptr || is_final(job->status) || !has_slots) { return; }
  std::string& worker = job->workers[task_manager];
  if (worker == response->worker_id()) { return; }
  worker = response->worker_id();
  tell_slots(*job);
}

void JobManager::Role::assign_later(const std::string& task_manager, const std::string& job) {
  const auto there = task_managers_.find(task_manager);
  if (there == task_managers_.end()) { return; }
  StartsInVain& starts = there->second.starts_in_vain[job];
  const int64_t now_ms = loop_.now_ms();
  if (now_ms - starts.last_ms > 3 * kStartAfterMsMax) { starts.count = 0; }
  starts.last_ms = now_ms;
  // The first time at once: a worker that has worked, and crashes, is not waited for.
  const int64_t delay_ms =
      starts.count == 0
          ? 0
          : std::min(kStartAfterMsMax, kStartAfterMsMin << std::min(starts.count, kDoublingsMax));
  starts.count += 1;
  loop_.after_ms(delay_ms, [this, task_manager, job] { assign(task_manager, job); });
}

void JobManager::Role::tell_slots(Job& job) {
  if (!job.master || is_final(job.status)) { return; }
  pb::SlotsAssignedNotice notice;
  notice.set_epoch(job.epoch);
  for (const auto& [id, slots] : pool_.slots_of(job.id)) {
    pb::SlotsOnTaskManager* const on = notice.add_on();
    on->set_task_manager_id(id);
    on->set_slots(slots);
    const auto task_manager = task_managers_.find(id);
    if (task_manager != task_managers_.end()) { on->set_host(task_manager->second.info.host()); }
    const auto worker = job.workers.find(id);
    if (worker != job.workers.end()) { on->set_worker_id(worker->second); }
  }
  notice.set_missing(pool_.missing(job.id));
  notice.set_reason(pool_.why_missing(job.id));
  job.master.notify("SlotsAssigned", notice);
}

}  // namespace tidewheel
