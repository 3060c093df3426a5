// What clients ask for, by the REST API: each request is handed to the JobManager's thread, and on
// to the process that can answer it.
#include "tidewheel/jobmanager/job_manager.h"

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/cluster/stack_messages.h"
#include "tidewheel/cluster/stack_sampling.h"
#include "tidewheel/cluster/thread_dump.h"
#include "tidewheel/jobmanager/job_manager_role.h"

namespace tidewheel {
namespace {

// An answer that is made of another one's.
template <class Message, class T>
std::function<void(Result<Message>)> handing_on(std::function<void(Result<T>)> done,
                                                std::function<Result<T>(const Message&)> make) {
  return [done = std::move(done), make = std::move(make)](Result<Message> answer) {
    done(answer.ok() ? make(*answer) : Result<T>(answer.status()));
  };
}

std::function<void(Result<pb::Empty>)> handing_on(std::function<void(Status)> done) {
  return [done = std::move(done)](const Result<pb::Empty>& answer) { done(answer.status()); };
}

void add_metric(pb::MetricScope& scope, const char* name, int64_t value) {
  pb::Metric* const metric = scope.add_metrics();
  metric->set_name(name);
  metric->set_integer(value);
}

TaskManagerSummary summary_of(const JobManager::Role::TaskManager& task_manager,
                              const SlotPool& pool, int64_t now_ms);

}  // namespace

JobManager::JobManager(std::unique_ptr<Role> role) : role_(std::move(role)) {}
JobManager::~JobManager() = default;

Result<std::unique_ptr<JobManager>> JobManager::open(World& world, JobManagerOptions options) {
  auto role = std::make_unique<Role>(world, std::move(options));
  TIDEWHEEL_RETURN_IF_ERROR(role->listen());
  return std::unique_ptr<JobManager>(new JobManager(std::move(role)));
}

void JobManager::start(const std::string& rest_address) { role_->start(rest_address); }
uint16_t JobManager::port() const { return role_->port(); }
Result<std::string> JobManager::leader_address() { return role_->leader_address(); }

std::vector<std::pair<std::string, std::string>> JobManager::configuration() {
  const auto& values = role_->options().config.values();
  return {values.begin(), values.end()};
}

void JobManager::overview(Answer<ClusterOverview> done) {
  role_->post([role = role_.get(), done = std::move(done)] {
    const Status leads = role->check_leads();
    if (!leads.ok()) { return done(leads); }
    ClusterOverview overview;
    overview.task_managers = static_cast<int32_t>(role->task_managers().size());
    overview.slots = role->pool().slot_count();
    overview.free_slots = role->pool().free_count();
    done(overview);
  });
}

void JobManager::shut_down(Done done) {
  role_->post([role = role_.get(), done = std::move(done)] {
    role->shut_down();
    done(ok_status());
  });
}

// ---- Programs.

void JobManager::add_program(UploadedProgram program, Answer<ProgramInfo> done) {
  role_->files().run([role = role_.get(), program = std::move(program), done = std::move(done)] {
    done(role->programs().add(program, role->world().clock().wall_ms()));
  });
}

void JobManager::programs(Answer<std::vector<ProgramInfo>> done) {
  role_->files().run(
      [role = role_.get(), done = std::move(done)] { done(role->programs().list()); });
}

void JobManager::remove_program(std::string id, Done done) {
  role_->post([role = role_.get(), id = std::move(id), done = std::move(done)] {
    role->files().run([role, id, used = role->programs_in_use(), done] {
      const Result<ProgramInfo> program = role->programs().find(id);
      if (!program.ok()) { return done(program.status()); }
      Status status = role->programs().remove(id);
      if (status.ok()) { status = role->programs().remove_blob_unless_used(program->sha256, used); }
      done(std::move(status));
    });
  });
}

void JobManager::run_program(std::string id, ProgramRun run, Answer<std::string> done) {
  role_->files().run([role = role_.get(), id = std::move(id), run = std::move(run),
                      done = std::move(done)]() mutable {
    Result<ProgramInfo> program = role->programs().find(id);
    if (!program.ok()) { return done(program.status()); }
    role->post([role, program = std::move(*program), run = std::move(run), done = std::move(done)] {
      role->submit(program, run, done);
    });
  });
}

void JobManager::plan_program(std::string id, ProgramRun run, Answer<JobReportRef> done) {
  role_->files().run([role = role_.get(), id = std::move(id), run = std::move(run),
                      done = std::move(done)]() mutable {
    Result<ProgramInfo> program = role->programs().find(id);
    if (!program.ok()) { return done(program.status()); }
    role->post([role, program = std::move(*program), run = std::move(run), done = std::move(done)] {
      role->plan(program, run, done);
    });
  });
}

// ---- Jobs.

void JobManager::jobs(Answer<std::vector<JobSummary>> done) {
  role_->post([role = role_.get(), done = std::move(done)] {
    const Status leads = role->check_leads();
    if (!leads.ok()) { return done(leads); }
    std::vector<JobSummary> out;
    for (const auto& [id, job] : role->jobs()) {
      JobSummary summary;
      summary.id = id;
      summary.name = job.name;
      summary.status = job.shown_status();
      summary.start_ms = job.start_ms;
      summary.end_ms = is_final(summary.status) ? job.end_ms : -1;
      summary.last_modification_ms = job.changed_ms;
      for (size_t i = 0; i < job.tasks.size() && i < kExecutionStateCount; ++i) {
        summary.tasks[i] = job.tasks[i];
      }
      out.push_back(std::move(summary));
    }
    std::sort(out.begin(), out.end(), [](const JobSummary& a, const JobSummary& b) {
      return std::tie(a.start_ms, a.id) < std::tie(b.start_ms, b.id);
    });
    done(std::move(out));
  });
}

void JobManager::report(std::string job_id, Answer<JobReportRef> done) {
  role_->post([role = role_.get(), job_id = std::move(job_id), done = std::move(done)] {
    const auto parse = [](const std::string& bytes) -> Result<JobReportRef> {
      auto report = std::make_shared<pb::JobReport>();
      if (!report->ParseFromString(bytes)) {
        return data_loss(ErrorId::kRpcMessage, "a job's report is damaged");
      }
      return JobReportRef(std::move(report));
    };
    const Result<Role::Job*> job = role->find_job(job_id);
    if (!job.ok()) { return done(job.status()); }
    if (is_final((*job)->shown_status())) { return done(parse((*job)->report)); }
    auto known = std::make_shared<pb::JobReport>();
    role->fill_report(**job, *known);
    if (!(*job)->master) { return done(JobReportRef(std::move(known))); }
    (*job)->master.call<pb::ReportResponse>(
        "Report", pb::Empty(),
        [role, job_id, epoch = (*job)->epoch, done, known,
         parse](const Result<pb::ReportResponse>& answer) {
          auto report = std::make_shared<pb::JobReport>();
          // A master that is just being replaced: what is known without it.
          if (!answer.ok() || !report->ParseFromString(answer->report())) {
            return done(JobReportRef(known));
          }
          // What was shown once is shown, also when the master ends before it has told by itself.
          const Result<Role::Job*> asked = role->find_job(job_id);
          if (asked.ok() && (*asked)->plan.empty() && report->vertices_size() > 0) {
            (*asked)->plan = answer->report();
          }
          if (asked.ok() && is_final((*asked)->shown_status())) {
            return done(parse((*asked)->report));
          }
          // The master tells its state seldomer than it changes, and its end is shown when it is
          // kept: what is shown here is what is shown of all jobs.
          if (asked.ok() && (*asked)->epoch == epoch) {
            role->note_status(**asked, report->status());
          }
          report->set_status(asked.ok() ? static_cast<uint32_t>((*asked)->shown_status())
                                        : known->status());
          // What has an end is not asked for again.
          report->set_end_ms(-1);
          if (asked.ok()) { Role::add_master_failures(**asked, *report); }
          done(JobReportRef(std::move(report)));
        });
  });
}

void JobManager::metrics_of_job(std::string job_id, Answer<MetricReportRef> done) {
  role_->post([role = role_.get(), job_id = std::move(job_id), done = std::move(done)] {
    const Result<Role::Job*> job = role->find_job(job_id);
    if (!job.ok()) { return done(job.status()); }
    if (!(*job)->master) { return done(std::make_shared<const pb::MetricReport>()); }
    (*job)->master.call<pb::MetricsResponse>(
        "Metrics", pb::Empty(),
        handing_on<pb::MetricsResponse, MetricReportRef>(
            done, [](const pb::MetricsResponse& response) -> Result<MetricReportRef> {
              auto report = std::make_shared<pb::MetricReport>();
              if (!report->ParseFromString(response.report())) {
                return data_loss(ErrorId::kRpcMessage, "a job's metrics are damaged");
              }
              return MetricReportRef(std::move(report));
            }));
  });
}

void JobManager::cancel(std::string job_id, Done done) {
  role_->post([role = role_.get(), job_id = std::move(job_id), done = std::move(done)] {
    const Result<Role::Job*> job = role->find_job(job_id);
    if (!job.ok()) { return done(job.status()); }
    role->cancel(**job, done);
  });
}

void JobManager::savepoint(std::string job_id, SavepointOrder order, Answer<std::string> done) {
  role_->post([role = role_.get(), job_id = std::move(job_id), order = std::move(order),
               done = std::move(done)] {
    const Result<Role::Job*> job = role->find_running(job_id);
    if (!job.ok()) { return done(job.status()); }
    pb::SavepointRequest request;
    request.set_directory(order.directory);
    request.set_then(static_cast<uint32_t>(order.then));
    request.set_native(order.native);
    RpcClient patient = (*job)->master;
    patient.set_timeout_ms(role->savepoint_timeout_ms(**job));
    patient.call<pb::SavepointResponse>(
        "Savepoint", request,
        handing_on<pb::SavepointResponse, std::string>(
            done, [](const pb::SavepointResponse& response) -> Result<std::string> {
              return response.path();
            }));
  });
}

void JobManager::checkpoint(std::string job_id, Answer<int64_t> done) {
  role_->post([role = role_.get(), job_id = std::move(job_id), done = std::move(done)] {
    const Result<Role::Job*> job = role->find_running(job_id);
    if (!job.ok()) { return done(job.status()); }
    RpcClient patient = (*job)->master;
    patient.set_timeout_ms(role->savepoint_timeout_ms(**job));
    patient.call<pb::CheckpointResponse>(
        "Checkpoint", pb::Empty(),
        handing_on<pb::CheckpointResponse, int64_t>(
            done, [](const pb::CheckpointResponse& response) -> Result<int64_t> {
              return response.id();
            }));
  });
}

void JobManager::dispose_savepoint(std::string path, Done done) {
  World& world = role_->world();
  world.executor().run_blocking([&world, path = std::move(path), done = std::move(done)] {
    done(::tidewheel::dispose_savepoint(world, path));
  });
}

void JobManager::parallelism_bounds(std::string job_id,
                                    Answer<std::vector<ParallelismBounds>> done) {
  role_->post([role = role_.get(), job_id = std::move(job_id), done = std::move(done)] {
    const Result<Role::Job*> job = role->find_running(job_id);
    if (!job.ok()) { return done(job.status()); }
    (*job)->master.call<pb::ParallelismBoundsMessage>(
        "ParallelismBounds", pb::Empty(),
        handing_on<pb::ParallelismBoundsMessage, std::vector<ParallelismBounds>>(
            done,
            [](const pb::ParallelismBoundsMessage& message)
                -> Result<std::vector<ParallelismBounds>> {
              std::vector<ParallelismBounds> out;
              for (const pb::ParallelismBound& bound : message.bounds()) {
                out.push_back({bound.vertex_id(), bound.lower(), bound.upper()});
              }
              return out;
            }));
  });
}

void JobManager::set_parallelism_bounds(std::string job_id, std::vector<ParallelismBounds> bounds,
                                        Done done) {
  role_->post([role = role_.get(), job_id = std::move(job_id), bounds = std::move(bounds),
               done = std::move(done)] {
    const Result<Role::Job*> job = role->find_running(job_id);
    if (!job.ok()) { return done(job.status()); }
    pb::ParallelismBoundsMessage message;
    for (const ParallelismBounds& bound : bounds) {
      pb::ParallelismBound* const added = message.add_bounds();
      added->set_vertex_id(bound.vertex_id);
      added->set_lower(bound.lower);
      added->set_upper(bound.upper);
    }
    (*job)->master.call<pb::Empty>("Rescale", message, handing_on(done));
  });
}

void JobManager::client_heartbeat(std::string job_id, int64_t expires_ms, Done done) {
  role_->post([role = role_.get(), job_id = std::move(job_id), expires_ms, done = std::move(done)] {
    const Result<Role::Job*> job = role->find_job(job_id);
    if (job.ok()) { (*job)->client_expires_ms = expires_ms; }
    done(job.status());
  });
}

namespace {

int64_t sampling_timeout_ms(const JobManager::Role& role, const pb::SampleStacksRequest& request) {
  return request.samples() * request.interval_ms() +
         role.options().config.get(options::kAskTimeout);
}

}  // namespace

void JobManager::sample_stacks(StackSampling sampling, Answer<std::vector<SampledStack>> done) {
  role_->post([role = role_.get(), sampling = std::move(sampling), done = std::move(done)] {
    const Result<Role::Job*> job = role->find_running(sampling.job_id);
    if (!job.ok()) { return done(job.status()); }
    pb::SampleStacksRequest request;
    to_message(sampling, request);
    request.set_vertex_id(sampling.vertex_id);
    request.set_subtask(sampling.subtask);
    RpcClient patient = (*job)->master;
    patient.set_timeout_ms(sampling_timeout_ms(*role, request));
    patient.call<pb::SampleStacksResponse>(
        "SampleStacks", request,
        handing_on<pb::SampleStacksResponse, std::vector<SampledStack>>(
            done,
            [](const pb::SampleStacksResponse& response) -> Result<std::vector<SampledStack>> {
              return from_message(response);
            }));
  });
}

namespace {

// The stacks of several processes, as they come in: on one thread, but for the end.
class ProfileGathering {
 public:
  using Done = std::function<void(Result<std::vector<SampledStack>>)>;
  explicit ProfileGathering(Done done) : done_(std::move(done)) {}
  ProfileGathering(const ProfileGathering&) = delete;
  ProfileGathering& operator=(const ProfileGathering&) = delete;
  // When the last one who may add something has gone.
  ~ProfileGathering() { done_(std::move(stacks_)); }

  void add(const std::string& process, std::vector<SampledStack> stacks) {
    for (SampledStack& stack : stacks) { stack.frames.insert(stack.frames.begin(), process); }
    merge_stacks(stacks_, std::move(stacks));
  }

 private:
  const Done done_;
  std::vector<SampledStack> stacks_;
};

using GatheringRef = std::shared_ptr<ProfileGathering>;

void sample_process(const JobManager::Role& role, RpcClient client,
                    const pb::SampleStacksRequest& request, const std::string& name,
                    const GatheringRef& gathering) {
  client.set_timeout_ms(sampling_timeout_ms(role, request));
  client.call<pb::SampleStacksResponse>(
      "SampleStacks", request, [gathering, name](const Result<pb::SampleStacksResponse>& response) {
        if (response.ok()) { gathering->add(name, from_message(*response)); }
      });
}

}  // namespace

void JobManager::profile(Profiling profiling,
                         std::function<void(Result<std::vector<SampledStack>>)> done) {
  role_->post([role = role_.get(), profiling = std::move(profiling), done = std::move(done)] {
    const Status leads = role->check_leads();
    if (!leads.ok()) { return done(leads); }
    StackSampling sampling;
    sampling.kind = profiling.kind;
    sampling.samples = profiling.samples;
    sampling.interval_ms = profiling.interval_ms;
    sampling.depth_max = profiling.depth_max;
    pb::SampleStacksRequest request;
    to_message(sampling, request);
    const bool is_own = profiling.task_manager.empty();
    Role::TaskManager* task_manager = nullptr;
    if (!is_own) {
      const Result<Role::TaskManager*> found = role->find_task_manager(profiling.task_manager);
      if (!found.ok()) { return done(found.status()); }
      task_manager = *found;
    }
    const auto gathering = std::make_shared<ProfileGathering>(done);
    if (is_own) {
      role->world().executor().run_blocking([role, sampling, gathering] {
        auto stacks =
            std::make_shared<std::vector<SampledStack>>(sample_threads(role->world(), sampling));
        role->post([stacks, gathering] { gathering->add("JobManager", std::move(*stacks)); });
      });
    } else {
      sample_process(*role, task_manager->client, request, "TaskManager", gathering);
    }
    request.set_own_threads(is_own);
    request.set_task_manager_id(profiling.task_manager);
    for (const auto& [id, job] : role->jobs()) {
      if (!job.master || is_final(job.status)) { continue; }
      const char* const what = is_own ? "master" : "worker";
      sample_process(*role, job.master, request,
                     fmt::format("{} of job {} ({})", what, job.name, id), gathering);
    }
  });
}

// ---- Processes.

namespace {

TaskManagerSummary summary_of(const JobManager::Role::TaskManager& task_manager,
                              const SlotPool& pool, int64_t now_ms) {
  const pb::TaskManagerInfo& info = task_manager.info;
  TaskManagerSummary out;
  out.id = info.id();
  out.address = fmt::format("{}:{}", info.host(), info.rpc_port());
  out.rest_host = info.host();
  out.data_port = static_cast<int32_t>(info.data_port());
  // Its connection is up, so it was heard of within the last interval.
  out.last_heartbeat_ms = now_ms;
  out.slots = info.slots();
  out.free_slots = pool.free_of(info.id());
  out.cpu_cores = info.cpu_cores();
  out.physical_memory_bytes = info.machine_memory_bytes();
  out.total_process_bytes = info.process_memory_bytes();
  out.total_flink_bytes = info.own_memory_bytes() + info.task_memory_bytes() +
                          info.managed_memory_bytes() + info.network_memory_bytes();
  out.overhead_bytes = out.total_process_bytes - out.total_flink_bytes;
  out.free_memory_bytes = info.process_memory_bytes() - info.own_memory_bytes();
  out.framework_heap_bytes = info.own_memory_bytes();
  out.managed_bytes = info.managed_memory_bytes();
  out.network_bytes = info.network_memory_bytes();
  const auto slots = [&](int32_t count) {
    const int64_t n = count;
    ResourceAmount amount;
    amount.cpu_cores = static_cast<double>(info.cpu_cores()) * count / info.slots();
    amount.managed_bytes = info.managed_memory_bytes() * n / info.slots();
    amount.network_bytes = info.network_memory_bytes() * n / info.slots();
    amount.task_heap_bytes = info.task_memory_bytes() * n / info.slots();
    return amount;
  };
  out.total = slots(out.slots);
  out.free = slots(out.free_slots);
  out.task_heap_bytes = out.total.task_heap_bytes;
  for (const std::string& job : pool.jobs_on(out.id)) {
    for (int32_t i = 0; i < pool.slots_of(job, out.id); ++i) {
      out.allocated.push_back({job, slots(1)});
    }
  }
  return out;
}

Result<std::vector<LogFileInfo>> files_of(const pb::ListLogsResponse& response) {
  std::vector<LogFileInfo> out;
  for (const pb::LogFileMessage& file : response.files()) {
    out.push_back({file.name(), file.bytes(), file.modified_ms()});
  }
  return out;
}

}  // namespace

void JobManager::task_managers(Answer<std::vector<TaskManagerSummary>> done) {
  role_->post([role = role_.get(), done = std::move(done)] {
    const Status leads = role->check_leads();
    if (!leads.ok()) { return done(leads); }
    std::vector<TaskManagerSummary> out;
    for (const auto& [id, task_manager] : role->task_managers()) {
      out.push_back(summary_of(task_manager, role->pool(), role->world().clock().wall_ms()));
    }
    done(std::move(out));
  });
}

void JobManager::metrics_of_process(ProcessName process, Answer<MetricReportRef> done) {
  role_->post([role = role_.get(), process = std::move(process), done = std::move(done)] {
    if (!process.task_manager.empty()) {
      const Result<Role::TaskManager*> found = role->find_task_manager(process.task_manager);
      if (!found.ok()) { return done(found.status()); }
      pb::ProcessRequest request;
      request.set_job_id(process.job_id);
      (*found)->client.call<pb::MetricsResponse>(
          "ProcessMetrics", request,
          handing_on<pb::MetricsResponse, MetricReportRef>(
              done, [](const pb::MetricsResponse& response) -> Result<MetricReportRef> {
                auto report = std::make_shared<pb::MetricReport>();
                if (!report->ParseFromString(response.report())) {
                  return data_loss(ErrorId::kRpcMessage, "a TaskManager's metrics are damaged");
                }
                return MetricReportRef(std::move(report));
              }));
      return;
    }
    const Status leads = role->check_leads();
    if (!leads.ok()) { return done(leads); }
    auto report = std::make_shared<pb::MetricReport>();
    pb::MetricScope& scope = *report->add_scopes();
    add_metric(scope, "numRegisteredTaskManagers",
               static_cast<int64_t>(role->task_managers().size()));
    add_metric(scope, "taskSlotsTotal", role->pool().slot_count());
    add_metric(scope, "taskSlotsAvailable", role->pool().free_count());
    int64_t running = 0;
    for (const auto& [id, job] : role->jobs()) { running += is_final(job.status) ? 0 : 1; }
    add_metric(scope, "numRunningJobs", running);
    role->own_metrics().add_to(role->options().launcher->own_figures(),
                               role->world().clock().now_ns(), scope);
    done(MetricReportRef(std::move(report)));
  });
}

void JobManager::log_files(ProcessName process, Answer<std::vector<LogFileInfo>> done) {
  role_->post([role = role_.get(), process = std::move(process), done = std::move(done)] {
    if (!process.task_manager.empty()) {
      const Result<Role::TaskManager*> found = role->find_task_manager(process.task_manager);
      if (!found.ok()) { return done(found.status()); }
      pb::ProcessRequest request;
      request.set_job_id(process.job_id);
      (*found)->client.call<pb::ListLogsResponse>(
          "ListLogs", request,
          handing_on<pb::ListLogsResponse, std::vector<LogFileInfo>>(done, files_of));
      return;
    }
    const Result<ProcessLogs> logs = role->own_logs(process.job_id);
    if (!logs.ok()) { return done(logs.status()); }
    role->files().run([role, logs = *logs, done] { done(list_logs(role->world().files(), logs)); });
  });
}

void JobManager::read_log(ProcessName process, std::string name, int64_t offset, int64_t bytes_max,
                          Answer<LogPiece> done) {
  role_->post([role = role_.get(), process = std::move(process), name = std::move(name), offset,
               bytes_max, done = std::move(done)] {
    if (!process.task_manager.empty()) {
      const Result<Role::TaskManager*> found = role->find_task_manager(process.task_manager);
      if (!found.ok()) { return done(found.status()); }
      pb::ReadLogRequest request;
      request.set_job_id(process.job_id);
      request.set_name(name);
      request.set_offset(offset);
      request.set_bytes_max(bytes_max);
      (*found)->client.call<pb::ReadLogResponse>(
          "ReadLog", request,
          handing_on<pb::ReadLogResponse, LogPiece>(
              done, [](const pb::ReadLogResponse& response) -> Result<LogPiece> {
                return LogPiece{response.piece(), response.total_bytes()};
              }));
      return;
    }
    const Result<ProcessLogs> logs = role->own_logs(process.job_id);
    if (!logs.ok()) { return done(logs.status()); }
    role->files().run([role, logs = *logs, name, offset, bytes_max, done] {
      done(read_log_piece(role->world().files(), logs, name, offset, bytes_max));
    });
  });
}

void JobManager::thread_dump(ProcessName process, Answer<std::vector<ThreadStack>> done) {
  if (!process.job_id.empty()) {
    return done(
        unimplemented(ErrorId::kRestRequest,
                      "stacks of a job's processes are sampled, by the vertex's flame graph"));
  }
  if (process.task_manager.empty()) {
    return role_->world().executor().run_blocking(
        [done = std::move(done)] { done(dump_threads()); });
  }
  role_->post([role = role_.get(), process = std::move(process), done = std::move(done)] {
    const Result<Role::TaskManager*> found = role->find_task_manager(process.task_manager);
    if (!found.ok()) { return done(found.status()); }
    (*found)->client.call<pb::ThreadDumpResponse>(
        "ThreadDump", pb::Empty(),
        handing_on<pb::ThreadDumpResponse, std::vector<ThreadStack>>(
            done, [](const pb::ThreadDumpResponse& response) -> Result<std::vector<ThreadStack>> {
              std::vector<ThreadStack> out;
              for (const pb::ThreadStackMessage& thread : response.threads()) {
                out.push_back({thread.name(), thread.text()});
              }
              return out;
            }));
  });
}

}  // namespace tidewheel
