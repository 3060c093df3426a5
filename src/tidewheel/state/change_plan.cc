#include "tidewheel/state/change_plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tidewheel {

ChangePlan::ChangePlan(KeyGroupRange groups, bool keeps_changes)
    : first_(groups.first),
      keeps_changes_(keeps_changes),
      whole_(static_cast<size_t>(std::max(groups.count(), 0))),
      ages_(whole_.size()),
      whole_units_(whole_.size()),
      recent_(whole_.size()),
      changes_(whole_.size()) {}

void ChangePlan::begin(const SnapshotStart& start, size_t units) {
  const int64_t last = std::exchange(last_checkpoint_, start.checkpoint);
  const bool allowed = keeps_changes_ && last != 0 && start.base_checkpoint == last;
  content_ = allowed ? StateContent::kChanges : StateContent::kAll;
  turn_ = (turn_ + 1) % kTurns;
  for (size_t i = 0; i < whole_.size(); ++i) {
    whole_[i] = content_ == StateContent::kAll || has_turn(i) ? 1 : 0;
  }
  if (content_ == StateContent::kChanges) { take_outweighed(units); }
  for (size_t i = 0; i < whole_.size(); ++i) {
    changes_[i] = whole_[i] != 0 ? 0 : changes_[i] + recent_[i];
    ages_[i] = whole_[i] != 0 ? 0 : static_cast<uint8_t>(ages_[i] + 1);
    if (whole_[i] != 0) { whole_units_[i] = 0; }
    recent_[i] = 0;
  }
}

void ChangePlan::take_outweighed(size_t units) {
  const size_t count = whole_.size();
  const auto usual = static_cast<uint32_t>(units / std::max<size_t>(count, 1));
  uint64_t weights = 0;
  for (size_t i = 0; i < count; ++i) { weights += std::max(whole_units_[i], usual); }
  size_t left = affordable(weights);
  const size_t first = next_outweighed_;
  for (size_t k = 0; k < count; ++k) {
    const size_t i = (first + k) % count;
    // What was written whole may have grown since.
    const uint64_t weight = std::max<uint64_t>({whole_units_[i], usual, 1});
    const uint64_t changes = uint64_t{changes_[i]} + recent_[i];
    if (whole_[i] != 0 || changes < weight) { continue; }
    if (recent_[i] < (weight + 1) / 2 && changes < kFarOutweighed * weight) {
      if (changes < kOutweighed * weight || left == 0) { continue; }
      --left;
      next_outweighed_ = (i + 1) % count;
    }
    whole_[i] = 1;
  }
}

// How many groups are outweighed for the first time in one snapshot, where all change as in this
// one; and a quarter more, so that those that have piled up come to an end.
size_t ChangePlan::affordable(uint64_t weights) const {
  const uint64_t recent = std::accumulate(recent_.begin(), recent_.end(), uint64_t{0});
  const uint64_t paid = recent * whole_.size() * 5;
  return static_cast<size_t>(paid / (std::max<uint64_t>(weights, 1) * kOutweighed * 4)) + 1;
}

}  // namespace tidewheel
