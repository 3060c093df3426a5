// Runs a table's format by hand: text to rows, and rows to text.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/testing/table_harness.h"

namespace tidewheel::test {

// A table with a format, and a batch of its rows.
class FormatHarness {
 public:
  // `columns`: of the table; `wanted`: those that are read, all when it is empty.
  FormatHarness(std::unique_ptr<TableFormat> format, const NamedTypes& columns,
                std::map<std::string, std::string> options = {}, std::vector<size_t> wanted = {});

  // Of the options and the columns.
  Status status() const { return status_; }
  // Reads a stream that comes in pieces of so many bytes, with batches of so many rows. The rows
  // are "[1, a, NULL]".
  std::vector<std::string> read(std::string_view text, size_t piece_bytes = SIZE_MAX,
                                uint32_t batch_rows = 1000);
  // The last read's failure.
  const Status& failure() const { return failure_; }
  int64_t skipped() const { return skipped_; }
  // Reads messages one by one.
  std::vector<std::string> decode(const std::vector<std::string>& messages);
  // Writes rows, which are read by another format.
  std::vector<std::string> messages(const std::unique_ptr<TableFormat>& read_by,
                                    std::string_view rows);
  // Reads, and writes the rows again, a line each.
  std::string round_trip(std::string_view text);

 private:
  ColumnBatch* fresh_batch();
  void take_rows(ColumnBatch& batch, std::vector<std::string>& rows);

  std::unique_ptr<TableFormat> format_;
  std::vector<LogicalType> types_;
  RowType message_;
  MakeDecoder make_decoder_;
  MakeEncoder make_encoder_;
  std::shared_ptr<BatchPool> pool_;
  Status status_;
  Status failure_;
  int64_t skipped_ = 0;
};

}  // namespace tidewheel::test
