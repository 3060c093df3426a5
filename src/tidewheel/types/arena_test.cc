#include "tidewheel/types/arena.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidewheel {
namespace {

TEST(arena, copied_bytes_stay_where_they_are) {
  ArenaRef arena = Arena::create();
  std::vector<Text> texts;
  for (int i = 0; i < 10000; ++i) { texts.push_back(arena->copy("value " + std::to_string(i))); }
  for (int i = 0; i < 10000; ++i) {
    EXPECT_EQ(texts[static_cast<size_t>(i)], "value " + std::to_string(i));
  }
}

TEST(arena, reset_keeps_the_memory_but_for_oversized_chunks) {
  ArenaRef arena = Arena::create();
  for (int i = 0; i < 100; ++i) { arena->allocate(1000); }
  const int64_t held = arena->memory_bytes();
  EXPECT_GE(arena->used_bytes(), 100'000);
  arena->reset();
  EXPECT_EQ(arena->used_bytes(), 0);
  EXPECT_EQ(arena->memory_bytes(), held);
  for (int i = 0; i < 100; ++i) { arena->allocate(1000); }
  EXPECT_EQ(arena->memory_bytes(), held);
  arena->allocate(5 * Arena::kChunkBytesMax);
  arena->reset();
  EXPECT_EQ(arena->memory_bytes(), held);
}

TEST(arena, recycle_lets_go_of_a_shared_arena) {
  ArenaRef mine = Arena::create();
  const Text text = mine->copy("kept");
  ArenaRef other = mine;
  EXPECT_FALSE(mine->is_unique());
  mine.recycle();
  EXPECT_FALSE(mine);
  EXPECT_EQ(text, "kept");
  EXPECT_TRUE(other->is_unique());
  Arena* before = other.get();
  other.recycle();
  EXPECT_EQ(other.get(), before);
}

TEST(arena, external_owners_live_as_long) {
  auto table = std::make_shared<std::string>("static");
  std::weak_ptr<std::string> watch = table;
  ArenaRef arena = Arena::external(table);
  table.reset();
  EXPECT_FALSE(watch.expired());
  arena.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(arena, shrink_gives_back_the_end) {
  ArenaRef arena = Arena::create();
  char* bytes = arena->allocate(100);
  arena->shrink_to(bytes + 10);
  EXPECT_EQ(arena->allocate(1), bytes + 10);
}

TEST(text, compares_with_every_kind_of_string) {
  const Text text = "abc";
  const std::string same = "abc";
  EXPECT_TRUE(text == same);
  EXPECT_TRUE(same == text);
  EXPECT_TRUE(text == "abc");
  EXPECT_TRUE("abc" == text);
  EXPECT_TRUE(text == std::string_view("abc"));
  EXPECT_TRUE(std::string_view("abc") == text);
  EXPECT_TRUE(text == "abc"_text);
  EXPECT_TRUE(text != "abd");
  EXPECT_TRUE(text < "abd");
  EXPECT_TRUE("abd" > text);
  EXPECT_TRUE(Text() < text);
  EXPECT_TRUE(text.starts_with("ab"));
  EXPECT_EQ(text.substr(1), "bc");
  EXPECT_EQ(std::string(text), same);
}

static_assert(std::is_trivially_copyable_v<Text>);
static_assert(!std::is_constructible_v<Text, std::string&&>);

}  // namespace
}  // namespace tidewheel
