// Writing of Kafka tables: options, and the sink.
#pragma once
#include <memory>
#include <vector>

#include "tidewheel/api/table.h"

namespace tidewheel::kafka {

// The options of 'sink.*'.
std::vector<TableOption> sink_table_options(bool upserts);
// Errors: kSqlOption, kSqlType.
Result<std::unique_ptr<TableSink>> make_sink_table(const TableContext& context,
                                                   TableOptions options, bool upserts);

}  // namespace tidewheel::kafka
