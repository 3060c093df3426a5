// Decides, at each barrier, how much of one state by key group is written: everything, or what has
// changed and some groups whole, so that a restore never has to go through many layers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tidewheel/state/key_group.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// Groups that are written whole cost far more than what has changed in them: most of their rows
// have not been looked at for long. So a group is written whole when the changes written since are
// twice as much as it is, and otherwise only so that there are no more than kLayersMax layers of
// it: each has its turn, which it passes when it was whole a short while ago. Groups that change at
// the same rate are outweighed all at once; so many of them are written whole in one snapshot as
// its changes pay for. Those of which half changes anyway cost little more as a whole. One thread.
class ChangePlan {
 public:
  static constexpr int32_t kLayersMax = 64;
  static constexpr int32_t kOutweighed = 2;  // times what a group has
  // Of these, whatever comes at once: a restore must not have to read more.
  static constexpr int32_t kFarOutweighed = 4;

  // `keeps_changes`: whoever has the state remembers from barrier to barrier what was changed.
  explicit ChangePlan(KeyGroupRange groups = {}, bool keeps_changes = false);

  // A barrier. `units`: how many there are now, of all groups, if that is known.
  void begin(const SnapshotStart& start, size_t units = 0);
  // What the snapshot that was begun is to have.
  StateContent content() const { return content_; }
  bool is_whole(int32_t group) const {
    return content_ == StateContent::kAll || whole_[index_of(group)] != 0;
  }
  bool keeps_changes() const { return keeps_changes_; }
  // A unit of the group goes into the snapshot.
  void note_unit(int32_t group) { ++(is_whole(group) ? whole_units_ : recent_)[index_of(group)]; }
  // A unit of the group is erased; the next snapshot has to say so.
  void note_erased(int32_t group) { ++recent_[index_of(group)]; }
  // The next snapshot is one of everything: the last one has come to nothing, or too much has
  // changed at once.
  void write_all_next() { last_checkpoint_ = 0; }

 private:
  // One group in so many has its turn in a snapshot.
  static constexpr int32_t kTurns = 48;
  static constexpr int32_t kTurnAge = kLayersMax - kTurns;

  bool has_turn(size_t index) const {
    return static_cast<int32_t>(index % kTurns) == turn_ && ages_[index] >= kTurnAge;
  }
  void take_outweighed(size_t units);
  size_t affordable(uint64_t weights) const;
  size_t index_of(int32_t group) const { return static_cast<size_t>(group - first_); }

  int32_t first_ = 0;
  bool keeps_changes_ = false;
  StateContent content_ = StateContent::kAll;
  int64_t last_checkpoint_ = 0;  // 0: none that changes could be based on
  int32_t turn_ = 0;
  size_t next_outweighed_ = 0;         // the group at which the search for outweighed ones goes on
  std::vector<uint8_t> whole_;         // by group: written whole this time
  std::vector<uint8_t> ages_;          // snapshots since it was written whole
  std::vector<uint32_t> whole_units_;  // as it was written whole last
  std::vector<uint32_t> recent_;       // changes since the last barrier
  std::vector<uint32_t> changes_;      // those since it was written whole, without the recent ones
};

}  // namespace tidewheel
