// Writes rows of columns into part files, in a table's format, by partition.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/api/bulk_format.h"
#include "tidewheel/api/table.h"
#include "tidewheel/base/clock.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/connectors/file/part_writer.h"
#include "tidewheel/connectors/file/partition_commit.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/sink.h"

namespace tidewheel::file {

struct ColumnSinkPlan {
  std::string folder;
  MakeEncoder make_encoder;
  MakeBulkWriter make_bulk_writer;  // of formats that have no messages; then there is no encoder
  std::string head;                 // of every file
  WriteOptions options;
  int64_t check_interval_ms = 0;  // parts that are too old are closed so often at most
  // Columns of the batch by whose values rows are put into folders "name=value".
  struct Partition {
    std::string name;
    size_t column = 0;
    LogicalType type;
  };
  std::vector<Partition> partitions;
  std::string default_partition;  // the value for NULL and empty strings
  // Partitions are announced when they are complete: by one subtask, which has all rows.
  std::optional<PartitionCommitOptions> commit_partitions;
};

class ColumnFileSink {
 public:
  using input = ColumnRow;
  using Pending = PendingPart;
  using State = PartState;
  static constexpr bool blocking_commits = true;

  explicit ColumnFileSink(std::shared_ptr<const ColumnSinkPlan> plan) : plan_(std::move(plan)) {}

  Status open(SinkContext& context);
  Status recover(const PartRecovery& recovery);
  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end);
  Status flush() { return parts_->flush(); }
  Status end_of_input() {
    ended_ = true;
    parts_->end_of_input();
    return ok_status();
  }
  void on_watermark(int64_t time_ms) {
    if (commits_) { commits_->advance(time_ms); }
  }
  Result<int64_t> on_time(int64_t wall_ms);
  Result<PrepareJob<Pending>> prepare(int64_t checkpoint);
  Result<std::vector<State>> snapshot_state(int64_t);
  Status commit(const Pending& pending) const { return publish(*files_, pending); }
  Status close(bool) {
    if (parts_ != nullptr) { parts_->abandon(); }
    return ok_status();
  }

 private:
  // The bucket of a row, which is noted as one that has rows.
  Result<std::string_view> noted_bucket(const ColumnBatch& rows, uint32_t row);
  std::string_view bucket_of(const ColumnBatch& rows, uint32_t row);
  Status write_lines(const ColumnBatch& rows, uint32_t begin, uint32_t end);
  // Fills block_rows_.
  Status group_rows(const ColumnBatch& rows, uint32_t begin, uint32_t end);
  Status write_bulk(const ColumnBatch& rows, uint32_t begin, uint32_t end);
  Status write_blocks(const ColumnBatch& rows, uint32_t begin, uint32_t end);

  std::shared_ptr<const ColumnSinkPlan> plan_;
  FileSystem* files_ = nullptr;
  Counter* bytes_count_ = nullptr;
  int64_t counted_bytes_ = 0;
  std::string bucket_;
  std::map<std::string, std::vector<uint32_t>, std::less<>> block_rows_;  // by bucket
  // Of this copy, from `open` on.
  std::shared_ptr<RowEncoder> encoder_;
  // Of open parts, by bucket. Before parts_, which may call for the end of one.
  std::shared_ptr<std::map<std::string, std::unique_ptr<BulkWriter>, std::less<>>> writers_;
  std::shared_ptr<PartWriter> parts_;
  std::shared_ptr<PartitionCommits> commits_;  // null: partitions are not announced
  Clock* clock_ = nullptr;
  bool ended_ = false;
};

// Writes lines to a stream of the process, such as its standard output.
class ColumnStreamSink {
 public:
  using input = ColumnRow;
  ColumnStreamSink(std::string path, MakeEncoder make_encoder, std::string head)
      : path_(std::move(path)), make_encoder_(std::move(make_encoder)), head_(std::move(head)) {}

  Status open(SinkContext& context);
  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end);

 private:
  std::string path_;
  MakeEncoder make_encoder_;
  std::string head_;
  std::string buffer_;
  std::vector<uint32_t> indexes_;
  std::shared_ptr<RowEncoder> encoder_;
  std::shared_ptr<WritableFile> stream_;
};

}  // namespace tidewheel::file
