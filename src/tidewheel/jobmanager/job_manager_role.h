// The inside of a JobManager: all its state, on one thread.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/process.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/manager.pb.h"
#include "tidewheel/cluster/process_metrics.h"
#include "tidewheel/high_availability/high_availability.h"
#include "tidewheel/jobmanager/job_manager.h"
#include "tidewheel/jobmanager/program_store.h"
#include "tidewheel/jobmanager/slot_pool.h"
#include "tidewheel/rpc/service.h"

namespace tidewheel {

class JobManager::Role {
 public:
  Role(World& world, JobManagerOptions options);
  ~Role();
  [[nodiscard]] Status listen();
  void start(const std::string& rest_address);

  template <class T>
  using Answer = ClusterGateway::Answer<T>;
  using Done = ClusterGateway::Done;

  // A job that runs, or has ended and is remembered.
  struct Job {
    std::string id;
    pb::JobSubmission submission;
    Config config;  // effective
    uint64_t epoch = 0;
    ClusterJobStatus status = ClusterJobStatus::kInitializing;
    std::string name;
    int64_t start_ms = 0;
    int64_t end_ms = -1;
    int64_t changed_ms = 0;
    int32_t parallelism = 0;
    std::vector<int32_t> tasks;
    std::string plan;  // the vertices, as its last master knew them; a pb::JobReport
    // What it is to end as; kept before anything is done about it, and then it is not started
    // again.
    std::optional<ClusterJobStatus> ending;
    std::string report;  // the last one, of a job that has ended; a pb::JobReport
    // Its end is shown when it is kept: another leader knows of it then.
    bool end_is_kept = false;
    std::vector<Done> wait_for_end;
    // As it is shown.
    ClusterJobStatus shown_status() const;

    // Of the present epoch.
    std::unique_ptr<ChildProcess> process;
    RpcClient master;  // empty until it has registered
    std::string master_address;
    int64_t master_since_ms = 0;  // monotonic
    // Of a leader before: it is asked to register here, and what it needs waits until the
    // TaskManagers where it has slots have come.
    bool is_adopting = false;
    RpcClient adoption;
    std::set<std::string> awaited;
    std::optional<pb::DeclareSlotsRequest> held_need;
    std::map<std::string, std::string> workers;  // by TaskManager; those that were started

    int64_t log_begin = 0;  // where its process begins to write in its log
    // How masters of the job have ended, the oldest first.
    std::vector<pb::FailureReport> master_failures;
    int32_t starts_in_vain = 0;  // masters that ended soon, one after another
    EventLoop::TimerId restart = 0;
    int64_t client_expires_ms = 0;  // wall clock; 0: its client has never said a word
  };

  struct StartsInVain {
    int32_t count = 0;
    int64_t last_ms = 0;  // monotonic
  };
  struct TaskManager {
    pb::TaskManagerInfo info;
    RpcClient client;
    int64_t heard_ms = 0;  // wall clock
    // Starts of workers in a row that came to nothing, by job: the next one waits.
    std::map<std::string, StartsInVain> starts_in_vain;
  };

  // ---- Any thread.
  void post(std::function<void()> mail) { loop_.post(std::move(mail)); }
  Result<std::string> leader_address();
  const JobManagerOptions& options() const { return options_; }
  World& world() { return world_; }
  uint16_t port() const { return endpoint_->port(); }

  // ---- What follows is the loop's only.

  // Why nothing can be asked of it now; OK: it leads.
  Status check_leads() const;
  Result<Job*> find_job(const std::string& id);
  // Of a job whose master can be asked.
  Result<Job*> find_running(const std::string& id);
  Result<TaskManager*> find_task_manager(const std::string& id);
  std::map<std::string, Job>& jobs() { return jobs_; }
  std::map<std::string, TaskManager>& task_managers() { return task_managers_; }
  SlotPool& pool() { return pool_; }
  ProcessMetrics& own_metrics() { return own_metrics_; }
  SerialJobs& files() { return *files_; }
  ProgramStore& programs() { return *programs_; }
  const RpcPoster& poster() const { return loop_.poster(); }

  void submit(const ProgramInfo& program, const ProgramRun& run, Answer<std::string> done);
  void plan(const ProgramInfo& program, const ProgramRun& run,
            Answer<ClusterGateway::JobReportRef> done);
  void cancel(Job& job, Done done);
  void cancel_at_master(Job& job, Done done);
  void leave_masters();
  void shut_down();
  std::vector<std::string> programs_in_use() const;
  ProcessLogs logs_of(const std::string& job_id) const;  // of its master
  // Of this process, or of a job's master.
  Result<ProcessLogs> own_logs(const std::string& job_id);
  // What a checkpoint may take, and the way there and back.
  int64_t savepoint_timeout_ms(const Job& job) const;
  void fill_report(const Job& job, pb::JobReport& report) const;
  // What the job's master of the present epoch says it does.
  void note_status(Job& job, uint32_t told) const;
  // Among those of the report, the newest first.
  static void add_master_failures(const Job& job, pb::JobReport& report);

 private:
  // ---- Leading.
  void serve();
  void on_elected(uint64_t fence);
  void on_lost(const Status& why);
  void read_jobs();
  void recover(const HighAvailability::Jobs& records);
  void recover_job(const std::string& id, const std::string& record);
  void run_application();
  void tick();  // once a second: what has to end

  // ---- Jobs (jobs.cc)
  void keep(const Job& job, Done done);
  void start_master(Job& job);
  void launch_master(Job& job, const std::string& directory);
  // (adoption.cc)
  void adopt_master(Job& job);
  void adoption_failed(Job& job, const std::string& why);
  void on_master_lost(const std::string& id, uint64_t epoch, const RpcPeer* peer,
                      const Status& why);
  void await_task_managers(Job& job, const pb::RegisterJobMasterRequest& request);
  void take_need(Job& job, const pb::DeclareSlotsRequest& request);
  void task_manager_has_come(const std::string& id);
  void keep_orphans();
  static void end_master(Job& job);
  void on_master_end(const std::string& id, uint64_t epoch, const ProcessEnd& end);
  // `is_failure`: it is shown among the job's failures.
  void restart_master(Job& job, const std::string& why, bool is_failure = true);
  void finish(Job& job, ClusterJobStatus status, const std::string& failure,
              const std::string& report);
  void keep_end(const std::string& id);
  // `done` is called once the end is kept.
  void when_end_is_kept(Job& job, Done done);
  void archive(const Job& job);
  void forget_old_jobs();
  // The settings of a run, as they are kept with the job.
  static std::vector<std::pair<std::string, std::string>> settings_of(const ProgramRun& run);
  // (plans.cc)
  void launch_plan(uint64_t number, const std::string& directory, const ProgramInfo& program,
                   const ProgramRun& run, const Answer<ClusterGateway::JobReportRef>& done);
  void on_register_master(const RpcRequest& from, const pb::RegisterJobMasterRequest& request,
                          const RpcAnswer<pb::RegisterJobMasterResponse>& answer);
  void on_declare_slots(const pb::DeclareSlotsRequest& request, const RpcAnswer<pb::Empty>& answer);
  void on_job_changed(const pb::JobChangedNotice& notice);
  void on_job_ending(const pb::JobEndingRequest& request, const RpcAnswer<pb::Empty>& answer);
  void on_job_ended(const pb::JobEndedRequest& request, const RpcAnswer<pb::Empty>& answer);
  // Of a message; one that there is not is the last.
  static ClusterJobStatus job_status_of(uint32_t number);
  // Null: there is none, or it is of an older epoch.
  Job* present(const std::string& id, uint64_t epoch);

  // ---- TaskManagers and slots (slots.cc)
  void on_register_task_manager(const RpcRequest& from,
                                const pb::RegisterTaskManagerRequest& request,
                                const RpcAnswer<pb::RegisterTaskManagerResponse>& answer);
  void on_task_manager_lost(const std::string& id, const RpcPeer* peer, const Status& why);
  // `how`: "was stopped". Nothing happens when it is gone already.
  void task_manager_is_gone(const std::string& id, const RpcPeer* peer, const std::string& how);
  void on_worker_ended(const pb::WorkerEndedNotice& notice);
  void on_fetch(const pb::FetchProgramRequest& request,
                const RpcAnswer<pb::FetchProgramResponse>& answer);
  void settle();
  void assign(const std::string& task_manager, const std::string& job);
  void assign_later(const std::string& task_manager, const std::string& job);
  void on_assigned(const std::string& task_manager, const std::string& job, uint64_t epoch,
                   const Result<pb::AssignSlotsResponse>& response);
  void tell_slots(Job& job);

  World& world_;
  const JobManagerOptions options_;
  Logger log_;
  Random random_;
  std::string rest_address_;

  LeafLock leader_lock_;
  std::optional<Leader> leader_;  // guarded; as it is known

  // The loop's.
  uint64_t fence_ = 0;  // 0: it does not lead
  bool recovered_ = false;
  bool ending_ = false;
  std::map<std::string, Job> jobs_;
  std::map<std::string, TaskManager> task_managers_;
  SlotPool pool_;
  // Masters that this process has started, while it does not lead: by job, with their epochs.
  std::map<std::string, std::pair<uint64_t, std::unique_ptr<ChildProcess>>> orphans_;
  // Programs that tell their plans; null: it is about to be started.
  std::map<uint64_t, std::unique_ptr<ChildProcess>> plans_;
  uint64_t plans_made_ = 0;
  ProcessMetrics own_metrics_;

  std::unique_ptr<ProgramStore> programs_;  // used by files_ only
  std::shared_ptr<RpcService> service_;
  std::unique_ptr<SerialJobs> files_;
  EventLoop loop_;
  std::unique_ptr<RpcEndpoint> endpoint_;
};

}  // namespace tidewheel
