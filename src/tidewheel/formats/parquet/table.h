// The format `parquet` of SQL tables of files.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel {

std::unique_ptr<TableFormat> parquet_table_format();

}  // namespace tidewheel
