// KeyedStore<K> in front of a backend: rows come with the batch that needs them, in one read, and
// go by the clock algorithm (second chance), in batches of writes. Included by keyed_store.h.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/state/keyed_store.h"

namespace tidewheel {

template <class K>
Status KeyedStore<K>::open_backend(StateBackend& backend, SnapshotReader* reader,
                                   std::function<void()> wake) {
  backed_ = std::make_unique<Backed>(*this, backend, [this](int32_t& group) {
    group = current_hash_.group;
    return backed_->current_bytes.encode(*current_key_);
  });
  backed_->own_snapshots = backend.has_own_snapshots();
  if (backend.timer_storage().in_backend) { open_timers(); }
  backend.set_commit_wake(wake);
  backed_->wake = std::move(wake);
  row_store_ = &backed_->rows;
  if (reader != nullptr) {
    TIDEWHEEL_RETURN_IF_ERROR(read_backed(*reader));
  } else {
    TIDEWHEEL_RETURN_IF_ERROR(backed_->rows.open());
  }
  for (size_t i = 0; i < cells().size(); ++i) {  // from now on entries are read as they are written
    TIDEWHEEL_RETURN_IF_ERROR(cells()[i]->open_restore(backed_->rows.state(i).meta));
  }
  return {};
}

// ---- Rows that come

template <class K>
std::byte* KeyedStore<K>::add_row(const K& key, KeyHash hash) {
  const uint32_t row = rows_.allocate();
  index_.upsert(key, hash) = row;
  std::byte* const made = rows_.at(row);
  Backed& backed = *backed_;
  backed.rows.add_miss(made, hash.group, backed.key_bytes.encode(key));
  // As long as there is room, nobody has to leave.
  if (has_many_fresh(backed.fresh_spare)) {
    backed.rows.set_fresh(rows_.at(backed.fresh.front().row), false);
    backed.fresh.pop_front();
  }
  backed.rows.set_fresh(made, true);
  backed.fresh.push_back({hash, row});
  return made;
}

template <class K>
void KeyedStore<K>::load_misses() {
  Backed& backed = *backed_;
  if (backed.rows.miss_count() == 0) { return; }
  check_backend(backed.rows.commit());  // rows that have left must be seen
  check_backend(backed.rows.load());
}

template <class K>
std::byte* KeyedStore<K>::fetch_one(const K& key, KeyHash hash) {
  std::byte* const row = add_row(key, hash);
  load_misses();
  return row;
}

template <class K>
template <class KeyAt>
void KeyedStore<K>::fetch(uint32_t begin, uint32_t end, KeyAt& key_at) {
  make_room(end - begin);
  static_cast<void>(visit_prefetched(index_, begin, end, key_at, [&](uint32_t i, KeyHash hash) {
    const K& key = key_at(i);
    if (index_.find(key, hash) == nullptr) { static_cast<void>(add_row(key, hash)); }
    return true;
  }));
  load_misses();
}

// ---- Rows that go

// The number of rows that fit, with their index, which both grow by doubling.
template <class K>
void KeyedStore<K>::set_rows_max() {
  Backed& backed = *backed_;
  int64_t budget = backed.rows.backend().cache_bytes();
  const uint32_t used = used_timers();
  const int64_t for_timers = used == 0 ? 0 : budget / kTimerPart;
  budget -= for_timers;
  if (backed.budget_bytes == budget && backed.used_timers == used) { return; }
  backed.budget_bytes = budget;
  backed.used_timers = used;
  if (used != 0) { share_timer_budget(for_timers); }
  const auto row_bytes = static_cast<int64_t>(rows_.row_bytes());
  const auto slot_bytes = static_cast<int64_t>(KeyedTable<K, uint32_t>::slot_size());
  backed.rows_max = backed.rows_limit = kRowsMin;
  // All rows of full chunks, with an index of which they take half. A part is kept for rows that
  // can't leave at a barrier.
  for (int64_t power = kRowsMin * 2; power * (row_bytes + 2 * slot_bytes) <= budget; power *= 2) {
    if (power == int64_t{1} << 31) { break; }
    backed.rows_limit = static_cast<size_t>(power - 64);
    backed.rows_max = backed.rows_limit - backed.rows_limit / kBarrierPart;
  }
}

template <class K>
bool KeyedStore<K>::is_over(size_t needed) const {
  const size_t rows = index_.size() + needed;
  if (rows <= kRowsMin) { return false; }
  if (rows > backed_->rows_max) { return true; }
  // What values, lists and maps have outside of their rows has its share of the same budget.
  const auto outside = heap_bytes();
  return outside > backed_->budget_bytes / 2;
}

template <class K>
bool KeyedStore<K>::is_gated() const {
  StateBackend& backend = backed_->rows.backend();
  switch (backed_->stage) {
    case Backed::Stage::kFlush: return true;
    case Backed::Stage::kPrepare: return !backend.takes_writes_while_cutting();
    case Backed::Stage::kOwn: return !backend.takes_writes_while_cutting() && !backend.is_cut();
    default: return false;
  }
}

// Most keys come once: rows that have come of late stay in a small queue, and whoever was not
// looked up again goes at its end, before it has driven out one that is (as in S3-FIFO;
// entry_cache.h). But for some: keys that come by turns, longer than the queue, would never stay.
template <class K>
void KeyedStore<K>::make_room(size_t needed) {
  set_rows_max();
  Backed& backed = *backed_;
  backed.fresh_spare = needed;
  if (!is_over(needed)) { return; }
  bool gated = is_gated() || (backed.in_groups && !backed.rows.backend().finds_what_is_put_back());
  if (!gated) { backed.all_wait_for_gate = false; }
  if (backed.all_wait_for_gate) {
    if (index_.size() + needed <= backed.rows_limit || !open_gate()) { return; }
    gated = backed.all_wait_for_gate = false;
  }
  // The hand may have to come by several times, until a row has no more uses.
  for (size_t looked = 0; is_over(needed) && index_.size() > 0;) {
    if (looked > 2 * RowStore::kRoundsMax * index_.size() + 2) {
      // All that is left was changed after the barrier.
      backed.all_wait_for_gate = gated;
      if (!gated || index_.size() + needed <= backed.rows_limit || !open_gate()) { break; }
      gated = backed.all_wait_for_gate = false;
      looked = 0;
    }
    if (has_many_fresh(0)) {
      take_oldest_fresh(gated);
      ++looked;
    } else {
      move_hand(needed, gated, looked);
    }
  }
}

template <class K>
void KeyedStore<K>::take_oldest_fresh(bool gated) {
  RowStore& rows = backed_->rows;
  const Fresh oldest = backed_->fresh.front();
  backed_->fresh.pop_front();
  if (backed_->fresh.size() > kRowsAhead) {
    const Fresh& ahead = backed_->fresh[kRowsAhead];
    index_.prefetch_slot(ahead.hash);
    prefetch_for_write(rows_.at(ahead.row));
  }
  std::byte* gone = nullptr;
  index_.erase_where(oldest.hash, [&](const K& key, uint32_t number) {
    std::byte* const row = rows_.at(number);
    if (number != oldest.row || !rows.is_fresh(row)) { return false; }
    rows.set_fresh(row, false);
    if (rows.was_wanted(row) || ++backed_->unused % kKeptUnused == 0) { return false; }
    if (!write_to_leave(key, row, gated)) { return false; }
    gone = row;
    return true;
  });
  if (gone == nullptr) { return; }
  rows.note_left();
  destroy_cells(gone);
  rows_.free(oldest.row);
}

// Looks at some rows that are side by side in the index. Those that come next are on their way into
// the processor's cache meanwhile.
template <class K>
void KeyedStore<K>::move_hand(size_t needed, bool gated, size_t& looked) {
  Backed& backed = *backed_;
  const K* key = nullptr;
  uint32_t* row = nullptr;
  auto cursor = index_.cursor_at(backed.hand + kHandStep);
  for (int i = 0; i < kHandRows && index_.next(cursor, key, row); ++i) {
    prefetch_for_write(rows_.at(*row));
  }
  cursor = index_.cursor_at(backed.hand);
  backed.hand += kHandStep;
  ++looked;
  for (int i = 0; i < kHandRows && is_over(needed) && index_.next(cursor, key, row); ++i) {
    ++looked;
    const uint32_t number = *row;
    std::byte* const cells_of_key = rows_.at(number);
    if (backed.rows.is_fresh(cells_of_key) || backed.rows.take_used(cells_of_key)) { continue; }
    if (!write_to_leave(*key, cells_of_key, gated)) { continue; }
    index_.erase_last(cursor);
    backed.rows.note_left();
    destroy_cells(cells_of_key);
    rows_.free(number);
  }
}

// Writes of groups that are over are seen from now on.
template <class K>
void KeyedStore<K>::settle_groups() {
  if (!std::exchange(backed_->in_groups, false)) { return; }
  check_backend(backed_->rows.backend().commit());
}

// Has the backend take what a row has, if it may.
template <class K>
bool KeyedStore<K>::write_to_leave(const K& key, std::byte* row, bool gated) {
  RowStore& rows = backed_->rows;
  if (!rows.may_leave(row, backed_->in_groups)) { return false; }
  if (!rows.is_dirty(row)) {
    if (rows.was_passed(row)) { rows.give_back(row, hash_of(key).group, saved_key_.encode(key)); }
    return true;
  }
  if (gated && rows.is_new(row)) { return false; }
  rows.write(row, hash_of(key).group, saved_key_.encode(key));
  check_backend(rows.commit_some());
  return true;
}

// Waits until what was changed after the barrier may be written. False when that takes the writer
// of the snapshot to come by.
template <class K>
bool KeyedStore<K>::open_gate() {
  Backed& backed = *backed_;
  while (backed.stage == Backed::Stage::kFlush) {
    if (!flush_backed() && backed.waits_for_group) {
      check_backend(backed.rows.backend().commit());
    }
  }
  settle_groups();
  if (is_gated() && backed.stage == Backed::Stage::kOwn) { backed.rows.backend().wait_for_cut(); }
  return !is_gated();
}

// ---- Restoring

template <class K>
Status KeyedStore<K>::read_backed(SnapshotReader& original) {
  begin_work();
  RowStore& rows = backed_->rows;
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto reader, rows.backend().restore(original));
  TIDEWHEEL_RETURN_IF_ERROR(rows.open());
  for (size_t i = 0; i < cells().size(); ++i) {
    const StateMeta* const meta = reader->find(cells()[i]->name());
    if (meta == nullptr) { continue; }
    if (!rows.backend().is_restored(rows.store_of(i))) {
      TIDEWHEEL_RETURN_IF_ERROR(cells()[i]->open_restore(*meta));
      TIDEWHEEL_RETURN_IF_ERROR(*meta == rows.state(i).meta ? copy_state(*reader, i, *meta)
                                                            : convert_state(*reader, i, *meta));
      TIDEWHEEL_RETURN_IF_ERROR(rows.commit());
    }
  }
  TIDEWHEEL_RETURN_IF_ERROR(read_timers(*reader));
  clear_current();
  return {};
}

// The entries are stored as they are.
template <class K>
Status KeyedStore<K>::copy_state(SnapshotReader& reader, size_t index, const StateMeta& meta) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(meta.name));
  StateEntry entry;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { return {}; }
    backed_->rows.put_entry(index, entry);
    TIDEWHEEL_RETURN_IF_ERROR(backed_->rows.commit_some());
  }
}

// The schema has changed: each entry goes through a row.
template <class K>
Status KeyedStore<K>::convert_state(SnapshotReader& reader, size_t index, const StateMeta& meta) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto keys, StateDecoder<K>::make(meta, meta.key_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(meta.name));
  KeyedCell& cell = *cells()[index];
  const uint32_t number = rows_.allocate();
  std::byte* const row = rows_.at(number);
  StateEntry entry;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { break; }
    K key{};
    TIDEWHEEL_RETURN_IF_ERROR(keys.decode(entry.key, key));
    current_key_ = &key;
    current_hash_ = hash_of(key);
    has_current_key_ = true;
    TIDEWHEEL_RETURN_IF_ERROR(check_key_group(meta, entry.group, current_hash_.group));
    TIDEWHEEL_RETURN_IF_ERROR(cell.read(row, true, entry).with_context("state {}", meta.name));
    backed_->rows.put_cell(index, row, current_hash_.group, backed_->key_bytes.encode(key));
    destroy_cells(row);
    TIDEWHEEL_RETURN_IF_ERROR(backed_->rows.commit_some());
  }
  clear_current();
  rows_.free(number);
  return {};
}

// ---- Timers

template <class K>
void KeyedStore<K>::open_timers() {
  for (size_t domain = 0; domain < timers_.size(); ++domain) {
    Timers& opened = timers(static_cast<TimeDomain>(domain));
    opened.plain.open_backend(backed_->rows.backend(), timer_state_name(domain));
    opened.named.open_backend(backed_->rows.backend(), named_state_name(domain));
  }
}

// A bit for each service that has ever had a timer, in front of a backend.
template <class K>
uint32_t KeyedStore<K>::used_timers() {
  uint32_t used = backed_->used_timers;
  for (size_t domain = 0; domain < timers_.size(); ++domain) {
    const Timers* const of = timers_[domain].get();
    if (of == nullptr || !of->plain.has_backend()) { continue; }
    used |= (of->plain.empty() ? 0U : 1U) << (2 * domain);
    used |= (of->named.empty() ? 0U : 2U) << (2 * domain);
  }
  return used;
}

// Each that is used has the same share of what is for timers.
template <class K>
void KeyedStore<K>::share_timer_budget(int64_t bytes) {
  const int64_t share = bytes / std::max(__builtin_popcount(backed_->used_timers), 1);
  for (const auto& timers : timers_) {
    if (timers == nullptr || !timers->plain.has_backend()) { continue; }
    timers->plain.set_budget(share);
    timers->named.set_budget(share);
  }
}

template <class K>
Status KeyedStore<K>::read_timers(SnapshotReader& reader) {
  RowStore& rows = backed_->rows;
  for (size_t domain = 0; domain < timers_.size(); ++domain) {
    const std::string_view name = timer_state_name(domain);
    Timers& into = timers(static_cast<TimeDomain>(domain));
    TIDEWHEEL_RETURN_IF_ERROR(into.plain.read(reader, name));
    // The index is there when this is an image of the same backend.
    const std::string_view named = named_state_name(domain);
    bool has_index = into.named.has_backend() && reader.find(near_timers_name(named)) != nullptr;
    const auto of_domain = [&](size_t index) {
      const TimerCell* const timer = cells()[index]->as_timer();
      return timer != nullptr && static_cast<size_t>(timer->domain()) == domain;
    };
    for (size_t i = 0; i < cells().size(); ++i) {
      has_index = has_index && (!of_domain(i) || rows.backend().is_restored(rows.store_of(i)));
    }
    if (has_index) {
      TIDEWHEEL_RETURN_IF_ERROR(into.named.read(reader, named));
      continue;
    }
    for (size_t i = 0; i < cells().size(); ++i) {
      if (of_domain(i)) { TIDEWHEEL_RETURN_IF_ERROR(queue_stored_timers(i)); }
    }
  }
  return {};
}

// Named timers are queued from their states.
template <class K>
Status KeyedStore<K>::queue_stored_timers(size_t index) {
  RowStore& rows = backed_->rows;
  const StateMeta& meta = rows.state(index).meta;
  TIDEWHEEL_RETURN_IF_ERROR(cells()[index]->open_restore(meta));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto keys, StateDecoder<K>::make(meta, meta.key_schema));
  const uint32_t number = rows_.allocate();
  std::byte* const row = rows_.at(number);
  const auto cursor = rows.backend().scan(rows.store_of(index));
  for (cursor->seek(""); cursor->valid(); cursor->next()) {
    StateEntry entry;
    if (!split_store_key(cursor->key(), false, entry)) {
      return data_loss(ErrorId::kStateBackend, "a stored key of state {} is damaged", meta.name);
    }
    entry.value = cursor->value();
    K key{};
    TIDEWHEEL_RETURN_IF_ERROR(keys.decode(entry.key, key));
    current_key_ = &key;
    current_hash_ = hash_of(key);
    has_current_key_ = true;
    TIDEWHEEL_RETURN_IF_ERROR(cells()[index]->read(row, true, entry));
    destroy_cells(row);
  }
  clear_current();
  rows_.free(number);
  return cursor->status();
}

// ---- Snapshots

template <class K>
void KeyedStore<K>::begin_backed_snapshot(const SnapshotStart& start) {
  Backed& backed = *backed_;
  if (backed.stage != Backed::Stage::kIdle) { abort_backed(); }
  backed.start = start;
  backed.rows.next_epoch();
  begin_marks();
  index_.begin_snapshot(*this, StateContent::kAll, false);
  for (size_t domain = 0; domain < timers_.size(); ++domain) {
    if (timers_[domain] == nullptr) { continue; }
    auto& [plain, named] = *timers_[domain];
    // Changes are for snapshots of the backend's own; others have all timers, near and far.
    const bool keeps_changes =
        plan_.keeps_changes() && (!plain.has_backend() || backed.own_snapshots);
    plain.begin_snapshot(start, timer_state_name(domain), keeps_changes);
    if (named.has_backend() && backed.own_snapshots) {
      named.begin_snapshot(start, named_state_name(domain), true);
    }
  }
  backed.stage = Backed::Stage::kFlush;
  backed.all_wait_for_gate = false;
  backed.in_groups = backed.rows.backend().begin_groups();
  saving_group_ = index_.key_groups().first;
  saving_domain_ = 0;
}

template <class K>
void KeyedStore<K>::abort_backed() {
  Backed& backed = *backed_;
  index_.end_snapshot();
  abandon_groups();
  if (backed.stage == Backed::Stage::kOwn || backed.stage == Backed::Stage::kPrepare) {
    backed.rows.backend().abort_own_snapshot();
  }
  backed.cursor.reset();
  backed.view.reset();
  backed.stage = Backed::Stage::kIdle;
}

// Brings what is older than the barrier to the backend. False: call it again.
template <class K>
bool KeyedStore<K>::flush_backed() {
  Backed& backed = *backed_;
  size_t budget = kFlushSlots;
  backed.waits_for_group = false;
  for (; saving_group_ <= index_.key_groups().last; ++saving_group_) {
    if (!index_.write_group(saving_group_, budget, [] { return true; })) { return false; }
    if (backed.in_groups && !end_group()) { return false; }
  }
  if (!flush_timers(budget)) { return false; }
  check_backend(backed.rows.failure());
  check_backend(backed.rows.commit());
  index_.end_snapshot();
  backed.rows.backend().begin_cut();
  backed.stage = Backed::Stage::kPrepare;
  return true;
}

// Of the group that was walked over; behind the last one, of all.
template <class K>
bool KeyedStore<K>::end_group() {
  StateBackend& backend = backed_->rows.backend();
  const bool is_last = saving_group_ == index_.key_groups().last;
  const Result<bool> ended = is_last ? backend.end_groups() : backend.end_group(saving_group_);
  check_backend(ended.status());
  backed_->waits_for_group = !*ended;
  return *ended;
}

// No more of them come, and what was written would not be written again.
template <class K>
void KeyedStore<K>::abandon_groups() {
  if (!std::exchange(backed_->in_groups, false)) { return; }
  StateBackend& backend = backed_->rows.backend();
  for (;;) {
    const Result<bool> ended = backend.end_groups();
    const Status committed = backend.commit();
    // A failure sticks, and whatever is done next finds it.
    if (!ended.ok() || !committed.ok() || *ended) { return; }
  }
}

template <class K>
bool KeyedStore<K>::cut_backed(SnapshotWriter& writer) {
  Backed& backed = *backed_;
  StateBackend& backend = backed.rows.backend();
  const Result<bool> prepared = backend.prepare_cut();
  check_backend(prepared.status());
  if (!*prepared) { return false; }
  settle_groups();
  if (backed.own_snapshots && writer.takes_files()) {
    backend.begin_own_snapshot(backed.start, backed.wake);
    cut_timers(nullptr);
    backed.stage = Backed::Stage::kOwn;
  } else {
    backed.view = backend.cut_view();
    cut_timers(backed.view.get());
    backed.state = 0;
    backed.stage = Backed::Stage::kEntries;
  }
  return true;
}

template <class K>
bool KeyedStore<K>::write_view(SnapshotWriter& writer) {
  Backed& backed = *backed_;
  for (; backed.state < backed.rows.state_count(); ++backed.state) {
    if (backed.cursor == nullptr) {
      backed.cursor = backed.view->scan(backed.rows.store_of(backed.state));
    }
    const Result<bool> done =
        write_store(backed.rows.state(backed.state), *backed.cursor, now_ms_, writer);
    check_backend(done.status());
    if (!*done) { return false; }
    backed.cursor.reset();
  }
  return true;
}

template <class K>
bool KeyedStore<K>::flush_timers(size_t& budget) {
  for (const auto& timers : timers_) {
    if (timers != nullptr && (!timers->plain.flush(budget) || !timers->named.flush(budget))) {
      return false;
    }
  }
  return true;
}

template <class K>
void KeyedStore<K>::cut_timers(const StoreView* view) {
  for (const auto& timers : timers_) {
    if (timers == nullptr) { continue; }
    timers->plain.cut(view);
    if (view == nullptr) {
      timers->named.cut(nullptr);
    } else {
      timers->named.abort_snapshot();  // entries have the cells only
    }
  }
}

template <class K>
bool KeyedStore<K>::write_timers(SnapshotWriter& writer) {
  for (; saving_domain_ < 2 * timers_.size(); ++saving_domain_) {
    Timers* const timers = timers_[saving_domain_ / 2].get();
    if (timers == nullptr) { continue; }
    const bool is_done =
        saving_domain_ % 2 == 0 ? timers->plain.write(writer) : timers->named.write(writer);
    if (!is_done) { return false; }
  }
  return true;
}

template <class K>
bool KeyedStore<K>::write_backed(SnapshotWriter& writer) {
  Backed& backed = *backed_;
  using Step = typename Backed::Stage;
  if (backed.stage == Step::kIdle) { return true; }
  now_ms_ = clock_.wall_ms();
  if (backed.stage == Step::kFlush && !flush_backed()) { return false; }
  if (backed.stage == Step::kPrepare && !cut_backed(writer)) { return false; }
  if (backed.stage == Step::kOwn) {
    const Result<bool> done = backed.rows.backend().write_own_snapshot(writer);
    if (!done.ok()) { backed.stage = Step::kIdle; }
    check_backend(done.status());
    if (!*done) { return false; }
    backed.stage = Step::kTimers;
  }
  if (backed.stage == Step::kEntries) {
    if (!write_view(writer)) { return false; }
    backed.stage = Step::kTimers;
  }
  if (!write_timers(writer)) { return false; }
  backed.view.reset();
  backed.stage = Step::kIdle;
  return true;
}

// ---- All keys

// First the rows that are there, which stay; then what only the backend has, each key for a moment.
template <class K>
template <class F>
void KeyedStore<K>::for_each_stored_key(F f) {
  Backed& backed = *backed_;
  RowStore& rows = backed.rows;
  const uint16_t visit = ++backed.visits;
  const auto view = rows.backend().view();
  const auto call = [&](const K& key) {
    rows.note_visit(current_row_, visit);
    for (uint64_t left = mask_of(current_row_); left != 0; left &= left - 1) {
      if (cells()[static_cast<size_t>(__builtin_ctzll(left))]->has_any(current_row_)) {
        rows.use(current_row_);
        return f(key);
      }
    }
  };
  typename KeyedTable<K, uint32_t>::Cursor cursor;
  const K* cached_key = nullptr;
  uint32_t* cached_row = nullptr;
  while (index_.next(cursor, cached_key, cached_row)) {
    index_.touch_last(cursor);
    current_key_ = cached_key;
    current_hash_ = hash_of(*cached_key);
    has_current_key_ = true;
    current_row_ = rows_.at(*cached_row);
    call(*cached_key);
  }
  const auto keys = StateDecoder<K>::make(rows.state(0).meta, rows.state(0).meta.key_schema);
  check_backend(keys.status());
  StoredKeys stored(rows, *view);
  while (stored.next()) {
    K key{};
    check_backend(keys.value().decode(stored.entry().key, key));
    const KeyHash hash = hash_of(key);
    const uint32_t* const row = std::as_const(index_).find(key, hash);
    if (row != nullptr && rows.was_visited(rows_.at(*row), visit)) { continue; }
    set_current(key, hash);
    call(key);
    drop_current();
  }
  check_backend(stored.status());
  clear_current();
  end_work(0);
}

// Has the current key's row leave, if it may.
template <class K>
void KeyedStore<K>::drop_current() {
  RowStore& rows = backed_->rows;
  std::byte* const row = current_row_;
  if (is_gated()) { return; }
  rows.write(row, current_hash_.group, saved_key_.encode(*current_key_));
  check_backend(rows.commit_some());
  uint32_t number = StateRows::kNone;
  index_.erase_where(current_hash_, [&](const K&, uint32_t candidate) {
    if (rows_.at(candidate) != row) { return false; }
    number = candidate;
    return true;
  });
  rows.note_left();
  destroy_cells(row);
  rows_.free(number);
  clear_current();
}

}  // namespace tidewheel
