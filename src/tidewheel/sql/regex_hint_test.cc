#include "tidewheel/sql/regex_hint.h"

#include <gtest/gtest.h>

namespace tidewheel::sql {
namespace {

TEST(RegexHint, a_string_that_each_match_has_is_found) {
  EXPECT_EQ(find_regex_hint("channel_id=").literal, "channel_id=");
  const RegexHint hint = find_regex_hint("(&|^)channel_id=([^&]*)");
  EXPECT_EQ(hint.literal, "channel_id=");
  EXPECT_EQ(hint.bytes_before_max, 1u);
  EXPECT_EQ(find_regex_hint("^a\\.b[0-9]+").literal, "a.b");
  EXPECT_EQ(find_regex_hint("(?P<x>ab?)cd").literal, "cd");
  EXPECT_EQ(find_regex_hint("(?P<x>ab?)cd").bytes_before_max, 2u);
  // The last character belongs to its repetition.
  EXPECT_EQ(find_regex_hint("abc*").literal, "ab");
  EXPECT_EQ(find_regex_hint(".\\dxy{2}xyz").literal, "");
  EXPECT_EQ(find_regex_hint("[]a^]xyz").literal, "xyz");
  EXPECT_EQ(find_regex_hint("[]a^]xyz").bytes_before_max, 4u);
}

TEST(RegexHint, what_may_lie_anywhere_gives_none) {
  for (const char* const pattern :
       {"", "a", "ab|cd", "(ab|cd)*ef", "(?i)abc", "a*bcd", "(a*)bcd", "[a-z]+bc", "a?", "\\pLabc",
        "\\Qa|b\\E", "(?:(?i)a)bc", "[[:alpha:]]abc", "x{2,3}abc", "(a{2,}|b)cde"}) {
    EXPECT_EQ(find_regex_hint(pattern).literal, "") << pattern;
  }
}

}  // namespace
}  // namespace tidewheel::sql
