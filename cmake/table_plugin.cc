// What add_tidewheel_plugin compiles into every library of connectors and formats: the one function
// that the engine calls, and the note that tells it, before anything of the library is run, who
// built it and what it adds.
#include <tidewheel_fingerprint.h>

#include <exception>
#include <string>

#include "plugin_note.h"
#include "tidewheel/api/table.h"
#include "tidewheel/base/version.h"
#include "tidewheel/plugins/engine_build.h"

void tidewheel_plugin(tidewheel::TableRegistry& tables);

namespace {

static_assert(TIDEWHEEL_PLUGIN_ABI == tidewheel::kPluginAbi);

[[gnu::section(".note.tidewheel"), gnu::used,
  gnu::aligned(4)]] constinit const tidewheel::PluginNote
    kNote(TIDEWHEEL_PLUGIN_NOTE("plugin=" TIDEWHEEL_PLUGIN_NAME
                                "\nconnectors=" TIDEWHEEL_PLUGIN_CONNECTORS
                                "\nformats=" TIDEWHEEL_PLUGIN_FORMATS
                                "\nengine=" TIDEWHEEL_FINGERPRINT
                                "\nbuild=" TIDEWHEEL_ENGINE_BUILD));

}  // namespace

// Null, or why it could not.
extern "C" [[gnu::visibility("default")]] const char* tidewheel_plugin_tables(
    tidewheel::TableRegistry* tables) {
  static std::string failure;
  try {
    tidewheel_plugin(*tables);
    return nullptr;
  } catch (const std::exception& error) { failure = error.what(); } catch (...) {
    failure = "an exception of an unknown kind";
  }
  return failure.c_str();
}
