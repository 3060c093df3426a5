// Jobs and the processes of their masters.
#include <functional>
#include <numeric>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/history_options.h"
#include "tidewheel/base/log_context.h"
#include "tidewheel/base/options.h"
#include "tidewheel/cluster/roles.h"
#include "tidewheel/jobmanager/job_archive.h"
#include "tidewheel/jobmanager/job_manager_role.h"

namespace tidewheel {
namespace {

constexpr int32_t kStartsInVainMax = 10;
// As many are counted of those that came before their predecessor had ended: a pause of 0.8 s.
constexpr int32_t kStartsTooEarly = 3;
constexpr int64_t kRestartAfterMsMin = 100;
constexpr int64_t kRestartAfterMsMax = 10'000;
// A master that has worked for so long is no start in vain.
constexpr int64_t kWorkedMs = 60'000;
constexpr int64_t kEndsWithinMs = 10'000;
constexpr int64_t kKeepAgainMs = 500;
constexpr int64_t kLastWordsBytes = 4096;
constexpr size_t kMasterFailuresMax = 16;

pb::FailureReport lost_process(const std::string& why, int64_t at_ms) {
  pb::FailureReport failure;
  failure.set_error(fmt::format("TW{} kProcessLost", static_cast<int>(ErrorId::kProcessLost)));
  failure.set_text(why);
  failure.set_at_ms(at_ms);
  return failure;
}

Status no_such_master(const std::string& id, uint64_t epoch) {
  return failed_precondition(ErrorId::kJobState, "the job {} has no master of epoch {}", id, epoch);
}

// Answers once what has to be kept first is kept.
std::function<void(const Status&)> answered_when_kept(const RpcAnswer<pb::Empty>& answer) {
  return [answer](const Status& kept) {
    if (kept.ok()) {
      answer.ok(pb::Empty());
    } else {
      answer.fail(kept);
    }
  };
}

}  // namespace

std::vector<std::pair<std::string, std::string>> JobManager::Role::settings_of(
    const ProgramRun& run) {
  auto settings = run.configuration;
  const auto add = [&](const ConfigOption& option, const std::string& value) {
    settings.emplace_back(std::string(option.key), value);
  };
  if (run.parallelism > 0) { add(options::kParallelism, std::to_string(run.parallelism)); }
  if (!run.savepoint_path.empty()) { add(options::kRecoveryPath, run.savepoint_path); }
  if (run.allow_non_restored_state) { add(options::kIgnoreUnclaimedState, "true"); }
  if (!run.claim_mode.empty()) { add(options::kClaimMode, run.claim_mode); }
  return settings;
}

Result<JobManager::Role::Job*> JobManager::Role::find_job(const std::string& id) {
  TIDEWHEEL_RETURN_IF_ERROR(check_leads());
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) {
    return not_found(ErrorId::kUnknownJob, "the cluster has no job {}", id);
  }
  return &found->second;
}

Result<JobManager::Role::Job*> JobManager::Role::find_running(const std::string& id) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Job* const job, find_job(id));
  if (is_final(job->status)) {
    return failed_precondition(ErrorId::kJobState, "the job {} has ended: it is {}", id,
                               cluster_job_status_name(job->status));
  }
  if (!job->master) {
    return unavailable(ErrorId::kJobState, "the master of the job {} is being started", id);
  }
  return job;
}

JobManager::Role::Job* JobManager::Role::present(const std::string& id, uint64_t epoch) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() || found->second.epoch != epoch ? nullptr : &found->second;
}

std::vector<std::string> JobManager::Role::programs_in_use() const {
  std::vector<std::string> used;
  for (const auto& [id, job] : jobs_) {
    if (!is_final(job.status)) { used.push_back(job.submission.program().sha256()); }
  }
  return used;
}

void JobManager::Role::submit(const ProgramInfo& program, const ProgramRun& run,
                              Answer<std::string> done) {
  const Status leads = check_leads();
  if (!leads.ok()) { return done(leads); }
  Job job;
  job.id = run.job_id.empty() ? random_hex(random_, 32) : run.job_id;
  if (!is_hex(job.id, 32)) {
    return done(invalid_argument(ErrorId::kRestRequest,
                                 "a job's id is 32 lower-case hex digits, not '{}'", job.id));
  }
  if (jobs_.contains(job.id)) {
    return done(already_exists(ErrorId::kDuplicateJob, "there is a job {} already", job.id));
  }
  job.config = options_.config;
  for (const auto& [key, value] : settings_of(run)) {
    const Status status = job.config.set(key, value);
    if (!status.ok()) { return done(status); }
    pb::Setting* const setting = job.submission.add_configuration();
    setting->set_key(key);
    setting->set_value(value);
  }
  pb::JobSubmission& kept = job.submission;
  kept.set_job_id(job.id);
  kept.mutable_program()->set_sha256(program.sha256);
  kept.mutable_program()->set_name(program.name);
  kept.mutable_program()->set_size_bytes(program.bytes);
  kept.mutable_program()->set_is_sql(is_sql_program(program.name));
  kept.mutable_program()->set_entry(run.entry);
  for (const std::string& argument : run.arguments) {
    kept.mutable_program()->add_arguments(argument);
  }
  kept.set_submitted_ms(world_.clock().wall_ms());
  kept.set_attached(run.attached);
  job.name = job.config.get(options::kPipelineName);
  if (job.name.empty()) { job.name = program.name; }
  job.start_ms = job.changed_ms = kept.submitted_ms();
  job.epoch = 0;
  const std::string id = job.id;
  const LogContext about({.job = id});
  log_.info("job {} is accepted: {}", id, program.name);
  Job& added = jobs_.emplace(id, std::move(job)).first->second;
  // It is answered once it is kept: then it runs, whatever happens to this process.
  keep(added, [this, id, done = std::move(done)](const Status& status) {
    const auto found = jobs_.find(id);
    if (status.ok() && found != jobs_.end()) {
      start_master(found->second);
      return done(id);
    }
    if (found != jobs_.end()) { jobs_.erase(found); }
    done(status.ok() ? unavailable(ErrorId::kNotLeader, "another JobManager leads now") : status);
  });
}

void JobManager::Role::keep(const Job& job, Done done) {
  pb::JobRecord record;
  *record.mutable_submission() = job.submission;
  record.set_epoch(job.epoch);
  record.set_ended(is_final(job.status));
  record.set_report(job.report);
  if (job.ending) { record.set_ending(static_cast<uint32_t>(*job.ending)); }
  record.set_master_address(job.master_address);
  record.set_plan(job.plan);
  for (const pb::FailureReport& failure : job.master_failures) {
    record.add_master_failures(failure.SerializeAsString());
  }
  options_.high_availability->put_job(fence_, job.id, record.SerializeAsString(), loop_.poster(),
                                      std::move(done));
}

// ---- Masters.

ProcessLogs JobManager::Role::logs_of(const std::string& job_id) const {
  const std::string name = "tidewheel-jobmaster-" + job_id;
  return {options_.log_directory, name, name + ".log", name + ".out"};
}

Result<ProcessLogs> JobManager::Role::own_logs(const std::string& job_id) {
  if (job_id.empty()) { return options_.logs; }
  TIDEWHEEL_RETURN_IF_ERROR(find_job(job_id).status());
  return logs_of(job_id);
}

int64_t JobManager::Role::savepoint_timeout_ms(const Job& job) const {
  return job.config.get(options::kCheckpointTimeout) + options_.config.get(options::kAskTimeout);
}

void JobManager::Role::start_master(Job& job) {
  loop_.cancel(job.restart);
  job.restart = 0;
  job.process.reset();
  job.master = RpcClient();
  job.master_address.clear();
  job.is_adopting = false;
  job.adoption = RpcClient();
  job.awaited.clear();
  job.held_need.reset();
  job.workers.clear();
  job.epoch += 1;
  const int32_t tasks = std::accumulate(job.tasks.begin(), job.tasks.end(), 0);
  std::fill(job.tasks.begin(), job.tasks.end(), 0);
  if (!job.tasks.empty()) { job.tasks[static_cast<size_t>(ExecutionState::kScheduled)] = tasks; }
  if (job.status != ClusterJobStatus::kCancelling) { job.status = ClusterJobStatus::kInitializing; }
  job.changed_ms = world_.clock().wall_ms();
  keep(job, [this, id = job.id, epoch = job.epoch](const Status& status) {
    Job* const kept = present(id, epoch);
    if (kept == nullptr || is_final(kept->status)) { return; }
    if (!status.ok()) { return restart_master(*kept, status.to_string()); }
    const std::string directory =
        join_path(join_path(options_.working_directory, "jobs"), fmt::format("{}-{}", id, epoch));
    files_->run([this, id, epoch, directory, text = role_config_text(kept->config)] {
      Status made = world_.files().make_directories(directory);
      if (made.ok()) {
        made = write_all_durably(world_.files(), join_path(directory, "config.yaml"), text);
      }
      const ProcessLogs logs = logs_of(id);
      post([this, id, epoch, directory, made,
            log_begin = log_end(world_.files(), join_path(logs.directory, logs.log))] {
        Job* const ready = present(id, epoch);
        if (ready == nullptr || is_final(ready->status)) { return; }
        ready->log_begin = log_begin;
        if (!made.ok()) { return restart_master(*ready, made.to_string()); }
        launch_master(*ready, directory);
      });
    });
  });
}

void JobManager::Role::launch_master(Job& job, const std::string& directory) {
  const pb::Program& program = job.submission.program();
  ProcessRole role;
  role.kind = ProcessRole::Kind::kJobMaster;
  role.job_id = job.id;
  role.epoch = job.epoch;
  role.program = programs_->blob_path(program.sha256());
  role.entry = program.entry();
  role.arguments.assign(program.arguments().begin(), program.arguments().end());
  role.config_file = join_path(directory, "config.yaml");
  role.working_directory = directory;
  role.listen_at = {options_.bind_host, 0};
  role.host = options_.host;
  const bool everywhere =
      options_.bind_host.empty() || options_.bind_host == "0.0.0.0" || options_.bind_host == "::";
  role.manager = {everywhere ? "localhost" : options_.bind_host, port()};
  role.manager_fence = fence_;
  role.outlives_manager = options_.high_availability->keeps_jobs();
  ProcessSpec spec;
  spec.program = options_.launcher->own_program();
  spec.arguments = role_arguments(role);
  spec.outlives_parent = role.outlives_manager;
  const ProcessLogs logs = logs_of(job.id);
  spec.output_path = join_path(logs.directory, logs.output);
  spec.error_path = join_path(logs.directory, logs.log);
  spec.memory_bytes_max = options_.master_memory_bytes;
  job.master_since_ms = loop_.now_ms();
  auto started = options_.launcher->start(
      std::move(spec),
      [this, poster = loop_.poster(), id = job.id, epoch = job.epoch](const ProcessEnd& end) {
        poster([this, id, epoch, end] { on_master_end(id, epoch, end); });
      });
  if (!started.ok()) { return restart_master(job, started.status().to_string()); }
  job.process = std::move(*started);
  const LogContext about({.job = job.id});
  log_.info("job {}: its master, of epoch {}, is process {}", job.id, job.epoch, job.process->id());
}

void JobManager::Role::on_master_end(const std::string& id, uint64_t epoch, const ProcessEnd& end) {
  Job* const job = present(id, epoch);
  const std::string directory =
      join_path(join_path(options_.working_directory, "jobs"), fmt::format("{}-{}", id, epoch));
  files_->run([this, directory] {
    ignore(world_.files().remove_all(directory), "the next start of this process removes it");
  });
  if (job == nullptr) { return; }
  const int64_t process = job->process == nullptr ? 0 : job->process->id();
  job->process.reset();
  job->master = RpcClient();
  job->is_adopting = false;
  job->adoption = RpcClient();
  if (is_final(job->status)) { return; }
  const LogContext about({.job = id});
  log_.warning("job {}: its master {}", id, end.describe());
  if (job->ending == ClusterJobStatus::kCanceled) {
    return finish(*job, ClusterJobStatus::kCanceled, "", "");
  }
  const ProcessLogs logs = logs_of(id);
  files_->run([this, id, epoch, end, process, path = join_path(logs.directory, logs.log),
               log_begin = job->log_begin] {
    std::string words = last_lines(world_.files(), path, kLastWordsBytes, log_begin);
    post([this, id, epoch, end, process, words = std::move(words)] {
      Job* const known = present(id, epoch);
      if (known == nullptr || is_final(known->status)) { return; }
      const std::string why = end_with_words(
          fmt::format("the job's master, process {}, {}", process, end.describe()), words);
      // What it says itself will be no different the next time; a crash may.
      const bool by_itself =
          end.signal == 0 && (end.exit_code == kRoleFailed || end.exit_code == kRoleMisused);
      if (by_itself || known->ending) { return finish(*known, ClusterJobStatus::kFailed, why, ""); }
      // It was tried too early: the process before it holds the job's folder still.
      const bool too_early = end.exit_code == kRoleLost && end.signal == 0;
      if (too_early) { known->starts_in_vain = std::min(known->starts_in_vain, kStartsTooEarly); }
      restart_master(*known, why, !too_early);
    });
  });
}

void JobManager::Role::restart_master(Job& job, const std::string& why, bool is_failure) {
  if (loop_.now_ms() - job.master_since_ms > kWorkedMs) { job.starts_in_vain = 0; }
  job.starts_in_vain += 1;
  if (job.starts_in_vain > kStartsInVainMax) {
    return finish(job, ClusterJobStatus::kFailed,
                  fmt::format("its master did not come up in {} starts; the last time {}",
                              job.starts_in_vain, why),
                  "");
  }
  job.status = ClusterJobStatus::kRestarting;
  job.changed_ms = world_.clock().wall_ms();
  if (is_failure) {
    if (job.master_failures.size() == kMasterFailuresMax) {
      job.master_failures.erase(job.master_failures.begin());
    }
    job.master_failures.push_back(lost_process(why, job.changed_ms));
  }
  const int64_t delay_ms =
      std::min(kRestartAfterMsMax, kRestartAfterMsMin << (job.starts_in_vain - 1));
  const LogContext about({.job = job.id});
  log_.info("job {}: its master is started again in {} ms: {}", job.id, delay_ms, why);
  loop_.cancel(job.restart);
  job.restart = loop_.after_ms(delay_ms, [this, id = job.id, epoch = job.epoch] {
    Job* const known = present(id, epoch);
    if (known != nullptr && !is_final(known->status)) { start_master(*known); }
  });
}

// What is known here of a job that has no master to ask.
void JobManager::Role::fill_report(const Job& job, pb::JobReport& report) const {
  if (!report.ParseFromString(job.plan)) { report.Clear(); }
  report.clear_status_ms();
  report.clear_settings();
  report.clear_failures();
  add_master_failures(job, report);
  report.set_id(job.id);
  report.set_name(job.name);
  report.set_status(static_cast<uint32_t>(job.shown_status()));
  report.set_now_ms(world_.clock().wall_ms());
  report.set_start_ms(job.start_ms);
  report.set_end_ms(is_final(job.shown_status()) ? job.end_ms : -1);
  report.set_max_parallelism(-1);
  report.set_parallelism(static_cast<int32_t>(job.config.get(options::kParallelism)));
  for (int32_t i = 0; i < kClusterJobStatusCount; ++i) { report.add_status_ms(0); }
  report.set_status_ms(static_cast<int>(ClusterJobStatus::kInitializing), job.start_ms);
  report.set_status_ms(static_cast<int>(job.status), job.changed_ms);
  for (const auto& [key, value] : job.config.values()) {
    pb::SettingReport* const setting = report.add_settings();
    setting->set_key(key);
    setting->set_value(value);
  }
}

void JobManager::Role::add_master_failures(const Job& job, pb::JobReport& report) {
  if (job.master_failures.empty()) { return; }
  for (auto it = job.master_failures.rbegin(); it != job.master_failures.rend(); ++it) {
    *report.add_failures() = *it;
  }
  std::stable_sort(
      report.mutable_failures()->begin(), report.mutable_failures()->end(),
      [](const pb::FailureReport& a, const pb::FailureReport& b) { return a.at_ms() > b.at_ms(); });
}

void JobManager::Role::finish(Job& job, ClusterJobStatus status, const std::string& failure,
                              const std::string& report) {
  loop_.cancel(job.restart);
  job.restart = 0;
  job.status = status;
  job.end_ms = job.changed_ms = world_.clock().wall_ms();
  job.report = report;
  pb::JobReport made;
  if (report.empty()) {
    if (!failure.empty()) { job.master_failures.push_back(lost_process(failure, job.end_ms)); }
    fill_report(job, made);
    made.set_status(static_cast<uint32_t>(status));
    made.set_end_ms(job.end_ms);
    job.report = made.SerializeAsString();
  } else if (!job.master_failures.empty() && made.ParseFromString(report)) {
    add_master_failures(job, made);
    job.report = made.SerializeAsString();
  }
  job.ending = status;
  job.end_is_kept = false;
  keep_end(job.id);
  const LogContext about({.job = job.id});
  log_.info("job {} has ended: {}{}{}", job.id, cluster_job_status_name(status),
            failure.empty() ? "" : ": ", failure);
  pool_.remove_job(job.id);
  settle();
  archive(job);
  job.tasks = task_counts(job.report);
  const std::string sha256 = job.submission.program().sha256();
  files_->run([this, sha256, used = programs_in_use()] {
    ignore(programs_->remove_blob_unless_used(sha256, used), "it is tried again with the next job");
  });
  // A master that does not end by itself is ended.
  loop_.after_ms(kEndsWithinMs, [this, id = job.id, epoch = job.epoch] {
    Job* const known = present(id, epoch);
    if (known != nullptr) { end_master(*known); }
  });
  if (options_.application.has_value() && options_.config.get(options::kShutdownOnFinish)) {
    const int exit_status = status == ClusterJobStatus::kFailed ? 1 : 0;
    when_end_is_kept(job, [this, exit_status](const Status&) {
      loop_.after_ms(0, [this, exit_status] {
        for (const auto& [id, task_manager] : task_managers_) {
          task_manager.client.notify("ShutDown", pb::Empty());
        }
        options_.on_end(exit_status);
      });
    });
  }
}

// Until it is, or another one leads.
void JobManager::Role::keep_end(const std::string& id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second.end_is_kept) { return; }
  keep(found->second, [this, id, fence = fence_](const Status& status) {
    const auto known = jobs_.find(id);
    if (fence != fence_ || known == jobs_.end()) { return; }
    if (!status.ok()) {
      const LogContext about({.job = id});
      log_.warning("the end of job {} can't be kept yet: {}", id, status.to_string());
      loop_.after_ms(kKeepAgainMs, [this, id, fence] {
        if (fence == fence_) { keep_end(id); }
      });
      return;
    }
    known->second.end_is_kept = true;
    for (const Done& done : std::exchange(known->second.wait_for_end, {})) { done(ok_status()); }
  });
}

void JobManager::Role::when_end_is_kept(Job& job, Done done) {
  if (job.end_is_kept) { return done(ok_status()); }
  job.wait_for_end.push_back(std::move(done));
}

ClusterJobStatus JobManager::Role::job_status_of(uint32_t number) {
  return static_cast<ClusterJobStatus>(std::min<uint32_t>(number, kClusterJobStatusCount - 1));
}

ClusterJobStatus JobManager::Role::Job::shown_status() const {
  if (!is_final(status) || end_is_kept) { return status; }
  switch (status) {
    case ClusterJobStatus::kCanceled: return ClusterJobStatus::kCancelling;
    case ClusterJobStatus::kFailed: return ClusterJobStatus::kFailing;
    default: return ClusterJobStatus::kRunning;
  }
}

// For a history server. A job that can't be archived has ended all the same.
void JobManager::Role::archive(const Job& job) {
  const std::string directory = options_.config.get(options::kArchiveDirectory);
  if (directory.empty()) { return; }
  files_->run([this, directory, id = job.id, report = job.report] {
    const Status status = archive_job(world_.files(), directory, id, report);
    if (!status.ok()) {
      const LogContext about({.job = id});
      log_.warning("job {} is not archived: {}", id, status.to_string());
    }
  });
}

void JobManager::Role::forget_old_jobs() {
  const int64_t keep_ms = options_.config.get(options::kJobStoreExpiration);
  const auto keep_max = static_cast<size_t>(options_.config.get(options::kJobStoreCapacity));
  const int64_t now_ms = world_.clock().wall_ms();
  std::vector<std::pair<int64_t, std::string>> ended;
  for (const auto& [id, job] : jobs_) {
    if (is_final(job.status) && job.end_is_kept && job.process == nullptr) {
      ended.emplace_back(job.end_ms, id);
    }
  }
  std::sort(ended.begin(), ended.end());
  for (size_t i = 0; i < ended.size(); ++i) {
    const bool too_many = ended.size() - i > keep_max;
    if (!too_many && now_ms - ended[i].first < keep_ms) { continue; }
    jobs_.erase(ended[i].second);
    options_.high_availability->remove_job(fence_, ended[i].second, loop_.poster(),
                                           [](const Status&) {});
  }
}

void JobManager::Role::cancel(Job& job, Done done) {
  if (job.status == ClusterJobStatus::kCanceled) { return when_end_is_kept(job, std::move(done)); }
  if (is_final(job.status)) {
    return done(failed_precondition(ErrorId::kJobState, "the job {} has ended: it is {}", job.id,
                                    cluster_job_status_name(job.status)));
  }
  // A master that is awaited is told when it comes.
  if (!job.master && !job.is_adopting) {
    job.process.reset();
    finish(job, ClusterJobStatus::kCanceled, "", "");
    return when_end_is_kept(job, std::move(done));
  }
  job.status = ClusterJobStatus::kCancelling;
  job.changed_ms = world_.clock().wall_ms();
  job.ending = ClusterJobStatus::kCanceled;
  // It is kept first, so that no other leader starts it again.
  keep(job, [this, id = job.id, epoch = job.epoch, done = std::move(done)](const Status& kept) {
    Job* const known = present(id, epoch);
    if (known == nullptr) {
      return done(unavailable(ErrorId::kNotLeader, "another JobManager leads now"));
    }
    if (!kept.ok()) { return done(kept); }
    cancel_at_master(*known, done);
  });
}

void JobManager::Role::cancel_at_master(Job& job, Done done) {
  if (is_final(job.status)) { return when_end_is_kept(job, std::move(done)); }
  if (job.is_adopting) { return done(ok_status()); }
  if (!job.master) {
    job.process.reset();
    finish(job, ClusterJobStatus::kCanceled, "", "");
    return when_end_is_kept(job, std::move(done));
  }
  job.master.call<pb::Empty>(
      "Cancel", pb::Empty(), [done = std::move(done)](const Result<pb::Empty>& answer) {
        // Its end is seen by itself, and takes it for cancelled.
        const bool gone = !answer.ok() && answer.status().id() == ErrorId::kProcessLost;
        done(gone ? ok_status() : answer.status());
      });
}

// ---- What masters say.

void JobManager::Role::on_register_master(const RpcRequest& from,
                                          const pb::RegisterJobMasterRequest& request,
                                          const RpcAnswer<pb::RegisterJobMasterResponse>& answer) {
  Job* const job = present(request.job_id(), request.epoch());
  // It is told so for good: this JobManager leads.
  if (job == nullptr || is_final(job->status) || (job->process == nullptr && !job->is_adopting)) {
    return answer.fail(no_such_master(request.job_id(), request.epoch()));
  }
  job->master = RpcClient(from.peer, "JobMaster", loop_.poster());
  job->master.set_fence(fence_);
  job->master.set_timeout_ms(options_.config.get(options::kAskTimeout));
  job->master_address = request.address();
  job->master_since_ms = loop_.now_ms();
  if (job->is_adopting) {
    TIDEWHEEL_MARK("jobmanager.master_runs_on");
    const LogContext about({.job = job->id});
    log_.info("job {}: its master, of epoch {}, runs on", job->id, job->epoch);
    loop_.cancel(job->restart);
    job->restart = 0;
    job->is_adopting = false;
  }
  await_task_managers(*job, request);
  from.peer->watch({.poster = loop_.poster(),
                    .on_up = nullptr,
                    .on_lost = [this, id = job->id, epoch = job->epoch, peer = from.peer.get()](
                                   const Status& why) { on_master_lost(id, epoch, peer, why); }});
  if (job->status == ClusterJobStatus::kInitializing) { job->status = ClusterJobStatus::kCreated; }
  // Where it is has to be known to the next leader before it begins.
  keep(*job, [this, id = job->id, epoch = job->epoch, answer](const Status& kept) {
    Job* const known = present(id, epoch);
    if (!kept.ok() || known == nullptr) {
      return answer.fail(kept.ok() ? unavailable(ErrorId::kNotLeader, "another JobManager leads")
                                   : kept);
    }
    pb::RegisterJobMasterResponse response;
    response.set_fence(fence_);
    answer.ok(response);
    if (known->ending == ClusterJobStatus::kCanceled) {
      cancel_at_master(*known, [](const Status&) {});
    }
  });
}

void JobManager::Role::on_declare_slots(const pb::DeclareSlotsRequest& request,
                                        const RpcAnswer<pb::Empty>& answer) {
  Job* const job = present(request.job_id(), request.epoch());
  if (job == nullptr || is_final(job->status)) {
    return answer.fail(no_such_master(request.job_id(), request.epoch()));
  }
  answer.ok(pb::Empty());
  if (request.plan() != job->plan) {
    job->plan = request.plan();
    keep(*job, [](const Status&) {});  // the next leader shows what it has heard of
  }
  if (!job->awaited.empty()) {
    job->held_need = request;
    return;
  }
  take_need(*job, request);
}

// Its end is told by JobEnded. Older than what is known it can't be: a master tells in order.
void JobManager::Role::note_status(Job& job, uint32_t told) const {
  const ClusterJobStatus status = job_status_of(told);
  if (is_final(status) || is_final(job.status) || job.status == status ||
      job.status == ClusterJobStatus::kCancelling) {
    return;
  }
  job.status = status;
  job.changed_ms = world_.clock().wall_ms();
}

void JobManager::Role::on_job_changed(const pb::JobChangedNotice& notice) {
  Job* const job = present(notice.job_id(), notice.epoch());
  if (job == nullptr || is_final(job->status)) { return; }
  note_status(*job, notice.status());
  if (!notice.name().empty()) { job->name = notice.name(); }
  job->tasks.assign(notice.tasks().begin(), notice.tasks().end());
  if (notice.start_ms() > 0) { job->start_ms = notice.start_ms(); }
  job->parallelism = static_cast<int32_t>(notice.parallelism());
  job->changed_ms = world_.clock().wall_ms();
}

void JobManager::Role::on_job_ending(const pb::JobEndingRequest& request,
                                     const RpcAnswer<pb::Empty>& answer) {
  Job* const job = present(request.job_id(), request.epoch());
  if (job == nullptr || is_final(job->status)) {
    return answer.fail(no_such_master(request.job_id(), request.epoch()));
  }
  job->ending = job_status_of(request.status());
  keep(*job, answered_when_kept(answer));
}

void JobManager::Role::on_job_ended(const pb::JobEndedRequest& request,
                                    const RpcAnswer<pb::Empty>& answer) {
  Job* const job = present(request.job_id(), request.epoch());
  if (job == nullptr) { return answer.fail(no_such_master(request.job_id(), request.epoch())); }
  const ClusterJobStatus status = job_status_of(request.status());
  if (!is_final(job->status)) {
    finish(*job, is_final(status) ? status : ClusterJobStatus::kFailed, "", request.report());
  }
  when_end_is_kept(*job, answered_when_kept(answer));
}

}  // namespace tidewheel
