// Whether two values of columns are equal, whatever their type, and their order.
#pragma once
#include <cstdint>

#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// NULL equals NULL, NaN equals NaN; maps and multisets whatever the order of their keys.
bool values_equal(const LogicalType& type, const ColumnView& a, uint32_t a_row, const ColumnView& b,
                  uint32_t b_row);
// Below, at or above 0. NULL is lowest, NaN highest; arrays and rows by their first difference.
int compare_values(const LogicalType& type, const ColumnView& a, uint32_t a_row,
                   const ColumnView& b, uint32_t b_row);

}  // namespace tidewheel::sql
