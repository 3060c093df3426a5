#include "tidewheel/checkpoint/ended_job.h"

#include <gtest/gtest.h>

#include "tidewheel/base/file_system.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel {
namespace {

TEST(EndedJob, is_read_as_it_was_written) {
  const EndedJob ended{"0123", "a job\nof two lines", "/backup/savepoint-1", 1'700'000'000'123, 42};
  const Result<EndedJob> read = decode_ended(encode_ended(ended));
  ASSERT_TRUE(read.ok()) << read.status().to_string();
  EXPECT_EQ(read->job_id, ended.job_id);
  EXPECT_EQ(read->job_name, ended.job_name);
  EXPECT_EQ(read->savepoint, ended.savepoint);
  EXPECT_EQ(read->wall_ms, ended.wall_ms);
  EXPECT_EQ(read->checkpoint, ended.checkpoint);
}

TEST(EndedJob, that_is_damaged_or_cut_short_anywhere_is_refused) {
  const std::string good = encode_ended({"0123", "job", "", 5, 6});
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    EXPECT_FALSE(decode_ended(bad).ok()) << i;
    EXPECT_FALSE(decode_ended(std::string_view(good).substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(decode_ended(good + "x").ok());
}

TEST(EndedJob, what_a_disk_does_not_give_is_not_taken_for_missing) {
  SimMachine machine({.seed = 1});
  FileSystem& files = machine.world.files();
  const std::string folder = "/data/0123";
  const std::string mark = join_path(folder, kEndedName);
  ASSERT_TRUE(files.make_directories(folder).ok());
  ASSERT_TRUE(write_all_durably(files, mark, encode_ended({"0123", "job", "", 5, 6})).ok());
  machine.world.sim_files().set_faults({.read_error = 1});
  EXPECT_EQ(forget_ended_jobs(machine.world, "/data", "job", "").id(), ErrorId::kFileIo);
  machine.world.sim_files().set_faults({});
  EXPECT_TRUE(files.exists(mark).value_or(false));
  ASSERT_TRUE(forget_ended_jobs(machine.world, "/data", "another", "").ok());
  EXPECT_TRUE(files.exists(mark).value_or(false));
  ASSERT_TRUE(forget_ended_jobs(machine.world, "/data", "job", "").ok());
  EXPECT_FALSE(files.exists(mark).value_or(true));
}

}  // namespace
}  // namespace tidewheel
