#include "tidewheel/api/cluster_role.h"

#include <memory>
#include <optional>
#include <utility>

#include "tidewheel/base/log_output.h"
#include "tidewheel/base/tls_network.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/job_master_process.h"
#include "tidewheel/cluster/program_plan.h"
#include "tidewheel/cluster/prometheus_endpoint.h"
#include "tidewheel/cluster/worker.h"

namespace tidewheel {
namespace {

Status run_master(World& world, const ProcessRole& role, LogicalGraph graph, const Config& config) {
  if (const auto file = world.environment(kPlanFileVariable)) {
    return write_program_plan(world.files(), *file, std::move(graph), config);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<Network> tls,
                             make_internal_tls(world.network(), world.files(), config));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<JobMasterProcess> master,
                             JobMasterProcess::start(world, std::move(graph), config,
                                                     {.role = role, .network = tls.get()}));
  const auto endpoints = PrometheusEndpoint::open_all(
      world, config, {.scope = "jobmanager_job_master", .labels = {{"job_id", role.job_id}}}, {});
  return master->wait();
}

Status run_worker(World& world, const ProcessRole& role, LogicalGraph graph, const Config& config) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<Network> tls,
                             make_internal_tls(world.network(), world.files(), config));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const std::unique_ptr<JobWorker> worker,
      JobWorker::start(world, std::move(graph), config, {.role = role, .network = tls.get()}));
  const auto endpoints = PrometheusEndpoint::open_all(
      world, config,
      {.scope = "taskmanager_job_worker",
       .labels = {{"job_id", role.job_id}, {"host", role.host}, {"tm_id", role.task_manager_id}},
       .memory_bytes_max = role.memory_bytes},
      [&worker](auto done) { worker->gather_metrics(std::move(done)); });
  static_cast<void>(worker->ended().wait());
  return worker->result();
}

const char* name_of(const ProcessRole& role) {
  return role.kind == ProcessRole::Kind::kJobMaster ? "job-master" : "worker";
}

int exit_status_of(World& world, const ProcessRole& role, const Status& result) {
  if (result.ok()) { return kRoleDone; }
  world.logger().named(name_of(role)).error("{}", result.to_string());
  // The process before has not ended yet: it is tried again.
  if (result.id() == ErrorId::kProcessLost || result.id() == ErrorId::kFileLocked) {
    return kRoleLost;
  }
  // How the job ended was told the JobManager; the process has done what it was for.
  return role.kind == ProcessRole::Kind::kJobMaster && result.id() == ErrorId::kJobCancelled
             ? kRoleDone
             : kRoleFailed;
}

}  // namespace

int run_cluster_role(World& world, const ProcessRole& role, const ClusterProgram& program) {
  Config config;
  Status loaded = config.load_file(world.files(), role.config_file);
  // What one that is only asked for its plan says is read by people.
  if (loaded.ok() && !world.environment(kPlanFileVariable)) {
    loaded = set_log_output(world, config,
                            {.role = name_of(role), .id = role.worker_id, .job = role.job_id});
  }
  if (!loaded.ok()) { return exit_status_of(world, role, loaded); }
  std::optional<Status> result;
  const JobRunner runner = [&](LogicalGraph graph, const Config& job) -> Status {
    if (result) {
      return failed_precondition(ErrorId::kExecutedTwice,
                                 "a program on a cluster runs one job; this is its second");
    }
    result = role.kind == ProcessRole::Kind::kJobMaster
                 ? run_master(world, role, std::move(graph), job)
                 : run_worker(world, role, std::move(graph), job);
    return *result;
  };
  const Status status = program(config, runner);
  if (result) { return exit_status_of(world, role, *result); }
  if (!status.ok()) { return exit_status_of(world, role, status); }
  return exit_status_of(
      world, role,
      failed_precondition(ErrorId::kJobNotExecuted,
                          "the program {} has ended without executing a job", role.program));
}

}  // namespace tidewheel
