// The rows of a join in front of a state backend: what can be said without their types. Rows lie in
// buckets (slices of windows, buckets of time), and all that a key has in a bucket is one entry:
//
//   key    key group (2 bytes, big endian), 8 (1 byte), number of the bucket plus 2^63 (8 bytes,
//   big
//          endian), key as in snapshots. So for the backend the bucket is the key, and the key is a
//          namespace (state_backend.h)
//   value  for each row, in the order of arrival: size of its bytes (varint), time (8 bytes, little
//          endian), row as in snapshots
//
// So a group's bucket is one range, which is erased at once, and is read in the order of its keys.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/operators/join_state.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_backend.h"

namespace tidewheel {

// ---- The form of what is stored.

inline constexpr size_t kBucketPrefixBytes = 11;
void append_bucket_prefix(std::string& out, int32_t group, int64_t bucket);
// Takes a stored key apart; false when it is damaged.
bool split_bucket_key(std::string_view stored, int32_t& group, int64_t& bucket,
                      std::string_view& key);
// The least key behind all that begin with `prefix`.
std::string end_of_prefix(std::string prefix);

void append_stored_row(std::string& out, int64_t time, std::string_view row);
// Takes the next row off `rows`, which are not empty; false when they are damaged.
bool next_stored_row(std::string_view& rows, int64_t& time, std::string_view& row);

// How the forms begin of states in a backend's own snapshots.
inline constexpr std::string_view kStoredFormBegin = "stored rows";

// Which bucket a row goes to.
struct JoinBuckets {
  int64_t quantum_ms = 0;  // 0: slots are the numbers of buckets
  int64_t of(int64_t slot) const {
    if (quantum_ms == 0) { return slot; }
    return slot / quantum_ms - (slot % quantum_ms < 0 ? 1 : 0);
  }
  // Of buckets of time.
  int64_t last_time_of(int64_t bucket) const;
  std::string stored_form() const;
};

// ---- One side of a join, as the store sees it.

class StoredSide {
 public:
  virtual ~StoredSide() = default;

  // Rows in memory: the part that has not been used for longest.
  struct Cold {
    uint64_t used_at = 0;
    int64_t bytes = 0;  // 0: there is nothing
  };
  virtual int64_t memory_bytes() const = 0;
  virtual Cold find_coldest() = 0;
  // Writes what has to be written of the part that was found last, and forgets it.
  virtual void evict_coldest() = 0;

  // At a barrier: what is there now is to be written by `flush`, or before it is changed.
  virtual void begin_flush() = 0;
  // False: call it again.
  virtual bool flush(size_t& budget) = 0;
  virtual void end_flush() = 0;
  // Erases buckets that were dropped.
  virtual Status erase_dropped() = 0;
};

// How a side's rows are described.
struct StoredSideMeta {
  StoreState stored;     // in the backend and its own snapshots
  StateMeta saved;       // in snapshots of entries
  bool by_time = false;  // a row's slot is its time, and not its bucket's number
};

// The store of both sides of one operator's subtask. One thread.
//
// Snapshots: at the barrier nothing is written. `write` first brings what is older than the barrier
// to the backend, or it is written just before it is touched; then that is cut off, by a view or by
// a snapshot of the backend's own, and until then nothing newer is written (`is_gated`).
class JoinStore {
 public:
  // `wake` has `write` called again; any thread calls it. The backend outlives the store.
  JoinStore(StateBackend& backend, std::function<void()> wake)
      : backend_(backend), own_snapshots_(backend.has_own_snapshots()), wake_(std::move(wake)) {}

  // Before any side is added. `reader` may be null. Gives the reader of the states that are not in
  // the backend already, or null; it lives until `end_restore`.
  Result<SnapshotReader*> restore(SnapshotReader* reader);
  Result<StoreId> add_side(StoredSide& side, StoredSideMeta meta);
  void end_restore() { restored_.reset(); }
  StateBackend& backend() { return backend_; }

  // ---- Writes, which are gathered until `commit`.

  // All that a key has in a bucket.
  void put(StoreId state, std::string_view key, std::string_view rows) {
    add_write(state, false, key, rows);
  }
  // More rows, behind those that the backend may have.
  void append(StoreId state, std::string_view key, std::string_view rows) {
    add_write(state, true, key, rows);
  }
  Status commit();
  // Commits when much has been gathered.
  void commit_some();
  // Sorted keys, which are different. Sees what was written.
  Status find_many(StoreId state, std::span<const std::string_view> keys,
                   StateBackend::Values& values);
  // What is written now, until the next write.
  Result<std::unique_ptr<StoreView>> view();

  // Call once a batch: keeps what is in memory within the backend's limit. Answers the first
  // failure.
  Status settle();
  // Nothing that has come after the barrier may be written now.
  bool is_gated() const;
  // Call when buckets have been dropped.
  void erase_dropped();
  const Status& failure() const { return failure_; }

  // ---- Snapshots.

  void begin_snapshot(const SnapshotStart& start);
  // False: the writer takes no more, or something has to complete first.
  Result<bool> write(SnapshotWriter& writer);
  void abort_snapshot();
  // `write` has nothing to do before it is woken.
  bool waits_for_backend() const { return stage_ == Stage::kOwn; }

 private:
  // kFlushed: what is older than the barrier is in the backend, and `write` can cut it off.
  enum class Stage : uint8_t { kIdle, kFlush, kFlushed, kOwn, kEntries };
  struct Side {
    StoredSide* side = nullptr;
    StoredSideMeta meta;
    StoreId id = 0;
  };
  // The key is in bytes_, and the rows behind it.
  struct Write {
    StoreId state = 0;
    bool appends = false;
    size_t key_begin = 0;
    size_t key_size = 0;
    size_t rows_size = 0;
  };
  static constexpr size_t kFlushSlots = 16 * 1024;  // looked at in one call
  static constexpr size_t kReadsMax = 512;          // old values read at a time

  void add_write(StoreId state, bool appends, std::string_view key, std::string_view rows);
  std::string_view key_of(const Write& write) const {
    return std::string_view(bytes_).substr(write.key_begin, write.key_size);
  }
  std::string_view rows_of(const Write& write) const {
    return std::string_view(bytes_).substr(write.key_begin + write.key_size, write.rows_size);
  }
  Status write_gathered(size_t begin, size_t end);
  Status note(Status status);
  bool flush(size_t budget);
  void cut(const SnapshotWriter& writer);
  Result<bool> write_entries(SnapshotWriter& writer);
  Result<bool> write_side(const Side& side, SnapshotWriter& writer);
  void end_stage();

  StateBackend& backend_;
  const bool own_snapshots_;
  const std::function<void()> wake_;
  std::unique_ptr<SnapshotReader> restored_;
  std::vector<Side> sides_;
  Status failure_;

  std::vector<Write> writes_;
  std::string bytes_;
  StateBackend::Values values_;

  Stage stage_ = Stage::kIdle;
  SnapshotStart start_;
  size_t side_ = 0;  // whose turn it is
  std::unique_ptr<StoreView> view_;
  std::unique_ptr<StoreCursor> cursor_;
  size_t row_offset_ = 0;  // in the value at the cursor
  uint32_t row_number_ = 0;
  StateBytes place_bytes_;
};

}  // namespace tidewheel
