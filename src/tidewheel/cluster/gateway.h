// A cluster as its REST API sees it: the jobs, programs and processes that there are, and what can
// be asked of them. A JobManager implements it; tests of the API have a cluster of plain data.
//
// Every call may come from any thread, returns at once, and is answered exactly once, on any
// thread, before or after it returns; what answers must be quick (a post to a mailbox). What has
// not been answered when the gateway is destroyed is answered with kUnavailable by then.
//
// Failures say by their code what became of the request:
//   kInvalidArgument     what was asked for can't be, ever: 400
//   kNotFound            the job, vertex, program, process or file is not there: 404
//   kFailedPrecondition  not in this state, as cancelling a job that has finished: 409
//   kUnavailable         no leader, or a process that should answer is not to be reached now: 503
//   kDeadlineExceeded    it was not answered in time: 504
//   kUnimplemented       the job's scheduler, or this kind of process, can't: 501
//   others               the cluster failed at it: 500
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

namespace pb {
class JobReport;     // cluster/job_report.proto
class MetricReport;  // the same
}  // namespace pb

// In the order in which a job can pass through them; the numbers are those of pb::JobReport.status.
enum class ClusterJobStatus : uint8_t {
  kInitializing = 0,  // its master is being started
  kCreated,
  kRunning,
  kFailing,
  kFailed,
  kCancelling,
  kCanceled,
  kFinished,
  kRestarting,
  kSuspended,  // its JobManager gave it up, another one will go on with it
  kReconciling,
};
inline constexpr int32_t kClusterJobStatusCount = 11;
std::string_view cluster_job_status_name(ClusterJobStatus status);  // "RUNNING"
inline bool is_final(ClusterJobStatus status) {
  return status == ClusterJobStatus::kFailed || status == ClusterJobStatus::kCanceled ||
         status == ClusterJobStatus::kFinished;
}

// The numbers are those of pb::AttemptReport.state.
enum class ExecutionState : uint8_t {
  kCreated = 0,
  kScheduled,  // waits for a slot
  kDeploying,
  kInitializing,  // opens, and restores its state
  kRunning,
  kFinished,
  kCanceling,
  kCanceled,
  kFailed,
  kReconciling,
};
inline constexpr int32_t kExecutionStateCount = 10;
std::string_view execution_state_name(ExecutionState state);  // "RUNNING"

// One line of the list of jobs.
struct JobSummary {
  std::string id;  // 32 lower-case hex digits, as all ids of jobs
  std::string name;
  ClusterJobStatus status = ClusterJobStatus::kInitializing;
  int64_t start_ms = 0;  // wall times
  int64_t end_ms = -1;   // -1: it has not ended
  int64_t last_modification_ms = 0;
  int32_t tasks[kExecutionStateCount] = {};  // how many are in each state
};

// A program as it was uploaded: a shared library or an SQL script.
struct ProgramInfo {
  std::string id;    // "<32 hex digits>_<name>"
  std::string name;  // the file's name as its owner gave it: shown, never a path
  std::string sha256;
  int64_t bytes = 0;
  int64_t uploaded_ms = 0;
  std::vector<std::string> entries;  // the jobs that it holds; empty: not known
};

// A file of the local file system that the gateway takes over, and deletes when it fails.
struct UploadedProgram {
  std::string path;
  std::string name;    // what the client calls it: its last part only
  std::string sha256;  // 64 lower-case hex digits
  int64_t bytes = 0;
};

// How a program is to be run.
struct ProgramRun {
  std::string entry;  // which job of the program; empty: the only one
  std::vector<std::string> arguments;
  int32_t parallelism = 0;     // 0: what the configuration says
  std::string job_id;          // empty: a new one; taken: kAlreadyExists
  std::string savepoint_path;  // empty: starts anew
  bool allow_non_restored_state = false;
  std::string claim_mode;  // "", "CLAIM", "NO_CLAIM"
  std::vector<std::pair<std::string, std::string>> configuration;
  // The client waits for the job: it is cancelled when nobody has sent client_heartbeat in time.
  bool attached = false;
};

struct SavepointOrder {
  enum class Then : uint8_t { kGoOn, kCancel, kStop, kDrain };
  std::string directory;  // empty: the configured one; without one: kInvalidArgument
  Then then = Then::kGoOn;
  bool native = false;  // in the state backend's own form
};

// What one vertex may run at.
struct ParallelismBounds {
  std::string vertex_id;
  int32_t lower = 1;
  int32_t upper = 1;
};

// What a slot or a TaskManager has.
struct ResourceAmount {
  double cpu_cores = 0;
  int64_t task_heap_bytes = 0;
  int64_t task_off_heap_bytes = 0;
  int64_t managed_bytes = 0;
  int64_t network_bytes = 0;
};

struct TaskManagerSummary {
  struct AllocatedSlot {
    std::string job_id;
    ResourceAmount resource;
  };
  std::string id;  // "host:port-suffix"
  std::string address;
  std::string rest_host;
  int32_t data_port = 0;
  int64_t last_heartbeat_ms = 0;  // wall time
  int32_t slots = 0;
  int32_t free_slots = 0;
  ResourceAmount total;
  ResourceAmount free;
  // The machine's.
  int32_t cpu_cores = 0;
  int64_t physical_memory_bytes = 0;
  int64_t free_memory_bytes = 0;
  // How its memory is divided (taskmanager.memory.*).
  int64_t framework_heap_bytes = 0;
  int64_t task_heap_bytes = 0;
  int64_t framework_off_heap_bytes = 0;
  int64_t task_off_heap_bytes = 0;
  int64_t network_bytes = 0;
  int64_t managed_bytes = 0;
  int64_t overhead_bytes = 0;
  int64_t total_flink_bytes = 0;
  int64_t total_process_bytes = 0;
  std::vector<AllocatedSlot> allocated;
};

// A process that has logs, metrics and threads.
struct ProcessName {
  std::string task_manager = {};  // its id; empty: the JobManager
  // Empty: the manager itself; else the job's own process under it: its worker, or its master.
  std::string job_id = {};
};

struct LogFileInfo {
  std::string name;  // one of these, to the letter, is what read_log takes
  int64_t bytes = 0;
  int64_t modified_ms = 0;
};

// The two files that have a route of their own.
inline constexpr const char* kLogOfProcess = ":log";
inline constexpr const char* kStdoutOfProcess = ":stdout";

struct LogPiece {
  std::string bytes;
  int64_t total_bytes = 0;  // of the file, now
};

struct ThreadStack {
  std::string name;
  std::string text;  // a line a frame, the innermost first
};

struct StackSampling {
  enum class Kind : uint8_t { kFull, kOnCpu, kOffCpu };
  std::string job_id;
  std::string vertex_id;
  int32_t subtask = -1;  // -1: all
  Kind kind = Kind::kFull;
  int32_t samples = 100;
  int64_t interval_ms = 50;
  int32_t depth_max = 100;
};

// Equal stacks, counted. Frames: the outermost first.
struct SampledStack {
  std::vector<std::string> frames;
  int64_t count = 0;
};

struct ClusterOverview {
  int32_t task_managers = 0;
  int32_t slots = 0;
  int32_t free_slots = 0;
};

class ClusterGateway {
 public:
  template <class T>
  using Answer = std::function<void(Result<T>)>;
  using Done = std::function<void(Status)>;
  using JobReportRef = std::shared_ptr<const pb::JobReport>;
  using MetricReportRef = std::shared_ptr<const pb::MetricReport>;

  virtual ~ClusterGateway() = default;

  // ---- The cluster
  // "http://host:port" of the leading JobManager's API when this one does not lead; empty: it does.
  // Requests are sent on there. kUnavailable: nobody leads now.
  virtual Result<std::string> leader_address() = 0;
  virtual void overview(Answer<ClusterOverview> done) = 0;
  // The effective configuration, secrets not masked.
  virtual std::vector<std::pair<std::string, std::string>> configuration() = 0;
  // Ends all jobs and processes. Answered when it has begun.
  virtual void shut_down(Done done) = 0;

  // ---- Programs
  virtual void add_program(UploadedProgram program, Answer<ProgramInfo> done) = 0;
  virtual void programs(Answer<std::vector<ProgramInfo>> done) = 0;
  virtual void remove_program(std::string id, Done done) = 0;
  // Answers the job's id when the job is accepted: its program is there and its configuration makes
  // sense. What the program itself says comes later, as the job's failure.
  virtual void run_program(std::string id, ProgramRun run, Answer<std::string> done) = 0;
  // What the job would be, without running it: a report with vertices and no attempts.
  virtual void plan_program(std::string id, ProgramRun run, Answer<JobReportRef> done) = 0;

  // ---- Jobs
  // Those that run, and those that have ended and are remembered, in the order of their start.
  virtual void jobs(Answer<std::vector<JobSummary>> done) = 0;
  // All that is known of a job, running or ended, but for its metrics. Asked at most each
  // web.refresh-interval for each job.
  virtual void report(std::string job_id, Answer<JobReportRef> done) = 0;
  virtual void metrics_of_job(std::string job_id, Answer<MetricReportRef> done) = 0;
  // OK when it is being cancelled, or was cancelled before.
  virtual void cancel(std::string job_id, Done done) = 0;
  // Answers the savepoint's path, once it is complete and, for all but kGoOn, the job has ended.
  virtual void savepoint(std::string job_id, SavepointOrder order, Answer<std::string> done) = 0;
  // Answers its number, once it is complete.
  virtual void checkpoint(std::string job_id, Answer<int64_t> done) = 0;
  virtual void dispose_savepoint(std::string path, Done done) = 0;
  // All vertices of the job, each once. kUnimplemented under a scheduler that can't rescale.
  virtual void parallelism_bounds(std::string job_id,
                                  Answer<std::vector<ParallelismBounds>> done) = 0;
  // Answered when the bounds hold; the job is restarted later.
  virtual void set_parallelism_bounds(std::string job_id, std::vector<ParallelismBounds> bounds,
                                      Done done) = 0;
  // The client is there until then (wall time).
  virtual void client_heartbeat(std::string job_id, int64_t expires_ms, Done done) = 0;
  // Takes samples * interval_ms; answered behind that.
  virtual void sample_stacks(StackSampling sampling, Answer<std::vector<SampledStack>> done) = 0;

  // ---- Processes
  virtual void task_managers(Answer<std::vector<TaskManagerSummary>> done) = 0;
  virtual void metrics_of_process(ProcessName process, Answer<MetricReportRef> done) = 0;
  virtual void log_files(ProcessName process, Answer<std::vector<LogFileInfo>> done) = 0;
  // A piece from `offset`, of `bytes_max` at most (1 MiB and less); empty at the end. A name that
  // is not among log_files, and is not kLogOfProcess or kStdoutOfProcess, is kNotFound whatever it
  // is made of.
  virtual void read_log(ProcessName process, std::string name, int64_t offset, int64_t bytes_max,
                        Answer<LogPiece> done) = 0;
  virtual void thread_dump(ProcessName process, Answer<std::vector<ThreadStack>> done) = 0;
};

}  // namespace tidewheel
