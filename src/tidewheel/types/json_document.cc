#include "tidewheel/types/json_document.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace tidewheel {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x8080808080808080;

// Whether one of eight bytes ends a run of plain characters: a quote, a backslash, or one that
// must not stand in a string. May say yes for bytes behind such a one; never no for one.
bool has_special(uint64_t word) {
  const auto has_zero = [](uint64_t v) { return (v - kOnes) & ~v & kHighs; };
  const uint64_t control = (word - kOnes * 0x20) & ~word & kHighs;
  return (has_zero(word ^ (kOnes * '"')) | has_zero(word ^ (kOnes * '\\')) | control) != 0;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int32_t hex_value(char c) {
  if (is_digit(c)) { return c - '0'; }
  if (c >= 'a' && c <= 'f') { return c - 'a' + 10; }
  if (c >= 'A' && c <= 'F') { return c - 'A' + 10; }
  return -1;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto byte = [&](uint32_t value) { out += static_cast<char>(value); };
  if (code < 0x80) { return byte(code); }
  if (code < 0x800) {
    byte(0xC0 | (code >> 6));
  } else if (code < 0x10000) {
    byte(0xE0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3F));
  } else {
    byte(0xF0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3F));
    byte(0x80 | ((code >> 6) & 0x3F));
  }
  byte(0x80 | (code & 0x3F));
}

// Four hex digits; -1 when they are none.
int32_t read_unit(std::string_view text, size_t at) {
  if (text.size() - std::min(at, text.size()) < 4) { return -1; }
  int32_t unit = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const int32_t digit = hex_value(text[i]);
    if (digit < 0) { return -1; }
    unit = unit * 16 + digit;
  }
  return unit;
}

// \uXXXX, of a pair of surrogates both; a lone one becomes U+FFFD. `at`: behind the u.
bool append_code(std::string& out, std::string_view text, size_t& at) {
  const int32_t unit = read_unit(text, at);
  if (unit < 0) { return false; }
  at += 4;
  auto code = static_cast<uint32_t>(unit);
  if (code >= 0xD800 && code < 0xDC00 && text.substr(at).starts_with("\\u")) {
    const int32_t low = read_unit(text, at + 2);
    if (low >= 0xDC00 && low < 0xE000) {
      at += 6;
      code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<uint32_t>(low) - 0xDC00);
    }
  }
  append_utf8(out, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
  return true;
}

constexpr std::pair<char, char> kEscapes[] = {{'"', '"'},  {'\\', '\\'}, {'/', '/'},  {'b', '\b'},
                                              {'f', '\f'}, {'n', '\n'},  {'r', '\r'}, {'t', '\t'}};

}  // namespace

// ---- Reading

void JsonDocument::skip_space() {
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) { ++at_; }
}

bool JsonDocument::parse(std::string_view text) {
  nodes_.clear();
  at_ = text.data();
  end_ = text.data() + text.size();
  skip_space();
  if (!value(0)) { return false; }
  skip_space();
  return at_ == end_;
}

bool JsonDocument::value(int32_t depth) {
  if (at_ == end_) { return false; }
  switch (*at_) {
    case '{': return container(depth + 1, true);
    case '[': return container(depth + 1, false);
    case '"': return string();
    case 't': return word("true", JsonKind::kTrue);
    case 'f': return word("false", JsonKind::kFalse);
    case 'n': return word("null", JsonKind::kNull);
    default: return number();
  }
}

bool JsonDocument::container(int32_t depth, bool is_object) {
  if (depth > kDepthMax) { return false; }
  const size_t index = nodes_.size();
  nodes_.emplace_back().kind = is_object ? JsonKind::kObject : JsonKind::kArray;
  const char close = is_object ? '}' : ']';
  ++at_;
  uint32_t count = 0;
  skip_space();
  if (at_ < end_ && *at_ == close) {
    ++at_;
  } else {
    for (;;) {
      skip_space();
      if (is_object) {
        if (at_ == end_ || *at_ != '"' || !string()) { return false; }
        skip_space();
        if (at_ == end_ || *at_++ != ':') { return false; }
        skip_space();
      }
      if (!value(depth)) { return false; }
      ++count;
      skip_space();
      if (at_ == end_) { return false; }
      const char c = *at_++;
      if (c == close) { break; }
      if (c != ',') { return false; }
    }
  }
  nodes_[index].size = count;
  nodes_[index].next = static_cast<uint32_t>(nodes_.size());
  return true;
}

bool JsonDocument::string() {
  const char* const begin = ++at_;
  bool has_escapes = false;
  for (;;) {
    uint64_t word = 0;
    while (end_ - at_ >= 8) {
      std::memcpy(&word, at_, 8);
      if (has_special(word)) { break; }
      at_ += 8;
    }
    if (at_ == end_) { return false; }
    const auto c = static_cast<unsigned char>(*at_);
    if (c == '"') { break; }
    if (c < 0x20) { return false; }
    if (c == '\\') {
      has_escapes = true;
      if (end_ - at_ < 2) { return false; }
      const char escaped = at_[1];
      const bool is_known =
          std::any_of(std::begin(kEscapes), std::end(kEscapes),
                      [escaped](const auto& escape) { return escape.first == escaped; });
      const std::string_view rest(at_ + 2, static_cast<size_t>(end_ - at_ - 2));
      if (!is_known && (escaped != 'u' || read_unit(rest, 0) < 0)) { return false; }
      ++at_;
    }
    ++at_;
  }
  JsonNode& node = nodes_.emplace_back();
  node.kind = JsonKind::kString;
  node.has_escapes = has_escapes;
  node.text = {begin, static_cast<size_t>(at_ - begin)};
  node.next = static_cast<uint32_t>(nodes_.size());
  ++at_;
  return true;
}

bool JsonDocument::number() {
  const char* const begin = at_;
  const auto digits = [&] {
    const char* const first = at_;
    while (at_ < end_ && is_digit(*at_)) { ++at_; }
    return at_ - first;
  };
  if (at_ < end_ && *at_ == '-') { ++at_; }
  const bool leads_with_zero = at_ < end_ && *at_ == '0';
  const auto whole = digits();
  if (whole == 0 || (leads_with_zero && whole > 1)) { return false; }
  if (at_ < end_ && *at_ == '.') {
    ++at_;
    if (digits() == 0) { return false; }
  }
  if (at_ < end_ && (*at_ == 'e' || *at_ == 'E')) {
    ++at_;
    if (at_ < end_ && (*at_ == '+' || *at_ == '-')) { ++at_; }
    if (digits() == 0) { return false; }
  }
  JsonNode& node = nodes_.emplace_back();
  node.kind = JsonKind::kNumber;
  node.text = {begin, static_cast<size_t>(at_ - begin)};
  node.next = static_cast<uint32_t>(nodes_.size());
  return true;
}

bool JsonDocument::word(std::string_view text, JsonKind kind) {
  const std::string_view rest(at_, static_cast<size_t>(end_ - at_));
  if (!rest.starts_with(text)) { return false; }
  at_ += text.size();
  JsonNode& node = nodes_.emplace_back();
  node.kind = kind;
  node.next = static_cast<uint32_t>(nodes_.size());
  return true;
}

uint32_t JsonDocument::member(uint32_t object, std::string_view key) const {
  uint32_t found = UINT32_MAX;
  std::string buffer;
  uint32_t at = first_of(object);
  for (uint32_t i = 0; i < nodes_[object].size; ++i) {
    const JsonNode& name = nodes_[at];
    if (name.has_escapes ? unescaped(name, buffer) == key : name.text == key) { found = at + 1; }
    at = next_of(at + 1);
  }
  return found;
}

uint32_t JsonDocument::element(uint32_t array, uint32_t at) const {
  if (at >= nodes_[array].size) { return UINT32_MAX; }
  uint32_t index = first_of(array);
  for (uint32_t i = 0; i < at; ++i) { index = next_of(index); }
  return index;
}

// ---- Texts

bool append_unescaped(std::string& out, std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t escape = std::min(text.find('\\', at), text.size());
    out.append(text, at, escape - at);
    if (escape == text.size()) { return true; }
    if (escape + 1 == text.size()) { return false; }
    const char c = text[escape + 1];
    at = escape + 2;
    if (c == 'u') {
      if (!append_code(out, text, at)) { return false; }
      continue;
    }
    const auto* const known = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                           [c](const auto& one) { return one.first == c; });
    if (known == std::end(kEscapes)) { return false; }
    out += known->second;
  }
  return true;
}

std::string_view unescaped(const JsonNode& string, std::string& buffer) {
  if (!string.has_escapes) { return string.text; }
  buffer.clear();
  append_unescaped(buffer, string.text);  // checked when it was read
  return buffer;
}

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    out += '\\';
    const auto* const known = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                           [c](const auto& one) { return one.second == c; });
    if (known != std::end(kEscapes)) {
      out += known->first;
    } else {
      out += "u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  out += '"';
}

void append_json_number(std::string& out, std::string_view text) {
  constexpr int64_t kExponentMax = 1'000'000'000;  // larger ones are left as they are
  const size_t mark = text.find_first_of("eE");
  const size_t point = text.find('.');
  if (mark == std::string_view::npos && point == std::string_view::npos) {
    out += text == "-0" ? "0" : text;
    return;
  }
  // Digits and how many of them stand behind the point.
  std::string digits;
  bool is_negative = false;
  int64_t scale = 0;
  const std::string_view significand = text.substr(0, mark);
  for (const char c : significand) {
    if (c == '-') { is_negative = true; }
    if (is_digit(c)) { digits += c; }
  }
  if (point != std::string_view::npos) {
    scale = static_cast<int64_t>(significand.size() - point) - 1;
  }
  if (mark != std::string_view::npos) {
    int64_t exponent = 0;
    const std::string_view power = text.substr(mark + 1);
    for (const char c : power) {
      if (is_digit(c)) { exponent = std::min(exponent * 10 + (c - '0'), kExponentMax); }
    }
    if (exponent >= kExponentMax) {
      out += text;
      return;
    }
    scale -= power.front() == '-' ? -exponent : exponent;
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  if (is_negative && digits != "0") { out += '-'; }
  const auto count = static_cast<int64_t>(digits.size());
  const int64_t adjusted = count - 1 - scale;
  if (scale >= 0 && adjusted >= -6) {
    if (scale >= count) { digits.insert(0, static_cast<size_t>(scale - count + 1), '0'); }
    if (scale > 0) { digits.insert(digits.size() - static_cast<size_t>(scale), 1, '.'); }
    out += digits;
    return;
  }
  if (count > 1) { digits.insert(1, 1, '.'); }
  out += digits;
  if (adjusted != 0) {
    out += "E" + std::string(adjusted > 0 ? "+" : "") + std::to_string(adjusted);
  }
}

void append_json(std::string& out, const JsonDocument& document, uint32_t index) {
  const JsonNode& node = document.node(index);
  switch (node.kind) {
    case JsonKind::kNull: out += "null"; return;
    case JsonKind::kFalse: out += "false"; return;
    case JsonKind::kTrue: out += "true"; return;
    case JsonKind::kNumber: return append_json_number(out, node.text);
    case JsonKind::kString: {
      std::string buffer;
      return append_json_string(out, unescaped(node, buffer));
    }
    case JsonKind::kArray: {
      out += '[';
      uint32_t at = JsonDocument::first_of(index);
      for (uint32_t i = 0; i < node.size; ++i) {
        if (i > 0) { out += ','; }
        append_json(out, document, at);
        at = document.next_of(at);
      }
      out += ']';
      return;
    }
    case JsonKind::kObject: break;
  }
  std::map<std::string, uint32_t> members;
  uint32_t at = JsonDocument::first_of(index);
  for (uint32_t i = 0; i < node.size; ++i) {
    std::string buffer;
    members[std::string(unescaped(document.node(at), buffer))] = at + 1;
    at = document.next_of(at + 1);
  }
  out += '{';
  bool is_first = true;
  for (const auto& [key, value] : members) {
    if (!is_first) { out += ','; }
    is_first = false;
    append_json_string(out, key);
    out += ':';
    append_json(out, document, value);
  }
  out += '}';
}

}  // namespace tidewheel
