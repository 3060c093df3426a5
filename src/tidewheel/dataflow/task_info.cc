#include "tidewheel/dataflow/task_info.h"

namespace tidewheel {

std::string_view task_state_name(TaskState state) {
  switch (state) {
    case TaskState::kDeploying: return "DEPLOYING";
    case TaskState::kRunning: return "RUNNING";
    case TaskState::kFinished: return "FINISHED";
    case TaskState::kCancelled: return "CANCELED";
    case TaskState::kFailed: return "FAILED";
  }
  return "";
}

}  // namespace tidewheel
