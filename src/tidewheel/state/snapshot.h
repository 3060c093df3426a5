// State on its way into and out of a snapshot. A snapshot is a set of immutable segments; each
// holds one state of one operator, for a range of key groups, with its schema, size and checksums,
// so that any parallelism can read the groups that it needs. This page has the interfaces that
// operators see and segments in memory; where segments are kept durably is not its business.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/state/key_group.h"

namespace tidewheel {

// What a state is, which says who gets what of it after a restore.
enum class StateKind : uint8_t {
  kKeyed = 1,      // entries by key group, to the subtask that owns the group
  kTimers = 2,     // the same, for timers
  kSplitList = 3,  // items of all subtasks in order, cut into equal shares
  kUnionList = 4,  // every subtask gets all items
  kBroadcast = 5,  // all subtasks have written the same: each gets one copy
  kInFlight = 6,   // elements that an unaligned barrier has overtaken: every subtask gets all
};

// The description of one state of an operator.
struct StateMeta {
  std::string name;  // unique in its operator
  StateKind kind = StateKind::kKeyed;
  std::string form;        // "value", "list", "map", "table", ...: how entries are made
  std::string key_schema;  // as encoded by types/schema.h; empty when there is no key
  std::string namespace_schema;
  std::string value_schema;
  // What is replaced, or erased, as a whole when only changes are written: all entries of a key, or
  // those of a key and namespace.
  bool unit_has_namespace = false;
  friend bool operator==(const StateMeta&, const StateMeta&) = default;
};

// Whether a state (or one of its key groups) is written whole, or as what has changed since the
// snapshot before. Of changes, a unit (see StateMeta) that is written replaces the older one; units
// and groups that are not mentioned are as they were.
enum class StateContent : uint8_t { kAll = 1, kChanges = 2 };

// What a barrier asks of an operator.
struct SnapshotStart {
  int64_t checkpoint = 0;
  // Changes may be written instead of everything if the operator's last snapshot was that of this
  // checkpoint; 0: everything is to be written, as for a savepoint.
  int64_t base_checkpoint = 0;
};

// One entry, as bytes. The views belong to whoever gave the entry.
struct StateEntry {
  int32_t group = 0;  // 0 for state that is not keyed
  std::string_view key;
  std::string_view name_space;
  std::string_view value;
};

// Which subtask writes or reads.
struct SnapshotPlace {
  std::string operator_uid;
  int32_t subtask = 0;
  int32_t parallelism = 1;
  int32_t max_parallelism = 1;
};

// Takes the state of one operator's subtask. One thread.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  // False: it takes no more now. Ask between entries; come back later and go on from your own
  // cursor.
  virtual bool ready() const = 0;
  // Starts a state; the entries that follow are its own. A state that is begun again goes on.
  virtual void begin_state(const StateMeta& meta) = 0;
  // The same for a state of which changes are written. Only when SnapshotStart has allowed it.
  virtual void begin_changes(const StateMeta& meta);
  // Within changes: the group's entries are all that there are, and what older snapshots have of it
  // is void. Before the group's first entry.
  virtual void whole_group(int32_t group);
  // Within changes: the unit is no more. Before the entries of its group.
  virtual void erase(int32_t group, std::string_view key, std::string_view name_space);
  // Keyed entries come in ascending order of their groups.
  virtual void add(const StateEntry& entry) = 0;
};

// The entries of one state that belong to a subtask, in the order of groups.
class SnapshotEntries {
 public:
  virtual ~SnapshotEntries() = default;
  // How many `next` will give, at most (exact but for entries that a segment can't tell apart).
  virtual uint64_t count() const = 0;
  // The next entry, whose views are valid until the next call; false at the end.
  // Errors: kSnapshotChecksum, kSnapshotFormat.
  virtual Result<bool> next(StateEntry& entry) = 0;
};

// Gives back what belongs to one operator's subtask, at any parallelism. One thread.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  // The states that the snapshot has of this operator, by name, and as they were written.
  virtual const std::vector<StateMeta>& states() const = 0;
  // The entries of a state; none when the snapshot has no such state.
  virtual Result<std::unique_ptr<SnapshotEntries>> read(std::string_view state) = 0;

  const StateMeta* find(std::string_view state) const;
};

// Gives each subtask of each operator its reader. Any thread.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // An operator that the snapshot does not know gets a reader without states.
  virtual Result<std::unique_ptr<SnapshotReader>> reader(const SnapshotPlace& place) const = 0;
};

// A run of entries with one checksum.
struct SnapshotBlock {
  std::string bytes;      // entries, each: size and bytes of key, of namespace, of value
  uint64_t checksum = 0;  // XXH3-64 of `bytes`
};

// Where the entries of one key group begin. They go on until the next group's, over blocks.
struct SnapshotGroup {
  int32_t group = 0;
  uint32_t block = 0;
  uint32_t offset = 0;  // in the block
  uint64_t entries = 0;
};

// One state of one subtask. Immutable once it is made.
struct SnapshotSegment {
  std::string operator_uid;
  StateMeta meta;
  int32_t subtask = 0;  // who wrote it, and of how many
  int32_t parallelism = 1;
  int32_t max_parallelism = 1;
  uint64_t entries = 0;
  uint64_t size_bytes = 0;  // of all blocks
  std::vector<SnapshotGroup> groups;
  std::vector<SnapshotBlock> blocks;
};
using SnapshotSegmentRef = std::shared_ptr<const SnapshotSegment>;

// A segment as bytes: "TWSEGM01", the description, then the blocks, each followed by its checksum;
// at last the checksum of all but the blocks' bytes.
std::string encode_segment(const SnapshotSegment& segment);
// Errors: kSnapshotFormat, kSnapshotChecksum.
Result<SnapshotSegmentRef> decode_segment(std::string_view bytes);

// Makes segments in memory.
class SegmentWriter final : public SnapshotWriter {
 public:
  static constexpr size_t kBlockBytes = 64 * 1024;

  explicit SegmentWriter(SnapshotPlace place) : place_(std::move(place)) {}

  bool ready() const override { return written_bytes_ < granted_bytes_; }
  void begin_state(const StateMeta& meta) override;
  void add(const StateEntry& entry) override;

  // Is ready for about `bytes` more, then no longer. Without a grant there is no limit.
  void grant(uint64_t bytes) { granted_bytes_ = written_bytes_ + bytes; }
  uint64_t written_bytes() const { return written_bytes_; }
  // The segments, finished. The writer is empty afterwards.
  std::vector<SnapshotSegmentRef> finish();

 private:
  void close_block(SnapshotSegment& segment);

  const SnapshotPlace place_;
  std::vector<std::unique_ptr<SnapshotSegment>> segments_;
  SnapshotSegment* current_ = nullptr;
  uint64_t written_bytes_ = 0;
  uint64_t granted_bytes_ = UINT64_MAX;
};

// Reads, for one subtask, the segments of all subtasks of the operator that wrote the snapshot.
class SegmentReader final : public SnapshotReader {
 public:
  // Errors: kSnapshotFormat when max_parallelism is not that of the segments; kStateName when two
  // segments disagree about a state.
  static Result<std::unique_ptr<SegmentReader>> open(SnapshotPlace place,
                                                     std::vector<SnapshotSegmentRef> segments);

  const std::vector<StateMeta>& states() const override { return states_; }
  Result<std::unique_ptr<SnapshotEntries>> read(std::string_view state) override;

 private:
  SegmentReader(SnapshotPlace place, std::vector<SnapshotSegmentRef> segments);

  const SnapshotPlace place_;
  std::vector<SnapshotSegmentRef> segments_;
  std::vector<StateMeta> states_;
};

// All segments of a job, by operator. Filled by one thread (the coordinator's); then it may be read
// by all.
class MemorySnapshot final : public SnapshotSource {
 public:
  void add(std::vector<SnapshotSegmentRef> segments);
  const std::vector<SnapshotSegmentRef>& segments_of(const std::string& operator_uid) const;
  // A reader for one subtask. An operator that the snapshot does not know gets an empty one.
  Result<std::unique_ptr<SnapshotReader>> reader(const SnapshotPlace& place) const override;
  uint64_t size_bytes() const;

 private:
  std::map<std::string, std::vector<SnapshotSegmentRef>> by_operator_;
};

}  // namespace tidewheel
