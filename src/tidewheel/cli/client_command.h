// The commands that are for a cluster: `run -m`, `list`, `cancel`, `stop`, `savepoint` and the
// like.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

enum class ClientVerb : uint8_t {
  kRun,
  kList,
  kCancel,
  kStop,
  kSavepoint,
  kDisposeSavepoint,
  kCheckpoint,
  kCheckpoints,
  kRescale,
  kLogs,
  kTop,
};

struct ClientCommand {
  ClientVerb verb = ClientVerb::kList;
  std::string address;                // -m; empty: as the configuration says
  std::vector<std::string> settings;  // -D key=value
  bool json = false;
  std::string job;  // its id, the beginning of that, or its name

  // run
  std::string program;
  std::vector<std::string> arguments;  // the job's own
  std::string entry;
  int32_t parallelism = 0;
  std::string savepoint_path;
  bool allow_non_restored_state = false;
  std::string claim_mode;
  bool detached = false;
  bool ends_with_client = false;  // the job is cancelled when the client goes
  // list
  bool running = false;
  bool scheduled = false;
  bool all = false;
  // cancel, stop, savepoint
  bool with_savepoint = false;
  std::string directory;  // for the savepoint; of kDisposeSavepoint its path
  bool drain = false;
  std::string format;  // "", "canonical", "native"
  // checkpoint
  bool full = false;
  // rescale
  std::vector<std::string> vertex_parallelisms;  // "ID=N"; empty: `parallelism` for all
  // logs
  std::string task_manager;
  std::string file;
  bool follow = false;
  bool lists_files = false;
  // top
  bool once = false;
  int64_t interval_ms = 1000;
};

// What the process ends with.
inline constexpr int kExitUnreachable = 3;  // no cluster answers
inline constexpr int kExitCancelled = 4;    // the job that was waited for was cancelled

// Returns the process's exit status.
Result<int> run_client_command(const ClientCommand& command);

}  // namespace tidewheel
