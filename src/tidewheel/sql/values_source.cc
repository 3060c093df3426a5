#include "tidewheel/sql/values_source.h"

#include <algorithm>

#include "tidewheel/sql/datum_column.h"

namespace tidewheel::sql {

ReadResult ValuesSource::read(Split& split, SourceOut<ColumnRow>& out) {
  ColumnBatch& batch = out.batch();
  if (batch.size() == 0) { batch.set_types(data_->types); }
  const auto all = static_cast<int64_t>(data_->rows.size());
  const int64_t rows = pause_ == nullptr ? all : all / 2;
  if (pause_ != nullptr && split.next == rows) {
    if (!std::exchange(is_waiting_, true)) { ++pause_->waiting; }
    return ReadResult::wait();
  }
  const auto count =
      static_cast<uint32_t>(std::min<int64_t>(rows - split.next, int64_t{out.room()}));
  batch.ensure_room(count);
  const uint32_t size = batch.size();
  for (uint32_t i = 0; i < count; ++i) {
    const std::vector<Datum>& row = data_->rows[static_cast<size_t>(split.next + i)];
    for (size_t column = 0; column < row.size(); ++column) {
      put_datum(row[column], batch.column(column), size + i, batch.arena());
    }
  }
  batch.set_size(size + count);
  split.next += count;
  return split.next == all && pause_ == nullptr ? ReadResult::end() : ReadResult::more();
}

}  // namespace tidewheel::sql
