// Where snapshots are kept, as tasks and the coordinator see it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/checkpoint/task_snapshot.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// Takes what one task writes for one checkpoint, and brings it to disk on the blocking pool while
// the task goes on. Task thread, except as said.
class TaskSnapshotWriter {
 public:
  virtual ~TaskSnapshotWriter() = default;  // abandons what is not finished
  // The writer for one operator's states. The same place gives the same writer.
  virtual SnapshotWriter& writer(const SnapshotPlace& place) = 0;
  // Writers are ready for about `bytes` more, and not at all while too much waits for the disk;
  // `wake` is called, on any thread, when that is over.
  virtual void grant(uint64_t bytes, std::function<void()> wake) = 0;
  // False while too much waits for the disk.
  virtual bool has_room() const = 0;
  // No more comes. `done` is called once, on any thread: the operators' segments, in the order in
  // which their writers were made, all of them durable; or what went wrong.
  using Done = std::function<void(Result<std::vector<std::vector<SegmentRef>>>)>;
  virtual void finish(Done done) = 0;
  // Nothing of it is wanted: what is on disk is removed. `done` is not called any more.
  virtual void abandon() = 0;
};

// Any thread. Outlives the tasks.
class SnapshotStorage {
 public:
  virtual ~SnapshotStorage() = default;
  virtual std::unique_ptr<TaskSnapshotWriter> write(const CheckpointPlan& plan, int32_t vertex,
                                                    int32_t subtask) = 0;
};

}  // namespace tidewheel
