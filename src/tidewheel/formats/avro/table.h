// The formats of SQL tables that are made of Avro.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel {

// `avro`: messages that are values, and container files.
std::unique_ptr<TableFormat> avro_table_format();
// `avro-confluent`: messages with the ids of their schemas in a registry.
std::unique_ptr<TableFormat> avro_confluent_table_format();

}  // namespace tidewheel
