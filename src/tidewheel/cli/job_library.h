// A job's library, libNAME.so: running it, and saying what is wrong with one.
#pragma once
#include <span>
#include <string>

#include "tidewheel/base/status.h"
#include "tidewheel/plugins/library_note.h"

namespace tidewheel {

// Loads the library, which is never unloaded, and runs its job_main with `arguments`. Returns its
// exit status. Errors: kJobLibrary.
Result<int> run_job_library(const std::string& path, std::span<const std::string> arguments);

// What `tidewheel doctor` prints about a library that has a note: who built it, and what is wrong
// with it.
struct Diagnosis {
  std::string text;
  bool healthy = false;
};
Diagnosis examine_library(const LibraryNote& note, const std::string& path);

}  // namespace tidewheel
