// The plan of a job, for people and for programs.
#pragma once
#include <string>

#include "tidewheel/dataflow/chaining.h"

namespace tidewheel {

// A line a vertex (a chain, that is a task times its parallelism), and one for each edge into it.
std::string plan_text(const ChainedGraph& graph);
// {"name": ..., "nodes": [{"id", "name", "uid", "parallelism", "vertex", "inputs": [{"id",
// "ship_strategy"}]}]}
std::string plan_json(const ChainedGraph& graph);

}  // namespace tidewheel
