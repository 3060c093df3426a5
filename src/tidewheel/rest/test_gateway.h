// A cluster of plain data, for tests of the API and of its clients.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/cluster/gateway.h"
#include "tidewheel/cluster/profiler.h"

namespace tidewheel {

// Answers at once, on the caller's thread, but where `held` says that it does not. Fields are read
// by the API's threads: in a simulated world those are the test's.
class TestGateway final : public ClusterGateway, public Profiler {
 public:
  inline static const std::string kJob = "11112222333344445555666677778888";
  inline static const std::string kEndedJob = "aaaabbbbccccddddeeeeffff00001111";
  inline static const std::string kSource = "00000000000000000000000000000001";
  inline static const std::string kSink = "00000000000000000000000000000002";

  // One job that runs, with two vertices, and one that has failed.
  TestGateway();
  ~TestGateway() override;

  Result<std::string> leader_address() override { return leader; }
  void overview(Answer<ClusterOverview> done) override;
  std::vector<std::pair<std::string, std::string>> configuration() override { return settings; }
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

  void profile(Profiling profiling,
               std::function<void(Result<std::vector<SampledStack>>)> done) override {
    profilings.push_back(std::move(profiling));
    end_profile = std::move(done);
  }

  // The job's state from now on, in its summary and its report.
  void set_status(const std::string& job_id, ClusterJobStatus status);
  pb::JobReport& report_of(const std::string& job_id);

  Result<std::string> leader = std::string();
  std::vector<std::pair<std::string, std::string>> settings = {{"rest.port", "8081"},
                                                               {"my.Password", "x"}};
  std::vector<JobSummary> summaries;
  std::vector<ProgramInfo> stored;
  std::vector<TaskManagerSummary> managers;
  std::map<std::string, std::string> logs = {{":log", "one\ntwo\n"}, {"worker.log", "three\n"}};
  std::vector<UploadedProgram> uploads;
  std::vector<std::pair<std::string, ProgramRun>> runs;
  std::vector<std::pair<std::string, SavepointOrder>> savepoints;
  std::vector<ParallelismBounds> bounds;
  std::vector<std::string> disposed;
  std::vector<int64_t> heartbeats;
  bool was_shut_down = false;
  int reports_asked = 0;
  int samplings = 0;
  std::vector<Profiling> profilings;
  std::function<void(Result<std::vector<SampledStack>>)> end_profile;  // of the latest
  bool can_rescale = true;
  // Held back until the test calls `release`.
  bool holds_savepoints = false;
  std::vector<Answer<std::string>> held_savepoints;
  std::optional<Status> savepoint_failure;

 private:
  struct Reports;
  const std::unique_ptr<Reports> reports_;
};

}  // namespace tidewheel
