#include "tidewheel/sql/best_order_cell.h"

namespace tidewheel::sql {

void BestOrderCell::write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) {
  write_best({order(row).value.text(), {}}, ttl_ms() > 0 ? stamp(row) : 0, entry, writer);
}

Status BestOrderCell::read(std::byte* row, bool, const StateEntry& entry) {
  BestRow value;
  int64_t used_at = 0;
  TIDEWHEEL_RETURN_IF_ERROR(read_best(entry, value, used_at));
  if (is_plain_ && value.order.size() > InlineText::kBytesMost) {
    return data_loss(ErrorId::kSnapshotFormat, "state {} has a sort key of {} bytes", name(),
                     value.order.size());
  }
  put(row, value.order);
  if (ttl_ms() > 0) { stamp(row) = used_at; }
  return ok_status();
}

}  // namespace tidewheel::sql
