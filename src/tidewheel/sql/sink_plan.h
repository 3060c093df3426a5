// What stands between a query and the table that it is inserted into, when the rows of one primary
// key come from several keys of the query.
#pragma once
#include <cstdint>

#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// 'table.exec.sink.upsert-materialize'
enum class UpsertMaterialize : uint8_t { kAuto, kForce, kNone };

// Keeps all rows of each primary key of the table, and gives the one that came last, and the one
// before when that is taken back. Left out where every row's key of the query is in the primary
// key, so that rows of one primary key come in order anyway. `takes_changes`: the table takes more
// than insertions. The plan has the columns of the table that are not virtual.
PlanRef with_materializer(PlanRef plan, const TableDefinition& table, UpsertMaterialize mode,
                          bool takes_changes);

}  // namespace tidewheel::sql
