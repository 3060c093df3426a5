// A TaskManager's workers: one process for each job that has slots here.
#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/log_context.h"
#include "tidewheel/base/log_options.h"
#include "tidewheel/base/memory_options.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/cluster/roles.h"
#include "tidewheel/jobmanager/program_store.h"
#include "tidewheel/taskmanager/task_manager_role.h"

namespace tidewheel {
namespace {

constexpr int64_t kEndsWithinMs = 5'000;
constexpr int64_t kLastWordsBytes = 2048;
constexpr size_t kWorkerIdDigits = 16;

// What each machine may have its own way: the TaskManager's setting goes before the cluster's.
const ConfigOption* const kLocal[] = {
    &options::kTemporaryDirectories,  &options::kLocalBackupDirectories,
    &options::kRocksdbLocalDirectory, &options::kRocksdbLogDirectory,
    &options::kTaskManagerHost,       &options::kTaskManagerBindHost,
    &options::kLogFilesMax,           &options::kLogFileSize,
};

// What divides the TaskManager's memory: only its own settings count.
bool divides_memory(std::string_view key) {
  static constexpr const ConfigOption* kOptions[] = {
      &options::kTaskManagerMemory, &options::kTaskManagerFlinkMemory, &options::kTaskHeapMemory,
      &options::kTaskOffHeapMemory, &options::kManagedMemory,          &options::kNetworkMemoryMin,
      &options::kNetworkMemoryMax,  &options::kNetworkFraction};
  return std::any_of(std::begin(kOptions), std::end(kOptions),
                     [&](const ConfigOption* option) { return option->key == key; });
}

}  // namespace

TaskManager::Role::Work* TaskManager::Role::find_work(const std::string& job_id,
                                                      const std::string& worker_id) {
  const auto found = works_.find(job_id);
  return found == works_.end() || found->second.worker_id != worker_id ? nullptr : &found->second;
}

std::string TaskManager::Role::worker_directory(const std::string& worker_id) const {
  return join_path(join_path(options_.working_directory, "workers"), worker_id);
}

std::string TaskManager::Role::results_directory() const {
  return join_path(options_.working_directory, "results");
}

// Of a job that has nothing here any more.
void TaskManager::Role::drop_results(const std::string& job_id) {
  if (works_.contains(job_id)) { return; }
  files_->run([this, directory = join_path(results_directory(), job_id)] {
    ignore(world_.files().remove_all(directory), "the next start of this process removes it");
  });
}

Config TaskManager::Role::worker_config(const pb::AssignSlotsRequest& assigned) const {
  Config config = options_.config;
  for (const pb::Setting& setting : assigned.configuration()) {
    const bool is_local =
        std::any_of(std::begin(kLocal), std::end(kLocal), [&](const ConfigOption* option) {
          return option->key == setting.key() && options_.config.has(*option);
        });
    if (is_local || divides_memory(setting.key())) { continue; }
    const Status status = config.set(setting.key(), setting.value());
    if (!status.ok()) {
      const LogContext about({.job = assigned.job_id()});
      log_.warning("job {}: {}", assigned.job_id(), status.to_string());
    }
  }
  // The parts of its slots.
  const MemoryPlan& memory = options_.memory;
  const int64_t network = memory.worker_network_bytes(assigned.slots());
  config.set(options::kNetworkMemoryMin, network);
  config.set(options::kNetworkMemoryMax, network);
  if (memory.sizes.is_managed_set) {
    config.set(options::kManagedMemory, memory.worker_managed_bytes(assigned.slots()));
  }
  return config;
}

void TaskManager::Role::on_assign(const pb::AssignSlotsRequest& request,
                                  const RpcAnswer<pb::AssignSlotsResponse>& answer) {
  pb::AssignSlotsResponse response;
  const auto found = works_.find(request.job_id());
  if (request.slots() == 0) {
    if (found != works_.end() && request.epoch() >= found->second.assigned.epoch()) {
      end_worker(found->second);
      works_.erase(found);
      drop_results(request.job_id());
    }
    return answer.ok(response);
  }
  if (!is_hex(request.job_id(), 32)) {
    return answer.fail(
        invalid_argument(ErrorId::kRpcMessage, "'{}' is no job's id", request.job_id()));
  }
  if (found != works_.end() && request.epoch() < found->second.assigned.epoch()) {
    return answer.fail(
        failed_precondition(ErrorId::kFenced, "the job {} has a master of epoch {}, not of {}",
                            request.job_id(), found->second.assigned.epoch(), request.epoch()));
  }
  Work& work = works_[request.job_id()];
  const bool is_new_master = work.assigned.epoch() != request.epoch();
  work.assigned = request;
  if (is_new_master && !work.worker_id.empty()) { end_worker(work); }
  if (work.worker_id.empty()) { start_worker(work); }
  response.set_worker_id(work.worker_id);
  answer.ok(response);
}

void TaskManager::Role::start_worker(Work& work) {
  work.worker_id = random_hex(random_, kWorkerIdDigits);
  const std::string job_id = work.assigned.job_id();
  programs_->get(work.assigned.program().sha256(), job_manager_,
                 [this, job_id, worker_id = work.worker_id](const Result<std::string>& path) {
                   Work* const known = find_work(job_id, worker_id);
                   if (known == nullptr) { return; }
                   if (!path.ok()) {
                     return worker_failed(job_id, worker_id, path.status().to_string());
                   }
                   known->program_path = *path;
                   prepare_worker(job_id, worker_id);
                 });
}

void TaskManager::Role::prepare_worker(const std::string& job_id, const std::string& worker_id) {
  const Work* const work = find_work(job_id, worker_id);
  files_->run([this, job_id, worker_id, directory = worker_directory(worker_id),
               log = join_path(logs_of(job_id).directory, logs_of(job_id).log),
               text = role_config_text(worker_config(work->assigned))] {
    Status made = world_.files().make_directories(directory);
    if (made.ok()) {
      made = write_all_durably(world_.files(), join_path(directory, "config.yaml"), text);
    }
    loop_.post([this, job_id, worker_id, made, log_begin = log_end(world_.files(), log)] {
      Work* const known = find_work(job_id, worker_id);
      if (known == nullptr) { return; }
      if (!made.ok()) { return worker_failed(job_id, worker_id, made.to_string()); }
      known->log_begin = log_begin;
      launch_worker(*known);
    });
  });
}

// One that no worker here has; with 0 in the list: any.
uint16_t TaskManager::Role::free_data_port() const {
  for (const uint16_t port : options_.data_ports) {
    const bool is_taken = std::any_of(works_.begin(), works_.end(), [&](const auto& entry) {
      return entry.second.process != nullptr && entry.second.data_port == port;
    });
    if (port == 0 || !is_taken) { return port; }
  }
  return options_.data_ports.empty() ? 0 : options_.data_ports.back();
}

std::vector<int32_t> TaskManager::Role::free_cores(int32_t count) const {
  if (!options_.config.get(options::kPinWorkers)) { return {}; }
  std::vector<int32_t> free = options_.launcher->usable_cores();
  for (const auto& [job_id, work] : works_) {
    if (work.process == nullptr) { continue; }
    std::erase_if(free, [&taken = work.cores](int32_t core) {
      return std::find(taken.begin(), taken.end(), core) != taken.end();
    });
  }
  if (static_cast<int32_t>(free.size()) < count) { return {}; }
  free.resize(static_cast<size_t>(count));
  return free;
}

void TaskManager::Role::launch_worker(Work& work) {
  const pb::AssignSlotsRequest& assigned = work.assigned;
  const std::string job_id = assigned.job_id();
  const Result<NetworkAddress> master = NetworkAddress::parse(assigned.master_address());
  if (!master.ok()) { return worker_failed(job_id, work.worker_id, master.status().to_string()); }
  work.data_port = free_data_port();
  work.cores = free_cores(assigned.slots());
  ProcessRole role;
  role.kind = ProcessRole::Kind::kWorker;
  role.job_id = job_id;
  role.epoch = assigned.epoch();
  role.program = work.program_path;
  role.entry = assigned.program().entry();
  role.arguments.assign(assigned.program().arguments().begin(),
                        assigned.program().arguments().end());
  role.config_file = join_path(worker_directory(work.worker_id), "config.yaml");
  role.working_directory = worker_directory(work.worker_id);
  role.listen_at = {options_.bind_host, work.data_port};
  role.host = options_.host;
  role.worker_id = work.worker_id;
  role.task_manager_id = id_;
  role.results_directory = results_directory();
  role.master = *master;
  role.memory_bytes = options_.memory.worker_accounted_bytes(assigned.slots());
  ProcessSpec spec;
  spec.program = options_.launcher->own_program();
  spec.arguments = role_arguments(role);
  const ProcessLogs logs = logs_of(job_id);
  spec.output_path = join_path(logs.directory, logs.output);
  spec.error_path = join_path(logs.directory, logs.log);
  spec.cores = work.cores;
  spec.memory_bytes_max = options_.memory.worker_limit_bytes(assigned.slots());
  auto started = options_.launcher->start(
      std::move(spec),
      [this, poster = loop_.poster(), job_id, worker_id = work.worker_id](const ProcessEnd& end) {
        poster([this, job_id, worker_id, end] { on_worker_end(job_id, worker_id, end); });
      });
  if (!started.ok()) { return worker_failed(job_id, work.worker_id, started.status().to_string()); }
  work.process = std::move(*started);
  const LogContext about({.job = job_id});
  log_.info("job {} has {} slots here, its worker {} is process {}", job_id, assigned.slots(),
            work.worker_id, work.process->id());
}

void TaskManager::Role::on_worker_end(const std::string& job_id, const std::string& worker_id,
                                      const ProcessEnd& end) {
  files_->run([this, directory = worker_directory(worker_id)] {
    ignore(world_.files().remove_all(directory), "the next start of this process removes it");
  });
  // It may have gone on for a while after its job was over here.
  drop_results(job_id);
  const Work* const work = find_work(job_id, worker_id);
  if (work == nullptr) { return; }
  const ProcessLogs logs = logs_of(job_id);
  const std::string how = fmt::format("its process {} {}", work->process->id(), end.describe());
  files_->run([this, job_id, worker_id, how, path = join_path(logs.directory, logs.log),
               log_begin = work->log_begin] {
    const std::string words = last_lines(world_.files(), path, kLastWordsBytes, log_begin);
    loop_.post([this, job_id, worker_id, how, words] {
      worker_failed(job_id, worker_id, end_with_words(how, words));
    });
  });
}

void TaskManager::Role::worker_failed(const std::string& job_id, const std::string& worker_id,
                                      const std::string& why) {
  Work* const work = find_work(job_id, worker_id);
  if (work == nullptr) { return; }
  const LogContext about({.job = job_id});
  log_.warning("the worker {} of job {}: {}", worker_id, job_id, why);
  pb::WorkerEndedNotice notice;
  notice.set_task_manager_id(id_);
  notice.mutable_worker()->set_job_id(job_id);
  notice.mutable_worker()->set_epoch(work->assigned.epoch());
  notice.mutable_worker()->set_worker_id(worker_id);
  notice.mutable_worker()->set_slots(work->assigned.slots());
  notice.set_reason(why);
  // The slots stay the job's: the JobManager says whether, and when, another one is started.
  work->process.reset();
  work->worker_id.clear();
  if (job_manager_ && is_registered_) { job_manager_.notify("WorkerEnded", notice); }
}

void TaskManager::Role::end_worker(Work& work) {
  const LogContext about({.job = work.assigned.job_id()});
  const std::string worker_id = std::exchange(work.worker_id, {});
  if (work.process == nullptr) { return; }
  log_.info("the worker {} of job {} is ended", worker_id, work.assigned.job_id());
  work.process->terminate();
  const int64_t process = work.process->id();
  ending_.emplace(process, std::move(work.process));
  loop_.after_ms(kEndsWithinMs, [this, process] { ending_.erase(process); });
}

}  // namespace tidewheel
