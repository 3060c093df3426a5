// The sort key of the one row of a key that comes first, without the row: what a Top-1 keeps when
// nobody asks what was there before.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "tidewheel/sql/best_row_cell.h"
#include "tidewheel/sql/inline_text.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/state_options.h"
#include "tidewheel/types/stored.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {

// In snapshots it is a BestRow whose row is empty; it reads those of a BestRowCell too.
class BestOrderCell final : public BestCell {
 public:
  static size_t size_of(const StateOptions& options) {
    return sizeof(Stored<InlineText>) + (options.ttl.count() > 0 ? sizeof(int64_t) : 0);
  }
  static size_t alignment_of(const StateOptions&) { return alignof(int64_t); }
  BestOrderCell(KeyedState& owner, const std::string& name, const StateOptions& options)
      : BestCell(owner, name, options) {}
  // No sort key is longer than that. Before anything is read.
  void hold_at_most(size_t bytes) { is_plain_ = bytes <= InlineText::kBytesMost; }

  // What the key has, if it has not expired.
  const InlineText* find(std::byte* row) {
    if (!KeyedState::has(row, bit()) || (ttl_ms() > 0 && is_expired(stamp(row)))) {
      return nullptr;
    }
    return &order(row).value;
  }
  void put(std::byte* row, const Text& sort_key) {
    if (!KeyedState::has(row, bit())) {
      new (&order(row)) Stored<InlineText>();
      KeyedState::head_of(row) |= bit();
    }
    order(row).store(InlineText(sort_key), state().heap());
    if (ttl_ms() > 0) { stamp(row) = state().now_ms(); }
  }

  void destroy(std::byte* row) override { order(row).release(state().heap()); }
  bool is_plain() const override { return is_plain_; }
  bool is_always_written() const override { return ttl_ms() == 0; }
  bool expire(std::byte* row) override { return is_expired(stamp(row)); }
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override;
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override;

 private:
  Stored<InlineText>& order(std::byte* row) const {
    return *reinterpret_cast<Stored<InlineText>*>(row + offset());
  }
  int64_t& stamp(std::byte* row) const {
    return *reinterpret_cast<int64_t*>(row + offset() + sizeof(Stored<InlineText>));
  }

  bool is_plain_ = false;
};

}  // namespace tidewheel::sql
