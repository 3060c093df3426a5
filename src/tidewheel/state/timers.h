// Timers of one operator, of event time or of processing time: a key, a namespace (a window, say)
// and a time, at which the operator is called with the key.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/base/mutant.h"
#include "tidewheel/base/status.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/key_group.h"
#include "tidewheel/state/key_hash.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_backend.h"
#include "tidewheel/state/state_memory.h"
#include "tidewheel/state/state_options.h"
#include "tidewheel/state/stored_timers.h"
#include "tidewheel/state/table_snapshot.h"
#include "tidewheel/state/timer_queue.h"
#include "tidewheel/types/stored.h"

namespace tidewheel {

// The namespace of timers that need none.
struct NoNamespace {
  friend bool operator==(const NoNamespace&, const NoNamespace&) = default;
};

template <class K, class N>
struct Timer {
  int64_t time = 0;
  K key{};
  [[no_unique_address]] N name_space{};
};

namespace state_detail {

// A timer to be looked for, without a copy of its key.
template <class K, class N>
struct TimerRef {
  int64_t time;
  const K& key;
  const N& name_space;

  explicit operator Timer<K, N>() const { return {time, key, name_space}; }
  friend bool operator==(const Timer<K, N>& a, const TimerRef& b) {
    return a.time == b.time && same_key(a.key, b.key) && a.name_space == b.name_space;
  }
};

// The low 16 bits of a key's hash are not used for its timers: a tag of the queue has the group
// there.
inline constexpr uint64_t kTimerHashMask = ~uint64_t{0xffff};

// Of the key and the time only: the timers of one key and time are few.
inline KeyHash timer_hash(KeyHash key, int64_t time) {
  const uint64_t hash = (key.hash & kTimerHashMask) + static_cast<uint64_t>(time);
  return {mix64(hash * 0x9e3779b97f4a7c15ULL), key.group};
}

// How timers are in a snapshot: the key, and in the place of a namespace what is left of the timer,
// so that each is a unit of its own.
template <class K, class N>
class TimerCodec {
 public:
  using Place = std::conditional_t<std::is_same_v<N, NoNamespace>, int64_t, std::pair<N, int64_t>>;

  static StateMeta meta(std::string name) {
    StateMeta made;
    made.name = std::move(name);
    made.kind = StateKind::kTimers;
    made.form = "timers";
    made.key_schema = encoded_schema<K>();
    made.namespace_schema = encoded_schema<Place>();
    made.unit_has_namespace = true;
    return made;
  }
  void encode_unit(const Timer<K, N>& timer, StateEntry& entry) {
    entry.key = key_bytes_.encode(timer.key);
    if constexpr (std::is_same_v<N, NoNamespace>) {
      entry.name_space = place_bytes_.encode(timer.time);
    } else {
      entry.name_space = place_bytes_.encode(Place(timer.name_space, timer.time));
    }
  }
  void encode_value(const Timer<K, N>&, const NoValue&, StateEntry&) {}
  static void set_place(const Place& place, Timer<K, N>& timer) {
    if constexpr (std::is_same_v<N, NoNamespace>) {
      timer.time = place;
    } else {
      timer.name_space = place.first;
      timer.time = place.second;
    }
  }

 private:
  StateBytes key_bytes_;
  StateBytes place_bytes_;
};

}  // namespace state_detail

// The state beside `name` with the timers that were in memory, where those of `name` are files of a
// backend.
std::string near_timers_name(std::string_view name);

template <class N>
struct KeyedTableBytes<Timer<std::string, N>> {
  static constexpr bool kOwnsBytes = true;
  static int64_t of(const Timer<std::string, N>& timer) {
    return KeyedTableBytes<std::string>::of(timer.key);
  }
};

template <class K, class N>
struct KeyedTableHash<Timer<K, N>> {
  static KeyHash of(const Timer<K, N>& timer, int32_t max_parallelism) {
    return state_detail::timer_hash(key_hash(timer.key, max_parallelism), timer.time);
  }
};

// A set of timers that is also a queue. Registering twice is registering once; removing what is not
// there does nothing. One thread.
//
// The timers are in a table in key-group order, which finds duplicates and makes snapshots; the
// queue has their times, and hashes to find them by. A removed timer stays in the queue until its
// time and is not found then; when most are of that kind the queue is made again from the table.
//
// Event time: at watermark t the operator takes timers with `next_due(t)` until there is none, one
// at a time, so that it can stop in between; timers that are added meanwhile and are not after t
// come in the same advance. Processing time: a timer is due when the clock has passed it, so call
// `next_due(now - 1)` and wake at `next_time() + 1`.
//
// In front of a state backend (`open_backend`) only those timers are in memory that come first:
// when they are more than the budget has room for, the later half of them goes to the backend,
// where later ones are put from then on, and comes back when the others have fired
// (stored_timers.h). As long as all fit into memory the backend is not used. What one backend has
// of several services (those of the two clocks, of keys with windows) is in states of their own.
//   begin_snapshot   at the barrier. Nothing newer is written until `cut`.
//   flush            until it is true; then the owner commits what was written, its own with it,
//   cut              and takes a view, or begins a snapshot of the backend's own
//   write            until it is true; or abort_snapshot, at any time
template <class K, class N = NoNamespace>
class TimerService {
 public:
  using TimerType = Timer<K, N>;

  TimerService(KeyGroupRange groups, int32_t max_parallelism, MemoryPool* memory,
               std::string_view name = "timers")
      : table_(groups, max_parallelism, memory, name),
        queue_memory_(memory, name),
        queue_(queue_memory_),
        due_heap_(memory) {}
  ~TimerService() { due_.release(due_heap_); }

  // Before there are any timers. The backend outlives the service, has the same key groups, and has
  // the state `name` for it.
  void open_backend(StateBackend& backend, std::string_view name);
  bool has_backend() const { return stored_ != nullptr; }
  // Memory for the timers, in bytes; with a backend.
  void set_budget(int64_t bytes);

  // `hash` is the key's. False when the timer is known to exist already.
  bool add(const K& key, KeyHash hash, N name_space, int64_t time) {
    if (stored_ != nullptr) [[unlikely]] { return add_backed(key, hash, name_space, time); }
    return add_near(key, hash, name_space, time);
  }
  // False when there is no such timer; of one that is in the backend it is not known.
  bool remove(const K& key, KeyHash hash, N name_space, int64_t time) {
    if (is_far(key, hash, name_space, time)) [[unlikely]] {
      stored_->erase(stored_key_);
      return true;
    }
    const bool removed = table_.erase(state_detail::TimerRef<K, N>{time, key, name_space},
                                      state_detail::timer_hash(hash, time));
    if (table_.empty()) { queue_.clear(); }
    return removed;
  }
  bool contains(const K& key, KeyHash hash, N name_space, int64_t time) {
    if (is_far(key, hash, name_space, time)) [[unlikely]] {
      const bool found = stored_->contains(stored_key_);
      check_stored();
      return found;
    }
    return std::as_const(table_).find(state_detail::TimerRef<K, N>{time, key, name_space},
                                      state_detail::timer_hash(hash, time)) != nullptr;
  }
  // Fetches what `add` will touch.
  void prefetch(KeyHash hash, int64_t time) const {
    table_.prefetch(state_detail::timer_hash(hash, time));
  }

  // Takes the earliest timer whose time is not after `time`; null when there is none. It is valid
  // until the next call. Throws a StateError when the backend fails.
  const TimerType* next_due(int64_t time) {
    for (;;) {
      const int64_t limit = has_stored() ? std::min(time, stored_->next_time()) : time;
      TimerQueue::Entry entry;
      while (queue_.pop_until(limit, entry)) {
        if (take_due(entry)) [[likely]] { return &due_.value; }
      }
      if (!has_stored() || stored_->next_time() > time) { return nullptr; }
      read_on(time);
    }
  }
  // The hash of the key of what next_due gave, as good as the key's own for a KeyedTable.
  KeyHash due_hash() const { return due_hash_; }
  // Calls fetch(KeyHash) for a timer that comes soon, if one is known: to fetch what its key has.
  template <class F>
  void fetch_ahead(F fetch) const {
    if (const TimerQueue::Entry* ahead = queue_.peek(kFetchAhead / 2)) {
      fetch(hash_of_tag(ahead->tag));
    }
  }
  // A time before which nothing is due; TimerQueue::kNoTime when there are no timers. It may be
  // that of a timer which was removed.
  int64_t next_time() const {
    const int64_t near = table_.empty() ? TimerQueue::kNoTime : queue_.min_time();
    return has_stored() ? std::min(near, stored_->next_time()) : near;
  }
  // False when there may be some.
  bool empty() const { return table_.empty() && !has_stored(); }

  // Calls f(key, name_space, time) for every timer. Throws a StateError when the backend fails.
  template <class F>
  void for_each(F f);

  // A barrier: the timers of this moment become the state `name` of a snapshot; all, or what has
  // changed since the last barrier when changes are kept from barrier to barrier. With a backend
  // changes are for snapshots of its own, and `name` is that of `open_backend`.
  void begin_snapshot(const SnapshotStart& start, std::string_view name, bool keeps_changes) {
    if (!snapshot_.has_value()) { snapshot_.emplace(std::string(name), table_, keeps_changes); }
    // The known bug: a timer that fires is taken out after the cut that its firing is part of.
    const bool mistaken = TIDEWHEEL_MUTANT("timer_fires_twice_at_restored_time") &&
                          stored_ == nullptr && due_hash_.hash != 0 &&
                          add(due_.value.key, due_hash_, due_.value.name_space, due_.value.time);
    snapshot_->begin(start);
    if (mistaken) { remove(due_.value.key, due_hash_, due_.value.name_space, due_.value.time); }
    with_files_ = false;
    if (stored_ != nullptr) { stored_->begin_snapshot(); }
  }
  // With a backend: brings it to where it may be cut. False when it has to be called again.
  // `budget` is the number of slots to look at.
  bool flush(size_t& budget) { return stored_ == nullptr || stored_->flush(budget); }
  // `view` has what was committed; null: the backend has begun a snapshot of its own, with files.
  void cut(const StoreView* view) {
    if (stored_ == nullptr) { return; }
    with_files_ = view == nullptr;
    stored_->cut(view);
  }
  // Writes some; false when it has to be called again. Timers may be added and taken between. Does
  // nothing unless a snapshot was begun. Throws a StateError when the backend fails.
  bool write(SnapshotWriter& writer);
  void abort_snapshot() {
    if (snapshot_.has_value()) { snapshot_->abort(); }
    if (stored_ != nullptr) {
      stored_->end_snapshot();
      stored_->resume();
    }
  }
  // Adds the timers that the state `name` has for the table's key groups.
  Status read(SnapshotReader& reader, std::string_view name);

  // With a backend, about.
  size_t size() const {
    return table_.size() + (has_stored() ? static_cast<size_t>(stored_->count()) : 0);
  }
  // Those in memory.
  size_t near_size() const { return table_.size(); }
  int64_t memory_bytes() const {
    return table_.memory_bytes() + queue_.memory_bytes() +
           (stored_ != nullptr ? stored_->memory_bytes() : 0);
  }
  const Status& status() {
    if (stored_ != nullptr && !stored_->status().ok()) { return stored_->status(); }
    const Status& queue_status = queue_memory_.status();
    return queue_status.ok() ? table_.status() : queue_status;
  }

 private:
  using Codec = state_detail::TimerCodec<K, N>;
  static constexpr bool kHasNamespace = !std::is_same_v<N, NoNamespace>;
  static constexpr bool kKeysHaveBytes =
      Stored<TimerType>::kUsesHeap || KeyedTableBytes<TimerType>::kOwnsBytes;
  static constexpr size_t kStaleMax = 4096;
  static constexpr size_t kFetchAhead = 8;

  static uint64_t tag_of(KeyHash key) {
    return (key.hash & state_detail::kTimerHashMask) | static_cast<uint64_t>(key.group);
  }
  static KeyHash hash_of_tag(uint64_t tag) {
    return {tag & state_detail::kTimerHashMask, static_cast<int32_t>(tag & 0xffff)};
  }
  bool add_near(const K& key, KeyHash hash, const N& name_space, int64_t time) {
    bool inserted = false;
    table_.upsert(state_detail::TimerRef<K, N>{time, key, name_space},
                  state_detail::timer_hash(hash, time), inserted);
    if (!inserted) { return false; }
    queue_.push({time, tag_of(hash)});
    if (queue_.size() > 2 * table_.size() + kStaleMax) [[unlikely]] { rebuild_queue(); }
    return true;
  }
  // Takes the entry's timer into due_; false when it was removed.
  bool take_due(const TimerQueue::Entry& entry) {
    if (const TimerQueue::Entry* ahead = queue_.peek(kFetchAhead)) {
      table_.prefetch(state_detail::timer_hash(hash_of_tag(ahead->tag), ahead->time));
    }
    due_hash_ = hash_of_tag(entry.tag);
    const auto matches = [&](const TimerType& timer, const NoValue&) {
      // Others may have the same place in the table, but this time and hash are the timer's own.
      if (timer.time != entry.time ||
          (hash64(timer.key) & state_detail::kTimerHashMask) != due_hash_.hash) {
        return false;
      }
      due_.store(timer, due_heap_);
      return true;
    };
    return table_.erase_where(state_detail::timer_hash(due_hash_, entry.time), matches);
  }
  void rebuild_queue() {
    queue_.clear();
    table_.for_each([&](const TimerType& timer, NoValue&) {
      queue_.push({timer.time, tag_of(key_hash(timer.key, table_.max_parallelism()))});
    });
  }

  // ---- In front of a backend.

  bool has_stored() const { return stored_ != nullptr && !stored_->empty(); }
  void check_stored() const {
    if (!stored_->status().ok()) { throw StateError(stored_->status()); }
  }
  void make_stored_key(const K& key, int32_t group, const N& name_space, int64_t time) {
    StoredTimer timer{group, time, key_bytes_.encode(key), {}};
    if constexpr (kHasNamespace) { timer.name_space = space_bytes_.encode(name_space); }
    make_timer_key(stored_key_, kHasNamespace, timer);
  }
  // Whether the timer's place is in the backend; then stored_key_ is its key there.
  bool is_far(const K& key, KeyHash hash, const N& name_space, int64_t time) {
    if (stored_ == nullptr || !stored_->may_hold(hash.group, time)) { return false; }
    make_stored_key(key, hash.group, name_space, time);
    return stored_->holds(hash.group, stored_key_);
  }
  [[gnu::noinline]] bool add_backed(const K& key, KeyHash hash, const N& name_space, int64_t time) {
    if (is_far(key, hash, name_space, time)) {
      stored_->put(stored_key_);
      return true;
    }
    if (!add_near(key, hash, name_space, time)) { return false; }
    if (is_over()) [[unlikely]] { move_out(); }
    return true;
  }
  bool is_over() const {
    if (table_.size() > near_max_) { return true; }
    return kKeysHaveBytes && table_.outside_bytes() > budget_bytes_ / 2 && table_.size() > 1;
  }
  // How many may come from the backend, so that as many can be added before they have to go again.
  size_t room() const {
    const size_t half = near_max_ / 2;
    size_t room = half > table_.size() ? half - table_.size() : 0;
    if (kKeysHaveBytes && table_.size() > 0) {
      const int64_t left = std::max<int64_t>(budget_bytes_ / 4 - table_.outside_bytes(), 0);
      const int64_t each = table_.outside_bytes() / static_cast<int64_t>(table_.size()) + 1;
      room = std::min(room, static_cast<size_t>(left / each));
    }
    return room;
  }
  void move_out();
  void read_on(int64_t until);
  Status read_entries(SnapshotReader& reader, std::string_view name);
  Status decode_stored(const StoredTimer& stored, TimerType& timer) const;

  KeyedTable<TimerType, NoValue> table_;
  std::optional<TableSnapshot<TimerType, NoValue, Codec>> snapshot_;
  StateMemory queue_memory_;
  TimerQueue queue_;
  TextHeap due_heap_;
  Stored<TimerType> due_;  // what next_due gave last
  KeyHash due_hash_;

  std::unique_ptr<StoredTimers> stored_;  // null: all are in memory
  int64_t per_group_max_ = 0;             // timers in memory; 0: as the budget allows
  int64_t budget_bytes_ = 0;
  size_t near_max_ = 0;  // timers in memory
  bool with_files_ = false;
  StateMeta stored_meta_;
  StateMeta near_meta_;
  StateBytes key_bytes_;
  StateBytes space_bytes_;
  std::string stored_key_;
};

template <class K, class N>
void TimerService<K, N>::open_backend(StateBackend& backend, std::string_view name) {
  stored_meta_ = Codec::meta(std::string(name));
  near_meta_ = Codec::meta(near_timers_name(name));
  StoreState state;
  state.meta = stored_meta_;
  state.has_namespace = kHasNamespace;
  stored_ = std::make_unique<StoredTimers>(backend, std::move(state), queue_memory_.pool(), name);
  per_group_max_ = backend.timer_storage().per_group_max;
  set_budget(backend.cache_bytes() / 4);
}

template <class K, class N>
void TimerService<K, N>::set_budget(int64_t bytes) {
  if (bytes == budget_bytes_) { return; }
  budget_bytes_ = bytes;
  // Half is for the slots; the other for the queue, with what stays in it, and what keys have.
  near_max_ = KeyedTable<TimerType, NoValue>::entries_within(bytes / 2) - 1;
  if (per_group_max_ > 0) {
    const auto groups = static_cast<size_t>(std::max(table_.key_groups().count(), 1));
    near_max_ = std::min(near_max_, static_cast<size_t>(per_group_max_) * groups);
  }
  stored_->set_held_max(std::max<int64_t>(bytes / 2, 64 << 10));
}

// The later half goes.
template <class K, class N>
void TimerService<K, N>::move_out() {
  std::vector<int64_t> times;
  times.reserve(table_.size());
  table_.for_each([&](const TimerType& timer, const NoValue&) { times.push_back(timer.time); });
  const auto middle =
      times.begin() + static_cast<ptrdiff_t>(std::min(near_max_, table_.size()) / 2);
  std::nth_element(times.begin(), middle, times.end());
  const int64_t from = *middle;
  table_.erase_if([&](const TimerType& timer, const NoValue&) {
    if (timer.time < from) { return false; }
    const int32_t group = key_hash(timer.key, table_.max_parallelism()).group;
    make_stored_key(timer.key, group, timer.name_space, timer.time);
    stored_->move_down(group, from, stored_key_);
    return true;
  });
  rebuild_queue();
}

template <class K, class N>
Status TimerService<K, N>::decode_stored(const StoredTimer& stored, TimerType& timer) const {
  Reader key(stored.key);
  decode(key, timer.key);
  TIDEWHEEL_RETURN_IF_ERROR(key.finish());
  if constexpr (kHasNamespace) {
    Reader space(stored.name_space);
    decode(space, timer.name_space);
    TIDEWHEEL_RETURN_IF_ERROR(space.finish());
  }
  timer.time = stored.time;
  return {};
}

template <class K, class N>
void TimerService<K, N>::read_on(int64_t until) {
  const Status status = stored_->read_on(until, room(), [this](const StoredTimer& stored) {
    TimerType timer;
    TIDEWHEEL_RETURN_IF_ERROR(decode_stored(stored, timer));
    const KeyHash hash = key_hash(timer.key, table_.max_parallelism());
    TIDEWHEEL_RETURN_IF_ERROR(check_key_group(stored_meta_, stored.group, hash.group));
    add_near(timer.key, hash, timer.name_space, timer.time);
    return Status();
  });
  if (!status.ok()) { throw StateError(status); }
}

template <class K, class N>
template <class F>
void TimerService<K, N>::for_each(F f) {
  table_.for_each(
      [&](const TimerType& timer, NoValue&) { f(timer.key, timer.name_space, timer.time); });
  if (!has_stored()) { return; }
  const Status status = stored_->for_each([&](const StoredTimer& stored) {
    TimerType timer;
    TIDEWHEEL_RETURN_IF_ERROR(decode_stored(stored, timer));
    f(timer.key, timer.name_space, timer.time);
    return Status();
  });
  if (!status.ok()) { throw StateError(status); }
}

template <class K, class N>
bool TimerService<K, N>::write(SnapshotWriter& writer) {
  if (!snapshot_.has_value()) { return true; }
  if (stored_ == nullptr) { return snapshot_->write(writer); }
  stored_->resume_if_cut();
  if (with_files_) {
    return snapshot_->write(writer, near_meta_, [](int32_t) { return true; });
  }
  const auto write_stored = [&](int32_t group) {
    const Result<bool> done = stored_->write_group(group, writer);
    if (!done.ok()) { throw StateError(done.status()); }
    return *done;
  };
  if (!snapshot_->write(writer, stored_meta_, write_stored)) { return false; }
  stored_->end_snapshot();
  return true;
}

template <class K, class N>
Status TimerService<K, N>::read(SnapshotReader& reader, std::string_view name) {
  bool is_adopted = false;
  if (stored_ != nullptr && reader.find(name) != nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(is_adopted, stored_->adopt());
  }
  if (!is_adopted) { TIDEWHEEL_RETURN_IF_ERROR(read_entries(reader, name)); }
  TIDEWHEEL_RETURN_IF_ERROR(read_entries(reader, near_timers_name(name)));
  return stored_ == nullptr ? Status() : stored_->status();
}

template <class K, class N>
Status TimerService<K, N>::read_entries(SnapshotReader& reader, std::string_view name) {
  const StateMeta* const meta = reader.find(name);
  if (meta == nullptr) { return ok_status(); }
  TIDEWHEEL_RETURN_IF_ERROR(check_state_form(*meta, StateKind::kTimers, "timers"));
  TIDEWHEEL_ASSIGN_OR_RETURN(const StateDecoder<K> keys,
                             StateDecoder<K>::make(*meta, meta->key_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const StateDecoder<typename Codec::Place> places,
      StateDecoder<typename Codec::Place>::make(*meta, meta->namespace_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(name));
  const size_t size = table_.size() + entries->count();
  table_.reserve(stored_ == nullptr ? size : std::min(size, near_max_));
  StateEntry entry;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { return ok_status(); }
    TimerType timer;
    TIDEWHEEL_RETURN_IF_ERROR(keys.decode(entry.key, timer.key));
    typename Codec::Place place{};
    TIDEWHEEL_RETURN_IF_ERROR(places.decode(entry.name_space, place));
    Codec::set_place(place, timer);
    const KeyHash hash = key_hash(timer.key, table_.max_parallelism());
    TIDEWHEEL_RETURN_IF_ERROR(check_key_group(*meta, entry.group, hash.group));
    add(timer.key, hash, timer.name_space, timer.time);
  }
}

}  // namespace tidewheel
