// The plans that are under way, for those who meet their barriers.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "tidewheel/checkpoint/plan.h"

namespace tidewheel {

// One thread writes, any thread reads: the list is replaced as a whole.
class PlanRegistry final : public CheckpointPlans {
 public:
  CheckpointPlanRef find(int64_t checkpoint) const override;
  void add(CheckpointPlanRef plan);
  void remove(int64_t checkpoint);

 private:
  using List = std::vector<CheckpointPlanRef>;
  std::atomic<std::shared_ptr<const List>> list_{std::make_shared<const List>()};
};

}  // namespace tidewheel
