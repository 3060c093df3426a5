// Batches of columns on edges between subtasks: split by key, and as bytes when a barrier overtakes
// them.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/dataflow/partitioner.h"
#include "tidewheel/dataflow/row_codec.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// Splits batches of columns by the key group of some columns, as KeyReader (sql/row_bytes.h) makes
// the keys of keyed operators. Without columns all rows go to one channel.
std::unique_ptr<Partitioner> make_column_partitioner(std::vector<LogicalType> types,
                                                     std::vector<int32_t> keys);

// Batches of columns as bytes, numbers as their little-endian bytes:
//
//   byte     version: 1
//   varint   number of rows
//   byte     1: kinds of rows follow, 2: timestamps follow, or both
//   kinds    a byte each (RowKind);  timestamps   8 bytes each
//   columns  one after another, with the names and types that the schema has:
//     byte     1: a bitmap follows, a bit for each row that is not NULL, the first in bit 0
//     values   of fixed size: side by side, 0 for NULL; a truth value is a byte
//              strings: the end of each, 4 bytes, counted from the first one; then their bytes
//              lists: the end of each, 4 bytes, in elements; then the elements as columns
//              rows: their fields as columns
std::shared_ptr<const RowCodec> make_column_codec(RowType rows);

}  // namespace tidewheel::sql
