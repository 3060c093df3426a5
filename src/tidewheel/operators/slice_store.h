// Accumulators by key and slice in front of a state backend: what is used lies in a table for each
// slice; the rest is in the backend, from where it comes in batches, and where it goes by the clock
// algorithm (second chance), in batches too.
//
// A slice of which nothing has been written to the backend is never looked for there: windows that
// fit into memory and fire between two checkpoints cost the backend nothing.
//
// Stored keys are those of state with a namespace (state_backend.h), the namespace being the
// slice's number. So all slices of a key are side by side, in the order of keys: a window is fired
// by one pass over the state, in which dead slices are erased too.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/operators/window.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_backend.h"

namespace tidewheel {

// An accumulator in memory.
template <class V>
struct CachedValue {
  V value{};
  uint32_t epoch = 0;  // how many barriers there had been when it was changed last
  uint32_t pass = 0;   // the last pass over the state that has met it
  bool dirty = false;  // newer than what the backend has
  bool used = false;   // since the hand of the clock has come by
};

// One thread. Failures of the backend are kept: ask `status` once a batch.
template <class K, class V>
class SliceStore {
 public:
  using Cached = CachedValue<V>;
  using Table = KeyedTable<K, Cached>;

  struct Slice final : public TableTracker<K, Cached> {
    Slice(SliceStore& the_store, KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory)
        : store(the_store), table(groups, max_parallelism, memory, "window state") {}
    bool holds(int64_t time) const { return time >= times.first && time <= times.last; }
    bool empty() const { return table.empty() && !is_stored; }

    void entry(int32_t group, const K& key, Cached& value) override {
      store.write_back(*this, group, key, value);
    }
    void erased(int32_t, const K&) override {}
    void cleared() override {}
    bool is_whole(int32_t) const override { return true; }

    SliceStore& store;
    int64_t number = 0;
    WindowGrid::Range times;
    WindowGrid::Range windows;
    Table table;
    bool is_stored = false;  // the backend may have something of it
  };
  // What becomes of a stored entry in a pass.
  enum class Fate : uint8_t { kKeep, kTake, kTakeAndErase, kErase };

  // `meta` is that of the same state in memory. `wake` is called when `is_gated` may have changed,
  // and when `write` can go on; any thread calls it.
  SliceStore(StateMeta meta, KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory,
             std::function<void()> wake)
      : state_{.meta = std::move(meta), .has_namespace = true},
        groups_(groups),
        max_parallelism_(max_parallelism),
        memory_(memory),
        wake_(std::move(wake)) {}

  // Before anything else. `reader` may be null. keeps(group, slice) says of each entry that is read
  // whether it is wanted; afterwards is_restored() says whether the backend had its own snapshot,
  // whose entries nobody has looked at.
  template <class Keeps>
  Status open(StateBackend& backend, SnapshotReader* reader, Keeps keeps);
  bool is_restored() const { return backend_->is_restored(id_); }

  // ---- Slices, in the order of their numbers.
  std::vector<std::unique_ptr<Slice>>& slices() { return slices_; }
  const std::vector<std::unique_ptr<Slice>>& slices() const { return slices_; }
  std::unique_ptr<Slice> make_slice() {
    return std::make_unique<Slice>(*this, groups_, max_parallelism_, memory_);
  }

  // ---- Entries.

  // Before a batch: has entries leave until there is room for so many more.
  void make_room(size_t needed);
  // Notes an entry that is needed, unless it is known to be here or nowhere; `load` then gets all
  // that were noted in one read.
  void want(Slice& slice, const K& key, KeyHash hash) {
    if (!slice.is_stored || std::as_const(slice.table).find(key, hash) != nullptr) { return; }
    misses_.push_back({&slice, hash, keys_.size(), 0});
    append_key(keys_, hash.group, key, slice.number);
    misses_.back().key_size = keys_.size() - misses_.back().key_begin;
  }
  void load();
  // After an entry was looked up to be changed.
  void note_change(Cached& entry) {
    entry.dirty = true;
    entry.used = true;
    entry.epoch = epoch_;
  }

  // ---- Passes over all that is stored. Not while is_gated().

  struct Part {
    int64_t slice = 0;
    std::string value;
  };
  void begin_pass() {
    commit();
    view_ = backend_->view();
    cursor_ = view_->scan(id_);
    has_key_ = false;
    ++pass_;
  }
  // Goes on to the next key of which judge(group, slice) takes something; false at the end.
  template <class Judge>
  bool next_key(Judge judge);
  void end_pass() {
    cursor_.reset();
    view_.reset();
    commit();
  }
  // Of the key that next_key has come to.
  int32_t pass_group() const { return pass_group_; }
  K pass_key() {
    K key{};
    note(keys_decoder_->decode(pass_key_, key));
    return key;
  }
  const Part* part_of(int64_t slice) const {
    for (size_t i = 0; i < part_count_; ++i) {
      if (parts_[i].slice == slice) { return &parts_[i]; }
    }
    return nullptr;
  }
  V value_of(const Part& part) {
    V value{};
    note(values_decoder_->decode(part.value, value));
    return value;
  }
  // A number for what is met without the backend.
  uint32_t next_pass() { return ++pass_; }
  uint32_t pass() const { return pass_; }

  // ---- Snapshots; see KeyedStore.
  void begin_snapshot(const SnapshotStart& start);
  bool write(SnapshotWriter& writer);
  void abort_snapshot();
  bool waits_for_backend() const { return stage_ == Stage::kOwn; }
  // What is older than the barrier is still on its way into the backend: nothing newer may get
  // there, and nothing may be dropped or erased.
  bool is_gated() const {
    return stage_ == Stage::kFlush || (stage_ == Stage::kOwn && !backend_->is_cut());
  }

  Status status() {
    TIDEWHEEL_RETURN_IF_ERROR(failure_);
    for (const auto& slice : slices_) { TIDEWHEEL_RETURN_IF_ERROR(slice->table.status()); }
    return {};
  }

 private:
  enum class Stage : uint8_t { kIdle, kFlush, kOwn, kEntries };
  struct Miss {
    Slice* slice = nullptr;
    KeyHash hash;
    size_t key_begin = 0;  // in keys_
    size_t key_size = 0;
  };
  static constexpr size_t kEntriesMin = 64;    // in memory at least
  static constexpr size_t kFlushSlots = 2048;  // looked at in one call
  // A table that has just grown, and has not freed the old slots yet.
  static constexpr int64_t kSlotsPerEntry = 5;

  void note(const Status& status) {
    if (!status.ok() && failure_.ok()) { failure_ = status; }
  }
  void commit() {
    if (backend_->uncommitted_bytes() > 0) { note(backend_->commit()); }
  }
  void commit_some() {
    if (backend_->uncommitted_bytes() >= backend_->write_batch_bytes()) {
      note(backend_->commit());
    }
  }
  void append_key(std::string& out, int32_t group, const K& key, int64_t slice) {
    make_store_prefix(prefix_, group, key_bytes_.encode(key));
    out += prefix_;
    out += slice_bytes_.encode(slice);
  }
  void write_back(Slice& slice, int32_t group, const K& key, Cached& entry) {
    if (!entry.dirty) { return; }
    stored_key_.clear();
    append_key(stored_key_, group, key, slice.number);
    backend_->put(id_, stored_key_, value_bytes_.encode(entry.value));
    entry.dirty = false;
    slice.is_stored = true;
    commit_some();
  }
  std::string_view key_of(const Miss& miss) const {
    return std::string_view(keys_).substr(miss.key_begin, miss.key_size);
  }
  void take_loaded(const Miss& miss, std::string_view value);
  template <class Keeps>
  Status copy_entries(SnapshotReader& reader, const StateMeta& meta, Keeps keeps);
  size_t entry_count() const {
    size_t count = 0;
    for (const auto& slice : slices_) { count += slice->table.size(); }
    return count;
  }
  size_t entries_max() const {
    const auto bytes = static_cast<int64_t>(Table::slot_size()) * kSlotsPerEntry;
    return std::max(kEntriesMin, static_cast<size_t>(backend_->cache_bytes() / bytes));
  }
  bool evict(Slice& slice, const K& key, Cached& entry, bool gated);
  void evict_tables();

  const StoreState state_;
  const KeyGroupRange groups_;
  const int32_t max_parallelism_;
  MemoryPool* const memory_;
  const std::function<void()> wake_;
  StateBackend* backend_ = nullptr;
  StoreId id_ = 0;
  bool own_snapshots_ = false;
  std::optional<StateDecoder<K>> keys_decoder_;
  std::optional<StateDecoder<int64_t>> slices_decoder_;
  std::optional<StateDecoder<V>> values_decoder_;
  std::vector<std::unique_ptr<Slice>> slices_;
  Status failure_;

  // The hand of the clock.
  size_t hand_slice_ = 0;
  typename Table::Cursor hand_;

  std::string keys_;  // of misses_, as they are stored
  std::vector<Miss> misses_;
  std::vector<std::string_view> key_views_;
  StateBackend::Values values_;
  std::string prefix_;
  std::string stored_key_;
  StateBytes key_bytes_;
  StateBytes slice_bytes_;
  StateBytes value_bytes_;

  // The pass at work.
  std::unique_ptr<StoreView> view_;
  std::unique_ptr<StoreCursor> cursor_;
  uint32_t pass_ = 0;
  bool has_key_ = false;
  int32_t pass_group_ = 0;
  std::string pass_key_;
  std::vector<Part> parts_;  // the first part_count_ of them
  size_t part_count_ = 0;

  // The snapshot at work.
  Stage stage_ = Stage::kIdle;
  SnapshotStart start_;
  uint32_t epoch_ = 1;
  std::vector<Slice*> saving_;
  int32_t saving_group_ = 0;
  size_t saving_at_ = 0;
  std::unique_ptr<StoreView> saved_view_;
  std::unique_ptr<StoreCursor> saved_cursor_;
};

template <class K, class V>
template <class Keeps>
Status SliceStore<K, V>::open(StateBackend& backend, SnapshotReader* reader, Keeps keeps) {
  backend_ = &backend;
  own_snapshots_ = backend.has_own_snapshots();
  TIDEWHEEL_ASSIGN_OR_RETURN(keys_decoder_,
                             StateDecoder<K>::make(state_.meta, state_.meta.key_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      slices_decoder_, StateDecoder<int64_t>::make(state_.meta, state_.meta.namespace_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(values_decoder_,
                             StateDecoder<V>::make(state_.meta, state_.meta.value_schema));
  std::unique_ptr<SnapshotReader> rest;
  if (reader != nullptr) { TIDEWHEEL_ASSIGN_OR_RETURN(rest, backend.restore(*reader)); }
  TIDEWHEEL_ASSIGN_OR_RETURN(id_, backend.open_state(state_));
  const StateMeta* const meta = rest == nullptr ? nullptr : rest->find(state_.meta.name);
  if (meta == nullptr || is_restored()) { return {}; }
  TIDEWHEEL_RETURN_IF_ERROR(check_state_form(*meta, StateKind::kKeyed, state_.meta.form));
  return copy_entries(*rest, *meta, keeps);
}

template <class K, class V>
template <class Keeps>
Status SliceStore<K, V>::copy_entries(SnapshotReader& reader, const StateMeta& meta, Keeps keeps) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto keys, StateDecoder<K>::make(meta, meta.key_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto numbers,
                             StateDecoder<int64_t>::make(meta, meta.namespace_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto values, StateDecoder<V>::make(meta, meta.value_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(meta.name));
  const bool is_same = meta.value_schema == state_.meta.value_schema;
  StateEntry entry;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { break; }
    K key{};
    int64_t number = 0;
    TIDEWHEEL_RETURN_IF_ERROR(keys.decode(entry.key, key));
    TIDEWHEEL_RETURN_IF_ERROR(
        check_key_group(meta, entry.group, key_hash(key, max_parallelism_).group));
    TIDEWHEEL_RETURN_IF_ERROR(numbers.decode(entry.name_space, number));
    if (!keeps(entry.group, number)) { continue; }
    stored_key_.clear();
    append_key(stored_key_, entry.group, key, number);
    if (is_same) {
      backend_->put(id_, stored_key_, entry.value);
    } else {
      V value{};
      TIDEWHEEL_RETURN_IF_ERROR(values.decode(entry.value, value));
      backend_->put(id_, stored_key_, value_bytes_.encode(value));
    }
    commit_some();
  }
  commit();
  return failure_;
}

// ---- Entries that come and go

template <class K, class V>
void SliceStore<K, V>::load() {
  if (misses_.empty()) { return; }
  commit();  // entries that have left must be seen
  std::sort(misses_.begin(), misses_.end(),
            [this](const Miss& a, const Miss& b) { return key_of(a) < key_of(b); });
  misses_.erase(
      std::unique(misses_.begin(), misses_.end(),
                  [this](const Miss& a, const Miss& b) { return key_of(a) == key_of(b); }),
      misses_.end());
  key_views_.clear();
  for (const Miss& miss : misses_) { key_views_.push_back(key_of(miss)); }
  const Status status = backend_->find_many(id_, key_views_, values_);
  note(status);
  for (size_t i = 0; i < misses_.size() && status.ok(); ++i) {
    if (values_[i].has_value()) { take_loaded(misses_[i], *values_[i]); }
  }
  misses_.clear();
  keys_.clear();
}

template <class K, class V>
void SliceStore<K, V>::take_loaded(const Miss& miss, std::string_view value) {
  StateEntry entry;
  TIDEWHEEL_CHECK(split_store_key(key_of(miss), true, entry), "a stored key is damaged");
  K key{};
  Cached read;
  note(keys_decoder_->decode(entry.key, key));
  note(values_decoder_->decode(value, read.value));
  read.used = true;
  miss.slice->table.assign(miss.slice->table.upsert(key, miss.hash), read);
}

// True when the entry may go.
template <class K, class V>
bool SliceStore<K, V>::evict(Slice& slice, const K& key, Cached& entry, bool gated) {
  if (entry.dirty) {
    if (gated && entry.epoch == epoch_) { return false; }
    write_back(slice, slice.table.hash_of(key).group, key, entry);
  }
  return true;
}

template <class K, class V>
void SliceStore<K, V>::make_room(size_t needed) {
  const size_t max = entries_max();
  size_t count = entry_count();
  bool gated = is_gated();
  // The hand may have to come by twice: once to take the second chance.
  for (size_t looked = 0; count > 0 && count + needed > std::max(max, kEntriesMin); ++looked) {
    if (looked > 2 * count + 2 * slices_.size() + 2) {
      // All that is left was changed after the barrier.
      if (stage_ != Stage::kOwn || !gated || count + needed < max + max / 2) { break; }
      backend_->wait_for_cut();
      gated = false;
      looked = 0;
    }
    if (hand_slice_ >= slices_.size()) {
      hand_slice_ = 0;
      hand_ = {};
    }
    Slice& slice = *slices_[hand_slice_];
    const K* key = nullptr;
    Cached* entry = nullptr;
    if (!slice.table.next(hand_, key, entry)) {
      ++hand_slice_;
      hand_ = {};
      continue;
    }
    if (std::exchange(entry->used, false)) { continue; }
    if (!evict(slice, *key, *entry, gated)) { continue; }
    slice.table.erase_last(hand_);
    --count;
  }
  evict_tables();
}

// What entries that have gone had of a table's slots and heap is given back when the table is
// empty: so when all is too large, tables are emptied, the oldest first.
template <class K, class V>
void SliceStore<K, V>::evict_tables() {
  int64_t bytes = 0;
  for (const auto& slice : slices_) { bytes += slice->table.memory_bytes(); }
  const bool gated = is_gated();
  for (const auto& slice : slices_) {
    if (bytes <= backend_->cache_bytes()) { return; }
    const int64_t before = slice->table.memory_bytes();
    typename Table::Cursor cursor;
    const K* key = nullptr;
    Cached* entry = nullptr;
    while (slice->table.next(cursor, key, entry)) {
      if (evict(*slice, *key, *entry, gated)) { slice->table.erase_last(cursor); }
    }
    if (slice->table.empty() && !slice->table.is_writing()) { slice->table.release(); }
    bytes += slice->table.memory_bytes() - before;
  }
  hand_ = {};
}

template <class K, class V>
template <class Judge>
bool SliceStore<K, V>::next_key(Judge judge) {
  part_count_ = 0;
  for (; cursor_->valid() && failure_.ok(); cursor_->next()) {
    StateEntry entry;
    int64_t slice = 0;
    if (!split_store_key(cursor_->key(), true, entry) ||
        !slices_decoder_->decode(entry.name_space, slice).ok()) {
      note(data_loss(ErrorId::kStateBackend, "a stored key of state {} is damaged",
                     state_.meta.name));
      return false;
    }
    if (!has_key_ || entry.group != pass_group_ || entry.key != pass_key_) {
      if (part_count_ > 0) { return true; }
      has_key_ = true;
      pass_group_ = entry.group;
      pass_key_ = entry.key;
    }
    const Fate fate = judge(entry.group, slice);
    if (fate == Fate::kTake || fate == Fate::kTakeAndErase) {
      if (part_count_ == parts_.size()) { parts_.emplace_back(); }
      parts_[part_count_].slice = slice;
      parts_[part_count_++].value = cursor_->value();
    }
    if (fate == Fate::kErase || fate == Fate::kTakeAndErase) {
      backend_->erase(id_, cursor_->key());
      commit_some();
    }
  }
  note(cursor_->status());
  return part_count_ > 0;
}

// ---- Snapshots

template <class K, class V>
void SliceStore<K, V>::begin_snapshot(const SnapshotStart& start) {
  if (stage_ != Stage::kIdle) { abort_snapshot(); }
  start_ = start;
  ++epoch_;
  for (const auto& slice : slices_) {
    slice->table.begin_snapshot(*slice, StateContent::kAll, false);
    saving_.push_back(slice.get());
  }
  saving_group_ = groups_.first;
  saving_at_ = 0;
  stage_ = Stage::kFlush;
}

template <class K, class V>
void SliceStore<K, V>::abort_snapshot() {
  for (Slice* const slice : saving_) { slice->table.end_snapshot(); }
  saving_.clear();
  if (stage_ == Stage::kOwn) { backend_->abort_own_snapshot(); }
  saved_cursor_.reset();
  saved_view_.reset();
  const bool was_gated = stage_ != Stage::kIdle;
  stage_ = Stage::kIdle;
  if (was_gated) { wake_(); }
}

template <class K, class V>
bool SliceStore<K, V>::write(SnapshotWriter& writer) {
  if (stage_ == Stage::kIdle) { return true; }
  if (stage_ == Stage::kFlush) {
    size_t budget = kFlushSlots;
    for (; saving_group_ <= groups_.last; ++saving_group_, saving_at_ = 0) {
      for (; saving_at_ < saving_.size(); ++saving_at_) {
        if (!saving_[saving_at_]->table.write_group(saving_group_, budget, [] { return true; })) {
          return false;
        }
      }
    }
    commit();
    for (Slice* const slice : saving_) { slice->table.end_snapshot(); }
    saving_.clear();
    if (own_snapshots_ && writer.takes_files()) {
      backend_->begin_own_snapshot(start_, wake_);
      stage_ = Stage::kOwn;
    } else {
      saved_view_ = backend_->view();
      saved_cursor_ = saved_view_->scan(id_);
      stage_ = Stage::kEntries;
      wake_();  // nothing is gated any more
    }
  }
  const Result<bool> done = stage_ == Stage::kOwn ? backend_->write_own_snapshot(writer)
                                                  : write_store(state_, *saved_cursor_, 0, writer);
  note(done.status());
  if (done.ok() && !*done) { return false; }
  saved_cursor_.reset();
  saved_view_.reset();
  stage_ = Stage::kIdle;
  return true;
}

}  // namespace tidewheel
