#include "tidewheel/dataflow/local_job.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/dataflow/deployment.h"
#include "tidewheel/dataflow/job_master.h"
#include "tidewheel/dataflow/job_setup.h"
#include "tidewheel/dataflow/result_store.h"
#include "tidewheel/state/state_backend.h"

namespace tidewheel {
namespace {

constexpr std::string_view kAccumulators = "accumulators";

}  // namespace

std::string_view job_state_name(JobState state) {
  switch (state) {
    case JobState::kCreated: return "CREATED";
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
  Job(World& job_world, std::string job_name, std::string job_id, Config job_config,
      ChainedGraph job_graph, int64_t memory_bytes)
      : world(job_world),
        name(std::move(job_name)),
        id(std::move(job_id)),
        config(std::move(job_config)),
        chained(std::move(job_graph)),
        memory("job '" + name + "'", memory_bytes),
        metrics(name) {}
  ~Job() {
    if (results) { results->stop(); }
    if (master) { master->close(); }
  }

  // Any thread. Of an attempt that was replaced nobody wants to know.
  void on_results_lost(TaskId task, uint64_t attempt, Status why) const {
    const size_t region = master->layout().region_of(task.vertex);
    if ((*deployment->attempts())[region]->attempt != attempt) { return; }
    master->results_lost(task, std::move(why));
  }

  World& world;
  const std::string name;
  const std::string id;
  const Config config;
  const ChainedGraph chained;
  MemoryPool memory;
  MetricGroup metrics;
  std::unique_ptr<StateBackends> backends;
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<JobMaster> master;
  std::unique_ptr<ResultStore> results;  // null: no exchange is blocking
  std::unique_ptr<Deployment> deployment;
  std::unique_ptr<Worker> master_worker;
  std::vector<std::unique_ptr<Worker>> slot_workers;
};

Result<std::unique_ptr<JobHandle>> LocalJobRunner::start(LogicalGraph graph, Config config,
                                                         const JobStartOptions& start) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      JobSetup setup, set_up_job(*world_, std::move(graph), config,
                                 {.id = start.job_id,
                                  .resume = start.resume ? JobSetupOptions::Resume::kByName
                                                         : JobSetupOptions::Resume::kNever}));
  const int64_t memory_bytes = job_memory_bytes(*world_, config);
  const bool waits_for_final = setup.rules.waits_for_final();
  auto job = std::make_unique<JobHandle::Job>(*world_, setup.name, setup.id, std::move(config),
                                              std::move(setup.chained), memory_bytes);
  TIDEWHEEL_ASSIGN_OR_RETURN(job->backends, make_state_backends(*world_, job->config, job->chained,
                                                                job->memory, /*slots=*/0));
  TIDEWHEEL_ASSIGN_OR_RETURN(job->store, open_job_store(*world_, setup, job->config));
  job->master =
      make_job_master(*world_, setup, job->chained, job->config, *job->store, job->metrics);
  JobMaster& master = *job->master;
  if (job->chained.exchanges_block) {
    TIDEWHEEL_ASSIGN_OR_RETURN(ResultStore::Options results,
                               claim_results(*world_, job->config, job->id));
    results.on_lost = [&owner = *job](TaskId task, uint64_t attempt, Status why) {
      owner.on_results_lost(task, attempt, std::move(why));
    };
    job->results = std::make_unique<ResultStore>(*world_, std::move(results));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(DeploymentStart beginning, master.make_start());
  TIDEWHEEL_RETURN_IF_ERROR(master.make_coordinators());
  TIDEWHEEL_ASSIGN_OR_RETURN(job->deployment,
                             Deployment::make({.world = *world_,
                                               .chained = job->chained,
                                               .config = job->config,
                                               .memory = job->memory,
                                               .metrics = job->metrics,
                                               .listener = master,
                                               .storage = job->store.get(),
                                               .plans = &master.plans(),
                                               .waits_for_final_checkpoint = waits_for_final,
                                               .start = std::move(beginning),
                                               .backends = job->backends.get(),
                                               .results = job->results.get()}));
  master.set_fleet(*job->deployment, /*is_deployed=*/true);
  job->master_worker = world_->executor().start_worker("tw-master", master);
  master.set_worker(job->master_worker.get());
  for (const auto& slot : job->deployment->slots()) {
    slot->schedule_all();
    job->slot_workers.push_back(
        world_->executor().start_worker(fmt::format("tw-slot-{}", slot->index()), *slot));
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
const std::string& JobHandle::job_id() const { return job_->id; }
JobState JobHandle::state() const { return job_->master->state(); }
bool JobHandle::wait(int64_t deadline_ns) { return job_->master->ended().wait(deadline_ns); }

Status JobHandle::result() {
  static_cast<void>(wait());
  switch (state()) {
    case JobState::kFailed: return job_->master->failure();
    case JobState::kCancelled:
      return cancelled(ErrorId::kJobCancelled, "job '{}' was cancelled", name());
    default: return ok_status();
  }
}

void JobHandle::stop() { job_->master->stop(); }
void JobHandle::cancel() { job_->master->cancel(); }

namespace {

// Waits for what `ask` hands to its argument.
template <class T>
Result<T> wait_for(World& world, const std::function<void(std::function<void(Result<T>)>)>& ask) {
  struct Waiting {
    std::unique_ptr<Event> given;
    std::optional<Result<T>> result;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->given = world.executor().make_event();
  ask([waiting](Result<T> result) {
    waiting->result = std::move(result);
    waiting->given->set();
  });
  static_cast<void>(waiting->given->wait());
  return std::move(*waiting->result);
}

}  // namespace

Result<std::string> JobHandle::savepoint(const SavepointRequest& request) {
  return wait_for<std::string>(job_->world,
                               [&](auto done) { savepoint_async(request, std::move(done)); });
}

void JobHandle::savepoint_async(const SavepointRequest& request,
                                std::function<void(Result<std::string>)> done) {
  job_->master->savepoint(request, std::move(done));
}

Result<std::string> JobHandle::cancel_with_savepoint(const std::string& directory) {
  return wait_for<std::string>(job_->world, [&](auto done) {
    job_->master->cancel_with_savepoint(directory, std::move(done));
  });
}

Result<int64_t> JobHandle::trigger_checkpoint() {
  return wait_for<int64_t>(job_->world,
                           [&](auto done) { trigger_checkpoint_async(std::move(done)); });
}

void JobHandle::trigger_checkpoint_async(std::function<void(Result<int64_t>)> done) {
  job_->master->trigger_checkpoint(std::move(done));
}

CheckpointStatistics JobHandle::checkpoints() const { return *job_->master->statistics(); }
int64_t JobHandle::restarts() const { return job_->master->restarts(); }
std::vector<JobFailure> JobHandle::failures() const { return *job_->master->failures(); }

std::vector<TaskInfo> JobHandle::tasks() const {
  std::vector<TaskInfo> tasks;
  const std::shared_ptr<const Deployment::Attempts> attempts = job_->deployment->attempts();
  for (const auto& region : *attempts) {
    for (const auto& task : region->tasks) { tasks.push_back(task->info()); }
  }
  std::sort(tasks.begin(), tasks.end(), [](const TaskInfo& a, const TaskInfo& b) {
    return std::pair(a.vertex_index, a.subtask) < std::pair(b.vertex_index, b.subtask);
  });
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
  const int64_t end_ns = job_->master->ended_ns();
  return (end_ns > 0 ? end_ns : job_->world.clock().now_ns()) - job_->master->started_ns();
}

}  // namespace tidewheel
