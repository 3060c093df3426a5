// What add_tidewheel_functions compiles into every library of SQL functions: the one function that
// the engine calls, and the note that tells it, before anything of the library is run, who built
// it.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tidewheel/api/function_library.h"
#include "tidewheel/base/version.h"

#define TIDEWHEEL_TEXT_(x) #x
#define TIDEWHEEL_TEXT(x) TIDEWHEEL_TEXT_(x)
#ifdef __clang__
#define TIDEWHEEL_COMPILER "clang " __clang_version__
#else
#define TIDEWHEEL_COMPILER "g++ " __VERSION__
#endif

void tidewheel_functions(tidewheel::FunctionLibrary& library);

namespace {

// An ELF note (System V ABI, "Note Section"), as cmake/job_plugin.cc writes it for jobs.
constexpr char kText[] =
    "abi=" TIDEWHEEL_TEXT(TIDEWHEEL_PLUGIN_ABI) "\nversion=" TIDEWHEEL_PLUGIN_VERSION
                                                "\ncompiler=" TIDEWHEEL_COMPILER
                                                "\nfunctions=" TIDEWHEEL_PLUGIN_FUNCTIONS "\n";
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
