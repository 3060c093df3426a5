#include "tidewheel/checkpoint/plan_registry.h"

#include <utility>

namespace tidewheel {

CheckpointPlanRef PlanRegistry::find(int64_t checkpoint) const {
  const std::shared_ptr<const List> list = list_.load(std::memory_order_acquire);
  for (const CheckpointPlanRef& plan : *list) {
    if (plan->id == checkpoint) { return plan; }
  }
  return nullptr;
}

void PlanRegistry::add(CheckpointPlanRef plan) {
  auto list = std::make_shared<List>(*list_.load(std::memory_order_relaxed));
  list->push_back(std::move(plan));
  list_.store(std::move(list), std::memory_order_release);
}

void PlanRegistry::remove(int64_t checkpoint) {
  auto list = std::make_shared<List>(*list_.load(std::memory_order_relaxed));
  std::erase_if(*list, [&](const CheckpointPlanRef& plan) { return plan->id == checkpoint; });
  list_.store(std::move(list), std::memory_order_release);
}

}  // namespace tidewheel
