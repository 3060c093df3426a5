// Keyed state that does not have to fit into memory: a store of bytes for one operator's subtask,
// behind the tables and rows of the typed state, which are then the cache of its hot entries.
// Without one (null where a StateBackend* is asked for) all state is in memory.
//
// The form of what is stored, the same for all backends, so that snapshots are made without knowing
// types:
//   key     key group (2 bytes, big endian), key as in snapshots; where a key has many entries
//           (maps): key group, size of the key (varint), key, namespace as in snapshots
//   value   as in snapshots
// Timers (StateKind::kTimers) are kept in the order in which they come:
//   key     key group (2 bytes, big endian), time (8 bytes, big endian, the sign bit flipped), key
//   as
//           in snapshots; with namespaces: key group, time, size of the key (varint), key,
//           namespace
//   value   empty
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/state/key_group.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// StateMeta::form of what RocksDB has written as files.
inline constexpr std::string_view kRocksdbForm = "rocksdb";

// A state within a backend.
using StoreId = uint32_t;

// What a backend has to know of a state.
struct StoreState {
  StateMeta meta;
  bool has_namespace = false;  // several entries a key
  // Above 0: values begin with the time of their last use (8 bytes, little endian, wall clock in
  // ms), and may vanish this long after it.
  int64_t ttl_ms = 0;
};

// Where the timers of keys are (timers.h).
struct TimerStorage {
  bool in_backend = true;     // those that come late; false: all are in memory
  int64_t per_group_max = 0;  // in memory, of each key group; 0: as many as the cache has room for
};

// Entries in the order of their bytes. Views are valid until the next call.
class StoreCursor {
 public:
  virtual ~StoreCursor() = default;
  // Goes to the first entry whose key is not before `key`.
  virtual void seek(std::string_view key) = 0;
  virtual void next() = 0;
  // False behind the last entry, and after a failure.
  virtual bool valid() const = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual Status status() const = 0;
};

// All states as they were when the view was made. One thread at a time, any.
class StoreView {
 public:
  virtual ~StoreView() = default;
  virtual std::unique_ptr<StoreCursor> scan(StoreId state) const = 0;
};

// One operator's subtask. One thread (the task's), but for what is said. Calls may block for as
// long as the disk takes. Errors: kStateBackend.
class StateBackend {
 public:
  virtual ~StateBackend() = default;

  // "rocksdb", for messages.
  virtual std::string_view kind() const = 0;
  virtual KeyGroupRange key_groups() const = 0;
  // How much memory the tables and rows in front of it may take.
  virtual int64_t cache_bytes() const = 0;
  virtual TimerStorage timer_storage() const { return {}; }

  // Takes over what `reader` has in this backend's own form. Once, before any state is opened. The
  // states that are read entry by entry are in the reader that it gives, which lives no longer than
  // `reader` and the backend.
  virtual Result<std::unique_ptr<SnapshotReader>> restore(SnapshotReader& reader);
  // The state of this name, made when there is none.
  virtual Result<StoreId> open_state(const StoreState& state) = 0;
  // Whether it has been filled by `restore` already.
  virtual bool is_restored(StoreId) const { return false; }

  // The values of keys, which are different; nothing where there is none. The views are valid until
  // the next call.
  using Values = std::vector<std::optional<std::string_view>>;
  virtual Status find_many(StoreId state, std::span<const std::string_view> keys,
                           Values& values) = 0;
  // Writes are gathered; it is not sure that they are seen before `commit`.
  virtual void put(StoreId state, std::string_view key, std::string_view value) = 0;
  virtual void erase(StoreId state, std::string_view key) = 0;
  virtual Status commit() = 0;
  // The same for whom what was gathered does not have to be seen before the next `commit`, or the
  // next call of this one, has come back: it may be written in the background.
  virtual Status commit_behind() { return commit(); }
  // Whether commit_behind would not wait (but for a moment).
  virtual bool can_commit_behind() { return true; }
  // Before the first write: `wake` is called, on any thread, when can_commit_behind has said no and
  // says yes now.
  virtual void set_commit_wake(std::function<void()> wake) { static_cast<void>(wake); }
  // Bytes gathered.
  virtual uint64_t uncommitted_bytes() const = 0;
  // Bytes from which on they should be committed.
  virtual uint64_t write_batch_bytes() const { return 1 << 20; }
  // What is committed now, to be used before the next write; begins with a seek.
  virtual std::unique_ptr<StoreCursor> scan(StoreId state) = 0;
  // Erases what is in [from, to), at once.
  virtual Status erase_range(StoreId state, std::string_view from, std::string_view to) = 0;
  // What was committed before. Not affected by later writes.
  virtual std::unique_ptr<StoreView> view() = 0;

  // ---- What is written at a barrier by who keeps it in memory, and goes through the key groups in
  // turn for it. Such writes go past what the backend itself keeps of the store, and may become
  // files as they come. They are seen once `end_groups` was called and `commit` has come back (or
  // can_commit_behind says yes); other writes of the same keys come before or after that.

  // Whether it takes any number of entries, in any order of their groups, before something of them
  // is written: then groups need not be ended one by one.
  virtual bool gathers_groups() const { return false; }
  // False: this is no time for it, and `put` and `erase` are to be used.
  virtual bool begin_groups() { return false; }
  // Of groups that have not ended, in any order.
  virtual void put_in_group(StoreId state, std::string_view key, std::string_view value) {
    put(state, key, value);
  }
  virtual void erase_in_group(StoreId state, std::string_view key) { erase(state, key); }
  // All of this group, and of those before it, has come. False: call it again, when the commit wake
  // has come or after a commit.
  virtual Result<bool> end_group(int32_t) { return true; }
  // Nothing more comes. False as above.
  virtual Result<bool> end_groups() { return true; }
  // An entry that was put in a group, and not changed since, is kept in memory no more. A backend
  // that keeps entries may have it back.
  virtual void put_back(StoreId, std::string_view, std::string_view) {}
  // Whether what was put back is found at once, so that what was put in a group need not be kept
  // until it is seen. What is to go is then erased, not erased in a group.
  virtual bool finds_what_is_put_back() const { return false; }

  // ---- Cuts, for backends that keep entries in memory themselves: what is put after `begin_cut`
  // is not in the snapshot. A backend that does not takes nothing newer until the snapshot is cut.

  virtual bool takes_writes_while_cutting() const { return false; }
  virtual void begin_cut() {}
  // Does some of what has to be done before the cut; false: call it again. After that comes
  // `cut_view` or `begin_own_snapshot`, or `abort_own_snapshot`.
  virtual Result<bool> prepare_cut() { return true; }
  // prepare_cut has said false, and will until what is written behind is written.
  virtual bool waits_for_commit() const { return false; }
  virtual std::unique_ptr<StoreView> cut_view() { return view(); }

  // ---- Snapshots in the backend's own form, which share files with earlier ones.

  virtual bool has_own_snapshots() const { return false; }
  // Cuts what is committed now. Nothing may be committed until `is_cut`; `wake` is called, on any
  // thread, when that has changed and when `write_own_snapshot` can go on.
  virtual void begin_own_snapshot(const SnapshotStart& start, std::function<void()> wake);
  virtual bool is_cut() { return true; }
  // Blocks until `is_cut`.
  virtual void wait_for_cut() {}
  // False: the writer takes no more now, or something has to complete first.
  virtual Result<bool> write_own_snapshot(SnapshotWriter& writer);
  virtual void abort_own_snapshot() {}
};

// Where a backend is made.
struct BackendPlace {
  std::string operator_uid;
  std::string operator_name;
  int32_t subtask = 0;
  KeyGroupRange key_groups;
  int32_t max_parallelism = 1;
};

class MetricGroup;  // base/metrics.h

// Makes the backends of one job. Outlives them. Any thread.
class StateBackends {
 public:
  virtual ~StateBackends() = default;
  virtual Result<std::unique_ptr<StateBackend>> make(const BackendPlace& place,
                                                     MetricGroup* metrics) = 0;
};

// kStateBackend when `reader` has state in a backend's own form, which can't be read into memory.
Status check_readable_without_backend(const SnapshotReader& reader);

// ---- The form of keys.

// Puts the stored key of an entry into `out`.
void make_store_key(std::string& out, int32_t group, std::string_view key);
void make_store_prefix(std::string& out, int32_t group, std::string_view key);  // with a namespace
// The least key of a group.
std::string store_group_begin(int32_t group);
// Its first 8 bytes as a number: keys of which it differs are in the order of it.
uint64_t key_order(std::string_view stored);
// Takes a stored key apart; false when it is damaged. The views point into `stored`.
bool split_store_key(std::string_view stored, bool has_namespace, StateEntry& entry);

struct StoredTimer {
  int32_t group = 0;
  int64_t time = 0;
  std::string_view key;
  std::string_view name_space;  // with namespaces
};
// Timers come with namespaces or without.
void make_timer_key(std::string& out, bool has_namespace, const StoredTimer& timer);
// The least key of a group's timers of `time`.
void make_timer_begin(std::string& out, int32_t group, int64_t time);
// False when it is damaged. The views point into `stored`.
bool split_timer_key(std::string_view stored, bool has_namespace, StoredTimer& timer);
// Takes a stored key of any state apart, as its entry is in snapshots; false when it is damaged.
// The views point into `stored` and `scratch`.
bool split_stored_entry(const StoreState& state, std::string_view stored, StateEntry& entry,
                        std::string& scratch);

// Writes a state of a view into a snapshot, from where `cursor` stands; resumable. Entries whose
// value has a time of use that is over by `now_ms` are left out. True at the end.
Result<bool> write_store(const StoreState& state, StoreCursor& cursor, int64_t now_ms,
                         SnapshotWriter& writer);

}  // namespace tidewheel
