// What reports have, as metrics for Prometheus.
#pragma once
#include <string_view>

#include "tidewheel/cluster/prometheus_text.h"
#include "tidewheel/rest/metrics.h"

namespace tidewheel {

// All that is known of a job.
void add_job(PrometheusText& text, const pb::JobReport& job, const pb::MetricReport& metrics);
// Of a process: `id` is empty for the JobManager.
void add_process(PrometheusText& text, std::string_view id, const MetricTable& table);

}  // namespace tidewheel
