#include "tidewheel/state/row_store.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/state_options.h"

namespace tidewheel {

namespace {

// How entries come to the backend.
enum class Way : uint8_t { kPut, kPutInGroup, kPutBack };

void put_entry_of(StateBackend& backend, Way way, StoreId state, std::string_view key,
                  std::string_view value) {
  switch (way) {
    case Way::kPut: return backend.put(state, key, value);
    case Way::kPutInGroup: return backend.put_in_group(state, key, value);
    case Way::kPutBack: return backend.put_back(state, key, value);
  }
}

void erase_entry_of(StateBackend& backend, bool in_group, StoreId state, std::string_view key) {
  return in_group ? backend.erase_in_group(state, key) : backend.erase(state, key);
}

Way way_of(bool in_group) { return in_group ? Way::kPutInGroup : Way::kPut; }

}  // namespace

// Takes the entries that a cell writes, and puts them into the backend.
class RowStore::CellWriter final : public SnapshotWriter {
 public:
  CellWriter(StateBackend& backend, const Store& store, std::string& scratch, Way way = Way::kPut)
      : backend_(backend), store_(store), scratch_(scratch), way_(way) {}
  bool ready() const override { return true; }
  void begin_state(const StateMeta&) override {}
  void begin_changes(const StateMeta&) override {}
  void whole_group(int32_t) override {}
  void erase(int32_t, std::string_view, std::string_view) override {}
  void add(const StateEntry& entry) override {
    if (store_.state.has_namespace) {
      make_store_prefix(scratch_, entry.group, entry.key);
      scratch_.append(entry.name_space);
    } else {
      make_store_key(scratch_, entry.group, entry.key);
    }
    put_entry_of(backend_, way_, store_.id, scratch_, entry.value);
    has_written_ = true;
  }
  bool has_written() const { return has_written_; }

 private:
  StateBackend& backend_;
  const Store& store_;
  std::string& scratch_;
  const Way way_;
  bool has_written_ = false;
};

class RowStore::MapWriter final : public EntryChanges {
 public:
  // `scratch` has what keys of entries begin with.
  MapWriter(StateBackend& backend, const Store& store, std::string& scratch, bool in_group)
      : backend_(backend), store_(store), scratch_(scratch), in_group_(in_group) {
    prefix_size_ = scratch_.size();
  }
  void put(std::string_view name_space, std::string_view value) override {
    put_entry_of(backend_, way_of(in_group_), store_.id, key_of(name_space), value);
    has_put_ = true;
  }
  void erase(std::string_view name_space) override {
    erase_entry_of(backend_, in_group_, store_.id, key_of(name_space));
  }
  bool has_put() const { return has_put_; }

 private:
  std::string_view key_of(std::string_view name_space) {
    scratch_.resize(prefix_size_);
    scratch_.append(name_space);
    return scratch_;
  }
  StateBackend& backend_;
  const Store& store_;
  std::string& scratch_;
  const bool in_group_;
  size_t prefix_size_ = 0;
  bool has_put_ = false;
};

Status RowStore::open() {
  for (const auto& cell : state_.cells()) {
    Store store;
    store.cell = cell.get();
    store.state.meta = cell->meta();
    store.state.meta.key_schema = key_schema_;
    store.state.has_namespace = cell->has_entries();
    store.state.ttl_ms = cell->stamp_comes_first() ? cell->ttl_ms() : 0;
    TIDEWHEEL_ASSIGN_OR_RETURN(store.id, backend_.open_state(store.state));
    has_maps_ = has_maps_ || store.state.has_namespace;
    stores_.push_back(std::move(store));
  }
  marks_at_ = state_.reserve_in_rows(has_maps_ ? sizeof(Marks) : offsetof(Marks, cleared));
  return {};
}

Status RowStore::note(Status status) {
  if (!status.ok() && failure_.ok()) { failure_ = status; }
  return status;
}

const RowStore::Store& RowStore::store_of(const KeyedCell& cell) const {
  return stores_[static_cast<size_t>(__builtin_ctzll(cell.bit()))];
}

void RowStore::add_miss(std::byte* row, int32_t group, std::string_view key) {
  Marks& marks = marks_of(row);
  marks.used = 0;
  marks.dirty = 0;
  marks.fresh = 0;
  marks.passed = 0;
  marks.epoch = 0;
  marks.visit = 0;
  marks.stored = 0;
  if (has_maps_) { marks.cleared = marks.complete = 0; }
  Miss miss;
  miss.row = row;
  miss.key_begin = static_cast<uint32_t>(keys_.size());
  make_store_key(stored_key_, group, key);
  keys_.append(stored_key_);
  miss.key_size = static_cast<uint32_t>(stored_key_.size());
  misses_.push_back(miss);
}

Status RowStore::load() {
  key_views_.clear();
  for (const Miss& miss : misses_) { key_views_.push_back(key_of(miss)); }
  Status status;
  for (const Store& store : stores_) {
    KeyedCell& cell = *store.cell;
    if (store.state.has_namespace) {
      const bool may_be_stored = !has_all_ || backend_.is_restored(store.id);
      for (const Miss& miss : misses_) {
        cell.make_empty(miss.row);
        Marks& marks = marks_of(miss.row);
        (may_be_stored ? marks.stored : marks.complete) |= cell.bit();
      }
      continue;
    }
    status = backend_.find_many(store.id, key_views_, values_);
    for (size_t i = 0; i < misses_.size() && status.ok(); ++i) {
      if (!values_[i].has_value()) { continue; }
      StateEntry entry;
      entry.value = *values_[i];
      status = cell.load(misses_[i].row, entry).with_context("state {}", cell.name());
      marks_of(misses_[i].row).stored |= cell.bit();
    }
    if (!status.ok()) { break; }
  }
  misses_.clear();
  keys_.clear();
  return note(std::move(status));
}

void RowStore::erase_entries(const Store& store, int32_t group, std::string_view key) {
  std::string prefix;
  make_store_prefix(prefix, group, key);
  static_cast<void>(commit());  // the scan has to see it
  const auto cursor = backend_.scan(store.id);
  for (cursor->seek(prefix); cursor->valid() && cursor->key().starts_with(prefix); cursor->next()) {
    backend_.erase(store.id, cursor->key());
  }
  static_cast<void>(note(cursor->status()));
}

void RowStore::write(std::byte* row, int32_t group, std::string_view key, bool in_group) {
  Marks& marks = marks_of(row);
  marks.dirty = 0;
  marks.passed = in_group ? 1 : 0;
  marks.passed_at = epoch_ & kBarrierMask;
  for (const Store& store : stores_) {
    if (store.state.has_namespace) {
      write_map(store, row, group, key, in_group);
    } else {
      write_value(store, row, group, key, in_group);
    }
  }
}

void RowStore::write_map(const Store& store, std::byte* row, int32_t group, std::string_view key,
                         bool in_group) {
  Marks& marks = marks_of(row);
  KeyedCell& cell = *store.cell;
  const bool has = KeyedState::has(row, cell.bit());
  const bool is_cleared =
      (marks.cleared & cell.bit()) != 0 || (!has && (marks.stored & cell.bit()) != 0);
  // What is written in a group is not seen for a while: only where nothing will be looked for. And
  // an entry has one way for its end and its new beginning.
  const bool has_all = is_complete(row, cell);
  in_group = in_group && has_all && !is_cleared;
  if (is_cleared) {
    erase_entries(store, group, key);
    marks.cleared &= ~cell.bit();
    marks.stored &= ~cell.bit();
  }
  if (!has) { return; }
  make_store_prefix(stored_key_, group, key);
  MapWriter writer(backend_, store, stored_key_, in_group);
  cell.write_changes(row, writer);
  if (writer.has_put()) { marks.stored |= cell.bit(); }
  if (has_all) { marks.complete |= cell.bit(); }
}

void RowStore::write_value(const Store& store, std::byte* row, int32_t group, std::string_view key,
                           bool in_group) {
  Marks& marks = marks_of(row);
  KeyedCell& cell = *store.cell;
  bool has_written = false;
  if (KeyedState::has(row, cell.bit())) {
    CellWriter writer(backend_, store, stored_key_, way_of(in_group));
    StateEntry entry{group, key, {}, {}};
    cell.write(row, entry, writer);
    has_written = writer.has_written();
  }
  if (has_written) {
    marks.stored |= cell.bit();
  } else if ((marks.stored & cell.bit()) != 0) {
    make_store_key(stored_key_, group, key);
    in_group = in_group && !backend_.finds_what_is_put_back();
    erase_entry_of(backend_, in_group, store.id, stored_key_);
    marks.stored &= ~cell.bit();
  }
}

void RowStore::give_back(std::byte* row, int32_t group, std::string_view key) {
  for (const Store& store : stores_) {
    if (store.state.has_namespace || !KeyedState::has(row, store.cell->bit())) { continue; }
    CellWriter writer(backend_, store, stored_key_, Way::kPutBack);
    StateEntry entry{group, key, {}, {}};
    store.cell->write(row, entry, writer);
  }
}

Status RowStore::commit_some() {
  if (backend_.uncommitted_bytes() < backend_.write_batch_bytes()) { return {}; }
  return commit();
}

void RowStore::make_current_prefix() {
  int32_t group = 0;
  const std::string_view key = current_key_(group);
  make_store_prefix(entry_key_, group, key);
  static_cast<void>(commit());  // entries may have been written back a moment ago
}

bool RowStore::is_complete(std::byte* row, const KeyedCell& cell) const {
  const Marks& marks = marks_of(row);
  return (marks.complete & cell.bit()) != 0 || (marks.stored & cell.bit()) == 0 ||
         (marks.cleared & cell.bit()) != 0;
}

void RowStore::note_new(std::byte* row, const KeyedCell& cell) const {
  Marks& marks = marks_of(row);
  if ((marks.stored & cell.bit()) != 0) { marks.cleared |= cell.bit(); }
  marks.complete |= cell.bit();
}

void RowStore::note_complete(std::byte* row, const KeyedCell& cell) const {
  marks_of(row).complete |= cell.bit();
}

bool RowStore::find_entry(const KeyedCell& cell, std::string_view name_space,
                          std::string_view& value) {
  make_current_prefix();
  entry_key_.append(name_space);
  const std::string_view keys[] = {entry_key_};
  if (const Status status = note(backend_.find_many(store_of(cell).id, keys, values_));
      !status.ok()) {
    throw StateError(status);
  }
  if (!values_[0].has_value()) { return false; }
  value = *values_[0];
  return true;
}

void RowStore::for_each_entry(const KeyedCell& cell,
                              const std::function<void(const StateEntry&)>& visit) {
  make_current_prefix();
  const auto cursor = backend_.scan(store_of(cell).id);
  for (cursor->seek(entry_key_); cursor->valid() && cursor->key().starts_with(entry_key_);
       cursor->next()) {
    StateEntry entry;
    entry.name_space = cursor->key().substr(entry_key_.size());
    entry.value = cursor->value();
    visit(entry);
  }
  if (const Status status = note(cursor->status()); !status.ok()) { throw StateError(status); }
}

void RowStore::put_entry(size_t index, const StateEntry& entry) {
  has_all_ = false;
  CellWriter(backend_, stores_[index], stored_key_).add(entry);
}

void RowStore::put_cell(size_t index, std::byte* row, int32_t group, std::string_view key) {
  has_all_ = false;
  CellWriter writer(backend_, stores_[index], stored_key_);
  StateEntry entry{group, key, {}, {}};
  stores_[index].cell->write(row, entry, writer);
}

StoredKeys::StoredKeys(const RowStore& rows, const StoreView& view) : rows_(rows) {
  for (size_t i = 0; i < rows.state_count(); ++i) {
    cursors_.push_back(view.scan(rows.store_of(i)));
  }
}

bool StoredKeys::next() {
  for (; state_ < cursors_.size(); ++state_, last_group_ = -1) {
    StoreCursor& cursor = *cursors_[state_];
    for (; cursor.valid(); cursor.next()) {
      StateEntry found;
      if (!split_store_key(cursor.key(), rows_.state(state_).has_namespace, found)) {
        status_ = data_loss(ErrorId::kStateBackend, "a stored key of state {} is damaged",
                            rows_.state(state_).meta.name);
        return false;
      }
      if (found.group == last_group_ && found.key == last_key_) { continue; }
      last_group_ = found.group;
      last_key_ = found.key;
      entry_.group = found.group;
      entry_.key = last_key_;
      if (!was_in_earlier_state()) { return true; }
    }
    status_ = cursor.status();
    if (!status_.ok()) { return false; }
  }
  return false;
}

bool StoredKeys::was_in_earlier_state() {
  for (size_t i = 0; i < state_; ++i) {
    const bool is_prefix = rows_.state(i).has_namespace;
    if (is_prefix) {
      make_store_prefix(scratch_, entry_.group, entry_.key);
    } else {
      make_store_key(scratch_, entry_.group, entry_.key);
    }
    StoreCursor& cursor = *cursors_[i];
    cursor.seek(scratch_);
    if (!cursor.valid()) { continue; }
    if (is_prefix ? cursor.key().starts_with(scratch_) : cursor.key() == scratch_) { return true; }
  }
  return false;
}

}  // namespace tidewheel
