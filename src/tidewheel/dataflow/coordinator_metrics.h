// Where a coordinator's figures are, beside its context: most contexts of tests have none.
#pragma once
#include <cstdint>
#include <string_view>

namespace tidewheel {

class CoordinatorContext;  // dataflow/coordinator.h
class MetricGroup;         // base/metrics.h

// What a CoordinatorContext that keeps figures is besides.
class CoordinatorMetrics {
 public:
  // The coordinator's own; null: nobody asks.
  virtual MetricGroup* metrics() = 0;

 protected:
  ~CoordinatorMetrics() = default;
};

// The group of a job's metrics in which each coordinator has one, named by its operator's number.
inline constexpr std::string_view kCoordinatorGroups = "$coordinators";

// Sets a gauge of the coordinator, where there are figures.
void set_coordinator_gauge(CoordinatorContext* context, std::string_view group,
                           std::string_view name, int64_t value);

}  // namespace tidewheel
