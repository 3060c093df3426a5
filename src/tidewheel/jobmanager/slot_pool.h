// Which slots of which TaskManagers belong to which job: the decisions of the resource manager, as
// plain data. What it says is carried out by the JobManager.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tidewheel {

enum class SlotChoice : uint8_t {
  kFill,    // few TaskManagers for a job: less goes over the network
  kSpread,  // all evenly (cluster.evenly-spread-out-slots)
};

class SlotPool {
 public:
  // Slots of a job by TaskManager; never 0 of one.
  using Assignment = std::map<std::string, int32_t>;
  // What has changed since the last `settle`.
  struct Changes {
    // All that these jobs have now; may be nothing.
    std::vector<std::string> jobs;
    // Jobs whose part of a TaskManager is another one now; also those that have nothing there any
    // more, but for TaskManagers that were removed.
    std::vector<std::pair<std::string, std::string>> on_task_managers;  // TaskManager, job
  };

  explicit SlotPool(SlotChoice choice) : choice_(choice) {}

  // With what it had before when it is known: a TaskManager that comes back says again who it is.
  void add_task_manager(const std::string& id, int32_t slots);
  void remove_task_manager(const std::string& id);
  // How many slots the job is to have, all in all; `min` are enough to start with. Jobs are served
  // in the order of their first need.
  void set_need(const std::string& job, int32_t slots, int32_t min);
  void remove_job(const std::string& job);
  // The job has so many slots there already, from before this pool was made.
  void adopt(const std::string& job, const std::string& task_manager, int32_t slots);

  // Takes back what is not needed, and gives what is free. A job gets nothing until its minimum can
  // be had: two that wait for each other's slots would wait for ever.
  Changes settle();

  const Assignment& slots_of(const std::string& job) const;
  int32_t slots_of(const std::string& job, const std::string& task_manager) const;
  int32_t need_of(const std::string& job) const;
  int32_t missing(const std::string& job) const;
  // "needs 8 slots; the cluster has 4, of which 2 are free"; empty when none is missing.
  std::string why_missing(const std::string& job) const;
  int32_t slot_count() const;
  int32_t free_count() const;
  int32_t free_of(const std::string& task_manager) const;
  std::vector<std::string> jobs_on(const std::string& task_manager) const;

 private:
  struct TaskManager {
    int32_t slots = 0;
    int32_t used = 0;
  };
  struct Job {
    uint64_t order = 0;
    int32_t need = 0;
    int32_t min = 0;
    Assignment slots;
    int32_t total() const;
  };
  void change(Job& job, const std::string& name, const std::string& task_manager, int32_t by);
  void give_back(Job& job, const std::string& name);
  void give(Job& job, const std::string& name);
  std::string choose(const Job& job) const;

  SlotChoice choice_;
  std::map<std::string, TaskManager> task_managers_;
  std::map<std::string, Job> jobs_;
  uint64_t next_order_ = 1;
  Changes changes_;
};

}  // namespace tidewheel
