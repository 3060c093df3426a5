#include "tidewheel/api/plan_text.h"

#include <fmt/format.h>

#include "tidewheel/base/json_text.h"
#include "tidewheel/dataflow/edge_kind.h"

namespace tidewheel {

namespace {

size_t at(int32_t index) { return static_cast<size_t>(index); }

}  // namespace

std::string plan_text(const ChainedGraph& graph) {
  std::string out = fmt::format("job '{}'\n", graph.graph.job_name);
  for (size_t v = 0; v < graph.vertices.size(); ++v) {
    const ChainVertex& vertex = graph.vertices[v];
    out += fmt::format("[{}] {}  parallelism {}, max {}\n", v, vertex.name, vertex.parallelism,
                       vertex.max_parallelism);
    for (size_t e = 0; e < graph.graph.edges.size(); ++e) {
      const GraphEdge& edge = graph.graph.edges[e];
      if (graph.edge_is_chained[e] || at(graph.vertex_of_node[at(edge.to)]) != v) { continue; }
      out += fmt::format("    <- [{}] {}\n", graph.vertex_of_node[at(edge.from)],
                         edge_kind_name(edge.kind));
    }
    for (const int32_t index : vertex.nodes) {
      const GraphNode& node = graph.graph.nodes[at(index)];
      out += fmt::format(
          "    {}  {}{}\n", node.name,
          node.uid.empty() ? "id " + to_hex(graph.operator_ids[at(index)]) : "uid " + node.uid,
          node.description.empty() ? "" : "  (" + node.description + ")");
    }
  }
  for (const std::string& warning : graph.warnings) {
    out += fmt::format("warning: {}\n", warning);
  }
  return out;
}

std::string plan_json(const ChainedGraph& graph) {
  std::string out = fmt::format("{{\"name\":{},\"nodes\":[", json_text(graph.graph.job_name));
  for (size_t n = 0; n < graph.graph.nodes.size(); ++n) {
    const GraphNode& node = graph.graph.nodes[n];
    out += fmt::format(
        "{}{{\"id\":{},\"name\":{},\"uid\":{},\"operator_id\":{},\"parallelism\":{},"
        "\"max_parallelism\":{},\"vertex\":{},\"inputs\":[",
        n == 0 ? "" : ",", n, json_text(node.name), json_text(node.uid),
        json_text(to_hex(graph.operator_ids[n])), node.parallelism, node.max_parallelism,
        graph.vertex_of_node[n]);
    bool first = true;
    for (size_t e = 0; e < graph.graph.edges.size(); ++e) {
      const GraphEdge& edge = graph.graph.edges[e];
      if (at(edge.to) != n) { continue; }
      out += fmt::format("{}{{\"id\":{},\"input\":{},\"ship_strategy\":\"{}\",\"chained\":{}}}",
                         first ? "" : ",", edge.from, edge.to_input, edge_kind_name(edge.kind),
                         graph.edge_is_chained[e] ? "true" : "false");
      first = false;
    }
    out += "]}";
  }
  return out + "]}\n";
}

}  // namespace tidewheel
