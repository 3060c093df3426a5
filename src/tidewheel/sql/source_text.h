// Places in the text of a statement, and errors that show them.
#pragma once
#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/base/status.h"

namespace tidewheel::sql {

// Bytes [begin, end) of a text. All spans are equal: where something stands is no part of what it
// is, so that trees compare by their meaning.
struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;
  friend bool operator==(const Span&, const Span&) { return true; }
};

// From the first byte of one to the last of the other.
inline Span span_over(Span first, Span last) { return {first.begin, last.end}; }

// Counted from 1; columns in characters of UTF-8.
struct LineColumn {
  uint32_t line = 1;
  uint32_t column = 1;
};
LineColumn line_column(std::string_view text, uint32_t offset);

// The line that a span begins in, and under it what is meant:
//   SELECT a FORM t
//            ^^^^
// Long lines are cut around the place; a span of several lines is underlined to the end of its
// first.
std::string underline(std::string_view text, Span span);

// kInvalidArgument: "line 1, column 10: message", and the underlined line below it.
Status error_at(std::string_view text, Span span, ErrorId id, std::string message);

}  // namespace tidewheel::sql
