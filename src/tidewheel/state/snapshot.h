// State on its way into and out of a snapshot. A snapshot is a set of immutable segments; each
// holds one state of one operator, for a range of key groups, with its schema, size and checksums,
// so that any parallelism can read the groups that it needs. This page has the interfaces that
// operators see and segments in memory; where segments are kept durably is not its business. The
// format is drawn in docs/design/0002-snapshot-format.md.
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
#include "tidewheel/state/segment.h"

namespace tidewheel {

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
  // The same for a state of which changes are written, by key group. Only when SnapshotStart has
  // allowed it. A state without changes is begun too: one that is not begun is not in the snapshot.
  virtual void begin_changes(const StateMeta& meta) = 0;
  // Within changes: the group's entries are all that there are (there may be none), and what older
  // snapshots have of it is void. Before the group's first entry.
  virtual void whole_group(int32_t group) = 0;
  // Within changes: the unit is no more. Before the entries of its group.
  virtual void erase(int32_t group, std::string_view key, std::string_view name_space) = 0;
  // Keyed entries come in ascending order of their groups.
  virtual void add(const StateEntry& entry) = 0;

  // Whether states may consist of files of the backend's own. If not (savepoints, copies in
  // memory), entries are written.
  virtual bool takes_files() const { return false; }
  // A path for a new file of the current state. The caller makes the file and syncs it before the
  // snapshot is finished; it is removed when the snapshot comes to nothing.
  virtual std::string new_file(std::string_view suffix);
  // Where the caller leaves a copy of such a file as well, on a local disk, if it can; empty:
  // nowhere.
  virtual std::string local_copy_of(const std::string&) { return {}; }
  // The current state needs this file: one that new_file has named, or one of the complete
  // checkpoint that the snapshot is based on.
  virtual void add_file(SnapshotFile file);
};

// The entries of one state that belong to a subtask, in the order of groups.
class SnapshotEntries {
 public:
  virtual ~SnapshotEntries() = default;
  // How many `next` will give: exact when the state was not written in layers, else estimated.
  virtual uint64_t count() const = 0;
  // The next entry, whose views are valid until the next call; false at the end.
  // Errors: kSnapshotChecksum, kSnapshotFormat, and those of files.
  virtual Result<bool> next(StateEntry& entry) = 0;
};

// Gives back what belongs to one operator's subtask, at any parallelism. One thread.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  // The states that the snapshot has of this operator, by name, each once.
  virtual const std::vector<StateMeta>& states() const = 0;
  // The entries of a state; none when the snapshot has no such state.
  virtual Result<std::unique_ptr<SnapshotEntries>> read(std::string_view state) = 0;
  // What was written of the state as files, by those subtasks whose groups this one needs; their
  // paths can be opened.
  virtual std::vector<NativeState> native(std::string_view state) const;

  const StateMeta* find(std::string_view state) const;
};

// Gives each subtask of each operator its reader. Any thread.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // An operator that the snapshot does not know gets a reader without states.
  virtual Result<std::unique_ptr<SnapshotReader>> reader(const SnapshotPlace& place) const = 0;
};

// Encodes entries into blocks and the groups of indexes. What becomes of a full block is the
// business of derived classes.
class SegmentEncoder : public SnapshotWriter {
 public:
  static constexpr size_t kBlockBytes = 64 * 1024;

  // How many bytes may be written; several writers may share one.
  struct Grant {
    uint64_t written_bytes = 0;
    uint64_t granted_bytes = UINT64_MAX;
    bool left() const { return written_bytes < granted_bytes; }
    void give(uint64_t bytes) { granted_bytes = written_bytes + bytes; }
  };

  explicit SegmentEncoder(SnapshotPlace place, Grant* grant);
  ~SegmentEncoder() override;

  bool ready() const override { return grant_->left(); }
  void begin_state(const StateMeta& meta) final;
  void begin_changes(const StateMeta& meta) final;
  void whole_group(int32_t group) final;
  void erase(int32_t group, std::string_view key, std::string_view name_space) final;
  void add(const StateEntry& entry) final;
  void add_file(SnapshotFile file) override;

 protected:
  // A segment that is being written: its blocks have been handed over, but for the last, `open`.
  struct Open {
    SnapshotSegment segment;  // without its bytes
    std::vector<SegmentGroup> groups;
    SegmentBuffer open;
    uint32_t full_blocks = 0;
    bool by_group = false;
  };
  // A block of `open`, which comes after those before it.
  virtual void take_block(Open& segment, size_t number, SegmentBuffer block) = 0;

  // In the order in which they were begun.
  const std::vector<std::unique_ptr<Open>>& segments() const { return segments_; }
  void forget_segments();
  const SnapshotPlace& place() const { return place_; }
  Open* current() const { return current_; }

 private:
  void begin(const StateMeta& meta, StateContent content);
  SegmentGroup& group_of(int32_t group);
  SegmentGroup& new_group(int32_t group);
  void grown(Open& open, size_t bytes);

  const SnapshotPlace place_;
  Grant* const grant_;
  std::vector<std::unique_ptr<Open>> segments_;
  std::map<std::string, size_t, std::less<>> by_name_;
  Open* current_ = nullptr;
  size_t current_number_ = 0;
};

// Makes segments in memory.
class SegmentWriter final : public SegmentEncoder {
 public:
  explicit SegmentWriter(SnapshotPlace place);
  ~SegmentWriter() override;

  // Is ready for about `bytes` more, then no longer. Without a grant there is no limit.
  void grant(uint64_t bytes) { grant_.give(bytes); }
  uint64_t written_bytes() const { return grant_.written_bytes; }
  // The segments, finished. The writer is empty afterwards.
  std::vector<SnapshotSegmentRef> finish();

 private:
  void take_block(Open& segment, size_t number, SegmentBuffer block) override;

  Grant grant_;
  std::vector<std::vector<SegmentBuffer>> blocks_;  // by segment
};

// Reads, for one subtask, the segments of all subtasks of the operator that wrote the snapshot.
class SegmentReader final : public SnapshotReader {
 public:
  // The layers of a subtask's state stand in the order in which they were written.
  // Errors: kSnapshotFormat when max_parallelism is not that of the segments, or layers do not fit
  // each other; kStateName when two segments disagree about a state.
  static Result<std::unique_ptr<SegmentReader>> open(SnapshotPlace place,
                                                     std::vector<SnapshotSegmentRef> segments);

  const std::vector<StateMeta>& states() const override { return states_; }
  Result<std::unique_ptr<SnapshotEntries>> read(std::string_view state) override;
  std::vector<NativeState> native(std::string_view state) const override;

 private:
  SegmentReader(SnapshotPlace place, std::vector<SnapshotSegmentRef> segments);
  Status check_layers() const;

  const SnapshotPlace place_;
  std::vector<SnapshotSegmentRef> segments_;  // by state and subtask, then as they were written
  std::vector<StateMeta> states_;
};

// All segments of a job, by operator. Filled by one thread (the coordinator's); then it may be read
// by all.
class MemorySnapshot final : public SnapshotSource {
 public:
  // Changes go on top of what is there of the same state and subtask.
  void add(std::vector<SnapshotSegmentRef> segments);
  const std::vector<SnapshotSegmentRef>& segments_of(const std::string& operator_uid) const;
  // A reader for one subtask. An operator that the snapshot does not know gets an empty one.
  Result<std::unique_ptr<SnapshotReader>> reader(const SnapshotPlace& place) const override;
  uint64_t size_bytes() const;

 private:
  std::map<std::string, std::vector<SnapshotSegmentRef>> by_operator_;
};

}  // namespace tidewheel
