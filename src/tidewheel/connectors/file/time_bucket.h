// The folders of rows by time: one for every hour, say.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/base/status.h"
#include "tidewheel/base/time_zone.h"
#include "tidewheel/types/time.h"

namespace tidewheel::file {

struct TimeBucket {
  std::string pattern =
      "yyyy-MM-dd--HH";      // types/time.h, TimePattern; '/' makes folders in folders
  std::string zone = "UTC";  // or "+02:00", "Europe/Berlin", "system" (base/time_zone.h)
  bool event_time = false;   // of the row; else the wall clock's
};

// Gives times their folder. One thread.
class TimeBucketNames {
 public:
  // Errors: kConnectorOption.
  static Result<TimeBucketNames> make(const TimeBucket& bucket);
  // Valid until the next call. Errors: kConnectorOption for a row without the time that is asked
  // for.
  Result<std::string_view> of(int64_t timestamp_ms, int64_t now_ms);

 private:
  TimeBucketNames(TimePattern pattern, TimeZone zone, int64_t step_ms, bool event_time)
      : pattern_(std::move(pattern)), zone_(zone), step_ms_(step_ms), event_time_(event_time) {}

  TimePattern pattern_;
  TimeZone zone_;
  int64_t step_ms_;  // times of one step have one name
  bool event_time_;
  bool has_name_ = false;
  int64_t step_ = 0;  // of `name_`
  std::string name_;
};

}  // namespace tidewheel::file
