// The flags of the commands that are for a cluster.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/cli/client_command.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tidewheel {

// Outlives the parsing. `run` and the commands on snapshots are the caller's, who adds flags to
// them.
class ClientFlags {
 public:
  // -m of a command.
  static void add_address(CLI::App& app, ClientCommand& command);
  // `list`, `cancel` and the like.
  void add_to(CLI::App& app);
  // `savepoint JOB [FOLDER]`, beside its own subcommands.
  void add_savepoint_to(CLI::App& app);
  // `checkpoint JOB`, the same.
  void add_checkpoint_to(CLI::App& app);
  // False: none of these commands was given. Errors: kUsage.
  Result<bool> fill(ClientCommand& out) const;

 private:
  // What all but `run` have: -m, -t, -D and --json.
  void add_target(CLI::App& app);
  CLI::App& add(CLI::App& app, const char* name, const char* what, ClientVerb verb);
  void add_job(CLI::App& app);
  void add_format(CLI::App& app);
  Status fill_cancel(ClientCommand& out) const;

  ClientCommand command_;
  std::string target_;
  std::string dispose_;
  std::string interval_ = "1s";
  std::vector<std::pair<const CLI::App*, ClientVerb>> verbs_;
  const CLI::Option* with_savepoint_ = nullptr;
  const CLI::App* savepoint_ = nullptr;
  const CLI::App* checkpoint_ = nullptr;
};

}  // namespace tidewheel
