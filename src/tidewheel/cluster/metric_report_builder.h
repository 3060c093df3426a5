// Puts a job's metrics into reports (job_report.proto), by what they are of.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/base/metrics.h"
#include "tidewheel/cluster/remote_fleet.h"
#include "tidewheel/cluster/task_rates.h"
#include "tidewheel/dataflow/chaining.h"

namespace tidewheel {

namespace pb {
class MetricReport;  // cluster/job_report.proto
class MetricScope;   // the same
}  // namespace pb

// Of a worker. `metrics` are those of a deployment's group, whose name is the job's; operators
// whose subtasks are not `here` are left out: they ran here once.
void add_operator_metrics(const ChainedGraph& chained, const std::string& job,
                          const std::vector<MetricValue>& metrics,
                          const std::function<bool(TaskId)>& is_here, pb::MetricReport& report);
// The same as sums of the counters in the operators' groups "accumulators".
std::map<std::string, int64_t> sum_accumulators(const ChainedGraph& chained, const std::string& job,
                                                const std::vector<MetricValue>& metrics,
                                                const std::function<bool(TaskId)>& is_here);

// Of a master: the job's own, and what is known of its tasks.
void add_job_metrics(const std::vector<MetricValue>& metrics, pb::MetricReport& report);
void add_task_metrics(const ChainedGraph& chained, const RemoteFleet& fleet,
                      pb::MetricReport& report);
// Of one task.
void add_task_metrics(const TaskInfo& info, const TaskRate& rate, pb::MetricScope& scope);

}  // namespace tidewheel
