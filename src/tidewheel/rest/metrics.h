// Metrics as REST shows them: by id, alone or over several of a kind.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/cluster/prometheus_text.h"

namespace tidewheel {

namespace pb {
class JobReport;     // cluster/job_report.proto
class MetricReport;  // the same
class VertexReport;  // the same
}  // namespace pb

// What a job's report says of it, under the names of Flink's metrics, and what `metrics` has.
MetricTable job_metrics(const pb::JobReport& job, const pb::MetricReport& metrics);
// Of one subtask, its operators' metrics with their names in front.
MetricTable subtask_metrics(const pb::VertexReport& vertex, const pb::MetricReport& metrics,
                            int32_t subtask);
// The same apart: the task's own, and those of each operator by its name.
MetricTable task_metrics(const pb::VertexReport& vertex, const pb::MetricReport& metrics,
                         int32_t subtask);
std::map<std::string, MetricTable> operator_metrics(const pb::VertexReport& vertex,
                                                    const pb::MetricReport& metrics,
                                                    int32_t subtask);
// Of all subtasks, with their numbers in front: "0.numRecordsIn".
MetricTable vertex_metrics(const pb::VertexReport& vertex, const pb::MetricReport& metrics);
// Of the coordinators of the vertex's operators.
MetricTable coordinator_metrics(const pb::VertexReport& vertex, const pb::MetricReport& metrics);
// The same apart, by operator.
std::map<std::string, MetricTable> coordinators_by_operator(const pb::VertexReport& vertex,
                                                            const pb::MetricReport& metrics);
MetricTable process_metrics(const pb::MetricReport& metrics);
// Adds what the workers of jobs have on the TaskManager: sums, as metrics of the process.
void add_worker_sums(const std::vector<std::shared_ptr<const pb::MetricReport>>& jobs,
                     const std::string& task_manager, pb::MetricReport& process);

// `get`: the ids asked for; none: all ids, without values.
std::string metrics_json(const MetricTable& table,
                         const std::optional<std::vector<std::string>>& get);

struct MetricAggregation {
  std::optional<std::vector<std::string>> get;
  std::vector<std::string> aggregations;  // min, max, sum, avg, skew; empty: all
};
// Errors: kRestRequest for an aggregation that there is not.
Status check_aggregations(const std::vector<std::string>& names);
std::string aggregated_metrics_json(const std::vector<MetricTable>& tables,
                                    const MetricAggregation& wanted);

// "1,3,5-9" -> numbers below `count`. Errors: kRestRequest.
Result<std::vector<int32_t>> parse_subtasks(std::string_view text, int32_t count);

}  // namespace tidewheel
