#include "tidewheel/base/file_memory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "tidewheel/base/posix_file_system.h"

namespace tidewheel {
namespace {

class FileMemoryTest : public testing::Test {
 protected:
  FileMemoryTest() : files_(make_posix_file_system()) {
    char name[] = "/tmp/tidewheel_memory_XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~FileMemoryTest() override { EXPECT_TRUE(files_->remove_all(directory_).ok()); }

  std::unique_ptr<FileSystem> files_;
  std::string directory_;
};

bool is_zeroed(const std::byte* memory, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    if (memory[i] != std::byte{0}) { return false; }
  }
  return true;
}

TEST_F(FileMemoryTest, what_was_given_back_comes_again_zeroed) {
  const auto memory = std::move(FileMemory::open(directory_, 1 << 20)).value();
  std::byte* const first = memory->allocate(10'000);
  ASSERT_NE(first, nullptr);
  EXPECT_TRUE(is_zeroed(first, 10'000));
  EXPECT_EQ(memory->bytes(), 3 * 4096);
  std::byte* const second = memory->allocate(10'000);
  std::memset(first, 1, 10'000);
  std::memset(second, 2, 10'000);
  EXPECT_EQ(first[9'999], std::byte{1});
  memory->free(first, 10'000);
  EXPECT_EQ(memory->bytes(), 3 * 4096);
  std::byte* const third = memory->allocate(12'000);  // as many pages
  EXPECT_EQ(third, first);
  EXPECT_TRUE(is_zeroed(third, 12'000));
  EXPECT_EQ(second[9'999], std::byte{2});
}

TEST_F(FileMemoryTest, no_more_is_given_than_the_most) {
  const auto memory = std::move(FileMemory::open(directory_, 64 << 10)).value();
  EXPECT_EQ(memory->allocate(65 << 10), nullptr);
  std::byte* const most = memory->allocate(60 << 10);
  ASSERT_NE(most, nullptr);
  EXPECT_EQ(memory->allocate(5 << 10), nullptr);
  memory->free(most, 60 << 10);
  EXPECT_NE(memory->allocate(64 << 10), nullptr);
}

TEST_F(FileMemoryTest, the_file_has_no_name) {
  const auto memory = std::move(FileMemory::open(directory_, 1 << 20)).value();
  ASSERT_NE(memory->allocate(4096), nullptr);
  EXPECT_TRUE(files_->list(directory_)->empty());
}

TEST_F(FileMemoryTest, a_folder_that_is_not_there_is_an_error_that_names_it) {
  const auto memory = FileMemory::open(directory_ + "/none", 1 << 20);
  ASSERT_FALSE(memory.ok());
  EXPECT_NE(memory.status().message().find(directory_ + "/none"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
