// The stacks of this process's threads, as a debugger would show them: for thread dumps and flame
// graphs.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tidewheel {

struct CapturedStack {
  int32_t thread = 0;            // the system's id
  std::string name;              // as tools show it
  bool is_on_cpu = false;        // it ran when it was looked at, rather than wait
  bool is_caller = false;        // it is who looks, and runs for that alone
  std::vector<uint64_t> frames;  // addresses, the innermost first; empty: it did not answer
};

// Stops each thread for some microseconds, one after the other, by a signal (SIGURG), whose handler
// is installed at the first call. What waits in a system call may see it as an interruption
// (EINTR). Blocks for milliseconds; one call at a time, others wait.
// `is_wanted`: which threads, by their names; empty: all.
std::vector<CapturedStack> capture_stacks(
    int32_t depth_max, const std::function<bool(const std::string& name)>& is_wanted = {});

// Names for addresses, from the symbols of the program and of its libraries, which are read when
// they are first needed. One thread.
class StackSymbols {
 public:
  StackSymbols();
  ~StackSymbols();
  // "tidewheel::Slot::turn()"; the library and the offset in it where there is no symbol.
  std::string name_of(uint64_t address);

 private:
  struct Object;
  std::vector<std::unique_ptr<Object>> objects_;
};

}  // namespace tidewheel
