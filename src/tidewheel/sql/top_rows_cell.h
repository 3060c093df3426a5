// The first rows of a key in an order, where none is taken back and they are few: what a Top-N
// keeps.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
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

// A sorted array of entries, and for each entry a block with its sort key and its row. The first
// bytes of the key are in the entry, so that a row which is not among the first is known by the
// array alone. In snapshots it is a list of BestRow.
class TopRowsCell final : public KeyedCell {
 public:
  // The first bytes of a sort key as numbers that compare as they do.
  using Prefix = std::array<uint64_t, 2>;
  static Prefix prefix_of(const Text& order);

  struct Entry {
    Prefix prefix{};
    TextBlock block;
    uint32_t order_bytes = 0;
    uint32_t row_bytes = 0;
    int64_t stamp = 0;  // when it came; with a TTL
    uint32_t mark = 0;  // the operator's; 0 in snapshots
    uint32_t unused = 0;
  };
  static size_t size_of(const StateOptions&) { return sizeof(Rows); }
  static size_t alignment_of(const StateOptions&) { return alignof(Rows); }
  TopRowsCell(KeyedState& owner, const std::string& name, const StateOptions& options);
  // Rows are images, which snapshots do not have. Before anything is read.
  void hold_images(RowImages& images) { images_ = &images; }
  // There will not be more rows of a key, so that no room is made for them.
  void hold_at_most(uint32_t rows) { rows_most_ = rows; }

  void prefetch(std::byte* row) const {
    if (!KeyedState::has(row, bit())) { return; }
    const char* const begin = mutable_state().heap().address(rows(row).block);
    for (size_t at = 0; at < 5 * sizeof(Entry); at += 64) { prefetch_for_write(begin + at); }
  }
  // What a key has that has not expired, in order. Valid until it is changed.
  std::span<Entry> entries(std::byte* row) {
    if (!KeyedState::has(row, bit())) { return {}; }
    if (ttl_ms() > 0) { expire(row); }
    return all(rows(row));
  }
  Text order_of(const Entry& entry) const { return {bytes_of(entry), entry.order_bytes}; }
  Text row_of(const Entry& entry) const {
    return {bytes_of(entry) + entry.order_bytes, entry.row_bytes};
  }
  // How many of the entries come before a row with this key: those with an equal one do, unless
  // the newest comes first.
  size_t place_of(std::span<const Entry> entries, const Text& order, bool newest_first) const;
  // Puts a row before entry `place`; the caller writes its bytes to what `row_of` then gives.
  Entry& insert(std::byte* row, size_t place, const Text& order, uint32_t row_bytes);
  // Drops the last entry.
  void drop_last(std::byte* row);

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
  char* bytes_of(const Entry& entry) const { return mutable_state().heap().address(entry.block); }

  StateBytes bytes_;
  RowImages* images_ = nullptr;
  uint32_t rows_most_ = UINT32_MAX;
  bool has_stamps_ = false;  // of the snapshot that is read
  std::unique_ptr<StateDecoder<BestRow>> decoder_;
};

}  // namespace tidewheel::sql
