// The connectors and formats that SQL of this program can name: the one place that links them all.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel {

std::unique_ptr<TableRegistry> make_table_registry();

}  // namespace tidewheel
