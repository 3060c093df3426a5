// What REST shows of a job, as JSON, made from its report. The forms are those of Flink's API.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidewheel {

struct JobSummary;  // cluster/gateway.h
namespace pb {
class JobReport;     // cluster/job_report.proto
class VertexReport;  // the same
}  // namespace pb

std::string jobs_json(const std::vector<JobSummary>& jobs);
// `now_ms`: for how long those that run have.
std::string jobs_overview_json(const std::vector<JobSummary>& jobs, int64_t now_ms);
std::string job_json(const pb::JobReport& job);
std::string job_plan_json(const pb::JobReport& job);  // {"plan": ..}
std::string job_config_json(const pb::JobReport& job);
std::string job_accumulators_json(const pb::JobReport& job);
std::string job_result_json(const pb::JobReport& job);
// `label`: of "key:value" for failureLabelFilter; failures here have no labels, so that any leaves
// nothing.
std::string job_exceptions_json(const pb::JobReport& job, int64_t count_max, bool has_label);

// Null: the job has none of that id.
const pb::VertexReport* find_vertex(const pb::JobReport& job, std::string_view vertex_id);
std::string vertex_json(const pb::JobReport& job, const pb::VertexReport& vertex);
std::string vertex_times_json(const pb::JobReport& job, const pb::VertexReport& vertex);
std::string vertex_task_managers_json(const pb::JobReport& job, const pb::VertexReport& vertex);
std::string vertex_backpressure_json(const pb::JobReport& job, const pb::VertexReport& vertex);
std::string vertex_watermarks_json(const pb::VertexReport& vertex);
std::string vertex_accumulators_json(const pb::VertexReport& vertex);
std::string subtask_accumulators_json(const pb::VertexReport& vertex);
// Empty: there is no such subtask, or attempt (-1: the present one).
std::string subtask_json(const pb::JobReport& job, const pb::VertexReport& vertex, int64_t subtask,
                         int64_t attempt);
std::string attempt_accumulators_json(const pb::VertexReport& vertex, int64_t subtask,
                                      int64_t attempt);

}  // namespace tidewheel
