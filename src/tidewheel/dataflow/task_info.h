// What is known of a task from outside.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tidewheel {

enum class TaskState : uint8_t { kDeploying, kRunning, kFinished, kCancelled, kFailed };
std::string_view task_state_name(TaskState state);

// One task as it is now.
struct TaskInfo {
  std::string vertex;  // "source -> map"
  int32_t vertex_index = 0;
  int32_t subtask = 0;
  int32_t parallelism = 1;
  int32_t slot = 0;
  TaskState state = TaskState::kDeploying;
  int64_t busy_ms = 0;
  int64_t idle_ms = 0;
  int64_t backpressured_ms = 0;
  int64_t rows_in = 0;   // of the chain's head
  int64_t rows_out = 0;  // of all operators that send to other tasks
  int64_t watermark = INT64_MIN;
};

}  // namespace tidewheel
