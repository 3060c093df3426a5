#include "tidewheel/base/memory_pool.h"

#include <gtest/gtest.h>

namespace tidewheel {
namespace {

TEST(MemoryPool, a_reservation_counts_at_every_level_and_is_refused_at_any) {
  MemoryPool process("process", 1000);
  const auto job = process.make_child("job", 600);
  const auto window = job->make_child("window");
  EXPECT_TRUE(window->try_reserve(500));
  EXPECT_FALSE(window->try_reserve(200));
  EXPECT_EQ(window->used_bytes(), 500);
  EXPECT_EQ(job->used_bytes(), 500);
  EXPECT_EQ(process.used_bytes(), 500);
  window->reserve(200);  // beyond the limit, because it exists already
  EXPECT_EQ(job->used_bytes(), 700);
  window->release(700);
  EXPECT_EQ(process.used_bytes(), 0);
  EXPECT_EQ(process.peak_bytes(), 700);
}

TEST(MemoryPool, the_description_names_the_largest_holders_first) {
  MemoryPool job("job", 1 << 30);
  const auto small = job.make_child("join");
  const auto large = job.make_child("window");
  small->reserve(80 << 20);
  large->reserve(700 << 20);
  EXPECT_EQ(job.describe(), "job 780 mb of 1.0 gb: window 700 mb, join 80 mb");
  small->release(80 << 20);
  large->release(700 << 20);
}

TEST(MemoryPool, what_a_child_still_holds_goes_with_it) {
  MemoryPool job("job", MemoryPool::kUnlimited);
  job.make_child("gone")->reserve(5);
  EXPECT_EQ(job.used_bytes(), 0);
}

}  // namespace
}  // namespace tidewheel
