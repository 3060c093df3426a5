#include "tidewheel/sim/job_run.h"

#include <gtest/gtest.h>

#include "tidewheel/sim/model.h"
#include "tidewheel/sim/script.h"

namespace tidewheel::sim {
namespace {

Row row(int64_t key, int64_t value) {
  Row made;
  made.key = key;
  made.value = value;
  return made;
}

TEST(Model, compares_multisets_with_and_without_times) {
  const Rows expected = {{row(1, 2), 10}, {row(1, 2), 11}, {row(3, 4), 12}};
  Rows seen = {{row(3, 4), 12}, {row(1, 2), 11}, {row(1, 2), 10}};
  EXPECT_EQ(compare_rows(expected, seen, true), "");
  seen[0].time_ms = 13;
  EXPECT_EQ(compare_rows(expected, seen, false), "");
  EXPECT_NE(compare_rows(expected, seen, true).find("1 missing, 1 too many"), std::string::npos);
  seen.pop_back();
  EXPECT_NE(compare_rows(expected, seen, false).find("3 rows expected, 2 seen"), std::string::npos);
}

TEST(Script, rows_are_no_farther_behind_than_it_says_at_round_times_too) {
  int64_t round = 0;
  int64_t rows = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    const auto script = draw_script(random, {.round_times = true});
    for (const auto& split : script->splits) {
      int64_t newest_ms = INT64_MIN;
      for (const ScriptStep& step : split) {
        const int64_t time_ms = step.row.time_ms;
        newest_ms = std::max(newest_ms, time_ms);
        ASSERT_LE(newest_ms - time_ms, script->disorder_ms) << "seed " << seed;
        round += time_ms % 100 == 0 ? 1 : 0;
        ++rows;
      }
    }
  }
  EXPECT_GT(round, rows / 3);
}

TEST(RandomJobs, some_seeds_of_each_family_are_right_and_replay) {
  for (const char* family : {"runtime", "typed", "recovery"}) {
    RunOptions options;
    options.family = family;
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      const RunReport report = run_seed(seed, options);
      EXPECT_EQ(report.failure, "") << family << " seed " << seed << "\n" << report.plan;
      EXPECT_EQ(run_seed(seed, options).trace_hash, report.trace_hash) << family << " " << seed;
    }
  }
}

TEST(RandomJobs, seeds_that_have_found_something_are_right_now) {
  struct Kept {
    const char* family;
    uint64_t seed;
    const char* what;
  };
  static constexpr Kept kKept[] = {
      {"recovery", 1, "the first one"},
#define KEPT_SEED(family, seed, what) {family, seed, what},
#include "tidewheel/sim/kept_seeds.inc"
#undef KEPT_SEED
  };
  for (const Kept& kept : kKept) {
    RunOptions options;
    options.family = kept.family;
    const RunReport report = run_seed(kept.seed, options);
    EXPECT_EQ(report.failure, "") << kept.family << " seed " << kept.seed << " (" << kept.what
                                  << ")\n"
                                  << report.plan;
  }
}

}  // namespace
}  // namespace tidewheel::sim
