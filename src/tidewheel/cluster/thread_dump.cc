#include "tidewheel/cluster/thread_dump.h"

#include "tidewheel/base/stacks.h"

namespace tidewheel {
namespace {
constexpr int32_t kDepthMax = 100;
}  // namespace

std::vector<ThreadStack> dump_threads() {
  StackSymbols symbols;
  std::vector<ThreadStack> out;
  for (const CapturedStack& stack : capture_stacks(kDepthMax)) {
    ThreadStack& added = out.emplace_back();
    added.name = stack.name;
    added.text = fmt::format("\"{}\" Id={} {}\n", stack.name, stack.thread,
                             stack.is_on_cpu ? "RUNNABLE" : "WAITING");
    for (const uint64_t frame : stack.frames) {
      added.text += "\tat " + symbols.name_of(frame) + "\n";
    }
    added.text += "\n";
  }
  return out;
}

}  // namespace tidewheel
