// Profiles of a cluster's processes: the stacks of all their threads, sampled for a while.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

struct Profiling {
  // Its own process and those of the jobs on it; empty: the JobManager, and the jobs' masters.
  std::string task_manager;
  StackSampling::Kind kind = StackSampling::Kind::kFull;
  int32_t samples = 0;
  int64_t interval_ms = 0;
  int32_t depth_max = 0;
};

class Profiler {
 public:
  virtual ~Profiler() = default;
  // Takes samples * interval_ms; answered behind that. The outermost frames are the process and the
  // thread. What does not answer is left out.
  virtual void profile(Profiling profiling,
                       std::function<void(Result<std::vector<SampledStack>>)> done) = 0;
};

}  // namespace tidewheel
