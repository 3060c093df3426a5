// Loading a plug-in: a library of connectors and formats (add_tidewheel_plugin). It has its own
// copy of the engine's code, and shares the engine's classes with the program that loads it: so
// both have to be compiled from the same headers, by the same compiler, which the library's note
// says.
#pragma once
#include <memory>
#include <string>

#include "tidewheel/api/table.h"
#include "tidewheel/base/status.h"
#include "tidewheel/plugins/library_note.h"

namespace tidewheel {

// extern "C" const char* tidewheel_plugin_tables(TableRegistry*): adds what the plug-in has. Null,
// or why it could not, a text that lives until the next call.
inline constexpr const char* kTablesEntryPoint = "tidewheel_plugin_tables";
using TablesEntryPoint = const char* (*)(TableRegistry* tables);

// What the engine of this program is; compared with LibraryNote::engine and ::build.
std::string engine_fingerprint();
std::string engine_build();

// Errors: kJobLibrary, when the library at `path` is no plug-in, or one for another program than
// this.
[[nodiscard]] Status check_table_plugin(const LibraryNote& note, const std::string& path);

// Loads the library, which is never unloaded, and has it make its connectors and formats: those
// that its note names, no more and no fewer. Errors: kJobLibrary.
Result<std::unique_ptr<TableRegistry>> load_table_plugin(const LibraryNote& note,
                                                         const std::string& path);

}  // namespace tidewheel
