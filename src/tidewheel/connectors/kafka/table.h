// Kafka's topics as SQL tables: 'connector' = 'kafka' and 'connector' = 'upsert-kafka'.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel::kafka {

// A table is a stream of messages: what is read or written are insertions, or the changes that a
// format of change logs tells.
std::unique_ptr<TableConnector> table_connector();
// A table is what the last message of each key says; a message without a value deletes.
std::unique_ptr<TableConnector> upsert_table_connector();

}  // namespace tidewheel::kafka
