// The automaton of MATCH_RECOGNIZE for one partition: matches that have begun, and how a row moves
// them on. Knows rows by number and conditions by asking; what they are is its owner's business.
//
// A match is the number of its first row and, for each row, the element of the pattern that took
// it. Rows follow each other without a gap, so that is all there is.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/match_recognize.h"

namespace tidewheel::sql {

struct Match {
  int64_t start = 0;
  std::string elements;  // of each row: the number of its element

  int64_t last() const { return start + static_cast<int64_t>(elements.size()) - 1; }
  friend bool operator==(const Match&, const Match&) = default;
};

// One thread.
class MatchAutomaton {
 public:
  explicit MatchAutomaton(const MatchSpec& spec);

  // Matches that have begun, and complete ones that wait for such that began before them.
  std::vector<Match>& begun() { return begun_; }
  std::vector<Match>& complete() { return complete_; }

  // What is asked about a row: whether it satisfies the condition of `element` behind `match`
  // (null: as the first row of one).
  struct Question {
    const Match* match = nullptr;
    int32_t element = 0;
    bool answer = false;
  };
  using Ask = std::function<void(std::vector<Question>& questions)>;

  // Row `row` comes. Matches that can be given now are appended to `given`.
  // Errors: kSqlValue when the next match would begin where this one did.
  Status take(int64_t row, const Ask& ask, std::vector<Match>& given);
  // Forgets matches that began with a row for which `is_over(row)`, and have not been completed.
  Status forget(const std::function<bool(int64_t row)>& is_over, std::vector<Match>& given);

 private:
  void list_options(const Match* match, std::vector<int32_t>& options) const;
  void ask_all(int64_t row, const Ask& ask);
  void move_on(const Match* match, const std::vector<int8_t>& answers, int64_t row);
  bool is_complete(const Match& match, const std::vector<int8_t>& answers) const;
  Status give(std::vector<Match>& given);
  Status skip_behind(const Match& match);
  static int64_t count_of_last(const Match& match);

  const std::vector<MatchElement> pattern_;
  const MatchSpec::Skip skip_;
  const int32_t skip_to_;
  std::vector<Match> begun_;     // in the order of their first rows
  std::vector<Match> complete_;  // likewise
  std::vector<Match> next_;
  std::vector<Match> completed_now_;
  std::vector<Question> questions_;
  std::vector<int32_t> options_;
  std::vector<std::vector<int8_t>> answers_;  // by match; the last: of a match that begins
};

}  // namespace tidewheel::sql
