#include "tidewheel/base/text_width.h"

#include <gtest/gtest.h>

namespace tidewheel {
namespace {

TEST(TextWidth, is_that_of_a_terminal) {
  EXPECT_EQ(text_width(""), 0U);
  EXPECT_EQ(text_width("abc"), 3U);
  EXPECT_EQ(text_width("äö€"), 3U);
  EXPECT_EQ(text_width("日本語"), 6U);
  EXPECT_EQ(text_width("ｆ"), 2U);
  EXPECT_EQ(text_width("한글"), 4U);
  EXPECT_EQ(text_width("😀!"), 3U);
  EXPECT_EQ(text_width("e\xcc\x81"), 1U);  // a mark on its letter
  EXPECT_EQ(text_width("\xff\xc3"), 2U);   // not UTF-8
  EXPECT_EQ(text_width("\xe6\x97"), 2U);   // cut short
}

TEST(TextWidth, counts_whole_characters) {
  EXPECT_EQ(bytes_in_width("abc", 2), 2U);
  EXPECT_EQ(bytes_in_width("abc", 9), 3U);
  EXPECT_EQ(bytes_in_width("日本", 3), 3U);
  EXPECT_EQ(bytes_in_width("日本", 1), 0U);
  EXPECT_EQ(bytes_in_width("e\xcc\x81x", 1), 3U);
}

}  // namespace
}  // namespace tidewheel
