// What a snapshot is to have of key groups whose turn has not come yet.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/state/key_group.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// Units or entries, one behind the other, in pieces that stay where they are. What was read is
// freed piece by piece.
class EntryBuffer {
 public:
  void add(const StateEntry& entry);
  // The next one, without its group; false at the end. The views are valid until the next call.
  bool next(StateEntry& entry);
  int64_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kPieceBytesMin = 512;  // of the first; the others double
  static constexpr size_t kPieceBytesMax = 64 * 1024;
  struct Piece {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
    size_t capacity = 0;
  };
  void add_piece(size_t bytes_min);

  std::vector<Piece> pieces_;
  size_t piece_ = 0;  // where `next` goes on
  size_t offset_ = 0;
  int64_t bytes_ = 0;
};

// Entries and erased units of one state, by key group. It is a writer that takes groups in any
// order. One thread.
class GroupBuffers final : public SnapshotWriter {
 public:
  GroupBuffers() = default;
  explicit GroupBuffers(KeyGroupRange groups);

  bool ready() const override { return true; }
  void begin_state(const StateMeta&) override {}
  void begin_changes(const StateMeta&) override {}
  void whole_group(int32_t) override {}
  void erase(int32_t group, std::string_view key, std::string_view name_space) override;
  void add(const StateEntry& entry) override;

  // Moves what there is of a group to `writer`, which has begun the state; false when it takes no
  // more, then call again.
  bool write_erased(int32_t group, SnapshotWriter& writer);
  bool write_entries(int32_t group, SnapshotWriter& writer);
  void drop(int32_t group);
  void clear();
  void swap(GroupBuffers& other) noexcept;

  uint64_t added() const { return added_; }  // calls of `add`
  int64_t bytes() const { return bytes_; }

 private:
  struct Group {
    EntryBuffer erased;
    EntryBuffer entries;
  };
  Group& at(int32_t group);
  Group* find(int32_t group) const { return groups_[static_cast<size_t>(group - first_)].get(); }

  int32_t first_ = 0;
  std::vector<std::unique_ptr<Group>> groups_;
  uint64_t added_ = 0;
  int64_t bytes_ = 0;
};

// Keeps what small states have written at once, for a writer that comes later. One thread.
class SnapshotRecording final : public SnapshotWriter {
 public:
  bool ready() const override { return true; }
  void begin_state(const StateMeta& meta) override;
  void begin_changes(const StateMeta& meta) override { begin_state(meta); }
  void whole_group(int32_t) override {}
  void erase(int32_t, std::string_view, std::string_view) override {}
  void add(const StateEntry& entry) override;

  // Moves what there is to `writer`; false when it takes no more, then call again.
  bool write(SnapshotWriter& writer);
  void clear() { states_.clear(); }

 private:
  struct State {
    StateMeta meta;
    EntryBuffer entries;  // all of group 0
  };
  std::vector<State> states_;
};

}  // namespace tidewheel
