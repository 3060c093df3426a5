// `tidewheel top`: the cluster and its jobs, again and again.
#pragma once
#include "tidewheel/base/status.h"
#include "tidewheel/cli/client_command.h"

namespace tidewheel {

class ClusterClient;  // cli/cluster_client.h
class World;          // base/world.h

// Until Ctrl-C; with `once` a single time. Returns the process's exit status.
Result<int> show_top(World& world, ClusterClient& cluster, const ClientCommand& command);

}  // namespace tidewheel
