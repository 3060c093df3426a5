#include "tidewheel/cluster/counter_rates.h"

#include <algorithm>

namespace tidewheel {

std::string CounterRates::name_of_rate(const std::string& name) {
  if (name == "numRecordsIn" || name == "numRecordsOut") { return name + "PerSecond"; }
  if (name == "numLateRecordsDropped") { return "lateRecordsDroppedRate"; }
  return {};
}

void CounterRates::note(const std::vector<MetricValue>& metrics, int64_t now_ns) {
  const auto passed_ns = static_cast<double>(now_ns - at_ns_);
  std::map<Key, Noted> counters;
  for (const MetricValue& metric : metrics) {
    if (metric.kind != MetricValue::Kind::kCounter || name_of_rate(metric.name).empty()) {
      continue;
    }
    Key key(metric.scope, metric.name);
    const auto before = counters_.find(key);
    Noted noted{metric.value, 0};
    if (before != counters_.end() && passed_ns > 0) {
      const int64_t more = std::max<int64_t>(0, metric.value - before->second.value);
      noted.per_second = static_cast<double>(more) * 1e9 / passed_ns;
    }
    counters.emplace(std::move(key), noted);
  }
  counters_ = std::move(counters);
  at_ns_ = now_ns;
}

double CounterRates::of(const MetricValue& metric) const {
  const auto found = counters_.find({metric.scope, metric.name});
  return found == counters_.end() ? 0 : found->second.per_second;
}

}  // namespace tidewheel
