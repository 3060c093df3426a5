#include "tidewheel/types/byte_blocks.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace tidewheel {
namespace {

bool has_special(std::string_view text) {
  return any_block(text, [](ByteBlock block) {
    return block.below(0x20) | block.equal('"') | block.equal('z');
  });
}

TEST(ByteBlocks, find_a_byte_wherever_it_is_and_nothing_else) {
  for (size_t size = 0; size < 70; ++size) {
    // Exactly so many bytes, so that a sanitizer sees what is read beyond them.
    const std::string plain(size, '!');
    EXPECT_FALSE(has_special(plain)) << size;
    for (size_t at = 0; at < size; ++at) {
      for (const char c : {'"', 'z', '\x1f', '\0', '\x80', '\xff'}) {
        std::string text = plain;
        text[at] = c;
        EXPECT_TRUE(has_special(text)) << size << " " << at;
      }
    }
  }
}

TEST(ByteBlocks, say_the_same_as_a_loop) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random() % 40, 'a');
    for (char& c : text) { c = static_cast<char>(' ' + random() % 95); }
    EXPECT_EQ(has_special(text), text.find_first_of("\"z") != std::string::npos) << text;
  }
}

}  // namespace
}  // namespace tidewheel
