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

// Sends `count` rows. `fill(batch, begin, end)` puts rows [begin, end) of them behind the rows of
// the batch. They are taken even when the output is not ready any more: ask before.
template <class Fill>
void emit_columns(Output<ColumnRow>& output, const std::vector<LogicalType>& types, size_t count,
                  Fill fill) {
  for (size_t done = 0; done < count;) {
    ColumnBatch& batch = output.current();
    if (batch.size() == 0) { batch.set_types(types); }
    const size_t end = std::min(count, done + std::max<uint32_t>(1, output.room()));
    fill(batch, done, end);
    batch.set_size(batch.size() + static_cast<uint32_t>(end - done));
    output.commit();
    done = end;
  }
}

// Gives the rows behind those of the batch their kinds.
inline void put_kinds(ColumnBatch& batch, std::span<const RowKind> kinds) {
  const uint32_t at = batch.size();
  std::copy(kinds.begin(), kinds.end(),
            batch.make_kinds(at + static_cast<uint32_t>(kinds.size())) + at);
}

}  // namespace tidewheel::sql
