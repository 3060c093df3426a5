#include "tidewheel/testing/test_cluster.h"

#include "tidewheel/base/check.h"
#include "tidewheel/base/options.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel::test {

void JobRun::check_captured(bool found, const std::string& sink) {
  TIDEWHEEL_CHECK(found, "the sink '{}' was not captured as rows of this type", sink);
}

JobRun Cluster::run(const std::function<void(Env&)>& job, const ClusterOptions& options) const {
  SimMachine machine({.seed = options.seed, .refusal_chance = options.refusal});
  Config config = options.config;
  config.set(options::kParallelism, options.parallelism);
  if (options.batch_rows > 0) { config.set(options::kBatchRows, options.batch_rows); }
  Env env(machine.world, std::move(config), JobArgs(options.args));
  JobRun run;
  for (const auto& prepare : prepare_) { prepare(env.graph()->replacements(), run); }
  job(env);
  Result<JobResult> result = env.execute();
  run.status_ = result.status();
  if (result.ok()) { run.result_ = std::move(*result); }
  return run;
}

}  // namespace tidewheel::test
