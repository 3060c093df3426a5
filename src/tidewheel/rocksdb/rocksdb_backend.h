// One operator's subtask in RocksDB. For the files of this folder only.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/rocksdb/group_writes.h"
#include "tidewheel/rocksdb/level_merges.h"
#include "tidewheel/rocksdb/rocksdb_settings.h"
#include "tidewheel/state/state_backend.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class PinnableSlice;
class Slice;
class Status;
class WriteBatch;
struct ColumnFamilyOptions;
}  // namespace rocksdb

namespace tidewheel {

class Event;          // base/executor.h
class NewTableFiles;  // rocksdb/rocksdb_new_files.h
class World;          // base/world.h

// What the databases of a job have in common.
struct RocksdbShared {
  World& world;
  Config config;
  RocksdbMemory memory;
  std::string directory;         // of this job alone
  int64_t hot_bytes = 0;         // for decoded entries in front of all databases
  int64_t cached_bytes = 0;      // for entries as bytes between these and the databases
  int64_t file_bytes = 0;        // of the files that these are in; 0: they are in memory
  bool can_share_reads = false;  // there is more than one core
  TimerStorage timers;
  std::atomic<int32_t> live{0};            // databases
  std::atomic<int64_t> written_behind{0};  // batches
  MergeLimit merges = {};
};

// A state as the file STATES of a snapshot has it.
struct StoredState {
  StoreState state;
  std::string family;  // name of its column family
};

class RocksdbBackend final : public StateBackend {
 public:
  // `directory` does not exist yet, and is this backend's alone.
  RocksdbBackend(RocksdbShared& shared, BackendPlace place, std::string directory,
                 MetricGroup* metrics);
  ~RocksdbBackend() override;
  Status open();

  std::string_view kind() const override { return "rocksdb"; }
  KeyGroupRange key_groups() const override { return place_.key_groups; }
  int64_t cache_bytes() const override;
  TimerStorage timer_storage() const override { return shared_.timers; }
  Result<std::unique_ptr<SnapshotReader>> restore(SnapshotReader& reader) override;
  Result<StoreId> open_state(const StoreState& state) override;
  bool is_restored(StoreId state) const override { return stores_[state].restored; }
  Status find_many(StoreId state, std::span<const std::string_view> keys, Values& values) override;
  void put(StoreId state, std::string_view key, std::string_view value) override;
  void erase(StoreId state, std::string_view key) override;
  Status commit() override;
  Status commit_behind() override;
  bool can_commit_behind() override;
  void set_commit_wake(std::function<void()> wake) override { commit_wake_ = std::move(wake); }
  uint64_t uncommitted_bytes() const override;
  uint64_t write_batch_bytes() const override { return write_batch_bytes_; }
  std::unique_ptr<StoreCursor> scan(StoreId state) override;
  Status erase_range(StoreId state, std::string_view from, std::string_view to) override;
  std::unique_ptr<StoreView> view() override;
  bool gathers_groups() const override { return pieces_ != nullptr && pieces_->are_in_file(); }
  bool begin_groups() override;
  void put_in_group(StoreId state, std::string_view key, std::string_view value) override;
  void erase_in_group(StoreId state, std::string_view key) override;
  Result<bool> end_group(int32_t group) override;
  Result<bool> end_groups() override;

  bool has_own_snapshots() const override { return true; }
  void begin_own_snapshot(const SnapshotStart& start, std::function<void()> wake) override;
  bool is_cut() override;
  void wait_for_cut() override;
  Result<bool> write_own_snapshot(SnapshotWriter& writer) override;
  void abort_own_snapshot() override;

 private:
  struct Store {
    StoreState state;
    std::string family_name;
    ::rocksdb::ColumnFamilyHandle* family = nullptr;
    // Read by compactions; it may be set anew after a restore.
    std::shared_ptr<std::atomic<int64_t>> ttl_ms;
    bool restored = false;  // it has the entries of the snapshot
  };
  struct Cut;  // a snapshot on its way: shared with the jobs on the blocking pool

  friend class RestoredReader;

  std::string what() const;  // for messages
  Status failure(const ::rocksdb::Status& status) const;
  ::rocksdb::ColumnFamilyOptions options_of(const Store& store) const;
  // With the families of an adopted database.
  Status open_database(std::vector<StoredState> existing);
  Status make_family(Store& store);
  void register_metrics(const Store& store);
  std::vector<StoredState> stored_states() const;
  Status begin_files(SnapshotWriter& writer);
  void retire_snapshot();
  void drop_snapshots();

  RocksdbShared& shared_;
  const BackendPlace place_;
  const std::string directory_;
  MetricGroup* const metrics_;
  const uint64_t write_batch_bytes_;
  const uint64_t group_bytes_max_;  // of all databases
  std::unique_ptr<::rocksdb::DB> database_;
  std::unique_ptr<LevelMerges> merges_;
  std::vector<Store> stores_;
  std::vector<Store> not_opened_;  // adopted from a snapshot, and not asked for yet
  std::vector<::rocksdb::ColumnFamilyHandle*> families_;
  struct Write {
    StoreId state = 0;
    bool erases = false;
    uint32_t key_begin = 0;  // in the bytes of its batch
    uint32_t key_size = 0;
    uint32_t value_size = 0;  // the value is behind the key
    uint64_t order = 0;       // of the key
  };
  // Writes that are gathered.
  struct Writes {
    std::vector<Write> writes;
    std::string bytes;
    std::string_view key_of(const Write& write) const {
      return std::string_view(bytes).substr(write.key_begin, write.key_size);
    }
    // By state and key; of several writes of a key the last one counts.
    void sort();
    void clear() {
      writes.clear();
      bytes.clear();
    }
  };
  // Writes of key groups, from a barrier on.
  struct GroupFiles {
    bool is_decided = false;
    std::unique_ptr<NewTableFiles> made;
  };
  struct Groups {
    bool is_open = false;
    uint64_t bytes_max = 0;  // gathered, before it is waited for
    size_t next = 0;         // the first group that is not over
    std::vector<GroupWrites> open;
    std::vector<GroupWrites> ended;  // one each, in their order
    uint64_t open_bytes = 0;
    uint64_t ended_bytes = 0;
    // The job's.
    std::vector<GroupWrites> writing;
    GroupWrites::Place* places = nullptr;  // a piece, for any of these
    size_t places_bytes = 0;
    std::vector<GroupFiles> files;  // by state
    int64_t files_made = 0;
  };
  static uint64_t group_bytes_of(const RocksdbShared& shared);
  void add_in_group(StoreId state, bool erases, std::string_view key, std::string_view value);
  void end_until(size_t index);
  Status write_ended(bool is_last);
  Status write_group(const GroupWrites& group);
  Status write_unsorted(const GroupWrites& group);
  Status write_buffered(const GroupWrite& write);
  void settle_written();
  NewTableFiles* files_of(StoreId state);
  static void add_write(Writes& to, StoreId state, bool erases, std::string_view key,
                        std::string_view value);
  void add_to_batch(::rocksdb::WriteBatch& batch, const GroupWrite& write) const;
  ::rocksdb::Status write_batch(::rocksdb::WriteBatch& batch) const;
  Status write(Writes& gathered, ::rocksdb::WriteBatch& batch) const;
  void run_behind(std::function<Status()> work);
  Status wait_behind();
  void find_some(StoreId state, size_t begin, size_t end);
  struct SharedRead;
  void take_part(SharedRead& read);
  Writes gathered_;
  std::unique_ptr<Pieces> pieces_;
  Groups groups_;
  std::unique_ptr<::rocksdb::WriteBatch> batch_;
  // What is written in the background: its job has these to itself until the event is set.
  Writes behind_;
  std::unique_ptr<::rocksdb::WriteBatch> behind_batch_;
  Status behind_status_;                // sticks
  std::shared_ptr<Event> behind_done_;  // null: there is none
  // The job has written all, and ends after it has woken who waits for that.
  std::atomic<bool> behind_written_{true};
  std::atomic<bool> behind_waited_for_{false};
  std::function<void()> commit_wake_;
  struct SortedKey {
    uint64_t order = 0;
    uint32_t index = 0;  // among the keys that were asked for
  };
  void sort_keys(std::span<const std::string_view> keys);
  std::vector<SortedKey> sorted_;
  std::vector<::rocksdb::Slice> keys_;
  std::vector<::rocksdb::PinnableSlice> found_;
  std::vector<::rocksdb::Status> statuses_;
  std::vector<std::pair<MetricGroup*, std::string>> gauges_;
  std::shared_ptr<Cut> cut_;                   // null: no snapshot is on its way
  std::vector<std::shared_ptr<Cut>> retired_;  // whose jobs may still run
  int64_t cuts_ = 0;
  // Files that snapshots have brought to the storage: by checkpoint, then by their names here.
  std::map<int64_t, std::map<std::string, SnapshotFile>> stored_;
};

// ---- Files of a database in a snapshot (rocksdb_files.cc).

inline constexpr std::string_view kRocksdbStateName = "(rocksdb)";
inline constexpr std::string_view kStatesFile = "STATES";

std::string encode_states(const std::vector<StoredState>& states);
Result<std::vector<StoredState>> decode_states(std::string_view bytes);

// Makes `to` the same as `from`: another name of it where that is possible and `may_link`, else a
// synced copy. Gives its checksum, XXH3-64 of all bytes.
Result<uint64_t> link_or_copy(World& world, const std::string& from, const std::string& to,
                              bool may_link);
// The same without the sync and the checksum; a failure leaves nothing.
void leave_copy(World& world, const std::string& from, const std::string& to, bool may_link);
// Puts the files of a snapshot, or their local copies, into a new folder, under the names that the
// database gave them. Errors: kSnapshotChecksum.
Status fetch_files(World& world, const std::vector<SnapshotFile>& files,
                   const std::string& directory);

}  // namespace tidewheel
