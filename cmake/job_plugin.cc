// What add_tidewheel_job compiles into every job library: the one function that the program
// `tidewheel` calls, and the note that tells it, before anything of the library is run, who built
// it. The library holds its own engine, so only a command line crosses this border.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tidewheel/api/job_main.h"
#include "tidewheel/base/version.h"

#define TIDEWHEEL_TEXT_(x) #x
#define TIDEWHEEL_TEXT(x) TIDEWHEEL_TEXT_(x)
#ifdef __clang__
#define TIDEWHEEL_COMPILER "clang " __clang_version__
#else
#define TIDEWHEEL_COMPILER "g++ " __VERSION__
#endif

namespace {

// An ELF note (System V ABI, "Note Section"): sizes, type, owner, text; each part padded to 4
// bytes. The text is lines of `key=value`.
constexpr char kText[] =
    "abi=" TIDEWHEEL_TEXT(TIDEWHEEL_PLUGIN_ABI) "\nversion=" TIDEWHEEL_PLUGIN_VERSION
                                                "\ncompiler=" TIDEWHEEL_COMPILER
                                                "\njob=" TIDEWHEEL_PLUGIN_JOB "\n";
constexpr std::size_t kPaddedBytes = (sizeof(kText) + 3) / 4 * 4;

struct Note {
  uint32_t name_bytes = sizeof(name);
  uint32_t text_bytes = sizeof(kText);
  uint32_t type = 1;
  char name[12] = "Tidewheel";
  char text[kPaddedBytes] = {};

  constexpr Note() { std::copy(std::begin(kText), std::end(kText), std::begin(text)); }
};
static_assert(sizeof(Note) == 24 + kPaddedBytes);
static_assert(TIDEWHEEL_PLUGIN_ABI == tidewheel::kPluginAbi);

[[gnu::section(".note.tidewheel"), gnu::used, gnu::aligned(4)]] constinit const Note kNote;

}  // namespace

extern "C" [[gnu::visibility("default")]] int tidewheel_plugin_main(int argc,
                                                                    const char* const* argv) {
  return tidewheel::job_main(argc, argv);
}
