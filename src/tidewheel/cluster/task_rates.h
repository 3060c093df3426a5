// How much of its time each task was busy, idle and back-pressured lately, and what it took and
// gave a second.
#pragma once
#include <cstdint>
#include <map>
#include <utility>

#include "tidewheel/checkpoint/coordinator.h"
#include "tidewheel/dataflow/task_figures.h"
#include "tidewheel/dataflow/task_info.h"

namespace tidewheel {

struct TaskRate {
  struct Flow {
    double bytes = 0;
    double batches = 0;
  };
  int64_t busy_ms_per_second = 0;
  int64_t idle_ms_per_second = 0;
  int64_t backpressured_ms_per_second = 0;
  double rows_in_per_second = 0;
  double rows_out_per_second = 0;
  // ---- Known where the task is.
  Flow in_local;  // a second
  Flow in_remote;
  Flow out;
  double mails_per_second = 0;
  int64_t longest_refusal_ms = 0;
};

// One thread.
class TaskRates {
 public:
  // Another attempt of the task begins at nothing.
  void note(TaskId task, uint64_t attempt, const TaskInfo& info, const TaskFigures& figures,
            int64_t longest_refusal_ns, int64_t now_ns);
  // Between the last two notes.
  TaskRate of(TaskId task) const;

 private:
  struct Noted {
    uint64_t attempt = 0;
    int64_t at_ns = 0;
    TaskInfo info;
    TaskFigures figures;
    TaskRate rate;
  };
  std::map<std::pair<int32_t, int32_t>, Noted> tasks_;
};

}  // namespace tidewheel
