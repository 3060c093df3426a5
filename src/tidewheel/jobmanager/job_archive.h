// Jobs that have ended, as files: what their REST API shows of them, left for a history server.
// A file is named after its job's id: the eight bytes "TWJOB 1\n", then a pb::JobReport.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/status.h"
#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

// A job's id: 32 lower-case hex digits. Other names in an archive are passed over.
bool is_job_id(std::string_view name);

// Blocks. It is there as a whole, or not at all. Errors: those of files.
[[nodiscard]] Status archive_job(FileSystem& files, const std::string& directory,
                                 const std::string& job_id, std::string_view report);
// Blocks. Errors: those of files, kRpcMessage when it is damaged.
Result<ClusterGateway::JobReportRef> read_archived_job(FileSystem& files, const std::string& path);

// A job's line in lists, from all that is known of it.
JobSummary summary_of(const pb::JobReport& report);
// How many tasks are in which state, by a report's bytes; none when these are damaged.
std::vector<int32_t> task_counts(const std::string& report);

}  // namespace tidewheel
