// An ordered map in blocks of memory: the content of a map state. Small maps are one small sorted
// array; large ones a list of sorted arrays. No allocation for each entry, no pointers between
// entries.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "tidewheel/state/state_memory.h"

namespace tidewheel {

// Entries of type E, ordered by Less(key, key) on KeyOf(entry). Plain memory with a zero state, so
// that it can live in a row; its owner calls `clear` before it goes. All memory is accounted to the
// StateMemory that each call is given, always the same.
template <class E, class Key, class KeyOf, class Less>
class SortedBlocks {
 public:
  // A place in the map; `end` is behind the last entry.
  struct Place {
    uint32_t block = 0;
    uint32_t index = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };

  uint32_t size() const { return size_; }
  Place begin() const { return {0, 0}; }
  Place end() const { return {block_count_, 0}; }
  E& at(Place place) const { return entries_of(*blocks_[place.block])[place.index]; }
  Place next(Place place) const {
    return ++place.index < blocks_[place.block]->count ? place : Place{place.block + 1, 0};
  }
  // The first entry whose key is not less than `key`.
  Place lower_bound(const Key& key) const {
    uint32_t low = 0;
    uint32_t high = block_count_;  // the first block whose last key is not less
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      const Block& block = *blocks_[middle];
      if (Less()(KeyOf()(entries_of(block)[block.count - 1]), key)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low == block_count_) { return end(); }
    const Block& block = *blocks_[low];
    const E* const entries = entries_of(block);
    const E* const found = std::lower_bound(
        entries, entries + block.count, key,
        [](const E& entry, const Key& wanted) { return Less()(KeyOf()(entry), wanted); });
    return {low, static_cast<uint32_t>(found - entries)};
  }
  // The entry with this key, or null.
  E* find(const Key& key) const {
    const Place place = lower_bound(key);
    if (place == end() || Less()(key, KeyOf()(at(place)))) { return nullptr; }
    return &at(place);
  }

  // Puts an entry in front of `place`, which lower_bound gave for its key. Places become invalid.
  E& insert(Place place, E&& entry, StateMemory& memory) {
    if (block_count_ == 0) { add_block(0, make_block(kCapacityMin, memory), memory); }
    if (place.block == block_count_) {
      place.block = block_count_ - 1;
      place.index = blocks_[place.block]->count;
    }
    Block* block = blocks_[place.block];
    if (block->count == block->capacity) {
      if (block->capacity < kCapacityMax) {
        block = enlarge(place.block, memory);
      } else {
        place = split(place, memory);
        block = blocks_[place.block];
      }
    }
    E* const entries = entries_of(*block);
    move_up(entries + place.index, block->count - place.index);
    E* const made = new (entries + place.index) E(std::move(entry));
    ++block->count;
    ++size_;
    return *made;
  }
  // Erases the entry at `place`; returns the place of what followed.
  Place erase(Place place, StateMemory& memory) {
    Block& block = *blocks_[place.block];
    E* const entries = entries_of(block);
    entries[place.index].~E();
    for (uint32_t i = place.index + 1; i < block.count; ++i) {
      new (entries + i - 1) E(std::move(entries[i]));
      entries[i].~E();
    }
    --size_;
    if (--block.count == 0) {
      free_block(&block, memory);
      std::copy(blocks_ + place.block + 1, blocks_ + block_count_, blocks_ + place.block);
      if (--block_count_ == 0) { free_list(memory); }
      return {place.block, 0};
    }
    return place.index < block.count ? place : Place{place.block + 1, 0};
  }
  void clear(StateMemory& memory) {
    for (uint32_t b = 0; b < block_count_; ++b) {
      Block* const block = blocks_[b];
      for (uint32_t i = 0; i < block->count; ++i) { entries_of(*block)[i].~E(); }
      free_block(block, memory);
    }
    block_count_ = size_ = 0;
    free_list(memory);
  }

 private:
  static constexpr uint32_t kCapacityMin = 4;
  static constexpr uint32_t kCapacityMax =
      static_cast<uint32_t>(std::clamp<size_t>(2048 / sizeof(E), 8, 64));

  struct alignas(std::max(alignof(E), alignof(uint64_t))) Block {
    uint32_t count = 0;
    uint32_t capacity = 0;
  };

  static E* entries_of(Block& block) { return reinterpret_cast<E*>(&block + 1); }
  static const E* entries_of(const Block& block) { return reinterpret_cast<const E*>(&block + 1); }
  static size_t block_bytes(uint32_t capacity) { return sizeof(Block) + capacity * sizeof(E); }

  static Block* make_block(uint32_t capacity, StateMemory& memory) {
    memory.reserve(static_cast<int64_t>(block_bytes(capacity)));
    void* const bytes = ::operator new (block_bytes(capacity), std::align_val_t{alignof(Block)});
    auto* const block = new (bytes) Block;
    block->capacity = capacity;
    return block;
  }
  static void free_block(Block* block, StateMemory& memory) {
    memory.release(static_cast<int64_t>(block_bytes(block->capacity)));
    ::operator delete (block, std::align_val_t{alignof(Block)});
  }
  // Makes room for one entry in front of `entries`.
  static void move_up(E* entries, uint32_t count) {
    for (uint32_t i = count; i > 0; --i) {
      new (entries + i) E(std::move(entries[i - 1]));
      entries[i - 1].~E();
    }
  }
  static void move_tail(Block& from, uint32_t first, Block& to) {
    for (uint32_t i = first; i < from.count; ++i) {
      new (entries_of(to) + to.count++) E(std::move(entries_of(from)[i]));
      entries_of(from)[i].~E();
    }
    from.count = first;
  }
  Block* enlarge(uint32_t index, StateMemory& memory) {
    Block* const old = blocks_[index];
    Block* const block = make_block(std::min(old->capacity * 2, kCapacityMax), memory);
    move_tail(*old, 0, *block);
    free_block(old, memory);
    blocks_[index] = block;
    return block;
  }
  // Splits a full block; returns where `place` is now. Appending at the very end starts a new
  // block, so that keys which only grow leave full blocks behind.
  Place split(Place place, StateMemory& memory) {
    Block* const block = blocks_[place.block];
    const bool appends = place.block + 1 == block_count_ && place.index == block->count;
    const uint32_t kept = appends ? block->count : block->count / 2;
    Block* const fresh = make_block(kCapacityMax, memory);
    move_tail(*block, kept, *fresh);
    add_block(place.block + 1, fresh, memory);
    if (place.index > kept || appends) { return {place.block + 1, place.index - kept}; }
    return place;
  }
  void add_block(uint32_t index, Block* block, StateMemory& memory) {
    if (block_count_ == list_capacity_) {
      const uint32_t capacity = std::max<uint32_t>(1, list_capacity_ * 2);
      memory.reserve(static_cast<int64_t>(capacity * sizeof(Block*)));
      auto* const list = new Block*[capacity];
      std::copy(blocks_, blocks_ + block_count_, list);
      const uint32_t count = block_count_;
      free_list(memory);
      block_count_ = count;
      blocks_ = list;
      list_capacity_ = capacity;
    }
    std::copy_backward(blocks_ + index, blocks_ + block_count_, blocks_ + block_count_ + 1);
    blocks_[index] = block;
    ++block_count_;
  }
  void free_list(StateMemory& memory) {
    memory.release(static_cast<int64_t>(list_capacity_ * sizeof(Block*)));
    delete[] blocks_;
    blocks_ = nullptr;
    list_capacity_ = 0;
  }

  Block** blocks_ = nullptr;
  uint32_t block_count_ = 0;
  uint32_t list_capacity_ = 0;
  uint32_t size_ = 0;
};

}  // namespace tidewheel
