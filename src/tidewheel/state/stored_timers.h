// The timers of one service (timers.h) that are in a state backend, as bytes: for each key group
// all that come at or after a bound. Those before it are in the memory of the service.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/state/state_backend.h"
#include "tidewheel/state/state_memory.h"

namespace tidewheel {

// A bound is a stored key (group, time, key, namespace; see state_backend.h), so that many timers
// of one time can be parted too. It moves up when the service reads on, and down when the service
// has too many and gives those that come last. So no timer is in both places, and putting one twice
// is putting it once: nothing is read to find out.
//
// What was read is void, and is not erased one by one, which would leave a heap of tombstones just
// where every search begins. Reading goes on behind it; it is erased as a range when much has come
// together, before a snapshot, and before something is put there again.
//
// From a barrier on, writes are held back in memory until the backend has been cut off; what is
// held back is seen by reading.
//
// One thread. A failure of the backend is kept in `status`.
class StoredTimers {
 public:
  // Makes nothing in the backend until it is needed. `memory` may be null.
  StoredTimers(StateBackend& backend, StoreState state, MemoryPool* memory, std::string_view name);

  // Whether a timer is to be looked for here. `holds` where `may_hold` is true.
  bool may_hold(int32_t group, int64_t time) const {
    if (open_count_ == 0) { return false; }
    const Group& at = groups_[static_cast<size_t>(group - first_)];
    return at.is_open && time >= at.time;
  }
  bool holds(int32_t group, std::string_view key) const {
    const Group& at = groups_[static_cast<size_t>(group - first_)];
    return at.is_open && key >= at.bound;
  }
  bool empty() const { return open_count_ == 0; }
  // A time before which there is nothing here; unless empty.
  int64_t next_time() const { return next_time_; }
  // How many there are, about: what was put twice counts twice.
  int64_t count() const { return empty() ? 0 : count_; }

  // Of keys that `holds`.
  void put(std::string_view key);
  void erase(std::string_view key);
  bool contains(std::string_view key);
  // Takes a timer that is in no place now: the bound of its group moves down to `time`, which is
  // not after its own. The caller gives all timers of the group from `time` on.
  void move_down(int32_t group, int64_t time, std::string_view key);

  // Gives the earliest timers, as long as they are not after `until`: of the group that has the
  // first of all, and of groups that come soon after it, `room` together or one. They are not here
  // any more. Not when empty.
  using Take = std::function<Status(const StoredTimer&)>;
  Status read_on(int64_t until, size_t room, const Take& take);
  Status for_each(const Take& take);

  // ---- Snapshots; see TimerService.
  void begin_snapshot();
  bool flush(size_t& budget);
  // Null: the backend cuts its files by itself, and says when it has.
  void cut(const StoreView* view);
  Result<bool> write_group(int32_t group, SnapshotWriter& writer);
  void end_snapshot() { cursor_.reset(); }
  // Writes what was held back. After the cut, or when there is none.
  void resume();
  // The same, if the backend has cut its files meanwhile.
  void resume_if_cut() {
    if (waits_for_files_) [[unlikely]] { check_cut(); }
  }
  // Takes what the backend has restored; false when it has nothing.
  Result<bool> adopt();

  // How much may be held back, before it is better to wait for the backend.
  void set_held_max(int64_t bytes) { held_max_bytes_ = bytes; }
  int64_t memory_bytes() const { return memory_.bytes(); }
  const Status& status() const { return status_.ok() ? memory_.status() : status_; }

 private:
  struct Group {
    bool is_open = false;   // there may be timers
    bool to_purge = false;  // before the cut
    int64_t time = 0;       // of the bound
    // The earliest time of what was written and may not be committed: reading stops before it.
    int64_t written_from = INT64_MAX;
    std::string bound;
    // What was read of the backend: [void_from, void_until), unless that is empty.
    std::string void_from;
    std::string void_until;
  };
  enum class Mode : uint8_t {
    kFree,
    kFlush,  // a barrier has come: what is older may be written
    kHeld,   // nothing may be written
  };
  static constexpr size_t kPurgeEntries = size_t{64} << 10;

  Group& at(int32_t group) { return groups_[static_cast<size_t>(group - first_)]; }
  Status open_state();
  Status commit();
  void note_written(std::string_view key);
  void make_groups();
  void note(Status status);
  void hold(std::string_view key, bool is_put);
  void check_cut();
  void purge(int32_t group);
  void purge_all();
  size_t purge_marked(size_t budget);
  void set_bound(Group& group, std::string_view key);
  const Group& earliest() const;
  void find_next_time();
  Status read_groups(int64_t until, size_t room, StoreCursor* cursor, const Take& take);
  Status read_group(int32_t group, StoreCursor* cursor, size_t count, const Take& take);

  // The timers of a group, of what is held back and what is stored, by their keys.
  class Merge;

  StateBackend& backend_;
  const StoreState state_;
  const int32_t first_;
  std::vector<Group> groups_;  // made when they are needed
  size_t open_count_ = 0;
  int64_t next_time_ = 0;
  int64_t count_ = 0;
  size_t void_count_ = 0;    // entries that were read and are not erased
  bool is_written_ = false;  // some group has a written_from
  bool has_store_ = false;
  StoreId store_ = 0;

  Mode mode_ = Mode::kFree;
  bool waits_for_files_ = false;                   // held until the backend has cut its files
  size_t flushed_ = 0;                             // groups
  std::map<std::string, bool, std::less<>> held_;  // true: put, false: erased
  int64_t held_bytes_ = 0;
  int64_t held_max_bytes_ = int64_t{1} << 20;
  std::unique_ptr<StoreCursor> cursor_;  // of the view that is written
  std::string scratch_;
  std::string begin_;
  StateMemory memory_;
  Status status_;
};

}  // namespace tidewheel
