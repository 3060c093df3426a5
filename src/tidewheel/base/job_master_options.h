// Options of job masters that outlive their JobManager.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr DurationOption kMasterReconnectTimeout{
    {"high-availability.job-master.reconnect-timeout", OptionKind::kDuration, "3 s",
     "How long a JobManager that has become the leader waits for the masters of running jobs, and "
     "for the TaskManagers where these have slots, before it starts a job again from its newest "
     "checkpoint.",
     1}};
inline constexpr DurationOption kMasterAloneTimeout{
    {"high-availability.job-master.leaderless-timeout", OptionKind::kDuration, "2 min",
     "How long a job goes on running without a JobManager that leads.", 1}};

}  // namespace tidewheel::options
