#include "tidewheel/sql/like_pattern.h"

#include <algorithm>

#include "tidewheel/sql/text_ops.h"

namespace tidewheel::sql {
namespace {

Status wrong_escape(std::string_view pattern) {
  return invalid_argument(ErrorId::kSqlValue,
                          "the escape in the pattern '{}' stands before a character that needs "
                          "none: it may stand before %, _ and itself",
                          pattern);
}

size_t character_size(std::string_view text) {
  std::string_view rest = text;
  take_character(rest);
  return text.size() - rest.size();
}

}  // namespace

Result<LikePattern> LikePattern::compile(std::string_view pattern, std::string_view escape) {
  if (character_count(escape) > 1) {
    return invalid_argument(ErrorId::kSqlValue, "an escape is one character, not '{}'", escape);
  }
  LikePattern compiled;
  compiled.parts_.emplace_back();
  bool has_any = false;
  std::string_view rest = pattern;
  while (!rest.empty()) {
    Part& part = compiled.parts_.back();
    if (!escape.empty() && rest.starts_with(escape)) {
      rest.remove_prefix(escape.size());
      const bool fits = rest.starts_with('%') || rest.starts_with('_') || rest.starts_with(escape);
      if (!fits) { return wrong_escape(pattern); }
    } else if (rest.front() == '%') {
      rest.remove_prefix(1);
      if (!part.text.empty() || compiled.parts_.size() == 1) { compiled.parts_.emplace_back(); }
      continue;
    } else if (rest.front() == '_') {
      part.any.push_back(static_cast<uint32_t>(part.text.size()));
      has_any = true;
    }
    const size_t size = character_size(rest);
    part.text += rest.substr(0, size);
    rest.remove_prefix(size);
  }
  const auto& parts = compiled.parts_;
  if (has_any) {
    compiled.form_ = Form::kGeneral;
  } else if (parts.size() == 1) {
    compiled.form_ = Form::kEqual;
    compiled.literal_ = parts[0].text;
  } else if (parts.size() == 2 && parts[1].text.empty()) {
    compiled.form_ = Form::kPrefix;
    compiled.literal_ = parts[0].text;
  } else if (parts.size() == 2 && parts[0].text.empty()) {
    compiled.form_ = Form::kSuffix;
    compiled.literal_ = parts[1].text;
  } else if (parts.size() == 3 && parts[0].text.empty() && parts[2].text.empty()) {
    compiled.form_ = Form::kContains;
    compiled.literal_ = parts[1].text;
  } else {
    compiled.form_ = Form::kGeneral;
  }
  return compiled;
}

bool LikePattern::matches(std::string_view text) const {
  switch (form_) {
    case Form::kEqual: return text == literal_;
    case Form::kPrefix: return text.starts_with(literal_);
    case Form::kSuffix: return text.ends_with(literal_);
    case Form::kContains: return text.find(literal_) != std::string_view::npos;
    case Form::kGeneral: return matches_general(text);
  }
  return false;
}

// Whether the text begins with the part; `length` is how many bytes that takes.
bool LikePattern::match_here(const Part& part, std::string_view text, size_t& length) {
  const std::string_view rest = text;
  size_t from = 0;
  for (size_t i = 0; i <= part.any.size(); ++i) {
    const size_t to = i < part.any.size() ? part.any[i] : part.text.size();
    const std::string_view literal = std::string_view(part.text).substr(from, to - from);
    if (!text.starts_with(literal)) { return false; }
    text.remove_prefix(literal.size());
    if (i == part.any.size()) { break; }
    if (text.empty()) { return false; }
    take_character(text);
    from = to + 1;
  }
  length = rest.size() - text.size();
  return true;
}

// Whether the text ends with the part.
bool LikePattern::find_last(const Part& part, std::string_view text) {
  for (size_t at = 0; at <= text.size(); ++at) {
    size_t length = 0;
    if (match_here(part, text.substr(at), length) && at + length == text.size()) { return true; }
  }
  return false;
}

// Each part where it fits first: what stands before cannot need more.
bool LikePattern::matches_general(std::string_view text) const {
  size_t length = 0;
  if (!match_here(parts_[0], text, length)) { return false; }
  if (parts_.size() == 1) { return length == text.size(); }
  text.remove_prefix(length);
  for (size_t i = 1; i + 1 < parts_.size(); ++i) {
    bool found = false;
    for (size_t at = 0; at <= text.size() && !found; ++at) {
      if (!match_here(parts_[i], text.substr(at), length)) { continue; }
      text.remove_prefix(at + length);
      found = true;
    }
    if (!found) { return false; }
  }
  return find_last(parts_.back(), text);
}

Result<std::string> similar_to_regex(std::string_view pattern, std::string_view escape) {
  constexpr std::string_view kPlain = "\\.^$";
  constexpr std::string_view kSpecial = "%_|*+?{}()[]\\.^$";
  std::string out;
  bool in_class = false;
  std::string_view rest = pattern;
  while (!rest.empty()) {
    if (!escape.empty() && rest.starts_with(escape)) {
      rest.remove_prefix(escape.size());
      if (rest.empty()) { return wrong_escape(pattern); }
      if (kSpecial.find(rest.front()) != std::string_view::npos) { out += '\\'; }
      out += rest.front();
    } else if (in_class) {
      in_class = rest.front() != ']';
      out += rest.front();
    } else if (rest.front() == '%') {
      out += "(?s:.*)";
    } else if (rest.front() == '_') {
      out += "(?s:.)";
    } else {
      if (kPlain.find(rest.front()) != std::string_view::npos) { out += '\\'; }
      in_class = rest.front() == '[';
      out += rest.front();
    }
    rest.remove_prefix(1);
  }
  return out;
}

}  // namespace tidewheel::sql
