#include "tidewheel/cli/job_library.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "tidewheel/api/function_abi.h"
#include "tidewheel/base/version.h"
#include "tidewheel/plugins/shared_library.h"
#include "tidewheel/plugins/table_plugin.h"

namespace tidewheel {

namespace {

constexpr const char* kEntryPoint = "tidewheel_plugin_main";

using EntryPoint = int (*)(int argc, const char* const* argv);

}  // namespace

Result<int> run_job_library(const std::string& path, std::span<const std::string> arguments) {
  TIDEWHEEL_ASSIGN_OR_RETURN(void* const symbol, load_symbol(path, kEntryPoint));
  const auto entry = reinterpret_cast<EntryPoint>(symbol);
  std::vector<const char*> argv;
  argv.push_back(path.c_str());
  for (const std::string& argument : arguments) { argv.push_back(argument.c_str()); }
  argv.push_back(nullptr);
  return entry(static_cast<int>(argv.size()) - 1, argv.data());
}

Diagnosis examine_library(const LibraryNote& note, const std::string& path) {
  Diagnosis diagnosis;
  std::string holds = fmt::format("job      : {}", note.job);
  if (!note.functions.empty()) { holds = fmt::format("functions: {}", note.functions); }
  if (!note.plugin.empty()) {
    holds = fmt::format("plug-in  : {}, connectors [{}], formats [{}]", note.plugin,
                        fmt::join(note.connectors, ", "), fmt::join(note.formats, ", "));
  }
  diagnosis.text =
      fmt::format("{}\n  {}\n  built by : {}, headers {}\n  ABI      : {} (this program: {})\n",
                  path, holds, note.compiler, note.version, note.abi, kPluginAbi);
  Status status = check_library_abi(note, path);
  if (status.ok() && !note.plugin.empty()) {
    status = load_table_plugin(note, path).status();
  } else if (status.ok()) {
    status = load_symbol(path, note.functions.empty() ? kEntryPoint : abi::kFunctionsEntryPoint)
                 .status();
  }
  diagnosis.healthy = status.ok();
  const char* const use = !note.job.empty() ? "run" : "used";
  diagnosis.text += diagnosis.healthy
                        ? fmt::format("  verdict  : it loads, and can be {} here\n", use)
                        : "  verdict  : " + status.to_string() + "\n";
  return diagnosis;
}

}  // namespace tidewheel
