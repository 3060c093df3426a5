#include "tidewheel/dataflow/task_layout.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace tidewheel {
namespace {

size_t layout_index(int32_t index) { return static_cast<size_t>(index); }

}  // namespace

std::pair<int32_t, int32_t> receivers_of(EdgeKind kind, int32_t sender, int32_t senders,
                                         int32_t receivers) {
  if (kind == EdgeKind::kForward) { return {sender, sender + 1}; }
  if (kind != EdgeKind::kRescale) { return {0, receivers}; }
  if (senders > receivers) {
    const auto receiver = static_cast<int32_t>(int64_t{sender} * receivers / senders);
    return {receiver, receiver + 1};
  }
  const auto first = [&](int64_t i) {
    return static_cast<int32_t>((i * receivers + senders - 1) / senders);
  };
  return {first(sender), first(sender + 1)};
}

TaskLayout::TaskLayout(const ChainedGraph& chained) : chained_(&chained) {
  for (size_t vertex = 0; vertex < chained.vertices.size(); ++vertex) {
    first_task_.push_back(tasks_.size());
    for (int32_t subtask = 0; subtask < chained.vertices[vertex].parallelism; ++subtask) {
      tasks_.push_back({static_cast<int32_t>(vertex), subtask});
    }
  }
  make_regions();
  find_consumers();
  find_connected();
  make_slots();
}

// Both sides run at the same time, and so fail together.
bool TaskLayout::joins_regions(size_t edge) const {
  return chained_->edge_is_chained[edge] || !chained_->exchanges_block;
}

// Vertices are joined along edges until each has the least number that it can reach.
void TaskLayout::make_regions() {
  std::vector<size_t> least(chained_->vertices.size());
  for (size_t i = 0; i < least.size(); ++i) { least[i] = i; }
  const auto root = [&](size_t vertex) {
    while (least[vertex] != vertex) { vertex = least[vertex]; }
    return vertex;
  };
  for (size_t i = 0; i < chained_->graph.edges.size(); ++i) {
    if (!joins_regions(i)) { continue; }
    const GraphEdge& edge = chained_->graph.edges[i];
    const size_t from = root(layout_index(chained_->vertex_of_node[layout_index(edge.from)]));
    const size_t to = root(layout_index(chained_->vertex_of_node[layout_index(edge.to)]));
    least[std::max(from, to)] = std::min(from, to);
  }
  region_of_vertex_.resize(least.size());
  for (size_t vertex = 0; vertex < least.size(); ++vertex) {
    const size_t first = root(vertex);
    if (first == vertex) {
      region_of_vertex_[vertex] = region_vertices_.size();
      region_vertices_.emplace_back();
    } else {
      region_of_vertex_[vertex] = region_of_vertex_[first];
    }
    region_vertices_[region_of_vertex_[vertex]].push_back(static_cast<int32_t>(vertex));
  }
}

void TaskLayout::find_consumers() {
  std::set<std::pair<size_t, size_t>> pairs;
  for (size_t i = 0; i < chained_->graph.edges.size(); ++i) {
    if (joins_regions(i)) { continue; }
    const GraphEdge& edge = chained_->graph.edges[i];
    pairs.emplace(region_of(chained_->vertex_of_node[layout_index(edge.from)]),
                  region_of(chained_->vertex_of_node[layout_index(edge.to)]));
  }
  producers_.resize(region_count());
  consumers_.resize(region_count());
  for (const auto& [from, to] : pairs) {
    producers_[to].push_back(from);
    consumers_[from].push_back(to);
  }
}

// Regions take the least number that they are connected to, until nothing changes.
void TaskLayout::find_connected() {
  first_connected_.resize(region_count());
  for (size_t i = 0; i < first_connected_.size(); ++i) { first_connected_[i] = i; }
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t from = 0; from < consumers_.size(); ++from) {
      for (const size_t to : consumers_[from]) {
        const size_t least = std::min(first_connected_[from], first_connected_[to]);
        changed = changed || first_connected_[from] != first_connected_[to];
        first_connected_[from] = first_connected_[to] = least;
      }
    }
  }
  connected_.resize(region_count());
  for (size_t i = 0; i < first_connected_.size(); ++i) {
    connected_[first_connected_[i]].push_back(i);
  }
}

void TaskLayout::make_slots() {
  std::map<std::string, int32_t> sizes;
  for (const ChainVertex& vertex : chained_->vertices) {
    int32_t& size = sizes[vertex.slot_sharing_group];
    size = std::max(size, vertex.parallelism);
  }
  std::map<std::string, int32_t> first;
  for (const auto& [group, size] : sizes) {
    first[group] = slot_count_;
    slot_count_ += size;
  }
  for (const ChainVertex& vertex : chained_->vertices) {
    first_slot_.push_back(first[vertex.slot_sharing_group]);
  }
}

std::vector<std::vector<size_t>> TaskLayout::upstream() const {
  std::vector<std::vector<size_t>> upstream(tasks_.size());
  const LogicalGraph& graph = chained_->graph;
  for (size_t i = 0; i < graph.edges.size(); ++i) {
    if (chained_->edge_is_chained[i]) { continue; }
    const GraphEdge& edge = graph.edges[i];
    const int32_t senders = graph.nodes[layout_index(edge.from)].parallelism;
    const int32_t receivers = graph.nodes[layout_index(edge.to)].parallelism;
    const int32_t from = chained_->vertex_of_node[layout_index(edge.from)];
    const int32_t to = chained_->vertex_of_node[layout_index(edge.to)];
    for (int32_t sender = 0; sender < senders; ++sender) {
      const auto [first, last] = receivers_of(edge.kind, sender, senders, receivers);
      for (int32_t receiver = first; receiver < last; ++receiver) {
        upstream[place_of({to, receiver})].push_back(place_of({from, sender}));
      }
    }
  }
  return upstream;
}

std::vector<TaskId> TaskLayout::tasks_of(size_t region) const {
  std::vector<TaskId> tasks;
  for (const int32_t vertex : region_vertices_[region]) {
    const int32_t parallelism = chained_->vertices[layout_index(vertex)].parallelism;
    for (int32_t i = 0; i < parallelism; ++i) { tasks.push_back({vertex, i}); }
  }
  return tasks;
}

}  // namespace tidewheel
