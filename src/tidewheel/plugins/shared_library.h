// Loading shared libraries into this process.
#pragma once
#include <string>

#include "tidewheel/base/status.h"

namespace tidewheel {

// Loads a library, which is never unloaded, and gives the address of one of its functions. Errors:
// kJobLibrary.
Result<void*> load_symbol(const std::string& path, const char* symbol);

}  // namespace tidewheel
