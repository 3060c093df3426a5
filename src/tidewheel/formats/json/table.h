// The format 'json' of SQL tables: an object a message, with the options of Flink's.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel {

std::unique_ptr<TableFormat> json_table_format();
// `json-registry`: the same with the id of a schema before it.
std::unique_ptr<TableFormat> json_registry_table_format();
// `debezium-json`: change logs of databases.
std::unique_ptr<TableFormat> debezium_json_table_format();

}  // namespace tidewheel
