#include "tidewheel/sql/regex_hint.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace tidewheel::sql {
namespace {

constexpr size_t kCharacterBytesMax = 4;
constexpr size_t kBytesBeforeMax = 16;  // beyond, more places are tried than are worth it
constexpr size_t kDepthMax = 20;

bool is_quantifier(char c) { return c == '?' || c == '*' || c == '+' || c == '{'; }

// Reads an expression from left to right. Anything that it does not know ends it.
class Scanner {
 public:
  explicit Scanner(std::string_view pattern) : pattern_(pattern) {}

  RegexHint find() {
    if (has_top_level_choice()) { return {}; }
    size_t before = 0;
    while (at_ < pattern_.size()) {
      const std::string literal = take_literal();
      if (literal.size() >= 2) { return {literal, before}; }
      before += literal.size();
      if (at_ == pattern_.size()) { break; }
      const std::optional<size_t> bytes = take_item(0);
      if (!bytes.has_value()) { break; }
      before += *bytes;
      if (before > kBytesBeforeMax) { break; }
    }
    return {};
  }

 private:
  char peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  // "a|b" has a match without "a". Flags may change what letters mean.
  bool has_top_level_choice() {
    Scanner scanner(pattern_);
    while (scanner.at_ < pattern_.size()) {
      if (scanner.peek() == '|') { return true; }
      if (is_quantifier(scanner.peek())) {
        ++scanner.at_;
      } else if (!scanner.skip_item(0)) {
        return true;
      }
    }
    return false;
  }
  // Characters that stand for themselves, each once.
  std::string take_literal() {
    std::string literal;
    while (at_ < pattern_.size()) {
      const size_t begin = at_;
      char c = pattern_[at_];
      if (c == '\\') {
        c = peek(1);
        if (std::ispunct(static_cast<unsigned char>(c)) == 0) { break; }
        at_ += 2;
      } else if (std::string_view("^$.|?*+()[]{}").find(c) != std::string_view::npos ||
                 static_cast<unsigned char>(c) >= 0x80) {
        break;
      } else {
        ++at_;
      }
      if (is_quantifier(peek())) {
        at_ = begin;
        break;
      }
      literal += c;
    }
    return literal;
  }
  // What stands at `at_`, once: how many bytes it may match. Nothing: it is not known.
  std::optional<size_t> take_item(size_t depth) {
    std::optional<size_t> bytes = take_atom(depth);
    if (peek() == '?') {
      ++at_;
      if (peek() == '?') { ++at_; }
    }
    if (is_quantifier(peek())) { return std::nullopt; }
    return bytes;
  }
  bool skip_item(size_t depth) { return take_atom(depth).has_value(); }

  std::optional<size_t> take_atom(size_t depth) {
    const char c = peek();
    if (c == '(') { return take_group(depth + 1); }
    if (c == '[') { return take_class(); }
    if (c == '\\') { return take_escape(); }
    if (c == '^' || c == '$') {
      ++at_;
      return 0;
    }
    if (c == '|' || c == ')' || is_quantifier(c)) { return std::nullopt; }
    ++at_;
    if (c == '.') { return kCharacterBytesMax; }
    return 1;  // a byte of a character
  }
  std::optional<size_t> take_escape() {
    const char c = peek(1);
    if (c == 'b' || c == 'B' || c == 'A' || c == 'z') {
      at_ += 2;
      return 0;
    }
    const bool is_known = std::ispunct(static_cast<unsigned char>(c)) != 0 ||
                          std::string_view("dDsSwWnrtfv").find(c) != std::string_view::npos;
    if (c == '\0' || !is_known) { return std::nullopt; }
    at_ += 2;
    return kCharacterBytesMax;
  }
  std::optional<size_t> take_class() {
    ++at_;
    if (peek() == '^') { ++at_; }
    if (peek() == ']') { ++at_; }
    while (at_ < pattern_.size() && peek() != ']') {
      if (peek() == '[') { return std::nullopt; }  // a named class
      at_ += peek() == '\\' ? 2 : 1;
    }
    if (at_ >= pattern_.size()) { return std::nullopt; }
    ++at_;
    return kCharacterBytesMax;
  }
  // The longest of its branches; those with repetitions count as endless.
  std::optional<size_t> take_group(size_t depth) {
    if (depth > kDepthMax) { return std::nullopt; }
    ++at_;
    if (peek() == '?') {
      if (peek(1) == ':') {
        at_ += 2;
      } else if (peek(1) == 'P' && peek(2) == '<') {
        const size_t end = pattern_.find('>', at_);
        if (end == std::string_view::npos) { return std::nullopt; }
        at_ = end + 1;
      } else {
        return std::nullopt;  // flags
      }
    }
    size_t longest = 0;
    size_t branch = 0;
    while (at_ < pattern_.size() && peek() != ')') {
      if (peek() == '|') {
        ++at_;
        branch = 0;
        continue;
      }
      const std::optional<size_t> bytes = take_atom(depth);
      if (!bytes.has_value()) { return std::nullopt; }
      branch += *bytes;
      if (peek() == '?') { ++at_; }
      while (is_quantifier(peek())) {
        branch = kBytesBeforeMax + 1;
        ++at_;
        if (pattern_[at_ - 1] == '{') {
          const size_t end = pattern_.find('}', at_);
          if (end == std::string_view::npos) { return std::nullopt; }
          at_ = end + 1;
        }
      }
      longest = std::max(longest, branch);
    }
    if (at_ >= pattern_.size()) { return std::nullopt; }
    ++at_;
    return longest;
  }

  const std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace

RegexHint find_regex_hint(std::string_view pattern) { return Scanner(pattern).find(); }

}  // namespace tidewheel::sql
