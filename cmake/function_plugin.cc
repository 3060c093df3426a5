// What add_tidewheel_functions compiles into every library of SQL functions: the one function that
// the engine calls, and the note that tells it, before anything of the library is run, who built
// it.
#include "plugin_note.h"
#include "tidewheel/api/function_library.h"
#include "tidewheel/base/version.h"

void tidewheel_functions(tidewheel::FunctionLibrary& library);

namespace {

static_assert(TIDEWHEEL_PLUGIN_ABI == tidewheel::kPluginAbi);

[[gnu::section(".note.tidewheel"), gnu::used,
  gnu::aligned(4)]] constinit const tidewheel::PluginNote
    kNote(TIDEWHEEL_PLUGIN_NOTE("functions=" TIDEWHEEL_PLUGIN_FUNCTIONS));

struct Functions {
  tidewheel::FunctionLibrary library;
  tidewheel::abi::FunctionTable table;

  Functions() {
    tidewheel_functions(library);
    table.count = static_cast<uint32_t>(library.entries().size());
    table.entries = library.entries().data();
  }
};

}  // namespace

// Null when the functions can't be made.
extern "C" [[gnu::visibility("default")]] const tidewheel::abi::FunctionTable*
tidewheel_plugin_functions() {
  try {
    static const Functions functions;
    return &functions.table;
  } catch (...) { return nullptr; }
}
