// A string that every match of a regular expression has near its beginning: to look for that is
// many times faster than to run the expression.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace tidewheel::sql {

struct RegexHint {
  std::string literal;  // empty: nothing is known
  // The literal begins at most so many bytes behind the beginning of the match.
  size_t bytes_before_max = 0;
};

// Of an expression that RE2 takes. What is not simple enough has none: before the literal there may
// be characters, classes, assertions and groups of them, without repetitions.
RegexHint find_regex_hint(std::string_view pattern);

}  // namespace tidewheel::sql
