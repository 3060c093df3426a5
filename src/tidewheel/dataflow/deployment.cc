#include "tidewheel/dataflow/deployment.h"

#include <algorithm>
#include <exception>
#include <map>
#include <set>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/restore.h"

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

// Makes the tasks of one region.
class Deployment::Builder {
 public:
  Builder(const Deployment& deployment, size_t region, const DeploymentStart& start)
      : deployment_(deployment),
        parts_(deployment.parts_),
        region_(region),
        start_(start),
        made_(std::make_shared<RegionTasks>()) {}
  Result<std::shared_ptr<RegionTasks>> build();

 private:
  Status make_tasks();
  Status make_task(size_t vertex, int32_t subtask);
  Status add_operators(Task& task, const ChainVertex& vertex);
  Status connect();
  Status connect_edge(const GraphEdge& edge, const EdgeInfoRef& info);
  Result<OutputPort*> port_of(const GraphEdge& edge, int32_t subtask);
  Task& task_of(int32_t node, int32_t subtask);
  ChainedOperator& operator_of(int32_t node, int32_t subtask);

  const Deployment& deployment_;
  const Parts& parts_;
  const size_t region_;
  const DeploymentStart& start_;
  const std::shared_ptr<RegionTasks> made_;
  std::vector<Task*> tasks_;                            // by place; null in other regions
  std::vector<std::vector<InputGate::Source>> inputs_;  // by place
};

Result<std::unique_ptr<Deployment>> Deployment::make(const Parts& parts) {
  std::unique_ptr<Deployment> deployment(new Deployment(parts));
  deployment->make_slots();
  deployment->make_accounts();
  deployment->make_places();
  deployment->make_regions();
  for (size_t region = 0; region < deployment->region_count(); ++region) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<RegionTasks> tasks,
                               deployment->make_region(region, parts.start));
    deployment->set_region(region, std::move(tasks));
  }
  for (Task* task : deployment->tasks_) { task->slot()->add(*task); }
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
    groups_.back()->gauge("memoryPeakBytes",
                          [account = accounts_.back().get()] { return account->peak_bytes(); });
  }
}

void Deployment::make_places() {
  const ChainedGraph& chained = parts_.chained;
  place_in_chain_.resize(chained.graph.nodes.size());
  size_t count = 0;
  for (const ChainVertex& vertex : chained.vertices) {
    first_task_.push_back(count);
    count += at(vertex.parallelism);
    for (size_t i = 0; i < vertex.nodes.size(); ++i) { place_in_chain_[at(vertex.nodes[i])] = i; }
  }
  tasks_.resize(count);
  upstream_.resize(count);
  for (size_t i = 0; i < chained.graph.edges.size(); ++i) {
    if (chained.edge_is_chained[i]) { continue; }
    const GraphEdge& edge = chained.graph.edges[i];
    const int32_t senders = chained.graph.nodes[at(edge.from)].parallelism;
    const int32_t receivers = chained.graph.nodes[at(edge.to)].parallelism;
    for (int32_t sender = 0; sender < senders; ++sender) {
      const auto [first, last] = receivers_of(edge.kind, sender, senders, receivers);
      for (int32_t receiver = first; receiver < last; ++receiver) {
        upstream_[place_of(chained.vertex_of_node[at(edge.to)], receiver)].push_back(
            place_of(chained.vertex_of_node[at(edge.from)], sender));
      }
    }
  }
}

// Vertices are joined along edges until each has the least number that it can reach.
void Deployment::make_regions() {
  const ChainedGraph& chained = parts_.chained;
  std::vector<size_t> least(chained.vertices.size());
  for (size_t i = 0; i < least.size(); ++i) { least[i] = i; }
  const auto root = [&](size_t vertex) {
    while (least[vertex] != vertex) { vertex = least[vertex]; }
    return vertex;
  };
  for (const GraphEdge& edge : chained.graph.edges) {
    const size_t from = root(at(chained.vertex_of_node[at(edge.from)]));
    const size_t to = root(at(chained.vertex_of_node[at(edge.to)]));
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

Result<std::shared_ptr<RegionTasks>> Deployment::make_region(size_t region,
                                                             const DeploymentStart& start) const {
  return Builder(*this, region, start).build();
}

void Deployment::set_region(size_t region, std::shared_ptr<RegionTasks> tasks) {
  for (const auto& task : tasks->tasks) {
    tasks_[place_of(task->spec().vertex, task->spec().subtask)] = task.get();
  }
  auto attempts = std::make_shared<Attempts>(*attempts_.load(std::memory_order_relaxed));
  attempts->resize(region_count());
  (*attempts)[region] = std::move(tasks);
  attempts_.store(std::move(attempts), std::memory_order_release);
}

std::vector<Task*> Deployment::tasks_of(size_t region) const {
  std::vector<Task*> tasks;
  for (const int32_t vertex : region_vertices_[region]) {
    const auto first = tasks_.begin() + static_cast<ptrdiff_t>(first_task_[at(vertex)]);
    tasks.insert(tasks.end(), first, first + parts_.chained.vertices[at(vertex)].parallelism);
  }
  return tasks;
}

void Deployment::retire(size_t region, const std::function<void()>& done) {
  std::map<int32_t, std::vector<Task*>> by_slot;
  for (Task* task : tasks_of(region)) { by_slot[task->slot()->index()].push_back(task); }
  const auto left = std::make_shared<std::atomic<size_t>>(by_slot.size());
  for (auto& [slot, tasks] : by_slot) {
    slots_[at(slot)]->remove(std::move(tasks), [left, done] {
      if (left->fetch_sub(1, std::memory_order_acq_rel) == 1) { done(); }
    });
  }
}

void Deployment::install(size_t region, std::shared_ptr<RegionTasks> tasks) {
  std::map<int32_t, std::vector<Task*>> by_slot;
  for (const auto& task : tasks->tasks) {
    task->hold();
    by_slot[task->slot()->index()].push_back(task.get());
  }
  set_region(region, std::move(tasks));
  for (auto& [slot, added] : by_slot) { slots_[at(slot)]->add_held(std::move(added)); }
}

// ---- The tasks of one region

Result<std::shared_ptr<RegionTasks>> Deployment::Builder::build() {
  made_->restore = start_.restore;
  TIDEWHEEL_RETURN_IF_ERROR(make_tasks());
  TIDEWHEEL_RETURN_IF_ERROR(connect());
  return made_;
}

Status Deployment::Builder::make_tasks() {
  tasks_.resize(deployment_.tasks_.size());
  inputs_.resize(deployment_.tasks_.size());
  for (const int32_t vertex : deployment_.region_vertices_[region_]) {
    const int32_t parallelism = parts_.chained.vertices[at(vertex)].parallelism;
    for (int32_t subtask = 0; subtask < parallelism; ++subtask) {
      TIDEWHEEL_RETURN_IF_ERROR(make_task(at(vertex), subtask));
    }
  }
  return ok_status();
}

Status Deployment::Builder::make_task(size_t index, int32_t subtask) {
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
  spec.restore = start_.restore.get();
  spec.is_restart = start_.is_restart;
  spec.waits_for_final_checkpoint = parts_.waits_for_final_checkpoint;
  spec.restored_at_end_of_data = index < start_.at_end.size() && start_.at_end[index][at(subtask)];
  // The shortest timeout of the chain's operators holds for all of them.
  spec.buffer_timeout_ms = -1;
  for (const int32_t node : vertex.nodes) {
    const int64_t timeout_ms = parts_.chained.graph.nodes[at(node)].buffer_timeout_ms;
    if (timeout_ms >= 0 && (spec.buffer_timeout_ms < 0 || timeout_ms < spec.buffer_timeout_ms)) {
      spec.buffer_timeout_ms = timeout_ms;
    }
  }
  made_->tasks.push_back(std::make_unique<Task>(std::move(spec), parts_.world, parts_.listener));
  Task& task = *made_->tasks.back();
  tasks_[deployment_.place_of(static_cast<int32_t>(index), subtask)] = &task;
  const auto& slots = deployment_.slots_;
  task.set_slot(*slots[at(deployment_.first_slot_[index] + subtask) % slots.size()]);
  return add_operators(task, vertex);
}

Status Deployment::Builder::add_operators(Task& task, const ChainVertex& vertex) {
  const LogicalGraph& graph = parts_.chained.graph;
  for (const int32_t index : vertex.nodes) {
    const GraphNode& node = graph.nodes[at(index)];
    ChainedOperatorSpec spec;
    spec.node = index;
    spec.name = node.name;
    spec.uid = snapshot_uid(parts_.chained, index);
    spec.max_parallelism = node.max_parallelism;
    spec.memory = deployment_.accounts_[at(index)].get();
    const int32_t subtask = task.spec().subtask;
    spec.metrics = &deployment_.groups_[at(index)]->group(std::to_string(subtask));
    spec.input_count = deployment_.input_counts_[at(index)];
    spec.backends = parts_.backends;
    if (!start_.accumulators.empty()) {
      spec.accumulators = start_.accumulators[at(index)][at(subtask)];
    }
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

Status Deployment::Builder::connect() {
  const ChainedGraph& chained = parts_.chained;
  for (size_t i = 0; i < chained.graph.edges.size(); ++i) {
    const GraphEdge& edge = chained.graph.edges[i];
    if (deployment_.region_of(chained.vertex_of_node[at(edge.from)]) != region_) { continue; }
    if (!chained.edge_is_chained[i]) {
      TIDEWHEEL_RETURN_IF_ERROR(connect_edge(edge, describe_edge(chained, i)));
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

Status Deployment::Builder::connect_edge(const GraphEdge& edge, const EdgeInfoRef& info) {
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
      const size_t index = deployment_.place_of(parts_.chained.vertex_of_node[at(edge.to)], i);
      Task& receiver = *tasks_[index];
      made_->channels.push_back(
          std::make_unique<Channel>(credits, sender.slot() == receiver.slot(), sender, receiver));
      channels.push_back(made_->channels.back().get());
      inputs_[index].push_back({channels.back(), edge.to_input, info, subtask, i});
    }
    const ChannelWriter::Mode mode = writer_mode(edge.kind, channels.size());
    std::unique_ptr<Partitioner> partitioner;
    if (mode == ChannelWriter::Mode::kPartition) {
      partitioner = edge.make_partitioner();
      partitioner->open(static_cast<uint32_t>(channels.size()), to.max_parallelism, batch_rows,
                        deployment_.accounts_[at(edge.from)].get());
    }
    auto writer = std::make_unique<ChannelWriter>(mode, std::move(channels), std::move(partitioner),
                                                  batch_rows, parts_.world.fork_random());
    writer->set_edge(info, subtask);
    sender.add_writer(*port, std::move(writer));
  }
  return ok_status();
}

Result<OutputPort*> Deployment::Builder::port_of(const GraphEdge& edge, int32_t subtask) {
  ChainedOperator& op = operator_of(edge.from, subtask);
  const auto ports = op.op()->outputs();
  if (at(edge.from_output) >= ports.size()) {
    return invalid_argument(ErrorId::kGraphEdge,
                            "an edge leaves operator '{}' by output {}, but it has {} outputs",
                            op.name(), edge.from_output, ports.size());
  }
  return ports[at(edge.from_output)];
}

Task& Deployment::Builder::task_of(int32_t node, int32_t subtask) {
  return *tasks_[deployment_.place_of(parts_.chained.vertex_of_node[at(node)], subtask)];
}

ChainedOperator& Deployment::Builder::operator_of(int32_t node, int32_t subtask) {
  return *task_of(node, subtask).operators()[deployment_.place_in_chain_[at(node)]];
}

size_t Deployment::place_of(int32_t vertex, int32_t subtask) const {
  return first_task_[at(vertex)] + at(subtask);
}

Task& Deployment::task_of(int32_t node, int32_t subtask) {
  return task_of_vertex(parts_.chained.vertex_of_node[at(node)], subtask);
}

Task& Deployment::task_of_vertex(int32_t vertex, int32_t subtask) {
  return *tasks_[place_of(vertex, subtask)];
}

}  // namespace tidewheel
