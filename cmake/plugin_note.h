// The note of a plug-in: who built it, as an ELF note that is read before anything of the library
// is run. Included by what the CMake functions compile into libraries of jobs and of SQL functions.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#define TIDEWHEEL_TEXT_(x) #x
#define TIDEWHEEL_TEXT(x) TIDEWHEEL_TEXT_(x)
#ifdef __clang__
#define TIDEWHEEL_COMPILER "clang " __clang_version__
#else
#define TIDEWHEEL_COMPILER "g++ " __VERSION__
#endif

// Lines of `key=value`; `line` says what the library holds. The ABI and the version are defined
// where a library is compiled (TidewheelJob.cmake).
#define TIDEWHEEL_PLUGIN_NOTE(line)                                                 \
  "abi=" TIDEWHEEL_TEXT(TIDEWHEEL_PLUGIN_ABI) "\nversion=" TIDEWHEEL_PLUGIN_VERSION \
                                              "\ncompiler=" TIDEWHEEL_COMPILER "\n" line "\n"

namespace tidewheel {

// System V ABI, "Note Section": sizes, type, owner, text; each part padded to 4 bytes.
template <std::size_t kBytes>
struct PluginNote {
  static constexpr std::size_t kPaddedBytes = (kBytes + 3) / 4 * 4;

  uint32_t name_bytes = sizeof(name);
  uint32_t text_bytes = kBytes;
  uint32_t type = 1;
  char name[12] = "Tidewheel";
  char text[kPaddedBytes] = {};

  constexpr explicit PluginNote(const char (&lines)[kBytes]) {
    static_assert(sizeof(PluginNote) == 24 + kPaddedBytes);
    std::copy(std::begin(lines), std::end(lines), std::begin(text));
  }
};

}  // namespace tidewheel
