#include "tidewheel/sql/plain_regex.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <random>
#include <string>

namespace tidewheel::sql {
namespace {

using Outcome = PlainRegex::Outcome;

bool is_plain(std::string_view pattern) { return PlainRegex::compile(pattern).has_value(); }

TEST(PlainRegex, what_needs_no_look_back_is_plain) {
  for (const char* const pattern :
       {"c", "abc", "(&|^)channel_id=([^&]*)", "^[a-z]+[0-9]*$", "a\\.b", "(?P<x>\\d+)-(\\d+)",
        "x?y", "[^,]*,([^,]*)", "(?:ab|cd)e", "[]a^-]"}) {
    EXPECT_TRUE(is_plain(pattern)) << pattern;
  }
}

TEST(PlainRegex, what_may_have_to_give_back_is_not) {
  for (const char* const pattern :
       {"", "a*a", ".*b", "[a-z]+(a|b)", "a|b", "(a*|b)c", "a*?b", "a{2}", "(?i)a", "((a)b)",
        "(a)*", "\\bx", "\xc3\xa4", "[[:alpha:]]", "a**"}) {
    EXPECT_FALSE(is_plain(pattern)) << pattern;
  }
}

TEST(PlainRegex, a_text_is_known_as_one) {
  EXPECT_EQ(PlainRegex::compile("a\\.b")->literal(), "a.b");
  EXPECT_EQ(PlainRegex::compile("a.b")->literal(), "");
  EXPECT_EQ(PlainRegex::compile("(ab)")->literal(), "");
}

TEST(PlainRegex, characters_beyond_ascii_are_left_to_others) {
  PlainRegex::Groups groups;
  const auto regex = PlainRegex::compile("a([^&]*)");
  EXPECT_EQ(regex->match_at("ab&\xc3\xa4", 0, groups), Outcome::kMatch);
  EXPECT_EQ(groups[1].end, 2u);
  EXPECT_EQ(regex->match_at("ab\xc3\xa4", 0, groups), Outcome::kUnknown);
}

// Expressions of few letters, so that many match; those that are not plain are passed over.
TEST(PlainRegex, matches_are_those_of_re2) {
  std::mt19937 random(7);
  const auto pick = [&](size_t count) { return random() % count; };
  const char* const atoms[] = {"a", "b", "c", "[ab]", "[^a]", ".", "\\d", "1", "^", "$"};
  const char* const marks[] = {"", "", "", "*", "+", "?"};
  const auto piece = [&] { return std::string(atoms[pick(10)]) + marks[pick(6)]; };
  int plain = 0;
  int matches = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string pattern;
    for (size_t i = 0, n = 1 + pick(5); i < n; ++i) {
      const size_t form = pick(4);
      pattern += form == 0   ? "(" + piece() + piece() + ")"
                 : form == 1 ? "(" + std::string(atoms[pick(10)]) + "|" + atoms[pick(10)] + ")"
                             : piece();
    }
    const RE2 expected(pattern, RE2::Quiet);
    const auto regex = PlainRegex::compile(pattern);
    if (!regex || !expected.ok()) { continue; }
    ++plain;
    for (int t = 0; t < 10; ++t) {
      std::string text;
      for (size_t i = 0, n = pick(8); i < n; ++i) { text += "abc1"[pick(4)]; }
      const size_t at = pick(text.size() + 1);
      re2::StringPiece groups[PlainRegex::kGroupsMax];
      const bool matched = expected.Match(text, at, text.size(), RE2::ANCHOR_START, groups,
                                          static_cast<int>(regex->group_count()) + 1);
      PlainRegex::Groups found;
      ASSERT_EQ(regex->match_at(text, at, found), matched ? Outcome::kMatch : Outcome::kNone)
          << pattern << " on " << text << " at " << at;
      for (size_t g = 0; matched && g <= regex->group_count(); ++g) {
        ASSERT_EQ(text.substr(found[g].begin, found[g].end - found[g].begin),
                  std::string(groups[g].data(), groups[g].size()))
            << pattern << " on " << text << " at " << at << ", group " << g;
      }
      matches += matched ? 1 : 0;
    }
  }
  EXPECT_GT(plain, 2'000);
  EXPECT_GT(matches, 2'000);
}

}  // namespace
}  // namespace tidewheel::sql
