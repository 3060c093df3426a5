// The one row of a key that comes first, with its sort key: what a Top-1 keeps.
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

// As snapshots have it.
struct BestRow {
  Text order;
  Text row;
};

// Cells that are a BestRow in snapshots, in front of which is, with a TTL, the time of its last
// use.
class BestCell : public KeyedCell {
 public:
  bool goes_with_heap() const override { return true; }
  bool stamp_comes_first() const override { return ttl_ms() > 0; }
  Status open_restore(const StateMeta& meta) final;

 protected:
  BestCell(KeyedState& owner, const std::string& name, const StateOptions& options);
  // Writes nothing when it has expired. `used_at` counts with a TTL.
  void write_best(const BestRow& best, int64_t used_at, StateEntry& entry, SnapshotWriter& writer);
  // The texts are valid until the next call. Errors: kSnapshotFormat.
  Status read_best(const StateEntry& entry, BestRow& best, int64_t& used_at);

 private:
  StateBytes bytes_;
  bool has_stamps_ = false;  // of the snapshot that is read
  std::unique_ptr<StateDecoder<BestRow>> decoder_;
};

// Sort key and row lie behind each other in one block of the state's heap.
class BestRowCell final : public BestCell {
 public:
  struct Best {
    TextBlock block;
    uint32_t order_bytes = 0;
    uint32_t row_bytes = 0;
    uint32_t mark = 0;  // the operator's; 0 in snapshots
  };
  static size_t size_of(const StateOptions& options) {
    return kStampAt + (options.ttl.count() > 0 ? sizeof(int64_t) : 0);
  }
  static size_t alignment_of(const StateOptions&) { return alignof(int64_t); }
  BestRowCell(KeyedState& owner, const std::string& name, const StateOptions& options)
      : BestCell(owner, name, options) {}
  // Rows are images, which snapshots do not have. Before anything is read.
  void hold_images(RowImages& images) { images_ = &images; }

  void prefetch(std::byte* row) const {
    if (!KeyedState::has(row, bit())) { return; }
    const char* const begin = mutable_state().heap().address(best(row).block);
    prefetch_for_write(begin);
    prefetch_for_write(begin + 64);
    if (images_ == nullptr) { prefetch_for_write(begin + 128); }
  }
  // What the key has, if it has not expired.
  Best* find(std::byte* row) {
    if (!KeyedState::has(row, bit())) { return nullptr; }
    if (ttl_ms() > 0) {
      if (is_expired(stamp(row))) {
        state().heap().free(best(row).block);
        best(row) = Best();
        return nullptr;
      }
      if (ttl_on_read()) { stamp(row) = state().now_ms(); }
    }
    return best(row).block ? &best(row) : nullptr;
  }
  Text order_of(const Best& best) const { return {bytes_of(best), best.order_bytes}; }
  Text row_of(const Best& best) const {
    return {bytes_of(best) + best.order_bytes, best.row_bytes};
  }
  // Puts a row in its place, whose bytes the caller writes to what `row_of` then gives.
  Best& put(std::byte* row, const Text& order, uint32_t row_bytes);

  void destroy(std::byte* row) override { state().heap().free(best(row).block); }
  bool expire(std::byte* row) override { return is_expired(stamp(row)); }
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override;
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override;

 private:
  static constexpr size_t kStampAt = (sizeof(Best) + 7) / 8 * 8;
  Best& best(std::byte* row) const { return *reinterpret_cast<Best*>(row + offset()); }
  int64_t& stamp(std::byte* row) const {
    return *reinterpret_cast<int64_t*>(row + offset() + kStampAt);
  }
  char* bytes_of(const Best& best) const { return mutable_state().heap().address(best.block); }

  RowImages* images_ = nullptr;
};

}  // namespace tidewheel::sql
