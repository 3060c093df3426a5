// Who built a library that this program is to load, read before anything of it runs.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

// What the library's ELF note says (written by cmake/*_plugin.cc).
struct LibraryNote {
  int32_t abi = 0;
  std::string version;  // of Tidewheel's headers
  std::string compiler;
  // One of them: the name given to add_tidewheel_job, add_tidewheel_functions or
  // add_tidewheel_plugin.
  std::string job;
  std::string functions;
  std::string plugin;
  // Of a plug-in: what it adds, and which engine's classes it was compiled with (engine_build.h).
  std::vector<std::string> connectors;
  std::vector<std::string> formats;
  std::string engine;
  std::string build;
};

// Null: a shared library that carries no note. Errors: kJobLibrary when it is no shared library of
// this machine, or its note is damaged; those of the file.
Result<std::optional<LibraryNote>> find_library_note(ReadableFile& file);

// Errors: kJobLibrary, for a library without a note too; those of the file.
Result<LibraryNote> read_library_note(ReadableFile& file);
Result<LibraryNote> read_library_note(FileSystem& files, const std::string& path);

// Errors: kJobLibrary when this program and the library do not understand each other.
[[nodiscard]] Status check_library_abi(const LibraryNote& note, const std::string& path);

}  // namespace tidewheel
