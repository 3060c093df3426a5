#include "tidewheel/sim/sim_process.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tidewheel/base/mutant.h"

namespace tidewheel {
namespace {

SimulationOptions with_seed(uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  return options;
}

TEST(SimProcess, what_a_dead_process_does_does_not_reach_the_disk) {
  SimMachine machine(with_seed(1));
  SimProcess process(machine.simulation, machine.world, "p");
  ASSERT_TRUE(process.files().make_directories("/d").ok());
  auto file = process.files().open_write("/d/a", WriteMode::kCreate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->append("one").ok());
  process.kill();
  EXPECT_FALSE((*file)->append("two").ok());
  EXPECT_FALSE((*file)->sync().ok());
  EXPECT_FALSE(process.files().rename("/d/a", "/d/b").ok());
  EXPECT_FALSE(process.files().remove_all("/d").ok());
  EXPECT_EQ(*read_all(machine.world.files(), "/d/a"), "one");
}

TEST(SimProcess, dies_in_the_call_it_was_told_and_may_leave_part_of_a_write) {
  std::set<size_t> sizes;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SimMachine machine(with_seed(seed));
    SimProcess process(machine.simulation, machine.world, "p");
    process.kill_at_file_call(2);
    auto file = process.files().open_write("/tmp/a", WriteMode::kCreate);
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE((*file)->append("first").ok());
    EXPECT_TRUE(process.alive());
    EXPECT_FALSE((*file)->append("second").ok());
    EXPECT_FALSE(process.alive());
    const std::string left = *read_all(machine.world.files(), "/tmp/a");
    EXPECT_EQ(left, std::string("firstsecond").substr(0, left.size()));
    sizes.insert(left.size());
  }
  EXPECT_GT(sizes.size(), 3U);
  EXPECT_EQ(*sizes.begin(), 5U);
}

TEST(SimProcess, the_locks_of_a_dead_process_are_free) {
  SimMachine machine(with_seed(1));
  SimProcess first(machine.simulation, machine.world, "first");
  SimProcess second(machine.simulation, machine.world, "second");
  const auto lock = first.files().lock("/tmp/lock", "the first");
  ASSERT_TRUE(lock.ok());
  const auto refused = second.files().lock("/tmp/lock", "the second");
  EXPECT_EQ(refused.status().id(), ErrorId::kFileLocked);
  EXPECT_NE(refused.status().message().find("the first"), std::string::npos);
  first.kill();
  EXPECT_TRUE(*machine.world.files().exists("/tmp/lock"));
  EXPECT_TRUE(second.files().lock("/tmp/lock", "the second").ok());
  EXPECT_FALSE(*machine.world.files().exists("/tmp/lock"));
}

TEST(SimProcess, its_blocking_jobs_have_run_when_it_is_destroyed) {
  SimMachine machine(with_seed(1));
  bool ran = false;
  {
    SimProcess process(machine.simulation, machine.world, "p");
    process.executor().run_blocking([&] { ran = true; });
    process.kill();
  }
  EXPECT_TRUE(ran);
}

TEST(SimFileSystem, durable_content_is_what_a_crash_leaves_for_sure) {
  SimMachine machine(with_seed(1));
  SimFileSystem& disk = machine.world.sim_files();
  auto file = disk.open_write("/tmp/a", WriteMode::kCreate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->append("one").ok());
  ASSERT_TRUE((*file)->sync().ok());
  EXPECT_FALSE(disk.durable_content("/tmp/a").has_value()) << "its name is not synced";
  ASSERT_TRUE(disk.sync_directory("/tmp").ok());
  ASSERT_TRUE((*file)->append("two").ok());
  EXPECT_EQ(disk.durable_content("/tmp/a"), "one");
  ASSERT_NE(disk.durable_bytes("/tmp/a"), nullptr);
  EXPECT_EQ(*disk.durable_bytes("/tmp/a"), "one");
  EXPECT_EQ(disk.durable_bytes("/tmp/b"), nullptr);
  EXPECT_EQ(disk.files_below("/tmp"), std::vector<std::string>{"/tmp/a"});
  SimDiskFaults faults;
  faults.sync_lost = 1;
  disk.set_faults(faults);
  ASSERT_TRUE((*file)->sync().ok());
  EXPECT_EQ(disk.durable_content("/tmp/a"), "one");
}

TEST(Mutants, are_off_until_one_is_chosen) {
  EXPECT_FALSE(TIDEWHEEL_MUTANT("test_mutant"));
  choose_mutant("test_mutant");
  EXPECT_EQ(TIDEWHEEL_MUTANT("test_mutant"), has_mutants());
  choose_mutant("");
  EXPECT_FALSE(TIDEWHEEL_MUTANT("test_mutant"));
}

}  // namespace
}  // namespace tidewheel
