// Types from their text: "ARRAY<INT NOT NULL>".
#pragma once
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// Errors: kSqlSyntax, kSqlType.
Result<LogicalType> parse_logical_type(std::string_view text);

}  // namespace tidewheel::sql
