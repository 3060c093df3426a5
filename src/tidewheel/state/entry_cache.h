// The entries of a backend, as bytes, in as little room as they go into: what stands between the
// decoded rows of the hottest keys and a store on disk, where each miss costs a hundred times more.
// The room is memory, or pages of a file, which the system keeps as it has memory to spare.
//
// Which entries stay is decided as in S3-FIFO (Yang et al., "FIFO queues are all you need for cache
// eviction", SOSP 2023): what is new goes through a small queue, from which only what was asked for
// goes on into the large one; what was turned away is remembered for a while by its hash, and goes
// into the large one at once when it comes back. So keys that come once do not drive out hot ones,
// which by Zipf's law is most of what a cache can do.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/state/state_backend.h"
#include "tidewheel/state/state_memory.h"

namespace tidewheel {

class FileMemory;  // base/file_memory.h
class MemoryPool;  // base/memory_pool.h

struct EntryCacheOptions {
  std::function<int64_t()> bytes;  // all that it may take now
  MemoryPool* memory = nullptr;    // null: nothing is accounted
  size_t chunk_bytes = 16 << 10;
  // What the entries and their index are in, as far as it goes, and then not accounted; null:
  // memory.
  std::shared_ptr<FileMemory> file = nullptr;
};

// In front of another backend, and a backend itself. What is put is seen at once, and goes on to
// the backend below when it has to leave, or at a cut.
//
// Memory is chunks of equal size, in three queues. Records are appended to the newest chunk of a
// queue, and the oldest is cleared as a whole: what it has goes on to another queue, or goes. So
// there is nothing to be linked or freed for a record, and no hole stays. Where more than half is
// void before there is need of room, the oldest chunk goes to the end of its queue without that.
//   small    what is new: a tenth
//   main     what was asked for again
//   leaving  what was changed and is to be written below. It is found until that is done.
//
// A record:
//   flags    1 byte: kLive and others
//   state    1 byte: StoreId
//   cut      1 byte: low half: zero bytes cut from the end of the key; high half: of the value
//   sizes    of key and value, uncut, varints; absent with kUsual: as the state's first entry
//   key, value
//   one more byte when that is odd: places are counted by two bytes
// Integers of fixed width, of which most bytes are zero, take what they need.
//
// The index is buckets of a cache line: places of up to 12 records, and a byte of the hash of each.
// Buckets are in segments of a page, which split when they are full (extendible hashing, Fagin et
// al. 1979), so that it grows without a pause. Hashes are bent so that segments of one part of them
// are twice as full as those of another: they split one after another and not all at once, and the
// index as a whole is always as full.
//
// As long as no entry has ever gone from here that the backend below has, what is not found here is
// nowhere (`is_complete`): a state that fits is never looked for below.
//
// A cut (`begin_cut`): each record that is changed then is old: it is written below bit by bit, or
// just before it is changed again. What is newer stays above until the cut is done.
//
// Where the backend below gathers groups, all of a cut goes there as one: what whoever is in front
// writes group by group, and then the old records, in any order. They are sorted and written there
// in the background, and nobody waits. Until that is seen nothing leaves that is only there.
//
// What whoever is in front keeps in memory, and writes at a barrier group by group, is not kept
// here as well: it goes past to the backend below (`was_passed`), and comes here when it has to
// leave the memory above. So what is below is above, here, or both, and `is_complete` holds.
//
// States that have several entries a key, or that are read in order again and again, are not kept
// here: calls for them go to the backend below.
class EntryCache final : public StateBackend {
 public:
  EntryCache(std::unique_ptr<StateBackend> below, EntryCacheOptions options);
  ~EntryCache() override;

  std::string_view kind() const override { return below_->kind(); }
  KeyGroupRange key_groups() const override { return below_->key_groups(); }
  TimerStorage timer_storage() const override { return below_->timer_storage(); }
  // With its own when it keeps nothing itself.
  int64_t cache_bytes() const override;
  Result<std::unique_ptr<SnapshotReader>> restore(SnapshotReader& reader) override {
    return below_->restore(reader);
  }
  Result<StoreId> open_state(const StoreState& state) override;
  bool is_restored(StoreId state) const override { return below_->is_restored(state); }
  Status find_many(StoreId state, std::span<const std::string_view> keys, Values& values) override;
  void put(StoreId state, std::string_view key, std::string_view value) override;
  void erase(StoreId state, std::string_view key) override;
  Status commit() override;
  uint64_t uncommitted_bytes() const override;
  uint64_t write_batch_bytes() const override { return below_->write_batch_bytes(); }
  std::unique_ptr<StoreCursor> scan(StoreId state) override;
  Status erase_range(StoreId state, std::string_view from, std::string_view to) override;
  std::unique_ptr<StoreView> view() override;

  bool begin_groups() override;
  void put_in_group(StoreId state, std::string_view key, std::string_view value) override;
  void erase_in_group(StoreId state, std::string_view key) override;
  Result<bool> end_group(int32_t group) override;
  Result<bool> end_groups() override;
  void put_back(StoreId state, std::string_view key, std::string_view value) override;
  bool finds_what_is_put_back() const override { return gathers(); }

  void begin_cut() override;
  Result<bool> prepare_cut() override;
  bool waits_for_commit() const override { return waits_for_commit_; }
  void set_commit_wake(std::function<void()> wake) override {
    below_->set_commit_wake(std::move(wake));
  }
  std::unique_ptr<StoreView> cut_view() override;
  bool takes_writes_while_cutting() const override { return !has_direct_; }

  bool has_own_snapshots() const override { return below_->has_own_snapshots(); }
  void begin_own_snapshot(const SnapshotStart& start, std::function<void()> wake) override;
  bool is_cut() override;
  void wait_for_cut() override;
  Result<bool> write_own_snapshot(SnapshotWriter& writer) override;
  void abort_own_snapshot() override;

  // Of the cache.
  struct Figures {
    uint64_t found = 0;
    uint64_t missed = 0;
    uint64_t written = 0;  // entries, to the backend below
    size_t entries = 0;
    int64_t bytes = 0;  // of records and index
  };
  Figures figures() const;

 private:
  enum class Cutting : uint8_t {
    kNo,
    kOld,    // old records are being written below
    kBelow,  // all are; the backend below cuts
  };
  enum class QueueName : uint8_t { kSmall, kMain, kLeaving };
  using Place = uint32_t;  // of a record, in units of two bytes; 0: none
  static constexpr size_t kUnit = 2;
  static constexpr size_t kBucketRecords = 12;
  static constexpr size_t kGhostsPerBucket = 4;
  struct Bucket {
    Place places[kBucketRecords];
    uint8_t tags[kBucketRecords];
    uint16_t passed;  // records that belong here or before, and lie behind
    uint8_t unused[2];
  };
  static_assert(sizeof(Bucket) == 64);
  static constexpr size_t kSegmentBuckets = 56;
  // Then it splits. Probes are still short.
  static constexpr size_t kSegmentRecordsMax = kSegmentBuckets * kBucketRecords * 7 / 8;
  static constexpr size_t kGhosts = kSegmentBuckets * kGhostsPerBucket;
  struct Segment {
    Bucket buckets[kSegmentBuckets];
    uint16_t ghosts[kGhosts];  // by hash: some more of the hash of what was turned away
    uint32_t size;             // records
    uint32_t depth;            // bits of the hash that all of them share
    uint8_t unused[56];
  };
  static_assert(sizeof(Segment) == 4096);
  struct Chunk {
    std::byte* bytes = nullptr;
    size_t capacity = 0;  // more than others have for one large record
    size_t used = 0;
    uint32_t dead_bytes = 0;  // of records that are not live
    QueueName queue = QueueName::kSmall;
    bool has_dirty = false;  // it may have records that are
    bool is_in_file = false;
  };
  struct Store {
    bool is_direct = false;
    bool is_complete = false;
    bool has_usual = false;
    bool was_passed = false;  // entries have gone past this cache
    uint32_t scans = 0;
    uint32_t usual_key_size = 0;
    uint32_t usual_value_size = 0;
  };
  // A record, taken apart.
  struct Record {
    std::byte* at = nullptr;
    uint8_t flags = 0;
    uint8_t state = 0;
    uint8_t cut = 0;
    uint32_t key_size = 0;  // uncut
    uint32_t value_size = 0;
    const char* key = nullptr;  // what is stored of it; the value is behind
    uint32_t stored_key() const { return key_size - (cut & 15U); }
    uint32_t stored_value() const { return value_size - (cut >> 4U); }
    const char* value() const { return key + stored_key(); }
    size_t bytes() const;
  };
  struct New;    // a record to be made
  struct Found;  // what find_many knows of a key
  enum class WriteKind : uint8_t {
    kPut,
    kErase,
    kPutInGroup,  // past this cache, unless it has the key
    kEraseInGroup,
    kPutBack,  // what the backend below has too
  };
  // A write that waits for its bucket to come into the processor's cache.
  struct Pending {
    uint64_t hash = 0;
    StoreId state = 0;
    WriteKind kind = WriteKind::kPut;
    uint32_t key_begin = 0;  // in pending_bytes_
    uint32_t key_size = 0;
    uint32_t value_size = 0;  // the value is behind the key
  };
  static constexpr size_t kPendingMax = 128;
  using Changed = std::map<std::string, std::optional<std::string>, std::less<>>;

  static uint64_t hash_of(uint32_t state, std::string_view key);
  static uint32_t zeros_at_end(std::string_view bytes);
  static std::string_view restored(std::string& scratch, const char* bytes, uint32_t stored,
                                   uint32_t size);
  std::string_view key_of(const Record& record) {
    return restored(key_scratch_, record.key, record.stored_key(), record.key_size);
  }
  std::string_view value_of(const Record& record) {
    return restored(value_scratch_, record.value(), record.stored_value(), record.value_size);
  }
  std::byte* at(Place place) const;
  Record read(std::byte* at) const;
  static void set_flags(const Record& record, int flags) {
    record.at[0] = static_cast<std::byte>(flags);
  }
  template <class F>
  void for_each_in(uint32_t chunk, F f);

  Segment& segment_of(uint64_t hash) const {
    return *directory_[directory_number(hash) >> (32 - depth_)];
  }
  static uint64_t directory_number(uint64_t hash);
  static size_t bucket_number(uint64_t hash);
  static uint64_t same_tags(uint64_t tags, uint8_t tag);
  template <class F>
  static Place* find_tagged(Bucket& bucket, uint8_t tag, F is_it);
  Place* find(uint64_t hash, uint32_t state, std::string_view key, uint32_t key_cut) const;
  Place* slot_of(uint64_t hash, Place place) const;
  void index_put(uint64_t hash, Place place);
  void index_erase(uint64_t hash, Place* slot);
  Segment* make_segment();
  void split(uint64_t hash);
  void set_directory(std::vector<Segment*> directory);

  std::deque<uint32_t>& queue(QueueName name) { return queues_[static_cast<size_t>(name)]; }
  int64_t queue_bytes(QueueName name);
  void set_budget();
  std::byte* take_from_file(size_t bytes);
  uint32_t take_chunk(QueueName queue, size_t bytes);
  void free_chunk(uint32_t number);
  void give_back(uint32_t number);
  void give_back_last_free();
  void give_back_spare();
  std::byte* room_for(QueueName name, size_t bytes, Place& place);
  Place append(QueueName queue, const New& made);
  void move(const Record& record, int flags, Place* slot, QueueName to);
  void forget(const Record& record, int flags, uint64_t hash, Place* slot);
  void note_dead(const Record& record, Place place);

  bool was_turned_away(uint64_t hash);
  void turn_away(uint64_t hash);
  void make_room();
  void clear_oldest(QueueName name);
  void compact_oldest();
  void go_on(const Record& record, Place place, uint64_t hash, QueueName from);
  void hash_chunk(uint32_t number);
  void submit_leaving();
  void settle_left(const Record& record, Place place, uint64_t hash);
  bool may_submit();
  // With states that are not kept here, groups are to be seen sooner.
  bool gathers() const { return !has_direct_ && below_->gathers_groups(); }
  bool is_gathering() const { return groups_are_open_ && gathers(); }
  void open_groups();
  void close_groups();
  void settle_below();

  void find_one(StoreId state, std::string_view key, uint64_t hash);
  void add_pending(StoreId state, WriteKind kind, std::string_view key, std::string_view value);
  void write_pending();
  void prefetch_bucket(uint64_t hash) const;
  void prefetch_record(uint64_t hash) const;
  void write(const Pending& pending, std::string_view key, New& made);
  void pass(StoreId state, WriteKind kind, std::string_view key, std::string_view value);
  void pass_below(StoreId state, WriteKind kind, std::string_view key, std::string_view value);
  bool overwrite(const Record& record, const New& made);
  // Returns the flags that the record has after that.
  int write_below(const Record& record);
  void commit_much();
  bool is_old(int flags) const;
  void make_old();
  void finish_old();
  void end_cut();
  void write_all(StoreId state);
  void make_direct(StoreId state);
  std::shared_ptr<const Changed> kept(StoreId state);
  bool note(Status status);

  const std::unique_ptr<StateBackend> below_;
  const EntryCacheOptions options_;
  std::vector<Store> stores_;  // by the ids of the backend below
  bool has_direct_ = false;
  bool has_kept_ = false;
  bool has_direct_writes_ = false;  // that are not committed
  bool has_groups_ = false;         // that are not committed
  bool groups_are_open_ = false;    // of the backend below
  Status failure_;                  // the first of the backend below; sticks

  StateMemory memory_;
  std::vector<Chunk> chunks_;             // by number
  std::vector<uint32_t> free_chunks_;     // with memory
  std::vector<uint32_t> unused_numbers_;  // without
  int64_t in_use_bytes_ = 0;              // of chunks with records
  int64_t dead_bytes_ = 0;                // of these
  int64_t bytes_max_ = 0;
  int64_t file_bytes_max_ = INT64_MAX;          // less once the disk had no room
  std::array<std::deque<uint32_t>, 3> queues_;  // of chunks, the newest at the end
  std::vector<uint32_t> submitted_;             // chunks whose records are on their way below

  // Segments by the first `depth_` bits of what the hash is bent to.
  std::vector<Segment*> directory_;
  uint32_t depth_ = 0;
  std::vector<std::pair<Segment*, bool>> segments_;  // all, and whether they are in the file
  Segment* block_ = nullptr;                         // of the file, for the next segments
  size_t block_left_ = 0;
  int64_t index_bytes_ = 0;  // of segments
  size_t size_ = 0;          // records in the index

  Cutting cutting_ = Cutting::kNo;
  bool waits_for_commit_ = false;    // prepare_cut
  bool cut_has_begun_ = false;       // this one is the backend's below
  bool snapshot_has_begun_ = false;  // one of the backend's below, which is not yet written
  int epoch_ = 0;                    // the mark of what is changed now
  size_t cut_chunk_ = 0;             // where the writing of old records goes on
  Figures figures_;

  std::vector<Pending> pending_;
  std::string pending_bytes_;
  std::vector<uint64_t> chunk_hashes_;  // of the records of a chunk that is cleared
  std::string key_scratch_, value_scratch_;
  // Of find_many.
  std::string found_bytes_;
  std::vector<Found> found_;
  std::vector<uint64_t> hashes_;
  std::vector<std::string_view> missing_;
  Values below_values_;
};

}  // namespace tidewheel
