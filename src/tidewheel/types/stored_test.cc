#include "tidewheel/types/stored.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tidewheel/base/memory_pool.h"

namespace tidewheel {
namespace {

struct Bid {
  int64_t auction = 0;
  Text channel;
  Text url;
};
static_assert(sizeof(Stored<int64_t>) == sizeof(int64_t));
static_assert(sizeof(Stored<Text>) == 24);

TEST(stored, blocks_hold_what_they_promise_at_every_size) {
  TextHeap heap;
  std::vector<std::pair<TextBlock, size_t>> blocks;
  for (size_t bytes = 1; bytes < 200'000; bytes += 1 + bytes / 7) {
    const TextBlock block = heap.allocate(bytes);
    ASSERT_GE(heap.capacity(block), bytes);
    if (bytes > 128) { ASSERT_LE(heap.capacity(block), bytes + bytes / 4 + 8); }
    std::memset(heap.address(block), static_cast<int>(bytes & 0xff), heap.capacity(block));
    blocks.emplace_back(block, bytes);
  }
  for (const auto& [block, bytes] : blocks) {
    const char expected = static_cast<char>(bytes & 0xff);
    ASSERT_EQ(heap.address(block)[0], expected);
    ASSERT_EQ(heap.address(block)[heap.capacity(block) - 1], expected);
  }
  for (const auto& [block, bytes] : blocks) { heap.free(block); }
  EXPECT_EQ(heap.live_bytes(), 0);
}

TEST(stored, a_heap_that_has_become_large_takes_pairs_of_chunks_and_gives_all_back) {
  MemoryPool pool("job", MemoryPool::kUnlimited);
  TextHeap heap(&pool);
  std::vector<TextBlock> blocks;
  const TextBlock large = heap.allocate(20 << 20);  // makes the heap large before it has chunks
  for (int round = 0; round < 1200; ++round) {
    blocks.push_back(heap.allocate(32 * 1024));
    std::memset(heap.address(blocks.back()), round & 0x7f, heap.capacity(blocks.back()));
    if (round == 100) { heap.free(large); }  // and small again, between two of a pair
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const char expected = static_cast<char>(i & 0x7f);
    ASSERT_EQ(heap.address(blocks[i])[0], expected);
    ASSERT_EQ(heap.address(blocks[i])[heap.capacity(blocks[i]) - 1], expected);
  }
  EXPECT_EQ(pool.used_bytes(), heap.memory_bytes());
  EXPECT_LE(heap.memory_bytes(), heap.live_bytes() + (4 << 20));
  TextHeap other;
  other.swap(heap);
  other.clear();
  EXPECT_EQ(pool.used_bytes(), 0);
}

TEST(stored, values_own_their_text) {
  TextHeap heap;
  Stored<Bid> stored;
  std::string channel = "web";
  std::string url = "http://example.org";
  stored.store(Bid{1, Text(channel), Text(url)}, heap);
  channel.assign("XXX");
  url.assign(url.size(), 'X');
  EXPECT_EQ(stored.value.channel, "web");
  EXPECT_EQ(stored.value.url, "http://example.org");
  const TextBlock before = stored.block;
  stored.store(Bid{2, "app", "http://example.com"}, heap);
  EXPECT_EQ(stored.block.slot, before.slot);  // as large: in place
  EXPECT_EQ(stored.value.channel, "app");
  stored.store(Bid{3, "", ""}, heap);
  EXPECT_EQ(heap.live_bytes(), 0);
  stored.release(heap);
}

TEST(stored, a_value_can_be_made_of_itself) {
  TextHeap heap;
  Stored<Bid> stored;
  stored.store(Bid{1, "abcd", "efgh"}, heap);
  stored.store(Bid{1, stored.value.url, stored.value.channel}, heap);
  EXPECT_EQ(stored.value.channel, "efgh");
  EXPECT_EQ(stored.value.url, "abcd");
}

TEST(stored, settle_takes_what_was_assigned_in_place) {
  TextHeap heap;
  Stored<Bid> stored;
  stored.store(Bid{1, "abcd", "efgh"}, heap);
  stored.value.auction = 5;
  const TextBlock before = stored.block;
  stored.settle(heap);
  EXPECT_EQ(stored.block.slot, before.slot);
  std::string other = "from elsewhere";
  stored.value.url = other;
  stored.settle(heap);
  other.assign(other.size(), 'X');
  EXPECT_EQ(stored.value.channel, "abcd");
  EXPECT_EQ(stored.value.url, "from elsewhere");
  stored.value = Bid{};
  stored.settle(heap);
  EXPECT_EQ(heap.live_bytes(), 0);
}

TEST(stored, lasting_text_is_kept_without_a_copy) {
  const ArenaRef table = Arena::create();
  const Text channel = table->copy("a channel's name in a table");
  table->mark_lasting();
  LastingTexts lasting;
  TextHeap heap;
  heap.use_lasting(&lasting);
  const std::string passing = "https://example.org/passing";
  Stored<Bid> before, after;
  before.store({1, channel, Text(std::string_view(passing))}, heap);
  EXPECT_NE(before.value.channel.data(), channel.data());

  lasting.keep(table);
  after.store({2, channel, Text(std::string_view(passing))}, heap);
  EXPECT_EQ(after.value.channel.data(), channel.data());
  EXPECT_NE(after.value.url.data(), passing.data());
  EXPECT_EQ(heap.capacity(after.block), (passing.size() + 7) / 8 * 8);
  after.settle(heap);
  EXPECT_EQ(after.value.channel.data(), channel.data());

  // A value of lasting text alone needs no block; a copied one keeps what it has.
  after.store({3, channel, Text()}, heap);
  EXPECT_FALSE(after.block);
  EXPECT_EQ(before.value.channel, channel);
  EXPECT_EQ(before.value.url, Text(std::string_view(passing)));
}

TEST(stored, arenas_that_do_not_last_are_not_kept) {
  const ArenaRef arena = Arena::create();
  const Text text = arena->copy("comes with a batch");
  LastingTexts lasting;
  lasting.keep(arena);
  EXPECT_TRUE(lasting.empty());
  EXPECT_FALSE(lasting.holds(text));
  EXPECT_TRUE(arena->is_unique());
}

TEST(stored, random_churn_keeps_every_value) {
  TextHeap heap;
  std::mt19937_64 random(7);
  std::vector<Stored<Text>> stored(500);
  std::vector<std::string> expected(500);
  for (int i = 0; i < 50'000; ++i) {
    const size_t index = random() % stored.size();
    if (random() % 4 == 0) {
      stored[index].store(Text(), heap);
      expected[index].clear();
    } else {
      const size_t size = random() % 100 == 0 ? random() % 100'000 : random() % 300;
      expected[index].assign(size, static_cast<char>('a' + random() % 26));
      stored[index].store(Text(expected[index]), heap);
    }
  }
  for (size_t i = 0; i < stored.size(); ++i) { ASSERT_EQ(stored[i].value, expected[i]); }
  for (auto& one : stored) { one.release(heap); }
  EXPECT_EQ(heap.live_bytes(), 0);
}

TEST(stored, memory_is_charged_to_its_pool) {
  MemoryPool pool("job", MemoryPool::kUnlimited);
  {
    TextHeap heap(&pool);
    Stored<Text> stored;
    stored.store("some text", heap);
    EXPECT_GT(pool.used_bytes(), 0);
    EXPECT_EQ(pool.used_bytes(), heap.memory_bytes());
    const TextBlock large = heap.allocate(1'000'000);
    EXPECT_GE(pool.used_bytes(), 1'000'000);
    heap.free(large);
    EXPECT_LT(pool.used_bytes(), 1'000'000);
    TextHeap moved = std::move(heap);
    EXPECT_EQ(stored.value, "some text");
  }
  EXPECT_EQ(pool.used_bytes(), 0);
}

}  // namespace
}  // namespace tidewheel
