// From the graph that a front end built to vertices: checks it, gives every operator its final
// parallelism and a stable id, and fuses what needs no channel between into chains.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/graph.h"

namespace tidewheel {

class Config;  // base/config.h

// 128 bits that name an operator over all versions of a job.
using OperatorId = std::array<uint8_t, 16>;
std::string to_hex(const OperatorId& id);
// The id that a uid stands for: MurmurHash3 x64 128 with seed 0 over its bytes.
OperatorId operator_id_of_uid(std::string_view uid);

// One chain: a task's worth of operators, times its parallelism.
struct ChainVertex {
  std::vector<int32_t> nodes;  // indices into ChainedGraph::graph.nodes, parents before children
  std::string name;            // "source -> map", "map -> (filter, print)"
  int32_t parallelism = 1;
  int32_t max_parallelism = 128;
  std::string slot_sharing_group;
};

// The graph with all defaults filled in: every node has its parallelism, max parallelism, slot
// sharing group and buffer timeout; every edge its kind.
struct ChainedGraph {
  LogicalGraph graph;
  std::vector<OperatorId> operator_ids;  // by node
  std::vector<bool> edge_is_chained;     // by edge
  // Edges that are not chained keep their rows in files until their senders have ended
  // (dataflow/result_store.h).
  bool exchanges_block = false;
  std::vector<int32_t> vertex_of_node;
  std::vector<ChainVertex> vertices;  // producers before consumers
  std::vector<std::string> warnings;  // for the user, once
};

// Errors: kGraphEmpty (no source, an operator without input, no sink), kGraphCycle (names its
// nodes), kGraphEdge, kGraphParallelism, kGraphUid.
Result<ChainedGraph> chain_graph(LogicalGraph graph, const Config& config);

}  // namespace tidewheel
