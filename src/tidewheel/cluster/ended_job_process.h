// The process of a master whose job has come to its end already.
#pragma once
#include <memory>
#include <optional>

#include "tidewheel/checkpoint/ended_job.h"
#include "tidewheel/cluster/job_master_process.h"

namespace tidewheel {

// The mark that an earlier master of the job has left; none: it has not come to its end.
Result<std::optional<EndedJob>> find_end(World& world, const Config& config,
                                         const ProcessRole& role);

// Of a job that has come to its end under a master before, whose JobManager was lost before it
// knew. There is nothing to run: the end is told.
Result<std::unique_ptr<JobMasterProcess>> start_ended_job_process(
    World& world, const EndedJob& ended, LogicalGraph graph, const Config& config,
    JobMasterProcess::Options options);

}  // namespace tidewheel
