// The format 'csv' of SQL tables, with the options of Flink's, and 'csv.header'.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel {

std::unique_ptr<TableFormat> csv_table_format();

}  // namespace tidewheel
