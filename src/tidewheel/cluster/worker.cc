#include "tidewheel/cluster/worker.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/log_context.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/memory_sizes.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/port_list.h"
#include "tidewheel/base/stream_files.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/rules.h"
#include "tidewheel/checkpoint/worker_storage.h"
#include "tidewheel/cluster/exchange.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/metric_report_builder.h"
#include "tidewheel/cluster/parallelism.h"
#include "tidewheel/cluster/prometheus_text.h"
#include "tidewheel/cluster/stack_sampling.h"
#include "tidewheel/cluster/task_rates.h"
#include "tidewheel/cluster/worker.pb.h"
#include "tidewheel/cluster/worker_messages.h"
#include "tidewheel/cluster/worker_plans.h"
#include "tidewheel/dataflow/deployment.h"
#include "tidewheel/dataflow/job_setup.h"
#include "tidewheel/dataflow/restore.h"
#include "tidewheel/dataflow/result_store.h"
#include "tidewheel/rocksdb/rocksdb_backends.h"
#include "tidewheel/rpc/service.h"
#include "tidewheel/state/state_backend.h"

namespace tidewheel {
namespace {

// How often figures of tasks are told.
constexpr int64_t kFiguresMs = 1'000;

// Where the tasks of one attempt at a region are. Kept by its tasks.
class AttemptEdges final : public RemoteEdges {
 public:
  // `reader_of_result`: by place of a task, the worker that has what it has kept.
  AttemptEdges(Exchange& exchange, const TaskLayout& layout, uint64_t attempt, uint64_t self,
               std::vector<ExchangePeer> peer_of_slot, std::vector<uint64_t> reader_of_result)
      : exchange_(exchange),
        layout_(layout),
        attempt_(attempt),
        self_(self),
        peer_of_slot_(std::move(peer_of_slot)),
        reader_of_result_(std::move(reader_of_result)) {}

  bool is_here(TaskId task) const override { return peer_of(task).worker == self_; }
  bool has_results_of(TaskId task) const override {
    const size_t place = layout_.place_of(task);
    return place < reader_of_result_.size() && reader_of_result_[place] == self_;
  }
  Result<std::unique_ptr<RemoteChannel>> make_outgoing(const RemoteChannelSpec& spec,
                                                       WakeTarget& sender) override {
    if (has_results_of(spec.sender)) {
      receiver_of_channel_[spec.number] = spec.receiver;
    } else {
      task_of_channel_[spec.number] = spec.sender;
    }
    return exchange_.make_outgoing({attempt_, spec.number}, spec, peer_of(spec.receiver), sender);
  }
  Result<std::unique_ptr<RemoteChannel>> make_incoming(const RemoteChannelSpec& spec,
                                                       WakeTarget& receiver) override {
    task_of_channel_[spec.number] = spec.receiver;
    return exchange_.make_incoming({attempt_, spec.number}, spec, peer_of(spec.sender), receiver);
  }
  // The task here at an end of the channel. Once all channels are made.
  std::optional<TaskId> task_of(uint32_t channel) const { return find(task_of_channel_, channel); }
  // The task elsewhere for which this process reads what is kept here.
  std::optional<TaskId> receiver_of(uint32_t channel) const {
    return find(receiver_of_channel_, channel);
  }

 private:
  using TaskOfChannel = std::map<uint32_t, TaskId>;
  static std::optional<TaskId> find(const TaskOfChannel& tasks, uint32_t channel) {
    const auto found = tasks.find(channel);
    if (found == tasks.end()) { return std::nullopt; }
    return found->second;
  }
  const ExchangePeer& peer_of(TaskId task) const {
    return peer_of_slot_[static_cast<size_t>(layout_.slot_of(task))];
  }

  Exchange& exchange_;
  const TaskLayout& layout_;
  const uint64_t attempt_;
  const uint64_t self_;
  const std::vector<ExchangePeer> peer_of_slot_;
  const std::vector<uint64_t> reader_of_result_;
  TaskOfChannel task_of_channel_;
  TaskOfChannel receiver_of_channel_;
};

// Takes as long as the samples do, so it is done elsewhere.
void answer_samples(World& world, const pb::WorkerSampleRequest& request,
                    const RpcAnswer<pb::WorkerSampleResponse>& answer) {
  world.executor().run_blocking([&world, request, answer] {
    StackSampling sampling;
    sampling.kind = static_cast<StackSampling::Kind>(std::min<uint32_t>(request.kind(), 2));
    sampling.samples = request.samples();
    sampling.interval_ms = request.interval_ms();
    sampling.depth_max = request.depth_max();
    pb::WorkerSampleResponse response;
    const std::vector<SampledStack> stacks =
        request.all_threads()
            ? sample_threads(world, sampling)
            : sample_slots(world, {request.slots().begin(), request.slots().end()}, sampling);
    for (const SampledStack& stack : stacks) {
      pb::WorkerStack& added = *response.add_stacks();
      for (const std::string& frame : stack.frames) { added.add_frames(frame); }
      added.set_count(stack.count);
    }
    answer.ok(response);
  });
}

class WorkerProcess final : public JobWorker, private TaskListener {
 public:
  WorkerProcess(World& world, LogicalGraph graph, Config config, Options options)
      : world_(world),
        role_(std::move(options.role)),
        network_(options.network),
        config_(std::move(config)),
        graph_(std::move(graph)),
        logger_(world.logger().named("worker")),
        ended_(world.executor().make_event()) {}
  ~WorkerProcess() override;

  Status connect();

  void gather_metrics(std::function<void(const PrometheusText&)> done) override {
    loop_->post([this, done = std::move(done)] {
      PrometheusText text;
      if (metrics_ != nullptr) { add_samples(text); }
      done(text);
    });
  }
  Event& ended() override { return *ended_; }
  Status result() const override { return result_; }

 private:
  struct Region {
    enum class State : uint8_t { kIdle, kPreparing, kRunning, kRetiring };
    State state = State::kIdle;
    uint64_t attempt = 0;
    std::vector<TaskId> tasks;      // of this attempt, that are here
    std::vector<int32_t> attempts;  // at all of its tasks, as people are told them
    size_t live = 0;
    bool cancelled = false;  // while it was being prepared
    bool stopped = false;
    std::shared_ptr<AttemptEdges> edges;
    std::vector<std::pair<uint32_t, Status>> lost;  // channels, while it was being prepared
    std::shared_ptr<const pb::DeployNotice> next;   // comes when the attempt before is gone
  };

  void serve();
  void register_now();
  void on_registered(const pb::RegisterWorkerResponse& response);
  Status set_up(const pb::RegisterWorkerResponse& response);
  Status open_memory(const std::string& job_name);
  Status open_results();
  Status start_exchange(const pb::RegisterWorkerResponse& response);
  void fail(const Status& why);

  // ---- Notices.
  void on_deploy(std::shared_ptr<const pb::DeployNotice> notice);
  void on_to_region(const pb::ToRegionNotice& notice);
  void on_trigger(const pb::TriggerNotice& notice);
  void on_checkpoint_over(const pb::CheckpointOverNotice& notice);
  void on_deliver(const pb::DeliverNotice& notice);

  void begin(size_t region, const pb::DeployNotice& notice);
  Result<std::vector<ExchangePeer>> peers_of(const pb::DeployNotice& notice) const;
  Status add_slots(const pb::DeployNotice& notice);
  Result<std::shared_ptr<TaskFleet::Prepared>> prepare(size_t region,
                                                       const pb::DeployNotice& notice,
                                                       std::shared_ptr<AttemptEdges> edges) const;
  void on_prepared(size_t region, Result<std::shared_ptr<TaskFleet::Prepared>> made);
  void retire(size_t region);
  void on_retired(size_t region);
  void on_channel_lost(ExchangeChannelId channel, const Status& why);

  // ---- TaskListener: the tasks' threads.
  void on_task_running(Task& task) override;
  void on_task_ended(Task& task, TaskState state, Status failure) override;
  void on_operator_event(int32_t node, int32_t subtask, std::string event) override;
  void on_end_of_data(Task& task) override;
  void on_barrier_taken(Task& task, int64_t checkpoint) override;
  void on_snapshot_taken(Task& task, TaskSnapshot snapshot) override;
  void on_snapshot_declined(Task& task, int64_t checkpoint, Status why) override;

  pb::HappenedNotice happened(TaskId task) const;
  void tell(const pb::HappenedNotice& notice) { master_.notify("Happened", notice); }
  void tell_end(TaskId task, uint64_t attempt, TaskState state, const Status& failure);
  void note_end(TaskId task, uint64_t attempt, TaskState state, const Status& failure);
  void log_failure(TaskId task, const Status& failure) const;
  void add_figures(const Region& region, TaskId task, pb::FiguresNotice& notice);
  std::vector<MetricValue> collect_metrics() const {
    return metrics_->collect(world_.clock().now_ns());
  }
  void add_accumulators(const std::vector<MetricValue>& metrics, pb::FiguresNotice& notice);
  bool is_here(TaskId task) const;
  Task* task_of(TaskId id) const {
    return deployment_ == nullptr ? nullptr : deployment_->tasks()[layout_->place_of(id)];
  }
  // Of what is here.
  void add_operators(pb::MetricReport& report) const;
  void add_tasks(pb::MetricReport& report) const;
  void add_worker(pb::MetricReport& report) const;
  PrometheusText::Labels labels_of(TaskId task) const;
  void add_samples(PrometheusText& text) const;
  void figures_timer();

  void end_by(Status result);
  void end_when_done();

  World& world_;
  const ProcessRole role_;
  Network* const network_;
  const Config config_;
  const LogicalGraph graph_;
  // ---- Once the master has said at which parallelism it runs.
  ChainedGraph chained_;
  std::optional<TaskLayout> layout_;
  std::vector<Region> regions_;
  std::unique_ptr<std::atomic<uint64_t>[]> attempts_;  // by region, for the tasks' threads
  Logger logger_;
  const std::unique_ptr<Event> ended_;
  Status result_;

  uint64_t number_ = 0;
  std::unique_ptr<MemoryPool> memory_;
  std::unique_ptr<MemoryPool> network_memory_;  // within it
  std::unique_ptr<MetricGroup> metrics_;
  std::unique_ptr<StateBackends> backends_;
  std::unique_ptr<WorkerStorage> storage_;
  WorkerPlans plans_;
  TaskRates rates_;
  CounterRates counter_rates_;
  bool figures_due_ = false;
  bool ending_ = false;

  std::unique_ptr<ResultStore> results_;  // null: no exchange is blocking
  // Destroyed from the bottom: nobody calls in here, then slots stop, then rows, then tasks.
  std::unique_ptr<Deployment> deployment_;
  std::unique_ptr<Exchange> exchange_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  RpcClient master_;
  std::map<int32_t, std::unique_ptr<Worker>> slot_workers_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<RpcEndpoint> endpoint_;
};

// ---- The master

Status WorkerProcess::connect() {
  loop_ = std::make_unique<EventLoop>(world_, "tw-worker");
  RpcOptions options;
  options.name = fmt::format("worker {} on {}", role_.worker_id, role_.task_manager_id);
  options.network = network_;
  options.heartbeat_interval_ms = config_.get(options::kHeartbeatInterval);
  options.heartbeat_timeout_ms = config_.get(options::kHeartbeatTimeout);
  TIDEWHEEL_ASSIGN_OR_RETURN(endpoint_, RpcEndpoint::start(world_, std::move(options)));
  serve();
  master_ = RpcClient(endpoint_->connect(role_.master), "Workers", loop_->poster());
  master_.set_fence(role_.epoch);
  master_.set_timeout_ms(config_.get(options::kRegistrationTimeout));
  loop_->post([this] { register_now(); });
  return ok_status();
}

void WorkerProcess::serve() {
  auto service = std::make_shared<RpcService>("Worker", loop_->poster());
  service->accept_only(role_.epoch);
  service->on_notice<pb::DeployNotice>(
      "Deploy", [this](const RpcRequest&, pb::DeployNotice notice) {
        on_deploy(std::make_shared<const pb::DeployNotice>(std::move(notice)));
      });
  service->on_notice<pb::ToRegionNotice>(
      "ToRegion",
      [this](const RpcRequest&, const pb::ToRegionNotice& notice) { on_to_region(notice); });
  service->on_notice<pb::TriggerNotice>(
      "Trigger",
      [this](const RpcRequest&, const pb::TriggerNotice& notice) { on_trigger(notice); });
  service->on_notice<pb::CheckpointOverNotice>(
      "CheckpointOver", [this](const RpcRequest&, const pb::CheckpointOverNotice& notice) {
        on_checkpoint_over(notice);
      });
  service->on_notice<pb::DeliverNotice>(
      "Deliver",
      [this](const RpcRequest&, const pb::DeliverNotice& notice) { on_deliver(notice); });
  service->on<pb::WorkerMetricsRequest, pb::WorkerMetricsResponse>(
      "Metrics", [this](const RpcRequest&, const pb::WorkerMetricsRequest&,
                        const RpcAnswer<pb::WorkerMetricsResponse>& answer) {
        pb::WorkerMetricsResponse response;
        pb::MetricReport report;
        add_tasks(report);
        add_operators(report);
        add_worker(report);
        response.set_report(report.SerializeAsString());
        answer.ok(response);
      });
  service->on<pb::WorkerSampleRequest, pb::WorkerSampleResponse>(
      "SampleStacks", [this](const RpcRequest&, const pb::WorkerSampleRequest& request,
                             const RpcAnswer<pb::WorkerSampleResponse>& answer) {
        answer_samples(world_, request, answer);
      });
  service->on_notice<pb::EndNotice>("End", [this](const RpcRequest&, const pb::EndNotice& notice) {
    if (!notice.reason().empty()) {
      logger_.info("told to end: {}", notice.reason());
    } else if (storage_ != nullptr) {
      storage_->drop_copies();
    }
    end_by(ok_status());
  });
  endpoint_->serve(std::move(service));
}

void WorkerProcess::register_now() {
  // The session may take a while to be there; what it was registered in is watched from then on.
  master_.peer()->watch({.poster = loop_->poster(),
                         .on_up = [] {},
                         .on_lost =
                             [this](const Status& why) {
                               end_by(unavailable(ErrorId::kProcessLost,
                                                  "the job's master is lost: {}", why.message()));
                             }});
  pb::RegisterWorkerRequest request;
  request.set_worker_id(role_.worker_id);
  request.set_task_manager_id(role_.task_manager_id);
  request.set_host(role_.host);
  master_.call<pb::RegisterWorkerResponse>(
      "Register", request, [this](const Result<pb::RegisterWorkerResponse>& response) {
        if (response.ok()) {
          on_registered(*response);
        } else {
          end_by(response.status().with_context("registering with the job's master"));
        }
      });
}

void WorkerProcess::on_registered(const pb::RegisterWorkerResponse& response) {
  if (ending_) { return; }
  Status status = set_up(response);
  if (status.ok()) { status = start_exchange(response); }
  if (!status.ok()) {
    fail(status);
    return;
  }
  pb::WorkerReadyNotice ready;
  ready.set_data_port(exchange_->port());
  master_.notify("Ready", ready);
}

void WorkerProcess::fail(const Status& why) {
  pb::WorkerFailedNotice notice;
  to_message(why, *notice.mutable_why());
  master_.notify("Failed", notice);
  end_by(why);
}

Status WorkerProcess::set_up(const pb::RegisterWorkerResponse& response) {
  number_ = response.number();
  ParallelismByVertex parallelism;
  for (const pb::VertexParallelism& vertex : response.parallelism()) {
    parallelism[vertex.vertex_id()] = vertex.parallelism();
  }
  Result<ChainedGraph> chained = chain_graph_at(graph_, config_, parallelism);
  // The master's vertices are not there, or they are others.
  const bool differs = chained.ok() ? graph_fingerprint(*chained) != response.fingerprint()
                                    : chained.status().id() == ErrorId::kRescale;
  if (differs) {
    return failed_precondition(
        ErrorId::kGraphMismatch,
        "the job's program makes another graph on TaskManager {} than in the job's master: its "
        "operators and uids must not depend on the machine, the time or chance",
        role_.task_manager_id);
  }
  if (!chained.ok()) { return std::move(chained).status(); }
  chained_ = std::move(chained).value();
  layout_.emplace(chained_);
  regions_.resize(layout_->region_count());
  attempts_ = std::make_unique<std::atomic<uint64_t>[]>(regions_.size());
  if (static_cast<size_t>(response.max_parallelism_size()) != chained_.graph.nodes.size()) {
    return data_loss(ErrorId::kRpcMessage, "the master names {} operators, there are {}",
                     response.max_parallelism_size(), chained_.graph.nodes.size());
  }
  for (size_t i = 0; i < chained_.graph.nodes.size(); ++i) {
    const int32_t max = response.max_parallelism(static_cast<int>(i));
    chained_.graph.nodes[i].max_parallelism = max;
    chained_.vertices[static_cast<size_t>(chained_.vertex_of_node[i])].max_parallelism = max;
  }
  const std::string& name = response.job_name();
  TIDEWHEEL_RETURN_IF_ERROR(open_memory(name));
  metrics_ = std::make_unique<MetricGroup>(name);
  const auto slots = static_cast<int32_t>(std::max<int64_t>(1, config_.get(options::kTaskSlots)));
  TIDEWHEEL_ASSIGN_OR_RETURN(backends_,
                             make_state_backends(world_, config_, chained_, *memory_, slots));
  TIDEWHEEL_ASSIGN_OR_RETURN(CheckpointStoreOptions store,
                             checkpoint_store_options(config_, role_.job_id));
  storage_ = std::make_unique<WorkerStorage>(world_, std::move(store));
  add_copy_metrics(*metrics_, storage_->copies());
  TIDEWHEEL_RETURN_IF_ERROR(open_results());
  TIDEWHEEL_ASSIGN_OR_RETURN(const CheckpointRules rules, checkpoint_rules(config_));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      deployment_, Deployment::make({.world = world_,
                                     .chained = chained_,
                                     .config = config_,
                                     .memory = *memory_,
                                     .metrics = *metrics_,
                                     .listener = *this,
                                     .storage = storage_.get(),
                                     .plans = &plans_,
                                     .waits_for_final_checkpoint = rules.waits_for_final(),
                                     .hand_over_bytes_max = kHandOverBytesMax,
                                     .backends = backends_.get(),
                                     .results = results_.get(),
                                     .is_partial = true}));
  return ok_status();
}

// The TaskManager has said what there is; a job may want less.
Status WorkerProcess::open_memory(const std::string& job_name) {
  const int64_t wanted = config_.get(options::kJobMemory);
  int64_t limit = role_.memory_bytes;
  if (limit == 0) {
    limit = job_memory_bytes(world_, config_);
  } else if (wanted > 0) {
    limit = std::min(limit, wanted);
  }
  memory_ = std::make_unique<MemoryPool>(fmt::format("job '{}'", job_name), limit);
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t network, network_memory_bytes(config_, limit));
  network_memory_ = memory_->make_child("network", network);
  return ok_status();
}

// What the job keeps on this machine outlives the worker, for the next one of the same master. What
// there is of an earlier master's workers nobody asks for.
Status WorkerProcess::open_results() {
  if (!chained_.exchanges_block) { return ok_status(); }
  const std::string& root = role_.results_directory;
  const std::string job =
      join_path(root.empty() ? join_path(role_.working_directory, "results") : root, role_.job_id);
  ResultStore::Options options;
  options.directory = join_path(job, std::to_string(role_.epoch));
  options.is_shared = true;
  TIDEWHEEL_ASSIGN_OR_RETURN(options.compression, network_compression(config_));
  options.on_lost = [this](TaskId task, uint64_t attempt, const Status& why) {
    pb::HappenedNotice notice;
    to_message(task, *notice.mutable_task());
    notice.set_attempt(attempt);
    to_message(why, *notice.mutable_results_lost());
    tell(notice);
  };
  results_ = std::make_unique<ResultStore>(world_, std::move(options));
  world_.executor().run_blocking([&world = world_, job, epoch = role_.epoch] {
    const auto entries = world.files().list(job);
    if (!entries.ok()) { return; }
    for (const DirectoryEntry& entry : *entries) {
      const Result<int64_t> other = parse_int(entry.name);
      if (!other.ok() || static_cast<uint64_t>(*other) >= epoch) { continue; }
      ignore(world.files().remove_all(join_path(job, entry.name)),
             "the TaskManager removes it with all that it has of the job");
    }
  });
  return ok_status();
}

Status WorkerProcess::start_exchange(const pb::RegisterWorkerResponse& response) {
  ExchangeOptions options;
  options.job = role_.job_id;
  options.token = response.token();
  options.worker = number_;
  options.name = fmt::format("worker {} on {}", number_, role_.task_manager_id);
  options.listen_at = role_.listen_at;
  options.network = network_;
  options.memory = network_memory_.get();
  TIDEWHEEL_RETURN_IF_ERROR(configure_exchange(config_, options));
  options.plans = &plans_;
  options.on_plan = [this](CheckpointPlanRef plan) { plans_.add(std::move(plan)); };
  options.on_failure = [this, poster = loop_->poster()](ExchangeChannelId channel, Status why) {
    poster([this, channel, why = std::move(why)] { on_channel_lost(channel, why); });
  };
  Result<std::unique_ptr<Exchange>> started = Exchange::start(world_, std::move(options));
  if (!started.ok()) {
    const std::string_view key = options::kTaskManagerDataPort.key;
    return started.status().id() != ErrorId::kNetworkAddress
               ? started.status()
               : no_free_port(started.status(), key, config_.get(options::kTaskManagerDataPort),
                              range_advice(key));
  }
  exchange_ = std::move(*started);
  return ok_status();
}

// ---- Deploying

void WorkerProcess::on_deploy(std::shared_ptr<const pb::DeployNotice> notice) {
  const auto index = static_cast<size_t>(notice->region());
  if (deployment_ == nullptr || index >= regions_.size() || ending_) { return; }
  Region& region = regions_[index];
  if (region.state == Region::State::kRunning && region.live == 0) { retire(index); }
  if (region.state == Region::State::kIdle) {
    begin(index, *notice);
  } else {
    region.next = std::move(notice);
  }
}

Result<std::vector<ExchangePeer>> WorkerProcess::peers_of(const pb::DeployNotice& notice) const {
  std::map<uint64_t, ExchangePeer> by_number;
  for (const pb::WorkerPlace& place : notice.workers()) {
    by_number[place.number()] = {
        .worker = place.number(),
        .address = {place.host(), static_cast<uint16_t>(place.data_port())},
        .name = place.name()};
  }
  std::vector<ExchangePeer> peers;
  for (const uint64_t number : notice.worker_of_slot()) {
    const auto found = by_number.find(number);
    if (found == by_number.end()) {
      return data_loss(ErrorId::kRpcMessage, "a slot is in worker {}, which is not named", number);
    }
    peers.push_back(found->second);
  }
  if (peers.size() != static_cast<size_t>(layout_->slot_count())) {
    return data_loss(ErrorId::kRpcMessage, "the master names {} slots, the job has {}",
                     peers.size(), layout_->slot_count());
  }
  return peers;
}

// A slot that was here once stays, with its thread, though others may have its tasks now.
Status WorkerProcess::add_slots(const pb::DeployNotice& notice) {
  for (int32_t slot = 0; slot < layout_->slot_count(); ++slot) {
    if (notice.worker_of_slot(slot) != number_ || slot_workers_.contains(slot)) { continue; }
    Slot& added = deployment_->add_slot(slot);
    slot_workers_[slot] = world_.executor().start_worker(fmt::format("tw-slot-{}", slot), added);
    added.set_worker(slot_workers_[slot].get());
  }
  return ok_status();
}

void WorkerProcess::begin(size_t index, const pb::DeployNotice& notice) {
  Region& region = regions_[index];
  region.attempt = notice.attempt();
  region.cancelled = false;
  region.stopped = false;
  region.lost.clear();
  region.tasks.clear();
  region.attempts.assign(notice.attempts().begin(), notice.attempts().end());
  attempts_[index].store(region.attempt, std::memory_order_release);
  auto peers = peers_of(notice);
  if (!peers.ok()) {
    fail(peers.status());
    return;
  }
  region.edges = std::make_shared<AttemptEdges>(
      *exchange_, *layout_, region.attempt, number_, std::move(peers).value(),
      std::vector<uint64_t>(notice.worker_of_result().begin(), notice.worker_of_result().end()));
  for (const TaskId task : layout_->tasks_of(index)) {
    if (region.edges->is_here(task)) { region.tasks.push_back(task); }
  }
  region.live = region.tasks.size();
  if (Status added = add_slots(notice); !added.ok()) {
    fail(added);
    return;
  }
  region.state = Region::State::kPreparing;
  auto shared = std::make_shared<const pb::DeployNotice>(notice);
  world_.executor().run_blocking(
      [this, gate = gate_, index, shared, edges = region.edges, poster = loop_->poster()] {
        if (!gate->enter()) { return; }
        auto made = std::make_shared<Result<std::shared_ptr<TaskFleet::Prepared>>>(
            prepare(index, *shared, edges));
        poster([this, index, made] { on_prepared(index, std::move(*made)); });
        gate->leave();
      });
}

// On the blocking pool.
Result<std::shared_ptr<TaskFleet::Prepared>> WorkerProcess::prepare(
    size_t region, const pb::DeployNotice& notice, std::shared_ptr<AttemptEdges> edges) const {
  DeploymentStart start;
  start.is_restart = notice.is_restart();
  start.attempt = notice.attempt();
  start.result_attempts.assign(notice.result_attempt().begin(), notice.result_attempt().end());
  start.remote = std::move(edges);
  start.commits_only = notice.commits_only();
  if (!notice.manifest().empty()) {
    CompletedSnapshot handed_over;
    TIDEWHEEL_ASSIGN_OR_RETURN(handed_over.manifest, decode_manifest(notice.manifest()));
    TIDEWHEEL_ASSIGN_OR_RETURN(start.restore, open_snapshot(world_, handed_over));
    start_from_manifest(handed_over.manifest, chained_, start);
  } else if (!notice.snapshot().empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(CompletedSnapshot snapshot,
                               load_snapshot(world_, notice.snapshot()));
    if (config_.get(options::kWithoutChannelState) == snapshot.manifest.checkpoint) {
      drop_in_flight(snapshot.manifest);
    }
    const LocalCopyMap copies = storage_->find_copies(snapshot.manifest);
    TIDEWHEEL_ASSIGN_OR_RETURN(start.restore, open_snapshot(world_, snapshot, copies));
    if (!copies.empty()) {
      TIDEWHEEL_MARK("worker.restores_from_local_copies");
      logger_.info("{} files of checkpoint {} have copies on this machine", copies.size(),
                   snapshot.manifest.checkpoint);
    }
    start.snapshot_path = snapshot.path;
    start_from_manifest(snapshot.manifest, chained_, start);
  } else if (start.is_restart) {
    start.restore = std::make_shared<const MemorySnapshot>();
  }
  return deployment_->prepare(region, start);
}

void WorkerProcess::on_prepared(size_t index, Result<std::shared_ptr<TaskFleet::Prepared>> made) {
  Region& region = regions_[index];
  region.state = Region::State::kRunning;
  if (region.cancelled || ending_ || !made.ok()) {
    // The first names the reason; that is enough for the master to cancel the rest.
    bool first = true;
    for (const TaskId task : region.tasks) {
      const bool failed = !region.cancelled && !ending_ && first;
      tell_end(task, region.attempt, failed ? TaskState::kFailed : TaskState::kCancelled,
               failed ? made.status().with_context("deploying on {}", role_.task_manager_id)
                      : ok_status());
      first = false;
    }
    region.tasks.clear();
    region.live = 0;
    // The slots know nothing of it, and have forgotten the tasks before.
    return on_retired(index);
  }
  deployment_->deploy(index, std::move(made).value());
  if (region.stopped) { deployment_->stop(index); }
  for (const auto& [channel, why] : std::exchange(region.lost, {})) {
    on_channel_lost({region.attempt, channel}, why);
  }
  if (region.tasks.empty()) { return retire(index); }
  if (!std::exchange(figures_due_, true)) { figures_timer(); }
}

// All its tasks have ended. Their channels stay: others may still take what is in them. They go
// when the region is deployed again.
void WorkerProcess::retire(size_t index) {
  Region& region = regions_[index];
  if (region.state != Region::State::kRunning) { return; }
  region.state = Region::State::kRetiring;
  deployment_->retire(index, [this, index, poster = loop_->poster()] {
    poster([this, index] { on_retired(index); });
  });
}

void WorkerProcess::on_retired(size_t index) {
  Region& region = regions_[index];
  region.state = Region::State::kIdle;
  if (ending_) { return end_when_done(); }
  if (region.next != nullptr) {
    const auto next = std::exchange(region.next, nullptr);
    begin(index, *next);
  }
}

void WorkerProcess::on_to_region(const pb::ToRegionNotice& notice) {
  const auto index = static_cast<size_t>(notice.region());
  if (deployment_ == nullptr || index >= regions_.size()) { return; }
  Region& region = regions_[index];
  if (notice.what() == pb::ToRegionNotice::DROP_RESULTS) {
    if (results_ != nullptr) { results_->drop(notice.attempt()); }
    return;
  }
  if (region.next != nullptr && region.next->attempt() == notice.attempt() &&
      notice.what() == pb::ToRegionNotice::CANCEL) {
    // It never began here: its tasks end without having been.
    const auto next = std::exchange(region.next, nullptr);
    for (const TaskId task : layout_->tasks_of(index)) {
      const uint64_t worker = next->worker_of_slot(layout_->slot_of(task));
      if (worker == number_) {
        tell_end(task, notice.attempt(), TaskState::kCancelled, ok_status());
      }
    }
    return;
  }
  if (region.attempt != notice.attempt()) { return; }
  if (notice.what() == pb::ToRegionNotice::CANCEL) {
    region.cancelled = true;
    if (region.state == Region::State::kRunning) { deployment_->cancel(index); }
  } else {
    region.stopped = true;
    if (region.state == Region::State::kRunning) { deployment_->stop(index); }
  }
}

// The tasks at the channel's ends can't go on.
void WorkerProcess::on_channel_lost(ExchangeChannelId channel, const Status& why) {
  for (size_t index = 0; index < regions_.size(); ++index) {
    Region& region = regions_[index];
    if (region.attempt != channel.attempt) { continue; }
    if (region.state == Region::State::kPreparing) {
      region.lost.emplace_back(channel.number, why);
      continue;
    }
    // Whoever has kept what is read here has ended, and whoever waits for it may not know of the
    // channel yet: nobody else would tell.
    if (const auto receiver = region.edges->receiver_of(channel.number)) {
      pb::HappenedNotice notice;
      to_message(*receiver, *notice.mutable_task());
      notice.set_attempt(region.attempt);
      to_message(why, *notice.mutable_input_lost());
      tell(notice);
      continue;
    }
    if (region.state != Region::State::kRunning) { continue; }
    const std::optional<TaskId> id = region.edges->task_of(channel.number);
    if (!id) { continue; }
    Task* const task = deployment_->tasks()[layout_->place_of(*id)];
    if (task != nullptr) { task->fail(why); }
  }
}

// ---- Checkpoints and events

void WorkerProcess::on_trigger(const pb::TriggerNotice& notice) {
  if (deployment_ == nullptr) { return; }
  auto plan = from_message(notice.plan(), world_.clock());
  if (!plan.ok()) {
    logger_.warning("{}", plan.status().to_string());
    return;
  }
  if (!(*plan)->is_mark) { plans_.add(*plan); }
  std::vector<TaskId> tasks;
  for (const pb::TaskName& task : notice.tasks()) {
    const TaskId id = from_message(task);
    const auto& all = layout_->tasks();
    if (std::find(all.begin(), all.end(), id) != all.end()) { tasks.push_back(id); }
  }
  // One plan for all that take part here.
  const CheckpointPlanRef known = (*plan)->is_mark ? *plan : plans_.find((*plan)->id);
  if (known != nullptr) { deployment_->trigger(known, tasks); }
}

void WorkerProcess::on_checkpoint_over(const pb::CheckpointOverNotice& notice) {
  if (deployment_ == nullptr) { return; }
  const int64_t checkpoint = notice.checkpoint();
  if (notice.complete()) {
    deployment_->checkpoint_complete(checkpoint, notice.notify());
  } else {
    deployment_->checkpoint_aborted(checkpoint);
  }
  plans_.end(checkpoint);
  storage_->end(checkpoint, notice.complete());
}

void WorkerProcess::on_deliver(const pb::DeliverNotice& notice) {
  const auto nodes = static_cast<int32_t>(chained_.graph.nodes.size());
  if (deployment_ == nullptr || notice.node() < 0 || notice.node() >= nodes) { return; }
  const int32_t vertex = chained_.vertex_of_node[static_cast<size_t>(notice.node())];
  const Region& region = regions_[layout_->region_of(vertex)];
  if (region.attempt != notice.attempt() || region.state != Region::State::kRunning) { return; }
  const int32_t parallelism = chained_.vertices[static_cast<size_t>(vertex)].parallelism;
  if (notice.subtask() < 0 || notice.subtask() >= parallelism) { return; }
  deployment_->deliver(notice.node(), notice.subtask(), notice.event());
}

// ---- What tasks tell

pb::HappenedNotice WorkerProcess::happened(TaskId task) const {
  pb::HappenedNotice notice;
  to_message(task, *notice.mutable_task());
  const size_t region = layout_->region_of(task.vertex);
  notice.set_attempt(attempts_[region].load(std::memory_order_acquire));
  return notice;
}

namespace {

TaskId name_of_task(const Task& task) { return {task.spec().vertex, task.spec().subtask}; }

}  // namespace

void WorkerProcess::on_task_running(Task& task) {
  pb::HappenedNotice notice = happened(name_of_task(task));
  notice.set_running(true);
  tell(notice);
}

void WorkerProcess::on_operator_event(int32_t node, int32_t subtask, std::string event) {
  pb::HappenedNotice notice =
      happened({chained_.vertex_of_node[static_cast<size_t>(node)], subtask});
  notice.mutable_event()->set_node(node);
  notice.mutable_event()->set_event(std::move(event));
  tell(notice);
}

void WorkerProcess::on_end_of_data(Task& task) {
  pb::HappenedNotice notice = happened(name_of_task(task));
  notice.set_end_of_data(true);
  tell(notice);
}

void WorkerProcess::on_barrier_taken(Task& task, int64_t checkpoint) {
  const bool is_awaited =
      std::any_of(task.operators().begin(), task.operators().end(), [&](const auto& op) {
        return bool{chained_.graph.nodes[static_cast<size_t>(op->spec().node)].make_coordinator};
      });
  if (!is_awaited) { return; }
  pb::HappenedNotice notice = happened(name_of_task(task));
  notice.set_barrier_taken(checkpoint);
  tell(notice);
}

void WorkerProcess::on_snapshot_taken(Task& task, TaskSnapshot snapshot) {
  pb::HappenedNotice notice = happened(name_of_task(task));
  to_message(snapshot, *notice.mutable_snapshot_taken());
  tell(notice);
}

void WorkerProcess::on_snapshot_declined(Task& task, int64_t checkpoint, Status why) {
  pb::HappenedNotice notice = happened(name_of_task(task));
  notice.mutable_snapshot_declined()->set_checkpoint(checkpoint);
  to_message(why, *notice.mutable_snapshot_declined()->mutable_why());
  tell(notice);
}

void WorkerProcess::on_task_ended(Task& task, TaskState state, Status failure) {
  const TaskId id = name_of_task(task);
  const size_t region = layout_->region_of(id.vertex);
  loop_->post([this, id, state, failure = std::move(failure),
               attempt = attempts_[region].load(std::memory_order_acquire)] {
    note_end(id, attempt, state, failure);
  });
}

// The figures come first, so that those of a job that has ended are whole.
void WorkerProcess::note_end(TaskId task, uint64_t attempt, TaskState state,
                             const Status& failure) {
  const size_t index = layout_->region_of(task.vertex);
  Region& region = regions_[index];
  TIDEWHEEL_CHECK(region.attempt == attempt && region.live > 0, "a task has ended twice");
  --region.live;
  pb::FiguresNotice notice;
  add_figures(region, task, notice);
  if (region.live == 0) { add_accumulators(collect_metrics(), notice); }
  master_.notify("Figures", notice);
  tell_end(task, attempt, state, failure);
  if (region.live == 0) { retire(index); }
}

void WorkerProcess::tell_end(TaskId task, uint64_t attempt, TaskState state,
                             const Status& failure) {
  pb::HappenedNotice notice;
  to_message(task, *notice.mutable_task());
  notice.set_attempt(attempt);
  notice.mutable_ended()->set_state(static_cast<uint32_t>(state));
  if (state == TaskState::kFailed) {
    to_message(failure, *notice.mutable_ended()->mutable_failure());
    log_failure(task, failure);
  }
  tell(notice);
}

void WorkerProcess::log_failure(TaskId task, const Status& failure) const {
  const size_t index = layout_->region_of(task.vertex);
  const std::vector<TaskId> tasks = layout_->tasks_of(index);
  const auto place = std::find(tasks.begin(), tasks.end(), task) - tasks.begin();
  const std::vector<int32_t>& attempts = regions_[index].attempts;
  const bool is_known = static_cast<size_t>(place) < attempts.size();
  const LogContext context({.job = role_.job_id,
                            .task = chained_.vertices[static_cast<size_t>(task.vertex)].name,
                            .subtask = task.subtask,
                            .attempt = is_known ? attempts[static_cast<size_t>(place)] : -1});
  logger_.warning("the task has failed: {}", failure.to_string());
}

void WorkerProcess::add_figures(const Region& region, TaskId id, pb::FiguresNotice& notice) {
  Task* const task = task_of(id);
  if (task == nullptr) { return; }
  const TaskInfo info = task->info();
  const TaskFigures flows = task->figures();
  rates_.note(id, region.attempt, info, flows, task->take_longest_refusal_ns(),
              world_.clock().now_ns());
  pb::TaskFigures& figures = *notice.add_tasks();
  to_message(id, *figures.mutable_task());
  figures.set_attempt(region.attempt);
  figures.set_state(static_cast<uint32_t>(info.state));
  figures.set_busy_ms(info.busy_ms);
  figures.set_idle_ms(info.idle_ms);
  figures.set_backpressured_ms(info.backpressured_ms);
  figures.set_rows_in(info.rows_in);
  figures.set_rows_out(info.rows_out);
  figures.set_watermark(info.watermark);
  figures.set_bytes_in(flows.in_local.bytes + flows.in_remote.bytes);
  figures.set_bytes_out(flows.out.bytes);
}

void WorkerProcess::add_accumulators(const std::vector<MetricValue>& metrics,
                                     pb::FiguresNotice& notice) {
  const std::map<std::string, int64_t> sums = sum_accumulators(
      chained_, metrics_->name(), metrics, [this](TaskId task) { return is_here(task); });
  for (const auto& [name, value] : sums) {
    pb::AccumulatorFigure& figure = *notice.add_accumulators();
    figure.set_name(name);
    figure.set_value(value);
  }
}

// Its present attempt ran, or runs, here.
bool WorkerProcess::is_here(TaskId task) const {
  const Region& region = regions_[layout_->region_of(task.vertex)];
  return std::find(region.tasks.begin(), region.tasks.end(), task) != region.tasks.end();
}

void WorkerProcess::add_operators(pb::MetricReport& report) const {
  if (metrics_ == nullptr) { return; }
  const std::vector<MetricValue> metrics = collect_metrics();
  add_operator_metrics({.chained = chained_,
                        .job = metrics_->name(),
                        .metrics = metrics,
                        .rates = counter_rates_,
                        .is_here = [this](TaskId task) { return is_here(task); },
                        .source_figures =
                            [this](TaskId id) {
                              Task* const task = task_of(id);
                              return task == nullptr ? TaskFigures() : task->figures();
                            },
                        .now_ns = world_.clock().now_ns(),
                        .wall_ms = world_.clock().wall_ms()},
                       report);
}

void WorkerProcess::add_tasks(pb::MetricReport& report) const {
  for (const Region& region : regions_) {
    for (const TaskId id : region.tasks) {
      Task* const task = task_of(id);
      if (task == nullptr) { continue; }
      pb::MetricScope& scope = *report.add_scopes();
      scope.set_kind(pb::MetricScope::TASK);
      scope.set_vertex_id(vertex_id_of(chained_, id.vertex));
      scope.set_subtask(id.subtask);
      add_task_metrics(task->info(), rates_.of(id), scope);
      const TaskFigures figures = task->figures();
      add_task_figures(figures, rates_.of(id), scope);
      if (figures.is_source) { continue; }
      const auto credits = static_cast<double>(config_.get(options::kCredits));
      add_debloated(figures, exchange_->mean_window(id).value_or(credits), scope);
    }
  }
}

void WorkerProcess::add_worker(pb::MetricReport& report) const {
  if (memory_ == nullptr) { return; }
  WorkerMemory memory;
  for (const Region& region : regions_) {
    for (const TaskId id : region.tasks) {
      const Task* const task = task_of(id);
      if (task == nullptr) { continue; }
      const TaskFigures figures = task->figures();
      memory.batches.elements += figures.input.elements;
      memory.batches.capacity += figures.input.capacity;
    }
  }
  memory.managed_bytes = rocksdb_managed_bytes(backends_.get());
  memory.network_bytes = network_memory_->used_bytes();
  memory.task_bytes =
      std::max<int64_t>(0, memory_->used_bytes() - memory.managed_bytes - memory.network_bytes);
  add_worker_metrics(role_.task_manager_id, memory, report);
}

PrometheusText::Labels WorkerProcess::labels_of(TaskId task) const {
  const Region& region = regions_[layout_->region_of(task.vertex)];
  return {{"job_id", role_.job_id},
          {"job_name", metrics_->name()},
          {"host", role_.host},
          {"tm_id", role_.task_manager_id},
          {"task_id", vertex_id_of(chained_, task.vertex)},
          {"task_name", chained_.vertices[static_cast<size_t>(task.vertex)].name},
          {"subtask_index", std::to_string(task.subtask)},
          {"task_attempt_num", std::to_string(region.attempt)}};
}

void WorkerProcess::add_samples(PrometheusText& text) const {
  std::map<std::string, int32_t> vertices;
  for (const Region& region : regions_) {
    for (const TaskId id : region.tasks) {
      vertices[vertex_id_of(chained_, id.vertex)] = id.vertex;
    }
  }
  pb::MetricReport report;
  add_tasks(report);
  add_operators(report);
  for (const pb::MetricScope& scope : report.scopes()) {
    const auto vertex = vertices.find(scope.vertex_id());
    if (vertex == vertices.end()) { continue; }
    PrometheusText::Labels labels = labels_of({vertex->second, scope.subtask()});
    if (scope.kind() == pb::MetricScope::TASK) {
      text.add_scope("taskmanager_job_task", labels, scope);
      continue;
    }
    labels.emplace_back("operator_name", scope.operator_name());
    text.add_scope("taskmanager_job_task_operator", labels, scope);
  }
}

// Runs while tasks do.
void WorkerProcess::figures_timer() {
  const bool any = std::any_of(regions_.begin(), regions_.end(), [](const Region& region) {
    return region.state == Region::State::kRunning && region.live > 0;
  });
  figures_due_ = any && !ending_;
  if (!figures_due_) { return; }
  pb::FiguresNotice notice;
  for (const Region& region : regions_) {
    if (region.state != Region::State::kRunning) { continue; }
    for (const TaskId task : region.tasks) { add_figures(region, task, notice); }
  }
  const std::vector<MetricValue> metrics = collect_metrics();
  counter_rates_.note(metrics, world_.clock().now_ns());
  add_accumulators(metrics, notice);
  master_.notify("Figures", notice);
  look_after_stream_files();  // tasks may have printed much
  loop_->after_ms(kFiguresMs, [this] { figures_timer(); });
}

// ---- The end

void WorkerProcess::end_by(Status result) {
  if (ending_) { return; }
  ending_ = true;
  result_ = std::move(result);
  for (size_t i = 0; i < regions_.size(); ++i) {
    Region& region = regions_[i];
    region.next = nullptr;
    if (region.state == Region::State::kRunning && region.live > 0) { deployment_->cancel(i); }
  }
  end_when_done();
}

void WorkerProcess::end_when_done() {
  const bool done = std::all_of(regions_.begin(), regions_.end(), [](const Region& region) {
    return region.state == Region::State::kIdle;
  });
  if (!done || ended_->is_set()) { return; }
  if (deployment_ != nullptr) { deployment_->shut_down(); }
  ended_->set();
}

WorkerProcess::~WorkerProcess() {
  loop_->post([this] { end_by(ok_status()); });
  static_cast<void>(ended_->wait());
  gate_->close();
  // Both wake slots.
  if (results_ != nullptr) { results_->stop(); }
  if (exchange_ != nullptr) { exchange_->stop(); }
  // Not by `reset`: what its thread still runs meanwhile uses the pointer.
  delete loop_.get();
  static_cast<void>(loop_.release());
  endpoint_ = nullptr;
}

}  // namespace

Result<std::unique_ptr<JobWorker>> JobWorker::start(World& world, LogicalGraph graph, Config config,
                                                    Options options) {
  TIDEWHEEL_RETURN_IF_ERROR(chain_graph(graph, config).status());
  auto worker = std::make_unique<WorkerProcess>(world, std::move(graph), std::move(config),
                                                std::move(options));
  TIDEWHEEL_RETURN_IF_ERROR(worker->connect());
  return std::unique_ptr<JobWorker>(std::move(worker));
}

}  // namespace tidewheel
