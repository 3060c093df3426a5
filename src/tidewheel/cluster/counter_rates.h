// How fast the counters of operators go up.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/metrics.h"

namespace tidewheel {

// Of the counters for which there are metrics of their rates. One thread.
class CounterRates {
 public:
  // The name of the metric that is the rate of the counter `name`; empty: there is none.
  static std::string name_of_rate(const std::string& name);
  // Counters that are not among `metrics` are forgotten.
  void note(const std::vector<MetricValue>& metrics, int64_t now_ns);
  // A second, between the last two notes.
  double of(const MetricValue& metric) const;

 private:
  struct Noted {
    int64_t value = 0;
    double per_second = 0;
  };
  using Key = std::pair<std::string, std::string>;  // scope and name
  std::map<Key, Noted> counters_;
  int64_t at_ns_ = 0;
};

}  // namespace tidewheel
