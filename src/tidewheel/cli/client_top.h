// `tidewheel top`: the cluster and its jobs, again and again.
#pragma once
#include <optional>

#include "tidewheel/base/status.h"
#include "tidewheel/cli/client_command.h"

namespace tidewheel {

class ClusterClient;  // cli/cluster_client.h
class JsonValue;      // rest/json_value.h
class World;          // base/world.h

// Until Ctrl-C; with `once` a single time. Returns the process's exit status.
Result<int> show_top(World& world, ClusterClient& cluster, const ClientCommand& command);

// What the sources of a job tell of how far they are.
struct SourceFigures {
  // Rows that they have read: what leaves their vertices may be less, where they are chained with a
  // filter or an aggregate, and is nothing where the sink is chained too.
  std::optional<double> rows;
  std::optional<double> pending;       // rows that are there and not read
  std::optional<double> watermark_ms;  // of the one that is behind
};
SourceFigures source_figures(ClusterClient& cluster, const JsonValue& job);

}  // namespace tidewheel
