#include "tidewheel/sql/recent_rows.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace tidewheel::sql {
namespace {

// Rows for which nothing but their address counts.
std::byte* row_numbered(uint64_t number) { return reinterpret_cast<std::byte*>(8 * (number + 1)); }

// Looks for keys, and says how many were known. What is found must be the row of the key.
template <class K>
size_t look(RecentRows<K>& recent, const std::vector<K>& keys,
            const std::vector<uint64_t>& numbers) {
  std::vector<std::byte*> rows(keys.size());
  const auto found = recent.find(keys, rows.data());
  const std::vector<uint32_t> missing(found.begin(), found.end());
  size_t next = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (rows[i] != nullptr) {
      EXPECT_EQ(rows[i], row_numbered(numbers[i]));
      continue;
    }
    EXPECT_LT(next, missing.size());
    EXPECT_EQ(missing[next++], i);
  }
  EXPECT_EQ(next, missing.size());
  for (const uint32_t i : missing) { recent.put(keys[i], row_numbered(numbers[i])); }
  return keys.size() - missing.size();
}

template <class K, class Make>
void look_for_random_keys(Make make) {
  std::mt19937_64 random(5);
  RecentRows<K> recent;
  size_t known = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<K> keys;
    std::vector<uint64_t> numbers;
    const uint64_t range = round % 100 < 50 ? 150 : 1'000'000;
    for (int i = 0; i < 256; ++i) {
      numbers.push_back(random() % range);
      keys.push_back(make(numbers.back()));
    }
    if (round % 70 == 0) { recent.clear(); }
    known += look(recent, keys, numbers);
  }
  EXPECT_GT(known, size_t{256} * 80);
  EXPECT_LT(known, size_t{256} * 200);
}

TEST(RecentRows, a_row_that_is_found_is_that_of_its_key) {
  look_for_random_keys<IntKey>(
      [](uint64_t number) { return IntKey(static_cast<int64_t>(number)); });
  std::unordered_map<uint64_t, std::string> texts;
  const auto text = [&](uint64_t number) {
    const auto [place, is_new] = texts.try_emplace(number, "key number ");
    if (is_new) { place->second += std::to_string(number); }
    return Text(place->second);
  };
  look_for_random_keys<Text>(text);
  look_for_random_keys<InlineText>([&](uint64_t number) { return InlineText(text(number)); });
}

TEST(RecentRows, keys_that_differ_in_their_size_alone_are_different) {
  RecentRows<Text> recent;
  const std::vector<Text> keys = {Text("a", 1), Text("a\0", 2), Text("", 0), Text("\0", 1)};
  EXPECT_EQ(look(recent, keys, {1, 2, 3, 4}), 0U);
  EXPECT_EQ(look(recent, keys, {1, 2, 3, 4}), 4U);
}

TEST(RecentRows, null_and_long_strings_are_never_known) {
  RecentRows<IntKey> numbers;
  const std::string long_text(24, 'x');
  RecentRows<Text> texts;
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(look(numbers, {IntKey(), IntKey(0)}, {1, 2}), round == 0 ? 0U : 1U);
    EXPECT_EQ(look(texts, {Text(long_text), Text("x")}, {1, 2}), round == 0 ? 0U : 1U);
  }
}

TEST(RecentRows, nothing_is_known_when_it_was_cleared) {
  RecentRows<IntKey> recent;
  EXPECT_EQ(look(recent, {IntKey(7)}, {7}), 0U);
  recent.clear();
  EXPECT_EQ(look(recent, {IntKey(7)}, {8}), 0U);
  EXPECT_EQ(look(recent, {IntKey(7)}, {8}), 1U);
}

}  // namespace
}  // namespace tidewheel::sql
