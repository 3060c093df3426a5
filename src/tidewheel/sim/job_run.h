// One run: a world, a random job in it, and the comparison of its results, all from one seed.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace tidewheel::sim {

struct RunOptions {
  bool print_trace = false;  // each decision of the scheduler to standard error
  bool print_log = false;    // what the engine logs, and what happens to it
  std::string family;        // "runtime", "typed", "recovery"; empty: drawn
  // What a run of the recovery family leaves out of what its seed draws; to make it smaller.
  std::set<std::string> without;  // kinds of faults and settings (recovery_run.cc)
  std::set<int64_t> without_steps;
  int64_t lives_max = INT64_MAX;
  int64_t sources_max = INT64_MAX;
  int64_t rows_max = INT64_MAX;
};

struct RunReport {
  std::string failure;  // empty: all is well
  std::string plan;     // the job in words
  uint64_t trace_hash = 0;
  int64_t virtual_ms = 0;
  int64_t refusals = 0;
  std::set<std::string, std::less<>> marks;
  std::map<std::string, int64_t, std::less<>> faults;
  int64_t steps = 0;  // how many the plan had, for those who make it smaller
};

RunReport run_seed(uint64_t seed, const RunOptions& options);
// The family "recovery": a job whose process lives several times (recovery_run.cc).
RunReport run_recovery(uint64_t seed, const RunOptions& options);
// What RunOptions::without may name.
const std::vector<std::string>& recovery_parts();

}  // namespace tidewheel::sim
