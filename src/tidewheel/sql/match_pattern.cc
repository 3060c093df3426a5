#include "tidewheel/sql/match_pattern.h"

#include <algorithm>

namespace tidewheel::sql {

MatchAutomaton::MatchAutomaton(const MatchSpec& spec)
    : pattern_(spec.pattern), skip_(spec.skip), skip_to_(spec.skip_to) {}

int64_t MatchAutomaton::count_of_last(const Match& match) {
  const size_t before = match.elements.find_last_not_of(match.elements.back());
  const size_t begin = before == std::string::npos ? 0 : before + 1;
  return static_cast<int64_t>(match.elements.size() - begin);
}

// The elements that may take the next row, in order: first that which took the last one.
void MatchAutomaton::list_options(const Match* match, std::vector<int32_t>& options) const {
  options.clear();
  int32_t next = 0;
  if (match != nullptr) {
    const int32_t at = match->elements.back();
    const MatchElement& element = pattern_[static_cast<size_t>(at)];
    const int64_t count = count_of_last(*match);
    if (count < element.most) { options.push_back(at); }
    if (count < element.least) { return; }
    next = at + 1;
  }
  for (; next < static_cast<int32_t>(pattern_.size()); ++next) {
    options.push_back(next);
    if (pattern_[static_cast<size_t>(next)].least > 0) { return; }
  }
}

// All that has to be known about the row, at once.
void MatchAutomaton::ask_all(int64_t, const Ask& ask) {
  questions_.clear();
  answers_.resize(begun_.size() + 1);
  for (size_t m = 0; m <= begun_.size(); ++m) {
    const Match* const match = m < begun_.size() ? &begun_[m] : nullptr;
    std::vector<int8_t>& answers = answers_[m];
    answers.assign(pattern_.size(), -1);
    const auto add = [&](int32_t element) {
      int8_t& answer = answers[static_cast<size_t>(element)];
      if (answer >= 0) { return; }
      answer = 0;
      questions_.push_back({match, element, false});
    };
    list_options(match, options_);
    for (const int32_t option : options_) { add(option); }
    // A greedy element is asked also when it can take no more.
    if (match != nullptr && !options_.empty() &&
        pattern_[static_cast<size_t>(match->elements.back())].is_greedy()) {
      add(match->elements.back());
    }
    // What may be missing at the end is looked through when a match may be complete.
    for (size_t e = pattern_.size(); e-- > 1 && pattern_[e].least == 0;) {
      if (pattern_[e - 1].is_greedy()) { add(static_cast<int32_t>(e - 1)); }
    }
  }
  ask(questions_);
  for (const Question& question : questions_) {
    const size_t m = question.match == nullptr
                         ? begun_.size()
                         : static_cast<size_t>(question.match - begun_.data());
    answers_[m][static_cast<size_t>(question.element)] = question.answer ? 1 : 0;
  }
}

bool MatchAutomaton::is_complete(const Match& match, const std::vector<int8_t>& answers) const {
  const auto at = static_cast<size_t>(match.elements.back());
  if (count_of_last(match) < pattern_[at].least) { return false; }
  for (size_t e = at + 1; e < pattern_.size(); ++e) {
    if (pattern_[e].least > 0) { return false; }
    if (pattern_[e - 1].is_greedy() && answers[e - 1] == 1) { return false; }
  }
  return true;
}

void MatchAutomaton::move_on(const Match* match, const std::vector<int8_t>& answers, int64_t row) {
  list_options(match, options_);
  const int32_t from = match == nullptr ? 0 : match->elements.back();
  for (const int32_t option : options_) {
    if (answers[static_cast<size_t>(option)] != 1) { continue; }
    bool is_left = true;  // by the greedy elements before it
    for (int32_t e = from; e < option; ++e) {
      const bool is_greedy = pattern_[static_cast<size_t>(e)].is_greedy();
      is_left = is_left && !(is_greedy && answers[static_cast<size_t>(e)] == 1);
    }
    if (!is_left) { continue; }
    Match moved = match == nullptr ? Match{row, {}} : *match;
    moved.elements += static_cast<char>(option);
    if (is_complete(moved, answers)) { completed_now_.push_back(moved); }
    const bool is_last = option + 1 == static_cast<int32_t>(pattern_.size());
    if (is_last && count_of_last(moved) >= pattern_.back().most) { continue; }
    next_.push_back(std::move(moved));
  }
}

Status MatchAutomaton::take(int64_t row, const Ask& ask, std::vector<Match>& given) {
  ask_all(row, ask);
  next_.clear();
  completed_now_.clear();
  for (size_t m = 0; m <= begun_.size(); ++m) {
    move_on(m < begun_.size() ? &begun_[m] : nullptr, answers_[m], row);
  }
  begun_.swap(next_);
  for (Match& match : completed_now_) {
    const auto place =
        std::upper_bound(complete_.begin(), complete_.end(), match.start,
                         [](int64_t start, const Match& other) { return start < other.start; });
    complete_.insert(place, std::move(match));
  }
  return give(given);
}

Status MatchAutomaton::forget(const std::function<bool(int64_t row)>& is_over,
                              std::vector<Match>& given) {
  std::erase_if(begun_, [&](const Match& match) { return is_over(match.start); });
  return give(given);
}

// A complete match is given when none that began before it may be completed.
Status MatchAutomaton::give(std::vector<Match>& given) {
  while (!complete_.empty() &&
         (begun_.empty() || begun_.front().start >= complete_.front().start)) {
    Match match = std::move(complete_.front());
    complete_.erase(complete_.begin());
    TIDEWHEEL_RETURN_IF_ERROR(skip_behind(match));
    given.push_back(std::move(match));
  }
  return {};
}

Status MatchAutomaton::skip_behind(const Match& match) {
  int64_t first = 0;  // where the next match may begin
  switch (skip_) {
    case MatchSpec::Skip::kPastLastRow: first = match.last() + 1; break;
    case MatchSpec::Skip::kToNextRow: first = match.start + 1; break;
    case MatchSpec::Skip::kToFirst:
    case MatchSpec::Skip::kToLast: {
      const auto element = static_cast<char>(skip_to_);
      const size_t at = skip_ == MatchSpec::Skip::kToFirst ? match.elements.find(element)
                                                           : match.elements.rfind(element);
      const std::string& variable = pattern_[static_cast<size_t>(skip_to_)].variable;
      if (at == std::string::npos) {
        return invalid_argument(ErrorId::kSqlValue,
                                "AFTER MATCH SKIP can't go to '{}': no row of the match is its own",
                                variable);
      }
      if (at == 0) {
        return invalid_argument(
            ErrorId::kSqlValue,
            "AFTER MATCH SKIP to '{}' goes to the first row of the match, which "
            "would be found again and again",
            variable);
      }
      first = match.start + static_cast<int64_t>(at);
      break;
    }
  }
  const auto is_skipped = [&](const Match& other) { return other.start < first; };
  std::erase_if(begun_, is_skipped);
  std::erase_if(complete_, is_skipped);
  return {};
}

}  // namespace tidewheel::sql
