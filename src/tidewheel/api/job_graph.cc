#include "tidewheel/api/job_graph.h"

#include <algorithm>

#include "tidewheel/state/key_group.h"

namespace tidewheel {

int32_t JobGraph::add_node(GraphNode node, Make make) {
  const auto id = static_cast<int32_t>(graph_.nodes.size());
  auto links = std::make_shared<NodeLinks>();
  node.id = id;
  node.make = [make = std::move(make), links] { return make(links); };
  graph_.nodes.push_back(std::move(node));
  links_.push_back(std::move(links));
  return id;
}

void JobGraph::connect(const StreamEnds& ends, int32_t to, int32_t to_input) {
  for (const StreamEnd& end : ends) {
    graph_.edges.push_back({.from = end.node,
                            .from_output = end.port,
                            .to = to,
                            .to_input = to_input,
                            .kind = end.kind,
                            .kind_chosen = end.kind_chosen,
                            .make_partitioner = end.make_partitioner,
                            .row_codec = end.row_codec});
  }
}

bool JobGraph::is_read(int32_t id) const {
  return std::any_of(graph_.edges.begin(), graph_.edges.end(),
                     [id](const GraphEdge& edge) { return edge.from == id; });
}

std::shared_ptr<AlignmentGroup> JobGraph::alignment_group(const std::string& name) {
  std::shared_ptr<AlignmentGroup>& group = alignment_groups_[name];
  if (group == nullptr) { group = std::make_shared<AlignmentGroup>(); }
  return group;
}

void JobGraph::keep(std::shared_ptr<const void> thing) {
  const auto& kept = graph_.keeps;
  if (std::find(kept.begin(), kept.end(), thing) == kept.end()) {
    graph_.keeps.push_back(std::move(thing));
  }
}

void JobGraph::fail(Status status) {
  if (failure_.ok()) { failure_ = std::move(status); }
}

Result<LogicalGraph> JobGraph::finish(const std::string& job_name) {
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  for (const GraphNode& node : graph_.nodes) {
    // A batch is the node's own when each port that it reads has no other reader.
    bool owns = true;
    for (const GraphEdge& in : graph_.edges) {
      if (in.to != node.id) { continue; }
      const auto readers =
          std::count_if(graph_.edges.begin(), graph_.edges.end(), [&in](const GraphEdge& other) {
            return other.from == in.from && other.from_output == in.from_output;
          });
      owns = owns && readers == 1;
    }
    links_[static_cast<size_t>(node.id)]->owns_input = owns;
  }
  LogicalGraph graph = graph_;
  graph.job_name = job_name;
  for (GraphNode& node : graph.nodes) {
    if (!node.is_sink) { continue; }
    const char* type_key = links_[static_cast<size_t>(node.id)]->row_type_key;
    TIDEWHEEL_ASSIGN_OR_RETURN(const Replacements::MakeSink* sink,
                               replacements_.find_sink(node.name, type_key));
    if (sink == nullptr) { continue; }
    node.make = [make = *sink]() -> Result<std::unique_ptr<Operator>> { return make(); };
    node.fixed_parallelism = 0;
  }
  TIDEWHEEL_RETURN_IF_ERROR(replacements_.check_all_used());
  return graph;
}

Result<const void*> Replacements::take_source(const std::string& name, const char* type_key) {
  const auto it = sources_.find(name);
  if (it == sources_.end()) { return static_cast<const void*>(nullptr); }
  if (it->second.type_key != type_key) {
    return invalid_argument(ErrorId::kGraphEdge,
                            "the source '{}' is replaced by rows of another type", name);
  }
  it->second.used = true;
  return static_cast<const void*>(it->second.make.get());
}

Result<const Replacements::MakeSink*> Replacements::find_sink(const std::string& name,
                                                              const char* type_key) {
  const auto it = sinks_.find(name);
  if (it == sinks_.end()) { return static_cast<const MakeSink*>(nullptr); }
  if (it->second.type_key != type_key) {
    return invalid_argument(ErrorId::kGraphEdge,
                            "the sink '{}' is captured as rows of another type", name);
  }
  it->second.used = true;
  return static_cast<const MakeSink*>(&it->second.make);
}

Status Replacements::check_all_used() const {
  for (const auto& [name, source] : sources_) {
    if (!source.used) {
      return not_found(ErrorId::kGraphEdge, "the job has no source named '{}' to be replaced",
                       name);
    }
  }
  for (const auto& [name, sink] : sinks_) {
    if (!sink.used) {
      return not_found(ErrorId::kGraphEdge, "the job has no sink named '{}' to be captured", name);
    }
  }
  return {};
}

Status check_parallelism_range(std::string_view what, int32_t count, const std::string& node) {
  if (count >= 1 && count <= kMaxParallelismLimit) { return {}; }
  return invalid_argument(ErrorId::kGraphParallelism, "the {} of '{}' must be 1 to {}, not {}",
                          what, node, kMaxParallelismLimit, count);
}

}  // namespace tidewheel
