#include "tidewheel/sql/text_needle.h"

#include <gtest/gtest.h>

#include <string>

namespace tidewheel::sql {
namespace {

TEST(TextNeedle, equals_the_same_bytes_and_no_others) {
  for (size_t size = 0; size < 20; ++size) {  // up to 16 are compared at once
    const std::string text = std::string("abcdefghijklmnopqrstuvwxyz").substr(0, size);
    const TextNeedle needle{Text(text)};
    EXPECT_TRUE(needle.equals(Text(text)));
    EXPECT_FALSE(needle.equals(Text("abcdefghijklmnopqrstuvwxyz", size + 1)));
    for (size_t i = 0; i < size; ++i) {
      std::string other = text;
      other[i] = '#';
      EXPECT_FALSE(needle.equals(Text(other))) << size << " bytes, another one at " << i;
    }
  }
}

}  // namespace
}  // namespace tidewheel::sql
