#include "tidewheel/sql/top_rows_cell.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "tidewheel/sql/row_image.h"
#include "tidewheel/state/cells.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {

TopRowsCell::TopRowsCell(KeyedState& owner, const std::string& name, const StateOptions& options)
    : KeyedCell(owner,
                state_detail::with_value_schema(state_detail::cell_meta(name, "list", options),
                                                encoded_schema<BestRow>()),
                options) {}

TopRowsCell::Prefix TopRowsCell::prefix_of(const Text& order) {
  Prefix prefix{};
  std::memcpy(prefix.data(), order.data(), std::min(order.size(), sizeof(prefix)));
  for (uint64_t& word : prefix) { word = __builtin_bswap64(word); }
  return prefix;
}

size_t TopRowsCell::place_of(std::span<const Entry> entries, const Text& order,
                             bool newest_first) const {
  static_assert(std::endian::native == std::endian::little);
  const Prefix prefix = prefix_of(order);
  // From the end: most rows of a full list are not among the first.
  size_t place = entries.size();
  for (; place > 0; --place) {
    const Entry& before = entries[place - 1];
    if (before.prefix != prefix) {
      if (before.prefix < prefix) { break; }
      continue;
    }
    const bool is_all = order.size() <= sizeof(Prefix) && before.order_bytes == order.size();
    const auto compared =
        is_all ? std::strong_ordering::equal : order_of(before).view() <=> order.view();
    if (compared < 0 || (compared == 0 && !newest_first)) { break; }
  }
  return place;
}

TopRowsCell::Entry& TopRowsCell::insert(std::byte* row, size_t place, const Text& order,
                                        uint32_t row_bytes) {
  Rows& of_key = rows(row);
  TextHeap& heap = state().heap();
  if (!KeyedState::has(row, bit())) {
    new (&of_key) Rows();
    KeyedState::head_of(row) |= bit();
  }
  if (of_key.count == of_key.capacity) {
    const uint32_t doubled = std::max<uint32_t>(2, of_key.capacity * 2);
    const uint32_t capacity = std::max(of_key.count + 1, std::min(doubled, rows_most_));
    const TextBlock bigger = heap.allocate(capacity * sizeof(Entry));
    if (of_key.count > 0) {
      std::memcpy(heap.address(bigger), heap.address(of_key.block), of_key.count * sizeof(Entry));
    }
    heap.free(of_key.block);
    of_key.block = bigger;
    of_key.capacity = capacity;
  }
  ++of_key.count;
  const std::span<Entry> entries = all(of_key);
  std::move_backward(entries.begin() + static_cast<ptrdiff_t>(place), entries.end() - 1,
                     entries.end());
  Entry made;
  made.prefix = prefix_of(order);
  made.block = heap.allocate(order.size() + row_bytes + 1);
  made.order_bytes = static_cast<uint32_t>(order.size());
  made.row_bytes = row_bytes;
  made.stamp = state().now_ms();
  std::memcpy(bytes_of(made), order.data(), order.size());
  entries[place] = made;
  return entries[place];
}

void TopRowsCell::drop_last(std::byte* row) {
  Rows& of_key = rows(row);
  state().heap().free(all(of_key).back().block);
  --of_key.count;
}

void TopRowsCell::destroy(std::byte* row) {
  for (const Entry& entry : all(rows(row))) { state().heap().free(entry.block); }
  state().heap().free(rows(row).block);
}

bool TopRowsCell::expire(std::byte* row) {
  Rows& of_key = rows(row);
  uint32_t kept = 0;
  const std::span<Entry> entries = all(of_key);
  for (const Entry& entry : entries) {
    if (is_expired(entry.stamp)) {
      state().heap().free(entry.block);
    } else {
      entries[kept++] = entry;
    }
  }
  of_key.count = kept;
  return kept == 0;
}

void TopRowsCell::write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) {
  if (ttl_ms() > 0) { expire(row); }
  const std::span<const Entry> entries = all(rows(row));
  if (entries.empty()) { return; }
  Writer& out = bytes_.writer();
  out.clear();
  out.varint(entries.size());
  for (const Entry& one : entries) {
    if (ttl_ms() > 0) { out.fixed(one.stamp); }
    encode(out, BestRow{order_of(one), saved_row(images_, row_of(one))});
  }
  entry.value = out.view();
  writer.add(entry);
}

Status TopRowsCell::open_restore(const StateMeta& meta) {
  TIDEWHEEL_RETURN_IF_ERROR(check_form(meta, "list", has_stamps_));
  TIDEWHEEL_ASSIGN_OR_RETURN(auto decoder, StateDecoder<BestRow>::make(meta, meta.value_schema));
  decoder_ = std::make_unique<StateDecoder<BestRow>>(std::move(decoder));
  return ok_status();
}

Status TopRowsCell::read(std::byte* row, bool is_new, const StateEntry& entry) {
  Reader reader(entry.value);
  const size_t count = reader.count();
  size_t place = is_new ? 0 : rows(row).count;
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    const int64_t came_at = has_stamps_ ? reader.fixed<int64_t>() : state().now_ms();
    BestRow value;
    decoder_->decode(reader, value);
    if (!reader.ok()) { break; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t bytes, kept_bytes(images_, value.row, name()));
    Entry& made = insert(row, place++, value.order, bytes);
    made.stamp = came_at;
    keep_row(images_, value.row, bytes_of(made) + made.order_bytes);
  }
  return reader.finish();
}

}  // namespace tidewheel::sql
