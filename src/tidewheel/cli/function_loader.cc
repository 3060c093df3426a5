#include "tidewheel/cli/function_loader.h"

#include <map>
#include <memory>
#include <utility>

#include "tidewheel/plugins/library_note.h"
#include "tidewheel/plugins/shared_library.h"

namespace tidewheel {
namespace {

Result<sql::UserFunctionsRef> load(FileSystem& files, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const LibraryNote note, read_library_note(files, path));
  TIDEWHEEL_RETURN_IF_ERROR(check_library_abi(note, path));
  if (note.functions.empty()) {
    return invalid_argument(ErrorId::kJobLibrary,
                            "{} is the library of the {} and holds no functions: name one that "
                            "add_tidewheel_functions builds",
                            path,
                            note.plugin.empty() ? "job " + note.job : "plug-in " + note.plugin);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(void* const symbol, load_symbol(path, abi::kFunctionsEntryPoint));
  const abi::FunctionTable* const table = reinterpret_cast<abi::FunctionsEntryPoint>(symbol)();
  if (table == nullptr) {
    return failed_precondition(ErrorId::kJobLibrary,
                               "{}: its tidewheel_functions has thrown an exception", path);
  }
  return sql::UserFunctions::read(*table, nullptr).with_context("{}", path);
}

}  // namespace

sql::FunctionLoader make_function_loader(FileSystem& files) {
  const auto loaded = std::make_shared<std::map<std::string, sql::UserFunctionsRef>>();
  return [&files, loaded](const std::string& path) -> Result<sql::UserFunctionsRef> {
    if (const auto it = loaded->find(path); it != loaded->end()) { return it->second; }
    TIDEWHEEL_ASSIGN_OR_RETURN(sql::UserFunctionsRef functions, load(files, path));
    loaded->emplace(path, functions);
    return functions;
  };
}

}  // namespace tidewheel
