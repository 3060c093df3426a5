// Mini-batches: what an operator is given is gathered first, so that it gives one change for many
// rows of a key.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/dataflow/operator.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// More are given in parts.
inline constexpr int64_t kMiniBatchRowsMax = 1 << 16;

struct MiniBatchSpec {
  std::vector<LogicalType> types;  // of the input
  int64_t rows_max = 1;            // as soon as there are so many they are given
  int64_t latency_ms = 1;          // as they are when the first of them has waited for so long
};

// Stands before an operator of one input, and is one with it: rows are kept until there are enough,
// the first has waited, event time goes on, an epoch or the input ends, or a barrier comes. So no
// snapshot has rows of it.
std::unique_ptr<Operator> make_mini_batch(MiniBatchSpec spec, std::unique_ptr<Operator> inner);

}  // namespace tidewheel::sql
