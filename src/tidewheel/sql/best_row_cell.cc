#include "tidewheel/sql/best_row_cell.h"

#include "tidewheel/sql/row_image.h"
#include "tidewheel/state/cells.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {

BestCell::BestCell(KeyedState& owner, const std::string& name, const StateOptions& options)
    : KeyedCell(owner,
                state_detail::with_value_schema(state_detail::cell_meta(name, "value", options),
                                                encoded_schema<BestRow>()),
                options) {}

void BestCell::write_best(const BestRow& best, int64_t used_at, StateEntry& entry,
                          SnapshotWriter& writer) {
  Writer& out = bytes_.writer();
  out.clear();
  if (ttl_ms() > 0) {
    if (is_expired(used_at)) { return; }
    out.fixed(used_at);
  }
  encode(out, best);
  entry.value = out.view();
  writer.add(entry);
}

Status BestCell::open_restore(const StateMeta& meta) {
  TIDEWHEEL_RETURN_IF_ERROR(check_form(meta, "value", has_stamps_));
  TIDEWHEEL_ASSIGN_OR_RETURN(auto decoder, StateDecoder<BestRow>::make(meta, meta.value_schema));
  decoder_ = std::make_unique<StateDecoder<BestRow>>(std::move(decoder));
  return ok_status();
}

Status BestCell::read_best(const StateEntry& entry, BestRow& best, int64_t& used_at) {
  Reader reader(entry.value);
  used_at = has_stamps_ ? reader.fixed<int64_t>() : state().now_ms();
  decoder_->decode(reader, best);
  return reader.finish();
}

BestRowCell::Best& BestRowCell::put(std::byte* row, const Text& order, uint32_t row_bytes) {
  Best& to = best(row);
  if (!KeyedState::has(row, bit())) {
    new (&to) Best();
    KeyedState::head_of(row) |= bit();
  }
  if (ttl_ms() > 0) { stamp(row) = state().now_ms(); }
  TextHeap& heap = state().heap();
  // One byte at least, so that what is there has a block.
  const size_t bytes = size_t{row_bytes} + order.size() + 1;
  if (!to.block || !heap.fits(to.block, bytes)) {
    heap.free(to.block);
    to.block = heap.allocate(bytes);
  }
  to.order_bytes = static_cast<uint32_t>(order.size());
  to.row_bytes = row_bytes;
  std::memcpy(bytes_of(to), order.data(), order.size());
  return to;
}

void BestRowCell::write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) {
  if (!best(row).block) { return; }
  write_best({order_of(best(row)), saved_row(images_, row_of(best(row)))},
             ttl_ms() > 0 ? stamp(row) : 0, entry, writer);
}

Status BestRowCell::read(std::byte* row, bool, const StateEntry& entry) {
  BestRow value;
  int64_t used_at = 0;
  TIDEWHEEL_RETURN_IF_ERROR(read_best(entry, value, used_at));
  TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t bytes, kept_bytes(images_, value.row, name()));
  const Best& kept = put(row, value.order, bytes);
  keep_row(images_, value.row, bytes_of(kept) + kept.order_bytes);
  if (ttl_ms() > 0) { stamp(row) = used_at; }
  return ok_status();
}

}  // namespace tidewheel::sql
