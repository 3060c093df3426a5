#include "tidewheel/dataflow/restore.h"

#include <algorithm>
#include <set>

#include "tidewheel/base/config.h"
#include "tidewheel/base/mutant.h"
#include "tidewheel/base/options.h"
#include "tidewheel/dataflow/edge_info.h"
#include "tidewheel/dataflow/forgettable_state.h"
#include "tidewheel/dataflow/in_flight.h"
#include "tidewheel/state/state_backend.h"

namespace tidewheel {
namespace {

size_t index_at(int32_t index) { return static_cast<size_t>(index); }

bool is_bound_to_groups(StateKind kind) {
  return kind == StateKind::kKeyed || kind == StateKind::kTimers;
}

bool has_keyed_state(const ManifestOperator& op) {
  return std::any_of(op.subtasks.begin(), op.subtasks.end(), [](const OperatorSnapshot& subtask) {
    return std::any_of(
        subtask.segments.begin(), subtask.segments.end(),
        [](const SegmentRef& segment) { return is_bound_to_groups(segment.meta.kind); });
  });
}

// "'name' (uid) with a, b"; empty when it has no state.
std::string describe_state(const ManifestOperator& op) {
  std::set<std::string> names;
  for (const OperatorSnapshot& subtask : op.subtasks) {
    for (const SegmentRef& segment : subtask.segments) {
      if (!is_forgettable(segment.meta.form)) { names.insert(segment.meta.name); }
    }
  }
  if (!op.coordinator_state.empty()) { names.insert("the coordinator's"); }
  if (names.empty()) { return {}; }
  std::string text = fmt::format("'{}' (uid {}) with state", op.name, op.uid);
  for (const std::string& name : names) { text += (name == *names.begin() ? " " : ", ") + name; }
  return text;
}

Status check_unclaimed(const Manifest& manifest, bool ignore, const ChainedGraph& chained,
                       std::vector<std::string>& warnings) {
  std::set<std::string> uids;
  for (size_t i = 0; i < chained.graph.nodes.size(); ++i) {
    uids.insert(snapshot_uid(chained, static_cast<int32_t>(i)));
  }
  std::string gone;
  for (const ManifestOperator& op : manifest.operators) {
    if (uids.contains(op.uid)) { continue; }
    const std::string text = describe_state(op);
    if (!text.empty()) { gone += (gone.empty() ? "" : "; ") + text; }
  }
  if (gone.empty()) { return ok_status(); }
  if (!ignore) {
    return failed_precondition(
        ErrorId::kStateNotRestored,
        "the job has no operator for a part of the snapshot; give operators the uids that they "
        "had, or set {} to drop it: {}",
        options::kIgnoreUnclaimedState.key, gone);
  }
  warnings.push_back("state of the snapshot is dropped, the job has no operator for it: " + gone);
  return ok_status();
}

// Rows in flight on an edge that the job has no more, or whose ends are fused now, would be lost.
Status check_in_flight(const Manifest& manifest, bool ignore, const ChainedGraph& chained,
                       std::vector<std::string>& warnings) {
  std::set<std::string> known;
  for (size_t i = 0; i < chained.graph.edges.size(); ++i) {
    if (!chained.edge_is_chained[i]) {
      if (chained.edge_is_chained[i]) { continue; }
      known.insert(in_flight_state(*describe_edge(chained, i)).name);
    }
  }
  std::set<std::string> gone;
  for (const ManifestOperator& op : manifest.operators) {
    for (const OperatorSnapshot& subtask : op.subtasks) {
      for (const SegmentRef& segment : subtask.segments) {
        const bool has_rows = segment.meta.kind == StateKind::kInFlight && segment.entries > 0;
        if (has_rows && !known.contains(segment.meta.name)) { gone.insert(segment.meta.name); }
      }
    }
  }
  if (gone.empty()) { return ok_status(); }
  std::string names;
  for (const std::string& name : gone) { names += (names.empty() ? "" : "; ") + name; }
  if (!ignore) {
    return failed_precondition(
        ErrorId::kStateNotRestored,
        "the snapshot has rows in flight on edges that the job does not have, or whose ends are "
        "chained now; restore a savepoint or an aligned checkpoint, or set {} to drop them: {}",
        options::kIgnoreUnclaimedState.key, names);
  }
  warnings.push_back("rows of the snapshot are dropped, the job has no such edge: " + names);
  return ok_status();
}

Status fit_max_parallelism(const ManifestOperator& op, bool derived, int32_t node,
                           ChainedGraph& chained) {
  GraphNode& graph_node = chained.graph.nodes[index_at(node)];
  if (graph_node.max_parallelism == op.max_parallelism) { return ok_status(); }
  const bool fits = graph_node.parallelism <= op.max_parallelism;
  if (derived && fits) {
    ChainVertex& vertex = chained.vertices[index_at(chained.vertex_of_node[index_at(node)])];
    graph_node.max_parallelism = op.max_parallelism;
    vertex.max_parallelism = op.max_parallelism;
    return ok_status();
  }
  if (!has_keyed_state(op)) { return ok_status(); }
  if (!fits) {
    return invalid_argument(ErrorId::kGraphParallelism,
                            "operator '{}' has parallelism {}, but the snapshot's state is divided "
                            "into {} key groups, which is the most that it can have",
                            graph_node.name, graph_node.parallelism, op.max_parallelism);
  }
  return invalid_argument(ErrorId::kGraphParallelism,
                          "operator '{}' has max parallelism {}, but the snapshot's state was "
                          "written with {}, which can't be changed",
                          graph_node.name, graph_node.max_parallelism, op.max_parallelism);
}

// A task that was at its end is not run again, but only if all that send to it now were at theirs:
// where the graph, or the parallelism at either side, has changed, others may.
void clear_ends_behind_running(const ChainedGraph& chained,
                               std::vector<std::vector<bool>>& at_end) {
  for (size_t to = 0; to < chained.vertices.size(); ++to) {  // producers come before consumers
    for (size_t i = 0; i < chained.graph.edges.size(); ++i) {
      const GraphEdge& edge = chained.graph.edges[i];
      const auto from = index_at(chained.vertex_of_node[index_at(edge.from)]);
      if (chained.edge_is_chained[i] || index_at(chained.vertex_of_node[index_at(edge.to)]) != to) {
        continue;
      }
      const auto senders = static_cast<int32_t>(at_end[from].size());
      const auto receivers = static_cast<int32_t>(at_end[to].size());
      for (int32_t sender = 0; sender < senders; ++sender) {
        if (at_end[from][index_at(sender)]) { continue; }
        const auto [first, last] = receivers_of(edge.kind, sender, senders, receivers);
        for (int32_t subtask = first; subtask < last; ++subtask) {
          at_end[to][index_at(subtask)] = false;
        }
      }
    }
  }
}

}  // namespace

std::string snapshot_uid(const ChainedGraph& chained, int32_t node) {
  if (TIDEWHEEL_MUTANT("restore_bound_by_position")) { return fmt::format("operator {}", node); }
  const std::string& uid = chained.graph.nodes[index_at(node)].uid;
  return uid.empty() ? to_hex(chained.operator_ids[index_at(node)]) : uid;
}

std::vector<bool> derived_max_parallelism(const LogicalGraph& graph, const Config& config) {
  std::vector<bool> derived;
  for (const GraphNode& node : graph.nodes) {
    derived.push_back(node.max_parallelism == 0 && config.get(options::kMaxParallelism) <= 0);
  }
  return derived;
}

Status fit_to_snapshot(const Manifest& manifest, const std::vector<bool>& derived,
                       bool ignore_unclaimed, ChainedGraph& chained,
                       std::vector<std::string>& warnings) {
  TIDEWHEEL_RETURN_IF_ERROR(check_unclaimed(manifest, ignore_unclaimed, chained, warnings));
  TIDEWHEEL_RETURN_IF_ERROR(check_in_flight(manifest, ignore_unclaimed, chained, warnings));
  for (size_t i = 0; i < chained.graph.nodes.size(); ++i) {
    const auto node = static_cast<int32_t>(i);
    const ManifestOperator* const op = manifest.find(snapshot_uid(chained, node));
    if (op == nullptr) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(fit_max_parallelism(*op, derived[i], node, chained));
  }
  return ok_status();
}

Status check_state_backend(const Manifest& manifest, const ChainedGraph& chained,
                           const Config& config) {
  const std::string backend = config.get(options::kStateBackend);
  if (backend == kRocksdbForm) { return ok_status(); }
  for (size_t i = 0; i < chained.graph.nodes.size(); ++i) {
    const ManifestOperator* const op =
        manifest.find(snapshot_uid(chained, static_cast<int32_t>(i)));
    if (op == nullptr) { continue; }
    for (const OperatorSnapshot& subtask : op->subtasks) {
      for (const SegmentRef& segment : subtask.segments) {
        if (segment.meta.form != kRocksdbForm) { continue; }
        return failed_precondition(
            ErrorId::kStateBackend,
            "the snapshot has files of the state backend rocksdb, of operator '{}' (uid {}), which "
            "only it can read, and {} is '{}': start the job with rocksdb, or take a savepoint of "
            "the type canonical, which every state backend reads",
            op->name, op->uid, options::kStateBackend.key, backend);
      }
    }
  }
  return ok_status();
}

uint64_t drop_in_flight(Manifest& manifest) {
  uint64_t elements = 0;
  for (ManifestOperator& op : manifest.operators) {
    for (OperatorSnapshot& subtask : op.subtasks) {
      std::erase_if(subtask.segments, [&elements](const SegmentRef& segment) {
        if (segment.meta.kind != StateKind::kInFlight) { return false; }
        elements += segment.entries;
        return true;
      });
    }
  }
  return elements;
}

void start_from_manifest(const Manifest& manifest, const ChainedGraph& chained,
                         DeploymentStart& start) {
  const std::vector<GraphNode>& nodes = chained.graph.nodes;
  start.accumulators.clear();
  start.at_end.clear();
  for (const ChainVertex& vertex : chained.vertices) {
    start.at_end.emplace_back(index_at(vertex.parallelism), true);
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto node = static_cast<int32_t>(i);
    const auto parallelism = index_at(nodes[i].parallelism);
    std::vector<bool>& at_end = start.at_end[index_at(chained.vertex_of_node[i])];
    auto& accumulators = start.accumulators.emplace_back(parallelism);
    const ManifestOperator* const op = manifest.find(snapshot_uid(chained, node));
    if (op == nullptr) {
      at_end.assign(parallelism, false);
      continue;
    }
    for (size_t subtask = 0; subtask < parallelism; ++subtask) {
      const bool same = op->subtasks.size() == parallelism;
      const bool ended = same ? op->subtasks[subtask].end_of_data : op->finished;
      at_end[subtask] = at_end[subtask] && ended;
    }
    for (size_t subtask = 0; subtask < op->subtasks.size(); ++subtask) {
      for (const auto& [name, value] : op->subtasks[subtask].accumulators) {
        accumulators[subtask % parallelism][name] += value;
      }
    }
  }
  clear_ends_behind_running(chained, start.at_end);
}

}  // namespace tidewheel
