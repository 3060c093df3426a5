// Lines from a server as a SQL table: 'connector' = 'socket', with a format.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel::socket {

std::unique_ptr<TableConnector> table_connector();

}  // namespace tidewheel::socket
