// The rows of a key that are only ever added to, side by side in a chain of blocks of the state's
// heap: what a join keeps of a side that takes nothing back. A row costs its bytes, and a byte for
// its size when it has strings; adding one writes behind the last, and moves none.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "tidewheel/base/prefetch.h"
#include "tidewheel/sql/row_image.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/state_options.h"
#include "tidewheel/types/stored.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {

// In snapshots it is a list of strings. With a TTL each row has the time at which it came, and they
// are in the order of that time.
class RowListCell final : public KeyedCell {
 public:
  static size_t size_of(const StateOptions&) { return sizeof(List); }
  static size_t alignment_of(const StateOptions&) { return alignof(List); }
  RowListCell(KeyedState& owner, const std::string& name, const StateOptions& options);
  // Rows are images, which snapshots do not have; those that leave out the key are kept under
  // IntKey. Before anything is read.
  void hold_images(RowImages& images) {
    images_ = &images;
    has_sizes_ = images.has_strings();
  }

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

  // Rows of a key that are added one after another: where the next one goes. From begin_adding to
  // end_adding nobody else looks at the list, and at least one row is added.
  struct Room {
    char* at = nullptr;
    char* end = nullptr;  // of its block
  };
  Room begin_adding(std::byte* row) {
    const List& rows = open(row);
    if (!rows.last) { return {}; }
    const TextHeap& heap = state().heap();
    char* const block = heap.address(rows.last);
    return {block + rows.used, block + heap.capacity(rows.last)};
  }
  // Adds a row of `size` bytes, to be written there before the list is read. `to_come`: how many
  // rows of the key there are at hand, with this one.
  char* add(std::byte* row, Room& room, size_t size, size_t to_come) {
    const size_t needed = head_bytes(size) + size;
    if (static_cast<size_t>(room.end - room.at) < needed) [[unlikely]] {
      chain(row, room, needed, to_come);
    }
    char* const bytes = put_size(room.at, size) + stamp_bytes();
    room.at += needed;
    if (ttl_ms() > 0) { set_stamp(bytes, state().now_ms()); }
    return bytes;
  }
  void end_adding(std::byte* row, const Room& room) {
    List& rows = list(row);
    rows.used = static_cast<uint32_t>(room.at - state().heap().address(rows.last));
  }
  char* add(std::byte* row, size_t size) {
    Room room = begin_adding(row);
    char* const bytes = add(row, room, size, 1);
    end_adding(row, room);
    return bytes;
  }
  // The same of some rows: sizes[i] bytes are to be written at to[i].
  void add_all(std::byte* row, std::span<const uint32_t> sizes, char** to) {
    Room room = begin_adding(row);
    for (size_t i = 0; i < sizes.size(); ++i) {
      to[i] = add(row, room, sizes[i], sizes.size() - i);
    }
    end_adding(row, room);
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
    for_each_row(list(row), f);
  }

  void destroy(std::byte* row) override;
  bool goes_with_heap() const override { return true; }
  bool expire(std::byte* row) override;
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override;
  Status open_restore(const StateMeta& meta) override;
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override;

 private:
  // What a block begins with. Behind it are rows: their size, unless they tell it themselves (a
  // byte, or kLong and 4 bytes), with a TTL the time (8 bytes), then their bytes. Nothing is
  // aligned.
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

  List& open(std::byte* row) {
    if (!KeyedState::has(row, bit())) {
      new (&list(row)) List();
      KeyedState::head_of(row) |= bit();
    }
    return list(row);
  }
  List& list(std::byte* row) const { return *reinterpret_cast<List*>(row + offset()); }
  static constexpr uint8_t kLong = UINT8_MAX;

  size_t stamp_bytes() const { return ttl_ms() > 0 ? sizeof(int64_t) : 0; }
  size_t size_bytes(size_t size) const {
    return !has_sizes_ ? 0 : size < kLong ? 1 : 1 + sizeof(uint32_t);
  }
  size_t head_bytes(size_t size) const { return size_bytes(size) + stamp_bytes(); }
  char* put_size(char* at, size_t size) const {
    if (!has_sizes_) { return at; }
    *at++ = static_cast<char>(size < kLong ? size : kLong);
    if (size < kLong) [[likely]] { return at; }
    const auto size32 = static_cast<uint32_t>(size);
    std::memcpy(at, &size32, sizeof(size32));
    return at + sizeof(size32);
  }
  // The row whose head is there.
  Text row_at(const char* at) const {
    if (!has_sizes_) { return {at + stamp_bytes(), images_->size_of(at + stamp_bytes())}; }
    uint32_t size = static_cast<uint8_t>(*at++);
    if (size == kLong) [[unlikely]] {
      std::memcpy(&size, at, sizeof(size));
      at += sizeof(size);
    }
    return {at + stamp_bytes(), size};
  }
  static int64_t stamp_of(const char* bytes) {
    int64_t stamp = 0;
    std::memcpy(&stamp, bytes - sizeof(stamp), sizeof(stamp));
    return stamp;
  }
  static void set_stamp(char* bytes, int64_t stamp) {
    std::memcpy(bytes - sizeof(stamp), &stamp, sizeof(stamp));
  }
  static BlockHead head_at(const char* block) {
    BlockHead head;
    std::memcpy(&head, block, sizeof(head));
    return head;
  }
  // Calls f(Text) for each row.
  template <class F>
  void for_each_row(const List& rows, F f) const {
    const TextHeap& heap = mutable_state().heap();
    for (TextBlock block = rows.first; block;) {
      const char* at = heap.address(block);
      const BlockHead head = head_at(at);
      const char* const end = at + (head.next ? head.used : rows.used);
      for (at += sizeof(BlockHead); at != end;) {
        const Text row = row_at(at);
        at = row.end();
        f(row);
      }
      block = head.next;
    }
  }
  // Adds a block with room for `needed` bytes, and for what is to come.
  void chain(std::byte* row, Room& room, size_t needed, size_t to_come);

  StateBytes bytes_;
  RowImages* images_ = nullptr;
  bool has_sizes_ = true;    // beside the rows; else they tell
  bool has_stamps_ = false;  // of the snapshot that is read
  std::unique_ptr<StateDecoder<Text>> decoder_;
};

}  // namespace tidewheel::sql
