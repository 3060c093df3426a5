#include "tidewheel/sql/match_pattern.h"

#include <gtest/gtest.h>

#include <utility>

namespace tidewheel::sql {
namespace {

using Skip = MatchSpec::Skip;

// Rows are letters that say which variables they may be: "ab" is one of both. A match is written as
// its first row and the variables of its rows: "0:abb".
class Matcher {
 public:
  explicit Matcher(std::vector<MatchElement> pattern, Skip skip = Skip::kPastLastRow,
                   int32_t skip_to = -1)
      : automaton_([&] {
          spec_.pattern = std::move(pattern);
          spec_.skip = skip;
          spec_.skip_to = skip_to;
          return spec_;
        }()) {}

  std::vector<std::string> take(const std::vector<std::string>& rows) {
    std::vector<Match> given;
    for (const std::string& row : rows) {
      status_ = automaton_.take(
          next_++,
          [&](std::vector<MatchAutomaton::Question>& questions) {
            for (auto& question : questions) {
              const std::string& variable =
                  spec_.pattern[static_cast<size_t>(question.element)].variable;
              question.answer = row.find(variable) != std::string::npos;
            }
          },
          given);
      if (!status_.ok()) { break; }
    }
    return texts(given);
  }
  std::vector<std::string> forget_before(int64_t row) {
    std::vector<Match> given;
    status_ = automaton_.forget([&](int64_t start) { return start < row; }, given);
    return texts(given);
  }
  const Status& status() const { return status_; }

 private:
  std::vector<std::string> texts(const std::vector<Match>& matches) const {
    std::vector<std::string> out;
    for (const Match& match : matches) {
      std::string text = std::to_string(match.start) + ":";
      for (const char element : match.elements) {
        text += spec_.pattern[static_cast<size_t>(element)].variable;
      }
      out.push_back(std::move(text));
    }
    return out;
  }

  MatchSpec spec_;
  MatchAutomaton automaton_;
  int64_t next_ = 0;
  Status status_;
};

using Texts = std::vector<std::string>;
constexpr int64_t kAny = INT64_MAX;
MatchElement one(const char* variable) { return {variable, 1, 1, false}; }

TEST(MatchPattern, a_greedy_element_leaves_no_row_that_it_can_take) {
  Matcher matcher({one("a"), {"b", 0, kAny, false}, one("c")});
  EXPECT_EQ(matcher.take({"a", "b", "bc", "c", "b"}), Texts{"0:abbc"});
}

TEST(MatchPattern, a_reluctant_element_leaves_rows_to_those_behind_it) {
  Matcher matcher({one("a"), {"b", 0, kAny, true}, one("c")});
  EXPECT_EQ(matcher.take({"a", "b", "bc", "c"}), Texts{"0:abc"});
}

TEST(MatchPattern, a_row_that_fits_nowhere_ends_a_match) {
  Matcher matcher({one("a"), {"b", 1, kAny, false}, one("c")});
  EXPECT_EQ(matcher.take({"a", "b", "x", "c", "a", "b", "c"}), Texts{"4:abc"});
}

TEST(MatchPattern, elements_may_be_missing_and_have_bounds) {
  Matcher optional({one("a"), {"b", 0, 1, false}, one("c")});
  EXPECT_EQ(optional.take({"a", "c", "a", "b", "c", "a", "b", "b"}), (Texts{"0:ac", "2:abc"}));
  Matcher bounded({one("a"), {"b", 2, 3, false}, one("c")});
  EXPECT_EQ(bounded.take({"a", "b", "c", "a", "b", "b", "c", "a", "b", "b", "b", "c", "a", "b", "b",
                          "b", "b", "c"}),
            (Texts{"3:abbc", "7:abbbc"}));
  Matcher exact({{"a", 2, 2, false}});
  EXPECT_EQ(exact.take({"a", "a", "a", "x", "a", "a"}), (Texts{"0:aa", "4:aa"}));
}

TEST(MatchPattern, the_next_match_begins_where_it_is_told_to) {
  const std::vector<MatchElement> pattern{{"a", 1, kAny, false}, one("b")};
  const Texts rows{"a", "a", "a", "b"};
  EXPECT_EQ(Matcher(pattern).take(rows), Texts{"0:aaab"});
  EXPECT_EQ(Matcher(pattern, Skip::kToNextRow).take(rows), (Texts{"0:aaab", "1:aab", "2:ab"}));
  const std::vector<MatchElement> two{{"a", 2, kAny, false}, one("b")};
  EXPECT_EQ(Matcher(two, Skip::kToNextRow).take(rows), (Texts{"0:aaab", "1:aab"}));
  EXPECT_EQ(Matcher(two, Skip::kToLast, 0).take(rows), Texts{"0:aaab"});
  EXPECT_EQ(Matcher(pattern, Skip::kToFirst, 1).take(rows), Texts{"0:aaab"});
}

TEST(MatchPattern, a_match_can_not_begin_where_the_one_before_did) {
  Matcher matcher({one("a"), one("b")}, Skip::kToFirst, 0);
  EXPECT_EQ(matcher.take({"a", "b"}), Texts{});
  EXPECT_EQ(matcher.status().id(), ErrorId::kSqlValue);
  Matcher missing({one("a"), {"b", 0, 1, false}, one("c")}, Skip::kToFirst, 1);
  EXPECT_EQ(missing.take({"a", "c"}), Texts{});
  EXPECT_EQ(missing.status().id(), ErrorId::kSqlValue);
}

TEST(MatchPattern, matches_that_are_complete_at_once_are_given_by_their_first_rows) {
  Matcher matcher({one("a"), {"b", 0, kAny, false}, one("c")}, Skip::kToNextRow);
  EXPECT_EQ(matcher.take({"a", "ab", "bc"}), Texts{});
  EXPECT_EQ(matcher.take({"c"}), (Texts{"0:abbc", "1:abc"}));
}

TEST(MatchPattern, a_complete_match_waits_for_what_began_before_it) {
  MatchSpec spec;
  spec.pattern = {one("a"), one("b"), one("c")};
  MatchAutomaton automaton(spec);
  const Match earlier{0, std::string(1, 0)};
  const Match later{1, std::string(1, 0)};
  automaton.begun() = {earlier};
  automaton.complete() = {later};
  std::vector<Match> given;
  ASSERT_TRUE(automaton.forget([](int64_t) { return false; }, given).ok());
  EXPECT_TRUE(given.empty());
  ASSERT_TRUE(automaton.forget([](int64_t row) { return row == 0; }, given).ok());
  EXPECT_EQ(given, std::vector<Match>{later});
}

}  // namespace
}  // namespace tidewheel::sql
