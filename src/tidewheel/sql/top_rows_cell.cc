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

static_assert(std::endian::native == std::endian::little);
static_assert(sizeof(TopRowsCell::Entry) == 32);

TopRowsCell::Prefix TopRowsCell::prefix_of(const Text& order) {
  Prefix prefix{};
  std::memcpy(&prefix, order.data(), std::min(order.size(), sizeof(prefix)));
  return {__builtin_bswap64(prefix.high), __builtin_bswap64(prefix.low)};
}

Text TopRowsCell::order_of(const Entry& entry) const {
  if (entry.order_bytes == kInBlock) {
    const char* const begin = bytes_of(entry);
    uint32_t order_bytes = 0;
    std::memcpy(&order_bytes, begin, sizeof(order_bytes));
    return {begin + sizeof(order_bytes), order_bytes};
  }
  const uint64_t words[] = {__builtin_bswap64(entry.prefix.high),
                            __builtin_bswap64(entry.prefix.low)};
  std::memcpy(order_.data(), words, sizeof(words));
  return {order_.data(), entry.order_bytes};
}

namespace {

// How many of a few entries come before the prefix, without jumps, which would be taken at random;
// `has_equal`: one has the same.
size_t count_before(std::span<const TopRowsCell::Entry> entries, TopRowsCell::Prefix prefix,
                    bool& has_equal) {
  size_t before = 0;
  size_t equal = 0;
  for (const TopRowsCell::Entry& entry : entries) {
    const bool same_high = entry.prefix.high == prefix.high;
    before += (entry.prefix.high < prefix.high) | (same_high & (entry.prefix.low < prefix.low));
    equal += same_high & (entry.prefix.low == prefix.low);
  }
  has_equal = equal != 0;
  return before;
}

}  // namespace

size_t TopRowsCell::place_of(std::span<const Entry> entries, const Text& order,
                             bool newest_first) const {
  constexpr size_t kFew = 16;
  const Prefix prefix = prefix_of(order);
  if (entries.size() <= kFew) {
    bool has_equal = false;
    const size_t place = count_before(entries, prefix, has_equal);
    if (!has_equal) [[likely]] { return place; }
  }
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
    if (ttl_ms() > 0) { oldest(row) = INT64_MAX; }
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
  const size_t before_row = bytes_of_order(order);
  const size_t bytes = before_row + row_bytes + (ttl_ms() > 0 ? sizeof(int64_t) : 0);
  const TextBlock block = heap.allocate(std::max<size_t>(bytes, 1));
  Entry& made = entries[place];
  made = Entry();
  made.prefix = prefix_of(order);
  made.slot = block.slot;
  made.size_class = static_cast<uint8_t>(block.size_class);
  made.order_bytes = before_row > 0 ? kInBlock : static_cast<uint8_t>(order.size());
  made.row_bytes = row_bytes;
  if (before_row > 0) {
    const auto order_bytes = static_cast<uint32_t>(order.size());
    std::memcpy(bytes_of(made), &order_bytes, sizeof(order_bytes));
    std::memcpy(bytes_of(made) + sizeof(order_bytes), order.data(), order.size());
  }
  if (ttl_ms() > 0) { set_stamp(row, made, state().now_ms()); }
  return made;
}

TextBlock TopRowsCell::take_last(std::byte* row) {
  Rows& of_key = rows(row);
  const TextBlock block = all(of_key).back().block();
  --of_key.count;
  return block;
}

void TopRowsCell::destroy(std::byte* row) {
  for (const Entry& entry : all(rows(row))) { state().heap().free(entry.block()); }
  state().heap().free(rows(row).block);
}

bool TopRowsCell::expire(std::byte* row) {
  Rows& of_key = rows(row);
  if (ttl_ms() == 0) { return of_key.count == 0; }
  if (of_key.count > 0 && !is_expired(oldest(row))) { return false; }
  oldest(row) = INT64_MAX;
  uint32_t kept = 0;
  const std::span<Entry> entries = all(of_key);
  for (const Entry& entry : entries) {
    const int64_t stamp = stamp_of(entry);
    if (is_expired(stamp)) {
      state().heap().free(entry.block());
    } else {
      oldest(row) = std::min(oldest(row), stamp);
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
    if (ttl_ms() > 0) { out.fixed(stamp_of(one)); }
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
    if (ttl_ms() > 0) { set_stamp(row, made, came_at); }
    keep_row(images_, value.row, row_at(made));
  }
  return reader.finish();
}

}  // namespace tidewheel::sql
