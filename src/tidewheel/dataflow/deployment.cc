#include "tidewheel/dataflow/deployment.h"

#include <algorithm>
#include <exception>
#include <map>
#include <set>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/epoch_options.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/restore.h"
#include "tidewheel/dataflow/result_store.h"

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
  bool is_last(int32_t node) const;
  Status connect();
  Status connect_edge(size_t index);
  Status connect_sender(const GraphEdge& edge, Task& sender, std::vector<Channel*> channels,
                        const EdgeInfoRef& info);
  // Null: neither end is here.
  Result<Channel*> make_channel(const RemoteChannelSpec& spec, Task* sender, Task* receiver);
  Result<Channel*> make_result_end(const RemoteChannelSpec& spec, Task* sender, Task* receiver);
  Channel* add_end(std::unique_ptr<RemoteChannel> end);
  uint64_t attempt_of(TaskId task) const;
  size_t region_of_node(int32_t node) const {
    return deployment_.layout_.region_of(parts_.chained.vertex_of_node[at(node)]);
  }
  Result<OutputPort*> port_of(const GraphEdge& edge, int32_t subtask);
  Task* task_of(int32_t node, int32_t subtask) const;
  ChainedOperator& operator_of(int32_t node, int32_t subtask);

  const Deployment& deployment_;
  const Parts& parts_;
  const size_t region_;
  const DeploymentStart& start_;
  const std::shared_ptr<RegionTasks> made_;
  std::vector<Task*> tasks_;  // by place; null in other regions, and elsewhere
  std::vector<std::vector<InputGate::Source>> inputs_;  // by place
};

Result<std::unique_ptr<Deployment>> Deployment::make(const Parts& parts) {
  std::unique_ptr<Deployment> deployment(new Deployment(parts));
  deployment->make_slots();
  deployment->make_accounts();
  deployment->make_places();
  for (size_t region = 0; region < deployment->layout_.region_count(); ++region) {
    // Those that read the results of others are deployed when these have ended.
    const bool is_over = region < parts.start.over.size() && parts.start.over[region];
    if (parts.is_partial || is_over || !deployment->layout_.producers_of(region).empty()) {
      deployment->set_region(region, std::make_shared<RegionTasks>());
      continue;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<RegionTasks> tasks,
                               deployment->make_region(region, parts.start));
    deployment->set_region(region, std::move(tasks));
  }
  for (Task* task : deployment->tasks_) {
    if (task != nullptr) { task->slot()->add(*task); }
  }
  return deployment;
}

void Deployment::make_slots() {
  int32_t count = layout_.slot_count();
  if (parts_.is_partial) {
    slots_.resize(at(count));
    return;
  }
  const auto limit = static_cast<int32_t>(parts_.config.get(options::kTaskSlots));
  if (limit > 0) { count = std::min(count, limit); }
  for (int32_t i = 0; i < count; ++i) {
    slots_.push_back(std::make_unique<Slot>(i, parts_.world.clock()));
  }
}

Slot& Deployment::add_slot(int32_t number) {
  std::unique_ptr<Slot>& slot = slots_[at(number)];
  TIDEWHEEL_CHECK(parts_.is_partial && slot == nullptr, "slot {} is there already", number);
  slot = std::make_unique<Slot>(number, parts_.world.clock());
  return *slot;
}

Slot* Deployment::slot_of(TaskId task) const {
  return slots_[at(layout_.slot_of(task)) % slots_.size()].get();
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
  for (const ChainVertex& vertex : chained.vertices) {
    for (size_t i = 0; i < vertex.nodes.size(); ++i) { place_in_chain_[at(vertex.nodes[i])] = i; }
  }
  tasks_.resize(layout_.task_count());
  uint32_t channels = 0;
  for (size_t i = 0; i < chained.graph.edges.size(); ++i) {
    first_channel_.push_back(channels);
    if (chained.edge_is_chained[i]) { continue; }
    const GraphEdge& edge = chained.graph.edges[i];
    const int32_t senders = chained.graph.nodes[at(edge.from)].parallelism;
    const int32_t receivers = chained.graph.nodes[at(edge.to)].parallelism;
    for (int32_t sender = 0; sender < senders; ++sender) {
      const auto [first, last] = receivers_of(edge.kind, sender, senders, receivers);
      channels += static_cast<uint32_t>(last - first);
    }
  }
}

Result<std::shared_ptr<RegionTasks>> Deployment::make_region(size_t region,
                                                             const DeploymentStart& start) const {
  return Builder(*this, region, start).build();
}

void Deployment::set_region(size_t region, std::shared_ptr<RegionTasks> tasks) {
  for (const TaskId task : layout_.tasks_of(region)) { tasks_[layout_.place_of(task)] = nullptr; }
  for (const auto& task : tasks->tasks) {
    tasks_[layout_.place_of({task->spec().vertex, task->spec().subtask})] = task.get();
  }
  if (tasks->commits_only) {
    committing_.resize(layout_.region_count());
    committing_[region] = std::move(tasks);
    return;
  }
  auto attempts = std::make_shared<Attempts>(*attempts_.load(std::memory_order_relaxed));
  attempts->resize(layout_.region_count());
  (*attempts)[region] = std::move(tasks);
  attempts_.store(std::move(attempts), std::memory_order_release);
}

std::vector<Task*> Deployment::tasks_of(size_t region) const {
  std::vector<Task*> tasks;
  for (const TaskId id : layout_.tasks_of(region)) {
    if (Task* const task = tasks_[layout_.place_of(id)]) { tasks.push_back(task); }
  }
  return tasks;
}

// ---- TaskFleet

Result<std::shared_ptr<TaskFleet::Prepared>> Deployment::prepare(
    size_t region, const DeploymentStart& start) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<Prepared> tasks, make_region(region, start));
  return tasks;
}

void Deployment::deploy(size_t region, std::shared_ptr<Prepared> prepared) {
  auto tasks = std::static_pointer_cast<RegionTasks>(std::move(prepared));
  std::map<int32_t, std::vector<Task*>> by_slot;
  for (const auto& task : tasks->tasks) {
    task->hold();
    by_slot[task->slot()->index()].push_back(task.get());
  }
  set_region(region, std::move(tasks));
  for (auto& [slot, added] : by_slot) { slots_[at(slot)]->add_held(std::move(added)); }
}

void Deployment::stop(size_t region) {
  for (Task* task : tasks_of(region)) { task->stop(); }
}

void Deployment::cancel(size_t region) {
  for (Task* task : tasks_of(region)) { task->cancel(); }
}

void Deployment::retire(size_t region, std::function<void()> done) {
  std::map<int32_t, std::vector<Task*>> by_slot;
  for (Task* task : tasks_of(region)) { by_slot[task->slot()->index()].push_back(task); }
  if (by_slot.empty()) { return done(); }
  const auto left = std::make_shared<std::atomic<size_t>>(by_slot.size());
  for (auto& [slot, tasks] : by_slot) {
    slots_[at(slot)]->remove(std::move(tasks), [left, done] {
      if (left->fetch_sub(1, std::memory_order_acq_rel) == 1) { done(); }
    });
  }
}

void Deployment::trigger(const CheckpointPlanRef& plan, const std::vector<TaskId>& tasks) {
  for (const TaskId id : tasks) {
    if (Task* const task = tasks_[layout_.place_of(id)]) { task->trigger_checkpoint(plan); }
  }
}

void Deployment::checkpoint_complete(int64_t checkpoint, bool notify) {
  if (!notify) { return; }
  for (Task* task : tasks_) {
    if (task != nullptr) { task->checkpoint_complete(checkpoint); }
  }
}

void Deployment::checkpoint_aborted(int64_t checkpoint) {
  for (Task* task : tasks_) {
    if (task != nullptr) { task->checkpoint_aborted(checkpoint); }
  }
}

void Deployment::deliver(int32_t node, int32_t subtask, std::string event) {
  const int32_t vertex = parts_.chained.vertex_of_node[at(node)];
  Task* const task = tasks_[layout_.place_of({vertex, subtask})];
  if (task == nullptr) { return; }
  ChainedOperator* const op = task->operators()[place_in_chain_[at(node)]].get();
  task->post([op, event = std::move(event)] { op->op()->on_coordinator_event(event); });
}

void Deployment::drop_results(size_t region) {
  if (parts_.results != nullptr) { parts_.results->drop((*attempts())[region]->attempt); }
}

// No slot wakes another any more.
void Deployment::shut_down() {
  for (const auto& slot : slots_) {
    if (slot != nullptr) { slot->stop(); }
  }
}

// ---- The tasks of one region

Result<std::shared_ptr<RegionTasks>> Deployment::Builder::build() {
  made_->restore = start_.restore;
  made_->remote = start_.remote;
  made_->attempt = start_.attempt != 0
                       ? start_.attempt
                       : deployment_.attempts_so_far_.fetch_add(1, std::memory_order_relaxed) + 1;
  made_->commits_only = start_.commits_only;
  TIDEWHEEL_RETURN_IF_ERROR(make_tasks());
  if (!start_.commits_only) { TIDEWHEEL_RETURN_IF_ERROR(connect()); }
  return made_;
}

Status Deployment::Builder::make_tasks() {
  tasks_.resize(deployment_.tasks_.size());
  inputs_.resize(deployment_.tasks_.size());
  for (const TaskId task : deployment_.layout_.tasks_of(region_)) {
    if (start_.remote != nullptr && !start_.remote->is_here(task)) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(make_task(at(task.vertex), task.subtask));
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
  spec.hands_over = parts_.chained.exchanges_block && !start_.commits_only;
  spec.hand_over_bytes_max = parts_.hand_over_bytes_max;
  spec.commits_only = start_.commits_only;
  spec.has_epochs = parts_.config.get(options::kEpochInterval) > 0;
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
  const TaskId id{static_cast<int32_t>(index), subtask};
  tasks_[deployment_.layout_.place_of(id)] = &task;
  Slot* const slot = deployment_.slot_of(id);
  TIDEWHEEL_CHECK(slot != nullptr, "no slot {} for a task of vertex {}",
                  deployment_.layout_.slot_of(id), index);
  task.set_slot(*slot);
  // Rows may come from elsewhere as soon as a channel is made: the slot knows the task only once it
  // is deployed.
  if (start_.remote != nullptr || !deployment_.layout_.producers_of(region_).empty()) {
    task.hold();
  }
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
    if (start_.commits_only && !is_last(index)) {
      if (!start_.accumulators.empty()) { restore_accumulators(*spec.metrics, spec.accumulators); }
      continue;
    }
    try {
      TIDEWHEEL_ASSIGN_OR_RETURN(spec.op,
                                 node.make().with_context("making operator '{}'", node.name));
    } catch (const std::exception& exception) {
      return user_error(ErrorId::kUserCodeThrew, "making operator '{}': {}", node.name,
                        exception.what());
    }
    if (start_.commits_only && !spec.op->outputs().empty()) { continue; }
    task.add_operator(std::move(spec));
  }
  return ok_status();
}

// No edge leaves it.
bool Deployment::Builder::is_last(int32_t node) const {
  const std::vector<GraphEdge>& edges = parts_.chained.graph.edges;
  return std::none_of(edges.begin(), edges.end(),
                      [node](const GraphEdge& edge) { return edge.from == node; });
}

Status Deployment::Builder::connect() {
  const ChainedGraph& chained = parts_.chained;
  for (size_t i = 0; i < chained.graph.edges.size(); ++i) {
    const GraphEdge& edge = chained.graph.edges[i];
    const bool leaves = region_of_node(edge.from) == region_;
    if (!leaves && region_of_node(edge.to) != region_) { continue; }
    if (!chained.edge_is_chained[i]) {
      TIDEWHEEL_RETURN_IF_ERROR(connect_edge(i));
      continue;
    }
    const int32_t parallelism = chained.graph.nodes[at(edge.from)].parallelism;
    for (int32_t subtask = 0; subtask < parallelism; ++subtask) {
      if (task_of(edge.from, subtask) == nullptr) { continue; }
      TIDEWHEEL_ASSIGN_OR_RETURN(OutputPort* const port, port_of(edge, subtask));
      ChainedOperator& consumer = operator_of(edge.to, subtask);
      port->connect(consumer);
      consumer.set_sent_gauges(operator_of(edge.from, subtask).sent_gauges());
    }
  }
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (!inputs_[i].empty()) { tasks_[i]->set_inputs(inputs_[i]); }
  }
  return ok_status();
}

Status Deployment::Builder::connect_edge(size_t index) {
  const GraphEdge& edge = parts_.chained.graph.edges[index];
  const GraphNode& from = parts_.chained.graph.nodes[at(edge.from)];
  const GraphNode& to = parts_.chained.graph.nodes[at(edge.to)];
  RemoteChannelSpec spec;
  spec.number = deployment_.first_channel_[index];
  spec.edge = describe_edge(parts_.chained, index);
  spec.credits = static_cast<uint32_t>(parts_.config.get(options::kCredits));
  spec.batch_rows = static_cast<uint32_t>(parts_.config.get(options::kBatchRows));
  spec.memory = deployment_.accounts_[at(edge.to)].get();
  for (int32_t subtask = 0; subtask < from.parallelism; ++subtask) {
    Task* const sender = task_of(edge.from, subtask);
    spec.sender = {parts_.chained.vertex_of_node[at(edge.from)], subtask};
    const auto [first, last] = receivers_of(edge.kind, subtask, from.parallelism, to.parallelism);
    std::vector<Channel*> channels;
    for (int32_t i = first; i < last; ++i, ++spec.number) {
      Task* const receiver = task_of(edge.to, i);
      spec.receiver = {parts_.chained.vertex_of_node[at(edge.to)], i};
      TIDEWHEEL_ASSIGN_OR_RETURN(Channel* const channel, make_channel(spec, sender, receiver));
      channels.push_back(channel);
      if (receiver == nullptr) { continue; }
      inputs_[deployment_.layout_.place_of(spec.receiver)].push_back(
          {channel, edge.to_input, spec.edge, subtask, i, sender == nullptr});
    }
    if (sender == nullptr) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(connect_sender(edge, *sender, std::move(channels), spec.edge));
  }
  return ok_status();
}

Result<Channel*> Deployment::Builder::make_channel(const RemoteChannelSpec& spec, Task* sender,
                                                   Task* receiver) {
  if (parts_.chained.exchanges_block) { return make_result_end(spec, sender, receiver); }
  if (sender == nullptr && receiver == nullptr) { return nullptr; }
  if (sender != nullptr && receiver != nullptr) {
    made_->channels.push_back(std::make_unique<Channel>(
        spec.credits, sender->slot() == receiver->slot(), *sender, *receiver));
    return made_->channels.back().get();
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(auto channel, sender != nullptr
                                               ? start_.remote->make_outgoing(spec, *sender)
                                               : start_.remote->make_incoming(spec, *receiver));
  return add_end(std::move(channel));
}

Channel* Deployment::Builder::add_end(std::unique_ptr<RemoteChannel> end) {
  made_->remote_channels.push_back(std::move(end));
  return &made_->remote_channels.back()->channel();
}

// The receiver's region is another one, and is deployed later. Then its ends are made here: by the
// receiver's process, and where the files are read for a receiver that is elsewhere.
Result<Channel*> Deployment::Builder::make_result_end(const RemoteChannelSpec& spec, Task* sender,
                                                      Task* receiver) {
  TIDEWHEEL_CHECK(parts_.results != nullptr, "nobody keeps rows for '{}'", spec.edge->name);
  ResultStore& results = *parts_.results;
  if (sender != nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto end, results.make_writer(made_->attempt, spec, *sender));
    return add_end(std::move(end));
  }
  if (deployment_.layout_.region_of(spec.receiver.vertex) != region_) { return nullptr; }
  const bool is_kept_here = start_.remote == nullptr || start_.remote->has_results_of(spec.sender);
  if (receiver != nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        auto end, is_kept_here ? results.make_reader(attempt_of(spec.sender), spec, *receiver)
                               : start_.remote->make_incoming(spec, *receiver));
    return add_end(std::move(end));
  }
  if (!is_kept_here) { return nullptr; }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      auto end, results.make_server(attempt_of(spec.sender), spec, [&](WakeTarget& reader) {
        return start_.remote->make_outgoing(spec, reader);
      }));
  return add_end(std::move(end));
}

// Of the region of `task`, whose results are read.
uint64_t Deployment::Builder::attempt_of(TaskId task) const {
  const size_t region = deployment_.layout_.region_of(task.vertex);
  if (start_.attempt == 0) { return (*deployment_.attempts())[region]->attempt; }
  return region < start_.result_attempts.size() ? start_.result_attempts[region] : 0;
}

Status Deployment::Builder::connect_sender(const GraphEdge& edge, Task& sender,
                                           std::vector<Channel*> channels,
                                           const EdgeInfoRef& info) {
  const auto batch_rows = static_cast<uint32_t>(parts_.config.get(options::kBatchRows));
  const int32_t subtask = sender.spec().subtask;
  TIDEWHEEL_ASSIGN_OR_RETURN(OutputPort* const port, port_of(edge, subtask));
  const ChannelWriter::Mode mode = writer_mode(edge.kind, channels.size());
  std::unique_ptr<Partitioner> partitioner;
  if (mode == ChannelWriter::Mode::kPartition) {
    partitioner = edge.make_partitioner();
    partitioner->open(static_cast<uint32_t>(channels.size()), info->receiver_max_parallelism,
                      batch_rows, deployment_.accounts_[at(edge.from)].get());
  }
  auto writer = std::make_unique<ChannelWriter>(mode, std::move(channels), std::move(partitioner),
                                                batch_rows, parts_.world.fork_random());
  writer->set_edge(info, subtask);
  writer->set_sent_gauges(operator_of(edge.from, subtask).sent_gauges());
  sender.add_writer(*port, std::move(writer));
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

Task* Deployment::Builder::task_of(int32_t node, int32_t subtask) const {
  return tasks_[deployment_.layout_.place_of({parts_.chained.vertex_of_node[at(node)], subtask})];
}

ChainedOperator& Deployment::Builder::operator_of(int32_t node, int32_t subtask) {
  return *task_of(node, subtask)->operators()[deployment_.place_in_chain_[at(node)]];
}

Task& Deployment::task_of(int32_t node, int32_t subtask) {
  return *tasks_[layout_.place_of({parts_.chained.vertex_of_node[at(node)], subtask})];
}

}  // namespace tidewheel
