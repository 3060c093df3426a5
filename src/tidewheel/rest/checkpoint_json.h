// What REST shows of a job's checkpoints, as JSON.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tidewheel {

namespace pb {
class CheckpointsReport;  // cluster/job_report.proto
class JobReport;          // the same
}  // namespace pb

std::string checkpoints_json(const pb::CheckpointsReport& checkpoints);
std::string checkpoint_config_json(const pb::CheckpointsReport& checkpoints);
// Empty: that checkpoint, or vertex, is not known, or not any more.
std::string checkpoint_json(const pb::JobReport& job, int64_t id);
std::string checkpoint_task_json(const pb::JobReport& job, int64_t id, std::string_view vertex_id);

}  // namespace tidewheel
