#include "tidewheel/connectors/file/time_bucket.h"

#include <optional>

#include "tidewheel/dataflow/batch.h"

namespace tidewheel::file {

Result<TimeBucketNames> TimeBucketNames::make(const TimeBucket& bucket) {
  const Result<TimeZone> zone = TimeZone::find(bucket.zone);
  if (!zone.ok()) {
    return invalid_argument(ErrorId::kConnectorOption, "the zone of by_time: {}",
                            zone.status().message());
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
  return TimeBucketNames(std::move(*pattern), *zone, step_ms, bucket.event_time);
}

Result<std::string_view> TimeBucketNames::of(int64_t timestamp_ms, int64_t now_ms) {
  if (event_time_ && timestamp_ms == kNoTimestamp) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "by_time with event_time is for rows that have an event time: use "
                            "event_time(...) before the sink");
  }
  const int64_t utc_ms = event_time_ ? timestamp_ms : now_ms;
  const int64_t local_ms = saturating_add(utc_ms, zone_.offset_ms(utc_ms));
  const int64_t step = local_ms / step_ms_ - (local_ms % step_ms_ < 0 ? 1 : 0);
  if (!has_name_ || step != step_) {
    has_name_ = true;
    step_ = step;
    name_ = pattern_.format(step * step_ms_);
  }
  return std::string_view(name_);
}

}  // namespace tidewheel::file
