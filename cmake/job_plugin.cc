// What add_tidewheel_job compiles into every job library: the one function that the program
// `tidewheel` calls, and the note that tells it, before anything of the library is run, who built
// it. The library holds its own engine, so only a command line crosses this border.
#include "plugin_note.h"
#include "tidewheel/api/job_main.h"
#include "tidewheel/base/version.h"

namespace {

static_assert(TIDEWHEEL_PLUGIN_ABI == tidewheel::kPluginAbi);

[[gnu::section(".note.tidewheel"), gnu::used,
  gnu::aligned(4)]] constinit const tidewheel::PluginNote
    kNote(TIDEWHEEL_PLUGIN_NOTE("job=" TIDEWHEEL_PLUGIN_JOB));

}  // namespace

extern "C" [[gnu::visibility("default")]] int tidewheel_plugin_main(int argc,
                                                                    const char* const* argv) {
  return tidewheel::job_main(argc, argv);
}
