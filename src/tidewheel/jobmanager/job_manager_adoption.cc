// Masters of running jobs, when another JobManager has become the leader: they are asked to
// register, so that their jobs run on as if nothing had been.
#include "tidewheel/base/job_master_options.h"
#include "tidewheel/base/log_context.h"
#include "tidewheel/jobmanager/job_manager_role.h"

namespace tidewheel {

// It has registered with the leader before, and may be there still.
void JobManager::Role::adopt_master(Job& job) {
  const Result<NetworkAddress> address = NetworkAddress::parse(job.master_address);
  if (!address.ok()) { return start_master(job); }
  const int64_t limit_ms = options_.config.get(options::kMasterReconnectTimeout);
  const LogContext about({.job = job.id});
  log_.info("job {}: its master, of epoch {}, is asked to register: {}", job.id, job.epoch,
            job.master_address);
  job.is_adopting = true;
  job.status = ClusterJobStatus::kReconciling;
  if (job.ending) {
    job.status = *job.ending == ClusterJobStatus::kFailed ? ClusterJobStatus::kFailing
                                                          : ClusterJobStatus::kCancelling;
  }
  job.adoption = RpcClient(endpoint_->connect(*address), "JobMasterAdoption", loop_.poster());
  job.adoption.set_fence(fence_);
  job.adoption.set_timeout_ms(limit_ms);
  pb::AdoptJobMasterRequest request;
  request.set_job_id(job.id);
  request.set_epoch(job.epoch);
  const auto failed = [this, id = job.id, epoch = job.epoch](const std::string& why) {
    Job* const known = present(id, epoch);
    if (known != nullptr && known->is_adopting) { adoption_failed(*known, why); }
  };
  job.adoption.call<pb::Empty>("Adopt", request, [failed](const Result<pb::Empty>& answer) {
    if (!answer.ok()) { failed(answer.status().to_string()); }
  });
  job.restart = loop_.after_ms(limit_ms, [failed, limit_ms] {
    failed(fmt::format("it has not registered within {} ms", limit_ms));
  });
}

void JobManager::Role::adoption_failed(Job& job, const std::string& why) {
  const LogContext about({.job = job.id});
  log_.warning("job {}: its master is not there any more: {}", job.id, why);
  job.is_adopting = false;
  job.adoption.peer()->close();
  job.adoption = RpcClient();
  if (is_final(job.status)) { return; }
  if (job.ending) { return finish(job, *job.ending, "", ""); }
  start_master(job);
}

void JobManager::Role::on_master_lost(const std::string& id, uint64_t epoch, const RpcPeer* peer,
                                      const Status& why) {
  Job* const job = present(id, epoch);
  if (job == nullptr || !job->master || job->master.peer().get() != peer) { return; }
  // The master of a job that has ended goes by itself.
  if (!is_final(job->status)) {
    const LogContext about({.job = id});
    log_.warning("job {}: its master is lost: {}", id, why.to_string());
  }
  // It may be there still, stopped or cut off: there must not be two. Its end is told.
  if (job->process != nullptr) { return job->process->kill(); }
  // It was started by another JobManager, and is not this one's to end. It holds the lock of the
  // job's folder while it is there, and the next one waits for that.

  job->adoption = RpcClient();
  job->master.peer()->close();
  job->master = RpcClient();
  if (is_final(job->status)) { return; }
  if (job->ending) { return finish(*job, *job->ending, "", ""); }
  restart_master(*job, why.to_string());
}

// What the job is given before these have come would be others' slots, and those that its workers
// are in would be taken back.
void JobManager::Role::await_task_managers(Job& job, const pb::RegisterJobMasterRequest& request) {
  job.awaited.clear();
  job.held_need.reset();
  for (const pb::SlotsOnTaskManager& on : request.on()) {
    if (!task_managers_.contains(on.task_manager_id())) {
      job.awaited.insert(on.task_manager_id());
    }
  }
  if (job.awaited.empty()) { return; }
  loop_.after_ms(options_.config.get(options::kMasterReconnectTimeout),
                 [this, id = job.id, epoch = job.epoch] {
                   Job* const known = present(id, epoch);
                   if (known == nullptr || known->awaited.empty()) { return; }
                   for (const std::string& missing : std::exchange(known->awaited, {})) {
                     log_.warning("job {}: TaskManager {} has not come back", id, missing);
                   }
                   if (known->held_need) { take_need(*known, *known->held_need); }
                 });
}

void JobManager::Role::task_manager_has_come(const std::string& id) {
  for (auto& [job_id, job] : jobs_) {
    if (job.awaited.erase(id) > 0 && job.awaited.empty() && job.held_need) {
      take_need(job, *job.held_need);
    }
  }
}

void JobManager::Role::take_need(Job& job, const pb::DeclareSlotsRequest& request) {
  const pb::DeclareSlotsRequest need = request;  // it may be the one that is forgotten here
  job.held_need.reset();
  if (is_final(job.status)) { return; }
  pool_.set_need(job.id, need.slots(), need.slots_min());
  settle();
  // The master may be a new one, and its slots those that the one before had.
  for (const auto& [task_manager, slots] : pool_.slots_of(job.id)) {
    if (!job.workers.contains(task_manager)) { assign(task_manager, job.id); }
  }
}

// This process leads no more. Masters that it has started run on, for whoever leads now.
void JobManager::Role::keep_orphans() {
  for (auto& [id, job] : jobs_) {
    if (job.master) {
      job.master.peer()->watch({});
      job.master.peer()->close();
    }
    const bool runs_on =
        options_.high_availability->keeps_jobs() && job.process != nullptr && !is_final(job.status);
    if (runs_on) { orphans_[id] = {job.epoch, std::move(job.process)}; }
  }
}

// Wherever it is.
void JobManager::Role::end_master(Job& job) {
  if (job.process == nullptr && job.master) { job.master.notify("GiveUp", pb::Empty()); }
  job.process.reset();
}

}  // namespace tidewheel
