// The TaskManager: it has slots, and starts and ends the workers of jobs that were given some. It
// runs no user code.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/network.h"
#include "tidewheel/cluster/process_logs.h"
#include "tidewheel/taskmanager/memory_plan.h"

namespace tidewheel {

class HighAvailability;  // high_availability/high_availability.h
class ProcessLauncher;   // base/process.h
class World;             // base/world.h

struct TaskManagerOptions {
  Config config;
  std::string id;                    // empty: made of its address
  std::string bind_host;             // where it and its workers listen
  std::vector<uint16_t> ports;       // of its own; the first that is free
  std::vector<uint16_t> data_ports;  // of its workers, one each; 0: any
  std::string host;                  // by which others reach them
  int32_t slots = 1;
  MemoryPlan memory;
  std::string working_directory;  // its own; what is in it is removed at the start
  std::string log_directory;      // of workers
  ProcessLogs logs;               // its own
  HighAvailability* high_availability = nullptr;
  ProcessLauncher* launcher = nullptr;
  Network* network = nullptr;  // null: the world's
  // Called, on its own thread, once it is to end; with the process's exit status.
  std::function<void(int)> on_end;
};

class TaskManager {
 public:
  // Listens, and looks for the JobManager. Errors: kNetworkAddress, those of folders.
  static Result<std::unique_ptr<TaskManager>> start(World& world, TaskManagerOptions options);
  // Ends all workers.
  ~TaskManager();
  TaskManager(const TaskManager&) = delete;
  TaskManager& operator=(const TaskManager&) = delete;

  // Tells the JobManager, if there is one, that it ends because somebody wants it to, so that what
  // its workers' end means is known to whom it concerns. Waits until that is heard, or a moment.
  void leave(const std::string& how);

  const std::string& id() const;
  uint16_t port() const;

 private:
  class Role;
  explicit TaskManager(std::unique_ptr<Role> role);
  const std::unique_ptr<Role> role_;
};

}  // namespace tidewheel
