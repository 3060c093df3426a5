// Regular expressions that are matched from left to right without ever looking back: strings of
// characters and classes, repetitions that end where what follows begins, and choices between a few
// characters. Most of those that queries have are so, and RE2's automata cost many times what they
// need.
#pragma once
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tidewheel::sql {

class PlainRegex {
 public:
  static constexpr size_t kGroupsMax = 8;  // with the whole match, which is group 0
  struct Span {
    size_t begin = 0;
    size_t end = 0;
  };
  using Groups = std::array<Span, kGroupsMax>;
  // kUnknown: characters beyond ASCII are where it would have to look, which it knows nothing of.
  enum class Outcome : uint8_t { kNone, kMatch, kUnknown };

  // Of an expression in RE2's syntax. Nothing: it is not so plain.
  static std::optional<PlainRegex> compile(std::string_view pattern);

  // What RE2 gives for the match that begins at byte `at`.
  Outcome match_at(std::string_view text, size_t at, Groups& groups) const;
  size_t group_count() const { return group_count_; }  // without the whole match
  // The text that the expression is, when it is nothing else; else empty.
  const std::string& literal() const { return literal_; }

 private:
  friend class PlainRegexParser;
  using Class = std::bitset<128>;

  enum class Look : uint8_t { kOther, kIn, kUnknown };
  struct Step {
    enum class Kind : uint8_t {
      kOne,
      kAny,    // *
      kSome,   // +
      kMaybe,  // ?
      kText,   // what kOne of single characters become
      kBegin,
      kEnd,
      kOpen,
      kClose,
      kChoice
    };
    Kind kind = Kind::kOne;
    uint8_t group = 0;  // of kOpen and kClose
    Class characters;   // of kOne, kAny, kSome, kMaybe
    std::string text;
    std::vector<std::vector<Step>> branches;  // of kChoice: of kOne, kBegin and kEnd
    std::array<Look, 256> looks{};            // the characters, for running
  };

  static bool is_fixed(const Step& step);
  bool has_ends() const;
  static char only_character(const Step& step);
  static std::vector<Step> made_fast(std::vector<Step> steps);
  static bool ends_before(std::span<const Step> rest, const Class& characters);
  static Outcome run(std::span<const Step> steps, std::string_view text, size_t& at,
                     Groups& groups);

  std::vector<Step> steps_;
  size_t group_count_ = 0;
  std::string literal_;
};

}  // namespace tidewheel::sql
