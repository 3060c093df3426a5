// The command line of a job's program: what is for the engine, and what is for the job.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

struct JobCommandLine {
  enum class Action : uint8_t { kRun, kHelp, kExplain, kExplainJson };
  Action action = Action::kRun;
  Config config;
  bool resume = false;                 // from the newest complete checkpoint, when there is one
  std::string savepoint_on_interrupt;  // the folder for it; empty: Ctrl-C takes none
  bool drain = false;                  // that savepoint is taken when all windows have fired
  std::string job;                     // empty: the only one
  std::vector<std::string> arguments;  // for the job
};

// `arguments` without the program's name. Errors: kUsage, kUnknownOption, kBadOptionValue.
Result<JobCommandLine> parse_job_command_line(std::span<const std::string> arguments);

// Flags and settings that only make sense together. `config` is as the job's code has left it.
// Errors: kUsage.
Status check_start(const JobCommandLine& line, const Config& config);

// What --help prints.
std::string job_help(const std::string& program, std::span<const std::string> jobs);

}  // namespace tidewheel
