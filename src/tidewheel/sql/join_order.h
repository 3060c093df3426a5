// The order of inner joins over inputs that end, by how many rows are expected: joins that give few
// rows come first.
#pragma once
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/plan.h"

namespace tidewheel {
class FileSystem;  // base/file_system.h
}

namespace tidewheel::sql {

// For plans as they are bound. Joins of three inputs and more whose sizes are known
// (plan_estimate.h) are put into the order, bushy or not, that is expected to read, keep and give
// the fewest rows; they stay as they are written when no other order is clearly better. Inputs that
// do not end are left alone: what they cost is their state, and that all their rows have.
PlanRef with_join_order(const PlanRef& plan, const TableRegistry& tables, FileSystem& files,
                        const FunctionRegistry& functions);

}  // namespace tidewheel::sql
