// KeyedTable<K, V>: keyed state of one kind, for operators that know both types. Open addressing
// with linear probing, keys and values inside the slots, the slots in the order of (key group,
// hash): a scan from start to end meets the key groups in order, so that a group is written, moved
// or dropped by itself, with one table and one allocation for all groups.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
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
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_memory.h"
#include "tidewheel/state/table_area.h"
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

// What keys have in memory of their own, outside of slots and of the table's heap. Specialize it
// for a key that has a std::string inside.
template <class K>
struct KeyedTableBytes {
  static constexpr bool kOwnsBytes = false;
  static int64_t of(const K&) { return 0; }
};
template <>
struct KeyedTableBytes<std::string> {
  static constexpr bool kOwnsBytes = true;
  // With what an allocator adds; short strings are inside.
  static int64_t of(const std::string& key) {
    return key.capacity() > 15 ? static_cast<int64_t>(key.capacity()) + 17 : 0;
  }
};

// The value of a table that is a set.
struct NoValue {};

namespace state_detail {

// The heap of a table, when its types have Text.
template <bool kUsed>
class TableHeap {
 public:
  explicit TableHeap(MemoryPool* memory) : heap_(memory) {}
  TextHeap& get() { return heap_; }
  void clear() { heap_.clear(); }
  int64_t memory_bytes() const { return heap_.memory_bytes(); }
  int64_t live_bytes() const { return heap_.live_bytes(); }

 private:
  TextHeap heap_;
};
template <>
class TableHeap<false> {
 public:
  explicit TableHeap(MemoryPool*) {}
  void clear() {}
  int64_t memory_bytes() const { return 0; }
  int64_t live_bytes() const { return 0; }
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

// Takes what a table has for a snapshot, and hears what it has to know for the next one.
template <class K, class V>
class TableTracker {
 public:
  // An entry as it was at the barrier. It comes when write_group does, and for any group whose turn
  // has not ended when the entry is about to be changed, moved or erased. The table must not be
  // changed meanwhile.
  virtual void entry(int32_t group, const K& key, V& value) = 0;
  // An entry that was there at the last barrier is erased. Only when changes are kept.
  virtual void erased(int32_t group, const K& key) = 0;
  // All entries are gone at once: the next snapshot can't be one of changes.
  virtual void cleared() = 0;
  // Whether all entries of a group are wanted, and not only those that have changed.
  virtual bool is_whole(int32_t group) const = 0;
  // Entries are about to be moved or erased: who has touched some without telling the table yet
  // (touch_place) does so now.
  virtual void before_moves() {}
  // `entry` comes for these next: what it reads of them outside of the table may be fetched.
  virtual void fetch_ahead(std::span<V* const>) {}

 protected:
  ~TableTracker() = default;
};

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
//
// A large table grows in steps: it has two arrays for a while, and each insertion moves some
// entries. Orders below the frontier are in the new array, the others in the old one; the frontier
// always stands behind an empty slot of the old array, so that no probe crosses it.
//
// Snapshots: at a barrier `begin_snapshot` freezes the table in time that does not depend on its
// size, and write_group gives the entries of one group after another to a TableTracker, as they
// were at the barrier, while the table is used. There is a bit a slot for each of
//   dirty   the entry was changed since the last barrier. Kept between barriers when changes are
//           wanted; set by every find (of a table that is not const), upsert and erase.
//   fresh   the entry was made since the last barrier: when it is erased, nobody has to be told.
//   done    the snapshot under way has the entry, or is not to have it.
//   before  the snapshot under way is one of changes, and the entry is one of them: what `dirty`
//           was at the barrier.
// An entry is pending when it is not done, and is in `before` or in a group that is written whole.
// Whoever touches a pending entry gives it to the tracker first, and then it is done. So dirty and
// pending are independent: an entry may be pending and clean (nobody has touched it since the
// barrier), done and dirty (touched since), done and clean (written in its turn), but never
// pending and dirty. What is written back to a store below may be taken from `dirty`, when the
// entry is given to the tracker before. Moves carry the bits. When nothing is tracked all this
// costs one test of `tracker_` for each entry found.
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
  void prefetch(KeyHash hash) const {
    const uint32_t order = order_of(hash);
    const Area& area = area_of(order);
    const size_t home = area.home_of(order);
    prefetch_run(area, home);
    if (tracker_ != nullptr && area.dirty != nullptr) [[unlikely]] {
      prefetch_for_write(&area.dirty[home / 64]);
    }
  }
  // The two parts of it, for who knows of most keys that they were touched since the barrier.
  void prefetch_slot(KeyHash hash) const {
    const uint32_t order = order_of(hash);
    const Area& area = area_of(order);
    prefetch_run(area, area.home_of(order));
  }
  void prefetch_bits(KeyHash hash) const {
    if (tracker_ == nullptr) { return; }
    const uint32_t order = order_of(hash);
    const Area& area = area_of(order);
    const size_t word = area.home_of(order) / 64;
    for (const uint64_t* bits : {area.dirty, area.done, area.before}) {
      if (bits != nullptr) { prefetch_for_write(&bits[word]); }
    }
  }

  // The value of a key, or null. `key` may be of any type that compares with K and hashes as it
  // does. The entry counts as changed; look it up in a const table when it is only read.
  template <class Q>
  V* find(const Q& key, KeyHash hash) {
    const uint32_t order = order_of(hash);
    if (order >= frontier_) [[unlikely]] { return find_old(key, order); }
    for (Slot* slot = &main_.slots[main_.home_of(order)];; ++slot) {
      if (slot->order == order && same_key(slot->key.value, key)) {
        if (tracker_ != nullptr) [[unlikely]] { touch(main_, main_.index_of(slot)); }
        return &slot->value.value;
      }
      if (slot->order == 0) { return nullptr; }
    }
  }
  template <class Q>
  const V* find(const Q& key, KeyHash hash) const {
    const uint32_t order = order_of(hash);
    const Area& area = area_of(order);
    for (const Slot* slot = &area.slots[area.home_of(order)];; ++slot) {
      if (slot->order == order && same_key(slot->key.value, key)) { return &slot->value.value; }
      if (slot->order == 0) { return nullptr; }
    }
  }

  // The value of a key; made from nothing when the key is new.
  template <class Q>
  V& upsert(const Q& key, KeyHash hash, bool& inserted) {
    const uint32_t order = order_of(hash);
    if (order >= frontier_) [[unlikely]] { return upsert_old(key, hash, order, inserted); }
    return upsert_in(main_, key, hash, order, inserted);
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
    Area& area = area_of(order);
    for (size_t index = area.home_of(order); area.slots[index].order != 0; ++index) {
      Slot& slot = area.slots[index];
      if (slot.order == order && matches(std::as_const(slot.key.value), slot.value.value)) {
        erase_index(area, index);
        return true;
      }
    }
    return false;
  }
  // The first entry with this hash for which `matches(key, value)`: its key and value, or nulls.
  template <class F>
  std::pair<const K*, V*> find_where(KeyHash hash, F matches) {
    const uint32_t order = order_of(hash);
    Area& area = area_of(order);
    for (size_t index = area.home_of(order); area.slots[index].order != 0; ++index) {
      Slot& slot = area.slots[index];
      if (slot.order == order && matches(std::as_const(slot.key.value), slot.value.value)) {
        if (tracker_ != nullptr) [[unlikely]] { touch(area, index); }
        return {&slot.key.value, &slot.value.value};
      }
    }
    return {nullptr, nullptr};
  }

  // A place in a scan. It survives anything that does not insert, and erase_last. What a scan gives
  // is for reading, unless touch_last comes first.
  class Cursor {
   public:
    Cursor() = default;

   private:
    friend class KeyedTable;
    explicit Cursor(size_t index) : next_(index) {}
    size_t next_ = 0;  // in the slots of the new array; those of the old one follow
  };
  // Where `part` / 2^32 of all slots lie before.
  Cursor cursor_at(uint32_t part) const {
    return Cursor(static_cast<size_t>(uint64_t{part} * (main_.count + old_.count) >> 32));
  }
  // The next entry of the whole table; false at the end.
  bool next(Cursor& cursor, const K*& key, V*& value) {
    for (; cursor.next_ < main_.count; ++cursor.next_) {
      if (main_.slots[cursor.next_].order != 0) {
        give(main_.slots[cursor.next_++], key, value);
        return true;
      }
    }
    if (is_growing()) [[unlikely]] { return next_old(cursor, key, value); }
    return false;
  }
  // A cursor for next_in(group). For the first group of all it may put the table in order.
  Cursor begin_of(int32_t group) {
    if (!grouped_ && group == groups_.first) { regroup(); }
    if (!grouped_) { return Cursor(0); }
    const uint64_t begin = order_begin(group);
    return Cursor(begin < frontier_ ? begin >> main_.shift : main_.count + (begin >> old_.shift));
  }
  // The next entry of one key group; false at its end.
  bool next_in(int32_t group, Cursor& cursor, const K*& key, V*& value) {
    const uint64_t begin = order_begin(group);
    const uint64_t end = begin + group_step_;
    if (cursor.next_ < main_.count || !is_growing()) {
      if (next_in_area(main_, 0, group, begin, std::min(end, frontier_), cursor, key, value)) {
        return true;
      }
      if (!is_growing() || (grouped_ && end <= frontier_)) { return false; }
      cursor.next_ = main_.count + (grouped_ ? begin >> old_.shift : 0);
    }
    cursor.next_ = std::max(cursor.next_, main_.count + moved_);
    return next_in_area(old_, main_.count, group, std::max(begin, frontier_), end, cursor, key,
                        value);
  }
  // Erases the entry that the cursor has given last; the scan goes on with what followed it.
  void erase_last(Cursor& cursor) {
    --cursor.next_;
    if (cursor.next_ < main_.count) {
      erase_index(main_, cursor.next_);
    } else {
      erase_index(old_, cursor.next_ - main_.count);
    }
  }
  // Call before the entry that the cursor has given last is changed.
  void touch_last(const Cursor& cursor) {
    if (tracker_ == nullptr) { return; }
    const size_t index = cursor.next_ - 1;
    if (index < main_.count) {
      touch(main_, index);
    } else {
      touch(old_, index - main_.count);
    }
  }

  // Calls f(const K&, V&) for every entry, key group by key group but for what spilled over.
  template <class F>
  void for_each(F f) {
    for (Area* area : {&main_, &old_}) {
      for (size_t index = first_of(*area); index < area->count; ++index) {
        Slot& slot = area->slots[index];
        if (slot.order != 0) { f(std::as_const(slot.key.value), slot.value.value); }
      }
    }
  }
  template <class F>
  void for_each(F f) const {
    for (const Area* area : {&main_, &old_}) {
      for (size_t index = first_of(*area); index < area->count; ++index) {
        const Slot& slot = area->slots[index];
        if (slot.order != 0) { f(slot.key.value, slot.value.value); }
      }
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
    finish_growing();
    reserve(size_ + other.size());
    other.visit_orders([&](uint32_t order, bool same_grouping, const K& key, const V2& value) {
      if (same_grouping != grouped_) { order = order_of(hash_of(key)); }
      Area& area = area_of(order);
      size_t index = area.home_of(order);
      for (; area.slots[index].order != 0; ++index) {
        if (area.slots[index].order == order && same_key(area.slots[index].key.value, key)) {
          if (tracker_ != nullptr) [[unlikely]] { touch(area, index); }
          merge(area.slots[index].value.value, value, false);
          return;
        }
      }
      // The hash is needed only when the table has to be built again.
      if (needs_room(area, index, order)) {
        merge(insert_at(area, index, hash_of(key), order, key), value, true);
      } else {
        merge(construct(area, index, order, key), value, true);
      }
    });
  }
  // f(order, is_grouped, key, value) of every entry; for merge_from.
  template <class F>
  void visit_orders(F f) const {
    for (const Area* area : {&main_, &old_}) {
      for (size_t index = first_of(*area); index < area->count; ++index) {
        const Slot& slot = area->slots[index];
        if (slot.order != 0) { f(slot.order, grouped_, slot.key.value, slot.value.value); }
      }
    }
  }

  // ---- Snapshots.

  // A barrier: the snapshot is to have the entries as they are now, all of them or those that were
  // changed since the last barrier (only when that has asked for `keep_changes`). From now on
  // `tracker`, which outlives the tracking, is given entries. One snapshot at a time.
  void begin_snapshot(TableTracker<K, V>& tracker, StateContent content, bool keep_changes) {
    TIDEWHEEL_CHECK(!is_writing_, "a table is in two snapshots");
    TIDEWHEEL_CHECK(content == StateContent::kAll || keeps_changes_, "changes were not kept");
    tracker_ = &tracker;
    content_ = content;
    keeps_changes_ = keep_changes;
    is_writing_ = true;
    walk_ = Walk();
    for (Area* area : {&main_, &old_}) {
      if (content == StateContent::kChanges) { std::swap(area->before, area->dirty); }
      area->free_bits(area->dirty, memory_);
      area->free_bits(area->fresh, memory_);
      make_bits(*area);
    }
  }
  // Gives the pending entries of a group to the tracker; the groups in turn, from the first on.
  // False when ready() has said no, or when `budget`, the number of slots to look at, was used up:
  // then call it again. After it entries of this group don't come any more.
  template <class Ready>
  bool write_group(int32_t group, size_t& budget, Ready ready) {
    if (!grouped_ && !walk_.all) { restart_walk(); }
    if (walk_.group != group) {
      walk_.group = group;
      if (!walk_.all) { restart_walk(); }
    }
    for (; walk_.area < 2; ++walk_.area, walk_.entered = false) {
      if (!write_area(walk_.area == 0 ? main_ : old_, budget, ready)) { return false; }
    }
    return true;
  }
  // The snapshot has everything, or is not wanted any more.
  void end_snapshot() {
    if (!is_writing_) { return; }
    is_writing_ = false;
    walk_ = Walk();
    for (Area* area : {&main_, &old_}) {
      area->free_bits(area->before, memory_);
      area->free_bits(area->done, memory_);
    }
    if (!keeps_changes_) { tracker_ = nullptr; }
  }
  bool is_writing() const { return is_writing_; }

  // For who touches many entries for the first time within a short time, and has copies of them as
  // they were: it may tell the table of them later, when their bits have come from memory, until
  // when `find` is not used for them. A place is that of a slot, and holds until before_moves.
  template <class Q>
  const V* find_place(const Q& key, KeyHash hash, size_t& place) const {
    const uint32_t order = order_of(hash);
    const Area& area = area_of(order);
    for (size_t index = area.home_of(order);; ++index) {
      const Slot& slot = area.slots[index];
      if (slot.order == order && same_key(slot.key.value, key)) {
        place = &area == &main_ ? index : main_.count + index;
        return &slot.value.value;
      }
      if (slot.order == 0) { return nullptr; }
    }
  }
  void prefetch_place(size_t place) const {
    const Area& area = place < main_.count ? main_ : old_;
    const size_t word = (place < main_.count ? place : place - main_.count) / 64;
    for (const uint64_t* bits : {area.dirty, area.done, area.before}) {
      if (bits != nullptr) { prefetch_for_write(&bits[word]); }
    }
  }
  // The entry counts as changed. True when the snapshot under way was still to have it as it was:
  // then the caller gives it.
  bool touch_place(size_t place) {
    Area& area = place < main_.count ? main_ : old_;
    const size_t index = place < main_.count ? place : place - main_.count;
    if (area.dirty != nullptr) { Area::set(area.dirty, index); }
    if (area.done == nullptr || Area::get(area.done, index)) { return false; }
    Area::set(area.done, index);
    return is_wanted(area, index);
  }
  // Whether the table knows what was changed since the last barrier.
  bool keeps_changes() const { return keeps_changes_; }
  // As if there had been no barrier yet; for a table that is emptied to be used for something else.
  // Not while a snapshot is under way.
  void forget_changes() {
    TIDEWHEEL_CHECK(!is_writing_, "a table is in a snapshot");
    for (Area* area : {&main_, &old_}) {
      area->free_bits(area->dirty, memory_);
      area->free_bits(area->fresh, memory_);
    }
    keeps_changes_ = false;
    tracker_ = nullptr;
  }

  // Makes room for `count` entries. Needed before entries are put in the order of another table or
  // of a snapshot: in a table that grows meanwhile they would pile up at its front.
  void reserve(size_t count) {
    size_t capacity = std::max(capacity_, kCapacityMin);
    while (count > fill_limit(capacity)) { capacity *= 2; }
    if (capacity > capacity_) { rebuild(capacity, grouped_); }
  }
  // From which capacity on the table grows in steps; for tests.
  void grow_in_steps_from(size_t capacity) { stepwise_from_ = capacity; }
  // Forgets all entries; keeps the memory for as many again. What a snapshot is still to have is
  // given to it at once.
  void clear() {
    if (tracker_ != nullptr) { before_clear(); }
    if (size_ > 0) { destroy_entries(); }
    if (is_growing()) {
      drop_old();
      grow_at_ = fill_limit(capacity_);
    }
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
    if (tracker_ != nullptr) { before_clear(); }
    free_slots();
    size_ = 0;
    heap_.clear();
  }

  static size_t slot_size() { return sizeof(Slot); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  KeyGroupRange key_groups() const { return groups_; }
  int32_t max_parallelism() const { return max_parallelism_; }
  bool is_grouped() const { return grouped_; }
  bool is_growing() const { return old_.count != 0; }
  // Bytes held: slots, the heap of Text, and keys that are std::string.
  int64_t memory_bytes() const { return slot_bytes() + heap_.memory_bytes() + key_bytes_; }
  // Of these, what the entries have outside of their slots.
  int64_t outside_bytes() const { return heap_.live_bytes() + key_bytes_; }
  // How many entries slots of so many bytes have room for, also while the table grows to them.
  static size_t entries_within(int64_t bytes) {
    size_t capacity = kCapacityMin;
    while (static_cast<int64_t>(capacity * 3 * sizeof(Slot)) <= bytes) { capacity *= 2; }
    return fill_limit(capacity);
  }
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
  using Area = state_detail::TableArea<Slot>;
  static constexpr bool kTrivial =
      std::is_trivially_copyable_v<Stored<K>> && std::is_trivially_copyable_v<Stored<V>>;
  // Counted here, and told to the pool once a batch.
  static constexpr bool kKeyOwnsBytes = KeyedTableBytes<K>::kOwnsBytes;
  static constexpr size_t kCapacityMin = 16;
  static constexpr size_t kClearedCapacityMax = 4096;
  static constexpr size_t kProbeMax = 512;
  static constexpr size_t kSpillingSlotBytes = 16;  // larger ones take more lines than are worth it
  static constexpr uint64_t kNoFrontier = uint64_t{1} << 32;
  static constexpr size_t kStepwiseFrom = 32768;  // smaller tables are rebuilt in 0.3 ms
  static constexpr size_t kStepSlots = 32;        // moved by an insertion
  static constexpr size_t kVisitCost = 16;        // of an entry or a region, in slots looked at
  static constexpr size_t kDiscardBytes = size_t{2} << 20;  // of moved slots, given back at a time

  static size_t fill_limit(size_t capacity) { return capacity * 5 / 8; }
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
  int32_t group_of(const Slot& slot) const {
    if (!grouped_) { return hash_of(slot.key.value).group; }
    // order / group_step_ without a division: this is it, or one below.
    const auto count = static_cast<uint64_t>(std::max(groups_.count(), 1));
    uint64_t group = (slot.order * count) >> 32;
    group += static_cast<uint64_t>(slot.order >= (group + 1) * group_step_);
    return groups_.first + static_cast<int32_t>(group);
  }
  // The slots in which a key that belongs to `home` is most likely to be. What came while the table
  // was fuller lies some slots behind its home, so that in every second to fourth case it is in the
  // next line, which costs more than to ask for it at once.
  void prefetch_run(const Area& area, size_t home) const {
    prefetch_for_write(&area.slots[home]);
    if constexpr (sizeof(Slot) <= kSpillingSlotBytes) {
      if (size_ > capacity_ / 8 * 3) { prefetch_for_write(&area.slots[home + 3]); }
    }
  }
  Area& area_of(uint32_t order) { return order < frontier_ ? main_ : old_; }
  const Area& area_of(uint32_t order) const { return order < frontier_ ? main_ : old_; }
  // The first slot of an array that counts.
  size_t first_of(const Area& area) const { return &area == &old_ ? moved_ : 0; }

  static void give(Slot& slot, const K*& key, V*& value) {
    key = &slot.key.value;
    value = &slot.value.value;
  }
  template <class Q>
  [[gnu::noinline]] V* find_old(const Q& key, uint32_t order) {
    for (size_t index = old_.home_of(order); old_.slots[index].order != 0; ++index) {
      Slot& slot = old_.slots[index];
      if (slot.order == order && same_key(slot.key.value, key)) {
        if (tracker_ != nullptr) { touch(old_, index); }
        return &slot.value.value;
      }
    }
    return nullptr;
  }
  template <class Q>
  [[gnu::always_inline]] V& upsert_in(Area& area, const Q& key, KeyHash hash, uint32_t order,
                                      bool& inserted) {
    size_t index = area.home_of(order);
    for (;; ++index) {
      Slot& slot = area.slots[index];
      if (slot.order == order && same_key(slot.key.value, key)) {
        if (tracker_ != nullptr) [[unlikely]] { touch(area, index); }
        inserted = false;
        return slot.value.value;
      }
      if (slot.order == 0) { break; }
    }
    inserted = true;
    return insert_at(area, index, hash, order, key);
  }
  template <class Q>
  [[gnu::noinline]] V& upsert_old(const Q& key, KeyHash hash, uint32_t order, bool& inserted) {
    return upsert_in(old_, key, hash, order, inserted);
  }
  [[gnu::noinline]] bool next_old(Cursor& cursor, const K*& key, V*& value) {
    cursor.next_ = std::max(cursor.next_, main_.count + moved_);
    for (; cursor.next_ < main_.count + old_.count; ++cursor.next_) {
      Slot& slot = old_.slots[cursor.next_ - main_.count];
      if (slot.order == 0) { continue; }
      give(slot, key, value);
      ++cursor.next_;
      return true;
    }
    return false;
  }
  // next_in for one array, whose slot 0 the cursor has as `offset`, and the orders [begin, end) in
  // it.
  bool next_in_area(Area& area, size_t offset, int32_t group, uint64_t begin, uint64_t end,
                    Cursor& cursor, const K*& key, V*& value) {
    for (; cursor.next_ < offset + area.count; ++cursor.next_) {
      const size_t index = cursor.next_ - offset;
      Slot& slot = area.slots[index];
      if (slot.order == 0) {
        // Behind the group's own region, an empty slot ends what spilled over.
        if (grouped_ && index >= (end - 1) >> area.shift) { return false; }
        continue;
      }
      const bool matches = grouped_ ? slot.order >= begin && slot.order < end
                                    : hash_of(slot.key.value).group == group;
      if (matches) {
        give(slot, key, value);
        ++cursor.next_;
        return true;
      }
    }
    return false;
  }

  // While the table grows `grow_at_` is 0, so that each insertion comes by.
  bool needs_room(const Area& area, size_t index, uint32_t order) const {
    return size_ >= grow_at_ || index + 1 >= area.count ||
           index - area.home_of(order) >= probe_max_;
  }
  template <class Q>
  V& insert_at(Area& area, size_t index, KeyHash hash, uint32_t order, const Q& key) {
    if (needs_room(area, index, order)) [[unlikely]] {
      index = make_room(hash, order);
      return construct(area_of(order), index, order, key);
    }
    return construct(area, index, order, key);
  }
  template <class Q>
  V& construct(Area& area, size_t index, uint32_t order, const Q& key) {
    Slot& slot = area.slots[index];
    state_detail::make_stored<K>(&slot.key, key, heap_);
    new (&slot.value) Stored<V>();
    if constexpr (kKeyOwnsBytes) { key_bytes_ += KeyedTableBytes<K>::of(slot.key.value); }
    slot.order = order;
    ++size_;
    if (tracker_ != nullptr) [[unlikely]] { note_inserted(area, index); }
    return slot.value.value;
  }

  // Changes the table until there is a slot for the key, in area_of(order); `order` may change on
  // the way.
  [[gnu::noinline]] size_t make_room(KeyHash hash, uint32_t& order) {
    if (is_growing()) { move_some(kStepSlots); }
    for (;;) {
      if (!is_growing() && size_ >= grow_at_) {
        grow();
        order = order_of(hash);
      }
      const Area& area = area_of(order);
      size_t index = area.home_of(order);
      while (area.slots[index].order != 0) { ++index; }
      const bool is_last = index + 1 >= area.count;
      if (!is_last && index - area.home_of(order) < probe_max_) { return index; }
      if (is_growing()) {
        finish_growing();
      } else if (is_last) {
        extend_tail();
      } else {
        spread();
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
    if (capacity_ < stepwise_from_) { return rebuild(capacity, grouped_); }
    if (tracker_ != nullptr) { tracker_->before_moves(); }
    old_ = std::exchange(main_, Area());
    allocate(capacity, tail_of(capacity));
    grow_at_ = 0;
    frontier_ = moved_ = discarded_ = 0;
    restart_walk();
  }
  // Moves whole runs from the old array to the new one, `slots` slots at least.
  void move_some(size_t slots) {
    if (tracker_ != nullptr) { tracker_->before_moves(); }
    const size_t enough = std::min(moved_ + slots, old_.count);
    size_t from = moved_;
    for (; from < old_.count; ++from) {
      Slot& slot = old_.slots[from];
      if (slot.order == 0) {
        if (from < enough) { continue; }
        break;
      }
      size_t index = main_.home_of(slot.order);
      while (main_.slots[index].order != 0) { ++index; }
      if (index + 1 >= main_.count) { extend_tail(); }
      if (tracker_ != nullptr) { move_bits(old_, from, main_, index); }
      move_slot(main_.slots[index], slot);
    }
    moved_ = from;
    if ((moved_ - discarded_) * sizeof(Slot) >= kDiscardBytes) {
      discard_pages(old_.slots, old_.count * sizeof(Slot), discarded_ * sizeof(Slot),
                    moved_ * sizeof(Slot));
      // What is behind the last whole page goes with the next part.
      discarded_ = moved_ * sizeof(Slot) / kDiscardBytes * kDiscardBytes / sizeof(Slot);
    }
    frontier_ = uint64_t{from} << old_.shift;
    // At an empty slot behind the last home nothing is left.
    if (frontier_ >= kNoFrontier) {
      drop_old();
      grow_at_ = fill_limit(capacity_);
    }
  }
  void finish_growing() {
    while (is_growing()) { move_some(old_.count); }
  }
  // The old array has no entries any more.
  void drop_old() {
    free_area(old_);
    moved_ = 0;
    frontier_ = kNoFrontier;
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
    for_each([&](const K& key, const V&) {
      ++sizes[static_cast<size_t>(hash_of(key).group - groups_.first)];
    });
    const size_t region = capacity_ / sizes.size();
    if (*std::max_element(sizes.begin(), sizes.end()) > region + kProbeMax / 2) {
      not_regrouped_size_ = size_;
    } else {
      rebuild(capacity_, true);
    }
  }

  static size_t tail_of(size_t capacity) { return std::clamp<size_t>(capacity / 4, 8, 256); }
  void rebuild(size_t capacity, bool grouped) {
    finish_growing();
    if (tracker_ != nullptr) { tracker_->before_moves(); }
    Area from = std::exchange(main_, Area());
    const bool same_orders = grouped == grouped_;
    set_grouped(grouped);
    allocate(capacity, tail_of(capacity));
    restart_walk();
    for (size_t at = 0; at < from.count; ++at) {
      Slot& slot = from.slots[at];
      if (slot.order == 0) { continue; }
      const uint32_t order = same_orders ? slot.order : order_of(hash_of(slot.key.value));
      size_t index = main_.home_of(order);
      while (main_.slots[index].order != 0) { ++index; }
      if (index + 1 >= main_.count) { extend_tail(); }
      if (tracker_ != nullptr) { carry_bits(from, at, main_, index); }
      move_slot(main_.slots[index], slot);
      main_.slots[index].order = order;
    }
    free_area(from);
  }
  // Appends slots behind the last; the others stay where they are.
  void extend_tail() {
    if (tracker_ != nullptr) { tracker_->before_moves(); }
    Area from = std::exchange(main_, Area());
    const size_t grow_at = grow_at_;
    allocate(capacity_, (from.count - capacity_) * 2);
    grow_at_ = grow_at;
    for (size_t index = 0; index < from.count; ++index) {
      if (from.slots[index].order == 0) { continue; }
      if (tracker_ != nullptr) { carry_bits(from, index, main_, index); }
      move_slot(main_.slots[index], from.slots[index]);
    }
    free_area(from);
  }
  void allocate(size_t capacity, size_t tail) {
    main_.count = capacity + tail;
    memory_.reserve(static_cast<int64_t>(main_.count * sizeof(Slot)));
    main_.slots = static_cast<Slot*>(allocate_zeroed(main_.count * sizeof(Slot)));
    main_.shift = 32 - static_cast<uint32_t>(__builtin_ctzll(capacity));
    capacity_ = capacity;
    grow_at_ = fill_limit(capacity);
    if (tracker_ != nullptr) { make_bits(main_); }
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

  void account_key_bytes() {
    if (key_bytes_ > accounted_key_bytes_) {
      memory_.reserve(key_bytes_ - accounted_key_bytes_);
    } else {
      memory_.release(accounted_key_bytes_ - key_bytes_);
    }
    accounted_key_bytes_ = key_bytes_;
  }

  void erase_index(Area& area, size_t hole) {
    if (tracker_ != nullptr) [[unlikely]] {
      tracker_->before_moves();
      note_erased(area, hole);
    }
    if constexpr (kKeyOwnsBytes) {
      key_bytes_ -= KeyedTableBytes<K>::of(area.slots[hole].key.value);
    }
    state_detail::destroy_stored(area.slots[hole].key, heap_);
    state_detail::destroy_stored(area.slots[hole].value, heap_);
    --size_;
    // Later entries of the same run that may live in the hole move into it, so that no probe is
    // cut.
    for (size_t index = hole + 1; area.slots[index].order != 0; ++index) {
      if (area.home_of(area.slots[index].order) <= hole) {
        if (tracker_ != nullptr) [[unlikely]] { move_bits(area, index, area, hole); }
        move_slot(area.slots[hole], area.slots[index]);
        hole = index;
      }
    }
    area.slots[hole].order = 0;
  }
  void destroy_entries() {
    if constexpr (kKeyOwnsBytes) {
      key_bytes_ = 0;
      account_key_bytes();
    }
    if constexpr (!std::is_trivially_destructible_v<K> || !std::is_trivially_destructible_v<V>) {
      for (Area* area : {&main_, &old_}) {
        for (size_t index = first_of(*area); index < area->count; ++index) {
          Slot& slot = area->slots[index];
          if (slot.order == 0) { continue; }
          slot.key.~Stored<K>();
          slot.value.~Stored<V>();
        }
      }
    }
  }
  void wipe() {
    if constexpr (sizeof(Slot) <= 64) {
      std::memset(static_cast<void*>(main_.slots), 0, main_.count * sizeof(Slot));
    } else {
      for (size_t index = 0; index < main_.count; ++index) { main_.slots[index].order = 0; }
    }
  }
  void free_slots() {
    if (size_ > 0) { destroy_entries(); }
    free_memory();
  }
  void free_memory() {
    drop_old();
    free_area(main_);
    capacity_ = grow_at_ = 0;
  }
  void free_area(Area& area) {
    if (area.count == 0) { return; }
    for (uint64_t** bits : {&area.dirty, &area.fresh, &area.done, &area.before}) {
      area.free_bits(*bits, memory_);
    }
    free_zeroed(area.slots, area.count * sizeof(Slot));
    memory_.release(static_cast<int64_t>(area.count * sizeof(Slot)));
    area = Area();
  }
  int64_t slot_bytes() const {
    return static_cast<int64_t>((main_.count + old_.count) * sizeof(Slot));
  }

  // ---- Tracking. Before an entry is changed, moved or erased, and after one was made.

  // Makes the bits that an array of this moment has to have.
  void make_bits(Area& area) {
    if (keeps_changes_) {
      area.make_bits(area.dirty, memory_);
      area.make_bits(area.fresh, memory_);
    }
    if (!is_writing_) { return; }
    area.make_bits(area.done, memory_);
    if (content_ == StateContent::kChanges && area.before == nullptr) {
      area.make_bits(area.before, memory_);
    }
  }
  // Whether an entry was touched since the barrier, so that there is nothing to be done for it:
  // one look at one word, which `prefetch` has fetched.
  bool is_touched(const Area& area, size_t index) const {
    return area.dirty != nullptr ? Area::get(area.dirty, index)
                                 : area.done == nullptr || Area::get(area.done, index);
  }
  void touch(Area& area, size_t index) {
    if (!is_touched(area, index)) { touch_first(area, index); }
  }
  // Out of line, so that tables that nobody tracks are as fast as ever.
  [[gnu::noinline]] void touch_first(Area& area, size_t index) {
    if (area.dirty != nullptr) { Area::set(area.dirty, index); }
    if (area.done != nullptr && !Area::get(area.done, index)) { write_early(area, index); }
  }
  void write_early(Area& area, size_t index) {
    Area::set(area.done, index);
    if (is_wanted(area, index)) { give_to_tracker(area.slots[index]); }
  }
  void give_to_tracker(Slot& slot) {
    tracker_->entry(group_of(slot), std::as_const(slot.key.value), slot.value.value);
  }
  // Whether an entry that is not done is to be written.
  bool is_wanted(const Area& area, size_t index) const {
    return area.before == nullptr || Area::get(area.before, index) ||
           tracker_->is_whole(group_of(area.slots[index]));
  }
  [[gnu::noinline, gnu::cold]] void note_inserted(Area& area, size_t index) {
    if (area.dirty != nullptr) {
      Area::set(area.dirty, index);
      Area::set(area.fresh, index);
    }
    if (area.done != nullptr) { Area::set(area.done, index); }
  }
  [[gnu::noinline, gnu::cold]] void note_erased(Area& area, size_t index) {
    if (area.done != nullptr && !Area::get(area.done, index)) { write_early(area, index); }
    if (area.dirty == nullptr) { return; }
    if (!Area::get(area.fresh, index)) {
      tracker_->erased(group_of(area.slots[index]), std::as_const(area.slots[index].key.value));
    }
    Area::put(area.dirty, index, false);
    Area::put(area.fresh, index, false);
  }
  // Before the entry at `from` moves to `to`, which the walk may have passed already: if the walk
  // is at its group, it is written first.
  void move_bits(Area& from_area, size_t from, Area& to_area, size_t to) {
    if (from_area.done != nullptr && !Area::get(from_area.done, from) &&
        (walk_.all || group_of(from_area.slots[from]) == walk_.group)) {
      write_early(from_area, from);
    }
    carry_bits(from_area, from, to_area, to);
    if (from_area.dirty != nullptr) {
      Area::put(from_area.dirty, from, false);
      Area::put(from_area.fresh, from, false);
    }
  }
  static void carry_bits(const Area& from_area, size_t from, Area& to_area, size_t to) {
    if (from_area.dirty != nullptr) {
      Area::put(to_area.dirty, to, Area::get(from_area.dirty, from));
      Area::put(to_area.fresh, to, Area::get(from_area.fresh, from));
    }
    if (from_area.done != nullptr) { Area::put(to_area.done, to, Area::get(from_area.done, from)); }
    if (from_area.before != nullptr) {
      Area::put(to_area.before, to, Area::get(from_area.before, from));
    }
  }
  // All entries are about to go.
  void before_clear() {
    if (size_ == 0) { return; }
    tracker_->before_moves();
    for (Area* area : {&main_, &old_}) {
      if (area->done == nullptr) { continue; }
      for (size_t index = first_of(*area); index < area->count; ++index) {
        if (area->slots[index].order == 0 || Area::get(area->done, index)) { continue; }
        write_early(*area, index);
      }
    }
    if (keeps_changes_) {
      tracker_->cleared();
      main_.clear_bits(main_.dirty);
      main_.clear_bits(main_.fresh);
    }
  }

  // ---- The walk of a snapshot: group by group over the region of each in the new array and then
  // in the old one. A table that is not in the order of groups is walked once from end to end, at
  // the first group's turn; the tracker keeps what belongs to later groups.

  struct Walk {
    int32_t group = -1;    // whose turn it is
    bool all = false;      // from end to end
    int area = 0;          // 0: the new array, 1: the old one, 2: at the end
    bool entered = false;  // `index` is in that array
    size_t index = 0;
  };
  // After the slots have changed their places; what is done is passed over.
  void restart_walk() {
    if (walk_.all && walk_.area == 2) { return; }  // nothing is pending
    walk_.all = walk_.all || !grouped_;
    walk_.area = 0;
    walk_.entered = false;
  }
  template <class Ready>
  bool write_area(Area& area, size_t& budget, Ready& ready) {
    if (area.count == 0) { return true; }
    size_t first = first_of(area);
    size_t last = area.count - 1;
    if (!walk_.all) {
      const uint64_t begin = order_begin(walk_.group);
      const uint64_t end = begin + group_step_;
      const uint64_t begin_here = &area == &old_ ? std::max(begin, frontier_) : begin;
      const uint64_t end_here = &area == &old_ ? end : std::min(end, frontier_);
      if (begin_here >= end_here) { return true; }
      first = begin_here >> area.shift;
      last = (end_here - 1) >> area.shift;
    }
    walk_.index = walk_.entered ? std::max(walk_.index, first) : first;
    walk_.entered = true;
    if (budget == 0) { return false; }
    budget -= std::min(budget, kVisitCost);
    return write_slots(area, last, budget, ready);
  }
  // Goes on to `last`, and to the end of what spilled over behind it. Entries come in bunches, for
  // which the tracker can fetch what it needs: rows elsewhere would be a miss each.
  template <class Ready>
  bool write_slots(Area& area, size_t last, size_t& budget, Ready& ready) {
    const bool whole = area.before == nullptr || walk_.all || tracker_->is_whole(walk_.group);
    size_t& index = walk_.index;
    // While one bunch is written, what the tracker needs of the next one is on its way to the
    // cache, and so are the slots of the one after that.
    Bunch bunches[3];
    gather(area, index, last, whole, bunches[0]);
    gather(area, bunches[0].end, last, whole, bunches[1]);
    fetch_filled(area, bunches[0]);
    for (size_t turn = 0; index <= last; ++turn) {
      Bunch& bunch = bunches[turn % 3];
      Bunch& next = bunches[(turn + 1) % 3];
      if (budget == 0) { return false; }
      budget -= std::min(budget, bunch.end - index);
      gather(area, next.end, last, whole, bunches[(turn + 2) % 3]);
      fetch_filled(area, next);
      for (size_t i = 0; i < bunch.size; ++i) {
        index = bunch.slots[i];
        if (!write_slot(area, index, budget, ready)) { return false; }
      }
      index = bunch.end;
    }
    for (; index < area.count && area.slots[index].order != 0; ++index) {
      if (!write_slot(area, index, budget, ready)) { return false; }
    }
    return true;
  }
  // Slots that may have a pending entry.
  struct Bunch {
    static constexpr size_t kEnough = 32;
    static constexpr size_t kWordsMax = 32;
    static constexpr size_t kSlots = kEnough + 63;
    size_t end = 0;  // where the next one begins
    size_t size = 0;
    std::array<size_t, kSlots> slots;
  };
  // Takes what comes next from `from` on, up to `last`, and has it fetched.
  void gather(Area& area, size_t from, size_t last, bool whole, Bunch& bunch) {
    bunch.size = 0;
    for (size_t words = 0; from <= last && bunch.size < Bunch::kEnough; ++words) {
      if (words == Bunch::kWordsMax) { break; }
      const size_t word = from / 64;
      const size_t end = std::min(word * 64 + 64, last + 1);
      uint64_t candidates = ~area.done[word] & (~uint64_t{0} << (from % 64));
      if (end % 64 != 0) { candidates &= (uint64_t{1} << (end % 64)) - 1; }
      if (!whole) { candidates &= area.before[word]; }
      for (; candidates != 0; candidates &= candidates - 1) {
        const size_t index = word * 64 + static_cast<size_t>(__builtin_ctzll(candidates));
        bunch.slots[bunch.size++] = index;
        if (!whole) { prefetch_for_write(&area.slots[index]); }  // else they are side by side
      }
      from = end;
    }
    bunch.end = from;
  }
  // Drops the empty slots of a bunch, and tells the tracker of the others.
  void fetch_filled(Area& area, Bunch& bunch) {
    std::array<V*, Bunch::kSlots> values;
    size_t count = 0;
    for (size_t i = 0; i < bunch.size; ++i) {
      const size_t index = bunch.slots[i];
      Slot& slot = area.slots[index];
      bunch.slots[count] = index;
      values[count] = &slot.value.value;
      count += static_cast<size_t>(slot.order != 0);
    }
    bunch.size = count;
    if (count > 0) { tracker_->fetch_ahead(std::span<V* const>(values.data(), count)); }
  }
  // False when the entry has its turn, and ready() says no.
  template <class Ready>
  bool write_slot(Area& area, size_t index, size_t& budget, Ready& ready) {
    Slot& slot = area.slots[index];
    const bool has_turn = grouped_ ? slot.order - order_begin(walk_.group) < group_step_
                                   : group_of(slot) == walk_.group;
    if (!has_turn && !walk_.all) { return true; }
    if (Area::get(area.done, index) || !is_wanted(area, index)) { return true; }
    if (has_turn && !ready()) { return false; }
    budget -= std::min(budget, kVisitCost);
    Area::set(area.done, index);
    tracker_->entry(has_turn ? walk_.group : group_of(slot), std::as_const(slot.key.value),
                    slot.value.value);
    return true;
  }

  // What every lookup needs comes first.
  uint64_t frontier_ = kNoFrontier;        // orders from here on are in old_
  TableTracker<K, V>* tracker_ = nullptr;  // null: nothing is tracked
  uint64_t group_step_ = 0;
  const KeyGroupRange groups_;
  const int32_t max_parallelism_;
  bool grouped_ = true;
  bool keeps_changes_ = false;  // `dirty` and `fresh` are kept
  bool is_writing_ = false;     // a snapshot is under way
  StateContent content_ = StateContent::kAll;
  size_t size_ = 0;
  size_t grow_at_ = 0;  // size at which the table grows
  Area main_;
  size_t capacity_ = 0;  // slots that orders are scaled to; a power of two, or 0
  size_t probe_max_ = kProbeMax;
  size_t not_regrouped_size_ = 0;  // size at which regroup was last in vain
  Area old_;                       // while the table grows; no slots otherwise
  size_t moved_ = 0;               // slots of old_ that have been moved
  size_t discarded_ = 0;           // of these, whose memory was given back
  size_t stepwise_from_ = kStepwiseFrom;
  Walk walk_;
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
