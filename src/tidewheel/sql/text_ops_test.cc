#include "tidewheel/sql/text_ops.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace tidewheel::sql {
namespace {

// Texts of all sizes about those that are looked at at once.
TEST(TextOps, parts_between_separators_are_those_that_a_loop_finds) {
  std::mt19937 random(3);
  for (size_t size = 1; size < 200; ++size) {
    std::string text;
    const size_t rarity = 2 + random() % 40;
    for (size_t i = 0; i < size; ++i) { text += random() % rarity == 0 ? '/' : 'x'; }
    std::vector<std::string> parts(1);
    for (const char c : text) {
      if (c == '/') {
        parts.emplace_back();
      } else {
        parts.back() += c;
      }
    }
    // At the end of its memory, which nothing behind may be read of.
    const std::vector<char> bytes(text.begin(), text.end());
    for (size_t i = 0; i < parts.size() + 2; ++i) {
      std::string_view part;
      const bool is_there =
          split_part({bytes.data(), bytes.size()}, "/", static_cast<int64_t>(i), part);
      ASSERT_EQ(is_there, i < parts.size()) << text << " part " << i;
      if (is_there) { ASSERT_EQ(part, parts[i]) << text << " part " << i; }
    }
  }
}

TEST(TextOps, many_texts_are_split_as_each_by_itself) {
  std::mt19937 random(7);
  std::vector<std::vector<char>> bytes;  // each at the end of its memory
  std::vector<Text> texts;
  std::vector<uint8_t> active;
  for (size_t i = 0; i < 2000; ++i) {
    auto& one = bytes.emplace_back(random() % 150);
    const size_t rarity = 1 + random() % 30;
    for (char& c : one) { c = random() % rarity == 0 ? '/' : 'x'; }
    texts.emplace_back(one.data(), one.size());
    active.push_back(random() % 4 == 0 ? 0 : 1);
  }
  std::vector<Text> parts(texts.size());
  std::vector<uint8_t> there(texts.size());
  for (const int64_t index : {-1, 0, 1, 2, 5, 30, 62, 63, 64, 65, 100}) {
    for (const bool of_some : {false, true}) {
      const uint8_t* const asked = of_some ? active.data() : nullptr;
      split_parts(texts, asked, '/', index, parts.data(), there.data());
      for (size_t i = 0; i < texts.size(); ++i) {
        std::string_view part;
        const bool is_asked = asked == nullptr || asked[i] != 0;
        const bool is_there = !is_asked || split_part(texts[i].view(), "/", index, part);
        ASSERT_EQ(there[i] != 0, is_there) << texts[i] << " part " << index;
        ASSERT_EQ(parts[i], part) << texts[i] << " part " << index;
      }
    }
  }
}

TEST(TextOps, a_text_is_found_where_a_search_byte_by_byte_finds_it) {
  std::mt19937 random(5);
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t i = 0, n = random() % 150; i < n; ++i) { text += "aab"[random() % 3]; }
    std::string part;
    for (size_t i = 0, n = 1 + random() % 12; i < n; ++i) { part += "aab"[random() % 3]; }
    const size_t from = random() % (text.size() + 1);
    const std::vector<char> bytes(text.begin(), text.end());
    ASSERT_EQ(find_text({bytes.data(), bytes.size()}, part, from), text.find(part, from))
        << text << " from " << from << " " << part;
  }
}

}  // namespace
}  // namespace tidewheel::sql
