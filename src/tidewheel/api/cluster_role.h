// A program as a part of a cluster's job: it is run up to the job that it executes, and from there
// on is the job's master, or one of its workers, until that has ended.
#pragma once
#include <functional>
#include <span>
#include <string>

#include "tidewheel/api/env.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/status.h"
#include "tidewheel/cluster/roles.h"

namespace tidewheel {

class World;  // base/world.h

// What a role runs: calls the program, with the runner for all its environments. What it gives
// back counts only if it has executed no job.
using ClusterProgram = std::function<Status(const Config& config, const JobRunner& runner)>;

// Reads the role's configuration, runs the program, and the role. Returns the process's exit
// status (cluster/roles.h); what went wrong is on standard error.
int run_cluster_role(World& world, const ProcessRole& role, const ClusterProgram& program);

}  // namespace tidewheel
