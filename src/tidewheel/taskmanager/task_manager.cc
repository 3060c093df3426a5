#include "tidewheel/taskmanager/task_manager.h"

#include <charconv>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/log_context.h"
#include "tidewheel/base/version.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/stack_messages.h"
#include "tidewheel/cluster/stack_sampling.h"
#include "tidewheel/cluster/thread_dump.h"
#include "tidewheel/jobmanager/program_store.h"
#include "tidewheel/rpc/endpoint.h"
#include "tidewheel/taskmanager/task_manager_role.h"

namespace tidewheel {
namespace {

constexpr size_t kInstanceDigits = 16;
constexpr int64_t kRetryMsMin = 50;
constexpr int64_t kRetryMsMax = 2000;
constexpr int64_t kWatchMs = 1000;
constexpr int64_t kLeaveWithinNs = 1'000'000'000;
constexpr size_t kIdSuffixDigits = 6;

}  // namespace

TaskManager::TaskManager(std::unique_ptr<Role> role) : role_(std::move(role)) {}
TaskManager::~TaskManager() = default;
const std::string& TaskManager::id() const { return role_->id(); }
uint16_t TaskManager::port() const { return role_->port(); }

void TaskManager::leave(const std::string& how) { role_->leave(how); }

Result<std::unique_ptr<TaskManager>> TaskManager::start(World& world, TaskManagerOptions options) {
  auto role = std::make_unique<Role>(world, std::move(options));
  TIDEWHEEL_RETURN_IF_ERROR(role->start());
  return std::unique_ptr<TaskManager>(new TaskManager(std::move(role)));
}

TaskManager::Role::Role(World& world, TaskManagerOptions options)
    : world_(world),
      options_(std::move(options)),
      log_(world.logger().named("taskmanager")),
      random_(world.fork_random()),
      id_(options_.id),
      instance_(random_hex(random_, kInstanceDigits)),
      files_(std::make_unique<SerialJobs>(world.executor())),
      loop_(world, "taskmanager") {}

TaskManager::Role::~Role() {
  // Nothing runs here, which uses the endpoint; what it still takes is dropped. Then nobody calls
  // in, then what blocks is waited for; the children last.
  loop_.stop();
  endpoint_.reset();
  files_.reset();
}

Status TaskManager::Role::start() {
  TIDEWHEEL_RETURN_IF_ERROR(world_.files().remove_all(options_.working_directory));
  TIDEWHEEL_RETURN_IF_ERROR(
      world_.files().make_directories(join_path(options_.working_directory, "workers")));
  TIDEWHEEL_RETURN_IF_ERROR(world_.files().make_directories(options_.log_directory));
  TIDEWHEEL_RETURN_IF_ERROR(listen());
  if (id_.empty()) {
    id_ = fmt::format("{}-{}", NetworkAddress{options_.host, port()}.to_string(),
                      random_hex(random_, kIdSuffixDigits));
  }
  programs_ = std::make_unique<ProgramCache>(world_, loop_, *files_,
                                             join_path(options_.working_directory, "programs"));
  serve();
  loop_.post([this] {
    alone_since_ms_ = loop_.now_ms();
    options_.high_availability->watch_leader(
        loop_.poster(), [this](const std::optional<Leader>& leader) { on_leader(leader); });
    watch_the_time();
  });
  return ok_status();
}

Status TaskManager::Role::listen() {
  RpcOptions rpc;
  rpc.name = id_.empty() ? "a TaskManager" : "TaskManager " + id_;
  rpc.listens = true;
  rpc.network = options_.network;
  rpc.heartbeat_interval_ms = options_.config.get(options::kHeartbeatInterval);
  rpc.heartbeat_timeout_ms = options_.config.get(options::kHeartbeatTimeout);
  Status status = invalid_argument(ErrorId::kNetworkAddress, "there is no port to listen at");
  for (const uint16_t port : options_.ports) {
    rpc.listen_at = {options_.bind_host, port};
    auto endpoint = RpcEndpoint::start(world_, rpc);
    if (endpoint.ok()) {
      endpoint_ = std::move(*endpoint);
      return ok_status();
    }
    status = endpoint.status();
  }
  return status;
}

void TaskManager::Role::serve() {
  service_ = std::make_shared<RpcService>("TaskManager", loop_.poster());
  service_->on<pb::AssignSlotsRequest, pb::AssignSlotsResponse>(
      "AssignSlots", [this](const RpcRequest&, const pb::AssignSlotsRequest& request,
                            const auto& answer) { on_assign(request, answer); });
  service_->on<pb::ProcessRequest, pb::ListLogsResponse>(
      "ListLogs", [this](const RpcRequest&, const pb::ProcessRequest& request, const auto& answer) {
        on_list_logs(request, answer);
      });
  service_->on<pb::ReadLogRequest, pb::ReadLogResponse>(
      "ReadLog", [this](const RpcRequest&, const pb::ReadLogRequest& request, const auto& answer) {
        on_read_log(request, answer);
      });
  service_->on<pb::ProcessRequest, pb::MetricsResponse>(
      "ProcessMetrics", [this](const RpcRequest&, const pb::ProcessRequest& request,
                               const auto& answer) { on_metrics(request, answer); });
  service_->on<pb::Empty, pb::ThreadDumpResponse>(
      "ThreadDump", [this](const RpcRequest&, const pb::Empty&, const auto& answer) {
        world_.executor().run_blocking([answer] {
          pb::ThreadDumpResponse response;
          for (const ThreadStack& thread : dump_threads()) {
            pb::ThreadStackMessage* const added = response.add_threads();
            added->set_name(thread.name);
            added->set_text(thread.text);
          }
          answer.ok(response);
        });
      });
  service_->on<pb::SampleStacksRequest, pb::SampleStacksResponse>(
      "SampleStacks",
      [this](const RpcRequest&, const pb::SampleStacksRequest& request, const auto& answer) {
        world_.executor().run_blocking([&world = world_, request, answer] {
          pb::SampleStacksResponse response;
          to_message(sample_threads(world, from_message(request)), response);
          answer.ok(response);
        });
      });
  service_->on_notice<pb::Empty>("ShutDown", [this](const RpcRequest&, const pb::Empty&) {
    log_.info("ends with its cluster");
    options_.on_end(0);
  });
  service_->accept_none("this TaskManager has no JobManager yet");
  endpoint_->serve(service_);
}

// ---- The JobManager.

void TaskManager::Role::on_leader(const std::optional<Leader>& leader) {
  const std::string address = leader.has_value() ? leader->rpc_address : std::string();
  // With high availability a leader that comes back at the same address is another one; its
  // session is lost by itself.
  if (address == leader_address_) { return; }
  leader_address_ = address;
  if (job_manager_) {
    const RpcPeerRef old = job_manager_.peer();
    old->watch({});
    old->close();
    job_manager_ = RpcClient();
    if (is_registered_) {
      on_lost(unavailable(ErrorId::kNotLeader, "another JobManager leads now"));
    }
  }
  if (address.empty()) { return; }
  const Result<NetworkAddress> parsed = NetworkAddress::parse(address);
  if (!parsed.ok()) { return log_.error("the leader's address: {}", parsed.status().to_string()); }
  job_manager_ = RpcClient(endpoint_->connect(*parsed), "JobManager", loop_.poster());
  job_manager_.set_timeout_ms(options_.config.get(options::kAskTimeout));
  job_manager_.peer()->watch({.poster = loop_.poster(),
                              .on_up = [this] { on_up(); },
                              .on_lost = [this](const Status& why) { on_lost(why); }});
}

void TaskManager::Role::on_up() {
  session_ += 1;
  retry_ms_ = 0;
  register_now();
}

void TaskManager::Role::on_lost(const Status& why) {
  session_ += 1;
  if (is_registered_) {
    log_.warning("the JobManager is lost: {}", why.to_string());
    alone_since_ms_ = loop_.now_ms();
  }
  is_registered_ = false;
}

pb::TaskManagerInfo TaskManager::Role::info() const {
  const MemoryPlan& memory = options_.memory;
  pb::TaskManagerInfo info;
  info.set_id(id_);
  info.set_host(options_.host);
  info.set_rpc_port(port());
  info.set_data_port(options_.data_ports.empty() ? 0 : options_.data_ports.front());
  info.set_slots(options_.slots);
  info.set_cpu_cores(world_.executor().core_count());
  info.set_machine_memory_bytes(world_.memory_bytes());
  info.set_process_memory_bytes(memory.sizes.process_bytes());
  info.set_own_memory_bytes(memory.sizes.own_bytes);
  info.set_task_memory_bytes(memory.sizes.task_bytes);
  info.set_managed_memory_bytes(memory.sizes.managed_bytes);
  info.set_network_memory_bytes(memory.sizes.network_bytes);
  info.set_version(std::string(kVersion));
  info.set_instance(instance_);
  return info;
}

void TaskManager::Role::register_now() {
  if (!job_manager_ || is_registered_) { return; }
  pb::RegisterTaskManagerRequest request;
  *request.mutable_info() = info();
  // What is only being started is nobody's yet, and what has ended is nobody's any more: whoever
  // leads now asks for it anew.
  std::vector<std::string> without_process;
  for (const auto& [job_id, work] : works_) {
    if (work.process == nullptr) { without_process.push_back(job_id); }
  }
  for (const std::string& job_id : without_process) {
    works_.erase(job_id);
    drop_results(job_id);
  }
  for (const auto& [job_id, work] : works_) {
    pb::WorkerInfo* const worker = request.add_workers();
    worker->set_job_id(job_id);
    worker->set_epoch(work.assigned.epoch());
    worker->set_worker_id(work.worker_id);
    worker->set_slots(work.assigned.slots());
    worker->set_process_id(work.process->id());
  }
  job_manager_.call<pb::RegisterTaskManagerResponse>(
      "RegisterTaskManager", request,
      [this, session = session_](const Result<pb::RegisterTaskManagerResponse>& response) {
        if (session == session_) { on_registered(response); }
      });
}

void TaskManager::Role::on_registered(const Result<pb::RegisterTaskManagerResponse>& response) {
  if (!response.ok()) {
    // It may not lead yet, or not any more.
    retry_ms_ = std::clamp(2 * retry_ms_, kRetryMsMin, kRetryMsMax);
    if (response.status().to_string() != refusal_) {
      refusal_ = response.status().to_string();
      log_.info("the JobManager does not take this TaskManager: {}", refusal_);
    }
    loop_.after_ms(retry_ms_, [this, session = session_] {
      if (session == session_) { register_now(); }
    });
    return;
  }
  is_registered_ = true;
  refusal_.clear();
  job_manager_.set_fence(response->fence());
  service_->accept_only(response->fence());
  log_.info("{} has registered with the JobManager at {}", id_, leader_address_);
  for (const std::string& job_id : response->unknown_jobs()) {
    const auto work = works_.find(job_id);
    if (work == works_.end()) { continue; }
    const LogContext about({.job = job_id});
    log_.info("the worker of job {} ends: the JobManager does not know the job", job_id);
    end_worker(work->second);
    works_.erase(work);
  }
}

void TaskManager::Role::leave(const std::string& how) {
  const std::shared_ptr<Event> heard = world_.executor().make_event();
  loop_.post([this, how, heard] {
    if (!job_manager_ || !is_registered_) { return heard->set(); }
    pb::TaskManagerLeavesRequest request;
    request.set_id(id_);
    request.set_reason(how);
    job_manager_.call<pb::Empty>("TaskManagerLeaves", request,
                                 [heard](const Result<pb::Empty>&) { heard->set(); });
  });
  static_cast<void>(heard->wait(world_.clock().now_ns() + kLeaveWithinNs));
}

void TaskManager::Role::watch_the_time() {
  const int64_t limit_ms = options_.config.get(options::kRegistrationTimeout);
  if (!is_registered_ && loop_.now_ms() - alone_since_ms_ > limit_ms) {
    log_.error("no JobManager was found within {}, the TaskManager ends{}",
               format_duration_ms(limit_ms), refusal_.empty() ? "" : ": " + refusal_);
    options_.on_end(1);
    return;
  }
  loop_.after_ms(kWatchMs, [this] { watch_the_time(); });
}

// ---- What it tells of itself.

ProcessLogs TaskManager::Role::logs_of(const std::string& job_id) const {
  if (job_id.empty()) { return options_.logs; }
  std::string tame = id_;
  for (char& c : tame) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.';
    if (!plain) { c = '_'; }
  }
  const std::string name = fmt::format("tidewheel-worker-{}-{}", job_id, tame);
  return {options_.log_directory, name, name + ".log", name + ".out"};
}

void TaskManager::Role::on_list_logs(const pb::ProcessRequest& request,
                                     const RpcAnswer<pb::ListLogsResponse>& answer) {
  if (!request.job_id().empty() && !is_hex(request.job_id(), 32)) {
    return answer.fail(not_found(ErrorId::kUnknownJob, "there is no such job"));
  }
  files_->run([this, logs = logs_of(request.job_id()), answer] {
    const Result<std::vector<LogFileInfo>> found = list_logs(world_.files(), logs);
    if (!found.ok()) { return answer.fail(found.status()); }
    pb::ListLogsResponse response;
    for (const LogFileInfo& file : *found) {
      pb::LogFileMessage* const added = response.add_files();
      added->set_name(file.name);
      added->set_bytes(file.bytes);
      added->set_modified_ms(file.modified_ms);
    }
    answer.ok(response);
  });
}

void TaskManager::Role::on_read_log(const pb::ReadLogRequest& request,
                                    const RpcAnswer<pb::ReadLogResponse>& answer) {
  if (!request.job_id().empty() && !is_hex(request.job_id(), 32)) {
    return answer.fail(not_found(ErrorId::kUnknownJob, "there is no such job"));
  }
  files_->run([this, logs = logs_of(request.job_id()), request, answer] {
    Result<LogPiece> piece =
        read_log_piece(world_.files(), logs, request.name(), request.offset(), request.bytes_max());
    if (!piece.ok()) { return answer.fail(piece.status()); }
    pb::ReadLogResponse response;
    response.set_piece(std::move(piece->bytes));
    response.set_total_bytes(piece->total_bytes);
    answer.ok(response);
  });
}

void TaskManager::Role::on_metrics(const pb::ProcessRequest&,
                                   const RpcAnswer<pb::MetricsResponse>& answer) {
  int64_t workers_bytes = 0;
  for (const auto& [job_id, work] : works_) {
    if (work.process != nullptr) { workers_bytes += work.process->memory_bytes(); }
  }
  pb::MetricReport report;
  pb::MetricScope* const scope = report.add_scopes();
  const auto add = [&](const char* name, int64_t value) {
    pb::Metric* const metric = scope->add_metrics();
    metric->set_name(name);
    metric->set_integer(value);
  };
  add("Status.Process.Memory.Workers.Used", workers_bytes);
  const MemorySizes& sizes = options_.memory.sizes;
  add("Status.Process.Memory.Max", sizes.process_bytes());
  add("Status.Process.Workers", static_cast<int64_t>(works_.size()));
  add("Status.Process.Memory.Tasks.Total", sizes.task_bytes);
  add("Status.Flink.Memory.Managed.Total", sizes.managed_bytes);
  add("Status.Shuffle.Netty.TotalMemory", sizes.network_bytes);
  own_metrics_.add_to(options_.launcher->own_figures(), world_.clock().now_ns(), *scope);
  pb::MetricsResponse response;
  response.set_report(report.SerializeAsString());
  answer.ok(response);
}

}  // namespace tidewheel
