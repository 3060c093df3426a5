// Reads the command line with CLI11, and turns what is meant for the job into the syntax of
// job_main.
#include "tidewheel/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "tidewheel/base/config.h"
#include "tidewheel/base/version.h"
#include "tidewheel/cli/client_flags.h"
#include "tidewheel/cli/cluster_command.h"
#include "tidewheel/cli/completion.h"
#include "tidewheel/cli/option_table.h"
#include "tidewheel/cli/usage.h"

namespace tidewheel {

namespace {

constexpr int32_t kParallelismMax = 32768;

// What `run` and `explain` share.
struct JobFlags {
  std::string library;
  std::optional<int32_t> parallelism;
  std::string job;
  std::vector<std::string> settings;
  bool json = false;
  ClientCommand client;
  std::string target;
  // Flags that the library takes under the same long name.
  std::map<std::string, std::string> values;
  std::map<std::string, bool> switches;

  void add_to(CLI::App& command) {
    command
        .add_option("library", library,
                    "The program: a library libNAME.so that add_tidewheel_job builds; on a cluster "
                    "an SQL script too")
        ->required()
        ->type_name("LIBRARY");
    command.add_option("-p,--parallelism", parallelism, "Subtasks of each operator that sets none")
        ->check(CLI::Range(1, kParallelismMax))
        ->type_name("N");
    command.add_option("-c,--job,--class", job, "Which job, of a library that holds more than one")
        ->type_name("NAME");
    command.add_option("-D", settings, "Sets an option of the engine: -Dkey=value")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    command.footer(
        "What stands behind -- goes to the job: tidewheel run libjob.so -- --input file");
  }

  void add_checkpoints_to(CLI::App& command) {
    const auto value = [&](const std::string& names, const char* name, const char* type,
                           const char* what) {
      command.add_option(names, values[name], what)->type_name(type)->group("Checkpoints");
    };
    const auto flag = [&](const std::string& names, const char* name, const char* what) {
      command.add_flag(names, switches[name], what)->group("Checkpoints");
    };
    value("--checkpoint-interval", "--checkpoint-interval", "TIME",
          "Takes a checkpoint so often, such as 1s");
    value("--checkpoint-dir", "--checkpoint-dir", "FOLDER", "Where checkpoints are kept");
    flag("--resume", "--resume",
         "Goes on from the newest complete checkpoint in that folder; begins anew when there is "
         "none");
    value("--state-backend", "--state-backend", "TYPE", "hashmap (in memory) or rocksdb (on disk)");
    value("-s,--from-savepoint,--fromSavepoint", "--from-savepoint", "PATH",
          "Starts from this savepoint or checkpoint");
    value("--claim-mode,--claimMode,--restoreMode", "--claim-mode", "MODE",
          "NO_CLAIM: the snapshot stays yours; CLAIM: the job owns it now");
    flag("-n,--allow-non-restored-state,--allowNonRestoredState", "--allow-non-restored-state",
         "Drops state of the snapshot that the job has no place for");
    value("--savepoint-on-interrupt", "--savepoint-on-interrupt", "FOLDER",
          "Ctrl-C stops with a savepoint; a second one cancels");
    flag("--drain", "--drain", "That savepoint is taken when all windows have fired");
  }

  // `run` on a cluster.
  void add_cluster_to(CLI::App& command) {
    ClientFlags::add_address(command, client);
    command
        .add_option("-t,--target", target,
                    "local: this machine, in this process; remote: a cluster; per-job: a cluster "
                    "for this job alone, as run-application. Else remote with -m or -d")
        ->type_name("WHERE")
        ->transform(CLI::IsMember({"local", "remote", "per-job"}, CLI::ignore_case))
        ->group("Cluster");
    command.add_flag("-d,--detached", client.detached, "Does not wait for the job's end")
        ->group("Cluster");
    command
        .add_flag("--shutdownOnAttachedExit", client.ends_with_client,
                  "The job is cancelled when the client that waits for it goes")
        ->group("Cluster");
    command.add_flag("--json", client.json, "Tells of the job on a cluster as JSON")
        ->group("Cluster");
  }
  bool is_for_cluster() const {
    return target == "remote" || (target.empty() && (!client.address.empty() || client.detached));
  }
  // Flags of local runs as settings of a job on a cluster. Errors: kUsage for those that only a
  // local run has.
  Result<ClientCommand> for_cluster(std::span<const std::string> rest) const {
    static const std::map<std::string, std::string> kKeys = {
        {"--checkpoint-interval", "execution.checkpointing.interval"},
        {"--checkpoint-dir", "execution.checkpointing.dir"},
        {"--state-backend", "state.backend.type"}};
    ClientCommand out = client;
    out.verb = ClientVerb::kRun;
    out.program = library;
    out.arguments.assign(rest.begin(), rest.end());
    out.entry = job;
    out.parallelism = parallelism.value_or(0);
    out.settings = settings;
    for (const auto& [name, value] : values) {
      if (value.empty()) { continue; }
      if (name == "--from-savepoint") {
        out.savepoint_path = value;
      } else if (name == "--claim-mode") {
        out.claim_mode = value;
      } else if (const auto key = kKeys.find(name); key != kKeys.end()) {
        out.settings.push_back(key->second + "=" + value);
      } else {
        return invalid_argument(ErrorId::kUsage, "{} goes with local runs only", name);
      }
    }
    for (const auto& [name, is_on] : switches) {
      if (!is_on) { continue; }
      if (name != "--allow-non-restored-state") {
        return invalid_argument(ErrorId::kUsage, "{} goes with local runs only{}", name,
                                name == "--resume"
                                    ? ": a cluster's job goes on by itself; -s starts from a "
                                      "checkpoint"
                                    : "");
      }
      out.allow_non_restored_state = true;
    }
    return out;
  }

  // Flags of `run -t per-job` as those of `run-application`.
  Result<std::vector<std::string>> for_application(std::span<const std::string> rest) const {
    if (!client.address.empty() || client.detached || client.json || client.ends_with_client) {
      return invalid_argument(ErrorId::kUsage,
                              "per-job mode has its cluster in this process, and ends with the "
                              "job: -m, -d, --json and --shutdownOnAttachedExit don't go with it");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const ClientCommand wanted, for_cluster(rest));
    std::vector<std::string> out = {"run-application"};
    const auto add = [&out](const char* name, const std::string& value) {
      if (!value.empty()) { out.insert(out.end(), {name, value}); }
    };
    add("-p", wanted.parallelism > 0 ? std::to_string(wanted.parallelism) : "");
    add("-c", wanted.entry);
    add("-s", wanted.savepoint_path);
    add("--claimMode", wanted.claim_mode);
    if (wanted.allow_non_restored_state) { out.emplace_back("-n"); }
    for (const std::string& setting : wanted.settings) { out.push_back("-D" + setting); }
    out.push_back(wanted.program);
    out.emplace_back("--");
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
  }

  // `run` in other processes. False: it is to run in this one.
  Result<bool> fill_elsewhere(std::span<const std::string> rest, CommandLine& line) const {
    if (is_for_cluster()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(line.client, for_cluster(rest));
      line.command = Command::kClient;
      return true;
    }
    if (target != "per-job") { return false; }
    TIDEWHEEL_ASSIGN_OR_RETURN(line.application_arguments, for_application(rest));
    line.command = Command::kPerJob;
    return true;
  }

  std::vector<std::string> for_library(const char* mode, std::span<const std::string> rest) const {
    std::vector<std::string> out;
    if (parallelism.has_value()) {
      out.insert(out.end(), {"--parallelism", std::to_string(*parallelism)});
    }
    if (!job.empty()) { out.insert(out.end(), {"--job", job}); }
    for (const std::string& setting : settings) { out.push_back("-D" + setting); }
    for (const auto& [name, value] : values) {
      if (!value.empty()) { out.insert(out.end(), {name, value}); }
    }
    for (const auto& [name, is_on] : switches) {
      if (is_on) { out.push_back(name); }
    }
    if (mode != nullptr) { out.emplace_back(mode); }
    out.emplace_back("--");
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
  }
};

// `checkpoint inspect` and `savepoint dispose`.
struct SnapshotFlags {
  const CLI::App* inspect = nullptr;
  const CLI::App* dispose = nullptr;
  std::string path;
  bool json = false;
  bool check = false;

  void add_to(CLI::App& app, ClientFlags& client) {
    CLI::App* const checkpoint = app.add_subcommand(
        "checkpoint", "Takes a checkpoint of a job on a cluster, or looks into one");
    checkpoint->require_subcommand(0, 1);
    client.add_checkpoint_to(*checkpoint);
    CLI::App* const show = checkpoint->add_subcommand(
        "inspect", "Shows what a checkpoint or savepoint has: operators, states, sizes, positions");
    show->add_option("path", path, "Its folder, or the file _metadata in it")
        ->required()
        ->type_name("PATH");
    show->add_flag("--json", json, "As JSON");
    show->add_flag("--check", check, "Reads all of it, so that damage is found");
    CLI::App* const savepoint =
        app.add_subcommand("savepoint", "Takes a savepoint of a job on a cluster, or deletes one");
    savepoint->require_subcommand(0, 1);
    client.add_savepoint_to(*savepoint);
    CLI::App* const remove =
        savepoint->add_subcommand("dispose", "Deletes a savepoint that nobody needs any more");
    remove->add_option("path", path, "Its folder")->required()->type_name("PATH");
    inspect = show;
    dispose = remove;
  }

  // False when it was another command.
  bool fill(CommandLine& line) const {
    if (!inspect->parsed() && !dispose->parsed()) { return false; }
    line.command = inspect->parsed() ? Command::kInspect : Command::kDispose;
    line.path = path;
    line.json = json;
    line.check = check;
    return true;
  }
};

struct SqlFlags {
  const CLI::App* command = nullptr;
  SqlCommand sql;
  // Settings with flags of their own, by their keys.
  std::map<std::string, std::string> values;
  bool box = false;
  bool csv = false;
  bool json = false;
  bool changelog = false;

  void add_to(CLI::App& app) {
    CLI::App* const added = app.add_subcommand(
        "sql", "Executes SQL: of -e and -f, or typed in, or from standard input");
    added->add_option("-e", sql.texts, "Statements, separated by `;`")->type_name("SQL");
    added->add_option("-f", sql.files, "A file of statements")->type_name("FILE");
    added->add_option("-i", sql.init_file, "A file of statements that come before all others")
        ->type_name("FILE");
    added->add_option("-D", sql.settings, "As SET 'key' = 'value': -Dkey=value")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    added
        ->add_option("--catalog", sql.catalog,
                     "Keeps what is created in this folder, as files of SQL; without it, it goes "
                     "with the session")
        ->type_name("FOLDER");
    CLI::Option* const as_box = added->add_flag("--table", box, "Results in a box");
    CLI::Option* const as_csv = added->add_flag("--csv", csv, "Results as CSV, with a header");
    CLI::Option* const as_json = added->add_flag("--json", json, "Results as JSON, one row a line");
    CLI::Option* const as_changelog =
        added->add_flag("--changelog", changelog, "Every change of the result as it comes");
    for (CLI::Option* const one : {as_csv, as_json, as_changelog}) { one->excludes(as_box); }
    as_json->excludes(as_csv);
    as_changelog->excludes(as_csv)->excludes(as_json);
    added->add_flag("--timing", sql.timing, "Says how long each statement took");
    const auto value = [&](const std::string& names, const char* key, const char* type,
                           const char* what) {
      added->add_option(names, values[key], what)->type_name(type)->group("Jobs");
    };
    value("-p,--parallelism", "parallelism.default", "N", "Subtasks of each operator");
    value("--checkpoint-interval", "execution.checkpointing.interval", "TIME",
          "Takes a checkpoint so often, such as 1s");
    value("--checkpoint-dir", "execution.checkpointing.dir", "FOLDER",
          "Where checkpoints are kept");
    value("--state-backend", "state.backend.type", "TYPE",
          "hashmap (in memory) or rocksdb (on disk)");
    value("-s,--from-savepoint,--fromSavepoint", "execution.state-recovery.path", "PATH",
          "INSERT starts from this savepoint or checkpoint");
    added
        ->add_flag("--resume", sql.resume,
                   "Each INSERT goes on from its newest complete checkpoint in that folder; begins "
                   "anew when there is none; is passed over when it had come to its end")
        ->group("Jobs");
    added->footer(
        "A file is a table: tidewheel sql -e \"SELECT origin, COUNT(*) FROM 'flights.csv' GROUP BY "
        "origin\"");
    command = added;
  }
  bool fill(CommandLine& line) const {
    if (!command->parsed()) { return false; }
    line.command = Command::kSql;
    line.sql = sql;
    for (const auto& [key, value] : values) {
      if (!value.empty()) { line.sql.settings.push_back(key + "=" + value); }
    }
    line.sql.output = box         ? SqlOutput::kBox
                      : csv       ? SqlOutput::kCsv
                      : json      ? SqlOutput::kJson
                      : changelog ? SqlOutput::kChangelog
                                  : SqlOutput::kChosen;
    return true;
  }
};

// Flags of Flink's client with one dash and several letters, which the parser would take for a
// letter and its value: -sae for a savepoint in `ae`.
std::string in_full(const std::string& argument) {
  static const std::map<std::string, std::string, std::less<>> kNames = {
      {"-cm", "--claimMode"},
      {"-rm", "--restoreMode"},
      {"-sae", "--shutdownOnAttachedExit"},
      {"-type", "--type"}};
  const auto name = kNames.find(argument);
  return name == kNames.end() ? argument : name->second;
}

// CLI11 takes arguments from the back.
std::vector<std::string> reversed(std::span<const std::string> arguments) {
  std::vector<std::string> out;
  out.reserve(arguments.size());
  std::transform(arguments.rbegin(), arguments.rend(), std::back_inserter(out), in_full);
  return out;
}

// Help or the version, when that is what was asked for; empty: a command was. Errors: kUsage.
Result<std::string> parse_with(CLI::App& app, std::span<const std::string> own) {
  try {
    app.parse(reversed(own));
  } catch (const CLI::CallForHelp& help) {
    const CLI::App* chosen = &app;
    std::string before;
    while (!chosen->get_subcommands().empty()) {
      before += (before.empty() ? "" : " ") + chosen->get_name();
      chosen = chosen->get_subcommands().front();
    }
    if (!before.empty()) { return chosen->help(before); }
    const bool names_command = !own.empty() && !own[0].starts_with('-');
    return names_command ? Result<std::string>(usage_error(app, app.get_name(), help)) : app.help();
  } catch (const CLI::CallForVersion& version) {
    return std::string(version.what()) + "\n";
  } catch (const CLI::ParseError& error) { return usage_error(app, app.get_name(), error); }
  return std::string();
}

CommandLine printing(std::string text) {
  CommandLine line;
  line.text = std::move(text);
  return line;
}

// Commands that parse their flags themselves, for the help and completions. Returns what holds
// their values.
std::vector<std::shared_ptr<void>> add_processes_to(CLI::App& app) {
  std::vector<std::shared_ptr<void>> kept;
  for (const ClusterCommandName& command : cluster_commands()) {
    CLI::App* const added =
        app.add_subcommand(std::string(command.name), std::string(command.what));
    kept.push_back(add_flags_of_cluster_command(*added, command.name));
  }
  return kept;
}

Status check_no_script(const std::string& library) {
  if (!library.ends_with(".sql")) { return ok_status(); }
  return invalid_argument(ErrorId::kUsage,
                          "{0} is a script of SQL, not a library: tidewheel sql -f {0} runs it "
                          "here, tidewheel run with -m HOST:PORT or -d on a cluster",
                          library);
}

// `tidewheel help run` is `tidewheel run --help`.
std::vector<std::string> without_help_command(std::span<const std::string> arguments) {
  std::vector<std::string> out(arguments.begin(), arguments.end());
  if (!out.empty() && out[0] == "help") {
    out.erase(out.begin());
    out.emplace_back("--help");
  }
  return out;
}

}  // namespace

Result<CommandLine> parse_command_line(std::span<const std::string> given) {
  const std::vector<std::string> all = without_help_command(given);
  const std::span<const std::string> arguments(all);
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  const auto own = arguments.first(static_cast<std::size_t>(dashes - arguments.begin()));
  const auto rest = dashes == arguments.end() ? std::span<const std::string>{}
                                              : arguments.last(arguments.size() - own.size() - 1);

  CLI::App app("Tidewheel, a stateful stream processor.", "tidewheel");
  app.require_subcommand(1);
  app.set_version_flag("--version", fmt::format("tidewheel {}", kVersion));
  JobFlags flags;
  CLI::App* const run =
      app.add_subcommand("run", "Runs a job: on this machine to its end, or on a cluster");
  flags.add_to(*run);
  flags.add_checkpoints_to(*run);
  flags.add_cluster_to(*run);
  CLI::App* const explain = app.add_subcommand("explain", "Shows a job's plan without running it");
  flags.add_to(*explain);
  explain->alias("info");
  explain->add_flag("--json", flags.json, "As JSON");
  CLI::App* const doctor =
      app.add_subcommand("doctor", "Says who built a job's library, and whether it runs here");
  const CLI::App* const options =
      app.add_subcommand("options", "Lists the options of the engine, as Markdown");
  CLI::App* const completion = app.add_subcommand(
      "completion", "Prints a script for the shell: eval \"$(tidewheel completion bash)\"");
  std::string shell;
  completion->add_option("shell", shell, "bash, zsh or fish")->required()->type_name("SHELL");
  const auto processes = add_processes_to(app);
  doctor->add_option("library", flags.library, "The library libNAME.so that is looked at")
      ->required()
      ->type_name("LIBRARY");
  SnapshotFlags snapshots;
  ClientFlags client;
  snapshots.add_to(app, client);
  client.add_to(app);
  SqlFlags sql;
  sql.add_to(app);

  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string asked, parse_with(app, own));
  if (!asked.empty()) { return printing(asked); }

  if (options->parsed()) { return printing(option_reference()); }
  if (completion->parsed()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string script, completion_script(app, shell));
    return printing(std::move(script));
  }
  CommandLine line;
  if (snapshots.fill(line) || sql.fill(line)) { return line; }
  TIDEWHEEL_ASSIGN_OR_RETURN(bool is_elsewhere, client.fill(line.client));
  if (is_elsewhere) { line.command = Command::kClient; }
  if (run->parsed()) { TIDEWHEEL_ASSIGN_OR_RETURN(is_elsewhere, flags.fill_elsewhere(rest, line)); }
  if (is_elsewhere) { return line; }
  line.library = flags.library;
  TIDEWHEEL_RETURN_IF_ERROR(check_no_script(line.library));
  if (run->parsed()) {
    line.command = Command::kRun;
    line.library_arguments = flags.for_library(nullptr, rest);
  } else if (explain->parsed()) {
    line.command = Command::kExplain;
    line.library_arguments = flags.for_library(flags.json ? "--explain-json" : "--explain", rest);
  } else {
    line.command = Command::kDoctor;
  }
  return line;
}

}  // namespace tidewheel
