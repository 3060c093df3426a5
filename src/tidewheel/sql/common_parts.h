// What a condition has computed for all rows, and the values behind it need again.
#pragma once
#include <cstdint>
#include <vector>

#include "tidewheel/sql/bound.h"

namespace tidewheel::sql {

// Calls within `condition` that cost much (careful functions), are computed for every row whatever
// it holds, and stand in `outputs` too. They are not nested in each other.
std::vector<Bound> find_common_parts(const Bound& condition, const std::vector<Bound>& outputs);

// Has `outputs` read parts[i] from column first + i.
void read_parts(const std::vector<Bound>& parts, int32_t first, std::vector<Bound>& outputs);

}  // namespace tidewheel::sql
