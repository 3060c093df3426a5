// The inside of a TaskManager: all its state, on one thread.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/process.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/manager.pb.h"
#include "tidewheel/cluster/process_metrics.h"
#include "tidewheel/high_availability/high_availability.h"
#include "tidewheel/rpc/service.h"
#include "tidewheel/taskmanager/program_cache.h"
#include "tidewheel/taskmanager/task_manager.h"

namespace tidewheel {

class TaskManager::Role {
 public:
  Role(World& world, TaskManagerOptions options);
  ~Role();
  [[nodiscard]] Status start();
  void leave(const std::string& how);
  const std::string& id() const { return id_; }
  uint16_t port() const { return endpoint_->port(); }

 private:
  // What a job has here.
  struct Work {
    pb::AssignSlotsRequest assigned;
    std::string worker_id;  // of the process that runs or is being started; empty: none
    std::string program_path;
    std::unique_ptr<ChildProcess> process;  // null while it is being started
    int64_t log_begin = 0;                  // where it begins to write in the job's log here
    uint16_t data_port = 0;
    std::vector<int32_t> cores;  // that are its own; empty: none
  };

  [[nodiscard]] Status listen();
  void serve();

  // ---- The JobManager
  void on_leader(const std::optional<Leader>& leader);
  void on_up();
  void on_lost(const Status& why);
  void register_now();
  void on_registered(const Result<pb::RegisterTaskManagerResponse>& response);
  void watch_the_time();
  pb::TaskManagerInfo info() const;

  // ---- Workers
  void on_assign(const pb::AssignSlotsRequest& request,
                 const RpcAnswer<pb::AssignSlotsResponse>& answer);
  void start_worker(Work& work);
  void prepare_worker(const std::string& job_id, const std::string& worker_id);
  void launch_worker(Work& work);
  void worker_failed(const std::string& job_id, const std::string& worker_id,
                     const std::string& why);
  void on_worker_end(const std::string& job_id, const std::string& worker_id,
                     const ProcessEnd& end);
  // It is asked to end, and then made to.
  void end_worker(Work& work);
  Work* find_work(const std::string& job_id, const std::string& worker_id);
  Config worker_config(const pb::AssignSlotsRequest& assigned) const;
  uint16_t free_data_port() const;
  // So many that no worker here has; empty when there are fewer, or none are asked for.
  std::vector<int32_t> free_cores(int32_t count) const;
  std::string worker_directory(const std::string& worker_id) const;
  std::string results_directory() const;
  void drop_results(const std::string& job_id);

  // ---- What it tells of itself
  ProcessLogs logs_of(const std::string& job_id) const;
  void on_list_logs(const pb::ProcessRequest& request,
                    const RpcAnswer<pb::ListLogsResponse>& answer);
  void on_read_log(const pb::ReadLogRequest& request, const RpcAnswer<pb::ReadLogResponse>& answer);
  void on_metrics(const pb::ProcessRequest& request, const RpcAnswer<pb::MetricsResponse>& answer);

  World& world_;
  const TaskManagerOptions options_;
  Logger log_;
  Random random_;
  std::string id_;
  std::string instance_;  // drawn for this process

  // The loop's.
  std::string leader_address_;
  RpcClient job_manager_;  // empty: nobody leads, as far as is known
  uint64_t session_ = 0;   // counts connections, so that late answers are told apart
  bool is_registered_ = false;
  std::string refusal_;  // why it is not registered, as far as a JobManager has said so
  int64_t alone_since_ms_ = 0;
  int64_t retry_ms_ = 0;
  ProcessMetrics own_metrics_;
  std::map<std::string, Work> works_;                        // by job
  std::map<int64_t, std::unique_ptr<ChildProcess>> ending_;  // by process
  std::shared_ptr<RpcService> service_;
  std::unique_ptr<SerialJobs> files_;
  EventLoop loop_;
  std::unique_ptr<ProgramCache> programs_;
  std::unique_ptr<RpcEndpoint> endpoint_;
};

}  // namespace tidewheel
