// The command line of the program `tidewheel`.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/cli/client_command.h"
#include "tidewheel/cli/sql_command.h"

namespace tidewheel {

enum class Command : uint8_t {
  kPrint,    // of `text`: help or the version
  kRun,      // the job of `library`
  kExplain,  // show the job's plan without running it
  kDoctor,   // say whether `library` can be run here
  kInspect,  // show what is in the snapshot at `path`
  kDispose,  // delete the savepoint at `path`
  kSql,      // execute statements of SQL
  kClient,   // ask a cluster for something
  kPerJob,   // run `application_arguments`, and say that this mode has another name
};

struct CommandLine {
  Command command = Command::kPrint;
  std::string text;
  std::string library;
  std::string path;
  bool json = false;
  bool check = false;  // read all of the snapshot
  SqlCommand sql;
  ClientCommand client;
  // For the library's own job_main, in its syntax, the program's name not included.
  std::vector<std::string> library_arguments;
  // For run_cluster_command.
  std::vector<std::string> application_arguments;
};

// `arguments` without the program's name. Errors: kUsage.
Result<CommandLine> parse_command_line(std::span<const std::string> arguments);

}  // namespace tidewheel
