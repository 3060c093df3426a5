#include "tidewheel/sim/job_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "tidewheel/base/options.h"
#include "tidewheel/sim/random_job.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel::sim {
namespace {

constexpr int64_t kMs = 1'000'000;
// Virtual time in which every job must have ended.
constexpr int64_t kRunNs = int64_t{48} * 3600 * 1000 * kMs;

SimulationOptions draw_simulation(uint64_t seed, Random& random, const RunOptions& run) {
  SimulationOptions options;
  options.seed = seed;
  options.disorder = one_of(random, {0.0, 0.5, 1.0, 1.0});
  options.turn_ns_max = one_of<int64_t>(random, {1, 1'000, 20'000, 1'000'000});
  options.stall_chance = one_of(random, {0.0, 0.001, 0.02});
  options.wake_ns_max = one_of<int64_t>(random, {0, 5'000, 50'000, 5'000'000});
  options.blocking_ns_max = one_of<int64_t>(random, {0, 1'000'000, 100'000'000});
  options.refusal_chance = one_of(random, {0.0, 0.01, 0.1, 0.5});
  options.fault_site_chance = one_of(random, {0.0, 0.5});
  options.print_trace = run.print_trace;
  return options;
}

Config draw_config(Random& random) {
  Config config;
  config.set(options::kBatchRows, one_of<int64_t>(random, {1, 2, 3, 7, 64, 1024}));
  config.set(options::kCredits, one_of<int64_t>(random, {1, 2, 16}));
  config.set(options::kBufferTimeout, one_of<int64_t>(random, {-1, 0, 1, 10, 100}));
  config.set(options::kOperatorChaining, random.chance(0.7));
  config.set(options::kParallelism, 1 + static_cast<int64_t>(random.below(4)));
  config.set(options::kTaskSlots,
             random.chance(0.5) ? 0 : 1 + static_cast<int64_t>(random.below(4)));
  config.set(options::kLatencyInterval, one_of<int64_t>(random, {0, 0, 7}));
  config.set(options::kAutoWatermarkInterval, one_of<int64_t>(random, {1, 20, 200}));
  if (random.chance(0.3)) {
    config.set(options::kMaxParallelism, one_of<int64_t>(random, {4, 5, 128, 1000}));
  }
  return config;
}

Ending draw_ending(Random& random) {
  const uint64_t drawn = random.below(100);
  if (drawn < 4) { return Ending::kCancel; }
  if (drawn < 7) { return Ending::kStop; }
  if (drawn < 10) { return Ending::kThrow; }
  return Ending::kComplete;
}

// The wall clock is set, now and then, forward and back.
void schedule_clock_jumps(SimMachine& machine, Random& random) {
  if (!random.chance(0.3)) { return; }
  const uint64_t jumps = 1 + random.below(4);
  for (uint64_t i = 0; i < jumps; ++i) {
    const int64_t reach_ms = one_of<int64_t>(random, {10, 2'000, 3'600'000});
    // Back only a little: a source that waits for the clock would wait for as long, and every
    // millisecond of it may cost a turn.
    const int64_t back_ms = std::min<int64_t>(reach_ms, 3'000);
    const int64_t by_ms =
        static_cast<int64_t>(random.below(static_cast<uint64_t>(reach_ms + back_ms))) - back_ms;
    machine.simulation.call_later(
        static_cast<int64_t>(random.below(2'000)) * kMs,
        [&world = machine.world, by_ms] { world.jump_wall_clock(by_ms); });
  }
}

std::string describe_tasks(const JobHandle& handle) {
  std::string text = fmt::format("  job {}\n", job_state_name(handle.state()));
  for (const TaskInfo& task : handle.tasks()) {
    text += fmt::format("  task {} {}/{} in slot {}: {}, {} rows in, {} out, watermark {}\n",
                        task.vertex, task.subtask, task.parallelism, task.slot,
                        task_state_name(task.state), task.rows_in, task.rows_out, task.watermark);
  }
  return text;
}

// Lets the job end in its way. Returns what is wrong.
std::string finish(JobHandle& handle, Ending ending, SimMachine& machine, Random& random) {
  if (ending == Ending::kCancel || ending == Ending::kStop) {
    handle.wait(machine.simulation.now_ns() +
                static_cast<int64_t>(random.below(100'000)) * one_of<int64_t>(random, {1, 10'000}));
    if (ending == Ending::kCancel) {
      handle.cancel();
    } else {
      handle.stop();
    }
  }
  if (!handle.wait(machine.simulation.now_ns() + kRunNs)) {
    return "the job has not ended in two days of virtual time\n" + machine.simulation.describe();
  }
  const Status result = handle.result();
  switch (ending) {
    case Ending::kComplete:
    case Ending::kStop:
      if (!result.ok()) { return "the job failed: " + result.to_string(); }
      return handle.state() == JobState::kFinished ? "" : "the job is not in state finished";
    case Ending::kCancel:
      if (!result.ok() && result.id() != ErrorId::kJobCancelled) {
        return "a cancelled job failed: " + result.to_string();
      }
      return {};
    case Ending::kThrow:
      // No row may have come so far that it throws.
      if (result.ok()) { return {}; }
      if (result.id() != ErrorId::kUserCodeThrew ||
          result.message().find("thrower") == std::string::npos ||
          result.message().find("row of doom") == std::string::npos) {
        return "the failure does not name the one who threw: " + result.to_string();
      }
      return {};
  }
  return {};
}

}  // namespace

RunReport run_seed(uint64_t seed, const RunOptions& run) {
  RunReport report;
  Random random(seed ^ 0x71de3ee1ULL);
  const bool recovers = run.family.empty() ? seed % 2 == 0 : run.family == "recovery";
  if (recovers) { return run_recovery(seed, run); }
  SimHostOptions host;
  host.cores = 1 + static_cast<int32_t>(random.below(4));
  host.wall_drift = one_of(random, {0.0, 0.0, 0.01, -0.01});
  SimMachine machine(draw_simulation(seed, random, run), host);
  schedule_clock_jumps(machine, random);
  const Ending ending = draw_ending(random);
  const bool typed = run.family.empty() ? random.chance(0.7) : run.family == "typed";
  JobDraw draw{machine.world, random.fork(), draw_config(random), ending};
  const std::unique_ptr<RandomJob> job =
      typed ? make_typed_job(std::move(draw)) : make_runtime_job(std::move(draw));
  {
    Result<std::unique_ptr<JobHandle>> handle = job->start();
    if (!handle.ok()) {
      report.failure = "the job did not start: " + handle.status().to_string();
    } else {
      machine.simulation.set_details(
          [&job, &handle = **handle] { return describe_tasks(handle) + job->plan(); });
      report.failure = finish(**handle, ending, machine, random);
      machine.simulation.set_details(nullptr);
    }
  }
  if (report.failure.empty()) { report.failure = job->check(ending == Ending::kComplete); }
  report.plan = job->plan();
  report.trace_hash = machine.simulation.trace().hash();
  report.virtual_ms = machine.simulation.now_ns() / kMs;
  report.refusals = machine.simulation.refusals();
  report.marks = machine.simulation.marks();
  report.faults = machine.simulation.faults();
  return report;
}

}  // namespace tidewheel::sim
