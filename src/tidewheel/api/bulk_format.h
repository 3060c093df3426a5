// Formats whose files are read at any place and written as a whole, such as Parquet: what they say
// to a connector for files beyond TableFormat. They may come from plug-ins.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/base/file_system.h"

namespace tidewheel {

// What of a file is read: the parts of it (groups of rows) that begin in [begin, end), from the
// row number `rows_done` of those on.
struct BulkSplit {
  std::string path;  // for messages
  int64_t begin = 0;
  int64_t end = INT64_MAX;
  int64_t rows_done = 0;
};

// Reads one split. Blocks. One thread at a time.
class BulkReader {
 public:
  virtual ~BulkReader() = default;
  // Appends rows until the batch has `rows_max`, or the split ends: false. Errors: kRecordMalformed
  // and kFormatSchema, naming the file; those of reading.
  virtual Result<bool> read(RowBatch<ColumnRow>& rows, uint32_t rows_max) = 0;
  // How many of the split's rows are read.
  virtual int64_t rows_done() const = 0;
};

// Makes one file. One thread.
class BulkWriter {
 public:
  virtual ~BulkWriter() = default;
  // Adds these rows of the batch, and to `file` the bytes that are ready. Errors: kRecordMalformed.
  virtual Status write(const RowBatch<ColumnRow>& rows, std::span<const uint32_t> indexes,
                       std::string& file) = 0;
  // Once, at last: adds the rest of the file.
  virtual Status finish(std::string& file) = 0;
};

using MakeBulkReader = std::function<Result<std::unique_ptr<BulkReader>>(
    std::unique_ptr<ReadableFile> file, const BulkSplit& split)>;
using MakeBulkWriter = std::function<Result<std::unique_ptr<BulkWriter>>()>;

// Rows that have no such value need not be read: field `field` of the rows is one of `values`.
struct BulkFilter {
  size_t field = 0;
  std::vector<int64_t> values;
};

class BulkTableFormat : public TableFormat {
 public:
  // Errors: kSqlType; those of options are noted.
  virtual Result<MakeBulkReader> bulk_reader(const DecodedRow& row,
                                             const std::vector<BulkFilter>& filters,
                                             TableOptions& options) const = 0;
  // Field number i of a row is column columns[i] of a batch.
  virtual Result<MakeBulkWriter> bulk_writer(const RowType& row, const std::vector<size_t>& columns,
                                             TableOptions& options) const = 0;
  // The columns of a file. Errors: kRecordMalformed and kFormatSchema, without the file's name.
  virtual Result<RowType> columns_of(std::unique_ptr<ReadableFile> file) const = 0;

  // ---- Messages there are none.
  bool has_streams() const final { return false; }
  Result<MakeDecoder> decoder(const DecodedRow&, TableOptions&) const final {
    return no_messages();
  }
  Result<MakeEncoder> encoder(const RowType&, const std::vector<size_t>&,
                              TableOptions&) const final {
    return no_messages();
  }

 private:
  Status no_messages() const {
    return invalid_argument(ErrorId::kSqlOption,
                            "the format '{}' is for files ('connector' = 'filesystem'), and not "
                            "for single messages",
                            name());
  }
};

// Null: it is no such format.
inline const BulkTableFormat* as_bulk(const TableFormat& format) {
  return dynamic_cast<const BulkTableFormat*>(&format);
}

}  // namespace tidewheel
