// Single values into columns and out of them.
#pragma once
#include <cstdint>
#include <string>

#include "tidewheel/sql/datum.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"

namespace tidewheel::sql {

// Writes row `row`, the first one behind those that are there already. Strings go into `arena`.
void put_datum(const Datum& value, tidewheel::Column& column, uint32_t row, Arena& arena);
Datum datum_at(const LogicalType& type, const ColumnView& column, uint32_t row);
// As CAST to STRING gives it.
std::string datum_to_text(const Datum& value, const LogicalType& type);

}  // namespace tidewheel::sql
