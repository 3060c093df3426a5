// What a job's graph says of its tasks: how they are numbered, which regions they make, in which
// slots they are, and who sends to whom. The same for whoever has the same graph.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tidewheel/checkpoint/coordinator.h"
#include "tidewheel/dataflow/chaining.h"

namespace tidewheel {

// Immutable. Subtask i of every vertex of a slot sharing group goes to the group's slot i, so a
// group needs as many slots as its largest parallelism. Vertices that edges connect make a region:
// it fails, and is deployed anew, as a whole. Edges that keep their rows until their senders have
// ended do not: one region is behind the other there.
class TaskLayout {
 public:
  explicit TaskLayout(const ChainedGraph& chained);

  // Tasks by vertex, then subtask: a task's place.
  size_t task_count() const { return tasks_.size(); }
  const std::vector<TaskId>& tasks() const { return tasks_; }
  size_t place_of(TaskId task) const {
    return first_task_[static_cast<size_t>(task.vertex)] + static_cast<size_t>(task.subtask);
  }
  // By place: the places of the tasks that send to it. Made at each call.
  std::vector<std::vector<size_t>> upstream() const;

  // ---- Regions, numbered in the order of their first vertices.
  size_t region_count() const { return region_vertices_.size(); }
  size_t region_of(int32_t vertex) const { return region_of_vertex_[static_cast<size_t>(vertex)]; }
  const std::vector<int32_t>& vertices_of(size_t region) const { return region_vertices_[region]; }
  std::vector<TaskId> tasks_of(size_t region) const;
  // Regions whose results this one reads when they have ended, and those that read its own.
  const std::vector<size_t>& producers_of(size_t region) const { return producers_[region]; }
  const std::vector<size_t>& consumers_of(size_t region) const { return consumers_[region]; }
  // All that can be reached from it over such edges, in whichever direction, itself among them:
  // none of these is run again once all have ended.
  const std::vector<size_t>& connected_to(size_t region) const {
    return connected_[first_connected_[region]];
  }

  // ---- Slots.
  int32_t slot_count() const { return slot_count_; }
  int32_t slot_of(TaskId task) const {
    return first_slot_[static_cast<size_t>(task.vertex)] + task.subtask;
  }

 private:
  bool joins_regions(size_t edge) const;
  void make_regions();
  void find_consumers();
  void find_connected();
  void make_slots();

  const ChainedGraph* chained_;
  std::vector<TaskId> tasks_;
  std::vector<size_t> first_task_;  // by vertex
  std::vector<size_t> region_of_vertex_;
  std::vector<std::vector<int32_t>> region_vertices_;
  std::vector<std::vector<size_t>> producers_;  // by region, in order
  std::vector<std::vector<size_t>> consumers_;
  std::vector<size_t> first_connected_;         // by region: the least that it is connected to
  std::vector<std::vector<size_t>> connected_;  // by that; empty for others
  std::vector<int32_t> first_slot_;             // by vertex
  int32_t slot_count_ = 0;
};

// The subtasks [first, last) that a subtask of the sending operator sends to. A rescale connects
// neighbours only, so that each receiver's senders are a contiguous share too.
std::pair<int32_t, int32_t> receivers_of(EdgeKind kind, int32_t sender, int32_t senders,
                                         int32_t receivers);

}  // namespace tidewheel
