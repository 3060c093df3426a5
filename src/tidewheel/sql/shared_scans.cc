#include "tidewheel/sql/shared_scans.h"

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "tidewheel/sql/scan_pushdown.h"

namespace tidewheel::sql {
namespace {

// A scan, or one with the watermark that its source may follow: what becomes a source.
const Plan* leaf_scan(const Plan& plan) {
  if (std::holds_alternative<ScanNode>(plan.node)) { return &plan; }
  if (!std::holds_alternative<WatermarkNode>(plan.node)) { return nullptr; }
  const Plan& input = plan.input();
  return std::holds_alternative<ScanNode>(input.node) ? &input : nullptr;
}
const ScanNode& scan_of(const Plan& leaf) { return std::get<ScanNode>(leaf_scan(leaf)->node); }

bool takes_fields(const ScanNode& scan) {
  for (size_t i = 0; i < scan.columns.size(); ++i) {
    if (scan.field(i) != ScanNode::kWhole) { return true; }
  }
  return false;
}

// Equal for leaves that can be one; empty: this one stays alone.
std::string kind_of(const Plan& leaf) {
  const ScanNode& scan = scan_of(leaf);
  std::string kind = scan.table->path;
  for (const auto& [key, value] : scan.table->options) { kind += "\n" + key + "=" + value; }
  const auto* const watermark = std::get_if<WatermarkNode>(&leaf.node);
  if (watermark == nullptr) { return kind; }
  // Its columns are compared by name, which a field does not have of the table.
  if (takes_fields(scan)) { return {}; }
  const RowType& type = leaf.input().type;
  kind += "\nwatermark " + type.names[static_cast<size_t>(watermark->column)];
  if (watermark->has_value) { kind += " " + bound_text(watermark->value, &type); }
  return kind;
}

class ScanSharing {
 public:
  void look_at(const Plan& plan) {
    if (leaf_scan(plan) == nullptr) {
      if (!seen_.insert(&plan).second) { return; }
      for (const PlanRef& input : plan.inputs) { look_at(*input); }
      return;
    }
    const std::string kind = kind_of(plan);
    if (kind.empty()) { return; }
    Group& group = groups_[kind];
    group.leaves.insert(plan_text(plan, true));
    group.first = group.first == nullptr ? &plan : group.first;
    group.emits_before = group.emits_before || plan.emits_before;
    const ScanNode& scan = scan_of(plan);
    group.columns.insert(scan.columns.begin(), scan.columns.end());
    for (const ScanNode::OneOf& one : scan.kept) { group.columns.insert(one.column); }
    for (size_t i = 0; i < scan.columns.size(); ++i) {
      if (scan.field(i) == ScanNode::kWhole) {
        group.types.emplace(scan.columns[i], plan.type.types[i]);
      }
    }
  }

  PlanRef replaced(const PlanRef& plan) {
    if (leaf_scan(*plan) == nullptr) {
      if (const auto it = replaced_.find(plan.get()); it != replaced_.end()) { return it->second; }
      auto made = std::make_shared<Plan>(*plan);
      for (PlanRef& input : made->inputs) { input = replaced(input); }
      return replaced_[plan.get()] = std::move(made);
    }
    const auto found = groups_.find(kind_of(*plan));
    if (found == groups_.end() || found->second.leaves.size() < 2) { return plan; }
    Group& group = found->second;
    if (group.shared == nullptr) { group.shared = make_shared_leaf(group); }
    return project(*plan, group);
  }

 private:
  struct Group {
    std::set<std::string> leaves;  // their texts
    const Plan* first = nullptr;
    bool emits_before = false;
    std::set<size_t> columns;  // of the definition
    std::map<size_t, LogicalType> types;
    PlanRef shared;  // of all columns
    int32_t place(size_t column) const {
      return static_cast<int32_t>(std::distance(columns.begin(), columns.find(column)));
    }
  };

  static RowType type_of(const Group& group, const ScanNode& scan) {
    RowType type;
    for (const size_t column : group.columns) {
      const auto known = group.types.find(column);
      const TableColumn& defined = scan.table->columns[column];
      type.add(defined.name, known == group.types.end() ? defined.type : known->second);
    }
    return type;
  }

  static PlanRef make_shared_leaf(const Group& group) {
    const Plan* const first = leaf_scan(*group.first);
    Plan scan = *first;
    ScanNode node;
    node.table = scan_of(*group.first).table;
    node.columns.assign(group.columns.begin(), group.columns.end());
    scan.type = type_of(group, node);
    scan.node = std::move(node);
    scan.unique_keys.clear();
    scan.window.reset();
    scan.emits_before = group.emits_before;
    PlanRef shared = std::make_shared<const Plan>(std::move(scan));
    if (first == group.first) { return shared; }
    Plan timed = *group.first;
    auto& watermark = std::get<WatermarkNode>(timed.node);
    const std::vector<size_t>& columns = scan_of(*group.first).columns;
    const auto move = [&](int32_t& column) {
      column = group.place(columns[static_cast<size_t>(column)]);
    };
    move(watermark.column);
    if (watermark.has_value) {
      for_each_column(watermark.value, [&](Bound& column) { move(column.column); });
    }
    timed.type = shared->type;
    timed.unique_keys.clear();
    timed.window.reset();
    timed.emits_before = group.emits_before;
    timed.inputs = {shared};
    return std::make_shared<const Plan>(std::move(timed));
  }

  // What a leaf gave, of the shared one.
  static PlanRef project(const Plan& leaf, const Group& group) {
    Plan made = leaf;
    made.node = calc_behind_scan(scan_of(leaf), leaf.type, group.shared->type,
                                 [&](size_t column) { return group.place(column); });
    made.inputs = {group.shared};
    made.side.reset();  // which the scan has
    return std::make_shared<const Plan>(std::move(made));
  }

  std::map<std::string, Group> groups_;
  std::unordered_set<const Plan*> seen_;
  std::unordered_map<const Plan*, PlanRef> replaced_;
};

}  // namespace

std::vector<PlanRef> share_scans(std::vector<PlanRef> plans) {
  ScanSharing sharing;
  for (const PlanRef& plan : plans) { sharing.look_at(*plan); }
  std::vector<PlanRef> made;
  for (const PlanRef& plan : plans) { made.push_back(sharing.replaced(plan)); }
  return made;
}

}  // namespace tidewheel::sql
