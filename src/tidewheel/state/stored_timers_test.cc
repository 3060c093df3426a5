// Timers that need not fit into memory do as those in memory do.
#include "tidewheel/state/stored_timers.h"

#include <gtest/gtest.h>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/state/map_backend.h"
#include "tidewheel/state/timer_testing.h"

namespace tidewheel {
namespace {

TimerDuelWorld map_world(int64_t per_group_max) {
  TimerDuelWorld world;
  world.make_backend = [per_group_max](KeyGroupRange groups) {
    MapBackendOptions options;
    options.cache_bytes = 256 << 10;
    options.timers.per_group_max = per_group_max;
    return std::make_unique<MapBackend>(groups, options);
  };
  return world;
}

class StoredTimersSeeds : public ::testing::TestWithParam<uint64_t> {};

TEST_P(StoredTimersSeeds, do_as_memory_does) {
  const uint64_t seed = GetParam();
  const TimerDuelWorld world = map_world(1 + static_cast<int64_t>(seed % 7));
  run_timer_duel<int64_t, NoNamespace>(world, seed, 300);
  run_timer_duel<Text, int32_t>(world, seed, 200);
  run_timer_duel<std::string, int64_t>(world, seed, 100);
}

INSTANTIATE_TEST_SUITE_P(Seeds, StoredTimersSeeds, ::testing::Range<uint64_t>(1, 17));

TEST(StoredTimers, keys_are_in_the_order_of_group_and_time) {
  std::string last;
  for (const int32_t group : {0, 1, 255, 256, 32767}) {
    for (const int64_t time : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1}, INT64_MAX}) {
      for (const bool has_namespace : {false, true}) {
        std::string key;
        const StoredTimer timer{group, time, "key", has_namespace ? "space" : ""};
        make_timer_key(key, has_namespace, timer);
        StoredTimer split;
        ASSERT_TRUE(split_timer_key(key, has_namespace, split));
        EXPECT_EQ(std::tie(split.group, split.time, split.key, split.name_space),
                  std::tie(timer.group, timer.time, timer.key, timer.name_space));
        if (has_namespace) { continue; }
        EXPECT_LT(last, key);
        last = key;
      }
    }
  }
  StoredTimer split;
  EXPECT_FALSE(split_timer_key("too short", true, split));
  EXPECT_FALSE(split_timer_key(std::string(10, 'x') + "\x05"
                                                      "abc",
                               true, split));
}

constexpr int32_t kMaxParallelism = 128;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};

TEST(StoredTimers, those_that_fit_into_memory_never_reach_the_backend) {
  MapBackend backend(kAllGroups, {.cache_bytes = 1 << 20});
  TimerService<int64_t> timers(kAllGroups, kMaxParallelism, nullptr);
  timers.open_backend(backend, "timers");
  int64_t fired = 0;
  for (int64_t time = 0; time < 100'000; ++time) {
    timers.add(time % 1'000, key_hash(time % 1'000, kMaxParallelism), {}, time + 100);
    while (timers.next_due(time) != nullptr) { ++fired; }
  }
  EXPECT_EQ(fired, 99'900);
  EXPECT_EQ(backend.opened(), 0U);
}

// Far more than memory has room for, at times that are spread, and all at one time.
TEST(StoredTimers, memory_stays_within_its_part) {
  for (const int64_t span : {1, 1'000'000}) {
    constexpr int64_t kCacheBytes = 4 << 20;
    constexpr int64_t kTimers = 300'000;
    MapBackend backend(kAllGroups, {.cache_bytes = kCacheBytes});
    MemoryPool pool("job", MemoryPool::kUnlimited);
    {
      TimerService<Text> timers(kAllGroups, kMaxParallelism, &pool);
      timers.open_backend(backend, "timers");
      Random random(1);
      int64_t most = 0;
      for (int64_t i = 0; i < kTimers; ++i) {
        const std::string key = "a key of some length " + std::to_string(i);
        timers.add(Text(key), key_hash(key, kMaxParallelism), {},
                   static_cast<int64_t>(random.below(static_cast<uint64_t>(span))));
        most = std::max(most, timers.memory_bytes());
      }
      EXPECT_EQ(timers.size(), static_cast<size_t>(kTimers));
      int64_t fired = 0;
      int64_t last = 0;
      while (const auto* timer = timers.next_due(INT64_MAX)) {
        ASSERT_GE(timer->time, last);
        last = timer->time;
        ++fired;
        most = std::max(most, timers.memory_bytes());
      }
      EXPECT_EQ(fired, kTimers);
      EXPECT_LE(most, kCacheBytes / 4 + (64 << 10));
      EXPECT_LE(pool.peak_bytes(), kCacheBytes / 4 + (64 << 10));
    }
    EXPECT_EQ(pool.used_bytes(), 0);
  }
}

TEST(StoredTimers, what_fired_is_erased_as_a_range) {
  MapBackend backend(kAllGroups, {.cache_bytes = 64 << 10});
  TimerService<int64_t> timers(kAllGroups, kMaxParallelism, nullptr);
  timers.open_backend(backend, "timers");
  for (int64_t key = 0; key < 200'000; ++key) {
    timers.add(key, key_hash(key, kMaxParallelism), {}, key);
  }
  ASSERT_EQ(backend.opened(), 1U);
  const StoreId store = 0;
  ASSERT_TRUE(backend.commit().ok());
  EXPECT_GT(backend.size(store), 150'000U);
  for (int64_t due = 0; due < 190'000; ++due) { ASSERT_NE(timers.next_due(due), nullptr); }
  ASSERT_TRUE(backend.commit().ok());
  EXPECT_LT(backend.size(store), 100'000U);
  // Before a snapshot nothing void is left.
  timers.begin_snapshot({1, 0}, "timers", false);
  for (size_t budget = 1; !timers.flush(budget); budget = 1000) {}
  ASSERT_TRUE(backend.commit().ok());
  EXPECT_LE(backend.size(store), 10'000U);
  timers.abort_snapshot();
}

TEST(StoredTimers, a_failure_of_the_backend_is_kept_and_thrown) {
  MapBackend backend(kAllGroups, {.cache_bytes = 16 << 10});
  TimerService<int64_t> timers(kAllGroups, kMaxParallelism, nullptr);
  timers.open_backend(backend, "timers");
  for (int64_t key = 0; key < 10'000; ++key) {
    timers.add(key, key_hash(key, kMaxParallelism), {}, key);
  }
  EXPECT_TRUE(timers.status().ok());
  backend.fail_with(unavailable(ErrorId::kStateBackend, "the disk is gone"));
  const auto fire_all = [&] {
    while (timers.next_due(INT64_MAX) != nullptr) {}
  };
  EXPECT_THROW(fire_all(), StateError);
  EXPECT_EQ(timers.status().id(), ErrorId::kStateBackend);
}

}  // namespace
}  // namespace tidewheel
