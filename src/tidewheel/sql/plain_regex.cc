#include "tidewheel/sql/plain_regex.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace tidewheel::sql {

// Reads an expression; whatever it does not know makes it not plain.
class PlainRegexParser {
 public:
  using Step = PlainRegex::Step;
  using Class = PlainRegex::Class;
  explicit PlainRegexParser(std::string_view pattern) : pattern_(pattern) {}

  bool parse(PlainRegex& to) {
    size_t choices = 0;
    while (at_ < pattern_.size()) {
      if (pattern_[at_] != '(') {
        if (!take_step(to.steps_)) { return false; }
        continue;
      }
      if (!take_group(to, choices)) { return false; }
    }
    return choices <= kChoicesMax;
  }

 private:
  static constexpr size_t kChoicesMax = 3;  // each may be tried with all branches of the others

  char peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  static Class one(char c) {
    Class made;
    made.set(static_cast<unsigned char>(c));
    return made;
  }
  static bool is_word(unsigned char c) { return std::isalnum(c) != 0 || c == '_'; }

  // A character, class or assertion with what says how often.
  bool take_step(std::vector<Step>& steps) {
    Step step;
    if (!take_atom(step)) { return false; }
    const char c = peek();
    if (c == '{') { return false; }
    if (c == '*' || c == '+' || c == '?') {
      if (step.kind != Step::Kind::kOne) { return false; }
      step.kind = c == '*' ? Step::Kind::kAny : c == '+' ? Step::Kind::kSome : Step::Kind::kMaybe;
      ++at_;
      if (peek() == '?' || peek() == '+' || peek() == '*' || peek() == '{') { return false; }
    }
    steps.push_back(std::move(step));
    return true;
  }
  bool take_atom(Step& step) {
    const char c = pattern_[at_];
    if (static_cast<unsigned char>(c) >= 0x80 || c == '\0') { return false; }
    if (std::string_view("|()*+?{}").find(c) != std::string_view::npos) { return false; }
    if (c == '[') { return take_class(step.characters); }
    if (c == '\\') { return take_escape(step.characters); }
    ++at_;
    if (c == '^') {
      step.kind = Step::Kind::kBegin;
    } else if (c == '$') {
      step.kind = Step::Kind::kEnd;
    } else if (c == '.') {
      step.characters.set().reset('\n');
    } else {
      step.characters = one(c);
    }
    return true;
  }
  bool take_escape(Class& to) {
    const char c = peek(1);
    at_ += 2;
    if (std::ispunct(static_cast<unsigned char>(c)) != 0) {
      to |= one(c);
      return true;
    }
    for (size_t i = 0; i < to.size(); ++i) {
      const auto each = static_cast<unsigned char>(i);
      switch (c) {
        case 'd': to[i] = to[i] | (std::isdigit(each) != 0); break;
        case 'w': to[i] = to[i] | is_word(each); break;
        case 's':
          to[i] = to[i] | (std::string_view("\t\n\f\r ").find(static_cast<char>(i)) !=
                           std::string_view::npos);
          break;
        default: return false;
      }
    }
    return true;
  }
  // "[a-z_]", "[^&]". Of characters of ASCII; a complement has all others as well, which are not
  // looked at (Outcome::kUnknown).
  bool take_class(Class& to) {
    ++at_;
    const bool is_complement = peek() == '^';
    if (is_complement) { ++at_; }
    bool is_first = true;
    while (peek() != ']' || is_first) {
      is_first = false;
      const char c = peek();
      if (c == '\0' || c == '[' || static_cast<unsigned char>(c) >= 0x80) { return false; }
      if (c == '\\') {
        if (!take_escape(to)) { return false; }
        if (peek() == '-') { return false; }
        continue;
      }
      ++at_;
      char last = c;
      if (peek() == '-' && peek(1) != ']') {
        last = peek(1);
        if (last == '\\' || last == '[' || last < c) { return false; }
        at_ += 2;
      }
      for (char each = c; each < last; ++each) { to |= one(each); }
      to |= one(last);
    }
    ++at_;
    if (is_complement) { to.flip(); }
    return true;
  }

  // "(...)", "(?:...)" and "(?P<name>...)", without groups in it; with a choice, of steps that are
  // taken once.
  bool take_group(PlainRegex& to, size_t& choices) {
    ++at_;
    bool captures = true;
    if (peek() == '?') {
      if (peek(1) == ':') {
        captures = false;
        at_ += 2;
      } else {
        const size_t end = pattern_.find('>', at_);
        if (peek(1) != 'P' || end == std::string_view::npos) { return false; }
        at_ = end + 1;
      }
    }
    std::vector<std::vector<Step>> branches(1);
    while (at_ < pattern_.size() && peek() != ')') {
      if (peek() == '|') {
        ++at_;
        branches.emplace_back();
      } else if (!take_step(branches.back())) {
        return false;
      }
    }
    if (at_ == pattern_.size()) { return false; }
    ++at_;
    if (std::string_view("*+?{").find(peek()) != std::string_view::npos && peek() != '\0') {
      return false;
    }
    const auto number = static_cast<uint8_t>(captures ? ++to.group_count_ : 0);
    if (to.group_count_ >= PlainRegex::kGroupsMax) { return false; }
    add_edge(to, Step::Kind::kOpen, captures, number);
    if (branches.size() == 1) {
      for (Step& step : branches[0]) { to.steps_.push_back(std::move(step)); }
    } else {
      ++choices;
      for (const auto& branch : branches) {
        if (!std::all_of(branch.begin(), branch.end(), PlainRegex::is_fixed)) { return false; }
      }
      Step& step = to.steps_.emplace_back();
      step.kind = Step::Kind::kChoice;
      step.branches = std::move(branches);
    }
    add_edge(to, Step::Kind::kClose, captures, number);
    return true;
  }
  static void add_edge(PlainRegex& to, Step::Kind kind, bool captures, uint8_t number) {
    if (!captures) { return; }
    Step& step = to.steps_.emplace_back();
    step.kind = kind;
    step.group = number;
  }

  const std::string_view pattern_;
  size_t at_ = 0;
};

bool PlainRegex::is_fixed(const Step& step) {
  return step.kind == Step::Kind::kOne || step.kind == Step::Kind::kBegin ||
         step.kind == Step::Kind::kEnd;
}

// Whether `rest` can only match where no character of the class is: then a repetition of the class
// ends at the first other character, and giving some of it back would not help.
bool PlainRegex::ends_before(std::span<const Step> rest, const Class& characters) {
  for (const Step& step : rest) {
    switch (step.kind) {
      case Step::Kind::kOpen:
      case Step::Kind::kClose: continue;
      case Step::Kind::kEnd: return true;
      case Step::Kind::kBegin:
      case Step::Kind::kChoice: return false;
      default: break;
    }
    if ((step.characters & characters).any()) { return false; }
    if (step.kind == Step::Kind::kOne || step.kind == Step::Kind::kSome) { return true; }
  }
  return true;
}

bool PlainRegex::has_ends() const {
  const std::span<const Step> steps(steps_);
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step::Kind kind = steps[i].kind;
    const bool repeats =
        kind == Step::Kind::kAny || kind == Step::Kind::kSome || kind == Step::Kind::kMaybe;
    if (repeats && !ends_before(steps.subspan(i + 1), steps[i].characters)) { return false; }
  }
  return true;
}

// The one that a step takes, and takes once; 0: there is none.
char PlainRegex::only_character(const Step& step) {
  if (step.kind != Step::Kind::kOne || step.characters.count() != 1) { return '\0'; }
  size_t c = 0;
  while (!step.characters[c]) { ++c; }
  return static_cast<char>(c);
}

std::vector<PlainRegex::Step> PlainRegex::made_fast(std::vector<Step> steps) {
  std::vector<Step> made;
  for (Step& step : steps) {
    const char only = only_character(step);
    if (only != '\0') {
      if (made.empty() || made.back().kind != Step::Kind::kText) {
        made.emplace_back().kind = Step::Kind::kText;
      }
      made.back().text += only;
      continue;
    }
    for (size_t c = 0; c < step.looks.size(); ++c) {
      step.looks[c] = c >= step.characters.size() ? Look::kUnknown
                      : step.characters[c]        ? Look::kIn
                                                  : Look::kOther;
    }
    for (auto& branch : step.branches) { branch = made_fast(std::move(branch)); }
    made.push_back(std::move(step));
  }
  return made;
}

std::optional<PlainRegex> PlainRegex::compile(std::string_view pattern) {
  PlainRegex made;
  if (pattern.empty() || !PlainRegexParser(pattern).parse(made) || !made.has_ends()) {
    return std::nullopt;
  }
  made.steps_ = made_fast(std::move(made.steps_));
  if (made.steps_.size() == 1) { made.literal_ = made.steps_[0].text; }
  return made;
}

PlainRegex::Outcome PlainRegex::match_at(std::string_view text, size_t at, Groups& groups) const {
  groups[0].begin = at;
  const Outcome outcome = run(steps_, text, at, groups);
  groups[0].end = at;
  return outcome;
}

PlainRegex::Outcome PlainRegex::run(std::span<const Step> steps, std::string_view text, size_t& at,
                                    Groups& groups) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    switch (step.kind) {
      case Step::Kind::kOne:
      case Step::Kind::kAny:
      case Step::Kind::kSome:
      case Step::Kind::kMaybe: {
        const size_t begin = at;
        const bool once = step.kind == Step::Kind::kOne || step.kind == Step::Kind::kMaybe;
        const size_t end = once ? std::min(begin + 1, text.size()) : text.size();
        Look look = Look::kIn;
        while (at < end) {
          look = step.looks[static_cast<unsigned char>(text[at])];
          if (look != Look::kIn) { break; }
          ++at;
        }
        if (look == Look::kUnknown) { return Outcome::kUnknown; }
        const bool has_to = step.kind == Step::Kind::kOne || step.kind == Step::Kind::kSome;
        if (has_to && at == begin) { return Outcome::kNone; }
        break;
      }
      case Step::Kind::kText:
        if (!text.substr(at).starts_with(step.text)) { return Outcome::kNone; }
        at += step.text.size();
        break;
      case Step::Kind::kBegin:
        if (at != 0) { return Outcome::kNone; }
        break;
      case Step::Kind::kEnd:
        if (at != text.size()) { return Outcome::kNone; }
        break;
      case Step::Kind::kOpen: groups[step.group].begin = at; break;
      case Step::Kind::kClose: groups[step.group].end = at; break;
      case Step::Kind::kChoice: {
        const size_t begin = at;
        for (const std::vector<Step>& branch : step.branches) {
          at = begin;
          Outcome outcome = run(branch, text, at, groups);
          if (outcome == Outcome::kMatch) { outcome = run(steps.subspan(i + 1), text, at, groups); }
          if (outcome != Outcome::kNone) { return outcome; }
        }
        return Outcome::kNone;
      }
    }
  }
  return Outcome::kMatch;
}

}  // namespace tidewheel::sql
