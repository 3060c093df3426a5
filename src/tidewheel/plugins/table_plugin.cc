#include "tidewheel/plugins/table_plugin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <tidewheel_fingerprint.h>

#include <algorithm>
#include <vector>

#include "tidewheel/base/version.h"
#include "tidewheel/plugins/engine_build.h"
#include "tidewheel/plugins/shared_library.h"

namespace tidewheel {

namespace {

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

Status check_names(const char* what, const std::vector<std::string>& noted,
                   const std::vector<std::string>& made, const std::string& path) {
  if (sorted(noted) == made) { return ok_status(); }
  return failed_precondition(ErrorId::kJobLibrary,
                             "{} makes the {} [{}], but was built as one of [{}]: name them all in "
                             "add_tidewheel_plugin",
                             path, what, fmt::join(made, ", "), fmt::join(noted, ", "));
}

}  // namespace

std::string engine_fingerprint() { return TIDEWHEEL_FINGERPRINT; }
std::string engine_build() { return TIDEWHEEL_ENGINE_BUILD; }

Status check_table_plugin(const LibraryNote& note, const std::string& path) {
  TIDEWHEEL_RETURN_IF_ERROR(check_library_abi(note, path));
  if (note.plugin.empty()) {
    return failed_precondition(
        ErrorId::kJobLibrary,
        "{} holds {} and no connectors or formats: a plug-in is what "
        "add_tidewheel_plugin builds",
        path, note.job.empty() ? "the functions " + note.functions : "the job " + note.job);
  }
  if (note.engine == engine_fingerprint() && note.build == engine_build()) { return ok_status(); }
  return failed_precondition(
      ErrorId::kJobLibrary,
      "the plug-in {} was built for another engine than this program's, whose classes it would "
      "misread\n"
      "  built for    : Tidewheel {}, headers {}, {}\n"
      "  this program : Tidewheel {}, headers {}, {}\n"
      "  hint         : rebuild it with find_package(Tidewheel {}) of this installation",
      path, note.version, note.engine, note.build, kVersion, engine_fingerprint(), engine_build(),
      kVersion);
}

Result<std::unique_ptr<TableRegistry>> load_table_plugin(const LibraryNote& note,
                                                         const std::string& path) {
  TIDEWHEEL_RETURN_IF_ERROR(check_table_plugin(note, path));
  TIDEWHEEL_ASSIGN_OR_RETURN(void* const symbol, load_symbol(path, kTablesEntryPoint));
  auto tables = std::make_unique<TableRegistry>();
  const char* const failure = reinterpret_cast<TablesEntryPoint>(symbol)(tables.get());
  if (failure != nullptr) {
    return failed_precondition(ErrorId::kJobLibrary, "{}: its tidewheel_plugin has failed: {}",
                               path, failure);
  }
  TIDEWHEEL_RETURN_IF_ERROR(
      check_names("connectors", note.connectors, tables->connector_names(), path));
  TIDEWHEEL_RETURN_IF_ERROR(check_names("formats", note.formats, tables->format_names(), path));
  return tables;
}

}  // namespace tidewheel
