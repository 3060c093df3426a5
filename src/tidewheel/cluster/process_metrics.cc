#include "tidewheel/cluster/process_metrics.h"

#include <algorithm>

#include "tidewheel/cluster/job_report.pb.h"

namespace tidewheel {
namespace {

// Calls that follow more closely would see nothing but the clock's grain.
constexpr int64_t kLoadOverNs = 500'000'000;

}  // namespace

// Memory that is the process's own is its heap, what it shares with files its mapped memory. There
// is no garbage collector, and nothing that would be a metaspace or direct memory.
void ProcessMetrics::add_to(const ProcessFigures& figures, int64_t now_ns, pb::MetricScope& scope) {
  const auto add = [&scope](const char* name, int64_t value) {
    pb::Metric& metric = *scope.add_metrics();
    metric.set_name(name);
    metric.set_integer(value);
  };
  const int32_t processors = std::max(1, figures.processors);
  if (cpu_ns_ < 0 || now_ns - at_ns_ >= kLoadOverNs) {
    const double share = cpu_ns_ < 0 ? 0.0
                                     : static_cast<double>(figures.cpu_ns - cpu_ns_) /
                                           static_cast<double>(now_ns - at_ns_) / processors;
    load_ = std::clamp(share, 0.0, 1.0);
    cpu_ns_ = figures.cpu_ns;
    at_ns_ = now_ns;
  }
  pb::Metric& load = *scope.add_metrics();
  load.set_name("Status.JVM.CPU.Load");
  load.set_real(load_);
  add("Status.JVM.CPU.Time", figures.cpu_ns);
  add("Status.JVM.Threads.Count", figures.threads);
  add("Status.FileDescriptor.Open", figures.files_open);
  add("Status.FileDescriptor.Max", figures.files_max);
  const int64_t memory_max = memory_bytes_max_ > 0 ? memory_bytes_max_ : -1;
  add("Status.JVM.Memory.Heap.Used", figures.own_bytes);
  add("Status.JVM.Memory.Heap.Committed", figures.own_bytes);
  add("Status.JVM.Memory.Heap.Max", memory_max);
  add("Status.JVM.Memory.NonHeap.Used", figures.file_bytes);
  add("Status.JVM.Memory.NonHeap.Committed", figures.file_bytes);
  add("Status.JVM.Memory.NonHeap.Max", -1);
  for (const char* const none :
       {"Metaspace.Used", "Metaspace.Committed", "Metaspace.Max", "Direct.Count",
        "Direct.MemoryUsed", "Direct.TotalCapacity", "Mapped.Count"}) {
    add(("Status.JVM.Memory." + std::string(none)).c_str(), 0);
  }
  add("Status.JVM.Memory.Mapped.MemoryUsed", figures.file_bytes);
  add("Status.JVM.Memory.Mapped.TotalCapacity", figures.file_bytes);
}

}  // namespace tidewheel
