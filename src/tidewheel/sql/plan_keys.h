// Which parts of plans are the same, so that they are built, and shown, once.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>

#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// Numbers plans by what they say: two have the same number when their nodes, and all below these,
// say the same. Each part is looked at once, however many read it.
class PlanKeys {
 public:
  // `with_changelog`: what is said of changes, and how long rows are kept, counts.
  explicit PlanKeys(bool with_changelog) : with_changelog_(with_changelog) {}

  int32_t number(const PlanRef& plan);
  // Of a plan that may be gone before this is; its inputs are kept.
  int32_t number(const Plan& plan);

 private:
  struct Known {
    PlanRef plan;  // kept, so that no other one comes to its address
    int32_t number = 0;
  };
  const bool with_changelog_;
  std::unordered_map<const Plan*, Known> known_;
  std::unordered_map<std::string, int32_t> numbers_;  // by node and the inputs' numbers
};

}  // namespace tidewheel::sql
