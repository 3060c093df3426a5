// A run of one seed: a cluster with jobs, to which everything happens that can happen to a cluster,
// while a client asks for savepoints, other parallelisms and the jobs' end; then nothing more does,
// and all jobs must run and come to their end within a bound, with each of their results written
// once.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

namespace tidewheel {

struct ClusterRunOptions {
  uint64_t seed = 1;
  bool print_log = false;
  // What may happen.
  bool kills_children = true;
  bool kills_managers = true;
  bool cuts_links = true;  // and resets, slows and half closes them
  bool flaps_elections = true;
  bool freezes = true;  // processes; and clocks jump
  bool asks = true;     // savepoints, rescaling, cancel and stop
  // A quarter of the seeds run a job stage by stage, whose files are lost and damaged, too.
  bool in_stages = true;
  bool is_calm() const {
    return !kills_children && !kills_managers && !cuts_links && !flaps_elections && !freezes;
  }
};
struct ClusterRunResult {
  std::string failure;  // empty: all went well
  std::string story;    // what was done, a line each
  int64_t leaders = 0;
  int64_t virtual_ms = 0;
  int64_t answers = 0;
  std::map<std::string, int64_t> answers_by_kind;
  int64_t restored_savepoints = 0;
  bool is_staged = false;
  uint64_t trace = 0;
  std::set<std::string, std::less<>> marks;  // what was come by
};
ClusterRunResult run_cluster(const ClusterRunOptions& options);

}  // namespace tidewheel
