#include "tidewheel/sql/distinct_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace tidewheel::sql {
namespace {

// That each key has the number of an equal one, which comes first where it says so.
template <class K>
void check_numbers(const DistinctKeys<K>& distinct, const std::vector<K>& keys) {
  ASSERT_EQ(distinct.numbers().size(), keys.size());
  uint32_t next = 0;
  for (uint32_t i = 0; i < keys.size(); ++i) {
    const uint32_t number = distinct.numbers()[i];
    ASSERT_LE(number, next);
    if (number == next) { EXPECT_EQ(distinct.first(next++), i); }
    EXPECT_TRUE(distinct.keys()[number] == keys[i]);
  }
  EXPECT_EQ(distinct.keys().size(), next);
}
template <class K>
bool are_each_once(std::span<const K> keys) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (std::find(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(i), keys[i]) !=
        keys.begin() + static_cast<ptrdiff_t>(i)) {
      return false;
    }
  }
  return true;
}

TEST(DistinctKeys, keys_are_numbered_as_they_come_first) {
  std::mt19937_64 random(7);
  DistinctKeys<IntKey> distinct;
  size_t exact = 0;
  for (int round = 0; round < 200; ++round) {
    // Some chunks whose keys do not come again, behind which it looks no more for a while.
    const uint64_t range = round % 50 == 10 ? 1'000'000'000 : 100;
    std::vector<IntKey> keys(1 + random() % DistinctKeys<IntKey>::kKeysMax);
    for (IntKey& key : keys) { key = static_cast<int64_t>(random() % range); }
    distinct.find(keys);
    check_numbers(distinct, keys);
    if (!distinct.is_each_once()) { continue; }
    ++exact;
    EXPECT_TRUE(are_each_once(distinct.keys()));
  }
  EXPECT_GT(exact, size_t{50});
}

TEST(DistinctKeys, keys_that_are_not_compared_are_not_said_to_be_different) {
  std::mt19937_64 random(8);
  DistinctKeys<Text> distinct;
  std::vector<std::string> texts;
  for (int i = 0; i < 20; ++i) { texts.emplace_back(i < 10 ? 5 : 60, static_cast<char>('a' + i)); }
  for (const size_t count : {size_t{10}, size_t{20}}) {
    std::vector<Text> keys;
    for (int i = 0; i < 900; ++i) { keys.emplace_back(texts[random() % count]); }
    distinct.find(keys);
    check_numbers(distinct, keys);
    EXPECT_EQ(distinct.is_each_once(), count == 10);
  }
  DistinctKeys<IntKey> ints;
  const std::vector<IntKey> keys{1, std::nullopt, 1, std::nullopt, 2, 1, 2, 1};
  ints.find(keys);
  check_numbers(ints, keys);
  EXPECT_FALSE(ints.is_each_once());
  EXPECT_EQ(ints.keys().size(), 4U);
}

TEST(DistinctKeys, all_are_taken_for_different_ones_when_asked_to) {
  DistinctKeys<IntKey> distinct;
  const std::vector<IntKey> keys{1, 1, 2};
  distinct.take_all(keys);
  check_numbers(distinct, keys);
  EXPECT_FALSE(distinct.is_each_once());
  EXPECT_EQ(distinct.keys().size(), 3U);
}

}  // namespace
}  // namespace tidewheel::sql
