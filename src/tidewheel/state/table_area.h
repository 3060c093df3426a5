// The slots of a KeyedTable: an array, and what is known of each slot while changes are tracked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tidewheel/base/large_memory.h"
#include "tidewheel/state/state_memory.h"
#include "tidewheel/types/stored.h"

namespace tidewheel::state_detail {

// `order` is 0 in an empty slot. Small values go in front of the key, into what would be padding.
template <class K, class V, bool kValueFirst>
struct KeyedSlot {
  uint32_t order;
  union {
    Stored<K> key;
  };
  union {
    Stored<V> value;
  };
  KeyedSlot() {}
  ~KeyedSlot() {}
};
template <class K, class V>
struct KeyedSlot<K, V, true> {
  uint32_t order;
  union {
    Stored<V> value;
  };
  union {
    Stored<K> key;
  };
  KeyedSlot() {}
  ~KeyedSlot() {}
};

// Plain data; whoever has it frees it. Without memory it is one empty slot, for probes.
template <class Slot>
struct TableArea {
  Slot* slots = no_slots();
  uint32_t shift = 32;  // from an order to its slot
  size_t count = 0;
  // Bits, one a slot, or null when they are not needed; see KeyedTable for what they mean.
  uint64_t* dirty = nullptr;
  uint64_t* fresh = nullptr;
  uint64_t* done = nullptr;
  uint64_t* before = nullptr;

  size_t home_of(uint32_t order) const { return uint64_t{order} >> shift; }
  size_t index_of(const Slot* slot) const { return static_cast<size_t>(slot - slots); }

  static bool get(const uint64_t* bits, size_t index) {
    return (bits[index / 64] >> (index % 64) & 1) != 0;
  }
  static void set(uint64_t* bits, size_t index) { bits[index / 64] |= uint64_t{1} << (index % 64); }
  static void put(uint64_t* bits, size_t index, bool value) {
    const uint64_t bit = uint64_t{1} << (index % 64);
    bits[index / 64] = (bits[index / 64] & ~bit) | (value ? bit : 0);
  }
  size_t bit_bytes() const { return (count + 63) / 64 * sizeof(uint64_t); }
  void make_bits(uint64_t*& bits, StateMemory& memory) const {
    if (count == 0) { return; }
    memory.reserve(static_cast<int64_t>(bit_bytes()));
    bits = static_cast<uint64_t*>(allocate_zeroed(bit_bytes()));
  }
  void clear_bits(uint64_t* bits) const {
    if (bits != nullptr) { std::memset(bits, 0, bit_bytes()); }
  }
  void free_bits(uint64_t*& bits, StateMemory& memory) const {
    if (bits == nullptr) { return; }
    free_zeroed(bits, bit_bytes());
    memory.release(static_cast<int64_t>(bit_bytes()));
    bits = nullptr;
  }
  static Slot* no_slots() {
    alignas(Slot) static constinit unsigned char empty[sizeof(Slot)] = {};
    return reinterpret_cast<Slot*>(empty);
  }
};

}  // namespace tidewheel::state_detail
