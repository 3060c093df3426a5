#include "tidewheel/sql/sink_plan.h"

#include <gtest/gtest.h>

namespace tidewheel::sql {
namespace {

// Rows (a, b) that change, with the key `unique`, for a table with the primary key `primary`.
struct Case {
  std::vector<int32_t> unique = {0};
  std::vector<std::string> primary = {"a"};
  bool updates = true;
  bool takes_changes = true;
  UpsertMaterialize mode = UpsertMaterialize::kAuto;
};

bool materializes(const Case& one) {
  TableDefinition table;
  table.columns = {{"a", LogicalType::of(TypeKind::kInt), "", false},
                   {"meta", LogicalType::string(), "x", true},
                   {"b", LogicalType::of(TypeKind::kInt), "", false}};
  table.primary_key = one.primary;
  Plan plan;
  plan.node = ValuesNode{};
  plan.type.add("a", LogicalType::of(TypeKind::kInt));
  plan.type.add("b", LogicalType::of(TypeKind::kInt));
  plan.updates = one.updates;
  if (!one.unique.empty()) { plan.unique_keys = {one.unique}; }
  const auto before = std::make_shared<const Plan>(plan);
  const PlanRef made = with_materializer(before, table, one.mode, one.takes_changes);
  if (made == before) { return false; }
  EXPECT_EQ(made->type.names, plan.type.names);
  EXPECT_TRUE(made->updates);
  const auto* const top = std::get_if<TopNNode>(&made->input().node);
  EXPECT_TRUE(top != nullptr && top->newest);
  EXPECT_EQ(top->partition_by.size(), one.primary.size());
  return true;
}

TEST(SinkPlan, rows_of_a_primary_key_are_kept_when_the_query_has_another_key) {
  EXPECT_FALSE(materializes({}));
  EXPECT_FALSE(materializes({.primary = {"a", "b"}}));
  EXPECT_TRUE(materializes({.primary = {"b"}}));
  EXPECT_TRUE(materializes({.unique = {0, 1}}));
  EXPECT_TRUE(materializes({.unique = {}}));
}

TEST(SinkPlan, nothing_is_kept_for_rows_that_are_only_added_or_without_a_key) {
  EXPECT_FALSE(materializes({.primary = {"b"}, .updates = false}));
  EXPECT_FALSE(materializes({.primary = {"b"}, .takes_changes = false}));
  EXPECT_FALSE(materializes({.primary = {}}));
}

TEST(SinkPlan, the_setting_goes_before) {
  EXPECT_FALSE(materializes({.primary = {"b"}, .mode = UpsertMaterialize::kNone}));
  EXPECT_TRUE(materializes({.updates = false, .mode = UpsertMaterialize::kForce}));
  EXPECT_FALSE(materializes({.primary = {}, .mode = UpsertMaterialize::kForce}));
}

}  // namespace
}  // namespace tidewheel::sql
