// One run: a world, a random job in it, and the comparison of its results, all from one seed.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace tidewheel::sim {

struct RunOptions {
  bool print_trace = false;  // each decision of the scheduler to standard error
  std::string family;        // "runtime", "typed"; empty: drawn
};

struct RunReport {
  std::string failure;  // empty: all is well
  std::string plan;     // the job in words
  uint64_t trace_hash = 0;
  int64_t virtual_ms = 0;
  int64_t refusals = 0;
  std::set<std::string, std::less<>> marks;
  std::map<std::string, int64_t, std::less<>> faults;
};

RunReport run_seed(uint64_t seed, const RunOptions& options);

}  // namespace tidewheel::sim
