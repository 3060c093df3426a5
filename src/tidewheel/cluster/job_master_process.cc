#include "tidewheel/cluster/job_master_process.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/ended_job.h"
#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/checkpoint/worker_storage.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/job_report_builder.h"
#include "tidewheel/cluster/manager.pb.h"
#include "tidewheel/cluster/metric_report_builder.h"
#include "tidewheel/cluster/remote_fleet.h"
#include "tidewheel/dataflow/job_master.h"
#include "tidewheel/dataflow/job_setup.h"
#include "tidewheel/rpc/service.h"

namespace tidewheel {
namespace {

// The JobManager is told of changes no more often than this.
constexpr int64_t kChangesMs = 100;
constexpr int64_t kRetryMs = 200;

class MasterProcess final : public JobMasterProcess {
 public:
  MasterProcess(World& world, Config config, Options options, JobSetup setup)
      : world_(world),
        role_(std::move(options.role)),
        network_(options.network),
        config_(std::move(config)),
        logger_(world.logger().named("job-master")),
        id_(setup.id),
        name_(setup.name),
        rules_(setup.rules),
        restart_strategy_(setup.strategy->describe()),
        chained_(std::move(setup.chained)),
        metrics_(setup.name),
        start_ms_(world.clock().wall_ms()),
        status_ms_(kClusterJobStatusCount),
        told_(world.executor().make_event()),
        setup_(std::move(setup)) {}
  ~MasterProcess() override;

  Status begin();
  Status wait() override;
  Event& job_ended() override { return master_->ended(); }
  uint16_t port() const override { return endpoint_->port(); }

 private:
  struct Line {  // of the list of jobs
    ClusterJobStatus status = ClusterJobStatus::kCreated;
    int32_t tasks[kExecutionStateCount] = {};
    friend bool operator==(const Line&, const Line&) = default;
  };

  // ---- On the master's thread.
  void serve_manager();
  void on_slots(const pb::SlotsAssignedNotice& notice);
  void on_savepoint(const pb::SavepointRequest& request,
                    const RpcAnswer<pb::SavepointResponse>& answer);
  void on_turn();
  Line line_now() const;

  // ---- On the loop.
  void register_now();
  void declare_slots(int32_t slots);
  void on_manager_lost(const Status& why);
  void tell_line(const Line& line);
  void tell_end();

  // Once the master has stopped, or on its thread.
  std::string report() const;

  World& world_;
  const ProcessRole role_;
  Network* const network_;
  const Config config_;
  Logger logger_;
  const std::string id_;
  const std::string name_;
  const CheckpointRules rules_;
  const std::string restart_strategy_;
  const ChainedGraph chained_;
  MetricGroup metrics_;
  const int64_t start_ms_;
  std::vector<int64_t> status_ms_;  // the master's thread
  Line line_;                       // the same: as it was told last
  int64_t end_ms_ = -1;
  const std::unique_ptr<Event> told_;
  std::atomic<bool> manager_is_lost_{false};

  // The loop's.
  std::optional<Line> untold_;
  bool tells_soon_ = false;
  std::string end_report_;
  RpcClient manager_;

  // Destroyed from the bottom: nobody calls in here, then the master stops, then what it works on.
  JobSetup setup_;
  std::unique_ptr<CheckpointStore> store_;
  std::unique_ptr<JobMaster> master_;
  std::unique_ptr<RemoteFleet> fleet_;
  std::unique_ptr<Worker> master_worker_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<RpcEndpoint> endpoint_;
};

// ---- Starting

Status MasterProcess::begin() {
  TIDEWHEEL_ASSIGN_OR_RETURN(store_, open_job_store(world_, setup_, config_));
  master_ = make_job_master(world_, setup_, chained_, config_, *store_, metrics_);
  const auto on_master = [master = master_.get()](std::function<void()> mail) {
    master->post(std::move(mail));
  };
  Random random = world_.fork_random();
  fleet_ = std::make_unique<RemoteFleet>(
      RemoteFleet::Parts{.clock = world_.clock(),
                         .logger = logger_,
                         .chained = chained_,
                         .layout = master_->layout(),
                         .store = *store_,
                         .listener = *master_,
                         .job_name = name_,
                         .epoch = role_.epoch,
                         .token = random.next(),
                         .slot_timeout_ns = config_.get(options::kSlotRequestTimeout) * 1'000'000,
                         .on_changed = nullptr,
                         .on_turn = [this] { on_turn(); }});
  master_->set_fleet(*fleet_, /*is_deployed=*/false);
  loop_ = std::make_unique<EventLoop>(world_, "tw-manager-link");
  RpcOptions rpc;
  rpc.name = fmt::format("master of job {}", id_);
  rpc.listens = true;
  rpc.listen_at = role_.listen_at;
  rpc.network = network_;
  rpc.heartbeat_interval_ms = config_.get(options::kHeartbeatInterval);
  rpc.heartbeat_timeout_ms = config_.get(options::kHeartbeatTimeout);
  TIDEWHEEL_ASSIGN_OR_RETURN(endpoint_, RpcEndpoint::start(world_, std::move(rpc)));
  endpoint_->serve(fleet_->make_service(on_master));
  serve_manager();
  manager_ = RpcClient(endpoint_->connect(role_.manager), "JobManager", loop_->poster());
  manager_.set_fence(role_.manager_fence);
  manager_.set_timeout_ms(config_.get(options::kAskTimeout));
  loop_->post([this] { register_now(); });
  master_worker_ = world_.executor().start_worker("tw-master", *master_);
  master_->set_worker(master_worker_.get());
  return ok_status();
}

MasterProcess::~MasterProcess() {
  if (master_ == nullptr) { return; }
  endpoint_.reset();
  master_->abandon();
  master_worker_.reset();
  loop_.reset();
  master_->close();
}

// ---- The JobManager

void MasterProcess::register_now() {
  const auto up = [this] {
    pb::RegisterJobMasterRequest request;
    request.set_job_id(role_.job_id);
    request.set_epoch(role_.epoch);
    request.set_address(NetworkAddress{role_.host, endpoint_->port()}.to_string());
    manager_.call<pb::RegisterJobMasterResponse>(
        "RegisterJobMaster", request, [this](const Result<pb::RegisterJobMasterResponse>& answer) {
          if (!answer.ok()) { return on_manager_lost(answer.status()); }
          declare_slots(master_->layout().slot_count());
        });
  };
  manager_.peer()->watch({.poster = loop_->poster(),
                          .on_up = up,
                          .on_lost = [this](const Status& why) { on_manager_lost(why); }});
}

void MasterProcess::declare_slots(int32_t slots) {
  pb::DeclareSlotsRequest request;
  request.set_job_id(role_.job_id);
  request.set_epoch(role_.epoch);
  request.set_slots(slots);
  manager_.call<pb::Empty>("DeclareSlots", request, [this, slots](const Result<pb::Empty>& answer) {
    if (answer.ok()) { return; }
    if (answer.status().id() == ErrorId::kRpcDeadline) { return declare_slots(slots); }
    on_manager_lost(answer.status());
  });
}

// The job stays as it is: whoever leads now starts another master.
void MasterProcess::on_manager_lost(const Status& why) {
  if (manager_is_lost_.exchange(true)) { return; }
  logger_.warning("the JobManager is lost, so the job's master ends: {}", why.to_string());
  master_->abandon();
  told_->set();
}

void MasterProcess::tell_line(const Line& line) {
  untold_ = line;
  if (std::exchange(tells_soon_, true)) { return; }
  pb::JobChangedNotice notice;
  notice.set_job_id(role_.job_id);
  notice.set_epoch(role_.epoch);
  notice.set_name(name_);
  notice.set_status(static_cast<uint32_t>(line.status));
  for (const int32_t count : line.tasks) { notice.add_tasks(count); }
  notice.set_start_ms(start_ms_);
  int32_t parallelism = 0;
  for (const ChainVertex& vertex : chained_.vertices) {
    parallelism = std::max(parallelism, vertex.parallelism);
  }
  notice.set_parallelism(parallelism);
  manager_.notify("JobChanged", notice);
  untold_.reset();
  loop_->after_ms(kChangesMs, [this] {
    tells_soon_ = false;
    if (untold_) { tell_line(*std::exchange(untold_, std::nullopt)); }
  });
}

void MasterProcess::tell_end() {
  pb::JobEndedRequest request;
  request.set_job_id(role_.job_id);
  request.set_epoch(role_.epoch);
  request.set_status(static_cast<uint32_t>(cluster_status_of(master_->state())));
  request.set_report(end_report_);
  manager_.call<pb::Empty>("JobEnded", request, [this](const Result<pb::Empty>& answer) {
    if (answer.ok()) {
      told_->set();
    } else if (answer.status().id() == ErrorId::kFenced) {
      on_manager_lost(answer.status());
    } else {
      loop_->after_ms(kRetryMs, [this] { tell_end(); });
    }
  });
}

// ---- What the JobManager asks

void MasterProcess::serve_manager() {
  auto service = std::make_shared<RpcService>(
      "JobMaster",
      [master = master_.get()](std::function<void()> mail) { master->post(std::move(mail)); });
  service->accept_only(role_.manager_fence);
  service->on_notice<pb::SlotsAssignedNotice>(
      "SlotsAssigned", [this](const RpcRequest&, const pb::SlotsAssignedNotice& notice) {
        if (notice.epoch() == role_.epoch) { on_slots(notice); }
      });
  service->on_notice<pb::WorkerLostNotice>(
      "WorkerLost", [this](const RpcRequest&, const pb::WorkerLostNotice& notice) {
        if (notice.epoch() != role_.epoch) { return; }
        fleet_->worker_lost(notice.worker_id(),
                            unavailable(ErrorId::kProcessLost, "its process {}", notice.reason()));
      });
  service->on<pb::Empty, pb::ReportResponse>(
      "Report",
      [this](const RpcRequest&, const pb::Empty&, const RpcAnswer<pb::ReportResponse>& answer) {
        pb::ReportResponse response;
        response.set_report(report());
        answer.ok(response);
      });
  service->on<pb::Empty, pb::MetricsResponse>(
      "Metrics",
      [this](const RpcRequest&, const pb::Empty&, const RpcAnswer<pb::MetricsResponse>& answer) {
        fleet_->collect_metrics([this, answer](const std::shared_ptr<pb::MetricReport>& report) {
          add_job_metrics(metrics_.collect(world_.clock().now_ns()), *report);
          add_task_metrics(chained_, *fleet_, *report);
          pb::MetricsResponse response;
          response.set_report(report->SerializeAsString());
          answer.ok(response);
        });
      });
  service->on<pb::Empty, pb::Empty>(
      "Cancel", [this](const RpcRequest&, const pb::Empty&, const RpcAnswer<pb::Empty>& answer) {
        master_->cancel();
        answer.ok(pb::Empty());
      });
  service->on<pb::SavepointRequest, pb::SavepointResponse>(
      "Savepoint",
      [this](const RpcRequest&, const pb::SavepointRequest& request,
             const RpcAnswer<pb::SavepointResponse>& answer) { on_savepoint(request, answer); });
  service->on<pb::Empty, pb::CheckpointResponse>(
      "Checkpoint",
      [this](const RpcRequest&, const pb::Empty&, const RpcAnswer<pb::CheckpointResponse>& answer) {
        master_->trigger_checkpoint([answer](const Result<int64_t>& id) {
          if (!id.ok()) { return answer.fail(id.status()); }
          pb::CheckpointResponse response;
          response.set_id(*id);
          answer.ok(response);
        });
      });
  endpoint_->serve(std::move(service));
}

void MasterProcess::on_slots(const pb::SlotsAssignedNotice& notice) {
  SlotAssignment assignment;
  for (const pb::SlotsOnTaskManager& on : notice.on()) {
    assignment.on.push_back({.task_manager_id = on.task_manager_id(),
                             .slots = on.slots(),
                             .worker_id = on.worker_id()});
  }
  assignment.reason = notice.reason();
  fleet_->assign(std::move(assignment));
}

void MasterProcess::on_savepoint(const pb::SavepointRequest& request,
                                 const RpcAnswer<pb::SavepointResponse>& answer) {
  const auto done = [answer](const Result<std::string>& path) {
    if (!path.ok()) { return answer.fail(path.status()); }
    pb::SavepointResponse response;
    response.set_path(*path);
    answer.ok(response);
  };
  if (request.native()) {
    return answer.fail(unimplemented(ErrorId::kBadParameter,
                                     "savepoints are written in one form, which every state "
                                     "backend reads; leave the form out, or ask for CANONICAL"));
  }
  switch (static_cast<SavepointOrder::Then>(request.then())) {
    case SavepointOrder::Then::kGoOn:
      return master_->savepoint({request.directory(), AfterSavepoint::kGoOn}, done);
    case SavepointOrder::Then::kCancel:
      return master_->cancel_with_savepoint(request.directory(), done);
    case SavepointOrder::Then::kStop:
      return master_->savepoint({request.directory(), AfterSavepoint::kSuspend}, done);
    case SavepointOrder::Then::kDrain:
      return master_->savepoint({request.directory(), AfterSavepoint::kDrain}, done);
  }
  answer.fail(
      invalid_argument(ErrorId::kBadParameter, "what to do after a savepoint: {}", request.then()));
}

// ---- What is shown

MasterProcess::Line MasterProcess::line_now() const {
  Line line;
  line.status = cluster_status_of(master_->state());
  fleet_->count_states(line.tasks);
  return line;
}

void MasterProcess::on_turn() {
  const Line now = line_now();
  if (now == line_) { return; }
  if (now.status != line_.status || status_ms_[static_cast<size_t>(now.status)] == 0) {
    status_ms_[static_cast<size_t>(now.status)] = world_.clock().wall_ms();
  }
  line_ = now;
  loop_->post([this, now] { tell_line(now); });
}

std::string MasterProcess::report() const {
  const std::shared_ptr<const CheckpointStatistics> checkpoints = master_->statistics();
  const std::shared_ptr<const std::vector<JobFailure>> failures = master_->failures();
  pb::JobReport message;
  fill_job_report({.id = id_,
                   .name = name_,
                   .state = master_->state(),
                   .status_text = is_final(master_->state()) ? "" : fleet_->obstacle(),
                   .now_ms = world_.clock().wall_ms(),
                   .start_ms = start_ms_,
                   .end_ms = end_ms_,
                   .status_ms = status_ms_,
                   .chained = chained_,
                   .config = config_,
                   .rules = rules_,
                   .checkpoints = *checkpoints,
                   .failures = *failures,
                   .fleet = fleet_.get(),
                   .restarts = master_->restarts(),
                   .restart_strategy = restart_strategy_},
                  message);
  return message.SerializeAsString();
}

// ---- The end

Status MasterProcess::wait() {
  static_cast<void>(master_->ended().wait());
  if (!manager_is_lost_) {
    // The worker has stopped turning when this returns, so that what was the master's can be read.
    master_worker_.reset();
    end_ms_ = world_.clock().wall_ms();
    status_ms_[static_cast<size_t>(cluster_status_of(master_->state()))] = end_ms_;
    end_report_ = report();
    loop_->post([this] { tell_end(); });
    static_cast<void>(told_->wait());
  }
  if (manager_is_lost_) {
    return unavailable(ErrorId::kProcessLost, "the JobManager of job {} is lost", id_);
  }
  switch (master_->state()) {
    case JobState::kFailed: return master_->failure();
    case JobState::kCancelled:
      return cancelled(ErrorId::kJobCancelled, "job '{}' was cancelled", name_);
    default: return ok_status();
  }
}

// Of a job that has come to its end under a master before, whose JobManager was lost before it
// knew. There is nothing to run: the end is told.
class EndedProcess final : public JobMasterProcess {
 public:
  EndedProcess(World& world, Options options, std::string report)
      : role_(std::move(options.role)),
        report_(std::move(report)),
        told_(world.executor().make_event()),
        loop_(world, "tw-manager-link") {}
  ~EndedProcess() override { endpoint_.reset(); }

  Status begin(World& world, Network* network) {
    RpcOptions rpc;
    rpc.name = fmt::format("master of job {}", role_.job_id);
    rpc.network = network;
    TIDEWHEEL_ASSIGN_OR_RETURN(endpoint_, RpcEndpoint::start(world, std::move(rpc)));
    manager_ = RpcClient(endpoint_->connect(role_.manager), "JobManager", loop_.poster());
    manager_.set_fence(role_.manager_fence);
    loop_.post([this] { tell(); });
    return ok_status();
  }
  Status wait() override {
    static_cast<void>(told_->wait());
    return result_;
  }
  Event& job_ended() override { return *told_; }
  uint16_t port() const override { return 0; }

 private:
  void tell() {
    pb::RegisterJobMasterRequest master;
    master.set_job_id(role_.job_id);
    master.set_epoch(role_.epoch);
    manager_.call<pb::RegisterJobMasterResponse>(
        "RegisterJobMaster", master, [this](const Result<pb::RegisterJobMasterResponse>& answer) {
          if (!answer.ok()) { return finish(answer.status()); }
          pb::JobEndedRequest request;
          request.set_job_id(role_.job_id);
          request.set_epoch(role_.epoch);
          request.set_status(static_cast<uint32_t>(ClusterJobStatus::kFinished));
          request.set_report(report_);
          manager_.call<pb::Empty>("JobEnded", request, [this](const Result<pb::Empty>& known) {
            finish(known.status());
          });
        });
  }
  void finish(const Status& status) {
    if (!status.ok()) {
      result_ = unavailable(ErrorId::kProcessLost, "the JobManager of job {} is lost: {}",
                            role_.job_id, status.message());
    }
    told_->set();
  }

  const ProcessRole role_;
  const std::string report_;
  const std::unique_ptr<Event> told_;
  Status result_;
  RpcClient manager_;
  EventLoop loop_;
  std::unique_ptr<RpcEndpoint> endpoint_;
};

// The mark that an earlier master of the job has left; none: it has not come to its end.
Result<std::optional<EndedJob>> find_end(World& world, const Config& config,
                                         const ProcessRole& role) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const CheckpointStoreOptions store,
                             checkpoint_store_options(config, role.job_id));
  if (role.epoch <= 1 || store.directory.empty()) { return std::optional<EndedJob>(); }
  Result<EndedJob> ended = read_ended(world.files(), checkpoint_root(store));
  if (ended.ok() && ended->job_id == role.job_id) { return std::optional(std::move(*ended)); }
  if (ended.ok() || ended.status().id() == ErrorId::kFileNotFound) {
    return std::optional<EndedJob>();
  }
  return std::move(ended).status();
}

Result<std::unique_ptr<JobMasterProcess>> tell_end_of(World& world, const EndedJob& ended,
                                                      LogicalGraph graph, const Config& config,
                                                      JobMasterProcess::Options options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const ChainedGraph chained, chain_graph(std::move(graph), config));
  pb::JobReport report;
  fill_plan(chained, report);
  report.set_id(ended.job_id);
  report.set_name(ended.job_name);
  report.set_status(static_cast<uint32_t>(ClusterJobStatus::kFinished));
  report.set_now_ms(world.clock().wall_ms());
  report.set_start_ms(ended.wall_ms);
  report.set_end_ms(ended.wall_ms);
  Network* const network = options.network;
  auto process =
      std::make_unique<EndedProcess>(world, std::move(options), report.SerializeAsString());
  TIDEWHEEL_RETURN_IF_ERROR(process->begin(world, network));
  return std::unique_ptr<JobMasterProcess>(std::move(process));
}

}  // namespace

Result<std::unique_ptr<JobMasterProcess>> JobMasterProcess::start(World& world, LogicalGraph graph,
                                                                  Config config, Options options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<EndedJob> ended,
                             find_end(world, config, options.role));
  if (ended) { return tell_end_of(world, *ended, std::move(graph), config, std::move(options)); }
  // The first master of a job starts as the configuration says, later ones go on.
  using Resume = JobSetupOptions::Resume;
  TIDEWHEEL_ASSIGN_OR_RETURN(
      JobSetup setup,
      set_up_job(world, std::move(graph), config,
                 {.id = options.role.job_id,
                  .resume = options.role.epoch > 1 ? Resume::kById : Resume::kNever}));
  auto process = std::make_unique<MasterProcess>(world, std::move(config), std::move(options),
                                                 std::move(setup));
  TIDEWHEEL_RETURN_IF_ERROR(process->begin());
  return std::unique_ptr<JobMasterProcess>(std::move(process));
}

}  // namespace tidewheel
