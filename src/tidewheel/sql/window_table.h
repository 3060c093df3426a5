// Window table functions without an aggregate: each row once for each window that it belongs to.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/sql/window_aggregate.h"

namespace tidewheel {
class Operator;  // dataflow/operator.h
}

namespace tidewheel::sql {

// The output has the columns of the input, then window_start, window_end (TIMESTAMP(3)) and
// window_time (the type of the time column). `time` is a column of timestamps of at most 3 digits;
// rows that have none belong to no window, and are counted
// (numNullRowTimeRecordsDropped). Later windows come first.
std::unique_ptr<Operator> make_window_table(std::vector<LogicalType> input, int32_t time,
                                            const GridWindow& window);

}  // namespace tidewheel::sql
