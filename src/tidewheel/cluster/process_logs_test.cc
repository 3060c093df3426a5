#include "tidewheel/cluster/process_logs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

class Logs : public ::testing::Test {
 protected:
  Logs() {
    EXPECT_TRUE(world_->files().make_directories(folder_ + "/log").ok());
    write("log/tidewheel-a.log", "one\ntwo\nthree\n");
    write("log/tidewheel-a.out", "");
    write("log/other.log", "secret");
    write("secret", "secret");
  }
  ~Logs() override { world_->files().remove_all(folder_).ok(); }
  void write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(write_all_durably(world_->files(), folder_ + "/" + name, text).ok());
  }
  Result<LogPiece> read(const std::string& name, int64_t offset = 0, int64_t bytes_max = 100) {
    return read_log_piece(world_->files(), logs_, name, offset, bytes_max);
  }

  const std::unique_ptr<World> world_ = make_real_world();
  const std::string folder_ = "/tmp/tidewheel-logs-test-" + std::to_string(::getpid());
  const ProcessLogs logs_{folder_ + "/log", "tidewheel-a", "tidewheel-a.log", "tidewheel-a.out"};
};

TEST_F(Logs, are_listed_by_their_beginning) {
  const auto files = list_logs(world_->files(), logs_);
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), 2U);
  EXPECT_EQ((*files)[0].name, "tidewheel-a.log");
  EXPECT_EQ((*files)[0].bytes, 14);
}

TEST_F(Logs, are_read_in_pieces) {
  EXPECT_EQ(read(kLogOfProcess, 4, 3)->bytes, "two");
  EXPECT_EQ(read("tidewheel-a.log", 0)->total_bytes, 14);
  EXPECT_EQ(read("tidewheel-a.log", 99)->bytes, "");
  EXPECT_EQ(read(kStdoutOfProcess)->bytes, "");
}

TEST_F(Logs, of_others_are_not_there) {
  for (const char* name : {"other.log", "../secret", "tidewheel-a.log/../../secret", "", ".",
                           "/etc/passwd", "tidewheel-a"}) {
    EXPECT_EQ(read(name).status().id(), ErrorId::kFileNotFound) << name;
  }
}

TEST_F(Logs, last_lines_are_whole_ones) {
  EXPECT_EQ(last_lines(world_->files(), folder_ + "/log/tidewheel-a.log", 9), "three");
  EXPECT_EQ(last_lines(world_->files(), folder_ + "/log/tidewheel-a.log", 100), "one\ntwo\nthree");
  EXPECT_EQ(last_lines(world_->files(), folder_ + "/none", 100), "");
}

TEST_F(Logs, last_lines_are_those_of_the_process_and_of_none_before) {
  const std::string path = folder_ + "/log/tidewheel-a.log";
  EXPECT_EQ(log_end(world_->files(), path), 14);
  EXPECT_EQ(log_end(world_->files(), folder_ + "/none"), 0);
  EXPECT_EQ(last_lines(world_->files(), path, 100, 4), "two\nthree");
  EXPECT_EQ(last_lines(world_->files(), path, 9, 4), "three");
  EXPECT_EQ(last_lines(world_->files(), path, 10, 4), "two\nthree");
  EXPECT_EQ(last_lines(world_->files(), path, 100, 14), "");
  EXPECT_EQ(last_lines(world_->files(), path, 100, 15), "one\ntwo\nthree") << "another file";
}

}  // namespace
}  // namespace tidewheel
