#include "tidewheel/base/utf8.h"

#include <gtest/gtest.h>

namespace tidewheel {
namespace {

TEST(Utf8, a_character_has_its_bytes_and_code) {
  const auto is = [](std::string_view text, size_t bytes, uint32_t code) {
    const Utf8Character found = first_character(text);
    return found.bytes == bytes && found.code == code;
  };
  EXPECT_TRUE(is("ab", 1, 'a'));
  EXPECT_TRUE(is("\xc2\x80x", 2, 0x80));
  EXPECT_TRUE(is("\xe2\x82\xac", 3, 0x20ac));
  EXPECT_TRUE(is("\xef\xbf\xbf", 3, 0xffff));
  EXPECT_TRUE(is("\xf0\x90\x80\x80", 4, 0x10000));
  EXPECT_TRUE(is("\xf4\x8f\xbf\xbf", 4, 0x10ffff));
}

TEST(Utf8, what_is_none_has_no_bytes) {
  for (const std::string_view text :
       {"\x80", "\xc1\x80", "\xff", "\xc3", "\xc3x", "\xe2\x82", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_EQ(first_character(text).bytes, 0U) << text;
  }
}

}  // namespace
}  // namespace tidewheel
