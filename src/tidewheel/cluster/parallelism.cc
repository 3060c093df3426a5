#include "tidewheel/cluster/parallelism.h"

#include <algorithm>
#include <utility>

namespace tidewheel {

std::string vertex_id_of(const ChainedGraph& chained, int32_t vertex) {
  const int32_t head = chained.vertices[static_cast<size_t>(vertex)].nodes.front();
  return to_hex(chained.operator_ids[static_cast<size_t>(head)]);
}

// What is chained does not depend on the order in which parallelism is changed: a vertex has one
// parallelism for all its operators, before and after.
Result<LogicalGraph> graph_at(const LogicalGraph& graph, const Config& config,
                              const ParallelismByVertex& parallelism) {
  LogicalGraph changed = graph;
  if (parallelism.empty()) { return changed; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const ChainedGraph chained, chain_graph(graph, config));
  size_t found = 0;
  for (size_t i = 0; i < chained.vertices.size(); ++i) {
    const auto wanted = parallelism.find(vertex_id_of(chained, static_cast<int32_t>(i)));
    if (wanted == parallelism.end()) { continue; }
    ++found;
    for (const int32_t node : chained.vertices[i].nodes) {
      changed.nodes[static_cast<size_t>(node)].parallelism = wanted->second;
    }
  }
  if (found == parallelism.size()) { return changed; }
  return invalid_argument(ErrorId::kRescale,
                          "the job has {} of the {} vertices whose parallelism is to be changed",
                          found, parallelism.size());
}

Result<ChainedGraph> chain_graph_at(const LogicalGraph& graph, const Config& config,
                                    const ParallelismByVertex& parallelism) {
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalGraph changed, graph_at(graph, config, parallelism));
  return chain_graph(std::move(changed), config);
}

ParallelismRange::ParallelismRange(const ChainedGraph& chained, Kind kind) {
  for (size_t i = 0; i < chained.vertices.size(); ++i) {
    const ChainVertex& from = chained.vertices[i];
    Vertex& vertex = vertices_.emplace_back();
    vertex.id = vertex_id_of(chained, static_cast<int32_t>(i));
    vertex.group = from.slot_sharing_group;
    vertex.upper = from.parallelism;
    vertex.max = from.max_parallelism;
    bool is_fixed = false;
    for (const int32_t node : from.nodes) {
      is_fixed = is_fixed || chained.graph.nodes[static_cast<size_t>(node)].fixed_parallelism > 0;
    }
    if (is_fixed) { vertex.max = from.parallelism; }
    vertex.lower = kind == Kind::kFixed || is_fixed ? from.parallelism : 1;
    if (kind == Kind::kReactive) { vertex.upper = vertex.max; }
  }
}

std::vector<ParallelismBounds> ParallelismRange::bounds() const {
  std::vector<ParallelismBounds> all;
  for (const Vertex& vertex : vertices_) { all.push_back({vertex.id, vertex.lower, vertex.upper}); }
  return all;
}

Status ParallelismRange::set_bounds(const std::vector<ParallelismBounds>& bounds) {
  std::vector<Vertex> changed = vertices_;
  std::vector<bool> named(changed.size());
  for (const ParallelismBounds& wanted : bounds) {
    const auto found = std::find_if(changed.begin(), changed.end(), [&](const Vertex& vertex) {
      return vertex.id == wanted.vertex_id;
    });
    if (found == changed.end()) {
      return invalid_argument(ErrorId::kRescale, "the job has no vertex {}", wanted.vertex_id);
    }
    if (wanted.lower < 1 || wanted.lower > wanted.upper || wanted.upper > found->max) {
      return invalid_argument(
          ErrorId::kRescale, "vertex {} can't have a parallelism of {} to {}: 1 to {} are possible",
          wanted.vertex_id, wanted.lower, wanted.upper, found->max);
    }
    found->lower = wanted.lower;
    found->upper = wanted.upper;
    named[static_cast<size_t>(found - changed.begin())] = true;
  }
  const auto missing = std::find(named.begin(), named.end(), false);
  if (missing != named.end()) {
    return invalid_argument(ErrorId::kRescale, "vertex {} is not named; all of them have to be",
                            changed[static_cast<size_t>(missing - named.begin())].id);
  }
  vertices_ = std::move(changed);
  return ok_status();
}

int32_t ParallelismRange::at(const Vertex& vertex, int32_t limit) {
  return std::clamp(limit, vertex.lower, vertex.upper);
}

int32_t ParallelismRange::slots_at(int32_t limit) const {
  std::map<std::string, int32_t> sizes;
  for (const Vertex& vertex : vertices_) {
    int32_t& size = sizes[vertex.group];
    size = std::max(size, at(vertex, limit));
  }
  int32_t slots = 0;
  for (const auto& [group, size] : sizes) { slots += size; }
  return slots;
}

ParallelismByVertex ParallelismRange::choose(int32_t slots) const {
  if (slots_min() > slots) { return {}; }
  int32_t limit = 1;
  const int32_t needed = slots_max();
  while (limit < slots && slots_at(limit) < needed && slots_at(limit + 1) <= slots) { ++limit; }
  ParallelismByVertex chosen;
  for (const Vertex& vertex : vertices_) { chosen[vertex.id] = at(vertex, limit); }
  return chosen;
}

}  // namespace tidewheel
