#include "tidewheel/cli/cluster_command.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tidewheel/cli/cluster_process.h"

namespace tidewheel {
namespace {

constexpr std::string_view kJobManagerCommand = "jobmanager";
constexpr std::string_view kTaskManagerCommand = "taskmanager";

struct ManagerFlags {
  ManagerCommand command;
  std::string application;
  ProgramRun run;

  void add_to(CLI::App& app, bool is_job_manager) {
    app.add_option("--configDir,-c", command.config_directory,
                   "Folder of config.yaml; else TIDEWHEEL_CONF_DIR, or conf beside bin")
        ->type_name("FOLDER");
    app.add_option("-D", command.settings, "Sets an option: -Dkey=value")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    if (!is_job_manager) { return; }
    const char* const group = "One application, with which the cluster ends";
    app.add_option("--application", application, "Its program: a libNAME.so or an SQL script")
        ->type_name("FILE")
        ->group(group);
    app.add_option("--entry,--job-classname", run.entry, "Which job, of a program with several")
        ->type_name("NAME")
        ->group(group);
    app.add_option("--job-id", run.job_id, "The job's id, 32 hex digits")
        ->type_name("ID")
        ->group(group);
    app.add_option("-s,--fromSavepoint", run.savepoint_path, "Starts from this savepoint")
        ->type_name("PATH")
        ->group(group);
    app.add_flag("-n,--allowNonRestoredState", run.allow_non_restored_state,
                 "Drops state that the job has no place for")
        ->group(group);
    app.footer("What stands behind -- goes to the application.");
  }
};

}  // namespace

bool is_cluster_command(std::span<const std::string> arguments) {
  return !arguments.empty() &&
         (arguments[0] == kJobManagerCommand || arguments[0] == kTaskManagerCommand);
}

Result<int> run_cluster_command(std::span<const std::string> arguments) {
  const bool is_job_manager = arguments[0] == kJobManagerCommand;
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  ManagerFlags flags;
  CLI::App app(is_job_manager ? "Runs the JobManager of a cluster, and its REST API."
                              : "Runs a TaskManager: the slots of one machine.",
               "tidewheel " + arguments[0]);
  flags.add_to(app, is_job_manager);
  // CLI11 takes arguments from the back.
  std::vector<std::string> own(std::make_reverse_iterator(dashes),
                               std::make_reverse_iterator(arguments.begin() + 1));
  try {
    app.parse(own);
  } catch (const CLI::CallForHelp&) {
    const std::string help = app.help();
    std::fwrite(help.data(), 1, help.size(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    return invalid_argument(ErrorId::kUsage, "{}; see tidewheel {} --help", error.what(),
                            arguments[0]);
  }
  if (!flags.application.empty()) {
    if (dashes != arguments.end()) { flags.run.arguments.assign(dashes + 1, arguments.end()); }
    flags.command.application = JobManagerOptions::Application{flags.application, flags.run};
  } else if (dashes != arguments.end()) {
    return invalid_argument(ErrorId::kUsage, "arguments behind -- are an --application's");
  }
  return is_job_manager ? run_job_manager(flags.command) : run_task_manager(flags.command);
}

}  // namespace tidewheel
