#include "tidewheel/taskmanager/memory_plan.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>
#include <utility>

#include "tidewheel/base/config.h"

namespace tidewheel {
namespace {

constexpr int64_t kMegabyte = 1 << 20;

using Settings = std::initializer_list<std::pair<std::string_view, std::string_view>>;

Config config_of(Settings settings) {
  Config config;
  for (const auto& [key, value] : settings) {
    const Status status = config.set(key, value);
    EXPECT_TRUE(status.ok()) << status.to_string();
  }
  return config;
}

Result<MemoryPlan> plan_of(Settings settings, int32_t slots = 1) {
  return plan_memory(config_of(settings), slots, 64000 * kMegabyte);
}

// All parts of a plan that has been made, in megabytes.
struct Parts {
  int64_t process = 0;
  int64_t flink = 0;
  int64_t uncounted = 0;
  int64_t managed = 0;
  int64_t network = 0;
  int64_t task = 0;
};

Parts parts_of(Settings settings, int32_t slots = 1) {
  const Result<MemoryPlan> plan = plan_of(settings, slots);
  EXPECT_TRUE(plan.ok()) << plan.status().to_string();
  if (!plan.ok()) { return {}; }
  const MemorySizes& sizes = plan->sizes;
  EXPECT_EQ(sizes.own_bytes + sizes.uncounted_bytes + sizes.managed_bytes + sizes.network_bytes +
                sizes.task_bytes,
            sizes.process_bytes());
  return {sizes.process_bytes() / kMegabyte, sizes.flink_bytes() / kMegabyte,
          sizes.uncounted_bytes / kMegabyte, sizes.managed_bytes / kMegabyte,
          sizes.network_bytes / kMegabyte,   sizes.task_bytes / kMegabyte};
}

void expect_refused(Settings settings, std::initializer_list<std::string_view> words,
                    int32_t slots = 1) {
  const Result<MemoryPlan> plan = plan_of(settings, slots);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().id(), ErrorId::kMemorySizes) << plan.status().to_string();
  for (const std::string_view word : words) {
    EXPECT_NE(plan.status().message().find(word), std::string::npos)
        << word << " is not in: " << plan.status().message();
  }
}

TEST(MemoryPlan, slots_share_what_the_task_manager_does_not_need) {
  const Result<MemoryPlan> plan = plan_of({{"taskmanager.memory.process.size", "1088 mb"}}, 4);
  ASSERT_TRUE(plan.ok()) << plan.status().to_string();
  EXPECT_EQ(plan->slot_bytes(), 256 * kMegabyte);
  EXPECT_EQ(plan->sizes.own_bytes + plan->worker_limit_bytes(4), plan->sizes.process_bytes());
  EXPECT_EQ(plan->worker_accounted_bytes(4), plan->sizes.accounted_bytes());
  EXPECT_EQ(plan->worker_accounted_bytes(1), 224 * kMegabyte);
}

TEST(MemoryPlan, without_a_number_it_is_three_quarters_of_the_machine) {
  const Result<MemoryPlan> plan = plan_memory(Config(), 1, 4096 * kMegabyte);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->sizes.process_bytes(), 3072 * kMegabyte);
}

TEST(MemoryPlan, too_little_for_the_slots_is_refused_with_the_sums) {
  expect_refused({{"taskmanager.memory.process.size", "256 mb"}},
                 {"48 mb for each of 4 slots", "taskmanager.memory.process.size to 448 mb or more"},
                 4);
  expect_refused({{"taskmanager.memory.process.size", "10 mb"}}, {"0 bytes for each of 1 slots"});
  expect_refused({{"taskmanager.memory.flink.size", "300 mb"}}, {"for each of 4 slots"}, 4);
}

TEST(MemoryPlan, parts_follow_from_the_process_by_fractions) {
  // 1000 mb beside the TaskManager's own, of which 100 are not accounted for.
  const Parts parts = parts_of({{"taskmanager.memory.process.size", "1064 mb"}});
  EXPECT_EQ(parts.uncounted, 100);
  EXPECT_EQ(parts.managed, (900 - 8) / 4);
  EXPECT_EQ(parts.network, 90);
  EXPECT_EQ(parts.task, 900 - 223 - 90);
  EXPECT_EQ(parts.flink, 964);
  const Parts other = parts_of({{"taskmanager.memory.process.size", "1064 mb"},
                                {"taskmanager.memory.managed.fraction", "0.5"},
                                {"taskmanager.memory.network.fraction", "0.2"}});
  EXPECT_EQ(other.managed, 446);
  EXPECT_EQ(other.network, 180);
}

TEST(MemoryPlan, the_least_for_the_network_is_less_where_there_is_little) {
  EXPECT_EQ(parts_of({{"taskmanager.memory.process.size", "464 mb"}}).network, 64);
  // 96 mb, of which 32 are not accounted for.
  EXPECT_EQ(parts_of({{"taskmanager.memory.process.size", "160 mb"}}).network, 16);
  EXPECT_EQ(parts_of({{"taskmanager.memory.process.size", "160 mb"},
                      {"taskmanager.memory.network.min", "40 mb"}})
                .network,
            40);
  expect_refused(
      {{"taskmanager.memory.process.size", "160 mb"}, {"taskmanager.memory.network.min", "64 mb"}},
      {"64 mb the network's", "64 mb that are accounted for"});
}

TEST(MemoryPlan, the_network_has_bounds) {
  EXPECT_EQ(parts_of({{"taskmanager.memory.process.size", "2064 mb"},
                      {"taskmanager.memory.network.max", "100 mb"}})
                .network,
            100);
  EXPECT_EQ(parts_of({{"taskmanager.memory.process.size", "2064 mb"},
                      {"taskmanager.network.memory.min", "300 mb"},
                      {"taskmanager.memory.network.max", "300 mb"}})
                .network,
            300);
  expect_refused(
      {{"taskmanager.memory.network.min", "2 mb"}, {"taskmanager.memory.network.max", "1 mb"}},
      {"taskmanager.memory.network.min 2 mb is more than", "network.max 1 mb"});
}

TEST(MemoryPlan, flink_size_is_what_is_accounted_for_and_the_task_managers_own) {
  const Parts parts = parts_of({{"taskmanager.memory.flink.size", "964 mb"}});
  EXPECT_EQ(parts.process, 1064);
  EXPECT_EQ(parts.uncounted, 100);
  EXPECT_EQ(parts.network, 90);
  // Its name before there was this one.
  EXPECT_EQ(parts_of({{"taskmanager.heap.size", "964 mb"}}).process, 1064);
  EXPECT_EQ(parts_of({{"taskmanager.memory.flink.size", "164 mb"}}).uncounted, 32);
}

TEST(MemoryPlan, with_both_totals_the_rest_is_not_accounted_for) {
  const Result<MemoryPlan> plan = plan_of(
      {{"taskmanager.memory.process.size", "1564 mb"}, {"taskmanager.memory.flink.size", "964 mb"}},
      2);
  ASSERT_TRUE(plan.ok()) << plan.status().to_string();
  EXPECT_EQ(plan->sizes.uncounted_bytes, 600 * kMegabyte);
  EXPECT_EQ(plan->worker_accounted_bytes(1), 450 * kMegabyte);
  expect_refused(
      {{"taskmanager.memory.process.size", "1 gb"}, {"taskmanager.memory.flink.size", "964 mb"}},
      {"process.size 1 gb", "900 mb that are accounted for", "need 100 mb", "1064 mb"});
}

TEST(MemoryPlan, all_follows_from_task_and_managed_memory) {
  const Parts parts = parts_of({{"taskmanager.memory.task.heap.size", "500 mb"},
                                {"taskmanager.memory.task.off-heap.size", "40 mb"},
                                {"taskmanager.memory.managed.size", "270 mb"}});
  EXPECT_EQ(parts.task, 540);
  EXPECT_EQ(parts.managed, 270);
  EXPECT_EQ(parts.network, 90);
  EXPECT_EQ(parts.flink, 964);
  EXPECT_EQ(parts.process, 1064);
  expect_refused(
      {{"taskmanager.memory.task.heap.size", "540 mb"},
       {"taskmanager.memory.managed.size", "270 mb"},
       {"taskmanager.memory.process.size", "1000 mb"}},
      {"process.size 1000 mb", "tasks 540 mb, managed 270 mb, network 90 mb", "1064 mb"});
}

TEST(MemoryPlan, the_network_has_what_the_other_parts_leave) {
  EXPECT_EQ(parts_of({{"taskmanager.memory.flink.size", "964 mb"},
                      {"taskmanager.memory.task.heap.size", "500 mb"},
                      {"taskmanager.memory.managed.size", "300 mb"}})
                .network,
            100);
  EXPECT_EQ(parts_of({{"taskmanager.memory.process.size", "1064 mb"},
                      {"taskmanager.memory.task.heap.size", "600 mb"}})
                .network,
            900 - 600 - 223);
  expect_refused({{"taskmanager.memory.flink.size", "964 mb"},
                  {"taskmanager.memory.task.heap.size", "700 mb"},
                  {"taskmanager.memory.managed.size", "300 mb"}},
                 {"900 mb is for 700 mb of tasks", "300 mb that are managed", "100 mb more"});
  expect_refused({{"taskmanager.memory.flink.size", "964 mb"},
                  {"taskmanager.memory.task.heap.size", "500 mb"},
                  {"taskmanager.memory.managed.size", "300 mb"},
                  {"taskmanager.memory.network.max", "64 mb"}},
                 {"leaves 100 mb", "network.max 64 mb is less"});
}

TEST(MemoryPlan, managed_memory_is_in_equal_parts_a_slot) {
  const Result<MemoryPlan> plan = plan_of({{"taskmanager.memory.process.size", "1064 mb"},
                                           {"taskmanager.memory.managed.size", "400 mb"}},
                                          4);
  ASSERT_TRUE(plan.ok()) << plan.status().to_string();
  EXPECT_TRUE(plan->sizes.is_managed_set);
  EXPECT_EQ(plan->worker_managed_bytes(1), 100 * kMegabyte);
  EXPECT_EQ(plan->worker_managed_bytes(3), 300 * kMegabyte);
  EXPECT_EQ(plan->worker_network_bytes(2), 45 * kMegabyte);
  expect_refused({{"taskmanager.memory.process.size", "1064 mb"},
                  {"taskmanager.memory.managed.size", "880 mb"}},
                 {"900 mb that are accounted for", "880 mb are managed", "90 mb the network's",
                  "70 mb too little", "taskmanager.memory.managed.size"});
}

TEST(MemoryPlan, fractions_are_parts) {
  for (const auto& [key, value] : {std::pair("taskmanager.memory.network.fraction", "1"),
                                   std::pair("taskmanager.memory.network.fraction", "-0.1"),
                                   std::pair("taskmanager.memory.managed.fraction", "1.5")}) {
    const Result<MemoryPlan> plan = plan_of({{key, value}});
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.status().id(), ErrorId::kBadOptionValue);
  }
}

TEST(MemoryPlan, it_can_be_told) {
  const Result<MemoryPlan> plan = plan_of({{"taskmanager.memory.process.size", "1064 mb"}}, 2);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->describe(),
            "1064 mb: 64 mb its own, 100 mb not accounted for, 223 mb managed, up to 90 mb for the "
            "network, 587 mb for tasks; 500 mb a slot");
}

TEST(MasterMemory, follows_from_either_total) {
  EXPECT_EQ(master_memory_bytes(Config()).value(), 0);
  EXPECT_EQ(master_memory_bytes(config_of({{"jobmanager.memory.process.size", "1 gb"}})).value(),
            1024 * kMegabyte);
  EXPECT_EQ(master_memory_bytes(config_of({{"jobmanager.memory.flink.size", "900 mb"}})).value(),
            1000 * kMegabyte);
  EXPECT_EQ(master_memory_bytes(config_of({{"jobmanager.memory.flink.size", "900 mb"},
                                           {"jobmanager.memory.process.size", "2 gb"}}))
                .value(),
            2048 * kMegabyte);
  const Result<int64_t> refused = master_memory_bytes(config_of(
      {{"jobmanager.memory.flink.size", "900 mb"}, {"jobmanager.memory.process.size", "950 mb"}}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().id(), ErrorId::kMemorySizes);
}

}  // namespace
}  // namespace tidewheel
