#include "tidewheel/sql/plan_keys.h"

#include <utility>

namespace tidewheel::sql {

int32_t PlanKeys::number(const PlanRef& plan) {
  if (const auto it = known_.find(plan.get()); it != known_.end()) { return it->second.number; }
  const int32_t made = number(*plan);
  known_.emplace(plan.get(), Known{plan, made});
  return made;
}

int32_t PlanKeys::number(const Plan& plan) {
  std::string text = node_text(plan, with_changelog_);
  for (const PlanRef& input : plan.inputs) { text += '\n' + std::to_string(number(input)); }
  return numbers_.emplace(std::move(text), static_cast<int32_t>(numbers_.size())).first->second;
}

}  // namespace tidewheel::sql
