#include "tidewheel/sql/text_encodings.h"

#include <array>
#include <cstdint>

#include "tidewheel/sql/text_ops.h"

namespace tidewheel::sql {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char c) {
  if (c >= '0' && c <= '9') { return c - '0'; }
  if (c >= 'a' && c <= 'f') { return c - 'a' + 10; }
  if (c >= 'A' && c <= 'F') { return c - 'A' + 10; }
  return -1;
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

enum class Charset : uint8_t { kAscii, kLatin1, kUtf8, kUtf16Big, kUtf16Little, kUtf16 };

std::optional<Charset> find_charset(std::string_view name) {
  std::string upper;
  append_upper(upper, name);
  if (upper == "US-ASCII") { return Charset::kAscii; }
  if (upper == "ISO-8859-1") { return Charset::kLatin1; }
  if (upper == "UTF-8") { return Charset::kUtf8; }
  if (upper == "UTF-16BE") { return Charset::kUtf16Big; }
  if (upper == "UTF-16LE") { return Charset::kUtf16Little; }
  if (upper == "UTF-16") { return Charset::kUtf16; }
  return std::nullopt;
}

void append_unit(std::string& out, uint32_t unit, bool little) {
  const char high = static_cast<char>(unit >> 8);
  const char low = static_cast<char>(unit & 0xff);
  out += little ? low : high;
  out += little ? high : low;
}

void append_utf16(std::string& out, uint32_t code, bool little) {
  if (code >= 0x10000) {
    append_unit(out, 0xd800 + ((code - 0x10000) >> 10), little);
    append_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff), little);
  } else {
    append_unit(out, code, little);
  }
}

std::string from_utf16(std::string_view bytes, bool little) {
  std::string out;
  const auto unit_at = [&](size_t i) {
    const auto a = static_cast<unsigned char>(bytes[i]);
    const auto b = static_cast<unsigned char>(bytes[i + 1]);
    return little ? uint32_t{b} << 8 | a : uint32_t{a} << 8 | b;
  };
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    uint32_t code = unit_at(i);
    if (code >= 0xd800 && code < 0xdc00 && i + 3 < bytes.size()) {
      code = 0x10000 + ((code - 0xd800) << 10) + (unit_at(i + 2) - 0xdc00);
      i += 2;
    }
    append_character(out, code);
  }
  return out;
}

}  // namespace

std::string to_hex(std::string_view bytes, bool capitals) {
  const std::string_view digits = capitals ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) { out += k <= count ? kBase64[bits >> (18 - 6 * k) & 63] : '='; }
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  while (text.ends_with('=')) { text.remove_suffix(1); }
  if (text.size() % 4 == 1) { return std::nullopt; }
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t value = kBase64.find(c);
    if (value == std::string_view::npos) { return std::nullopt; }
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  return out;
}

std::string url_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_word(c) || c == '-' || c == '_' || c == '.' || c == '*') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%' + to_hex({&c, 1}, true);
    }
  }
  return out;
}

std::optional<std::string> url_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) { return std::nullopt; }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::optional<std::string_view> url_part(std::string_view url, std::string_view part) {
  const size_t colon = url.find(':');
  if (colon == std::string_view::npos || colon == 0) { return std::nullopt; }
  const std::string_view protocol = url.substr(0, colon);
  std::string_view rest = url.substr(colon + 1);
  std::optional<std::string_view> reference;
  const size_t hash = rest.find('#');
  if (hash != std::string_view::npos) {
    reference = rest.substr(hash + 1);
    rest = rest.substr(0, hash);
  }
  std::optional<std::string_view> authority;
  if (rest.starts_with("//")) {
    const size_t end = std::min(rest.find_first_of("/?", 2), rest.size());
    authority = rest.substr(2, end - 2);
    rest = rest.substr(end);
  }
  const size_t question = rest.find('?');
  if (part == "PROTOCOL") { return protocol; }
  if (part == "REF") { return reference; }
  if (part == "FILE") { return rest; }
  if (part == "PATH") { return rest.substr(0, question); }
  if (part == "QUERY") {
    if (question == std::string_view::npos) { return std::nullopt; }
    return rest.substr(question + 1);
  }
  if (part == "AUTHORITY") { return authority; }
  const size_t at = authority ? authority->rfind('@') : std::string_view::npos;
  if (part == "USERINFO") {
    if (at == std::string_view::npos) { return std::nullopt; }
    return authority->substr(0, at);
  }
  if (part != "HOST" || !authority) { return std::nullopt; }
  const std::string_view host =
      at == std::string_view::npos ? *authority : authority->substr(at + 1);
  // A port; the colons of an IPv6 address are in brackets.
  const size_t bracket = host.rfind(']');
  const size_t port = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return host.substr(0, port);
}

std::optional<std::string_view> query_value(std::string_view query, std::string_view key) {
  while (true) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    if (pair.starts_with(key) && pair.substr(key.size()).starts_with('=')) {
      return pair.substr(key.size() + 1);
    }
    if (end == std::string_view::npos) { return std::nullopt; }
    query.remove_prefix(end + 1);
  }
}

std::optional<std::string> encoded(std::string_view text, std::string_view charset) {
  const auto found = find_charset(charset);
  if (!found) { return std::nullopt; }
  if (*found == Charset::kUtf8) { return std::string(text); }
  std::string out;
  if (*found == Charset::kUtf16) { append_unit(out, 0xfeff, false); }
  while (!text.empty()) {
    const uint32_t code = take_character(text);
    if (*found == Charset::kAscii || *found == Charset::kLatin1) {
      out += code < (*found == Charset::kAscii ? 0x80U : 0x100U) ? static_cast<char>(code) : '?';
    } else {
      append_utf16(out, code, *found == Charset::kUtf16Little);
    }
  }
  return out;
}

std::optional<std::string> decoded(std::string_view bytes, std::string_view charset) {
  const auto found = find_charset(charset);
  if (!found) { return std::nullopt; }
  std::string out;
  switch (*found) {
    case Charset::kUtf8: return std::string(bytes);
    case Charset::kUtf16Little: return from_utf16(bytes, true);
    case Charset::kUtf16Big: return from_utf16(bytes, false);
    case Charset::kUtf16: {
      const bool marked = bytes.starts_with("\xfe\xff") || bytes.starts_with("\xff\xfe");
      return from_utf16(marked ? bytes.substr(2) : bytes, bytes.starts_with("\xff\xfe"));
    }
    default: break;
  }
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    append_character(out, *found == Charset::kAscii && byte >= 0x80 ? 0xfffd : byte);
  }
  return out;
}

std::string unknown_charset(std::string_view charset) {
  return "there is no character set '" + std::string(charset) +
         "': it may be US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE or UTF-16";
}

}  // namespace tidewheel::sql
