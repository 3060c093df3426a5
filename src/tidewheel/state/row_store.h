// The rows of keyed state in front of a backend: which of them have to be written, and how they
// come and go. KeyedStore<K> has the keys and decides when.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_backend.h"

namespace tidewheel {

class KeyedCell;   // state/keyed_state.h
class KeyedState;  // state/keyed_state.h

// What a map cell has to change in the backend.
class EntryChanges {
 public:
  virtual void put(std::string_view name_space, std::string_view value) = 0;
  virtual void erase(std::string_view name_space) = 0;

 protected:
  ~EntryChanges() = default;
};

// A row is a copy of what the backend has of its key, or newer. Behind its cells it has marks:
//   used     how often it was looked up, up to 3; the hand of the clock takes one off each time it
//            comes by. The first time does not count: that is what it came for
//   fresh    it has come of late, and stays only if it is looked up again soon
//   dirty    it may differ from what the backend has. Whoever looks a key up to work on it makes
//   the
//            row dirty: nobody is asked whether something was really changed
//   epoch    number of barriers there had been when it became dirty
//   passed   what the backend has of it was put past what the backend itself keeps in memory
//   stored   by state: the backend may have something of it
//   cleared  by map: what the backend has is void, and goes before entries are written
//   complete by map: there is nothing in the backend that is not in the row
// Values and lists are read with the row. Of a map, entries are read one by one as they are looked
// up, or all when it is walked over, and those that have changed are written.
class RowStore {
 public:
  // `current_key` gives the group and the encoded key of the current key.
  using CurrentKey = std::function<std::string_view(int32_t& group)>;
  RowStore(KeyedState& state, StateBackend& backend, std::string key_schema, CurrentKey current_key)
      : state_(state),
        backend_(backend),
        key_schema_(std::move(key_schema)),
        current_key_(std::move(current_key)) {}

  // How often take_used says so of a row that is not used any more, at most.
  static constexpr size_t kRoundsMax = 4;

  // When all states are declared, before the first row.
  Status open();
  StateBackend& backend() { return backend_; }
  size_t state_count() const { return stores_.size(); }
  const StoreState& state(size_t index) const { return stores_[index].state; }
  StoreId store_of(size_t index) const { return stores_[index].id; }

  // ---- Marks
  void use(std::byte* row) const {
    Marks& marks = marks_of(row);
    marks.used = static_cast<uint8_t>(marks.used + (marks.used < kUsesMax ? 1 : 0));
    marks.dirty = 1;
    marks.epoch = epoch_ & kEpochMask;
  }
  bool is_dirty(std::byte* row) const { return marks_of(row).dirty != 0; }
  // Whether it was changed after the last barrier.
  bool is_new(std::byte* row) const {
    return marks_of(row).dirty != 0 && marks_of(row).epoch == epoch_;
  }
  bool take_used(std::byte* row) const {
    Marks& marks = marks_of(row);
    if (marks.used <= 1) { return false; }
    --marks.used;
    return true;
  }
  bool is_fresh(std::byte* row) const { return marks_of(row).fresh != 0; }
  void set_fresh(std::byte* row, bool fresh) const { marks_of(row).fresh = fresh ? 1 : 0; }
  // Of a row that was fresh: whether it was looked up again, so that it is one of those that stay.
  bool was_wanted(std::byte* row) const {
    Marks& marks = marks_of(row);
    if (marks.used <= 1) { return false; }
    marks.used = 2;
    return true;
  }
  void next_epoch() { epoch_ = (epoch_ + 1) & kEpochMask; }
  void note_visit(std::byte* row, uint16_t visit) const { marks_of(row).visit = visit; }
  bool was_visited(std::byte* row, uint16_t visit) const { return marks_of(row).visit == visit; }

  // ---- Rows that come. They are noted, one after another, then all read.
  // `row` is fresh: the bytes behind its mask are not set.
  void add_miss(std::byte* row, int32_t group, std::string_view key);
  size_t miss_count() const { return misses_.size(); }
  Status load();

  // ---- Rows that go, or are written at a barrier.
  // `in_group`: within StateBackend::begin_groups and end_groups, of a group that has not ended.
  // The row may not leave then until what was written is seen, or the backend finds what is put
  // back (`may_leave`); when it does, the backend gets it back.
  void write(std::byte* row, int32_t group, std::string_view key, bool in_group = false);
  void give_back(std::byte* row, int32_t group, std::string_view key);
  bool was_passed(std::byte* row) const { return marks_of(row).passed != 0; }
  // At this barrier.
  bool was_passed_now(std::byte* row) const {
    return was_passed(row) && marks_of(row).passed_at == (epoch_ & kBarrierMask);
  }
  // `in_groups`: what is put in groups is not seen yet.
  bool may_leave(std::byte* row, bool in_groups) const {
    return !in_groups || !was_passed_now(row) || backend_.finds_what_is_put_back();
  }
  // A row has left, or is about to.
  void note_left() { has_all_ = false; }
  // Has the backend take what was written, if it is much.
  Status commit_some();
  Status commit() { return backend_.uncommitted_bytes() == 0 ? Status() : note(backend_.commit()); }

  // ---- Entries of maps, of the current key.
  bool is_complete(std::byte* row, const KeyedCell& cell) const;
  // The cell is begun anew.
  void note_new(std::byte* row, const KeyedCell& cell) const;
  void note_complete(std::byte* row, const KeyedCell& cell) const;
  // False when the backend has none. The view is valid until the next call.
  bool find_entry(const KeyedCell& cell, std::string_view name_space, std::string_view& value);
  void for_each_entry(const KeyedCell& cell, const std::function<void(const StateEntry&)>& visit);

  // ---- Restoring: entries past the rows.
  void put_entry(size_t index, const StateEntry& entry);
  // Writes what `cell` has in `row`, as entries.
  void put_cell(size_t index, std::byte* row, int32_t group, std::string_view key);

  // The first failure of the backend; sticks.
  const Status& failure() const { return failure_; }

 private:
  static constexpr uint32_t kEpochMask = 0xFFFFFF;
  static constexpr uint32_t kBarrierMask = 0xFF;
  struct Marks {
    uint8_t used;
    uint8_t dirty : 1;
    uint8_t fresh : 1;
    uint8_t passed : 1;
    uint16_t visit;  // number of the walk over all keys that has met it
    uint32_t epoch : 24;
    uint32_t passed_at : 8;  // the end of the number of barriers, when it was
    uint64_t stored;
    uint64_t cleared;   // only with maps
    uint64_t complete;  // only with maps
  };
  struct Store {
    StoreState state;
    StoreId id = 0;
    KeyedCell* cell = nullptr;
  };
  struct Miss {
    std::byte* row = nullptr;
    uint32_t key_begin = 0;  // in keys_
    uint32_t key_size = 0;
  };
  static constexpr uint8_t kUsesMax = kRoundsMax;
  class CellWriter;
  class MapWriter;

  Marks& marks_of(std::byte* row) const { return *reinterpret_cast<Marks*>(row + marks_at_); }
  std::string_view key_of(const Miss& miss) const {
    return std::string_view(keys_).substr(miss.key_begin, miss.key_size);
  }
  const Store& store_of(const KeyedCell& cell) const;
  void make_current_prefix();
  void write_value(const Store& store, std::byte* row, int32_t group, std::string_view key,
                   bool in_group);
  void write_map(const Store& store, std::byte* row, int32_t group, std::string_view key,
                 bool in_group);
  void erase_entries(const Store& store, int32_t group, std::string_view key);
  Status note(Status status);

  KeyedState& state_;
  StateBackend& backend_;
  const std::string key_schema_;
  const CurrentKey current_key_;
  std::vector<Store> stores_;  // by the index of the cell
  uint32_t marks_at_ = 0;
  bool has_maps_ = false;
  bool has_all_ = true;  // the backend has nothing of keys that have no row
  uint32_t epoch_ = 1;
  Status failure_;

  std::string keys_;  // of the misses, as they are stored
  std::vector<Miss> misses_;
  std::vector<std::string_view> key_views_;
  StateBackend::Values values_;
  std::string stored_key_;

  std::string entry_key_;
};

// The keys that a view has, each once, state by state.
class StoredKeys {
 public:
  StoredKeys(const RowStore& rows, const StoreView& view);
  bool next();
  // Of the key: its views are valid until the next call.
  const StateEntry& entry() const { return entry_; }
  const Status& status() const { return status_; }

 private:
  bool was_in_earlier_state();

  const RowStore& rows_;
  std::vector<std::unique_ptr<StoreCursor>> cursors_;  // by state
  size_t state_ = 0;
  StateEntry entry_;
  std::string last_key_;  // the key at hand, and its group
  int32_t last_group_ = -1;
  std::string scratch_;
  Status status_;
};

}  // namespace tidewheel
