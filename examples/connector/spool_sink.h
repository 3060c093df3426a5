// Writes files of a spool in two phases.
#pragma once
#include <tidewheel/api/table.h>
#include <tidewheel/base/file_system.h>
#include <tidewheel/dataflow/column_batch.h>
#include <tidewheel/operators/sink.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

struct SpoolWritePlan {
  std::string folder;
  tidewheel::MakeEncoder make_encoder;
};

class SpoolSink {
 public:
  using input = tidewheel::ColumnRow;
  // A file whose bytes are safe: what a checkpoint has of it.
  struct Pending {
    std::string hidden;
    std::string name;
  };
  // Syncing and renaming wait for a disk, so both phases run on the blocking pool.
  static constexpr bool blocking_commits = true;

  explicit SpoolSink(std::shared_ptr<const SpoolWritePlan> plan) : plan_(std::move(plan)) {}

  tidewheel::Status open(tidewheel::SinkContext& context);
  // Removes files that no checkpoint knows.
  tidewheel::Status recover(const tidewheel::SinkRecovery<Pending>& recovery);
  tidewheel::Status write_batch(const tidewheel::ColumnBatch& rows, uint32_t begin, uint32_t end);
  tidewheel::Result<tidewheel::PrepareJob<Pending>> prepare(int64_t checkpoint);
  tidewheel::Status commit(const Pending& pending) const;

 private:
  // The file that takes rows until the next checkpoint.
  struct Part {
    std::unique_ptr<tidewheel::WritableFile> file;
    std::string hidden;
    std::string buffer;  // not in the file yet
  };
  tidewheel::Status begin_part();

  std::shared_ptr<const SpoolWritePlan> plan_;
  // Of this copy, from `open` on.
  tidewheel::FileSystem* files_ = nullptr;
  std::shared_ptr<tidewheel::RowEncoder> encoder_;
  std::string writer_;  // the operator's, in hexadecimal
  int32_t subtask_ = 0;
  int32_t parallelism_ = 1;
  uint64_t attempt_ = 0;  // so that no two processes take the same names
  int64_t parts_ = 0;
  std::shared_ptr<Part> part_;  // null: nothing was written since the last checkpoint
};
