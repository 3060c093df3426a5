#include "tidewheel/sql/changelog.h"

#include <algorithm>

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

}  // namespace

PlanRef infer_changelog(const PlanRef& plan, bool needs_before) {
  auto made = std::make_shared<Plan>(*plan);
  made->emits_before = made->updates && needs_before;
  for (size_t i = 0; i < made->inputs.size(); ++i) {
    const bool needs = std::visit(NeedsBefore{needs_before, i}, plan->node);
    made->inputs[i] = infer_changelog(made->inputs[i], needs);
  }
  return made;
}

const Plan* first_updating(const Plan& plan) {
  if (!plan.updates) { return nullptr; }
  for (const PlanRef& input : plan.inputs) {
    if (const Plan* below = first_updating(*input)) { return below; }
  }
  return &plan;
}

}  // namespace tidewheel::sql
