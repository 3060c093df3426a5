// How often, and after which delay, a job that has failed is started again.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tidewheel/base/random.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;  // base/config.h

// One thread.
class RestartStrategy {
 public:
  virtual ~RestartStrategy() = default;
  // A failure at `now_ns` (monotonic): the delay before the restart, or nothing when there is to be
  // none.
  virtual std::optional<int64_t> on_failure(int64_t now_ns) = 0;
  // "fixed delay of 1 s, 3 attempts", for "Recovery is suppressed by ...".
  virtual std::string describe() const = 0;
};

// By `restart-strategy.type` and its options. Without it: exponential delay when checkpoints are
// on, none otherwise. Errors: kBadOptionValue.
Result<std::unique_ptr<RestartStrategy>> make_restart_strategy(const Config& config,
                                                               bool checkpoints, Random random);

}  // namespace tidewheel
