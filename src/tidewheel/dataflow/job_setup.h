// What comes before a job's tasks, in one process and in a cluster alike: its graph in chains, what
// it starts from, the store of its checkpoints, its master.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/restart_strategy.h"
#include "tidewheel/checkpoint/rules.h"
#include "tidewheel/dataflow/chaining.h"

namespace tidewheel {
class LocalCopies;  // checkpoint/local_copies.h

class Config;         // base/config.h
class JobMaster;      // dataflow/job_master.h
class MemoryPool;     // base/memory_pool.h
class MetricGroup;    // base/metrics.h
class StateBackends;  // state/state_backend.h
class World;          // base/world.h

// What a job starts from.
struct JobOrigin {
  std::optional<CompletedSnapshot> snapshot;
  bool owned = false;       // the job may delete it
  bool is_resumed = false;  // it is the same job as before
  // It begins anew where an attempt was killed before its first checkpoint, and left files behind.
  bool follows_attempt = false;
};

struct JobSetup {
  std::string id;  // 32 hex digits
  std::string name;
  ChainedGraph chained;  // fitted to the origin
  JobOrigin origin;
  CheckpointRules rules;
  std::unique_ptr<RestartStrategy> strategy;
  bool tells_strategy = false;
  bool restarts_all = false;
};

struct JobSetupOptions {
  std::string id;  // empty: a new one
  enum class Resume : uint8_t {
    kNever,   // starts anew, or from execution.state-recovery.path
    kByName,  // from the newest checkpoint of a job with its name, if there is one; with its id
    kById,    // the same, of the job with its id
  };
  Resume resume = Resume::kNever;
};

// Reads the snapshot that the job starts from. Errors: those of `chain_graph`, of the settings, and
// of a snapshot that is damaged or does not fit.
Result<JobSetup> set_up_job(World& world, LogicalGraph graph, const Config& config,
                            const JobSetupOptions& options);
// The job's folder is this process's alone from then on.
Result<std::unique_ptr<CheckpointStore>> open_job_store(World& world, const JobSetup& setup,
                                                        const Config& config);
// Takes rules and strategy from `setup`. `chained`, where its graph is kept, and the store outlive
// the master, and so do `metrics`, which it gets.
std::unique_ptr<JobMaster> make_job_master(World& world, JobSetup& setup,
                                           const ChainedGraph& chained, const Config& config,
                                           CheckpointStore& store, MetricGroup& metrics);

// What became of local copies; null: there are none. They outlive the metrics.
void add_copy_metrics(MetricGroup& metrics, const LocalCopies* copies);

// The name that a job goes by: pipeline.name, or its graph's.
std::string job_name_of(const LogicalGraph& graph, const Config& config);
// The limit of a job's memory in this process.
int64_t job_memory_bytes(const World& world, const Config& config);
// Where keyed state is, by state.backend.type; null: in memory. `slots`: that share its memory in
// this process; 0: as many as the job's largest parallelism.
Result<std::unique_ptr<StateBackends>> make_state_backends(World& world, const Config& config,
                                                           const ChainedGraph& chained,
                                                           MemoryPool& memory, int32_t slots);

}  // namespace tidewheel
