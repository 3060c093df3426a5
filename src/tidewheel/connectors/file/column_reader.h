// The rows of files as columns, read by a table's format.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/bulk_format.h"
#include "tidewheel/api/table.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/connectors/file/file_bytes.h"
#include "tidewheel/connectors/file/readers.h"
#include "tidewheel/connectors/file/splits.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/byte_chunks.h"
#include "tidewheel/operators/source.h"

namespace tidewheel::file {

// A column that all rows of a file have alike.
struct FileColumn {
  enum class What : uint8_t { kPath, kName, kSize, kModified, kPartition };
  size_t column = 0;  // of the batch
  What what = What::kPath;
  LogicalType type;
  std::string partition = {};  // the name in the path: ".../name=value/..."
};

// What the readers of a table share.
struct ColumnPlan {
  std::vector<LogicalType> types;  // of the batch
  MakeDecoder make_decoder;
  MakeBulkReader make_bulk_reader;  // of formats that have no messages; then there is no decoder
  bool messages_are_lines = false;
  // Whether a file may be read in several splits.
  bool may_split() const { return messages_are_lines || make_bulk_reader != nullptr; }
  std::vector<FileColumn> file_columns;
  std::string default_partition;  // the value that stands for NULL
  std::vector<std::string> paths;
  std::string path_pattern;  // of whole paths; empty: all
  ReadOptions options;
};

// Errors: kSqlType for a type that can't be read from a path.
Status check_partition_type(const LogicalType& type, const std::string& name);
// Puts `text` to rows [begin, end). Errors: kRecordMalformed.
Status put_partition_value(const FileColumn& to, std::string_view text, Column& column,
                           uint32_t begin, uint32_t end, Arena& arena);

// All that is to be read. `first`: a path that does not exist is an error.
Result<std::vector<FileSplit>> plan_splits(FileSystem& files, const ColumnPlan& plan, bool first);

// One split. Blocks. One thread at a time.
class SplitReader {
 public:
  enum class Next : uint8_t { kMore, kEnd, kFailed };
  virtual ~SplitReader() = default;

  // Goes on from split.next. The batch, of the plan's types, may be used, and is as it was.
  static Result<std::unique_ptr<SplitReader>> open(FileSystem& files, const FileSplit& split,
                                                   std::shared_ptr<const ColumnPlan> plan,
                                                   ColumnBatch& batch);
  // Appends rows until there are `rows_max`, or enough bytes were read.
  virtual Next read(ColumnBatch& batch, uint32_t rows_max) = 0;
  virtual int64_t offset() const = 0;
  virtual int64_t line() const = 0;
  virtual int64_t skipped() const = 0;
  const Status& status() const { return status_; }  // after kFailed

 protected:
  SplitReader(std::shared_ptr<const ColumnPlan> plan, FileSplit split)
      : plan_(std::move(plan)), split_(std::move(split)) {}
  Status look_at_file(FileSystem& files);
  Status fill_file_columns(ColumnBatch& batch, uint32_t begin);
  Next fail(Status status) {
    status_ = std::move(status);
    return Next::kFailed;
  }

  const std::shared_ptr<const ColumnPlan> plan_;
  const FileSplit split_;
  FileInfo info_;
  Status status_;
};

// Of a stream of messages.
class ColumnReader final : public SplitReader {
 public:
  static Result<std::unique_ptr<SplitReader>> open(FileSystem& files, const FileSplit& split,
                                                   std::shared_ptr<const ColumnPlan> plan,
                                                   ColumnBatch& batch);
  Next read(ColumnBatch& batch, uint32_t rows_max) override;
  int64_t offset() const override { return chunks_.offset(); }
  int64_t line() const override { return decoder_->line(); }
  int64_t skipped() const override { return decoder_->skipped(); }

 private:
  static constexpr size_t kColumnChunkBytes = 256 * 1024;

  ColumnReader(std::shared_ptr<const ColumnPlan> plan, const FileSplit& split, FileBytes bytes);
  Status go_to_start(FileSystem& files, const FileSplit& split, ColumnBatch& batch);
  Status skip_line_of_before();
  // What the decoder may have of the bytes at hand; `last`: no record begins behind it.
  std::string_view usable(bool& last) const;
  Result<bool> add_bytes();

  const std::unique_ptr<RowDecoder> decoder_;
  FileBytes bytes_;
  ByteChunks chunks_;
  bool ended_ = false;  // no bytes come after those in chunks_
};

// Of a file that is read at any place: line() is the number of the next row in the split, from 1.
class BulkSplitReader final : public SplitReader {
 public:
  static Result<std::unique_ptr<SplitReader>> open(FileSystem& files, const FileSplit& split,
                                                   std::shared_ptr<const ColumnPlan> plan);
  Next read(ColumnBatch& batch, uint32_t rows_max) override;
  int64_t offset() const override { return split_.begin; }
  int64_t line() const override { return reader_->rows_done() + 1; }
  int64_t skipped() const override { return 0; }

 private:
  BulkSplitReader(std::shared_ptr<const ColumnPlan> plan, const FileSplit& split,
                  std::unique_ptr<BulkReader> reader)
      : SplitReader(std::move(plan), split), reader_(std::move(reader)) {}

  const std::unique_ptr<BulkReader> reader_;
};

// The source of a table.
class ColumnSource {
 public:
  using output = ColumnRow;
  using Split = FileSplit;
  static constexpr bool blocking = true;

  explicit ColumnSource(std::shared_ptr<const ColumnPlan> plan) : plan_(std::move(plan)) {}

  Result<std::vector<Split>> discover(SplitContext& context);
  std::string split_id(const Split& split) const { return split.id(); }
  int64_t discovery_interval_ms() const { return to_ms(plan_->options.watch_every); }
  bool is_bounded() const { return plan_->options.is_bounded(); }
  SplitAssignment assignment() const { return SplitAssignment::kOnRequest; }
  Status open(SourceContext& context);
  void close_split(Split& split) { readers_->remove(split); }
  void close() { readers_.reset(); }
  ReadResult read(Split& split, SourceOut<ColumnRow>& out);

 private:
  std::shared_ptr<const ColumnPlan> plan_;
  std::shared_ptr<Readers<SplitReader>> readers_;  // of this copy, from `open` on
  Counter* errors_ = nullptr;
  Counter* accumulated_errors_ = nullptr;
};

}  // namespace tidewheel::file
