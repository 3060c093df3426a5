// Figures over several values, as REST shows them.
#pragma once
#include <vector>

namespace tidewheel {

class JsonBuilder;  // rest/json_writer.h

// The value below which `share` (0 to 1) of the sorted values are, between two of them in
// proportion, as Flink computes it; NaN when there are none.
double percentile(const std::vector<double>& sorted, double share);
// {"min","max","avg","sum","median","p25","p75","p95"}
void write_spread(JsonBuilder& json, std::vector<double> values);
// {"min","max","avg","p50","p90","p95","p99","p999"}; `with_percentiles` false: these are NaN.
void write_summary(JsonBuilder& json, std::vector<double> values, bool with_percentiles);

}  // namespace tidewheel
