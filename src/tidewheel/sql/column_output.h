// How operators write rows into their output of columns.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/output.h"

namespace tidewheel::sql {

// Sends rows of these kinds. `fill(batch, begin, end)` puts rows [begin, end) of them behind the
// rows of the batch. They are taken even when the output is not ready any more: ask before.
template <class Fill>
void emit_columns(Output<ColumnRow>& output, const std::vector<LogicalType>& types,
                  std::span<const RowKind> kinds, Fill fill) {
  for (size_t done = 0; done < kinds.size();) {
    ColumnBatch& batch = output.current();
    if (batch.size() == 0) { batch.set_types(types); }
    const size_t end = std::min(kinds.size(), done + std::max<uint32_t>(1, output.room()));
    const uint32_t at = batch.size();
    const auto size = at + static_cast<uint32_t>(end - done);
    fill(batch, done, end);
    std::copy(kinds.begin() + static_cast<std::ptrdiff_t>(done),
              kinds.begin() + static_cast<std::ptrdiff_t>(end), batch.make_kinds(size) + at);
    batch.set_size(size);
    output.commit();
    done = end;
  }
}

}  // namespace tidewheel::sql
