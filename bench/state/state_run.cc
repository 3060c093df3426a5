#include "bench/state/state_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "bench/child.h"
#include "tidewheel/api/env.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"

namespace tidewheel::bench {
namespace {

constexpr double kPatienceS = 600;
constexpr double kSteadyS = 20;

Status configure(const StateRun& run, Config& config) {
  config.set(options::kParallelism, run.parallelism);
  if (run.memory_bytes > 0) { config.set(options::kJobMemory, run.memory_bytes); }
  if (run.latency) { config.set(options::kBufferTimeout, int64_t{0}); }
  if (run.backend != "hashmap") {
    TIDEWHEEL_RETURN_IF_ERROR(config.set(options::kStateBackend.key, run.backend));
    TIDEWHEEL_RETURN_IF_ERROR(config.set(options::kRocksdbLocalDirectory.key,
                                         std::filesystem::absolute(run.directory).string()));
  }
  if (run.checkpoint_interval_ms > 0 || run.resume) {
    TIDEWHEEL_RETURN_IF_ERROR(config.set(options::kCheckpointInterval.key,
                                         format_duration_ms(run.checkpoint_interval_ms)));
    TIDEWHEEL_RETURN_IF_ERROR(config.set(options::kCheckpointDirectory.key, run.directory));
    TIDEWHEEL_RETURN_IF_ERROR(
        config.set(options::kIncrementalCheckpoints.key, run.incremental ? "true" : "false"));
    TIDEWHEEL_RETURN_IF_ERROR(config.set(options::kCheckpointHistory.key, "1000"));
  }
  return {};
}

// What is looked at all the time that a job runs: the peak of what the process has taken for it,
// and how late this thread wakes up, which has next to nothing to do.
struct Watch {
  int64_t before = own_memory_bytes();
  int64_t peak = before;
  double looked_at = 0;
  Histogram late;
  void look() {
    if (wall_now() < looked_at + 0.005) { return; }
    peak = std::max(peak, own_memory_bytes());
    looked_at = wall_now();
  }
  void sleep() {
    constexpr std::chrono::milliseconds kSleep(1);
    const int64_t from_ns = wall_now_ns();
    std::this_thread::sleep_for(kSleep);
    late.add(wall_now_ns() - from_ns - std::chrono::nanoseconds(kSleep).count());
  }
};

// Waits until `done()`, for as long as the job runs.
template <class Done>
Status wait_until(JobHandle& job, Watch& watch, Done done) {
  const double deadline = wall_now() + kPatienceS;
  while (!done()) {
    watch.look();
    if (is_final(job.state())) {
      TIDEWHEEL_RETURN_IF_ERROR(job.result());
      return internal_error(ErrorId::kInternal, "the job has ended by itself");
    }
    if (wall_now() > deadline) {
      return internal_error(ErrorId::kInternal, "it takes longer than {} s", kPatienceS);
    }
    watch.sleep();
  }
  return {};
}

void note_latency(const Histogram& latency, StateFigures& figures) {
  figures.latency_p50_ns = latency.quantile(0.5);
  figures.latency_p99_ns = latency.quantile(0.99);
  figures.latency_p999_ns = latency.quantile(0.999);
  figures.latency_p9999_ns = latency.quantile(0.9999);
  figures.latency_max_ns = latency.quantile(1);
}

double ms_of(int64_t ns) { return static_cast<double>(ns) * 1e-6; }

// `q` of the values; 0 when there are none.
double quantile(std::vector<double> values, double q) {
  if (values.empty()) { return 0; }
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())));
  return values[std::max<size_t>(rank, 1) - 1];
}

// Of those that were triggered after `from_ns`; what was written also by the very first.
void note_checkpoints(const CheckpointStatistics& checkpoints, int64_t from_ns,
                      StateFigures& figures) {
  std::vector<double> pauses, durations, written;
  for (const CheckpointFigures& each : checkpoints.history) {
    if (each.status == CheckpointStatus::kFailed) { ++figures.checkpoints_failed; }
    if (each.status != CheckpointStatus::kCompleted) { continue; }
    const double mb = static_cast<double>(each.bytes_written) / 1e6;
    figures.first_mb = std::max(figures.first_mb, mb);
    if (each.trigger_ns < from_ns) { continue; }
    ++figures.checkpoints;
    for (const SubtaskCheckpointFigures& subtask : each.acknowledged) {
      pauses.push_back(ms_of(subtask.figures.sync_ns));
    }
    durations.push_back(ms_of(each.duration_ns));
    written.push_back(mb);
  }
  figures.sync_p50 = quantile(pauses, 0.5);
  figures.sync_p99 = quantile(pauses, 0.99);
  figures.sync_max = quantile(pauses, 1);
  figures.total_p50 = quantile(durations, 0.5);
  figures.total_max = quantile(durations, 1);
  figures.changes_mb = quantile(written, 0.5);
}

// What is measured is the steady state: the first checkpoint that has all keys, which is written
// whole or nearly so, is over, a checkpoint is done before the next one is due, and key groups are
// written whole again now and then; if they never keep up, what there is after a while.
Status wait_for_steady_checkpoints(JobHandle& job, World& world, Watch& watch,
                                   const StateRun& run) {
  const int64_t full_ns = world.clock().now_ns();
  const int64_t full = job.checkpoints().completed;
  const double interval_s = static_cast<double>(run.checkpoint_interval_ms) / 1000;
  const double deadline = wall_now() + kSteadyS + run.settling * interval_s;
  return wait_until(job, watch, [&] {
    if (wall_now() > deadline) { return true; }
    const CheckpointStatistics checkpoints = job.checkpoints();
    const auto& latest = checkpoints.latest_completed;
    return latest.has_value() && latest->trigger_ns >= full_ns &&
           checkpoints.completed - full >= run.settling &&
           latest->duration_ns <= run.checkpoint_interval_ms * 1'000'000;
  });
}

// `end_as_killed` does not return.
Result<StateFigures> measure(const StateRun& run,
                             const std::function<void(const StateFigures&)>& end_as_killed) {
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kWarning});
  Config config;
  TIDEWHEEL_RETURN_IF_ERROR(configure(run, config));
  Env env(*world, std::move(config));
  const auto progress = std::make_shared<Progress>();
  env.resume(run.resume);
  build_keyed_count(env, run.workload, progress);
  StateFigures figures;
  Watch watch;
  const double begun = wall_now();
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<JobHandle> job,
                             env.execute_async("keyed count"));
  TIDEWHEEL_RETURN_IF_ERROR(wait_until(*job, watch, [&] { return progress->first_ns != 0; }));
  figures.first_row_s = static_cast<double>(progress->first_ns) * 1e-9 - begun;
  if (!run.resume) {
    TIDEWHEEL_RETURN_IF_ERROR(wait_until(*job, watch, [&] { return progress->filling == 0; }));
    figures.fill_per_s = static_cast<double>(run.workload.keys) / (wall_now() - begun);
  }
  if (run.checkpoint_interval_ms > 0 && !run.resume) {
    TIDEWHEEL_RETURN_IF_ERROR(wait_for_steady_checkpoints(*job, *world, watch, run));
  }
  const double warm = wall_now() + run.warm_up_s;
  TIDEWHEEL_RETURN_IF_ERROR(wait_until(*job, watch, [&] { return wall_now() >= warm; }));

  progress->measuring = run.latency;
  watch.late = {};
  const int64_t from_ns = world->clock().now_ns();
  const double from = wall_now();
  const double cpu_from = cpu_now();
  const uint64_t counted_from = progress->counted;
  TIDEWHEEL_RETURN_IF_ERROR(
      wait_until(*job, watch, [&] { return wall_now() >= from + run.seconds; }));
  const double seconds = wall_now() - from;
  const auto hits = static_cast<double>(progress->counted - counted_from);
  progress->measuring = false;
  figures.hits_per_s = hits / seconds;
  figures.cpu_ns_per_hit = (cpu_now() - cpu_from) * 1e9 / hits;
  figures.rss_mb = static_cast<double>(peak_rss_bytes()) / 1e6;
  figures.accounted_mb = static_cast<double>(job->memory().peak_bytes()) / 1e6;
  figures.late_p999_ns = watch.late.quantile(0.999);
  figures.late_max_ns = watch.late.quantile(1);
  if (run.latency) { note_latency(progress->latency(), figures); }
  TIDEWHEEL_RETURN_IF_ERROR(
      wait_until(*job, watch, [&] { return job->checkpoints().completed >= run.checkpoints_min; }));
  note_checkpoints(job->checkpoints(), from_ns, figures);
  figures.own_mb = static_cast<double>(watch.peak - watch.before) / 1e6;
  if (run.keep) { end_as_killed(figures); }
  job->cancel();
  static_cast<void>(job->wait());
  return figures;
}

}  // namespace

std::optional<StateFigures> run_state_in_child(const StateRun& run) {
  return run_in_child<StateFigures>("keyed count", [&](const auto& send) -> Result<StateFigures> {
    return measure(run, [&](const StateFigures& figures) { _exit(send(figures) ? 0 : 1); });
  });
}

std::optional<StateFigures> run_bare_in_child(const StateRun& run) {
  return run_in_child<StateFigures>("bare loop", [&](const auto&) -> Result<StateFigures> {
    StateFigures figures;
    note_latency(bare_latency(run.workload, run.seconds), figures);
    return figures;
  });
}

}  // namespace tidewheel::bench
