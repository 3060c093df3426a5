// Timers of one operator, of event time or of processing time: a key, a namespace (a window, say)
// and a time, at which the operator is called with the key.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidewheel/base/status.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/key_group.h"
#include "tidewheel/state/key_hash.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_memory.h"
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

  // `hash` is the key's. False when the timer exists already.
  bool add(const K& key, KeyHash hash, N name_space, int64_t time) {
    bool inserted = false;
    table_.upsert(state_detail::TimerRef<K, N>{time, key, name_space},
                  state_detail::timer_hash(hash, time), inserted);
    if (!inserted) { return false; }
    queue_.push({time, tag_of(hash)});
    if (queue_.size() > 2 * table_.size() + kStaleMax) [[unlikely]] { rebuild_queue(); }
    return true;
  }
  // False when there is no such timer.
  bool remove(const K& key, KeyHash hash, N name_space, int64_t time) {
    const bool removed = table_.erase(state_detail::TimerRef<K, N>{time, key, name_space},
                                      state_detail::timer_hash(hash, time));
    if (table_.empty()) { queue_.clear(); }
    return removed;
  }
  bool contains(const K& key, KeyHash hash, N name_space, int64_t time) const {
    return table_.find(state_detail::TimerRef<K, N>{time, key, name_space},
                       state_detail::timer_hash(hash, time)) != nullptr;
  }
  // Fetches what `add` will touch.
  void prefetch(KeyHash hash, int64_t time) const {
    table_.prefetch(state_detail::timer_hash(hash, time));
  }

  // Takes the earliest timer whose time is not after `time`; null when there is none. It is valid
  // until the next call.
  const TimerType* next_due(int64_t time) {
    TimerQueue::Entry entry;
    while (queue_.pop_until(time, entry)) {
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
      if (table_.erase_where(state_detail::timer_hash(due_hash_, entry.time), matches)) {
        return &due_.value;
      }
    }
    return nullptr;
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
  int64_t next_time() const { return table_.empty() ? TimerQueue::kNoTime : queue_.min_time(); }

  // Calls f(key, name_space, time) for every timer.
  template <class F>
  void for_each(F f) {
    table_.for_each(
        [&](const TimerType& timer, NoValue&) { f(timer.key, timer.name_space, timer.time); });
  }
  void clear() {
    table_.release();
    queue_.clear();
  }

  // A barrier: the timers of this moment become the state `name` of a snapshot; all, or what has
  // changed since the last barrier when changes are kept from barrier to barrier.
  void begin_snapshot(const SnapshotStart& start, std::string_view name, bool keeps_changes) {
    if (!snapshot_.has_value()) { snapshot_.emplace(std::string(name), table_, keeps_changes); }
    snapshot_->begin(start);
  }
  // Writes some; false when it has to be called again. Timers may be added and taken between. Does
  // nothing unless a snapshot was begun.
  bool write(SnapshotWriter& writer) { return !snapshot_.has_value() || snapshot_->write(writer); }
  void abort_snapshot() {
    if (snapshot_.has_value()) { snapshot_->abort(); }
  }
  // Adds the timers that the state `name` has for the table's key groups.
  Status read(SnapshotReader& reader, std::string_view name);

  size_t size() const { return table_.size(); }
  int64_t memory_bytes() const { return table_.memory_bytes() + queue_.memory_bytes(); }
  const Status& status() {
    const Status& queue_status = queue_memory_.status();
    return queue_status.ok() ? table_.status() : queue_status;
  }

 private:
  static constexpr size_t kStaleMax = 4096;
  static constexpr size_t kFetchAhead = 8;

  static uint64_t tag_of(KeyHash key) {
    return (key.hash & state_detail::kTimerHashMask) | static_cast<uint64_t>(key.group);
  }
  static KeyHash hash_of_tag(uint64_t tag) {
    return {tag & state_detail::kTimerHashMask, static_cast<int32_t>(tag & 0xffff)};
  }
  void rebuild_queue() {
    queue_.clear();
    table_.for_each([&](const TimerType& timer, NoValue&) {
      queue_.push({timer.time, tag_of(key_hash(timer.key, table_.max_parallelism()))});
    });
  }

  KeyedTable<TimerType, NoValue> table_;
  std::optional<TableSnapshot<TimerType, NoValue, state_detail::TimerCodec<K, N>>> snapshot_;
  StateMemory queue_memory_;
  TimerQueue queue_;
  TextHeap due_heap_;
  Stored<TimerType> due_;  // what next_due gave last
  KeyHash due_hash_;
};

template <class K, class N>
Status TimerService<K, N>::read(SnapshotReader& reader, std::string_view name) {
  const StateMeta* const meta = reader.find(name);
  if (meta == nullptr) { return ok_status(); }
  TIDEWHEEL_RETURN_IF_ERROR(check_state_form(*meta, StateKind::kTimers, "timers"));
  TIDEWHEEL_ASSIGN_OR_RETURN(const StateDecoder<K> keys,
                             StateDecoder<K>::make(*meta, meta->key_schema));
  using Codec = state_detail::TimerCodec<K, N>;
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const StateDecoder<typename Codec::Place> places,
      StateDecoder<typename Codec::Place>::make(*meta, meta->namespace_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(name));
  table_.reserve(table_.size() + entries->count());
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
