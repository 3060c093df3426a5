// Where the tasks of a worker write their snapshots, while the job's master, in another process,
// has the job's folder.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/random.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/local_copies.h"
#include "tidewheel/checkpoint/new_files.h"
#include "tidewheel/checkpoint/snapshot_storage.h"
#include "tidewheel/checkpoint/task_snapshot_writer.h"

namespace tidewheel {

// The folder of a job's checkpoints.
std::string checkpoint_root(const CheckpointStoreOptions& options);
// Where a task writes for a checkpoint; `name` and `copies` are still to be filled in.
TaskFileOptions task_file_options(const CheckpointStoreOptions& options,
                                  const CheckpointPlan& plan);

// Makes no folders and takes no lock: that is the master's. Local copies of what is written here
// are this machine's own, and all workers of the job on it share them.
class WorkerStorage final : public SnapshotStorage {
 public:
  WorkerStorage(World& world, CheckpointStoreOptions options);
  // Any thread.
  std::unique_ptr<TaskSnapshotWriter> write(const CheckpointPlan& plan, int32_t vertex,
                                            int32_t subtask) override;
  // The checkpoint is complete, or was given up: then the files that were written here for it are
  // deleted, on the blocking pool. What is still being written is not kept. Any thread.
  void end(int64_t checkpoint, bool complete);
  // The job goes on from this snapshot: which of its files are on this machine. Blocks.
  LocalCopyMap find_copies(const Manifest& manifest);
  // The job has ended for good: its copies go.
  void drop_copies();
  const LocalCopies* copies() const { return copies_.get(); }

 private:
  void confirm_copies(int64_t checkpoint);

  World& world_;
  const CheckpointStoreOptions options_;
  LeafLock lock_;  // guards the rest
  Random random_;
  std::map<int64_t, std::shared_ptr<NewFiles>> under_way_;
  std::set<int64_t> over_;                     // the newest
  const std::shared_ptr<LocalCopies> copies_;  // null: none are made, nor read
  int64_t newest_copied_ = 0;                  // copy_jobs_'s
  SerialJobs copy_jobs_;
};

}  // namespace tidewheel
