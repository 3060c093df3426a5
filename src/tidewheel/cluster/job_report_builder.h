// Fills the report of a job (job_report.proto) from what its master knows.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/checkpoint/rules.h"
#include "tidewheel/checkpoint/stats.h"
#include "tidewheel/cluster/gateway.h"
#include "tidewheel/cluster/remote_fleet.h"
#include "tidewheel/dataflow/local_job.h"

namespace tidewheel {

class Config;  // base/config.h

namespace pb {
class JobReport;  // cluster/job_report.proto
}  // namespace pb

ClusterJobStatus cluster_status_of(JobState state);

// All parts belong to the caller.
struct JobReportSources {
  std::string id;
  std::string name;
  JobState state = JobState::kCreated;
  std::string status_text;
  int64_t now_ms = 0;  // wall times
  int64_t start_ms = 0;
  int64_t end_ms = -1;
  // By ClusterJobStatus: when the job came into it last.
  std::vector<int64_t> status_ms;
  const ChainedGraph& chained;
  const Config& config;
  const CheckpointRules& rules;
  const CheckpointStatistics& checkpoints;
  const std::vector<JobFailure>& failures;
  const RemoteFleet* fleet = nullptr;  // null: a plan, without attempts
  int64_t restarts = 0;
  std::string restart_strategy;
  const std::vector<ParallelismBounds>& bounds;  // by vertex
  bool can_rescale = false;                      // under the adaptive scheduler
};
void fill_job_report(const JobReportSources& job, pb::JobReport& report);

// What a program would be: vertices and edges alone.
void fill_plan(const ChainedGraph& chained, pb::JobReport& report);

}  // namespace tidewheel
