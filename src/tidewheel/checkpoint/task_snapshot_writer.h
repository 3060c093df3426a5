// Brings what one task writes for one checkpoint to a file: blocks are compressed, checksummed and
// appended on the blocking pool, in order, while the task goes on.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/executor.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/checkpoint/local_copies.h"
#include "tidewheel/checkpoint/new_files.h"
#include "tidewheel/checkpoint/snapshot_storage.h"

namespace tidewheel {

struct TaskFileOptions {
  std::string directory;  // where files go; it exists
  std::string prefix;     // what manifests put before their names: "", or "shared/"
  std::string name;       // of the task's file; those of its backends begin with it
  int64_t base_checkpoint = 0;
  BlockCodec codec = BlockCodec::kNone;
  uint64_t inline_bytes_max = 0;  // a task's state up to this size is handed over without a file
  bool takes_files = true;        // of state backends
  std::shared_ptr<LocalCopies> copies = nullptr;  // null: none are made
};

// `files` and `executor` outlive the writer, and what it has left to the executor.
std::unique_ptr<TaskSnapshotWriter> make_task_snapshot_writer(FileSystem& files, Executor& executor,
                                                              std::shared_ptr<NewFiles> new_files,
                                                              TaskFileOptions options);

}  // namespace tidewheel
