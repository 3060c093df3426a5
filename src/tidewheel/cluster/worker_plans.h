// The checkpoints that a worker knows of: from its master, or from barriers that came before.
#pragma once
#include <cstdint>
#include <map>
#include <set>

#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/checkpoint/plan.h"

namespace tidewheel {

// Any thread.
class WorkerPlans final : public CheckpointPlans {
 public:
  CheckpointPlanRef find(int64_t checkpoint) const override;
  // Does nothing when it is known, or over: barriers may come late.
  void add(CheckpointPlanRef plan);
  void end(int64_t checkpoint);

 private:
  mutable LeafLock lock_;  // guards the rest
  std::map<int64_t, CheckpointPlanRef> plans_;
  std::set<int64_t> over_;  // the newest
};

}  // namespace tidewheel
