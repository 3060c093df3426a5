#include "tidewheel/state/key_group.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidewheel {
namespace {

TEST(KeyGroup, mixing_is_murmur_of_one_word) {
  // MurmurHash3_x86_32 of the four bytes with seed 0, made non-negative.
  const auto reference = [](uint32_t word) {
    uint32_t k = word * 0xcc9e2d51U;
    k = (k << 15) | (k >> 17);
    k *= 0x1b873593U;
    uint32_t h = k;
    h = (h << 13) | (h >> 19);
    h = h * 5 + 0xe6546b64U;
    h ^= 4;
    h ^= h >> 16;
    h *= 0x85ebca6bU;
    h ^= h >> 13;
    h *= 0xc2b2ae35U;
    h ^= h >> 16;
    const auto value = static_cast<int32_t>(h);
    if (value >= 0) { return h; }
    return value == INT32_MIN ? 0U : static_cast<uint32_t>(-value);
  };
  for (uint32_t word = 0; word < 100'000; ++word) {
    ASSERT_EQ(mix_key_hash(word * 2654435761U), reference(word * 2654435761U));
  }
  // Values of the reference engine.
  EXPECT_EQ(mix_key_hash(0), 593689054U);
}

TEST(KeyGroup, a_group_is_the_hash_modulo_the_max_parallelism) {
  for (const int32_t max : {1, 2, 7, 128, 200, 4096, 32768}) {
    for (uint32_t hash = 0; hash < 2'000; ++hash) {
      ASSERT_EQ(key_group_of(hash, max),
                static_cast<int32_t>(mix_key_hash(hash) % static_cast<uint32_t>(max)));
    }
  }
}

TEST(KeyGroup, ranges_are_contiguous_and_agree_with_the_owner) {
  for (const int32_t max : {1, 5, 128, 130, 1000, 32768}) {
    for (const int32_t parallelism : {1, 2, 3, 5, 7, 64, 120, 128}) {
      if (parallelism > max) { continue; }
      int32_t next = 0;
      for (int32_t subtask = 0; subtask < parallelism; ++subtask) {
        const KeyGroupRange range = key_groups_of(subtask, parallelism, max);
        EXPECT_EQ(range.first, next);
        next = range.last + 1;
        for (int32_t group = range.first; group <= range.last; ++group) {
          ASSERT_EQ(subtask_of(group, parallelism, max), subtask);
        }
      }
      EXPECT_EQ(next, max);
    }
  }
}

TEST(KeyGroup, default_max_parallelism_leaves_room_to_grow) {
  EXPECT_EQ(default_max_parallelism(1), 128);
  EXPECT_EQ(default_max_parallelism(85), 128);
  EXPECT_EQ(default_max_parallelism(86), 256);
  EXPECT_EQ(default_max_parallelism(128), 256);
  EXPECT_EQ(default_max_parallelism(32768), 32768);
}

}  // namespace
}  // namespace tidewheel
