#include "tidewheel/sql/time_text.h"

namespace tidewheel::sql {
namespace {

struct Reader {
  std::string_view rest;
  bool ok = true;

  bool done() const { return rest.empty(); }
  bool take(char c) {
    if (rest.empty() || rest.front() != c) { return false; }
    rest.remove_prefix(1);
    return true;
  }
  void need(char c) { ok = take(c) && ok; }
  int32_t number(int digits_min, int digits_max, int32_t low, int32_t high) {
    int32_t value = 0;
    int count = 0;
    while (!rest.empty() && count < digits_max && rest.front() >= '0' && rest.front() <= '9') {
      value = value * 10 + (rest.front() - '0');
      rest.remove_prefix(1);
      ++count;
    }
    if (count < digits_min || value < low || value > high) { ok = false; }
    return value;
  }
  // Nanoseconds of up to nine digits; finer ones are skipped.
  int32_t fraction_ns() {
    int32_t ns = 0;
    int count = 0;
    for (; !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; rest.remove_prefix(1)) {
      if (count < 9) {
        ns = ns * 10 + (rest.front() - '0');
        ++count;
      }
    }
    ok = ok && count > 0;
    for (; count < 9; ++count) { ns *= 10; }
    return ns;
  }
};

bool is_day(const CivilTime& civil) {
  return civil.month >= 1 && civil.month <= 12 && civil.day >= 1 &&
         civil.day <= days_in_month(civil.year, civil.month);
}

}  // namespace

std::string_view without_blanks(std::string_view text) {
  const auto is_blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  while (!text.empty() && is_blank(text.front())) { text.remove_prefix(1); }
  while (!text.empty() && is_blank(text.back())) { text.remove_suffix(1); }
  return text;
}

std::optional<int64_t> in_precision(int64_t value, int32_t from, int32_t to) {
  int64_t scaled = 0;
  const int64_t factor = units_of(to) / units_of(from);
  if (factor > 1 && __builtin_mul_overflow(value, factor, &scaled)) { return std::nullopt; }
  return with_precision(value, from, to);
}

int64_t with_precision(int64_t value, int32_t from, int32_t to) {
  constexpr int64_t kPowers[] = {1,       10,        100,        1'000,       10'000,
                                 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};
  const int64_t from_units = units_of(from);
  const int64_t to_units = units_of(to);
  if (to_units > from_units) {
    int64_t scaled = 0;
    const bool over = __builtin_mul_overflow(value, to_units / from_units, &scaled);
    return over ? (value < 0 ? INT64_MIN : INT64_MAX) : scaled;
  }
  value = to_units < from_units ? floor_div(value, from_units / to_units) : value;
  if (to >= from || to < 0 || to > 9) { return value; }
  const int64_t step = to_units / kPowers[to];
  return step > 1 ? wrapping_subtract(value, floor_mod(value, step)) : value;
}

std::optional<int64_t> parse_timestamp_text(std::string_view text, int32_t precision) {
  Reader reader{without_blanks(text)};
  CivilTime civil;
  civil.year = reader.number(4, 4, 0, 9999);
  reader.need('-');
  civil.month = reader.number(1, 2, 1, 12);
  reader.need('-');
  civil.day = reader.number(1, 2, 1, 31);
  int32_t ns = 0;
  if (reader.ok && !reader.done()) {
    reader.need(' ');
    civil.hour = reader.number(1, 2, 0, 23);
    reader.need(':');
    civil.minute = reader.number(1, 2, 0, 59);
    reader.need(':');
    civil.second = reader.number(1, 2, 0, 59);
    if (reader.take('.')) { ns = reader.fraction_ns(); }
  }
  if (!reader.ok || !reader.done() || !is_day(civil)) { return std::nullopt; }
  const int64_t units = units_of(precision);
  const int64_t seconds = ms_from_civil(civil) / kMsPerSecond;
  const int64_t behind = ns / (1'000'000'000 / units);
  // The first second of all begins out of range: those before 1970 count from their end.
  const bool is_before = seconds < 0;
  int64_t value = 0;
  if (__builtin_mul_overflow(seconds + (is_before ? 1 : 0), units, &value) ||
      __builtin_add_overflow(value, is_before ? behind - units : behind, &value)) {
    return std::nullopt;
  }
  return with_precision(value, 9 - (precision <= 3 ? 6 : precision <= 6 ? 3 : 0), precision);
}

std::optional<int32_t> parse_date_text(std::string_view text) {
  text = without_blanks(text);
  const size_t blank = text.find(' ');
  if (blank != std::string_view::npos && blank > 0) { text = text.substr(0, blank); }
  Reader reader{text};
  CivilTime civil;
  civil.year = reader.number(1, 4, 0, 9999);
  if (reader.take('-')) {
    civil.month = reader.number(1, 2, 1, 12);
    if (reader.take('-')) { civil.day = reader.number(1, 2, 1, 31); }
  }
  if (!reader.ok || !reader.done() || !is_day(civil)) { return std::nullopt; }
  return static_cast<int32_t>(days_from_civil(civil.year, civil.month, civil.day));
}

std::optional<int32_t> parse_time_text(std::string_view text) {
  Reader reader{without_blanks(text)};
  CivilTime civil;
  int32_t ns = 0;
  civil.hour = reader.number(1, 2, 0, 23);
  if (reader.take(':')) {
    civil.minute = reader.number(1, 2, 0, 59);
    if (reader.take(':')) {
      civil.second = reader.number(1, 2, 0, 59);
      if (reader.take('.')) { ns = reader.fraction_ns(); }
    }
  }
  if (!reader.ok || !reader.done()) { return std::nullopt; }
  return static_cast<int32_t>(((civil.hour * 60 + civil.minute) * 60 + civil.second) * 1000 +
                              ns / 1'000'000);
}

CivilTime civil_of_day(int64_t days) {
  constexpr int64_t kDaysMax = INT64_MAX / kMsPerDay;
  return civil_from_ms((days > kDaysMax    ? kDaysMax
                        : days < -kDaysMax ? -kDaysMax
                                           : days) *
                       kMsPerDay);
}

int64_t local_of_utc_ms(TimeZone& zone, int64_t utc_ms) {
  return saturating_add(utc_ms, zone.offset_ms(utc_ms));
}

int64_t utc_of_local_ms(TimeZone& zone, int64_t local_ms) {
  // Before and after a change of the clocks nearby.
  const int64_t before = zone.offset_ms(saturating_subtract(local_ms, kMsPerDay));
  const int64_t by_before = saturating_subtract(local_ms, before);
  if (zone.offset_ms(by_before) == before) { return by_before; }
  const int64_t after = zone.offset_ms(saturating_add(local_ms, kMsPerDay));
  const int64_t by_after = saturating_subtract(local_ms, after);
  return zone.offset_ms(by_after) == after ? by_after : by_before;
}

}  // namespace tidewheel::sql
