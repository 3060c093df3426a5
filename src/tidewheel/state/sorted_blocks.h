// An ordered map in blocks of memory: the content of a map state. Small maps are one small sorted
// array; large ones a list of sorted arrays. No allocation for each entry, no pointers between
// entries. All memory comes from the state's heap, so that what holds nothing else goes with it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "tidewheel/types/stored.h"

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
  E& at(Place place) const { return entries_of(*block(place.block))[place.index]; }
  Place next(Place place) const {
    return ++place.index < block(place.block)->count ? place : Place{place.block + 1, 0};
  }
  // The first entry whose key is not less than `key`.
  Place lower_bound(const Key& key) const {
    uint32_t low = 0;
    uint32_t high = block_count_;  // the first block whose last key is not less
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      const Block& candidate = *block(middle);
      if (Less()(KeyOf()(entries_of(candidate)[candidate.count - 1]), key)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low == block_count_) { return end(); }
    const Block& holder = *block(low);
    const E* const entries = entries_of(holder);
    const E* const found = std::lower_bound(
        entries, entries + holder.count, key,
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
  E& insert(Place place, E&& entry, TextHeap& heap) {
    if (block_count_ == 0) { add_block(0, make_block(kCapacityMin, heap), heap); }
    if (place.block == block_count_) {
      place.block = block_count_ - 1;
      place.index = block(place.block)->count;
    }
    Block* into = block(place.block);
    if (into->count == into->capacity) {
      if (into->capacity < kCapacityMax) {
        into = enlarge(place.block, heap);
      } else {
        place = split(place, heap);
        into = block(place.block);
      }
    }
    E* const entries = entries_of(*into);
    move_up(entries + place.index, into->count - place.index);
    E* const made = new (entries + place.index) E(std::move(entry));
    ++into->count;
    ++size_;
    return *made;
  }
  // Erases the entry at `place`; returns the place of what followed.
  Place erase(Place place, TextHeap& heap) {
    Block& from = *block(place.block);
    E* const entries = entries_of(from);
    entries[place.index].~E();
    for (uint32_t i = place.index + 1; i < from.count; ++i) {
      new (entries + i - 1) E(std::move(entries[i]));
      entries[i].~E();
    }
    --size_;
    if (--from.count == 0) {
      free_block(&from, heap);
      Block** const all = blocks();
      std::copy(all + place.block + 1, all + block_count_, all + place.block);
      if (--block_count_ == 0) { free_list(heap); }
      return {place.block, 0};
    }
    return place.index < from.count ? place : Place{place.block + 1, 0};
  }
  void clear(TextHeap& heap) {
    for (uint32_t b = 0; b < block_count_; ++b) {
      Block* const gone = block(b);
      for (uint32_t i = 0; i < gone->count; ++i) { entries_of(*gone)[i].~E(); }
      free_block(gone, heap);
    }
    block_count_ = size_ = 0;
    free_list(heap);
  }

 private:
  static constexpr uint32_t kCapacityMin = 4;
  // A full block of small entries fills a block of the heap: 2 KB, its head included.
  static constexpr uint32_t kCapacityMax =
      static_cast<uint32_t>(std::clamp<size_t>((2048 - 16) / sizeof(E), 8, 64));

  static_assert(alignof(E) <= TextHeap::kUnitBytes, "entries of state need an alignment of 8");
  struct Block {
    uint32_t count = 0;
    uint32_t capacity = 0;
    TextBlock memory;  // what it lies in
  };

  static_assert(sizeof(Block) == 16);

  // The list of blocks. The list of one block is a member: a small map costs one allocation, and
  // one step from the row to its entries.
  Block** blocks() { return list_capacity_ == 0 ? &only_ : list_; }
  Block* block(uint32_t index) const { return list_capacity_ == 0 ? only_ : list_[index]; }
  static E* entries_of(Block& block) { return reinterpret_cast<E*>(&block + 1); }
  static const E* entries_of(const Block& block) { return reinterpret_cast<const E*>(&block + 1); }
  static size_t block_bytes(uint32_t capacity) { return sizeof(Block) + capacity * sizeof(E); }

  static Block* make_block(uint32_t capacity, TextHeap& heap) {
    const TextBlock memory = heap.allocate(block_bytes(capacity));
    auto* const made = new (heap.address(memory)) Block;
    made->capacity = capacity;
    made->memory = memory;
    return made;
  }
  static void free_block(Block* block, TextHeap& heap) { heap.free(block->memory); }
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
  Block* enlarge(uint32_t index, TextHeap& heap) {
    Block* const old = block(index);
    Block* const bigger = make_block(std::min(old->capacity * 2, kCapacityMax), heap);
    move_tail(*old, 0, *bigger);
    free_block(old, heap);
    blocks()[index] = bigger;
    return bigger;
  }
  // Splits a full block; returns where `place` is now. Appending at the very end starts a new
  // block, so that keys which only grow leave full blocks behind.
  Place split(Place place, TextHeap& heap) {
    Block* const full = block(place.block);
    const bool appends = place.block + 1 == block_count_ && place.index == full->count;
    const uint32_t kept = appends ? full->count : full->count / 2;
    Block* const fresh = make_block(kCapacityMax, heap);
    move_tail(*full, kept, *fresh);
    add_block(place.block + 1, fresh, heap);
    if (place.index > kept || appends) { return {place.block + 1, place.index - kept}; }
    return place;
  }
  void add_block(uint32_t index, Block* added, TextHeap& heap) {
    if (block_count_ > 0 && block_count_ >= list_capacity_) { grow_list(heap); }
    Block** const all = blocks();
    std::copy_backward(all + index, all + block_count_, all + block_count_ + 1);
    all[index] = added;
    ++block_count_;
  }
  void grow_list(TextHeap& heap) {
    const uint32_t capacity = std::max<uint32_t>(4, list_capacity_ * 2);
    const TextBlock memory = heap.allocate(capacity * sizeof(Block*));
    auto** const list = reinterpret_cast<Block**>(heap.address(memory));
    std::copy(blocks(), blocks() + block_count_, list);
    heap.free(list_memory_);
    list_ = list;
    list_memory_ = memory;
    list_capacity_ = capacity;
  }
  void free_list(TextHeap& heap) {
    heap.free(list_memory_);
    list_memory_ = TextBlock();
    list_capacity_ = 0;
    only_ = nullptr;
  }

  union {
    Block* only_ = nullptr;  // list_capacity_ == 0
    Block** list_;
  };
  uint32_t block_count_ = 0;
  uint32_t list_capacity_ = 0;
  uint32_t size_ = 0;
  TextBlock list_memory_;
};

}  // namespace tidewheel
