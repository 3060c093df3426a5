// A job's library, libNAME.so: who built it, whether this program can run it, and running it.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

// What the library's ELF note says (written by cmake/job_plugin.cc and cmake/function_plugin.cc).
struct JobNote {
  int32_t abi = 0;
  std::string version;  // of Tidewheel's headers
  std::string compiler;
  std::string job;        // the name given to add_tidewheel_job
  std::string functions;  // or that given to add_tidewheel_functions
};

// Reads the note without running anything of the library. Errors: kJobLibrary when it is no job
// library; those of the file.
Result<JobNote> read_job_note(ReadableFile& file);
Result<JobNote> read_job_note(FileSystem& files, const std::string& path);

// Errors: kJobLibrary when this program and the library do not understand each other.
[[nodiscard]] Status check_job_note(const JobNote& note, const std::string& path);

// Loads a library, which is never unloaded, and gives the address of one of its functions. Errors:
// kJobLibrary.
Result<void*> load_symbol(const std::string& path, const char* symbol);

// Loads the library, which is never unloaded, and runs its job_main with `arguments`. Returns its
// exit status. Errors: kJobLibrary.
Result<int> run_job_library(const std::string& path, std::span<const std::string> arguments);

// What `tidewheel doctor` prints about a library that has a note: who built it, and what is wrong
// with it.
struct Diagnosis {
  std::string text;
  bool healthy = false;
};
Diagnosis examine_job_library(const JobNote& note, const std::string& path);

}  // namespace tidewheel
