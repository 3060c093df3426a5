#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

std::string_view cluster_job_status_name(ClusterJobStatus status) {
  static constexpr std::string_view kNames[kClusterJobStatusCount] = {
      "INITIALIZING", "CREATED",  "RUNNING",    "FAILING",   "FAILED",     "CANCELLING",
      "CANCELED",     "FINISHED", "RESTARTING", "SUSPENDED", "RECONCILING"};
  return kNames[static_cast<size_t>(status)];
}

std::string_view execution_state_name(ExecutionState state) {
  static constexpr std::string_view kNames[kExecutionStateCount] = {
      "CREATED",  "SCHEDULED", "DEPLOYING", "INITIALIZING", "RUNNING",
      "FINISHED", "CANCELING", "CANCELED",  "FAILED",       "RECONCILING"};
  return kNames[static_cast<size_t>(state)];
}

}  // namespace tidewheel
