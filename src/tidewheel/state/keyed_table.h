// KeyedTable<K, V>: keyed state of one kind, for operators that know both types. Open addressing
// with linear probing, keys and values inside the slots, the slots in the order of (key group,
// hash): a scan from start to end meets the key groups in order, so that a group is written, moved
// or dropped by itself, with one table and one allocation for all groups.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/large_memory.h"
#include "tidewheel/base/prefetch.h"
#include "tidewheel/state/key_group.h"
#include "tidewheel/state/key_hash.h"
#include "tidewheel/state/state_memory.h"
#include "tidewheel/types/stored.h"

namespace tidewheel {

// How a table hashes a key that it holds already. Specialize it for a key whose group is not that
// of the whole key (a key with a window beside it).
template <class K>
struct KeyedTableHash {
  static KeyHash of(const K& key, int32_t max_parallelism) {
    return key_hash(key, max_parallelism);
  }
};

// The value of a table that is a set.
struct NoValue {};

namespace state_detail {

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

// The heap of a table, when its types have Text.
template <bool kUsed>
class TableHeap {
 public:
  explicit TableHeap(MemoryPool* memory) : heap_(memory) {}
  TextHeap& get() { return heap_; }
  void clear() { heap_.clear(); }
  int64_t memory_bytes() const { return heap_.memory_bytes(); }

 private:
  TextHeap heap_;
};
template <>
class TableHeap<false> {
 public:
  explicit TableHeap(MemoryPool*) {}
  void clear() {}
  int64_t memory_bytes() const { return 0; }
};

// Makes a value to keep at `place`, of a `from` of any type that it can be made of.
template <class T, class From, class Heap>
void make_stored(Stored<T>* place, const From& from, Heap& heap) {
  if constexpr (!Stored<T>::kUsesHeap) {
    new (place) Stored<T>{static_cast<T>(from)};
  } else if constexpr (std::is_same_v<T, From>) {
    (new (place) Stored<T>())->store(from, heap.get());
  } else {
    (new (place) Stored<T>())->store(static_cast<T>(from), heap.get());
  }
}
template <class T, class Heap>
void destroy_stored(Stored<T>& stored, Heap& heap) {
  if constexpr (Stored<T>::kUsesHeap) { stored.release(heap.get()); }
  stored.~Stored<T>();
}

}  // namespace state_detail

// One thread. References to values are valid until the next upsert, erase or merge. Text in keys
// and in values that were given to `assign` is copied into the table's own heap.
//
// The slot of a key is its order scaled to the capacity. The order is a number of 32 bits, made of
// the group's place in the range and the top half of the hash:
//   order = local group * step + hash / 2^32 * step,  step = 2^32 / number of groups
// There is no wrap-around: behind the last slot there are some more for what spills over, and the
// very last slot stays empty, which ends every probe.
//
// Keys that crowd into few groups would make long probes, and so would keys that come in the order
// of another table, at the front of one that still grows. Then the order is that of the mixed hash
// alone (`is_grouped` is false), until a scan by groups begins and finds that regions would do; if
// not, the scan of a group looks at all slots.
template <class K, class V>
class KeyedTable {
 public:
  using key_type = K;
  using mapped_type = V;

  // Makes nothing yet: a table that stays empty costs no memory. `memory` may be null. `name` is
  // for the error when there is no memory left.
  KeyedTable(KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory,
             std::string_view name = "keyed state")
      : groups_(groups), max_parallelism_(max_parallelism), memory_(memory, name), heap_(memory) {
    set_grouped(true);
  }
  ~KeyedTable() { free_slots(); }
  KeyedTable(const KeyedTable&) = delete;
  KeyedTable& operator=(const KeyedTable&) = delete;

  KeyHash hash_of(const K& key) const { return KeyedTableHash<K>::of(key, max_parallelism_); }

  // Brings the slot of a key into the cache; a few keys ahead of its use.
  void prefetch(KeyHash hash) const { prefetch_for_write(&slots_[home_of(order_of(hash))]); }

  // The value of a key, or null. `key` may be of any type that compares with K and hashes as it
  // does.
  template <class Q>
  V* find(const Q& key, KeyHash hash) {
    const uint32_t order = order_of(hash);
    for (Slot* slot = &slots_[home_of(order)];; ++slot) {
      if (slot->order == order && same_key(slot->key.value, key)) { return &slot->value.value; }
      if (slot->order == 0) { return nullptr; }
    }
  }
  template <class Q>
  const V* find(const Q& key, KeyHash hash) const {
    return const_cast<KeyedTable*>(this)->find(key, hash);
  }

  // The value of a key; made from nothing when the key is new.
  template <class Q>
  V& upsert(const Q& key, KeyHash hash, bool& inserted) {
    const uint32_t order = order_of(hash);
    size_t index = home_of(order);
    for (;; ++index) {
      Slot& slot = slots_[index];
      if (slot.order == order && same_key(slot.key.value, key)) {
        inserted = false;
        return slot.value.value;
      }
      if (slot.order == 0) { break; }
    }
    inserted = true;
    return insert_at(index, hash, order, key);
  }
  template <class Q>
  V& upsert(const Q& key, KeyHash hash) {
    bool inserted = false;
    return upsert(key, hash, inserted);
  }
  template <class Q>
  V& upsert(const Q& key) {
    return upsert(key, key_hash(key, max_parallelism_));
  }

  // Sets a value of this table, copying its Text into the table's heap.
  void assign(V& value, const V& from) {
    if constexpr (Stored<V>::kUsesHeap) {
      stored_of(value).store(from, heap_.get());
    } else {
      value = from;
    }
  }
  // After a value of this table was changed in place: copies Text that it does not own yet.
  void settle(V& value) {
    if constexpr (Stored<V>::kUsesHeap) { stored_of(value).settle(heap_.get()); }
  }

  template <class Q>
  bool erase(const Q& key, KeyHash hash) {
    return erase_where(hash, [&](const K& other, const V&) { return same_key(other, key); });
  }
  // Erases the first entry with this hash for which `matches(key, value)`.
  template <class F>
  bool erase_where(KeyHash hash, F matches) {
    const uint32_t order = order_of(hash);
    for (size_t index = home_of(order); slots_[index].order != 0; ++index) {
      Slot& slot = slots_[index];
      if (slot.order == order && matches(std::as_const(slot.key.value), slot.value.value)) {
        erase_index(index);
        return true;
      }
    }
    return false;
  }
  // The first entry with this hash for which `matches(key, value)`: its key and value, or nulls.
  template <class F>
  std::pair<const K*, V*> find_where(KeyHash hash, F matches) {
    const uint32_t order = order_of(hash);
    for (size_t index = home_of(order); slots_[index].order != 0; ++index) {
      Slot& slot = slots_[index];
      if (slot.order == order && matches(std::as_const(slot.key.value), slot.value.value)) {
        return {&slot.key.value, &slot.value.value};
      }
    }
    return {nullptr, nullptr};
  }

  // A place in a scan. It survives anything that does not insert, and erase_last.
  class Cursor {
   public:
    Cursor() = default;

   private:
    friend class KeyedTable;
    explicit Cursor(size_t index) : next_(index) {}
    size_t next_ = 0;
  };
  // The next entry of the whole table; false at the end.
  bool next(Cursor& cursor, const K*& key, V*& value) {
    for (; cursor.next_ < slot_count_; ++cursor.next_) {
      Slot& slot = slots_[cursor.next_];
      if (slot.order != 0) {
        key = &slot.key.value;
        value = &slot.value.value;
        ++cursor.next_;
        return true;
      }
    }
    return false;
  }
  // A cursor for next_in(group). For the first group of all it may put the table in order.
  Cursor begin_of(int32_t group) {
    if (!grouped_ && group == groups_.first) { regroup(); }
    return Cursor(grouped_ ? home_of(static_cast<uint32_t>(order_begin(group))) : 0);
  }
  // The next entry of one key group; false at its end.
  bool next_in(int32_t group, Cursor& cursor, const K*& key, V*& value) {
    const uint64_t begin = order_begin(group);
    const uint64_t end = begin + group_step_;
    for (; cursor.next_ < slot_count_; ++cursor.next_) {
      Slot& slot = slots_[cursor.next_];
      if (slot.order == 0) {
        // Behind the group's own region, an empty slot ends what spilled over.
        if (grouped_ && cursor.next_ >= (end - 1) >> shift_) { return false; }
        continue;
      }
      const bool matches = grouped_ ? slot.order >= begin && slot.order < end
                                    : hash_of(slot.key.value).group == group;
      if (matches) {
        key = &slot.key.value;
        value = &slot.value.value;
        ++cursor.next_;
        return true;
      }
    }
    return false;
  }
  // Erases the entry that the cursor has given last; the scan goes on with what followed it.
  void erase_last(Cursor& cursor) { erase_index(--cursor.next_); }

  // Calls f(const K&, V&) for every entry, key group by key group but for what spilled over.
  template <class F>
  void for_each(F f) {
    for (size_t index = 0; index < slot_count_; ++index) {
      Slot& slot = slots_[index];
      if (slot.order != 0) { f(std::as_const(slot.key.value), slot.value.value); }
    }
  }
  template <class F>
  void for_each(F f) const {
    for (size_t index = 0; index < slot_count_; ++index) {
      const Slot& slot = slots_[index];
      if (slot.order != 0) { f(slot.key.value, slot.value.value); }
    }
  }
  template <class F>
  void for_each_in(int32_t group, F f) {
    Cursor cursor = begin_of(group);
    const K* key = nullptr;
    V* value = nullptr;
    while (next_in(group, cursor, key, value)) { f(*key, *value); }
  }
  // Erases the entries for which `matches(key, value)`.
  template <class F>
  void erase_if(F matches) {
    Cursor cursor;
    const K* key = nullptr;
    V* value = nullptr;
    while (next(cursor, key, value)) {
      if (matches(*key, *value)) { erase_last(cursor); }
    }
  }

  // Calls merge(V& mine, const V2& theirs, bool inserted) for every entry of `other`, whose key is
  // made here when it is new. Both are walked in the same order and nothing is hashed, so that
  // merging costs a fraction of the upserts. `other` has the same key groups.
  template <class V2, class F>
  void merge_from(const KeyedTable<K, V2>& other, F merge) {
    reserve(size_ + other.size());
    other.visit_orders([&](uint32_t order, bool same_grouping, const K& key, const V2& value) {
      if (same_grouping != grouped_) { order = order_of(hash_of(key)); }
      size_t index = home_of(order);
      for (; slots_[index].order != 0; ++index) {
        if (slots_[index].order == order && same_key(slots_[index].key.value, key)) {
          merge(slots_[index].value.value, value, false);
          return;
        }
      }
      // The hash is needed only when the table has to be built again.
      if (needs_room(index, order)) {
        merge(insert_at(index, hash_of(key), order, key), value, true);
      } else {
        merge(construct(slots_[index], order, key), value, true);
      }
    });
  }
  // f(order, is_grouped, key, value) of every entry; for merge_from.
  template <class F>
  void visit_orders(F f) const {
    for (size_t index = 0; index < slot_count_; ++index) {
      const Slot& slot = slots_[index];
      if (slot.order != 0) { f(slot.order, grouped_, slot.key.value, slot.value.value); }
    }
  }

  // Makes room for `count` entries. Needed before entries are put in the order of another table or
  // of a snapshot: in a table that grows meanwhile they would pile up at its front.
  void reserve(size_t count) {
    size_t capacity = std::max(capacity_, kCapacityMin);
    while (count > fill_limit(capacity)) { capacity *= 2; }
    if (capacity > capacity_) { rebuild(capacity, grouped_); }
  }
  // Forgets all entries; keeps the memory for as many again.
  void clear() {
    if (size_ > 0) { destroy_entries(); }
    if (size_ < capacity_ / 16 && capacity_ > kClearedCapacityMax) {
      free_memory();  // it has been far larger once: clearing would cost more than making it again
    } else if (size_ > 0) {
      wipe();
    }
    set_grouped(true);
    size_ = 0;
    heap_.clear();
  }
  // Forgets all entries and gives the memory back.
  void release() {
    free_slots();
    size_ = 0;
    heap_.clear();
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  KeyGroupRange key_groups() const { return groups_; }
  int32_t max_parallelism() const { return max_parallelism_; }
  bool is_grouped() const { return grouped_; }
  // Bytes held: slots, the heap of Text, and keys that are std::string.
  int64_t memory_bytes() const { return slot_bytes() + heap_.memory_bytes() + key_bytes_; }
  // kMemoryLimit once there was no memory to grow; ask once a batch.
  const Status& status() {
    if constexpr (kKeyOwnsBytes) { account_key_bytes(); }
    return kUsesHeap || kKeyOwnsBytes ? memory_.check() : memory_.status();
  }

 private:
  template <class, class>
  friend class KeyedTable;
  static constexpr bool kValueFirst = sizeof(Stored<V>) <= 4 && alignof(K) > 4;
  static constexpr bool kUsesHeap = Stored<K>::kUsesHeap || Stored<V>::kUsesHeap;
  using Slot = state_detail::KeyedSlot<K, V, kValueFirst>;
  static constexpr bool kTrivial =
      std::is_trivially_copyable_v<Stored<K>> && std::is_trivially_copyable_v<Stored<V>>;
  // Keys that have memory of their own, which is counted here, and told to the pool once a batch.
  static constexpr bool kKeyOwnsBytes = std::is_same_v<K, std::string>;
  static constexpr size_t kCapacityMin = 16;
  static constexpr size_t kClearedCapacityMax = 4096;
  static constexpr size_t kProbeMax = 512;

  static size_t fill_limit(size_t capacity) { return capacity * 5 / 8; }
  // What a table without memory probes: one empty slot.
  static Slot* no_slots() {
    alignas(Slot) static constinit unsigned char empty[sizeof(Slot)] = {};
    return reinterpret_cast<Slot*>(empty);
  }

  static Stored<V>& stored_of(V& value) {
    static_assert(offsetof(Stored<V>, value) == 0);
    return *reinterpret_cast<Stored<V>*>(&value);
  }
  void set_grouped(bool grouped) {
    grouped_ = grouped;
    const auto count = static_cast<uint64_t>(std::max(groups_.count(), 1));
    group_step_ = (uint64_t{1} << 32) / count;
  }
  uint64_t order_begin(int32_t group) const {
    return static_cast<uint64_t>(group - groups_.first) * group_step_;
  }
  uint32_t order_of(KeyHash hash) const {
    TIDEWHEEL_DCHECK(groups_.contains(hash.group));
    const uint64_t order = grouped_
                               ? order_begin(hash.group) + (((hash.hash >> 32) * group_step_) >> 32)
                               : (hash.hash * 0x9e3779b97f4a7c15ULL) >> 32;
    return static_cast<uint32_t>(order) + static_cast<uint32_t>(order == 0);  // 0: an empty slot
  }
  size_t home_of(uint32_t order) const { return uint64_t{order} >> shift_; }

  bool needs_room(size_t index, uint32_t order) const {
    return size_ >= grow_at_ || index + 1 >= slot_count_ || index - home_of(order) >= probe_max_;
  }
  template <class Q>
  V& insert_at(size_t index, KeyHash hash, uint32_t order, const Q& key) {
    if (needs_room(index, order)) [[unlikely]] { index = make_room(hash, order); }
    return construct(slots_[index], order, key);
  }
  template <class Q>
  V& construct(Slot& slot, uint32_t order, const Q& key) {
    state_detail::make_stored<K>(&slot.key, key, heap_);
    new (&slot.value) Stored<V>();
    if constexpr (kKeyOwnsBytes) { key_bytes_ += owned_bytes(slot.key.value); }
    slot.order = order;
    ++size_;
    return slot.value.value;
  }

  // Changes the table until there is a slot for the key; `order` may change on the way.
  [[gnu::noinline]] size_t make_room(KeyHash hash, uint32_t& order) {
    for (;;) {
      if (size_ >= grow_at_) {
        grow();
      } else {
        size_t index = home_of(order);
        while (slots_[index].order != 0) { ++index; }
        if (index + 1 >= slot_count_) {
          extend_tail();
        } else if (index - home_of(order) >= probe_max_) {
          spread();
        } else {
          return index;
        }
      }
      order = order_of(hash);
    }
  }
  void grow() {
    const size_t factor = capacity_ < kClearedCapacityMax ? 4 : 2;
    const size_t capacity = std::max(capacity_ * factor, kCapacityMin);
    const size_t filled_limit = capacity_ * 7 / 8;
    if (grow_at_ < filled_limit && would_be_refused(capacity)) {
      grow_at_ = filled_limit;  // the job is about to fail: live on with what there is
      return;
    }
    rebuild(capacity, grouped_);
  }
  // True, and remembered, when the pool has no room for the slots of `capacity`.
  bool would_be_refused(size_t capacity) {
    const auto bytes = static_cast<int64_t>((capacity + tail_of(capacity)) * sizeof(Slot));
    if (!memory_.try_reserve(bytes)) { return true; }
    memory_.release(bytes);
    return false;
  }
  // Too many keys probe the same slots: at this load, that is no chance.
  void spread() {
    if (grouped_) {
      rebuild(capacity_, false);
    } else if (size_ > capacity_ / 8) {
      rebuild(capacity_ * 2, false);
    } else {
      probe_max_ *= 4;  // equal hashes: nothing helps
    }
  }
  // Goes back to the order of groups, unless a group has more keys than its region is made for.
  void regroup() {
    if (size_ == not_regrouped_size_) { return; }
    std::vector<size_t> sizes(static_cast<size_t>(std::max(groups_.count(), 1)));
    for (size_t index = 0; index < slot_count_; ++index) {
      if (slots_[index].order == 0) { continue; }
      const int32_t group = hash_of(slots_[index].key.value).group;
      ++sizes[static_cast<size_t>(group - groups_.first)];
    }
    const size_t region = capacity_ / sizes.size();
    if (*std::max_element(sizes.begin(), sizes.end()) > region + kProbeMax / 2) {
      not_regrouped_size_ = size_;
    } else {
      rebuild(capacity_, true);
    }
  }

  static size_t tail_of(size_t capacity) { return std::clamp<size_t>(capacity / 4, 8, 256); }
  void rebuild(size_t capacity, bool grouped) {
    Slot* const old_slots = slots_;
    const size_t old_count = slot_count_;
    const bool same_orders = grouped == grouped_;
    set_grouped(grouped);
    allocate(capacity, tail_of(capacity));
    for (size_t from = 0; from < old_count; ++from) {
      Slot& slot = old_slots[from];
      if (slot.order == 0) { continue; }
      const uint32_t order = same_orders ? slot.order : order_of(hash_of(slot.key.value));
      size_t index = home_of(order);
      while (slots_[index].order != 0) { ++index; }
      if (index + 1 >= slot_count_) { extend_tail(); }
      move_slot(slots_[index], slot);
      slots_[index].order = order;
    }
    free_array(old_slots, old_count);
  }
  // Appends slots behind the last; the others stay where they are.
  void extend_tail() {
    Slot* const old_slots = slots_;
    const size_t old_count = slot_count_;
    allocate(capacity_, (slot_count_ - capacity_) * 2);
    for (size_t index = 0; index < old_count; ++index) {
      if (old_slots[index].order != 0) { move_slot(slots_[index], old_slots[index]); }
    }
    free_array(old_slots, old_count);
  }
  void allocate(size_t capacity, size_t tail) {
    slot_count_ = capacity + tail;
    memory_.reserve(slot_bytes());
    slots_ = static_cast<Slot*>(allocate_zeroed(slot_count_ * sizeof(Slot)));
    capacity_ = capacity;
    grow_at_ = fill_limit(capacity);
    shift_ = 32 - static_cast<uint32_t>(__builtin_ctzll(capacity));
  }
  static void move_slot(Slot& to, Slot& from) {
    if constexpr (kTrivial) {
      std::memcpy(static_cast<void*>(&to), static_cast<const void*>(&from), sizeof(Slot));
    } else {
      new (&to.key) Stored<K>(std::move(from.key));
      new (&to.value) Stored<V>(std::move(from.value));
      from.key.~Stored<K>();
      from.value.~Stored<V>();
      to.order = from.order;
    }
  }

  static int64_t owned_bytes(const K& key) {
    if constexpr (kKeyOwnsBytes) {
      // With what an allocator adds; short strings are inside.
      return key.capacity() > 15 ? static_cast<int64_t>(key.capacity()) + 17 : 0;
    } else {
      return 0;
    }
  }
  void account_key_bytes() {
    if (key_bytes_ > accounted_key_bytes_) {
      memory_.reserve(key_bytes_ - accounted_key_bytes_);
    } else {
      memory_.release(accounted_key_bytes_ - key_bytes_);
    }
    accounted_key_bytes_ = key_bytes_;
  }

  void erase_index(size_t hole) {
    if constexpr (kKeyOwnsBytes) { key_bytes_ -= owned_bytes(slots_[hole].key.value); }
    state_detail::destroy_stored(slots_[hole].key, heap_);
    state_detail::destroy_stored(slots_[hole].value, heap_);
    --size_;
    // Later entries of the same run that may live in the hole move into it, so that no probe is
    // cut.
    for (size_t index = hole + 1; slots_[index].order != 0; ++index) {
      if (home_of(slots_[index].order) <= hole) {
        move_slot(slots_[hole], slots_[index]);
        hole = index;
      }
    }
    slots_[hole].order = 0;
  }
  void destroy_entries() {
    if constexpr (kKeyOwnsBytes) {
      key_bytes_ = 0;
      account_key_bytes();
    }
    if constexpr (!std::is_trivially_destructible_v<K> || !std::is_trivially_destructible_v<V>) {
      for (size_t index = 0; index < slot_count_; ++index) {
        if (slots_[index].order != 0) {
          slots_[index].key.~Stored<K>();
          slots_[index].value.~Stored<V>();
        }
      }
    }
  }
  void wipe() {
    if constexpr (sizeof(Slot) <= 64) {
      std::memset(static_cast<void*>(slots_), 0, slot_count_ * sizeof(Slot));
    } else {
      for (size_t index = 0; index < slot_count_; ++index) { slots_[index].order = 0; }
    }
  }
  void free_slots() {
    if (size_ > 0) { destroy_entries(); }
    free_memory();
  }
  void free_memory() {
    free_array(slots_, slot_count_);
    slots_ = no_slots();
    slot_count_ = capacity_ = grow_at_ = 0;
    shift_ = 32;
  }
  void free_array(Slot* slots, size_t count) {
    if (count == 0) { return; }
    free_zeroed(slots, count * sizeof(Slot));
    memory_.release(static_cast<int64_t>(count * sizeof(Slot)));
  }
  int64_t slot_bytes() const { return static_cast<int64_t>(slot_count_ * sizeof(Slot)); }

  Slot* slots_ = no_slots();
  uint32_t shift_ = 32;  // from an order to its slot
  bool grouped_ = true;
  uint64_t group_step_ = 0;
  size_t size_ = 0;
  size_t grow_at_ = 0;     // size at which the table grows
  size_t capacity_ = 0;    // slots that orders are scaled to; a power of two, or 0
  size_t slot_count_ = 0;  // with those behind the last
  size_t probe_max_ = kProbeMax;
  size_t not_regrouped_size_ = 0;  // size at which regroup was last in vain
  const KeyGroupRange groups_;
  const int32_t max_parallelism_;
  int64_t key_bytes_ = 0;
  int64_t accounted_key_bytes_ = 0;
  StateMemory memory_;
  [[no_unique_address]] state_detail::TableHeap<kUsesHeap> heap_;
};

// Looks at `count` keys in turn with their slots fetched ahead: visit(index, hash) for each index
// from `begin`, until it answers false. Returns the index that was refused, or `end`.
// `key_at(index)` gives a key. `visit` may insert and erase.
template <class Table, class KeyAt, class Visit>
uint32_t visit_prefetched(const Table& table, uint32_t begin, uint32_t end, KeyAt key_at,
                          Visit visit) {
  constexpr uint32_t kAhead = 16;  // a power of two
  KeyHash hashes[kAhead];
  uint32_t hashed = begin;
  for (const uint32_t first = std::min(end, begin + kAhead); hashed < first; ++hashed) {
    hashes[hashed % kAhead] = key_hash(key_at(hashed), table.max_parallelism());
    table.prefetch(hashes[hashed % kAhead]);
  }
  for (uint32_t index = begin; index < end; ++index) {
    const KeyHash hash = hashes[index % kAhead];
    if (hashed < end) {
      hashes[hashed % kAhead] = key_hash(key_at(hashed), table.max_parallelism());
      table.prefetch(hashes[hashed % kAhead]);
      ++hashed;
    }
    if (!visit(index, hash)) { return index; }
  }
  return end;
}

}  // namespace tidewheel
