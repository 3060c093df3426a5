// CAST between all types.
#pragma once
#include <memory>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/datum.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// Null when values of `from` are values of `to` as they are.
// Errors: kSqlType when there is no such cast.
Result<std::unique_ptr<Kernel>> make_cast(const LogicalType& from, const LogicalType& to,
                                          bool is_try, const EvalOptions& options);
// Whether values lie in memory as those of `to` do, and mean the same: no cast is needed.
bool is_same_in_memory(const LogicalType& from, const LogicalType& to);
// Whether the cast may fail, or costs much.
bool is_careful_cast(const LogicalType& from, const LogicalType& to);

// One value. Errors: kSqlType, kSqlValue.
Result<Datum> cast_datum(const Datum& value, const LogicalType& from, const LogicalType& to,
                         const EvalOptions& options = {});

}  // namespace tidewheel::sql
