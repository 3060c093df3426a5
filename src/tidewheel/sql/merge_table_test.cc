#include "tidewheel/sql/merge_table.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>
#include <vector>

#include "tidewheel/types/hash.h"

namespace tidewheel::sql {
namespace {

// Rounds of very different sizes, with hashes of few bits, so that different keys meet.
TEST(MergeTable, numbers_keys_in_the_order_in_which_they_come) {
  MemoryPool memory("test", MemoryPool::kUnlimited);
  std::mt19937 random(11);
  {
    MergeTable table(memory);
    for (const size_t keys : {10U, 5'000U, 3U, 100U, 20'000U, 1U, 700U}) {
      table.begin(keys % 3 == 0 ? keys : 0);
      std::vector<uint64_t> listed;
      std::unordered_map<uint64_t, uint32_t> expected;
      for (size_t i = 0; i < 4 * keys; ++i) {
        const uint64_t key = random() % keys;
        bool inserted = false;
        const uint32_t number = table.find_or_add(
            hash64(key) & 0xffff, [&](uint32_t at) { return listed[at] == key; }, inserted);
        const auto [known, is_new] = expected.emplace(key, static_cast<uint32_t>(expected.size()));
        ASSERT_EQ(inserted, is_new);
        ASSERT_EQ(number, known->second);
        if (inserted) { listed.push_back(key); }
      }
      ASSERT_EQ(table.size(), expected.size());
    }
    EXPECT_GT(memory.used_bytes(), 0);
  }
  EXPECT_EQ(memory.used_bytes(), 0);
}

}  // namespace
}  // namespace tidewheel::sql
