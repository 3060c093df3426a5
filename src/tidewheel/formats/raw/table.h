// The format 'raw' of SQL tables: a message is one value, its bytes as they are.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel {

std::unique_ptr<TableFormat> raw_table_format();

}  // namespace tidewheel
