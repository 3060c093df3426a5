#include "tidewheel/sql/sink_plan.h"

#include <algorithm>
#include <utility>

namespace tidewheel::sql {
namespace {

std::vector<int32_t> primary_key_of(const TableDefinition& table) {
  std::vector<int32_t> key;
  int32_t index = 0;
  for (const TableColumn& column : table.columns) {
    if (column.is_virtual) { continue; }
    const auto& names = table.primary_key;
    if (std::find(names.begin(), names.end(), column.name) != names.end()) { key.push_back(index); }
    ++index;
  }
  return key;
}

// Whether the rows of one value of `key` are those of one value of a key of the plan.
bool is_in_order(const Plan& plan, const std::vector<int32_t>& key) {
  return std::any_of(plan.unique_keys.begin(), plan.unique_keys.end(), [&](const auto& unique) {
    return std::all_of(unique.begin(), unique.end(), [&](int32_t column) {
      return std::find(key.begin(), key.end(), column) != key.end();
    });
  });
}

}  // namespace

PlanRef with_materializer(PlanRef plan, const TableDefinition& table, UpsertMaterialize mode,
                          bool takes_changes) {
  const std::vector<int32_t> key = primary_key_of(table);
  if (key.empty() || mode == UpsertMaterialize::kNone) { return plan; }
  const bool is_needed = plan->updates && takes_changes && !is_in_order(*plan, key);
  if (!is_needed && mode != UpsertMaterialize::kForce) { return plan; }
  TopNNode node;
  node.partition_by = key;
  node.newest = true;
  node.has_rank = true;
  Plan made;
  made.type = plan->type;
  made.type.add("rank", LogicalType::of(TypeKind::kBigint, false));
  made.node = std::move(node);
  made.unique_keys.push_back(key);
  made.updates = true;
  const size_t columns = plan->type.size();
  std::vector<std::string> names = plan->type.names;
  made.inputs.push_back(std::move(plan));
  const PlanRef newest = make_plan(std::move(made));
  std::vector<Bound> outputs = all_columns(*newest);
  outputs.resize(columns);
  return make_calc(newest, std::nullopt, std::move(outputs), std::move(names));
}

}  // namespace tidewheel::sql
