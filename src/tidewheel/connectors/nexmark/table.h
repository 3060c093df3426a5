// The Nexmark events as a SQL table, 'connector' = 'nexmark': with one row a kind of event as in
// the benchmark's own statements, or, with 'nexmark.kind', the flat columns of one kind.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel::nexmark {

std::unique_ptr<TableConnector> table_connector();

}  // namespace tidewheel::nexmark
