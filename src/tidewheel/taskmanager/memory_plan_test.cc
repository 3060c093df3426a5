#include "tidewheel/taskmanager/memory_plan.h"

#include <gtest/gtest.h>

#include "tidewheel/base/config.h"

namespace tidewheel {
namespace {

constexpr int64_t kMegabyte = 1 << 20;

TEST(MemoryPlan, slots_share_what_the_task_manager_does_not_need) {
  Config config;
  ASSERT_TRUE(config.set("taskmanager.memory.process.size", "1088 mb").ok());
  const Result<MemoryPlan> plan = plan_memory(config, 4, 64000 * kMegabyte);
  ASSERT_TRUE(plan.ok()) << plan.status().to_string();
  EXPECT_EQ(plan->slot_bytes, 256 * kMegabyte);
  EXPECT_EQ(plan->own_bytes + plan->worker_limit_bytes(4), plan->process_bytes);
  EXPECT_LT(plan->worker_accounted_bytes(4), plan->worker_limit_bytes(4));
  EXPECT_EQ(plan->worker_accounted_bytes(1), 224 * kMegabyte);
}

TEST(MemoryPlan, without_a_number_it_is_three_quarters_of_the_machine) {
  const Result<MemoryPlan> plan = plan_memory(Config(), 1, 4096 * kMegabyte);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->process_bytes, 3072 * kMegabyte);
}

TEST(MemoryPlan, too_little_for_the_slots_is_refused_with_the_sums) {
  Config config;
  ASSERT_TRUE(config.set("taskmanager.memory.process.size", "256 mb").ok());
  const Result<MemoryPlan> plan = plan_memory(config, 4, 64000 * kMegabyte);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().id(), ErrorId::kMemorySizes);
  EXPECT_NE(plan.status().message().find("48 mb for each of 4 slots"), std::string::npos)
      << plan.status().message();
  EXPECT_NE(plan.status().message().find("set it to 448 mb or more"), std::string::npos)
      << plan.status().message();
}

}  // namespace
}  // namespace tidewheel
