#include "tidewheel/dataflow/deployment.h"

#include <algorithm>
#include <exception>
#include <map>
#include <set>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

size_t at(int32_t index) { return static_cast<size_t>(index); }

ChannelWriter::Mode writer_mode(EdgeKind kind, size_t receivers) {
  if (receivers == 1) { return ChannelWriter::Mode::kWhole; }
  switch (kind) {
    case EdgeKind::kForward:
    case EdgeKind::kGlobal: return ChannelWriter::Mode::kWhole;
    case EdgeKind::kBroadcast: return ChannelWriter::Mode::kBroadcast;
    case EdgeKind::kRebalance:
    case EdgeKind::kRescale: return ChannelWriter::Mode::kSpread;
    case EdgeKind::kShuffle: return ChannelWriter::Mode::kShuffle;
    case EdgeKind::kHash:
    case EdgeKind::kCustom: return ChannelWriter::Mode::kPartition;
  }
  return ChannelWriter::Mode::kWhole;
}

// The receivers [first, last) of one sender. A rescale connects neighbours only, so that each
// receiver's senders are a contiguous share too.
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

}  // namespace

Result<std::unique_ptr<Deployment>> Deployment::make(const Parts& parts) {
  std::unique_ptr<Deployment> deployment(new Deployment(parts));
  deployment->make_slots();
  deployment->make_accounts();
  TIDEWHEEL_RETURN_IF_ERROR(deployment->make_tasks());
  TIDEWHEEL_RETURN_IF_ERROR(deployment->connect());
  return deployment;
}

void Deployment::make_slots() {
  std::map<std::string, int32_t> sizes;
  for (const ChainVertex& vertex : parts_.chained.vertices) {
    int32_t& size = sizes[vertex.slot_sharing_group];
    size = std::max(size, vertex.parallelism);
  }
  std::map<std::string, int32_t> first;
  int32_t count = 0;
  for (const auto& [group, size] : sizes) {
    first[group] = count;
    count += size;
  }
  for (const ChainVertex& vertex : parts_.chained.vertices) {
    first_slot_.push_back(first[vertex.slot_sharing_group]);
  }
  const auto limit = static_cast<int32_t>(parts_.config.get(options::kTaskSlots));
  if (limit > 0) { count = std::min(count, limit); }
  for (int32_t i = 0; i < count; ++i) {
    slots_.push_back(std::make_unique<Slot>(i, parts_.world.clock()));
  }
}

// Operators with the same name get groups of their own.
void Deployment::make_accounts() {
  input_counts_.resize(parts_.chained.graph.nodes.size());
  for (const GraphEdge& edge : parts_.chained.graph.edges) {
    int32_t& count = input_counts_[at(edge.to)];
    count = std::max(count, edge.to_input + 1);
  }
  std::set<std::string> names;
  for (const GraphNode& node : parts_.chained.graph.nodes) {
    accounts_.push_back(parts_.memory.make_child(node.name));
    std::string name = node.name;
    if (!names.insert(name).second) {
      name += fmt::format("#{}", node.id);
      names.insert(name);
    }
    groups_.push_back(&parts_.metrics.group(name));
  }
}

Status Deployment::make_tasks() {
  const std::vector<ChainVertex>& vertices = parts_.chained.vertices;
  place_in_chain_.resize(parts_.chained.graph.nodes.size());
  for (size_t vertex = 0; vertex < vertices.size(); ++vertex) {
    first_task_.push_back(tasks_.size());
    for (size_t i = 0; i < vertices[vertex].nodes.size(); ++i) {
      place_in_chain_[at(vertices[vertex].nodes[i])] = i;
    }
    for (int32_t subtask = 0; subtask < vertices[vertex].parallelism; ++subtask) {
      TIDEWHEEL_RETURN_IF_ERROR(make_task(vertex, subtask));
    }
  }
  inputs_.resize(tasks_.size());
  return ok_status();
}

Status Deployment::make_task(size_t index, int32_t subtask) {
  const ChainVertex& vertex = parts_.chained.vertices[index];
  TaskSpec spec;
  spec.vertex_name = vertex.name;
  spec.vertex = static_cast<int32_t>(index);
  spec.subtask = subtask;
  spec.parallelism = vertex.parallelism;
  spec.batch_rows = static_cast<uint32_t>(parts_.config.get(options::kBatchRows));
  spec.latency_interval_ms = parts_.config.get(options::kLatencyInterval);
  spec.config = &parts_.config;
  spec.storage = parts_.storage;
  spec.plans = parts_.plans;
  spec.restore = parts_.restore;
  spec.waits_for_final_checkpoint = parts_.waits_for_final_checkpoint;
  spec.restored_at_end_of_data =
      index < parts_.finished_vertices.size() && parts_.finished_vertices[index];
  // The shortest timeout of the chain's operators holds for all of them.
  spec.buffer_timeout_ms = -1;
  for (const int32_t node : vertex.nodes) {
    const int64_t timeout_ms = parts_.chained.graph.nodes[at(node)].buffer_timeout_ms;
    if (timeout_ms >= 0 && (spec.buffer_timeout_ms < 0 || timeout_ms < spec.buffer_timeout_ms)) {
      spec.buffer_timeout_ms = timeout_ms;
    }
  }
  tasks_.push_back(std::make_unique<Task>(std::move(spec), parts_.world, parts_.listener));
  Task& task = *tasks_.back();
  slots_[at(first_slot_[index] + subtask) % slots_.size()]->add(task);
  return add_operators(task, vertex);
}

Status Deployment::add_operators(Task& task, const ChainVertex& vertex) {
  const LogicalGraph& graph = parts_.chained.graph;
  for (const int32_t index : vertex.nodes) {
    const GraphNode& node = graph.nodes[at(index)];
    ChainedOperatorSpec spec;
    spec.node = index;
    spec.name = node.name;
    spec.uid = node.uid.empty() ? to_hex(parts_.chained.operator_ids[at(index)]) : node.uid;
    spec.max_parallelism = node.max_parallelism;
    spec.memory = accounts_[at(index)].get();
    spec.metrics = &groups_[at(index)]->group(std::to_string(task.spec().subtask));
    spec.input_count = input_counts_[at(index)];
    try {
      TIDEWHEEL_ASSIGN_OR_RETURN(spec.op,
                                 node.make().with_context("making operator '{}'", node.name));
    } catch (const std::exception& exception) {
      return user_error(ErrorId::kUserCodeThrew, "making operator '{}': {}", node.name,
                        exception.what());
    }
    task.add_operator(std::move(spec));
  }
  return ok_status();
}

Status Deployment::connect() {
  const ChainedGraph& chained = parts_.chained;
  for (size_t i = 0; i < chained.graph.edges.size(); ++i) {
    const GraphEdge& edge = chained.graph.edges[i];
    if (!chained.edge_is_chained[i]) {
      TIDEWHEEL_RETURN_IF_ERROR(connect_edge(edge));
      continue;
    }
    const int32_t parallelism = chained.graph.nodes[at(edge.from)].parallelism;
    for (int32_t subtask = 0; subtask < parallelism; ++subtask) {
      TIDEWHEEL_ASSIGN_OR_RETURN(OutputPort* const port, port_of(edge, subtask));
      port->connect(operator_of(edge.to, subtask));
    }
  }
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (!inputs_[i].empty()) { tasks_[i]->set_inputs(inputs_[i]); }
  }
  return ok_status();
}

Status Deployment::connect_edge(const GraphEdge& edge) {
  const GraphNode& from = parts_.chained.graph.nodes[at(edge.from)];
  const GraphNode& to = parts_.chained.graph.nodes[at(edge.to)];
  const auto credits = static_cast<uint32_t>(parts_.config.get(options::kCredits));
  const auto batch_rows = static_cast<uint32_t>(parts_.config.get(options::kBatchRows));
  for (int32_t subtask = 0; subtask < from.parallelism; ++subtask) {
    TIDEWHEEL_ASSIGN_OR_RETURN(OutputPort* const port, port_of(edge, subtask));
    Task& sender = task_of(edge.from, subtask);
    const auto [first, last] = receivers_of(edge.kind, subtask, from.parallelism, to.parallelism);
    std::vector<Channel*> channels;
    for (int32_t i = first; i < last; ++i) {
      const size_t index = first_task_[at(parts_.chained.vertex_of_node[at(edge.to)])] + at(i);
      Task& receiver = *tasks_[index];
      channels_.push_back(
          std::make_unique<Channel>(credits, sender.slot() == receiver.slot(), sender, receiver));
      channels.push_back(channels_.back().get());
      inputs_[index].push_back({channels.back(), edge.to_input});
    }
    const ChannelWriter::Mode mode = writer_mode(edge.kind, channels.size());
    std::unique_ptr<Partitioner> partitioner;
    if (mode == ChannelWriter::Mode::kPartition) {
      partitioner = edge.make_partitioner();
      partitioner->open(static_cast<uint32_t>(channels.size()), to.max_parallelism, batch_rows,
                        accounts_[at(edge.from)].get());
    }
    sender.add_writer(
        *port, std::make_unique<ChannelWriter>(mode, std::move(channels), std::move(partitioner),
                                               batch_rows, parts_.world.fork_random()));
  }
  return ok_status();
}

Result<OutputPort*> Deployment::port_of(const GraphEdge& edge, int32_t subtask) {
  ChainedOperator& op = operator_of(edge.from, subtask);
  const auto ports = op.op()->outputs();
  if (at(edge.from_output) >= ports.size()) {
    return invalid_argument(ErrorId::kGraphEdge,
                            "an edge leaves operator '{}' by output {}, but it has {} outputs",
                            op.name(), edge.from_output, ports.size());
  }
  return ports[at(edge.from_output)];
}

Task& Deployment::task_of(int32_t node, int32_t subtask) {
  return *tasks_[first_task_[at(parts_.chained.vertex_of_node[at(node)])] + at(subtask)];
}

ChainedOperator& Deployment::operator_of(int32_t node, int32_t subtask) {
  return *task_of(node, subtask).operators()[place_in_chain_[at(node)]];
}

}  // namespace tidewheel
