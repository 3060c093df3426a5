#include "tidewheel/sql/best_order_cell.h"

#include <utility>

#include "tidewheel/state/cells.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {

BestOrderCell::BestOrderCell(KeyedState& owner, const std::string& name,
                             const StateOptions& options)
    : KeyedCell(owner,
                state_detail::with_value_schema(state_detail::cell_meta(name, "value", options),
                                                encoded_schema<BestRow>()),
                options) {}

void BestOrderCell::write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) {
  Writer& out = bytes_.writer();
  out.clear();
  if (ttl_ms() > 0) {
    if (is_expired(stamp(row))) { return; }
    out.fixed(stamp(row));
  }
  encode(out, BestRow{order(row).value.text(), {}});
  entry.value = out.view();
  writer.add(entry);
}

Status BestOrderCell::open_restore(const StateMeta& meta) {
  TIDEWHEEL_RETURN_IF_ERROR(check_form(meta, "value", has_stamps_));
  TIDEWHEEL_ASSIGN_OR_RETURN(auto decoder, StateDecoder<BestRow>::make(meta, meta.value_schema));
  decoder_ = std::make_unique<StateDecoder<BestRow>>(std::move(decoder));
  return ok_status();
}

Status BestOrderCell::read(std::byte* row, bool, const StateEntry& entry) {
  Reader reader(entry.value);
  const int64_t used_at = has_stamps_ ? reader.fixed<int64_t>() : state().now_ms();
  BestRow value;
  decoder_->decode(reader, value);
  TIDEWHEEL_RETURN_IF_ERROR(reader.finish());
  if (is_plain_ && value.order.size() > InlineText::kBytesMost) {
    return data_loss(ErrorId::kSnapshotFormat, "state {} has a sort key of {} bytes", name(),
                     value.order.size());
  }
  put(row, value.order);
  if (ttl_ms() > 0) { stamp(row) = used_at; }
  return ok_status();
}

}  // namespace tidewheel::sql
