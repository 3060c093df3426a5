// The first rows of a key in an order, where none is taken back and they are few: what a Top-N
// keeps.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "tidewheel/base/prefetch.h"
#include "tidewheel/sql/best_row_cell.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/state_options.h"
#include "tidewheel/types/stored.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {

// A sorted array of entries, and for each entry a block with its row. The first bytes of the sort
// key are in the entry, so that a row which is not among the first is known by the array alone; a
// longer key is in the block, in front of the row. In snapshots it is a list of BestRow.
class TopRowsCell final : public KeyedCell {
 public:
  // The first bytes of a sort key as numbers that compare as they do.
  struct Prefix {
    uint64_t high = 0;
    uint64_t low = 0;
    friend bool operator==(const Prefix&, const Prefix&) = default;
    friend bool operator<(const Prefix& a, const Prefix& b) {
      return a.high != b.high ? a.high < b.high : a.low < b.low;
    }
  };
  static Prefix prefix_of(const Text& order);

  struct Entry {
    Prefix prefix{};
    uint32_t slot = 0;        // of its block
    uint8_t size_class = 0;   // of its block
    uint8_t order_bytes = 0;  // of the sort key; kInBlock: it has more than the prefix
    uint16_t unused = 0;
    uint32_t row_bytes = 0;
    uint32_t mark = 0;  // the operator's; 0 in snapshots
    TextBlock block() const { return {slot, size_class}; }
  };
  static size_t size_of(const StateOptions& options) {
    return sizeof(Rows) + (options.ttl.count() > 0 ? sizeof(int64_t) : 0);
  }
  static size_t alignment_of(const StateOptions&) { return alignof(int64_t); }
  TopRowsCell(KeyedState& owner, const std::string& name, const StateOptions& options);
  // Rows are images, which snapshots do not have. Before anything is read.
  void hold_images(RowImages& images) { images_ = &images; }
  // There will not be more rows of a key, so that no room is made for them.
  void hold_at_most(uint32_t rows) { rows_most_ = rows; }

  void prefetch(std::byte* row) const {
    if (!KeyedState::has(row, bit())) { return; }
    // From the last entry on, which each row is compared with.
    const std::span<Entry> entries = all(rows(row));
    const char* const begin = reinterpret_cast<const char*>(entries.data());
    constexpr size_t kLine = 64;
    for (size_t at = std::min<size_t>(entries.size_bytes(), 6 * kLine); at > 0;) {
      at -= std::min(at, kLine);
      prefetch_for_write(begin + at);
    }
  }
  // What a key has that has not expired, in order. Valid until it is changed.
  std::span<Entry> entries(std::byte* row) {
    if (!KeyedState::has(row, bit())) { return {}; }
    if (ttl_ms() > 0) { expire(row); }
    return all(rows(row));
  }
  // Valid until the next call.
  Text order_of(const Entry& entry) const;
  Text row_of(const Entry& entry) const { return {row_at(entry), entry.row_bytes}; }
  // How many of the entries come before a row with this key: those with an equal one do, unless
  // the newest comes first.
  size_t place_of(std::span<const Entry> entries, const Text& order, bool newest_first) const;
  // Puts a row before entry `place`; the caller writes its bytes to what `row_of` then gives.
  Entry& insert(std::byte* row, size_t place, const Text& order, uint32_t row_bytes);
  // Takes the last entry away, and gives its block, which the caller frees.
  TextBlock take_last(std::byte* row);

  void destroy(std::byte* row) override;
  bool goes_with_heap() const override { return true; }
  bool expire(std::byte* row) override;
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override;
  Status open_restore(const StateMeta& meta) override;
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override;

 private:
  struct Rows {
    TextBlock block;
    uint32_t count = 0;
    uint32_t capacity = 0;
  };

  Rows& rows(std::byte* row) const { return *reinterpret_cast<Rows*>(row + offset()); }
  std::span<Entry> all(const Rows& rows) const {
    return {reinterpret_cast<Entry*>(mutable_state().heap().address(rows.block)), rows.count};
  }
  // A block: a long sort key behind its size, the row, with a TTL when it came, in milliseconds.
  static constexpr uint8_t kInBlock = UINT8_MAX;
  char* bytes_of(const Entry& entry) const { return mutable_state().heap().address(entry.block()); }
  static size_t bytes_of_order(const Text& order) {
    return order.size() <= sizeof(Prefix) ? 0 : sizeof(uint32_t) + order.size();
  }
  char* row_at(const Entry& entry) const {
    char* const begin = bytes_of(entry);
    if (entry.order_bytes != kInBlock) [[likely]] { return begin; }
    uint32_t order_bytes = 0;
    std::memcpy(&order_bytes, begin, sizeof(order_bytes));
    return begin + sizeof(order_bytes) + order_bytes;
  }
  int64_t stamp_of(const Entry& entry) const {
    int64_t stamp = 0;
    std::memcpy(&stamp, row_at(entry) + entry.row_bytes, sizeof(stamp));
    return stamp;
  }
  void set_stamp(std::byte* row, const Entry& entry, int64_t stamp) {
    std::memcpy(row_at(entry) + entry.row_bytes, &stamp, sizeof(stamp));
    oldest(row) = std::min(oldest(row), stamp);
  }
  // With a TTL: a time before which no row of the key has come.
  int64_t& oldest(std::byte* row) const {
    return *reinterpret_cast<int64_t*>(row + offset() + sizeof(Rows));
  }

  StateBytes bytes_;
  RowImages* images_ = nullptr;
  uint32_t rows_most_ = UINT32_MAX;
  mutable std::array<char, sizeof(Prefix)> order_{};  // that order_of has given
  bool has_stamps_ = false;                           // of the snapshot that is read
  std::unique_ptr<StateDecoder<BestRow>> decoder_;
};

}  // namespace tidewheel::sql
