#include "tidewheel/sql/source_text.h"

#include <algorithm>

namespace tidewheel::sql {

namespace {

// What is shown of a long line, before the place and in all.
constexpr size_t kBeforeMax = 60;
constexpr size_t kShownMax = 100;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

// Moves forward to the beginning of a character.
size_t whole_character(std::string_view text, size_t at) {
  while (at < text.size() && is_continuation(text[at])) { ++at; }
  return at;
}

}  // namespace

LineColumn line_column(std::string_view text, uint32_t offset) {
  const std::string_view before = text.substr(0, std::min<size_t>(offset, text.size()));
  const size_t newline = before.rfind('\n');
  const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
  return {static_cast<uint32_t>(1 + std::count(before.begin(), before.end(), '\n')),
          static_cast<uint32_t>(1 + characters(before.substr(line_begin)))};
}

std::string underline(std::string_view text, Span span) {
  const size_t begin = std::min<size_t>(span.begin, text.size());
  const size_t newline = text.substr(0, begin).rfind('\n');
  size_t from = newline == std::string_view::npos ? 0 : newline + 1;
  size_t to = std::min(text.find('\n', begin), text.size());
  if (to > from && text[to - 1] == '\r' && to - 1 >= begin) { --to; }
  if (begin - from > kBeforeMax) { from = whole_character(text, begin - kBeforeMax); }
  if (to - from > kShownMax) { to = whole_character(text, from + kShownMax); }
  const size_t end = std::clamp<size_t>(span.end, begin, std::max(begin, to));
  std::string shown = "  " + std::string(text.substr(from, to - from)) + "\n  ";
  // Tabs stay, so that the mark stands below its place however wide they are.
  for (const char c : text.substr(from, begin - from)) {
    if (!is_continuation(c)) { shown += c == '\t' ? '\t' : ' '; }
  }
  return shown.append(std::max<size_t>(characters(text.substr(begin, end - begin)), 1), '^');
}

Status error_at(std::string_view text, Span span, ErrorId id, std::string message) {
  const LineColumn place = line_column(text, span.begin);
  return invalid_argument(id, "line {}, column {}: {}\n{}", place.line, place.column, message,
                          underline(text, span));
}

}  // namespace tidewheel::sql
