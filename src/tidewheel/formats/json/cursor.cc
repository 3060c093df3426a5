#include "tidewheel/formats/json/cursor.h"

#include <array>

#include "tidewheel/base/check.h"

namespace tidewheel::json_detail {

std::string JsonFault::path_text() const {
  std::string text = "$";
  for (size_t i = path.size(); i-- > 0;) { text += path[i]; }
  return text;
}

bool JsonCursor::fault_here(std::string reason) {
  fault_.at = base_ + *at_;
  fault_.path.clear();
  fault_.reason = std::move(reason);
  return false;
}

bool JsonCursor::no(std::string_view expected) {
  constexpr size_t kShownMax = 200;
  if (at_ == end_) {
    return fault_here(fmt::format("the record ends where {} should be", expected));
  }
  std::string shown;
  switch (peek()) {
    case '{': shown = "an object"; break;
    case '[': shown = "an array"; break;
    default:
      shown = token().substr(0, kShownMax);
      if (token().size() > kShownMax) { shown += "..."; }
  }
  const bool null = is_null();
  return fault_here(fmt::format("{} is no {}{}", shown, expected,
                                null ? "; make the field std::optional if it may be null" : ""));
}

bool JsonCursor::bad_escape(const char* at) {
  constexpr size_t kShownMax = 12;
  const std::string_view text = token();
  fault_here(fmt::format("{} is no escape of JSON; half a surrogate pair is none either",
                         text.substr(static_cast<size_t>(at - text.data()), kShownMax)));
  fault_.at = at;
  return false;
}

bool JsonCursor::unescaped(std::string_view raw, std::string_view& text) {
  if (!has_escapes(raw)) {
    text = raw;
    return true;
  }
  scratch_.resize(raw.size());
  const char* bad = nullptr;
  const char* const end = unescape(raw, scratch_.data(), bad);
  if (end == nullptr) { return bad_escape(bad); }
  text = {scratch_.data(), static_cast<size_t>(end - scratch_.data())};
  return true;
}

bool JsonCursor::take_any_key(std::string_view& key, std::string_view& raw) {
  if (!raw_string(raw)) { return no("key in quotes"); }
  if (!unescaped(raw, key)) { return false; }
  advance();
  return take(':') || no("colon, which follows a key");
}

// The bytes of a value that is no string, as they are.
bool JsonCursor::take_json(std::string_view& text) {
  if (at_ == end_ || is_null()) { return no("string"); }
  const char* const begin = here();
  if (!skip_value()) { return false; }
  const char* end = base_ + *at_;
  while (is_space(end[-1])) { --end; }
  text = {begin, static_cast<size_t>(end - begin)};
  return true;
}

bool JsonCursor::take_text(Text& text) {
  std::string_view raw;
  if (!raw_string(raw)) {
    if (!take_json(raw)) { return false; }
    text = raw;
    return true;
  }
  if (!has_escapes(raw)) [[likely]] {
    text = raw;
    advance();
    return true;
  }
  TIDEWHEEL_CHECK(arena_ != nullptr, "rows with Text need an arena");
  char* const to = arena_->allocate(raw.size());
  const char* bad = nullptr;
  char* const end = unescape(raw, to, bad);
  if (end == nullptr) { return bad_escape(bad); }
  arena_->shrink_to(end);
  text = Text(to, static_cast<size_t>(end - to));
  advance();
  return true;
}

bool JsonCursor::take_text(std::string& text) {
  std::string_view raw;
  if (!raw_string(raw)) {
    if (!take_json(raw)) { return false; }
    text = raw;
    return true;
  }
  if (!has_escapes(raw)) [[likely]] {
    text = raw;
  } else {
    text.resize(raw.size());
    const char* bad = nullptr;
    const char* const end = unescape(raw, text.data(), bad);
    if (end == nullptr) { return bad_escape(bad); }
    text.resize(static_cast<size_t>(end - text.data()));
  }
  advance();
  return true;
}

bool JsonCursor::check_scalar() {
  std::string_view text;
  if (raw_string(text)) {
    if (!unescaped(text, text)) { return false; }
    advance();
    return true;
  }
  if (at_ == end_) { return no("value"); }
  text = token();
  if (text != "true" && text != "false" && text != "null" && !is_number(text)) {
    return no("value");
  }
  advance();
  return true;
}

// Without recursion, so that no record can exhaust the stack.
bool JsonCursor::skip_value() {
  if (peek() != '{' && peek() != '[') { return check_scalar(); }
  std::array<uint64_t, kDepthMax / 64> is_object;  // by depth
  size_t depth = 0;
  const auto in_object = [&] {
    return (is_object[(depth - 1) / 64] >> ((depth - 1) % 64) & 1) != 0;
  };
  std::string_view key;
  std::string_view raw;
  while (true) {
    const char first = peek();
    if (first == '{' || first == '[') {
      if (depth == kDepthMax) {
        return fault_here(fmt::format("values are nested more than {} deep", kDepthMax));
      }
      advance();
      const uint64_t bit = uint64_t{1} << (depth % 64);
      uint64_t& bits = is_object[depth / 64];
      bits = first == '{' ? bits | bit : bits & ~bit;
      ++depth;
      if (!take(first == '{' ? '}' : ']')) {
        if (first == '{' && !take_any_key(key, raw)) { return false; }
        continue;
      }
      --depth;
    } else if (!check_scalar()) {
      return false;
    }
    // A value has ended, and so may those around it.
    while (depth > 0) {
      if (take(',')) {
        if (in_object() && !take_any_key(key, raw)) { return false; }
        break;
      }
      if (!take(in_object() ? '}' : ']')) { return no(in_object() ? "comma or }" : "comma or ]"); }
      --depth;
    }
    if (depth == 0) { return true; }
  }
}

}  // namespace tidewheel::json_detail
