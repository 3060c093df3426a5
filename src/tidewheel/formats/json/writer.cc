#include "tidewheel/formats/json/writer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "tidewheel/formats/json/index.h"
#include "tidewheel/types/byte_blocks.h"

namespace tidewheel {

namespace json_detail {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// Whether it can be written as it is, without a look at whether it is UTF-8.
bool is_plain(std::string_view text) {
  return !any_block(text, [](ByteBlock block) {
    return block.below(0x20) | block.equal('"') | block.equal('\\');
  });
}

void append_escape(std::string& out, unsigned char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '\\';
  switch (c) {
    case '"':
    case '\\': out += static_cast<char>(c); return;
    case '\b': out += 'b'; return;
    case '\f': out += 'f'; return;
    case '\n': out += 'n'; return;
    case '\r': out += 'r'; return;
    case '\t': out += 't'; return;
    default: break;
  }
  out += "u00";
  out += kHex[c >> 4];
  out += kHex[c & 15];
}

bool is_special(unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; }

// The bytes of the character at the start of `text`; 0 when it is none.
size_t character_bytes(std::string_view text) {
  for (size_t size = 1; size <= 4 && size <= text.size(); ++size) {
    if (is_utf8(text.substr(0, size))) { return size; }
  }
  return 0;
}

std::string with_replacements(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const size_t size = character_bytes(text);
    clean += size == 0 ? kReplacement : text.substr(0, size);
    text.remove_prefix(std::max<size_t>(1, size));
  }
  return clean;
}

template <class T>
void append_real_of(std::string& out, T value) {
  if (!std::isfinite(value)) {
    out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    return;
  }
  std::array<char, 64> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  static_cast<void>(error);  // there is room for every number
  out.append(digits.data(), end);
  // Readers that take the type from the value must not see a whole number.
  if (std::find_if(digits.data(), end, [](char c) { return c == '.' || c == 'e'; }) == end) {
    out += ".0";
  }
}

// The size without the zeros at the end of a fraction, and without a fraction of zeros.
size_t trimmed_length(const char* begin, const char* end) {
  if (std::find(begin, end, '.') != end) {
    while (end[-1] == '0') { --end; }
    if (end[-1] == '.') { --end; }
  }
  return static_cast<size_t>(end - begin);
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  out += '"';
  if (is_plain(text)) [[likely]] {
    out += text;
    out += '"';
    return;
  }
  if (!is_utf8(text)) {
    const std::string clean = with_replacements(text);
    out.pop_back();
    return append_string(out, clean);
  }
  size_t copied = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (!is_special(c)) { continue; }
    out += text.substr(copied, at - copied);
    append_escape(out, c);
    copied = at + 1;
  }
  out += text.substr(copied);
  out += '"';
}

void append_timestamp(std::string& out, int64_t ms, JsonTimestampFormat format, bool is_utc) {
  std::array<char, kTimeTextBytesMax> buffer;
  const char* const end = write_timestamp(buffer.data(), ms);
  if (format == JsonTimestampFormat::kIso8601) {
    *std::find(buffer.begin(), buffer.end(), ' ') = 'T';
  }
  out.append(buffer.data(), trimmed_length(buffer.data(), end));
  if (is_utc) { out += 'Z'; }
}

void append_time(std::string& out, Time time) {
  std::array<char, kTimeTextBytesMax> buffer;
  const char* const end = write_time_of_day(buffer.data(), time.ms());
  out.append(buffer.data(), trimmed_length(buffer.data(), end));
}

// As Java's BigDecimal has it: with an exponent where six zeros or more would follow the point.
void append_decimal(std::string& out, std::string plain, bool as_plain_number) {
  constexpr int64_t kLeastPlainExponent = -6;
  const size_t point = plain.find('.');
  if (as_plain_number || point == std::string::npos) {
    out += plain;
    return;
  }
  const bool negative = plain[0] == '-';
  const size_t nonzero = plain.find_first_of("123456789");
  const std::string digits = nonzero == std::string::npos ? "0" : plain.substr(nonzero);
  const auto scale = static_cast<int64_t>(plain.size() - point - 1);
  const int64_t exponent = std::ssize(digits) - 1 - scale;
  if ((nonzero != std::string::npos && nonzero < point) || exponent >= kLeastPlainExponent) {
    out += plain;
    return;
  }
  if (negative) { out += '-'; }
  out += digits[0];
  if (digits.size() > 1) {
    out += '.';
    out.append(digits, 1);
  }
  out += 'E';
  append_integer(out, exponent);
}

void append_real(std::string& out, double value) { append_real_of(out, value); }
void append_real(std::string& out, float value) { append_real_of(out, value); }

}  // namespace json_detail

Status JsonWriter::null_key() {
  return invalid_argument(
      ErrorId::kRecordMalformed,
      "a map has an entry whose key has no value, which JSON can't express: set the option "
      "map_null_key_mode to JsonMapNullKey::kDrop or kLiteral, or fill the key");
}

// Bytes from 0x80 on are the characters U+0080 to U+00FF.
void JsonWriter::append_char(std::string& out, char value) {
  const auto byte = static_cast<unsigned char>(value);
  if (byte < 0x80) { return json_detail::append_string(out, {&value, 1}); }
  const std::array<char, 2> two{static_cast<char>(0xC0 | byte >> 6),
                                static_cast<char>(0x80 | (byte & 0x3F))};
  json_detail::append_string(out, {two.data(), two.size()});
}

}  // namespace tidewheel
