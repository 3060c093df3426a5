#include "tidewheel/cli/cluster_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "tidewheel/cli/cluster_process.h"
#include "tidewheel/cli/config_command.h"
#include "tidewheel/cli/usage.h"

namespace tidewheel {
namespace {

constexpr std::string_view kJobManagerCommand = "jobmanager";
constexpr std::string_view kTaskManagerCommand = "taskmanager";
constexpr std::string_view kConfigCommand = "config";
constexpr std::string_view kApplicationCommand = "run-application";
constexpr std::string_view kHistoryCommand = "historyserver";

constexpr ClusterCommandName kCommands[] = {
    {kJobManagerCommand, "Runs the JobManager of a cluster, and its REST API"},
    {kTaskManagerCommand, "Runs a TaskManager: the slots of one machine"},
    {kHistoryCommand, "Shows jobs that have ended and were archived, by REST"},
    {kApplicationCommand,
     "Runs a program on a cluster of its own: a JobManager, here, which ends with it"},
    {kConfigCommand, "Shows each setting, where it comes from, and its default"}};

using Arguments = std::span<const std::string>;

void show(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// Returns true when there is nothing more to do: help was shown.
Result<bool> parse(CLI::App& app, Arguments own) {
  // CLI11 takes arguments from the back.
  std::vector<std::string> reversed(own.rbegin(), own.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    show(app.help());
    return true;
  } catch (const CLI::ParseError& error) { return usage_error(app, app.get_name(), error); }
  return false;
}

void add_config_flags(CLI::App& app, const char* names, std::string& directory,
                      std::vector<std::string>& settings) {
  app.add_option(names, directory,
                 "Folder of config.yaml; else TIDEWHEEL_CONF_DIR, or conf beside bin")
      ->type_name("FOLDER");
  app.add_option("-D", settings, "Sets an option: -Dkey=value")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

struct ManagerFlags {
  ManagerCommand command;
  std::string application;
  std::string target;
  ProgramRun run;

  void add_to(CLI::App& app, std::string_view role) {
    // Flink's client has -c for the entry.
    add_config_flags(app, role == kApplicationCommand ? "--configDir" : "--configDir,-c",
                     command.config_directory, command.settings);
    if (role == kTaskManagerCommand || role == kHistoryCommand) { return; }
    const char* const group = "One application, with which the cluster ends";
    const char* const what = "Its program: a libNAME.so or an SQL script";
    const char* entry = "--entry,--job-classname";
    if (role == kApplicationCommand) {
      entry = "-c,--class,--job,--entry";
      app.add_option("application", application, what)->type_name("FILE")->required();
      app.add_option("-t,--target", target,
                     "local: a JobManager in this process, to which TaskManagers come")
          ->type_name("WHERE")
          ->check(CLI::IsMember({"local"}));
      app.add_option("-p,--parallelism", run.parallelism, "Of operators that set none")
          ->check(CLI::Range(1, 32768))
          ->type_name("N");
    } else {
      app.add_option("--application", application, what)->type_name("FILE")->group(group);
    }
    app.add_option(entry, run.entry, "Which job, of a program with several")
        ->type_name("NAME")
        ->group(group);
    app.add_option("--job-id", run.job_id, "The job's id, 32 hex digits")
        ->type_name("ID")
        ->group(group);
    app.add_option("-s,--fromSavepoint", run.savepoint_path, "Starts from this savepoint")
        ->type_name("PATH")
        ->group(group);
    app.add_option("--claimMode,--restoreMode", run.claim_mode,
                   "NO_CLAIM: the snapshot stays yours; CLAIM: the job owns it now")
        ->type_name("MODE")
        ->transform(CLI::IsMember({"NO_CLAIM", "CLAIM"}, CLI::ignore_case))
        ->group(group);
    app.add_flag("-n,--allowNonRestoredState", run.allow_non_restored_state,
                 "Drops state that the job has no place for")
        ->group(group);
    app.footer("What stands behind -- goes to the application.");
  }
};

const ClusterCommandName* find_command(Arguments arguments) {
  const auto* const found = std::find_if(
      std::begin(kCommands), std::end(kCommands), [&](const ClusterCommandName& command) {
        return !arguments.empty() && arguments[0] == command.name;
      });
  return found == std::end(kCommands) ? nullptr : found;
}

std::string what_it_does(Arguments arguments) {
  return std::string(find_command(arguments)->what) + ".";
}

void add_config_command(CLI::App& app, ConfigCommand& command) {
  add_config_flags(app, "--configDir,-c", command.config_directory, command.settings);
  app.add_option("--value", command.value_of, "Shows the value of this key alone")
      ->type_name("KEY");
  app.add_flag("--set", command.set_only, "Leaves out what has its default");
}

Result<int> run_config(Arguments arguments) {
  ConfigCommand command;
  CLI::App app(what_it_does(arguments), "tidewheel config");
  add_config_command(app, command);
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool shown, parse(app, arguments.subspan(1)));
  if (shown) { return 0; }
  const std::unique_ptr<World> world = make_real_world();
  TIDEWHEEL_ASSIGN_OR_RETURN(command.config_directory,
                             config_directory(*world, command.config_directory));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, show_config(*world, command));
  show(text);
  return 0;
}

}  // namespace

std::span<const ClusterCommandName> cluster_commands() { return kCommands; }

std::shared_ptr<void> add_flags_of_cluster_command(CLI::App& app, std::string_view name) {
  if (name == kConfigCommand) {
    auto command = std::make_shared<ConfigCommand>();
    add_config_command(app, *command);
    return command;
  }
  auto flags = std::make_shared<ManagerFlags>();
  flags->add_to(app, name);
  return flags;
}

bool is_cluster_command(Arguments arguments) { return find_command(arguments) != nullptr; }

Result<int> run_cluster_command(Arguments arguments) {
  if (arguments[0] == kConfigCommand) { return run_config(arguments); }
  const std::string_view role = arguments[0];
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  const auto own_count = static_cast<size_t>(dashes - arguments.begin()) - 1;
  ManagerFlags flags;
  CLI::App app(what_it_does(arguments), "tidewheel " + arguments[0]);
  flags.add_to(app, role);
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool shown, parse(app, arguments.subspan(1, own_count)));
  if (shown) { return 0; }
  if (!flags.application.empty()) {
    if (dashes != arguments.end()) { flags.run.arguments.assign(dashes + 1, arguments.end()); }
    flags.command.application = JobManagerOptions::Application{flags.application, flags.run};
  } else if (dashes != arguments.end()) {
    return invalid_argument(ErrorId::kUsage, "arguments behind -- are an --application's");
  }
  if (role == kTaskManagerCommand) { return run_task_manager(flags.command); }
  if (role == kHistoryCommand) { return run_history_server(flags.command); }
  return run_job_manager(flags.command);
}

}  // namespace tidewheel
