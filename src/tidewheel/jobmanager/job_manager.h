// The JobManager: which jobs there are (dispatcher), who has which slots (resource manager), and
// the processes of job masters. It runs no user code. While another one leads it only waits.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/network.h"
#include "tidewheel/cluster/gateway.h"
#include "tidewheel/cluster/process_logs.h"
#include "tidewheel/cluster/profiler.h"

namespace tidewheel {

class HighAvailability;  // high_availability/high_availability.h
class ProcessLauncher;   // base/process.h
class World;             // base/world.h

struct JobManagerOptions {
  Config config;                    // the cluster's
  std::string bind_host;            // where it listens
  std::vector<uint16_t> ports;      // of which the first free one is taken; 0: any
  std::string host;                 // by which others reach it
  std::string working_directory;    // its own; what is in it is removed at the start
  std::string log_directory;        // of job masters
  ProcessLogs logs;                 // its own
  int64_t master_memory_bytes = 0;  // of each; 0: no limit
  HighAvailability* high_availability = nullptr;
  ProcessLauncher* launcher = nullptr;
  Network* network = nullptr;  // null: the world's
  // Called, on its own thread, once it is to end: because somebody has asked for it, or because the
  // application has ended; with the process's exit status.
  std::function<void(int)> on_end;

  // Application mode: the one job that the cluster is for.
  struct Application {
    std::string path;  // of the program
    ProgramRun run;
  };
  std::optional<Application> application;
};

class JobManager final : public ClusterGateway, public Profiler {
 public:
  // Listens. Errors: kNetworkAddress, kFileAccess and its kin.
  static Result<std::unique_ptr<JobManager>> open(World& world, JobManagerOptions options);
  // Ends all job masters.
  ~JobManager() override;

  // Once, when the REST API can be reached at `rest_address`.
  void start(const std::string& rest_address);
  uint16_t port() const;

  // ---- ClusterGateway
  Result<std::string> leader_address() override;
  void overview(Answer<ClusterOverview> done) override;
  std::vector<std::pair<std::string, std::string>> configuration() override;
  void shut_down(Done done) override;
  void add_program(UploadedProgram program, Answer<ProgramInfo> done) override;
  void programs(Answer<std::vector<ProgramInfo>> done) override;
  void remove_program(std::string id, Done done) override;
  void run_program(std::string id, ProgramRun run, Answer<std::string> done) override;
  void plan_program(std::string id, ProgramRun run, Answer<JobReportRef> done) override;
  void jobs(Answer<std::vector<JobSummary>> done) override;
  void report(std::string job_id, Answer<JobReportRef> done) override;
  void metrics_of_job(std::string job_id, Answer<MetricReportRef> done) override;
  void cancel(std::string job_id, Done done) override;
  void savepoint(std::string job_id, SavepointOrder order, Answer<std::string> done) override;
  void checkpoint(std::string job_id, Answer<int64_t> done) override;
  void dispose_savepoint(std::string path, Done done) override;
  void parallelism_bounds(std::string job_id, Answer<std::vector<ParallelismBounds>> done) override;
  void set_parallelism_bounds(std::string job_id, std::vector<ParallelismBounds> bounds,
                              Done done) override;
  void client_heartbeat(std::string job_id, int64_t expires_ms, Done done) override;
  void sample_stacks(StackSampling sampling, Answer<std::vector<SampledStack>> done) override;
  void task_managers(Answer<std::vector<TaskManagerSummary>> done) override;
  void metrics_of_process(ProcessName process, Answer<MetricReportRef> done) override;
  void log_files(ProcessName process, Answer<std::vector<LogFileInfo>> done) override;
  void read_log(ProcessName process, std::string name, int64_t offset, int64_t bytes_max,
                Answer<LogPiece> done) override;
  void thread_dump(ProcessName process, Answer<std::vector<ThreadStack>> done) override;

  // ---- Profiler
  void profile(Profiling profiling,
               std::function<void(Result<std::vector<SampledStack>>)> done) override;

  class Role;  // the inside (job_manager_role.h)

 private:
  explicit JobManager(std::unique_ptr<Role> role);
  const std::unique_ptr<Role> role_;
};

}  // namespace tidewheel
