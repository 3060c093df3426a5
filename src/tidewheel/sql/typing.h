// The rules of SQL's types: what fits where without being asked, what CAST takes, the type that
// several values have in common, and how many digits results of DECIMAL arithmetic have.
#pragma once
#include <span>

#include "tidewheel/base/status.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// The type of CASE, COALESCE, UNION, IN and the like. Errors: kSqlType, with the first two that
// have none in common.
Result<LogicalType> common_type(std::span<const LogicalType> types);

// Whether CAST and TRY_CAST turn `from` into `to`.
bool can_cast(const LogicalType& from, const LogicalType& to);
// Whether values of `from` are taken for `to` without CAST: wider numbers, strings and bytes of any
// length, dates and times of any precision, NULL, and nullability; at all depths. Never between
// strings and others.
bool can_cast_implicitly(const LogicalType& from, const LogicalType& to);

// DECIMAL(19, 0) for BIGINT, and so on; a decimal type as it is. Of exact numbers.
LogicalType as_decimal(const LogicalType& type);

// The type of `a op b` for exact numbers of which one at least is a DECIMAL.
LogicalType decimal_sum_type(const LogicalType& a, const LogicalType& b);
LogicalType decimal_product_type(const LogicalType& a, const LogicalType& b);
LogicalType decimal_quotient_type(const LogicalType& a, const LogicalType& b);
LogicalType decimal_remainder_type(const LogicalType& a, const LogicalType& b);
// Of the aggregates SUM and AVG over DECIMAL.
LogicalType decimal_total_type(const LogicalType& type);
LogicalType decimal_average_type(const LogicalType& type);

}  // namespace tidewheel::sql
