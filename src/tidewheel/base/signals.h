// Ctrl-C and its kin.
#pragma once
#include <functional>
#include <memory>

#include "tidewheel/base/status.h"

namespace tidewheel {

// While it lives, the first SIGINT or SIGTERM (or more: `answered`) calls a function on a thread of
// its own, and the next one ends the process at once with the shell's code for it (128 + signal).
// At most one at a time.
class SignalHandler {
 public:
  static Result<std::unique_ptr<SignalHandler>> install(std::function<void(int signal)> on_signal,
                                                        int answered = 1);
  virtual ~SignalHandler() = default;
};

}  // namespace tidewheel
