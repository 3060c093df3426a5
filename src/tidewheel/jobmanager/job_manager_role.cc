// What a JobManager does whoever leads: its start, its election, and its end.
#include "tidewheel/jobmanager/job_manager_role.h"

#include <mutex>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/log_context.h"
#include "tidewheel/base/options.h"
#include "tidewheel/jobmanager/job_archive.h"
#include "tidewheel/rpc/endpoint.h"

namespace tidewheel {
namespace {

constexpr int64_t kTickMs = 1000;
constexpr int64_t kEndsAfterMs = 200;  // for answers that are on their way
constexpr const char* kEndedUnderAnotherLeader =
    "the job was coming to its end when the JobManager that led was lost, and with it what there "
    "was to say of that";
constexpr const char* kApplicationJobId = "00000000000000000000000000000000";

SlotChoice slot_choice(const Config& config) {
  return config.get(options::kSpreadOutSlots) ? SlotChoice::kSpread : SlotChoice::kFill;
}

// Where all JobManagers of the cluster find programs.
std::string program_directory(const JobManagerOptions& options) {
  const std::string shared = options.high_availability->shared_directory();
  return join_path(shared.empty() ? options.working_directory : shared, "programs");
}

}  // namespace

JobManager::Role::Role(World& world, JobManagerOptions options)
    : world_(world),
      options_(std::move(options)),
      log_(world.logger().named("jobmanager")),
      random_(world.fork_random()),
      pool_(slot_choice(options_.config)),
      programs_(std::make_unique<ProgramStore>(world.files(), program_directory(options_),
                                               world.fork_random())),
      files_(std::make_unique<SerialJobs>(world.executor())),
      loop_(world, "jobmanager") {}

JobManager::Role::~Role() {
  // Nobody calls in, then nothing runs here, then what blocks is waited for; the children last.
  endpoint_.reset();
  loop_.stop();
  files_.reset();
  if (!ending_ && options_.high_availability->keeps_jobs()) { leave_masters(); }
}

// A JobManager that is stopped is to its jobs what one is that was killed: whoever leads next finds
// their masters at work.
void JobManager::Role::leave_masters() {
  for (auto& [id, job] : jobs_) {
    if (job.process != nullptr) { job.process->leave(); }
  }
  for (auto& [id, orphan] : orphans_) {
    if (orphan.second != nullptr) { orphan.second->leave(); }
  }
}

Status JobManager::Role::listen() {
  TIDEWHEEL_RETURN_IF_ERROR(world_.files().remove_all(options_.working_directory));
  TIDEWHEEL_RETURN_IF_ERROR(
      world_.files().make_directories(join_path(options_.working_directory, "jobs")));
  TIDEWHEEL_RETURN_IF_ERROR(world_.files().make_directories(options_.log_directory));
  RpcOptions rpc;
  rpc.name = "JobManager";
  rpc.listens = true;
  rpc.network = options_.network;
  rpc.heartbeat_interval_ms = options_.config.get(options::kHeartbeatInterval);
  rpc.heartbeat_timeout_ms = options_.config.get(options::kHeartbeatTimeout);
  Status status = invalid_argument(ErrorId::kNetworkAddress, "there is no port to listen at");
  for (const uint16_t port : options_.ports) {
    rpc.listen_at = {options_.bind_host, port};
    auto endpoint = RpcEndpoint::start(world_, rpc);
    status = endpoint.status();
    if (!endpoint.ok()) { continue; }
    endpoint_ = std::move(*endpoint);
    serve();
    break;
  }
  return status;
}

void JobManager::Role::serve() {
  service_ = std::make_shared<RpcService>("JobManager", loop_.poster());
  service_->on<pb::RegisterTaskManagerRequest, pb::RegisterTaskManagerResponse>(
      "RegisterTaskManager",
      [this](const RpcRequest& from, const pb::RegisterTaskManagerRequest& request,
             const auto& answer) { on_register_task_manager(from, request, answer); });
  service_->set_unfenced("RegisterTaskManager");
  service_->on<pb::FetchProgramRequest, pb::FetchProgramResponse>(
      "FetchProgram", [this](const RpcRequest&, const pb::FetchProgramRequest& request,
                             const auto& answer) { on_fetch(request, answer); });
  service_->on<pb::TaskManagerLeavesRequest, pb::Empty>(
      "TaskManagerLeaves", [this](const RpcRequest& from,
                                  const pb::TaskManagerLeavesRequest& request, const auto& answer) {
        task_manager_is_gone(request.id(), from.peer.get(), request.reason());
        answer.ok({});
      });
  service_->on_notice<pb::WorkerEndedNotice>(
      "WorkerEnded",
      [this](const RpcRequest&, const pb::WorkerEndedNotice& notice) { on_worker_ended(notice); });
  service_->on<pb::RegisterJobMasterRequest, pb::RegisterJobMasterResponse>(
      "RegisterJobMaster",
      [this](const RpcRequest& from, const pb::RegisterJobMasterRequest& request,
             const auto& answer) { on_register_master(from, request, answer); });
  service_->on<pb::DeclareSlotsRequest, pb::Empty>(
      "DeclareSlots", [this](const RpcRequest&, const pb::DeclareSlotsRequest& request,
                             const auto& answer) { on_declare_slots(request, answer); });
  service_->on_notice<pb::JobChangedNotice>(
      "JobChanged",
      [this](const RpcRequest&, const pb::JobChangedNotice& notice) { on_job_changed(notice); });
  service_->on<pb::JobEndingRequest, pb::Empty>(
      "JobEnding", [this](const RpcRequest&, const pb::JobEndingRequest& request,
                          const auto& answer) { on_job_ending(request, answer); });
  service_->on<pb::JobEndedRequest, pb::Empty>(
      "JobEnded", [this](const RpcRequest&, const pb::JobEndedRequest& request,
                         const auto& answer) { on_job_ended(request, answer); });
  service_->accept_none("this JobManager does not lead");
  endpoint_->serve(service_);
}

void JobManager::Role::start(const std::string& rest_address) {
  post([this, rest_address, port = endpoint_->port()] {
    rest_address_ = rest_address;
    HighAvailability::Candidate candidate;
    candidate.rpc_address = NetworkAddress{options_.host, port}.to_string();
    candidate.rest_address = rest_address;
    candidate.poster = loop_.poster();
    candidate.on_elected = [this](uint64_t fence) { on_elected(fence); };
    candidate.on_lost = [this](const Status& why) { on_lost(why); };
    options_.high_availability->contend(std::move(candidate));
    options_.high_availability->watch_leader(loop_.poster(), [this](std::optional<Leader> leader) {
      const std::lock_guard lock(leader_lock_);
      leader_ = std::move(leader);
    });
    tick();
  });
}

Result<std::string> JobManager::Role::leader_address() {
  const std::lock_guard lock(leader_lock_);
  if (!leader_.has_value()) {
    return unavailable(ErrorId::kNotLeader, "the cluster has no leading JobManager at the moment");
  }
  const std::string address = leader_->rest_address;
  return address == rest_address_ ? std::string() : address;
}

Status JobManager::Role::check_leads() const {
  if (ending_) { return unavailable(ErrorId::kClusterEnds, "the cluster is shutting down"); }
  if (fence_ == 0 || !recovered_) {
    return unavailable(ErrorId::kNotLeader, "this JobManager does not lead, or not yet");
  }
  return ok_status();
}

void JobManager::Role::on_elected(uint64_t fence) {
  log_.info("leads, with token {}", fence);
  fence_ = fence;
  recovered_ = false;
  read_jobs();
}

// Until it succeeds, or another one leads: without its jobs it must not act, it would tell their
// workers to end.
void JobManager::Role::read_jobs() {
  options_.high_availability->read_jobs(
      loop_.poster(), [this, fence = fence_](const Result<HighAvailability::Jobs>& records) {
        if (fence_ != fence || fence == 0) { return; }
        if (records.ok()) { return recover(*records); }
        log_.error("the cluster's jobs can't be read: {}", records.status().to_string());
        loop_.after_ms(kTickMs, [this, fence] {
          if (fence_ == fence) { read_jobs(); }
        });
      });
}

void JobManager::Role::recover(const HighAvailability::Jobs& records) {
  for (const auto& [id, record] : records) { recover_job(id, record); }
  orphans_.clear();  // of jobs that have another master, or have ended
  recovered_ = true;
  service_->accept_only(fence_);
  for (auto& [id, job] : jobs_) {
    if (is_final(job.status)) { continue; }
    if (!job.master_address.empty()) {
      adopt_master(job);
    } else if (job.ending) {
      finish(job, *job.ending, kEndedUnderAnotherLeader, "");
    } else {
      start_master(job);
    }
  }
  if (options_.application.has_value()) { run_application(); }
}

void JobManager::Role::recover_job(const std::string& id, const std::string& bytes) {
  pb::JobRecord record;
  if (!record.ParseFromString(bytes)) {
    const LogContext about({.job = id});
    log_.error("what is known of the job {} is damaged, it is not run", id);
    return;
  }
  Job job;
  job.id = id;
  job.submission = record.submission();
  job.epoch = record.epoch();
  job.name = record.submission().program().name();
  job.start_ms = record.submission().submitted_ms();
  job.changed_ms = world_.clock().wall_ms();
  job.config = options_.config;
  for (const pb::Setting& setting : record.submission().configuration()) {
    const Status status = job.config.set(setting.key(), setting.value());
    if (!status.ok()) {
      const LogContext about({.job = id});
      log_.warning("job {}: {}", id, status.to_string());
    }
  }
  job.plan = record.plan();
  for (const std::string& kept : record.master_failures()) {
    pb::FailureReport failure;
    if (failure.ParseFromString(kept)) { job.master_failures.push_back(std::move(failure)); }
  }
  job.master_address = record.master_address();
  const auto orphan = orphans_.find(id);
  if (orphan != orphans_.end() && orphan->second.first == job.epoch && !record.ended()) {
    job.process = std::move(orphan->second.second);
  }
  if (record.ending() != 0) { job.ending = job_status_of(record.ending()); }
  if (record.ended()) {
    pb::JobReport report;
    job.end_is_kept = true;
    job.report = record.report();
    job.tasks = task_counts(job.report);
    if (report.ParseFromString(job.report)) {
      job.status = job_status_of(report.status());
      job.name = report.name();
      job.start_ms = report.start_ms();
      job.end_ms = report.end_ms();
    } else {
      job.status = ClusterJobStatus::kFailed;
    }
  }
  jobs_.emplace(id, std::move(job));
}

// In application mode; the job of a leader before is among those that were recovered.
void JobManager::Role::run_application() {
  const bool keeps = options_.high_availability->keeps_jobs();
  if (keeps && jobs_.contains(kApplicationJobId)) { return; }
  ProgramRun run = options_.application->run;
  if (run.job_id.empty()) {
    run.job_id = keeps ? std::string(kApplicationJobId) : random_hex(random_, 32);
  }
  files_->run([this, run] {
    Result<ProgramInfo> program = programs_->add_copy(options_.application->path);
    post([this, run, program = std::move(program)] {
      const auto failed = [this](const Status& why) {
        if (fence_ == 0 || why.ok()) { return; }
        log_.error("the application can't be run: {}", why.to_string());
        options_.on_end(1);
      };
      if (!program.ok()) { return failed(program.status()); }
      submit(*program, run, [failed](const Result<std::string>& id) { failed(id.status()); });
    });
  });
}

// Another one may lead already: all that acts for this one ends, at once.
void JobManager::Role::on_lost(const Status& why) {
  log_.warning("does not lead any more: {}", why.to_string());
  keep_orphans();
  fence_ = 0;
  recovered_ = false;
  service_->accept_none("this JobManager does not lead any more");
  for (auto& [id, job] : jobs_) {
    loop_.cancel(job.restart);
    for (const Done& done : std::exchange(job.wait_for_end, {})) {
      done(unavailable(ErrorId::kNotLeader, "another JobManager leads now"));
    }
  }
  for (auto& [id, task_manager] : task_managers_) { task_manager.client.peer()->close(); }
  jobs_.clear();
  task_managers_.clear();
  pool_ = SlotPool(slot_choice(options_.config));
}

void JobManager::Role::shut_down() {
  if (ending_) { return; }
  ending_ = true;
  log_.info("the cluster shuts down");
  for (auto& [id, job] : jobs_) {
    loop_.cancel(job.restart);
    end_master(job);
    options_.high_availability->remove_job(fence_, id, loop_.poster(), [](const Status&) {});
  }
  for (const auto& [id, task_manager] : task_managers_) {
    task_manager.client.notify("ShutDown", pb::Empty());
  }
  loop_.after_ms(kEndsAfterMs, [this] { options_.on_end(0); });
}

void JobManager::Role::tick() {
  const int64_t now_ms = world_.clock().wall_ms();
  if (check_leads().ok()) {
    for (auto& [id, job] : jobs_) {
      if (is_final(job.status) || !job.submission.attached() || job.client_expires_ms == 0 ||
          now_ms <= job.client_expires_ms || job.status == ClusterJobStatus::kCancelling) {
        continue;
      }
      const LogContext about({.job = id});
      log_.info("job {} is cancelled: its client has gone", id);
      cancel(job, [](const Status&) {});
    }
    forget_old_jobs();
  }
  loop_.after_ms(kTickMs, [this] { tick(); });
}

}  // namespace tidewheel
