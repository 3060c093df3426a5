// The formats of SQL tables that are made of Protocol Buffers.
#pragma once
#include <memory>

#include "tidewheel/api/table.h"

namespace tidewheel {

// `protobuf`: messages of one type.
std::unique_ptr<TableFormat> protobuf_table_format();
// `protobuf-confluent`: messages with the ids of their schemas in a registry.
std::unique_ptr<TableFormat> protobuf_confluent_table_format();

}  // namespace tidewheel
