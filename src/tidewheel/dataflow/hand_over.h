// What the sinks of a task have prepared by the end of its input, in a job whose stages may be run
// again: it is handed to the job's master, and committed when none of them can be any more.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/task_snapshot.h"

namespace tidewheel {

class Task;  // dataflow/task.h

// Takes a snapshot of the task's sinks alone, into memory. Lives on its task's thread.
class HandOver {
 public:
  // What sinks are told as the number of the checkpoint that they prepare for: there is one only.
  static constexpr int64_t kCheckpoint = 1;

  // Freezes the sinks: they have taken all of their input.
  explicit HandOver(Task& task);
  ~HandOver();
  // The task has none.
  bool is_empty() const { return sinks_.empty(); }
  // Goes on. What the sinks have prepared; nothing: one of them waits, and wakes the task. Errors:
  // kRpcMessage when it is more than the task may hand over.
  Result<std::optional<TaskSnapshot>> advance();

 private:
  struct Sink;
  Result<TaskSnapshot> finish();

  Task& task_;
  std::vector<std::unique_ptr<Sink>> sinks_;
};

}  // namespace tidewheel
