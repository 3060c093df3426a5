#include "tidewheel/sql/partial_cells.h"

#include "tidewheel/types/serde.h"

namespace tidewheel::sql {

Status PartialCells::merge(const ColumnView& partials, std::span<const uint32_t> rows,
                           std::byte* const* cells, TextHeap& heap) {
  scratch_.resize(set_.bytes() / sizeof(uint64_t) + 1);
  auto* const scratch = reinterpret_cast<std::byte*>(scratch_.data());
  for (size_t i = 0; i < rows.size(); ++i) {
    Reader reader(partials.at<Text>(rows[i]).view());
    set_.init(scratch);
    set_.decode(reader, scratch, heap);
    set_.merge(cells[i], scratch, heap);
    set_.release(scratch, heap);
    TIDEWHEEL_RETURN_IF_ERROR(reader.finish());
  }
  return {};
}

}  // namespace tidewheel::sql
