#include "tidewheel/sql/row_list_cell.h"

#include <algorithm>
#include <utility>

#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/state/cells.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {

namespace {
// From here on what a block costs besides its rows is nothing, and what is left free in the last
// one is little beside the others.
constexpr size_t kBlockBytesMax = 16 * 1024;
}  // namespace

RowListCell::RowListCell(KeyedState& owner, const std::string& name, const StateOptions& options)
    : KeyedCell(owner,
                state_detail::with_value_schema(state_detail::cell_meta(name, "list", options),
                                                encoded_schema<Text>()),
                options) {}

void RowListCell::chain(std::byte* row, Room& room, size_t needed, size_t to_come) {
  List& rows = list(row);
  TextHeap& heap = state().heap();
  // The first block has room for the rows at hand only: most keys of some joins have no more.
  // Others grow by half, since what is left free costs as much as what is written: the kernel
  // clears it. For the same reason they have room for whole rows, which are mostly of about one
  // size.
  const size_t more = std::min(std::max<size_t>(rows.bytes / 2, needed * to_come), kBlockBytesMax);
  const TextBlock block =
      heap.allocate(sizeof(BlockHead) + std::max<size_t>(more / needed, 1) * needed);
  rows.bytes = static_cast<uint32_t>(
      std::min<size_t>(UINT32_MAX, size_t{rows.bytes} + heap.capacity(block)));
  const BlockHead fresh;
  std::memcpy(heap.address(block), &fresh, sizeof(fresh));
  if (rows.last) {
    char* const last = heap.address(rows.last);
    const BlockHead full{block, static_cast<uint32_t>(room.at - last)};
    std::memcpy(last, &full, sizeof(full));
  } else {
    rows.first = block;
  }
  rows.last = block;
  char* const begin = heap.address(block);
  room = {begin + sizeof(BlockHead), begin + heap.capacity(block)};
}

void RowListCell::destroy(std::byte* row) {
  TextHeap& heap = state().heap();
  for (TextBlock block = list(row).first; block;) {
    const TextBlock next = head_at(heap.address(block)).next;
    heap.free(block);
    block = next;
  }
  list(row) = List();
}

bool RowListCell::expire(std::byte* row) {
  List& rows = list(row);
  TextHeap& heap = state().heap();
  while (rows.first) {
    char* const block = heap.address(rows.first);
    BlockHead head = head_at(block);
    char* const begin = block + sizeof(BlockHead);
    char* const end = block + (head.next ? head.used : rows.used);
    const char* kept = begin;
    while (kept != end) {
      const Text oldest = row_at(kept);
      if (!is_expired(stamp_of(oldest.data()))) { break; }
      kept = oldest.end();
    }
    if (kept == end) {
      rows.bytes -= static_cast<uint32_t>(std::min<size_t>(rows.bytes, heap.capacity(rows.first)));
      heap.free(std::exchange(rows.first, head.next));
      continue;
    }
    if (kept != begin) {
      const auto left = static_cast<uint32_t>(end - kept);
      std::memmove(begin, kept, left);
      head.used = sizeof(BlockHead) + left;
      if (!head.next) { rows.used = head.used; }
      std::memcpy(block, &head, sizeof(head));
    }
    return false;
  }
  rows = List();
  return true;
}

void RowListCell::write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) {
  if (ttl_ms() > 0) { expire(row); }
  const List& rows = list(row);
  uint64_t count = 0;
  for_each_row(rows, [&](const Text&) { ++count; });
  if (count == 0) { return; }
  if (images_ != nullptr && images_->leaves_out_any()) {
    Reader key_reader(entry.key);
    IntKey key;
    decode(key_reader, key);
    images_->set_key(key.value_or(0));
  }
  Writer& out = bytes_.writer();
  out.clear();
  out.varint(count);
  for_each_row(rows, [&](const Text& bytes) {
    if (ttl_ms() > 0) { out.fixed(stamp_of(bytes.data())); }
    encode(out, saved_row(images_, bytes));
  });
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
    if (!reader.ok()) { break; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t kept, kept_bytes(images_, bytes, name()));
    char* const to = add(row, kept);
    keep_row(images_, bytes, to);
    if (ttl_ms() > 0) { set_stamp(to, came_at); }
  }
  return reader.finish();
}

}  // namespace tidewheel::sql
