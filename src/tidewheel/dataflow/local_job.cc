#include "tidewheel/dataflow/local_job.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/restart_strategy.h"
#include "tidewheel/checkpoint/rules.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/deployment.h"
#include "tidewheel/dataflow/job_master.h"
#include "tidewheel/dataflow/restore.h"
#include "tidewheel/rocksdb/rocksdb_backends.h"
#include "tidewheel/state/map_backend.h"

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

// Where keyed state is, by state.backend.type; null: in memory.
Result<std::unique_ptr<StateBackends>> make_backends(World& world, const Config& config,
                                                     const ChainedGraph& chained,
                                                     MemoryPool& memory) {
  const std::string type = config.get(options::kStateBackend);
  if (type == "hashmap") { return std::unique_ptr<StateBackends>(); }
  if (type == "map") {
    TIDEWHEEL_ASSIGN_OR_RETURN(const TimerStorage timers, timer_storage_of(config));
    const auto part = [&](const DoubleOption& option) {
      return static_cast<int64_t>(config.get(option) * static_cast<double>(memory.limit_bytes()));
    };
    return std::unique_ptr<StateBackends>(std::make_unique<MapBackends>(
        MapBackendOptions{.cache_bytes = part(options::kRocksdbHotFraction),
                          .timers = timers,
                          .cached_entries_bytes = part(options::kRocksdbCachedFraction)}));
  }
  if (type == "rocksdb") {
    int64_t slots = config.get(options::kTaskSlots);
    for (const ChainVertex& vertex : chained.vertices) {
      slots = std::max<int64_t>(slots, vertex.parallelism);
    }
    return make_rocksdb_backends(world, config, memory, static_cast<int32_t>(slots));
  }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} can't be '{}'; it takes hashmap, rocksdb, or map (for tests)",
                          options::kStateBackend.key, type);
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
    if (master) { master->close(); }
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
  std::unique_ptr<Deployment> deployment;
  std::unique_ptr<Worker> master_worker;
  std::vector<std::unique_ptr<Worker>> slot_workers;
};

namespace {

// What a job starts from.
struct Origin {
  std::optional<CompletedSnapshot> snapshot;
  bool owned = false;       // the job may delete it
  bool is_resumed = false;  // it is the same job as before
};

Result<Origin> find_origin(World& world, const std::string& name, const Config& config,
                           bool resume) {
  const Logger logger = world.logger().named("job");
  Origin origin;
  const std::string claim = config.get(options::kClaimMode);
  if (claim != "NO_CLAIM" && claim != "CLAIM") {
    return invalid_argument(ErrorId::kBadOptionValue, "{} is '{}'; NO_CLAIM and CLAIM are possible",
                            options::kClaimMode.key, claim);
  }
  if (resume) {
    const std::string directory = config.get(options::kCheckpointDirectory);
    if (directory.empty()) {
      return invalid_argument(ErrorId::kBadOptionValue, "to resume a job, set {}",
                              options::kCheckpointDirectory.key);
    }
    std::vector<std::string> warnings;
    auto found = find_newest_snapshot(world, directory, "", name, warnings);
    for (const std::string& warning : warnings) { logger.warning("{}", warning); }
    if (found.ok()) {
      origin.snapshot = std::move(found).value();
      // The savepoint that the job was stopped with stays the user's.
      origin.owned = origin.snapshot->manifest.kind == SnapshotKind::kCheckpoint;
      origin.is_resumed = true;
      TIDEWHEEL_RETURN_IF_ERROR(make_durable(world, *origin.snapshot));
      return origin;
    }
    if (found.status().id() != ErrorId::kFileNotFound) { return found.status(); }
  }
  const std::string path = config.get(options::kRecoveryPath);
  if (!path.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        origin.snapshot, load_snapshot(world, path).with_context("the snapshot to start from"));
    TIDEWHEEL_RETURN_IF_ERROR(make_durable(world, *origin.snapshot));
    origin.owned = claim == "CLAIM";
  }
  return origin;
}

Status fit_to_origin(CompletedSnapshot& origin, const std::vector<bool>& derived,
                     const Config& config, const Logger& logger, ChainedGraph& chained) {
  if (config.get(options::kWithoutChannelState) == origin.manifest.checkpoint) {
    const uint64_t dropped = drop_in_flight(origin.manifest);
    logger.warning("{} elements in flight of {} are dropped, as {} says", dropped, origin.path,
                   options::kWithoutChannelState.key);
  }
  std::vector<std::string> warnings;
  const bool ignore_unclaimed = config.get(options::kIgnoreUnclaimedState);
  TIDEWHEEL_RETURN_IF_ERROR(
      fit_to_snapshot(origin.manifest, derived, ignore_unclaimed, chained, warnings));
  for (const std::string& warning : warnings) { logger.warning("{}", warning); }
  return {};
}

// A job that begins anew is not to be told later that it has come to its end.
Status forget_earlier_runs(World& world, const std::string& name, const Config& config,
                           const Origin& origin) {
  const std::string directory = config.get(options::kCheckpointDirectory);
  if (origin.is_resumed || directory.empty()) { return {}; }
  const std::string from = origin.snapshot ? origin.snapshot->path : std::string();
  return forget_ended_jobs(world, directory, name, from)
      .with_context("{}", options::kCheckpointDirectory.key);
}

std::string new_job_id(World& world) {
  Random random = world.fork_random();
  return fmt::format("{:016x}{:016x}", random.next(), random.next());
}

Status check_job_id(const std::string& id) {
  const bool good = id.size() == 32 && std::all_of(id.begin(), id.end(), [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                    });
  if (good) { return ok_status(); }
  return invalid_argument(ErrorId::kBadParameter, "job id '{}' is not 32 hex digits", id);
}

// Without a folder for checkpoints there are savepoints still.
Result<std::unique_ptr<CheckpointStore>> open_store(World& world, const std::string& job_id,
                                                    const Config& config,
                                                    const CheckpointRules& settings) {
  TIDEWHEEL_ASSIGN_OR_RETURN(CheckpointStoreOptions store,
                             checkpoint_store_options(config, job_id));
  if (store.directory.empty() && settings.interval_ns > 0) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is set, so checkpoints need a folder: set {}",
                            options::kCheckpointInterval.key, options::kCheckpointDirectory.key);
  }
  return CheckpointStore::open(world, std::move(store));
}

// The folder is this process's alone from here on. What was found in it before that is the newest
// still, unless another process had the job meanwhile; what is newer could not be used.
Status claim_folder(World& world, CheckpointStore& store, const Origin& origin) {
  const int64_t number = origin.snapshot->manifest.checkpoint;
  for (const CompletedSnapshot& found : store.found()) {
    if (found.manifest.checkpoint > number && load_snapshot(world, found.path).ok()) {
      return unavailable(ErrorId::kFileLocked,
                         "another process has gone on with the job meanwhile, to {}: start again",
                         found.path);
    }
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto set_aside, store.set_aside_newer(number));
  for (const std::string& path : set_aside) {
    world.logger().named("job").warning("the checkpoint that was passed over is kept as {}", path);
  }
  return {};
}

CheckpointedJob describe_job(const std::string& id, const std::string& name,
                             const ChainedGraph& chained) {
  CheckpointedJob job{id, name, {}};
  for (size_t i = 0; i < chained.graph.nodes.size(); ++i) {
    const GraphNode& node = chained.graph.nodes[i];
    job.operators.push_back({snapshot_uid(chained, static_cast<int32_t>(i)), node.name,
                             chained.vertex_of_node[i], node.parallelism, node.max_parallelism});
  }
  return job;
}

// Names are the field's.
void add_metrics(MetricGroup& metrics, const JobMaster& master) {
  metrics.gauge("numRestarts", [&master] { return master.restarts(); });
  metrics.gauge("numberOfCompletedCheckpoints",
                [&master] { return master.statistics()->completed; });
  metrics.gauge("numberOfFailedCheckpoints", [&master] { return master.statistics()->failed; });
  metrics.gauge("numberOfInProgressCheckpoints",
                [&master] { return master.statistics()->in_progress; });
  metrics.gauge("lastCheckpointDuration", [&master] {
    const auto statistics = master.statistics();
    const auto& latest = statistics->latest_completed;
    return latest ? latest->duration_ns / 1'000'000 : int64_t{0};
  });
  metrics.gauge("lastCheckpointFullSize", [&master] {
    const auto statistics = master.statistics();
    const auto& latest = statistics->latest_completed;
    return latest ? static_cast<int64_t>(latest->bytes_full) : int64_t{0};
  });
}

void add_copy_metrics(MetricGroup& metrics, const LocalCopies* copies) {
  if (copies == nullptr) { return; }
  const LocalCopyFigures& figures = copies->figures();
  const auto add = [&metrics](std::string_view name, const std::atomic<int64_t>& figure) {
    metrics.gauge(name, [&figure] { return figure.load(std::memory_order_relaxed); });
  };
  add("localStateFilesUsed", figures.used);
  add("localStateFilesUnusable", figures.unusable);
  add("localStateFilesMissing", figures.missing);
  add("localStateFilesNotWritten", figures.unwritten);
}

Result<bool> restarts_all(const Config& config) {
  const std::string text = config.get(options::kFailoverStrategy);
  if (text == "full" || text == "region") { return text == "full"; }
  return invalid_argument(ErrorId::kBadOptionValue, "{} is '{}'; region and full are possible",
                          options::kFailoverStrategy.key, text);
}

}  // namespace

Result<std::unique_ptr<JobHandle>> LocalJobRunner::start(LogicalGraph graph, Config config,
                                                         const JobStartOptions& start) {
  const std::vector<bool> derived = derived_max_parallelism(graph, config);
  TIDEWHEEL_ASSIGN_OR_RETURN(ChainedGraph chained, chain_graph(std::move(graph), config));
  const Logger logger = world_->logger().named("job");
  for (const std::string& warning : chained.warnings) { logger.warning("{}", warning); }
  std::string name = job_name(chained.graph, config);
  TIDEWHEEL_ASSIGN_OR_RETURN(CheckpointRules settings, checkpoint_rules(config));
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool all, restarts_all(config));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      std::unique_ptr<RestartStrategy> strategy,
      make_restart_strategy(config, settings.interval_ns > 0, world_->fork_random()));
  if (!start.job_id.empty()) { TIDEWHEEL_RETURN_IF_ERROR(check_job_id(start.job_id)); }
  TIDEWHEEL_ASSIGN_OR_RETURN(Origin origin, find_origin(*world_, name, config, start.resume));
  if (origin.snapshot) {
    TIDEWHEEL_RETURN_IF_ERROR(fit_to_origin(*origin.snapshot, derived, config, logger, chained)
                                  .with_context("starting from {}", origin.snapshot->path));
    logger.info("job '{}' goes on from {}", name, origin.snapshot->path);
  }
  std::string id = start.job_id.empty() ? new_job_id(*world_) : start.job_id;
  if (origin.is_resumed) { id = origin.snapshot->manifest.job_id; }
  TIDEWHEEL_RETURN_IF_ERROR(forget_earlier_runs(*world_, name, config, origin));
  const int64_t memory_bytes = job_memory_bytes(*world_, config);
  const bool tells_strategy = settings.interval_ns > 0 || config.has(options::kRestartStrategy);
  auto job = std::make_unique<JobHandle::Job>(*world_, name, id, std::move(config),
                                              std::move(chained), memory_bytes);
  TIDEWHEEL_ASSIGN_OR_RETURN(job->backends,
                             make_backends(*world_, job->config, job->chained, job->memory));
  TIDEWHEEL_ASSIGN_OR_RETURN(job->store, open_store(*world_, id, job->config, settings));
  if (origin.is_resumed) { TIDEWHEEL_RETURN_IF_ERROR(claim_folder(*world_, *job->store, origin)); }
  const bool waits_for_final = settings.waits_for_final();
  job->master = std::make_unique<JobMaster>(
      JobMaster::Parts{.world = *world_,
                       .chained = job->chained,
                       .settings = std::move(settings),
                       .job = describe_job(id, name, job->chained),
                       .store = *job->store,
                       .strategy = std::move(strategy),
                       .tells_strategy = tells_strategy,
                       .restarts_all = all,
                       .verifies = job->config.get(options::kVerifySnapshot)});
  JobMaster& master = *job->master;
  add_metrics(job->metrics, master);
  add_copy_metrics(job->metrics, job->store->local_copies());
  if (origin.snapshot) { master.start_from(*origin.snapshot, origin.owned); }
  TIDEWHEEL_ASSIGN_OR_RETURN(DeploymentStart beginning, master.make_start(origin.is_resumed));
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
                                               .backends = job->backends.get()}));
  master.set_deployment(*job->deployment);
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
