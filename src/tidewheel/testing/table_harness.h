// Runs a connector's tables in a job of a simulated cluster: rows of a source as text, and a source
// whose rows a test gives.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/testing/test_cluster.h"

namespace tidewheel::test {

using NamedTypes = std::vector<std::pair<std::string, LogicalType>>;

TableDefinition table_of(const NamedTypes& columns, std::map<std::string, std::string> options);

// Text of all rows, in the order of each subtask. `types` are those of the stream.
using RowTexts = std::shared_ptr<std::vector<std::string>>;
class RowTextSink {
 public:
  using input = ColumnRow;
  RowTextSink(std::vector<LogicalType> types, RowTexts rows)
      : types_(std::move(types)), rows_(std::move(rows)) {}
  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end);

 private:
  std::vector<LogicalType> types_;
  RowTexts rows_;  // the cluster is one thread
};

// Reads a table to its end. `prepare` may push something down into the source, and then says which
// types the stream has.
using Prepare = std::function<std::vector<LogicalType>(TableSource&)>;
Result<std::vector<std::string>> read_table(const TableConnector& connector,
                                            const TableDefinition& table,
                                            const TableRegistry& registry,
                                            const Prepare& prepare = nullptr,
                                            const ClusterOptions& options = {});

// A source of the rows that `fill` writes to an empty batch with these types, in batches of at most
// `rows_max`.
class FilledSource {
 public:
  using output = ColumnRow;
  struct Split {
    uint32_t done = 0;
  };
  static constexpr int32_t fixed_parallelism = 1;
  using Fill = std::function<void(ColumnBatch&)>;
  FilledSource(std::vector<LogicalType> types, Fill fill)
      : types_(std::move(types)), fill_(std::move(fill)) {}
  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>(1); }
  ReadResult read(Split& split, SourceOut<ColumnRow>& out);

 private:
  std::vector<LogicalType> types_;
  Fill fill_;
};

// Writes rows to a table.
Status write_table(const TableConnector& connector, const TableDefinition& table,
                   const TableRegistry& registry, FilledSource::Fill fill,
                   const ClusterOptions& options = {});

}  // namespace tidewheel::test
