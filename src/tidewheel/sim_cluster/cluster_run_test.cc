#include "tidewheel/sim_cluster/cluster_run.h"

#include <gtest/gtest.h>

namespace tidewheel {
namespace {

void run_seeds(uint64_t first, uint64_t last, ClusterRunOptions options) {
  for (uint64_t seed = first; seed <= last; ++seed) {
    options.seed = seed;
    const ClusterRunResult result = run_cluster(options);
    ASSERT_TRUE(result.failure.empty()) << "seed " << seed << ": " << result.failure << "\n"
                                        << result.story;
  }
}

TEST(ClusterRun, a_job_runs_when_nothing_happens) {
  run_seeds(1, 3,
            {.kills_children = false,
             .kills_managers = false,
             .cuts_links = false,
             .flaps_elections = false});
}
TEST(ClusterRun, job_masters_and_workers_are_replaced) {
  run_seeds(1, 10, {.kills_managers = false, .cuts_links = false, .flaps_elections = false});
}
TEST(ClusterRun, managers_are_replaced) {
  run_seeds(1, 10, {.cuts_links = false, .flaps_elections = false});
}
TEST(ClusterRun, links_that_break_and_leaders_that_change_lose_nothing) { run_seeds(1, 20, {}); }

TEST(ClusterRun, is_a_function_of_its_seed) {
  EXPECT_EQ(run_cluster({.seed = 7}).trace, run_cluster({.seed = 7}).trace);
}

}  // namespace
}  // namespace tidewheel
