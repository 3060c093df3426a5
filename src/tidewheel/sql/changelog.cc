#include "tidewheel/sql/changelog.h"

#include <unordered_map>

namespace tidewheel::sql {
namespace {

// Whether a node needs to know what rows were before, of an input that updates.
struct NeedsBefore {
  bool reader;  // whether the node's own reader does
  size_t input;

  // The old row may pass a condition that the new one does not.
  bool operator()(const CalcNode& node) const { return reader || node.condition.has_value(); }
  bool operator()(const WatermarkNode&) const { return reader; }
  bool operator()(const UnionNode&) const { return reader; }
  bool operator()(const ExpandNode&) const { return reader; }
  // A version is over when the next begins.
  bool operator()(const TemporalJoinNode&) const { return input == 0; }
  template <class Node>
  bool operator()(const Node&) const {
    return true;
  }
};

// What several read is made once: for the one that needs the most.
class ChangelogKindsOfParts {
 public:
  void ask(const Plan& plan, bool needs_before) {
    const auto [it, is_new] = needs_before_.try_emplace(&plan, needs_before);
    if (!is_new && (it->second || !needs_before)) { return; }
    it->second = needs_before;
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      ask(*plan.inputs[i], std::visit(NeedsBefore{needs_before, i}, plan.node));
    }
  }
  PlanRef make(const PlanRef& plan) {
    if (const auto it = made_.find(plan.get()); it != made_.end()) { return it->second; }
    auto made = std::make_shared<Plan>(*plan);
    made->emits_before = made->updates && needs_before_.at(plan.get());
    for (PlanRef& input : made->inputs) { input = make(input); }
    return made_[plan.get()] = std::move(made);
  }

 private:
  std::unordered_map<const Plan*, bool> needs_before_;  // whether a reader does
  std::unordered_map<const Plan*, PlanRef> made_;
};

}  // namespace

PlanRef infer_changelog(const PlanRef& plan, bool needs_before) {
  ChangelogKindsOfParts kinds;
  kinds.ask(*plan, needs_before);
  return kinds.make(plan);
}

const Plan* first_updating(const Plan& plan) {
  if (!plan.updates) { return nullptr; }
  for (const PlanRef& input : plan.inputs) {
    if (const Plan* below = first_updating(*input)) { return below; }
  }
  return &plan;
}

}  // namespace tidewheel::sql
