#include "tidewheel/base/time_zone.h"

// As libdate-tz is built: with the system's data.
#define USE_OS_TZDB 1
#define ONLY_C_LOCALE 1
#define HAS_STRING_VIEW 1
#include <date/tz.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <exception>
#include <optional>
#include <vector>

#include "tidewheel/base/config.h"

namespace tidewheel {
namespace {

// Beyond these the calendar of the library ends; the offset is that of the edge.
constexpr int64_t kFirstMs = -int64_t{62'135'596'800} * 1000;  // the year 1
constexpr int64_t kLastMs = int64_t{253'402'300'799} * 1000;   // the year 9999

// "+02:00", "-0530" or "+1" in milliseconds; also behind UTC, GMT or UT, as Java writes it.
std::optional<int64_t> parse_offset(std::string_view zone) {
  for (const std::string_view name : {"UTC", "GMT", "UT"}) {
    if (!zone.starts_with(name)) { continue; }
    zone.remove_prefix(name.size());
    break;
  }
  if (zone.size() < 2 || (zone[0] != '+' && zone[0] != '-')) { return std::nullopt; }
  const int64_t sign = zone[0] == '-' ? -1 : 1;
  const auto number = [](std::string_view digits, int32_t max) -> std::optional<int64_t> {
    int32_t value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole = error == std::errc() && end == digits.data() + digits.size();
    return whole && value >= 0 && value <= max ? std::optional<int64_t>(value) : std::nullopt;
  };
  zone.remove_prefix(1);
  std::string_view minutes = "0";
  if (zone.size() > 2) {
    minutes = zone.substr(zone[2] == ':' ? 3 : 2);
    if (minutes.size() != 2) { return std::nullopt; }
    zone = zone.substr(0, 2);
  }
  const auto hours = number(zone, 18);
  const auto rest = number(minutes, 59);
  if (!hours.has_value() || !rest.has_value()) { return std::nullopt; }
  return sign * (*hours * 60 + *rest) * 60'000;
}

bool same_but_for_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

// The name that was meant: by its last part, or by spelling.
std::string nearest_zone(std::string_view name) {
  std::vector<std::string_view> names;
  for (const date::time_zone& zone : date::get_tzdb().zones) { names.push_back(zone.name()); }
  for (const std::string_view known : names) {
    if (same_but_for_case(known, name) ||
        same_but_for_case(known.substr(known.rfind('/') + 1), name)) {
      return std::string(known);
    }
  }
  return nearest_text(name, names);
}

Status unknown(std::string_view name) {
  std::string nearest;
  try {
    nearest = nearest_zone(name);
  } catch (const std::exception& exception) {
    return invalid_argument(ErrorId::kBadParameter,
                            "the system has no time zone data, so a zone is UTC or an offset such "
                            "as +02:00, not '{}' ({})",
                            name, exception.what());
  }
  return invalid_argument(ErrorId::kBadParameter,
                          "a time zone is UTC, system, an offset such as +02:00 or a name such as "
                          "Europe/Berlin, not '{}'{}",
                          name, nearest.empty() ? "" : "; did you mean '" + nearest + "'?");
}

}  // namespace

Result<TimeZone> TimeZone::find(std::string_view name) {
  TimeZone zone;
  if (name == "UTC" || name == "Z") { return zone; }
  if (const auto offset = parse_offset(name)) {
    zone.offset_ms_ = *offset;
    return zone;
  }
  if (name.empty()) { return unknown(name); }
  try {
    zone.zone_ = name == "system" ? date::current_zone() : date::locate_zone(std::string(name));
    zone.first_ms_ = 0;
    zone.last_ms_ = -1;
  } catch (const std::exception&) {
    if (name == "system") { return TimeZone(); }
    return unknown(name);
  }
  return zone;
}

void TimeZone::look_up(int64_t utc_ms) {
  const int64_t at_ms = std::clamp(utc_ms, kFirstMs, kLastMs);
  const auto& zone = *static_cast<const date::time_zone*>(zone_);
  const date::sys_info info =
      zone.get_info(date::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(at_ms)));
  const int64_t from_s = info.begin.time_since_epoch().count();
  const int64_t to_s = info.end.time_since_epoch().count();
  first_ms_ = from_s <= kFirstMs / 1000 ? INT64_MIN : from_s * 1000;
  last_ms_ = to_s > kLastMs / 1000 ? INT64_MAX : to_s * 1000 - 1;
  offset_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(info.offset).count();
}

}  // namespace tidewheel
