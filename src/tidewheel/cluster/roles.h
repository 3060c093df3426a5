// The two kinds of process that run a job's program in a cluster, as their managers start them. The
// command line is the same for `tidewheel` (which loads the program), for `job_main` of a library,
// and for a job's own executable:
//
//   PROGRAM job-master --job-id=HEX --epoch=N --program=FILE [--entry=NAME] --config=FILE
//       --working-directory=FOLDER --listen=HOST:PORT --host=HOST --manager=HOST:PORT --fence=N
//       [--outlives-manager=true]
//       -- ARGUMENT...
//   PROGRAM worker --job-id=HEX --epoch=N --program=FILE [--entry=NAME] --config=FILE
//       --working-directory=FOLDER --listen=HOST:PORT --host=HOST --worker-id=ID --task-manager=ID
//       --master=HOST:PORT --memory=BYTES [--results-directory=FOLDER] -- ARGUMENT...
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;  // base/config.h

struct ProcessRole {
  enum class Kind : uint8_t { kJobMaster, kWorker };
  Kind kind = Kind::kWorker;
  std::string job_id;  // 32 hex digits
  // Of the job's master. A worker works for one master only: for the next one another is started.
  uint64_t epoch = 0;
  std::string program;                 // a shared library, an executable, or an SQL script
  std::string entry;                   // which job of it; empty: the only one
  std::vector<std::string> arguments;  // the job's own
  std::string config_file;             // the job's effective configuration, the cluster's included
  std::string working_directory;       // the process's own; it exists
  // A job master listens here for its workers, a worker for the rows of others. Port 0 is any.
  NetworkAddress listen_at;
  std::string host;  // by which others reach this process

  // ---- Of a job master.
  NetworkAddress manager;         // the JobManager that has started it
  uint64_t manager_fence = 0;     // its fencing token
  bool outlives_manager = false;  // another JobManager may take over; else it ends with this one

  // ---- Of a worker.
  std::string worker_id;  // drawn for each process
  // Where results of tasks are kept that are read after their end; it outlives the worker. Empty:
  // in the process's own folder.
  std::string results_directory = {};
  std::string task_manager_id;
  NetworkAddress master;
  int64_t memory_bytes = 0;  // of all it does; 0: no limit but the machine's
};

// What follows the program's name.
std::vector<std::string> role_arguments(const ProcessRole& role);
// Whether these are the arguments of a role, and not of a person.
bool is_role(std::span<const std::string> arguments);
// Errors: kUsage, which names the argument.
Result<ProcessRole> parse_role(std::span<const std::string> arguments);

// The configuration as its file holds it: flat YAML.
std::string role_config_text(const Config& config);

// Exit statuses of a role.
inline constexpr int kRoleDone = 0;     // the job has ended, or the worker was told to end
inline constexpr int kRoleFailed = 1;   // what went wrong is on standard error
inline constexpr int kRoleMisused = 2;  // the command line is wrong
// The JobManager, or the job's master, is lost: nothing is wrong with the job.
inline constexpr int kRoleLost = 3;

}  // namespace tidewheel
