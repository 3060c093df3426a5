// Numbers of keys that are met again and again for a short while: those of a window whose slices
// are merged. The next window begins with the same memory, and nothing is cleared for it.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tidewheel/base/memory_pool.h"

namespace tidewheel::sql {

// Open addressing by hashes of 64 bits; the keys themselves are the caller's. One thread.
class MergeTable {
 public:
  explicit MergeTable(MemoryPool& memory) : memory_(memory) {}
  ~MergeTable() { memory_.release(charged_); }
  MergeTable(const MergeTable&) = delete;
  MergeTable& operator=(const MergeTable&) = delete;

  // Forgets all keys. There will be about `expected`.
  void begin(size_t expected) {
    count_ = 0;
    const size_t wanted = std::bit_ceil(2 * expected + kSlotsMin);
    if (wanted > slots_.size() || wanted * kWasteMax < slots_.size()) {
      resize(wanted);
    } else if (++round_ == 0) {
      slots_.assign(slots_.size(), {});
      round_ = 1;
    }
  }
  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & (slots_.size() - 1)], 1); }
  // The number of the key that is looked at first for a hash; kNone when there is none.
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t first_at(uint64_t hash) const {
    const Slot& slot = slots_[hash & (slots_.size() - 1)];
    return slot.round == round_ ? slot.number : kNone;
  }
  // The number of a key; `inserted`: it is new, and has the next one. is_key(number) says whether
  // the key of that number is the one.
  template <class IsKey>
  uint32_t find_or_add(uint64_t hash, IsKey is_key, bool& inserted) {
    for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[at];
      if (slot.round != round_) {
        slot = {hash, count_, round_};
        inserted = true;
        if (2 * size_t{++count_} > slots_.size()) { grow(); }
        return count_ - 1;
      }
      if (slot.hash == hash && is_key(slot.number)) { return slot.number; }
    }
  }
  size_t size() const { return count_; }

 private:
  static constexpr size_t kSlotsMin = 64;
  static constexpr size_t kWasteMax = 16;  // times as many slots as wanted are not kept

  struct Slot {
    uint64_t hash = 0;
    uint32_t number = 0;
    uint32_t round = 0;  // of another one: free
  };

  void resize(size_t slots) {
    slots_ = std::vector<Slot>(slots);
    round_ = 1;
    const auto bytes = static_cast<int64_t>(slots * sizeof(Slot));
    memory_.reserve(bytes);
    memory_.release(std::exchange(charged_, bytes));
  }
  void grow() {
    const std::vector<Slot> former = std::move(slots_);
    const uint32_t former_round = round_;
    resize(former.size() * 2);
    for (const Slot& slot : former) {
      if (slot.round != former_round) { continue; }
      size_t at = slot.hash & (slots_.size() - 1);
      while (slots_[at].round == round_) { at = (at + 1) & (slots_.size() - 1); }
      slots_[at] = {slot.hash, slot.number, round_};
    }
  }

  MemoryPool& memory_;
  int64_t charged_ = 0;
  std::vector<Slot> slots_;
  uint32_t round_ = 0;
  uint32_t count_ = 0;
};

}  // namespace tidewheel::sql
