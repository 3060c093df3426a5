// Accumulators that share their state: SUM, AVG, MIN and MAX of the same values are counted and
// added up once. In snapshots each call has what it would have alone.
#pragma once
#include <memory>
#include <vector>

#include "tidewheel/sql/accumulator.h"

namespace tidewheel::sql {

// By call: its accumulator, or null when there is no other with the same argument and filter, or
// its values are no integers and no floating-point numbers. Of those that share a state the first
// one does the work: it comes before the others in a set, and is given the same rows. `retracts`:
// rows may be taken back.
std::vector<std::unique_ptr<Accumulator>> make_shared_accumulators(
    const std::vector<AggregateCall>& calls, const std::vector<LogicalType>& input, bool retracts);

}  // namespace tidewheel::sql
