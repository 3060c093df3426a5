// The cells of keyed state: what a value, a list, a map and a named timer look like in a row. Used
// through the handles (handles.h).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "tidewheel/state/codec.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/row_store.h"
#include "tidewheel/state/sorted_blocks.h"
#include "tidewheel/state/state_options.h"
#include "tidewheel/types/stored.h"

namespace tidewheel {

namespace state_detail {
inline StateMeta cell_meta(const std::string& name, std::string_view form,
                           const StateOptions& options) {
  StateMeta meta;
  meta.name = name;
  meta.form = form;
  if (options.ttl.count() > 0) { meta.form += "+ttl"; }
  return meta;
}
inline StateMeta with_value_schema(StateMeta meta, const std::string& schema) {
  meta.value_schema = schema;
  return meta;
}
}  // namespace state_detail

// One value, and the time of its last use when it has a TTL.
template <class T>
class ValueCell : public KeyedCell {
 public:
  using Item = Stored<T>;
  static size_t size_of(const StateOptions& options) {
    return options.ttl.count() > 0 ? kStampAt + sizeof(int64_t) : sizeof(Item);
  }
  static size_t alignment_of(const StateOptions& options) {
    return options.ttl.count() > 0 ? std::max(alignof(Item), alignof(int64_t)) : alignof(Item);
  }
  ValueCell(KeyedState& owner, const std::string& name, const StateOptions& options)
      : ValueCell(owner, name, options, "value") {}

  Item& item(std::byte* row) const { return *reinterpret_cast<Item*>(row + offset()); }
  // The value, if it is there and has not expired.
  Item* find(std::byte* row) {
    if (!KeyedState::has(row, bit())) { return nullptr; }
    if (ttl_ms() > 0) {
      if (is_expired(stamp(row))) {
        state().clear_cell(row, *this);
        return nullptr;
      }
      if (ttl_on_read()) { stamp(row) = state().now_ms(); }
    }
    return &item(row);
  }
  // The value to be changed; made when there is none.
  Item& open(std::byte* row) {
    if (KeyedState::has(row, bit())) {
      if (is_expired(ttl_ms() > 0 ? stamp(row) : 0)) {
        item(row).release(state().heap());
        item(row) = Item();
      }
    } else {
      new (&item(row)) Item();
      KeyedState::head_of(row) |= bit();
    }
    if (ttl_ms() > 0) { stamp(row) = state().now_ms(); }
    return item(row);
  }
  TextHeap& heap() { return state().heap(); }

  void destroy(std::byte* row) override {
    item(row).release(state().heap());
    item(row).~Item();
  }
  bool goes_with_heap() const override { return std::is_trivially_destructible_v<Item>; }
  bool is_plain() const override {
    return !Item::kUsesHeap && std::is_trivially_copy_constructible_v<T> &&
           std::is_trivially_destructible_v<Item>;
  }
  bool stamp_comes_first() const override { return ttl_ms() > 0; }
  bool is_always_written() const override { return ttl_ms() == 0; }
  bool expire(std::byte* row) override { return is_expired(stamp(row)); }
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override {
    Writer& out = bytes_.writer();
    out.clear();
    if (ttl_ms() > 0) {
      if (is_expired(stamp(row))) { return; }
      out.fixed(stamp(row));
    }
    encode(out, item(row).value);
    entry.value = out.view();
    writer.add(entry);
  }
  Status open_restore(const StateMeta& meta) override {
    TIDEWHEEL_RETURN_IF_ERROR(check_form(meta, form_, has_stamps_));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto decoder, StateDecoder<T>::make(meta, meta.value_schema));
    decoder_ = std::make_unique<StateDecoder<T>>(std::move(decoder));
    return ok_status();
  }
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override {
    Reader reader(entry.value);
    const int64_t used_at = has_stamps_ ? reader.fixed<int64_t>() : state().now_ms();
    T value{};
    decoder_->decode(reader, value);
    TIDEWHEEL_RETURN_IF_ERROR(reader.finish());
    if (is_new) { new (&item(row)) Item(); }
    KeyedState::head_of(row) |= bit();
    item(row).store(value, state().heap());
    if (ttl_ms() > 0) { stamp(row) = used_at; }
    return ok_status();
  }

 protected:
  ValueCell(KeyedState& owner, const std::string& name, const StateOptions& options,
            std::string_view form)
      : KeyedCell(owner,
                  state_detail::with_value_schema(state_detail::cell_meta(name, form, options),
                                                  encoded_schema<T>()),
                  options),
        form_(form) {}

 private:
  static constexpr size_t kStampAt = (sizeof(Item) + 7) / 8 * 8;
  int64_t& stamp(std::byte* row) const {
    return *reinterpret_cast<int64_t*>(row + offset() + kStampAt);
  }

  const std::string_view form_;
  StateBytes bytes_;
  bool has_stamps_ = false;  // of the snapshot that is read
  std::unique_ptr<StateDecoder<T>> decoder_;
};

// The value of a KeyedTable, where that is in front of a backend: in snapshots it is the same.
template <class T>
class TableCell final : public ValueCell<T> {
 public:
  TableCell(KeyedState& owner, const std::string& name, const StateOptions& options)
      : ValueCell<T>(owner, name, options, "table") {}
};

// A list of items in one block of memory; with a TTL, the time when each was added.
template <class T>
class ListCell final : public KeyedCell {
 public:
  // Items without Text lie side by side as T.
  using Item = std::conditional_t<Stored<T>::kUsesHeap, Stored<T>, T>;
  struct List {
    Item* items = nullptr;
    int64_t* stamps = nullptr;  // null without a TTL
    uint32_t size = 0;
    uint32_t capacity = 0;
  };
  static size_t size_of(const StateOptions&) { return sizeof(List); }
  static size_t alignment_of(const StateOptions&) { return alignof(List); }
  ListCell(KeyedState& owner, const std::string& name, const StateOptions& options)
      : KeyedCell(owner,
                  state_detail::with_value_schema(state_detail::cell_meta(name, "list", options),
                                                  encoded_schema<T>()),
                  options) {}

  // The list, without what has expired; null when it is empty.
  List* find(std::byte* row) {
    if (!KeyedState::has(row, bit())) { return nullptr; }
    if (ttl_ms() > 0 && expire(row)) {
      state().clear_cell(row, *this);
      return nullptr;
    }
    return &list(row);
  }
  void add(std::byte* row, const T& item) { append(open(row), item, state().now_ms()); }
  // Makes the list empty, without ending the cell.
  void empty(List& list) {
    for (uint32_t i = 0; i < list.size; ++i) { drop(list.items[i]); }
    list.size = 0;
  }
  List& open(std::byte* row) {
    if (!KeyedState::has(row, bit())) {
      new (&list(row)) List();
      KeyedState::head_of(row) |= bit();
    }
    return list(row);
  }
  void touch(List& list) {
    if (ttl_ms() > 0) { std::fill(list.stamps, list.stamps + list.size, state().now_ms()); }
  }

  void destroy(std::byte* row) override {
    List& gone = list(row);
    empty(gone);
    free_block(gone);
  }
  // Items are in the order of their stamps unless reading renews them, and then all at once.
  bool expire(std::byte* row) override {
    List& list_ = list(row);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list_.size; ++i) {
      if (is_expired(list_.stamps[i])) {
        drop(list_.items[i]);
        continue;
      }
      if (kept != i) {
        new (&list_.items[kept]) Item(std::move(list_.items[i]));
        list_.items[i].~Item();
        list_.stamps[kept] = list_.stamps[i];
      }
      ++kept;
    }
    list_.size = kept;
    return kept == 0;
  }
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override {
    List& from = list(row);
    if (ttl_ms() > 0) { expire(row); }
    if (from.size == 0) { return; }
    Writer& out = bytes_.writer();
    out.clear();
    out.varint(from.size);
    for (uint32_t i = 0; i < from.size; ++i) {
      if (ttl_ms() > 0) { out.fixed(from.stamps[i]); }
      encode(out, value_of(from.items[i]));
    }
    entry.value = out.view();
    writer.add(entry);
  }
  Status open_restore(const StateMeta& meta) override {
    TIDEWHEEL_RETURN_IF_ERROR(check_form(meta, "list", has_stamps_));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto decoder, StateDecoder<T>::make(meta, meta.value_schema));
    decoder_ = std::make_unique<StateDecoder<T>>(std::move(decoder));
    return ok_status();
  }
  Status read(std::byte* row, bool, const StateEntry& entry) override {
    Reader reader(entry.value);
    const size_t count = reader.count();
    List& to = open(row);
    for (size_t i = 0; i < count && reader.ok(); ++i) {
      const int64_t used_at = has_stamps_ ? reader.fixed<int64_t>() : state().now_ms();
      T item{};
      decoder_->decode(reader, item);
      append(to, item, used_at);
    }
    return reader.finish();
  }

  static const T& value_of(const Item& item) {
    if constexpr (Stored<T>::kUsesHeap) {
      return item.value;
    } else {
      return item;
    }
  }

 private:
  List& list(std::byte* row) const { return *reinterpret_cast<List*>(row + offset()); }
  void drop(Item& item) {
    if constexpr (Stored<T>::kUsesHeap) { item.release(state().heap()); }
    item.~Item();
  }
  void append(List& list_, const T& item, int64_t stamp) {
    if (list_.size == list_.capacity) {
      const T kept = item;  // it may be one of the items
      grow(list_);
      return append(list_, kept, stamp);
    }
    Item* const made = new (&list_.items[list_.size]) Item();
    if constexpr (Stored<T>::kUsesHeap) {
      made->store(item, state().heap());
    } else {
      *made = item;
    }
    if (list_.stamps != nullptr) { list_.stamps[list_.size] = stamp; }
    ++list_.size;
  }
  int64_t block_bytes(uint32_t capacity) const {
    return static_cast<int64_t>(capacity * (sizeof(Item) + (ttl_ms() > 0 ? sizeof(int64_t) : 0)));
  }
  void grow(List& list_) {
    List bigger;
    bigger.capacity = std::max<uint32_t>(list_.capacity * 2, 4);
    bigger.size = list_.size;
    state().memory().reserve(block_bytes(bigger.capacity));
    bigger.items = static_cast<Item*>(
        ::operator new (bigger.capacity * sizeof(Item), std::align_val_t{alignof(Item)}));
    if (ttl_ms() > 0) { bigger.stamps = new int64_t[bigger.capacity]; }
    for (uint32_t i = 0; i < list_.size; ++i) {
      new (&bigger.items[i]) Item(std::move(list_.items[i]));
      list_.items[i].~Item();
      if (ttl_ms() > 0) { bigger.stamps[i] = list_.stamps[i]; }
    }
    free_block(list_);
    list_ = bigger;
  }
  void free_block(List& list_) {
    if (list_.capacity == 0) { return; }
    state().memory().release(block_bytes(list_.capacity));
    ::operator delete (list_.items, std::align_val_t{alignof(Item)});
    delete[] list_.stamps;
    list_ = List();
  }

  StateBytes bytes_;
  bool has_stamps_ = false;
  std::unique_ptr<StateDecoder<T>> decoder_;
};

// What maps of state are made of, keyed and broadcast.
template <class UK, class UV>
struct MapEntry {
  // In front of a backend only: the entry has to be written there, or to be erased there. One that
  // is erased counts as gone.
  static constexpr int64_t kChanged = 1;
  static constexpr int64_t kErased = 2;

  Stored<UK> key;
  Stored<UV> value;
  int64_t stamp_and_marks = 0;

  // Time of the last use; only with a TTL.
  int64_t stamp() const { return stamp_and_marks >> 2; }
  void set_stamp(int64_t time) { stamp_and_marks = time * 4 + (stamp_and_marks & 3); }
  bool has(int64_t mark) const { return (stamp_and_marks & mark) != 0; }
  void mark(int64_t mark) { stamp_and_marks |= mark; }
  void unmark(int64_t mark) { stamp_and_marks &= ~mark; }
};
template <class UK, class UV>
struct MapEntryKey {
  const UK& operator()(const MapEntry<UK, UV>& entry) const { return entry.key.value; }
};
template <class UK>
struct MapKeyLess {
  bool operator()(const UK& a, const UK& b) const { return detail::key_less(a, b); }
};
template <class UK, class UV>
using MapBlocks = SortedBlocks<MapEntry<UK, UV>, UK, MapEntryKey<UK, UV>, MapKeyLess<UK>>;

// A map from UK to UV, ordered by key; one entry of the snapshot for each of its entries.
template <class UK, class UV>
class MapCell final : public KeyedCell {
 public:
  using Entry = MapEntry<UK, UV>;
  using Blocks = MapBlocks<UK, UV>;
  using Place = typename Blocks::Place;
  static size_t size_of(const StateOptions&) { return sizeof(Blocks); }
  static size_t alignment_of(const StateOptions&) { return alignof(Blocks); }
  MapCell(KeyedState& owner, const std::string& name, const StateOptions& options)
      : KeyedCell(owner, make_meta(name, options), options) {}

  // The whole map; null when it is empty. It may have entries that are gone.
  Blocks* find(std::byte* row) const {
    if (state().row_store() != nullptr) [[unlikely]] { load_all(row); }
    return find_blocks(row);
  }
  // The entry of a key, if it is there and has not expired.
  Entry* find(std::byte* row, const UK& key) {
    Blocks* const map = find_blocks(row);
    Entry* entry = map == nullptr ? nullptr : map->find(key);
    if (entry == nullptr) [[unlikely]] {
      if (state().row_store() == nullptr || map == nullptr) { return nullptr; }
      entry = load_entry(row, key);
      if (entry == nullptr) { return nullptr; }
    }
    if (is_gone(*entry)) { return nullptr; }
    if (ttl_on_read()) {
      entry->set_stamp(state().now_ms());
      entry->mark(Entry::kChanged);
    }
    return entry;
  }
  // The entry of a key to be changed; made when there is none.
  Entry& open(std::byte* row, const UK& key) {
    RowStore* const store = state().row_store();
    if (!KeyedState::has(row, bit())) {
      make_empty(row);
      if (store != nullptr) { store->note_new(row, *this); }
    }
    if (store != nullptr && blocks(row).find(key) == nullptr) { load_entry(row, key); }
    return open_in(blocks(row), key, state().now_ms());
  }
  // False when there was none.
  bool erase(std::byte* row, const UK& key) {
    Blocks* const map = find_blocks(row);
    if (map == nullptr) { return false; }
    if (state().row_store() != nullptr) [[unlikely]] {
      Entry* entry = map->find(key);
      if (entry == nullptr) { entry = load_entry(row, key); }
      if (entry == nullptr || is_gone(*entry)) { return false; }
      mark_erased(*entry);
      return true;
    }
    const Place place = map->lower_bound(key);
    if (place == map->end() || detail::key_less(key, map->at(place).key.value)) { return false; }
    const bool was_there = !is_gone(map->at(place));
    erase_at(*map, place);
    if (map->size() == 0) { state().clear_cell(row, *this); }
    return was_there;
  }
  // Erases the entries for which `matches(const UK&, const UV&)`.
  template <class F>
  void erase_if(std::byte* row, F matches) {
    Blocks* const map = find(row);
    if (map == nullptr) { return; }
    const bool keeps_erased = state().row_store() != nullptr;
    for (Place place = map->begin(); !(place == map->end());) {
      Entry& entry = map->at(place);
      if (!is_gone(entry) && !matches(entry.key.value, entry.value.value)) {
        place = map->next(place);
      } else if (keeps_erased) {
        mark_erased(entry);
        place = map->next(place);
      } else {
        place = erase_at(*map, place);
      }
    }
    if (map->size() == 0 && !keeps_erased) { state().clear_cell(row, *this); }
  }
  bool is_gone(const Entry& entry) const {
    return entry.has(Entry::kErased) || (ttl_ms() > 0 && is_expired(entry.stamp()));
  }
  TextHeap& heap() { return state().heap(); }

  void destroy(std::byte* row) override {
    Blocks& map = blocks(row);
    if constexpr (Stored<UK>::kUsesHeap || Stored<UV>::kUsesHeap) {
      for (Place place = map.begin(); !(place == map.end()); place = map.next(place)) {
        map.at(place).key.release(state().heap());
        map.at(place).value.release(state().heap());
      }
    }
    map.clear(state().heap());
  }
  bool goes_with_heap() const override { return std::is_trivially_destructible_v<Entry>; }
  bool expire(std::byte* row) override {
    Blocks& map = blocks(row);
    for (Place place = map.begin(); !(place == map.end());) {
      place = is_gone(map.at(place)) ? erase_at(map, place) : map.next(place);
    }
    return map.size() == 0;
  }
  bool has_entries() const override { return true; }
  bool stamp_comes_first() const override { return ttl_ms() > 0; }
  void make_empty(std::byte* row) override {
    new (&blocks(row)) Blocks();
    KeyedState::head_of(row) |= bit();
  }
  bool has_any(std::byte* row) override {
    Blocks& map = *find(row);
    for (Place place = map.begin(); !(place == map.end()); place = map.next(place)) {
      if (!is_gone(map.at(place))) { return true; }
    }
    return false;
  }
  void write_changes(std::byte* row, EntryChanges& changes) override {
    Blocks& map = blocks(row);
    for (Place place = map.begin(); !(place == map.end());) {
      Entry& from = map.at(place);
      if (!from.has(Entry::kChanged)) {
        place = map.next(place);
        continue;
      }
      const std::string_view name_space = key_bytes_.encode(from.key.value);
      if (is_gone(from)) {
        changes.erase(name_space);
        place = erase_at(map, place);
        continue;
      }
      changes.put(name_space, encode_value(from));
      from.unmark(Entry::kChanged);
      place = map.next(place);
    }
  }
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override {
    Blocks& map = blocks(row);
    for (Place place = map.begin(); !(place == map.end()); place = map.next(place)) {
      const Entry& from = map.at(place);
      if (is_gone(from)) { continue; }
      entry.name_space = key_bytes_.encode(from.key.value);
      entry.value = encode_value(from);
      writer.add(entry);
    }
  }
  Status open_restore(const StateMeta& meta) override {
    TIDEWHEEL_RETURN_IF_ERROR(check_form(meta, "map", has_stamps_));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto keys, StateDecoder<UK>::make(meta, meta.namespace_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto values, StateDecoder<UV>::make(meta, meta.value_schema));
    keys_ = std::make_unique<StateDecoder<UK>>(std::move(keys));
    values_ = std::make_unique<StateDecoder<UV>>(std::move(values));
    return ok_status();
  }
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override {
    if (is_new) { make_empty(row); }
    return read_entry(blocks(row), entry, [](Entry&) {});
  }

 private:
  static StateMeta make_meta(const std::string& name, const StateOptions& options) {
    StateMeta meta = state_detail::cell_meta(name, "map", options);
    meta.namespace_schema = encoded_schema<UK>();
    meta.value_schema = encoded_schema<UV>();
    return meta;
  }
  Blocks& blocks(std::byte* row) const { return *reinterpret_cast<Blocks*>(row + offset()); }
  Blocks* find_blocks(std::byte* row) const {
    return KeyedState::has(row, bit()) ? &blocks(row) : nullptr;
  }
  std::string_view encode_value(const Entry& entry) {
    Writer& out = bytes_.writer();
    out.clear();
    if (ttl_ms() > 0) { out.fixed(entry.stamp()); }
    encode(out, entry.value.value);
    return out.view();
  }
  // Takes an entry as it is stored; one that is there already stays as it is.
  template <class F>
  Status read_entry(Blocks& map, const StateEntry& entry, F note) const {
    UK key{};
    TIDEWHEEL_RETURN_IF_ERROR(keys_->decode(entry.name_space, key));
    Reader reader(entry.value);
    const int64_t used_at = has_stamps_ ? reader.fixed<int64_t>() : state().now_ms();
    UV value{};
    values_->decode(reader, value);
    TIDEWHEEL_RETURN_IF_ERROR(reader.finish());
    const Place place = map.lower_bound(key);
    if (!(place == map.end()) && !detail::key_less(key, map.at(place).key.value)) { return {}; }
    TextHeap& heap = mutable_state().heap();
    Entry fresh;
    fresh.key.store(key, heap);
    fresh.value.store(value, heap);
    fresh.set_stamp(used_at);
    note(map.insert(place, std::move(fresh), heap));
    return {};
  }
  // ---- In front of a backend.
  void mark_erased(Entry& entry) {
    entry.value.release(state().heap());
    entry.value = Stored<UV>();
    entry.mark(Entry::kErased | Entry::kChanged);
  }
  // Reads an entry that is not in the row; null when there is none.
  Entry* load_entry(std::byte* row, const UK& key) {
    RowStore& store = *state().row_store();
    if (store.is_complete(row, *this)) { return nullptr; }
    StateEntry entry;
    entry.name_space = key_bytes_.encode(key);
    if (!store.find_entry(*this, entry.name_space, entry.value)) { return nullptr; }
    Entry* read = nullptr;
    const Status status =
        read_entry(blocks(row), entry, [&](Entry& inserted) { read = &inserted; });
    if (!status.ok()) { throw StateError(status.with_context("state {}", name())); }
    return read;
  }
  void load_all(std::byte* row) const {
    RowStore& store = *mutable_state().row_store();
    if (!KeyedState::has(row, bit()) || store.is_complete(row, *this)) { return; }
    Status status;
    store.for_each_entry(*this, [&](const StateEntry& entry) {
      if (status.ok()) {
        status = read_entry(blocks(row), entry, [](Entry&) {});
      }
    });
    if (!status.ok()) { throw StateError(status.with_context("state {}", name())); }
    store.note_complete(row, *this);
  }
  Entry& open_in(Blocks& map, const UK& key, int64_t stamp) {
    const Place place = map.lower_bound(key);
    if (!(place == map.end()) && !detail::key_less(key, map.at(place).key.value)) {
      Entry& entry = map.at(place);
      if (is_gone(entry)) {
        entry.value.release(state().heap());
        entry.value = Stored<UV>();
      }
      entry.stamp_and_marks = stamp * 4 + Entry::kChanged;
      return entry;
    }
    Entry fresh;
    fresh.key.store(key, state().heap());
    fresh.stamp_and_marks = stamp * 4 + Entry::kChanged;
    return map.insert(place, std::move(fresh), state().heap());
  }
  Place erase_at(Blocks& map, Place place) {
    map.at(place).key.release(state().heap());
    map.at(place).value.release(state().heap());
    return map.erase(place, state().heap());
  }

  StateBytes bytes_;
  StateBytes key_bytes_;
  bool has_stamps_ = false;
  std::unique_ptr<StateDecoder<UK>> keys_;
  std::unique_ptr<StateDecoder<UV>> values_;
};

// One named timer of a key. It is queued once; moving it later changes the cell only, and the queue
// is told when the old time has come. A cancelled one stays until then, so that setting it again is
// free.
class TimerCell final : public KeyedCell {
 public:
  static constexpr int64_t kCancelled = INT64_MAX;
  struct Times {
    int64_t target = 0;
    // Never after the target. Of a row that was stored it is not known: somewhere at or before it.
    int64_t queued = 0;
  };
  static size_t size_of(const StateOptions&) { return sizeof(Times); }
  static size_t alignment_of(const StateOptions&) { return alignof(Times); }
  TimerCell(KeyedState& owner, const std::string& name, const StateOptions& options);

  Times* find(std::byte* row) const {
    return KeyedState::has(row, bit()) ? reinterpret_cast<Times*>(row + offset()) : nullptr;
  }
  void set(std::byte* row, int64_t time);
  // The queue says that `time` has come: true when the timer fires now, then it is no longer set.
  bool is_due(std::byte* row, int64_t time);

  // Which clock it goes by; said by the handle right after the declaration.
  void set_domain(TimeDomain domain);
  TimeDomain domain() const { return domain_; }
  // The bound handle that `on_timer` is given.
  void* handle() const { return handle_; }
  void set_handle(void* handle) { handle_ = handle; }

  void destroy(std::byte*) override {}
  bool expire(std::byte*) override { return false; }
  const TimerCell* as_timer() const override { return this; }
  void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) override;
  Status open_restore(const StateMeta& meta) override;
  Status read(std::byte* row, bool is_new, const StateEntry& entry) override;
  Status load(std::byte* row, const StateEntry& entry) override;

 private:
  const uint16_t id_;
  TimeDomain domain_ = TimeDomain::kEvent;
  void* handle_ = nullptr;
  StateBytes bytes_;
};

}  // namespace tidewheel
