#include "tidewheel/base/posix_file_system.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace tidewheel {
namespace {

class PosixFileSystemTest : public testing::Test {
 protected:
  PosixFileSystemTest() : files_(make_posix_file_system()) {
    char name[] = "/tmp/tidewheel_files_XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~PosixFileSystemTest() override { EXPECT_TRUE(files_->remove_all(directory_).ok()); }
  std::string path(std::string_view name) const { return join_path(directory_, name); }

  std::unique_ptr<FileSystem> files_;
  std::string directory_;
};

TEST_F(PosixFileSystemTest, what_is_written_durably_is_read_back) {
  const std::string bytes(300'000, 'x');
  ASSERT_TRUE(write_all_durably(*files_, path("a"), bytes).ok());
  EXPECT_EQ(*read_all(*files_, path("a")), bytes);
  ASSERT_TRUE(write_all_durably(*files_, path("a"), "short").ok());
  EXPECT_EQ(*read_all(*files_, path("a")), "short");
  EXPECT_EQ(files_->list(directory_)->size(), 1U);  // no temporary is left
}

TEST_F(PosixFileSystemTest, reads_at_offsets_and_in_sequence) {
  ASSERT_TRUE(write_all_durably(*files_, path("a"), "0123456789").ok());
  const std::unique_ptr<ReadableFile> file = std::move(files_->open_read(path("a"))).value();
  char buffer[6];
  EXPECT_EQ(*file->read_at(7, buffer), 3);
  EXPECT_EQ(std::string(buffer, 3), "789");
  EXPECT_EQ(*file->read_at(20, buffer), 0);
  EXPECT_EQ(*file->read(buffer), 6);
  EXPECT_EQ(*file->read(buffer), 4);
  EXPECT_EQ(*file->read(buffer), 0);
  EXPECT_EQ(file->info()->size_bytes, 10);
}

TEST_F(PosixFileSystemTest, write_modes_create_truncate_and_append) {
  const auto write = [&](WriteMode mode, std::string_view bytes) -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto file, files_->open_write(path("f"), mode));
    TIDEWHEEL_RETURN_IF_ERROR(file->append(bytes));
    return file->close();
  };
  EXPECT_TRUE(write(WriteMode::kCreate, "one").ok());
  EXPECT_EQ(write(WriteMode::kCreate, "two").id(), ErrorId::kFileExists);
  EXPECT_TRUE(write(WriteMode::kAppend, "three").ok());
  EXPECT_EQ(*read_all(*files_, path("f")), "onethree");
  EXPECT_TRUE(write(WriteMode::kTruncate, "four").ok());
  EXPECT_EQ(*read_all(*files_, path("f")), "four");
}

TEST_F(PosixFileSystemTest, makes_lists_and_removes_directories) {
  EXPECT_TRUE(files_->make_directories(path("b/c/d")).ok());
  EXPECT_TRUE(files_->make_directories(path("b/c/d")).ok());
  EXPECT_TRUE(write_all_durably(*files_, path("b/a"), "x").ok());
  const auto entries = *files_->list(path("b"));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_FALSE(entries[0].is_directory);
  EXPECT_EQ(entries[1].name, "c");
  EXPECT_TRUE(entries[1].is_directory);
  EXPECT_EQ(files_->remove(path("b")).id(), ErrorId::kFileExists);  // it is not empty
  EXPECT_TRUE(files_->remove_all(path("b")).ok());
  EXPECT_FALSE(*files_->exists(path("b")));
  EXPECT_TRUE(files_->remove_all(path("b")).ok());
}

TEST_F(PosixFileSystemTest, a_renamed_file_keeps_its_id) {
  ASSERT_TRUE(write_all_durably(*files_, path("a"), "x").ok());
  const uint64_t id = files_->info(path("a"))->id;
  EXPECT_TRUE(files_->rename(path("a"), path("b")).ok());
  EXPECT_EQ(files_->info(path("b"))->id, id);
}

TEST_F(PosixFileSystemTest, errors_name_the_path_and_the_reason) {
  const Status missing = files_->open_read(path("none")).status();
  EXPECT_EQ(missing.id(), ErrorId::kFileNotFound);
  EXPECT_NE(missing.message().find(path("none")), std::string::npos);
  EXPECT_NE(missing.message().find("No such file"), std::string::npos);
  EXPECT_EQ(files_->open_read(directory_).status().id(), ErrorId::kFileAccess);
  EXPECT_EQ(files_->list(path("none")).status().id(), ErrorId::kFileNotFound);
  EXPECT_EQ(files_->remove(path("none")).id(), ErrorId::kFileNotFound);
}

TEST_F(PosixFileSystemTest, a_full_disk_is_an_error_of_its_own) {
  const auto full = std::move(files_->open_write("/dev/full", WriteMode::kAppend)).value();
  const Status status = full->append("x");
  EXPECT_EQ(status.id(), ErrorId::kFileNoSpace);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
}

TEST_F(PosixFileSystemTest, a_lock_is_one_holder_s_and_its_file_goes_with_it) {
  auto lock = files_->lock(path("lock"), "job 'one'");
  ASSERT_TRUE(lock.ok());
  const auto second = files_->lock(path("lock"), "job 'two'");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().id(), ErrorId::kFileLocked);
  EXPECT_NE(second.status().message().find("job 'one'"), std::string::npos);
  EXPECT_NE(second.status().message().find(std::to_string(::getpid())), std::string::npos);
  lock->reset();
  EXPECT_FALSE(*files_->exists(path("lock")));
  EXPECT_TRUE(files_->lock(path("lock"), "job 'three'").ok());
}

TEST_F(PosixFileSystemTest, the_lock_of_a_killed_process_is_free) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = files_->lock(path("lock"), "the child");
    const char answer = lock.ok() ? 'y' : 'n';
    static_cast<void>(::write(ready[1], &answer, 1));
    while (true) { ::pause(); }
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  const auto refused = files_->lock(path("lock"), "the parent");
  EXPECT_EQ(refused.status().id(), ErrorId::kFileLocked);
  EXPECT_NE(refused.status().message().find("the child"), std::string::npos);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(*files_->exists(path("lock")));
  EXPECT_TRUE(files_->lock(path("lock"), "the parent").ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(Paths, join_and_split) {
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(parent_path("/a/b"), "/a");
  EXPECT_EQ(parent_path("/a"), "/");
  EXPECT_EQ(parent_path("a"), ".");
  EXPECT_EQ(file_name("/a/b"), "b");
}

}  // namespace
}  // namespace tidewheel
