#include "tidewheel/jobmanager/slot_pool.h"

#include <gtest/gtest.h>

#include <set>

#include "tidewheel/base/random.h"

namespace tidewheel {
namespace {

using Assignment = SlotPool::Assignment;

TEST(SlotPool, fills_one_task_manager_before_the_next) {
  SlotPool pool(SlotChoice::kFill);
  pool.add_task_manager("a", 2);
  pool.add_task_manager("b", 4);
  pool.set_need("job", 5, 0);
  const SlotPool::Changes changes = pool.settle();
  EXPECT_EQ(pool.slots_of("job"), (Assignment{{"a", 1}, {"b", 4}}));
  EXPECT_EQ(changes.jobs, std::vector<std::string>{"job"});
  EXPECT_EQ(changes.on_task_managers.size(), 2U);
  EXPECT_EQ(pool.free_count(), 1);
}

TEST(SlotPool, spreads_evenly_when_asked_to) {
  SlotPool pool(SlotChoice::kSpread);
  pool.add_task_manager("a", 4);
  pool.add_task_manager("b", 4);
  pool.set_need("job", 4, 0);
  pool.settle();
  EXPECT_EQ(pool.slots_of("job"), (Assignment{{"a", 2}, {"b", 2}}));
}

TEST(SlotPool, gives_nothing_until_all_is_there) {
  SlotPool pool(SlotChoice::kFill);
  pool.add_task_manager("a", 2);
  pool.set_need("large", 3, 0);
  pool.set_need("small", 2, 0);
  pool.settle();
  EXPECT_TRUE(pool.slots_of("large").empty());
  EXPECT_EQ(pool.why_missing("large"),
            "it needs 3 slots and has 0; the cluster has 2, of which 0 are free");
  EXPECT_EQ(pool.slots_of("small"), (Assignment{{"a", 2}}));
  pool.add_task_manager("b", 3);
  pool.settle();
  EXPECT_EQ(pool.slots_of("large"), (Assignment{{"b", 3}}));
  EXPECT_EQ(pool.why_missing("large"), "");
}

TEST(SlotPool, gives_what_there_is_to_who_can_start_with_less) {
  SlotPool pool(SlotChoice::kFill);
  pool.add_task_manager("a", 2);
  pool.set_need("job", 4, 1);
  pool.settle();
  EXPECT_EQ(pool.slots_of("job"), (Assignment{{"a", 2}}));
  EXPECT_EQ(pool.missing("job"), 2);
  pool.add_task_manager("b", 4);
  EXPECT_EQ(pool.settle().jobs, std::vector<std::string>{"job"});
  EXPECT_EQ(pool.missing("job"), 0);
}

TEST(SlotPool, replaces_the_slots_of_a_lost_task_manager_and_leaves_the_others) {
  SlotPool pool(SlotChoice::kSpread);
  for (const char* id : {"a", "b", "c"}) { pool.add_task_manager(id, 2); }
  pool.set_need("job", 4, 0);
  pool.settle();
  const Assignment before = pool.slots_of("job");
  pool.remove_task_manager("a");
  const SlotPool::Changes changes = pool.settle();
  EXPECT_EQ(pool.slots_of("job"), (Assignment{{"b", 2}, {"c", 2}}));
  for (const auto& [task_manager, job] : changes.on_task_managers) { EXPECT_NE(task_manager, "a"); }
  EXPECT_EQ(changes.jobs, std::vector<std::string>{"job"});
}

TEST(SlotPool, takes_back_what_is_not_needed_any_more) {
  SlotPool pool(SlotChoice::kFill);
  pool.add_task_manager("a", 3);
  pool.add_task_manager("b", 2);
  pool.set_need("job", 4, 0);
  pool.settle();
  pool.set_need("job", 2, 0);
  const SlotPool::Changes changes = pool.settle();
  EXPECT_EQ(pool.slots_of("job"), (Assignment{{"a", 2}}));
  EXPECT_EQ(changes.on_task_managers.size(), 2U);
  pool.remove_job("job");
  EXPECT_EQ(pool.settle().on_task_managers.size(), 1U);
  EXPECT_EQ(pool.free_count(), 5);
}

TEST(SlotPool, a_job_keeps_what_it_had_under_another_leader) {
  SlotPool pool(SlotChoice::kSpread);
  pool.add_task_manager("a", 2);
  pool.adopt("job", "a", 2);
  pool.settle();
  pool.add_task_manager("b", 2);
  pool.set_need("job", 2, 0);
  pool.settle();
  EXPECT_EQ(pool.slots_of("job"), (Assignment{{"a", 2}}));
}

TEST(SlotPool, never_gives_a_slot_twice_whatever_comes) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    SlotPool pool(random.chance(0.5) ? SlotChoice::kFill : SlotChoice::kSpread);
    std::map<std::string, int32_t> there;
    for (int step = 0; step < 200; ++step) {
      const std::string id(1, static_cast<char>('a' + random.below(4)));
      const std::string job(1, static_cast<char>('p' + random.below(5)));
      const auto count = static_cast<int32_t>(random.below(6));
      switch (random.below(5)) {
        case 0: pool.add_task_manager(id, there[id] = count + 1); break;
        case 1:
          pool.remove_task_manager(id);
          there.erase(id);
          break;
        case 2: pool.remove_job(job); break;
        case 3: pool.adopt(job, id, count); break;
        default: pool.set_need(job, count, static_cast<int32_t>(random.below(3))); break;
      }
      pool.settle();
      std::map<std::string, int32_t> used;
      for (char name = 'p'; name < 'u'; ++name) {
        int32_t total = 0;
        for (const auto& [where, slots] : pool.slots_of(std::string(1, name))) {
          ASSERT_GT(slots, 0);
          used[where] += slots;
          total += slots;
        }
        ASSERT_LE(total, pool.need_of(std::string(1, name))) << "seed " << seed;
      }
      int32_t free = 0;
      for (const auto& [where, slots] : there) {
        ASSERT_LE(used[where], slots) << "seed " << seed;
        ASSERT_EQ(pool.free_of(where), slots - used[where]) << "seed " << seed;
        free += slots - used[where];
        used.erase(where);
      }
      ASSERT_TRUE(used.empty()) << "seed " << seed;
      ASSERT_EQ(pool.free_count(), free);
    }
  }
}

}  // namespace
}  // namespace tidewheel
