#include "tidewheel/dataflow/edge_info.h"

#include "tidewheel/base/mutant.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/restore.h"

namespace tidewheel {

EdgeInfoRef describe_edge(const ChainedGraph& chained, size_t index) {
  const std::vector<GraphEdge>& edges = chained.graph.edges;
  const GraphEdge& edge = edges[index];
  const auto node_of = [&](int32_t id) -> const GraphNode& {
    return chained.graph.nodes[static_cast<size_t>(id)];
  };
  const auto uid_of = [&](int32_t id) { return snapshot_uid(chained, id); };
  auto info = std::make_shared<EdgeInfo>();
  info->sender_uid = uid_of(edge.from);
  info->name = fmt::format("{}.{} > {}.{}", info->sender_uid, edge.from_output, uid_of(edge.to),
                           edge.to_input);
  int32_t same = 0;  // edges before this one between the same ends: a union of a stream with itself
  for (size_t i = 0; i < index; ++i) {
    if (edges[i].from == edge.from && edges[i].from_output == edge.from_output &&
        edges[i].to == edge.to && edges[i].to_input == edge.to_input) {
      ++same;
    }
  }
  if (same > 0) { info->name += fmt::format("#{}", same); }
  info->kind = edge.kind;
  info->sender_max_parallelism = node_of(edge.from).max_parallelism;
  info->receiver_max_parallelism = node_of(edge.to).max_parallelism;
  info->senders = node_of(edge.from).parallelism;
  info->receivers = node_of(edge.to).parallelism;
  info->make_partitioner = edge.make_partitioner;
  info->codec = edge.row_codec;
  const bool is_pointwise = edge.kind == EdgeKind::kForward || edge.kind == EdgeKind::kRescale;
  info->overtakes = info->codec != nullptr && edge.kind != EdgeKind::kBroadcast &&
                    (!is_pointwise || TIDEWHEEL_MUTANT("pointwise_edge_overtakes"));
  return info;
}

}  // namespace tidewheel
