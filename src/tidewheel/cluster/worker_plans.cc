#include "tidewheel/cluster/worker_plans.h"

#include <mutex>
#include <utility>

namespace tidewheel {
namespace {

constexpr size_t kOverPlansMax = 256;

}  // namespace

CheckpointPlanRef WorkerPlans::find(int64_t checkpoint) const {
  const std::lock_guard guard(lock_);
  const auto found = plans_.find(checkpoint);
  return found == plans_.end() ? nullptr : found->second;
}

void WorkerPlans::add(CheckpointPlanRef plan) {
  const std::lock_guard guard(lock_);
  if (over_.contains(plan->id)) { return; }
  const int64_t id = plan->id;
  plans_.emplace(id, std::move(plan));
}

void WorkerPlans::end(int64_t checkpoint) {
  CheckpointPlanRef dropped;  // destroyed outside of the lock
  const std::lock_guard guard(lock_);
  const auto found = plans_.find(checkpoint);
  if (found != plans_.end()) {
    dropped = std::move(found->second);
    plans_.erase(found);
  }
  over_.insert(checkpoint);
  while (over_.size() > kOverPlansMax) { over_.erase(over_.begin()); }
}

}  // namespace tidewheel
