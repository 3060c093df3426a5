#include "tidewheel/state/sorted_blocks.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/random.h"

namespace tidewheel {
namespace {

struct Entry {
  std::string key;
  int64_t value = 0;
};
struct KeyOf {
  const std::string& operator()(const Entry& entry) const { return entry.key; }
};
using Blocks = SortedBlocks<Entry, std::string, KeyOf, std::less<std::string>>;

TEST(SortedBlocks, behave_as_a_map) {
  MemoryPool pool("job", MemoryPool::kUnlimited);
  {
    TextHeap heap(&pool);
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      Random random(seed);
      Blocks blocks;
      std::map<std::string, int64_t> model;
      const uint64_t range = seed % 2 == 0 ? 12 : 2'000;
      for (int32_t step = 0; step < 8'000; ++step) {
        const std::string key = std::to_string(random.below(range)) + "-a-key-beyond-short-ones";
        const auto place = blocks.lower_bound(key);
        const auto expected = model.lower_bound(key);
        ASSERT_EQ(place == blocks.end(), expected == model.end());
        if (expected != model.end()) { ASSERT_EQ(blocks.at(place).key, expected->first); }
        const bool exists = expected != model.end() && expected->first == key;
        if (random.below(5) < 3) {
          if (!exists) {
            blocks.insert(place, Entry{key, step}, heap);
            model.emplace(key, step);
          }
        } else if (exists) {
          const auto after = blocks.erase(place, heap);
          const auto next = model.erase(expected);
          ASSERT_EQ(after == blocks.end(), next == model.end());
          if (next != model.end()) { ASSERT_EQ(blocks.at(after).key, next->first); }
        }
        ASSERT_EQ(blocks.size(), model.size());
      }
      auto expected = model.begin();
      for (auto place = blocks.begin(); !(place == blocks.end()); place = blocks.next(place)) {
        ASSERT_EQ(blocks.at(place).key, expected->first);
        ASSERT_EQ(blocks.at(place).value, expected->second);
        ++expected;
      }
      EXPECT_TRUE(expected == model.end());
      blocks.clear(heap);
      EXPECT_EQ(heap.live_bytes(), 0);
    }
  }
  EXPECT_EQ(pool.used_bytes(), 0);
}

TEST(SortedBlocks, growing_keys_leave_full_blocks) {
  TextHeap heap;
  Blocks blocks;
  for (int32_t i = 0; i < 10'000; ++i) {
    blocks.insert(blocks.end(), Entry{std::to_string(1'000'000 + i), i}, heap);
  }
  EXPECT_EQ(blocks.size(), 10'000U);
  EXPECT_LT(heap.live_bytes(), static_cast<int64_t>(10'000 * sizeof(Entry) * 5 / 4));
  blocks.clear(heap);
}

}  // namespace
}  // namespace tidewheel
