#include "tidewheel/formats/json/values.h"

#include <limits>

#include "tidewheel/types/fine_time.h"

namespace tidewheel::json_detail {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The parts of a number.
struct Number {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  int64_t exponent = 0;  // as written, clamped to +-1,000,000
};

const char* skip_digits(const char* at, const char* end) {
  while (at != end && is_digit(*at)) { ++at; }
  return at;
}

bool take_exponent(const char* at, const char* end, int64_t& exponent) {
  constexpr int64_t kExponentMax = 1'000'000;
  const bool negative = at != end && *at == '-';
  if (at != end && (*at == '-' || *at == '+')) { ++at; }
  if (at == end) { return false; }
  for (; at != end; ++at) {
    if (!is_digit(*at)) { return false; }
    exponent = std::min(kExponentMax, exponent * 10 + (*at - '0'));
  }
  if (negative) { exponent = -exponent; }
  return true;
}

bool split_number(std::string_view text, Number& number) {
  const char* at = text.data();
  const char* const end = at + text.size();
  number.negative = at != end && *at == '-';
  if (number.negative) { ++at; }
  const char* stop = skip_digits(at, end);
  if (stop == at || (*at == '0' && stop - at > 1)) { return false; }
  number.whole = {at, static_cast<size_t>(stop - at)};
  at = stop;
  if (at != end && *at == '.') {
    stop = skip_digits(++at, end);
    if (stop == at) { return false; }
    number.fraction = {at, static_cast<size_t>(stop - at)};
    at = stop;
  }
  if (at == end) { return true; }
  return (*at == 'e' || *at == 'E') && take_exponent(at + 1, end, number.exponent);
}

// Whole numbers below 2^53 times or divided by powers of ten up to 10^22 are exact, so that the
// result is rounded once, as it has to be (Clinger, 1990).
bool short_real(const Number& number, double& value) {
  static constexpr std::array<double, 23> kPowers{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (number.whole.size() + number.fraction.size() > 18) { return false; }
  uint64_t digits = 0;
  for (const char c : number.whole) { digits = digits * 10 + static_cast<uint64_t>(c - '0'); }
  for (const char c : number.fraction) { digits = digits * 10 + static_cast<uint64_t>(c - '0'); }
  const int64_t exponent = number.exponent - std::ssize(number.fraction);
  if (digits > (uint64_t{1} << 53) || exponent < -22 || exponent > 22) { return false; }
  const auto exact = static_cast<double>(digits);
  const double magnitude = exponent < 0 ? exact / kPowers[static_cast<size_t>(-exponent)]
                                        : exact * kPowers[static_cast<size_t>(exponent)];
  value = number.negative ? -magnitude : magnitude;
  return true;
}

// Whether a number that from_chars can't hold is too small for that, not too large.
bool is_tiny(const Number& number) {
  const size_t nonzero = number.whole.find_first_not_of('0');
  if (nonzero != std::string_view::npos) {
    return number.exponent < static_cast<int64_t>(nonzero) - std::ssize(number.whole);
  }
  return number.exponent < static_cast<int64_t>(number.fraction.find_first_not_of('0'));
}

template <class T>
bool long_real(std::string_view text, const Number& number, T& value) {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range && is_tiny(number)) {
    value = number.negative ? T{-0.0F} : T{0};
    return true;
  }
  return error == std::errc() && at == text.data() + text.size();
}

template <class T>
bool parse_any_integer(std::string_view text, T& value) {
  Number number;
  if (!split_number(text, number) ||
      number.whole.size() + (number.negative ? 1 : 0) != text.size()) {
    return false;
  }
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && at == text.data() + text.size();
}

// Four hexadecimal digits; -1 when they are none.
int32_t hex4(const char* at, const char* end) {
  if (end - at < 4) { return -1; }
  int32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at[i];
    const int32_t digit = is_digit(c)              ? c - '0'
                          : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                          : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                                   : -1;
    if (digit < 0) { return -1; }
    value = value * 16 + digit;
  }
  return value;
}

char* append_utf8(char* to, uint32_t code) {
  const auto put = [&to](uint32_t byte) { *to++ = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
  return to;
}

// What stands behind "\u"; moves `at` behind it. -1 when it is no character.
int32_t take_code(const char*& at, const char* end) {
  const int32_t high = hex4(at, end);
  if (high < 0 || (high >= 0xDC00 && high < 0xE000)) { return -1; }
  at += 4;
  if (high < 0xD800 || high >= 0xE000) { return high; }
  if (end - at < 6 || at[0] != '\\' || at[1] != 'u') { return -1; }
  const int32_t low = hex4(at + 2, end);
  if (low < 0xDC00 || low >= 0xE000) { return -1; }
  at += 6;
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

char simple_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return '\0';
  }
}

// The two digits of "yyyy-MM-dd HH:mm:ss" at `at`; more than 99 when they are none.
uint32_t two_digits(const char* at) {
  const auto tens = static_cast<uint32_t>(at[0] - '0');
  const auto ones = static_cast<uint32_t>(at[1] - '0');
  return tens > 9 || ones > 9 ? 1000 : tens * 10 + ones;
}

// "2013-01-31 05:00:00", then a fraction of up to three digits, and "Z" perhaps: what almost all
// timestamps look like. False is no verdict.
bool parse_usual_timestamp(std::string_view text, char separator, int64_t& ms) {
  constexpr size_t kSecondsEnd = 19;
  if (text.ends_with('Z')) { text.remove_suffix(1); }
  if (text.size() < kSecondsEnd || text.size() > kSecondsEnd + 4) { return false; }
  const char* const at = text.data();
  if (at[4] != '-' || at[7] != '-' || at[10] != separator || at[13] != ':' || at[16] != ':') {
    return false;
  }
  const uint32_t century = two_digits(at);
  const uint32_t year_in_century = two_digits(at + 2);
  const uint32_t month = two_digits(at + 5);
  const uint32_t day = two_digits(at + 8);
  const uint32_t hour = two_digits(at + 11);
  const uint32_t minute = two_digits(at + 14);
  const uint32_t second = two_digits(at + 17);
  // Days that not every month has are left to the other parser.
  if (century > 99 || year_in_century > 99 || month - 1 > 11 || day - 1 > 27 || hour > 23 ||
      minute > 59 || second > 59) {
    return false;
  }
  uint32_t fraction = 0;
  if (text.size() > kSecondsEnd) {
    if (at[kSecondsEnd] != '.' || text.size() == kSecondsEnd + 1) { return false; }
    uint32_t unit = 100;
    for (size_t i = kSecondsEnd + 1; i < text.size(); ++i, unit /= 10) {
      if (!is_digit(at[i])) { return false; }
      fraction += static_cast<uint32_t>(at[i] - '0') * unit;
    }
  }
  const int64_t days = days_from_civil(century * 100 + year_in_century, static_cast<int32_t>(month),
                                       static_cast<int32_t>(day));
  ms = ((days * 24 + hour) * 60 + minute) * 60'000 + second * 1000 + fraction;
  return true;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) { text.remove_prefix(1); }
  while (!text.empty() && is_space(text.back())) { text.remove_suffix(1); }
  return text;
}

bool parse_integer(std::string_view text, int64_t& value) { return parse_any_integer(text, value); }
bool parse_integer(std::string_view text, uint64_t& value) {
  return parse_any_integer(text, value);
}

bool is_number(std::string_view text) {
  Number number;
  return split_number(text, number);
}

bool parse_real(std::string_view text, double& value) {
  Number number;
  if (!split_number(text, number)) { return false; }
  return short_real(number, value) || long_real(text, number, value);
}

bool parse_real(std::string_view text, float& value) {
  Number number;
  return split_number(text, number) && long_real(text, number, value);
}

bool parse_not_finite(std::string_view text, double& value) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == "NaN") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (text == "Infinity" || text == "-Infinity") {
    value = text[0] == '-' ? -kInfinity : kInfinity;
  } else {
    return false;
  }
  return true;
}

bool expand_exponent(std::string_view text, std::string& plain) {
  constexpr int64_t kShiftMax = 100;  // a decimal has 38 digits
  Number number;
  if (!split_number(text, number)) { return false; }
  std::string digits = std::string(number.whole) + std::string(number.fraction);
  int64_t point = std::ssize(number.whole) + number.exponent;  // so many digits are before it
  if (digits.find_first_not_of('0') == std::string::npos) {
    plain = "0";
    return true;
  }
  if (point > kShiftMax + std::ssize(digits)) { return false; }
  point = std::max(point, -kShiftMax);  // what is nearer to 0 is 0 for every decimal
  if (point <= 0) {
    digits.insert(0, static_cast<size_t>(1 - point), '0');
    point = 1;
  }
  if (point > std::ssize(digits)) { digits.resize(static_cast<size_t>(point), '0'); }
  plain = number.negative ? "-" : "";
  plain.append(digits, 0, static_cast<size_t>(point));
  if (point < std::ssize(digits)) {
    plain += '.';
    plain.append(digits, static_cast<size_t>(point));
  }
  return true;
}

bool parse_timestamp_ms(std::string_view text, JsonTimestampFormat format, bool may_have_zone,
                        int64_t& ms) {
  const char separator = format == JsonTimestampFormat::kSql ? ' ' : 'T';
  if (!may_have_zone && text.ends_with('Z')) { return false; }
  if (parse_usual_timestamp(text, separator, ms)) [[likely]] { return true; }
  if (text.find(separator) == std::string_view::npos) { return false; }
  if (may_have_zone) {
    const auto parsed = tidewheel::parse_timestamp(text);
    if (parsed) { ms = parsed->ms(); }
    return parsed.has_value();
  }
  const auto parsed = tidewheel::parse_local_timestamp(text);
  if (parsed) { ms = parsed->ms(); }
  return parsed.has_value();
}

bool parse_timestamp(std::string_view text, JsonTimestampFormat format, bool may_have_zone,
                     int64_t units_per_second, int64_t& units) {
  int64_t ms = 0;
  return parse_timestamp_ms(text, format, may_have_zone, ms) &&
         refine_timestamp(text, ms, units_per_second, units);
}

char* unescape(std::string_view raw, char* to, const char*& bad) {
  const char* at = raw.data();
  const char* const end = at + raw.size();
  while (at != end) {
    const void* const found = std::memchr(at, '\\', static_cast<size_t>(end - at));
    const char* const stop = found == nullptr ? end : static_cast<const char*>(found);
    std::memmove(to, at, static_cast<size_t>(stop - at));
    to += stop - at;
    at = stop;
    if (at == end) { break; }
    bad = at;
    if (end - at < 2) { return nullptr; }
    const char kind = at[1];
    at += 2;
    if (kind == 'u') {
      const int32_t code = take_code(at, end);
      if (code < 0) { return nullptr; }
      to = append_utf8(to, static_cast<uint32_t>(code));
    } else if (const char meant = simple_escape(kind); meant != '\0') {
      *to++ = meant;
    } else {
      return nullptr;
    }
  }
  return to;
}

std::string_view describe_integer(size_t bytes, bool is_signed) {
  switch (bytes) {
    case 1: return is_signed ? "int8 (-128 to 127)" : "uint8 (0 to 255)";
    case 2: return is_signed ? "int16 (-32768 to 32767)" : "uint16 (0 to 65535)";
    case 4: return is_signed ? "int32" : "uint32";
    default: return is_signed ? "int64" : "uint64";
  }
}

std::string describe_timestamp(JsonTimestampFormat format, bool has_zone) {
  std::string text = "timestamp like \"2013-01-31 05:00:00.123";
  if (format == JsonTimestampFormat::kIso8601) { text[text.rfind(' ')] = 'T'; }
  text += has_zone ? "Z\"" : "\"";
  text += format == JsonTimestampFormat::kSql
              ? " (timestamp_format: JsonTimestampFormat::kIso8601 would be with a T)"
              : " (timestamp_format: JsonTimestampFormat::kSql would be with a space)";
  return text;
}

}  // namespace tidewheel::json_detail
