#include "tidewheel/jobmanager/job_archive.h"

#include <algorithm>
#include <iterator>

#include "tidewheel/cluster/job_report.pb.h"

namespace tidewheel {
namespace {

constexpr std::string_view kHead = "TWJOB 1\n";

}  // namespace

bool is_job_id(std::string_view name) {
  constexpr size_t kDigits = 32;
  return name.size() == kDigits && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Status archive_job(FileSystem& files, const std::string& directory, const std::string& job_id,
                   std::string_view report) {
  TIDEWHEEL_RETURN_IF_ERROR(files.make_directories(directory));
  std::string bytes(kHead);
  bytes += report;
  return write_all_durably(files, join_path(directory, job_id), bytes);
}

Result<ClusterGateway::JobReportRef> read_archived_job(FileSystem& files, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string bytes, read_all(files, path));
  auto report = std::make_shared<pb::JobReport>();
  if (!bytes.starts_with(kHead) || !report->ParseFromString(bytes.substr(kHead.size()))) {
    return data_loss(ErrorId::kRpcMessage, "{} is no archived job, or is damaged", path);
  }
  return ClusterGateway::JobReportRef(std::move(report));
}

JobSummary summary_of(const pb::JobReport& report) {
  JobSummary summary;
  summary.id = report.id();
  summary.name = report.name();
  summary.status = static_cast<ClusterJobStatus>(
      std::min<uint32_t>(report.status(), kClusterJobStatusCount - 1));
  summary.start_ms = report.start_ms();
  summary.end_ms = report.end_ms();
  summary.last_modification_ms = report.end_ms();
  for (const pb::VertexReport& vertex : report.vertices()) {
    for (const pb::SubtaskReport& subtask : vertex.subtasks()) {
      if (subtask.attempts().empty()) { continue; }
      const uint32_t state = subtask.attempts(0).state();
      if (state < kExecutionStateCount) { ++summary.tasks[state]; }
    }
  }
  return summary;
}

std::vector<int32_t> task_counts(const std::string& report) {
  pb::JobReport parsed;
  if (!parsed.ParseFromString(report)) { return {}; }
  const JobSummary summary = summary_of(parsed);
  return {std::begin(summary.tasks), std::end(summary.tasks)};
}

}  // namespace tidewheel
