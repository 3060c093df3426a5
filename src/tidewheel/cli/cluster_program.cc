#include "tidewheel/cli/cluster_program.h"

#include <cstdio>
#include <memory>
#include <utility>

#include "tidewheel/api/cluster_role.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cli/function_loader.h"
#include "tidewheel/cli/job_library.h"
#include "tidewheel/plugins/library_note.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/tables/file_table.h"
#include "tidewheel/tables/table_registry.h"

namespace tidewheel {
namespace {

int failed(const Status& status) {
  std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status.id() == ErrorId::kUsage ? kRoleMisused : kRoleFailed;
}

// Statements up to the one that makes the job; nobody sees what others show.
Status run_script(World& world, const ProcessRole& role, const Config& config,
                  const JobRunner& runner) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, read_all(world.files(), role.program));
  sql::Session* planner = nullptr;
  ChangePlugins change_plugins;
  const std::shared_ptr<const TableRegistry> tables = make_table_registry(
      world,
      [&]() -> const Config& { return planner == nullptr ? config : planner->options().config; },
      &change_plugins);
  sql::Session session(world, {.tables = tables,
                               .config = config,
                               .resumes = false,
                               .file_table =
                                   [&world, &tables = *tables](const std::string& path) {
                                     return make_file_table(world.files(), tables, path);
                                   },
                               .load_functions = make_function_loader(world.files()),
                               .change_plugins = change_plugins,
                               .runner = runner});
  planner = &session;
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<sql::Statement> statements, sql::parse_script(text));
  for (const sql::Statement& statement : statements) {
    if (sql::is_quit(statement)) { return ok_status(); }
    TIDEWHEEL_RETURN_IF_ERROR(session.execute(text, statement).status());
  }
  return ok_status();
}

int run_sql(const ProcessRole& role) {
  const std::unique_ptr<World> world = make_real_world();
  return run_cluster_role(*world, role, [&](const Config& config, const JobRunner& runner) {
    return run_script(*world, role, config, runner);
  });
}

Result<int> run_library(const ProcessRole& role, std::span<const std::string> arguments) {
  LibraryNote note;
  {
    // Gone before the job starts: the library brings a world of its own.
    const std::unique_ptr<World> world = make_real_world();
    TIDEWHEEL_ASSIGN_OR_RETURN(note, read_library_note(world->files(), role.program));
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_library_abi(note, role.program));
  return run_job_library(role.program, arguments);
}

// Programs are kept by their hash, so that only their bytes say what they are.
Result<bool> is_library(const std::string& path) {
  const std::unique_ptr<World> world = make_real_world();
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto file, world->files().open_read(path));
  char magic[4] = {};
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t got, file->read_at(0, magic));
  return got == 4 && std::string_view(magic, 4) ==
                         "\x7f"
                         "ELF";
}

}  // namespace

int run_cluster_program(std::span<const std::string> arguments) {
  const Result<ProcessRole> role = parse_role(arguments);
  if (!role.ok()) { return failed(role.status()); }
  const Result<bool> library = is_library(role->program);
  if (!library.ok()) { return failed(library.status()); }
  if (!*library) { return run_sql(*role); }
  const Result<int> exit_status = run_library(*role, arguments);
  return exit_status.ok() ? *exit_status : failed(exit_status.status());
}

}  // namespace tidewheel
