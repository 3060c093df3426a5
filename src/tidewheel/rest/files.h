// Answers with files: those of a web UI, and logs of the cluster's processes.
#pragma once
#include <string>

#include "tidewheel/cluster/gateway.h"
#include "tidewheel/rest/call.h"

namespace tidewheel {

class World;  // base/world.h

// A file of this machine; `missing` is answered when it is not there.
void answer_file(World& world, const RestCallRef& call, const std::string& path,
                 const std::string& missing);
// A log file of a process, as plain text, piece by piece.
void answer_log(ClusterGateway& gateway, const RestCallRef& call, const ProcessName& process,
                const std::string& name);

}  // namespace tidewheel
