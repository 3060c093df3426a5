#include "tidewheel/plugins/shared_library.h"

#include <dlfcn.h>

namespace tidewheel {

namespace {

// dlopen looks along the library path for names without a slash.
std::string as_file(const std::string& path) {
  return path.find('/') == std::string::npos ? "./" + path : path;
}

}  // namespace

Result<void*> load_symbol(const std::string& path, const char* name) {
  // Local, so that the library's engine and its job are seen by nobody else.
  void* const library = dlopen(as_file(path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    return failed_precondition(ErrorId::kJobLibrary, "{} can't be loaded: {}", path,
                               reason == nullptr ? "unknown reason" : reason);
  }
  void* const symbol = dlsym(library, name);
  if (symbol == nullptr) {
    return failed_precondition(
        ErrorId::kJobLibrary,
        "{} has no function {}: it holds something else, or was built by another version", path,
        name);
  }
  return symbol;
}

}  // namespace tidewheel
