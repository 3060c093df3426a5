// Tables of made-up rows, 'connector' = 'datagen', with the options of Flink's.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel::datagen {

std::unique_ptr<TableConnector> table_connector();

}  // namespace tidewheel::datagen
