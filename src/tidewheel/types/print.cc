#include "tidewheel/types/print.h"

#include <array>
#include <charconv>

namespace tidewheel::print_detail {

namespace {
constexpr std::string_view kHexDigits = "0123456789abcdef";

template <class T>
void append_chars(std::string& out, T value) {
  std::array<char, 64> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  static_cast<void>(error);  // the buffer is large enough for every number
  out.append(buffer.data(), end);
}
}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\x";
      append_hex(out, std::string_view(&c, 1));
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_hex(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
}

void append_number(std::string& out, int64_t value) { append_chars(out, value); }
void append_number(std::string& out, uint64_t value) { append_chars(out, value); }
void append_number(std::string& out, float value) { append_chars(out, value); }
void append_number(std::string& out, double value) { append_chars(out, value); }

void append_time(std::string& out, Timestamp value) {
  std::array<char, kTimeTextBytesMax> buffer;
  out.append(buffer.data(), write_timestamp(buffer.data(), value.ms()));
}
void append_time(std::string& out, LocalTimestamp value) {
  append_time(out, Timestamp(value.ms()));
}
void append_time(std::string& out, Date value) { out += to_string(value); }
void append_time(std::string& out, Time value) { out += to_string(value); }
void append_time(std::string& out, const Interval& value) { out += to_string(value); }

}  // namespace tidewheel::print_detail
