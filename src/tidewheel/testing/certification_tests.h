// The tests of GoogleTest's suites for connectors (certification_suite.h). It is included by one
// source file of a test binary.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/testing/certification_suite.h"

namespace tidewheel::certification {

inline constexpr uint64_t kSeeds = 12;

// A seed at a time; all phases have to have been met in the end.
template <class Run>
void run_seeds(RunOptions options, const Run& run) {
  std::map<Phase, int64_t> kills;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    options.seed = seed;
    const Outcome outcome = run(options);
    EXPECT_EQ(outcome.problem, "") << "seed " << seed;
    for (const auto& [phase, count] : outcome.kills) { kills[phase] += count; }
  }
  for (const Phase phase : options.phases) {
    EXPECT_GT(kills[phase], 0) << "no process was killed in the phase " << phase_name(phase);
  }
}

TEST_P(SourceCertification, rows_come_when_nothing_happens) {
  const std::vector<std::string> rows = expected();
  EXPECT_EQ(rows.size(), static_cast<size_t>(RunOptions().rows));
  run_seeds({}, [&](const RunOptions& options) { return run_source(*make(), rows, options); });
}
TEST_P(SourceCertification, the_promise_is_kept_through_a_kill_in_each_phase) {
  const std::vector<std::string> rows = expected();
  for (const Phase phase : kPhases) {
    // Nothing is prepared where nothing is written: a source has no such phase of its own.
    run_seeds({.kills_max = 3, .phases = {phase}},
              [&](const RunOptions& options) { return run_source(*make(), rows, options); });
  }
}
TEST_P(SourceCertification, the_promise_is_kept_at_any_parallelism) {
  const std::vector<std::string> rows = expected();
  run_seeds({.kills_max = 4, .rescales = true},
            [&](const RunOptions& options) { return run_source(*make(), rows, options); });
}
TEST_P(SourceCertification, a_slow_or_dead_peer_is_waited_for) {
  if (!make()->set_peer(Peer::kWell)) { return; }  // it has none
  const std::vector<std::string> rows = expected();
  for (const Peer peer : {Peer::kSlow, Peer::kDead}) {
    run_seeds({.peer = peer},
              [&](const RunOptions& options) { return run_source(*make(), rows, options); });
  }
}
TEST_P(SourceCertification, bad_records_fail_the_job_or_are_left_out) {
  const auto failing = make();
  if (failing->skip_option().first.empty()) { return; }  // there are none
  EXPECT_EQ(check_bad_records(*failing, *make()), "");
}
TEST_P(SourceCertification, gives_the_columns_that_are_asked_for) {
  EXPECT_EQ(check_projection(*make(), expected()), "");
}
TEST_P(SourceCertification, wrong_options_are_refused_in_words) {
  EXPECT_EQ(check_options(*make()), "");
}

TEST_P(SinkCertification, rows_are_written_when_nothing_happens) {
  run_seeds({}, [&](const RunOptions& options) { return run_sink(*make(), options); });
}
TEST_P(SinkCertification, the_promise_is_kept_through_a_kill_in_each_phase) {
  for (const Phase phase : kPhases) {
    run_seeds({.kills_max = 3, .phases = {phase}},
              [&](const RunOptions& options) { return run_sink(*make(), options); });
  }
}
TEST_P(SinkCertification, the_promise_is_kept_at_any_parallelism) {
  run_seeds({.kills_max = 4, .rescales = true},
            [&](const RunOptions& options) { return run_sink(*make(), options); });
}
TEST_P(SinkCertification, a_slow_or_dead_peer_is_waited_for) {
  if (!make()->set_peer(Peer::kWell)) { return; }  // it has none
  for (const Peer peer : {Peer::kSlow, Peer::kDead}) {
    run_seeds({.peer = peer},
              [&](const RunOptions& options) { return run_sink(*make(), options); });
  }
}
TEST_P(SinkCertification, wrong_options_are_refused_in_words) {
  EXPECT_EQ(check_options(*make()), "");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SourceCertification);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SinkCertification);

}  // namespace tidewheel::certification
