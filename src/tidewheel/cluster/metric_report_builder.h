// Puts a job's metrics into reports (job_report.proto), by what they are of.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/base/metrics.h"
#include "tidewheel/cluster/counter_rates.h"
#include "tidewheel/cluster/remote_fleet.h"
#include "tidewheel/cluster/task_rates.h"
#include "tidewheel/dataflow/chaining.h"

namespace tidewheel {

namespace pb {
class MetricReport;  // cluster/job_report.proto
class MetricScope;   // the same
}  // namespace pb

// What a worker knows of its part of a job.
struct OperatorMetricSources {
  const ChainedGraph& chained;
  // Of a deployment's group, whose name is the job's.
  const std::string& job;
  const std::vector<MetricValue>& metrics;
  const CounterRates& rates;
  // Operators whose subtasks are not here are left out: they ran here once.
  std::function<bool(TaskId)> is_here;
  // Of a task that begins with a source; it is here.
  std::function<TaskFigures(TaskId)> source_figures;
  int64_t now_ns = 0;
  int64_t wall_ms = 0;
};
void add_operator_metrics(const OperatorMetricSources& from, pb::MetricReport& report);
// The same as sums of the counters in the operators' groups "accumulators".
std::map<std::string, int64_t> sum_accumulators(const ChainedGraph& chained, const std::string& job,
                                                const std::vector<MetricValue>& metrics,
                                                const std::function<bool(TaskId)>& is_here);

// What a worker uses of its TaskManager's memory.
struct WorkerMemory {
  int64_t task_bytes = 0;
  int64_t managed_bytes = 0;
  int64_t network_bytes = 0;
  QueueLength batches;  // that wait before its tasks, wherever they come from
};
void add_worker_metrics(const std::string& task_manager, const WorkerMemory& memory,
                        pb::MetricReport& report);

// Of a master: the job's own and its coordinators', and what is known of the tasks of which the
// report has nothing yet.
void add_job_metrics(const ChainedGraph& chained, const std::vector<MetricValue>& metrics,
                     pb::MetricReport& report);
void add_task_metrics(const ChainedGraph& chained, const RemoteFleet& fleet,
                      pb::MetricReport& report);
// Of one task; the second, what only its worker knows.
void add_task_metrics(const TaskInfo& info, const TaskRate& rate, pb::MetricScope& scope);
void add_task_figures(const TaskFigures& figures, const TaskRate& rate, pb::MetricScope& scope);
// How many elements the channels to a task may hold now, on the mean, by debloating.
void add_debloated(const TaskFigures& figures, double elements, pb::MetricScope& scope);

}  // namespace tidewheel
