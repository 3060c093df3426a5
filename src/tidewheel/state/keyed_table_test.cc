#include "tidewheel/state/keyed_table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/random.h"

namespace tidewheel {
namespace {

constexpr int32_t kMaxParallelism = 128;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};

template <class K>
KeyHash hash_of(const K& key) {
  return key_hash(key, kMaxParallelism);
}

TEST(KeyedTable, finds_what_was_put) {
  KeyedTable<int64_t, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  EXPECT_EQ(table.find(int64_t{7}, hash_of(int64_t{7})), nullptr);
  EXPECT_EQ(table.memory_bytes(), 0);
  bool inserted = false;
  table.upsert(int64_t{7}, hash_of(int64_t{7}), inserted) = 70;
  EXPECT_TRUE(inserted);
  EXPECT_EQ(table.upsert(int64_t{7}, hash_of(int64_t{7}), inserted), 70);
  EXPECT_FALSE(inserted);
  ASSERT_NE(table.find(int64_t{7}, hash_of(int64_t{7})), nullptr);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_TRUE(table.erase(int64_t{7}, hash_of(int64_t{7})));
  EXPECT_FALSE(table.erase(int64_t{7}, hash_of(int64_t{7})));
  EXPECT_TRUE(table.empty());
}

// As a cache does: keys come at random, and go here and there. Along the table's order, what is
// right before the cursor would be twice as full as the whole, and the table would grow.
TEST(KeyedTable, keeps_its_order_and_size_when_keys_go_at_places_that_are_spread_over_it) {
  constexpr size_t kKeys = 65'472;
  KeyedTable<int64_t, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  KeyedTable<int64_t, int64_t>::Cursor cursor;
  uint32_t place = 0;
  int64_t memory_bytes = 0;
  for (int64_t added = 0; added < 500'000; ++added) {
    if (table.size() == kKeys) {
      const int64_t* key = nullptr;
      int64_t* value = nullptr;
      if (added % 16 == 0) { cursor = table.cursor_at(place += 0x9e3779b9U); }
      while (!table.next(cursor, key, value)) { cursor = table.cursor_at(place += 0x9e3779b9U); }
      table.erase_last(cursor);
    }
    table.upsert(added, hash_of(added)) = added;
    if (table.size() == kKeys && memory_bytes == 0) { memory_bytes = table.memory_bytes(); }
    ASSERT_TRUE(table.is_grouped()) << added;
  }
  EXPECT_EQ(table.memory_bytes(), memory_bytes);
}

TEST(KeyedTable, strings_are_found_by_views) {
  KeyedTable<std::string, int32_t> table(kAllGroups, kMaxParallelism, nullptr);
  const std::string name = "a name that is longer than what fits into a string itself";
  table.upsert(name) = 3;
  const std::string_view view = name;
  ASSERT_NE(table.find(view, key_hash(view, kMaxParallelism)), nullptr);
  table.upsert(std::string_view("short")) = 4;
  EXPECT_EQ(*table.find(std::string("short"), hash_of(std::string("short"))), 4);
}

TEST(KeyedTable, text_is_copied_into_the_tables_own_heap) {
  struct Person {
    Text name;
    int64_t age = 0;
  };
  MemoryPool pool("job", MemoryPool::kUnlimited);
  KeyedTable<Text, Person> table(kAllGroups, kMaxParallelism, &pool);
  for (int32_t i = 0; i < 2'000; ++i) {
    std::string key = "a key that is somewhere else " + std::to_string(i);
    std::string name = "name " + std::to_string(i * 7);
    Person& person = table.upsert(Text(key));
    table.assign(person, Person{Text(name), i});
    person.name = Text(key);
    table.settle(person);
    key.assign(key.size(), '?');
  }
  int64_t live = 0;
  for (int32_t i = 0; i < 2'000; ++i) {
    const std::string key = "a key that is somewhere else " + std::to_string(i);
    Person* person = table.find(std::string_view(key), hash_of(key));
    ASSERT_NE(person, nullptr);
    EXPECT_EQ(person->name, key);
    EXPECT_EQ(person->age, i);
    if (i % 2 == 0) {
      EXPECT_TRUE(table.erase(key, hash_of(key)));
    } else {
      ++live;
    }
  }
  EXPECT_EQ(table.size(), static_cast<size_t>(live));
  EXPECT_EQ(table.memory_bytes(), pool.used_bytes());
  table.release();
  EXPECT_EQ(pool.used_bytes(), 0);
}

// The model: a map. Keys from a small range, so that erased keys come back.
template <class K, class MakeKey>
void run_against_model(uint64_t seed, int32_t steps, uint64_t range, MakeKey make_key) {
  Random random(seed);
  KeyedTable<K, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  std::map<K, int64_t> model;
  for (int32_t step = 0; step < steps; ++step) {
    const K key = make_key(random.below(range));
    const uint64_t action = random.below(100);
    if (action < 55) {
      bool inserted = false;
      table.upsert(key, hash_of(key), inserted) += step;
      ASSERT_EQ(inserted, !model.contains(key));
      model[key] += step;
    } else if (action < 99) {
      ASSERT_EQ(table.erase(key, hash_of(key)), model.erase(key) == 1);
    } else if (random.below(40) == 0) {
      table.clear();
      model.clear();
    }
    const int64_t* found = table.find(key, hash_of(key));
    const auto expected = model.find(key);
    ASSERT_EQ(found != nullptr, expected != model.end());
    if (found != nullptr) { ASSERT_EQ(*found, expected->second); }
    ASSERT_EQ(table.size(), model.size());
  }
  std::map<K, int64_t> scanned;
  table.for_each([&](const K& key, int64_t value) { scanned.emplace(key, value); });
  EXPECT_EQ(scanned, model);
}

TEST(KeyedTable, behaves_as_a_map) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    run_against_model<int64_t>(seed, 20'000, seed % 2 == 0 ? 40 : 3'000,
                               [](uint64_t n) { return static_cast<int64_t>(n); });
    run_against_model<int32_t>(seed, 5'000, 500,
                               [](uint64_t n) { return static_cast<int32_t>(n); });
    run_against_model<std::string>(
        seed, 5'000, 300, [](uint64_t n) { return std::string(n % 40, 'x') + std::to_string(n); });
  }
}

TEST(KeyedTable, groups_are_met_in_order_and_whole) {
  Random random(3);
  const KeyGroupRange groups{32, 95};
  KeyedTable<int64_t, int64_t> table(groups, kMaxParallelism, nullptr);
  std::map<int32_t, std::set<int64_t>> model;
  for (int32_t i = 0; i < 30'000; ++i) {
    const auto key = static_cast<int64_t>(random.below(1 << 20));
    const KeyHash hash = hash_of(key);
    if (!groups.contains(hash.group)) { continue; }
    table.upsert(key, hash) = key;
    model[hash.group].insert(key);
    if (random.below(3) == 0) {
      table.erase(key, hash);
      model[hash.group].erase(key);
    }
  }
  EXPECT_TRUE(table.is_grouped());
  for (int32_t group = groups.first; group <= groups.last; ++group) {
    std::set<int64_t> scanned;
    table.for_each_in(group,
                      [&](int64_t key, int64_t) { EXPECT_TRUE(scanned.insert(key).second); });
    EXPECT_EQ(scanned, model[group]) << group;
  }
  // The scan of the whole table is in order but for what spilled over a region's end.
  int32_t highest = 0;
  int64_t out_of_order = 0;
  table.for_each([&](int64_t key, int64_t) {
    out_of_order += hash_of(key).group < highest ? 1 : 0;
    highest = std::max(highest, hash_of(key).group);
  });
  EXPECT_LT(out_of_order, 100);
}

TEST(KeyedTable, entries_can_be_erased_during_a_scan) {
  KeyedTable<int64_t, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  for (int64_t key = 0; key < 5'000; ++key) { table.upsert(key) = key; }
  std::set<int64_t> seen;
  KeyedTable<int64_t, int64_t>::Cursor cursor;
  const int64_t* key = nullptr;
  int64_t* value = nullptr;
  while (table.next(cursor, key, value)) {
    EXPECT_TRUE(seen.insert(*key).second);
    if (*key % 2 == 0) { table.erase_last(cursor); }
  }
  EXPECT_EQ(seen.size(), 5'000U);
  EXPECT_EQ(table.size(), 2'500U);
  table.erase_if([](int64_t k, int64_t) { return k % 3 == 0; });
  for (int64_t k = 0; k < 5'000; ++k) {
    EXPECT_EQ(table.find(k, hash_of(k)) != nullptr, k % 2 == 1 && k % 3 != 0);
  }
}

TEST(KeyedTable, keys_in_one_group_do_not_slow_it_down) {
  KeyedTable<int64_t, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  std::vector<int64_t> keys;
  for (int64_t key = 0; keys.size() < 20'000; ++key) {
    if (hash_of(key).group == 127) { keys.push_back(key); }
  }
  for (const int64_t key : keys) { table.upsert(key) = key; }
  EXPECT_FALSE(table.is_grouped());
  EXPECT_LT(table.memory_bytes(), 20'000 * 24 * 32);
  size_t count = 0;
  table.for_each_in(127, [&](int64_t, int64_t) { ++count; });
  EXPECT_EQ(count, keys.size());
  count = 0;
  table.for_each_in(5, [&](int64_t, int64_t) { ++count; });
  EXPECT_EQ(count, 0U);
}

TEST(KeyedTable, keys_in_the_order_of_another_table_do_not_slow_it_down) {
  for (const KeyGroupRange groups : {kAllGroups, KeyGroupRange{0, 0}}) {
    const int32_t max_parallelism = groups.count();
    KeyedTable<int64_t, int64_t> first(groups, max_parallelism, nullptr);
    for (int64_t key = 0; key < 100'000; ++key) { first.upsert(key) = key; }
    KeyedTable<int64_t, int64_t> second(groups, max_parallelism, nullptr);
    for (int32_t group = groups.first; group <= groups.last; ++group) {
      first.for_each_in(group, [&](int64_t key, int64_t value) { second.upsert(key) = value; });
    }
    EXPECT_EQ(second.size(), first.size());
    EXPECT_LE(second.memory_bytes(), first.memory_bytes());
    EXPECT_FALSE(second.is_grouped());
    // A scan by groups puts it in order.
    size_t count = 0;
    for (int32_t group = groups.first; group <= groups.last; ++group) {
      second.for_each_in(group, [&](int64_t key, int64_t value) {
        ASSERT_EQ(key, value);
        ++count;
      });
    }
    EXPECT_EQ(count, first.size());
    EXPECT_TRUE(second.is_grouped());
  }
}

struct SameHash {
  int64_t number = 0;
  uint64_t key_hash64() const { return ~uint64_t{0}; }
  uint32_t key_hash32() const { return 5; }
  friend bool operator==(const SameHash&, const SameHash&) = default;
};

TEST(KeyedTable, equal_hashes_are_survived) {
  KeyedTable<SameHash, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  for (int64_t n = 0; n < 3'000; ++n) { table.upsert(SameHash{n}) = n; }
  EXPECT_EQ(table.size(), 3'000U);
  for (int64_t n = 0; n < 3'000; n += 7) {
    EXPECT_EQ(*table.find(SameHash{n}, hash_of(SameHash{n})), n);
  }
  size_t count = 0;
  table.for_each_in(hash_of(SameHash{}).group, [&](const SameHash&, int64_t) { ++count; });
  EXPECT_EQ(count, 3'000U);
  EXPECT_LT(table.memory_bytes(), 2'000'000);
}

TEST(KeyedTable, merges_in_order) {
  KeyedTable<std::string, int64_t> sums(kAllGroups, kMaxParallelism, nullptr);
  std::map<std::string, int64_t> model;
  Random random(9);
  for (int32_t pane = 0; pane < 6; ++pane) {
    KeyedTable<std::string, int32_t> slice(kAllGroups, kMaxParallelism, nullptr);
    for (int32_t i = 0; i < 3'000; ++i) {
      const std::string key = "key " + std::to_string(random.below(2'000));
      slice.upsert(key) += i;
      model[key] += i;
    }
    sums.merge_from(slice, [](int64_t& mine, int32_t theirs, bool) { mine += theirs; });
  }
  std::map<std::string, int64_t> scanned;
  sums.for_each([&](const std::string& key, int64_t value) { scanned[key] = value; });
  EXPECT_EQ(scanned, model);
}

TEST(KeyedTable, a_cleared_table_keeps_its_memory) {
  KeyedTable<int64_t, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  for (int64_t key = 0; key < 1'000; ++key) { table.upsert(key) = key; }
  const int64_t bytes = table.memory_bytes();
  table.clear();
  EXPECT_EQ(table.memory_bytes(), bytes);
  EXPECT_EQ(table.find(int64_t{5}, hash_of(int64_t{5})), nullptr);
  for (int64_t key = 0; key < 1'000; ++key) { table.upsert(key) = key; }
  EXPECT_EQ(table.memory_bytes(), bytes);
  table.release();
  EXPECT_EQ(table.memory_bytes(), 0);
}

TEST(KeyedTable, visits_a_batch_with_its_slots_fetched) {
  KeyedTable<int64_t, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  std::vector<int64_t> keys;
  for (int64_t i = 0; i < 1'000; ++i) { keys.push_back(i % 77); }
  const auto key_at = [&](uint32_t index) { return keys[index]; };
  uint32_t at = 0;
  while (at < keys.size()) {
    uint32_t budget = 100;
    at = visit_prefetched(table, at, 1'000, key_at, [&](uint32_t index, KeyHash hash) {
      if (budget-- == 0) { return false; }
      ++table.upsert(keys[index], hash);
      return true;
    });
  }
  int64_t total = 0;
  table.for_each([&](int64_t, int64_t count) { total += count; });
  EXPECT_EQ(total, 1'000);
  EXPECT_EQ(table.size(), 77U);
}

TEST(KeyedTable, a_full_pool_is_told_and_nothing_is_lost) {
  MemoryPool pool("job", 64 * 1024);
  {
    KeyedTable<int64_t, int64_t> table(kAllGroups, kMaxParallelism, &pool, "count per key");
    int64_t key = 0;
    while (table.status().ok() && key < 100'000) { table.upsert(key++) = 1; }
    EXPECT_EQ(table.status().id(), ErrorId::kMemoryLimit);
    EXPECT_NE(table.status().message().find("count per key"), std::string::npos);
    EXPECT_LE(pool.used_bytes(), 64 * 1024);
    for (int64_t more = 0; more < 3'000; ++more) { table.upsert(key++) = 1; }
    EXPECT_EQ(table.size(), static_cast<size_t>(key));
  }
  EXPECT_EQ(pool.used_bytes(), 0);
}

TEST(KeyedTable, the_bytes_of_string_keys_are_counted) {
  MemoryPool pool("job", MemoryPool::kUnlimited);
  {
    KeyedTable<std::string, int64_t> table(kAllGroups, kMaxParallelism, &pool);
    for (int32_t i = 0; i < 1'000; ++i) {
      table.upsert(std::string(1'000, 'k') + std::to_string(i));
    }
    EXPECT_TRUE(table.status().ok());
    EXPECT_GT(pool.used_bytes(), 1'000'000);
    EXPECT_EQ(pool.used_bytes(), table.memory_bytes());
    table.erase_if([](const std::string&, int64_t) { return true; });
    EXPECT_TRUE(table.status().ok());
    EXPECT_LT(pool.used_bytes(), 300'000);
    table.upsert(std::string(1'000, 'k'));
    table.clear();
    EXPECT_EQ(pool.used_bytes(), table.memory_bytes());
  }
  EXPECT_EQ(pool.used_bytes(), 0);
}

}  // namespace
}  // namespace tidewheel
