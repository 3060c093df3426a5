#include "tidewheel/state/timers.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/random.h"
#include "tidewheel/state/due_timers.h"

namespace tidewheel {
namespace {

constexpr int32_t kMaxParallelism = 128;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};

template <class K>
KeyHash hash_of(const K& key) {
  return key_hash(key, kMaxParallelism);
}

TEST(TimerQueue, times_come_out_in_order) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    StateMemory memory(nullptr, "queue");
    TimerQueue queue(memory);
    std::multiset<int64_t> model;
    int64_t now = seed % 3 == 0 ? INT64_MIN : -5'000;
    const auto range = static_cast<uint64_t>(seed % 2 == 0 ? 300 : 1'000'000);
    for (int32_t step = 0; step < 3'000; ++step) {
      if (random.below(3) > 0) {
        const auto offset = static_cast<int64_t>(random.below(range));
        const int64_t time =
            random.below(20) == 0 && now > INT64_MIN + 10'000 ? now - offset % 999 : now + offset;
        queue.push({time, static_cast<uint64_t>(time)});
        model.insert(time);
      } else {
        now += static_cast<int64_t>(random.below(range / 4));
        TimerQueue::Entry entry;
        for (uint64_t budget = random.below(50); budget > 0; --budget) {
          const bool expected = !model.empty() && *model.begin() <= now;
          ASSERT_EQ(queue.pop_until(now, entry), expected);
          if (!expected) { break; }
          ASSERT_EQ(entry.time, *model.begin());
          ASSERT_EQ(entry.tag, static_cast<uint64_t>(entry.time));
          model.erase(model.begin());
        }
      }
      ASSERT_EQ(queue.size(), model.size());
      ASSERT_EQ(queue.min_time(), model.empty() ? TimerQueue::kNoTime : *model.begin());
    }
  }
}

TEST(TimerQueue, the_ends_of_time_are_times) {
  StateMemory memory(nullptr, "queue");
  TimerQueue queue(memory);
  for (const int64_t time : {INT64_MAX, INT64_MIN, int64_t{0}, INT64_MAX - 1, int64_t{-1}}) {
    queue.push({time, 0});
  }
  TimerQueue::Entry entry;
  std::vector<int64_t> times;
  while (queue.pop_until(INT64_MAX, entry)) { times.push_back(entry.time); }
  EXPECT_EQ(times, (std::vector<int64_t>{INT64_MIN, -1, 0, INT64_MAX - 1, INT64_MAX}));
}

TEST(TimerQueue, what_has_come_due_is_counted_by_thread) {
  StateMemory memory(nullptr, "queue");
  TimerQueue queue(memory);
  for (const int64_t time : {1, 2, 3}) { queue.push({time, 0}); }
  const int64_t before = due_timers_of_thread();
  TimerQueue::Entry entry;
  while (queue.pop_until(2, entry)) {}
  EXPECT_EQ(due_timers_of_thread() - before, 2);
}

TEST(Timers, registering_twice_fires_once) {
  TimerService<int64_t> timers(kAllGroups, kMaxParallelism, nullptr);
  EXPECT_TRUE(timers.add(7, hash_of(int64_t{7}), {}, 100));
  EXPECT_FALSE(timers.add(7, hash_of(int64_t{7}), {}, 100));
  EXPECT_TRUE(timers.add(8, hash_of(int64_t{8}), {}, 100));
  EXPECT_EQ(timers.next_time(), 100);
  EXPECT_EQ(timers.next_due(99), nullptr);
  std::set<int64_t> keys;
  while (const auto* timer = timers.next_due(100)) {
    EXPECT_EQ(timer->time, 100);
    EXPECT_TRUE(keys.insert(timer->key).second);
  }
  EXPECT_EQ(keys, (std::set<int64_t>{7, 8}));
  EXPECT_EQ(timers.next_time(), TimerQueue::kNoTime);
}

TEST(Timers, a_removed_timer_does_not_fire_and_may_come_back) {
  TimerService<std::string, int32_t> timers(kAllGroups, kMaxParallelism, nullptr);
  const std::string key = "a key that is too long to be short";
  timers.add(key, hash_of(key), 1, 5);
  timers.add(key, hash_of(key), 2, 5);
  EXPECT_TRUE(timers.remove(key, hash_of(key), 1, 5));
  EXPECT_FALSE(timers.remove(key, hash_of(key), 1, 5));
  timers.add(key, hash_of(key), 1, 5);
  timers.remove(key, hash_of(key), 2, 5);
  const auto* timer = timers.next_due(10);
  ASSERT_NE(timer, nullptr);
  EXPECT_EQ(timer->key, key);
  EXPECT_EQ(timer->name_space, 1);
  EXPECT_EQ(timers.next_due(10), nullptr);
}

TEST(Timers, timers_made_while_firing_come_in_the_same_advance) {
  TimerService<int64_t> timers(kAllGroups, kMaxParallelism, nullptr);
  timers.add(1, hash_of(int64_t{1}), {}, 10);
  std::vector<int64_t> fired;
  while (const auto* timer = timers.next_due(50)) {
    fired.push_back(timer->time);
    const int64_t time = timer->time;
    if (time == 10) { timers.add(1, hash_of(int64_t{1}), {}, 3); }  // before what has fired
    if (time < 100) { timers.add(1, hash_of(int64_t{1}), {}, time + 20); }
  }
  EXPECT_EQ(fired, (std::vector<int64_t>{10, 3, 23, 30, 43, 50}));
  EXPECT_EQ(timers.size(), 2U);
}

TEST(Timers, behave_as_an_ordered_set) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Random random(seed);
    TimerService<int64_t, int32_t> timers(kAllGroups, kMaxParallelism, nullptr);
    std::set<std::tuple<int64_t, int64_t, int32_t>> model;  // time, key, namespace
    int64_t watermark = 0;
    for (int32_t step = 0; step < 20'000; ++step) {
      const auto key = static_cast<int64_t>(random.below(50));
      const auto name_space = static_cast<int32_t>(random.below(3));
      const int64_t time = watermark + static_cast<int64_t>(random.below(60)) - 5;
      const uint64_t action = random.below(20);
      if (action < 10) {
        ASSERT_EQ(timers.add(key, hash_of(key), name_space, time),
                  model.emplace(time, key, name_space).second);
      } else if (action < 19) {
        ASSERT_EQ(timers.remove(key, hash_of(key), name_space, time),
                  model.erase({time, key, name_space}) == 1);
      } else {
        watermark += static_cast<int64_t>(random.below(20));
        int64_t last = INT64_MIN;
        while (const auto* timer = timers.next_due(watermark)) {
          ASSERT_GE(timer->time, last);
          last = timer->time;
          ASSERT_EQ(model.erase({timer->time, timer->key, timer->name_space}), 1U);
        }
        ASSERT_TRUE(model.empty() || std::get<0>(*model.begin()) > watermark);
      }
      ASSERT_EQ(timers.size(), model.size());
    }
  }
}

TEST(Timers, a_timer_moved_a_million_times_holds_little_memory) {
  TimerService<int64_t> timers(kAllGroups, kMaxParallelism, nullptr);
  const KeyHash hash = hash_of(int64_t{1});
  for (int64_t time = 0; time < 200'000; ++time) {
    timers.remove(1, hash, {}, time);
    timers.add(1, hash, {}, time + 1);
    timers.add(2, hash_of(int64_t{2}), {}, 1'000'000'000);
  }
  EXPECT_EQ(timers.size(), 2U);
  EXPECT_LT(timers.memory_bytes(), 1'000'000);
}

TEST(Timers, a_million_keys_with_one_timer_each) {
  MemoryPool pool("job", MemoryPool::kUnlimited);
  {
    TimerService<int64_t> timers(kAllGroups, kMaxParallelism, &pool);
    Random random(1);
    for (int64_t key = 0; key < 1'000'000; ++key) {
      timers.add(key, hash_of(key), {}, static_cast<int64_t>(random.below(3'600'000)));
    }
    EXPECT_EQ(timers.size(), 1'000'000U);
    EXPECT_EQ(timers.memory_bytes(), pool.used_bytes());
    EXPECT_LT(timers.memory_bytes(), 100'000'000);
    int64_t fired = 0;
    int64_t last = 0;
    for (int64_t watermark = 0; watermark <= 3'600'000; watermark += 1'000) {
      while (const auto* timer = timers.next_due(watermark)) {
        ASSERT_GE(timer->time, last);
        last = timer->time;
        ++fired;
      }
    }
    EXPECT_EQ(fired, 1'000'000);
  }
  EXPECT_EQ(pool.used_bytes(), 0);
}

TEST(Timers, survive_a_rescale) {
  std::set<std::tuple<int64_t, std::string, int32_t>> model;
  MemorySnapshot snapshot;
  for (int32_t subtask = 0; subtask < 2; ++subtask) {
    const SnapshotPlace place{"timers", subtask, 2, kMaxParallelism};
    const KeyGroupRange groups = key_groups_of(subtask, 2, kMaxParallelism);
    TimerService<Text, int32_t> timers(groups, kMaxParallelism, nullptr);
    for (int32_t i = 0; i < 3'000; ++i) {
      const std::string key = "key " + std::to_string(i);
      if (!groups.contains(hash_of(key).group)) { continue; }
      timers.add(Text(key), hash_of(key), i % 3, i % 100);
      model.emplace(i % 100, key, i % 3);
    }
    SegmentWriter writer(place);
    timers.begin_snapshot({}, "timers", false);
    do { writer.grant(500); } while (!timers.write(writer));
    snapshot.add(writer.finish());
  }
  for (int32_t subtask = 0; subtask < 3; ++subtask) {
    auto reader = snapshot.reader({"timers", subtask, 3, kMaxParallelism});
    ASSERT_TRUE(reader.ok());
    TimerService<Text, int32_t> timers(key_groups_of(subtask, 3, kMaxParallelism), kMaxParallelism,
                                       nullptr);
    ASSERT_TRUE(timers.read(**reader, "timers").ok());
    while (const auto* timer = timers.next_due(INT64_MAX)) {
      EXPECT_EQ(model.erase({timer->time, timer->key.str(), timer->name_space}), 1U);
    }
  }
  EXPECT_TRUE(model.empty());
}

}  // namespace
}  // namespace tidewheel
