// Streams of a job as tables: what a connector does for tables of the outside world.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/api/stream.h"
#include "tidewheel/api/table.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel::sql {

inline constexpr std::string_view kStreamConnector = "stream";

struct StreamTable {
  ChangelogKinds changelog = ChangelogKinds::kAppend;
  // Adds the operator that makes columns of the stream's rows: those columns of the table.
  std::function<Stream<ColumnRow>(const std::vector<size_t>& columns)> make;
};

// The tables of `CREATE TABLE .. WITH ('connector' = 'stream', 'stream' = 'number')`, by number.
std::unique_ptr<TableConnector> stream_table_connector(
    std::shared_ptr<const std::vector<StreamTable>> streams);

}  // namespace tidewheel::sql
