#include "tidewheel/testing/test_cluster.h"

#include "tidewheel/base/check.h"
#include "tidewheel/base/options.h"
#include "tidewheel/sim/sim_process.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel::test {

void JobRun::check_captured(bool found, const std::string& sink) {
  TIDEWHEEL_CHECK(found, "the sink '{}' was not captured as rows of this type", sink);
}

namespace {

constexpr int64_t kMs = 1'000'000;

// What the process is started with.
Config config_of(const ClusterOptions& options) {
  Config config = options.config;
  config.set(options::kParallelism, options.parallelism);
  if (options.batch_rows > 0) { config.set(options::kBatchRows, options.batch_rows); }
  if (options.kill_every_checkpoints <= 0) { return config; }
  if (!config.has(options::kCheckpointInterval)) { config.set(options::kCheckpointInterval, 1); }
  if (!config.has(options::kCheckpointDirectory)) {
    config.set(options::kCheckpointDirectory, std::string("/checkpoints"));
  }
  config.set(options::kCheckpointRetention, std::string("RETAIN_ON_CANCELLATION"));
  return config;
}

// Lets the job run to its end, or until so many checkpoints are complete and a moment has passed.
void run_a_life(JobHandle& handle, SimMachine& machine, SimProcess& process,
                const ClusterOptions& options, bool is_killed) {
  const auto over = [&] { return is_final(handle.state()); };
  const auto enough = [&] {
    return handle.checkpoints().completed >= options.kill_every_checkpoints;
  };
  while (!over() && !(is_killed && enough())) {
    machine.simulation.run_until(over, machine.simulation.now_ns() + kMs / 10);
  }
  if (!is_killed || over()) { return; }
  machine.simulation.run_until(over,
                               machine.simulation.now_ns() + machine.simulation.draw(0, 2 * kMs));
  if (!over()) { process.kill(); }
}

}  // namespace

JobRun Cluster::run(const std::function<void(Env&)>& job, const ClusterOptions& options) const {
  SimMachine machine({.seed = options.seed, .refusal_chance = options.refusal});
  JobRun run;
  run.may_be_killed_ = options.kill_every_checkpoints > 0;
  while (true) {
    SimProcess process(machine.simulation, machine.world, "job");
    run.alive_ = process.life();
    Env env(process, config_of(options), JobArgs(options.args));
    env.resume(run.may_be_killed_);
    for (const auto& prepare : prepare_) { prepare(env.graph()->replacements(), run); }
    job(env);
    if (run.may_be_killed_) {
      env.on_execute([&](JobHandle* handle) {
        if (handle == nullptr) { return; }
        run_a_life(*handle, machine, process, options, run.kills_ < options.kills_max);
        if (!process.alive()) { handle->cancel(); }
      });
    }
    Result<JobResult> result = env.execute();
    if (!process.alive()) {
      ++run.kills_;
      continue;
    }
    run.status_ = result.status();
    if (result.ok()) { run.result_ = std::move(*result); }
    return run;
  }
}

}  // namespace tidewheel::test
