// A run of one seed: a cluster with a job, to which everything happens that can happen to a
// cluster; then nothing more does, and the job must come to its end within a bound, with each of
// its results written once.
#pragma once
#include <cstdint>
#include <string>

namespace tidewheel {

struct ClusterRunOptions {
  uint64_t seed = 1;
  bool print_log = false;
  // What may happen.
  bool kills_children = true;
  bool kills_managers = true;
  bool cuts_links = true;
  bool flaps_elections = true;
};
struct ClusterRunResult {
  std::string failure;  // empty: all went well
  std::string story;    // what was done, a line each
  int64_t leaders = 0;
  int64_t virtual_ms = 0;
  uint64_t trace = 0;
};
ClusterRunResult run_cluster(const ClusterRunOptions& options);

}  // namespace tidewheel
