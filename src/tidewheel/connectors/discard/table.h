// The table 'connector' = 'blackhole': takes all changes and forgets them.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel {

std::unique_ptr<TableConnector> blackhole_table_connector();

}  // namespace tidewheel
