#include "tidewheel/sql/inline_text.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tidewheel/base/random.h"
#include "tidewheel/state/keyed_table.h"

namespace tidewheel::sql {
namespace {

std::string some_text(Random& random) {
  std::string text(random.below(40), 'x');
  for (char& c : text) { c = static_cast<char>(random.below(3)); }
  return text;
}

TEST(InlineText, is_its_bytes) {
  for (size_t size = 0; size < 60; ++size) {
    const std::string bytes(size, 'a');
    const InlineText text{Text(bytes)};
    EXPECT_EQ(text.text(), bytes);
    EXPECT_EQ(text.is_long(), size > InlineText::kBytesMost);
    const std::string longer = bytes + '\0';
    EXPECT_FALSE(text == InlineText(Text(longer)));
    std::string other = bytes;
    for (char& c : other) {
      c = 'b';
      EXPECT_FALSE(text == InlineText(Text(other)));
      c = 'a';
    }
    EXPECT_TRUE(text == InlineText(Text(other)));
  }
}

TEST(InlineText, hashes_and_is_written_as_text_is) {
  Random random(1);
  StateBytes one;
  StateBytes two;
  for (int i = 0; i < 200; ++i) {
    const std::string bytes = some_text(random);
    const Text text(bytes);
    EXPECT_EQ(key_hash(InlineText(text), 128), key_hash(text, 128));
    EXPECT_EQ(hash64(InlineText(text)), hash64(text));
    EXPECT_EQ(hash32(InlineText(text)), hash32(text));
    EXPECT_EQ(one.encode(InlineText(text)), two.encode(text));
  }
  EXPECT_EQ(encoded_schema<InlineText>(), encoded_schema<Text>());
}

// Of a table, whose keys come from bytes that change, and go.
TEST(InlineText, a_table_owns_long_keys) {
  Random random(2);
  KeyedTable<InlineText, uint32_t> table({0, 127}, 128, nullptr);
  std::map<std::string, uint32_t> expected;
  for (uint32_t i = 0; i < 20'000; ++i) {
    std::string bytes = some_text(random);
    const InlineText key{Text(bytes)};
    if (random.chance(0.3)) {
      EXPECT_EQ(table.erase(key, table.hash_of(key)), expected.erase(bytes) > 0);
    } else {
      table.upsert(key, table.hash_of(key)) = i;
      expected[bytes] = i;
    }
    bytes.assign(bytes.size(), '?');
  }
  size_t count = 0;
  table.for_each([&](const InlineText& key, uint32_t value) {
    const auto found = expected.find(key.text().str());
    ASSERT_NE(found, expected.end());
    EXPECT_EQ(found->second, value);
    ++count;
  });
  EXPECT_EQ(count, expected.size());
  table.erase_if([](const InlineText&, uint32_t) { return true; });
  EXPECT_EQ(table.outside_bytes(), 0);
}

}  // namespace
}  // namespace tidewheel::sql
