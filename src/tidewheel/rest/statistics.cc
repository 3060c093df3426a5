#include "tidewheel/rest/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

#include "tidewheel/rest/json_writer.h"

namespace tidewheel {

// The estimate of Apache Commons Math (LEGACY), by which Flink's histograms go: position share * (n
// + 1), from 1, clamped to the first and last value.
double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) { return std::numeric_limits<double>::quiet_NaN(); }
  const auto count = static_cast<double>(sorted.size());
  const double position = share * (count + 1);
  if (position < 1) { return sorted.front(); }
  if (position >= count) { return sorted.back(); }
  const auto below = static_cast<size_t>(position);
  const double lower = sorted[below - 1];
  return lower + (position - std::floor(position)) * (sorted[below] - lower);
}

void write_spread(JsonBuilder& json, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const auto whole = [](double value) { return static_cast<int64_t>(value); };
  json.begin_object();
  json.member("min", values.empty() ? 0 : whole(values.front()));
  json.member("max", values.empty() ? 0 : whole(values.back()));
  json.member("avg", values.empty() ? 0 : whole(sum / static_cast<double>(values.size())));
  json.member("sum", whole(sum));
  for (const auto& [name, share] :
       {std::pair{"median", 0.5}, {"p25", 0.25}, {"p75", 0.75}, {"p95", 0.95}}) {
    json.member(name, values.empty() ? 0.0 : percentile(values, share));
  }
  json.end_object();
}

void write_summary(JsonBuilder& json, std::vector<double> values, bool with_percentiles) {
  std::sort(values.begin(), values.end());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const auto whole = [](double value) { return static_cast<int64_t>(value); };
  json.begin_object();
  json.member("min", values.empty() ? 0 : whole(values.front()));
  json.member("max", values.empty() ? 0 : whole(values.back()));
  json.member("avg", values.empty() ? 0 : whole(sum / static_cast<double>(values.size())));
  for (const auto& [name, share] :
       {std::pair{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}}) {
    json.member(name, with_percentiles ? percentile(values, share)
                                       : std::numeric_limits<double>::quiet_NaN());
  }
  json.end_object();
}

}  // namespace tidewheel
