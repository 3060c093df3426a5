// Libraries of SQL functions (add_tidewheel_functions) for CREATE FUNCTION .. USING LIBRARY.
#pragma once
#include "tidewheel/base/file_system.h"
#include "tidewheel/sql/user_function.h"

namespace tidewheel {

// Loads libraries, which are never unloaded: each once, however many functions are created of it.
// The note of a library is looked at before anything of it runs. Errors: kJobLibrary, those of the
// file. `files` outlives the loader. One thread.
sql::FunctionLoader make_function_loader(FileSystem& files);

}  // namespace tidewheel
