#include "tidewheel/state/change_plan.h"

#include <algorithm>
#include <utility>

namespace tidewheel {

ChangePlan::ChangePlan(KeyGroupRange groups, bool keeps_changes)
    : first_(groups.first),
      keeps_changes_(keeps_changes),
      whole_(static_cast<size_t>(std::max(groups.count(), 0))),
      whole_units_(whole_.size()),
      changes_(whole_.size()) {}

void ChangePlan::begin(const SnapshotStart& start) {
  const int64_t last = std::exchange(last_checkpoint_, start.checkpoint);
  const bool allowed = keeps_changes_ && last != 0 && start.base_checkpoint == last;
  content_ = allowed ? StateContent::kChanges : StateContent::kAll;
  turn_ = (turn_ + 1) % kLayersMax;
  for (size_t i = 0; i < whole_.size(); ++i) {
    const bool outweighed = changes_[i] > 0 && changes_[i] >= whole_units_[i];
    whole_[i] = content_ == StateContent::kAll || i % kLayersMax == turn_ || outweighed ? 1 : 0;
    if (whole_[i] != 0) { whole_units_[i] = changes_[i] = 0; }
  }
}

}  // namespace tidewheel
