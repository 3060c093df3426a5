#include "tidewheel/dataflow/chaining.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "tidewheel/base/batch_options.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"

namespace tidewheel {
namespace {

// Of an operator. Graphs come from other processes: a wrong number is no reason for a long list.
constexpr int32_t kInputsMax = 64;

size_t at(int32_t index) { return static_cast<size_t>(index); }

std::string quoted(const GraphNode& node) {
  return node.uid.empty() ? fmt::format("'{}'", node.name)
                          : fmt::format("'{}' (uid {})", node.name, node.uid);
}

std::optional<OperatorId> parse_hex_id(std::string_view hex) {
  OperatorId id{};
  if (hex.size() != 2 * id.size()) { return std::nullopt; }
  for (size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) { return std::nullopt; }
    id[i / 2] = static_cast<uint8_t>(id[i / 2] * 16 + digit);
  }
  return id;
}

// Does the work of chain_graph, one concern a function.
class Chainer {
 public:
  Chainer(LogicalGraph graph, const Config& config) : config_(config) {
    out_.graph = std::move(graph);
  }
  Result<ChainedGraph> run() {
    TIDEWHEEL_ASSIGN_OR_RETURN(const BatchSettings batch, batch_settings(config_));
    out_.exchanges_block = batch.exchanges_block;
    TIDEWHEEL_RETURN_IF_ERROR(index_edges());
    TIDEWHEEL_RETURN_IF_ERROR(check_inputs());
    TIDEWHEEL_RETURN_IF_ERROR(sort_nodes());
    TIDEWHEEL_RETURN_IF_ERROR(check_uids());
    TIDEWHEEL_RETURN_IF_ERROR(resolve_parallelism());
    TIDEWHEEL_RETURN_IF_ERROR(resolve_edges());
    resolve_groups();
    choose_chained_edges();
    TIDEWHEEL_RETURN_IF_ERROR(make_ids());
    make_vertices();
    return std::move(out_);
  }

 private:
  std::vector<GraphNode>& nodes() { return out_.graph.nodes; }
  std::vector<GraphEdge>& edges() { return out_.graph.edges; }
  GraphNode& node(int32_t index) { return nodes()[at(index)]; }

  Status index_edges();
  Status check_inputs();
  Status sort_nodes();
  Status cycle_error(const std::vector<int32_t>& missing_inputs);
  Status check_uids();
  Status resolve_parallelism();
  Status resolve_edges();
  void resolve_groups();
  void choose_chained_edges();
  Status make_ids();
  OperatorId derived_id(int32_t index, size_t number);
  void make_vertices();
  void add_to_chain(int32_t index, int32_t vertex);
  std::string chain_name(int32_t index);

  const Config& config_;
  ChainedGraph out_;
  std::vector<std::vector<int32_t>> in_edges_;   // by node
  std::vector<std::vector<int32_t>> out_edges_;  // by node
  std::vector<int32_t> order_;                   // nodes, parents before children
};

Status Chainer::index_edges() {
  const auto count = static_cast<int32_t>(nodes().size());
  in_edges_.resize(nodes().size());
  out_edges_.resize(nodes().size());
  for (int32_t i = 0; i < static_cast<int32_t>(edges().size()); ++i) {
    const GraphEdge& edge = edges()[at(i)];
    if (edge.from < 0 || edge.from >= count || edge.to < 0 || edge.to >= count) {
      return invalid_argument(ErrorId::kGraphEdge,
                              "an edge leads from node {} to node {}, but there are {} nodes",
                              edge.from, edge.to, count);
    }
    if (edge.to_input < 0 || edge.to_input >= kInputsMax || edge.from_output < 0) {
      return invalid_argument(
          ErrorId::kGraphEdge,
          "the edge from {} to {} names output {} and input {}; inputs are 0 to {}",
          quoted(node(edge.from)), quoted(node(edge.to)), edge.from_output, edge.to_input,
          kInputsMax - 1);
    }
    out_edges_[at(edge.from)].push_back(i);
    in_edges_[at(edge.to)].push_back(i);
  }
  return ok_status();
}

Status Chainer::check_inputs() {
  bool any_source = false;
  bool any_sink = false;
  for (int32_t i = 0; i < static_cast<int32_t>(nodes().size()); ++i) {
    const GraphNode& n = node(i);
    any_source = any_source || n.is_source;
    any_sink = any_sink || n.is_sink;
    if (n.is_source) {
      if (!in_edges_[at(i)].empty()) {
        return invalid_argument(ErrorId::kGraphEdge, "source {} has an input edge", quoted(n));
      }
      continue;
    }
    std::vector<bool> has_input(1, false);
    for (const int32_t edge : in_edges_[at(i)]) {
      const size_t input = at(edges()[at(edge)].to_input);
      has_input.resize(std::max(has_input.size(), input + 1), false);
      has_input[input] = true;
    }
    const auto missing = std::find(has_input.begin(), has_input.end(), false);
    if (missing != has_input.end()) {
      return invalid_argument(ErrorId::kGraphEmpty, "operator {} has no input {}", quoted(n),
                              missing - has_input.begin());
    }
  }
  if (!any_source) {
    return invalid_argument(ErrorId::kGraphEmpty, "job '{}' has no source; add one with Env::from",
                            out_.graph.job_name);
  }
  if (!any_sink) {
    return invalid_argument(
        ErrorId::kGraphEmpty,
        "job '{}' has no sink, so nobody would see its results; end a stream with "
        "to(...), print() or collect()",
        out_.graph.job_name);
  }
  return ok_status();
}

Status Chainer::sort_nodes() {
  std::vector<int32_t> missing;
  std::deque<int32_t> ready;
  for (int32_t i = 0; i < static_cast<int32_t>(nodes().size()); ++i) {
    missing.push_back(static_cast<int32_t>(in_edges_[at(i)].size()));
    if (missing.back() == 0) { ready.push_back(i); }
  }
  while (!ready.empty()) {
    const int32_t index = ready.front();
    ready.pop_front();
    order_.push_back(index);
    for (const int32_t edge : out_edges_[at(index)]) {
      const int32_t to = edges()[at(edge)].to;
      if (--missing[at(to)] == 0) { ready.push_back(to); }
    }
  }
  return order_.size() == nodes().size() ? ok_status() : cycle_error(missing);
}

// Walks back along edges between nodes that never became ready until one comes again.
Status Chainer::cycle_error(const std::vector<int32_t>& missing) {
  int32_t index = 0;
  while (missing[at(index)] == 0) { ++index; }
  std::vector<int32_t> path;
  while (std::find(path.begin(), path.end(), index) == path.end()) {
    path.push_back(index);
    for (const int32_t edge : in_edges_[at(index)]) {
      const int32_t from = edges()[at(edge)].from;
      if (missing[at(from)] > 0) {
        index = from;
        break;
      }
    }
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), index));
  std::string names = node(index).name;
  for (auto it = path.rbegin(); it != path.rend(); ++it) { names += " -> " + node(*it).name; }
  return invalid_argument(ErrorId::kGraphCycle, "the job's graph has a cycle: {}", names);
}

Status Chainer::check_uids() {
  std::map<std::string, int32_t> seen;
  std::string missing;
  for (int32_t i = 0; i < static_cast<int32_t>(nodes().size()); ++i) {
    const GraphNode& n = node(i);
    const std::string& id = n.uid_hash.empty() ? n.uid : n.uid_hash;
    if (id.empty()) {
      if (!config_.get(options::kAutoGenerateUids)) {
        return invalid_argument(
            ErrorId::kGraphUid,
            "operator {} has no uid, and {} is false; give it one with uid(...)", quoted(n),
            options::kAutoGenerateUids.key);
      }
      if (n.stateful) { missing += (missing.empty() ? "" : ", ") + quoted(n); }
      continue;
    }
    const auto [other, is_new] = seen.emplace(id, i);
    if (!is_new) {
      return invalid_argument(ErrorId::kGraphUid, "uid '{}' is given to both '{}' and '{}'", id,
                              node(other->second).name, n.name);
    }
  }
  if (!missing.empty()) {
    out_.warnings.push_back(fmt::format(
        "stateful operators without a uid: {}. Their ids are derived from the graph, so "
        "their state is not found again when the graph changes; use uid(...)",
        missing));
  }
  return ok_status();
}

Status Chainer::resolve_parallelism() {
  const auto default_parallelism = static_cast<int32_t>(config_.get(options::kParallelism));
  const auto default_max = static_cast<int32_t>(config_.get(options::kMaxParallelism));
  const int64_t default_timeout_ms = config_.get(options::kBufferTimeout);
  for (GraphNode& n : nodes()) {
    if (n.fixed_parallelism > 0) {
      if (n.parallelism > 0 && n.parallelism != n.fixed_parallelism) {
        return invalid_argument(ErrorId::kGraphParallelism,
                                "operator {} can only run at parallelism {}, not {}", quoted(n),
                                n.fixed_parallelism, n.parallelism);
      }
      n.parallelism = n.fixed_parallelism;
    }
    if (n.parallelism == 0) { n.parallelism = default_parallelism; }
    if (n.max_parallelism == 0 && default_max > 0) { n.max_parallelism = default_max; }
    if (n.parallelism < 1 || n.parallelism > kMaxParallelismLimit || n.max_parallelism < 0 ||
        n.max_parallelism > kMaxParallelismLimit) {
      return invalid_argument(ErrorId::kGraphParallelism,
                              "operator {} has parallelism {} and max parallelism {}; 1 to {} are "
                              "possible",
                              quoted(n), n.parallelism, n.max_parallelism, kMaxParallelismLimit);
    }
    if (n.max_parallelism == 0) { n.max_parallelism = default_max_parallelism(n.parallelism); }
    if (n.parallelism > n.max_parallelism) {
      return invalid_argument(ErrorId::kGraphParallelism,
                              "operator {} has parallelism {}, above its max parallelism of {}",
                              quoted(n), n.parallelism, n.max_parallelism);
    }
    if (n.buffer_timeout_ms < 0) { n.buffer_timeout_ms = default_timeout_ms; }
  }
  return ok_status();
}

Status Chainer::resolve_edges() {
  for (GraphEdge& edge : edges()) {
    const GraphNode& from = node(edge.from);
    const GraphNode& to = node(edge.to);
    if (edge.kind == EdgeKind::kForward && from.parallelism != to.parallelism) {
      if (edge.kind_chosen) {
        return invalid_argument(ErrorId::kGraphParallelism,
                                "forward needs equal parallelism, but {} has {} and {} has {}; use "
                                "rebalance() or rescale()",
                                quoted(from), from.parallelism, quoted(to), to.parallelism);
      }
      edge.kind = EdgeKind::kRebalance;
    }
    const bool by_row = edge.kind == EdgeKind::kHash || edge.kind == EdgeKind::kCustom;
    if (by_row && !edge.make_partitioner) {
      return invalid_argument(ErrorId::kGraphEdge, "the edge from {} to {} has no partitioner",
                              quoted(from), quoted(to));
    }
  }
  return ok_status();
}

void Chainer::resolve_groups() {
  for (const int32_t index : order_) {
    GraphNode& n = node(index);
    if (!n.slot_sharing_group.empty()) { continue; }
    std::set<std::string> groups;
    for (const int32_t edge : in_edges_[at(index)]) {
      groups.insert(node(edges()[at(edge)].from).slot_sharing_group);
    }
    n.slot_sharing_group = groups.size() == 1 ? *groups.begin() : "default";
  }
}

void Chainer::choose_chained_edges() {
  const bool enabled = config_.get(options::kOperatorChaining);
  for (const GraphEdge& edge : edges()) {
    const GraphNode& from = node(edge.from);
    const GraphNode& to = node(edge.to);
    out_.edge_is_chained.push_back(
        enabled && edge.kind == EdgeKind::kForward && in_edges_[at(edge.to)].size() == 1 &&
        from.slot_sharing_group == to.slot_sharing_group && from.parallelism == to.parallelism &&
        from.max_parallelism == to.max_parallelism && from.chaining != ChainingStrategy::kNever &&
        to.chaining == ChainingStrategy::kAlways);
  }
}

// Breadth-first from the sources; a node waits until all its inputs have an id, because a derived
// id takes them in.
Status Chainer::make_ids() {
  std::vector<std::optional<OperatorId>> ids(nodes().size());
  std::vector<bool> visited(nodes().size());
  std::deque<int32_t> queue;
  size_t number = 0;
  out_.operator_ids.resize(nodes().size());
  for (int32_t i = 0; i < static_cast<int32_t>(nodes().size()); ++i) {
    if (!node(i).is_source) { continue; }
    queue.push_back(i);
    visited[at(i)] = true;
  }
  while (!queue.empty()) {
    const int32_t index = queue.front();
    queue.pop_front();
    const GraphNode& n = node(index);
    const bool has_inputs =
        std::all_of(in_edges_[at(index)].begin(), in_edges_[at(index)].end(),
                    [&](int32_t edge) { return ids[at(edges()[at(edge)].from)].has_value(); });
    if (!n.uid_hash.empty()) {
      ids[at(index)] = parse_hex_id(n.uid_hash);
      if (!ids[at(index)]) {
        return invalid_argument(ErrorId::kGraphUid, "uid hash '{}' of '{}' is not 32 hex digits",
                                n.uid_hash, n.name);
      }
    } else if (!n.uid.empty()) {
      ids[at(index)] = operator_id_of_uid(n.uid);
    } else if (has_inputs) {
      out_.operator_ids[at(index)] = derived_id(index, number);
      ids[at(index)] = out_.operator_ids[at(index)];
    } else {
      visited[at(index)] = false;  // comes again by its last input
      continue;
    }
    out_.operator_ids[at(index)] = *ids[at(index)];
    ++number;
    for (const int32_t edge : out_edges_[at(index)]) {
      const int32_t to = edges()[at(edge)].to;
      if (!visited[at(to)]) {
        queue.push_back(to);
        visited[at(to)] = true;
      }
    }
  }
  return ok_status();
}

OperatorId Chainer::derived_id(int32_t index, size_t number) {
  std::string bytes;
  const auto add_number = [&] {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes.push_back(static_cast<char>((number >> shift) & 255));
    }
  };
  add_number();
  for (const int32_t edge : out_edges_[at(index)]) {
    if (out_.edge_is_chained[at(edge)]) { add_number(); }
  }
  OperatorId id = operator_id_of_uid(bytes);
  for (const int32_t edge : in_edges_[at(index)]) {
    const OperatorId& input = out_.operator_ids[at(edges()[at(edge)].from)];
    for (size_t i = 0; i < id.size(); ++i) {
      id[i] = static_cast<uint8_t>((id[i] * 37) ^ input[i]);
    }
  }
  return id;
}

void Chainer::make_vertices() {
  out_.vertex_of_node.assign(nodes().size(), -1);
  for (const int32_t index : order_) {
    const std::vector<int32_t>& inputs = in_edges_[at(index)];
    if (inputs.size() == 1 && out_.edge_is_chained[at(inputs[0])]) { continue; }
    const GraphNode& head = node(index);
    const auto vertex = static_cast<int32_t>(out_.vertices.size());
    out_.vertices.push_back(
        {{}, "", head.parallelism, head.max_parallelism, head.slot_sharing_group});
    add_to_chain(index, vertex);
    out_.vertices.back().name = chain_name(index);
  }
}

// With a stack of its own: a chain may be thousands of operators long.
void Chainer::add_to_chain(int32_t head, int32_t vertex) {
  std::vector<int32_t> stack{head};
  while (!stack.empty()) {
    const int32_t index = stack.back();
    stack.pop_back();
    out_.vertex_of_node[at(index)] = vertex;
    out_.vertices[at(vertex)].nodes.push_back(index);
    const std::vector<int32_t>& outputs = out_edges_[at(index)];
    for (auto it = outputs.rbegin(); it != outputs.rend(); ++it) {
      if (out_.edge_is_chained[at(*it)]) { stack.push_back(edges()[at(*it)].to); }
    }
  }
}

std::string Chainer::chain_name(int32_t index) {
  std::string name = node(index).name;
  for (;;) {
    std::vector<int32_t> children;
    for (const int32_t edge : out_edges_[at(index)]) {
      if (out_.edge_is_chained[at(edge)]) { children.push_back(edges()[at(edge)].to); }
    }
    if (children.empty()) { return name; }
    if (children.size() > 1) {
      name += " -> (";
      for (size_t i = 0; i < children.size(); ++i) {
        name += (i == 0 ? "" : ", ") + chain_name(children[i]);
      }
      return name + ")";
    }
    index = children[0];
    name += " -> " + node(index).name;
  }
}

}  // namespace

Result<ChainedGraph> chain_graph(LogicalGraph graph, const Config& config) {
  return Chainer(std::move(graph), config).run();
}

}  // namespace tidewheel
