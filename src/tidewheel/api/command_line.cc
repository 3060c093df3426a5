#include "tidewheel/api/command_line.h"

#include <fmt/format.h>

#include <optional>

#include "tidewheel/base/options.h"

namespace tidewheel {

namespace {

// A flag that is short for an option of the engine.
struct ShortForm {
  const char* name;
  const char* letter;  // empty: none
  const ConfigOption* option;
};
constexpr ShortForm kShortForms[] = {
    {"--parallelism", "-p", &options::kParallelism},
    {"--batch-rows", "", &options::kBatchRows},
    {"--checkpoint-interval", "", &options::kCheckpointInterval},
    {"--checkpoint-dir", "", &options::kCheckpointDirectory},
    {"--state-backend", "", &options::kStateBackend},
    {"--from-savepoint", "-s", &options::kRecoveryPath},
    {"--claim-mode", "", &options::kClaimMode},
};

// Reads one argument after the other.
class Parser {
 public:
  explicit Parser(std::span<const std::string> arguments) : arguments_(arguments) {}

  Result<JobCommandLine> run() {
    for (; next_ < arguments_.size(); ++next_) {
      const std::string& argument = arguments_[next_];
      if (argument == "--") {
        line_.arguments.insert(line_.arguments.end(),
                               arguments_.begin() + static_cast<ptrdiff_t>(next_) + 1,
                               arguments_.end());
        break;
      }
      TIDEWHEEL_RETURN_IF_ERROR(take(argument));
    }
    TIDEWHEEL_RETURN_IF_ERROR(check());
    return std::move(line_);
  }

 private:
  Status take(const std::string& argument) {
    if (argument == "--help" || argument == "-h") {
      line_.action = JobCommandLine::Action::kHelp;
    } else if (argument == "--explain") {
      line_.action = JobCommandLine::Action::kExplain;
    } else if (argument == "--explain-json") {
      line_.action = JobCommandLine::Action::kExplainJson;
    } else if (argument.starts_with("-D")) {
      return set(argument.size() == 2 ? value_after(argument) : argument.substr(2));
    } else if (argument == "--allow-non-restored-state" || argument == "-n") {
      line_.config.set(options::kIgnoreUnclaimedState, true);
    } else if (argument == "--resume") {
      line_.resume = true;
    } else if (argument == "--drain") {
      line_.drain = true;
    } else if (auto folder = option(argument, "--savepoint-on-interrupt", "")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(line_.savepoint_on_interrupt, std::move(*folder));
    } else if (auto job = option(argument, "--job", "")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(line_.job, std::move(*job));
    } else {
      return take_short_form(argument);
    }
    return {};
  }

  // What is none of those is the job's.
  Status take_short_form(const std::string& argument) {
    for (const ShortForm& form : kShortForms) {
      if (auto value = option(argument, form.name, form.letter)) {
        TIDEWHEEL_RETURN_IF_ERROR(std::move(*value).status());
        return line_.config.set(form.option->key, **value).with_context("{}", argument);
      }
    }
    line_.arguments.push_back(argument);
    return {};
  }

  // Flags that contradict each other, or mean nothing by themselves. What also depends on settings
  // that the job's code makes is looked at when the job starts.
  Status check() const {
    const bool restores = line_.resume || line_.config.has(options::kRecoveryPath);
    if (line_.resume && line_.config.has(options::kRecoveryPath)) {
      return invalid_argument(ErrorId::kUsage,
                              "--resume goes on from the newest checkpoint and --from-savepoint "
                              "from the one given: choose one");
    }
    if (!restores && line_.config.has(options::kIgnoreUnclaimedState)) {
      return invalid_argument(ErrorId::kUsage,
                              "--allow-non-restored-state (-n) is about a snapshot to start from: "
                              "give --from-savepoint or --resume too");
    }
    if (!line_.config.has(options::kRecoveryPath) && line_.config.has(options::kClaimMode)) {
      return invalid_argument(ErrorId::kUsage,
                              "--claim-mode says who owns the snapshot to start from: give "
                              "--from-savepoint too");
    }
    if (line_.drain && line_.savepoint_on_interrupt.empty()) {
      return invalid_argument(ErrorId::kUsage,
                              "--drain belongs to --savepoint-on-interrupt FOLDER");
    }
    return {};
  }

  Status set(Result<std::string> assignment) {
    TIDEWHEEL_RETURN_IF_ERROR(assignment.status());
    return line_.config.set_assignment(*assignment);
  }

  // The value of `--name VALUE`, `--name=VALUE`, `-n VALUE` or `-nVALUE`; nothing when it is
  // another option.
  std::optional<Result<std::string>> option(const std::string& argument, const std::string& name,
                                            const std::string& letter) {
    if (argument == name || (!letter.empty() && argument == letter)) {
      return value_after(argument);
    }
    if (argument.starts_with(name + "=")) { return argument.substr(name.size() + 1); }
    if (!letter.empty() && argument.size() > 2 && argument.starts_with(letter) &&
        argument[2] >= '0' && argument[2] <= '9') {
      return argument.substr(2);
    }
    return std::nullopt;
  }
  Result<std::string> value_after(const std::string& argument) {
    if (next_ + 1 >= arguments_.size()) {
      return invalid_argument(ErrorId::kUsage, "{} needs a value", argument);
    }
    return arguments_[++next_];
  }

  std::span<const std::string> arguments_;
  size_t next_ = 0;
  JobCommandLine line_;
};

}  // namespace

Result<JobCommandLine> parse_job_command_line(std::span<const std::string> arguments) {
  return Parser(arguments).run();
}

Status check_start(const JobCommandLine& line, const Config& config) {
  if (!config.get(options::kCheckpointDirectory).empty()) { return {}; }
  if (line.resume) {
    return invalid_argument(ErrorId::kUsage,
                            "--resume looks for checkpoints in a folder: give --checkpoint-dir, "
                            "the one that the job had before");
  }
  if (config.get(options::kCheckpointInterval) > 0) {
    return invalid_argument(ErrorId::kUsage,
                            "checkpoints are taken each {}, but there is no folder to keep them "
                            "in: give --checkpoint-dir ({})",
                            format_duration_ms(config.get(options::kCheckpointInterval)),
                            options::kCheckpointDirectory.key);
  }
  return {};
}

std::string job_help(const std::string& program, std::span<const std::string> jobs) {
  std::string out = fmt::format(
      "Usage: {} [OPTION]... [--] [JOB ARGUMENT]...\n\n"
      "Runs a Tidewheel job in this process. Ctrl-C stops it cleanly, a second one at once.\n\n"
      "  -p, --parallelism N   subtasks of operators that have no parallelism of their own\n"
      "      --batch-rows N    rows at which a batch between operators is full\n"
      "  -D KEY=VALUE          sets an option of the engine\n"
      "      --job NAME        which job, when the program has several\n"
      "      --explain         shows the plan without running the job\n"
      "      --explain-json    the same as JSON\n"
      "  -h, --help            this text\n\n"
      "Checkpoints and state:\n"
      "      --checkpoint-interval TIME    takes a checkpoint so often, such as 1s\n"
      "      --checkpoint-dir FOLDER       where checkpoints are kept\n"
      "      --resume                      goes on from the newest complete checkpoint in that\n"
      "                                    folder; begins anew when there is none\n"
      "      --state-backend TYPE          hashmap (in memory) or rocksdb (on disk)\n"
      "  -s, --from-savepoint PATH         starts from this savepoint or checkpoint\n"
      "      --claim-mode MODE             NO_CLAIM: it stays yours; CLAIM: the job owns it now\n"
      "  -n, --allow-non-restored-state    drops state of it that the job has no place for\n"
      "      --savepoint-on-interrupt FOLDER\n"
      "                                    Ctrl-C stops with a savepoint; a second one cancels\n"
      "      --drain                       that one is taken when all windows have fired\n\n"
      "All else goes to the job, as --key value.\n",
      program);
  if (!jobs.empty()) {
    out += "\nJobs:\n";
    for (const std::string& job : jobs) { out += fmt::format("  {}\n", job); }
  }
  out += "\nOptions for -D, with their defaults:\n";
  for (const ConfigOption* option : all_options()) {
    out += fmt::format("  {} = {}\n      {}\n", option->key, option->default_text,
                       option->description);
  }
  return out;
}

}  // namespace tidewheel
