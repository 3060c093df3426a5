// KeyedStore<K>: the state of a process function for keys of type K: an index from key to row, the
// rows (keyed_state.h), and the timers of the keys.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/clock.h"
#include "tidewheel/base/prefetch.h"
#include "tidewheel/state/cells.h"
#include "tidewheel/state/change_plan.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/group_buffers.h"
#include "tidewheel/state/key_hash.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/layered_entries.h"
#include "tidewheel/state/row_store.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_backend.h"
#include "tidewheel/state/state_options.h"
#include "tidewheel/state/timers.h"
#include "tidewheel/state/touch_log.h"

namespace tidewheel {

// A timer that fires now; its key is the current key.
struct FiredTimer {
  int64_t time = 0;
  void* handle = nullptr;  // the EventTimer or ProcTimer; null for timers without a name
};

// One thread. The order of use: handles are bound (binding.h), then `read` when there is a
// snapshot, then batches and timers.
//
// A batch of records goes through KeyedBatch (below). Rows that lose their last cell are freed at
// the end of a batch only, because rows of later records of the same batch have been looked up
// already.
//
// Snapshots: looking a key up counts as touching all its states. A key that is touched for the
// first time after the barrier has its cells encoded before, all of them, or its row copied, to be
// encoded later, where that says all; see KeyedTable for the bits behind it. A list or map is
// written whole for its key. Rows are marked with the number of the barrier after which they were
// touched last, so that the index's bits are looked at once for each key and barrier, and not for
// each record; and where rows are copied, not even then, but later, for many rows in turn.
template <class K>
class KeyedStore final : public KeyedState, private TableTracker<K, uint32_t> {
 public:
  // `memory` may be null; `clock` gives the processing time for TTL.
  KeyedStore(KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory, Clock& clock,
             std::string_view name = "keyed state")
      : KeyedState(memory, name),
        clock_(clock),
        pool_(memory),
        name_(name),
        index_(groups, max_parallelism, memory, name),
        plan_(groups) {
    now_ms_ = clock.wall_ms();
  }
  ~KeyedStore() override {
    if (all_cells_go_with_heap()) { return; }
    index_.for_each([&](const K&, uint32_t row) { destroy_cells(rows_.at(row)); });
  }

  int32_t max_parallelism() const { return index_.max_parallelism(); }
  KeyHash hash_of(const K& key) const { return key_hash(key, index_.max_parallelism()); }

  // Makes `key` current. It must stay where it is until another is set.
  void set_current(const K& key, KeyHash hash) {
    if (logs_rows_) {
      std::byte* const row = find_row(key, hash);
      current_row_ = row == nullptr || is_touched(row) ? row : touch_row(key, hash);
      return set_current_key(key, hash);
    }
    const uint32_t* const row = index_.find(key, hash);
    current_row_ = row == nullptr ? nullptr : rows_.at(*row);
    if (backed_ != nullptr) [[unlikely]] {
      if (row == nullptr) { current_row_ = fetch_one(key, hash); }
      backed_->rows.use(current_row_);
    }
    set_current_key(key, hash);
  }
  void set_current(const K& key) { set_current(key, hash_of(key)); }
  void clear_current() {
    has_current_key_ = false;
    current_key_ = nullptr;
    current_row_ = nullptr;
  }
  const K& current_key() const {
    TIDEWHEEL_DCHECK(has_current_key_);
    return *current_key_;
  }
  // Before and after work on keys that is no KeyedBatch: reads the clock; frees rows.
  void begin_work() { now_ms_ = clock_.wall_ms(); }
  void end_work(uint32_t records);

  bool add_timer(TimeDomain domain, int64_t time) override {
    check_current_key("timers");
    return timers(domain).plain.add(*current_key_, current_hash_, {}, time);
  }
  bool remove_timer(TimeDomain domain, int64_t time) override {
    check_current_key("timers");
    return timers(domain).plain.remove(*current_key_, current_hash_, {}, time);
  }
  void queue_named_timer(TimeDomain domain, uint16_t id, int64_t time,
                         int64_t instead_of) override {
    auto& named = timers(domain).named;
    if (instead_of != kNotQueued) { named.remove(*current_key_, current_hash_, id, instead_of); }
    named.add(*current_key_, current_hash_, id, time);
  }

  // Takes the earliest timer whose time is not after `time`, and makes its key current; false when
  // there is none, then there is no current key. For processing time, `time` is the clock minus 1
  // ms.
  bool next_due(TimeDomain domain, int64_t time, FiredTimer& fired);
  // Takes up to `max` timers without a name that are not after `time`, in the order of their times:
  // each(key, hash, time), where Text of the key is valid during the call. For who fetches the rows
  // of many keys at once. Returns how many there were.
  template <class Each>
  size_t take_due(TimeDomain domain, int64_t time, size_t max, Each each) {
    Timers* const timers = timers_[static_cast<size_t>(domain)].get();
    if (timers == nullptr) { return 0; }
    size_t taken = 0;
    for (; taken < max; ++taken) {
      const auto* timer = timers->plain.next_due(time);
      if (timer == nullptr) { break; }
      each(timer->key, hash_of(timer->key), timer->time);
    }
    return taken;
  }
  // A time before which nothing fires; TimerQueue::kNoTime when there are no timers.
  int64_t next_time(TimeDomain domain) const {
    const Timers* const timers = timers_[static_cast<size_t>(domain)].get();
    return timers == nullptr ? TimerQueue::kNoTime
                             : std::min(timers->plain.next_time(), timers->named.next_time());
  }
  // Keys' timers in the queues of a domain (for tests and metrics); about, in front of a backend.
  size_t timer_count(TimeDomain domain) const {
    const Timers* const timers = timers_[static_cast<size_t>(domain)].get();
    return timers == nullptr ? 0 : timers->plain.size() + timers->named.size();
  }

  // Calls f(const K&) for every key that has state, with the key current. f may change the state,
  // and clear it.
  template <class F>
  void for_each_key(F f);

  // Has the store remember from barrier to barrier what was changed, so that snapshots can be
  // incremental. Before the first of them.
  void keep_changes() { plan_ = ChangePlan(index_.key_groups(), true); }
  // A barrier: the snapshot has the state of this moment.
  void begin_snapshot(const SnapshotStart& start);
  // Writes some of all states and timers; false when the writer takes no more or it is time for
  // something else, then call again. Records may come between. True at once when no snapshot was
  // begun.
  bool write(SnapshotWriter& writer);
  void abort_snapshot();
  // Reads all states that are declared, and the timers.
  Status read(SnapshotReader& reader);

  // ---- In front of a backend (keyed_store_backend.h): rows are then a cache.

  // Instead of `read`, when all states are declared. `reader` may be null. `wake` has `write`
  // called again; any thread calls it. The backend outlives the store.
  Status open_backend(StateBackend& backend, SnapshotReader* reader, std::function<void()> wake);
  bool has_backend() const { return backed_ != nullptr; }
  // Has the rows of all keys of a batch at hand, until the next fetch. Between begin_work and
  // end_work. Throws a StateError when the backend fails.
  template <class KeyAt>
  void fetch(uint32_t begin, uint32_t end, KeyAt& key_at);
  // `write` has nothing to do before it is woken.
  bool waits_for_backend() const {
    if (backed_ == nullptr) { return false; }
    switch (backed_->stage) {
      case Backed::Stage::kFlush: return backed_->waits_for_group;
      case Backed::Stage::kPrepare: return backed_->rows.backend().waits_for_commit();
      default: return backed_->stage == Backed::Stage::kOwn;
    }
  }

  size_t key_count() const { return index_.size(); }
  int64_t memory_bytes() const;
  // kMemoryLimit once there was no memory; ask once a batch.
  Status status();

 protected:
  // Whoever asks for a row makes a cell in it.
  std::byte* make_row() override {
    if (!has_current_key_) { throw_no_current_key("state"); }
    const uint32_t row = rows_.allocate();
    index_.upsert(*current_key_, current_hash_) = row;
    current_row_ = rows_.at(row);
    set_mark(current_row_, mark_);
    return current_row_;
  }
  void note_empty_row() override { maybe_empty_.push_back(current_hash_); }

 private:
  template <class, class>
  friend class KeyedBatch;

  struct Timers {
    Timers(KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory, std::string_view name)
        : plain(groups, max_parallelism, memory, name),
          named(groups, max_parallelism, memory, name) {}
    TimerService<K> plain;
    // By the id of their state. What counts is their cell; these are an index of the cells: for
    // each that is set there is an entry at its time or before.
    TimerService<K, uint16_t> named;
  };
  static constexpr uint32_t kRowsExpiredPerRecord = 3;
  static constexpr uint32_t kSweepBarriers = 8192;  // in how many all marks are looked at

  Timers& timers(TimeDomain domain) {
    auto& timers = timers_[static_cast<size_t>(domain)];
    if (timers == nullptr) {
      timers = std::make_unique<Timers>(index_.key_groups(), index_.max_parallelism(), pool_,
                                        name_ + " timers");
    }
    return *timers;
  }
  static std::string_view timer_state_name(size_t domain) {
    return domain == 0 ? "(event timers)" : "(processing timers)";
  }
  // Only where a backend has the index of named timers, in snapshots of its own.
  static std::string_view named_state_name(size_t domain) {
    return domain == 0 ? "(named event timers)" : "(named processing timers)";
  }
  // Makes the key of a timer that `service` gave current.
  template <class Service, class T>
  void select_timer(const Service& service, const T& timer) {
    service.fetch_ahead([&](KeyHash hash) { index_.prefetch(hash); });
    timer_key_ = timer.key;
    set_current(timer_key_, service.due_hash());
  }
  void set_current_key(const K& key, KeyHash hash) {
    current_key_ = &key;
    current_hash_ = hash;
    has_current_key_ = true;
  }
  // Finds a row some keys before it is used: nothing of it may be changed before touch_row.
  std::byte* find_row(const K& key, KeyHash hash) const {
    const uint32_t* const row = index_.find(key, hash);
    return row == nullptr ? nullptr : rows_.at(*row);
  }
  bool is_touched(std::byte* row) const { return mark_of(row) == mark_; }
  std::byte* touch_row(const K& key, KeyHash hash) {
    if (logs_rows_ && touched_.has_room()) [[likely]] { return touch_later(key, hash); }
    const uint32_t* const row = index_.find(key, hash);
    if (row == nullptr) { return nullptr; }
    set_mark(rows_.at(*row), mark_);
    return rows_.at(*row);
  }
  // Marks the row, and keeps it as it is if the snapshot may want it. The index is told later.
  std::byte* touch_later(const K& key, KeyHash hash) {
    size_t place = 0;
    const uint32_t* const found = std::as_const(index_).find_place(key, hash, place);
    if (found == nullptr) { return nullptr; }
    std::byte* const row = rows_.at(*found);
    if (is_touched(row)) { return row; }  // made by an earlier record
    set_mark(row, mark_);
    if (!is_saving_ && !plan_.keeps_changes()) { return row; }
    // Groups whose turn is over have all that they need.
    const bool may_be_wanted = is_saving_ && hash.group >= saving_group_;
    std::byte* const record = touched_.add();
    put_head(record, {may_be_wanted ? hash.group : kNoGroup, static_cast<uint32_t>(place)});
    if (may_be_wanted) { copy_to_log(record, key, row); }
    return row;
  }
  bool has_late_touches() const { return told_ < touched_.added(); }
  // Tells the index of up to `count` rows that were touched, and hears which of them the snapshot
  // needs. Of all rows before anything is done with the index that looks at bits or moves entries:
  // until then, rows of which it does not know are those in the log that bear the present mark.
  void tell_index(uint64_t count);
  void tell_index_all() {
    if (has_late_touches()) { tell_index(touched_.added() - told_); }
  }
  void tell_index_some(uint32_t records);
  // A barrier: no row is touched.
  void begin_marks() {
    if (++mark_ == 0) { mark_ = 1; }  // new rows have 0
    // An old mark must be gone when its number comes again. It is, of all rows, in good time.
    const uint32_t some = rows_.used() / kSweepBarriers + 64;
    if (swept_ >= rows_.used()) { swept_ = 0; }
    for (const uint32_t end = std::min(swept_ + some, rows_.used()); swept_ < end; ++swept_) {
      set_mark(rows_.at(swept_), 0);
    }
  }
  // Frees the rows that have no cell left.
  void free_empty_rows() {
    if (backed_ != nullptr) { return maybe_empty_.clear(); }  // it says that there is nothing
    for (const KeyHash hash : maybe_empty_) {
      uint32_t row = StateRows::kNone;
      index_.erase_where(hash, [&](const K&, uint32_t candidate) {
        if (mask_of(rows_.at(candidate)) != 0) { return false; }
        row = candidate;
        return true;
      });
      if (row != StateRows::kNone) { rows_.free(row); }
    }
    maybe_empty_.clear();
  }
  // Looks for expired state in some keys, round and round.
  void expire_some(uint32_t keys);
  Status read_state(SnapshotReader& reader, KeyedCell& cell, const StateMeta& meta);
  Status read_values(LayeredEntries& entries, KeyedCell& cell, const StateMeta& meta);
  static Result<size_t> count_keys(SnapshotReader& reader, const StateMeta& meta);

  // ---- Snapshots. A group's keys are walked over, and give entries of all states. They go to the
  // writer at once where nothing can be found to be erased on the way, since that has to come
  // first: in groups that are written whole, and in a store of one state whose cells are always
  // written. All others, and those that come before the group's turn or while it is interrupted, go
  // into buffers, from which each state is written when the walk is over.

  // What a state has for the snapshot that is under way, and for the next one.
  struct SavedState {
    StateMeta meta;
    GroupBuffers buffers;
    GroupBuffers erased_next;  // keys that were erased since the last barrier
  };
  enum class Stage : uint8_t { kOpen, kWalk, kTouched, kState, kErased, kEntries };
  static constexpr size_t kBudget = 32 * 1024;  // slots looked at in one call: some 100 us
  static constexpr size_t kTouchedCost = 32;    // of a row from the log, in slots looked at

  // Rows can be copied into the log, behind their group and key.
  static constexpr bool kCopiesKeys = std::is_trivially_copy_constructible_v<K> &&
                                      std::is_trivially_destructible_v<K> &&
                                      !Stored<K>::kUsesHeap && alignof(K) <= 8;
  static constexpr size_t kLoggedKeyAt = 8;
  static constexpr size_t kLoggedRowAt = kLoggedKeyAt + (sizeof(K) + 7) / 8 * 8;
  static constexpr size_t kLoggedRowMax = 256;  // bytes

  // A row that has come of late.
  struct Fresh {
    KeyHash hash;
    uint32_t row = 0;
  };
  // A record of the log: this, the key, and the row as it was.
  struct TouchHead {
    int32_t group = 0;   // kNoGroup: it is not to be written
    uint32_t place = 0;  // in the index, which does not know of it yet; kNoPlace: it does
  };
  static constexpr int32_t kNoGroup = -1;
  static constexpr uint32_t kNoPlace = UINT32_MAX;
  static TouchHead head_of_record(const std::byte* record) {
    TouchHead head;
    std::memcpy(&head, record, sizeof(head));
    return head;
  }
  static void put_head(std::byte* record, TouchHead head) {
    std::memcpy(record, &head, sizeof(head));
  }
  // Most keys in use are touched within some milliseconds behind a barrier. Until kBurstRecords
  // have come since, the index is told of one row for each kTellPart records only (and of more by
  // the writer of the snapshot); then of all, so that little is left for the next barrier, at which
  // everything stands still. Never are more than kLateMax left: that is some 5 ms.
  static constexpr uint64_t kBurstRecords = 1 << 20;
  static constexpr uint64_t kTellPart = 8;
  static constexpr uint64_t kLateMax = 1 << 18;
  static constexpr size_t kTellAhead = 24;  // rows whose bits are on their way
  static constexpr size_t kTellCost = 8;    // of a row, in slots looked at

  // What there is with a backend only.
  struct Backed {
    // A snapshot on its way: first what was changed before the barrier is written to the backend
    // (kFlush), and nothing newer. Then the backend gets ready (kPrepare) to cut that off: at
    // once for a view, which is then written as entries (kEntries), later for a snapshot of the
    // backend's own (kOwn).
    enum class Stage : uint8_t { kIdle, kFlush, kPrepare, kOwn, kEntries, kTimers };

    Backed(KeyedState& owner, StateBackend& backend, RowStore::CurrentKey current_key)
        : rows(owner, backend, encoded_schema<K>(), std::move(current_key)) {}

    RowStore rows;
    bool own_snapshots = false;
    std::function<void()> wake;
    int64_t budget_bytes = 0;  // of the backend's cache_bytes, when rows_max was made of it
    size_t rows_max = 0;
    size_t rows_limit = 0;     // with those that can't leave at a barrier
    uint32_t used_timers = 0;  // services, by bits
    std::deque<Fresh> fresh;   // rows that have come of late, the oldest first
    size_t fresh_spare = 0;    // these, for the rows of a batch
    uint32_t unused = 0;       // of these, that were not looked up again
    uint32_t hand = 0;         // of the clock: the part of the index, in 2^32, that lies before it
    StateBytes key_bytes;
    StateBytes current_bytes;
    uint16_t visits = 0;

    Stage stage = Stage::kIdle;
    // No row that there is may leave before the gate is opened: nobody looks for one again.
    bool all_wait_for_gate = false;
    // What is written at the barrier goes to the backend by groups, and is not seen yet.
    bool in_groups = false;
    bool waits_for_group = false;
    SnapshotStart start;
    std::unique_ptr<StoreView> view;
    std::unique_ptr<StoreCursor> cursor;
    size_t state = 0;
  };
  static constexpr size_t kRowsMin = 64;       // cached at least
  static constexpr size_t kBarrierPart = 16;   // of the rows: a sixteenth
  static constexpr size_t kFreshPart = 8;      // of the rows
  static constexpr uint32_t kKeptUnused = 32;  // one of so many, so that others grow old
  static constexpr size_t kRowsAhead = 12;  // fetched into the processor's cache before they leave
  // The hand looks at some rows side by side in the index and goes on elsewhere (by the golden
  // ratio): if it went along the index, the part before it would be twice as full as the whole.
  static constexpr int kHandRows = 16;
  static constexpr uint32_t kHandStep = 0x9e3779b9;
  static constexpr int64_t kTimerPart = 4;     // of the cache: a quarter
  static constexpr size_t kFlushSlots = 2048;  // looked at in one call

  std::byte* fetch_one(const K& key, KeyHash hash);
  std::byte* add_row(const K& key, KeyHash hash);
  void load_misses();
  void make_room(size_t needed);
  bool has_many_fresh(size_t spare) const {
    return backed_->fresh.size() * kFreshPart > index_.size() + spare * kFreshPart;
  }
  void take_oldest_fresh(bool gated);
  void move_hand(size_t needed, bool gated, size_t& looked);
  bool write_to_leave(const K& key, std::byte* row, bool gated);
  bool end_group();
  void settle_groups();
  void abandon_groups();
  void drop_current();
  bool is_over(size_t needed) const;
  // Nothing that was changed after the barrier may be written now.
  bool is_gated() const;
  bool cut_backed(SnapshotWriter& writer);
  bool open_gate();
  void set_rows_max();
  void check_backend(const Status& status) const {
    if (!status.ok()) [[unlikely]] { throw StateError(status); }
  }
  Status read_backed(SnapshotReader& reader);
  Status copy_state(SnapshotReader& reader, size_t index, const StateMeta& meta);
  Status convert_state(SnapshotReader& reader, size_t index, const StateMeta& meta);
  // Timers.
  void open_timers();
  uint32_t used_timers();
  void share_timer_budget(int64_t bytes);
  Status read_timers(SnapshotReader& reader);
  Status queue_stored_timers(size_t index);
  bool flush_timers(size_t& budget);
  void cut_timers(const StoreView* view);
  bool write_timers(SnapshotWriter& writer);
  void begin_backed_snapshot(const SnapshotStart& start);
  bool write_backed(SnapshotWriter& writer);
  bool flush_backed();
  bool write_view(SnapshotWriter& writer);
  void abort_backed();
  template <class F>
  void for_each_stored_key(F f);

  void make_saved_states();
  void abort_writing();
  bool write_group(SnapshotWriter& writer, size_t& budget);
  bool open_group(SnapshotWriter& writer);
  bool walk_group(SnapshotWriter& writer, size_t& budget);
  bool is_written_at_once(int32_t group) const {
    return plan_.is_whole(group) || (saved_.size() == 1 && cells()[0]->is_always_written());
  }
  void begin_state(SnapshotWriter& writer, const SavedState& state) const;
  bool write_state(SnapshotWriter& writer, SavedState& state);
  void entry(int32_t group, const K& key, uint32_t& row) override;
  void write_now(int32_t group, const K& key, std::byte* row);
  void write_early(int32_t group, const K& key, std::byte* row);
  bool log_row(int32_t group, const K& key, const std::byte* row);
  void copy_to_log(std::byte* record, const K& key, const std::byte* row);
  bool write_logged(uint64_t until, size_t& budget);
  void fetch_ahead(std::span<uint32_t* const> rows) override;
  void erased(int32_t group, const K& key) override;
  void before_moves() override { tell_index_all(); }
  void cleared() override { plan_.write_all_next(); }
  bool is_whole(int32_t group) const override {
    return backed_ != nullptr || plan_.is_whole(group);
  }

  Clock& clock_;
  MemoryPool* const pool_;
  const std::string name_;
  KeyedTable<K, uint32_t> index_;
  const K* current_key_ = nullptr;
  KeyHash current_hash_;
  std::vector<KeyHash> maybe_empty_;  // hashes of keys whose row may have no cell
  std::array<std::unique_ptr<Timers>, 2> timers_;
  K timer_key_{};  // of the timer that fires; its Text is in the timer service
  typename KeyedTable<K, uint32_t>::Cursor expire_cursor_;

  std::unique_ptr<Backed> backed_;
  ChangePlan plan_;
  std::vector<SavedState> saved_;  // by the index of the state
  StateBytes saved_key_;
  TouchLog touched_;
  uint64_t told_ = 0;            // of the log's records, those of which the index knows
  uint64_t added_before_ = 0;    // to the log, when records were worked on last
  uint64_t since_barrier_ = 0;   // records
  bool logs_rows_ = false;       // all that is touched early can be copied
  uint64_t touched_before_ = 0;  // rows in the log when the walk over the group at work was over
  bool is_saving_ = false;
  uint16_t mark_ = 0;          // of the rows whose keys were touched since the last barrier
  bool touches_many_ = false;  // the last batch did: some time after a barrier
  uint32_t swept_ = 0;         // rows below have no mark but those of the last barriers
  // Where `write` goes on.
  int32_t saving_group_ = 0;
  Stage stage_ = Stage::kOpen;
  SnapshotWriter* walk_writer_ = nullptr;  // of the walk at work; null: entries go into buffers
  size_t saving_state_ = 0;
  size_t saving_domain_ = 0;  // of the timers, at last
};

// Takes the keys of a batch's rows [begin, end) in turn, with the index and the rows of the keys
// that come next fetched ahead. `key_at(index)` gives a key, as a reference to where it stays or as
// a value.
//
//   KeyedBatch batch(store, cursor, rows.end, [&](uint32_t i) -> const K& { return row(i).key; });
//   for (; cursor < rows.end; ++cursor) { ...; batch.select(cursor); on_element(row(cursor)); }
template <class K, class KeyAt>
class KeyedBatch {
 public:
  KeyedBatch(KeyedStore<K>& store, uint32_t begin, uint32_t end, KeyAt key_at)
      : store_(store),
        key_at_(std::move(key_at)),
        begin_(begin),
        next_(begin),
        hashed_(begin),
        found_(begin),
        end_(end),
        fetches_bits_(store.touches_many_ && !store.logs_rows_) {
    store_.begin_work();
    if (store_.has_backend()) [[unlikely]] { store_.fetch(begin, end, key_at_); }
    while (hashed_ < end_ && hashed_ - begin < 2 * kAhead) { hash_one(); }
    while (found_ < hashed_ && found_ - begin < kAhead) { find_one(); }
  }
  ~KeyedBatch() {
    store_.clear_current();
    store_.touches_many_ = touches_ * kManyTouches > next_ - begin_;
    store_.end_work(next_ - begin_);
  }
  KeyedBatch(const KeyedBatch&) = delete;
  KeyedBatch& operator=(const KeyedBatch&) = delete;

  // Makes the key of row `index` current. Each row once, from the first on.
  void select(uint32_t index) {
    TIDEWHEEL_DCHECK(index == next_);
    const Slot& slot = slots_[index % kSlots];
    store_.current_key_ = &key_of(slot);
    store_.current_hash_ = slot.hash;
    store_.has_current_key_ = true;
    if (slot.row != nullptr && store_.is_touched(slot.row)) [[likely]] {
      store_.current_row_ = slot.row;
    } else {
      // A key without a row may have got one from an earlier record of this batch.
      store_.current_row_ = store_.touch_row(key_of(slot), slot.hash);
      ++touches_;
    }
    if (store_.backed_ != nullptr) [[unlikely]] { store_.backed_->rows.use(store_.current_row_); }
    ++next_;
    // One slot stays free: the current key's must live until the next call.
    if (hashed_ < end_ && hashed_ - index < 2 * kAhead) { hash_one(); }
    if (found_ < hashed_) { find_one(); }
    if (fetches_bits_ && found_ - index > kTouchAhead) { fetch_bits(index + kTouchAhead); }
  }

 private:
  static constexpr uint32_t kAhead = 12;
  static constexpr uint32_t kTouchAhead = 4;
  static constexpr uint32_t kManyTouches = 128;  // one record in so many
  static constexpr uint32_t kSlots = 32;         // a power of two above 2 * kAhead
  using KeyResult = std::invoke_result_t<KeyAt&, uint32_t>;
  static constexpr bool kByReference =
      std::is_lvalue_reference_v<KeyResult> && std::is_same_v<std::remove_cvref_t<KeyResult>, K>;
  using KeyHolder = std::conditional_t<kByReference, const K*, K>;
  struct Slot {
    KeyHolder key{};
    KeyHash hash;
    std::byte* row = nullptr;
  };

  static const K& key_of(const Slot& slot) {
    if constexpr (kByReference) {
      return *slot.key;
    } else {
      return slot.key;
    }
  }
  void hash_one() {
    Slot& slot = slots_[hashed_ % kSlots];
    if constexpr (kByReference) {
      slot.key = &key_at_(hashed_);
    } else {
      slot.key = key_at_(hashed_);
    }
    slot.hash = store_.hash_of(key_of(slot));
    store_.index_.prefetch_slot(slot.hash);
    ++hashed_;
  }
  void find_one() {
    Slot& slot = slots_[found_ % kSlots];
    slot.row = store_.find_row(key_of(slot), slot.hash);
    if (slot.row != nullptr) {
      prefetch_for_write(slot.row);
      if (store_.rows_.row_bytes() > 64) { prefetch_for_write(slot.row + 64); }
    }
    ++found_;
  }
  // What touching a row for the first time since the barrier needs, once the row has come.
  void fetch_bits(uint32_t index) const {
    const Slot& slot = slots_[index % kSlots];
    if (slot.row == nullptr || store_.is_touched(slot.row)) { return; }
    store_.index_.prefetch_bits(slot.hash);
  }

  KeyedStore<K>& store_;
  KeyAt key_at_;
  const uint32_t begin_;
  uint32_t next_;
  uint32_t hashed_;
  uint32_t found_;
  const uint32_t end_;
  const bool fetches_bits_;
  uint32_t touches_ = 0;  // of keys that were not touched since the barrier
  std::array<Slot, kSlots> slots_;
};
template <class K, class KeyAt>
KeyedBatch(KeyedStore<K>&, uint32_t, uint32_t, KeyAt) -> KeyedBatch<K, KeyAt>;

template <class K>
void KeyedStore<K>::end_work(uint32_t records) {
  if (has_late_touches()) { tell_index_some(records); }
  if (!maybe_empty_.empty()) { free_empty_rows(); }
  // What has expired in front of a backend goes with its row.
  if (has_ttl_ && backed_ == nullptr) { expire_some(records * kRowsExpiredPerRecord); }
}

template <class K>
void KeyedStore<K>::expire_some(uint32_t keys) {
  const K* key = nullptr;
  uint32_t* row = nullptr;
  auto ahead = expire_cursor_;
  for (uint32_t i = 0; i < 8 && index_.next(ahead, key, row); ++i) {
    prefetch_for_write(rows_.at(*row));
  }
  for (; keys > 0; --keys) {
    if (index_.next(ahead, key, row)) { prefetch_for_write(rows_.at(*row)); }
    if (!index_.next(expire_cursor_, key, row)) {
      expire_cursor_ = {};
      return;
    }
    // What expires needs not be written first: snapshots leave it out.
    if (expire_cells(rows_.at(*row))) {
      const uint32_t gone = *row;
      index_.erase_last(expire_cursor_);
      rows_.free(gone);
    }
  }
}

template <class K>
bool KeyedStore<K>::next_due(TimeDomain domain, int64_t time, FiredTimer& fired) {
  clear_current();
  if (!maybe_empty_.empty()) { free_empty_rows(); }
  if (backed_ != nullptr) { make_room(1); }
  Timers* const timers = timers_[static_cast<size_t>(domain)].get();
  if (timers == nullptr) { return false; }
  for (;;) {
    const int64_t plain_time = timers->plain.next_time();
    const int64_t named_time = timers->named.next_time();
    // Each service says at least when it has nothing before; a removed timer makes another round.
    if (plain_time <= named_time) {
      if (plain_time > time || timers->plain.empty()) { return false; }
      const auto* timer = timers->plain.next_due(std::min(time, named_time));
      if (timer == nullptr) { continue; }
      select_timer(timers->plain, *timer);
      fired = {timer->time, nullptr};
      return true;
    }
    if (named_time > time) { return false; }
    const auto* timer = timers->named.next_due(std::min(time, plain_time));
    if (timer == nullptr) { continue; }
    select_timer(timers->named, *timer);
    auto* const cell = static_cast<TimerCell*>(timer_cells_[timer->name_space]);
    const int64_t fired_at = timer->time;
    if (current_row_ != nullptr && cell->is_due(current_row_, fired_at)) {
      fired = {fired_at, cell->handle()};
      return true;
    }
  }
}

template <class K>
template <class F>
void KeyedStore<K>::for_each_key(F f) {
  // What is cleared goes afterwards, so the index does not change; new keys can't come up.
  begin_work();
  tell_index_all();
  if (backed_ != nullptr) { return for_each_stored_key(std::move(f)); }
  typename KeyedTable<K, uint32_t>::Cursor cursor;
  const K* key = nullptr;
  uint32_t* row = nullptr;
  while (index_.next(cursor, key, row)) {
    index_.touch_last(cursor);
    current_key_ = key;
    current_hash_ = hash_of(*key);
    has_current_key_ = true;
    current_row_ = rows_.at(*row);
    f(*key);
  }
  clear_current();
  end_work(0);
}

template <class K>
void KeyedStore<K>::make_saved_states() {
  if (saved_.size() == cells().size()) { return; }
  for (const auto& cell : cells()) {
    SavedState& made = saved_.emplace_back();
    made.meta = cell->meta();
    made.meta.key_schema = encoded_schema<K>();
    made.buffers = GroupBuffers(index_.key_groups());
    made.erased_next = GroupBuffers(index_.key_groups());
  }
  logs_rows_ = kCopiesKeys && rows_.row_bytes() <= kLoggedRowMax && all_cells_are_plain();
  if (logs_rows_) { touched_.set_record_bytes(kLoggedRowAt + (rows_.row_bytes() + 7) / 8 * 8); }
}

template <class K>
void KeyedStore<K>::begin_snapshot(const SnapshotStart& start) {
  if (backed_ != nullptr) { return begin_backed_snapshot(start); }
  tell_index_all();
  abort_writing();
  if (!maybe_empty_.empty()) { free_empty_rows(); }
  begin_marks();
  since_barrier_ = 0;
  make_saved_states();
  plan_.begin(start, index_.size());
  for (SavedState& state : saved_) {
    state.buffers.clear();
    state.buffers.swap(state.erased_next);
  }
  index_.begin_snapshot(*this, plan_.content(), plan_.keeps_changes());
  for (size_t domain = 0; domain < timers_.size(); ++domain) {
    if (timers_[domain] == nullptr) { continue; }
    timers_[domain]->plain.begin_snapshot(start, timer_state_name(domain), plan_.keeps_changes());
  }
  is_saving_ = true;
  saving_group_ = index_.key_groups().first;
  stage_ = Stage::kOpen;
  saving_domain_ = 0;
}

template <class K>
void KeyedStore<K>::abort_writing() {
  if (!is_saving_) { return; }
  is_saving_ = false;
  index_.end_snapshot();
  for (SavedState& state : saved_) { state.buffers.clear(); }
  touched_.clear();
  told_ = added_before_ = 0;
}

template <class K>
void KeyedStore<K>::abort_snapshot() {
  tell_index_all();
  if (backed_ != nullptr) { abort_backed(); }
  abort_writing();
  plan_.write_all_next();
  for (auto& timers : timers_) {
    if (timers == nullptr) { continue; }
    timers->plain.abort_snapshot();
    timers->named.abort_snapshot();
  }
}

template <class K>
bool KeyedStore<K>::write(SnapshotWriter& writer) {
  if (backed_ != nullptr) { return write_backed(writer); }
  if (!is_saving_) { return true; }
  now_ms_ = clock_.wall_ms();
  size_t budget = kBudget;
  // The walk must not come by rows of which the index does not know yet.
  if (has_late_touches()) {
    const uint64_t told_before = told_;
    tell_index(budget / kTellCost);
    budget -= std::min<size_t>(budget, (told_ - told_before) * kTellCost);
    if (has_late_touches()) { return false; }
  }
  // Half of the time, so that the walk goes on whatever is touched meanwhile.
  const size_t log_budget = budget / 2;
  size_t log_left = log_budget;
  static_cast<void>(write_logged(touched_.added(), log_left));
  budget -= log_budget - log_left;
  for (; saving_group_ <= index_.key_groups().last; ++saving_group_, stage_ = Stage::kOpen) {
    if (!writer.ready() || !write_group(writer, budget)) { return false; }
  }
  for (; saving_domain_ < timers_.size(); ++saving_domain_) {
    if (timers_[saving_domain_] == nullptr) { continue; }
    if (!timers_[saving_domain_]->plain.write(writer)) { return false; }
  }
  abort_writing();
  return true;
}

template <class K>
bool KeyedStore<K>::write_group(SnapshotWriter& writer, size_t& budget) {
  if (stage_ == Stage::kOpen) {
    if (!open_group(writer)) { return false; }
    stage_ = Stage::kWalk;
  }
  if (stage_ == Stage::kWalk) {
    if (!walk_group(writer, budget)) { return false; }
    touched_before_ = touched_.added();
    stage_ = Stage::kTouched;
  }
  if (stage_ == Stage::kTouched) {
    if (!write_logged(touched_before_, budget)) { return false; }
    saving_state_ = 0;
    stage_ = Stage::kState;
  }
  for (; saving_state_ < saved_.size(); ++saving_state_, stage_ = Stage::kState) {
    if (!write_state(writer, saved_[saving_state_])) { return false; }
  }
  return true;
}

// What comes before the entries of a group that are written during the walk.
template <class K>
bool KeyedStore<K>::open_group(SnapshotWriter& writer) {
  if (!is_written_at_once(saving_group_)) { return true; }
  for (SavedState& state : saved_) {
    begin_state(writer, state);
    if (plan_.content() == StateContent::kAll) { continue; }
    if (plan_.is_whole(saving_group_)) {
      writer.whole_group(saving_group_);
    } else if (!state.buffers.write_erased(saving_group_, writer)) {
      return false;  // there is one state: this one
    }
  }
  return true;
}

template <class K>
bool KeyedStore<K>::walk_group(SnapshotWriter& writer, size_t& budget) {
  if (!is_written_at_once(saving_group_)) {
    return index_.write_group(saving_group_, budget, [] { return true; });
  }
  if (!saved_.empty()) { begin_state(writer, saved_[0]); }
  walk_writer_ = &writer;
  const bool is_done =
      index_.write_group(saving_group_, budget, [&writer] { return writer.ready(); });
  walk_writer_ = nullptr;
  return is_done;
}

template <class K>
void KeyedStore<K>::begin_state(SnapshotWriter& writer, const SavedState& state) const {
  if (plan_.content() == StateContent::kChanges) {
    writer.begin_changes(state.meta);
  } else {
    writer.begin_state(state.meta);
  }
}

template <class K>
bool KeyedStore<K>::write_state(SnapshotWriter& writer, SavedState& state) {
  begin_state(writer, state);
  if (stage_ == Stage::kState) {
    stage_ = is_written_at_once(saving_group_) ? Stage::kEntries : Stage::kErased;
  }
  if (stage_ == Stage::kErased) {
    if (!state.buffers.write_erased(saving_group_, writer)) { return false; }
    stage_ = Stage::kEntries;
  }
  if (!state.buffers.write_entries(saving_group_, writer)) { return false; }
  state.buffers.drop(saving_group_);
  return true;
}

template <class K>
void KeyedStore<K>::entry(int32_t group, const K& key, uint32_t& row) {
  if (backed_ != nullptr) {
    RowStore& rows = backed_->rows;
    if (!rows.is_dirty(rows_.at(row))) { return; }
    rows.write(rows_.at(row), group, saved_key_.encode(key), backed_->in_groups);
    static_cast<void>(rows.commit_some());  // a failure is kept
    return;
  }
  plan_.note_unit(group);
  std::byte* const cells_of_key = rows_.at(row);
  if (walk_writer_ != nullptr && group == saving_group_) {
    return write_now(group, key, cells_of_key);
  }
  if (!log_row(group, key, cells_of_key)) { write_early(group, key, cells_of_key); }
}

// False: it has to be encoded at once.
template <class K>
bool KeyedStore<K>::log_row(int32_t group, const K& key, const std::byte* row) {
  if (!logs_rows_ || !touched_.has_room()) { return false; }
  if (!has_late_touches()) { ++told_; }  // the index knows of it
  std::byte* const record = touched_.add();
  put_head(record, {group, kNoPlace});
  copy_to_log(record, key, row);
  return true;
}

template <class K>
void KeyedStore<K>::copy_to_log(std::byte* record, const K& key, const std::byte* row) {
  if constexpr (kCopiesKeys) {
    new (record + kLoggedKeyAt) K(key);
    // By words: some of them are faster than a call.
    for (size_t at = 0; at < rows_.row_bytes(); at += sizeof(uint64_t)) {
      std::memcpy(record + kLoggedRowAt + at, row + at, sizeof(uint64_t));
    }
  }
}

template <class K>
void KeyedStore<K>::tell_index(uint64_t count) {
  const uint64_t end = std::min(told_ + count, touched_.added());
  for (uint64_t ahead = told_; told_ < end; ++told_) {
    for (; ahead < std::min(end, told_ + kTellAhead); ++ahead) {
      const TouchHead next = head_of_record(touched_.at(ahead));
      if (next.place != kNoPlace) { index_.prefetch_place(next.place); }
    }
    std::byte* const record = touched_.at(told_);
    const TouchHead head = head_of_record(record);
    if (head.place == kNoPlace) { continue; }
    const bool is_wanted = index_.touch_place(head.place);
    TIDEWHEEL_DCHECK(!is_wanted || head.group != kNoGroup, "a row was not kept for the snapshot");
    put_head(record, {is_wanted ? head.group : kNoGroup, kNoPlace});
    if (is_wanted) { plan_.note_unit(head.group); }
  }
  if (is_saving_) { return; }
  while (touched_.taken() < told_) { touched_.pop(); }
}

// After work on so many records.
template <class K>
void KeyedStore<K>::tell_index_some(uint32_t records) {
  const uint64_t added = touched_.added();
  const uint64_t work = std::max<uint64_t>(records, added - added_before_);
  added_before_ = added;
  since_barrier_ += work;
  uint64_t count = work / kTellPart + 1;
  if (since_barrier_ > kBurstRecords) { count += work; }
  if (added - told_ > kLateMax + count) { count = added - told_ - kLateMax; }
  tell_index(count);
}

// Encodes rows of the log until so many were taken; false when the budget is used up.
template <class K>
bool KeyedStore<K>::write_logged(uint64_t until, size_t& budget) {
  if constexpr (kCopiesKeys) {
    while (touched_.taken() < until) {
      if (budget == 0) { return false; }
      std::byte* const record = touched_.at(touched_.taken());
      const int32_t group = head_of_record(record).group;
      if (group == kNoGroup) {
        --budget;
        touched_.pop();
        continue;
      }
      budget -= std::min(budget, kTouchedCost);
      write_early(group, *std::launder(reinterpret_cast<const K*>(record + kLoggedKeyAt)),
                  record + kLoggedRowAt);
      touched_.pop();
    }
  }
  return true;
}

// An entry whose group has its turn later, or is at work.
template <class K>
void KeyedStore<K>::write_early(int32_t group, const K& key, std::byte* row) {
  const bool is_change = !plan_.is_whole(group);
  StateEntry made;
  made.group = group;
  made.key = saved_key_.encode(key);
  for (size_t i = 0; i < saved_.size(); ++i) {
    KeyedCell& cell = *cells()[i];
    GroupBuffers& to = saved_[i].buffers;
    const uint64_t before = to.added();
    if (has(row, cell.bit())) {
      made.name_space = {};
      cell.write(row, made, to);
    }
    // The key may have had this state when it was written last.
    if (is_change && to.added() == before) { to.erase(group, made.key, {}); }
  }
}

template <class K>
void KeyedStore<K>::write_now(int32_t group, const K& key, std::byte* row) {
  StateEntry made;
  made.group = group;
  made.key = saved_key_.encode(key);
  for (size_t i = 0; i < saved_.size(); ++i) {
    KeyedCell& cell = *cells()[i];
    if (!has(row, cell.bit())) {
      TIDEWHEEL_DCHECK(plan_.is_whole(group), "a row without a cell at a barrier");
      continue;
    }
    if (saved_.size() > 1) { begin_state(*walk_writer_, saved_[i]); }
    made.name_space = {};
    cell.write(row, made, *walk_writer_);
  }
}

template <class K>
void KeyedStore<K>::fetch_ahead(std::span<uint32_t* const> rows) {
  const bool is_long = rows_.row_bytes() > 64;
  for (const uint32_t* const row : rows) {
    prefetch_for_write(rows_.at(*row));
    if (is_long) { prefetch_for_write(rows_.at(*row) + 64); }
  }
}

template <class K>
void KeyedStore<K>::erased(int32_t group, const K& key) {
  plan_.note_erased(group);
  const std::string_view bytes = saved_key_.encode(key);
  for (SavedState& state : saved_) { state.erased_next.erase(group, bytes, {}); }
}

template <class K>
Status KeyedStore<K>::read(SnapshotReader& reader) {
  TIDEWHEEL_RETURN_IF_ERROR(check_readable_without_backend(reader));
  begin_work();
  for (const auto& cell : cells()) {
    const StateMeta* const meta = reader.find(cell->name());
    if (meta != nullptr) { TIDEWHEEL_RETURN_IF_ERROR(read_state(reader, *cell, *meta)); }
  }
  for (size_t domain = 0; domain < 2; ++domain) {
    const std::string_view name = timer_state_name(domain);
    if (reader.find(name) == nullptr) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(timers(static_cast<TimeDomain>(domain)).plain.read(reader, name));
  }
  clear_current();
  end_work(0);
  return ok_status();
}

template <class K>
Result<size_t> KeyedStore<K>::count_keys(SnapshotReader& reader, const StateMeta& meta) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(meta.name));
  if (!meta.form.starts_with("map")) { return static_cast<size_t>(entries->count()); }
  // A key has an entry for each of its map's, one after another.
  size_t count = 0;
  std::string last;
  StateEntry entry;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { return count; }
    if (count > 0 && entry.key == last) { continue; }
    last = entry.key;
    ++count;
  }
}

template <class K>
Status KeyedStore<K>::read_state(SnapshotReader& reader, KeyedCell& cell, const StateMeta& meta) {
  TIDEWHEEL_RETURN_IF_ERROR(cell.open_restore(meta));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto keys, StateDecoder<K>::make(meta, meta.key_schema));
  if (meta.form.starts_with("value")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto values, reader.read(meta.name));
    auto* const layered = dynamic_cast<LayeredEntries*>(values.get());
    if (layered != nullptr) { return read_values(*layered, cell, meta); }
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const size_t key_count, count_keys(reader, meta));
  index_.reserve(key_count);
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(meta.name));
  StateEntry entry;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { return ok_status(); }
    K key{};
    TIDEWHEEL_RETURN_IF_ERROR(keys.decode(entry.key, key));
    const KeyHash hash = hash_of(key);
    TIDEWHEEL_RETURN_IF_ERROR(check_key_group(meta, entry.group, hash.group));
    set_current(key, hash);
    std::byte* const row = ensure_row();
    TIDEWHEEL_RETURN_IF_ERROR(
        cell.read(row, !has(row, cell.bit()), entry).with_context("state {}", meta.name));
  }
}

// Of a state that has one entry a key, some keys at a time: their slots are on their way while
// others are decoded. A key that is there already was in a newer layer.
template <class K>
Status KeyedStore<K>::read_values(LayeredEntries& entries, KeyedCell& cell, const StateMeta& meta) {
  constexpr size_t kBunch = 32;
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto decoder, StateDecoder<K>::make(meta, meta.key_schema));
  index_.reserve(entries.count());
  const bool is_first_state = index_.empty();
  std::array<StateEntry, kBunch> bunch;
  std::array<K, kBunch> keys{};
  std::array<KeyHash, kBunch> hashes;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const size_t size, entries.next_of_layers(bunch));
    if (size == 0) { return ok_status(); }
    for (size_t i = 0; i < size; ++i) {
      TIDEWHEEL_RETURN_IF_ERROR(decoder.decode(bunch[i].key, keys[i]));
      hashes[i] = hash_of(keys[i]);
      TIDEWHEEL_RETURN_IF_ERROR(check_key_group(meta, bunch[i].group, hashes[i].group));
      index_.prefetch_slot(hashes[i]);
    }
    for (size_t i = 0; i < size; ++i) {
      bool is_new = false;
      uint32_t& number = index_.upsert(keys[i], hashes[i], is_new);
      if (is_new) {
        number = rows_.allocate();
      } else if (is_first_state || has(rows_.at(number), cell.bit())) {
        continue;
      }
      TIDEWHEEL_RETURN_IF_ERROR(
          cell.read(rows_.at(number), true, bunch[i]).with_context("state {}", meta.name));
    }
  }
}

template <class K>
int64_t KeyedStore<K>::memory_bytes() const {
  int64_t bytes = index_.memory_bytes() + rows_.memory_bytes() + touched_.memory_bytes();
  for (const auto& timers : timers_) {
    if (timers != nullptr) { bytes += timers->plain.memory_bytes() + timers->named.memory_bytes(); }
  }
  return bytes;
}

template <class K>
Status KeyedStore<K>::status() {
  if (backed_ != nullptr) {
    TIDEWHEEL_RETURN_IF_ERROR(backed_->rows.failure());
    for (const auto& timers : timers_) {
      if (timers == nullptr) { continue; }
      TIDEWHEEL_RETURN_IF_ERROR(timers->plain.status());
      TIDEWHEEL_RETURN_IF_ERROR(timers->named.status());
    }
  }
  // All of it is in one pool: whoever finds it over its limit, it is over.
  TIDEWHEEL_RETURN_IF_ERROR(memory().check());
  TIDEWHEEL_RETURN_IF_ERROR(rows_.status());
  return index_.status();
}

}  // namespace tidewheel

#include "tidewheel/state/keyed_store_backend.h"
