// The program `tidewheel`: runs jobs that were built as libraries, and SQL.
#include <cstdio>

#include "tidewheel/base/log_output.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/inspect.h"
#include "tidewheel/cli/client_command.h"
#include "tidewheel/cli/cluster_command.h"
#include "tidewheel/cli/cluster_program.h"
#include "tidewheel/cli/command_line.h"
#include "tidewheel/cli/job_library.h"
#include "tidewheel/cli/sql_command.h"
#include "tidewheel/cluster/roles.h"
#include "tidewheel/plugins/library_note.h"

namespace tidewheel {
namespace {

constexpr int kFailed = 1;
constexpr int kMisused = 2;

void print(std::FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
}

int report(const Status& status) {
  if (logs_json()) {
    make_real_world()->logger().error("{}", status.to_string());
  } else {
    print(stderr, status.to_string() + "\n");
  }
  return status.id() == ErrorId::kUsage ? kMisused : kFailed;
}

// Returns the process's exit status, or why nothing could be run.
Result<int> carry_out(const CommandLine& line) {
  if (line.command == Command::kPrint) {
    print(stdout, line.text);
    return 0;
  }
  if (line.command == Command::kInspect) {
    const std::unique_ptr<World> world = make_real_world();
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text,
                               inspect_snapshot(*world, {line.path, line.json, line.check}));
    print(stdout, text);
    return 0;
  }
  if (line.command == Command::kDispose) {
    const std::unique_ptr<World> world = make_real_world();
    TIDEWHEEL_RETURN_IF_ERROR(dispose_savepoint(*world, line.path));
    print(stdout, fmt::format("The savepoint is deleted: {}\n", line.path));
    return 0;
  }
  if (line.command == Command::kSql) { return run_sql_command(line.sql); }
  if (line.command == Command::kClient) { return run_client_command(line.client); }
  if (line.command == Command::kPerJob) {
    print(stderr,
          "warning: per-job mode is another name for application mode: tidewheel run-application "
          "does the same\n");
    return run_cluster_command(line.application_arguments);
  }
  LibraryNote note;
  {
    // Gone before the job starts: the library brings a world of its own.
    const std::unique_ptr<World> world = make_real_world();
    TIDEWHEEL_ASSIGN_OR_RETURN(note, read_library_note(world->files(), line.library));
  }
  if (line.command == Command::kDoctor) {
    const Diagnosis diagnosis = examine_library(note, line.library);
    print(stdout, diagnosis.text);
    return diagnosis.healthy ? 0 : kFailed;
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_library_abi(note, line.library));
  return run_job_library(line.library, line.library_arguments);
}

int program(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (is_role(arguments)) { return run_cluster_program(arguments); }
  if (is_cluster_command(arguments)) {
    const Result<int> status = run_cluster_command(arguments);
    return status.ok() ? *status : report(status.status());
  }
  const Result<CommandLine> line = parse_command_line(arguments);
  if (!line.ok()) { return report(line.status()); }
  const Result<int> exit_status = carry_out(*line);
  return exit_status.ok() ? *exit_status : report(exit_status.status());
}

}  // namespace
}  // namespace tidewheel

int main(int argc, char** argv) { return tidewheel::program(argc, argv); }
