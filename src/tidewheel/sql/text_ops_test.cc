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

}  // namespace
}  // namespace tidewheel::sql
