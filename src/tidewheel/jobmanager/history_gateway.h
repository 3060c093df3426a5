// Jobs that have ended, from their archives, as a cluster without processes: what a history server
// gives its REST API. Nothing can be asked of them but to be shown.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

class World;  // base/world.h

struct HistoryOptions {
  std::vector<std::string> directories;
  int64_t refresh_ms = 10'000;
  // In each folder; older ones are deleted. -1: all.
  int64_t retained_max = -1;
  std::vector<std::pair<std::string, std::string>> configuration;  // to be shown
};

// Has a thread of its own, and reads files on the executor's.
std::unique_ptr<ClusterGateway> make_history_gateway(World& world, HistoryOptions options);

}  // namespace tidewheel
