#include "tidewheel/connectors/file/time_bucket.h"

#include <charconv>
#include <optional>

#include "tidewheel/dataflow/batch.h"

namespace tidewheel::file {
namespace {

// "UTC", "Z", "+02:00", "-0530" or "+1" in milliseconds.
std::optional<int64_t> parse_zone(std::string_view zone) {
  if (zone == "UTC" || zone == "Z") { return 0; }
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

}  // namespace

Result<TimeBucketNames> TimeBucketNames::make(const TimeBucket& bucket) {
  const std::optional<int64_t> offset = parse_zone(bucket.zone);
  if (!offset.has_value()) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "the zone of by_time accepts UTC or an offset such as +02:00, not '{}'",
                            bucket.zone);
  }
  std::optional<TimePattern> pattern = TimePattern::compile(bucket.pattern);
  if (!pattern.has_value() || bucket.pattern.empty() || bucket.pattern.starts_with('/') ||
      bucket.pattern.starts_with('.')) {
    return invalid_argument(
        ErrorId::kConnectorOption,
        "the pattern of by_time accepts letters for times such as yyyy-MM-dd--HH, not '{}'",
        bucket.pattern);
  }
  int64_t step_ms = 60'000;
  if (bucket.pattern.find('s') != std::string::npos) { step_ms = 1000; }
  if (bucket.pattern.find('S') != std::string::npos) { step_ms = 1; }
  return TimeBucketNames(std::move(*pattern), *offset, step_ms, bucket.event_time);
}

Result<std::string_view> TimeBucketNames::of(int64_t timestamp_ms, int64_t now_ms) {
  if (event_time_ && timestamp_ms == kNoTimestamp) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "by_time with event_time is for rows that have an event time: use "
                            "event_time(...) before the sink");
  }
  const int64_t local_ms = (event_time_ ? timestamp_ms : now_ms) + offset_ms_;
  const int64_t step = local_ms / step_ms_ - (local_ms % step_ms_ < 0 ? 1 : 0);
  if (!has_name_ || step != step_) {
    has_name_ = true;
    step_ = step;
    name_ = pattern_.format(step * step_ms_);
  }
  return std::string_view(name_);
}

}  // namespace tidewheel::file
