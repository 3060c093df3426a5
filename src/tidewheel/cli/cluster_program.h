// `tidewheel job-master` and `tidewheel worker`: loads a job's program, which is a library or an
// SQL script, and runs it as a part of the cluster's job.
#pragma once
#include <span>
#include <string>

namespace tidewheel {

// `arguments` as in cluster/roles.h. Returns the process's exit status.
int run_cluster_program(std::span<const std::string> arguments);

}  // namespace tidewheel
