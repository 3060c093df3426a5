// Reading of Kafka tables: options, and the source.
#pragma once
#include <memory>
#include <vector>

#include "tidewheel/api/table.h"

namespace tidewheel::kafka {

// The options of 'scan.*' and of the client.
std::vector<TableOption> source_table_options(bool upserts);
// Errors: kSqlOption, kSqlType.
Result<std::unique_ptr<TableSource>> make_source_table(const TableContext& context,
                                                       TableOptions options, bool upserts);

}  // namespace tidewheel::kafka
