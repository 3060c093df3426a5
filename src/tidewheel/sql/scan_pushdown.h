// What sources can leave out: fields of rows that nobody needs, and rows in which a number is none
// of those that a query asks for.
#pragma once
#include <cstdint>
#include <functional>

#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// Has scans give the fields that a projection above them takes, instead of whole rows, and only
// rows that pass its comparisons of an integer with constants. Both go below watermarks; conditions
// only where nothing above goes by event time, which would otherwise stand still with the rows that
// are asked for. Columns that nobody needs any more stay, to be pruned.
PlanRef push_into_scans(const PlanRef& plan);

// What is left to do where whole rows come from a table and nothing was left out: the fields and
// conditions of a scan whose output is `output`, over rows `given` that have the column c of the
// table's definition at place(c).
CalcNode calc_behind_scan(const ScanNode& scan, const RowType& output, const RowType& given,
                          const std::function<int32_t(size_t)>& place);

}  // namespace tidewheel::sql
