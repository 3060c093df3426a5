// Reads each table once. Two scans of one table are two sources, which the end of an epoch cuts at
// two places; what is computed of both is then exact for no part of the input.
#pragma once
#include <vector>

#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// `plans` make one job. Scans that differ only in what they take of a table (columns, fields, rows
// by a number's value) become one, of all columns that they take, with a projection for each. Scans
// with other options or watermarks stay inputs of their own.
std::vector<PlanRef> share_scans(std::vector<PlanRef> plans);

}  // namespace tidewheel::sql
