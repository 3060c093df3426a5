#include "tidewheel/sql/local_calls.h"

#include <utility>

namespace tidewheel::sql {

void LocalCalls::add(const ColumnBatch& in, std::span<const uint32_t> rows, std::byte* const* cells,
                     TextHeap& heap) {
  for (size_t i = 0; i < set_.size(); ++i) {
    AccumulatorInput input;
    input.batch = &in;
    input.rows = rows;
    input.cells = cells;
    input.weights = weights_of(in, rows, set_.calls()[i]);
    input.heap = &heap;
    set_.accumulator(i)->add(input);
  }
}

const int8_t* LocalCalls::weights_of(const ColumnBatch& in, std::span<const uint32_t> rows,
                                     const AggregateCall& call) {
  const auto leave_out = [&](const ColumnView& column, auto counts) {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!counts(column, rows[i])) { weights_[i] = 0; }
    }
  };
  bool all = true;
  const auto begin = [&] {
    if (std::exchange(all, false)) { weights_.assign(rows.size(), 1); }
  };
  if (call.filter >= 0) {
    begin();
    leave_out(in.view(static_cast<size_t>(call.filter)),
              [](const ColumnView& column, uint32_t row) {
                return !column.is_null(row) && column.at<uint8_t>(row) != 0;
              });
  }
  for (const int32_t argument : call.arguments) {
    const ColumnView& column = in.view(static_cast<size_t>(argument));
    if (column.validity == nullptr || takes_nulls(call)) { continue; }
    begin();
    leave_out(column, [](const ColumnView& values, uint32_t row) { return !values.is_null(row); });
  }
  return all ? nullptr : weights_.data();
}

}  // namespace tidewheel::sql
