#include "tidewheel/state/change_plan.h"

#include <algorithm>
#include <utility>

namespace tidewheel {

ChangePlan::ChangePlan(KeyGroupRange groups, bool keeps_changes)
    : first_(groups.first),
      keeps_changes_(keeps_changes),
      whole_(static_cast<size_t>(std::max(groups.count(), 0))),
      whole_units_(whole_.size()),
      recent_(whole_.size()),
      changes_(whole_.size()) {}

void ChangePlan::begin(const SnapshotStart& start, size_t units) {
  const int64_t last = std::exchange(last_checkpoint_, start.checkpoint);
  const bool allowed = keeps_changes_ && last != 0 && start.base_checkpoint == last;
  content_ = allowed ? StateContent::kChanges : StateContent::kAll;
  turn_ = (turn_ + 1) % kLayersMax;
  for (size_t i = 0; i < whole_.size(); ++i) {
    whole_[i] = content_ == StateContent::kAll || i % kLayersMax == turn_ ? 1 : 0;
  }
  if (content_ == StateContent::kChanges) { take_outweighed(units); }
  for (size_t i = 0; i < whole_.size(); ++i) {
    changes_[i] = whole_[i] != 0 ? 0 : changes_[i] + recent_[i];
    if (whole_[i] != 0) { whole_units_[i] = 0; }
    recent_[i] = 0;
  }
}

void ChangePlan::take_outweighed(size_t units) {
  const size_t count = whole_.size();
  const auto usual = static_cast<uint32_t>(units / std::max<size_t>(count, 1));
  size_t left = (count + kOutweighedPart - 1) / kOutweighedPart;
  const size_t first = next_outweighed_;
  for (size_t k = 0; k < count; ++k) {
    const size_t i = (first + k) % count;
    // What was written whole may have grown since.
    const uint32_t weight = std::max(whole_units_[i], usual);
    if (whole_[i] != 0 || changes_[i] + recent_[i] == 0) { continue; }
    if (changes_[i] + recent_[i] < weight) { continue; }
    if (recent_[i] < (weight + 1) / 2) {
      if (left == 0) { continue; }
      --left;
      next_outweighed_ = (i + 1) % count;
    }
    whole_[i] = 1;
  }
}

}  // namespace tidewheel
