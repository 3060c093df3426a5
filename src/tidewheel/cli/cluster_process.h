// What the managers' processes have in common: configuration, folders, signals, and their ends.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/process_logs.h"
#include "tidewheel/high_availability/high_availability.h"
#include "tidewheel/jobmanager/job_manager.h"

namespace tidewheel {

struct ManagerCommand {
  std::string config_directory;       // empty: TIDEWHEEL_CONF_DIR, or conf beside the program's bin
  std::vector<std::string> settings;  // of -D
  std::optional<JobManagerOptions::Application> application;
};

// Until SIGINT, SIGTERM, or until it is to end by itself. Returns the exit status.
Result<int> run_job_manager(const ManagerCommand& command);
Result<int> run_task_manager(const ManagerCommand& command);
Result<int> run_history_server(const ManagerCommand& command);

// A manager's folder for its files, which no other process has.
struct WorkingDirectory {
  std::string path;
  std::unique_ptr<FileLock> lock;
};

// What a manager stands on.
struct ManagerGround {
  std::unique_ptr<World> world;
  Config config;
};
// The one given, else TIDEWHEEL_CONF_DIR, else conf beside the program's bin.
Result<std::string> config_directory(World& world, const std::string& given);
Result<ManagerGround> prepare_manager(const ManagerCommand& command, const char* role);
// The first of io.tmp.dirs/tidewheel-ROLE-0, -1, ... that no process holds.
Result<WorkingDirectory> claim_working_directory(FileSystem& files, const Config& config,
                                                 const std::string& role);
// The files that its streams go to; none: it has no logs to show.
ProcessLogs manager_logs();
std::string log_directory(const Config& config, const std::string& working_directory);
Result<std::unique_ptr<HighAvailability>> open_high_availability(World& world,
                                                                 const Config& config);
// Errors: kBadOptionValue for an address that other machines reach, unless that is allowed.
[[nodiscard]] Status check_bind_host(const Config& config, const TextOption& option);

// Where threads say that the process is to end, and with which status.
class ProcessExit {
 public:
  explicit ProcessExit(World& world) : asked_(world.executor().make_event()) {}
  // Any thread; the first one counts.
  void ask(int status) {
    int none = -1;
    status_.compare_exchange_strong(none, status);
    asked_->set();
  }
  int wait() {
    asked_->wait();
    return status_.load();
  }

 private:
  std::atomic<int> status_{-1};
  const std::unique_ptr<Event> asked_;
};

}  // namespace tidewheel
