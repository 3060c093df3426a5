#include "tidewheel/dataflow/job_setup.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/batch_options.h"
#include "tidewheel/base/letter_case.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/job_master.h"
#include "tidewheel/dataflow/restore.h"
#include "tidewheel/dataflow/source_coordinator.h"
#include "tidewheel/rocksdb/rocksdb_backends.h"
#include "tidewheel/state/map_backend.h"

namespace tidewheel {
namespace {

Result<JobOrigin> find_origin(World& world, const std::string& name, const Config& config,
                              const JobSetupOptions& setup) {
  const Logger logger = world.logger().named("job");
  JobOrigin origin;
  const std::string claim = config.get(options::kClaimMode);
  if (!same_word(claim, "NO_CLAIM") && !same_word(claim, "CLAIM")) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} is '{}'; NO_CLAIM and CLAIM are possible",
                            options::kClaimMode.key, claim);
  }
  const bool by_id = setup.resume == JobSetupOptions::Resume::kById;
  const bool resumes = by_id || setup.resume == JobSetupOptions::Resume::kByName;
  // A job without checkpoints begins anew, wherever it is started again.
  if (resumes && !(by_id && config.get(options::kCheckpointDirectory).empty())) {
    const std::string directory = config.get(options::kCheckpointDirectory);
    if (directory.empty()) {
      return invalid_argument(ErrorId::kBadOptionValue, "to resume a job, set {}",
                              options::kCheckpointDirectory.key);
    }
    std::vector<std::string> warnings;
    auto found = find_newest_snapshot(world, directory, by_id ? setup.id : "", name, warnings);
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
    TIDEWHEEL_ASSIGN_OR_RETURN(origin.follows_attempt,
                               has_run_without_end(world, directory, by_id ? setup.id : ""));
  }
  const std::string path = config.get(options::kRecoveryPath);
  if (!path.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        origin.snapshot, load_snapshot(world, path).with_context("the snapshot to start from"));
    TIDEWHEEL_RETURN_IF_ERROR(make_durable(world, *origin.snapshot));
    origin.owned = same_word(claim, "CLAIM");
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
  TIDEWHEEL_RETURN_IF_ERROR(check_state_backend(origin.manifest, chained, config));
  for (const std::string& warning : warnings) { logger.warning("{}", warning); }
  return {};
}

// A job that begins anew is not to be told later that it has come to its end.
Status forget_earlier_runs(World& world, const std::string& name, const Config& config,
                           const JobOrigin& origin) {
  const std::string directory = config.get(options::kCheckpointDirectory);
  if (origin.is_resumed || directory.empty()) { return {}; }
  const std::string from = origin.snapshot ? origin.snapshot->path : std::string();
  return forget_ended_jobs(world, directory, name, from)
      .with_context("{}", options::kCheckpointDirectory.key);
}

bool is_bounded(const GraphNode& node) {
  try {
    const auto coordinator = node.make_coordinator();
    const auto* const source =
        coordinator.ok() ? dynamic_cast<const SourceCoordinator*>(coordinator->get()) : nullptr;
    return source == nullptr || source->is_bounded();
  } catch (...) { return true; }  // whoever makes it to use it says what was thrown
}

// What is behind a source that does not end would never begin.
Status check_sources_end(const LogicalGraph& graph) {
  for (const GraphNode& node : graph.nodes) {
    if (!node.is_source || !node.make_coordinator || is_bounded(node)) { continue; }
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is BATCH, but the source '{}' does not end: give it an end, or "
                            "run the job with STREAMING",
                            options::kRuntimeMode.key, node.name);
  }
  return ok_status();
}

// A bounded job takes no checkpoints, and goes on from none.
Status check_batch_job(const LogicalGraph& graph, const Config& config, const Logger& logger) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const BatchSettings batch, batch_settings(config));
  if (!batch.is_batch) { return ok_status(); }
  TIDEWHEEL_RETURN_IF_ERROR(check_sources_end(graph));
  if (!config.get(options::kRecoveryPath).empty()) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is set, but a job with {} BATCH takes all of its input",
                            options::kRecoveryPath.key, options::kRuntimeMode.key);
  }
  if (config.get(options::kCheckpointInterval) > 0) {
    logger.warning("{} does not hold: a job with {} BATCH takes no checkpoints",
                   options::kCheckpointInterval.key, options::kRuntimeMode.key);
  }
  return ok_status();
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
Status claim_folder(World& world, CheckpointStore& store, const JobOrigin& origin) {
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

Result<bool> restarts_all(const Config& config) {
  const std::string text = config.get(options::kFailoverStrategy);
  if (same_word(text, "full")) { return true; }
  if (same_word(text, "region")) { return false; }
  return invalid_argument(ErrorId::kBadOptionValue, "{} is '{}'; region and full are possible",
                          options::kFailoverStrategy.key, text);
}

}  // namespace

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

std::string job_name_of(const LogicalGraph& graph, const Config& config) {
  std::string name = config.get(options::kPipelineName);
  return name.empty() ? graph.job_name : name;
}

int64_t job_memory_bytes(const World& world, const Config& config) {
  const int64_t bytes = config.get(options::kJobMemory);
  return bytes > 0 ? bytes : world.memory_bytes() / 4 * 3;
}

Result<std::unique_ptr<StateBackends>> make_state_backends(World& world, const Config& config,
                                                           const ChainedGraph& chained,
                                                           MemoryPool& memory, int32_t slots) {
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
                          .cached_entries_bytes = part(options::kRocksdbCachedFraction),
                          .gathers_groups = true}));
  }
  if (type == "rocksdb") {
    if (slots == 0) {
      slots = static_cast<int32_t>(config.get(options::kTaskSlots));
      for (const ChainVertex& vertex : chained.vertices) {
        slots = std::max(slots, vertex.parallelism);
      }
    }
    return make_rocksdb_backends(world, config, memory, slots);
  }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} can't be '{}'; it takes hashmap, rocksdb, or map (for tests)",
                          options::kStateBackend.key, type);
}

Result<JobSetup> set_up_job(World& world, LogicalGraph graph, const Config& config,
                            const JobSetupOptions& setup_options) {
  const std::vector<bool> derived = derived_max_parallelism(graph, config);
  JobSetup setup;
  TIDEWHEEL_ASSIGN_OR_RETURN(setup.chained, chain_graph(std::move(graph), config));
  const Logger logger = world.logger().named("job");
  for (const std::string& warning : setup.chained.warnings) { logger.warning("{}", warning); }
  TIDEWHEEL_RETURN_IF_ERROR(check_batch_job(setup.chained.graph, config, logger));
  setup.name = job_name_of(setup.chained.graph, config);
  TIDEWHEEL_ASSIGN_OR_RETURN(setup.rules, checkpoint_rules(config));
  TIDEWHEEL_ASSIGN_OR_RETURN(setup.restarts_all, restarts_all(config));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      setup.strategy,
      make_restart_strategy(config, setup.rules.interval_ns > 0, world.fork_random()));
  setup.tells_strategy = setup.rules.interval_ns > 0 || config.has(options::kRestartStrategy);
  if (!setup_options.id.empty()) { TIDEWHEEL_RETURN_IF_ERROR(check_job_id(setup_options.id)); }
  TIDEWHEEL_ASSIGN_OR_RETURN(setup.origin, find_origin(world, setup.name, config, setup_options));
  JobOrigin& origin = setup.origin;
  if (origin.snapshot) {
    TIDEWHEEL_RETURN_IF_ERROR(
        fit_to_origin(*origin.snapshot, derived, config, logger, setup.chained)
            .with_context("starting from {}", origin.snapshot->path));
    logger.info("job '{}' goes on from {}", setup.name, origin.snapshot->path);
  }
  setup.id = setup_options.id.empty() ? new_job_id(world) : setup_options.id;
  if (origin.is_resumed) { setup.id = origin.snapshot->manifest.job_id; }
  TIDEWHEEL_RETURN_IF_ERROR(forget_earlier_runs(world, setup.name, config, origin));
  return setup;
}

Result<std::unique_ptr<CheckpointStore>> open_job_store(World& world, const JobSetup& setup,
                                                        const Config& config) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<CheckpointStore> store,
                             open_store(world, setup.id, config, setup.rules));
  if (setup.origin.is_resumed) {
    TIDEWHEEL_RETURN_IF_ERROR(claim_folder(world, *store, setup.origin));
  }
  return store;
}

std::unique_ptr<JobMaster> make_job_master(World& world, JobSetup& setup,
                                           const ChainedGraph& chained, const Config& config,
                                           CheckpointStore& store, MetricGroup& metrics) {
  auto master = std::make_unique<JobMaster>(
      JobMaster::Parts{.world = world,
                       .chained = chained,
                       .settings = std::move(setup.rules),
                       .job = describe_job(setup.id, setup.name, chained),
                       .store = store,
                       .strategy = std::move(setup.strategy),
                       .tells_strategy = setup.tells_strategy,
                       .restarts_all = setup.restarts_all,
                       .verifies = config.get(options::kVerifySnapshot),
                       .is_resumed = setup.origin.is_resumed || setup.origin.follows_attempt,
                       .metrics = &metrics});
  add_metrics(metrics, *master);
  add_copy_metrics(metrics, store.local_copies());
  if (setup.origin.snapshot) { master->start_from(*setup.origin.snapshot, setup.origin.owned); }
  return master;
}

}  // namespace tidewheel
