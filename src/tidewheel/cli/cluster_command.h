// The managers of a cluster, as commands: `tidewheel jobmanager`, `taskmanager` and
// `run-application`; and `tidewheel config`.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace CLI {
class App;
}

namespace tidewheel {

// Each command, and what it does.
struct ClusterCommandName {
  std::string_view name;
  std::string_view what;
};
std::span<const ClusterCommandName> cluster_commands();

// Adds the flags of one of them to `app`. What is returned holds their values, and has to outlive
// the parsing.
std::shared_ptr<void> add_flags_of_cluster_command(CLI::App& app, std::string_view name);

// Whether these are arguments of one of those commands.
bool is_cluster_command(std::span<const std::string> arguments);
// Runs it to its end. Returns the process's exit status, or why it could not be run (kUsage: the
// arguments are wrong).
Result<int> run_cluster_command(std::span<const std::string> arguments);

}  // namespace tidewheel
