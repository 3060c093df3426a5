#include "tidewheel/cluster/job_master_process.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/job_master_options.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/letter_case.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/cluster/ended_job_process.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/job_report_builder.h"
#include "tidewheel/cluster/manager.pb.h"
#include "tidewheel/cluster/metric_report_builder.h"
#include "tidewheel/cluster/parallelism.h"
#include "tidewheel/cluster/remote_fleet.h"
#include "tidewheel/cluster/stack_messages.h"
#include "tidewheel/cluster/stack_sampling.h"
#include "tidewheel/dataflow/job_master.h"
#include "tidewheel/dataflow/job_setup.h"
#include "tidewheel/rpc/service.h"

namespace tidewheel {
namespace {

// The JobManager is told of changes no more often than this.
constexpr int64_t kChangesMs = 100;
constexpr int64_t kRetryMs = 200;
constexpr int64_t kNsPerMs = 1'000'000;
// Between tries to go on at another parallelism.
constexpr int64_t kRescaleAgainNs = 1000 * kNsPerMs;

// The job's master while the job runs at one parallelism. Destroyed from the bottom: the master
// stops, then what it works on.
struct Generation {
  explicit Generation(JobSetup from)
      : name(from.name),
        rules(from.rules),
        restart_strategy(from.strategy->describe()),
        chained(std::move(from.chained)),
        metrics(from.name),
        setup(std::move(from)) {}
  // As if the process had been killed, unless the job has ended.
  ~Generation() {
    stop();
    if (master != nullptr) { master->close(); }
  }
  void stop() {
    gate->close();
    if (worker == nullptr) { return; }
    master->abandon();
    worker.reset();
  }
  // Posts to the master for as long as it is there; may outlive it.
  RpcPoster poster() const {
    return [gate = gate, master = master.get()](std::function<void()> mail) {
      if (!gate->enter()) { return; }
      master->post(std::move(mail));
      gate->leave();
    };
  }

  const std::string name;
  const CheckpointRules rules;
  const std::string restart_strategy;
  const ChainedGraph chained;
  MetricGroup metrics;
  JobSetup setup;
  ParallelismByVertex parallelism;
  const std::shared_ptr<CompletionGate> gate = CompletionGate::create();
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<JobMaster> master;
  std::unique_ptr<RemoteFleet> fleet;
  std::unique_ptr<Worker> worker;
};

class MasterProcess final : public JobMasterProcess {
 public:
  MasterProcess(World& world, LogicalGraph graph, Config config, Options options,
                ParallelismRange range)
      : world_(world),
        role_(std::move(options.role)),
        network_(options.network),
        config_(std::move(config)),
        graph_(std::move(graph)),
        logger_(world.logger().named("job-master")),
        start_ms_(world.clock().wall_ms()),
        told_(world.executor().make_event()),
        manager_fence_(role_.manager_fence),
        range_(std::move(range)),
        is_adaptive_(range_.slots_min() < range_.slots_max()),
        status_ms_(kClusterJobStatusCount) {}
  ~MasterProcess() override;

  Status begin();
  bool advance() override;
  Event& awaited() override { return is_telling_ ? *told_ : generation()->master->ended(); }
  Status result() const override;
  uint16_t port() const override { return port_; }

 private:
  struct Line {  // of the list of jobs
    ClusterJobStatus status = ClusterJobStatus::kCreated;
    int32_t tasks[kExecutionStateCount] = {};
    int32_t parallelism = 0;
    friend bool operator==(const Line&, const Line&) = default;
  };

  // ---- On the caller's thread, while no master turns.
  Status connect();
  Result<std::shared_ptr<Generation>> make_generation(ParallelismByVertex parallelism,
                                                      JobSetupOptions::Resume resume);
  Status start_generation(std::shared_ptr<Generation> next);
  Status next_generation();
  std::string final_report(Status& result);

  // ---- On the master's thread.
  std::shared_ptr<RpcService> manager_service(Generation& now);
  void serve_orders(RpcService& service, Generation& now);
  void on_sample(Generation& now, const pb::SampleStacksRequest& request,
                 const RpcAnswer<pb::SampleStacksResponse>& answer);
  void on_slots(Generation& now, const pb::SlotsAssignedNotice& notice);
  void on_savepoint(Generation& now, const pb::SavepointRequest& request,
                    const RpcAnswer<pb::SavepointResponse>& answer);
  void on_bounds(Generation& now, const pb::ParallelismBoundsMessage& message,
                 const RpcAnswer<pb::Empty>& answer);
  void consider_rescaling(Generation& now);
  void begin_rescaling(Generation& now);
  int64_t on_turn(Generation& now);
  std::string report(const Generation& now) const;

  // ---- On the loop.
  void register_first();
  void register_now();
  void declare_slots();
  void on_manager_lost(const Status& why);
  void give_up(const Status& why);
  std::shared_ptr<RpcService> adoption_service();
  void on_adopt(const RpcRequest& from, const pb::AdoptJobMasterRequest& request,
                const RpcAnswer<pb::Empty>& answer);
  void tell_line(const Line& line);
  void tell_ending(JobEnd how, const std::function<void()>& go_on);
  void tell_end();

  std::shared_ptr<Generation> generation() const {
    const std::lock_guard guard(lock_);
    return generation_;
  }

  World& world_;
  const ProcessRole role_;
  Network* const network_;
  const Config config_;
  const LogicalGraph graph_;
  Logger logger_;
  const int64_t start_ms_;
  const std::unique_ptr<Event> told_;
  uint16_t port_ = 0;
  std::atomic<bool> manager_is_lost_{false};  // for good
  std::atomic<uint64_t> manager_fence_;

  // The master's thread, or the caller's while no master turns.
  ParallelismRange range_;
  const bool is_adaptive_;
  bool is_known_ = false;  // to the JobManager, or will be
  SlotAssignment assignment_;
  int32_t slots_given_ = 0;
  ParallelismByVertex wanted_;             // empty: it is to stay as it is
  int64_t rescale_at_ns_ = Clock::kNever;  // for `wanted_`
  bool rescaling_ = false;
  std::vector<int64_t> status_ms_;
  Line line_;  // as it was told last
  int64_t end_ms_ = -1;

  // The caller's, of `advance`.
  bool is_telling_ = false;  // the end
  Status result_;

  // The loop's.
  bool has_registered_ = false;  // with any JobManager
  bool is_alone_ = false;        // its JobManager is lost, another one may come
  EventLoop::TimerId gives_up_ = 0;
  std::optional<Line> told_line_;
  std::optional<Line> untold_;
  bool tells_soon_ = false;
  ClusterJobStatus end_status_ = ClusterJobStatus::kFailed;
  std::string end_report_;
  RpcClient manager_;
  std::atomic<int32_t> slots_max_{0};
  std::atomic<int32_t> slots_min_{0};

  mutable LeafLock lock_;  // guards these
  std::shared_ptr<Generation> generation_;
  std::shared_ptr<RpcService> manager_service_;
  std::vector<pb::SlotsOnTaskManager> slots_on_;  // as they were assigned last
  std::string plan_;                              // the generation's report, before it has begun
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<RpcEndpoint> endpoint_;
};

// ---- Starting

Status MasterProcess::begin() {
  using Resume = JobSetupOptions::Resume;
  // The first master of a job starts as the configuration says, later ones go on.
  TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<Generation> first,
                             make_generation(range_.choose(range_.slots_max()),
                                             role_.epoch > 1 ? Resume::kById : Resume::kNever));
  TIDEWHEEL_RETURN_IF_ERROR(connect());
  return start_generation(std::move(first));
}

Status MasterProcess::connect() {
  loop_ = std::make_unique<EventLoop>(world_, "tw-manager-link");
  RpcOptions rpc;
  rpc.name = fmt::format("master of job {}", role_.job_id);
  rpc.listens = true;
  rpc.listen_at = role_.listen_at;
  rpc.network = network_;
  rpc.heartbeat_interval_ms = config_.get(options::kHeartbeatInterval);
  rpc.heartbeat_timeout_ms = config_.get(options::kHeartbeatTimeout);
  TIDEWHEEL_ASSIGN_OR_RETURN(endpoint_, RpcEndpoint::start(world_, std::move(rpc)));
  port_ = endpoint_->port();
  manager_ = RpcClient(endpoint_->connect(role_.manager), "JobManager", loop_->poster());
  manager_.set_fence(role_.manager_fence);
  manager_.set_timeout_ms(config_.get(options::kAskTimeout));
  if (role_.outlives_manager) { endpoint_->serve(adoption_service()); }
  return ok_status();
}

Result<std::shared_ptr<Generation>> MasterProcess::make_generation(ParallelismByVertex parallelism,
                                                                   JobSetupOptions::Resume resume) {
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalGraph graph, graph_at(graph_, config_, parallelism));
  TIDEWHEEL_ASSIGN_OR_RETURN(JobSetup setup, set_up_job(world_, std::move(graph), config_,
                                                        {.id = role_.job_id, .resume = resume}));
  auto next = std::make_shared<Generation>(std::move(setup));
  next->parallelism = std::move(parallelism);
  TIDEWHEEL_ASSIGN_OR_RETURN(next->store, open_job_store(world_, next->setup, config_));
  next->master =
      make_job_master(world_, next->setup, next->chained, config_, *next->store, next->metrics);
  return next;
}

// Its services take the place of those of the generation before.
Status MasterProcess::start_generation(std::shared_ptr<Generation> next) {
  Random random = world_.fork_random();
  Generation& now = *next;
  now.fleet = std::make_unique<RemoteFleet>(
      RemoteFleet::Parts{.clock = world_.clock(),
                         .logger = logger_,
                         .chained = now.chained,
                         .layout = now.master->layout(),
                         .store = *now.store,
                         .listener = *now.master,
                         .job_name = now.name,
                         .epoch = role_.epoch,
                         .token = random.next(),
                         .parallelism = now.parallelism,
                         .slot_timeout_ns = config_.get(options::kSlotRequestTimeout) * kNsPerMs,
                         .on_turn = [this, &now] { return on_turn(now); }});
  now.master->set_fleet(*now.fleet, /*is_deployed=*/false);
  now.master->set_before_end([this](JobEnd how, std::function<void()> go_on) {
    loop_->post([this, how, go_on = std::move(go_on)] { tell_ending(how, go_on); });
  });
  now.fleet->assign(assignment_);
  const std::string plan = report(now);
  {
    const std::lock_guard guard(lock_);
    generation_ = next;
    plan_ = plan;
  }
  endpoint_->serve(now.fleet->make_service(now.poster()));
  const std::shared_ptr<RpcService> service = manager_service(now);
  {
    const std::lock_guard guard(lock_);
    manager_service_ = service;
  }
  endpoint_->serve(service);
  now.worker = world_.executor().start_worker("tw-master", *now.master);
  now.master->set_worker(now.worker.get());
  slots_max_ = range_.slots_max();
  slots_min_ = range_.slots_min();
  const bool is_first = !std::exchange(is_known_, true);
  loop_->post([this, is_first] { is_first ? register_first() : declare_slots(); });
  if (manager_is_lost_) { now.master->abandon(); }
  return ok_status();
}

MasterProcess::~MasterProcess() {
  endpoint_.reset();
  generation_.reset();
  // Not by `reset`: what its thread still runs meanwhile uses the pointer.
  delete loop_.get();
  static_cast<void>(loop_.release());
}

// ---- The JobManager

// The JobManager may have been lost before this process was up, and then no session with it ever
// ends.
void MasterProcess::register_first() {
  register_now();
  loop_->after_ms(config_.get(options::kHeartbeatTimeout), [this] {
    if (has_registered_) { return; }
    give_up(unavailable(ErrorId::kProcessLost, "it was not reached within {} ms",
                        config_.get(options::kHeartbeatTimeout)));
  });
}

void MasterProcess::register_now() {
  const auto up = [this, fence = manager_.fence()] {
    if (fence != manager_.fence()) { return; }
    pb::RegisterJobMasterRequest request;
    request.set_job_id(role_.job_id);
    request.set_epoch(role_.epoch);
    request.set_address(NetworkAddress{role_.host, port_}.to_string());
    {
      const std::lock_guard guard(lock_);
      for (const pb::SlotsOnTaskManager& on : slots_on_) { *request.add_on() = on; }
    }
    manager_.call<pb::RegisterJobMasterResponse>(
        "RegisterJobMaster", request,
        [this, fence](const Result<pb::RegisterJobMasterResponse>& answer) {
          if (fence != manager_.fence()) { return; }
          if (!answer.ok()) { return on_manager_lost(answer.status()); }
          has_registered_ = true;
          declare_slots();
          if (told_line_) { tell_line(*told_line_); }
        });
  };
  manager_.peer()->watch({.poster = loop_->poster(),
                          .on_up = up,
                          .on_lost = [this, fence = manager_.fence()](const Status& why) {
                            if (fence == manager_.fence()) { on_manager_lost(why); }
                          }});
}

std::shared_ptr<RpcService> MasterProcess::adoption_service() {
  auto service = std::make_shared<RpcService>("JobMasterAdoption", loop_->poster());
  service->accept_newest(role_.manager_fence + 1);
  service->on<pb::AdoptJobMasterRequest, pb::Empty>(
      "Adopt", [this](const RpcRequest& from, const pb::AdoptJobMasterRequest& request,
                      const RpcAnswer<pb::Empty>& answer) { on_adopt(from, request, answer); });
  return service;
}

// Another JobManager leads. Nothing changes for the job: its workers know this process only.
void MasterProcess::on_adopt(const RpcRequest& from, const pb::AdoptJobMasterRequest& request,
                             const RpcAnswer<pb::Empty>& answer) {
  if (request.job_id() != role_.job_id || request.epoch() != role_.epoch) {
    return answer.fail(failed_precondition(
        ErrorId::kFenced, "this is the master of job {}, of epoch {}", role_.job_id, role_.epoch));
  }
  if (manager_is_lost_ || !has_registered_) {
    return answer.fail(unavailable(ErrorId::kProcessLost,
                                   "the master of job {} is ending or has "
                                   "not begun",
                                   role_.job_id));
  }
  const RpcPeerRef before = manager_.peer();
  if (before != from.peer) {
    before->watch({});
    before->close();
  }
  logger_.info("the JobManager with token {} leads now", from.fence);
  manager_ = RpcClient(from.peer, "JobManager", loop_->poster());
  manager_.set_fence(from.fence);
  manager_.set_timeout_ms(config_.get(options::kAskTimeout));
  manager_fence_ = from.fence;
  is_alone_ = false;
  loop_->cancel(gives_up_);
  gives_up_ = 0;
  std::shared_ptr<RpcService> service;
  {
    const std::lock_guard guard(lock_);
    service = manager_service_;
  }
  service->poster()([service, fence = from.fence] { service->accept_only(fence); });
  answer.ok(pb::Empty());
  register_now();
}

void MasterProcess::declare_slots() {
  pb::DeclareSlotsRequest request;
  request.set_job_id(role_.job_id);
  request.set_epoch(role_.epoch);
  request.set_slots(slots_max_);
  if (slots_min_ < slots_max_) { request.set_slots_min(slots_min_); }
  {
    const std::lock_guard guard(lock_);
    request.set_plan(plan_);
  }
  manager_.call<pb::Empty>("DeclareSlots", request,
                           [this, fence = manager_.fence()](const Result<pb::Empty>& answer) {
                             if (answer.ok() || fence != manager_.fence()) { return; }
                             if (answer.status().id() == ErrorId::kRpcDeadline) {
                               return declare_slots();
                             }
                             on_manager_lost(answer.status());
                           });
}

// The job runs on: whoever leads next finds this process. One that is told that it is not the job's
// master any more ends, and so does one that nobody finds.
void MasterProcess::on_manager_lost(const Status& why) {
  if (manager_is_lost_) { return; }
  const bool runs_on = role_.outlives_manager && has_registered_ && why.id() != ErrorId::kJobState;
  if (!runs_on) { return give_up(why); }
  if (std::exchange(is_alone_, true)) { return; }
  const int64_t limit_ms = config_.get(options::kMasterAloneTimeout);
  logger_.warning("the JobManager is lost, the job runs on without one for {} ms at most: {}",
                  limit_ms, why.to_string());
  gives_up_ = loop_->after_ms(limit_ms, [this, why] { give_up(why); });
}

// The job stays as it is: whoever leads starts another master.
void MasterProcess::give_up(const Status& why) {
  if (manager_is_lost_.exchange(true)) { return; }
  logger_.warning("the JobManager is lost, so the job's master ends: {}", why.to_string());
  if (const auto now = generation()) { now->master->abandon(); }
  told_->set();
}

void MasterProcess::tell_line(const Line& line) {
  untold_ = told_line_ = line;
  if (std::exchange(tells_soon_, true)) { return; }
  pb::JobChangedNotice notice;
  notice.set_job_id(role_.job_id);
  notice.set_epoch(role_.epoch);
  notice.set_name(generation()->name);
  notice.set_status(static_cast<uint32_t>(line.status));
  for (const int32_t count : line.tasks) { notice.add_tasks(count); }
  notice.set_start_ms(start_ms_);
  notice.set_parallelism(line.parallelism);
  manager_.notify("JobChanged", notice);
  untold_.reset();
  loop_->after_ms(kChangesMs, [this] {
    tells_soon_ = false;
    if (untold_) { tell_line(*std::exchange(untold_, std::nullopt)); }
  });
}

// Until it is known: another leader would start the job again.
void MasterProcess::tell_ending(JobEnd how, const std::function<void()>& go_on) {
  pb::JobEndingRequest request;
  request.set_job_id(role_.job_id);
  request.set_epoch(role_.epoch);
  request.set_status(static_cast<uint32_t>(how == JobEnd::kFailed ? ClusterJobStatus::kFailed
                                                                  : ClusterJobStatus::kCanceled));
  manager_.call<pb::Empty>(
      "JobEnding", request, [this, how, go_on](const Result<pb::Empty>& answer) {
        if (answer.ok()) { return go_on(); }
        if (answer.status().id() == ErrorId::kJobState) { give_up(answer.status()); }
        if (manager_is_lost_) { return; }
        loop_->after_ms(kRetryMs, [this, how, go_on] { tell_ending(how, go_on); });
      });
}

void MasterProcess::tell_end() {
  untold_.reset();  // the end is the last that is told
  pb::JobEndedRequest request;
  request.set_job_id(role_.job_id);
  request.set_epoch(role_.epoch);
  request.set_status(static_cast<uint32_t>(end_status_));
  request.set_report(end_report_);
  manager_.call<pb::Empty>("JobEnded", request, [this](const Result<pb::Empty>& answer) {
    if (answer.ok()) { return told_->set(); }
    if (answer.status().id() == ErrorId::kJobState) { give_up(answer.status()); }
    if (manager_is_lost_) { return; }
    loop_->after_ms(kRetryMs, [this] { tell_end(); });
  });
}

// ---- What the JobManager asks

std::shared_ptr<RpcService> MasterProcess::manager_service(Generation& now) {
  auto service = std::make_shared<RpcService>("JobMaster", now.poster());
  service->accept_only(manager_fence_);
  service->on_notice<pb::Empty>("GiveUp", [this](const RpcRequest&, const pb::Empty&) {
    loop_->post(
        [this] { give_up(unavailable(ErrorId::kProcessLost, "the job is no more to be run")); });
  });
  service->on_notice<pb::SlotsAssignedNotice>(
      "SlotsAssigned", [this, &now](const RpcRequest&, const pb::SlotsAssignedNotice& notice) {
        if (notice.epoch() == role_.epoch) { on_slots(now, notice); }
      });
  service->on_notice<pb::WorkerLostNotice>(
      "WorkerLost", [this, &now](const RpcRequest&, const pb::WorkerLostNotice& notice) {
        if (notice.epoch() != role_.epoch) { return; }
        now.fleet->worker_lost(notice.task_manager_id(), notice.worker_id(),
                               unavailable(ErrorId::kProcessLost, "{}", notice.reason()));
      });
  service->on<pb::Empty, pb::ReportResponse>(
      "Report", [this, &now](const RpcRequest&, const pb::Empty&,
                             const RpcAnswer<pb::ReportResponse>& answer) {
        pb::ReportResponse response;
        response.set_report(report(now));
        answer.ok(response);
      });
  service->on<pb::Empty, pb::MetricsResponse>(
      "Metrics", [this, &now](const RpcRequest&, const pb::Empty&,
                              const RpcAnswer<pb::MetricsResponse>& answer) {
        now.fleet->collect_metrics(
            [this, &now, answer](const std::shared_ptr<pb::MetricReport>& metrics) {
              add_job_metrics(now.chained, now.metrics.collect(world_.clock().now_ns()), *metrics);
              add_task_metrics(now.chained, *now.fleet, *metrics);
              pb::MetricsResponse response;
              response.set_report(metrics->SerializeAsString());
              answer.ok(response);
            });
      });
  service->on<pb::SampleStacksRequest, pb::SampleStacksResponse>(
      "SampleStacks", [this, &now](const RpcRequest&, const pb::SampleStacksRequest& request,
                                   const RpcAnswer<pb::SampleStacksResponse>& answer) {
        on_sample(now, request, answer);
      });
  serve_orders(*service, now);
  return service;
}

void MasterProcess::serve_orders(RpcService& service, Generation& now) {
  service.on<pb::Empty, pb::Empty>(
      "Cancel", [&now](const RpcRequest&, const pb::Empty&, const RpcAnswer<pb::Empty>& answer) {
        now.master->cancel();
        answer.ok(pb::Empty());
      });
  service.on<pb::SavepointRequest, pb::SavepointResponse>(
      "Savepoint", [this, &now](const RpcRequest&, const pb::SavepointRequest& request,
                                const RpcAnswer<pb::SavepointResponse>& answer) {
        on_savepoint(now, request, answer);
      });
  service.on<pb::Empty, pb::CheckpointResponse>(
      "Checkpoint",
      [&now](const RpcRequest&, const pb::Empty&, const RpcAnswer<pb::CheckpointResponse>& answer) {
        now.master->trigger_checkpoint([answer](const Result<int64_t>& id) {
          if (!id.ok()) { return answer.fail(id.status()); }
          pb::CheckpointResponse response;
          response.set_id(*id);
          answer.ok(response);
        });
      });
  service.on<pb::Empty, pb::ParallelismBoundsMessage>(
      "ParallelismBounds", [this](const RpcRequest&, const pb::Empty&,
                                  const RpcAnswer<pb::ParallelismBoundsMessage>& answer) {
        pb::ParallelismBoundsMessage message;
        for (const ParallelismBounds& bounds : range_.bounds()) {
          pb::ParallelismBound& bound = *message.add_bounds();
          bound.set_vertex_id(bounds.vertex_id);
          bound.set_lower(bounds.lower);
          bound.set_upper(bounds.upper);
        }
        answer.ok(message);
      });
  service.on<pb::ParallelismBoundsMessage, pb::Empty>(
      "Rescale",
      [this, &now](const RpcRequest&, const pb::ParallelismBoundsMessage& message,
                   const RpcAnswer<pb::Empty>& answer) { on_bounds(now, message, answer); });
}

void MasterProcess::on_sample(Generation& now, const pb::SampleStacksRequest& request,
                              const RpcAnswer<pb::SampleStacksResponse>& answer) {
  const StackSampling sampling = from_message(request);
  const auto done = [answer](const std::vector<SampledStack>& stacks) {
    pb::SampleStacksResponse response;
    to_message(stacks, response);
    answer.ok(response);
  };
  if (request.own_threads()) {
    return world_.executor().run_blocking(
        [&world = world_, sampling, done] { done(sample_threads(world, sampling)); });
  }
  if (!request.task_manager_id().empty()) {
    return now.fleet->sample_workers(request.task_manager_id(), sampling, done);
  }
  std::vector<TaskId> tasks;
  for (size_t v = 0; v < now.chained.vertices.size(); ++v) {
    const auto vertex = static_cast<int32_t>(v);
    if (vertex_id_of(now.chained, vertex) != request.vertex_id()) { continue; }
    for (int32_t i = 0; i < now.chained.vertices[v].parallelism; ++i) {
      if (request.subtask() < 0 || request.subtask() == i) { tasks.push_back({vertex, i}); }
    }
  }
  now.fleet->sample_stacks(tasks, sampling, done);
}

void MasterProcess::on_slots(Generation& now, const pb::SlotsAssignedNotice& notice) {
  SlotAssignment assignment;
  int32_t slots = 0;
  for (const pb::SlotsOnTaskManager& on : notice.on()) {
    assignment.on.push_back({.task_manager_id = on.task_manager_id(),
                             .slots = on.slots(),
                             .worker_id = on.worker_id()});
    slots += on.slots();
  }
  {
    const std::lock_guard guard(lock_);
    slots_on_.assign(notice.on().begin(), notice.on().end());
  }
  assignment.reason = notice.reason();
  assignment_ = assignment;
  // Another generation gets other workers.
  for (SlotAssignment::On& on : assignment_.on) { on.worker_id.clear(); }
  slots_given_ = slots;
  now.fleet->assign(std::move(assignment));
  consider_rescaling(now);
}

void MasterProcess::on_savepoint(Generation& now, const pb::SavepointRequest& request,
                                 const RpcAnswer<pb::SavepointResponse>& answer) {
  const auto done = [answer](const Result<std::string>& path) {
    if (!path.ok()) { return answer.fail(path.status()); }
    pb::SavepointResponse response;
    response.set_path(*path);
    answer.ok(response);
  };
  const SavepointForm form = request.native() ? SavepointForm::kNative : SavepointForm::kCanonical;
  JobMaster& master = *now.master;
  switch (static_cast<SavepointOrder::Then>(request.then())) {
    case SavepointOrder::Then::kGoOn:
      return master.savepoint({request.directory(), AfterSavepoint::kGoOn, form}, done);
    case SavepointOrder::Then::kCancel:
      return master.cancel_with_savepoint(request.directory(), done, form);
    case SavepointOrder::Then::kStop:
      return master.savepoint({request.directory(), AfterSavepoint::kSuspend, form}, done);
    case SavepointOrder::Then::kDrain:
      return master.savepoint({request.directory(), AfterSavepoint::kDrain, form}, done);
  }
  answer.fail(
      invalid_argument(ErrorId::kBadParameter, "what to do after a savepoint: {}", request.then()));
}

// ---- Another parallelism

void MasterProcess::on_bounds(Generation& now, const pb::ParallelismBoundsMessage& message,
                              const RpcAnswer<pb::Empty>& answer) {
  if (now.chained.exchanges_block) {
    return answer.fail(failed_precondition(
        ErrorId::kRescale,
        "a job with blocking exchanges takes no checkpoint, from which it could go on at another "
        "parallelism"));
  }
  if (!now.rules.has_directory) {
    return answer.fail(failed_precondition(
        ErrorId::kRescale, "a job goes on at another parallelism from a checkpoint: set {}",
        options::kCheckpointDirectory.key));
  }
  std::vector<ParallelismBounds> bounds;
  for (const pb::ParallelismBound& bound : message.bounds()) {
    bounds.push_back({bound.vertex_id(), bound.lower(), bound.upper()});
  }
  if (Status set = range_.set_bounds(bounds); !set.ok()) { return answer.fail(std::move(set)); }
  // What the job works with is not given back before it has gone on with less.
  const int32_t slots_used =
      ParallelismRange(now.chained, ParallelismRange::Kind::kFixed).slots_max();
  slots_max_ = std::max(range_.slots_max(), slots_used);
  slots_min_ = range_.slots_min();
  loop_->post([this] { declare_slots(); });
  answer.ok(pb::Empty());
  consider_rescaling(now);
}

// What has changed is waited for to settle, unless there is all that can be used.
void MasterProcess::consider_rescaling(Generation& now) {
  const ParallelismByVertex best = range_.choose(slots_given_);
  if (best.empty() || best == now.parallelism) {
    wanted_.clear();
    rescale_at_ns_ = Clock::kNever;
    return;
  }
  if (best == wanted_) { return; }
  wanted_ = best;
  const int64_t now_ns = world_.clock().now_ns();
  const bool runs = now.fleet->is_ready();
  const int64_t settles_ms =
      config_.get(runs ? options::kExecutingStabilization : options::kSubmissionStabilization);
  const bool has_all = slots_given_ >= range_.slots_max();
  rescale_at_ns_ = has_all ? now_ns : now_ns + settles_ms * kNsPerMs;
}

// A job that runs takes a checkpoint to go on from. One that does not has nothing to lose.
void MasterProcess::begin_rescaling(Generation& now) {
  const JobState state = now.master->state();
  const int64_t again_ns = world_.clock().now_ns() + kRescaleAgainNs;
  if (state == JobState::kCancelling || state == JobState::kFailing ||
      state == JobState::kStopping || is_final(state)) {
    rescale_at_ns_ = again_ns;
    return;
  }
  rescaling_ = true;
  rescale_at_ns_ = Clock::kNever;
  if (state != JobState::kRunning) { return now.master->abandon(); }
  now.master->trigger_checkpoint([this, &now](const Result<int64_t>& id) {
    if (id.ok()) {
      logger_.info("the job goes on from checkpoint {} at another parallelism", *id);
      return now.master->abandon();
    }
    // Its slots may be gone by now, and then it can't run as it is.
    logger_.warning("the job stays at its parallelism for now: {}", id.status().to_string());
    rescaling_ = false;
    rescale_at_ns_ = world_.clock().now_ns() + kRescaleAgainNs;
  });
}

Status MasterProcess::next_generation() {
  const std::shared_ptr<Generation> before = generation();
  before->stop();
  before->master->close();
  // The job's folder is the next one's.
  before->store->close();
  ParallelismByVertex parallelism = std::exchange(wanted_, {});
  rescaling_ = false;
  TIDEWHEEL_ASSIGN_OR_RETURN(
      std::shared_ptr<Generation> next,
      make_generation(std::move(parallelism), JobSetupOptions::Resume::kById));
  TIDEWHEEL_RETURN_IF_ERROR(start_generation(std::move(next)));
  before->fleet->hand_over("the job goes on at another parallelism");
  // Asked for while the checkpoint was taken.
  if (before->master->state() == JobState::kCancelling) { generation()->master->cancel(); }
  return ok_status();
}

// ---- What is shown

int64_t MasterProcess::on_turn(Generation& now) {
  Line line;
  line.status = cluster_status_of(now.master->state());
  now.fleet->count_states(line.tasks);
  for (const ChainVertex& vertex : now.chained.vertices) {
    line.parallelism = std::max(line.parallelism, vertex.parallelism);
  }
  if (line != line_) {
    if (line.status != line_.status || status_ms_[static_cast<size_t>(line.status)] == 0) {
      status_ms_[static_cast<size_t>(line.status)] = world_.clock().wall_ms();
    }
    line_ = line;
    loop_->post([this, line] { tell_line(line); });
  }
  if (!rescaling_ && world_.clock().now_ns() >= rescale_at_ns_) { begin_rescaling(now); }
  return rescaling_ ? Clock::kNever : rescale_at_ns_;
}

std::string MasterProcess::report(const Generation& now) const {
  const JobMaster& master = *now.master;
  const std::shared_ptr<const CheckpointStatistics> checkpoints = master.statistics();
  const std::shared_ptr<const std::vector<JobFailure>> failures = master.failures();
  const int64_t now_ms = world_.clock().wall_ms();
  // It may be asked before this process has noticed what its master has come to.
  const ClusterJobStatus status = cluster_status_of(master.state());
  std::vector<int64_t> status_ms = status_ms_;
  int64_t& since_ms = status_ms[static_cast<size_t>(status)];
  if (since_ms == 0) { since_ms = now_ms; }
  const int64_t end_ms = end_ms_ < 0 && is_final(status) ? since_ms : end_ms_;
  pb::JobReport message;
  fill_job_report(
      {.id = role_.job_id,
       .name = now.name,
       .state = master.state(),
       .status_text = is_final(master.state()) ? "" : now.fleet->obstacle(),
       .now_ms = now_ms,
       .start_ms = start_ms_,
       .end_ms = end_ms,
       .status_ms = std::move(status_ms),
       .chained = now.chained,
       .config = config_,
       .rules = now.rules,
       .checkpoints = *checkpoints,
       .failures = *failures,
       .fleet = now.fleet.get(),
       .restarts = master.restarts(),
       .restart_strategy = now.restart_strategy,
       .bounds = range_.bounds(),
       .can_rescale = !now.chained.exchanges_block && (is_adaptive_ || now.rules.has_directory)},
      message);
  return message.SerializeAsString();
}

// ---- The end

bool MasterProcess::advance() {
  while (!is_telling_) {
    const std::shared_ptr<Generation> now = generation();
    if (!now->master->ended().is_set()) { return false; }
    // It has stopped turning when this returns, so that what was the master's can be read.
    now->worker.reset();
    const bool is_over = manager_is_lost_ || !rescaling_ || is_final(now->master->state());
    if (!is_over) { result_ = next_generation(); }
    if (!is_over && result_.ok()) { continue; }
    is_telling_ = true;
    if (manager_is_lost_) { break; }
    end_report_ = final_report(result_);
    loop_->post([this] { tell_end(); });
  }
  return manager_is_lost_ || told_->is_set();
}

Status MasterProcess::result() const {
  if (!manager_is_lost_) { return result_; }
  return unavailable(ErrorId::kProcessLost, "the JobManager of job {} is lost", role_.job_id);
}

// `result`: why the job could not go on at another parallelism, or OK.
std::string MasterProcess::final_report(Status& result) {
  const std::shared_ptr<Generation> last = generation();
  const JobState state = last->master->state();
  end_ms_ = world_.clock().wall_ms();
  end_status_ = result.ok() ? cluster_status_of(state) : ClusterJobStatus::kFailed;
  status_ms_[static_cast<size_t>(end_status_)] = end_ms_;
  pb::JobReport message;
  TIDEWHEEL_CHECK(message.ParseFromString(report(*last)), "a report can't be read");
  message.set_status(static_cast<uint32_t>(end_status_));
  if (!result.ok()) {
    pb::FailureReport& failure = *message.add_failures();
    failure.set_text(result.to_string());
    failure.set_at_ms(end_ms_);
  } else if (state == JobState::kFailed) {
    result = last->master->failure();
  } else if (state == JobState::kCancelled) {
    result = cancelled(ErrorId::kJobCancelled, "job '{}' was cancelled", last->name);
  }
  return message.SerializeAsString();
}

Result<ParallelismRange::Kind> scheduler_of(const Config& config) {
  const std::string scheduler = config.get(options::kScheduler);
  const std::string mode = config.get(options::kSchedulerMode);
  if (same_word(mode, "REACTIVE")) { return ParallelismRange::Kind::kReactive; }
  if (!mode.empty()) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} is '{}'; REACTIVE is possible",
                            options::kSchedulerMode.key, mode);
  }
  if (same_word(scheduler, "Default")) { return ParallelismRange::Kind::kFixed; }
  if (same_word(scheduler, "Adaptive")) { return ParallelismRange::Kind::kAdaptive; }
  return invalid_argument(ErrorId::kBadOptionValue, "{} is '{}'; Default and Adaptive are possible",
                          options::kScheduler.key, scheduler);
}

}  // namespace

Result<std::unique_ptr<JobMasterProcess>> JobMasterProcess::start(World& world, LogicalGraph graph,
                                                                  Config config, Options options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<EndedJob> ended,
                             find_end(world, config, options.role));
  if (ended) {
    return start_ended_job_process(world, *ended, std::move(graph), config, std::move(options));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(ParallelismRange::Kind scheduler, scheduler_of(config));
  TIDEWHEEL_ASSIGN_OR_RETURN(const ChainedGraph chained, chain_graph(graph, config));
  if (chained.exchanges_block && scheduler != ParallelismRange::Kind::kFixed) {
    // Another parallelism takes a checkpoint to go on from.
    world.logger()
        .named("job-master")
        .warning(
            "{} {} does not go with blocking exchanges: the job has the parallelism it asks for",
            options::kScheduler.key, config.get(options::kScheduler));
    scheduler = ParallelismRange::Kind::kFixed;
  }
  auto process =
      std::make_unique<MasterProcess>(world, std::move(graph), std::move(config),
                                      std::move(options), ParallelismRange(chained, scheduler));
  TIDEWHEEL_RETURN_IF_ERROR(process->begin());
  return std::unique_ptr<JobMasterProcess>(std::move(process));
}

}  // namespace tidewheel
