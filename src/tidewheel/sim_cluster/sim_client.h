// The client of a simulated cluster: asks whoever leads, notes each answer, and judges what the
// cluster says of its jobs.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/cluster/gateway.h"
#include "tidewheel/sim_cluster/sim_cluster.h"

namespace tidewheel {

class SimClient {
 public:
  // What it knows of a job that it wants to run.
  struct Job {
    std::string id;
    std::string table;                             // and its name
    std::string savepoint;                         // that it goes on from; empty: none
    const ClusterGateway* submitted_to = nullptr;  // and not answered
    bool accepted = false;
    std::optional<ClusterJobStatus> status;  // as it was told last
    // What may end it before its last row.
    bool cancel_asked = false;
    bool stop_asked = false;
    std::string stopped_at;      // a savepoint that was acknowledged, with which the job has ended
    bool drained = false;        // the same, and it has processed what there was
    int64_t vertices_since = 0;  // the leader, by number, that has shown its vertices; 0: none has
    bool ended() const { return status.has_value() && is_final(*status); }
  };
  struct Savepoint {
    std::string path;
    std::string job_id;
    SavepointOrder::Then then = SavepointOrder::Then::kGoOn;
  };

  // `fail` takes what should never be; `note` a line of the run's story.
  SimClient(Simulation& simulation, SimCluster& cluster, std::function<void(std::string)> fail,
            std::function<void(std::string)> note)
      : simulation_(simulation),
        cluster_(cluster),
        fail_(std::move(fail)),
        note_(std::move(note)) {}

  // It is submitted until it is accepted.
  Job& add_job(std::string id, std::string table, std::string savepoint);
  std::map<std::string, Job>& jobs() { return jobs_; }
  bool all_ended() const;
  bool all_run() const;  // or have ended
  // Those that were acknowledged.
  const std::vector<Savepoint>& savepoints() const { return savepoints_; }

  // ---- Requests to whoever leads; nothing when nobody does.
  void ask();  // how the jobs are; submits those that are not accepted
  void cancel(Job& job);
  void savepoint(Job& job, SavepointOrder::Then then);
  void checkpoint(Job& job);
  void rescale(Job& job, int32_t upper_max);
  // Free slots and all slots, as they were told last.
  std::pair<int32_t, int32_t> slots() const { return slots_; }

  // The manager was killed: what it was asked it does not owe an answer any more.
  void killed(const ClusterGateway* gateway);
  // Requests that have not been answered in time.
  void check_answers();
  int64_t answer_count() const { return answers_; }
  std::map<std::string, int64_t> answers_by_kind() const { return by_kind_; }

 private:
  struct Request {
    std::string what;
    const ClusterGateway* gateway = nullptr;
    int64_t asked_ns = 0;
    int32_t answers = 0;
  };
  using RequestRef = std::shared_ptr<Request>;

  RequestRef begin(const std::string& what, const ClusterGateway* gateway);
  // False: who was asked has been killed since, and must not be asked for more.
  bool answered(const RequestRef& request, const Status& status);
  void submit(Job& job, ClusterGateway& gateway);
  void look(const std::vector<JobSummary>& jobs);
  void look_at_vertices(Job& job, ClusterGateway& gateway);

  Simulation& simulation_;
  SimCluster& cluster_;
  const std::function<void(std::string)> fail_;
  const std::function<void(std::string)> note_;
  std::map<std::string, Job> jobs_;  // by id
  std::vector<Savepoint> savepoints_;
  std::vector<RequestRef> open_;
  int64_t answers_ = 0;
  std::map<std::string, int64_t> by_kind_;  // "savepoint: OK", how often
  int32_t next_folder_ = 1;
  std::pair<int32_t, int32_t> slots_{0, 0};
};

}  // namespace tidewheel
