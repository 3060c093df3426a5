#include "tidewheel/types/time.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace tidewheel {

namespace {

constexpr int64_t kMsPerDay = 86'400'000;
constexpr int64_t kMsPerHour = 3'600'000;
constexpr int64_t kMsPerMinute = 60'000;

constexpr int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b < 0 ? quotient - 1 : quotient;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

char* write_padded(char* out, uint64_t value, int digits_min) {
  std::array<char, 20> digits;
  int count = 0;
  do {
    digits[static_cast<size_t>(count++)] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (count < digits_min) { digits[static_cast<size_t>(count++)] = '0'; }
  while (count > 0) { *out++ = digits[static_cast<size_t>(--count)]; }
  return out;
}
char* write_two(char* out, int32_t value) {
  out[0] = static_cast<char>('0' + value / 10);
  out[1] = static_cast<char>('0' + value % 10);
  return out + 2;
}
char* write_year(char* out, int64_t year) {
  if (year >= 0 && year <= 9999) [[likely]] {
    out = write_two(out, static_cast<int32_t>(year / 100));
    return write_two(out, static_cast<int32_t>(year % 100));
  }
  if (year < 0) { *out++ = '-'; }
  return write_padded(out, static_cast<uint64_t>(year < 0 ? -year : year), 4);
}
char* write_civil_date(char* out, const CivilTime& civil) {
  out = write_year(out, civil.year);
  *out++ = '-';
  out = write_two(out, civil.month);
  *out++ = '-';
  return write_two(out, civil.day);
}

// Reads parts of a text from left to right; once something did not fit, `ok` stays false.
struct Scanner {
  const char* at;
  const char* end;
  bool ok = true;

  explicit Scanner(std::string_view text) : at(text.data()), end(text.data() + text.size()) {}
  bool done() const { return at == end; }
  char peek() const { return at == end ? '\0' : *at; }
  bool take(char c) {
    if (at == end || *at != c) { return false; }
    ++at;
    return true;
  }
  void need(char c) { ok = take(c) && ok; }
  // A number of `count_min` to `count_max` digits, in [low, high].
  int64_t digits(int count_min, int count_max, int64_t low, int64_t high) {
    int64_t value = 0;
    int count = 0;
    while (at != end && count < count_max && is_digit(*at)) {
      value = value * 10 + (*at++ - '0');
      ++count;
    }
    if (count < count_min || value < low || value > high) { ok = false; }
    return value;
  }
  int32_t two(int32_t low, int32_t high) { return static_cast<int32_t>(digits(2, 2, low, high)); }
  // Digits after the point, as milliseconds; what is finer is dropped.
  int32_t fraction(int count_min, int count_max) {
    int32_t ms = 0;
    int count = 0;
    while (at != end && count < count_max && is_digit(*at)) {
      if (count < 3) { ms = ms * 10 + (*at - '0'); }
      ++at;
      ++count;
    }
    if (count < count_min) { ok = false; }
    for (int i = count; i < 3; ++i) { ms *= 10; }
    return ms;
  }
  // "Z", "+hh", "+hhmm" or "+hh:mm": how far the clock is ahead of UTC.
  int64_t zone_ms() {
    if (take('Z') || take('z')) { return 0; }
    const bool ahead = take('+');
    if (!ahead && !take('-')) {
      ok = false;
      return 0;
    }
    const int64_t hours = two(0, 18);
    int64_t minutes = 0;
    if (take(':') || is_digit(peek())) { minutes = two(0, 59); }
    const int64_t ms = hours * kMsPerHour + minutes * kMsPerMinute;
    return ahead ? ms : -ms;
  }
};

void scan_date(Scanner& scanner, CivilTime& civil) {
  const bool negative = scanner.take('-');
  if (!negative) { scanner.take('+'); }
  civil.year = scanner.digits(4, 9, 0, 999'999'999);
  if (negative) { civil.year = -civil.year; }
  scanner.need('-');
  civil.month = scanner.two(1, 12);
  scanner.need('-');
  civil.day = scanner.two(1, 31);
  if (scanner.ok && civil.day > days_in_month(civil.year, civil.month)) { scanner.ok = false; }
}

void scan_time(Scanner& scanner, CivilTime& civil) {
  civil.hour = scanner.two(0, 23);
  scanner.need(':');
  civil.minute = scanner.two(0, 59);
  if (!scanner.take(':')) { return; }
  civil.second = scanner.two(0, 59);
  if (scanner.take('.') || scanner.take(',')) { civil.millisecond = scanner.fraction(1, 18); }
}

// From 0 to a day. Not by subtracting days: the first day that int64 can name begins before its
// border.
int64_t ms_of_day(int64_t ms) {
  const int64_t rest = ms % kMsPerDay;
  return rest < 0 ? rest + kMsPerDay : rest;
}

std::optional<int64_t> scan_timestamp(std::string_view text, bool zone_allowed) {
  Scanner scanner(text);
  CivilTime civil;
  scan_date(scanner, civil);
  int64_t ahead_ms = 0;
  if (scanner.ok && !scanner.done()) {
    if (!scanner.take('T') && !scanner.take(' ') && !scanner.take('t')) { return std::nullopt; }
    scan_time(scanner, civil);
    if (scanner.ok && zone_allowed && !scanner.done()) { ahead_ms = scanner.zone_ms(); }
  }
  if (!scanner.ok || !scanner.done()) { return std::nullopt; }
  return saturating_subtract(ms_from_civil(civil), ahead_ms);
}

}  // namespace

// The calendar's arithmetic counts from 1 March of year 0, so that the leap day is the last of a
// year. Within an era of 400 years all is small and positive, where 32 bits divide fastest.
int64_t days_from_civil(int64_t year, int32_t month, int32_t day) {
  const int64_t shifted_year = month <= 2 ? year - 1 : year;
  const int64_t era = floor_divide(shifted_year, 400);
  const auto year_of_era = static_cast<uint32_t>(shifted_year - era * 400);
  const uint32_t month_from_march = (static_cast<uint32_t>(month) + 9) % 12;
  const uint32_t days_before_month = (153 * month_from_march + 2) / 5;
  const uint32_t days_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + days_before_month;
  return era * 146'097 + days_of_era + day - 1 - 719'468;
}

int32_t days_in_month(int64_t year, int32_t month) {
  constexpr std::array<int32_t, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month - 1)];
}

CivilTime civil_from_ms(int64_t ms) {
  const int64_t shifted = floor_divide(ms, kMsPerDay) + 719'468;
  const auto rest = static_cast<uint32_t>(ms_of_day(ms));
  const int64_t era = floor_divide(shifted, 146'097);
  const auto day_of_era = static_cast<uint32_t>(shifted - era * 146'097);
  const uint32_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const uint32_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint32_t month_from_march = (5 * day_of_year + 2) / 153;
  CivilTime civil;
  civil.day = static_cast<int32_t>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  civil.month =
      static_cast<int32_t>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  civil.year = year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0);
  civil.hour = static_cast<int32_t>(rest / static_cast<uint32_t>(kMsPerHour));
  civil.minute = static_cast<int32_t>(rest / static_cast<uint32_t>(kMsPerMinute) % 60);
  civil.second = static_cast<int32_t>(rest / 1000 % 60);
  civil.millisecond = static_cast<int32_t>(rest % 1000);
  return civil;
}

int64_t ms_from_civil(const CivilTime& civil) {
  const int64_t days = days_from_civil(civil.year, civil.month, civil.day);
  const int64_t rest =
      ((int64_t{civil.hour} * 60 + civil.minute) * 60 + civil.second) * 1000 + civil.millisecond;
  // The first day that int64 can name begins before its border: go by the day after.
  int64_t ms = 0;
  if (days < 0) {
    if (__builtin_mul_overflow(days + 1, kMsPerDay, &ms)) { return INT64_MIN; }
    return saturating_add(ms, rest - kMsPerDay);
  }
  if (__builtin_mul_overflow(days, kMsPerDay, &ms)) { return INT64_MAX; }
  return saturating_add(ms, rest);
}

Date Date::of(int64_t year, int32_t month, int32_t day) {
  const int64_t months = year * 12 + month - 1;
  const int64_t days =
      days_from_civil(floor_divide(months, 12),
                      static_cast<int32_t>(months - floor_divide(months, 12) * 12) + 1, 1) +
      day - 1;
  return Date(static_cast<int32_t>(std::clamp<int64_t>(days, INT32_MIN, INT32_MAX)));
}

char* write_time_of_day(char* out, int64_t ms) {
  const auto rest = static_cast<int32_t>(ms);
  out = write_two(out, rest / static_cast<int32_t>(kMsPerHour));
  *out++ = ':';
  out = write_two(out, rest / static_cast<int32_t>(kMsPerMinute) % 60);
  *out++ = ':';
  out = write_two(out, rest / 1000 % 60);
  *out++ = '.';
  const int32_t milliseconds = rest % 1000;
  *out++ = static_cast<char>('0' + milliseconds / 100);
  return write_two(out, milliseconds % 100);
}

char* write_date(char* out, int64_t days) {
  return write_civil_date(
      out,
      civil_from_ms(std::clamp(days, INT64_MIN / kMsPerDay, INT64_MAX / kMsPerDay) * kMsPerDay));
}

char* write_timestamp(char* out, int64_t ms) {
  out = write_civil_date(out, civil_from_ms(ms));
  *out++ = ' ';
  return write_time_of_day(out, ms_of_day(ms));
}

std::string to_string(Timestamp value) {
  std::array<char, kTimeTextBytesMax> buffer;
  return std::string(buffer.data(), write_timestamp(buffer.data(), value.ms()));
}
std::string to_string(LocalTimestamp value) { return to_string(Timestamp(value.ms())); }
std::string to_string(Date value) {
  std::array<char, kTimeTextBytesMax> buffer;
  return std::string(buffer.data(), write_date(buffer.data(), value.days()));
}
std::string to_string(Time value) {
  std::array<char, kTimeTextBytesMax> buffer;
  return std::string(buffer.data(), write_time_of_day(buffer.data(), value.ms()));
}

std::string to_string(const Interval& value) {
  std::string text = "P";
  if (value.months != 0) { text += std::to_string(value.months) + "M"; }
  if (value.ms == 0 && value.months != 0) { return text; }
  const auto magnitude =
      value.ms < 0 ? 0 - static_cast<uint64_t>(value.ms) : static_cast<uint64_t>(value.ms);
  std::array<char, 8> fraction;
  write_padded(fraction.data(), magnitude % 1000, 3);
  text += value.ms < 0 ? "T-" : "T";
  text += std::to_string(magnitude / 1000) + "." + std::string(fraction.data(), 3) + "S";
  return text;
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  const auto ms = scan_timestamp(text, /*zone_allowed=*/true);
  if (!ms) { return std::nullopt; }
  return Timestamp(*ms);
}

std::optional<LocalTimestamp> parse_local_timestamp(std::string_view text) {
  const auto ms = scan_timestamp(text, /*zone_allowed=*/false);
  if (!ms) { return std::nullopt; }
  return LocalTimestamp(*ms);
}

std::optional<Date> parse_date(std::string_view text) {
  Scanner scanner(text);
  CivilTime civil;
  scan_date(scanner, civil);
  if (!scanner.ok || !scanner.done()) { return std::nullopt; }
  const int64_t days = days_from_civil(civil.year, civil.month, civil.day);
  if (days < INT32_MIN || days > INT32_MAX) { return std::nullopt; }
  return Date(static_cast<int32_t>(days));
}

std::optional<Time> parse_time(std::string_view text) {
  Scanner scanner(text);
  CivilTime civil;
  scan_time(scanner, civil);
  if (!scanner.ok || !scanner.done()) { return std::nullopt; }
  return Time(static_cast<int32_t>(ms_from_civil(civil)));
}

// ---- Patterns ----

namespace {

// A run of one letter, or a literal, at the start of a pattern; takes it off.
struct PatternPart {
  char letter = '\0';  // '\0': the literal in `text`
  int count = 0;
  std::string_view text;
};

// Takes the first part off `pattern`. A quote has no part of its own: `quoted` is carried along.
PatternPart take_part(std::string_view& pattern, bool& quoted) {
  while (!pattern.empty() && pattern.front() == '\'') {
    if (pattern.starts_with("''")) {
      const PatternPart part{'\0', 1, pattern.substr(0, 1)};
      pattern.remove_prefix(2);
      return part;
    }
    quoted = !quoted;
    pattern.remove_prefix(1);
  }
  if (pattern.empty()) { return {}; }
  const char c = pattern.front();
  const bool letter = !quoted && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
  size_t count = 1;
  while (letter && count < pattern.size() && pattern[count] == c) { ++count; }
  const PatternPart part{letter ? c : '\0', static_cast<int>(count), pattern.substr(0, count)};
  pattern.remove_prefix(count);
  return part;
}

bool is_known(const PatternPart& part) {
  switch (part.letter) {
    case '\0': return true;
    case 'y': return part.count == 4 || part.count == 2;
    case 'M':
    case 'd':
    case 'H':
    case 'm':
    case 's': return part.count <= 2;
    case 'S': return part.count <= 9;
    case 'X': return part.count == 1 || part.count == 3;
    case 'Z': return part.count == 1;
    default: return false;
  }
}

void scan_part(Scanner& scanner, const PatternPart& part, CivilTime& civil, int64_t& ahead_ms) {
  const int digits_min = part.count == 1 ? 1 : 2;
  const auto number = [&](int64_t low, int64_t high) {
    return static_cast<int32_t>(scanner.digits(digits_min, 2, low, high));
  };
  switch (part.letter) {
    case '\0': scanner.need(part.text.front()); break;
    case 'y':
      civil.year = part.count == 2 ? 2000 + number(0, 99) : scanner.digits(4, 4, 0, 9999);
      break;
    case 'M': civil.month = number(1, 12); break;
    case 'd': civil.day = number(1, 31); break;
    case 'H': civil.hour = number(0, 23); break;
    case 'm': civil.minute = number(0, 59); break;
    case 's': civil.second = number(0, 59); break;
    case 'S': civil.millisecond = scanner.fraction(part.count, part.count); break;
    default: ahead_ms = scanner.zone_ms(); break;
  }
}

char* write_part(char* out, const PatternPart& part, const CivilTime& civil) {
  const auto number = [&](int32_t value) {
    return write_padded(out, static_cast<uint64_t>(value), part.count);
  };
  switch (part.letter) {
    case '\0': *out = part.text.front(); return out + 1;
    case 'y':
      return part.count == 2 ? number(static_cast<int32_t>(civil.year % 100 + 100) % 100)
                             : write_year(out, civil.year);
    case 'M': return number(civil.month);
    case 'd': return number(civil.day);
    case 'H': return number(civil.hour);
    case 'm': return number(civil.minute);
    case 's': return number(civil.second);
    case 'S': {
      std::array<char, 12> digits;
      digits.fill('0');
      write_padded(digits.data(), static_cast<uint64_t>(civil.millisecond), 3);
      std::memcpy(out, digits.data(), static_cast<size_t>(part.count));
      return out + part.count;
    }
    default: *out = 'Z'; return out + 1;
  }
}

}  // namespace

std::optional<TimePattern> TimePattern::compile(std::string_view pattern) {
  std::string_view rest = pattern;
  bool quoted = false;
  while (!rest.empty()) {
    if (!is_known(take_part(rest, quoted))) { return std::nullopt; }
  }
  if (quoted) { return std::nullopt; }
  TimePattern compiled;
  compiled.pattern_ = pattern;
  return compiled;
}

std::optional<int64_t> TimePattern::parse(std::string_view text) const {
  Scanner scanner(text);
  CivilTime civil;
  int64_t ahead_ms = 0;
  bool quoted = false;
  std::string_view rest = pattern_;
  while (!rest.empty() && scanner.ok) {
    const PatternPart part = take_part(rest, quoted);
    if (part.count > 0) { scan_part(scanner, part, civil, ahead_ms); }
  }
  if (!scanner.ok || !scanner.done() || civil.day > days_in_month(civil.year, civil.month)) {
    return std::nullopt;
  }
  return saturating_subtract(ms_from_civil(civil), ahead_ms);
}

std::string TimePattern::format(int64_t ms) const {
  const CivilTime civil = civil_from_ms(ms);
  std::string text;
  bool quoted = false;
  std::string_view rest = pattern_;
  std::array<char, kTimeTextBytesMax> buffer;
  while (!rest.empty()) {
    const PatternPart part = take_part(rest, quoted);
    if (part.count > 0) { text.append(buffer.data(), write_part(buffer.data(), part, civil)); }
  }
  return text;
}

}  // namespace tidewheel
