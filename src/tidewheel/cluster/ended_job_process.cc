#include "tidewheel/cluster/ended_job_process.h"

#include <utility>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/checkpoint/worker_storage.h"
#include "tidewheel/cluster/gateway.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/job_report_builder.h"
#include "tidewheel/cluster/manager.pb.h"
#include "tidewheel/rpc/service.h"

namespace tidewheel {
namespace {

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
  bool advance() override { return told_->is_set(); }
  Event& awaited() override { return *told_; }
  Status result() const override { return result_; }
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

}  // namespace

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

Result<std::unique_ptr<JobMasterProcess>> start_ended_job_process(
    World& world, const EndedJob& ended, LogicalGraph graph, const Config& config,
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

}  // namespace tidewheel
