// Workers on threads of their own.
#pragma once
#include <cstdint>
#include <memory>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"

namespace tidewheel {

struct RealExecutorOptions {
  int32_t blocking_threads_max = 16;
  int64_t spin_ns = 20'000;  // how long a worker looks for a wake before it sleeps; 0: not at all
  bool refuse_at_random = false;  // installs a plan that makes calls refuse (base/fault.h)
  uint64_t seed = 1;              // of that plan
};
// `clock` is the machine's clock (base/real_clock.h) and outlives the executor.
std::unique_ptr<Executor> make_real_executor(const Clock& clock,
                                             const RealExecutorOptions& options);

}  // namespace tidewheel
