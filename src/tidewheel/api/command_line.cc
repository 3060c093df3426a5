#include "tidewheel/api/command_line.h"

#include <fmt/format.h>

#include <optional>

#include "tidewheel/base/options.h"

namespace tidewheel {

namespace {

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
    } else if (auto count = option(argument, "--parallelism", "-p")) {
      TIDEWHEEL_RETURN_IF_ERROR(std::move(*count).status());
      return line_.config.set(options::kParallelism.key, **count).with_context("{}", argument);
    } else if (auto rows = option(argument, "--batch-rows", "")) {
      TIDEWHEEL_RETURN_IF_ERROR(std::move(*rows).status());
      return line_.config.set(options::kBatchRows.key, **rows).with_context("{}", argument);
    } else if (auto job = option(argument, "--job", "")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(line_.job, std::move(*job));
    } else {
      line_.arguments.push_back(argument);
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
