#include "tidewheel/sql/date_pattern.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>

#include "tidewheel/sql/time_text.h"

namespace tidewheel::sql {
namespace {

constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
constexpr std::string_view kDays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                      "Friday", "Saturday", "Sunday"};
constexpr std::string_view kLetters = "GyuMLdDEeQqHhKkmsSnAaXxZzV";
constexpr std::string_view kNumbers = "yudDHhKkmsSnA";

// What the unit of a letter lasts, in milliseconds.
int64_t unit_of(char letter) {
  switch (letter) {
    case 'S':
    case 'n':
    case 'A': return 0;
    case 's': return kMsPerSecond;
    case 'm': return kMsPerMinute;
    case 'H':
    case 'h':
    case 'K':
    case 'k':
    case 'a': return kMsPerHour;
    default: return kMsPerDay;
  }
}

bool is_number(char letter, int32_t count) {
  return kNumbers.find(letter) != std::string_view::npos ||
         ((letter == 'M' || letter == 'L') && count <= 2);
}

void put_number(std::string& out, int64_t value, int32_t digits) {
  std::array<char, 24> buffer;
  if (value < 0) {
    out += '-';
    value = -value;
  }
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  const auto size = static_cast<int32_t>(end - buffer.data());
  for (int32_t i = size; i < digits; ++i) { out += '0'; }
  out.append(buffer.data(), end);
}

void put_zone(std::string& out, char letter, int32_t count, int64_t offset_ms) {
  if (letter == 'X' && offset_ms == 0) {
    out += 'Z';
    return;
  }
  const int64_t minutes = (offset_ms < 0 ? -offset_ms : offset_ms) / kMsPerMinute;
  out += offset_ms < 0 ? '-' : '+';
  put_number(out, minutes / 60, 2);
  if (count == 1 && letter != 'Z' && minutes % 60 == 0) { return; }
  if ((count == 3 || count == 5) && letter != 'Z') { out += ':'; }
  put_number(out, minutes % 60, 2);
}

std::optional<int64_t> take_zone(std::string_view& text) {
  if (text.starts_with('Z')) {
    text.remove_prefix(1);
    return 0;
  }
  if (!text.starts_with('+') && !text.starts_with('-')) { return std::nullopt; }
  const int64_t sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto two = [&]() -> std::optional<int64_t> {
    if (text.size() < 2 || std::isdigit(static_cast<unsigned char>(text[0])) == 0 ||
        std::isdigit(static_cast<unsigned char>(text[1])) == 0) {
      return std::nullopt;
    }
    const int64_t value = (text[0] - '0') * 10 + (text[1] - '0');
    text.remove_prefix(2);
    return value;
  };
  const auto hours = two();
  if (!hours) { return std::nullopt; }
  if (text.starts_with(':')) { text.remove_prefix(1); }
  return sign * (*hours * kMsPerHour + two().value_or(0) * kMsPerMinute);
}

bool starts_with_word(std::string_view text, std::string_view word) {
  if (text.size() < word.size()) { return false; }
  for (size_t i = 0; i < word.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(text[i])) !=
        std::tolower(static_cast<unsigned char>(word[i]))) {
      return false;
    }
  }
  return true;
}

// Takes one of the names, in full or its first three letters; its index, or -1.
int32_t take_name(std::string_view& text, std::span<const std::string_view> names) {
  for (size_t i = 0; i < names.size(); ++i) {
    for (const size_t size : {names[i].size(), size_t{3}}) {
      if (!starts_with_word(text, names[i].substr(0, size))) { continue; }
      text.remove_prefix(std::min(size, names[i].size()));
      return static_cast<int32_t>(i);
    }
  }
  return -1;
}

}  // namespace

struct DatePattern::Fields {
  int64_t year = 1970;
  int64_t month = 1;
  int64_t day = 1;
  int64_t day_of_year = 0;
  int64_t hour = 0;
  int64_t half = -1;  // AM 0, PM 1
  int64_t minute = 0;
  int64_t second = 0;
  int64_t ns = 0;
  bool has_hour12 = false;
  std::optional<int64_t> offset_ms;
};

int32_t day_of_week(int64_t days) { return static_cast<int32_t>(floor_mod(days + 3, 7)) + 1; }

int32_t day_of_year(int64_t days) {
  const CivilTime civil = civil_of_day(days);
  return static_cast<int32_t>(days - days_from_civil(civil.year, 1, 1)) + 1;
}

int64_t iso_year(int64_t days) {
  // The year of the week's Thursday.
  return civil_of_day(days + 4 - day_of_week(days)).year;
}

int32_t iso_week(int64_t days) {
  const int64_t thursday = days + 4 - day_of_week(days);
  return (day_of_year(thursday) - 1) / 7 + 1;
}

Result<DatePattern> DatePattern::compile(std::string_view pattern) {
  DatePattern compiled;
  compiled.text_ = pattern;
  const auto literal = [&](char c) {
    if (compiled.parts_.empty() || compiled.parts_.back().letter != 0) {
      compiled.parts_.emplace_back();
    }
    compiled.parts_.back().text += c;
  };
  bool quoted = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\'') {
      if (i + 1 < pattern.size() && pattern[i + 1] == '\'') {
        literal(c);
        ++i;
      } else {
        quoted = !quoted;
      }
    } else if (quoted || std::isalpha(static_cast<unsigned char>(c)) == 0) {
      literal(c);
    } else {
      if (kLetters.find(c) == std::string_view::npos) {
        return invalid_argument(ErrorId::kSqlValue,
                                "the pattern '{}' for times has the letter {}, which means "
                                "nothing; letters that are none are quoted: 'T'",
                                pattern, c);
      }
      Part part;
      part.letter = c;
      while (i + 1 < pattern.size() && pattern[i + 1] == c) {
        ++part.count;
        ++i;
      }
      ++part.count;
      compiled.parts_.push_back(std::move(part));
    }
  }
  for (const Part& part : compiled.parts_) {
    compiled.unit_ms_ = std::min(compiled.unit_ms_, unit_of(part.letter));
  }
  for (size_t i = 0; i + 1 < compiled.parts_.size(); ++i) {
    const Part& next = compiled.parts_[i + 1];
    compiled.parts_[i].digits_follow = is_number(next.letter, next.count);
  }
  return compiled;
}

void DatePattern::put(std::string& out, const Part& part, const LocalTime& time,
                      int64_t offset_ms) const {
  const int64_t of_day = floor_mod(time.ms, kMsPerDay);
  const int64_t hour = of_day / kMsPerHour;
  const auto number = [&](int64_t value) { put_number(out, value, part.count); };
  const auto name = [&](std::string_view word) {
    out += part.count >= 4 ? word : word.substr(0, 3);
  };
  switch (part.letter) {
    case 0: out += part.text; return;
    case 'G': out += civil_.year > 0 ? "AD" : "BC"; return;
    case 'y':
    case 'u':
      return part.count == 2 ? put_number(out, floor_mod(civil_.year, 100), 2)
                             : number(civil_.year);
    case 'M':
    case 'L': return part.count <= 2 ? number(civil_.month) : name(kMonths[civil_.month - 1]);
    case 'd': return number(civil_.day);
    case 'D': return number(day_of_year(day_));
    case 'E': return name(kDays[day_of_week(day_) - 1]);
    case 'e': return number(day_of_week(day_) % 7 + 1);
    case 'Q':
    case 'q': return number((civil_.month - 1) / 3 + 1);
    case 'H': return number(hour);
    case 'h': return number(hour % 12 == 0 ? 12 : hour % 12);
    case 'K': return number(hour % 12);
    case 'k': return number(hour == 0 ? 24 : hour);
    case 'm': return number(of_day / kMsPerMinute % 60);
    case 's': return number(of_day / kMsPerSecond % 60);
    case 'a': out += hour < 12 ? "AM" : "PM"; return;
    case 'A': return number(of_day);
    case 'n': return number(of_day % kMsPerSecond * 1'000'000 + time.ns);
    case 'S': {
      std::string digits;
      put_number(digits, of_day % kMsPerSecond * 1'000'000 + time.ns, 9);
      digits.resize(static_cast<size_t>(part.count), '0');
      out += digits;
      return;
    }
    default: return put_zone(out, part.letter, part.count, offset_ms);
  }
}

std::string_view DatePattern::format(const LocalTime& time, int64_t offset_ms) {
  if (is_formatted(time, offset_ms)) { return formatted_; }
  formatted_begin_ms_ = time.ms - (unit_ms_ == 0 ? 0 : floor_mod(time.ms, unit_ms_));
  formatted_end_ms_ = saturating_add(formatted_begin_ms_, unit_ms_);
  formatted_offset_ms_ = offset_ms;
  formatted_.clear();
  const int64_t day = floor_div(time.ms, kMsPerDay);
  if (day != day_) {
    day_ = day;
    civil_ = civil_of_day(day);
  }
  for (const Part& part : parts_) { put(formatted_, part, time, offset_ms); }
  return formatted_;
}

// ---- Parsing

namespace {

// Digits, `least` to `most` of them.
std::optional<int64_t> take_digits(std::string_view& text, int32_t least, int32_t most) {
  int64_t value = 0;
  int32_t count = 0;
  while (count < most && !text.empty() && text.front() >= '0' && text.front() <= '9') {
    value = value * 10 + (text.front() - '0');
    text.remove_prefix(1);
    ++count;
  }
  if (count < least) { return std::nullopt; }
  return value;
}

}  // namespace

bool DatePattern::take(const Part& part, std::string_view& text, bool lenient, Fields& fields) {
  const int32_t count = part.count;
  const auto number = [&](int64_t& to, int32_t most) {
    // Numbers side by side have as many digits as letters.
    const bool exact = part.digits_follow;
    const int32_t least = exact || !lenient ? count : 1;
    const auto value = take_digits(text, least, exact || (!lenient && count > 1) ? count : most);
    if (value) { to = *value; }
    return value.has_value();
  };
  switch (part.letter) {
    case 0:
      if (!text.starts_with(part.text)) { return false; }
      text.remove_prefix(part.text.size());
      return true;
    case 'y':
    case 'u': {
      if (!number(fields.year, 9)) { return false; }
      if (count == 2 && fields.year < 100) { fields.year += 2000; }
      return true;
    }
    case 'M':
    case 'L': {
      if (count <= 2) { return number(fields.month, 2); }
      const int32_t month = take_name(text, kMonths);
      fields.month = month + 1;
      return month >= 0;
    }
    case 'E': return take_name(text, kDays) >= 0;
    case 'd': return number(fields.day, 2);
    case 'D': return number(fields.day_of_year, 3);
    case 'H':
    case 'k': return number(fields.hour, 2);
    case 'h':
    case 'K': fields.has_hour12 = true; return number(fields.hour, 2);
    case 'm': return number(fields.minute, 2);
    case 's': return number(fields.second, 2);
    case 'n': return number(fields.ns, 9);
    case 'a': {
      fields.half = starts_with_word(text, "PM") ? 1 : 0;
      if (fields.half == 0 && !starts_with_word(text, "AM")) { return false; }
      text.remove_prefix(2);
      return true;
    }
    case 'S': {
      const size_t before = text.size();
      const auto value = take_digits(text, lenient ? 1 : count, std::min(count, 9));
      if (!value) { return false; }
      int64_t ns = *value;
      // SimpleDateFormat counts milliseconds; DateTimeFormatter has a fraction.
      const size_t digits = lenient ? 3 : before - text.size();
      for (size_t i = digits; i < 9; ++i) { ns *= 10; }
      fields.ns = ns;
      return true;
    }
    case 'X':
    case 'x':
    case 'Z': {
      fields.offset_ms = take_zone(text);
      return fields.offset_ms.has_value();
    }
    default: return false;
  }
}

std::optional<LocalTime> DatePattern::parse(std::string_view text, bool lenient,
                                            std::optional<int64_t>* offset_ms) const {
  Fields fields;
  for (const Part& part : parts_) {
    if (!take(part, text, lenient, fields)) { return std::nullopt; }
  }
  if (!lenient && !text.empty()) { return std::nullopt; }
  if (fields.has_hour12) { fields.hour = fields.hour % 12 + (fields.half == 1 ? 12 : 0); }
  if (fields.hour == 24) { fields.hour = lenient ? 24 : 0; }
  const bool in_range =
      fields.month >= 1 && fields.month <= 12 && fields.day >= 1 && fields.hour < 24 &&
      fields.minute < 60 && fields.second < 60 &&
      fields.day <= days_in_month(fields.year,
                                  static_cast<int32_t>(std::clamp<int64_t>(fields.month, 1, 12)));
  if (!lenient && !in_range) { return std::nullopt; }
  const int64_t months = fields.year * 12 + fields.month - 1;
  const int64_t days =
      days_from_civil(floor_div(months, 12), static_cast<int32_t>(floor_mod(months, 12)) + 1, 1) +
      fields.day - 1;
  LocalTime time;
  const int64_t day =
      fields.day_of_year > 0 ? days_from_civil(fields.year, 1, 1) + fields.day_of_year - 1 : days;
  time.ms = day * kMsPerDay + ((fields.hour * 60 + fields.minute) * 60 + fields.second) * 1000 +
            fields.ns / 1'000'000;
  time.ns = static_cast<int32_t>(fields.ns % 1'000'000);
  if (offset_ms != nullptr) { *offset_ms = fields.offset_ms; }
  return time;
}

}  // namespace tidewheel::sql
