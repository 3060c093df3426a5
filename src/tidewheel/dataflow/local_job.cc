#include "tidewheel/dataflow/local_job.h"

#include <utility>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/deployment.h"
#include "tidewheel/dataflow/job_master.h"

namespace tidewheel {
namespace {

constexpr std::string_view kAccumulators = "accumulators";

std::string job_name(const LogicalGraph& graph, const Config& config) {
  std::string name = config.get(options::kPipelineName);
  return name.empty() ? graph.job_name : name;
}

int64_t job_memory_bytes(World& world, const Config& config) {
  const int64_t bytes = config.get(options::kJobMemory);
  return bytes > 0 ? bytes : world.memory_bytes() / 4 * 3;
}

}  // namespace

std::string_view job_state_name(JobState state) {
  switch (state) {
    case JobState::kRunning: return "RUNNING";
    case JobState::kStopping: return "STOPPING";
    case JobState::kCancelling: return "CANCELLING";
    case JobState::kFailing: return "FAILING";
    case JobState::kRestarting: return "RESTARTING";
    case JobState::kFinished: return "FINISHED";
    case JobState::kCancelled: return "CANCELED";
    case JobState::kFailed: return "FAILED";
  }
  return "";
}

// Destroyed from the bottom: first the workers, each when its work has stopped, then what they
// worked on. The master's is the last of them, because slots wake it when their tasks have ended.
struct JobHandle::Job {
  Job(World& job_world, std::string job_name, Config job_config, ChainedGraph job_graph,
      int64_t memory_bytes)
      : world(job_world),
        name(std::move(job_name)),
        config(std::move(job_config)),
        chained(std::move(job_graph)),
        memory("job '" + name + "'", memory_bytes),
        metrics(name),
        master(world, chained) {}

  World& world;
  const std::string name;
  const Config config;
  const ChainedGraph chained;
  MemoryPool memory;
  MetricGroup metrics;
  JobMaster master;
  std::unique_ptr<Deployment> deployment;
  std::unique_ptr<Worker> master_worker;
  std::vector<std::unique_ptr<Worker>> slot_workers;
};

Result<std::unique_ptr<JobHandle>> LocalJobRunner::start(LogicalGraph graph, Config config,
                                                         const JobStartOptions&) {
  TIDEWHEEL_ASSIGN_OR_RETURN(ChainedGraph chained, chain_graph(std::move(graph), config));
  const Logger logger = world_->logger().named("job");
  for (const std::string& warning : chained.warnings) { logger.warning("{}", warning); }
  std::string name = job_name(chained.graph, config);
  const int64_t memory_bytes = job_memory_bytes(*world_, config);
  auto job = std::make_unique<JobHandle::Job>(*world_, std::move(name), std::move(config),
                                              std::move(chained), memory_bytes);
  TIDEWHEEL_RETURN_IF_ERROR(job->master.make_coordinators());
  TIDEWHEEL_ASSIGN_OR_RETURN(job->deployment, Deployment::make({.world = *world_,
                                                                .chained = job->chained,
                                                                .config = job->config,
                                                                .memory = job->memory,
                                                                .metrics = job->metrics,
                                                                .listener = job->master}));
  job->master.set_deployment(*job->deployment);
  Executor& executor = world_->executor();
  job->master_worker = executor.start_worker("tw-master", job->master);
  job->master.set_worker(job->master_worker.get());
  for (const auto& slot : job->deployment->slots()) {
    slot->schedule_all();
    job->slot_workers.push_back(
        executor.start_worker(fmt::format("tw-slot-{}", slot->index()), *slot));
    slot->set_worker(job->slot_workers.back().get());
  }
  return std::unique_ptr<JobHandle>(new JobHandle(std::move(job)));
}

JobHandle::JobHandle(std::unique_ptr<Job> job) : job_(std::move(job)) {}

JobHandle::~JobHandle() {
  cancel();
  static_cast<void>(wait());
}

const std::string& JobHandle::name() const { return job_->name; }
JobState JobHandle::state() const { return job_->master.state(); }
bool JobHandle::wait(int64_t deadline_ns) { return job_->master.ended().wait(deadline_ns); }

Status JobHandle::result() {
  static_cast<void>(wait());
  switch (state()) {
    case JobState::kFailed: return job_->master.failure();
    case JobState::kCancelled:
      return cancelled(ErrorId::kJobCancelled, "job '{}' was cancelled", name());
    default: return ok_status();
  }
}

void JobHandle::stop() { job_->master.stop(); }
void JobHandle::cancel() { job_->master.cancel(); }

Result<std::string> JobHandle::savepoint(const SavepointRequest&) {
  return unimplemented(ErrorId::kCheckpointDeclined, "savepoints are not there yet");
}
void JobHandle::savepoint_async(const SavepointRequest& request,
                                std::function<void(Result<std::string>)> done) {
  done(savepoint(request));
}
Result<std::string> JobHandle::cancel_with_savepoint(const std::string& directory) {
  return savepoint({directory});
}
Result<int64_t> JobHandle::trigger_checkpoint() {
  return unimplemented(ErrorId::kCheckpointDeclined, "checkpoints are not there yet");
}
void JobHandle::trigger_checkpoint_async(std::function<void(Result<int64_t>)> done) {
  done(trigger_checkpoint());
}
CheckpointStatistics JobHandle::checkpoints() const { return {}; }
const std::string& JobHandle::job_id() const { return job_->name; }
int64_t JobHandle::restarts() const { return 0; }
std::vector<JobFailure> JobHandle::failures() const { return {}; }

std::vector<TaskInfo> JobHandle::tasks() const {
  std::vector<TaskInfo> tasks;
  for (const auto& task : job_->deployment->tasks()) { tasks.push_back(task->info()); }
  return tasks;
}

std::vector<MetricValue> JobHandle::metrics() const {
  return job_->metrics.collect(job_->world.clock().now_ns());
}

std::map<std::string, int64_t> JobHandle::accumulators() const {
  std::map<std::string, int64_t> sums;
  for (const MetricValue& metric : metrics()) {
    const size_t dot = metric.scope.rfind('.');
    const std::string_view last = std::string_view(metric.scope).substr(dot + 1);
    if (metric.kind == MetricValue::Kind::kCounter && last == kAccumulators) {
      sums[metric.name] += metric.value;
    }
  }
  return sums;
}

const MemoryPool& JobHandle::memory() const { return job_->memory; }

int64_t JobHandle::runtime_ns() const {
  const int64_t end_ns = job_->master.ended_ns();
  return (end_ns > 0 ? end_ns : job_->world.clock().now_ns()) - job_->master.started_ns();
}

}  // namespace tidewheel
