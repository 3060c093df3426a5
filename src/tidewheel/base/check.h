// Checks of invariants. A failed one is a bug of the engine: the process stops before wrong state
// is written. TIDEWHEEL_CHECK is on in every build, TIDEWHEEL_DCHECK in debug builds only.
#pragma once
#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace tidewheel {

// Prints `file:line: condition: message` to standard error and aborts.
[[noreturn]] void check_failed(std::string_view file, int line, std::string_view condition,
                               std::string_view message);

namespace check_detail {
inline std::string message() { return {}; }
template <class... Args>
std::string message(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::vformat(format, fmt::make_format_args(args...));
}
}  // namespace check_detail

}  // namespace tidewheel

// TIDEWHEEL_CHECK(condition) or TIDEWHEEL_CHECK(condition, "format {}", values...)
#define TIDEWHEEL_CHECK(condition, ...)                                           \
  do {                                                                            \
    if (!(condition)) [[unlikely]] {                                              \
      ::tidewheel::check_failed(__FILE__, __LINE__, #condition,                   \
                                ::tidewheel::check_detail::message(__VA_ARGS__)); \
    }                                                                             \
  } while (false)

#ifdef TIDEWHEEL_DEBUG
#define TIDEWHEEL_DCHECK(condition, ...) TIDEWHEEL_CHECK(condition __VA_OPT__(, ) __VA_ARGS__)
#else
#define TIDEWHEEL_DCHECK(condition, ...)         \
  do {                                           \
    if (false) { static_cast<void>(condition); } \
  } while (false)
#endif
