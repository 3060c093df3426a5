// The rows of a key that are only ever added to, side by side in a chain of blocks of the state's
// heap: what a join keeps of a side that takes nothing back. A row costs its bytes and its size;
// adding one writes behind the last, and moves none.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "tidewheel/base/prefetch.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/state_options.h"
#include "tidewheel/types/stored.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {

class RowImages;  // sql/row_image.h

// In snapshots it is a list of strings. With a TTL each row has the time at which it came, and they
// are in the order of that time.
class RowListCell final : public KeyedCell {
 public:
  static size_t size_of(const StateOptions&) { return sizeof(List); }
  static size_t alignment_of(const StateOptions&) { return alignof(List); }
  RowListCell(KeyedState& owner, const std::string& name, const StateOptions& options);
  // Rows are images, which snapshots do not have. Before anything is read.
  void hold_images(RowImages& images) { images_ = &images; }

  // Has the memory at hand that `add`, or `for_each`, will touch first.
  void prefetch_end(std::byte* row) {
    if (!KeyedState::has(row, bit())) { return; }
    const List& rows = list(row);
    const char* const end = mutable_state().heap().address(rows.last) + rows.used;
    prefetch_for_write(end);
    prefetch_for_write(end + 64);
  }
  void prefetch_begin(std::byte* row) const {
    if (!KeyedState::has(row, bit())) { return; }
    const char* const begin = mutable_state().heap().address(list(row).first);
    prefetch_for_write(begin);
    prefetch_for_write(begin + 64);
  }

  // Adds a row of `size` bytes, to be written there before the list is read.
  char* add(std::byte* row, size_t size) {
    if (!KeyedState::has(row, bit())) {
      new (&list(row)) List();
      KeyedState::head_of(row) |= bit();
    }
    List& rows = list(row);
    const size_t needed = head_bytes() + size;
    TextHeap& heap = state().heap();
    if (heap.capacity(rows.last) < rows.used + needed) [[unlikely]] { chain(rows, needed); }
    char* const at = heap.address(rows.last) + rows.used;
    rows.used += static_cast<uint32_t>(needed);
    const auto size32 = static_cast<uint32_t>(size);
    std::memcpy(at, &size32, sizeof(size32));
    if (ttl_ms() > 0) { set_stamp(at, state().now_ms()); }
    return at + head_bytes();
  }
  void add(std::byte* row, const Text& bytes) {
    std::memcpy(add(row, bytes.size()), bytes.data(), bytes.size());
  }
  // Calls f(Text) for each row that has not expired, in the order in which they came. The bytes
  // stay where they are until the list is added to.
  template <class F>
  void for_each(std::byte* row, F f) {
    if (!KeyedState::has(row, bit())) { return; }
    if (ttl_ms() > 0 && expire(row)) { return state().clear_cell(row, *this); }
    for_each_entry(list(row), [&](const char* at) { f(Text(at + head_bytes(), size_at(at))); });
  }

  void destroy(std::byte* row) override;
  bool goes_with_heap() const override { return true; }
  bool expire(std::byte* row) override;
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override;
  Status open_restore(const StateMeta& meta) override;
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override;

 private:
  // What a block begins with. Behind it are rows: their size (4 bytes), with a TTL the time (8),
  // then their bytes. Nothing is aligned.
  struct BlockHead {
    TextBlock next;
    uint32_t used = 0;  // head included; of the last block it is in the list
  };
  struct List {
    TextBlock first;
    TextBlock last;
    uint32_t used = 0;   // of the last block, head included
    uint32_t bytes = 0;  // of all blocks, or as many as fit
  };

  List& list(std::byte* row) const { return *reinterpret_cast<List*>(row + offset()); }
  size_t head_bytes() const { return sizeof(uint32_t) + (ttl_ms() > 0 ? sizeof(int64_t) : 0); }
  static uint32_t size_at(const char* at) {
    uint32_t size = 0;
    std::memcpy(&size, at, sizeof(size));
    return size;
  }
  static int64_t stamp_at(const char* at) {
    int64_t stamp = 0;
    std::memcpy(&stamp, at + sizeof(uint32_t), sizeof(stamp));
    return stamp;
  }
  static void set_stamp(char* at, int64_t stamp) {
    std::memcpy(at + sizeof(uint32_t), &stamp, sizeof(stamp));
  }
  static BlockHead head_at(const char* block) {
    BlockHead head;
    std::memcpy(&head, block, sizeof(head));
    return head;
  }
  // Calls f(where it is) for each row.
  template <class F>
  void for_each_entry(const List& rows, F f) const {
    const TextHeap& heap = mutable_state().heap();
    for (TextBlock block = rows.first; block;) {
      const char* at = heap.address(block);
      const BlockHead head = head_at(at);
      const char* const end = at + (head.next ? head.used : rows.used);
      for (at += sizeof(BlockHead); at != end; at += head_bytes() + size_at(at)) { f(at); }
      block = head.next;
    }
  }
  // Adds a block with room for `needed` bytes.
  void chain(List& rows, size_t needed);

  StateBytes bytes_;
  RowImages* images_ = nullptr;
  bool has_stamps_ = false;  // of the snapshot that is read
  std::unique_ptr<StateDecoder<Text>> decoder_;
};

}  // namespace tidewheel::sql
