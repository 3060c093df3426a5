// How much of its time each task was busy, idle and back-pressured lately, and how many rows it
// took and gave a second.
#pragma once
#include <cstdint>
#include <map>
#include <utility>

#include "tidewheel/checkpoint/coordinator.h"
#include "tidewheel/dataflow/task_info.h"

namespace tidewheel {

struct TaskRate {
  int64_t busy_ms_per_second = 0;
  int64_t idle_ms_per_second = 0;
  int64_t backpressured_ms_per_second = 0;
  double rows_in_per_second = 0;
  double rows_out_per_second = 0;
};

// One thread.
class TaskRates {
 public:
  // Another attempt of the task begins at nothing.
  void note(TaskId task, uint64_t attempt, const TaskInfo& info, int64_t now_ns);
  // Between the last two notes.
  TaskRate of(TaskId task) const;

 private:
  struct Noted {
    uint64_t attempt = 0;
    int64_t at_ns = 0;
    TaskInfo info;
    TaskRate rate;
  };
  std::map<std::pair<int32_t, int32_t>, Noted> tasks_;
};

}  // namespace tidewheel
