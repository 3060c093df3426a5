// The table 'connector' = 'print': a line for each change, in the form of Flink's print sink.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel {

std::unique_ptr<TableConnector> print_table_connector();

}  // namespace tidewheel
