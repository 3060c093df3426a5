// The values that DISTINCT calls have had under a key, where none is taken back: a hash table of
// values in the state's heap, with a bit for each call that counts it. Calls with the same
// arguments share it, whatever their filters.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/prefetch.h"
#include "tidewheel/state/cells.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/row_store.h"
#include "tidewheel/types/hash.h"
#include "tidewheel/types/stored.h"

namespace tidewheel::sql {

// What all sets have in common, whatever their values. `calls` are the names of the calls, by bit:
// in a snapshot they may be in another order, and there may be more.
class DistinctSetLayout {
 public:
  static constexpr size_t kCallsMax = 56;

  explicit DistinctSetLayout(std::vector<std::string> calls) : calls_(std::move(calls)) {}
  // A row of truth values, by call.
  Schema schema() const;
  void encode(uint64_t bits, Writer& out) const;
  // Gets ready for values of another schema. Errors: kSchemaMismatch, naming the call that it
  // lacks.
  Status open_restore(const StateMeta& meta);
  uint64_t decode(Reader& in) const;

 private:
  std::vector<std::string> calls_;
  std::vector<uint64_t> restored_;  // the bit of each call of the snapshot; 0: it is gone
};

// K: int64_t or Text.
template <class K>
class DistinctSetCell final : public KeyedCell {
 public:
  static Result<DistinctSetCell*> declare(KeyedState& state, const std::string& name,
                                          const StateOptions& options,
                                          std::vector<std::string> calls) {
    auto cell = std::make_unique<DistinctSetCell>(state, name, options,
                                                  DistinctSetLayout(std::move(calls)));
    TIDEWHEEL_ASSIGN_OR_RETURN(KeyedCell* const adopted,
                               state.adopt(std::move(cell), sizeof(Table), alignof(Table)));
    return static_cast<DistinctSetCell*>(adopted);
  }
  DistinctSetCell(KeyedState& owner, const std::string& name, const StateOptions& options,
                  DistinctSetLayout layout)
      : KeyedCell(owner, make_meta(name, options, layout), options), layout_(std::move(layout)) {}

  static uint64_t hash_of(const K& key) { return hash64(key); }
  // Has the table at hand that `prefetch` then looks at.
  void prefetch_table(std::byte* row) const { prefetch_for_write(row + offset()); }
  void prefetch(std::byte* row, uint64_t hash) const {
    if (!KeyedState::has(row, bit())) { return; }
    const Table& of_key = table(row);
    prefetch_for_write(entries_of(of_key) + (hash & (of_key.capacity - 1)));
  }
  // Gives the value of a key the bits `bits`; returns those that it had not. In front of a backend
  // the key has to be current.
  uint64_t add(std::byte* row, const K& key, uint64_t hash, uint64_t bits) {
    RowStore* const store = state().row_store();
    if (!KeyedState::has(row, bit())) [[unlikely]] {
      make_empty(row);
      if (store != nullptr) { store->note_new(row, *this); }
    }
    Entry* entry = find(table(row), key, hash);
    if (entry == nullptr && store != nullptr) [[unlikely]] { entry = load_entry(row, key, hash); }
    if (entry == nullptr) { entry = &insert(table(row), key, hash); }
    if (ttl_ms() > 0) {
      if (is_expired(stamp(table(row), *entry))) { entry->marks = kUsed; }
      stamp(table(row), *entry) = state().now_ms();
      entry->marks |= kChanged;
    }
    const uint64_t added = bits & ~entry->marks;
    if (added != 0) { entry->marks |= added | kChanged; }
    return added;
  }

  // The same for many values of one row, whose bits are not 0: a loop over one table. Without a
  // TTL, and not in front of a backend.
  bool can_add_together() const { return ttl_ms() == 0 && state().row_store() == nullptr; }
  template <class KeyAt>
  void add_together(std::byte* row, std::span<const uint64_t> hashes, KeyAt key_at,
                    const uint64_t* bits, uint64_t* added) {
    if (!KeyedState::has(row, bit())) { make_empty(row); }
    Table& of_key = table(row);
    Entry* entries = entries_of(of_key);
    uint64_t mask = of_key.capacity - 1;
    for (size_t i = 0; i < hashes.size(); ++i) {
      if (i + kAhead < hashes.size()) { prefetch_for_write(entries + (hashes[i + kAhead] & mask)); }
      const K& key = key_at(i);
      uint64_t place = hashes[i] & mask;
      while (entries[place].marks != 0 && !(entries[place].key.value == key)) {
        place = (place + 1) & mask;
      }
      Entry* entry = entries + place;
      if (entry->marks == 0) [[unlikely]] {
        entry = &insert(of_key, key, hashes[i]);
        entries = entries_of(of_key);
        mask = of_key.capacity - 1;
      }
      added[i] = bits[i] & ~entry->marks;
      if (added[i] != 0) { entry->marks |= added[i] | kChanged; }
    }
  }

  // Calls f(value, bits) for each value of a key. In front of a backend the key has to be current.
  template <class F>
  void for_each_value(std::byte* row, F f) {
    if (!KeyedState::has(row, bit())) { return; }
    load_all(row);
    const Table& of_key = table(row);
    for_each(of_key, [&](Entry& entry) {
      if (!is_gone(of_key, entry)) { f(entry.key.value, entry.marks & kCalls); }
    });
  }

  void destroy(std::byte* row) override {
    Table& gone = table(row);
    for_each(gone, [&](Entry& entry) { entry.key.release(state().heap()); });
    state().heap().free(gone.block);
  }
  bool goes_with_heap() const override { return true; }
  bool expire(std::byte* row) override {
    Table& from = table(row);
    const bool any = count_if(from, [&](Entry& entry) { return is_gone(from, entry); }) > 0;
    if (any) { rebuild(from, from.capacity); }
    return from.size == 0;
  }
  bool has_entries() const override { return true; }
  bool stamp_comes_first() const override { return ttl_ms() > 0; }
  void make_empty(std::byte* row) override {
    new (&table(row)) Table();
    rebuild(table(row), kCapacityMin);
    KeyedState::head_of(row) |= bit();
  }
  bool has_any(std::byte* row) override {
    const Table& of_key = table(row);
    if (count_if(of_key, [&](Entry& entry) { return !is_gone(of_key, entry); }) > 0) {
      return true;
    }
    bool any = false;
    RowStore* const store = state().row_store();
    if (store != nullptr && !store->is_complete(row, *this)) {
      store->for_each_entry(*this, [&](const StateEntry&) { any = true; });
    }
    return any;
  }
  void write_changes(std::byte* row, EntryChanges& changes) override {
    Table& from = table(row);
    bool any_gone = false;
    for_each(from, [&](Entry& entry) {
      if ((entry.marks & kChanged) == 0) { return; }
      entry.marks &= ~kChanged;
      const std::string_view name_space = key_bytes_.encode(entry.key.value);
      if (is_gone(from, entry)) {
        changes.erase(name_space);
        any_gone = true;
      } else {
        changes.put(name_space, encode_value(from, entry));
      }
    });
    if (any_gone) { rebuild(from, from.capacity); }
  }
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override {
    const Table& from = table(row);
    for_each(from, [&](Entry& one) {
      if (is_gone(from, one)) { return; }
      entry.name_space = key_bytes_.encode(one.key.value);
      entry.value = encode_value(from, one);
      writer.add(entry);
    });
  }
  Status open_restore(const StateMeta& meta) override {
    TIDEWHEEL_RETURN_IF_ERROR(check_form(meta, kForm, has_stamps_));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto keys, StateDecoder<K>::make(meta, meta.namespace_schema));
    keys_ = std::make_unique<StateDecoder<K>>(std::move(keys));
    return layout_.open_restore(meta);
  }
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override {
    if (is_new) { make_empty(row); }
    Entry* read = nullptr;
    return read_entry(table(row), entry, read);
  }

 private:
  static constexpr char kForm[] = "map distinct";
  static constexpr size_t kAhead = 16;  // values whose places are fetched ahead
  static constexpr uint32_t kCapacityMin = 4;
  // Of an entry's marks; the bits of calls are below.
  static constexpr uint64_t kUsed = uint64_t{1} << 63;
  static constexpr uint64_t kChanged = uint64_t{1} << 62;  // since it was written to the backend
  static constexpr uint64_t kCalls = (uint64_t{1} << DistinctSetLayout::kCallsMax) - 1;
  struct Entry {
    Stored<K> key;
    uint64_t marks = 0;  // 0: nothing is there
  };
  // Open addressing, at most three quarters full. Behind the entries, with a TTL, are the times of
  // their last use.
  struct Table {
    TextBlock block;
    uint32_t capacity = 0;  // a power of two
    uint32_t size = 0;
  };

  static StateMeta make_meta(const std::string& name, const StateOptions& options,
                             const DistinctSetLayout& layout) {
    StateMeta meta = state_detail::cell_meta(name, kForm, options);
    meta.namespace_schema = encoded_schema<K>();
    meta.value_schema = layout.schema().encode();
    return meta;
  }
  Table& table(std::byte* row) const { return *reinterpret_cast<Table*>(row + offset()); }
  Entry* entries_of(const Table& from) const {
    return reinterpret_cast<Entry*>(state().heap().address(from.block));
  }
  int64_t& stamp(const Table& from, const Entry& entry) const {
    auto* const stamps = reinterpret_cast<int64_t*>(entries_of(from) + from.capacity);
    return stamps[&entry - entries_of(from)];
  }
  bool is_gone(const Table& from, const Entry& entry) const {
    return ttl_ms() > 0 && is_expired(stamp(from, entry));
  }
  template <class F>
  void for_each(const Table& from, F f) const {
    Entry* const entries = entries_of(from);
    for (uint32_t i = 0; i < from.capacity; ++i) {
      if (entries[i].marks != 0) { f(entries[i]); }
    }
  }
  template <class F>
  uint32_t count_if(const Table& from, F f) const {
    uint32_t count = 0;
    for_each(from, [&](Entry& entry) { count += f(entry) ? 1 : 0; });
    return count;
  }
  Entry* find(const Table& from, const K& key, uint64_t hash) const {
    Entry* const entries = entries_of(from);
    for (uint64_t i = hash;; ++i) {
      Entry& entry = entries[i & (from.capacity - 1)];
      if (entry.marks == 0) { return nullptr; }
      if (entry.key.value == key) { return &entry; }
    }
  }
  // A free slot for a value that is not there.
  Entry& place(const Table& to, uint64_t hash) const {
    Entry* const entries = entries_of(to);
    uint64_t i = hash;
    while (entries[i & (to.capacity - 1)].marks != 0) { ++i; }
    return entries[i & (to.capacity - 1)];
  }
  Entry& insert(Table& to, const K& key, uint64_t hash) {
    if ((to.size + 1) * uint64_t{4} > to.capacity * uint64_t{3}) { rebuild(to, to.capacity * 2); }
    Entry& made = place(to, hash);
    made.key.store(key, state().heap());
    made.marks = kUsed;
    if (ttl_ms() > 0) { stamp(to, made) = state().now_ms(); }
    ++to.size;
    return made;
  }
  // Another table, of what has not expired. In front of a backend what has expired has been erased
  // there, or will be when its key comes again.
  void rebuild(Table& of_key, uint32_t capacity) {
    TextHeap& heap = state().heap();
    const size_t bytes = capacity * (sizeof(Entry) + (ttl_ms() > 0 ? sizeof(int64_t) : 0));
    Table fresh;
    fresh.block = heap.allocate(bytes);
    fresh.capacity = capacity;
    std::memset(heap.address(fresh.block), 0, bytes);
    if (of_key.capacity > 0) {
      for_each(of_key, [&](Entry& entry) {
        if (is_gone(of_key, entry)) { return entry.key.release(heap); }
        Entry& made = place(fresh, hash_of(entry.key.value));
        std::memcpy(static_cast<void*>(&made), &entry, sizeof(Entry));
        if (ttl_ms() > 0) { stamp(fresh, made) = stamp(of_key, entry); }
        ++fresh.size;
      });
    }
    heap.free(of_key.block);
    of_key = fresh;
  }
  std::string_view encode_value(const Table& from, const Entry& entry) {
    Writer& out = bytes_.writer();
    out.clear();
    if (ttl_ms() > 0) { out.fixed(stamp(from, entry)); }
    layout_.encode(entry.marks, out);
    return out.view();
  }
  // Takes an entry as it is stored; one that is there already stays as it is.
  Status read_entry(Table& to, const StateEntry& entry, Entry*& read) {
    K key{};
    TIDEWHEEL_RETURN_IF_ERROR(keys_->decode(entry.name_space, key));
    Reader reader(entry.value);
    const int64_t used_at = has_stamps_ ? reader.fixed<int64_t>() : state().now_ms();
    const uint64_t bits = layout_.decode(reader);
    TIDEWHEEL_RETURN_IF_ERROR(reader.finish());
    const uint64_t hash = hash_of(key);
    read = find(to, key, hash);
    if (read != nullptr) { return {}; }
    read = &insert(to, key, hash);
    read->marks |= bits;
    if (ttl_ms() > 0) { stamp(to, *read) = used_at; }
    return {};
  }
  // Reads a value that is not in the row; null when there is none.
  Entry* load_entry(std::byte* row, const K& key, uint64_t) {
    RowStore& store = *state().row_store();
    if (store.is_complete(row, *this)) { return nullptr; }
    StateEntry entry;
    entry.name_space = key_bytes_.encode(key);
    if (!store.find_entry(*this, entry.name_space, entry.value)) { return nullptr; }
    Entry* read = nullptr;
    const Status status = read_entry(table(row), entry, read);
    if (!status.ok()) { throw StateError(status.with_context("state {}", name())); }
    return read;
  }
  void load_all(std::byte* row) {
    RowStore* const store = state().row_store();
    if (store == nullptr || store->is_complete(row, *this)) { return; }
    Status status;
    store->for_each_entry(*this, [&](const StateEntry& entry) {
      Entry* read = nullptr;
      if (status.ok()) { status = read_entry(table(row), entry, read); }
    });
    if (!status.ok()) { throw StateError(status.with_context("state {}", name())); }
    store->note_complete(row, *this);
  }
  KeyedState& state() const { return mutable_state(); }

  DistinctSetLayout layout_;
  StateBytes bytes_;
  StateBytes key_bytes_;
  bool has_stamps_ = false;  // of the snapshot that is read
  std::unique_ptr<StateDecoder<K>> keys_;
};

}  // namespace tidewheel::sql
