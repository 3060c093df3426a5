// One run of the keyed count in a process of its own.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "bench/state/keyed_count.h"

namespace tidewheel::bench {

struct StateRun {
  KeyedCount workload;
  std::string backend = "hashmap";
  std::string directory;               // for checkpoints and for state on disk
  int64_t checkpoint_interval_ms = 0;  // 0: none
  bool incremental = true;
  int32_t parallelism = 1;
  int64_t memory_bytes = 0;  // of the job; 0: the engine's default
  // With checkpoints: so many come before it is measured, since key groups are written whole again
  // when changes on top of them have grown.
  int32_t settling = 48;
  double warm_up_s = 2;
  double seconds = 6;           // measured
  int32_t checkpoints_min = 0;  // goes on until so many are complete
  bool latency = false;
  bool resume = false;  // from the newest checkpoint in `directory`
  bool keep = false;    // ends as if killed: the checkpoints stay
};

// All durations in milliseconds unless the name says otherwise.
struct StateFigures {
  double fill_per_s = 0;  // hits of keys that were new
  double hits_per_s = 0;  // once all keys are there
  double cpu_ns_per_hit = 0;
  double first_row_s = 0;  // from the start of the job to the first row at the sink
  double rss_mb = 0;
  double own_mb = 0;        // at its peak, beyond what the process had before the job
  double accounted_mb = 0;  // by the job's account of memory, at its peak
  int64_t latency_p50_ns = 0, latency_p99_ns = 0, latency_p999_ns = 0, latency_p9999_ns = 0,
          latency_max_ns = 0;
  // How late a thread has woken up that sleeps for 1 ms at a time: what the machine does by itself.
  int64_t late_p999_ns = 0, late_max_ns = 0;
  int64_t checkpoints = 0, checkpoints_failed = 0;
  // Of the checkpoints that were completed while it measured.
  double sync_p50 = 0, sync_p99 = 0, sync_max = 0;  // a task stood still
  double total_p50 = 0, total_max = 0;              // from the trigger until complete
  double first_mb = 0, changes_mb = 0;              // written by the first, and by a later one
};

// Nothing when it failed, which was printed.
std::optional<StateFigures> run_state_in_child(const StateRun& run);

// Latency only, of the same hits without an engine.
std::optional<StateFigures> run_bare_in_child(const StateRun& run);

}  // namespace tidewheel::bench
