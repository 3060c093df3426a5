// What a process uses, under the names that Flink has for the same of a JVM (Status.JVM.*).
#pragma once
#include <cstdint>

#include "tidewheel/base/process.h"

namespace tidewheel {

namespace pb {
class MetricScope;  // cluster/job_report.proto
}  // namespace pb

// One thread. Between two calls it has seen how busy the process was.
class ProcessMetrics {
 public:
  // `memory_bytes_max`: what it may use; 0: that of the machine, which is not told.
  explicit ProcessMetrics(int64_t memory_bytes_max = 0) : memory_bytes_max_(memory_bytes_max) {}

  void add_to(const ProcessFigures& figures, int64_t now_ns, pb::MetricScope& scope);

 private:
  const int64_t memory_bytes_max_;
  int64_t cpu_ns_ = -1;  // of the last call; -1: there was none
  int64_t at_ns_ = 0;
  double load_ = 0;
};

}  // namespace tidewheel
