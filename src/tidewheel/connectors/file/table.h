// Files as SQL tables: 'connector' = 'filesystem', and the process's standard input and output,
// 'stdin' and 'stdout', each with a format.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "tidewheel/api/table.h"

namespace tidewheel::file {

std::unique_ptr<TableConnector> filesystem_table_connector();
std::unique_ptr<TableConnector> stdin_table_connector();
std::unique_ptr<TableConnector> stdout_table_connector();

}  // namespace tidewheel::file
