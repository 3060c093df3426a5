#include "tidewheel/sql/row_list_cell.h"

#include <algorithm>

#include "tidewheel/state/cells.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {

RowListCell::RowListCell(KeyedState& owner, const std::string& name, const StateOptions& options)
    : KeyedCell(owner,
                state_detail::with_value_schema(state_detail::cell_meta(name, "list", options),
                                                encoded_schema<Text>()),
                options) {}

void RowListCell::grow(List& rows, size_t needed) {
  TextHeap& heap = state().heap();
  // The first block has room for that row only: most keys of some joins have no more.
  const size_t bytes = rows.used == 0 ? needed : std::max(rows.used + needed, 2 * rows.used);
  const TextBlock bigger = heap.allocate(bytes);
  if (rows.used > 0) { std::memcpy(heap.address(bigger), heap.address(rows.block), rows.used); }
  heap.free(rows.block);
  rows.block = bigger;
}

bool RowListCell::expire(std::byte* row) {
  List& rows = list(row);
  char* const begin = state().heap().address(rows.block);
  const char* kept = begin;
  const char* const end = begin + rows.used;
  while (kept != end && is_expired(stamp_at(kept))) { kept += head_bytes() + size_at(kept); }
  if (kept != begin) {
    rows.used = static_cast<uint64_t>(end - kept);
    std::memmove(begin, kept, rows.used);
  }
  return rows.used == 0;
}

void RowListCell::write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) {
  if (ttl_ms() > 0) { expire(row); }
  const List& rows = list(row);
  if (rows.used == 0) { return; }
  const char* const begin = state().heap().address(rows.block);
  const char* const end = begin + rows.used;
  uint64_t count = 0;
  for (const char* at = begin; at != end; at += head_bytes() + size_at(at)) { ++count; }
  Writer& out = bytes_.writer();
  out.clear();
  out.varint(count);
  for (const char* at = begin; at != end; at += head_bytes() + size_at(at)) {
    if (ttl_ms() > 0) { out.fixed(stamp_at(at)); }
    encode(out, Text(at + head_bytes(), size_at(at)));
  }
  entry.value = out.view();
  writer.add(entry);
}

Status RowListCell::open_restore(const StateMeta& meta) {
  TIDEWHEEL_RETURN_IF_ERROR(check_form(meta, "list", has_stamps_));
  TIDEWHEEL_ASSIGN_OR_RETURN(auto decoder, StateDecoder<Text>::make(meta, meta.value_schema));
  decoder_ = std::make_unique<StateDecoder<Text>>(std::move(decoder));
  return ok_status();
}

Status RowListCell::read(std::byte* row, bool, const StateEntry& entry) {
  Reader reader(entry.value);
  const size_t count = reader.count();
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    const int64_t came_at = has_stamps_ ? reader.fixed<int64_t>() : state().now_ms();
    Text bytes;
    decoder_->decode(reader, bytes);
    char* const at = add(row, bytes.size());
    std::memcpy(at, bytes.data(), bytes.size());
    if (ttl_ms() > 0) { set_stamp(at - head_bytes(), came_at); }
  }
  return reader.finish();
}

}  // namespace tidewheel::sql
