// Whether a job can go on from a snapshot, and what each of its tasks goes on from.
#pragma once
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/manifest.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/deployment.h"

namespace tidewheel {

class Config;  // base/config.h

// The name by which snapshots know an operator: its uid, or its derived id.
std::string snapshot_uid(const ChainedGraph& chained, int32_t node);

// By node of the graph, before it is chained: it has no max parallelism of its own.
std::vector<bool> derived_max_parallelism(const LogicalGraph& graph, const Config& config);

// Fits the graph to a snapshot: a max parallelism that was derived becomes the snapshot's. What the
// user should know is added to `warnings`. Errors: kStateNotRestored, with a list, when operators
// with state are gone and may not be left out; kGraphParallelism.
Status fit_to_snapshot(const Manifest& manifest, const std::vector<bool>& derived,
                       bool ignore_unclaimed, ChainedGraph& chained,
                       std::vector<std::string>& warnings);

// Whether the state backend of `config` can read what the snapshot has of the job's operators.
// Errors: kStateBackend.
Status check_state_backend(const Manifest& manifest, const ChainedGraph& chained,
                           const Config& config);

// Takes out what was in flight, as if channels had been empty. Returns how many elements that were.
uint64_t drop_in_flight(Manifest& manifest);

// DeploymentStart::at_end and ::accumulators.
void start_from_manifest(const Manifest& manifest, const ChainedGraph& chained,
                         DeploymentStart& start);

}  // namespace tidewheel
